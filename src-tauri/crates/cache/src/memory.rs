//! The in-process cache: moka with per-entry expiry and the counters a monitor needs.
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};
use perfdeck_model::{ApiError, BoxFuture, Clock, Collection, Collector, TargetRole, Unit};

use crate::aside::Leases;
use crate::collector::{keys_without_expiry, series};

/// Bytes that a key is accounted for besides its name and value.
const OVERHEAD: u64 = 64;

/// A value, its time to live, and when it was stored.
pub(crate) type Value = (Arc<[u8]>, Option<Duration>, Instant);

/// A value as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) value: Arc<[u8]>,
    ttl: Option<Duration>,
    at: Instant,
}

impl Stored {
    /// Time until it expires; `None` when it never does.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.ttl.map(|ttl| ttl.saturating_sub(self.at.elapsed()))
    }
}

struct PerEntry;

impl Expiry<String, Value> for PerEntry {
    fn expire_after_create(&self, _: &String, value: &Value, _: Instant) -> Option<Duration> {
        value.1
    }

    /// Storing a key again gives it the new value's expiry; moka would keep the old one.
    fn expire_after_update(&self, _: &String, value: &Value, _: Instant, _: Option<Duration>) -> Option<Duration> {
        value.1
    }
}

/// A bounded cache in this process: string keys, byte values, an expiry per entry.
pub struct MemoryCache {
    pub(crate) cache: Cache<String, Value>,
    /// Who may fill what, of those that keep answers of a source here.
    pub(crate) leases: Leases,
    watchers: Mutex<Vec<Weak<dyn Watch>>>,
    max_bytes: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    pub(crate) writes: AtomicU64,
    evicted: Arc<AtomicU64>,
}

/// Hears of what is written and removed in a [`MemoryCache`].
pub(crate) trait Watch: Send + Sync {
    /// Name of the cache-aside cache that hears.
    fn name(&self) -> &str;
    /// A key was written or removed. Expiry and eviction are not told.
    fn changed(&self, key: &str);
    /// All keys were removed.
    fn cleared(&self);
}

impl MemoryCache {
    /// A cache of at most `max_bytes` of keys and values.
    pub fn new(max_bytes: u64) -> Arc<Self> {
        let evicted = Arc::new(AtomicU64::new(0));
        let counter = evicted.clone();
        let cache = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|k: &String, v: &Value| u32::try_from(k.len() + v.0.len() + OVERHEAD as usize).unwrap_or(u32::MAX))
            .expire_after(PerEntry)
            .eviction_listener(move |_, _, cause| {
                if cause == moka::notification::RemovalCause::Size {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        let zero = || AtomicU64::new(0);
        let (leases, watchers) = (Leases::default(), Mutex::default());
        Arc::new(Self { cache, leases, watchers, max_bytes, hits: zero(), misses: zero(), writes: zero(), evicted })
    }

    /// The value of a key.
    pub async fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        let found = self.cache.get(key).await.map(|(v, ..)| v);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Stores a value; `ttl` of `None` never expires.
    pub async fn set(&self, key: &str, value: impl Into<Arc<[u8]>>, ttl: Option<Duration>) {
        let value = value.into();
        self.cache.entry_by_ref(key).and_compute_with(|_| ready(Op::Put((value, ttl, Instant::now())))).await;
        self.written(key);
    }

    /// Counts what was written, and tells who watches.
    pub(crate) fn written(&self, key: &str) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.tell(|watcher| watcher.changed(key));
    }

    /// Lets somebody hear of changes for as long as it exists.
    pub(crate) fn watch(&self, watcher: &Arc<dyn Watch>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|w| w.strong_count() > 0);
        watchers.push(Arc::downgrade(watcher));
    }

