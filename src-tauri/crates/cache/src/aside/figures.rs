//! What a namespace did, as counters that only grow.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What a namespace did since it was made. All figures only grow.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Figures { $($(#[$doc])* pub $name: u64,)+ }

        /// The counters behind [`Figures`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)+ }

        impl Counters {
            pub(crate) fn read(&self) -> Figures {
                Figures { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

figures! {
    /// Answers from the first level.
    l1_hits,
    /// Answers from the store, stale ones left out; those that another process filled while this one waited are among them.
    l2_hits,
    /// Answers from the store that were past their time.
    stale,
    /// Answers, of either level, that the source has no such value.
    negative,
    /// Looks into the store that found nothing to serve.
    misses,
    /// Loads from the source that began.
    loads,
    /// Loads that failed, took too long or panicked.
    load_errors,
    /// Time that loads took, in microseconds.
    load_us,
    /// Callers that waited for what another one had asked for already.
    coalesced,
    /// Loads whose value was not stored because it was invalidated meanwhile.
    fenced,
    /// Loads that were not to be stored: the store failed, or another process held the lease for too long.
    bypassed,
    /// Commands that the store refused or did not answer.
    store_errors,
    /// Values that were stored.
    stored,
    /// Values that were too large to be stored, or could not be encoded.
    unstorable,
    /// Bytes of the values that were stored, as stored.
    bytes,
    /// Values that were stored compressed.
    compressed,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

/// Adds a time to a counter of microseconds.
pub(crate) fn add_time(counter: &AtomicU64, took: Duration) {
    counter.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
