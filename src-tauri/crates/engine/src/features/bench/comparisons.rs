//! Comparing two stored runs: indicative, never a verdict. What is compared with a verdict is a [duet](super::duet).
use perfdeck_model::ApiError;
use perfdeck_stats::Comparison;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::features::bench::alike::differences;

/// A stored comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StoredComparison {
    /// Stable identifier.
    pub id: String,
    /// Name for a person.
    pub name: String,
    /// Time at which it ended, in milliseconds since the Unix epoch.
    pub created_ms: f64,
    /// Name of side A.
    pub label_a: String,
    /// Name of side B.
    pub label_b: String,
    /// The environment of B, or else of A.
    pub environment_id: Option<String>,
    /// The result.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Engine {
    /// Holds two stored runs against each other: indicative, never a verdict.
    pub(crate) async fn compare_runs(
        &self,
        a: &str,
        b: &str,
        changed: &[String],
    ) -> Result<StoredComparison, ApiError> {
        let (a, b) = (self.run(a).await?, self.run(b).await?);
        if a.id == b.id {
            return Err(ApiError::bad_request("A run cannot be compared with itself").hint("Choose two different runs"));
        }
        let gate = differences(&a, &b, changed);
        let noise = self.noise_of(&b).await?;
        let mut comparison = perfdeck_stats::runs(&a, &b, &noise, gate.forbidding());
        comparison.notes.extend(gate.declared().iter().map(|change| format!("the change: {change}")));
        comparison.notes.extend(gate.unchanged);
        comparison.notes.extend(perfdeck_stats::told_by_one(&a.facts, &b.facts));
        Ok(StoredComparison {
            id: format!("{}:{}", a.id, b.id),
            name: format!("{} against {}", b.name, a.name),
            created_ms: self.core.clock.now_ms(),
            environment_id: b.environment_id.clone().or(a.environment_id),
            label_a: a.name,
            label_b: b.name,
            comparison,
        })
    }
}
