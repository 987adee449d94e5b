//! Findings: something wrong, with evidence and one action.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::TargetRole;

/// What a finding's button opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FindingAction {
    /// Verb and object, such as "Review index".
    pub label: String,
    /// Route of the screen it opens, such as `/database`.
    pub route: String,
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
    /// Which target.
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
