//! What a run shows while it goes on: figures of the last moment, the seconds that are over, and whether it has settled.
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use perfdeck_model::{BenchLive, BenchPhase, Clock};

use crate::seconds::{Seconds, buckets};
use crate::shared::{Live, Shared};
use perfdeck_stats::histogram::{histogram, ms};
use perfdeck_stats::steady;

/// Turns what arrived since the last look into live figures.
pub(crate) struct View {
    shared: Arc<Shared>,
    run_id: String,
    clock: Arc<dyn Clock>,
    total_s: f64,
    requests: u64,
    errors: u64,
    /// All responses and the failures among them, warm-up included.
    pub(crate) seen: (u64, u64),
    last: Instant,
    scratch: Live,
    pub(crate) seconds: Seconds,
    warm: Warm,
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
            last: Instant::now(),
            scratch: Live::new(),
            seconds: Seconds::new(shared.threads),
            warm: Warm::new(),
        }
    }

    /// The length of warm-up and measured time is known now.
    pub(crate) fn lasts(&mut self, total_s: f64) {
        self.total_s = total_s;
    }

    /// Whether the warm-up has settled, looked at once a second.
    pub(crate) fn has_settled(&mut self, now: Instant) -> bool {
        self.warm.has_settled(now)
    }

    pub(crate) fn look(&mut self, phase: BenchPhase, elapsed_s: f64) -> BenchLive {
        let now = Instant::now();
        let since = now.duration_since(std::mem::replace(&mut self.last, now)).as_secs_f64();
        let taken = &mut self.scratch;
        (taken.responses, taken.failures, taken.requests, taken.errors) = (0, 0, 0, 0);
        taken.response.reset();
        taken.lag.reset();
        let mut in_flight = 0;
        for slot in &self.shared.slots {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            taken.take(&mut slot);
            in_flight += slot.in_flight;
        }
        taken.seconds.drain(..).for_each(|second| self.seconds.add(second));
        if phase == BenchPhase::WarmUp {
            self.warm.add(taken.responses, &taken.response);
        }
        self.seen = (self.seen.0 + taken.responses, self.seen.1 + taken.failures);
        self.requests += taken.requests;
        self.errors += taken.errors;
        let q = |q: f64| (!taken.response.is_empty()).then(|| ms(taken.response.value_at_quantile(q)));
        BenchLive {
            run_id: self.run_id.clone(),
            phase,
            elapsed_s: elapsed_s.min(self.total_s),
            total_s: self.total_s,
            at_ms: self.clock.now_ms(),
            requests: self.requests,
            errors: self.errors,
            in_flight,
            #[allow(clippy::cast_precision_loss)]
            rate_per_s: if since > 1e-3 { taken.responses as f64 / since } else { 0.0 },
            target_rate_per_s: self.shared.rate_per_s,
            p50_ms: q(0.5),
            p90_ms: q(0.9),
            p99_ms: q(0.99),
            max_ms: q(1.0),
            lag_p99_ms: (self.shared.rate_per_s.is_some() && !taken.lag.is_empty())
                .then(|| ms(taken.lag.value_at_quantile(0.99))),
            heat: buckets(&taken.response),
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
        #[allow(clippy::cast_precision_loss)]
        self.rates.push(std::mem::take(&mut self.responses) as f64 / length);
        self.p50_ms.push((!self.response.is_empty()).then(|| ms(self.response.value_at_quantile(0.5))));
        self.response.reset();
        steady::settled(&self.rates, &self.p50_ms)
    }
}
