//! Findings: something wrong, with evidence and one action.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::TargetRole;

/// Button of a finding, and its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FindingAction {
    /// Verb and object, such as "Review index".
    pub label: String,
    /// Destination of the button.
    pub opens: FindingTarget,
}

/// Destination that a finding leads to. A face knows where it shows that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FindingTarget {
    /// All targets of the environment on one time axis.
    Overview,
    /// The environment's addresses, where its connections are tested.
    Environment,
    /// The database.
    Database,
    /// Health of the database.
    DatabaseHealth,
    /// Advice on the indexes of the database.
    DatabaseAdvice,
    /// The cache.
    Cache,
    /// Layers between clients and the API.
    Gateway,
    /// Perfdeck's own settings.
    Settings,
    /// A session of the database.
    Session {
        /// Server's number of the session.
        pid: i64,
    },
    /// A change that would mend it; it is planned with `changes.plan`.
    Change {
        /// Kind of the change, such as `drop_index`.
        kind: String,
        /// Object that it alters, such as `public.payments_created_idx`.
        object: String,
    },
    /// A new benchmark of a route of the API.
    Route {
        /// Method.
        method: String,
        /// Path below the API's address.
        path: String,
    },
    /// A new benchmark of a statement.
    Statement {
        /// Statement with placeholders, without literals.
        sql: String,
    },
    /// A new benchmark of keys of the cache.
    Keys {
        /// Pattern of the keys, such as `session:*`.
        pattern: String,
    },
}

/// A value that a finding is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FindingValue {
    /// What it is, such as "rows read".
    pub name: String,
    /// The figure with its unit.
    pub value: String,
}

/// A statement or command that belongs to a finding, to be copied as it is. Never prose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FindingStatement {
    /// What it does, such as "Drops the index".
    pub what: String,
    /// The exact text.
    pub text: String,
}

/// What stands behind a finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(default)]
pub struct Proof {
    /// Values that it is made of.
    pub values: Vec<FindingValue>,
    /// Number of what was looked at, in words, such as "214 calls"; `None` where it is the state of one moment.
    pub samples: Option<String>,
    /// Time that was observed for it, in seconds; `None` where it is the state of one moment.
    pub observed_s: Option<f64>,
    /// When it was first found, or when the state that it tells began.
    pub since_ms: Option<f64>,
    /// Rule with its threshold.
    pub rule: String,
    /// What to do about it, in words.
    pub advice: String,
    /// Statements and commands.
    pub statements: Vec<FindingStatement>,
    /// Next steps, the best first.
    pub steps: Vec<FindingAction>,
}

impl Proof {
    /// By a rule, with what to do.
    pub fn new(rule: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { rule: rule.into(), advice: advice.into(), ..Self::default() }
    }

    /// Adds a value with its unit.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.push(FindingValue { name: name.to_owned(), value: value.into() });
        self
    }

    /// Says how much was looked at, and over how many seconds.
    #[must_use]
    pub fn observed(mut self, samples: Option<String>, seconds: Option<f64>) -> Self {
        (self.samples, self.observed_s) = (samples, seconds);
        self
    }

    /// Adds a statement or command.
    #[must_use]
    pub fn statement(mut self, what: &str, text: impl Into<String>) -> Self {
        self.statements.push(FindingStatement { what: what.to_owned(), text: text.into() });
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn step(mut self, label: &str, opens: FindingTarget) -> Self {
        self.steps.push(FindingAction { label: label.to_owned(), opens });
        self
    }
}

/// Kinds that say what is broken at this moment: they stand above those that say what something costs.
const OF_STATE: [&str; 8] = [
    "samples_not_stored",
    "target_down",
    "api_failing",
    "session_blocked",
    "idle_in_transaction",
    "long_transaction",
    "sessions_hidden",
    "database_unhealthy",
];

impl Finding {
    /// The same with what stands behind it.
    #[must_use]
    pub fn because(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    /// Whether it says what is broken, and not what something costs.
    pub fn is_of_state(&self) -> bool {
        OF_STATE.contains(&self.kind.as_str())
    }

    /// The order in which findings are shown: what is broken first, then by cost.
    pub fn before(&self, other: &Self) -> std::cmp::Ordering {
        let place = |f: &Self| OF_STATE.iter().position(|kind| *kind == f.kind).unwrap_or(OF_STATE.len());
        place(self).cmp(&place(other)).then(other.cost.total_cmp(&self.cost)).then_with(|| self.id.cmp(&other.id))
    }
}

/// Something wrong on a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Finding {
    /// Stable identifier of the kind and object, for deduplication.
    pub id: String,
    /// Kind, such as `sequential_scan`, `keys_without_expiry`, `uncompressed_response`.
    pub kind: String,
    /// Target that it was found on.
    pub target: TargetRole,
    /// The finding in one line; identifiers between backticks are shown in monospace.
    pub title: String,
    /// The evidence in one line, with units and sample sizes.
    pub evidence: String,
    /// Cost used for ranking, as a share of the tier's time, memory or bytes, 0 to 1.
    pub cost: f64,
    /// Words of the button that opens its proof, and the part of the environment that it is about.
    pub action: FindingAction,
    /// What stands behind it.
    #[serde(default)]
    pub proof: Proof,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_comes_before_what_costs_whatever_it_costs() {
        let finding = |kind: &str, cost: f64| Finding {
            id: format!("{kind}:{cost}"),
            kind: kind.to_owned(),
            target: TargetRole::Api,
            title: String::new(),
            evidence: String::new(),
            cost,
            action: FindingAction { label: String::new(), opens: FindingTarget::Overview },
            proof: Proof::default(),
        };
        let mut all = [
            finding("sequential_scan", 1.0),
            finding("memory_full", 0.8),
            finding("session_blocked", 0.1),
            finding("uncompressed_response", 0.9),
            finding("api_failing", 0.0),
            finding("target_down", 0.2),
        ];
        all.sort_by(Finding::before);
        let order: Vec<&str> = all.iter().map(|f| f.kind.as_str()).collect();
        let broken = ["target_down", "api_failing", "session_blocked"];
        assert_eq!(order[..3], broken, "state first, in a fixed order, even where its cost is lower");
        assert_eq!(order[3..], ["sequential_scan", "uncompressed_response", "memory_full"], "then by cost");
        assert!(all[..3].iter().all(Finding::is_of_state) && !all[3..].iter().any(Finding::is_of_state));
    }
}
