//! What a check of health says: values against thresholds. Pure.
use crate::{ApiError, CheckFix, CheckState, CheckThreshold, ErrorCode, HealthCheck, Unit};

/// A threshold and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Value above which it is a warning, in the check's unit.
    pub warning: Option<f64>,
    /// Value above which it fails, in the check's unit.
    pub failing: Option<f64>,
    /// Where the threshold comes from.
    pub source: &'static str,
}

impl Limit {
    /// Both thresholds.
    pub const fn new(warning: f64, failing: f64, source: &'static str) -> Self {
        Self { warning: Some(warning), failing: Some(failing), source }
    }

    /// The outcome of a value.
    pub fn state(self, value: f64) -> CheckState {
        let above = |limit: Option<f64>| limit.is_some_and(|limit| value > limit);
        match (above(self.failing), above(self.warning)) {
            (true, _) => CheckState::Failing,
            (false, true) => CheckState::Warning,
            (false, false) => CheckState::Ok,
        }
    }
}

/// A check of a state, without a value.
pub fn told(id: &str, title: &str, state: CheckState, reason: impl Into<String>) -> HealthCheck {
    HealthCheck {
        id: id.to_owned(),
        title: title.to_owned(),
        state,
        value: None,
        unit: None,
        threshold: None,
        reason: reason.into(),
        fix: None,
        grant: None,
        missed: false,
    }
}

/// A check of a value against a threshold.
pub fn measured(
    id: &str,
    title: &str,
    (value, unit): (f64, Unit),
    limit: Limit,
    reason: impl Into<String>,
) -> HealthCheck {
    let threshold = CheckThreshold { warning: limit.warning, failing: limit.failing, source: limit.source.to_owned() };
    HealthCheck {
        value: Some(value),
        unit: Some(unit),
        threshold: Some(threshold),
        ..told(id, title, limit.state(value), reason)
    }
}

/// What a server of this kind never tells.
pub fn unknown(id: &str, title: &str, reason: impl Into<String>) -> HealthCheck {
    told(id, title, CheckState::Unknown, reason)
}

/// A check whose figures this user may not see.
pub fn refused(id: &str, title: &str, reason: impl Into<String>, grant: String) -> HealthCheck {
    HealthCheck { grant: Some(grant), missed: true, ..unknown(id, title, reason) }
}

/// A check that could not be made. A missing privilege comes with the statement that grants it, which is the error's hint.
pub fn missed(id: &str, title: &str, error: &ApiError) -> HealthCheck {
    let hint = error.hint.clone().unwrap_or_default();
    if error.code == ErrorCode::Privilege && (hint.starts_with("GRANT") || hint.starts_with("ACL SETUSER")) {
        return refused(id, title, error.message.clone(), hint);
    }
    let fix = error.hint.clone().map(|what| CheckFix { what, statement: None });
    HealthCheck { missed: true, fix, ..unknown(id, title, error.message.clone()) }
}

/// Adds what mends a check, to one that needs it.
pub trait Mend {
    /// Says what mends it, with the exact statement where there is one.
    #[must_use]
    fn mend(self, what: &str, statement: Option<&str>) -> Self;
}

impl Mend for HealthCheck {
    fn mend(mut self, what: &str, statement: Option<&str>) -> Self {
        if matches!(self.state, CheckState::Warning | CheckState::Failing) {
            self.fix = Some(CheckFix { what: what.to_owned(), statement: statement.map(str::to_owned) });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_its_threshold() {
        let limit = Limit::new(0.8, 0.9, "a test");
        for (value, state) in [
            (0.0, CheckState::Ok),
            (0.8, CheckState::Ok),
            (0.81, CheckState::Warning),
            (0.9, CheckState::Warning),
            (0.91, CheckState::Failing),
        ] {
            assert_eq!(limit.state(value), state, "{value} of 0.8 and 0.9");
        }
        let check = measured("a", "A", (0.95, Unit::Ratio), limit, "why").mend("Mends it", Some("DO"));
        assert!(check.fix.is_some() && check.threshold.is_some(), "what fails says how it is mended: {check:?}");
        let fine = measured("a", "A", (0.1, Unit::Ratio), limit, "why").mend("Mends it", Some("DO"));
        assert_eq!(fine.fix, None, "what is fine needs none");
    }

    #[test]
    fn what_is_not_allowed_is_not_what_is_not_there() {
        let error = ApiError::new(ErrorCode::Privilege, "'u' lacks a privilege").hint("GRANT pg_monitor TO u;");
        let check = missed("a", "A", &error);
        assert_eq!((check.state, check.grant.as_deref()), (CheckState::Unknown, Some("GRANT pg_monitor TO u;")));
        assert!(check.missed, "it could be made");
        let never = unknown("b", "B", "no server tells");
        assert!(!never.missed && never.grant.is_none(), "nothing is missing there");
    }
}
