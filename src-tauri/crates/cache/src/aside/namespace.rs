//! A namespace: typed keys and values of one source, with one set of rules.
use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::ApiError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Inner;
use super::codec::{Codec, Json};
use super::figures::{Counters, Figures, count};
use super::fill::{Course, Judged, Refreshing};
use super::flight::{Answer, Flights};
use super::keys::{Escaped, Tag, checked};
use super::level::First;
use super::local::Level;
use super::store::Shelf;

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
type Tags<K> = Arc<dyn Fn(&K) -> Vec<Tag> + Send + Sync>;

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
        let space = Arc::new(Space {
            prefix: format!("{}:{}:", self.aside.name, self.name),
            aside: self.aside,
            rules: self.rules,
            codec: Box::new(codec),
            first: (self.first_level > 0).then(|| First::new(self.first_level)),
            flights: Flights::default(),
            refreshing: Refreshing::default(),
            counters: Counters::default(),
        });
        let level: Arc<dyn Level> = space.clone();
        if !space.aside.local.add(&self.name, Arc::downgrade(&level)) {
            return Err(ApiError::bad_request(format!("The cache has a namespace '{}' already", self.name))
                .hint("Make it once, and clone it"));
        }
        Ok(Namespace { space, tags: self.tags })
    }
}

/// What a namespace has but the type of its keys.
pub(crate) struct Space<V, E> {
    pub(crate) aside: Arc<Inner>,
    prefix: String,
    pub(crate) rules: Rules,
    pub(crate) codec: Box<dyn Codec<V>>,
    pub(crate) first: Option<First<V>>,
    pub(crate) flights: Flights<V, E>,
    pub(crate) refreshing: Refreshing,
    pub(crate) counters: Counters,
}

impl<V, E> Space<V, E> {
    fn entry(&self, key: &str) -> String {
        format!("{}{}", self.prefix, Escaped(key))
    }
}

impl<V: Send + Sync + 'static, E: Send + Sync + 'static> Level for Space<V, E> {
    fn forget(&self, key: &str) {
        match &self.first {
            Some(first) => first.forget(key, &self.flights),
            None => self.flights.mark(key),
        }
    }

    fn forget_all(&self) {
        self.flights.mark_all();
        if let Some(first) = &self.first {
            first.clear();
        }
    }

    fn figures(&self) -> Figures {
        self.counters.read()
    }
}

/// Values of one source by key. Cloning gives another handle to the same namespace.
pub struct Namespace<K: ?Sized, V, E> {
    space: Arc<Space<V, E>>,
    tags: Option<Tags<K>>,
}

impl<K: ?Sized, V, E> Clone for Namespace<K, V, E> {
    fn clone(&self) -> Self {
        Self { space: self.space.clone(), tags: self.tags.clone() }
    }
}

