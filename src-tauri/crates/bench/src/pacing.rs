//! The schedule of an open loop, in closed form: nothing accumulates, so nothing drifts.
use std::time::Duration;

/// Requests of one generator thread: the k-th starts at `(k + phase) / rate` after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rate_per_s: f64,
    phase: f64,
}

impl Schedule {
    /// The share of thread `index` of `threads` in `rate_per_s`. Threads interleave instead of sending together.
    pub(crate) fn new(rate_per_s: f64, index: usize, threads: usize) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let (index, threads) = (index as f64, threads as f64);
        Self { rate_per_s: rate_per_s / threads, phase: index / threads }
    }

    /// When request `k` starts.
    pub(crate) fn at(&self, k: u64) -> Duration {
        #[allow(clippy::cast_precision_loss)]
        let k = k as f64;
        Duration::from_secs_f64((k + self.phase) / self.rate_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn threads_together_keep_the_rate(rate in 1.0f64..100_000.0, threads in 1usize..8, seconds in 1u32..5) {
            let end = Duration::from_secs(u64::from(seconds));
            let count: u64 = (0..threads).map(|i| {
                let s = Schedule::new(rate, i, threads);
                // The number of starts before `end`, by bisection over the monotonic schedule.
                let (mut lo, mut hi) = (0u64, 2_000_000u64);
                while lo < hi {
                    let mid = u64::midpoint(lo, hi);
                    if s.at(mid) < end { lo = mid + 1 } else { hi = mid }
                }
                lo
            }).sum();
            let expected = rate * f64::from(seconds);
            #[allow(clippy::cast_precision_loss)]
            let off = (count as f64 - expected).abs();
            #[allow(clippy::cast_precision_loss)]
            let bound = threads as f64 + 1.0;
            prop_assert!(off <= bound, "{} starts for {} expected", count, expected);
        }
    }

    #[test]
    fn a_late_request_does_not_move_the_next_one() {
        let s = Schedule::new(1000.0, 0, 1);
        assert_eq!(s.at(1_000_000), Duration::from_secs(1000), "the millionth start is exact");
    }
}
