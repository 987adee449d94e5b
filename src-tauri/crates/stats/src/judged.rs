//! The distribution that is judged: response times of all requests, failed ones included.
//!
//! A request that was given up at its deadline is censored: no more is known than that it would have taken at least that
//! long. One that failed otherwise (refused, reset, an error for an answer, never sent) has no time at all and counts as
//! longer than any. A percentile of such a distribution is exact where neither decides it, has a lower bound where time-outs
//! do, and is beyond every limit where failures do.
use hdrhistogram::Histogram;
use perfdeck_model::{ErrorCount, JudgedMs, JudgedTime, Run, StepResult, too_small};

use crate::histogram::{histogram, ms, unpacked};

/// Requests with an outcome that figures need behind them (docs/benchmarks.md, 6.4).
pub const ENOUGH: u64 = 100;
/// The probability of a false verdict from fewer requests than a percentile needs, one-sided.
pub const FALSE: f64 = 0.025;
/// Requests beyond a percentile that it takes to judge it: n (1 − q) (see docs/benchmarks.md, 6.6).
pub const BEYOND: f64 = 10.0;

/// Requests that a quantile needs to be judged.
pub fn needed(q: f64) -> u64 {
    // Rounded first: 1 − 0.999 is not exactly 0.001.
    (BEYOND / (1.0 - q).max(1e-12) - 1e-6).ceil() as u64
}

/// Requests with their times, as far as they have any.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    answered: Histogram<u64>,
    /// The same with each time-out at the time it was given up.
    with_late: Histogram<u64>,
    late: u64,
    failed: u64,
}

impl Default for Judged {
    fn default() -> Self {
        Self::new()
    }
}

impl Judged {
    /// Without requests.
    pub fn new() -> Self {
        Self { answered: histogram(), with_late: histogram(), late: 0, failed: 0 }
    }

    /// Of successful requests, those that timed out, and the number of other failures.
    pub fn of(answered: Histogram<u64>, late: &Histogram<u64>, failed: u64) -> Self {
        let mut with_late = histogram();
        // Same digits and at most an hour, as everywhere.
        let _ = with_late.add(&answered);
        let _ = with_late.add(late);
        Self { late: late.len(), with_late, answered, failed }
    }

    /// Adds requests that succeeded after so many microseconds.
    pub fn answered(&mut self, us: u64, count: u64) {
        self.answered.saturating_record_n(us.max(1), count);
        self.with_late.saturating_record_n(us.max(1), count);
    }

    /// Adds requests that were given up after so many microseconds.
    pub fn timed_out(&mut self, us: u64, count: u64) {
        self.with_late.saturating_record_n(us.max(1), count);
        self.late += count;
    }

    /// Adds requests that failed.
    pub fn failed(&mut self, count: u64) {
        self.failed += count;
    }

    /// How many requests.
    pub fn n(&self) -> u64 {
        self.with_late.len() + self.failed
    }

    /// Requests without a time of their own: timed out, and failed otherwise.
    pub fn without(&self) -> (u64, u64) {
        (self.late, self.failed)
    }

    /// The time of the request at `rank`, from 1.
    fn at_rank(of: &Histogram<u64>, rank: u64) -> Option<u64> {
        // Half a rank below, so that no rounding reaches the next one.
        (rank <= of.len()).then(|| of.value_at_quantile((rank as f64 - 0.5) / of.len() as f64))
    }

    /// The quantile `q`, 0 to 1; `None` without requests.
    pub fn at(&self, q: f64) -> Option<JudgedTime> {
        let n = self.n();
        if n == 0 {
            return None;
        }
        let rank = ((q * n as f64 - 1e-9).ceil() as u64).clamp(1, n);
        Some(self.time_at(rank))
    }

    fn time_at(&self, rank: u64) -> JudgedTime {
        let (low, high) = (Self::at_rank(&self.with_late, rank), Self::at_rank(&self.answered, rank));
        match low {
            None => JudgedTime { ms: None, at_least: false },
            // Time-outs at or before it can only push it up.
            Some(us) => JudgedTime { ms: Some(ms(us)), at_least: high != Some(us) },
        }
    }

    /// The longest; `None` without requests.
    pub fn max(&self) -> Option<JudgedTime> {
        (self.n() > 0).then(|| self.time_at(self.n()))
    }

    /// The shortest; `None` without requests.
    pub fn min(&self) -> Option<JudgedTime> {
        (self.n() > 0).then(|| self.time_at(1))
    }

    /// The mean: a lower bound with failures, exact without.
    pub fn mean(&self) -> Option<JudgedTime> {
        match (self.n() > 0, self.with_late.is_empty()) {
            (false, _) => None,
            (true, true) => Some(JudgedTime { ms: None, at_least: false }),
            (true, false) => {
                let at_least = self.late + self.failed > 0;
                Some(JudgedTime { ms: Some(self.with_late.mean() / 1e3), at_least })
            }
        }
    }

