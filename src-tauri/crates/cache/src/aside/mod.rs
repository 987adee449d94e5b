//! Cache-aside: answers of a source kept in Redis, Valkey or this process, and never older than the last invalidation.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use perfdeck_cache::MemoryCache;
//! # use perfdeck_cache::aside::{Aside, Store, Tag};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Aside::builder("shop", Store::Memory(MemoryCache::new(64 << 20))).build().await?;
//! let prices = cache
//!     .namespace::<u32, u64, std::io::Error>("prices")
//!     .ttl(Duration::from_secs(60))
//!     .tags(|_| vec![Tag::named("price-list")])
//!     .build()?;
//! let price = prices.get(&7, || async { Ok(Some(995)) }).await?;
//! assert_eq!(price.as_deref(), Some(&995));
//! cache.invalidate_tag(&Tag::named("price-list")).await?;
//! # Ok(()) }
//! ```
//! What it guarantees, and what it does not, is in `docs/cache-aside.md`. The parts: `namespace.rs` what a caller sees, `rules.rs` what a namespace can be
//! told, `fill.rs` the
//! course from a look into the store to a load and back, `flight.rs` one such course for each key, `level.rs` the values in this process,
//! `local.rs` and `tracking.rs` what this process knows of changes, `store.rs` with its two stores, `envelope.rs` an entry's bytes.

mod breaker;
mod codec;
mod envelope;
mod figures;
mod fill;
mod flight;
mod keys;
mod level;
mod local;
mod memory_store;
mod namespace;
mod redis_store;
mod rules;
mod scripts;
mod store;
mod tracking;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, Clock, SystemClock};

pub use breaker::Circuit;
pub use codec::{Bytes, Codec, Json};
pub use envelope::Envelope;
pub use figures::Figures;
pub use flight::{Answer, Failure};
pub use keys::Tag;
pub(crate) use keys::{MARK, MARKED, checked, marker};
pub(crate) use memory_store::{Leases, Swapped};
pub use namespace::{Cached, Namespace, cached};
pub use redis_store::{CLUSTER_RULES, RULES};
pub use rules::NamespaceBuilder;
pub use store::Store;
pub(crate) use store::{EPOCHS, fresh, number, written};
pub use tracking::Told;

use local::Local;
use redis_store::{ANSWER, CONNECT, RedisStore};
use store::Shelf;
use tracking::Tracking;

/// Default of how long entries live.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// A cache with its namespaces. Cloning gives another handle to the same one; when the last handle and namespace are gone, its
/// connections close.
#[derive(Clone)]
pub struct Aside(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) shelf: Shelf,
    pub(crate) local: Arc<Local>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) default_ttl: Duration,
    tracking: Option<Arc<Tracking>>,
    following: Option<tokio::task::AbortHandle>,
    /// Hears of changes that others make in the cache of this process.
    _watch: Option<Arc<dyn crate::memory::Watch>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

/// How a cache stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Whether the store is asked.
    pub circuit: Circuit,
    /// Whether changes that others make are told to this process; first levels are used only then.
    pub told: Told,
    /// What went wrong last with the store, however long ago. A privilege that is missing is named with the statement that gives it.
    pub last: Option<ApiError>,
}

/// Makes an [`Aside`].
pub struct Builder {
    name: String,
    store: Store,
    default_ttl: Option<Duration>,
    answer: Duration,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// How long entries of namespaces live that say nothing themselves. Without it that is `default_ttl_s` of the store's target
    /// (`CACHE_DEFAULT_TTL`), and 60 s in this process. Zero stores nothing.
    #[must_use]
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// Longest time of one command of the store (100 ms unless said). Five in a row that take longer, and the store is not asked for a
    /// second.
    #[must_use]
    pub fn answer(mut self, time: Duration) -> Self {
        self.answer = time.max(Duration::from_millis(1));
        self
    }

