//! Sources of time, so that tests can move it.
//!
//! There are two kinds of time. The wall clock says *when* something was: it is what people and files know, and it can
//! be set forward or back at any moment. The monotonic clock says *how long* something took: it never jumps, so rates,
//! pauses and deadlines come from it and from nothing else.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::monotonic;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds since the Unix epoch. It may jump either way; differences of it mean nothing.
    fn now_ms(&self) -> f64;

    /// Time since some moment of the past, in milliseconds. It never jumps and never goes back; the time that the
    /// machine was suspended counts where the platform tells it. Only differences mean something.
    fn monotonic_ms(&self) -> f64;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64() * 1e3)
    }

    fn monotonic_ms(&self) -> f64 {
        monotonic::now_ms()
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<Moved>);

#[derive(Debug)]
struct Moved {
    wall_ms: f64,
    monotonic_ms: f64,
}

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: f64) -> Self {
        Self(Mutex::new(Moved { wall_ms: now_ms, monotonic_ms: 0.0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Moved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `ms` pass.
    pub fn advance(&self, ms: f64) {
        let mut moved = self.lock();
        moved.wall_ms += ms;
        moved.monotonic_ms += ms;
    }

    /// Sets the wall clock forward by `ms`, or back when it is negative. No time passes.
    pub fn set_forward(&self, ms: f64) {
        self.lock().wall_ms += ms;
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> f64 {
        self.lock().wall_ms
    }

    fn monotonic_ms(&self) -> f64 {
        self.lock().monotonic_ms
    }
}

/// A moment in which both clocks show this many milliseconds and stand still; for tests.
impl Clock for f64 {
    fn now_ms(&self) -> f64 {
        *self
    }

    fn monotonic_ms(&self) -> f64 {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_clock_takes_no_time() {
        let clock = ManualClock::new(1_000.0);
        clock.advance(500.0);
        clock.set_forward(-3_600_000.0);
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (-3_598_500.0, 500.0), "half a second passed, not an hour");
    }

    #[test]
    fn the_machines_monotonic_clock_runs_at_the_pace_of_time() {
        let (clock, started) = (SystemClock, std::time::Instant::now());
        let mut last = clock.monotonic_ms();
        let first = last;
        while started.elapsed().as_millis() < 30 {
            let now = clock.monotonic_ms();
            assert!(now >= last, "it never goes back: {last} then {now}");
            last = now;
        }
        let (took, real) = (clock.monotonic_ms() - first, started.elapsed().as_secs_f64() * 1e3);
        assert!((took - real).abs() < 5.0, "it counts milliseconds: {took} of {real}");
    }
}
