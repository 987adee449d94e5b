//! Thresholds: what a run's figures must be, such as `p99 < 50ms` or `step:login errors < 0.1%`.
//!
//! `[step:NAME ] METRIC < | <= | > | >= NUMBER UNIT`. A name with spaces is quoted: `step:"log in"`. Metrics are `min`,
//! `mean` (or `avg`), `max` and percentiles such as `p50` or `p99.9` of the response time, with a duration; the same of
//! service time and schedule lag as `service_p99` and `lag_p99`; `errors`, a share in percent; `error_count`; `rate`,
//! successful responses per second (`/s`) or minute (`/min`).
use std::collections::BTreeMap;

use perfdeck_model::ThresholdResult;

use super::values::Span;

/// Why a text is no threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}': {message}")]
pub struct ThresholdError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

/// Which time of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// From the intended start to the end.
    Response,
    /// From the actual start to the end.
    Service,
    /// From the intended to the actual start.
    Lag,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// Smallest time.
    Min(Clock),
    /// Mean time.
    Mean(Clock),
    /// Largest time.
    Max(Clock),
    /// Quantile of the time, above 0 and below 1.
    Quantile(Clock, f64),
    /// Share of errors, in percent.
    Errors,
    /// Number of errors.
    ErrorCount,
    /// Successful responses per second.
    Rate,
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        let (clock, short) = if let Some(rest) = name.strip_prefix("lag_") {
            (Clock::Lag, rest)
        } else if let Some(rest) = name.strip_prefix("service_") {
            (Clock::Service, rest)
        } else {
            (Clock::Response, name)
        };
        match short {
            "min" => Some(Self::Min(clock)),
            "mean" | "avg" => Some(Self::Mean(clock)),
            "max" => Some(Self::Max(clock)),
            "errors" if clock == Clock::Response => Some(Self::Errors),
            "error_count" if clock == Clock::Response => Some(Self::ErrorCount),
            "rate" if clock == Clock::Response => Some(Self::Rate),
            _ => {
                let digits = short.strip_prefix('p')?;
                let plain = digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let percent: f64 = digits.parse().ok().filter(|p| plain && *p > 0.0 && *p < 100.0)?;
                Some(Self::Quantile(clock, percent / 100.0))
            }
        }
    }
}

/// How the figure is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A threshold that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    step: Option<String>,
    metric: Metric,
    name: String,
    comparison: Comparison,
    limit: f64,
}

/// A quantile of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// 0 to 1.
    pub q: f64,
    /// In milliseconds.
    pub ms: f64,
}

/// Times of one kind, in milliseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// How many.
    pub n: u64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
    /// At least those that [`Threshold::quantile`] asks for.
    pub quantiles: Vec<Quantile>,
}

/// Figures of a step, or of all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepFigures {
    /// Responses, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second; `None` where it is not known.
    pub rate_per_s: Option<f64>,
    /// Intended start to end; `None` where it was not measured.
    pub response: Option<Distribution>,
    /// Actual start to end.
    pub service: Option<Distribution>,
    /// Intended to actual start; `None` in a closed loop.
    pub lag: Option<Distribution>,
}

/// Figures of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// All steps together.
    pub total: StepFigures,
    /// By step.
    pub steps: BTreeMap<String, StepFigures>,
}

/// A threshold as an error repeats it: what has none of its marks may be anything.
fn threshold_words(text: &str) -> String {
    let metric = |word: &str| text.trim_start().starts_with(word);
    let quantile =
        text.trim_start().strip_prefix('p').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let known = quantile
        || text.contains(['<', '>', '='])
        || ["error", "rate", "mean", "max", "min", "step:", "lag", "service", "response"]
            .iter()
            .any(|word| metric(word));
    let marks = text.chars().all(|c| c.is_alphanumeric() || " .<>=!%:_-/'".contains(c));
    if known && marks { text.chars().take(80).collect() } else { "…".to_owned() }
}

