//! The second level: what a namespace asks of a store, whichever it is.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, CacheTarget, Sensitive};

use super::redis_store::RedisStore;
use crate::MemoryCache;

/// Where entries are kept.
#[allow(clippy::large_enum_variant, reason = "one is made for each cache, and taken apart at once")]
pub enum Store {
    /// Redis or Valkey: one server, behind Sentinels, or a cluster. All processes that use the same name share its entries.
    Redis {
        /// Where it is. Its `default_ttl_s` is how long entries of namespaces live that say nothing themselves.
        target: CacheTarget,
        /// Its password.
        password: Option<Sensitive>,
    },
    /// A cache in this process.
    Memory(Arc<MemoryCache>),
}

/// Bytes of an entry.
pub(crate) type Bytes = Arc<[u8]>;

/// An entry with the epochs of the tags of its key, as they are in the store.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) entry: Option<Bytes>,
    pub(crate) epochs: Vec<Option<u128>>,
}

/// Who fills an entry, and under which epochs. A lease is no obstacle for a claim under other epochs: what its holder loads would not be
/// served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    who: u128,
    pub(crate) under: u128,
}

impl Claim {
    /// A claim of nobody else's.
    pub(crate) fn under(epochs: &[u128]) -> Self {
        Self { who: fresh(), under: epochs.iter().fold(0, |all: u128, epoch| all.rotate_left(1) ^ epoch) }
    }

    /// As it is in a lease.
    pub(crate) fn written(self) -> String {
        written(self.who) + &written(self.under)
    }
}

/// Outcome of asking for a lease.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// It is ours.
    Taken,
    /// Somebody else fills the entry.
    Held,
    /// Somebody filled it since it was looked at.
    Filled(Bytes),
}

/// How long an epoch must be kept: longer than any entry that was filled under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    For(Duration),
    Forever,
}

/// Why a store did not do something.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is not asked for the moment.
    Open,
    /// It did not do it.
    Failed,
}

/// Shortest time that an epoch is kept. One that is lost makes entries unusable, never old ones usable.
pub(crate) const EPOCHS: Duration = Duration::from_secs(7 * 86_400);

/// The store behind a cache.
pub(crate) enum Shelf {
    Redis(RedisStore),
    Memory(Arc<MemoryCache>),
}

impl Shelf {
    /// An entry, and the epochs of these keys.
    pub(crate) async fn read(&self, entry: &str, epochs: &[String]) -> Result<Read, Trouble> {
        match self {
            Self::Redis(redis) => redis.read(entry, epochs).await,
            Self::Memory(memory) => Ok(memory.read(entry, epochs).await),
        }
    }

    /// Asks for the lease of an entry whose head was `seen` (empty: there was none).
    pub(crate) async fn lease(&self, entry: &str, seen: &[u8], claim: Claim, life: Duration) -> Result<Lease, Trouble> {
        match self {
            Self::Redis(redis) => redis.lease(entry, seen, claim, life).await,
            Self::Memory(memory) => Ok(memory.lease(entry, seen, claim, life).await),
        }
    }

    /// The epoch of a key; where there is none, it begins now.
    pub(crate) async fn epoch(&self, key: &str, keep: Keep) -> Result<u128, Trouble> {
        match self {
            Self::Redis(redis) => redis.epoch(key, keep).await,
            Self::Memory(memory) => Ok(memory.epoch(key, keep).await),
        }
    }

    /// Stores an entry and gives its lease back, if the lease is still that of `claim`; whether it was.
    pub(crate) async fn commit(
        &self,
        entry: &str,
        claim: Claim,
        bytes: Vec<u8>,
        life: Option<Duration>,
    ) -> Result<bool, Trouble> {
        match self {
            Self::Redis(redis) => redis.commit(entry, claim, &bytes, life).await,
            Self::Memory(memory) => Ok(memory.commit(entry, claim, bytes, life).await),
        }
    }

    /// Gives a lease back; after a while, so that nobody tries again at once, where `linger` is not zero.
    pub(crate) async fn release(&self, entry: &str, claim: Claim, linger: Duration) -> Result<(), Trouble> {
        match self {
            Self::Redis(redis) => redis.release(entry, claim, linger).await,
            Self::Memory(memory) => {
                memory.release(entry, claim, linger);
                Ok(())
            }
        }
    }

    /// Removes an entry, and the lease of whoever fills it; whether there was an entry.
    pub(crate) async fn remove(&self, entry: &str) -> Result<bool, ApiError> {
        match self {
            Self::Redis(redis) => redis.remove(entry).await,
            Self::Memory(memory) => Ok(memory.remove(entry).await),
        }
    }

    /// Begins a new epoch.
    pub(crate) async fn renew(&self, key: &str) -> Result<(), ApiError> {
        match self {
            Self::Redis(redis) => redis.renew(key).await,
            Self::Memory(memory) => {
                memory.renew(key).await;
                Ok(())
            }
        }
    }
}

/// A number that was never there.
pub(crate) fn fresh() -> u128 {
    rand::random()
}

/// An epoch or a lease as text.
pub(crate) fn written(number: u128) -> String {
    format!("{number:032x}")
}

/// An epoch of a text; `None` for a text that is none.
pub(crate) fn number(text: &[u8]) -> Option<u128> {
    u128::from_str_radix(std::str::from_utf8(text).ok().filter(|t| t.len() == 32)?, 16).ok()
}
