//! The metric catalogue's vocabulary. Names follow OpenTelemetry's dotted form without units.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::TargetRole;

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A fraction, 0 to 1; shown in percent.
    Ratio,
    /// Bytes; shown in IEC units.
    Bytes,
    /// Bytes per second; shown in SI units.
    BytesPerSecond,
    /// Seconds; shown in s, ms or µs.
    Seconds,
    /// Events per second.
    PerSecond,
    /// A number of things.
    Count,
}

/// Behaviour of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Instrument {
    /// A value at a time.
    Gauge,
    /// A rate derived from a counter over the last interval.
    Rate,
}

/// One entry of the metric catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MetricInfo {
    /// Dotted name, such as `system.cpu.utilization`.
    pub name: String,
    /// Title where people read it, such as `CPU`.
    pub title: String,
    /// The target it is measured on.
    pub role: TargetRole,
    /// Unit of its values.
    pub unit: Unit,
    /// Behaviour of the metric.
    pub instrument: Instrument,
    /// Meaning and source of the metric, in one sentence.
    pub help: String,
}

/// One series: a metric with its attributes on one target of one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SeriesInfo {
    /// `name` or `name{key=value,…}` with keys sorted; unique in an environment.
    pub id: String,
    /// Name in the catalogue.
    pub metric: String,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
    /// Unit of its values.
    pub unit: Unit,
    /// Target it comes from.
    pub target: TargetRole,
}

impl SeriesInfo {
    /// Builds the series and its id from its parts.
    pub fn new(metric: &str, attributes: &[(&str, &str)], unit: Unit, target: TargetRole) -> Self {
        let attributes: BTreeMap<String, String> =
            attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let id = if attributes.is_empty() {
            metric.to_owned()
        } else {
            let inner: Vec<String> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{metric}{{{}}}", inner.join(","))
        };
        Self { id, metric: metric.to_owned(), attributes, unit, target }
    }
}
