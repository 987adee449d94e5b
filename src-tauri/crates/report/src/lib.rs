//! Reports: the versioned document, and its renderings as one self-contained HTML file and as JSON.
//!
//! The HTML file needs no network, no script and no installed font: styles are inline, charts are SVG, and the whole
//! document is embedded as JSON so that a report can be read back by a program. Everything that came from outside
//! (names, addresses, error messages) is text and stays text, wherever it is put.
#![forbid(unsafe_code)]

mod bound;
mod chart;
mod format;
mod html;
mod lanes;
mod markup;
mod parts;
mod text;

use perfdeck_model::{ApiError, Finding, Kind, PoolSettings, Run, TargetRole, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bound::{MAX_POINTS, MAX_RUNS, MAX_SERIES};
pub use html::render_html;

/// Schema identifier of [`ReportDocument`].
pub const SCHEMA: &str = "perfdeck.report/1";

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A chart could not be drawn; the text names the chart.
    #[error("The chart '{chart}' could not be drawn: {reason}")]
    Chart {
        /// Name of the chart.
        chart: String,
        /// What the drawing library said.
        reason: String,
    },
    /// The bundled font could not be read: a defect of this build.
    #[error("The bundled font could not be read")]
    Font,
    /// The document could not be written as JSON.
    #[error("The report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The document has no run, or more than a report holds.
    #[error("A report holds 1 to {max} runs, not {found}", max = MAX_RUNS)]
    Runs {
        /// How many there were.
        found: usize,
    },
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Runs { .. } => Self::bad_request(error.to_string()).hint("Choose the runs to report"),
            other => Self::internal(other.to_string()),
        }
    }
}

/// Everything in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportDocument {
    /// `perfdeck.report/1`.
    pub schema: String,
    /// Title.
    pub title: String,
    /// Time of creation, RFC 3339.
    pub generated_at: String,
    /// Time of creation, milliseconds since the epoch.
    pub generated_ms: f64,
    /// What made it.
    pub tool: Tool,
    /// The environment, without secrets.
    pub environment: ReportEnvironment,
    /// Benchmark runs.
    pub runs: Vec<Run>,
    /// The environment's series during each run.
    pub series: Vec<RunSeries>,
    /// Findings at the time of the report.
    pub findings: Vec<Finding>,
    /// Remarks.
    pub notes: Vec<String>,
    /// What was left out on purpose.
    pub redactions: Vec<String>,
}

/// The program that made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// An environment as it appears in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportEnvironment {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: Kind,
    /// Targets with their addresses, without credentials.
    pub targets: Vec<ReportTarget>,
    /// Pool settings.
    pub pool: PoolSettings,
}

/// A target as it appears in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportTarget {
    /// Which target.
    pub role: TargetRole,
    /// Address without credentials.
    pub address: String,
    /// Product and version, where it was known.
    pub version: Option<String>,
}

/// The environment's series during one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSeries {
    /// The run.
    pub run_id: String,
    /// Sample times, ascending.
    pub t_ms: Vec<f64>,
    /// The series, each as long as `t_ms`.
    pub series: Vec<ReportSeries>,
}

/// One series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSeries {
    /// Series id.
    pub id: String,
    /// Unit of its values.
    pub unit: Unit,
    /// Which target.
    pub target: TargetRole,
    /// Values; `null` is a gap.
    pub values: Vec<Option<f64>>,
}

/// The document as indented JSON, bounded and masked in the same way as the one inside the HTML file.
///
/// # Errors
/// [`Error::Runs`] and [`Error::Json`].
pub fn to_json(document: &ReportDocument) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(&bound::bounded(document)?)?;
    text.push('\n');
    Ok(text)
}

/// The JSON schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ReportDocument).to_value()
}
