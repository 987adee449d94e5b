//! Results of other engines as figures. What an engine cannot give stays absent.
mod figures;
mod k6;
mod k6_files;
mod locust;
mod locust_csv;
mod moment;
mod run;
#[cfg(test)]
mod tests;

use hdrhistogram::Histogram;

use super::Tool;

/// Steps of an import at most; all further ones are counted as one.
pub(super) const MAX_STEPS: usize = 1000;

/// Seconds of an import that are kept, at most.
pub(super) const MAX_SECONDS: usize = 100_000;

/// Why results cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A line that is not what it should be.
    #[error("{file}, line {line}: {message}")]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A file of another kind.
    #[error("{file}: {message}")]
    File {
        /// The file.
        file: String,
        /// What was expected.
        message: String,
    },
    /// Nothing to read.
    #[error("{0}")]
    Nothing(String),
}

/// The results of a run that another engine did. Histograms are in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// `k6` or `Locust`.
    pub engine: String,
    /// First sample, or start of the measured time, in milliseconds since 1970.
    pub started_ms: Option<f64>,
    /// End of the measured time.
    pub finished_ms: Option<f64>,
    /// Measured time, in seconds, where only its length is known.
    pub duration_s: Option<f64>,
    /// Requests in the measured time, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Iterations that the engine did not start because nothing was free to run them.
    pub dropped: u64,
    /// Responses by status, ascending; empty where they are not known.
    pub statuses: Vec<(u16, u64)>,
    /// Service times of all requests.
    pub service: Option<Histogram<u64>>,
    /// Quantiles (0 to 1) with milliseconds, where the engine gives only those.
    pub percentiles: Vec<(f64, f64)>,
    /// Mean service time in milliseconds, where there is no histogram.
    pub mean_ms: Option<f64>,
    /// The steps.
    pub steps: Vec<ImportedStep>,
    /// Seconds in order.
    pub intervals: Vec<ImportedSecond>,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// A step of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportedStep {
    /// As the engine names it.
    pub name: String,
    /// Requests, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Service times.
    pub service: Option<Histogram<u64>>,
    /// Quantiles (0 to 1) with milliseconds, where the engine gives only those.
    pub percentiles: Vec<(f64, f64)>,
    /// Mean service time in milliseconds, where there is no histogram.
    pub mean_ms: Option<f64>,
    /// Errors by message, most frequent first.
    pub errors_by: Vec<(String, u64)>,
}

/// A second of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportedSecond {
    /// Its start, in milliseconds since 1970.
    pub t_ms: f64,
    /// Requests, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Service times, with two significant digits.
    pub service: Option<Histogram<u64>>,
}

/// Reads the results of an engine: k6's CSV or JSON lines, several files being several pods; Locust's `_stats.csv` with
/// `_stats_history.csv` and `_failures.csv`, or the `perfdeck.ndjson` that an exported locustfile writes.
///
/// # Errors
/// [`ImportError`] with file and line.
pub fn import(from: Tool, files: &[(String, Vec<u8>)]) -> Result<Imported, ImportError> {
    if files.is_empty() {
        return Err(ImportError::Nothing("no files were given".to_owned()));
    }
    match from {
        Tool::K6 => k6_files::read(files),
        Tool::Locust => locust::read(files),
    }
}

/// A file's text.
fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes.get(..e.valid_up_to()).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
        ImportError::Line { file: file.to_owned(), line, message: "it is not UTF-8".to_owned() }
    })
}

/// An error at a line.
fn at(file: &str, line: usize, message: impl Into<String>) -> ImportError {
    ImportError::Line { file: file.to_owned(), line, message: message.into() }
}

/// A text of a file, short enough for a message.
fn short(text: &str) -> String {
    // A number or a time that was cut is recognised; another text is not repeated.
    let known = text.len() <= 40 && text.chars().all(|c| c.is_ascii_digit() || ".,:-+TZ ".contains(c));
    if known { text.to_owned() } else { "…".to_owned() }
}
