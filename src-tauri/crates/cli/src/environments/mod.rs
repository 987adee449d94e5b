//! `perfctl env`: environments, and where one comes from when it is not in the local store.
pub(crate) mod args;

use perfdeck_engine as api;
use perfdeck_engine::environments::{EnvCreate, EnvDuplicate};
use perfdeck_engine::{ById, Described, Empty, Engine, draft_from_own_dotenv, draft_from_variables};
use std::path::Path;
use std::sync::Arc;

use perfdeck_model::masking;
use perfdeck_model::{
    ApiError, DEMO_ENVIRONMENT_ID, Environment, EnvironmentDraft, ErrorCode, SecretInput, SecretSource, StageOutcome,
};

use crate::answers::{Environments, OneEnvironment, Removed, Tested};
use crate::args::Source;
use crate::environments::args::{EnvAdd, EnvCommand};
use crate::files::{read, read_bytes};
use crate::output::{self, Done, plain};
use crate::{FAILED, FINE, prepare, unless_stopped};

/// A description of an environment is a page of text, not a disk image.
const FILE_LIMIT: u64 = 1 << 20;
/// Keys of `[targets]` that are easily written above it.
const TARGETS: &[&str] = &[
    "database",
    "database_password",
    "cache",
    "cache_password",
    "cache_sentinel_password",
    "cache_default_ttl_s",
    "cache_templates",
    "api",
    "api_probe_path",
    "api_headers",
    "api_authorization",
    "host",
    "host_secret",
    "frontend",
];

/// Why a file is no description of an environment. The parser's message may quote a line with a password, so its place and
/// the kind of the mistake are told, and a key only where it is a slip for a known one.
fn not_a_description(path: &Path, text: &str, error: &toml::de::Error) -> ApiError {
    let at = error.span().map_or(0, |s| s.start.min(text.len()));
    let line = text[..at].matches('\n').count() + 1;
    let message = format!(
        "{} is not a description of an environment: line {line}: {}",
        path.display(),
        masking::reading_failed(error.message())
    );
    let key = error.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let hint = match key.filter(|key| TARGETS.contains(key)) {
        Some(key) if !error.message().contains("`database_password`") => {
            format!("'{key}' belongs under [targets]")
        }
        _ => "name = \"clinic\"; kind = \"staging\"; [targets]; database = \"postgres://…\"; docs/environments.md has all keys"
            .to_owned(),
    };
    ApiError::bad_request(message).hint(hint)
}

/// The draft of what variables describe, after its notes were told.
fn told(described: Described) -> EnvironmentDraft {
    for note in &described.notes {
        output::note(&format!("note: {}", plain(note)));
    }
    described.draft
}

/// The environment that a file or the process's variables describe.
fn draft(source: &Source) -> Result<Option<EnvironmentDraft>, ApiError> {
    if let Some(path) = &source.config {
        let text = read(path, FILE_LIMIT)?;
        let draft = toml::from_str(&text).map_err(|e| not_a_description(path, &text, &e))?;
        return Ok(Some(draft));
    }
    if let Some(path) = &source.env_file {
        let bytes = read_bytes(path, FILE_LIMIT)?;
        // Relative paths in it are from its own folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        return draft_from_own_dotenv(&bytes, &path).map(told).map(Some);
    }
    if source.from_env {
        // What is no text in UTF-8 is none of the variables that are read.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            name.into_string().ok().zip(value.into_string().ok())
        };
        return draft_from_variables(std::env::vars_os().filter_map(text)).map(told).map(Some);
    }
    Ok(None)
}

/// The environment that is meant: by name, or described by a file or variables and then of this process only.
pub(crate) async fn resolve(
    engine: &Arc<Engine>,
    name: Option<&str>,
    source: &Source,
) -> Result<Option<Environment>, ApiError> {
    let Some(draft) = draft(source)? else {
        let Some(name) = name else { return Ok(None) };
        // The demo's targets are known once it runs.
        prepare(engine, name).await?;
        return api::environments::get(engine.clone(), ById { id: name.to_owned() }).await.map(Some);
    };
    // A name of the command line would be one that nobody gave the environment, and guards ask for its name.
    if let Some(name) = name.filter(|name| *name != draft.name) {
        let shown = masking::shown(name);
        return Err(ApiError::bad_request(format!(
            "'{shown}' is not the environment of {}, which is called '{}'",
            source.option(),
            masking::title(&draft.name)
        ))
        .hint("Leave the name out, or the option to use a stored environment"));
    }
    engine.process_environment(&draft).map(Some)
}