    /// Names of the cache-aside caches that keep their entries here.
    pub(crate) fn asides(&self) -> Vec<String> {
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut names: Vec<String> = watchers.iter().filter_map(Weak::upgrade).map(|w| w.name().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn tell(&self, what: impl Fn(&dyn Watch)) {
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watchers.iter().filter_map(Weak::upgrade).for_each(|watcher| what(&*watcher));
    }

    /// Forgets a key; returns whether it was there. What is being loaded for it is not stored any more.
    pub async fn remove(&self, key: &str) -> bool {
        self.take(key).await.is_some()
    }

    /// What is stored.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (String, Stored)> {
        self.cache.iter().map(|(key, (value, ttl, at))| ((*key).clone(), Stored { value, ttl, at }))
    }

    /// Takes a key out; answers what was stored.
    pub(crate) async fn take(&self, key: &str) -> Option<Stored> {
        let step = |_| {
            self.leases.revoke(key);
            ready(Op::Remove)
        };
        let removed = self.cache.entry_by_ref(key).and_compute_with(step).await;
        self.tell(|watcher| watcher.changed(key));
        let CompResult::Removed(entry) = removed else { return None };
        let (value, ttl, at) = entry.into_value();
        Some(Stored { value, ttl, at })
    }

    /// Stores what was taken out, with the time that it had left, unless the key is there again; answers whether it did.
    pub(crate) async fn put_back(&self, key: &str, stored: &Stored) -> bool {
        let value = (stored.value.clone(), stored.left(), Instant::now());
        let fresh = self.cache.entry_by_ref(key).or_insert(value).await.is_fresh();
        if fresh {
            self.written(key);
        }
        fresh
    }

    /// Forgets everything; the counters go on.
    pub fn clear(&self) {
        self.leases.revoke_all();
        self.cache.invalidate_all();
        self.tell(|watcher| watcher.cleared());
    }

    /// Hits, misses and evictions for want of room since the start.
    pub fn counters(&self) -> (u64, u64, u64) {
        let read = |a: &AtomicU64| a.load(Ordering::Relaxed);
        (read(&self.hits), read(&self.misses), read(&self.evicted))
    }

    /// Reads and writes since the start.
    pub fn operations(&self) -> (u64, u64) {
        let (hits, misses, _) = self.counters();
        (hits + misses, self.writes.load(Ordering::Relaxed))
    }

    /// Each key with its bytes as the cache accounts for them, and whether it expires. What has expired is not among them.
    pub(crate) fn weighed(&self) -> Vec<(Arc<String>, u64, bool)> {
        let bytes = |key: &str, value: &Value| (key.len() + value.0.len()) as u64 + OVERHEAD;
        self.cache.iter().map(|(key, value)| (key.clone(), bytes(&key, &value), value.1.is_some())).collect()
    }

    /// Bytes of keys and values, with what it needs for each.
    pub fn weight(&self) -> u64 {
        self.cache.weighted_size()
    }

    /// Most bytes that it takes.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Keys and how many of them never expire.
    pub fn keys(&self) -> (u64, u64) {
        self.cache.iter().fold((0, 0), |(n, f), (_, v)| (n + 1, f + u64::from(v.1.is_none())))
    }
}

/// Measures a [`MemoryCache`].
pub struct MemoryCacheCollector {
    cache: Arc<MemoryCache>,
    last: Option<(f64, [u64; 4])>,
    slow_at: Option<f64>,
}

impl MemoryCacheCollector {
    /// A collector of `cache`.
    pub fn new(cache: Arc<MemoryCache>) -> Self {
        Self { cache, last: None, slow_at: None }
    }
}

impl Collector for MemoryCacheCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn address(&self) -> String {
        "in process".to_owned()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            let c = &self.cache;
            // Expired entries are counted until moka tidies up.
            c.cache.run_pending_tasks().await;
            let started = Instant::now();
            let _ = c.cache.contains_key("");
            let latency = started.elapsed().as_secs_f64();
            let read = |a: &AtomicU64| a.load(Ordering::Relaxed);
            let now_ms = clock.monotonic_ms();
            let now = [read(&c.hits), read(&c.misses), read(&c.writes), read(&c.evicted)];
            let mut values = vec![
                (series("cache.memory.used", Unit::Bytes), c.cache.weighted_size() as f64),
                (series("cache.keys", Unit::Count), c.cache.entry_count() as f64),
                (series("cache.latency", Unit::Seconds), latency),
            ];
            if let Some((then, before)) = self.last {
                let seconds = ((now_ms - then) / 1e3).max(1e-3);
                let d: Vec<f64> = now.iter().zip(before).map(|(n, b)| (n - b) as f64).collect();
                values.push((series("cache.operations", Unit::PerSecond), (d[0] + d[1] + d[2]) / seconds));
                values.push((series("cache.evictions", Unit::PerSecond), d[3] / seconds));
                if d[0] + d[1] > 0.0 {
                    values.push((series("cache.hit_ratio", Unit::Ratio), d[0] / (d[0] + d[1])));
                }
            }
            self.last = Some((now_ms, now));
            let mut findings = None;
            if self.slow_at.is_none_or(|at| now_ms - at >= 60_000.0) {
                self.slow_at = Some(now_ms);
                let (keys, forever) = c.keys();
                let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                findings = Some(keys_without_expiry(count(keys), count(forever)).into_iter().collect());
            }
            Ok(Collection {
                values,
                round_trip_ms: Some(latency * 1e3),
                version: Some("moka, in process".to_owned()),
                limits: [("maxmemory".to_owned(), c.max_bytes as f64)].into(),
                findings,
                ..Collection::default()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hit_ratio_and_keys_without_expiry_are_measured() {
        let cache = MemoryCache::new(1 << 20);
        for i in 0..40 {
            cache.set(&format!("k{i}"), vec![1u8; 10], (i % 4 != 0).then(|| Duration::from_secs(60))).await;
        }
        let mut collector = MemoryCacheCollector::new(cache.clone());
        let first = collector.collect(&100_000.0).await.expect("answers");
        let finding = &first.findings.expect("looked at once at the start")[0];
        assert!(finding.title.starts_with("25\u{2009}%"), "ten of forty keys never expire: {}", finding.title);
        cache.get("k1").await;
        cache.get("nothing").await;
        let second = collector.collect(&101_000.0).await.expect("answers");
        let ratio = second.values.iter().find(|(s, _)| s.metric == "cache.hit_ratio").map(|(_, v)| *v);
        assert_eq!(ratio, Some(0.5), "one hit, one miss");
    }

    #[tokio::test]
    async fn a_key_stored_again_gets_its_new_expiry() {
        let cache = MemoryCache::new(1 << 20);
        cache.set("k", *b"old", None).await;
        cache.set("k", *b"new", Some(Duration::from_millis(30))).await;
        assert_eq!(cache.keys(), (1, 0), "it expires now");
        perfdeck_testkit::eventually(Duration::from_secs(5), async || cache.get("k").await.is_none()).await;
        cache.set("k", *b"short", Some(Duration::from_millis(30))).await;
        cache.set("k", *b"long", Some(Duration::from_secs(60))).await;
        let end = Instant::now() + Duration::from_millis(90);
        while Instant::now() < end {
            assert!(cache.get("k").await.is_some(), "the longer expiry holds");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(cache.remove("k").await && !cache.remove("k").await, "it is there once");
    }

    #[tokio::test]
    async fn a_full_cache_evicts_and_counts_it() {
        let cache = MemoryCache::new(20_000);
        for i in 0..200 {
            cache.set(&format!("k{i}"), vec![0u8; 1_000], None).await;
        }
        let mut collector = MemoryCacheCollector::new(cache.clone());
        let seen = collector.collect(&100_000.0).await.expect("answers");
        let used = seen.values.iter().find(|(s, _)| s.metric == "cache.memory.used").map(|(_, v)| *v);
        assert!(used.is_some_and(|u| u <= 20_000.0), "the bound holds: {used:?}");
        assert!(cache.counters().2 > 150, "what did not fit was evicted: {:?}", cache.counters());
    }
}
