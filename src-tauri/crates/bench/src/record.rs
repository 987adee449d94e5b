//! What a generator thread records, and how the threads' records become the figures of a run.
use std::collections::BTreeMap;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
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
    Shed,
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
            Self::Shed => "shed",
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

/// One second of one thread.
pub(crate) struct Second {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) response: Histogram<u64>,
}

impl Second {
    fn new() -> Self {
        Self { requests: 0, errors: 0, response: histogram() }
    }
}

/// Everything one thread recorded in the measured time.
pub(crate) struct Record {
    pub(crate) response: Histogram<u64>,
    pub(crate) service: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
    pub(crate) errors: BTreeMap<Class, (u64, String)>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    open: (usize, Second),
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
    pub(crate) cpu_s: f64,
    pub(crate) threads_without_cpu: usize,
    /// Open-second histograms that other threads' records are merged with before they become figures.
    pub(crate) closed: Vec<Second>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            response: histogram(),
            service: histogram(),
            lag: histogram(),
            errors: BTreeMap::new(),
            statuses: BTreeMap::new(),
            open: (0, Second::new()),
            requests: 0,
            failed: 0,
            bytes: 0,
            cpu_s: 0.0,
            threads_without_cpu: 0,
            closed: Vec::new(),
        }
    }

    fn second(&mut self, at_s: f64) -> &mut Second {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = at_s.max(0.0) as usize;
        while self.open.0 < index {
            let done = std::mem::replace(&mut self.open.1, Second::new());
            self.closed.push(done);
            self.open.0 += 1;
        }
        &mut self.open.1
    }

    /// A response that arrived `at_s` seconds into the measured time; times in microseconds.
    pub(crate) fn success(&mut self, at_s: f64, response_us: u64, service_us: u64, lag_us: u64, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
        self.response.saturating_record(response_us.max(1));
        self.service.saturating_record(service_us.max(1));
        self.lag.saturating_record(lag_us.max(1));
        let second = self.second(at_s);
        second.requests += 1;
        second.response.saturating_record(response_us.max(1));
    }

    /// A failed request.
    pub(crate) fn failure(&mut self, at_s: f64, class: Class, message: &str) {
        self.requests += 1;
        self.failed += 1;
        let entry = self.errors.entry(class).or_insert_with(|| (0, message.chars().take(200).collect()));
        entry.0 += 1;
        let second = self.second(at_s);
        second.requests += 1;
        second.errors += 1;
    }

    pub(crate) fn finish(&mut self) {
        let last = std::mem::replace(&mut self.open.1, Second::new());
        self.closed.push(last);
    }

    /// Adds another thread's record, both finished.
    pub(crate) fn merge(&mut self, other: Self) {
        // Same bounds on both sides, so adding cannot fail.
        let _ = self.response.add(&other.response);
        let _ = self.service.add(&other.service);
        let _ = self.lag.add(&other.lag);
        for (class, (count, sample)) in other.errors {
            self.errors.entry(class).or_insert((0, sample)).0 += count;
        }
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (i, second) in other.closed.into_iter().enumerate() {
            if let Some(mine) = self.closed.get_mut(i) {
                mine.requests += second.requests;
                mine.errors += second.errors;
                let _ = mine.response.add(&second.response);
            } else {
                self.closed.push(second);
            }
        }
        self.requests += other.requests;
        self.failed += other.failed;
        self.bytes += other.bytes;
        self.cpu_s += other.cpu_s;
        self.threads_without_cpu += other.threads_without_cpu;
    }

    /// One-second intervals of a measured time that began at `start_ms`.
    pub(crate) fn intervals(&self, start_ms: f64, duration_s: f64) -> Vec<Interval> {
        self.closed
            .iter()
            .enumerate()
            .filter_map(|(i, s)| {
                #[allow(clippy::cast_precision_loss)]
                let at = i as f64;
                let length = (duration_s - at).min(1.0);
                let q = |q: f64| (!s.response.is_empty()).then(|| ms(s.response.value_at_quantile(q)));
                (length > 1e-3).then(|| Interval {
                    t_ms: start_ms + at * 1e3,
                    duration_s: length,
                    requests: s.requests,
                    errors: s.errors,
                    p50: q(0.5),
                    p90: q(0.9),
                    p99: q(0.99),
                    max: q(1.0),
                })
            })
            .collect()
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
        self.statuses.iter().map(|(status, count)| StatusCount { status: *status, count: *count }).collect()
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

/// Points of the percentile curve, evenly spaced in log 1/(1−q) up to the last sample.
pub(crate) fn curve(h: &Histogram<u64>) -> Vec<Percentile> {
    if h.is_empty() {
        return Vec::new();
    }
    #[allow(clippy::cast_precision_loss)]
    let end = (h.len() as f64).log10();
    let points = 80;
    let mut out: Vec<Percentile> = (0..=points)
        .map(|i| {
            let q = 1.0 - 10f64.powf(-end * f64::from(i) / f64::from(points));
            Percentile { q, ms: ms(h.value_at_quantile(q)) }
        })
        .collect();
    out.push(Percentile { q: 1.0, ms: ms(h.max()) });
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
        a.success(0.1, 1000, 1000, 1, 10);
        b.success(2.5, 3000, 2000, 1000, 10);
        b.failure(2.6, Class::Reset, "gone");
        a.finish();
        b.finish();
        a.merge(b);
        assert_eq!((a.requests, a.failed, a.bytes), (3, 1, 20), "totals add up");
        let i = a.intervals(5000.0, 3.0);
        assert_eq!(i.iter().map(|i| i.requests).collect::<Vec<_>>(), [1, 0, 2], "seconds without requests stay");
        assert_eq!(i[1].p50, None, "and have no percentiles, rather than zero");
    }
}
