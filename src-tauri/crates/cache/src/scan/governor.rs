//! The pace of a scan: up by steps, in leaps while most of the limits is room, halved when one is passed (additive increase, multiplicative
//! decrease with a slow start, as TCP does).

/// Limit of the share of one core that a scan may take of its server.
pub(crate) const CPU_LIMIT: f64 = 0.10;
/// Limit of how much longer a round trip may take for others, in milliseconds at the 99th percentile.
pub(crate) const ADDED_LIMIT_MS: f64 = 2.0;
/// Work per second at the start, at least and at most; the name of a key is 1.
const START: f64 = 20_000.0;
const LEAST: f64 = 500.0;
const MOST: f64 = 2_000_000.0;
/// Work per second that is added at each look at most, and the share of the pace that it is below that: a slow server bears small steps.
const STEP: f64 = 4_000.0;
const STEP_SHARE: f64 = 0.1;
/// Leaps while less than such a share of both limits is used. What is seen may be half a second old: two leaps from just below a quarter come to
/// little more than half of a limit.
const LEAPS: [(f64, f64); 2] = [(0.25, 1.5), (0.5, 1.25)];
/// Time between two halvings, and from one to the next step up.
const REST_MS: f64 = 600.0;

/// What was seen of a server since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Milliseconds that a round trip takes longer than before the scan, 99th percentile.
    pub(crate) added_p99_ms: Option<f64>,
    /// Share of one core that the server uses more than before the scan.
    pub(crate) cpu_share: Option<f64>,
}

/// The pace for one server.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    rate: f64,
    gentler: u32,
    halved: u32,
    rests_until_ms: f64,
}

impl Default for Governor {
    fn default() -> Self {
        Self { rate: START, gentler: 0, halved: 0, rests_until_ms: 0.0 }
    }
}

impl Governor {
    /// Work per second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// How often it was halved.
    pub(crate) fn halved(&self) -> u32 {
        self.halved
    }

    /// Limits of the share of a core and of the added milliseconds, each half as large with each `gentler`.
    pub(crate) fn limits(gentler: u32) -> (f64, f64) {
        let half = 0.5_f64.powi(gentler.min(6) as i32);
        (CPU_LIMIT * half, ADDED_LIMIT_MS * half)
    }

    /// Takes what was seen into account. `gentler` is how often a person asked for that.
    pub(crate) fn look(&mut self, now_ms: f64, seen: Seen, gentler: u32) {
        if gentler > self.gentler {
            self.gentler = gentler;
            self.rate = (self.rate / 2.0).max(LEAST);
            self.rests_until_ms = now_ms + REST_MS;
        }
        if now_ms < self.rests_until_ms {
            return;
        }
        let (cpu, added) = Self::limits(self.gentler);
        if seen.cpu_share.is_some_and(|share| share > cpu) || seen.added_p99_ms.is_some_and(|ms| ms > added) {
            self.rate = (self.rate / 2.0).max(LEAST);
            self.halved += 1;
            self.rests_until_ms = now_ms + REST_MS;
        } else {
            let step = self.rate + STEP.min(STEP_SHARE * self.rate);
            self.rate = step.max(self.rate * leap(seen, (cpu, added))).min(MOST);
        }
    }
}

/// Growth by how much of the limits is used; none where one of them cannot be seen.
fn leap(seen: Seen, (cpu, added): (f64, f64)) -> f64 {
    let (Some(share), Some(ms)) = (seen.cpu_share, seen.added_p99_ms) else { return 1.0 };
    let used = (share / cpu).max(ms / added);
    LEAPS.iter().find(|(below, _)| used < *below).map_or(1.0, |(_, growth)| *growth)
}

/// Why a scan must not go on, by what its server tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is loading its data.
    Loading,
    /// Its memory is nearly used up, and it evicts nothing: writes are about to be refused.
    Memory,
}

