//! Nothing of ours keeps a server from serving others for more than 5 ms, whatever is in it: by the server's own truth, its slow log and its
//! latency monitor.
use std::collections::BTreeSet;
use std::time::Duration;

use perfdeck_cache::take::survey;
use perfdeck_cache::values::{as_unknown, escaped, key, keys, value};
use perfdeck_cache::{CacheReader, MapRun, MapWanted};
use perfdeck_model::{CacheBytes, KeySearch, MapDetail, MapState, SystemClock};
use perfdeck_testkit::Redis;
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::map::{cmd, patient};
use crate::take::{Place, pattern_of};
use crate::target;

/// Bytes of the large string. The bench has one of 512 MB; what is asked of one does not depend on its length.
const LARGE: &str = "134217727";
/// Times that everything is done. A machine that others use holds a server up by itself now and then; what blocks it does so each time.
const ROUNDS: usize = 4;

/// Names of what is looked at one by one.
fn odd() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = ["huge", "large", "edge", "edgehash", "list", "set", "zset", "stream", ""]
        .iter()
        .map(|n| n.as_bytes().to_vec())
        .collect();
    all.extend([b"\xff\xfe:\x00\r\n".to_vec(), b"g*[a-z]?:1".to_vec(), vec![b'n'; 4_096]]);
    all
}

/// A hash of a million fields, a string of 128 MB, names of 4 kB, of no bytes and of any, and values just small enough for a snapshot.
async fn fill(c: &mut MultiplexedConnection) {
    let fill = "for i = 1, 1000000 do redis.call('HSET', 'huge', 'field:' .. i, 'v') end \
                for i = 1, 20000 do redis.call('RPUSH', 'list', 'element ' .. i) redis.call('SADD', 'set', 'member ' .. i) \
                redis.call('ZADD', 'zset', i, 'member ' .. i) redis.call('XADD', 'stream', i .. '-1', 'f', 'v') end \
                for i = 1, 500 do redis.call('SET', string.rep('n', 4090) .. i, 'v') end \
                for i = 1, 20000 do redis.call('SET', 'small:' .. i, 'value ' .. i) end";
    cmd(&[b"EVAL", fill.as_bytes(), b"0"]).exec_async(c).await.expect("filled");
    cmd(&[b"SETRANGE", b"large", LARGE.as_bytes(), b"x"]).exec_async(c).await.expect("a large string");
    // What does not compress takes a snapshot longest.
    let noise = |n: usize| (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect::<Vec<u8>>();
    cmd(&[b"SET", b"edge", &noise(1_000_000)]).exec_async(c).await.expect("a string");
    let noise = noise(100);
    let mut hash = redis::cmd("HSET");
    hash.arg("edgehash");
    for i in 0..3_000 {
        hash.arg(format!("f{i}")).arg(&noise);
    }
    hash.exec_async(c).await.expect("a hash");
    for name in [&b""[..], b"\xff\xfe:\x00\r\n", b"g*[a-z]?:1", &[b'n'; 4_096]] {
        cmd(&[b"SET", name, b"v"]).exec_async(c).await.expect("a key");
    }
}

async fn mapped(url: &str, detail: MapDetail) {
    let (target, password) = target(url);
    let run = MapRun::new(MapWanted { detail, seed: 7, ..MapWanted::default() }, "m".into(), 0.0);
    run.scan(&target, password.as_ref()).await.expect("it is read");
    let map = run.map();
    assert!(map.state == MapState::Finished && map.keys_read >= 20_000.0, "{map:?}");
}

/// Everything that Perfdeck does to look, and an invalidation with its undo.
async fn everything(server: &Redis) {
    let url = server.url();
    let (at, _) = target(&url);
    // With a pace it is the same commands, and a probe.
    mapped(&url, MapDetail::Exact).await;
    mapped(&url, MapDetail::Sampled).await;
    let mut next = None;
    loop {
        let page = keys(&at, None, &KeySearch::default(), next.as_deref()).await.expect("a page");
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    for name in odd() {
        let search = KeySearch { pattern: Some(CacheBytes::new(&escaped(&name))), ..KeySearch::default() };
        drop(keys(&at, None, &search, None).await.expect("found"));
        let found = key(&at, None, &name).await.expect("the key");
        assert!(found.bytes.is_some(), "{found:?}");
        drop(value(&at, None, &name, None, None).await.expect("its first page"));
        drop(value(&at, None, &name, None, Some(1 << 20)).await.expect("the most that may be asked for"));
        drop(as_unknown(&at, None, &name).await);
    }
    let mut reader = CacheReader::new(at.clone(), None);
    reader.look(&SystemClock).await.expect("a look");
    reader.health(&SystemClock).await;

    let place = Place::of(server);
    let (found, _) = survey(&place.target, None, &pattern_of("*"), Duration::from_secs(20)).await.expect("looked at");
    assert!(found.oversized >= 2, "the hash and the large string are too large for a snapshot: {found:?}");
    let taken = place.all("*").await;
    assert!(taken.removed > 20_000.0 && taken.oversized_left == f64::from(found.oversized), "{taken:?}");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!(back.restored, taken.removed, "{back:?}");
}

/// What of ours took longer than 5 ms, by the slow log; and whether the latency monitor saw any command that did.
async fn slow(c: &mut MultiplexedConnection) -> BTreeSet<String> {
    let log: Vec<Vec<Value>> = cmd(&[b"SLOWLOG", b"GET", b"1000"]).query_async(c).await.expect("a slow log");
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let mut all = BTreeSet::new();
    for entry in &log {
        let (Value::Array(words), name) = (&entry[3], text(&entry[5])) else { panic!("a command: {entry:?}") };
        if !name.starts_with("perfdeck") {
            continue;
        }
        // By command and key: what is slow for one key is not for another.
        all.insert(
            words.iter().take(4).map(|w| text(w).chars().take(40).collect::<String>()).collect::<Vec<_>>().join(" "),
        );
    }
    let latest: Vec<Vec<Value>> = cmd(&[b"LATENCY", b"LATEST"]).query_async(c).await.expect("latencies");
    for event in latest {
        // The monitor names no clients: what it saw has to be in the log.
        let name = text(&event[0]);
        if name.contains("command") && log.is_empty() {
            all.insert(format!("latency of {name}"));
        }
    }
    all
}

async fn nothing_blocks(server: Redis) {
    let mut c = patient(&server).await;
    fill(&mut c).await;
    let mut each_time: Option<BTreeSet<String>> = None;
    for _ in 0..ROUNDS {
        for reset in [[&b"SLOWLOG"[..], b"RESET"], [b"LATENCY", b"RESET"]] {
            cmd(&reset).exec_async(&mut c).await.expect("reset");
        }
        everything(&server).await;
        let now = slow(&mut c).await;
        let still = each_time.map_or(now.clone(), |before| &before & &now);
        if still.is_empty() {
            return;
        }
        each_time = Some(still);
    }
    panic!("these took longer than 5 ms in each of {ROUNDS} rounds: {each_time:#?}");
}

const WATCHED: &[&str] =
    &["--slowlog-log-slower-than", "5000", "--slowlog-max-len", "1000", "--latency-monitor-threshold", "5"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_ours_blocks_a_server_for_more_than_five_milliseconds() {
    nothing_blocks(Redis::start_with(WATCHED).await.expect("Redis")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_a_valkey() {
    nothing_blocks(Redis::start_valkey(WATCHED).await.expect("Valkey")).await;
}
