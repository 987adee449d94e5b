//! Every type, with all that belongs to it.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_cache::take::{Watch, restore};
use perfdeck_testkit::{Redis, RedisCluster, eventually};
use redis::Value;
use redis::aio::MultiplexedConnection;

use super::Place;

async fn run(c: &mut MultiplexedConnection, words: &[&[u8]]) -> Value {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(c).await.unwrap_or_else(|e| panic!("{:?}: {e}", String::from_utf8_lossy(words[0])))
}

fn text(n: impl ToString) -> Vec<u8> {
    n.to_string().into_bytes()
}

/// Makes keys of every type and encoding; `tag` keeps them on one server of a cluster.
async fn make(c: &mut MultiplexedConnection, tag: &str, field_ttls: bool) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut name = |what: &[u8]| {
        let key = [b"all:", tag.as_bytes(), b":", what].concat();
        keys.push(key.clone());
        key
    };
    let k = name(b"number");
    run(c, &[b"SET", &k, b"9007199254740993"]).await;
    for (what, length) in [(&b"short"[..], 20_usize), (b"long", 5_000), (b"larger", 100_000), (b"large", 400_000)] {
        let k = name(what);
        let value: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
        run(c, &[b"SET", &k, &value]).await;
    }
    let binary = name(b"\xff\x00\r\n\xfe");
    run(c, &[b"SET", &binary, b"v"]).await;
    let long = name(&[b'n'; 4_000]);
    run(c, &[b"SET", &long, b""]).await;
    for (what, n) in [("small", 5), ("big", 3_000)] {
        let [list, set, ints, sorted, hash] =
            ["list", "set", "ints", "sorted", "hash"].map(|kind| name(format!("{kind}-{what}").as_bytes()));
        let mut pipeline = redis::pipe();
        for i in 0..n {
            pipeline.cmd("RPUSH").arg(&list).arg(format!("item {}", i % 7)).ignore();
            pipeline.cmd("SADD").arg(&set).arg(format!("member {i}")).ignore();
            pipeline.cmd("SADD").arg(&ints).arg(i * 3).ignore();
            pipeline.cmd("ZADD").arg(&sorted).arg(format!("{}.25", i * 17 % 101)).arg(format!("m{i}")).ignore();
            pipeline.cmd("HSET").arg(&hash).arg(format!("field {i}")).arg("v".repeat(i % 90)).ignore();
        }
        pipeline.exec_async(c).await.expect("parts");
        if field_ttls {
            run(c, &[b"HPEXPIRE", &hash, b"7200000", b"FIELDS", b"2", b"field 1", b"field 3"]).await;
        }
    }
    let stream = name(b"stream");
    for i in 1..=300 {
        run(c, &[b"XADD", &stream, &text(format!("{i}-1")), b"f", &text(i)]).await;
    }
    run(c, &[b"XDEL", &stream, b"5-1"]).await;
    run(c, &[b"XGROUP", b"CREATE", &stream, b"g", b"0"]).await;
    run(c, &[b"XGROUP", b"CREATE", &stream, b"idle", b"$"]).await;
    run(c, &[b"XREADGROUP", b"GROUP", b"g", b"one", b"COUNT", b"20", b"STREAMS", &stream, b">"]).await;
    run(c, &[b"XREADGROUP", b"GROUP", b"g", b"two", b"COUNT", b"3", b"STREAMS", &stream, b">"]).await;
    run(c, &[b"XACK", &stream, b"g", b"1-1", b"2-1"]).await;
    run(c, &[b"XCLAIM", &stream, b"g", b"two", b"0", b"7-1"]).await;
    let counted = name(b"hyperloglog");
    run(c, &[b"PFADD", &counted, b"a", b"b", b"c"]).await;
    let bits = name(b"bits");
    run(c, &[b"SETBIT", &bits, b"70000", b"1"]).await;
    let places = name(b"geo");
    run(c, &[b"GEOADD", &places, b"13.361389", b"38.115556", b"Palermo"]).await;
    for (i, key) in keys.iter().enumerate() {
        if i % 3 != 0 {
            run(c, &[b"PEXPIRE", key, &text(3_600_000 + i * 1_001)]).await;
        }
    }
    keys
}

