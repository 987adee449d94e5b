//! How a namespace treats its entries, and how one is told.
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::ApiError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Inner;
use super::codec::{Codec, Json};
use super::keys::{Tag, checked};
use super::local::Level;
use super::namespace::{Namespace, Space};

/// How a namespace treats its entries.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// `None` for ever.
    pub(crate) ttl: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) stale: Duration,
    pub(crate) negative: Option<Duration>,
    pub(crate) compress_above: usize,
    pub(crate) largest: usize,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
}

/// Tags by key.
pub(crate) type Tags<K> = Arc<dyn Fn(&K) -> Vec<Tag> + Send + Sync>;

/// Makes a [`Namespace`].
pub struct NamespaceBuilder<K: ?Sized, V, E> {
    aside: Arc<Inner>,
    name: String,
    rules: Rules,
    first_level: u64,
    tags: Option<Tags<K>>,
    types: PhantomData<fn() -> (V, E)>,
}

impl<K: ?Sized, V, E> NamespaceBuilder<K, V, E> {
    pub(crate) fn new(aside: Arc<Inner>, name: String) -> Self {
        let rules = Rules {
            ttl: Some(aside.default_ttl),
            jitter: 0.1,
            stale: Duration::ZERO,
            negative: None,
            compress_above: 1_024,
            largest: 4 << 20,
            lease: Duration::from_secs(5),
            wait: Duration::from_secs(5),
        };
        Self { aside, name, rules, first_level: 0, tags: None, types: PhantomData }
    }

    /// How long entries are fresh. Zero stores nothing.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.rules.ttl = Some(ttl);
        self
    }

    /// Lets entries live until they are invalidated or evicted. Keys without expiry are what fills a cache up.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.rules.ttl = None;
        self
    }

    /// By how much the time of an entry is shortened or prolonged at random, as a share of it (0 to 1; 0.1 unless said), so that what was
    /// filled together does not end together.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.rules.jitter = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    /// For how long an entry that is not fresh any more is served while it is loaded anew in the background. A load that fails leaves it
    /// in place. None unless said.
    #[must_use]
    pub fn stale(mut self, time: Duration) -> Self {
        self.rules.stale = time;
        self
    }

    /// For how long it is remembered that the source has no such value. Not at all unless said.
    #[must_use]
    pub fn negative(mut self, time: Duration) -> Self {
        self.rules.negative = Some(time);
        self
    }

    /// Keeps values in this process too, at most so many bytes (as encoded) with their keys. They are served for at most 5 s without a
    /// look into the store, and only while changes are told.
    #[must_use]
    pub fn first_level(mut self, bytes: u64) -> Self {
        self.first_level = bytes;
        self
    }

    /// Compresses values of more bytes than this (1,024 unless said) where that makes them shorter.
    #[must_use]
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.rules.compress_above = bytes;
        self
    }

    /// Largest value that is stored, in bytes as encoded (4 MiB unless said, at most 256 MiB).
    #[must_use]
    pub fn largest(mut self, bytes: usize) -> Self {
        self.rules.largest = bytes.min(256 << 20);
        self
    }

    /// How long a load may take before it is given up and another process may begin one (5 s unless said).
    #[must_use]
    pub fn lease(mut self, time: Duration) -> Self {
        self.rules.lease = time.max(Duration::from_millis(1));
        self
    }

    /// How long a caller waits for another process that loads the same key, before it loads without storing (5 s unless
    /// said). A shorter time than the lease's makes slow loads happen twice; a longer one makes no difference.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.rules.wait = time;
        self
    }

    /// The tags of a key. They must follow from the key alone: they are needed before its value is there.
    #[must_use]
    pub fn tags(mut self, tags: impl Fn(&K) -> Vec<Tag> + Send + Sync + 'static) -> Self {
        self.tags = Some(Arc::new(tags));
        self
    }
}

impl<K: Display + ?Sized, V: Send + Sync + 'static, E: Send + Sync + 'static> NamespaceBuilder<K, V, E> {
    /// The namespace, its values kept as JSON.
    ///
    /// # Errors
    /// As [`NamespaceBuilder::build_with`].
    pub fn build(self) -> Result<Namespace<K, V, E>, ApiError>
    where
        V: Serialize + DeserializeOwned,
    {
        self.build_with(Json::default())
    }

    /// The namespace, its values kept as `codec` makes them.
    ///
    /// # Errors
    /// For a name that does not fit into keys, and for one that the cache has already.
    pub fn build_with(self, codec: impl Codec<V>) -> Result<Namespace<K, V, E>, ApiError> {
        checked("namespace", &self.name)?;
        let space = Space::new(self.aside, &self.name, self.rules, Box::new(codec), self.first_level);
        let level: Arc<dyn Level> = space.clone();
        if !space.aside.local.add(&self.name, Arc::downgrade(&level)) {
            return Err(ApiError::bad_request(format!("The cache has a namespace '{}' already", self.name))
                .hint("Make it once, and clone it"));
        }
        Ok(Namespace { space, tags: self.tags })
    }
}
