//! What was begun before an invalidation never lands after it, and what many ask for is loaded once.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_cache::MemoryCache;
use perfdeck_cache::aside::{Aside, Store, Tag};
use perfdeck_testkit::{Redis, RedisCluster, eventually};
use tokio::sync::oneshot;

use super::{Numbers, Source, aside, numbers, settled, tags, value};

/// A load that stands still until it is let go.
struct Held {
    begun: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
    caller: tokio::task::JoinHandle<u64>,
}

impl Held {
    fn begin(from: &Numbers, key: u64, old: u64) -> Self {
        let (began, begun) = oneshot::channel();
        let (go, gone) = oneshot::channel();
        let from = from.clone();
        let caller = tokio::spawn(async move {
            let load = move || async move {
                let _ = began.send(());
                let _ = gone.await;
                Ok(Some(old))
            };
            value(from.get(&key, load).await)
        });
        Self { begun, go, caller }
    }
}

async fn invalidate(aside: &Aside, numbers: &Numbers, way: u64, key: u64) {
    let done = match way {
        0 => numbers.invalidate(&key).await.map(drop),
        1 => aside.invalidate_tag(&Tag::named(format!("group-{}", key % 10))).await,
        _ => aside.invalidate_user(key).await,
    };
    done.expect("invalidated");
}