/// All that a server tells of a key. Its dump alone tells its order where it has one.
async fn told(c: &mut MultiplexedConnection, key: &[u8], lfu: bool) -> BTreeMap<&'static str, Value> {
    let mut all = BTreeMap::new();
    let used: &[u8] = if lfu { b"FREQ" } else { b"IDLETIME" };
    all.insert("used", run(c, &[b"OBJECT", used, key]).await);
    all.insert("expires", run(c, &[b"PEXPIRETIME", key]).await);
    let encoding = run(c, &[b"OBJECT", b"ENCODING", key]).await;
    // What is hashed has no order, and a server writes it in that of its table.
    if !format!("{encoding:?}").contains("hashtable") {
        all.insert("dump", run(c, &[b"DUMP", key]).await);
    }
    all.insert("digest", run(c, &[b"DEBUG", b"DIGEST-VALUE", key]).await);
    let kind = run(c, &[b"TYPE", key]).await;
    if kind == Value::SimpleString("stream".into()) {
        all.insert("groups", run(c, &[b"XINFO", b"GROUPS", key]).await);
        all.insert("pending", run(c, &[b"XPENDING", key, b"g", b"-", b"+", b"100"]).await);
        // How long an entry has been pending goes on.
        if let Some(Value::Array(entries)) = all.get_mut("pending") {
            for entry in entries {
                if let Value::Array(parts) = entry {
                    parts.remove(2);
                }
            }
        }
    }
    if kind == Value::SimpleString("hash".into()) {
        let fields =
            redis::cmd("HPEXPIRETIME").arg(key).arg("FIELDS").arg(2).arg("field 1").arg("field 2").query_async(c).await;
        all.insert("fields", fields.unwrap_or(Value::Nil));
    }
    all.insert("encoding", encoding);
    all.insert("type", kind);
    all
}

/// Sets how keys were used, by dumping and restoring them.
async fn use_so(c: &mut MultiplexedConnection, keys: &[Vec<u8>], lfu: bool) {
    for (i, key) in keys.iter().enumerate() {
        let dump = run(c, &[b"DUMP", key]).await;
        let Value::BulkString(dump) = dump else { panic!("a dump") };
        let Value::Int(expires) = run(c, &[b"PEXPIRETIME", key]).await else { panic!("an expiry") };
        let used: &[u8] = if lfu { b"FREQ" } else { b"IDLETIME" };
        let how = text(if lfu { 40 + i * 3 } else { 100_000 + i * 1_000 });
        run(c, &[b"RESTORE", key, &text(expires.max(0)), &dump, b"REPLACE", b"ABSTTL", used, &how]).await;
    }
}

async fn survives(server: &Redis, lfu: bool, field_ttls: bool) {
    let mut c = server.connect().await.expect("a connection");
    let keys = make(&mut c, "x", field_ttls).await;
    use_so(&mut c, &keys, lfu).await;
    let mut before = Vec::new();
    for key in &keys {
        before.push(told(&mut c, key, lfu).await);
    }
    use_so(&mut c, &keys, lfu).await;
    let place = Place::of(server);
    let taken = place.all("all:*").await;
    assert_eq!((taken.matched, taken.removed), (keys.len() as f64, keys.len() as f64), "{taken:?}");
    assert_eq!((taken.survivors, taken.recreated, taken.failed.len()), (Some(0.0), Some(0.0), 0), "{taken:?}");
    assert_eq!(run(&mut c, &[b"DBSIZE"]).await, Value::Int(0), "all are gone");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.kept, back.restored), (keys.len() as f64, keys.len() as f64), "{back:?}");
    for (key, before) in keys.iter().zip(before) {
        let mut after = told(&mut c, key, lfu).await;
        // A second may have passed.
        if let (Some(Value::Int(was)), Some(Value::Int(is))) = (before.get("used"), after.get("used"))
            && (!lfu && (-15..=15).contains(&(is - was)) || lfu && (-1..=0).contains(&(is - was)))
        {
            after.insert("used", Value::Int(*was));
        }
        for (what, right) in &before {
            assert_eq!(after.get(what), Some(right), "{what} of {}", String::from_utf8_lossy(key));
        }
    }
    let again = place.back().await.0;
    assert_eq!((again.kept, again.restored), (back.kept, back.restored), "undone twice is undone once: {again:?}");
}

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

