//! What environments refuse: load beyond their cap, writes while they are read-only. Unlocking is for a time, for this
//! process, and ends with it.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use perfdeck_model::{ApiError, Environment, ErrorCode, Kind, Load};

use crate::Engine;
use crate::work::Work;

/// How long an environment stays unlocked, in milliseconds.
pub(crate) const UNLOCK_MS: f64 = 15.0 * 60_000.0;

/// Environments that were unlocked, with the time at which each is locked again.
#[derive(Debug, Default)]
pub(crate) struct Unlocks(Mutex<HashMap<String, f64>>);

/// What the guards of an environment say about a benchmark.
pub(crate) fn check_load(environment: &Environment, work: &Work, unlocked: bool) -> Result<(), ApiError> {
    let name = &environment.name;
    let refuse = |message: String, hint: &str| Err(ApiError::new(ErrorCode::Guarded, message).hint(hint));
    let cap = environment.guards.max_rate_per_s;
    if let Some(what) = work.writes().filter(|_| environment.guards.read_only && !unlocked) {
        return refuse(
            format!("'{name}' is read-only: {what} can change it"),
            "Unlock the environment for 15 minutes first; perfctl does it with --unlock",
        );
    }
    match (work.load(), cap) {
        (Load::Rate { rate_per_s }, Some(cap)) if rate_per_s > cap => refuse(
            format!("{rate_per_s} requests/s is over the cap of {cap} requests/s of '{name}'"),
            "Lower the rate, or raise the cap in the environment's guards",
        ),
        (Load::Closed, _) if environment.kind == Kind::Production => refuse(
            format!("'{name}' is production: a benchmark there needs an explicit rate"),
            "Choose a constant rate instead of a closed loop",
        ),
        _ => Ok(()),
    }
}

impl Engine {
    /// Until when an environment is unlocked, if it is.
    pub(crate) fn unlocked_until(&self, id: &str) -> Option<f64> {
        let unlocks = self.unlocks.0.lock().unwrap_or_else(PoisonError::into_inner);
        unlocks.get(id).copied().filter(|until| *until > self.clock.now_ms())
    }

    /// Whether changes to an environment's targets are allowed now.
    pub(crate) fn is_unlocked(&self, environment: &Environment) -> bool {
        !environment.guards.read_only || self.unlocked_until(&environment.id).is_some()
    }

    /// Allows changes to a read-only environment for [`UNLOCK_MS`]; answers until when.
    ///
    /// # Errors
    /// When its guard asks for the name and `confirm` is not it.
    pub(crate) fn unlock(&self, environment: &Environment, confirm: Option<&str>) -> Result<f64, ApiError> {
        if environment.guards.typed_confirmation && confirm != Some(environment.name.as_str()) {
            return Err(ApiError::new(
                ErrorCode::Guarded,
                format!("Unlocking '{}' needs its name typed", environment.name),
            )
            .hint("Type the environment's name to confirm"));
        }
        let until = self.clock.now_ms() + UNLOCK_MS;
        self.unlocks.0.lock().unwrap_or_else(PoisonError::into_inner).insert(environment.id.clone(), until);
        tracing::info!(environment = %environment.name, "unlocked for 15 minutes");
        Ok(until)
    }

    /// Refuses changes again; answers whether they were allowed.
    pub(crate) fn lock(&self, id: &str) -> bool {
        let was = self.unlocked_until(id).is_some();
        self.unlocks.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{Guards, Method, PoolSettings, Targets};

    fn environment(kind: Kind) -> Environment {
        Environment {
            id: "e".into(),
            name: "clinic".into(),
            kind,
            targets: Targets::default(),
            pool: PoolSettings::for_kind(kind),
            guards: Guards::for_kind(kind),
            created_ms: 0.0,
            updated_ms: 0.0,
        }
    }

    fn request(method: Method, load: Load) -> Work {
        let spec = serde_json::json!({
            "url": "http://127.0.0.1:1/x", "method": method, "load": load, "connections": 1, "duration_s": 1.0
        });
        Work::Http(serde_json::from_value(spec).expect("a spec"))
    }

    fn spec(load: Load) -> Work {
        request(Method::Get, load)
    }

    #[test]
    fn production_needs_a_rate_within_its_cap() {
        let e = environment(Kind::Production);
        assert!(check_load(&e, &spec(Load::Closed), true).is_err(), "a closed loop has no rate");
        assert!(check_load(&e, &spec(Load::Rate { rate_per_s: 1e5 }), true).is_err(), "a rate over the cap is refused");
        assert!(check_load(&e, &spec(Load::Rate { rate_per_s: 10.0 }), true).is_ok(), "a rate under the cap is not");
        assert!(check_load(&environment(Kind::Development), &spec(Load::Closed), true).is_ok(), "development is free");
    }

    #[test]
    fn a_read_only_environment_takes_no_writes_until_it_is_unlocked() {
        let e = environment(Kind::Production);
        let post = request(Method::Post, Load::Rate { rate_per_s: 10.0 });
        let refused = check_load(&e, &post, false).expect_err("POST can change it");
        assert_eq!(refused.code, ErrorCode::Guarded, "a guard refused it");
        assert!(refused.message.contains("read-only") && refused.hint.is_some(), "it says why and what to do");
        assert!(check_load(&e, &post, true).is_ok(), "unlocked, it may");
        assert!(check_load(&e, &spec(Load::Rate { rate_per_s: 10.0 }), false).is_ok(), "GET only reads");
    }

    #[tokio::test]
    async fn unlocking_needs_the_name_and_ends_by_itself() {
        let dir = tempfile::tempdir().expect("temp dir");
        let clock = std::sync::Arc::new(perfdeck_model::ManualClock::new(1_000.0));
        let options = crate::EngineOptions { data_dir: Some(dir.path().to_owned()), clock: Some(clock.clone()) };
        let engine = Engine::open(options).await.expect("opens");
        let e = environment(Kind::Production);
        assert!(!engine.is_unlocked(&e), "production starts read-only");
        assert!(engine.unlock(&e, Some("clinc")).is_err(), "a wrong name does not unlock it");
        assert_eq!(engine.unlock(&e, Some("clinic")), Ok(1_000.0 + UNLOCK_MS), "the right one does, for a time");
        assert!(engine.is_unlocked(&e), "it is unlocked");
        clock.advance(UNLOCK_MS);
        assert!(!engine.is_unlocked(&e), "and locks itself");
        assert!(engine.unlock(&e, Some("clinic")).is_ok() && engine.lock(&e.id), "or is locked by hand");
        assert!(!engine.is_unlocked(&e), "at once");
        engine.shutdown().await;
    }
}
