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
    /// The cache.
    Cache,
    /// Layers between clients and the API.
    Gateway,
    /// Perfdeck's own settings.
    Settings,
    /// A change that would mend it; it is planned with `changes.plan`.
    Change {
        /// Kind of the change, such as `drop_index`.
        kind: String,
        /// Object that it alters, such as `public.payments_created_idx`.
        object: String,
    },
}

/// Kinds that say what is broken at this moment: they stand above those that say what something costs.
const OF_STATE: [&str; 4] = ["samples_not_stored", "target_down", "api_failing", "session_blocked"];

impl Finding {
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
    /// The one action.
    pub action: FindingAction,
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
