//! A secret belongs to a target, by scheme, hosts, ports and user: what was given for one is never sent to another, whatever
//! the environment is called and however its address is edited.
use perfdeck_model::masking::is_secret_name;
use perfdeck_model::parameters;
use perfdeck_model::{
    Address, ApiError, CacheTarget, Environment, EnvironmentDraft, ErrorCode, Pasted, Scheme, SecretInput,
    SecretSource, Sensitive, TargetRole, Targets, TargetsDraft,
};

use crate::Engine;
use crate::features::environments::sentinels;
use crate::features::environments::sources::secret_source;

/// Before the user of a cache that is kept with the secrets, see [`hide_account`].
const ACCOUNT: &str = "perfdeck-account:";

/// A network address by what a secret belongs to.
fn of_address(address: &Address) -> String {
    let url = address.url();
    let scheme = url.split("://").next().unwrap_or_default();
    let mut hosts: Vec<String> = address.hosts.iter().map(|h| h.to_string().to_lowercase()).collect();
    hosts.sort();
    let user = address.username.as_deref().map(|u| format!("{u}@")).unwrap_or_default();
    format!("{scheme}://{user}{}", hosts.join(","))
}

/// A URL by what a secret belongs to.
fn of_url(url: &str) -> Option<String> {
    let (prefix, rest) = url.strip_prefix("prometheus+").map_or(("", url), |rest| ("prometheus+", rest));
    let (address, _) = Address::parse(rest).ok()?;
    Some(format!("{prefix}{}", of_address(&address)))
}

/// Target that a secret belongs to: scheme, user, hosts with their ports. `None` where there is nothing to sign in to.
pub(crate) fn target_of(targets: &Targets, role: TargetRole) -> Option<String> {
    match role {
        TargetRole::Database => {
            targets.database.as_ref().filter(|d| d.address.scheme != Scheme::Sqlite).map(|d| of_address(&d.address))
        }
        TargetRole::Cache => {
            targets.cache.as_ref().filter(|c| c.address.scheme != Scheme::Memory).map(|c| of_address(&c.address))
        }
        TargetRole::Api => of_url(&targets.api.as_ref()?.url),
        TargetRole::Host => of_url(&targets.host.as_ref()?.url),
        TargetRole::Frontend => None,
    }
}

/// The key of a target's secret in the vault.
pub(crate) fn key(environment_id: &str, role: TargetRole, target: &str) -> String {
    format!("{environment_id}/{}@{target}", role.as_str())
}

/// The key that versions before this one used: of the environment, whatever its target. A secret is still read there, once,
/// because a changed target makes this version forget it.
pub(crate) fn old_key(environment_id: &str, role: TargetRole) -> String {
    format!("{environment_id}/{}", role.as_str())
}

/// The field of a role's secret in a draft.
fn field(role: TargetRole) -> &'static str {
    match role {
        TargetRole::Database => "database_password",
        TargetRole::Cache => "cache_password",
        TargetRole::Api => "api_authorization",
        TargetRole::Host | TargetRole::Frontend => "host_secret",
    }
}

/// Refuses an edit that would send a kept secret to another target.
pub(crate) fn stays_with_its_target(
    old: &Environment,
    new: &Targets,
    secrets: &[(TargetRole, SecretInput)],
) -> Result<(), ApiError> {
    for (role, input) in secrets {
        if *input != SecretInput::Keep || secret_source(old, *role) == SecretSource::None {
            continue;
        }
        let (was, is) = (target_of(&old.targets, *role), target_of(new, *role));
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            return Err(ApiError::bad_request(format!(
                "{}: The kept secret belongs to {was}, not to {is}",
                field(*role)
            ))
            .hint("Give the secret of the new target, or forget the kept one"));
        }
    }
    Ok(())
}

/// Refuses parameters of an address that are secrets: what is stored of an address is shown. Those of the table are not;
/// the reader took its secrets out.
pub(crate) fn no_secret_parameters(field: &str, address: &Address) -> Result<(), ApiError> {
    let unknown = |name: &&String| parameters::parameter(address.scheme, name).is_none();
    match address.params.keys().filter(unknown).find(|name| is_secret_name(name)) {
        Some(name) => Err(ApiError::bad_request(format!(
            "{field}: The parameter '{name}' is a secret, and is not stored"
        ))
        .hint("Leave it out; a password is written before the @, where it is taken out and kept with the secrets")),
        None => Ok(()),
    }
}