#[tokio::test(flavor = "multi_thread")]
async fn every_type_survives_with_its_times_and_counters() {
    let server = Redis::start_with(&DEBUG).await.expect("Redis");
    survives(&server, false, false).await;
    let lfu =
        [&DEBUG[..], &["--maxmemory", "500mb", "--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "0"]].concat();
    survives(&Redis::start_with(&lfu).await.expect("Redis"), true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_survives_on_valkey_with_the_expiry_of_fields() {
    let server = Redis::start_valkey(&DEBUG).await.expect("Valkey");
    survives(&server, false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_cluster_are_taken_one_by_one_where_they_are() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let client = redis::cluster::ClusterClient::new(cluster.urls()).expect("a client");
    let mut c = client.get_async_connection().await.expect("a connection");
    for i in 0..2_000 {
        let key = if i % 2 == 0 { format!("all:{i}") } else { format!("all:{{tag{}}}:{i}", i % 5) };
        let mut set = redis::cmd("SET");
        set.arg(key).arg(i).arg("PX").arg(9_000_000 + i);
        set.exec_async(&mut c).await.expect("a key");
    }
    let place = Place::cluster(&cluster);
    let taken = place.all("all:*").await;
    assert_eq!((taken.removed, taken.survivors, taken.failed.len()), (2_000.0, Some(0.0), 0), "{taken:?}");
    for node in cluster.nodes() {
        assert_eq!(node.execute(&["DBSIZE"]).await.expect("a size"), Value::Int(0), "all are gone");
    }
    // A slot goes to another server after it was looked who owns what: its keys are sent there, one by one.
    let (waits, asked) = (AtomicBool::new(true), AtomicBool::new(false));
    let paused = || {
        asked.store(true, Ordering::SeqCst);
        waits.load(Ordering::SeqCst)
    };
    let moving = async {
        eventually(Duration::from_secs(10), async || asked.load(Ordering::SeqCst)).await;
        moved(&cluster, "tag1").await;
        waits.store(false, Ordering::SeqCst);
    };
    let watch = Watch { stop: &|| false, paused: &paused, progress: &|_, _| {} };
    let ((back, _, done), ()) = tokio::join!(restore(&place.target, None, &place.snapshot, watch, &|_| {}), moving);
    done.expect("restored");
    assert_eq!((back.restored, back.failed.len()), (2_000.0, 0), "{back:?}");
    for i in (0..2_000).step_by(37) {
        let key = if i % 2 == 0 { format!("all:{i}") } else { format!("all:{{tag{}}}:{i}", i % 5) };
        let value: i64 = redis::cmd("GET").arg(&key).query_async(&mut c).await.expect("there");
        assert_eq!(value, i, "{key}");
    }
}

/// Gives the slot of a key, which is empty, to a server that has it not.
async fn moved(cluster: &RedisCluster, key: &str) {
    let first = &cluster.nodes()[0];
    let Value::Int(slot) = first.execute(&["CLUSTER", "KEYSLOT", key]).await.expect("a slot") else { panic!("a slot") };
    let mut to = String::new();
    for node in cluster.nodes() {
        // Whoever has it not says who has.
        if node.execute(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await.is_ok()
            && node.execute(&["GET", &format!("{{{key}}}")]).await.is_err()
        {
            let Value::BulkString(id) = node.execute(&["CLUSTER", "MYID"]).await.expect("an id") else {
                panic!("an id")
            };
            to = String::from_utf8(id).expect("text");
        }
    }
    for node in cluster.nodes() {
        node.execute(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &to]).await.expect("moved");
    }
}