/// As [`resolve`], for commands that cannot do without.
pub(crate) async fn require(
    engine: &Arc<Engine>,
    name: Option<&str>,
    source: &Source,
) -> Result<Environment, ApiError> {
    resolve(engine, name, source).await?.ok_or_else(|| {
        ApiError::bad_request("No environment is named")
            .hint("Name one ('perfctl env list' shows them), or use --config, --env-file or --from-env")
    })
}

fn ask(what: &str) -> Result<SecretInput, ApiError> {
    let term = console::Term::stderr();
    let refused = |e: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("The {what} password cannot be asked for: {e}"))
            .hint(format!("Without a terminal, name a variable with --{what}-password-env"))
    };
    if !term.is_term() {
        return Err(refused(&"there is no terminal"));
    }
    output::note(&format!("Password of the {what}, not echoed:"));
    let value = term.read_secure_line().map_err(|e| refused(&e))?;
    Ok(SecretInput::Set { value })
}

/// Refuses a secret that the file gives already.
fn once(option: &str, source: &Source, field: &SecretInput) -> Result<(), ApiError> {
    if *field == SecretInput::Keep {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("{option} and {} both give this secret", source.option()))
        .hint("Remove one of them"))
}

pub(crate) async fn add(engine: &Arc<Engine>, add: &EnvAdd, source: &Source, json: bool) -> Done {
    let mut draft = draft(source)?.unwrap_or_default();
    add.name.clone_into(&mut draft.name);
    if let Some(kind) = add.kind {
        draft.kind = kind;
    }
    let t = &mut draft.targets;
    for (given, field) in [
        (&add.database, &mut t.database),
        (&add.cache, &mut t.cache),
        (&add.api, &mut t.api),
        (&add.api_probe_path, &mut t.api_probe_path),
        (&add.host, &mut t.host),
        (&add.frontend, &mut t.frontend),
    ] {
        if given.is_some() {
            field.clone_from(given);
        }
    }
    if !add.cache_template.is_empty() {
        t.cache_templates.get_or_insert_default().extend(add.cache_template.iter().cloned());
    }
    // A password of the file belongs to the file's target; another one does not get it.
    for (given, secrets) in [
        (&add.database, vec![&mut t.database_password]),
        (&add.cache, vec![&mut t.cache_password, &mut t.cache_sentinel_password]),
        (&add.api, vec![&mut t.api_authorization]),
        (&add.host, vec![&mut t.host_secret]),
    ] {
        if given.is_some() {
            secrets.into_iter().for_each(|secret| *secret = SecretInput::Keep);
        }
    }
    for (option, given, field) in [
        ("--database-password-env", &add.database_password_env, &mut t.database_password),
        ("--cache-password-env", &add.cache_password_env, &mut t.cache_password),
        ("--cache-sentinel-password-env", &add.cache_sentinel_password_env, &mut t.cache_sentinel_password),
        ("--api-authorization-env", &add.api_authorization_env, &mut t.api_authorization),
    ] {
        if let Some(name) = given {
            once(option, source, field)?;
            *field = SecretInput::Env { name: name.clone() };
        }
    }
    for (option, asked, what, field) in [
        ("--ask-database-password", add.ask_database_password, "database", &mut t.database_password),
        ("--ask-cache-password", add.ask_cache_password, "cache", &mut t.cache_password),
    ] {
        if asked {
            once(option, source, field)?;
            *field = ask(what)?;
        }
    }
    let environment = api::environments::create(engine.clone(), EnvCreate { draft }).await?;
    say_what_is_lost(&environment);
    print(&environment, json)
}

/// Says which secrets end with this process, while they can still be given in another way.
fn say_what_is_lost(environment: &Environment) {
    let t = &environment.targets;
    let lost: Vec<(&str, &str)> = [
        ("database", "--database-password-env NAME", t.database.as_ref().map(|d| &d.password)),
        ("cache", "--cache-password-env NAME", t.cache.as_ref().map(|c| &c.password)),
        ("api", "--api-authorization-env NAME", t.api.as_ref().map(|a| &a.authorization)),
        ("host", "", t.host.as_ref().map(|h| &h.secret)),
    ]
    .into_iter()
    .filter(|(.., source)| *source == Some(&SecretSource::Session))
    .map(|(target, option, _)| (target, option))
    .collect();
    if lost.is_empty() {
        return;
    }
    let names: Vec<&str> = lost.iter().map(|(target, _)| *target).collect();
    output::note(&format!(
        "warning: the password of the {} is not kept: there is no keychain here, and this command's memory ends with it",
        names.join(" and of the ")
    ));
    let options: Vec<&str> = lost.iter().map(|(_, option)| *option).filter(|o| !o.is_empty()).collect();
    let reference =
        if options.is_empty() { String::new() } else { format!("; or name a variable: {}", options.join(" ")) };
    output::note(&format!(
        "hint: perfctl env remove {}, then add it again: with a keychain that is unlocked; or with PERFDECK_SECRET_STORE=file \
         and PERFDECK_PASSPHRASE, which keep it in an encrypted file{reference}",
        shell_word(&environment.name)
    ));
}

