//! What a pool counts: the connections that are idle, and everything that happened to them since it was opened.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use perfdeck_model::{Address, PoolClosed, PoolSettings, PoolStats};
use tokio::sync::Semaphore;

use super::times::Times;

/// A number that goes up and down with what holds it.
#[derive(Debug)]
pub(super) struct Gauge(AtomicU64);

impl Gauge {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Counts one thing until it is dropped, also when whoever began it gives up.
#[derive(Debug)]
pub(super) struct Counted {
    of: Arc<Shared>,
    gauge: fn(&Shared) -> &Gauge,
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(&self.of).0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// State of a pool that all its handles and connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) settings: PoolSettings,
    pub(super) seats: Arc<Semaphore>,
    /// Idle connections, including those on their way into the queue.
    pub(super) idle: AtomicI64,
    /// Callers that wait for a seat.
    pub(super) waiting: Gauge,
    /// Check-outs that are at work.
    pub(super) taking: Gauge,
    /// Returns that are at work.
    pub(super) returning: Gauge,
    pub(super) waited: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) created: AtomicU64,
    pub(super) closed_age: AtomicU64,
    pub(super) closed_dead: AtomicU64,
    pub(super) closed_beyond: AtomicU64,
    closed_lost: AtomicU64,
    ended: AtomicBool,
    pub(super) wait: Times,
    pub(super) hold: Times,
}

impl Shared {
    pub(super) fn new(address: &Address, settings: &PoolSettings, seats: usize) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        Arc::new(Self {
            address: address.clone(),
            settings: settings.clone(),
            seats: Arc::new(Semaphore::new(seats)),
            idle: AtomicI64::new(0),
            waiting: Gauge::new(),
            taking: Gauge::new(),
            returning: Gauge::new(),
            waited: zero(),
            timeouts: zero(),
            created: zero(),
            closed_age: zero(),
            closed_dead: zero(),
            closed_beyond: zero(),
            closed_lost: zero(),
            ended: AtomicBool::new(false),
            wait: Times::new(),
            hold: Times::new(),
        })
    }

    pub(super) fn count(self: &Arc<Self>, gauge: fn(&Self) -> &Gauge) -> Counted {
        gauge(self).0.fetch_add(1, Ordering::AcqRel);
        Counted { of: self.clone(), gauge }
    }

    /// A connection that died between its return and the queue was counted as idle and is not there. More than the queue
    /// has, with all that are on their way into it or out of it, cannot be idle. `queued` reads the queue's length; it is
    /// called after everything else was read, so that a connection that moves meanwhile is seen twice rather than not at all.
    pub(super) fn reconcile(&self, queued: impl FnOnce() -> usize) {
        let counted = self.idle.load(Ordering::Acquire);
        let moving = self.returning.read() + self.taking.read();
        let queued = u64::try_from(queued()).unwrap_or(u64::MAX);
        let most = i64::try_from(queued.saturating_add(moving)).unwrap_or(i64::MAX);
        if counted > most {
            let _ = self.idle.compare_exchange(counted, most, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The pool is being closed: what closes from now on closes with it. `sizes` reads how many connections are open, and how
    /// many of them are in the queue.
    pub(super) fn end(&self, sizes: impl FnOnce() -> (u32, usize)) {
        let _ = self.closed(sizes);
        self.ended.store(true, Ordering::Release);
    }

    /// Connections opened and closed so far, with what `sizes` read in between: one that is being opened is open before it is
    /// counted as created, and one that is being closed is counted before it is gone, so that none is missed.
    fn closed(&self, sizes: impl FnOnce() -> (u32, usize)) -> (u64, u32, usize, PoolClosed) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let created = read(&self.created);
        let (open, idle) = sizes();
        let (age, dead, beyond_size) = (read(&self.closed_age), read(&self.closed_dead), read(&self.closed_beyond));
        // What is gone and has no other reason. It may be less for a moment, so the most of it is remembered.
        let gone = created.saturating_sub(age + dead + beyond_size + u64::from(open));
        let (lost, with_pool) = if self.ended.load(Ordering::Acquire) {
            let lost = read(&self.closed_lost);
            (lost, gone.saturating_sub(lost))
        } else {
            (self.closed_lost.fetch_max(gone, Ordering::AcqRel).max(gone), 0)
        };
        (created, open, idle, PoolClosed { age, dead, beyond_size, lost, with_pool })
    }

    /// State and counters; `sizes` as for [`Shared::end`].
    pub(super) fn stats(&self, sizes: impl FnOnce() -> (u32, usize)) -> PoolStats {
        let (created, open, idle, closed) = self.closed(sizes);
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStats {
            size: self.settings.size,
            max_overflow: self.settings.max_overflow,
            timeout_s: self.settings.timeout_s,
            recycle_s: self.settings.recycle_s,
            open,
            idle,
            in_use: open - idle,
            overflow: open.saturating_sub(self.settings.size),
            waiting: u32::try_from(self.waiting.read()).unwrap_or(u32::MAX),
            acquired: self.wait.count(),
            waited: read(&self.waited),
            timeouts: read(&self.timeouts),
            created,
            closed,
            wait: self.wait.read(),
            hold: self.hold.read(),
        }
    }
}
