//! Environments as they are listed, found, stored and copied, with their secrets.
use perfdeck_model::masking;
use perfdeck_model::{
    ApiError, DEMO_ENVIRONMENT_ID, Environment, EnvironmentDraft, EnvironmentSummary, ErrorCode, Remedy, SecretInput,
    SecretSource, Sensitive, TargetRole,
};

use unicode_security::confusable_detection::skeleton;

use crate::Engine;
use crate::features::environments::bound::{key, old_key, target_of};
use crate::features::environments::draft::{Parsed, draft_of, parse_draft, set_source};
use crate::features::environments::sources::{secret_source, variable_name};

impl Engine {
    /// All environments, the demo first.
    pub(crate) async fn environment_list(&self) -> Result<Vec<EnvironmentSummary>, ApiError> {
        let counts = self.core.store.run_counts().await?;
        let runs = |id: &str| counts.iter().find(|(e, _)| e.as_deref() == Some(id)).map_or(0, |(_, n)| *n);
        let demo = self.demo_environment();
        let stored = self.core.store.environments().await?;
        Ok(std::iter::once((demo, true))
            .chain(stored.into_iter().map(|e| (e, false)))
            .map(|(e, demo)| EnvironmentSummary {
                runs: runs(&e.id),
                read_only: e.guards.read_only,
                unlocked_until_ms: self.unlocked_until(&e.id),
                targets: e.targets.addresses(),
                id: e.id,
                name: e.name,
                kind: e.kind,
                demo,
            })
            .collect())
    }

    /// The environment with this id, or with this name where the id is unknown.
    pub(crate) async fn environment(&self, id_or_name: &str) -> Result<Environment, ApiError> {
        if id_or_name == DEMO_ENVIRONMENT_ID {
            return Ok(self.demo_environment());
        }
        if let Some(e) = self.environments.process_only.get(id_or_name) {
            return Ok(e);
        }
        if let Some(e) = self.core.store.environment(id_or_name).await? {
            return Ok(e);
        }
        self.core.store.environments().await?.into_iter().find(|e| e.name == id_or_name).ok_or_else(|| {
            ApiError::not_found(format!("There is no environment '{}'", masking::shown(id_or_name)))
                .hint("Look at the list of environments")
                .remedy(Remedy::ListEnvironments)
        })
    }