thread_local! {
    /// The key that is looked up: a hit in the first level allocates nothing.
    static KEY: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<K: Display + ?Sized, V: Send + Sync + 'static, E: Send + Sync + 'static> Namespace<K, V, E> {
    /// The value of a key; loaded when it is not there, once however many ask at the same time.
    ///
    /// The load goes on when its caller goes away. Callers that ask after an invalidation of the key, or of one of its tags, never get the
    /// value of a load that began before.
    ///
    /// # Errors
    /// When a load was needed and failed. Failures are not remembered, and the store's never are the caller's.
    pub async fn get<F, L>(&self, key: &K, load: F) -> Answer<V, E>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        match self.kept(key) {
            Some(value) => Ok(value),
            None => self.looked_up(key, load).await,
        }
    }

    /// The value of a key in the first level; the inner `None` where the source has none.
    pub fn kept(&self, key: &K) -> Option<Option<Arc<V>>> {
        let first = self.space.first.as_ref()?;
        let generation = self.space.aside.local.generation();
        let look = |text: &mut String| {
            text.clear();
            write!(text, "{key}").ok()?;
            first.get(text, generation)
        };
        let landed = KEY.with(|text| match text.try_borrow_mut() {
            Ok(mut text) => look(&mut text),
            // A key whose text is made with another look-up.
            Err(_) => look(&mut String::new()),
        })?;
        let counters = &self.space.counters;
        count(if landed.value.is_some() { &counters.l1_hits } else { &counters.negative });
        Some(landed.value.clone())
    }

    async fn looked_up<F, L>(&self, key: &K, load: F) -> Answer<V, E>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (space, text) = (&self.space, key.to_string());
        let tags = self.tags.as_ref().map(|tags| tags(key)).unwrap_or_default();
        let local = &space.aside.local;
        let entry = space.entry(&text);
        // Looking into this process needs no flight where nothing lands.
        if let (Shelf::Memory(memory), None) = (&space.aside.shelf, &space.first) {
            let epochs: Vec<String> = tags.iter().map(|tag| tag.epoch_key(&space.aside.name)).collect();
            let read = memory.read(&entry, &epochs).await;
            if let Judged::Fresh(found) = space.judge(read.entry.as_ref(), &tags, &read.epochs) {
                space.count_hit(found.value.is_some());
                return Ok(found.value);
            }
        }
        let (flight, place) = space.flights.join(&text, local.generation(), || local.moment(&tags));
        match place {
            None => count(&space.counters.coalesced),
            Some(place) => {
                let course = Course { space: space.clone(), flight: flight.clone(), key: text, entry, tags, place };
                tokio::spawn(course.run(load));
            }
        }
        flight.answer().await
    }

    /// Removes the entry of a key from all levels and processes, and lets nothing land that was begun before; whether there was an entry.
    ///
    /// # Errors
    /// When it could not be done, or nobody knows whether it was: the entry may be served still.
    pub async fn invalidate(&self, key: &K) -> Result<bool, ApiError> {
        let text = key.to_string();
        let entry = self.space.entry(&text);
        // The store comes first: whoever reads the old entry there before it is gone is found on its way, or landed, afterwards. Also
        // when the caller goes away in the middle.
        let _after = Forget { space: &*self.space, key: text };
        self.space.aside.shelf.remove(&entry).await
    }

    /// What it did.
    pub fn figures(&self) -> Figures {
        self.space.counters.read()
    }

    /// The key of an entry in the store.
    pub fn store_key(&self, key: &K) -> String {
        self.space.entry(&key.to_string())
    }
}

/// Forgets a key in this process when the store was asked to.
struct Forget<'a> {
    space: &'a dyn Level,
    key: String,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.space.forget(&self.key);
    }
}

/// A function whose answers are cached.
pub struct Cached<K, V, E, F> {
    namespace: Namespace<K, V, E>,
    load: Arc<F>,
}

/// Makes a function cached: `let staff = cached(namespace, |id| async move { … })`, then `staff.get(7).await`.
pub fn cached<K, V, E, F, L>(namespace: Namespace<K, V, E>, load: F) -> Cached<K, V, E, F>
where
    F: Fn(K) -> L + Send + Sync + 'static,
    L: Future<Output = Result<Option<V>, E>> + Send + 'static,
{
    Cached { namespace, load: Arc::new(load) }
}

impl<K, V, E, F, L> Cached<K, V, E, F>
where
    K: Display + Clone + Send + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
    F: Fn(K) -> L + Send + Sync + 'static,
    L: Future<Output = Result<Option<V>, E>> + Send + 'static,
{
    /// The function's answer.
    ///
    /// # Errors
    /// As [`Namespace::get`].
    pub async fn get(&self, key: K) -> Answer<V, E> {
        if let Some(value) = self.namespace.kept(&key) {
            return Ok(value);
        }
        let (load, of) = (self.load.clone(), key.clone());
        self.namespace.looked_up(&key, move || load(of)).await
    }

    /// The namespace, to invalidate and to read figures.
    pub fn namespace(&self) -> &Namespace<K, V, E> {
        &self.namespace
    }
}
