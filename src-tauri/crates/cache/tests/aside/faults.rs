//! What a cache does when its store, its source or its callers fail.
use std::time::{Duration, Instant};

use perfdeck_cache::aside::{Aside, CLUSTER_RULES, Circuit, Failure, RULES, Told};
use perfdeck_model::ErrorCode;
use perfdeck_testkit::{Paused, Redis, RedisCluster, eventually, redis};
use tokio::sync::oneshot;

use super::{Source, aside, embedded, numbers, settled, store, value, warm};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_and_comes_back_is_missed_by_nobody() {
    let mut server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    warm(&space, 1, 10).await;
    server.stop();
    eventually(Duration::from_secs(10), async || cache.health().told != Told::Yes).await;
    assert_eq!(space.kept(&1), None, "nothing is served that nobody would be told of");
    let source = Source::default();
    let began = Instant::now();
    for n in 0..20 {
        assert_eq!(value(source.get(&space, 1, n).await), n, "straight from the source");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "and soon: {:?}", began.elapsed());
    assert_eq!(cache.health().circuit, Circuit::Open, "nobody asks it any more");
    let seen = space.figures();
    assert!(seen.store_errors >= 5 && seen.bypassed >= 20, "{seen:?}");
    let failed = space.invalidate(&1).await.expect_err("it cannot be done");
    assert!(failed.message.starts_with("Not invalidated"), "{failed:?}");
    cache.invalidate_user(1).await.expect_err("nor can this");
    server.restart().await.expect("Redis again");
    eventually(Duration::from_secs(20), async || {
        source.get(&space, 1, 50).await.expect("an answer");
        cache.health().circuit == Circuit::Closed && cache.settled().await
    })
    .await;
    warm(&space, 2, 60).await;
    assert!(space.invalidate(&2).await.expect("done"), "all is as it was");
}

