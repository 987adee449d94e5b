//! How a run turned out, at a glance and in words: what failed comes first on every face. `ui/src/kit/outcome.ts` says the
//! same.
use perfdeck_model::{Run, RunState, RunSummary, StatusCount, ThresholdCount};

use crate::figures::{count, plural, ratio};

/// Statuses that are named at most.
const MOST_STATUSES: usize = 4;
/// Share of failed requests above which a run is bad: more than that fails an objective too.
const MOST_ERRORS: f64 = 0.001;

/// How a run turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// As planned, and nothing failed.
    Good,
    /// It says less than it was meant to: stopped early, a threshold not judged, a few errors, answers that are no success.
    Warn,
    /// Its figures are not those of a target that works: invalid, a failed threshold, more than 0.1 % errors.
    Bad,
}

/// What tells how a run turned out, of the run or of its line in a list. What a list of an earlier version does not tell is
/// not claimed.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    valid: bool,
    state: RunState,
    requests: u64,
    errors: u64,
    timed_out: u64,
    answered: Option<u64>,
    statuses: &'a [StatusCount],
    thresholds: ThresholdCount,
}

impl<'a> From<&'a Run> for Outcome<'a> {
    fn from(run: &'a Run) -> Self {
        Self {
            valid: run.valid,
            state: run.state,
            requests: run.requests,
            errors: run.errors,
            timed_out: run.judged_ms.as_ref().map_or(0, |all| all.timed_out),
            answered: Some(run.answered()),
            statuses: &run.statuses,
            thresholds: ThresholdCount::of(&run.thresholds),
        }
    }
}

impl<'a> From<&'a RunSummary> for Outcome<'a> {
    fn from(run: &'a RunSummary) -> Self {
        Self {
            valid: run.valid,
            state: run.state,
            requests: run.requests,
            errors: run.errors,
            timed_out: run.judged_ms.as_ref().map_or(0, |all| all.timed_out),
            answered: run.answered,
            statuses: run.statuses.as_deref().unwrap_or_default(),
            thresholds: run.thresholds.unwrap_or_default(),
        }
    }
}

impl Outcome<'_> {
    /// What failed, the worst first: thresholds, requests without an answer, errors, statuses. Empty where nothing did.
    pub fn failures(&self) -> Vec<String> {
        let mut parts: Vec<String> = thresholds(self.thresholds).into_iter().collect();
        if self.requests > 0 && self.answered == Some(0) {
            parts.push("0 answered".to_owned());
        }
        if self.errors > 0 {
            parts.push(errors(self.errors, self.requests));
        }
        if self.timed_out > 0 {
            parts.push(format!("{} timed out", count(self.timed_out)));
        }
        parts.extend(statuses(self.statuses).map(|words| format!("statuses: {words}")));
        parts
    }

    /// How it ended, when not as planned or with a threshold that does not hold.
    pub fn word(&self) -> Option<&'static str> {
        match (self.valid, self.state) {
            (false, _) => Some("Invalid"),
            (true, RunState::Cancelled) => Some("Stopped early"),
            (true, RunState::Aborted) => Some("Aborted"),
            (true, RunState::Interrupted) => Some("Interrupted"),
            (true, RunState::Completed) => (self.thresholds.failed > 0).then_some("Failed"),
        }
    }

    /// How it turned out.
    pub fn tone(&self) -> Tone {
        let failed = self.errors as f64 > self.requests as f64 * MOST_ERRORS;
        if !self.valid || self.thresholds.failed > 0 || failed {
            return Tone::Bad;
        }
        if self.word().is_none() && self.requests > 0 && self.failures().is_empty() { Tone::Good } else { Tone::Warn }
    }

    /// The same in a cell of a list: how it ended, and what failed first; `valid` where all is well.
    pub fn short(&self) -> String {
        let word = self.word().filter(|word| *word != "Failed").map(str::to_lowercase);
        let words: Vec<String> = word.into_iter().chain(self.failures().into_iter().take(1)).collect();
        match (words.is_empty(), self.requests) {
            (true, 0) => "no response".to_owned(),
            (true, _) => "valid".to_owned(),
            (false, _) => words.join(", "),
        }
    }
}

/// `no errors`, or how many with their share of all requests.
pub fn errors(errors: u64, requests: u64) -> String {
    if errors == 0 {
        return "no errors".to_owned();
    }
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
    let word = |s: &StatusCount| format!("{} {}", s.status, ratio(s.count as f64 / all as f64));
    let mut words: Vec<String> = by_count.iter().take(MOST_STATUSES).map(word).collect();
    if by_count.len() > MOST_STATUSES {
        words.push(format!("{} more", by_count.len() - MOST_STATUSES));
    }
    Some(words.join(", "))
}

/// Thresholds that failed or could not be judged; `None` when all hold.
pub fn thresholds(of: ThresholdCount) -> Option<String> {
    let all = plural(of.all, "threshold");
    let words: Vec<String> = [(of.failed, "failed"), (of.unjudged, "not judged")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} of {all} {what}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}
