//! What is broken at this moment, from what every collection tells anyway: a target that is down, an API that fails. Such
//! findings of state stand above those that say what something costs. Sessions that wait are told by the database's collector,
//! which knows for whom.
use perfdeck_model::{Finding, FindingAction, FindingTarget, Proof, SeriesInfo, TargetRole, TargetState, TargetStatus};

/// Probes in a row that must fail: one may be a restart.
const PROBES: u32 = 2;

/// What was noticed of one target over its last collections.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trouble {
    /// Since when it is down, in milliseconds.
    down_ms: Option<f64>,
    /// Probes in a row that failed, and when the first of them did.
    failed: u32,
    failing_ms: Option<f64>,
    /// Status of the last one, where it was answered as HTTP.
    status: Option<f64>,
}

/// What of it is worth telling, without figures that change every second: when it changes, viewers are told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    down: bool,
    /// The last status of an API that fails.
    failing: Option<Option<f64>>,
}

impl Trouble {
    /// Takes what the collection of a second found.
    pub(crate) fn see(&mut self, values: &[(SeriesInfo, f64)], at_ms: f64) {
        let get = |metric: &str| values.iter().find(|(s, _)| s.metric == metric).map(|(_, v)| *v);
        if let Some(failed) = get("api.probe.failed") {
            self.failed = if failed > 0.0 { self.failed.saturating_add(1) } else { 0 };
            self.failing_ms = (self.failed > 0).then(|| self.failing_ms.unwrap_or(at_ms));
            self.status = get("api.probe.status");
        }
        self.down_ms = None;
    }

    /// Notes that a collection failed; the state began with the last sample, or with the first try.
    pub(crate) fn lost(&mut self, target: &TargetStatus, at_ms: f64) {
        self.down_ms.get_or_insert(target.last_sample_ms.unwrap_or(at_ms));
    }

    pub(crate) fn told(&self, state: TargetState) -> Told {
        let up = state == TargetState::Up;
        Told { down: state == TargetState::Down, failing: (up && self.failed >= PROBES).then_some(self.status) }
    }

    /// The findings of a target in this state.
    pub(crate) fn findings(&self, target: &TargetStatus) -> Vec<Finding> {
        let told = self.told(target.state);
        let down = told.down.then(|| self.down(target));
        let failing = told.failing.map(|status| self.failing(target, status));
        down.into_iter().chain(failing).collect()
    }

    fn down(&self, target: &TargetStatus) -> Finding {
        let error = target.error.as_ref();
        let advice = error.and_then(|e| e.hint.clone()).unwrap_or_else(|| "Perfdeck tries again by itself".to_owned());
        let proof = Proof::new("a collection failed twice in a row, or took longer than its deadline", advice)
            .value("address", target.address.clone())
            .value("it said", error.map_or_else(|| "nothing".to_owned(), |e| e.message.clone()))
            .step("Test the connection", FindingTarget::Environment);
        let why = error.map_or_else(|| target.address.clone(), |e| e.message.clone());
        let title = format!("The {} does not answer", name(target.role));
        finding("target_down", target.role, title, why, "Review connection", FindingTarget::Environment)
            .because(Proof { since_ms: self.down_ms, ..proof })
    }

    fn failing(&self, target: &TargetStatus, status: Option<f64>) -> Finding {
        let with = status.map_or_else(|| "not as HTTP".to_owned(), |s| format!("with status {s:.0}"));
        let advice =
            "Read the server's own log of these seconds: what fails for the probe mostly fails for its clients";
        let proof = Proof::new(format!("{PROBES} probes or more in a row failed"), advice)
            .value("failed in a row", format!("{} probes", self.failed))
            .value("last answer", status.map_or_else(|| "no HTTP".to_owned(), |s| format!("status {s:.0}")))
            .observed(Some(format!("{} probes, one a second", self.failed)), None)
            .step("Edit the probe's path", FindingTarget::Environment);
        let evidence = format!("each probe is answered {with}");
        let title = "The API fails every probe".to_owned();
        finding("api_failing", target.role, title, evidence, "Review probes", FindingTarget::Overview)
            .because(Proof { since_ms: self.failing_ms, ..proof })
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
        proof: Proof::default(),
    }
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
            first_sample_ms: None,
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
        trouble.see(&answered(503.0), 1_000.0);
        assert!(trouble.findings(&up).is_empty(), "once may be a restart");
        trouble.see(&answered(503.0), 2_000.0);
        let found = trouble.findings(&up);
        assert_eq!(found[0].kind, "api_failing", "twice is failing");
        assert_eq!(found[0].evidence, "each probe is answered with status 503");
        assert_eq!(found[0].proof.since_ms, Some(1_000.0), "since the first that failed");
        assert!(found[0].is_of_state(), "and stands above what only costs");
        trouble.see(&answered(404.0), 3_000.0);
        assert!(trouble.findings(&up).is_empty(), "an answer that is no failure ends it");
        trouble.see(&answered(500.0), 4_000.0);
        trouble.see(&answered(500.0), 5_000.0);
        assert_eq!(trouble.findings(&up)[0].proof.since_ms, Some(4_000.0), "and the next begins anew");
    }

    #[test]
    fn a_target_that_is_down_is_found() {
        let mut trouble = Trouble::default();
        let mut gone = target(TargetRole::Cache, TargetState::Down);
        trouble.lost(&gone, 7_000.0);
        trouble.lost(&gone, 9_000.0);
        let found = trouble.findings(&gone);
        assert_eq!((found[0].kind.as_str(), found[0].evidence.as_str()), ("target_down", "h:1 refused it"));
        assert_eq!(found[0].proof.since_ms, Some(7_000.0), "never seen: since the first try");
        trouble.see(&[], 60_000.0);
        gone.last_sample_ms = Some(2_000_000.0);
        trouble.lost(&gone, 2_003_000.0);
        let since = trouble.findings(&gone)[0].proof.since_ms;
        assert_eq!(since, Some(2_000_000.0), "one that answered before: since its last sample");
    }
}
