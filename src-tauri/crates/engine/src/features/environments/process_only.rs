//! Environments of this process only: described by a file or by variables, held in memory, never stored. Runs against them
//! are stored under an identifier that is made of what they are, so that the next process finds their history.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use perfdeck_model::{
    ApiError, Environment, EnvironmentDraft, ErrorCode, Remedy, SecretInput, SecretSource, Sensitive,
};

use crate::Engine;
use crate::features::environments::bound::{key, target_of};
use crate::features::environments::draft::{Parsed, parse_draft, set_source};
use crate::features::environments::sources::variable_name;

/// What the identifiers of these environments begin with.
const PREFIX: &str = "process-";

/// The environments of this process.
#[derive(Debug, Default)]
pub(crate) struct ProcessOnly(Mutex<BTreeMap<String, Environment>>);

impl ProcessOnly {
    /// Environment with this identifier, or else with this name.
    pub(crate) fn get(&self, id_or_name: &str) -> Option<Environment> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id_or_name).or_else(|| all.values().find(|e| e.name == id_or_name)).cloned()
    }

    fn put(&self, environment: Environment) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(environment.id.clone(), environment);
    }
}

/// Whether an identifier is of an environment that is not stored.
pub(crate) fn is_process_only(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// The same for the same name and targets, in every process.
fn identifier(environment: &Environment) -> String {
    let mut text = environment.name.clone();
    for (role, address) in environment.targets.addresses() {
        let target = target_of(&environment.targets, role).unwrap_or_default();
        text.push_str(&format!("\n{} {target} {address}", role.as_str()));
    }
    format!("{PREFIX}{:016x}", perfdeck_model::fnv1a(text.bytes()))
}

impl Engine {
    /// Makes an environment for this process; nothing is stored, and nothing stored is touched.
    ///
    /// # Errors
    /// When the draft is refused, naming the field.
    pub fn process_environment(&self, draft: &EnvironmentDraft) -> Result<Environment, ApiError> {
        let draft = &self.with_held(draft)?;
        let Parsed { mut environment, secrets } = parse_draft(draft, None, self.core.clock.now_ms())?;
        environment.id = identifier(&environment);
        for (role, input) in secrets {
            let source = match input {
                SecretInput::Keep | SecretInput::Clear | SecretInput::Held { .. } => SecretSource::None,
                SecretInput::Set { value } if value.is_empty() => SecretSource::None,
                SecretInput::Set { value } => {
                    let Some(target) = target_of(&environment.targets, role) else { continue };
                    self.core.vault.set_for_process(&key(&environment.id, role, &target), Sensitive::new(value));
                    SecretSource::Session
                }
                SecretInput::Env { name } => SecretSource::Env { name: variable_name(role, name)? },
            };
            set_source(&mut environment.targets, role, &source);
        }
        self.environments.process_only.put(environment.clone());
        Ok(environment)
    }

    /// Refuses to store, change or delete what is of this process only.
    pub(crate) fn not_process_only(&self, id_or_name: &str) -> Result<(), ApiError> {
        let found = is_process_only(id_or_name) && self.environments.process_only.get(id_or_name).is_some();
        if found {
            return Err(ApiError::new(ErrorCode::Conflict, "This environment is of this process only")
                .hint("Add it under a name, with the same file or variables, to store it")
                .remedy(Remedy::AddEnvironment));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use perfdeck_model::TargetsDraft;

    use super::*;
    use crate::EngineOptions;

    fn draft(name: &str, database: &str) -> EnvironmentDraft {
        let targets = TargetsDraft { database: Some(database.into()), ..TargetsDraft::default() };
        EnvironmentDraft { name: name.into(), targets, ..EnvironmentDraft::default() }
    }

    async fn engine(dir: &std::path::Path) -> Arc<Engine> {
        Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("opens")
    }

    #[tokio::test]
    async fn an_environment_of_this_process_touches_nothing_that_is_stored() {
        let dir = tempfile::tempdir().expect("folder");
        let engine = engine(dir.path()).await;
        let stored =
            engine.save_environment(&draft("app", "postgres://a:CANARY@127.0.0.1:1/a"), None).await.expect("kept");
        let one = engine.process_environment(&draft("app", "postgres://a:CANARY2@127.0.0.1:2/b")).expect("made");
        assert!(is_process_only(&one.id), "its identifier says so: {}", one.id);
        assert_eq!(engine.environment(&one.id).await.expect("found").targets, one.targets, "it is found by it");
        let after = engine.core.store.environment(&stored.id).await.expect("read").expect("there");
        assert_eq!(
            (after.targets, after.name),
            (stored.targets, stored.name),
            "the stored one of the same name is as it was"
        );
        assert_eq!(engine.core.store.environments().await.expect("read").len(), 1, "and none was added");
        let again = engine.process_environment(&draft("app", "postgres://a@127.0.0.1:2/b")).expect("made");
        assert_eq!(again.id, one.id, "the same file has the same history");
        let other = engine.process_environment(&draft("app", "postgres://a@127.0.0.1:3/b")).expect("made");
        assert_ne!(other.id, one.id, "another target has another");
        assert!(engine.not_process_only(&one.id).is_err() && engine.not_process_only(&stored.id).is_ok());
        engine.shutdown().await;
    }
}
