//! What a namespace answers from, for how long, and what is stored for it.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_cache::aside::{Aside, Bytes, Envelope, Failure, Tag, cached};
use perfdeck_model::ManualClock;
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel, eventually, redis};

use super::{Source, aside, embedded, numbers, settled, store, value, warm};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn levels_answer_in_turn_and_are_counted() {
    let server = Redis::start().await.expect("Redis");
    let (one, two) = (aside(&server.url()).await, aside(&server.url()).await);
    let (a, b) = (numbers(&one), numbers(&two));
    let source = Source::default();
    assert_eq!(value(source.get(&a, 1, 10).await), 10, "loaded");
    assert_eq!(value(source.get(&b, 1, 11).await), 10, "another process finds it");
    warm(&a, 1, 10).await;
    let before = a.figures();
    for _ in 0..100 {
        assert_eq!(value(source.get(&a, 1, 12).await), 10, "from this process");
    }
    let after = a.figures();
    assert_eq!(after.l1_hits - before.l1_hits, 100, "without looking into the store: {after:?}");
    assert_eq!(after.l2_hits, before.l2_hits);
    assert_eq!((source.loads(), after.loads, after.misses, after.stored), (1, 1, 1, 1), "{after:?}");
    assert_eq!(one.figures(), vec![("numbers".to_owned(), after)], "by name");
    warm(&b, 1, 10).await;
    assert!(a.invalidate(&1).await.expect("done"), "it was there");
    assert_eq!(a.kept(&1), None, "gone at once here");
    settled(&two).await;
    assert_eq!(b.kept(&1), None);
    assert_eq!(value(source.get(&b, 1, 13).await), 13, "loaded anew");
    assert!(!a.invalidate(&99).await.expect("done"), "there was none");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_users_reach_all_levels_of_all_processes() {
    let server = Redis::start().await.expect("Redis");
    let (one, two) = (aside(&server.url()).await, aside(&server.url()).await);
    let (a, b) = (numbers(&one), numbers(&two));
    for key in [1, 11, 2] {
        warm(&a, key, 10).await;
        warm(&b, key, 10).await;
    }
    one.invalidate_tag(&Tag::named("group-1")).await.expect("done");
    settled(&two).await;
    let kept = |key| (a.kept(&key).is_some(), b.kept(&key).is_some());
    assert_eq!((kept(1), kept(11)), ((false, false), (false, false)), "both of the group, in both");
    assert_eq!(kept(2), (true, true), "no other");
    let source = Source::default();
    assert_eq!((value(source.get(&b, 1, 20).await), value(source.get(&a, 1, 21).await)), (20, 20), "loaded once");
    assert_eq!(value(source.get(&a, 11, 20).await), 20);
    one.invalidate_user(2).await.expect("done");
    assert_eq!(value(source.get(&a, 2, 30).await), 30, "one user's");
    assert_eq!(source.loads(), 3, "and nothing else was loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_evicted_makes_entries_unusable() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    warm(&space, 1, 10).await;
    server.execute(&["DEL", &Tag::user(1).epoch_key("app")]).await.expect("gone");
    settled(&cache).await;
    assert_eq!(space.kept(&1), None, "the first level was told");
    let source = Source::default();
    assert_eq!(value(source.get(&space, 1, 11).await), 11, "nobody knows whether it was invalidated");
    assert_eq!(value(source.get(&space, 1, 12).await), 11, "the new epoch holds");
    let left: i64 =
        redis::from_redis_value(server.execute(&["PTTL", &Tag::user(1).epoch_key("app")]).await.expect("a time"))
            .expect("a number");
    assert!(left > 6 * 86_400_000, "and ends some day: {left} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_entries_are_served_while_they_are_loaded_anew() {
    let server = Redis::start().await.expect("Redis");
    for kind in ["Redis", "memory"] {
        let clock = Arc::new(ManualClock::new(1e12));
        let store = if kind == "Redis" { store(&server.url()) } else { embedded() };
        let cache = Aside::builder("app", store)
            .clock(clock.clone())
            .answer(Duration::from_secs(5))
            .build()
            .await
            .expect("a cache");
        let space = cache.namespace("slow").ttl(MINUTE).jitter(0.0).stale(MINUTE).build().expect("a namespace");
        let source = Source::default();
        assert_eq!(value(source.get(&space, 1, 1).await), 1);
        clock.advance(59e3);
        assert_eq!(value(source.get(&space, 1, 2).await), 1, "{kind}: fresh");
        clock.advance(2e3);
        assert_eq!(value(source.get(&space, 1, 2).await), 1, "{kind}: stale, and served");
        eventually(Duration::from_secs(10), async || value(source.get(&space, 1, 3).await) == 2).await;
        assert_eq!(source.loads(), 2, "{kind}: loaded anew once");
        clock.advance(61e3);
        let failing = space.get(&1, || async { Err("down".to_owned()) }).await;
        assert_eq!(value(failing), 2, "{kind}: stale, and its load fails");
        eventually(Duration::from_secs(10), async || space.figures().load_errors == 1).await;
        assert_eq!(value(source.get(&space, 1, 3).await), 2, "{kind}: it stays");
        clock.advance(60e3);
        let failed = space.get(&1, || async { Err("down".to_owned()) }).await;
        assert!(matches!(&failed, Err(Failure::Load(why)) if **why == "down"), "{kind}: until it ends: {failed:?}");
        assert_eq!(value(source.get(&space, 1, 4).await), 4, "{kind}: errors are not remembered");
        assert!(space.figures().stale >= 3, "{kind}: {:?}", space.figures());
        assert!(cache.namespace::<u64, u64, String>("slow").build().is_err(), "{kind}: the name is taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_does_not_have_is_remembered_where_asked() {
    let server = Redis::start().await.expect("Redis");
    for store in [store(&server.url()), embedded()] {
        let cache = Aside::builder("app", store).answer(Duration::from_secs(5)).build().await.expect("a cache");
        let (asked, not) = (cache.namespace("asked").negative(MINUTE), cache.namespace("not"));
        let spaces: [super::Numbers; 2] = [asked.build().expect("a namespace"), not.build().expect("a namespace")];
        let loads = spaces.each_ref().map(|_| Arc::new(AtomicU64::new(0)));
        for (space, loads) in spaces.iter().zip(&loads) {
            for _ in 0..3 {
                let loads = loads.clone();
                let none = space.get(&1, move || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Ok(None)
                });
                assert_eq!(none.await.expect("an answer"), None);
            }
        }
        assert_eq!(loads.map(|l| l.load(Ordering::SeqCst)), [1, 3], "once, and each time");
        assert_eq!(spaces[0].figures().negative, 2, "{:?}", spaces[0].figures());
        assert!(spaces[0].invalidate(&1).await.expect("done"), "it came into being");
        assert_eq!(value(Source::default().get(&spaces[0], 1, 5).await), 5, "and is found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_to_live_have_jitter_inside_its_bounds() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let made = |name: &str| cache.namespace::<u64, u64, String>(name);
    let spaces = [
        (made("usual").jitter(0.0).build(), 90.0, 90.0),
        (made("spread").ttl(Duration::from_secs(100)).jitter(0.2).build(), 80.0, 120.0),
        (made("stale").ttl(MINUTE).jitter(0.0).stale(MINUTE).build(), 120.0, 120.0),
    ];
    let mut line = server.connect().await.expect("a connection");
    for (space, least, most) in spaces {
        let space = space.expect("a namespace");
        let mut all = Vec::new();
        for key in 0..100 {
            Source::default().get(&space, key, 1).await.expect("loaded");
            let left: i64 = redis::cmd("PTTL").arg(space.store_key(&key)).query_async(&mut line).await.expect("a time");
            all.push(left as f64 / 1e3);
        }
        let (low, high) = all.iter().fold((f64::MAX, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
        assert!(low > least - 5.0 && high <= most, "{low} to {high} s of {least} to {most}");
        assert!(high - low > 0.7 * (most - least), "it is spread: {low} to {high} s");
    }
    let forever = made("forever").forever().build().expect("a namespace");
    Source::default().get(&forever, 1, 1).await.expect("loaded");
    let left: i64 = redis::cmd("PTTL").arg("app:forever:1").query_async(&mut line).await.expect("a time");
    assert_eq!(left, -1, "one without end is asked for by that name");
    let none = made("none").ttl(Duration::ZERO).build().expect("a namespace");
    Source::default().get(&none, 1, 1).await.expect("loaded");
    let there: i64 = redis::cmd("EXISTS").arg("app:none:1").query_async(&mut line).await.expect("a number");
    assert_eq!(there, 0, "no time stores nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_are_compressed_and_larger_ones_are_not_stored() {
    let server = Redis::start().await.expect("Redis");
    for store in [store(&server.url()), embedded()] {
        let redis = matches!(store, perfdeck_cache::aside::Store::Redis { .. });
        let cache = Aside::builder("app", store).answer(Duration::from_secs(5)).build().await.expect("a cache");
        let made = cache.namespace::<str, Vec<u8>, String>("pages").largest(1 << 20);
        let space = made.build_with(Bytes).expect("a namespace");
        let page =
            |bytes: usize| b"<p>a paragraph of a page</p>".iter().copied().cycle().take(bytes).collect::<Vec<u8>>();
        let sizes = [("small", 100), ("large", 100_000), ("larger", 700_000), ("too large", (1 << 20) + 1)];
        for (key, bytes) in sizes {
            for _ in 0..2 {
                let load = move || async move { Ok(Some(page(bytes))) };
                let answer = space.get(key, load).await.expect("an answer").expect("a page");
                assert_eq!(*answer, page(bytes), "{key}");
            }
        }
        let seen = space.figures();
        assert_eq!((seen.stored, seen.compressed, seen.unstorable), (3, 2, 2), "{seen:?}");
        assert_eq!((seen.l2_hits, seen.loads), (3, 5), "{seen:?}");
        assert!(seen.bytes < 20_000, "compressed: {} bytes", seen.bytes);
        if redis {
            let stored = server.execute(&["GET", "app:pages:large"]).await.expect("an entry");
            let stored: Vec<u8> = redis::from_redis_value(stored).expect("bytes");
            assert!(stored.len() < 10_000, "{} bytes at the server", stored.len());
            let envelope = Envelope::read(&stored).expect("an entry");
            assert_eq!(envelope.value, Some(page(100_000)), "anybody can read it");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_bytes_in_the_place_of_an_entry_are_loaded_over() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    for foreign in ["", "x", "{\"a\":1}", &"y".repeat(10_000)] {
        server.execute(&["SET", "app:numbers:1", foreign]).await.expect("set");
        settled(&cache).await;
        let source = Source::default();
        assert_eq!(value(source.get(&space, 1, 5).await), 5, "loaded");
        assert_eq!((value(source.get(&space, 1, 6).await), source.loads()), (5, 1), "and stored");
    }
    server.execute(&["DEL", "app:numbers:2"]).await.expect("gone");
    server.execute(&["LPUSH", "app:numbers:2", "x"]).await.expect("a list");
    assert_eq!(value(Source::default().get(&space, 2, 5).await), 5, "a list in its place is no obstacle");
    assert!(space.invalidate(&2).await.expect("done"), "and is removed with the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_text_reach_their_slot_and_are_invalidated() {
    let cluster = RedisCluster::start_valkey().await.expect("a cluster");
    let (one, two) = (aside(&cluster.url()).await, aside(&cluster.url()).await);
    let made = |aside: &Aside| {
        let names = aside.namespace::<str, u64, String>("names").first_level(1 << 20);
        names.tags(|key: &str| vec![Tag::user(key)]).build().expect("a namespace")
    };
    let (a, b) = (made(&one), made(&two));
    for key in ["plain", "{a}", "}{", "a:b:c", "%7B", "\r\n", "日本", "", &"k".repeat(4_000)] {
        for way in 0..2 {
            eventually(Duration::from_secs(10), async || {
                b.get(key, || async { Ok(Some(1)) }).await.expect("an answer");
                b.kept(key).is_some()
            })
            .await;
            match way {
                0 => assert!(a.invalidate(key).await.expect("done"), "{key:?} was there"),
                _ => one.invalidate_user(key).await.expect("done"),
            }
            settled(&two).await;
            assert_eq!(b.kept(key), None, "{key:?} by way {way}");
            let answer = b.get(key, || async { Ok(Some(2)) }).await.expect("an answer");
            assert_eq!(answer.as_deref(), Some(&2), "{key:?} by way {way}");
            a.invalidate(key).await.expect("done");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_sentinel_it_goes_on_with_the_new_primary() {
    let mut sentinel = RedisSentinel::start_with_replica().await.expect("a Sentinel");
    let cache = aside(&sentinel.url()).await;
    let space = numbers(&cache);
    warm(&space, 1, 10).await;
    sentinel.primary().stop();
    eventually(Duration::from_secs(30), async || {
        assert_eq!(value(Source::default().get(&space, 1, 10).await), 10, "served throughout");
        space.invalidate(&2).await.is_ok() && cache.settled().await
    })
    .await;
    warm(&space, 1, 10).await;
    space.invalidate(&1).await.expect("at the new primary");
    assert_eq!(value(Source::default().get(&space, 1, 11).await), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_cached_in_one_line() {
    let cache = Aside::builder("app", embedded()).build().await.expect("a cache");
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let square = move |n: u64| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, String>(Some(n * n)) }
    };
    let square = cached(cache.namespace("square").first_level(1 << 16).build().expect("a namespace"), square);
    for _ in 0..3 {
        assert_eq!(square.get(12).await.expect("an answer").as_deref(), Some(&144));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    square.namespace().invalidate(&12).await.expect("done");
    square.get(12).await.expect("an answer");
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}
