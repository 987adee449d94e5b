//! What is broken at this moment, from what every collection tells anyway: a target that is down, an API that fails, a
//! session that has been waiting for long. Such findings of state stand above those that say what something costs.
use perfdeck_model::{Finding, FindingAction, FindingTarget, SeriesInfo, TargetRole, TargetState, TargetStatus};

/// Probes in a row that must fail: one may be a restart.
const PROBES: u32 = 2;
/// A session that has been waiting for a lock this long, in seconds, will hardly get it by itself.
const BLOCKED_S: f64 = 60.0;

/// What was noticed of one target over its last collections.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Probes in a row that failed.
    failed: u32,
    /// Status of the last one, where it was answered as HTTP.
    status: Option<f64>,
    /// Sessions that wait for a lock, and the longest wait in seconds.
    waiting: f64,
    blocked_s: f64,
}

impl Trouble {
    /// Takes what one collection found.
    pub(crate) fn see(&mut self, values: &[(SeriesInfo, f64)]) {
        let get = |metric: &str| values.iter().find(|(s, _)| s.metric == metric).map(|(_, v)| *v);
        if let Some(failed) = get("api.probe.failed") {
            self.failed = if failed > 0.0 { self.failed.saturating_add(1) } else { 0 };
            self.status = get("api.probe.status");
        }
        self.waiting = get("database.locks.waiting").unwrap_or(0.0);
        self.blocked_s = get("database.locks.longest").unwrap_or(0.0);
    }

    /// What of it is worth telling, without figures that change every second: when it changes, viewers are told.
    pub(crate) fn told(&self, state: TargetState) -> (bool, bool, bool) {
        let up = state == TargetState::Up;
        (state == TargetState::Down, up && self.failed >= PROBES, up && self.blocked_s >= BLOCKED_S)
    }

    /// The findings of a target in this state.
    pub(crate) fn findings(&self, target: &TargetStatus) -> Vec<Finding> {
        let (down, failing, blocked) = self.told(target.state);
        let role = target.role;
        let mut all = Vec::new();
        if down {
            let why = target.error.as_ref().map_or_else(|| target.address.clone(), |e| e.message.clone());
            all.push(finding(
                "target_down",
                role,
                format!("The {} does not answer", name(role)),
                why,
                "Test connection",
                FindingTarget::Environment,
            ));
        }
        if failing {
            let with = self.status.map_or_else(|| "not with HTTP".to_owned(), |s| format!("with status {s:.0}"));
            let evidence = format!("{} probes in a row failed, the last one was answered {with}", self.failed);
            all.push(finding(
                "api_failing",
                role,
                "The API fails every probe".to_owned(),
                evidence,
                "Show",
                FindingTarget::Overview,
            ));
        }
        if blocked {
            let evidence = format!(
                "the longest wait has lasted {}; {:.0} {} for locks",
                span(self.blocked_s),
                self.waiting.max(1.0),
                if self.waiting > 1.0 { "sessions wait" } else { "session waits" }
            );
            let title = "A session has been waiting for a lock".to_owned();
            all.push(finding("session_blocked", role, title, evidence, "Show sessions", FindingTarget::Database));
        }
        all
    }
}

fn name(role: TargetRole) -> &'static str {
    match role {
        TargetRole::Api => "API",
        other => other.as_str(),
    }
}

fn finding(
    kind: &str,
    target: TargetRole,
    title: String,
    evidence: String,
    label: &str,
    opens: FindingTarget,
) -> Finding {
    Finding {
        id: format!("{kind}:{}", target.as_str()),
        kind: kind.to_owned(),
        target,
        title,
        evidence,
        cost: 1.0,
        action: FindingAction { label: label.to_owned(), opens },
    }
}

fn span(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{ApiError, ErrorCode, Unit};

    fn target(role: TargetRole, state: TargetState) -> TargetStatus {
        TargetStatus {
            role,
            address: "h:1".to_owned(),
            state,
            version: None,
            detail: None,
            round_trip_ms: None,
            last_sample_ms: None,
            next_try_ms: None,
            error: (state == TargetState::Down).then(|| ApiError::new(ErrorCode::Unreachable, "h:1 refused it")),
            limits: std::collections::BTreeMap::new(),
            own_requests: None,
        }
    }

    fn value(metric: &str, value: f64) -> (SeriesInfo, f64) {
        (SeriesInfo::new(metric, &[], Unit::Count, TargetRole::Api), value)
    }

    #[test]
    fn an_api_that_fails_every_probe_is_found() {
        let (mut trouble, up) = (Trouble::default(), target(TargetRole::Api, TargetState::Up));
        let answered = |status: f64| {
            [value("api.probe.failed", f64::from(u8::from(status >= 500.0))), value("api.probe.status", status)]
        };
        trouble.see(&answered(503.0));
        assert!(trouble.findings(&up).is_empty(), "once may be a restart");
        trouble.see(&answered(503.0));
        let found = trouble.findings(&up);
        assert_eq!(found[0].kind, "api_failing", "twice is failing");
        assert_eq!(found[0].evidence, "2 probes in a row failed, the last one was answered with status 503");
        assert!(found[0].is_of_state(), "and stands above what only costs");
        trouble.see(&answered(404.0));
        assert!(trouble.findings(&up).is_empty(), "an answer that is no failure ends it");
    }

    #[test]
    fn a_target_that_is_down_and_a_session_that_waits_are_found() {
        let mut trouble = Trouble::default();
        let found = trouble.findings(&target(TargetRole::Cache, TargetState::Down));
        assert_eq!((found[0].kind.as_str(), found[0].evidence.as_str()), ("target_down", "h:1 refused it"));
        trouble.see(&[value("database.locks.waiting", 1.0), value("database.locks.longest", 59.0)]);
        let up = target(TargetRole::Database, TargetState::Up);
        assert!(trouble.findings(&up).is_empty(), "under a minute it may still get it");
        trouble.see(&[value("database.locks.waiting", 2.0), value("database.locks.longest", 1_980.0)]);
        assert_eq!(trouble.findings(&up)[0].evidence, "the longest wait has lasted 33 min; 2 sessions wait for locks");
    }
}
