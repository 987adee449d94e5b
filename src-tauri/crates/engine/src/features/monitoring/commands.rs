//! Commands of watched environments: series, targets, findings.
use std::collections::BTreeMap;
use std::sync::Arc;

use perfdeck_model::{ApiError, Columns, Finding, MetricInfo, SeriesInfo, TargetStatus};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::requests::{ByEnvironment, Empty};
use crate::table::{Result, commands};

/// Asks for samples.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct HistoryRequest {
    /// Identifier or name.
    pub environment_id: String,
    /// Start of the range, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// End of the range, in milliseconds since the Unix epoch.
    pub to_ms: f64,
    /// Width of the plot, in pixels: at most one minimum, maximum and mean per pixel comes back.
    pub width_px: u32,
    /// Series ids; all when absent.
    #[serde(default)]
    pub series: Option<Vec<String>>,
}

/// A metric, and what a watched environment has of it.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct MetricSeen {
    /// The metric.
    pub metric: MetricInfo,
    /// Number of its series: one for each combination of its attributes; 0 where it is not measured.
    pub series: u32,
}

commands! {
    Target Json "monitor.start" (ByEnvironment) -> Vec<TargetStatus>, changes [Series] => start;
    Read Json "monitor.catalogue" (Empty) -> Vec<MetricInfo>, changes [] => catalogue;
    Read Json "monitor.metrics" (ByEnvironment) -> Vec<MetricSeen>, changes [] => metrics;
    Read Json "monitor.series" (ByEnvironment) -> Vec<SeriesInfo>, changes [] => series;
    Read Json "monitor.targets" (ByEnvironment) -> Vec<TargetStatus>, changes [] => targets;
    Read Binary "monitor.history" (HistoryRequest) -> Columns, changes [] => history;
    Read Json "findings.list" (ByEnvironment) -> Vec<Finding>, changes [] => findings_list;
}

/// Watches an environment; answers its targets.
pub async fn start(engine: Arc<Engine>, request: ByEnvironment) -> Result<Vec<TargetStatus>> {
    Ok(engine.monitor(&request.environment_id).await?.targets())
}

/// Every metric, with its unit and help.
pub async fn catalogue(_: Arc<Engine>, _: Empty) -> Result<Vec<MetricInfo>> {
    Ok(perfdeck_model::catalogue())
}

/// Every metric, with the number of its series in a watched environment.
pub async fn metrics(engine: Arc<Engine>, request: ByEnvironment) -> Result<Vec<MetricSeen>> {
    let mut counts = BTreeMap::new();
    for series in engine.monitor(&request.environment_id).await?.series() {
        *counts.entry(series.metric).or_insert(0) += 1;
    }
    let seen = |metric: MetricInfo| MetricSeen { series: counts.get(&metric.name).copied().unwrap_or(0), metric };
    Ok(perfdeck_model::catalogue().into_iter().map(seen).collect())
}

/// The series of a watched environment.
pub async fn series(engine: Arc<Engine>, request: ByEnvironment) -> Result<Vec<SeriesInfo>> {
    Ok(engine.monitor(&request.environment_id).await?.series())
}

/// The targets of a watched environment.
pub async fn targets(engine: Arc<Engine>, request: ByEnvironment) -> Result<Vec<TargetStatus>> {
    Ok(engine.monitor(&request.environment_id).await?.targets())
}

/// Samples of a range, at most a minimum, a maximum and a mean per pixel.
pub async fn history(engine: Arc<Engine>, request: HistoryRequest) -> Result<Columns> {
    let HistoryRequest { environment_id, from_ms, to_ms, width_px, series } = request;
    let day = 24.0 * 3_600_000.0;
    if !(from_ms.is_finite() && to_ms.is_finite() && to_ms > from_ms && to_ms - from_ms <= 31.0 * day) {
        return Err(ApiError::bad_request("The range ends after it starts and spans at most 31 days"));
    }
    let monitor = engine.monitor(&environment_id).await?;
    Ok(monitor.history(from_ms, to_ms, width_px.clamp(1, 8192), series.as_deref()).await)
}

/// Findings to mend, worst first.
pub async fn findings_list(engine: Arc<Engine>, request: ByEnvironment) -> Result<Vec<Finding>> {
    let mut findings = engine.monitor(&request.environment_id).await?.findings();
    findings.sort_by(Finding::before);
    Ok(findings)
}
