//! Reports: the versioned document, and its renderings as one self-contained HTML file and as JSON.
//!
//! The HTML file needs no network, no script and no installed font: styles and fonts are inline, charts are SVG, and the whole
//! document is embedded as JSON so that a report can be read back by a program. Everything that came from outside
//! (names, addresses, error messages) is text and stays text, wherever it is put. A report has no time of its own: made twice
//! of the same data it is the same, byte for byte.
#![forbid(unsafe_code)]

mod axis;
mod bound;
mod comparison;
mod curve;
mod fonts;
mod format;
mod glyph;
mod heat;
mod html;
mod knee;
mod lane;
mod lanes;
mod markup;
mod parts;
mod plot;
mod run;
mod samples;
mod text;
mod time;
mod tokens;
mod window;

use perfdeck_model::{ApiError, Finding, Heatmap, Kind, Percentile, PoolSettings, Run, RunSummary, TargetRole, Unit};
use perfdeck_stats::Comparison;
use perfdeck_stats::knee::Knee;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bound::{MAX_COLUMNS, MAX_PARTS, MAX_POINTS, MAX_SERIES};
pub use html::render_html;
pub use window::is_stacked;

/// Schema identifier of [`ReportDocument`].
pub const SCHEMA: &str = "perfdeck.report/2";

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document could not be written as JSON.
    #[error("The report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The document has nothing in it, or more than a report holds.
    #[error("A report holds 1 to {max} runs, comparisons and knees, not {found}", max = MAX_PARTS)]
    Contents {
        /// How many there were.
        found: usize,
    },
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Contents { .. } => Self::bad_request(error.to_string()).hint("Choose what is to be in the report"),
            other => Self::internal(other.to_string()),
        }
    }
}

/// Everything in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportDocument {
    /// `perfdeck.report/2`.
    pub schema: String,
    /// Title.
    pub title: String,
    /// What made it.
    pub tool: Tool,
    /// The environment, without secrets.
    pub environment: ReportEnvironment,
    /// Comparisons of runs.
    pub comparisons: Vec<ReportComparison>,
    /// Searches for the knee.
    pub knees: Vec<ReportKnee>,
    /// Benchmark runs.
    pub runs: Vec<Run>,
    /// The environment's series during each run.
    pub series: Vec<RunSeries>,
    /// Response times over the seconds of each run.
    pub heatmaps: Vec<RunHeat>,
    /// Findings, as they stood at `findings_ms`.
    pub findings: Vec<Finding>,
    /// Time at which the findings were read, milliseconds since the epoch; `None` where none were asked for.
    pub findings_ms: Option<f64>,
    /// Remarks.
    pub notes: Vec<String>,
    /// What was left out on purpose.
    pub redactions: Vec<String>,
}

impl ReportDocument {
    /// How many comparisons, knees and runs it has.
    pub fn parts(&self) -> usize {
        self.comparisons.len() + self.knees.len() + self.runs.len()
    }
}

/// A comparison in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportComparison {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Time at which it ended, milliseconds since the epoch.
    pub created_ms: f64,
    /// Name of side A.
    pub label_a: String,
    /// Name of side B.
    pub label_b: String,
    /// The result.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Its runs that are still stored.
    pub runs: Vec<RunSummary>,
    /// Percentile curve of A's middle run.
    pub curve_a: Option<SideCurve>,
    /// Percentile curve of B's middle run.
    pub curve_b: Option<SideCurve>,
}

/// The percentile curve of the run that stands for a side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideCurve {
    /// The run.
    pub run_id: String,
    /// Samples behind it.
    pub n: u64,
    /// Its points.
    pub points: Vec<Percentile>,
}

/// A search for the knee in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportKnee {
    /// Identifier.
    pub id: String,
    /// Method and URL.
    pub name: String,
    /// Time at which it ended, milliseconds since the epoch.
    pub created_ms: f64,
    /// The objective.
    pub slo: String,
    /// The result.
    #[serde(flatten)]
    pub knee: Knee,
}

/// The response times of a run over its seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeat {
    /// The run.
    pub run_id: String,
    /// Counts by column of time and bucket.
    pub heatmap: Heatmap,
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
/// [`Error::Contents`] and [`Error::Json`].
pub fn to_json(document: &ReportDocument) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(&bound::bounded(document)?)?;
    text.push('\n');
    Ok(text)
}

/// The JSON schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ReportDocument).to_value()
}
