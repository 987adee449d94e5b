//! Requests for and results of report exports.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Contents that a report is to have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ReportRequest {
    /// Identifier of the environment.
    pub environment_id: String,
    /// Runs to include; the latest one when nothing is named at all.
    #[serde(default)]
    pub run_ids: Vec<String>,
    /// Comparisons to include: stored ones, or two runs as `A:B`.
    #[serde(default)]
    pub comparison_ids: Vec<String>,
    /// Searches for the knee to include.
    #[serde(default)]
    pub knee_ids: Vec<String>,
    /// Whether the environment's findings are in it, as they stand when it is made.
    #[serde(default)]
    pub findings: bool,
    /// File to write; the reports folder when absent.
    pub out: Option<String>,
    /// JSON file to write beside it; same name with `.json` when absent.
    pub json_out: Option<String>,
    /// Title shown on top.
    pub title: Option<String>,
}

/// A report that was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ReportFile {
    /// Identifier in the list of reports.
    pub id: String,
    /// Title.
    pub title: String,
    /// The environment's name at the time.
    pub environment_name: String,
    /// Path of the HTML file.
    pub html_path: String,
    /// Path of the JSON file.
    pub json_path: String,
    /// Size of the HTML file, in bytes.
    pub html_bytes: u64,
    /// Creation time.
    pub created_ms: f64,
    /// Runs in it.
    pub run_ids: Vec<String>,
    /// Comparisons in it.
    #[serde(default)]
    pub comparison_ids: Vec<String>,
    /// Searches for the knee in it.
    #[serde(default)]
    pub knee_ids: Vec<String>,
}
