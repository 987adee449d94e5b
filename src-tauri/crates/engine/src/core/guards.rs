//! Guards of environments: they refuse load beyond a cap, and writes while one is read-only; what looks like production
//! is guarded like it. Unlocking is for a time, for this process, and ends with it.
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Environment, ErrorCode, Guards, JournalKind, Kind, Load, Remedy, TargetRole};

use crate::Engine;

/// Time for which an environment stays unlocked, in milliseconds.
pub(crate) const UNLOCK_MS: f64 = 15.0 * 60_000.0;

/// Environments that were unlocked, with the time at which each is locked again, for people and on the monotonic clock: a
/// wall clock that is set back does not keep an environment open. Beside them those that were unlocked for one run.
#[derive(Debug, Default)]
pub(crate) struct Unlocks(Mutex<HashMap<String, (f64, f64)>>, Mutex<HashSet<String>>);

/// Load as guards see it.
pub(crate) struct Intent {
    pub(crate) load: Load,
    /// Part of it that can change the target, in words; none when it only reads.
    pub(crate) writes: Option<String>,
}

/// Target of load, as its guards see it.
pub(crate) struct Subject {
    /// The environment's name, or the host where there is no environment; what is typed to confirm.
    name: String,
    guards: Guards,
    /// It is production by its kind.
    production: bool,
    /// It looks like production, and why.
    evidence: Vec<String>,
    unlocked: bool,
}

impl Subject {
    pub(crate) fn new(environment: &Environment, evidence: Vec<String>, unlocked: bool) -> Self {
        let production = environment.kind == Kind::Production;
        let guards = if evidence.is_empty() { environment.guards.clone() } else { as_production(&environment.guards) };
        Self { name: environment.name.clone(), guards, production, evidence, unlocked }
    }

    /// A host that belongs to no environment.
    pub(crate) fn host(name: String, evidence: Vec<String>) -> Self {
        let free = Guards::for_kind(Kind::Development);
        let guards = if evidence.is_empty() { free } else { as_production(&free) };
        Self { name, guards, production: false, evidence, unlocked: true }
    }

    /// The guards that hold: those of the environment, raised where it looks like production.
    pub(crate) fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Whether a guard that cannot be kept forbids load.
    pub(crate) fn is_production(&self) -> bool {
        self.production || !self.evidence.is_empty()
    }

    /// Reasons for which it looks like production.
    pub(crate) fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// Name that must be typed to send load, if any.
    pub(crate) fn to_type(&self) -> Option<&str> {
        self.guards.typed_confirmation.then_some(self.name.as_str())
    }

    fn what(&self) -> String {
        let name = &self.name;
        if self.evidence.is_empty() {
            format!("'{name}'{}", if self.production { " is production" } else { "" })
        } else {
            format!("'{name}' looks like production ({})", self.evidence.join(", "))
        }
    }

    /// Whether load may be sent, but for what must be typed.
    pub(crate) fn check(&self, intent: &Intent) -> Result<(), ApiError> {
        let refuse = |message: String, hint: &str| {
            let otherwise = if self.evidence.is_empty() {
                ""
            } else {
                "; if it is not production, say so in the environment's guards"
            };
            Err(ApiError::new(ErrorCode::Guarded, message).hint(format!("{hint}{otherwise}")))
        };
        if let Some(what) = intent.writes.as_ref().filter(|_| self.guards.read_only && !self.unlocked) {
            return refuse(
                format!("'{}' is read-only: {what} can change it", self.name),
                "Unlock the environment for 15 minutes first",
            )
            .map_err(|refused| refused.remedy(Remedy::Unlock));
        }
        match (intent.load, self.guards.max_rate_per_s) {
            (Load::Rate { rate_per_s }, Some(cap)) if rate_per_s > cap => {
                let whose =
                    if self.evidence.is_empty() { format!("of '{}'", self.name) } else { format!(": {}", self.what()) };
                let space = if self.evidence.is_empty() { " " } else { "" };
                refuse(
                    format!("{rate_per_s} requests/s is over the cap of {cap} requests/s{space}{whose}"),
                    "Lower the rate, or raise the cap in the environment's guards",
                )
            }
            (Load::Closed, _) if self.is_production() => refuse(
                format!("{}: a benchmark there needs an explicit rate", self.what()),
                "Choose a constant rate instead of a closed loop",
            ),
            _ => Ok(()),
        }
    }

