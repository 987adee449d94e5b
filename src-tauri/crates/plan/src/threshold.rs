//! Thresholds: what a run's figures must be, such as `p99 < 50ms` or `step:login errors < 0.1%`.
//!
//! `[step:NAME ] METRIC < | <= | > | >= NUMBER UNIT`. A name with spaces is quoted: `step:"log in"`. Metrics are `min`,
//! `mean` (or `avg`), `max` and percentiles such as `p50` or `p99.9` of the response time, with a duration; the same of
//! service time and schedule lag as `service_p99` and `lag_p99`; `errors`, a share in percent; `error_count`; `rate`,
//! successful responses per second (`/s`) or minute (`/min`).
use std::collections::BTreeMap;

use perfdeck_model::{JudgedTime, ThresholdResult};

use super::values::Span;
use perfdeck_stats::judged::ENOUGH;
use perfdeck_stats::judged::{FALSE, Judged, at_least_by_chance, needed};

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
pub enum Timing {
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
    Min(Timing),
    /// Mean time.
    Mean(Timing),
    /// Largest time.
    Max(Timing),
    /// Quantile of the time, above 0 and below 1.
    Quantile(Timing, f64),
    /// Share of errors, in percent.
    Errors,
    /// Number of errors.
    ErrorCount,
    /// Successful responses per second.
    Rate,
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        let (timing, short) = if let Some(rest) = name.strip_prefix("lag_") {
            (Timing::Lag, rest)
        } else if let Some(rest) = name.strip_prefix("service_") {
            (Timing::Service, rest)
        } else {
            (Timing::Response, name)
        };
        match short {
            "min" => Some(Self::Min(timing)),
            "mean" | "avg" => Some(Self::Mean(timing)),
            "max" => Some(Self::Max(timing)),
            "errors" if timing == Timing::Response => Some(Self::Errors),
            "error_count" if timing == Timing::Response => Some(Self::ErrorCount),
            "rate" if timing == Timing::Response => Some(Self::Rate),
            _ => {
                let digits = short.strip_prefix('p')?;
                let plain = digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let percent: f64 = digits.parse().ok().filter(|p| plain && *p > 0.0 && *p < 100.0)?;
                Some(Self::Quantile(timing, percent / 100.0))
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

/// Figures of a step, or of all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepFigures {
    /// Responses, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second; `None` where it is not known.
    pub rate_per_s: Option<f64>,
    /// Measured time, in seconds; `None` where it is not known.
    pub duration_s: Option<f64>,
    /// Intended start to end, failed requests included; `None` where it was not measured.
    pub response: Option<Judged>,
    /// Actual start to end, of requests that were sent.
    pub service: Option<Judged>,
    /// Intended to actual start; `None` in a closed loop.
    pub lag: Option<Judged>,
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
    pub fn comparison(&self) -> (&'static str, f64) {
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

    /// The quantile that it is about.
    pub fn quantile(&self) -> Option<f64> {
        if let Metric::Quantile(_, q) = self.metric { Some(q) } else { None }
    }

    /// Requests that it takes to judge it, as far as that is known before a run; `None` for what takes no certain number.
    pub fn needs(&self) -> Option<u64> {
        match self.metric {
            Metric::Quantile(_, q) => Some(needed(q)),
            Metric::Mean(_) | Metric::Max(_) => Some(ENOUGH),
            Metric::Errors => Some(self.requests_for_share()),
            Metric::Min(_) | Metric::ErrorCount | Metric::Rate => None,
        }
    }

    /// Requests below which one single error would be a larger share than the limit.
    fn requests_for_share(&self) -> u64 {
        let share = self.limit / 100.0;
        if share > 0.0 { ((1.0 / share - 1e-6).ceil() as u64).min(MOST) } else { ENOUGH }
    }

    /// Judges a run (docs/benchmarks.md, 6.6): failed requests count as longer than any time, and those that timed out as at
    /// least the time until they were given up; what has too few requests behind it is not judged.
    pub fn evaluate(&self, figures: &Figures) -> ThresholdResult {
        let of = match &self.step {
            Some(step) => figures.steps.get(step),
            None => Some(&figures.total),
        };
        let found = of.map_or_else(Found::nothing, |of| self.find(of));
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
            // A figure that is no number was not measured either.
            actual: found.actual.filter(|a| a.is_finite()),
            at_least: found.at_least,
            ok: found.outcome == Some(true),
            unjudged: found.outcome.is_none(),
            note: (!found.notes.is_empty()).then(|| found.notes.join("; ")),
        }
    }

    fn within(&self, actual: f64) -> bool {
        match self.comparison {
            Comparison::Below => actual < self.limit,
            Comparison::AtMost => actual <= self.limit,
            Comparison::Above => actual > self.limit,
            Comparison::AtLeast => actual >= self.limit,
        }
    }

    /// A time against the limit; `None` when time-outs keep it from being known. Both kinds of limits are judged by what
    /// is certain: at least so long is above a lower limit, and not below an upper one.
    fn side(&self, time: JudgedTime) -> Option<bool> {
        let upper = self.upper_limit().is_some();
        match time {
            JudgedTime { ms: None, .. } => Some(!upper),
            JudgedTime { ms: Some(ms), at_least: true } => match self.within(ms) {
                fine if fine != upper => Some(fine),
                _ => None,
            },
            JudgedTime { ms: Some(ms), .. } => Some(self.within(ms)),
        }
    }

    fn find(&self, of: &StepFigures) -> Found {
        match self.metric {
            Metric::Errors => self.errors(of),
            Metric::ErrorCount if of.requests > 0 => Found::known(of.errors as f64, self.within(of.errors as f64)),
            Metric::Rate => self.rate(of),
            Metric::ErrorCount => Found::nothing(),
            Metric::Min(timing) => self.time(times(of, timing), 1, Judged::min),
            Metric::Mean(timing) => self.time(times(of, timing), ENOUGH, Judged::mean),
            Metric::Max(timing) => self.time(times(of, timing), ENOUGH, Judged::max),
            Metric::Quantile(timing, q) => self.percentile(times(of, timing), q),
        }
    }

    /// The share of errors. With fewer requests than one in the limit's share a single error decides, so that what is
    /// found must be more than chance.
    fn errors(&self, of: &StepFigures) -> Found {
        if of.requests == 0 {
            return Found::nothing();
        }
        let (n, needed) = (of.requests, self.requests_for_share());
        let share = 100.0 * of.errors as f64 / n as f64;
        let mut found = Found::known(share, self.within(share));
        if n < needed {
            let chance = at_least_by_chance(of.errors, n, self.limit / 100.0);
            let shown = self.upper_limit().is_some() && found.outcome == Some(false) && chance <= FALSE;
            if !shown {
                found.outcome = None;
                found.notes.push(format!("only {n} requests; a share of {} % needs {needed}", self.limit));
            }
        }
        found
    }

    /// The rate of successes. A hundred of them are known to about a tenth; fewer say something only when a hundred were
    /// asked for.
    fn rate(&self, of: &StepFigures) -> Found {
        let Some(rate) = of.rate_per_s.filter(|_| of.requests > 0) else { return Found::nothing() };
        let mut found = Found::known(rate, self.within(rate));
        let succeeded = of.requests.saturating_sub(of.errors);
        let asked = of.duration_s.map_or(0.0, |s| s * self.limit);
        if succeeded < ENOUGH && asked < ENOUGH as f64 {
            found.outcome = None;
            found.notes.push(format!("only {succeeded} successes; a rate needs {ENOUGH}"));
        }
        found
    }

    /// A figure of all times, which needs so many requests to hold.
    fn time(&self, times: Option<&Judged>, needed: u64, figure: fn(&Judged) -> Option<JudgedTime>) -> Found {
        let Some((times, time)) = times.and_then(|times| Some((times, figure(times)?))) else {
            return Found::nothing();
        };
        let mut found = Found::time(time, self.side(time), times);
        if times.n() < needed && found.outcome == Some(true) {
            found.outcome = None;
            found.notes.push(format!("only {} requests; {} needs {needed}", times.n(), self.name));
        }
        found
    }

    fn percentile(&self, times: Option<&Judged>, q: f64) -> Found {
        let Some((times, time)) = times.and_then(|times| Some((times, times.at(q)?))) else {
            return Found::nothing();
        };
        let mut found = Found::time(time, self.side(time), times);
        let (n, needed, stable) = (times.n(), needed(q), stable(q));
        if n < needed {
            // So many beyond the limit are no chance, however few there are in all.
            let beyond = times.beyond(self.limit);
            let upper = self.upper_limit().is_some();
            let shown = upper && found.outcome == Some(false) && at_least_by_chance(beyond, n, 1.0 - q) <= FALSE;
            if shown {
                found.notes.push(format!("{beyond} of {n} requests are beyond the limit"));
            } else {
                found.outcome = None;
                found.notes.push(format!("only {n} requests; {} needs {needed}", self.name));
            }
        } else if n < stable {
            found.notes.push(format!("{n} requests; a stable {} needs {stable}", self.name));
        }
        found
    }
}

/// Most requests that a share of errors can ask for.
const MOST: u64 = 1_000_000_000;

/// Requests from which on a quantile is stable: 100 / (1 − q).
fn stable(q: f64) -> u64 {
    // Rounded first: 1 − 0.999 is not exactly 0.001.
    (100.0 / (1.0 - q).max(1e-12) - 1e-6).ceil() as u64
}

fn times(of: &StepFigures, timing: Timing) -> Option<&Judged> {
    let times = match timing {
        Timing::Response => &of.response,
        Timing::Service => &of.service,
        Timing::Lag => &of.lag,
    };
    times.as_ref()
}

/// A figure, how it turned out (`None` when it cannot be judged), and what to know about it.
struct Found {
    actual: Option<f64>,
    at_least: bool,
    outcome: Option<bool>,
    notes: Vec<String>,
}

impl Found {
    fn nothing() -> Self {
        Self { actual: None, at_least: false, outcome: None, notes: vec!["not measured".to_owned()] }
    }

    fn known(actual: f64, holds: bool) -> Self {
        let outcome = actual.is_finite().then_some(holds);
        Self { actual: Some(actual), at_least: false, outcome, notes: Vec::new() }
    }

    fn time(time: JudgedTime, outcome: Option<bool>, of: &Judged) -> Self {
        let (late, failed) = of.without();
        let mut notes = Vec::new();
        if time.ms.is_none() {
            notes.push("the requests there failed".to_owned());
        }
        if outcome.is_none() {
            notes.push("time-outs and failures keep it from being known; a longer timeout would tell more".to_owned());
        }
        if late + failed > 0 {
            let parts = [(late, "timed out"), (failed, "failed")];
            let parts = parts.iter().filter(|(k, _)| *k > 0).map(|(k, what)| format!("{k} {what}"));
            notes.push(format!("of {} requests {}", of.n(), parts.collect::<Vec<_>>().join(" and ")));
        }
        Self { actual: time.ms, at_least: time.at_least, outcome, notes }
    }
}
