//! The hub: what is published reaches every viewer that watches its topic. Nobody who publishes waits for a viewer.
//!
//! A topic's part replaces the one before it, so that a slow viewer gets the newest. Samples come from a [`Feed`], which the
//! feature that watches environments opens; the hub knows no feature.
#[cfg(test)]
mod tests;
mod viewer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{ApiError, BoxFuture, Clock, Part, Tag, TargetStatus, Topic};
use perfdeck_monitor::Tick;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use self::viewer::Viewer;

/// Tags kept for a viewer that is not asked for frames; of more, it is told that everything changed.
const TAGS: usize = 64;

/// A watched environment. What it holds keeps the environment watched.
pub(crate) struct Feed {
    /// Tick of each second; closes when the watch ends.
    pub(crate) ticks: broadcast::Receiver<Arc<Tick>>,
    /// The state of its targets now.
    pub(crate) targets: Box<dyn Fn() -> Vec<TargetStatus> + Send + Sync>,
}

/// Function that watches an environment, at first and again whenever a watch ended.
pub(crate) type OpenFeed = Box<dyn Fn() -> BoxFuture<'static, Result<Feed, ApiError>> + Send + Sync>;

/// The newest part of a topic.
struct Latest {
    version: u64,
    part: Part,
}

/// Hub of what is published, and of who hears of it.
pub(crate) struct Hub {
    clock: Arc<dyn Clock>,
    /// The lock is held for a moment, never across a wait.
    latest: Mutex<BTreeMap<Topic, Latest>>,
    /// Counts up with every part.
    version: watch::Sender<u64>,
    tags: broadcast::Sender<Tag>,
    /// Seconds of samples that viewers were too slow for.
    dropped: AtomicU64,
    stopped: CancellationToken,
}

impl Hub {
    /// A hub whose viewers end when `stopped` is cancelled.
    pub(crate) fn new(clock: Arc<dyn Clock>, stopped: CancellationToken) -> Self {
        Self {
            clock,
            latest: Mutex::default(),
            version: watch::channel(0).0,
            tags: broadcast::channel(TAGS).0,
            dropped: AtomicU64::new(0),
            stopped,
        }
    }

    fn latest(&self) -> std::sync::MutexGuard<'_, BTreeMap<Topic, Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the part of a topic. `part` is called while no other is published: of two, the later one is the newer.
    pub(crate) fn publish(&self, part: impl FnOnce() -> Part) {
        let mut latest = self.latest();
        let part = part();
        let version = *self.version.borrow() + 1;
        latest.insert(part.topic(), Latest { version, part });
        self.version.send_replace(version);
    }

    /// Tells viewers what is to be read again.
    pub(crate) fn changed(&self, tags: &[Tag]) {
        for tag in tags {
            // Nobody watching is fine.
            let _ = self.tags.send(*tag);
        }
    }

    /// Counts seconds of samples that a viewer was too slow for.
    fn drop_ticks(&self, ticks: u64) {
        self.dropped.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Seconds of samples that viewers were too slow for, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