    /// Stores a new or edited environment with its secrets.
    pub(crate) async fn save_environment(
        &self,
        draft: &EnvironmentDraft,
        old: Option<&Environment>,
    ) -> Result<Environment, ApiError> {
        let draft = &self.with_held(draft)?;
        let Parsed { mut environment, secrets } = parse_draft(draft, old, self.core.clock.now_ms())?;
        // Before any secret is kept: an environment that is refused leaves none behind.
        if self.core.store.environments().await?.iter().any(|e| e.name == environment.name && e.id != environment.id) {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                format!("An environment named '{}' exists already; it was not touched", environment.name),
            )
            .hint("Choose another name, or remove that one first")
            .remedy(Remedy::RemoveEnvironment));
        }
        if old.is_none_or(|old| old.name != environment.name) {
            self.looks_like_none(&environment).await?;
        }
        let mut new_keys = Vec::new();
        for (role, input) in &secrets {
            let source = match input {
                // What is held is set by now.
                SecretInput::Keep | SecretInput::Held { .. } => continue,
                SecretInput::Clear => SecretSource::None,
                SecretInput::Set { value } if value.is_empty() => SecretSource::None,
                SecretInput::Set { value } => {
                    let Some(target) = target_of(&environment.targets, *role) else { continue };
                    let key = key(&environment.id, *role, &target);
                    let source = self.core.vault.set(&key, Sensitive::new(value.clone())).await?;
                    new_keys.push(key);
                    source
                }
                SecretInput::Env { name } => SecretSource::Env { name: variable_name(*role, name.clone())? },
            };
            set_source(&mut environment.targets, *role, &source);
        }
        if let Err(error) = self.core.store.put_environment(&environment, old.map(|old| old.updated_ms)).await {
            if old.is_none() {
                for key in &new_keys {
                    self.core.vault.forget(key).await;
                }
            }
            return Err(error);
        }
        if let Some(old) = old {
            for role in old.targets.roles() {
                let replaced = secrets.iter().find(|(r, _)| *r == role).is_none_or(|(_, i)| *i != SecretInput::Keep);
                let same = target_of(&old.targets, role) == target_of(&environment.targets, role);
                if secret_source(old, role) == SecretSource::None || (same && !replaced) {
                    continue;
                }
                let set = secrets.iter().any(|(r, i)| *r == role && matches!(i, SecretInput::Set { .. }));
                if same && set {
                    // The new value is under this key; only that of earlier versions goes.
                    self.core.vault.forget(&old_key(&old.id, role)).await;
                } else {
                    self.forget_secret(old, role).await;
                }
            }
        }
        // A watched environment is watched anew with its new addresses.
        self.stop_watching(&environment.id).await;
        Ok(environment)
    }

    /// Refuses a name that looks the same as another environment's, such as one with a Cyrillic letter: it would be taken for
    /// it. By the skeletons of Unicode Technical Standard 39.
    async fn looks_like_none(&self, environment: &Environment) -> Result<(), ApiError> {
        let looks = |name: &str| skeleton(name).collect::<String>();
        let own = looks(&environment.name);
        let all = self.core.store.environments().await?;
        match all.iter().find(|e| e.id != environment.id && looks(&e.name) == own) {
            None => Ok(()),
            Some(other) => Err(ApiError::new(
                ErrorCode::Conflict,
                format!("name: It looks the same as '{}', with other letters; nothing was saved", other.name),
            )
            .hint("Choose a name that can be told apart")),
        }
    }

    /// A copy under a free name; secrets are copied too where they can be read.
    pub(crate) async fn duplicate_environment(
        &self,
        id: &str,
        name: Option<String>,
        edited: Option<EnvironmentDraft>,
    ) -> Result<Environment, ApiError> {
        let old = self.environment(id).await?;
        let like = draft_of(&old);
        if let Some(mut draft) = edited {
            if let Some(name) = name {
                draft.name = name;
            }
            let (now, was) = (&draft.targets, &like.targets);
            let same = [
                (TargetRole::Database, now.database == was.database),
                (TargetRole::Cache, now.cache == was.cache),
                (TargetRole::Api, now.api == was.api),
                (TargetRole::Host, now.host == was.host),
            ];
            self.take_secrets(&old, &mut draft, &same.map(|(role, same)| same.then_some(role))).await;
            return self.save_environment(&draft, None).await;
        }
        let taken: Vec<String> = self.core.store.environments().await?.into_iter().map(|e| e.name).collect();
        let name = name.unwrap_or_else(|| {
            (1..)
                .map(|n| if n == 1 { format!("{} copy", old.name) } else { format!("{} copy {n}", old.name) })
                .find(|n| !taken.contains(n))
                .unwrap_or_default()
        });
        let mut draft = EnvironmentDraft { name, ..like };
        let all = [TargetRole::Database, TargetRole::Cache, TargetRole::Api, TargetRole::Host];
        self.take_secrets(&old, &mut draft, &all.map(Some)).await;
        self.save_environment(&draft, None).await
    }

    /// Gives a draft the secrets of an environment that it keeps, for these roles.
    async fn take_secrets(&self, old: &Environment, draft: &mut EnvironmentDraft, roles: &[Option<TargetRole>]) {
        let targets = &mut draft.targets;
        let cache = roles.contains(&Some(TargetRole::Cache));
        if let Some(SecretSource::Env { name }) =
            old.targets.cache.as_ref().filter(|_| cache).map(|c| c.sentinel_password.clone())
            && targets.cache_sentinel_password == SecretInput::Keep
        {
            targets.cache_sentinel_password = SecretInput::Env { name };
        }
        for role in roles.iter().flatten() {
            let input = match role {
                TargetRole::Database => &mut targets.database_password,
                TargetRole::Cache => &mut targets.cache_password,
                TargetRole::Api => &mut targets.api_authorization,
                TargetRole::Host => &mut targets.host_secret,
                TargetRole::Frontend => continue,
            };
            if *input != SecretInput::Keep {
                continue;
            }
            *input = match secret_source(old, *role) {
                SecretSource::Env { name } => SecretInput::Env { name },
                SecretSource::None => SecretInput::Keep,
                _ => match self.secret(old, *role).await {
                    Ok(Some(s)) => SecretInput::Set { value: s.expose().to_owned() },
                    _ => SecretInput::Keep,
                },
            };
        }
    }
}