    /// The clock that says whether an entry is fresh; the store's own decides when it is gone. For tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Connects. A store that is not there is no error: everything is loaded from the source until it is.
    ///
    /// # Errors
    /// For a name that does not fit into keys, and for a time to live that is none.
    pub async fn build(self) -> Result<Aside, ApiError> {
        checked("cache", &self.name)?;
        let name = self.name;
        let mut default_ttl = self.default_ttl.unwrap_or(DEFAULT_TTL);
        let (mut following, mut tracking, mut watch) = (None, None, None);
        let (shelf, local) = match self.store {
            Store::Memory(memory) => {
                let local = Local::new(true);
                let heard: Arc<dyn crate::memory::Watch> =
                    Arc::new(Heard { local: local.clone(), prefix: format!("{name}:") });
                memory.watch(&heard);
                watch = Some(heard);
                (Shelf::Memory(memory), local)
            }
            Store::Redis { target, password } => {
                if self.default_ttl.is_none() {
                    default_ttl = Duration::try_from_secs_f64(target.default_ttl_s)
                        .map_err(|_| ApiError::bad_request("The cache's default time to live is no time"))?;
                }
                let local = Local::new(false);
                let store = RedisStore::new(&name, target.clone(), password.clone(), self.answer);
                let told = Tracking::new(&name, target, password, local.clone());
                following = Some(tokio::spawn(told.clone().follow()).abort_handle());
                tokio::join!(store.warm(), told.first(CONNECT));
                tracking = Some(told);
                (Shelf::Redis(store), local)
            }
        };
        let (clock, _watch) = (self.clock, watch);
        Ok(Aside(Arc::new(Inner { name, shelf, local, clock, default_ttl, tracking, following, _watch })))
    }
}

impl Aside {
    /// Begins a cache. `name` is the first part of all its keys: processes that give the same share their entries.
    pub fn builder(name: impl Into<String>, store: Store) -> Builder {
        Builder { name: name.into(), store, default_ttl: None, answer: ANSWER, clock: Arc::new(SystemClock) }
    }

    /// Begins a namespace: what its keys, its values and the errors of its source are, and the second part of its keys.
    pub fn namespace<K: ?Sized, V, E>(&self, name: impl Into<String>) -> NamespaceBuilder<K, V, E> {
        NamespaceBuilder::new(self.0.clone(), name.into())
    }

    /// Makes all entries with a tag unusable, whatever their keys are. It takes the same time however many there are.
    ///
    /// # Errors
    /// When it could not be done, or nobody knows whether it was: entries with the tag may be served still.
    pub async fn invalidate_tag(&self, tag: &Tag) -> Result<(), ApiError> {
        // Also when the caller goes away in the middle.
        let _after = Changed { local: &self.0.local, tag };
        self.0.shelf.renew(&tag.epoch_key(&self.0.name)).await
    }

    /// Makes all entries of a user unusable.
    ///
    /// # Errors
    /// As [`Aside::invalidate_tag`].
    pub async fn invalidate_user(&self, user: impl std::fmt::Display) -> Result<(), ApiError> {
        self.invalidate_tag(&Tag::user(user)).await
    }

    /// What each namespace did, by name.
    pub fn figures(&self) -> Vec<(String, Figures)> {
        self.0.local.levels().into_iter().map(|(name, level)| (name, level.figures())).collect()
    }

    /// How it stands.
    pub fn health(&self) -> Health {
        let (circuit, last) = match &self.0.shelf {
            Shelf::Memory(_) => (Circuit::Closed, None),
            Shelf::Redis(redis) => (redis.breaker.state(), redis.last()),
        };
        let told = self.0.tracking.as_ref().map_or(Told::Yes, |tracking| tracking.told());
        Health { circuit, told, last }
    }

    /// Waits until every invalidation that the store had executed before this call is known in this process, at most for a second;
    /// `false` when changes are not told for the moment.
    pub async fn settled(&self) -> bool {
        match &self.0.tracking {
            None => true,
            Some(tracking) => tracking.settled().await,
        }
    }
}

/// Tells this process that an epoch changed, when the store was asked to change it.
struct Changed<'a> {
    local: &'a Local,
    tag: &'a Tag,
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        self.local.epoch_changed(self.tag.text());
    }
}

/// Changes in the cache of this process.
struct Heard {
    local: Arc<Local>,
    prefix: String,
}

impl crate::memory::Watch for Heard {
    fn name(&self) -> &str {
        self.prefix.trim_end_matches(':')
    }

    fn changed(&self, key: &str) {
        if let Some(key) = key.strip_prefix(&self.prefix) {
            self.local.changed(key);
        }
    }

    fn cleared(&self) {
        self.local.flush();
    }
}
