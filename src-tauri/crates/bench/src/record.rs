//! What a generator thread records, and how the threads' records become the figures of a run.
use std::collections::BTreeMap;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use perfdeck_model::{ErrorCount, Interval, LatencyMs, Percentile, StatusCount};

/// Histograms count microseconds up to an hour with three significant digits.
const MAX_US: u64 = 3_600_000_000;

/// Classes of errors, in the order of [`Record::errors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Connect,
    Timeout,
    Reset,
    Tls,
    Protocol,
    Status,
    Cache,
    Shed,
    Other,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Cache => "cache",
            Self::Shed => "shed",
            Self::Other => "other",
        }
    }
}

/// A new histogram.
pub(crate) fn histogram() -> Histogram<u64> {
    // The bounds are constants that the crate accepts.
    Histogram::new_with_bounds(1, MAX_US, 3).unwrap_or_else(|_| unreachable_histogram())
}

fn unreachable_histogram() -> Histogram<u64> {
    let mut h = Histogram::new(3).unwrap_or_else(|_| std::process::abort());
    h.auto(true);
    h
}

/// What a request failed with: its class and one message.
pub(crate) type Failure = (Class, String);

/// Response, service and lag times, in microseconds.
///
/// In a closed loop a request starts when it is meant to, so service is response and there is no lag: only `response`
/// is kept.
pub(crate) struct Times3 {
    pub(crate) response: Histogram<u64>,
    pub(crate) service: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
}

impl Times3 {
    pub(crate) fn new() -> Self {
        Self { response: histogram(), service: histogram(), lag: histogram() }
    }

    /// A response of a closed loop.
    pub(crate) fn closed(&mut self, response_us: u64) {
        self.response.saturating_record(response_us.max(1));
    }

    /// A response of an open loop.
    pub(crate) fn open(&mut self, response_us: u64, service_us: u64, lag_us: u64) {
        self.response.saturating_record(response_us.max(1));
        self.service.saturating_record(service_us.max(1));
        self.lag.saturating_record(lag_us.max(1));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.response.is_empty()
    }

    pub(crate) fn reset(&mut self) {
        self.response.reset();
        if !self.service.is_empty() {
            self.service.reset();
            self.lag.reset();
        }
    }

    /// Adds another set.
    pub(crate) fn add(&mut self, other: &Self) {
        // Same bounds on both sides, so adding cannot fail.
        let _ = self.response.add(&other.response);
        let _ = self.service.add(&other.service);
        let _ = self.lag.add(&other.lag);
    }
}

/// One second of one thread, with its histogram as (value, count) pairs: a long run keeps no histogram per second.
#[derive(Debug)]
pub(crate) struct Second {
    /// Which second of the measured time.
    pub(crate) index: usize,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) samples: Vec<(u64, u64)>,
}

