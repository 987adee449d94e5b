//! The schedule of an open loop, in closed form (nothing accumulates, so nothing drifts), and a timer that is precise
//! enough to keep it.
use std::time::{Duration, Instant};

use crate::shared::Shared;

/// Requests of one generator thread: the k-th starts at `(k + phase) / rate` after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rate_per_s: f64,
    phase: f64,
}

impl Schedule {
    /// The share of thread `index` of `threads` in `rate_per_s`. Threads interleave instead of sending together.
    pub(crate) fn new(rate_per_s: f64, index: usize, threads: usize) -> Self {
        let (index, threads) = (index as f64, threads as f64);
        Self { rate_per_s: rate_per_s / threads, phase: index / threads }
    }

    /// When request `k` starts.
    pub(crate) fn at(&self, k: u64) -> Duration {
        let k = k as f64;
        Duration::try_from_secs_f64((k + self.phase) / self.rate_per_s).unwrap_or(Duration::MAX)
    }
}

/// Requests of one thread that wait for a connection at most: ten seconds of the rate; more are shed and counted as
/// errors.
pub(crate) fn shed_above(shared: &Shared) -> usize {
    let rate = shared.rate_per_s.unwrap_or(0.0);
    ((10.0 * rate).max(1000.0) as usize / shared.threads.max(1)).max(1)
}

/// Pause of a connection after this many failures in a row, so that a refused port does not make the generator spin:
/// 1 ms twice, then 10 ms, doubling to 80 ms.
pub(crate) fn back_off(failures: u32) -> Duration {
    Duration::from_millis(if failures < 3 { 1 } else { 10u64 << failures.min(6).saturating_sub(3) })
}

/// Waits with microseconds of lateness instead of the runtime's timer wheel, which rounds up to whole milliseconds and
/// would put half a millisecond into every figure of an open loop.
///
/// On Linux it is a `timerfd` beside the sockets in the same epoll: precise, and connections go on meanwhile. Elsewhere
/// it sleeps coarsely and gives the processor to the connections for the last part.
pub(crate) struct PreciseTimer {
    #[cfg(target_os = "linux")]
    timer: Option<tokio::net::unix::pipe::Receiver>,
}

impl PreciseTimer {
    /// A timer of the current runtime.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            timer: linux::timer(),
        }
    }

    /// Returns at `at` or shortly after it; rarely before it, so callers look at the clock again.
    pub(crate) async fn until(&mut self, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(timer) = &self.timer
            && linux::wait(timer, at).await
        {
            return;
        }
        coarse(at).await;
    }
}

/// Whether this system has a timer that holds a schedule to less than a millisecond.
pub(crate) fn is_precise() -> bool {
    #[cfg(target_os = "linux")]
    return timerfd::create().is_some();
    #[cfg(not(target_os = "linux"))]
    false
}

async fn coarse(at: Instant) {
    let wait = at.saturating_duration_since(Instant::now());
    if wait > Duration::from_millis(3) {
        tokio::time::sleep(wait.saturating_sub(Duration::from_micros(1_500))).await;
        return;
    }
    tokio::task::yield_now().await;
    // Nothing was ready: give the processor away for a moment instead of spinning through the last part.
    if at.saturating_duration_since(Instant::now()) > Duration::from_micros(200) {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// The kernel's precise timer, for both engines.
#[cfg(target_os = "linux")]
pub(crate) mod timerfd {
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };

    /// A timer that is not armed; `None` where the kernel gives none.
    pub(crate) fn create() -> Option<OwnedFd> {
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).ok()
    }

    /// Whether it is set to expire once after this time. Setting it anew clears an expiry that nobody read.
    pub(crate) fn arm(timer: &impl AsFd, left: Duration) -> bool {
        // Zero would disarm it.
        let Ok(once) = Timespec::try_from(left.max(Duration::from_nanos(1))) else { return false };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: once };
        timerfd_settime(timer.as_fd(), TimerfdTimerFlags::empty(), &spec).is_ok()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::ErrorKind;
    use std::time::Instant;

    use tokio::net::unix::pipe::Receiver;

    use super::timerfd;

    /// A `timerfd` in the runtime's epoll. It is no pipe, but like one it becomes readable and is read; the general
    /// `AsyncFd` of tokio can only be made with unsafe code.
    pub(super) fn timer() -> Option<Receiver> {
        Receiver::from_owned_fd_unchecked(timerfd::create()?).ok()
    }

    /// Whether the timer worked.
    pub(super) async fn wait(timer: &Receiver, at: Instant) -> bool {
        if !timerfd::arm(timer, at.saturating_duration_since(Instant::now())) {
            return false;
        }
        loop {
            if timer.readable().await.is_err() {
                return false;
            }
            // The number of expiries.
            match timer.try_read(&mut [0u8; 8]) {
                Ok(_) => return true,
                // Readiness of the last time; this read has cleared it.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
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
            let off = (count as f64 - expected).abs();
            let bound = threads as f64 + 1.0;
            prop_assert!(off <= bound, "{} starts for {} expected", count, expected);
        }
    }

    #[test]
    fn a_late_request_does_not_move_the_next_one() {
        let s = Schedule::new(1000.0, 0, 1);
        assert_eq!(s.at(1_000_000), Duration::from_secs(1000), "the millionth start is exact");
    }

    proptest! {
        #[test]
        fn starts_are_monotonic_and_never_panic(rate in 1e-3f64..1e6, threads in 1usize..64, k in 0u64..u64::MAX / 2) {
            let s = Schedule::new(rate, threads - 1, threads);
            prop_assert!(s.at(k) <= s.at(k + 1), "start {} comes before the next one", k);
        }

        #[test]
        fn threads_interleave_evenly(rate in 10.0f64..10_000.0, threads in 1usize..8, k in 0u64..10_000) {
            let starts: Vec<f64> = (0..threads).map(|i| Schedule::new(rate, i, threads).at(k).as_secs_f64()).collect();
            for pair in starts.windows(2) {
                prop_assert!((pair[1] - pair[0] - 1.0 / rate).abs() < 1e-6, "one gap of the whole rate lies between");
            }
        }
    }

    #[tokio::test]
    async fn the_timer_waits_until_its_time() {
        let mut timer = PreciseTimer::new();
        for _ in 0..20 {
            let at = Instant::now() + Duration::from_micros(700);
            while Instant::now() < at {
                timer.until(at).await;
            }
            assert!(at.elapsed() < Duration::from_secs(1), "and wakes up again");
        }
    }
}
