//! Drafts of environments: from what a form or a file says to what is stored, and back.
use perfdeck_model::masking;
use perfdeck_model::{
    Address, ApiError, ApiTarget, CacheMode, CacheTarget, DEMO_ENVIRONMENT_ID, DatabaseTarget, Environment,
    EnvironmentDraft, ErrorCode, FrontendTarget, Guards, HostTarget, Kind, Pasted, PoolSettings, Scheme, SecretInput,
    SecretSource, Sensitive, TargetRole, Targets, TargetsDraft,
};
use perfdeck_words::{Brackets, visible};
use uuid::Uuid;

use crate::core::cache_templates;
use crate::features::environments::bound::{hide_account, no_secret_parameters, stays_with_its_target};
use crate::features::environments::sentinels;

/// Default expiry of cache entries by kind, in seconds: short in development, so that edits show.
pub(crate) fn default_ttl_s(kind: Kind) -> f64 {
    match kind {
        Kind::Development => 60.0,
        Kind::Staging => 600.0,
        Kind::Production => 3600.0,
    }
}

fn parse(field: &str, text: &str, roles: &[TargetRole]) -> Result<(Address, Option<Sensitive>), ApiError> {
    let (address, password, sentinel) = read(field, text, roles)?;
    match sentinel {
        None => Ok((address, password)),
        Some(_) => Err(ApiError::bad_request(format!("{field}: sentinel_password does not belong here"))
            .hint("Only a cache has Sentinels")),
    }
}

/// An address with the target's password and that of its Sentinels.
type Understood = (Address, Option<Sensitive>, Option<Sensitive>);

fn read(field: &str, text: &str, roles: &[TargetRole]) -> Result<Understood, ApiError> {
    let Pasted { mut address, password, sentinel_password } =
        Address::read(text).map_err(|e| ApiError::bad_request(format!("{field}: {}", e.message)).hint(e.hint))?;
    if !roles.contains(&address.scheme.role()) {
        return Err(ApiError::bad_request(format!(
            "{field}: a {} address does not belong here",
            address.scheme.product()
        ))
        .hint("Paste it into the field of its own target"));
    }
    if address.scheme == Scheme::Sqlite {
        // A relative path is of the folder in which it was given, whoever opens the environment later and from where.
        let path = std::path::absolute(&address.path).ok().and_then(|p| p.to_str().map(ToOwned::to_owned));
        address.path = path.ok_or_else(|| {
            ApiError::bad_request(format!("{field}: The file's path cannot be made absolute"))
                .hint("Give the file's absolute path")
        })?;
    }
    Ok((address, password, sentinel_password))
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|t| t.trim()).filter(|t| !t.is_empty())
}

/// A draft with its parts understood; the secrets still beside it.
pub(crate) struct Parsed {
    pub(crate) environment: Environment,
    /// Instruction for the secret of each target.
    pub(crate) secrets: Vec<(TargetRole, SecretInput)>,
}

/// A password inside the URL wins over the form's "keep", because it was just pasted. One beside another one is refused:
/// whichever was used, the other would be dropped.
fn secret_of(field: &str, input: &SecretInput, pasted: Option<Sensitive>) -> Result<SecretInput, ApiError> {
    let Some(pasted) = pasted else { return Ok(input.clone()) };
    match input {
        SecretInput::Keep => Ok(SecretInput::Set { value: pasted.expose().to_owned() }),
        SecretInput::Set { value } if value == pasted.expose() => Ok(input.clone()),
        _ => Err(ApiError::bad_request(format!("{field}: The address has a password too, and only one can be used"))
            .hint("Take the password out of the address, or leave the other one out")),
    }
}