/// Everything one thread recorded in the measured time.
pub(crate) struct Record {
    pub(crate) times: Times3,
    pub(crate) errors: BTreeMap<Class, (u64, String)>,
    /// Responses by status, 0 to 999.
    statuses: Box<[u64; 1000]>,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    /// Successful responses within the measured time; one that began before it or ended after it counts by the share
    /// of its service time that lies inside, so that slow responses do not bias the rate at the edges.
    pub(crate) completed: f64,
    /// Requests that were sent before the measured time ended.
    pub(crate) sent_in_time: u64,
    /// The part of the schedule lag that the pacer itself caused by waking up late, summed, in microseconds.
    pub(crate) woke_late_us: u64,
    /// Requests without an outcome when the run was stopped.
    pub(crate) unfinished: u64,
    pub(crate) bytes: u64,
    /// Reads of a cache that found nothing, by step of the plan.
    pub(crate) misses: Vec<u64>,
    /// CPU seconds in the measured time, where the system tells.
    pub(crate) cpu_s: Option<f64>,
    /// Seconds that are over and were not handed over yet.
    pub(crate) closed: Vec<Second>,
    open: Second,
    open_response: Histogram<u64>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            times: Times3::new(),
            errors: BTreeMap::new(),
            statuses: Box::new([0; 1000]),
            requests: 0,
            failed: 0,
            completed: 0.0,
            sent_in_time: 0,
            woke_late_us: 0,
            unfinished: 0,
            bytes: 0,
            misses: Vec::new(),
            cpu_s: Some(0.0),
            closed: Vec::new(),
            open: Second { index: 0, requests: 0, errors: 0, samples: Vec::new() },
            open_response: histogram(),
        }
    }

    /// A response with this status.
    pub(crate) fn status(&mut self, status: u16) {
        if let Some(count) = self.statuses.get_mut(usize::from(status)) {
            *count += 1;
        }
    }

    /// A read of a cache found nothing.
    pub(crate) fn missed(&mut self, step: usize) {
        if self.misses.len() <= step {
            self.misses.resize(step + 1, 0);
        }
        self.misses[step] += 1;
    }

    /// A successful response, of which this share lies in the measured time.
    pub(crate) fn completed(&mut self, share: f64) {
        self.completed += share;
    }

    /// Adds times of successful responses, all of the second that is open.
    pub(crate) fn add(&mut self, fresh: &Times3, open_loop: bool) {
        let n = fresh.response.len();
        self.requests += n;
        self.open.requests += n;
        let _ = self.open_response.add(&fresh.response);
        if open_loop {
            self.times.add(fresh);
        } else {
            let _ = self.times.response.add(&fresh.response);
        }
    }

    /// A failed request of the second that is open.
    pub(crate) fn failure(&mut self, class: Class, message: &str) {
        self.requests += 1;
        self.failed += 1;
        let entry = self.errors.entry(class).or_insert_with(|| (0, message.chars().take(200).collect()));
        entry.0 += 1;
        self.open.requests += 1;
        self.open.errors += 1;
    }

    /// The second that is open is over.
    pub(crate) fn close_second(&mut self) {
        let next = Second { index: self.open.index + 1, requests: 0, errors: 0, samples: Vec::new() };
        let mut done = std::mem::replace(&mut self.open, next);
        if !self.open_response.is_empty() {
            done.samples = self
                .open_response
                .iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_since_last_iteration()))
                .collect();
            self.open_response.reset();
        }
        self.closed.push(done);
    }

    /// Nothing more is recorded.
    pub(crate) fn finish(&mut self, open_loop: bool) {
        self.close_second();
        if !open_loop {
            self.times.service = self.times.response.clone();
            // No schedule to lag behind: the smallest value the histogram has.
            let n = self.times.response.len();
            if n > 0 {
                self.times.lag.saturating_record_n(1, n);
            }
        }
    }

    /// Adds another thread's record, both finished.
    pub(crate) fn merge(&mut self, other: Self) {
        self.times.add(&other.times);
        for (class, (count, sample)) in other.errors {
            self.errors.entry(class).or_insert((0, sample)).0 += count;
        }
        for (mine, theirs) in self.statuses.iter_mut().zip(other.statuses.iter()) {
            *mine += theirs;
        }
        self.requests += other.requests;
        self.failed += other.failed;
        self.completed += other.completed;
        self.sent_in_time += other.sent_in_time;
        self.woke_late_us += other.woke_late_us;
        self.unfinished += other.unfinished;
        self.bytes += other.bytes;
        self.misses.resize(self.misses.len().max(other.misses.len()), 0);
        for (mine, theirs) in self.misses.iter_mut().zip(&other.misses) {
            *mine += theirs;
        }
        self.cpu_s = self.cpu_s.zip(other.cpu_s).map(|(a, b)| a + b);
    }

    pub(crate) fn errors_by_class(&self) -> Vec<ErrorCount> {
        let mut all: Vec<ErrorCount> = self
            .errors
            .iter()
            .map(|(class, (count, sample))| ErrorCount {
                class: class.name().to_owned(),
                count: *count,
                sample: sample.clone(),
            })
            .collect();
        all.sort_by_key(|e| std::cmp::Reverse(e.count));
        all
    }

    pub(crate) fn statuses(&self) -> Vec<StatusCount> {
        (0u16..)
            .zip(self.statuses.iter())
            .filter(|(_, count)| **count > 0)
            .map(|(status, count)| StatusCount { status, count: *count })
            .collect()
    }
}