    /// Requests that took longer than a limit in milliseconds, or failed, for certain.
    pub fn beyond(&self, limit_ms: f64) -> u64 {
        let limit_us = (limit_ms * 1e3).clamp(0.0, 3.6e9) as u64;
        self.failed + self.with_late.len() - self.with_late.count_between(0, limit_us)
    }

    /// What it is shown as; `None` without requests.
    pub fn summary(&self) -> Option<JudgedMs> {
        let n = self.n();
        Some(JudgedMs {
            n,
            timed_out: self.late,
            failed: self.failed,
            p50: self.at(0.5)?,
            p90: self.at(0.9)?,
            p95: self.at(0.95)?,
            p99: self.at(0.99)?,
            p999: self.at(0.999)?,
            max: self.max()?,
            too_small: too_small(n),
        })
    }
}

/// Successful times, those of time-outs, and the failures, as a run or a step has stored them.
struct Stored<'a> {
    answered: &'a str,
    timeouts: &'a str,
    errors: u64,
    by_class: &'a [ErrorCount],
    timeout_s: f64,
}

impl Stored<'_> {
    fn of(&self, class: &str) -> u64 {
        self.by_class.iter().filter(|e| e.class == class).map(|e| e.count).sum()
    }

    /// When each time-out was given up; runs of earlier versions kept their number alone.
    fn late(&self) -> Histogram<u64> {
        unpacked(self.timeouts).unwrap_or_else(|| {
            let mut late = histogram();
            let count = self.of("timeout").min(self.errors);
            if self.timeout_s > 0.0 {
                late.saturating_record_n(self.deadline_us(), count);
            }
            late
        })
    }

    fn deadline_us(&self) -> u64 {
        (self.timeout_s * 1e6).clamp(1.0, 3.6e9) as u64
    }

    /// `None` where there is no distribution to judge.
    fn response(&self) -> Option<Judged> {
        let answered = unpacked(self.answered)?;
        let late = self.late();
        let failed = self.errors.saturating_sub(late.len());
        Some(Judged::of(answered, &late, failed))
    }

    /// Of the service time: what was never sent has none, and a deadline counts from the actual start.
    fn service(&self) -> Option<Judged> {
        let answered = unpacked(self.answered)?;
        let mut late = histogram();
        for v in self.late().iter_recorded() {
            late.saturating_record_n(v.value_iterated_to().min(self.deadline_us()), v.count_since_last_iteration());
        }
        let failed = self.errors.saturating_sub(late.len()).saturating_sub(self.of("shed"));
        Some(Judged::of(answered, &late, failed))
    }
}

fn of_run<'a>(run: &'a Run, answered: &'a str) -> Stored<'a> {
    let (errors, by_class) = (run.errors, run.errors_by_class.as_slice());
    Stored { answered, timeouts: &run.timeout_histogram, errors, by_class, timeout_s: run.spec.timeout_s() }
}

/// The response times of a run that are judged, or its service times where the engine gives no others; `None` where there
/// is no distribution.
pub fn response(run: &Run) -> Option<Judged> {
    of_run(run, run.latency_histogram()).response()
}

/// The service times of a run that are judged.
pub fn service(run: &Run) -> Option<Judged> {
    of_run(run, &run.service_histogram).service()
}

/// The schedule lag of a run that is judged: what was never sent has no end of it.
pub fn lag(run: &Run) -> Option<Judged> {
    let sent = unpacked(&run.lag_histogram)?;
    Some(Judged::of(sent, &histogram(), run.errors_of("shed")))
}

/// The same of a step: of its response and of its service time.
pub fn of_step(step: &StepResult, timeout_s: f64) -> (Option<Judged>, Option<Judged>) {
    let stored = |answered| Stored {
        answered,
        timeouts: &step.timeout_histogram,
        errors: step.errors,
        by_class: &step.errors_by_class,
        timeout_s,
    };
    let response = step.response_ms.as_ref().and_then(|_| stored(&step.response_histogram).response());
    (response, stored(&step.service_histogram).service())
}

/// The probability of `least` or more events in `n` trials of probability `p` each.
pub fn at_least_by_chance(least: u64, n: u64, p: f64) -> f64 {
    if least == 0 {
        return 1.0;
    }
    if least > n || p <= 0.0 {
        return 0.0;
    }
    // Each probability from the one before it, in logarithms: the first may be very small.
    let odds = (p / (1.0 - p).max(1e-300)).ln();
    let (mut log, mut below) = (n as f64 * (-p).ln_1p(), 0.0);
    for k in 0..least {
        below += log.exp();
        log += odds + ((n - k) as f64 / (k + 1) as f64).ln();
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
#[path = "judged_tests.rs"]
mod tests;
