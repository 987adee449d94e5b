//! What the threads of a run share, and what they show the live view.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::record::Times3;
use crate::seconds::Second;
use crate::tries::Proven;
use perfdeck_stats::histogram::histogram;

/// What all threads share.
pub(crate) struct Shared {
    /// Iterations per second on average, in an open loop.
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) threads: usize,
    /// Steps of the plan.
    pub(crate) steps: usize,
    /// Ends of the stages of the plan, from the start of the measured time.
    pub(crate) stages: Vec<Duration>,
    pub(crate) stop: AtomicBool,
    /// When it was stopped.
    pub(crate) stopped_at: OnceLock<Instant>,
    /// Why it was stopped, when not by the user.
    pub(crate) stopped_because: OnceLock<String>,
    /// The moments of a run whose warm-up ends when it is steady; set once that is known, a little before.
    pub(crate) settled: OnceLock<Times>,
    /// Why it was stopped for a target that answered nothing at all: what waits for it then has failed.
    pub(crate) unanswered: OnceLock<String>,
    /// Which steps have succeeded.
    pub(crate) proven: Proven,
    /// The target has answered something.
    pub(crate) answered: AtomicBool,
    /// When the first request was sent.
    pub(crate) first_sent: OnceLock<Instant>,
    /// The first failure of all, for a target that never answers.
    pub(crate) first_failure: OnceLock<String>,
    /// The first connection of a run whose connections have to be opened before it: whether it could be.
    pub(crate) first: tokio::sync::watch::Sender<Option<bool>>,
    /// One slot per thread: the newest figures for a live view. A thread never waits for it.
    pub(crate) slots: Vec<Mutex<Live>>,
}

impl Shared {
    pub(crate) fn new(rate_per_s: Option<f64>, threads: usize, steps: usize) -> Self {
        Self {
            rate_per_s,
            threads,
            steps,
            stages: Vec::new(),
            stop: AtomicBool::new(false),
            stopped_at: OnceLock::new(),
            stopped_because: OnceLock::new(),
            unanswered: OnceLock::new(),
            settled: OnceLock::new(),
            proven: Proven::new(steps),
            answered: AtomicBool::new(false),
            first_sent: OnceLock::new(),
            first_failure: OnceLock::new(),
            first: tokio::sync::watch::Sender::new(None),
            slots: (0..threads).map(|_| Mutex::new(Live::new())).collect(),
        }
    }

    /// The same with stages that end at these times.
    pub(crate) fn with_stages(mut self, ends: Vec<Duration>) -> Self {
        self.stages = ends;
        self
    }

    /// Ends the run now.
    pub(crate) fn stop_now(&self) {
        // First the moment, then the flag: a thread that sees the flag knows the moment.
        let _ = self.stopped_at.set(Instant::now());
        self.stop.store(true, Ordering::Release);
    }

    /// Ends the run now, as the target has answered nothing.
    pub(crate) fn give_up(&self, reason: String) {
        let _ = self.unanswered.set(reason.clone());
        self.abort(reason);
    }

    /// Ends the run now, for a reason that its reader gets to know.
    pub(crate) fn abort(&self, reason: String) {
        let _ = self.stopped_because.set(reason);
        self.stop_now();
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
    /// Failures among them.
    pub(crate) failures: u64,
    /// Responses of the measured time.
    pub(crate) requests: u64,
    /// Errors of the measured time.
    pub(crate) errors: u64,
    pub(crate) in_flight: u32,
    /// Until when these are counted; none before the first.
    pub(crate) until: Option<Instant>,
    pub(crate) response: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
    pub(crate) seconds: Vec<Second>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            responses: 0,
            failures: 0,
            requests: 0,
            errors: 0,
            in_flight: 0,
            until: None,
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
        self.failures += std::mem::take(&mut other.failures);
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
