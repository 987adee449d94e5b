//! Times of one kind: a histogram, with sum and longest exactly.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use perfdeck_model::PoolTimes;

/// Longest time that is told apart from longer ones, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// What was measured so far.
#[derive(Debug)]
struct Measured {
    /// Microseconds, to 1 %.
    histogram: Histogram<u64>,
    sum: Duration,
    longest: Duration,
}

/// Times that many tasks measure.
#[derive(Debug)]
pub(super) struct Times(Mutex<Option<Measured>>);

impl Times {
    pub(super) fn new() -> Self {
        // Bounds and digits are constants that the histogram takes; were they not, nothing would be measured.
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 2).ok();
        let measured = |histogram| Measured { histogram, sum: Duration::ZERO, longest: Duration::ZERO };
        Self(Mutex::new(histogram.map(measured)))
    }

    fn locked(&self) -> MutexGuard<'_, Option<Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one.
    pub(super) fn add(&self, time: Duration) {
        if let Some(measured) = self.locked().as_mut() {
            measured.histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST_US));
            measured.sum += time;
            measured.longest = measured.longest.max(time);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.locked().as_ref().map_or(0, |measured| measured.histogram.len())
    }

    /// What is known of all.
    pub(super) fn read(&self) -> PoolTimes {
        let guard = self.locked();
        let Some(measured) = guard.as_ref().filter(|measured| !measured.histogram.is_empty()) else {
            return PoolTimes::default();
        };
        let longest_ms = measured.longest.as_secs_f64() * 1e3;
        // A bucket's upper end may lie above what was measured.
        let quantile = |q| Some((measured.histogram.value_at_quantile(q) as f64 / 1e3).min(longest_ms));
        PoolTimes {
            count: measured.histogram.len(),
            sum_ms: measured.sum.as_secs_f64() * 1e3,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            max_ms: Some(longest_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripted_pattern_is_counted_exactly() {
        let times = Times::new();
        assert_eq!(times.read(), PoolTimes::default(), "nothing was measured: no quantile is 0");
        for ms in 1..=200 {
            times.add(Duration::from_millis(ms));
        }
        let seen = times.read();
        assert_eq!((seen.count, times.count()), (200, 200), "each one");
        assert!((seen.sum_ms - 20_100.0).abs() < 1e-6, "their sum is exact: {seen:?}");
        assert_eq!(seen.max_ms, Some(200.0), "and so is the longest");
        let near = |value: Option<f64>, of: f64| value.is_some_and(|v| (v - of).abs() <= of * 0.011);
        assert!(near(seen.p50_ms, 100.0) && near(seen.p99_ms, 198.0), "quantiles to 1 %: {seen:?}");
        times.add(Duration::from_secs(7_200));
        let seen = times.read();
        assert_eq!(seen.max_ms, Some(7_200_000.0), "what is longer than the histogram keeps its length");
        assert_eq!(seen.count, 201, "and is counted");
        times.add(Duration::ZERO);
        assert_eq!(times.read().count, 202, "so is what took no time");
    }
}
