//! What a real cache says it is.
use perfdeck_cache::facts;
use perfdeck_model::{Address, CacheMode, CacheTarget, Sensitive};
use perfdeck_testkit::{Redis, RedisCluster};

fn target(url: &str, mode: CacheMode) -> (CacheTarget, Option<Sensitive>) {
    let (address, password) = Address::parse(url).expect("a URL");
    (CacheTarget { mode, ..CacheTarget::of(address) }, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_its_version_its_settings_and_its_keys() {
    let server = Redis::start().await.expect("Redis");
    server.execute(&["CONFIG", "SET", "maxmemory", "77mb"]).await.expect("a setting");
    server.execute(&["MSET", "a", "1", "b", "2", "c", "3"]).await.expect("keys");
    let (target, password) = target(&server.url(), CacheMode::Single);
    let found = facts(&target, password.as_ref()).await.expect("it answers");
    assert!(found["version"].starts_with("Redis ") || found["version"].starts_with("Valkey "), "{found:?}");
    assert_eq!(found["setting.maxmemory"], (77 * 1024 * 1024).to_string(), "{found:?}");
    assert_eq!(found["data.keys"], "3", "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_has_the_keys_of_all_its_servers() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let (target, password) = target(&cluster.urls()[0], CacheMode::Cluster);
    let found = facts(&target, password.as_ref()).await.expect("it answers");
    assert_eq!((found["data.keys"].as_str(), found["setting.redis_mode"].as_str()), ("0", "cluster"), "{found:?}");
}