/// Takes the user out of a cache's address that has one and no password: `redis://TEXT@host` is how an account without a
/// password is written, and how people write a password by mistake. It is used as the account, and kept like a password.
/// `redis://USER:@host`, or a password beside it, says that it is a user.
pub(crate) fn hide_account(text: &str, address: &mut Address) -> Option<Sensitive> {
    if address.scheme != Scheme::Redis {
        return None;
    }
    let authority =
        text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user)?;
    if user.contains(':') {
        return None;
    }
    address.username.take().map(|user| Sensitive::new(format!("{ACCOUNT}{user}")))
}

/// A cache with its user, where that is kept with the secrets, and its password.
pub(crate) fn with_account(target: &CacheTarget, secret: Option<Sensitive>) -> (CacheTarget, Option<Sensitive>) {
    let (mut target, secret) = sentinels::apart(target.clone(), secret);
    if let Some(user) = secret.as_ref().and_then(|s| s.expose().strip_prefix(ACCOUNT)) {
        target.address.username = Some(user.to_owned());
        return (target, None);
    }
    (target, secret)
}

/// The secrets of a draft with their roles.
///
/// That of the Sentinels is not among them: it belongs to the cache's address.
fn inputs(t: &mut TargetsDraft) -> [(TargetRole, &mut Option<String>, &mut SecretInput); 4] {
    [
        (TargetRole::Database, &mut t.database, &mut t.database_password),
        (TargetRole::Cache, &mut t.cache, &mut t.cache_password),
        (TargetRole::Api, &mut t.api, &mut t.api_authorization),
        (TargetRole::Host, &mut t.host, &mut t.host_secret),
    ]
}

impl Engine {
    /// The draft that a file describes, as it is sent to a form: its passwords stay here.
    ///
    /// # Errors
    /// An address that cannot be read, naming its field: what is not understood may be a password.
    pub(crate) fn held_back(&self, mut draft: EnvironmentDraft) -> Result<EnvironmentDraft, ApiError> {
        let mut sentinel = std::mem::take(&mut draft.targets.cache_sentinel_password);
        self.hold(&mut sentinel);
        for (role, address, secret) in inputs(&mut draft.targets) {
            self.hold(secret);
            let Some(text) = address.as_mut().filter(|t| !matches!(t.trim(), "" | "local")) else { continue };
            let (prefix, rest) = text.strip_prefix("prometheus+").map_or(("", &**text), |rest| ("prometheus+", rest));
            // The reader's words never repeat what was entered.
            let Pasted { address: mut read, password: mut pasted, sentinel_password } = Address::read(rest)
                .map_err(|e| ApiError::bad_request(format!("{}: {}", role.as_str(), e.message)).hint(e.hint))?;
            let inside = pasted.is_some() || sentinel_password.is_some();
            if let Some(own) = sentinel_password.filter(|_| sentinel == SecretInput::Keep) {
                sentinel = SecretInput::Held { id: self.core.vault.hold(own) };
            }
            no_secret_parameters(role.as_str(), &read)?;
            if pasted.is_none() && role == TargetRole::Cache && *secret == SecretInput::Keep {
                pasted = hide_account(rest, &mut read);
            }
            if inside || pasted.is_some() {
                let shown = format!("{prefix}{}", read.url());
                *text = shown;
            }
            if let Some(password) = pasted
                && *secret == SecretInput::Keep
            {
                *secret = SecretInput::Held { id: self.core.vault.hold(password) };
            }
        }
        draft.targets.cache_sentinel_password = sentinel;
        Ok(draft)
    }

    /// Keeps a secret of a file here.
    fn hold(&self, secret: &mut SecretInput) {
        if let SecretInput::Set { value } = secret {
            *secret = SecretInput::Held { id: self.core.vault.hold(Sensitive::new(std::mem::take(value))) };
        }
    }

