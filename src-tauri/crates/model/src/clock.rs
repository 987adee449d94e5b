//! Where time comes from, so that tests can move it.
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of wall-clock time in milliseconds since the Unix epoch.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> f64;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64() * 1e3)
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<f64>);

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: f64) -> Self {
        Self(Mutex::new(now_ms))
    }

    /// Moves the clock forward by `ms`.
    pub fn advance(&self, ms: f64) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += ms;
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> f64 {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
