//! The stages of a plan's load: when each begins and ends, what it asks for, and what it came to. A request belongs to the
//! stage that it was meant to start in.
use std::time::Duration;

use perfdeck_model::StageResult;

use crate::limits::{LAG_MS, LAG_OF_SERVICE, RATE};
use perfdeck_plan::{Plan, Profile, StageKind};
use perfdeck_stats::histogram::{Growing, latency};
use perfdeck_stats::judged::ENOUGH;

/// A stage as it is planned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    kind: &'static str,
    /// Seconds from the start of the measured time.
    start_s: f64,
    end_s: f64,
    /// Level at its start and just before its end.
    from: f64,
    to: f64,
}

/// The stages of a plan; none when its load stays at one level.
pub(crate) fn of_plan(plan: &Plan, profile: &Profile) -> Vec<Stage> {
    let kind = |kind: StageKind| match kind {
        StageKind::Ramp => "ramp",
        StageKind::Hold => "hold",
        StageKind::Spike => "spike",
    };
    let stages = plan.stages.iter().zip(profile.spans());
    stages.map(|(s, (start_s, end_s, from, to))| Stage { kind: kind(s.kind), start_s, end_s, from, to }).collect()
}

impl Stage {
    /// Its end, from the start of the measured time.
    pub(crate) fn end(&self) -> Duration {
        Duration::from_secs_f64(self.end_s)
    }

    /// What it came to, in a run that measured `measured_s` seconds; `None` when the run was over before it began.
    pub(crate) fn result(&self, tally: &StageTally, measured_s: f64, open_loop: bool) -> Option<StageResult> {
        let duration_s = self.end_s.min(measured_s) - self.start_s;
        if duration_s <= 0.0 {
            return None;
        }
        let service = if open_loop { &tally.service } else { &tally.response };
        let rate = |n: u64| n as f64 / duration_s;
        let share = |of: u64, all: u64| (all > 0).then(|| of as f64 / all as f64);
        let lag = (open_loop && !tally.lag.get().is_empty()).then(|| latency(tally.lag.get()).p99).flatten();
        let rate_share = share(tally.began_in_time, tally.iterations).filter(|_| open_loop);
        let mut result = StageResult {
            kind: self.kind.to_owned(),
            start_s: self.start_s,
            duration_s,
            from: self.from,
            to: self.to,
            requests: tally.requests,
            errors: tally.failed,
            rate_per_s: rate(tally.requests - tally.failed),
            response_ms: latency(tally.response.get()),
            rate_share,
            lag_p99_ms: lag,
            invalid_reason: None,
        };
        if open_loop {
            result.invalid_reason = invalid(&result, latency(service.get()).p50, tally.iterations);
        }
        Some(result)
    }
}

/// Why the figures of a stage do not stand for its level, by the gate of the whole run (docs/benchmarks.md, 6.4).
fn invalid(stage: &StageResult, service_p50_ms: Option<f64>, iterations: u64) -> Option<String> {
    // One start more or less at the edges is not a missed rate.
    let edges = 1.5 / (iterations as f64).max(1.0);
    if let Some(share) = stage.rate_share.filter(|share| share + edges < RATE) {
        return Some(format!("{:.1} % of its rate was sent in time", share * 100.0));
    }
    let limit = (service_p50_ms.unwrap_or(0.0) * LAG_OF_SERVICE).max(LAG_MS);
    let late = stage.lag_p99_ms.filter(|lag| iterations >= ENOUGH && *lag > limit)?;
    Some(format!("p99 of the schedule lag is {late:.2} ms, over {limit:.2} ms"))
}

/// What one thread recorded of one stage.
pub(crate) struct StageTally {
    requests: u64,
    failed: u64,
    iterations: u64,
    /// Iterations that began before the stage ended.
    began_in_time: u64,
    response: Growing,
    service: Growing,
    lag: Growing,
}

impl StageTally {
    pub(crate) fn new() -> Self {
        Self {
            requests: 0,
            failed: 0,
            iterations: 0,
            began_in_time: 0,
            response: Growing::new(),
            service: Growing::new(),
            lag: Growing::new(),
        }
    }

    /// An iteration that was meant to start in it.
    pub(crate) fn began(&mut self, in_time: bool) {
        self.iterations += 1;
        self.began_in_time += u64::from(in_time);
    }

    /// A successful response of a closed loop, in microseconds.
    pub(crate) fn closed(&mut self, response_us: u64) {
        self.requests += 1;
        self.response.record(response_us);
    }

    /// A successful response of an open loop, in microseconds; no lag for what no schedule has started.
    pub(crate) fn open(&mut self, response_us: u64, service_us: u64, lag_us: Option<u64>) {
        self.closed(response_us);
        self.service.record(service_us);
        if let Some(us) = lag_us {
            self.lag.record(us);
        }
    }

    pub(crate) fn failed(&mut self) {
        self.requests += 1;
        self.failed += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.iterations += other.iterations;
        self.began_in_time += other.began_in_time;
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.lag.add(&other.lag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage { kind: "ramp", start_s: 10.0, end_s: 20.0, from: 100.0, to: 300.0 }
    }

    #[test]
    fn a_stage_is_held_to_its_own_rate_and_lag() {
        let mut tally = StageTally::new();
        for i in 0..1000 {
            tally.began(i < 980);
            tally.open(3_000, 2_000, Some(1_000));
        }
        let result = stage().result(&tally, 60.0, true).expect("it was reached");
        assert_eq!((result.requests, result.errors, result.rate_per_s), (1000, 0, 100.0), "over its ten seconds");
        assert_eq!(result.invalid_reason.as_deref(), Some("98.0 % of its rate was sent in time"));
        let mut late = StageTally::new();
        for _ in 0..1000 {
            late.began(true);
            late.open(4_000, 2_000, Some(2_000));
        }
        let result = stage().result(&late, 60.0, true).expect("it was reached");
        assert_eq!(result.invalid_reason.as_deref(), Some("p99 of the schedule lag is 2.00 ms, over 1.00 ms"));
        late.merge(&tally);
        assert_eq!(late.requests, 2000, "threads add up");
    }

    #[test]
    fn what_was_not_reached_has_no_result_and_what_was_cut_short_counts_by_its_time() {
        let mut tally = StageTally::new();
        tally.closed(1_000);
        tally.failed();
        assert_eq!(stage().result(&tally, 10.0, false), None, "the run ended before");
        let result = stage().result(&tally, 12.0, false).expect("two seconds of it");
        assert_eq!((result.duration_s, result.rate_per_s, result.errors), (2.0, 0.5, 1), "successes per second");
        assert_eq!((result.rate_share, result.lag_p99_ms, result.invalid_reason), (None, None, None), "a closed loop");
        assert_eq!(result.response_ms.n, 1, "the failure has no time");
    }
}
