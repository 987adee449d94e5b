//! Keys are taken out of real servers and put back: nothing of them is lost or altered, and nothing of what others write meanwhile.
mod epochs;
mod faults;
mod racing;
mod types;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_cache::take::{
    FileKey, Meant, MemoryKept, Order, Snapshot, Watch, put_back, restore, survey, survey_memory, take,
    take_from_memory,
};
use perfdeck_model::{
    Address, ApiError, CacheBytes, CacheMode, CacheNamespace, CacheTarget, InvalidationOf, NamespacePart, RestoredKeys,
    Sensitive, TakenKeys,
};
use perfdeck_testkit::{Redis, RedisCluster};

pub(crate) struct Place {
    pub(crate) target: CacheTarget,
    password: Option<Sensitive>,
    folder: tempfile::TempDir,
    pub(crate) snapshot: Snapshot,
    pub(crate) stop: AtomicBool,
}

impl Place {
    pub(crate) fn new(url: &str, mode: CacheMode) -> Self {
        let (address, password) = Address::parse(url).expect("a URL");
        let folder = tempfile::tempdir().expect("a folder");
        let path: PathBuf = folder.path().join("one.keys");
        let target = CacheTarget { mode, ..CacheTarget::of(address) };
        let snapshot = Snapshot { path, key: FileKey::random(), cap: 2 << 30 };
        Self { target, password, folder, snapshot, stop: AtomicBool::new(false) }
    }

    pub(crate) fn of(server: &Redis) -> Self {
        Self::new(&server.url(), CacheMode::Single)
    }

    pub(crate) fn cluster(cluster: &RedisCluster) -> Self {
        Self::new(&cluster.urls()[0], CacheMode::Cluster)
    }

    pub(crate) fn order<'a>(&'a self, meant: &'a Meant) -> Order<'a> {
        Order {
            target: &self.target,
            password: self.password.as_ref(),
            meant,
            snapshot: Some(&self.snapshot),
            soft: None,
            oversized: false,
            limit: None,
            paced: false,
            before: TakenKeys::default(),
        }
    }

    pub(crate) async fn take(&self, order: Order<'_>) -> (TakenKeys, Result<(), ApiError>) {
        take(order, Watch { stop: &|| self.stop.load(Ordering::SeqCst), paused: &|| false, progress: &|_, _| {} }).await
    }

    pub(crate) async fn all(&self, pattern: &str) -> TakenKeys {
        let meant = pattern_of(pattern);
        let (taken, done) = self.take(self.order(&meant)).await;
        done.unwrap_or_else(|e| panic!("{e}: {taken:?}"));
        taken
    }

    pub(crate) async fn back(&self) -> (RestoredKeys, Vec<CacheBytes>, Result<(), ApiError>) {
        let watch = Watch { stop: &|| false, paused: &|| false, progress: &|_, _| {} };
        restore(&self.target, self.password.as_ref(), &self.snapshot, watch, &|_| {}).await
    }
}

pub(crate) fn pattern_of(pattern: &str) -> Meant {
    Meant::of(&InvalidationOf::Pattern(CacheBytes::new(pattern.as_bytes()))).expect("a pattern")
}