    /// A draft with the secrets that are held here.
    ///
    /// # Errors
    /// [`ErrorCode::SecretMissing`] for one that is held no more.
    pub(crate) fn with_held(&self, draft: &EnvironmentDraft) -> Result<EnvironmentDraft, ApiError> {
        let mut draft = draft.clone();
        let mut sentinel = std::mem::take(&mut draft.targets.cache_sentinel_password);
        let secrets = inputs(&mut draft.targets).into_iter().map(|(role, _, secret)| (role, secret));
        for (role, secret) in secrets.chain([(TargetRole::Cache, &mut sentinel)]) {
            if let SecretInput::Held { id } = secret {
                let Some(held) = self.core.vault.held(id) else {
                    return Err(ApiError::new(
                        ErrorCode::SecretMissing,
                        format!("{}: The secret that was read from the file is held no more", field(role)),
                    )
                    .hint("Read the file again, or type the secret"));
                };
                *secret = SecretInput::Set { value: held.expose().to_owned() };
            }
        }
        draft.targets.cache_sentinel_password = sentinel;
        Ok(draft)
    }

    /// The secret of one target; only what was given for this target.
    pub(crate) async fn secret(
        &self,
        environment: &Environment,
        role: TargetRole,
    ) -> Result<Option<Sensitive>, ApiError> {
        let source = secret_source(environment, role);
        let Some(target) = target_of(&environment.targets, role) else { return Ok(None) };
        self.core
            .vault
            .get_or_move(&key(&environment.id, role, &target), &old_key(&environment.id, role), &source)
            .await
    }

    /// The cache of an environment as it is connected to, if it has one.
    pub(crate) async fn cache_login(
        &self,
        environment: &Environment,
    ) -> Result<Option<(CacheTarget, Option<Sensitive>)>, ApiError> {
        let Some(cache) = &environment.targets.cache else { return Ok(None) };
        let secret = self.secret(environment, TargetRole::Cache).await?;
        Ok(Some(with_account(cache, secret)))
    }