/// Understands a draft. `old` is what is edited, so that kept secrets stay where they are.
pub(crate) fn parse_draft(
    draft: &EnvironmentDraft,
    old: Option<&Environment>,
    now_ms: f64,
) -> Result<Parsed, ApiError> {
    let name = draft.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("name: An environment needs a name of 1 to 64 characters")
            .hint("For example 'clinic staging'"));
    }
    let seen = visible(&name, Brackets::Angle);
    if seen != name {
        return Err(ApiError::bad_request(format!("name: It has characters that do not show: {seen}"))
            .hint("Type the name anew instead of pasting it"));
    }
    if masking::title(&name) != name || name.starts_with("process-") {
        return Err(
            ApiError::bad_request("name: This is an address or a secret, not a name").hint("Choose a word for it")
        );
    }
    if name.eq_ignore_ascii_case(DEMO_ENVIRONMENT_ID) {
        return Err(
            ApiError::new(ErrorCode::Conflict, "name: 'demo' is the built-in environment").hint("Choose another name")
        );
    }
    let t = &draft.targets;
    let mut secrets = Vec::new();
    let kept = |role: TargetRole| -> SecretSource {
        let Some(old) = old else { return SecretSource::None };
        match role {
            TargetRole::Database => old.targets.database.as_ref().map(|d| d.password.clone()),
            TargetRole::Cache => old.targets.cache.as_ref().map(|d| d.password.clone()),
            TargetRole::Api => old.targets.api.as_ref().map(|d| d.authorization.clone()),
            TargetRole::Host => old.targets.host.as_ref().map(|d| d.secret.clone()),
            TargetRole::Frontend => None,
        }
        .unwrap_or_default()
    };
    let mut targets = Targets::default();
    if let Some(text) = filled(t.database.as_ref()) {
        let (address, pasted) = parse("database", text, &[TargetRole::Database])?;
        no_secret_parameters("database", &address)?;
        secrets.push((TargetRole::Database, secret_of("database_password", &t.database_password, pasted)?));
        targets.database = Some(DatabaseTarget { address, password: kept(TargetRole::Database) });
    }
    if let Some(text) = filled(t.cache.as_ref()) {
        let (mut address, mut pasted, sentinel) = read("cache", text, &[TargetRole::Cache])?;
        no_secret_parameters("cache", &address)?;
        if pasted.is_none() && t.cache_password == SecretInput::Keep {
            pasted = hide_account(text, &mut address);
        }
        let sentinel = secret_of("cache_sentinel_password", &t.cache_sentinel_password, sentinel)?;
        if sentinel != SecretInput::Keep && address.params.get("mode").is_none_or(|mode| mode != "sentinel") {
            return Err(ApiError::bad_request("cache_sentinel_password: The cache is not reached through Sentinels")
                .hint("Write redis+sentinel://host:26379/0?master=mymaster"));
        }
        let kept_sentinel =
            old.and_then(|o| o.targets.cache.as_ref()).map(|c| c.sentinel_password.clone()).unwrap_or_default();
        let (secret, sentinel_password) =
            sentinels::together(secret_of("cache_password", &t.cache_password, pasted)?, sentinel, kept_sentinel)?;
        secrets.push((TargetRole::Cache, secret));
        let cache = CacheTarget::of(address);
        if cache.mode == CacheMode::Sentinel && cache.sentinel_master.is_none() {
            return Err(ApiError::bad_request("cache: A Sentinel address names its primary")
                .hint("Write redis+sentinel://host:26379/0?master=mymaster"));
        }
        if cache.mode == CacheMode::Single && cache.address.hosts.len() > 1 {
            return Err(ApiError::bad_request("cache: Several hosts need to say how they belong together")
                .hint("Write redis+cluster://… or redis+sentinel://…"));
        }
        let ttl = t.cache_default_ttl_s.unwrap_or_else(|| default_ttl_s(draft.kind));
        if !(ttl.is_finite() && ttl >= 0.0) {
            return Err(ApiError::bad_request("cache_default_ttl_s: The expiry is a number of seconds, 0 or more"));
        }
        targets.cache =
            Some(CacheTarget { password: kept(TargetRole::Cache), sentinel_password, default_ttl_s: ttl, ..cache });
    }
    // Absent is as it was, for whoever edits something else.
    let kept_templates = || old.map(|old| old.targets.cache_templates.clone()).unwrap_or_default();
    targets.cache_templates = t.cache_templates.clone().unwrap_or_else(kept_templates);
    cache_templates::check(&targets.cache_templates)?;
    if targets.cache.is_none() {
        if t.cache_templates.as_ref().is_some_and(|given| !given.is_empty()) && old.is_none() {
            return Err(ApiError::bad_request("cache_templates: There is no cache whose keys they could name")
                .hint("Give the cache's address too"));
        }
        targets.cache_templates.clear();
    }
    if let Some(text) = filled(t.api.as_ref()) {
        let (address, pasted) = parse("api", text, &[TargetRole::Api])?;
        if pasted.is_some() || address.username.is_some() {
            return Err(ApiError::bad_request("api: Credentials do not belong into the URL")
                .hint("Give an Authorization header instead, such as 'Basic …' or 'Bearer …'"));
        }
        if !text.contains('?') && masking::Masker::Literal.url(text) != text {
            return Err(ApiError::bad_request("api: A part of the address may be a secret")
                .hint("Use an address of plain words; a secret belongs into the Authorization value"));
        }
        if text.contains(['?', '#']) {
            return Err(ApiError::bad_request("api: The address of an API has no parameters and no fragment")
                .hint("Parameters belong into the path of the probe, secrets into the Authorization value"));
        }
        for (at, header) in t.api_headers.iter().enumerate() {
            let bad_name = header.name.is_empty()
                || !header.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b));
            let number = at + 1;
            if bad_name || header.value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(ApiError::bad_request(format!("api_headers: Header {number} is not a valid header")));
            }
            if masking::has_mask(&header.value) || !masking::is_harmless_header(&header.name, &header.value) {
                let name = if masking::is_plain(&header.name) { header.name.as_str() } else { masking::MASK };
                return Err(ApiError::bad_request(format!(
                    "api_headers: Header {number}, '{name}', may carry a secret, and headers are stored as they are"
                ))
                .hint("Enter a secret as the Authorization value, which is kept with the secrets; a plan may send any header"));
            }
        }
        let probe_path = filled(t.api_probe_path.as_ref()).unwrap_or("/").to_owned();
        let probe_path = if probe_path.starts_with('/') { probe_path } else { format!("/{probe_path}") };
        if masking::Masker::Literal.target(&probe_path) != probe_path {
            return Err(ApiError::bad_request("api_probe_path: A part of the path or of its parameters may be a secret")
                .hint("Use a path of plain words, with parameters such as page=1; a secret belongs into the Authorization value"));
        }
        secrets.push((TargetRole::Api, t.api_authorization.clone()));
        targets.api = Some(ApiTarget {
            url: text.trim_end_matches('/').to_owned(),
            probe_path,
            headers: t.api_headers.clone(),
            authorization: kept(TargetRole::Api),
        });
    }
    if let Some(text) = filled(t.host.as_ref()) {
        let unknown = || {
            ApiError::bad_request("host: Perfdeck does not know this kind of host")
                .hint("Write local, ssh://user@host or prometheus+http://host:9090")
        };
        let (mut url, mut pasted) = (text.to_owned(), None);
        if text != "local" {
            if !text.starts_with("ssh://") && !text.starts_with("prometheus+http") {
                return Err(unknown());
            }
            let (address, password) = parse("host", text, &[TargetRole::Host])?;
            no_secret_parameters("host", &address)?;
            if text.contains(['?', '#']) {
                return Err(ApiError::bad_request("host: The address of a host has no parameters and no fragment"));
            }
            url = address.url();
            pasted = password;
        }
        secrets.push((TargetRole::Host, secret_of("host_secret", &t.host_secret, pasted)?));
        targets.host = Some(HostTarget { url, secret: kept(TargetRole::Host) });
    }
    if let Some(text) = filled(t.frontend.as_ref()) {
        let unchanged = old.and_then(|o| o.targets.frontend.as_ref()).is_some_and(|f| f.location == text);
        let web = text.starts_with("http://") || text.starts_with("https://");
        if !unchanged && web && masking::Masker::Literal.url(text) != text {
            return Err(ApiError::bad_request("frontend: A part of this address may be a secret")
                .hint("Give the folder of the built front end, or its address without user and parameters"));
        }
        // What is neither may be anything, a password too.
        if !unchanged && !web && !std::path::Path::new(text).is_dir() {
            return Err(ApiError::bad_request(
                "frontend: This is neither a folder on this machine nor an http address",
            )
            .hint("Give the folder of the built front end, such as ./dist, or its address"));
        }
        targets.frontend = Some(FrontendTarget { location: text.to_owned() });
    }
    if let Some(old) = old {
        stays_with_its_target(old, &targets, &secrets)?;
    }
    let pool = draft.pool.clone().unwrap_or_else(|| PoolSettings::for_kind(draft.kind));
    if pool.size + pool.max_overflow == 0 || pool.size > 10_000 || pool.max_overflow > 10_000 {
        return Err(ApiError::bad_request("pool: The pool needs 1 to 10 000 connections"));
    }
    if !(pool.timeout_s.is_finite() && pool.timeout_s > 0.0 && pool.recycle_s.is_finite() && pool.recycle_s > 0.0) {
        return Err(ApiError::bad_request("pool: Timeout and recycle are seconds greater than 0"));
    }
    let guards = draft.guards.clone().unwrap_or_else(|| Guards::for_kind(draft.kind));
    check_guards(&guards)?;
    Ok(Parsed {
        environment: Environment {
            id: old.map_or_else(|| Uuid::now_v7().to_string(), |o| o.id.clone()),
            name,
            kind: draft.kind,
            targets,
            pool,
            guards,
            created_ms: old.map_or(now_ms, |o| o.created_ms),
            updated_ms: now_ms,
        },
        secrets,
    })
}