    /// Whether the target may be altered, but for what must be typed. `what` begins the sentence about it.
    pub(crate) fn may_alter(&self, what: &str) -> Result<(), ApiError> {
        if self.guards.read_only && !self.unlocked {
            return Err(ApiError::new(
                ErrorCode::Guarded,
                format!("'{}' is read-only, and this alters it: {what}", self.name),
            )
            .hint("Unlock the environment for 15 minutes first")
            .remedy(Remedy::Unlock));
        }
        Ok(())
    }

    /// Whether `what`, which only reads, may be run there to measure it: on what is production, or looks like it, only while
    /// it is unlocked. It takes as long and reads as much as it does.
    pub(crate) fn may_run(&self, what: &str) -> Result<(), ApiError> {
        if self.is_production() && !self.unlocked {
            return Err(ApiError::new(ErrorCode::Guarded, format!("{}: running {what} there is load", self.what()))
                .hint("Unlock the environment for 15 minutes first, or look without running it")
                .remedy(Remedy::Unlock));
        }
        Ok(())
    }

    /// Whether what must be typed to send load is among what was typed.
    pub(crate) fn confirmed(&self, typed: &[String]) -> Result<(), ApiError> {
        self.typed("Load on", typed)
    }

    /// Whether what must be typed is among what was typed.
    fn typed(&self, what: &str, typed: &[String]) -> Result<(), ApiError> {
        match self.to_type() {
            Some(name) if !typed.iter().any(|typed| typed == name) => {
                let why =
                    if self.evidence.is_empty() { String::new() } else { format!(": {}", self.evidence.join(", ")) };
                Err(ApiError::new(ErrorCode::Guarded, format!("{what} '{name}' needs its name typed{why}"))
                    .hint("Type the name to confirm")
                    .remedy(Remedy::Confirm))
            }
            _ => Ok(()),
        }
    }
}

/// Guards at least as strict as those of production; a cap of its own is kept.
fn as_production(own: &Guards) -> Guards {
    let production = Guards::for_kind(Kind::Production);
    Guards {
        typed_confirmation: true,
        max_rate_per_s: own.max_rate_per_s.or(production.max_rate_per_s),
        max_error_share: own.max_error_share.or(production.max_error_share),
        min_free_connections: own.min_free_connections.or(production.min_free_connections),
        ..own.clone()
    }
}

/// The right to alter one target of one environment once. Only the guards make it, and what alters a target takes it by
/// value.
#[derive(Debug)]
pub(crate) struct Permit {
    environment_id: String,
    role: TargetRole,
}

impl Permit {
    /// Whether it is for this target.
    pub(crate) fn is_for(&self, environment: &Environment, role: TargetRole) -> bool {
        self.environment_id == environment.id && self.role == role
    }
}

/// Longest time to look up the host of a target.
const LOOK_UP: Duration = Duration::from_secs(3);

/// The addresses that a target's host resolves to; none when it has no host or no address.
async fn resolved(environment: &Environment, role: TargetRole) -> Vec<String> {
    let targets = &environment.targets;
    let address = match role {
        TargetRole::Database => targets.database.as_ref().map(|d| d.address.clone()),
        TargetRole::Cache => targets.cache.as_ref().map(|c| c.address.clone()),
        TargetRole::Api => targets.api.as_ref().and_then(|a| Address::parse(&a.url).ok()).map(|(address, _)| address),
        TargetRole::Host | TargetRole::Frontend => None,
    };
    let mut found = Vec::new();
    for host in address.iter().flat_map(|a| &a.hosts).filter(|h| !h.host.starts_with('/')) {
        let look_up = tokio::net::lookup_host((host.host.as_str(), host.port));
        if let Ok(Ok(all)) = tokio::time::timeout(LOOK_UP, look_up).await {
            found.extend(all.map(|a| a.ip().to_string()));
        }
    }
    found
}