/// Seconds of all threads, merged while the run goes on; at most a few are held as histograms at a time.
pub(crate) struct Seconds {
    threads: usize,
    pending: BTreeMap<usize, Pending>,
    done: Vec<Interval>,
}

struct Pending {
    reported: usize,
    requests: u64,
    errors: u64,
    response: Histogram<u64>,
}

impl Seconds {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, pending: BTreeMap::new(), done: Vec::new() }
    }

    /// Takes in one second of one thread. Each thread reports each second once, in order.
    pub(crate) fn add(&mut self, second: Second) {
        let pending = self.pending.entry(second.index).or_insert_with(|| Pending {
            reported: 0,
            requests: 0,
            errors: 0,
            response: histogram(),
        });
        pending.reported += 1;
        pending.requests += second.requests;
        pending.errors += second.errors;
        for (us, count) in second.samples {
            pending.response.saturating_record_n(us, count);
        }
        while self.pending.first_key_value().is_some_and(|(_, p)| p.reported >= self.threads) {
            if let Some((index, pending)) = self.pending.pop_first() {
                self.done.push(pending.interval(index));
            }
        }
    }

    /// One-second intervals of a measured time that began at `start_ms`.
    pub(crate) fn intervals(mut self, start_ms: f64, duration_s: f64) -> Vec<Interval> {
        self.done.extend(self.pending.iter().map(|(index, p)| p.interval(*index)));
        self.done
            .into_iter()
            .filter_map(|mut i| {
                i.duration_s = (duration_s - i.t_ms / 1e3).min(1.0);
                i.t_ms += start_ms;
                (i.duration_s > 1e-6 || i.requests > 0).then_some(i)
            })
            .collect()
    }
}

impl Pending {
    /// With the start relative to the measured time.
    fn interval(&self, index: usize) -> Interval {
        let q = |q: f64| (!self.response.is_empty()).then(|| ms(self.response.value_at_quantile(q)));
        Interval {
            #[allow(clippy::cast_precision_loss)]
            t_ms: index as f64 * 1e3,
            duration_s: 1.0,
            requests: self.requests,
            errors: self.errors,
            p50: q(0.5),
            p90: q(0.9),
            p99: q(0.99),
            max: q(1.0),
        }
    }
}

#[allow(clippy::cast_precision_loss)]
pub(crate) fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// Percentiles in milliseconds, and which of them have fewer than 100 / (1 − q) samples behind them.
pub(crate) fn latency(h: &Histogram<u64>) -> LatencyMs {
    if h.is_empty() {
        return LatencyMs {
            too_small: ["p50", "p90", "p95", "p99", "p999"].map(str::to_owned).to_vec(),
            ..LatencyMs::default()
        };
    }
    #[allow(clippy::cast_precision_loss)]
    let n = h.len() as f64;
    let too_small = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)]
        .into_iter()
        .filter(|(_, q)| n < 100.0 / (1.0 - q) - 1e-6)
        .map(|(name, _)| name.to_owned())
        .collect();
    let q = |q: f64| ms(h.value_at_quantile(q));
    LatencyMs {
        n: h.len(),
        min: ms(h.min()),
        mean: h.mean() / 1e3,
        p50: q(0.5),
        p90: q(0.9),
        p95: q(0.95),
        p99: q(0.99),
        p999: q(0.999),
        max: ms(h.max()),
        too_small,
    }
}

/// Points of the percentile curve, evenly spaced in log 1/(1−q) from 0 to 1 − 1/n: at most 100.
pub(crate) fn curve(h: &Histogram<u64>) -> Vec<Percentile> {
    if h.is_empty() {
        return Vec::new();
    }
    #[allow(clippy::cast_precision_loss)]
    let end = (h.len() as f64).log10();
    let points = 99;
    let mut out: Vec<Percentile> = (0..=points)
        .map(|i| {
            let q = 1.0 - 10f64.powf(-end * f64::from(i) / f64::from(points));
            // q is "at most this share is below"; the smallest sample itself is at 0, the largest at 1 − 1/n.
            let us = if i == 0 {
                h.min()
            } else if i == points {
                h.max()
            } else {
                h.value_at_quantile(q)
            };
            Percentile { q, ms: ms(us) }
        })
        .collect();
    out.dedup_by(|b, a| b.q <= a.q);
    out
}