impl Threshold {
    /// Reads a threshold.
    ///
    /// # Errors
    /// What is wrong, and what may stand there.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let wrong = |message: String| ThresholdError { text: threshold_words(text), message };
        if text.len() > 500 {
            return Err(wrong("longer than a threshold can be".into()));
        }
        let (step, rest) = match text.trim().strip_prefix("step:") {
            None => (None, text.trim()),
            Some(rest) => {
                let split = match rest.strip_prefix('"') {
                    Some(quoted) => quoted.split_once('"'),
                    None => rest.split_once(char::is_whitespace),
                };
                let (name, rest) = split.ok_or_else(|| wrong("write step:NAME METRIC < LIMIT".into()))?;
                (Some(name.to_owned()), rest.trim())
            }
        };
        let at = rest.find(['<', '>', '=', '!']);
        let at = at.ok_or_else(|| wrong("no comparison; write METRIC < LIMIT, such as p99 < 50ms".into()))?;
        let (name, rest) = (rest[..at].trim(), &rest[at..]);
        let (comparison, limit) = if let Some(limit) = rest.strip_prefix("<=") {
            (Comparison::AtMost, limit)
        } else if let Some(limit) = rest.strip_prefix(">=") {
            (Comparison::AtLeast, limit)
        } else if let Some(limit) = rest.strip_prefix('<') {
            (Comparison::Below, limit)
        } else if let Some(limit) = rest.strip_prefix('>') {
            (Comparison::Above, limit)
        } else {
            return Err(wrong("thresholds compare with <, <=, > or >=".into()));
        };
        let metric = Metric::parse(name).ok_or_else(|| {
            wrong(format!(
                "unknown metric '{}'; there are p50, p99.9 and the like, min, mean, max, errors, error_count, rate, \
                 service_p99, lag_p99",
                name.escape_debug()
            ))
        })?;
        let limit = limit.trim();
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let limit = match metric {
            Metric::Errors => {
                let share = limit.strip_suffix('%').and_then(number).filter(|share| *share <= 100.0);
                share.ok_or_else(|| wrong("errors is a share, such as 0.1%; error_count is a number".into()))?
            }
            Metric::ErrorCount => number(limit).ok_or_else(|| wrong("error_count is a number, such as 10".into()))?,
            Metric::Rate => {
                let per_minute = limit.strip_suffix("/min").and_then(number).map(|n| n / 60.0);
                let per_second = || number(limit.strip_suffix("/s").unwrap_or(limit));
                per_minute.or_else(per_second).ok_or_else(|| wrong("rate has a limit such as 500/s".into()))?
            }
            _ if number(limit).is_some() => return Err(wrong(format!("{limit} of what? Write {limit}ms or {limit}s"))),
            _ => Span::parse(limit).map_err(wrong)?.as_secs_f64() * 1000.0,
        };
        Ok(Self { text: text.trim().to_owned(), step, metric, name: name.to_owned(), comparison, limit })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The step it is about; all when `None`.
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// What it compares.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// How it compares, as an operator, and its limit in the metric's unit.
    pub(crate) fn comparison(&self) -> (&'static str, f64) {
        let operator = match self.comparison {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
        };
        (operator, self.limit)
    }

    /// Its limit when it must not be exceeded, in the metric's unit; `None` for a lower limit.
    pub fn upper_limit(&self) -> Option<f64> {
        matches!(self.comparison, Comparison::Below | Comparison::AtMost).then_some(self.limit)
    }

    /// The quantile that the figures must hold for it.
    pub fn quantile(&self) -> Option<f64> {
        if let Metric::Quantile(_, q) = self.metric { Some(q) } else { None }
    }

    /// Judges a run. A quantile q needs 100 / (1 − q) samples to be stable; with fewer the result carries a note.
    pub fn evaluate(&self, figures: &Figures) -> ThresholdResult {
        let of = match &self.step {
            Some(step) => figures.steps.get(step),
            None => Some(&figures.total),
        };
        let (actual, note) = of.map_or((None, None), |of| self.figure(of));
        // A figure that is no number was not measured either.
        let actual = actual.filter(|a| a.is_finite());
        let ok = actual.is_some_and(|actual| match self.comparison {
            Comparison::Below => actual < self.limit,
            Comparison::AtMost => actual <= self.limit,
            Comparison::Above => actual > self.limit,
            Comparison::AtLeast => actual >= self.limit,
        });
        let unit = match self.metric {
            Metric::Errors => "%",
            Metric::ErrorCount => "",
            Metric::Rate => "/s",
            _ => "ms",
        };
        ThresholdResult {
            text: self.text.clone(),
            step: self.step.clone(),
            metric: self.name.clone(),
            unit: unit.to_owned(),
            limit: self.limit,
            actual,
            ok,
            note: if actual.is_none() { Some("not measured".to_owned()) } else { note },
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn figure(&self, of: &StepFigures) -> (Option<f64>, Option<String>) {
        let requests = of.requests as f64;
        let times = |clock| {
            let times = match clock {
                Clock::Response => &of.response,
                Clock::Service => &of.service,
                Clock::Lag => &of.lag,
            };
            times.as_ref().filter(|d| d.n > 0)
        };
        match self.metric {
            Metric::Errors => ((of.requests > 0).then(|| 100.0 * of.errors as f64 / requests), None),
            Metric::ErrorCount => ((of.requests > 0).then_some(of.errors as f64), None),
            Metric::Rate => (of.rate_per_s.filter(|_| of.requests > 0), None),
            Metric::Min(clock) => (times(clock).map(|d| d.min), None),
            Metric::Mean(clock) => (times(clock).map(|d| d.mean), None),
            Metric::Max(clock) => (times(clock).map(|d| d.max), None),
            Metric::Quantile(clock, q) => {
                let Some(times) = times(clock) else { return (None, None) };
                let found = times.quantiles.iter().find(|have| (have.q - q).abs() < 1e-9).map(|have| have.ms);
                // Rounded first: 1 − 0.999 is not exactly 0.001.
                let needed = (100.0 / (1.0 - q) - 1e-6).ceil() as u64;
                let few = times.n < needed;
                (found, few.then(|| format!("only {} samples; a stable {} needs {needed}", times.n, self.name)))
            }
        }
    }
}
