//! When the iterations of an open loop start: in closed form from the integral of the rate, so nothing drifts, and
//! split over threads so that they interleave.
use std::sync::Arc;
use std::time::Duration;

use super::model::Arrivals;
use super::profile::Profile;
use perfdeck_model::SplitMix64;

/// The starts of one thread.
///
/// With R(t) the integral of the rate, start j of the whole is where R reaches j (constant arrivals) or the sum of j + 1
/// exponential gaps of mean 1 (Poisson arrivals, the time change of an inhomogeneous process). Thread i of n has the
/// starts i, i + n, i + 2n, …; at a constant rate that is `(k + i/n) / (rate/n)`. All threads together are always the
/// same starts, whatever their number.
#[derive(Debug, Clone)]
pub struct Schedule {
    profile: Arc<Profile>,
    arrivals: Arrivals,
    seed: u64,
    thread: u64,
    threads: u64,
}

impl Schedule {
    /// The share of thread `thread` of `threads`.
    pub fn new(profile: Arc<Profile>, arrivals: Arrivals, seed: u64, thread: u32, threads: u32) -> Self {
        let threads = threads.max(1);
        Self { profile, arrivals, seed, thread: u64::from(thread % threads), threads: u64::from(threads) }
    }

    /// Iterations of this thread with constant arrivals, or how many there are on average with random ones.
    pub fn count(&self) -> u64 {
        // A start at the very end would be none; and 999.9999999 from rounding is meant as 1000.
        let total = self.profile.total();
        let near = total.round();
        let all = if (total - near).abs() < 1e-9 * total.max(1.0) { near } else { total.ceil() };
        let all = all as u64;
        all.saturating_sub(self.thread).div_ceil(self.threads)
    }

    /// When start `k` of this thread is due with constant arrivals, since the beginning; `None` after the last.
    pub fn at(&self, k: u64) -> Option<Duration> {
        if k >= self.count() {
            return None;
        }
        let index = k.checked_mul(self.threads)?.checked_add(self.thread)?;
        let seconds = self.profile.inverse(index as f64)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// All starts of this thread in order.
    pub fn starts(&self) -> Starts {
        let rng = SplitMix64::new(self.seed, &[b"arrivals"]);
        Starts { schedule: self.clone(), k: 0, rng, sum: 0.0, skip: self.thread }
    }
}

/// The starts of one thread in order.
#[derive(Debug, Clone)]
pub struct Starts {
    schedule: Schedule,
    k: u64,
    rng: SplitMix64,
    /// Sum of the gaps so far, in starts.
    sum: f64,
    /// Gaps of other threads before the next own one.
    skip: u64,
}

impl Iterator for Starts {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        match self.schedule.arrivals {
            Arrivals::Constant => {
                let at = self.schedule.at(self.k)?;
                self.k += 1;
                Some(at)
            }
            Arrivals::Poisson => {
                // Every thread draws all gaps, about 10 ns each, and keeps its own.
                for _ in 0..=self.skip {
                    self.sum += self.rng.exponential();
                }
                self.skip = self.schedule.threads - 1;
                let seconds = self.schedule.profile.inverse(self.sum)?;
                Duration::try_from_secs_f64(seconds).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Stage, StageKind};
    use super::super::profile::ProfileError;
    use super::super::values::Span;
    use super::*;
    use proptest::prelude::*;

    fn stage(kind: StageKind, seconds: f64, to: Option<f64>) -> Stage {
        Stage { kind, duration: Span::from_secs(seconds).expect("a duration"), to }
    }

    fn profiles() -> impl Strategy<Value = Profile> {
        let kinds = prop_oneof![Just(StageKind::Ramp), Just(StageKind::Hold), Just(StageKind::Spike)];
        let level = prop_oneof![Just(0.0), 0.0f64..300.0];
        let stages = prop::collection::vec((kinds, 0.01f64..5.0, level.clone()), 0..6);
        (level, stages).prop_filter_map("something starts", |(level, stages)| {
            let stages: Vec<Stage> = stages.into_iter().map(|(k, s, to)| stage(k, s, Some(to))).collect();
            Profile::new(level, &stages, 3.0).ok()
        })
    }

    fn starts(profile: &Arc<Profile>, arrivals: Arrivals, thread: u32, threads: u32) -> Vec<Duration> {
        Schedule::new(Arc::clone(profile), arrivals, 7, thread, threads).starts().collect()
    }

    #[test]
    fn a_ramp_starts_as_its_integral_says() {
        // R(t) = t² over 10 s from 0 to 20/s: start k at √k.
        let profile = Arc::new(Profile::new(0.0, &[stage(StageKind::Ramp, 10.0, Some(20.0))], 0.0).expect("a ramp"));
        let times = starts(&profile, Arrivals::Constant, 0, 1);
        assert_eq!(times.len(), 100, "10 s at 10/s on average");
        for (k, at) in (0u32..).zip(&times) {
            assert!((at.as_secs_f64() - f64::from(k).sqrt()).abs() < 1e-9, "start {k} at √{k}, not {at:?}");
        }
    }