/// HdrHistogram V2 compressed, base64.
pub(crate) fn packed(h: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    if V2DeflateSerializer::new().serialize(h, &mut bytes).is_err() {
        return String::new();
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A histogram as [`packed`] wrote it; `None` when it cannot be read.
pub(crate) fn unpacked(text: &str) -> Option<Histogram<u64>> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_say_which_percentiles_they_cannot_carry() {
        let mut h = histogram();
        for us in 1..=1000 {
            h.record(us).expect("in range");
        }
        let l = latency(&h);
        assert_eq!(l.too_small, ["p95", "p99", "p999"], "1,000 samples carry p90, not p95");
        assert!((l.p50 - 0.5).abs() < 0.01 && (l.max - 1.0).abs() < 0.01, "values are in milliseconds");
    }

    #[test]
    fn records_of_two_threads_merge_by_second() {
        let mut a = Record::new();
        let mut b = Record::new();
        let mut fresh = Times3::new();
        fresh.open(1000, 1000, 1);
        a.add(&fresh, true);
        fresh.reset();
        assert!(fresh.is_empty(), "a reset set can be used again");
        fresh.open(3000, 2000, 1000);
        b.close_second();
        b.close_second();
        b.add(&fresh, true);
        b.failure(Class::Reset, "gone");
        a.finish(true);
        b.finish(true);
        let mut seconds = Seconds::new(2);
        for second in a.closed.drain(..).chain(b.closed.drain(..)) {
            seconds.add(second);
        }
        a.merge(b);
        assert_eq!((a.requests, a.failed), (3, 1), "totals add up");
        let i = seconds.intervals(5000.0, 3.0);
        assert_eq!(i.iter().map(|i| i.requests).collect::<Vec<_>>(), [1, 0, 2], "seconds without requests stay");
        assert_eq!(i[1].p50, None, "and have no percentiles, rather than zero");
        assert!((i[2].t_ms - 7000.0).abs() < 1e-6, "seconds follow the start");
        assert!(i[2].p50.is_some_and(|p| (p - 3.0).abs() < 0.01), "the percentile survives the hand-over");
    }

    #[test]
    fn the_last_second_may_be_shorter() {
        let mut a = Record::new();
        let mut fresh = Times3::new();
        fresh.closed(1000);
        a.close_second();
        a.add(&fresh, false);
        a.finish(false);
        assert_eq!((a.times.service.len(), a.times.lag.len()), (1, 1), "in a closed loop service is response");
        let mut seconds = Seconds::new(1);
        a.closed.drain(..).for_each(|s| seconds.add(s));
        let i = seconds.intervals(0.0, 1.5);
        assert_eq!(i.iter().map(|i| i.duration_s).collect::<Vec<_>>(), [1.0, 0.5], "1.5 s are two intervals");
    }

    #[test]
    fn the_curve_ends_at_the_largest_sample() {
        let mut h = histogram();
        for us in 1..=10_000 {
            h.record(us).expect("in range");
        }
        let c = curve(&h);
        assert!(c.len() <= 100 && c.windows(2).all(|w| w[0].q < w[1].q && w[0].ms <= w[1].ms), "it only rises");
        assert!((c[c.len() - 1].q - 0.9999).abs() < 1e-9, "10,000 samples reach to 1 - 1/n");
        assert!((c[c.len() - 1].ms - 10.0).abs() < 0.1 && c[0].q == 0.0, "from the smallest to the largest");
        h.reset();
        assert!(curve(&h).is_empty(), "no sample, no curve");
        h.record(5).expect("in range");
        assert_eq!(curve(&h).len(), 1, "one sample is one point");
    }

    #[test]
    fn histograms_survive_storage() {
        let mut h = histogram();
        for us in [1, 250, 1_000_000, 90_000_000] {
            h.record(us).expect("in range");
        }
        let back = unpacked(&packed(&h)).expect("base64 of V2 compressed");
        assert!(unpacked("not base64!").is_none(), "what is damaged is no histogram");
        assert_eq!(back.len(), 4, "all samples are there");
        assert_eq!(back.max(), h.max(), "with their values");
    }
}