pub(crate) async fn fill(server: &Redis, prefix: &str, n: usize, px: Option<u64>) {
    let mut connection = server.connect().await.expect("a connection");
    for some in (0..n).collect::<Vec<_>>().chunks(5_000) {
        let mut pipeline = redis::pipe();
        for i in some {
            let c = pipeline.cmd("SET").arg(format!("{prefix}{i}")).arg(format!("value {i} {}", "x".repeat(i % 200)));
            if let Some(px) = px {
                c.arg("PX").arg(px + *i as u64);
            }
            pipeline.ignore();
        }
        pipeline.exec_async(&mut connection).await.expect("keys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_predicted_is_what_is_there() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "user:", 3_000, Some(30_000_000)).await;
    fill(&server, "other:", 1_000, None).await;
    server.execute(&["SET", "user:big", &"x".repeat(1_200_000)]).await.expect("a large one");
    let place = Place::of(&server);
    let (found, seen) =
        survey(&place.target, None, &pattern_of("user:*"), Duration::from_secs(20)).await.expect("looked at");
    assert_eq!(found.matched, perfdeck_model::MapCount::Exact { value: 3_001.0 }, "{found:?}");
    assert_eq!((found.database_keys, found.looked_at, found.oversized), (4_001.0, 3_001, 1), "{found:?}");
    assert_eq!((found.ttl.day, found.ttl.never), (3_000, 1), "{found:?}");
    assert_eq!(seen.oversized[0].key, CacheBytes::new(b"user:big"), "{seen:?}");
    assert_eq!(seen.examples.len(), 50, "examples");
    assert!(seen.examples.iter().all(|e| e.text().is_some_and(|t| t.starts_with("user:"))), "of those that match");
    assert_eq!(
        found.loads.map(|l| (l.value, l.low)),
        Some((0.0, 0.0)),
        "all were written just now, which is no read: {found:?}"
    );
    assert_eq!(server.execute(&["DBSIZE"]).await.expect("a size"), redis::Value::Int(4_001), "nothing was altered");
    // Half of a key space says how sure it is.
    fill(&server, "more:", 150_000, None).await;
    let (part, _) =
        survey(&place.target, None, &pattern_of("more:*"), Duration::from_millis(150)).await.expect("looked at");
    if let perfdeck_model::MapCount::Estimate { value: count, low, high } = part.matched {
        assert!(low <= count && count <= high && part.looked_through < 1.0, "{part:?}");
        assert!((low * 0.8..high * 1.2).contains(&150_000.0), "{part:?}");
    } else {
        assert!(matches!(part.matched, perfdeck_model::MapCount::Exact { .. }), "{part:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_namespace_is_taken_whatever_its_characters_mean() {
    let server = Redis::start().await.expect("Redis");
    let part = |text: &str| NamespacePart::Exact(CacheBytes::new(text.as_bytes()));
    let taken = ["a[b]*?:7:x", "a[b]*?:9:x:y"];
    let left = ["ab:7:x", "a[b]ZZ:7:x", "a[b]*?:me:x", "ab*?:7:x", "a[b]*?:7", "a[b]*?", "[b]*?:7:x", "a\\[b]*?:7:x"];
    for key in taken.iter().chain(&left) {
        server.execute(&["SET", key, "v"]).await.expect("a key");
    }
    let place = Place::of(&server);
    let of = InvalidationOf::Namespace(CacheNamespace {
        parts: vec![part("a[b]*?"), NamespacePart::Id],
        delimiter: ":".into(),
    });
    let meant = Meant::of(&of).expect("a namespace");
    let (counts, done) = place.take(place.order(&meant)).await;
    done.expect("taken");
    assert_eq!((counts.removed, counts.survivors, counts.recreated), (2.0, Some(0.0), Some(0.0)), "{counts:?}");
    for key in left {
        assert_eq!(server.execute(&["EXISTS", key]).await.expect("asked"), redis::Value::Int(1), "{key} stays");
    }
    for key in taken {
        assert_eq!(server.execute(&["EXISTS", key]).await.expect("asked"), redis::Value::Int(0), "{key} goes");
    }
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.kept, back.restored), (2.0, 2.0), "{back:?}");
    // A list means its names, whatever their characters mean.
    let keys = ["a[b]*?:7:x", "nothing", "a*"].map(|k| CacheBytes::new(k.as_bytes())).to_vec();
    let meant = Meant::of(&InvalidationOf::Keys(keys)).expect("a list");
    let place = Place::of(&server);
    let (counts, done) = place.take(place.order(&meant)).await;
    done.expect("taken");
    assert_eq!(
        (counts.matched, counts.removed, counts.gone, counts.survivors),
        (3.0, 1.0, 2.0, Some(0.0)),
        "{counts:?}"
    );
    assert!(place.folder.path().join("one.keys").exists(), "it is kept");
}

#[tokio::test]
async fn the_cache_of_this_process_gives_back_what_was_taken_out() {
    let cache = perfdeck_cache::MemoryCache::new(1 << 20);
    for i in 0..40 {
        cache.set(&format!("user:{i}"), vec![i as u8; 10], (i % 2 == 0).then(|| Duration::from_secs(600))).await;
    }
    cache.set("page:1", *b"other", None).await;
    let meant = pattern_of("user:*");
    let (found, seen) = survey_memory(&cache, &meant);
    assert_eq!((found.looked_at, found.ttl.never, found.ttl.hour), (40, 20, 20), "{found:?}");
    assert_eq!(seen.examples.len(), 40, "names");
    let mut kept = MemoryKept::default();
    let taken = take_from_memory(&cache, &meant, false, &mut kept).await.expect("taken");
    assert_eq!((taken.removed, taken.survivors), (40.0, Some(0.0)), "{taken:?}");
    assert!(cache.get("user:3").await.is_none() && cache.get("page:1").await.is_some(), "those and no others");
    cache.set("user:3", *b"new", None).await;
    let back = put_back(&cache, &kept).await;
    assert_eq!((back.restored, back.recreated), (39.0, 1.0), "{back:?}");
    assert_eq!(cache.get("user:3").await.as_deref(), Some(&b"new"[..]), "what was written meanwhile stays");
    assert_eq!(cache.get("user:4").await.as_deref(), Some(&[4; 10][..]), "the value");
    assert_eq!(survey_memory(&cache, &meant).0.ttl.hour, 20, "and what expires still does");
}