/// Two caches, as two processes have them, on one store: each interleaving is another key, way, invalidator and order.
async fn interleavings(caches: [Aside; 2], count: u64) {
    let spaces = caches.each_ref().map(numbers);
    let source = Source::default();
    for round in 0..count {
        let (way, other, together) = (round % 3, (round / 3 % 2) as usize, round / 6 % 2 == 1);
        let (key, old, new) = (round, 2 * round, 2 * round + 1);
        let mut held = Held::begin(&spaces[0], key, old);
        (&mut held.begun).await.expect("the load began");
        let invalidated = invalidate(&caches[other], &spaces[other], way, key);
        if together {
            let _ = held.go.send(());
            let (answer, ()) = tokio::join!(held.caller, invalidated);
            answer.expect("whoever asked before is answered");
        } else {
            invalidated.await;
            // Whoever asks after it is not answered by the load that began before, though that one stands still.
            if other == 0 {
                assert_eq!(value(source.get(&spaces[0], key, new).await), new, "round {round}: it loads again");
            }
            let _ = held.go.send(());
            assert_eq!(held.caller.await.expect("answered"), old, "whoever asked before has what was true then");
        }
        for (n, space) in spaces.iter().enumerate() {
            let kept = space.kept(&key).map(|value| value.map(|v| *v));
            assert!(kept.is_none() || kept == Some(Some(new)), "round {round}: first level {n} holds {kept:?}");
            assert_eq!(value(source.get(space, key, new).await), new, "round {round}: through cache {n}");
        }
        assert!(source.loads() <= round + 1, "round {round}: loaded anew at most once: {}", source.loads());
    }
    let fenced = spaces[0].figures().fenced;
    assert!(fenced >= count / 6, "what was invalidated by key while it was loaded was refused: {fenced}");
    assert!(source.loads() >= count / 2, "and loaded again: {}", source.loads());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_fills_never_land_after_an_invalidation() {
    let server = Redis::start().await.expect("Redis");
    interleavings([aside(&server.url()).await, aside(&server.url()).await], 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_fills_never_land_after_an_invalidation_in_this_process() {
    let memory = MemoryCache::new(64 << 20);
    let cache = async || Aside::builder("app", Store::Memory(memory.clone())).build().await.expect("a cache");
    interleavings([cache().await, cache().await], 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_on_valkey_and_in_a_cluster() {
    let valkey = Redis::start_valkey(&[]).await.expect("Valkey");
    interleavings([aside(&valkey.url()).await, aside(&valkey.url()).await], 200).await;
    let cluster = RedisCluster::start().await.expect("a cluster");
    interleavings([aside(&cluster.url()).await, aside(&cluster.url()).await], 200).await;
}

/// The epoch that an invalidation began stays, whatever lands later: nothing but an invalidation changes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fill_leaves_epochs_alone() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    let mut held = Held::begin(&space, 7, 1);
    (&mut held.begun).await.expect("began");
    cache.invalidate_user(7).await.expect("invalidated");
    let epoch = async || server.execute(&["GET", &Tag::user(7).epoch_key("app")]).await.expect("an epoch");
    let before = epoch().await;
    let _ = held.go.send(());
    held.caller.await.expect("answered");
    assert_eq!(epoch().await, before, "as the invalidation left it");
    let source = Source::default();
    assert_eq!(value(source.get(&space, 7, 2).await), 2, "what landed is not served");
    assert_eq!(source.loads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_misses_are_one_load() {
    let server = Redis::start().await.expect("Redis");
    let memory = Aside::builder("app", super::embedded()).build().await.expect("a cache");
    for caches in [vec![memory], vec![aside(&server.url()).await, aside(&server.url()).await]] {
        let spaces: Vec<Numbers> = caches.iter().map(numbers).collect();
        for key in [1, 2] {
            let loads = Arc::new(AtomicU64::new(0));
            let coalesced = |spaces: &[Numbers]| spaces.iter().map(|s| s.figures().coalesced).sum::<u64>();
            let before = coalesced(&spaces);
            let callers: Vec<_> = (0..1_000)
                .map(|n| {
                    let (loads, all, space) = (loads.clone(), spaces.clone(), spaces[n % spaces.len()].clone());
                    // It takes until all have asked. The server's words about new epochs may make a few ask anew.
                    let load = move || async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        eventually(Duration::from_secs(4), async || coalesced(&all) >= before + 990).await;
                        Ok(Some(9))
                    };
                    tokio::spawn(async move { value(space.get(&key, load).await) })
                })
                .collect();
            for caller in callers {
                assert_eq!(caller.await.expect("answered"), 9, "everyone has the value");
            }
            assert_eq!(loads.load(Ordering::SeqCst), 1, "{} caches, key {key}", caches.len());
        }
    }
}

/// Tags make epochs, which the server tells everybody of; a slow load stays the only one nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_load_is_the_only_one() {
    let server = Redis::start().await.expect("Redis");
    let caches = [aside(&server.url()).await, aside(&server.url()).await];
    let spaces = caches.each_ref().map(numbers);
    let mut held = Held::begin(&spaces[0], 3, 8);
    (&mut held.begun).await.expect("began");
    settled(&caches[0]).await;
    settled(&caches[1]).await;
    let source = Source::default();
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            let (source, space) = (source.clone(), spaces[n % 2].clone());
            tokio::spawn(async move { value(source.get(&space, 3, 9).await) })
        })
        .collect();
    // Each cache has one that asks the store for the lease; all others wait for it.
    eventually(Duration::from_secs(10), async || spaces[0].figures().coalesced + spaces[1].figures().coalesced >= 98)
        .await;
    let _ = held.go.send(());
    for caller in waiting {
        assert_eq!(caller.await.expect("answered"), 8, "everyone has what was loaded");
    }
    assert_eq!(source.loads(), 0, "nobody else loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_under_other_epochs_waits_for_nobody() {
    let server = Redis::start().await.expect("Redis");
    let caches = [aside(&server.url()).await, aside(&server.url()).await];
    let spaces = caches.each_ref().map(numbers);
    let mut held = Held::begin(&spaces[0], 4, 1);
    (&mut held.begun).await.expect("began");
    caches[1].invalidate_tag(&tags(&4)[0]).await.expect("invalidated");
    let source = Source::default();
    assert_eq!(value(source.get(&spaces[1], 4, 2).await), 2, "while the other load stands still");
    let _ = held.go.send(());
    held.caller.await.expect("answered");
    assert_eq!(value(source.get(&spaces[0], 4, 3).await), 2, "what was stored after the invalidation stands");
    assert_eq!((source.loads(), spaces[0].figures().fenced), (1, 1), "the older load was refused");
}