    #[test]
    fn a_spike_returns_and_a_pause_is_empty() {
        let stages = [
            stage(StageKind::Hold, 1.0, None),
            stage(StageKind::Spike, 1.0, Some(100.0)),
            stage(StageKind::Hold, 1.0, None),
        ];
        let profile = Arc::new(Profile::new(10.0, &stages, 0.0).expect("a profile"));
        let per_second = |second: u64, times: &[Duration]| times.iter().filter(|t| t.as_secs() == second).count();
        let times = starts(&profile, Arrivals::Constant, 0, 1);
        let counts: Vec<_> = (0..3).map(|s| per_second(s, &times)).collect();
        assert_eq!(counts, [10, 100, 10], "the level before the spike comes back");
        assert!(profile.varies() && (profile.peak() - 100.0).abs() < 1e-12, "the spike is the peak");
        let pause = [stage(StageKind::Hold, 2.0, Some(0.0)), stage(StageKind::Hold, 1.0, Some(5.0))];
        let profile = Arc::new(Profile::new(9.0, &pause, 0.0).expect("a profile"));
        assert_eq!(starts(&profile, Arrivals::Constant, 0, 1)[0], Duration::from_secs(2), "nothing starts in a pause");
    }

    #[test]
    fn a_constant_rate_is_exact_after_a_day() {
        let profile = Arc::new(Profile::new(50_000.0, &[], 86_400.0).expect("a day"));
        let schedule = Schedule::new(profile, Arrivals::Constant, 1, 3, 8);
        assert_eq!(schedule.count(), 540_000_000, "an eighth of 50 000/s over a day");
        let last = schedule.at(539_999_999).expect("the last").as_secs_f64();
        assert!((last - (86_400.0 - 5.0 / 50_000.0)).abs() < 1e-9, "nothing has accumulated: {last}");
        assert_eq!(schedule.at(540_000_000), None, "and then it ends");
    }

    #[test]
    fn profiles_out_of_range_are_refused() {
        let one = |level, stages: &[Stage]| Profile::new(level, stages, 1.0).expect_err("refused");
        assert_eq!(one(0.0, &[]), ProfileError::Nothing, "no start at all");
        assert_eq!(one(1.0, &[stage(StageKind::Ramp, 1.0, None)]), ProfileError::NoLevel(1), "a ramp to nowhere");
        assert_eq!(one(1.0, &[stage(StageKind::Hold, 0.0, None)]), ProfileError::NoDuration(1), "a stage of no time");
        for to in [-1.0, 2e6, f64::NAN, f64::INFINITY] {
            let error = one(1.0, &[stage(StageKind::Ramp, 1.0, Some(to))]);
            assert!(matches!(error, ProfileError::Level { .. }), "{to} is no level");
        }
        let error = Profile::new(1.0, &[], 1e6).expect_err("refused");
        assert!(matches!(error, ProfileError::TooLong(_)), "more than a day");
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_spread() {
        let profile = Arc::new(Profile::new(1000.0, &[], 100.0).expect("a profile"));
        let times = starts(&profile, Arrivals::Poisson, 0, 1);
        let n = times.len() as f64;
        assert!((n - 1e5).abs() < 4.0 * 1e5f64.sqrt(), "{n} arrivals lie within four standard deviations of 100 000");
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]).as_secs_f64() * 1000.0).collect();
        let share = gaps.iter().filter(|g| **g > 1.0).count() as f64 / n;
        assert!((share - (-1.0f64).exp()).abs() < 0.01, "1/e of the gaps are above the mean, as exponential ones are");
        assert_eq!(times, starts(&profile, Arrivals::Poisson, 0, 1), "the seed decides");
        let other = Schedule::new(profile, Arrivals::Poisson, 8, 0, 1).starts().next();
        assert_ne!(times.first().copied(), other, "another seed, other arrivals");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn starts_never_go_back(profile in profiles(), poisson in any::<bool>(), threads in 1u32..5) {
            let profile = Arc::new(profile);
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let end = profile.seconds();
            for thread in 0..threads {
                let times = starts(&profile, arrivals, thread, threads);
                prop_assert!(times.is_sorted(), "each start is at or after the one before");
                prop_assert!(times.iter().all(|t| t.as_secs_f64() <= end), "and none after the end");
            }
        }

        #[test]
        fn any_interval_holds_its_integral(profile in profiles(), a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let (a, b) = (a.min(b) * profile.seconds(), a.max(b) * profile.seconds());
            let profile = Arc::new(profile);
            let times = starts(&profile, Arrivals::Constant, 0, 1);
            let count = times.iter().filter(|t| (a..b).contains(&t.as_secs_f64())).count() as f64;
            let expected = profile.integral(b) - profile.integral(a);
            prop_assert!((count - expected).abs() <= 1.0 + 1e-6, "{count} starts where the integral is {expected}");
        }

        #[test]
        fn threads_together_are_one_schedule(profile in profiles(), poisson in any::<bool>(), threads in 1u32..7) {
            let profile = Arc::new(profile);
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let mut merged: Vec<Duration> = (0..threads).flat_map(|i| starts(&profile, arrivals, i, threads)).collect();
            merged.sort();
            prop_assert_eq!(merged, starts(&profile, arrivals, 0, 1), "the number of threads changes nothing");
        }

        #[test]
        fn the_inverse_undoes_the_integral(profile in profiles(), share in 0.0f64..1.0) {
            let count = share * profile.total();
            let t = profile.inverse(count).expect("below the total");
            prop_assert!((profile.integral(t) - count).abs() < 1e-6, "R(R⁻¹({count})) is {}", profile.integral(t));
            prop_assert!(profile.level(t) >= 0.0, "a level is never negative");
        }

        #[test]
        fn count_is_the_number_of_starts(profile in profiles(), thread in 0u32..4) {
            let schedule = Schedule::new(Arc::new(profile), Arrivals::Constant, 1, thread, 4);
            let n = u64::try_from(schedule.starts().count()).expect("a number");
            prop_assert_eq!(n, schedule.count(), "what is announced is what comes");
        }
    }
}