/// Callers of a server that hangs wait for it a few times, then not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_left_alone() {
    let server = Redis::start().await.expect("Redis");
    let cache = Aside::builder("app", store(&server.url())).build().await.expect("a cache");
    let space = numbers(&cache);
    value(Source::default().get(&space, 1, 10).await);
    let hangs = Paused::new(server.pid().expect("it runs")).expect("stopped");
    let source = Source::default();
    for key in 2..12 {
        assert_eq!(value(source.get(&space, key, key).await), key);
    }
    assert_eq!(cache.health().circuit, Circuit::Open);
    let began = Instant::now();
    for key in 12..112 {
        assert_eq!(value(source.get(&space, key, key).await), key);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "100 loads in {:?}", began.elapsed());
    let failed = space.invalidate(&1).await.expect_err("nobody knows");
    assert_eq!(failed.code, ErrorCode::Timeout, "{failed:?}");
    // The messages stop too, which is noticed within two seconds.
    eventually(Duration::from_secs(10), async || cache.health().told != Told::Yes).await;
    drop(hangs);
    eventually(Duration::from_secs(20), async || {
        source.get(&space, 1, 50).await.expect("an answer");
        cache.settled().await && space.invalidate(&1).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_flushed_is_everything_forgotten() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    for command in ["FLUSHALL", "FLUSHDB"] {
        warm(&space, 1, 10).await;
        let (go, gone) = oneshot::channel::<()>();
        let (began, begun) = oneshot::channel();
        let other = space.clone();
        let load = move || async move {
            let _ = began.send(());
            let _ = gone.await;
            Ok(Some(1))
        };
        let filling = tokio::spawn(async move { other.get(&2, load).await });
        begun.await.expect("a load that began before");
        server.execute(&[command]).await.expect("flushed");
        settled(&cache).await;
        assert_eq!(space.kept(&1), None, "{command}: in the first level too");
        let _ = go.send(());
        filling.await.expect("ends").expect("answered");
        let source = Source::default();
        assert_eq!(value(source.get(&space, 2, 2).await), 2, "{command}: and what began before did not land");
        assert_eq!(value(source.get(&space, 1, 11).await), 11, "{command}: loaded anew");
        space.invalidate(&1).await.expect("done");
        space.invalidate(&2).await.expect("done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_level_that_nobody_tells_of_changes_serves_nothing() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    for round in 0..5u64 {
        warm(&space, 1, round).await;
        let clients: String =
            redis::from_redis_value(server.execute(&["CLIENT", "LIST"]).await.expect("clients")).expect("text");
        let told = clients.lines().find(|line| line.contains("name=aside-told:app")).expect("its connection");
        let id = told.split(' ').find_map(|part| part.strip_prefix("id=")).expect("an id");
        server.execute(&["CLIENT", "KILL", "ID", id]).await.expect("cut");
        eventually(Duration::from_secs(10), async || space.kept(&1).is_none()).await;
        // Whatever was changed meanwhile is found changed.
        server.execute(&["DEL", "app:numbers:1"]).await.expect("gone");
        eventually(Duration::from_secs(10), async || cache.settled().await).await;
        let source = Source::default();
        assert_eq!(value(source.get(&space, 1, round + 1).await), round + 1, "round {round}");
        space.invalidate(&1).await.expect("done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_out_of_memory_serves_and_invalidates() {
    let server = Redis::start_with(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]).await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    for key in [1, 2] {
        warm(&space, key, 10).await;
    }
    server.execute(&["CONFIG", "SET", "maxmemory", "1mb"]).await.expect("less than it uses already");
    let source = Source::default();
    for n in 0..10 {
        assert_eq!(value(source.get(&space, 3, n).await), n, "what cannot be stored is loaded each time");
    }
    assert_eq!(cache.health().circuit, Circuit::Closed, "it answers, so that it is asked");
    assert!(cache.health().last.is_some_and(|why| why.message.contains("out of memory")), "{:?}", cache.health());
    assert_eq!(value(source.get(&space, 1, 11).await), 10, "what is there is served");
    assert!(space.invalidate(&1).await.expect("removing needs no memory"), "it was there");
    assert_eq!(value(source.get(&space, 1, 11).await), 11, "and is gone");
    cache.invalidate_user(2).await.expect("nor does an epoch");
    assert_eq!(value(source.get(&space, 2, 11).await), 11, "whose entry is not served");
}

async fn as_user(server: &Redis, rules: &[&str]) -> Aside {
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">secret"];
    command.extend(rules);
    server.execute(&command).await.expect("an ACL user");
    aside(&server.url().replace("redis://", "redis://app:secret@")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rules_are_enough_and_none_is_too_much() {
    let keys = ["~app:*", "~{app:*}:lease"];
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/cache-aside.md"));
    let docs = docs.expect("the documentation");
    for rule in RULES.iter().chain(CLUSTER_RULES).chain(&keys) {
        assert!(docs.contains(&rule.replace("app", "NAME")), "{rule} is documented");
    }
    for server in [Redis::start().await.expect("Redis"), Redis::start_valkey(&[]).await.expect("Valkey")] {
        let cache = as_user(&server, &[&keys[..], RULES].concat()).await;
        let space = numbers(&cache);
        warm(&space, 1, 10).await;
        cache.invalidate_user(1).await.expect("done");
        let source = Source::default();
        assert_eq!(value(source.get(&space, 1, 11).await), 11);
        assert!(space.invalidate(&1).await.expect("done"));
        assert_eq!(cache.health().last, None, "nothing was refused");
        let endless = cache.namespace::<u64, u64, String>("endless").forever().tags(super::tags);
        value(source.get(&endless.build().expect("a namespace"), 1, 1).await);
        assert_eq!(cache.health().last, None, "nor this");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_they_are_too() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">secret", "~app:*", "~{app:*}:lease"];
    command.extend(RULES.iter().chain(CLUSTER_RULES));
    for node in cluster.nodes() {
        node.execute(&command).await.expect("an ACL user");
    }
    let cache = aside(&cluster.url().replace("redis+cluster://", "redis+cluster://app:secret@")).await;
    let space = numbers(&cache);
    for key in 0..20 {
        warm(&space, key, key).await;
        cache.invalidate_user(key).await.expect("done");
        assert_eq!(value(Source::default().get(&space, key, 100).await), 100);
        assert!(space.invalidate(&key).await.expect("done"));
    }
    assert_eq!((cache.health().last, cache.health().told), (None, Told::Yes), "nothing was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_is_named_and_the_rest_works() {
    let server = Redis::start().await.expect("Redis");
    let all = [&["~app:*", "~{app:*}:lease"][..], RULES].concat();
    let without = |missing: &str| all.iter().copied().filter(|rule| *rule != missing).collect::<Vec<_>>();
    let cache = as_user(&server, &without("+client|tracking")).await;
    let space = numbers(&cache);
    let source = Source::default();
    assert_eq!((value(source.get(&space, 1, 10).await), value(source.get(&space, 1, 11).await)), (10, 10));
    assert_eq!((source.loads(), space.kept(&1)), (1, None), "from the store, and never from this process");
    let Told::No(Some(why)) = cache.health().told else { panic!("{:?}", cache.health()) };
    assert_eq!(why.code, ErrorCode::Privilege, "{why:?}");
    assert!(why.hint.as_deref().is_some_and(|hint| hint.contains("+client|tracking")), "{why:?}");
    assert!(why.hint.as_deref().is_some_and(|hint| hint.contains("ACL SETUSER app ~app:* ~{app:*}:lease")), "{why:?}");
    drop((cache, space));
    for missing in ["+evalsha", "+mget", "+set", "~{app:*}:lease"] {
        let cache = as_user(&server, &without(missing)).await;
        let space = numbers(&cache);
        for n in 0..10 {
            assert_eq!(value(source.get(&space, 7, n).await), n, "without {missing}: from the source");
        }
        assert_eq!(cache.health().circuit, Circuit::Closed, "without {missing}: it answers");
        let why = cache.health().last.expect("a reason");
        assert_eq!(why.code, ErrorCode::Privilege, "without {missing}: {why:?}");
        assert!(why.hint.as_deref().is_some_and(|hint| hint.contains(missing)), "without {missing}: {why:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_panics_or_hangs_is_an_error_to_all() {
    let server = Redis::start().await.expect("Redis");
    for store in [store(&server.url()), embedded()] {
        let cache = Aside::builder("app", store).answer(Duration::from_secs(5)).build().await.expect("a cache");
        let limit = Duration::from_millis(200);
        let space: super::Numbers = cache.namespace("bad").lease(limit).build().expect("a namespace");
        let panics = async || space.get(&1, || async { panic!("a load of this test") }).await;
        for answer in futures_util::future::join_all((0..20).map(|_| panics())).await {
            assert!(matches!(answer, Err(Failure::Ended)), "{answer:?}");
        }
        // Before it has a future at all.
        let answer = space.get(&1, || -> std::future::Ready<Result<Option<u64>, String>> { panic!("another one") });
        assert!(matches!(answer.await, Err(Failure::Ended)));
        assert_eq!(value(Source::default().get(&space, 1, 3).await), 3, "the next one loads, and waits for nobody");
        let hangs = async || space.get(&2, std::future::pending).await;
        for answer in futures_util::future::join_all((0..20).map(|_| hangs())).await {
            assert!(matches!(answer, Err(Failure::Late(after)) if after == limit), "{answer:?}");
        }
        assert_eq!(value(Source::default().get(&space, 2, 4).await), 4, "nor is this remembered");
        let seen = space.figures();
        assert_eq!(seen.loads, seen.load_errors + 2, "{seen:?}");
        assert!((3..=20).contains(&seen.load_errors), "once for those who asked together: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_no_load() {
    let cache = Aside::builder("app", embedded()).build().await.expect("a cache");
    let space: super::Numbers = cache.namespace("kept").build().expect("a namespace");
    let (go, gone) = oneshot::channel::<()>();
    let (began, begun) = oneshot::channel();
    let load = move || async move {
        let _ = began.send(());
        let _ = gone.await;
        Ok(Some(5))
    };
    let other = space.clone();
    let caller = tokio::spawn(async move { other.get(&1, load).await });
    begun.await.expect("began");
    caller.abort();
    assert!(caller.await.is_err_and(|end| end.is_cancelled()), "it went away");
    let source = Source::default();
    let waiting = {
        let (source, space) = (source.clone(), space.clone());
        tokio::spawn(async move { value(source.get(&space, 1, 6).await) })
    };
    eventually(Duration::from_secs(10), async || space.figures().coalesced == 1).await;
    let _ = go.send(());
    assert_eq!(waiting.await.expect("answered"), 5, "the next one has what was loaded");
    assert_eq!((value(source.get(&space, 1, 7).await), source.loads()), (5, 0), "which was stored");
}

/// Whoever dropped the last handle has no connection left.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_dropped_leaves_no_connection() {
    let server = Redis::start().await.expect("Redis");
    let cache = aside(&server.url()).await;
    let space = numbers(&cache);
    warm(&space, 1, 10).await;
    let named = async || {
        let clients = server.execute(&["CLIENT", "LIST"]).await.expect("clients");
        redis::from_redis_value::<String>(clients).expect("text").matches("name=aside").count()
    };
    assert_eq!(named().await, 2, "one that asks, one that is told");
    drop((cache, space));
    eventually(Duration::from_secs(10), async || named().await == 0).await;
}
