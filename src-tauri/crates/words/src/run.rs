//! A run in one sentence: what came back, how fast, what failed. `ui/src/features/benchmarks/words.ts` says the same.
use std::fmt;

use perfdeck_model::{JudgedMs, JudgedTime, LatencyMs, Run, RunState, StatusCount, ThresholdResult};

use crate::figures::{DASH, THIN, count, duration, ms, per_second, plural, rate, ratio, seconds};

/// Percentiles that are worth a sentence, the highest first, by their key.
const TAIL: [&str; 4] = ["p99", "p95", "p90", "p50"];
/// Statuses that are named at most.
const MOST_STATUSES: usize = 4;

/// The answer of a run: how it ended, unless as planned, and its figures or why it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// `Invalid`, `Stopped early`, `Aborted` or `Interrupted`; `None` when it completed.
    pub word: Option<&'static str>,
    /// Figures of the run, or why there are none when it is invalid. Without a full stop.
    pub text: String,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word {
            Some(word) => write!(f, "{word}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Sentence that a run says; an invalid one says why first.
pub fn sentence(run: &Run) -> Sentence {
    if !run.valid {
        let why = run.invalid_reasons.join("; ");
        let text = if why.is_empty() { "the figures cannot be trusted".to_owned() } else { why };
        return Sentence { word: Some("Invalid"), text };
    }
    let word = match run.state {
        RunState::Completed => None,
        RunState::Cancelled => Some("Stopped early"),
        RunState::Aborted => Some("Aborted"),
        RunState::Interrupted => Some("Interrupted"),
    };
    Sentence { word, text: figures(run) }
}

/// The figures of a run.
fn figures(run: &Run) -> String {
    let length = if run.duration_s < 1.0 { seconds(run.duration_s) } else { duration(run.duration_s) };
    let at = format!("{length} at {}", plural(run.spec.connections(), "connection"));
    if run.requests == 0 {
        return format!("No response in the measured time, {at}");
    }
    let mut parts = Vec::new();
    if run.answered() == 0 {
        parts.push("0 answered".to_owned());
    }
    parts.extend([rates(run), latency(run), errors(run.errors, run.requests)]);
    if let Some(all) = run.judged_ms.as_ref().filter(|all| all.differs() && all.timed_out > 0) {
        parts.push(format!("{} timed out", count(all.timed_out)));
    }
    parts.extend(statuses(&run.statuses).map(|words| format!("statuses: {words}")));
    parts.extend(thresholds(&run.thresholds));
    parts.push(at);
    parts.join(", ")
}

/// The rate against the one asked for; the steps of a scenario are more than the iterations that were asked for.
fn rates(run: &Run) -> String {
    let requests = format!("{} requests/s", rate(run.rate_per_s));
    let Some(target) = run.target_rate_per_s.filter(|rate| *rate != 0.0) else { return requests };
    match run.iterations.filter(|n| *n != run.requests) {
        None => format!("{} of {} requests/s", rate(run.rate_per_s), rate(target)),
        Some(n) => {
            #[allow(clippy::cast_precision_loss)]
            let made = if run.duration_s > 0.0 { n as f64 / run.duration_s } else { 0.0 };
            format!("{} of {} iterations/s, {requests}", rate(made), rate(target))
        }
    }
}

/// The highest percentile that can be stated, with its sample size.
fn latency(run: &Run) -> String {
    // What failed belongs to the distribution: without it a target that gives up looks fast.
    let of_all = run.judged_ms.as_ref().filter(|all| all.differs());
    let (time, n) = match of_all {
        Some(all) => (judged_tail(all), all.n),
        None => (tail(run.latency()), run.latency().n),
    };
    let kind = if run.response_ms.is_some() { "" } else { " service time" };
    let time = time.map_or_else(|| "n too small for a percentile".to_owned(), |time| format!("{time}{kind}"));
    format!("{time} (n{THIN}={THIN}{})", count(n))
}

/// A percentile by its key where it has enough samples behind it.
pub fn percentile(l: &LatencyMs, key: &str) -> Option<f64> {
    let value = match key {
        "p50" => l.p50,
        "p90" => l.p90,
        "p95" => l.p95,
        "p99" => l.p99,
        "p999" => l.p999,
        _ => None,
    };
    value.filter(|_| l.n > 0 && !l.too_small.iter().any(|small| small == key))
}

/// The highest percentile up to p99 that can be stated: `p99 12.3 ms`.
pub fn tail(l: &LatencyMs) -> Option<String> {
    TAIL.into_iter().find_map(|key| percentile(l, key).map(|v| format!("{key} {}", ms(v))))
}

fn judged_tail(all: &JudgedMs) -> Option<String> {
    let times = [all.p99, all.p95, all.p90, all.p50];
    TAIL.into_iter().zip(times).find_map(|(key, time)| all.enough(key).then(|| format!("{key} {}", judged(time))))
}

/// A time that failed requests are in, with what is not known of it.
pub fn judged(time: JudgedTime) -> String {
    match time.ms {
        None => "failed".to_owned(),
        Some(v) if time.at_least => format!("at least {}", ms(v)),
        Some(v) => ms(v),
    }
}

/// `no errors`, or how many with their share of all requests.
pub fn errors(errors: u64, requests: u64) -> String {
    if errors == 0 {
        return "no errors".to_owned();
    }
    #[allow(clippy::cast_precision_loss)]
    let of = if requests > 0 { format!(" ({})", ratio(errors as f64 / requests as f64)) } else { String::new() };
    format!("{}{of}", plural(errors, "error"))
}

/// Statuses of the answers, when any is no success: `all 301`, or `200 80.0 %, 503 20.0 %`, the most frequent first.
pub fn statuses(statuses: &[StatusCount]) -> Option<String> {
    if statuses.iter().all(|s| (200..300).contains(&s.status)) {
        return None;
    }
    if let [only] = statuses {
        return Some(format!("all {}", only.status));
    }
    let all: u64 = statuses.iter().map(|s| s.count).sum();
    let mut by_count = statuses.to_vec();
    by_count.sort_by_key(|s| std::cmp::Reverse(s.count));
    #[allow(clippy::cast_precision_loss)]
    let word = |s: &StatusCount| format!("{} {}", s.status, ratio(s.count as f64 / all as f64));
    let mut words: Vec<String> = by_count.iter().take(MOST_STATUSES).map(word).collect();
    if by_count.len() > MOST_STATUSES {
        words.push(format!("{} more", by_count.len() - MOST_STATUSES));
    }
    Some(words.join(", "))
}

/// Value measured for a threshold, as far as it is known; an en dash where nothing was.
pub fn measured(t: &ThresholdResult) -> String {
    let Some(value) = t.actual else { return DASH.to_owned() };
    let figure = match t.unit.as_str() {
        "ms" => ms(value),
        "%" => ratio(value / 100.0),
        "/s" => per_second(value),
        "" => rate(value),
        unit => format!("{}{THIN}{unit}", rate(value)),
    };
    if t.at_least { format!("at least {figure}") } else { figure }
}

/// Thresholds that failed or could not be judged; `None` when all hold.
pub fn thresholds(list: &[ThresholdResult]) -> Option<String> {
    let unjudged = list.iter().filter(|t| t.unjudged).count();
    let failed = list.iter().filter(|t| !t.ok && !t.unjudged).count();
    let of = plural(list.len(), "threshold");
    let words: Vec<String> = [(failed, "failed"), (unjudged, "not judged")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} of {of} {what}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}