    /// Forgets the secret of a target, under its key and that of earlier versions.
    pub(crate) async fn forget_secret(&self, environment: &Environment, role: TargetRole) {
        if let Some(target) = target_of(&environment.targets, role) {
            self.core.vault.forget(&key(&environment.id, role, &target)).await;
        }
        self.core.vault.forget(&old_key(&environment.id, role)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use perfdeck_model::Header;

    use super::*;
    use crate::EngineOptions;
    use crate::features::environments::commands::{Dotenv, from_dotenv};
    use crate::features::environments::draft::{draft_of, parse_draft};

    fn draft(targets: TargetsDraft) -> EnvironmentDraft {
        EnvironmentDraft { name: "app".into(), targets, ..EnvironmentDraft::default() }
    }

    fn database(url: &str) -> EnvironmentDraft {
        draft(TargetsDraft { database: Some(url.into()), ..TargetsDraft::default() })
    }

    async fn engine(dir: &Path) -> Arc<Engine> {
        Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("opens")
    }

    async fn password(engine: &Engine, environment: &Environment) -> Option<String> {
        let found = engine.secret(environment, TargetRole::Database).await;
        found.ok().flatten().map(|s| s.expose().to_owned())
    }

    #[tokio::test]
    async fn a_secret_never_follows_an_address_to_another_target() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        let old = engine.save_environment(&database("postgres://u:CANARY@one:5432/a"), None).await.expect("saved");
        assert_eq!(password(&engine, &old).await.as_deref(), Some("CANARY"), "it is there for its target");
        for other in [
            "postgres://u@two:5432/a",
            "postgres://u@one:5433/a",
            "postgres://v@one:5432/a",
            "postgres://one:5432/a",
            "mysql://u@one:5432/a",
        ] {
            let refused = engine.save_environment(&database(other), Some(&old)).await.expect_err(other);
            assert!(refused.message.starts_with("database_password: "), "{other} asks again: {}", refused.message);
            assert!(!format!("{refused:?}").contains("CANARY"), "and does not show it");
            let tested = engine.test_draft(&database(other), Some(&old.id)).await;
            assert!(tested.is_err(), "{other} is not tested with it either");
            // However the document came to name another target, its secret is not read for it.
            let moved = Environment {
                targets: parse_draft(&database(other), None, 0.0).expect(other).environment.targets,
                ..old.clone()
            };
            let moved = Environment { targets: with_source(moved.targets), ..moved };
            assert_eq!(password(&engine, &moved).await, None, "{other} has no password");
        }
        let renamed = engine
            .save_environment(&database("postgres://u@one:5432/b?sslmode=disable"), Some(&old))
            .await
            .expect("saved");
        assert_eq!(
            password(&engine, &renamed).await.as_deref(),
            Some("CANARY"),
            "another database of the same server keeps it"
        );
        let mut new = database("postgres://u@two:5432/a");
        new.targets.database_password = SecretInput::Set { value: "CANARY2".into() };
        let moved = engine.save_environment(&new, Some(&renamed)).await.expect("a new secret for the new target");
        assert_eq!(password(&engine, &moved).await.as_deref(), Some("CANARY2"));
        assert_eq!(password(&engine, &renamed).await, None, "that of the old target is forgotten");
        engine.shutdown().await;
    }

    fn with_source(mut targets: Targets) -> Targets {
        if let Some(database) = &mut targets.database {
            database.password = SecretSource::Session;
        }
        targets
    }

    #[tokio::test]
    async fn what_an_earlier_version_kept_is_moved_to_its_target_and_not_to_another() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        engine.core.vault.unlock("correct horse battery").expect("a file");
        let mut kept = engine.save_environment(&database("postgres://u@one:5432/a"), None).await.expect("saved");
        kept.targets.database.iter_mut().for_each(|d| d.password = SecretSource::File);
        engine.core.store.put_environment(&kept, Some(kept.updated_ms)).await.expect("stored");
        let old = old_key(&kept.id, TargetRole::Database);
        engine.core.vault.set(&old, Sensitive::new("CANARY")).await.expect("kept");
        let refused = engine.save_environment(&database("postgres://u@two:5432/a"), Some(&kept)).await;
        assert!(refused.is_err(), "another target asks again");
        assert_eq!(password(&engine, &kept).await.as_deref(), Some("CANARY"), "it is still read");
        assert!(
            engine.core.vault.get(&old, &SecretSource::File).await.is_err(),
            "and belongs to its target from then on"
        );
        assert_eq!(password(&engine, &kept).await.as_deref(), Some("CANARY"), "where it is read the next time");
        engine.shutdown().await;
    }

