//! What a run shows while it goes on: figures of the last moment, the seconds that are over, and whether it has settled.
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use perfdeck_model::{BenchLive, BenchPhase, Clock};

use crate::seconds::{Seconds, buckets};
use crate::shared::{Live, Shared};
use perfdeck_stats::histogram::{histogram, ms};
use perfdeck_stats::steady;

/// Responses that an interval has before it ends.
const ENOUGH: u64 = 100;
/// It ends after this time however few there are.
const LONGEST: Duration = Duration::from_millis(950);

/// Turns what arrived since the last look into live figures.
///
/// The threads hand over what they have about ten times a second each, at times of their own. A rate is therefore taken
/// over the time that was handed over, not over the time between two looks, and an interval ends when every thread has
/// handed over since it began.
pub(crate) struct View {
    shared: Arc<Shared>,
    run_id: String,
    clock: Arc<dyn Clock>,
    total_s: f64,
    requests: u64,
    errors: u64,
    /// All responses and the failures among them, warm-up included.
    pub(crate) seen: (u64, u64),
    scratch: Live,
    /// What was handed over since the interval began.
    gathered: Live,
    /// By thread: successes of the interval, and the time that they are of.
    threads: Vec<Handed>,
    phase: Option<BenchPhase>,
    /// Figures of the last interval.
    last: Figures,
    pub(crate) seconds: Seconds,
    warm: Warm,
}

/// What one thread has handed over in an interval.
#[derive(Clone, Copy, Default)]
struct Handed {
    /// Without failures, as the rate of a run.
    successes: u64,
    /// End of the last interval; the start of the run before the first one.
    from: Option<Instant>,
    until: Option<Instant>,
}

impl Handed {
    /// The time that its responses are of, in seconds; none when it handed nothing over.
    fn seconds(&self) -> Option<f64> {
        let seconds = self.until?.saturating_duration_since(self.from?).as_secs_f64();
        (seconds > 1e-3).then_some(seconds)
    }
}

#[derive(Clone, Default)]
struct Figures {
    rate_per_s: f64,
    /// p50, p90, p99 and the largest.
    times_ms: [Option<f64>; 4],
    lag_p99_ms: Option<f64>,
}

impl View {
    pub(crate) fn new(shared: &Arc<Shared>, run_id: &str, clock: Arc<dyn Clock>, total_s: f64) -> Self {
        Self {
            shared: shared.clone(),
            run_id: run_id.to_owned(),
            clock,
            total_s,
            requests: 0,
            errors: 0,
            seen: (0, 0),
            scratch: Live::new(),
            gathered: Live::new(),
            threads: vec![Handed::default(); shared.slots.len()],
            phase: None,
            last: Figures::default(),
            seconds: Seconds::new(shared.threads),
            warm: Warm::new(),
        }
    }

    /// The length of warm-up and measured time is known now.
    pub(crate) fn lasts(&mut self, total_s: f64) {
        self.total_s = total_s;
    }

    /// The threads begin now.
    pub(crate) fn begins(&mut self, start: Instant) {
        self.threads.iter_mut().for_each(|thread| thread.from = Some(start));
    }

    /// Whether the warm-up has settled, looked at once a second.
    pub(crate) fn has_settled(&mut self, now: Instant) -> bool {
        self.warm.has_settled(now)
    }

    /// Takes what was handed over. Answers figures when an interval or a phase ended.
    pub(crate) fn look(&mut self, phase: BenchPhase, elapsed_s: f64) -> Option<BenchLive> {
        let in_flight = self.take(phase);
        let ended = self.interval();
        let phase_began = self.phase.replace(phase) != Some(phase);
        (ended.is_some() || phase_began || phase == BenchPhase::Finished)
            .then(|| self.told(phase, elapsed_s, in_flight, ended))
    }

