//! Every connection of Perfdeck's is named by what it is for, however the server is reached; and none of them is in the target's figures.
use std::time::Duration;

use perfdeck_cache::{CacheCollector, CacheReader, MapRun, MapWanted, Purpose};
use perfdeck_model::{Address, Collection, Collector, MapState, SystemClock};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel, eventually, free_port};

use crate::address::pem;
use crate::target;

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

/// A root, and a certificate of 127.0.0.1 that it signed, in a folder.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut root = rcgen::CertificateParams::new(vec!["root.example".to_owned()]).expect("names");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "a root of this test");
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
    write("root.crt", pem("CERTIFICATE", root.self_signed(&root_key).expect("a root").der()));
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    write("leaf.crt", pem("CERTIFICATE", leaf.signed_by(&key, &issuer).expect("signed").der()));
    write("leaf.key", pem("PRIVATE KEY", &key.serialize_der()));
    folder
}

/// Perfdeck's clients: their names with what the server tells of them, sorted.
async fn clients_of(server: &Redis) -> Vec<(String, String)> {
    let list: String =
        redis::from_redis_value(server.execute(&["CLIENT", "LIST"]).await.expect("a list")).expect("text");
    let name = |line: &str| line.split(' ').find_map(|f| f.strip_prefix("name=")).unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        list.lines().map(|line| (name(line), line.to_owned())).filter(|(n, _)| n.starts_with("perfdeck")).collect();
    all.sort();
    all
}

/// Sentinels with an account of their own, TLS that asks for a certificate, an account of the server's: whatever Perfdeck opens, it opens so.
#[tokio::test(flavor = "multi_thread")]
async fn every_purpose_has_the_certificate_and_the_accounts() {
    let folder = certificates();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (root, leaf, key) = (file("root.crt"), file("leaf.crt"), file("leaf.key"));
    let port = free_port().expect("a port").to_string();
    let tls =
        ["--tls-cert-file", &leaf, "--tls-key-file", &key, "--tls-ca-cert-file", &root, "--tls-auth-clients", "yes"];
    let server = Redis::start_with(&[&["--tls-port", &port], &tls[..]].concat()).await.expect("Redis with TLS");
    server.execute(&["ACL", "SETUSER", "app", "on", ">app-word", "+@all", "~*"]).await.expect("an account");
    server.execute(&["EVAL", "for i = 1, 2000 do redis.call('SET', 'k:' .. i, 'v') end", "0"]).await.expect("keys");
    let sentinel_port = free_port().expect("a port");
    let lines = format!(
        "tls-port {sentinel_port}\ntls-replication yes\ntls-cert-file {leaf}\ntls-key-file {key}\ntls-ca-cert-file {root}\ntls-auth-clients yes\n"
    );
    let mut sentinel =
        RedisSentinel::start_at(server, port.parse().expect("a port"), &lines).await.expect("a Sentinel with TLS");
    let own = redis::Client::open(format!("redis://127.0.0.1:{}", sentinel.port())).expect("a client");
    let mut c = own.get_multiplexed_async_connection().await.expect("the Sentinel");
    for words in
        [&["SETUSER", "watcher", "on", ">sentinel-word", "+@all"][..], &["SETUSER", "default", "resetpass", ">other"]]
    {
        redis::cmd("ACL").arg(words).exec_async(&mut c).await.expect("an account of the Sentinel's");
    }
    let files = format!("sslrootcert={root}&sslcert={leaf}&sslkey={key}");
    for url in [
        format!("rediss://app:app-word@127.0.0.1:{port}/0?{files}"),
        format!(
            "rediss+sentinel://app:app-word@127.0.0.1:{sentinel_port}/0?master=main&{files}&sentinel_username=watcher&sentinel_password=sentinel-word"
        ),
    ] {
        let pasted = Address::read(&url).expect("an address");
        let mut at = target(&pasted.address.url()).0;
        at.sentinel_secret = pasted.sentinel_password;
        let password = pasted.password.as_ref();
        // A map that waits, readings, a watch, and one of each that opens and closes as it is needed.
        let run = MapRun::new(MapWanted { paced: true, ..MapWanted::default() }, "m".into(), 0.0);
        run.pause(true);
        let (scan, to, word) = (run.clone(), at.clone(), pasted.password.clone());
        let scan = tokio::spawn(async move { scan.scan(&to, word.as_ref()).await });
        let mut reader = CacheReader::new(at.clone(), pasted.password.clone());
        reader.look(&SystemClock).await.expect("a look");
        let watching = tokio::spawn(async move { reader.watch(5.0, &SystemClock).await.map(|_| reader) });
        let mut held = Vec::new();
        for purpose in [Purpose::Keys, Purpose::Change] {
            held.push(perfdeck_cache::opened_as(&at, password, purpose).await.expect("connects"));
        }
        let mut right: Vec<String> = Purpose::ALL.iter().map(|p| p.name().to_owned()).collect();
        right.sort();
        let all_there = async || {
            clients_of(sentinel.watched()).await.into_iter().map(|(name, _)| name).collect::<Vec<_>>() == right
        };
        eventually(Duration::from_secs(10), all_there).await;
        for (name, line) in &clients_of(sentinel.watched()).await {
            assert!(line.contains(" user=app "), "{name} signs in with the account of the target: {line}");
            assert!(line.contains(&format!(" laddr=127.0.0.1:{port} ")), "{name} speaks TLS: {line}");
        }
        // All are known as Perfdeck's own; two are the Sentinel's.
        eventually(Duration::from_secs(10), async || {
            perfdeck_cache::clients(&at, password).await.is_ok_and(|others| (others - 2.0).abs() < 0.5)
        })
        .await;
        run.pause(false);
        scan.await.expect("it ended").expect("it was read");
        assert_eq!((run.map().state, run.map().keys_read), (MapState::Finished, 2_000.0), "through TLS");
        watching.abort();
        drop(held);
        let gone = async || clients_of(sentinel.watched()).await.is_empty();
        eventually(Duration::from_secs(10), gone).await;
    }
    sentinel.primary().stop();
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