/// Limits that mean something: a rate above nothing, shares of 0 to 1.
fn check_guards(guards: &Guards) -> Result<(), ApiError> {
    if guards.max_rate_per_s.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err(ApiError::bad_request("max_rate_per_s: The cap is a number of requests per second above 0"));
    }
    for (field, share) in
        [("max_error_share", guards.max_error_share), ("min_free_connections", guards.min_free_connections)]
    {
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(ApiError::bad_request(format!("{field}: A share is between 0 and 1")));
        }
    }
    Ok(())
}

/// The draft that a form shows to edit an environment; its secrets say "keep".
pub(crate) fn draft_of(environment: &Environment) -> EnvironmentDraft {
    let t = &environment.targets;
    EnvironmentDraft {
        name: environment.name.clone(),
        kind: environment.kind,
        targets: TargetsDraft {
            database: t.database.as_ref().map(|d| d.address.url()),
            cache: t.cache.as_ref().map(|c| c.address.url()),
            cache_default_ttl_s: t.cache.as_ref().map(|c| c.default_ttl_s),
            cache_templates: Some(t.cache_templates.clone()),
            api: t.api.as_ref().map(|a| a.url.clone()),
            api_probe_path: t.api.as_ref().map(|a| a.probe_path.clone()),
            api_headers: t.api.as_ref().map(|a| a.headers.clone()).unwrap_or_default(),
            host: t.host.as_ref().map(|h| h.url.clone()),
            frontend: t.frontend.as_ref().map(|f| f.location.clone()),
            ..TargetsDraft::default()
        },
        pool: Some(environment.pool.clone()),
        guards: Some(environment.guards.clone()),
    }
}

