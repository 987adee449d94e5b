//! Every connection of Perfdeck's is named by what it is for, however the server is reached; and none of them is in the target's figures.
use std::time::Duration;

use perfdeck_cache::{CacheCollector, CacheReader, Purpose};
use perfdeck_model::{Address, CacheMode, CacheTarget, Collection, Collector, SecretSource, Sensitive, SystemClock};
use perfdeck_testkit::{Redis, RedisCluster, eventually};

fn target(url: &str) -> (CacheTarget, Option<Sensitive>) {
    let (address, password) = Address::parse(url).expect("a URL");
    let mode = match address.params.get("mode").map(String::as_str) {
        Some("cluster") => CacheMode::Cluster,
        Some("sentinel") => CacheMode::Sentinel,
        _ => CacheMode::Single,
    };
    let sentinel_master = address.params.get("master").cloned();
    let (password_of, sentinel_password) = (SecretSource::None, SecretSource::None);
    let target = CacheTarget {
        address,
        mode,
        sentinel_master,
        password: password_of,
        sentinel_password,
        sentinel_secret: None,
        default_ttl_s: 60.0,
    };
    (target, password)
}

fn value(c: &Collection, id: &str) -> Option<f64> {
    c.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
}

/// Names of the clients of some servers, sorted.
async fn names(servers: &[Redis]) -> Vec<String> {
    let mut all = Vec::new();
    for server in servers {
        all.extend(names_at(server).await);
    }
    all.sort();
    all
}

async fn names_at(server: &Redis) -> Vec<String> {
    let list: String =
        redis::from_redis_value(server.execute(&["CLIENT", "LIST"]).await.expect("a list")).expect("text");
    let name = |line: &str| line.split(' ').find_map(|f| f.strip_prefix("name=")).unwrap_or_default().to_owned();
    list.lines().map(name).filter(|name| !name.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_hold_behind_every_way_in() {
    let server = [Redis::start().await.expect("Redis")];
    let server_at = &server[0];
    server_at.execute(&["ACL", "SETUSER", "app", "on", ">pw", "+@all", "~*"]).await.expect("an account");
    let cluster = RedisCluster::start().await.expect("a cluster");
    for (url, at) in [
        (server_at.url(), &server[..]),
        (format!("redis://app:pw@127.0.0.1:{}/5", server_at.port()), &server[..]),
        (cluster.url(), cluster.nodes()),
    ] {
        let (target, password) = target(&url);
        let mut held = Vec::new();
        for purpose in Purpose::ALL {
            held.push(perfdeck_cache::opened_as(&target, password.as_ref(), purpose).await.expect("connects"));
        }
        let mut right: Vec<String> = Purpose::ALL.iter().map(|p| p.name().to_owned()).collect();
        right.sort();
        assert_eq!(names(at).await, right, "{}", target.address.short());
        if url.ends_with("/5") {
            let list = server_at.execute(&["CLIENT", "LIST"]).await.expect("a list");
            assert_eq!(
                format!("{list:?}").matches("db=5").count(),
                Purpose::ALL.len(),
                "each is in the database of the address"
            );
        }
        drop(held);
        eventually(Duration::from_secs(5), async || names(at).await.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_perfdeck_is_in_the_figures() {
    let server = Redis::start().await.expect("Redis");
    let (target, password) = target(&server.url());
    let mut collector = CacheCollector::new(target.clone(), password.clone());
    collector.collect(&0.0).await.expect("answers");
    // A reader and a scan of this process, and another Perfdeck.
    let mut reader = CacheReader::new(target.clone(), password.clone());
    let mut scan = perfdeck_cache::opened_as(&target, None, Purpose::Scan).await.expect("connects");
    let mut other = server.connect().await.expect("a connection");
    redis::cmd("CLIENT").arg("SETNAME").arg("perfdeck-keys").exec_async(&mut other).await.expect("named");
    let mut application = server.connect().await.expect("a connection");
    redis::cmd("SET").arg("a").arg("1").exec_async(&mut application).await.expect("set");
    collector.collect(&1_000.0).await.expect("answers");
    for _ in 0..500 {
        redis::cmd("GET").arg("a").exec_async(&mut scan).await.expect("got");
    }
    reader.look(&SystemClock).await.expect("a look");
    for _ in 0..40 {
        redis::cmd("GET").arg("b").exec_async(&mut application).await.expect("answered");
    }
    let seen = collector.collect(&2_000.0).await.expect("answers");
    assert_eq!(value(&seen, "cache.operations"), Some(40.0), "what the application did alone: {:?}", seen.values);
    assert_eq!(value(&seen, "cache.hit_ratio"), None, "forty misses cannot be told from what of ours may be under way");
    assert!(seen.own_requests > 500, "what Perfdeck did is told: {}", seen.own_requests);
    // Whose clients they are is asked every ten seconds.
    let seen = collector.collect(&11_000.0).await.expect("answers");
    assert_eq!(
        value(&seen, "cache.clients"),
        Some(1.0),
        "the application's, and none of either Perfdeck: {:?}",
        seen.values
    );
    for _ in 0..30 {
        redis::cmd("GET").arg("a").exec_async(&mut scan).await.expect("got");
        redis::cmd("GET").arg("a").exec_async(&mut application).await.expect("got");
        redis::cmd("GET").arg("b").exec_async(&mut application).await.expect("answered");
    }
    let seen = collector.collect(&12_000.0).await.expect("answers");
    assert_eq!(value(&seen, "cache.hit_ratio"), Some(0.5), "without the hits of the scan");
    drop(scan);
    // A server hears of a connection that ended when it comes to it.
    let here = async || names_at(&server).await.iter().any(|name| name == Purpose::Scan.name());
    eventually(Duration::from_secs(5), async || !here().await).await;
    assert_eq!(value(&collector.collect(&13_000.0).await.expect("answers"), "cache.clients"), Some(1.0));
}
