//! The collector against real servers: true figures, rates after real traffic, recovery, findings.
use std::time::{Duration, Instant};

use perfdeck_cache::CacheCollector;
use perfdeck_model::{Collection, Collector, ErrorCode, FindingTarget};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel};

use crate::target;

fn value(c: &Collection, id: &str) -> Option<f64> {
    c.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
}

fn collector(url: &str) -> CacheCollector {
    let (target, password) = target(url);
    CacheCollector::new(target, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_true() {
    let server = Redis::start_with_password("canary-secret").await.expect("Redis");
    let mut c = collector(&server.url());
    let first = c.collect(&0.0).await.expect("answers");
    assert_eq!(value(&first, "cache.operations"), None, "the first collection has no rates");
    assert_eq!(value(&first, "cache.keys"), Some(0.0), "an empty cache");
    assert!(first.limits.is_empty(), "no limit is set: {:?}", first.limits);
    let quiet = c.collect(&1_000.0).await.expect("answers");
    assert_eq!(value(&quiet, "cache.operations"), Some(0.0), "its own commands are left out");
    assert_eq!(value(&quiet, "cache.hit_ratio"), None, "no look-ups, no ratio");
    assert_eq!(value(&quiet, "cache.clients"), Some(0.0), "its own connection is left out");
    assert!(value(&quiet, "cache.latency").is_some_and(|l| l > 0.0 && l < 1.0), "the round trip");

    let mut traffic = server.connect().await.expect("a connection");
    c.collect(&2_000.0).await.expect("answers");
    for i in 0..100 {
        redis::cmd("SET").arg(format!("session:{i}")).arg("x").exec_async(&mut traffic).await.expect("set");
    }
    for i in 0..200 {
        redis::cmd("GET").arg(format!("session:{i}")).exec_async(&mut traffic).await.expect("get");
    }
    let busy = c.collect(&3_000.0).await.expect("answers");
    assert_eq!(value(&busy, "cache.operations"), Some(300.0), "100 writes and 200 reads in a second");
    assert_eq!(value(&busy, "cache.hit_ratio"), Some(0.5), "half of the reads found something");
    assert_eq!(value(&busy, "cache.keys"), Some(100.0), "what was written");
    assert_eq!(value(&busy, "cache.clients"), Some(1.0), "the one that wrote");

    // The third second brought the first findings, whose look-ups are not the application's.
    let finding = &busy.findings.as_ref().expect("looked at after three seconds")[0];
    assert_eq!(finding.kind, "keys_without_expiry", "{finding:?}");
    assert!(finding.title.starts_with("100\u{2009}%"), "none of them expires: {}", finding.title);
    assert!(finding.evidence.contains("sample of 100 keys: `session:*` is 100\u{2009}%"), "{}", finding.evidence);
    assert_eq!(finding.action.opens, FindingTarget::Cache, "its button opens the cache");
    let after = c.collect(&4_000.0).await.expect("answers");
    assert_eq!(value(&after, "cache.operations"), Some(0.0), "the sampling is not traffic");
    assert_eq!(value(&after, "cache.hit_ratio"), None, "and no look-ups: {:?}", after.values);
    assert!(after.findings.is_none(), "the next findings come a minute later");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_look_at_the_keys_is_no_ones_traffic() {
    let server = Redis::start().await.expect("Redis");
    let mut traffic = server.connect().await.expect("a connection");
    let mut fill = redis::pipe();
    for i in 0..6_000 {
        fill.cmd("SET").arg(format!("session:{i}")).arg("x").ignore();
    }
    fill.exec_async(&mut traffic).await.expect("keys");
    let mut c = collector(&server.url());
    let mut looked = 0;
    // Two minutes and a half of made-up seconds, each with 50 writes of someone else.
    for second in 0..150 {
        let seen = c.collect(&(f64::from(second) * 1e3)).await.expect("answers");
        looked += u32::from(seen.own_requests > 1_000);
        if second > 0 {
            assert_eq!(value(&seen, "cache.operations"), Some(50.0), "second {second}: only what others do");
            assert_eq!(value(&seen, "cache.hit_ratio"), None, "second {second}: nobody looks anything up");
        }
        let mut writes = redis::pipe();
        for i in 0..50 {
            writes.cmd("SET").arg(format!("session:{i}")).arg("y").ignore();
        }
        writes.exec_async(&mut traffic).await.expect("set");
    }
    assert_eq!(looked, 3, "it looked at the keys once a minute, and says what that cost");
}

#[tokio::test(flavor = "multi_thread")]
async fn eviction_is_found() {
    let server = Redis::start_with(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]).await.expect("Redis");
    let mut c = collector(&server.url());
    let first = c.collect(&0.0).await.expect("answers");
    assert_eq!(first.limits.get("maxmemory"), Some(&3_145_728.0), "the limit");
    c.collect(&3_000.0).await.expect("answers");
    let mut traffic = server.connect().await.expect("a connection");
    let big = "x".repeat(10_000);
    for i in 0..600 {
        redis::cmd("SET")
            .arg(format!("page:{i}"))
            .arg(&big)
            .arg("EX")
            .arg(60)
            .exec_async(&mut traffic)
            .await
            .expect("set");
    }
    let seen = c.collect(&63_000.0).await.expect("answers");
    assert!(value(&seen, "cache.evictions").is_some_and(|e| e > 0.0), "evictions show: {:?}", seen.values);
    let kinds: Vec<_> = seen.findings.iter().flatten().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["evicting"], "and are found; all keys expire: {:#?}", seen.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_recovers_by_itself() {
    let mut server = Redis::start_with_password("canary-secret").await.expect("Redis");
    let mut c = collector(&server.url());
    c.collect(&0.0).await.expect("answers");
    server.stop();
    for now in [1_000.0, 2_000.0] {
        let started = Instant::now();
        let error = c.collect(&now).await.expect_err("it is gone");
        assert!(started.elapsed() < Duration::from_secs(2), "an attempt is bounded: {:?}", started.elapsed());
        assert!(error.hint.is_some(), "and says what to do: {error:?}");
        assert!(!format!("{error:?} {c:?}").contains("canary"), "without the password");
    }
    server.restart().await.expect("restarted");
    let back = c.collect(&3_000.0).await.expect("it is back");
    assert_eq!(value(&back, "cache.operations"), None, "no rate across the restart");
    assert!(value(&back, "cache.keys").is_some(), "figures again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_less_than_two_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let started = Instant::now();
    let error = collector(&format!("redis://:canary@127.0.0.1:{port}")).collect(&0.0).await.expect_err("it hangs");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(error.code, ErrorCode::Timeout, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_the_sum_of_its_primaries() {
    let mut cluster = RedisCluster::start().await.expect("a cluster");
    let mut c = collector(&cluster.url());
    let first = c.collect(&0.0).await.expect("answers");
    assert_eq!(first.detail.as_deref(), Some("3 primaries"), "all are found");
    // 30 keys wherever they belong: each node takes those of its slots and refuses the others.
    let mut written = 0;
    for i in 0..30 {
        for node in cluster.nodes() {
            written += u32::from(node.execute(&["SET", &format!("k{i}"), "x", "EX", "60"]).await.is_ok());
        }
    }
    assert_eq!(written, 30, "each key has one home");
    let seen = c.collect(&1_000.0).await.expect("answers");
    assert_eq!(value(&seen, "cache.keys"), Some(30.0), "the sum over all three");
    cluster.nodes_mut()[2].stop();
    let error = c.collect(&2_000.0).await.expect_err("two thirds of a sum are not the sum");
    assert!(error.hint.is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_names_the_primary() {
    let mut sentinel = RedisSentinel::start().await.expect("a Sentinel");
    let mut c = collector(&sentinel.url());
    sentinel.primary().execute(&["SET", "a", "1"]).await.expect("a key");
    let seen = c.collect(&0.0).await.expect("answers");
    assert_eq!(value(&seen, "cache.keys"), Some(1.0), "the primary's keys");
    let port = sentinel.primary().port();
    assert_eq!(seen.detail, Some(format!("primary 127.0.0.1:{port}")), "which one it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_new_primary_is_measured() {
    let mut sentinel = RedisSentinel::start_with_replica().await.expect("a Sentinel with a replica");
    let mut c = collector(&sentinel.url());
    sentinel.primary().execute(&["SET", "a", "1"]).await.expect("a key");
    let old = sentinel.primary().port();
    let seen = c.collect(&0.0).await.expect("answers");
    assert_eq!(seen.detail, Some(format!("primary 127.0.0.1:{old}")), "the first primary");
    let new = sentinel.replica().expect("it has one").port();
    sentinel.primary().stop();
    assert!(c.collect(&1_000.0).await.is_err(), "a primary that is gone is an error, not a gap that nobody sees");
    // The Sentinel waits a second, elects itself and promotes the replica.
    let mut now = 2_000.0;
    let end = Instant::now() + Duration::from_secs(40);
    let after = loop {
        now += 1_000.0;
        match c.collect(&now).await {
            Ok(found) if found.detail == Some(format!("primary 127.0.0.1:{new}")) => break found,
            other => assert!(Instant::now() < end, "no failover within 40 s: {other:?}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(value(&after, "cache.keys"), Some(1.0), "what was replicated is still there");
    assert_eq!(value(&after, "cache.operations"), None, "counters of another server make no rate");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_those_of_others() {
    let server = Redis::start().await.expect("Redis");
    let (target, password) = target(&server.url());
    let _one = server.connect().await.expect("a connection");
    let _two = server.connect().await.expect("a connection");
    let clients = perfdeck_cache::clients(&target, password.as_ref()).await.expect("answers");
    assert_eq!(clients, 2.0, "without the one that asks");
}