    #[tokio::test]
    async fn a_name_that_is_taken_leaves_everything_as_it_was() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        let first = engine.save_environment(&database("postgres://u:CANARY@one/a"), None).await.expect("saved");
        let refused = engine.save_environment(&database("postgres://u:OTHER@two/a"), None).await.expect_err("refused");
        assert_eq!(refused.remedy, Some(perfdeck_model::Remedy::RemoveEnvironment), "it says what to do");
        assert_eq!(
            engine.environment(&first.id).await.expect("there").targets,
            first.targets,
            "the first is as it was"
        );
        assert_eq!(password(&engine, &first).await.as_deref(), Some("CANARY"), "with its secret");
        engine.shutdown().await;
    }

    #[test]
    fn secrets_in_addresses_are_kept_apart_or_refused() {
        let cases: [(&str, TargetsDraft); 10] = [
            ("api", TargetsDraft { api: Some("http://h/?token=CANARY".into()), ..TargetsDraft::default() }),
            (
                "api",
                TargetsDraft { api: Some("http://h/CANARY12345678901234567890/v1".into()), ..TargetsDraft::default() },
            ),
            ("api", TargetsDraft { api: Some("http://u:CANARY@h/".into()), ..TargetsDraft::default() }),
            (
                "database",
                TargetsDraft {
                    database: Some("postgres://u@h/d?sslpassword=CANARY".into()),
                    ..TargetsDraft::default()
                },
            ),
            (
                "host",
                TargetsDraft { host: Some("prometheus+http://h:9090/?token=CANARY".into()), ..TargetsDraft::default() },
            ),
            ("host", TargetsDraft { host: Some("ftp://u:CANARY@h".into()), ..TargetsDraft::default() }),
            ("frontend", TargetsDraft { frontend: Some("http://u:CANARY@h/".into()), ..TargetsDraft::default() }),
            ("frontend", TargetsDraft { frontend: Some("http://h/?key=CANARY".into()), ..TargetsDraft::default() }),
            (
                "api_probe_path",
                TargetsDraft {
                    api: Some("http://h".into()),
                    api_probe_path: Some("/health?token=CANARY".into()),
                    ..TargetsDraft::default()
                },
            ),
            (
                "api_headers",
                TargetsDraft {
                    api: Some("http://h".into()),
                    api_headers: vec![Header { name: "X-Tenant".into(), value: "CANARY".into() }],
                    ..TargetsDraft::default()
                },
            ),
        ];
        for (field, targets) in cases {
            let text = format!("{targets:?}");
            let error = parse_draft(&draft(targets), None, 0.0).err().unwrap_or_else(|| panic!("{text} is refused"));
            assert!(error.message.starts_with(field), "{text} names {field}: {}", error.message);
            assert!(!format!("{error:?}").contains("CANARY"), "{text} shows nothing: {error:?}");
        }
        for (name, targets) in [
            (
                "host",
                TargetsDraft { host: Some("prometheus+http://u:CANARY@h:9090".into()), ..TargetsDraft::default() },
            ),
            ("ssh", TargetsDraft { host: Some("ssh://u:CANARY@h".into()), ..TargetsDraft::default() }),
            ("account", TargetsDraft { cache: Some("redis://CANARY@h/0".into()), ..TargetsDraft::default() }),
        ] {
            let parsed = parse_draft(&draft(targets), None, 0.0).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(
                !format!("{:?}", parsed.environment).contains("CANARY"),
                "{name} is kept apart: {:?}",
                parsed.environment
            );
            let kept = parsed
                .secrets
                .iter()
                .any(|(_, s)| matches!(s, SecretInput::Set { value } if value.ends_with("CANARY")));
            assert!(kept, "{name} goes to the vault");
            let shown = draft_of(&parsed.environment);
            assert!(!format!("{:?}", shown.targets).contains("CANARY"), "{name} is not shown for editing");
        }
    }

    #[tokio::test]
    async fn a_file_s_password_is_saved_without_being_sent_to_the_form() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        let text =
            "DATABASE_URL=postgres://u:CANARY@one/a?pool=5\nREDIS_URL=redis://:CANARY@c/0\nAPI_BASE_URL=http://h/v1\n";
        let asked = Dotenv { text: Some(text.to_owned()), path: None };
        let read = from_dotenv(engine.clone(), asked).await.expect("read");
        // As the form gets it.
        let sent = serde_json::to_string(&read).expect("JSON");
        assert!(!sent.contains("CANARY"), "the answer has no password: {sent}");
        assert!(read.notes.iter().any(|note| note.contains("pool")), "what was left out is said: {:?}", read.notes);
        let saved = engine.save_environment(&read.draft, None).await.expect("saved");
        assert_eq!(password(&engine, &saved).await.as_deref(), Some("CANARY"), "it is kept all the same");
        engine.shutdown().await;
    }

    #[tokio::test]
    async fn an_account_without_a_password_signs_in_and_is_not_shown() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        let of = |url: &str| draft(TargetsDraft { cache: Some(url.into()), ..TargetsDraft::default() });
        let hidden = engine.save_environment(&of("redis://reader@h/0"), None).await.expect("saved");
        assert_eq!(
            hidden.targets.cache.as_ref().and_then(|c| c.address.username.clone()),
            None,
            "it may be a password"
        );
        let (cache, secret) = engine.cache_login(&hidden).await.expect("read").expect("a cache");
        assert_eq!(cache.address.username.as_deref(), Some("reader"), "it is used as the user");
        assert_eq!(secret, None, "without a password");
        let mut said = of("redis://reader:@h/0");
        said.name = "said".into();
        let shown = engine.save_environment(&said, None).await.expect("saved");
        assert_eq!(
            shown.targets.cache.and_then(|c| c.address.username).as_deref(),
            Some("reader"),
            "an empty password says that it is a user"
        );
        engine.shutdown().await;
    }
}
