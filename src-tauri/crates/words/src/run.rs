//! A run in one sentence: what failed, what came back, how fast. `ui/src/features/benchmarks/words.ts` says the same.
use std::fmt;

use perfdeck_model::{JudgedMs, JudgedTime, LatencyMs, Run, ThresholdResult};

use crate::figures::{DASH, THIN, count, exactly, lasted, ms, per_second, plural, rate, ratio};
use crate::outcome::{Outcome, errors};

/// Percentiles that are worth a sentence, the highest first, by their key.
const TAIL: [&str; 4] = ["p99", "p95", "p90", "p50"];

/// The answer of a run: how it ended, unless as planned, what failed, and its figures or why it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// `Invalid`, `Stopped early`, `Aborted`, `Interrupted` or, where a threshold does not hold, `Failed`; `None` when it
    /// completed and none failed.
    pub word: Option<&'static str>,
    /// What failed, then the figures; why there are none when it is invalid. Without a full stop.
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

/// Sentence that a run says: an invalid one says why first, any other what failed.
pub fn sentence(run: &Run) -> Sentence {
    let outcome = Outcome::from(run);
    let (word, mut parts) = (outcome.word(), outcome.failures());
    if !run.valid {
        let why = run.invalid_reasons.join("; ");
        let why = if why.is_empty() { "the figures cannot be trusted".to_owned() } else { why };
        let text = std::iter::once(why).chain(parts).collect::<Vec<_>>().join("; ");
        return Sentence { word, text };
    }
    parts.push(figures(run));
    Sentence { word, text: parts.join(", ") }
}

/// The figures of a run that are no failure.
fn figures(run: &Run) -> String {
    let length = lasted(run.duration_s);
    // What another tool did does not tell how many it had.
    let at = match run.spec.connections() {
        0 => length,
        n => format!("{length} at {}", plural(n, "connection")),
    };
    if run.requests == 0 {
        return format!("No response in the measured time, {at}");
    }
    let mut parts = vec![rates(run), latency(run)];
    if run.errors == 0 {
        parts.push(errors(0, run.requests));
    }
    parts.push(at);
    parts.join(", ")
}

/// The rate against the one asked for; the steps of a scenario are more than the iterations that were asked for.
fn rates(run: &Run) -> String {
    let requests = format!("{} requests/s", rate(run.rate_per_s));
    let Some(target) = run.target_rate_per_s.filter(|rate| *rate != 0.0) else { return requests };
    // A rate that varies has a mean, which nobody asked for.
    let target = if run.spec.plan().is_some_and(|plan| plan.varies) { rate(target) } else { exactly(target) };
    match run.iterations.filter(|n| *n != run.requests) {
        None => format!("{} of {target} requests/s", rate(run.rate_per_s)),
        Some(n) => {
            let made = if run.duration_s > 0.0 { n as f64 / run.duration_s } else { 0.0 };
            format!("{} of {target} iterations/s, {requests}", rate(made))
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