impl Engine {
    /// Target that is to be altered, as the guards see it.
    pub(crate) async fn altered(&self, environment: &Environment, role: TargetRole) -> Subject {
        let evidence = self.evidence(Some(environment), &resolved(environment, role).await).await;
        Subject::new(environment, evidence, self.is_unlocked(environment))
    }

    /// Asks the guards of an environment for the right to alter one of its targets, and journals when they refuse. `what`
    /// says what is to be done.
    ///
    /// # Errors
    /// [`ErrorCode::Guarded`] when it is read-only, or its name must be typed and was not.
    pub(crate) async fn permit(
        &self,
        environment: &Environment,
        role: TargetRole,
        what: &str,
        typed: &[String],
    ) -> Result<Permit, ApiError> {
        let subject = self.altered(environment, role).await;
        if let Err(refused) = subject.may_alter(what).and_then(|()| subject.typed("Altering", typed)) {
            let text = format!("{what}: {}", refused.message);
            self.noted(JournalKind::TargetChangeRefused, Some(environment), text).await;
            return Err(refused);
        }
        if self.take_unlocked_for_run(&environment.id) {
            let text = "changes are allowed for this change of a target".to_owned();
            self.journal(JournalKind::Unlocked, Some(environment), text, None).await?;
        }
        Ok(Permit { environment_id: environment.id.clone(), role })
    }