/// Whether a scan must stop. A server that evicts is full by design, and loses nothing to a scan.
pub(crate) fn stop(loading: bool, used: f64, most: f64, evicts: bool) -> Option<Stop> {
    if loading {
        Some(Stop::Loading)
    } else if most > 0.0 && used > 0.95 * most && !evicts {
        Some(Stop::Memory)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs against a server that takes `us` microseconds for a key, and adds `ms` at the whole of a core.
    fn run(us: f64, ms: f64, gentler: u32) -> (f64, f64, f64) {
        let mut governor = Governor::default();
        let (mut cpu, mut worst, mut n) = (0.0, 0.0_f64, 0.0);
        for tick in 0..400 {
            let share = governor.rate() * us / 1e6;
            let seen = Seen { cpu_share: Some(share), added_p99_ms: Some(share * ms) };
            governor.look(f64::from(tick) * 250.0, seen, gentler);
            if tick > 100 {
                cpu += share;
                worst = worst.max(share);
                n += 1.0;
            }
        }
        (cpu / n, worst, governor.rate())
    }

    #[test]
    fn it_stays_about_the_limit_and_never_far_above() {
        for us in [1.2, 4.3, 30.0] {
            let (mean, worst, _) = run(us, 1.0, 0);
            assert!(mean < CPU_LIMIT && mean > 0.4 * CPU_LIMIT, "{us} µs a key: {mean}");
            assert!(worst < 1.1 * CPU_LIMIT, "one step above at most: {worst}");
        }
        let (mean, ..) = run(1.2, 100.0, 0);
        assert!(mean * 100.0 < ADDED_LIMIT_MS, "the other limit holds too: {mean}");
        let (gentle, ..) = run(1.2, 1.0, 1);
        assert!(gentle < CPU_LIMIT / 2.0, "gentler is half of it: {gentle}");
    }

    #[test]
    fn it_goes_on_however_busy_the_server_and_is_fast_on_an_idle_one() {
        let mut governor = Governor::default();
        for tick in 0..100 {
            governor.look(f64::from(tick) * 250.0, Seen { cpu_share: Some(1.0), added_p99_ms: Some(50.0) }, 0);
        }
        assert!((governor.rate() - LEAST).abs() < 1.0, "slowly: {}", governor.rate());
        assert!(governor.halved() > 5, "{}", governor.halved());
        for tick in 100..200 {
            governor.look(f64::from(tick) * 250.0, Seen::default(), 0);
        }
        assert!(governor.rate() > 100_000.0, "and fast again afterwards: {}", governor.rate());
    }

    #[test]
    fn what_a_server_has_room_for_is_used_within_two_seconds() {
        let mut governor = Governor::default();
        for tick in 0..8 {
            // 1.2 µs a key, which are 83,000 a second within the limit.
            let seen = Seen { cpu_share: Some(governor.rate() * 1.2e-6), added_p99_ms: Some(0.1) };
            governor.look(f64::from(tick) * 250.0, seen, 0);
        }
        assert!(governor.rate() > 50_000.0 && governor.halved() == 0, "{} of 83,000", governor.rate());
        let blind = Seen { cpu_share: None, added_p99_ms: Some(0.0) };
        let mut governor = Governor::default();
        governor.look(0.0, blind, 0);
        assert!(governor.rate() < START + STEP + 1.0, "nothing leaps that is not seen: {}", governor.rate());
    }

    #[test]
    fn a_server_in_trouble_is_left_alone() {
        assert_eq!(stop(true, 1.0, 0.0, false), Some(Stop::Loading), "loading");
        assert_eq!(stop(false, 96.0, 100.0, false), Some(Stop::Memory), "about to refuse writes");
        assert_eq!(stop(false, 96.0, 100.0, true), None, "a cache is full by design");
        assert_eq!(stop(false, 96.0, 0.0, false), None, "without a limit");
        assert_eq!(stop(false, 90.0, 100.0, false), None, "with room");
    }
}