/// Summary of an environment, in one line for the journal.
pub(crate) fn summary(environment: &Environment) -> String {
    let targets: Vec<String> = environment.targets.addresses().into_iter().map(|(_, address)| address).collect();
    format!("{}: {}", environment.kind.as_str(), targets.join(", "))
}

/// Notes the source of the secret of a target.
pub(crate) fn set_source(targets: &mut Targets, role: TargetRole, source: &SecretSource) {
    let t = targets;
    match role {
        TargetRole::Database => t.database.iter_mut().for_each(|d| d.password = source.clone()),
        TargetRole::Cache => t.cache.iter_mut().for_each(|d| sentinels::set_source(d, source)),
        TargetRole::Api => t.api.iter_mut().for_each(|d| d.authorization = source.clone()),
        TargetRole::Host => t.host.iter_mut().for_each(|d| d.secret = source.clone()),
        TargetRole::Frontend => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn draft(name: &str) -> EnvironmentDraft {
        EnvironmentDraft { name: name.into(), ..EnvironmentDraft::default() }
    }

    #[test]
    fn a_pasted_password_leaves_the_address() {
        let mut d = draft("x");
        d.targets.database = Some("postgres://u:canary@h/db".into());
        let p = parse_draft(&d, None, 1.0).expect("draft is understood");
        assert!(!format!("{:?}", p.environment).contains("canary"), "what is stored has no password");
        assert_eq!(
            p.secrets,
            vec![(TargetRole::Database, SecretInput::Set { value: "canary".into() })],
            "it goes to the vault"
        );
    }

    #[test]
    fn templates_stay_where_an_edit_does_not_name_them_and_go_with_their_cache() {
        let mut d = draft("x");
        d.targets.cache = Some("redis://h".into());
        d.targets.cache_templates = Some([("user".to_owned(), "user:{id}:*".to_owned())].into());
        let made = parse_draft(&d, None, 1.0).expect("understood").environment;
        assert_eq!(draft_of(&made).targets.cache_templates, d.targets.cache_templates, "a form shows them");
        d.targets.cache_templates = None;
        let kept = parse_draft(&d, Some(&made), 2.0).expect("understood").environment;
        assert_eq!(kept.targets.cache_templates, made.targets.cache_templates, "they stay");
        d.targets.cache_templates = Some(BTreeMap::new());
        let none = parse_draft(&d, Some(&made), 3.0).expect("understood").environment;
        assert!(none.targets.cache_templates.is_empty(), "they are taken away");
        d.targets.cache = None;
        d.targets.cache_templates = None;
        let without = parse_draft(&d, Some(&made), 4.0).expect("understood").environment;
        assert!(without.targets.cache_templates.is_empty(), "nothing of a cache that is not there");
    }

    #[test]
    fn bad_drafts_name_the_field() {
        let mut cases = Vec::new();
        let guarded = |guards: Guards| EnvironmentDraft { guards: Some(guards), ..draft("x") };
        let own = Guards::for_kind(perfdeck_model::Kind::Staging);
        cases.push((guarded(Guards { max_rate_per_s: Some(-1.0), ..own.clone() }), "max_rate_per_s"));
        cases.push((guarded(Guards { max_error_share: Some(1.5), ..own.clone() }), "max_error_share"));
        cases.push((guarded(Guards { min_free_connections: Some(f64::NAN), ..own }), "min_free_connections"));
        cases.push((draft(""), "name"));
        cases.push((draft("demo"), "name"));
        cases.push((draft("pro\u{200b}d"), "name"));
        cases.push((draft("\u{202e}dorp"), "name"));
        let mut d = draft("x");
        d.targets.database = Some("redis://h".into());
        cases.push((d, "database"));
        let mut d = draft("x");
        d.targets.cache = Some("redis+sentinel://h:26379".into());
        cases.push((d, "cache"));
        let template = |pattern: &str| Some([("user".to_owned(), pattern.to_owned())].into());
        let mut d = draft("x");
        d.targets.cache = Some("redis://h".into());
        d.targets.cache_templates = template("user:{uid}:*");
        cases.push((d, "cache_templates: The pattern of 'user' has the placeholder {uid}"));
        let mut d = draft("x");
        d.targets.cache_templates = template("user:{id}:*");
        cases.push((d, "cache_templates: There is no cache"));
        let mut d = draft("x");
        d.targets.api = Some("https://user:pw@h".into());
        cases.push((d, "api"));
        let mut d = draft("x");
        d.pool = Some(PoolSettings { size: 0, max_overflow: 0, timeout_s: 1.0, recycle_s: 1.0 });
        cases.push((d, "pool"));
        let beside =
            [SecretInput::Env { name: "X".into() }, SecretInput::Set { value: "b".into() }, SecretInput::Clear];
        for input in beside {
            let url = |scheme: &str| Some(format!("{scheme}://u:a@127.0.0.1"));
            let mut d = draft("x");
            (d.targets.database, d.targets.database_password) = (url("postgres"), input.clone());
            cases.push((d, "database_password"));
            let mut d = draft("x");
            (d.targets.cache, d.targets.cache_password) = (url("redis"), input.clone());
            cases.push((d, "cache_password"));
            let mut d = draft("x");
            (d.targets.host, d.targets.host_secret) = (url("ssh"), input.clone());
            cases.push((d, "host_secret"));
            let mut d = draft("x");
            d.targets.cache = Some("redis+sentinel://h:26379/0?master=m&sentinel_password=a".into());
            d.targets.cache_sentinel_password = input;
            cases.push((d, "cache_sentinel_password"));
        }
        for (d, field) in cases {
            let e = parse_draft(&d, None, 1.0).err().unwrap_or_else(|| panic!("{field} is refused"));
            assert!(e.message.starts_with(field), "'{}' starts with the field {field}", e.message);
        }
    }
}