    /// Time until which an environment is unlocked, if it is, in milliseconds since the Unix epoch.
    pub(crate) fn unlocked_until(&self, id: &str) -> Option<f64> {
        let unlocks = self.core.unlocks.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_ms = self.core.clock.monotonic_ms();
        unlocks.get(id).filter(|(_, ends_ms)| *ends_ms > passed_ms).map(|(until, _)| *until)
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
            .hint("Type the environment's name to confirm")
            .remedy(Remedy::Confirm));
        }
        let until = self.core.clock.now_ms() + UNLOCK_MS;
        let ends_ms = self.core.clock.monotonic_ms() + UNLOCK_MS;
        self.core
            .unlocks
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(environment.id.clone(), (until, ends_ms));
        tracing::info!(environment = %environment.name, "unlocked for 15 minutes");
        Ok(until)
    }

    /// Allows changes to a read-only environment for the next run; the journal tells it when that run begins.
    ///
    /// # Errors
    /// When there is no such environment, or its guard asks for the name and `confirm` is not it.
    pub async fn unlock_for_run(&self, id: &str, confirm: Option<&str>) -> Result<(), ApiError> {
        let environment = self.environment(id).await?;
        if environment.guards.read_only {
            self.unlock(&environment, confirm)?;
            self.core.unlocks.1.lock().unwrap_or_else(PoisonError::into_inner).insert(environment.id);
        }
        Ok(())
    }

    /// Whether an environment was unlocked for the run that begins now; the next one has to ask again.
    pub(crate) fn take_unlocked_for_run(&self, id: &str) -> bool {
        self.core.unlocks.1.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Refuses changes again; answers whether they were allowed.
    pub(crate) fn lock(&self, id: &str) -> bool {
        let was = self.unlocked_until(id).is_some();
        self.core.unlocks.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{PoolSettings, Targets};

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

    fn spec(load: Load) -> Intent {
        Intent { load, writes: None }
    }

    fn check(e: &Environment, intent: &Intent, unlocked: bool) -> Result<(), ApiError> {
        Subject::new(e, Vec::new(), unlocked).check(intent)
    }

    #[test]
    fn production_needs_a_rate_within_its_cap() {
        let e = environment(Kind::Production);
        assert!(check(&e, &spec(Load::Closed), true).is_err(), "a closed loop has no rate");
        assert!(check(&e, &spec(Load::Rate { rate_per_s: 1e5 }), true).is_err(), "a rate over the cap is refused");
        assert!(check(&e, &spec(Load::Rate { rate_per_s: 10.0 }), true).is_ok(), "a rate under the cap is not");
        assert!(check(&environment(Kind::Development), &spec(Load::Closed), true).is_ok(), "development is free");
    }

    #[test]
    fn a_read_only_environment_takes_no_writes_until_it_is_unlocked() {
        let e = environment(Kind::Production);
        let load = Load::Rate { rate_per_s: 10.0 };
        let post = Intent { load, writes: Some("POST requests".to_owned()) };
        let refused = check(&e, &post, false).expect_err("POST can change it");
        assert_eq!(refused.code, ErrorCode::Guarded, "a guard refused it");
        assert!(refused.message.contains("read-only") && refused.hint.is_some(), "it says why and what to do");
        assert!(check(&e, &post, true).is_ok(), "unlocked, it may");
        assert!(check(&e, &spec(Load::Rate { rate_per_s: 10.0 }), false).is_ok(), "GET only reads");
    }

    #[test]
    fn what_only_reads_runs_on_production_while_that_is_unlocked() {
        let subject = |kind, unlocked| Subject::new(&environment(kind), Vec::new(), unlocked);
        let refused = subject(Kind::Production, false).may_run("the statement").expect_err("it is locked");
        assert_eq!((refused.code, refused.remedy), (ErrorCode::Guarded, Some(Remedy::Unlock)), "{refused:?}");
        assert!(subject(Kind::Production, true).may_run("the statement").is_ok(), "unlocked it may");
        assert!(subject(Kind::Staging, false).may_run("the statement").is_ok(), "nobody is served from there");
    }

    #[test]
    fn what_looks_like_production_is_guarded_like_it() {
        let why = || vec!["its database holds 120 GiB".to_owned()];
        let subject = Subject::new(&environment(Kind::Development), why(), true);
        let refused = subject.check(&spec(Load::Closed)).expect_err("it has no rate");
        assert_eq!(
            refused.message,
            "'clinic' looks like production (its database holds 120 GiB): a benchmark there needs an explicit rate"
        );
        assert!(refused.hint.is_some_and(|h| h.contains("if it is not production, say so")), "there is a way out");
        let over = subject.check(&spec(Load::Rate { rate_per_s: 101.0 })).expect_err("production's cap is 100");
        assert!(over.message.contains("over the cap of 100 requests/s: 'clinic' looks like"), "{}", over.message);
        assert!(subject.check(&spec(Load::Rate { rate_per_s: 100.0 })).is_ok(), "within the cap it may");
        let typed = subject.confirmed(&[]).expect_err("once its name is typed");
        assert_eq!(typed.message, "Load on 'clinic' needs its name typed: its database holds 120 GiB");
        assert!(subject.confirmed(&["other".into(), "clinic".into()]).is_ok(), "so it may");
        assert_eq!(subject.guards().max_error_share, Some(0.05), "and ends when it does harm");

        let mut own = environment(Kind::Staging);
        own.guards.max_rate_per_s = Some(700.0);
        let subject = Subject::new(&own, why(), true);
        assert!(subject.check(&spec(Load::Rate { rate_per_s: 700.0 })).is_ok(), "a cap of its own is kept");
        let host = Subject::host("example.org".into(), vec!["192.0.2.1 is a public address".into()]);
        assert_eq!(host.to_type(), Some("example.org"), "a host without an environment is typed itself");
        assert_eq!(host.guards().max_error_share, Some(0.05), "and is spared like one");
        assert!(Subject::host("127.0.0.1".into(), Vec::new()).check(&spec(Load::Closed)).is_ok(), "loopback is free");
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
        clock.set_forward(-3_600_000.0);
        assert!(engine.is_unlocked(&e), "setting the clock changes nothing");
        clock.advance(UNLOCK_MS);
        assert!(!engine.is_unlocked(&e), "and locks itself");
        assert!(engine.unlock(&e, Some("clinic")).is_ok() && engine.lock(&e.id), "or is locked by hand");
        assert!(!engine.is_unlocked(&e), "at once");
        engine.shutdown().await;
    }
}
