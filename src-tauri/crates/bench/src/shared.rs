//! What the threads of a run share, and what they show the live view.
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::record::{Second, Times3, histogram};

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) threads: usize,
    pub(crate) stop: AtomicBool,
    /// When it was stopped.
    pub(crate) stopped_at: OnceLock<Instant>,
    /// One slot per thread: the newest figures for a live view. A thread never waits for it.
    pub(crate) slots: Vec<Mutex<Live>>,
}

impl Shared {
    pub(crate) fn new(rate_per_s: Option<f64>, threads: usize) -> Self {
        Self {
            rate_per_s,
            threads,
            stop: AtomicBool::new(false),
            stopped_at: OnceLock::new(),
            slots: (0..threads).map(|_| Mutex::new(Live::new())).collect(),
        }
    }
}

/// The moments of a run, known when the connections are open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Start of the warm-up.
    pub(crate) start: Instant,
    /// Start of the measured time.
    pub(crate) measure: Instant,
    /// End of the measured time, unless it is stopped before.
    pub(crate) end: Instant,
}

/// Figures since the last look.
pub(crate) struct Live {
    /// Responses, warm-up included.
    pub(crate) responses: u64,
    /// Responses of the measured time.
    pub(crate) requests: u64,
    /// Errors of the measured time.
    pub(crate) errors: u64,
    pub(crate) in_flight: u32,
    pub(crate) response: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
    pub(crate) seconds: Vec<Second>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            responses: 0,
            requests: 0,
            errors: 0,
            in_flight: 0,
            response: histogram(),
            lag: histogram(),
            seconds: Vec::new(),
        }
    }

    /// Adds times that were recorded since.
    pub(crate) fn add(&mut self, fresh: &Times3) {
        // Same bounds on both sides, so adding cannot fail.
        let _ = self.response.add(&fresh.response);
        if !fresh.lag.is_empty() {
            let _ = self.lag.add(&fresh.lag);
        }
    }

    /// Moves everything from `other` to here.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.responses += std::mem::take(&mut other.responses);
        self.requests += std::mem::take(&mut other.requests);
        self.errors += std::mem::take(&mut other.errors);
        if !other.response.is_empty() {
            let _ = self.response.add(&other.response);
            other.response.reset();
        }
        if !other.lag.is_empty() {
            let _ = self.lag.add(&other.lag);
            other.lag.reset();
        }
        self.seconds.append(&mut other.seconds);
    }
}
