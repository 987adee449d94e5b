//! A namespace: typed keys and values of one source, with one set of rules.
use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::sync::Arc;

use perfdeck_model::ApiError;

use super::Inner;
use super::codec::Codec;
use super::figures::{Counters, Figures, count};
use super::fill::{Course, Judged, Refreshing};
use super::flight::{Answer, Flights};
use super::keys::Escaped;
use super::level::First;
use super::local::Level;
use super::rules::{Rules, Tags};
use super::store::Shelf;

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
    pub(crate) fn new(aside: Arc<Inner>, name: &str, rules: Rules, codec: Box<dyn Codec<V>>, first: u64) -> Arc<Self>
    where
        V: Send + Sync + 'static,
    {
        Arc::new(Self {
            prefix: format!("{}:{name}:", aside.name),
            aside,
            rules,
            codec,
            first: (first > 0).then(|| First::new(first)),
            flights: Flights::default(),
            refreshing: Refreshing::default(),
            counters: Counters::default(),
        })
    }

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
    pub(crate) space: Arc<Space<V, E>>,
    pub(crate) tags: Option<Tags<K>>,
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
