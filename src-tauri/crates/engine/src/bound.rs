//! A secret belongs to a target, by scheme, hosts, ports and user: what was given for one is never sent to another, whatever
//! the environment is called and however its address is edited.
use perfdeck_model::masking::is_secret_name;
use perfdeck_model::{
    Address, ApiError, CacheTarget, Environment, Scheme, SecretInput, SecretSource, Sensitive, TargetRole, Targets,
};

use crate::Engine;
use crate::environments::secret_source;
use crate::sentinels;

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

/// What the secret of a target belongs to: scheme, user, hosts with their ports. `None` where there is nothing to sign in to.
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
            return Err(ApiError::bad_request(format!("{}: The kept secret belongs to {was}, not to {is}", field(*role)))
                .hint("Give the secret of the new target, or forget the kept one"));
        }
    }
    Ok(())
}

/// Refuses parameters of an address that are secrets: what is stored of an address is shown.
pub(crate) fn no_secret_parameters(field: &str, address: &Address) -> Result<(), ApiError> {
    match address.params.keys().find(|name| is_secret_name(name)) {
        Some(name) => Err(ApiError::bad_request(format!("{field}: The parameter '{name}' is a secret, and is not stored"))
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
    let authority = text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
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

impl Engine {
    /// The secret of one target; only what was given for this target.
    pub(crate) async fn secret(
        &self,
        environment: &Environment,
        role: TargetRole,
    ) -> Result<Option<Sensitive>, ApiError> {
        let source = secret_source(environment, role);
        let Some(target) = target_of(&environment.targets, role) else { return Ok(None) };
        self.vault.get_or_move(&key(&environment.id, role, &target), &old_key(&environment.id, role), &source).await
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
            self.vault.forget(&key(&environment.id, role, &target)).await;
        }
        self.vault.forget(&old_key(&environment.id, role)).await;
    }
}