/// A name as a shell takes it.
fn shell_word(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

pub(crate) async fn list(engine: &Arc<Engine>, json: bool) -> Done {
    let environments = api::environments::list(engine.clone(), Empty {}).await?;
    if json {
        output::json(&Environments { schema: "perfdeck.environments/1", environments })?;
        return Ok(FINE);
    }
    let rows: Vec<Vec<String>> = environments
        .iter()
        .map(|e| {
            let targets: Vec<String> = e.targets.iter().map(|(r, a)| format!("{} {a}", r.as_str())).collect();
            let targets =
                if e.demo && targets.is_empty() { "built on first use".to_owned() } else { targets.join(", ") };
            vec![e.name.clone(), e.kind.as_str().to_owned(), e.runs.to_string(), targets]
        })
        .collect();
    output::table(&["name", "kind", "runs", "targets"], &rows)?;
    Ok(FINE)
}

pub(crate) async fn show(engine: &Arc<Engine>, name: Option<&str>, source: &Source, json: bool) -> Done {
    // Showing the demo does not build it.
    let environment = match name {
        Some(DEMO_ENVIRONMENT_ID) => {
            api::environments::get(engine.clone(), ById { id: DEMO_ENVIRONMENT_ID.to_owned() }).await?
        }
        name => require(engine, name, source).await?,
    };
    print(&environment, json)
}

fn print(e: &Environment, json: bool) -> Done {
    if json {
        output::json(&OneEnvironment { schema: "perfdeck.environment/1", environment: e.clone() })?;
        return Ok(FINE);
    }
    let t = &e.targets;
    let kept = |source: &SecretSource| match source {
        SecretSource::None => None,
        SecretSource::Keychain => Some("in the keychain".to_owned()),
        SecretSource::File => Some("in the encrypted file".to_owned()),
        SecretSource::Session => Some("in the memory of the process that it was given to".to_owned()),
        SecretSource::Env { name } => Some(format!("in the variable {name}")),
    };
    let mut rows = vec![
        vec!["name".to_owned(), e.name.clone()],
        vec!["kind".to_owned(), e.kind.as_str().to_owned()],
        vec!["id".to_owned(), e.id.clone()],
    ];
    let targets = [
        ("database", t.database.as_ref().map(|d| d.address.url())),
        ("cache", t.cache.as_ref().map(|c| c.address.url())),
        ("api", t.api.as_ref().map(|a| a.url.clone())),
        ("host", t.host.as_ref().map(|h| h.url.clone())),
        ("frontend", t.frontend.as_ref().map(|f| f.location.clone())),
    ];
    rows.extend(targets.into_iter().filter_map(|(n, a)| a.map(|a| vec![n.to_owned(), a])));
    rows.extend(
        t.cache_templates.iter().map(|(name, pattern)| vec![format!("cache template {name}"), pattern.clone()]),
    );
    let secrets = [
        ("database secret", t.database.as_ref().and_then(|d| kept(&d.password))),
        ("cache secret", t.cache.as_ref().and_then(|c| kept(&c.password))),
        ("api secret", t.api.as_ref().and_then(|a| kept(&a.authorization))),
        ("host secret", t.host.as_ref().and_then(|h| kept(&h.secret))),
    ];
    rows.extend(secrets.into_iter().filter_map(|(n, kept)| kept.map(|kept| vec![n.to_owned(), kept])));
    let p = &e.pool;
    rows.push(vec![
        "pool".to_owned(),
        format!("{} + {} overflow, timeout {} s, recycle {} s", p.size, p.max_overflow, p.timeout_s, p.recycle_s),
    ]);
    let g = &e.guards;
    let mut guards = Vec::new();
    if g.read_only {
        guards.push("read-only".to_owned());
    }
    if g.typed_confirmation {
        guards.push("typed confirmation".to_owned());
    }
    if let Some(rate) = g.max_rate_per_s {
        guards.push(format!("at most {rate} requests/s"));
    }
    rows.push(vec!["guards".to_owned(), if guards.is_empty() { "none".to_owned() } else { guards.join(", ") }]);
    output::table(&["", ""], &rows)?;
    Ok(FINE)
}

pub(crate) async fn test(engine: &Arc<Engine>, name: Option<&str>, source: &Source, json: bool) -> Done {
    let environment = require(engine, name, source).await?;
    let asked = api::environments::test(engine.clone(), ById { id: environment.id.clone() });
    let targets = unless_stopped(asked).await?;
    if targets.is_empty() {
        let error = ApiError::bad_request(format!("'{}' has no targets: there is nothing to test", environment.name));
        let hint = if source.is_given() {
            "Give it one in its file or variables: a database, a cache or an API".to_owned()
        } else {
            format!(
                "Add one in its settings in the window; or perfctl env remove {name}, then perfctl env add {name} with \
                 --database, --cache or --api",
                name = shell_word(&environment.name)
            )
        };
        return Err(error.hint(hint).into());
    }
    let ok = targets.iter().all(|t| t.ok);
    if json {
        output::json(&Tested { schema: "perfdeck.test/1", environment: environment.name, ok, targets })?;
        return Ok(if ok { FINE } else { FAILED });
    }
    for target in &targets {
        let version = target.version.as_deref().map(|v| format!(" ({v})")).unwrap_or_default();
        output::line(&plain(&format!("{} {}{version}", target.role.as_str(), target.address)))?;
        for stage in &target.stages {
            let word = match stage.outcome {
                StageOutcome::Ok => "ok",
                StageOutcome::Warning => "warning",
                StageOutcome::Failed => "failed",
                StageOutcome::Skipped => "skipped",
            };
            let name =
                serde_json::to_value(stage.stage).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            output::line(&plain(&format!("  {name:<15} {word:<8} {}", stage.detail)))?;
            if let Some(fix) = &stage.fix {
                output::under(&format!("  {:<15} {:<8}", "", "fix:"), fix).iter().try_for_each(|l| output::line(l))?;
            }
        }
    }
    for error in targets.iter().filter_map(|t| t.error.as_ref()) {
        output::error(error);
    }
    Ok(if ok { FINE } else { FAILED })
}

pub(crate) async fn remove(engine: &Arc<Engine>, name: &str, json: bool) -> Done {
    if name == DEMO_ENVIRONMENT_ID {
        let error = ApiError::new(ErrorCode::Conflict, "'demo' is built in and always exists");
        return Err(error.hint("Remove one of your own; 'perfctl env list' shows them").into());
    }
    let environment = api::environments::get(engine.clone(), ById { id: name.to_owned() }).await?;
    let in_force = !engine.changes_in_force(Some(&environment.id)).await?.is_empty();
    let gone = api::environments::delete(engine.clone(), ById { id: environment.id.clone() }).await?;
    if in_force {
        output::note("note: changes of its targets are in force; they can be undone again once it was brought back");
    }
    let removed = Removed {
        schema: "perfdeck.removed/1",
        id: environment.id,
        name: environment.name,
        undo_until_ms: gone.undo_until_ms,
    };
    if json {
        output::json(&removed)?;
    } else {
        output::line(&plain(&format!("removed {}", removed.name)))?;
    }
    Ok(FINE)
}

pub(crate) async fn duplicate(engine: &Arc<Engine>, name: &str, new_name: Option<&str>, json: bool) -> Done {
    let asked = EnvDuplicate { id: name.to_owned(), name: new_name.map(str::to_owned), draft: None };
    let environment = api::environments::duplicate(engine.clone(), asked).await?;
    print(&environment, json)
}

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &EnvCommand, source: &Source, json: bool) -> Done {
    match command {
        EnvCommand::Add(new) => add(engine, new, source, json).await,
        EnvCommand::List => list(engine, json).await,
        EnvCommand::Show(name) => show(engine, name.name.as_deref(), source, json).await,
        EnvCommand::Test(name) => test(engine, name.name.as_deref(), source, json).await,
        EnvCommand::Remove { name } => remove(engine, name, json).await,
        EnvCommand::Duplicate { name, new_name } => duplicate(engine, name, new_name.as_deref(), json).await,
    }
}