    fn take(&mut self, phase: BenchPhase) -> u32 {
        let mut in_flight = 0;
        for (slot, thread) in self.shared.slots.iter().zip(&mut self.threads) {
            let taken = &mut self.scratch;
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let before = taken.responses - taken.failures;
            taken.take(&mut slot);
            thread.successes += taken.responses - taken.failures - before;
            thread.until = slot.until.take().or(thread.until);
            in_flight += slot.in_flight;
        }
        let taken = &mut self.scratch;
        taken.seconds.drain(..).for_each(|second| self.seconds.add(second));
        if phase == BenchPhase::WarmUp {
            self.warm.add(taken.responses, &taken.response);
        }
        self.seen = (self.seen.0 + taken.responses, self.seen.1 + taken.failures);
        self.requests += taken.requests;
        self.errors += taken.errors;
        self.gathered.take(taken);
        in_flight
    }

    /// Ends the interval when it has what it needs; answers its length in seconds and its heat.
    fn interval(&mut self) -> Option<(f64, Vec<(u16, u32)>)> {
        let lengths: Vec<Option<f64>> = self.threads.iter().map(Handed::seconds).collect();
        let longest = lengths.iter().flatten().copied().fold(0.0, f64::max);
        let whole = !lengths.is_empty() && lengths.iter().all(Option::is_some);
        let long = longest >= LONGEST.as_secs_f64();
        if !(whole && (self.gathered.responses >= ENOUGH || long) || longest >= 2.0 * LONGEST.as_secs_f64()) {
            return None;
        }
        let mut rate_per_s = 0.0;
        for (thread, length) in self.threads.iter_mut().zip(&lengths) {
            let Some(length) = length else { continue };
            rate_per_s += std::mem::take(&mut thread.successes) as f64 / length;
            thread.from = thread.until.take();
        }
        let gathered = &mut self.gathered;
        let q = |q: f64| (!gathered.response.is_empty()).then(|| ms(gathered.response.value_at_quantile(q)));
        self.last = Figures {
            rate_per_s,
            times_ms: [q(0.5), q(0.9), q(0.99), q(1.0)],
            lag_p99_ms: (self.shared.rate_per_s.is_some() && !gathered.lag.is_empty())
                .then(|| ms(gathered.lag.value_at_quantile(0.99))),
        };
        let heat = buckets(&gathered.response);
        (gathered.responses, gathered.failures, gathered.requests, gathered.errors) = (0, 0, 0, 0);
        gathered.response.reset();
        gathered.lag.reset();
        Some((longest, heat))
    }

    fn told(
        &self,
        phase: BenchPhase,
        elapsed_s: f64,
        in_flight: u32,
        ended: Option<(f64, Vec<(u16, u32)>)>,
    ) -> BenchLive {
        let (interval_s, heat) = ended.unzip();
        let Figures { rate_per_s, times_ms: [p50_ms, p90_ms, p99_ms, max_ms], lag_p99_ms } = self.last;
        BenchLive {
            run_id: self.run_id.clone(),
            phase,
            elapsed_s: elapsed_s.min(self.total_s),
            total_s: self.total_s,
            at_ms: self.clock.now_ms(),
            requests: self.requests,
            errors: self.errors,
            in_flight,
            interval_s,
            rate_per_s,
            target_rate_per_s: self.shared.rate_per_s,
            p50_ms,
            p90_ms,
            p99_ms,
            max_ms,
            lag_p99_ms,
            heat: heat.unwrap_or_default(),
        }
    }
}

/// The seconds of a warm-up, to tell when it has settled.
struct Warm {
    second_ends: Option<Instant>,
    responses: u64,
    response: Histogram<u64>,
    rates: Vec<f64>,
    p50_ms: Vec<Option<f64>>,
}

impl Warm {
    fn new() -> Self {
        Self { second_ends: None, responses: 0, response: histogram(), rates: Vec::new(), p50_ms: Vec::new() }
    }

    fn add(&mut self, responses: u64, response: &Histogram<u64>) {
        self.responses += responses;
        // Same bounds, so adding cannot fail.
        let _ = self.response.add(response);
    }

    fn has_settled(&mut self, now: Instant) -> bool {
        let ends = *self.second_ends.get_or_insert(now + Duration::from_secs(1));
        if now < ends {
            return false;
        }
        let length = 1.0 + now.saturating_duration_since(ends).as_secs_f64();
        self.second_ends = Some(now + Duration::from_secs(1));
        self.rates.push(std::mem::take(&mut self.responses) as f64 / length);
        self.p50_ms.push((!self.response.is_empty()).then(|| ms(self.response.value_at_quantile(0.5))));
        self.response.reset();
        steady::settled(&self.rates, &self.p50_ms)
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_model::SystemClock;

    use super::*;

    /// A thread hands over so many responses, `at` milliseconds after the start.
    fn hand_over(shared: &Shared, thread: usize, start: Instant, at: u64, responses: u64) {
        let mut slot = shared.slots[thread].lock().expect("a slot");
        slot.responses += responses;
        for _ in 0..responses {
            slot.response.record(2_000).expect("2 ms");
        }
        slot.until = Some(start + Duration::from_millis(at));
    }

    fn view(threads: usize) -> (Arc<Shared>, View, Instant) {
        let shared = Arc::new(Shared::new(Some(200.0), threads, 1));
        let mut view = View::new(&shared, "r", Arc::new(SystemClock), 10.0);
        let start = Instant::now();
        view.begins(start);
        (shared, view, start)
    }

    #[test]
    fn a_constant_rate_is_that_rate_however_looks_and_hand_overs_fall() {
        let (shared, mut view, start) = view(2);
        assert!(view.look(BenchPhase::Measuring, 0.0).is_some(), "the phase begins");
        let mut rates = Vec::new();
        // Each thread has 100/s and hands over every 130 ms, the second one 70 ms later; looks are every 100 ms.
        let mut next = [130, 200];
        for look in 1..=100_u64 {
            for (thread, at) in next.iter_mut().enumerate() {
                while *at <= look * 100 {
                    hand_over(&shared, thread, start, *at, if *at == 200 && thread == 1 { 20 } else { 13 });
                    *at += 130;
                }
            }
            rates
                .extend(view.look(BenchPhase::Measuring, 1.0).filter(|l| l.interval_s.is_some()).map(|l| l.rate_per_s));
        }
        assert!(rates.len() >= 9, "a sample a second at least: {}", rates.len());
        assert!(rates.iter().all(|rate| (rate - 200.0).abs() < 1e-6), "200/s in each: {rates:?}");
    }

    #[test]
    fn without_a_fresh_snapshot_there_is_no_sample() {
        let (shared, mut view, start) = view(1);
        view.look(BenchPhase::Measuring, 0.0);
        hand_over(&shared, 0, start, 100, 500);
        let first = view.look(BenchPhase::Measuring, 0.1).expect("500 are enough");
        assert!((first.rate_per_s - 5_000.0).abs() < 1e-6 && !first.heat.is_empty(), "{first:?}");
        assert_eq!(view.look(BenchPhase::Measuring, 0.2), None, "nothing was handed over");
        let ends = view.look(BenchPhase::Draining, 0.3).expect("another phase");
        assert_eq!((ends.interval_s, ends.rate_per_s), (None, first.rate_per_s), "it keeps the last figures");
        assert_eq!(ends.p50_ms, first.p50_ms, "and is no sample");
    }

    #[test]
    fn failures_are_no_throughput() {
        let (shared, mut view, start) = view(1);
        view.look(BenchPhase::Measuring, 0.0);
        hand_over(&shared, 0, start, 1_000, 200);
        shared.slots[0].lock().expect("a slot").failures += 110;
        let live = view.look(BenchPhase::Measuring, 1.0).expect("a second");
        assert!((live.rate_per_s - 90.0).abs() < 1e-6, "as the run will say: {live:?}");
    }

    #[test]
    fn a_target_that_answers_nothing_has_a_rate_of_0() {
        let (shared, mut view, start) = view(1);
        view.look(BenchPhase::Measuring, 0.0);
        hand_over(&shared, 0, start, 500, 0);
        assert_eq!(view.look(BenchPhase::Measuring, 0.5), None, "half a second is too short to say so");
        hand_over(&shared, 0, start, 1_000, 0);
        let silent = view.look(BenchPhase::Measuring, 1.0).expect("a second is not");
        assert_eq!((silent.rate_per_s, silent.p50_ms), (0.0, None), "measured, and without a time");
    }
}
