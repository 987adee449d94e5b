//! How quick taking keys out of a cache is, and putting them back: `cargo xtask bench cache-take`.
//!
//! 100,000 keys of strings, hashes, lists, sets and sorted sets with and without expiry, on a private Redis on loopback, beside a probe that
//! sends PING as others would.
#![allow(clippy::print_stdout, reason = "it prints its figures")]
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use perfdeck_cache::take::{FileKey, Meant, Order, Snapshot, Watch, restore, take};
use perfdeck_model::{Address, CacheBytes, CacheTarget, InvalidationOf, TakenKeys};
use perfdeck_testkit::Redis;
use redis::Value;

const KEYS: usize = 100_000;
const RUNS: usize = 3;

async fn fill(server: &Redis) {
    let mut c = server.connect().await.expect("a connection");
    for some in (0..KEYS).collect::<Vec<_>>().chunks(5_000) {
        let mut pipeline = redis::pipe();
        for i in some {
            let key = format!("k:{i}");
            match i % 8 {
                0 => pipeline
                    .cmd("HSET")
                    .arg(&key)
                    .arg("name")
                    .arg(format!("n{i}"))
                    .arg("mail")
                    .arg(format!("m{i}@example.org")),
                1 => pipeline.cmd("RPUSH").arg(&key).arg("a").arg(i).arg("c"),
                2 => pipeline.cmd("SADD").arg(&key).arg("a").arg(format!("b{i}")),
                3 => pipeline.cmd("ZADD").arg(&key).arg(i).arg("a").arg("2.5").arg("b"),
                _ => pipeline.cmd("SET").arg(&key).arg(format!("{{\"id\":{i},\"text\":\"{}\"}}", "x".repeat(i % 400))),
            };
            if i % 3 != 0 {
                pipeline.cmd("PEXPIRE").arg(&key).arg(3_600_000 + i);
            }
        }
        pipeline.exec_async(&mut c).await.expect("keys");
    }
}

async fn all(server: &Redis) -> BTreeMap<usize, (Value, Value)> {
    let mut c = server.connect().await.expect("a connection");
    let mut all = BTreeMap::new();
    for some in (0..KEYS).collect::<Vec<_>>().chunks(5_000) {
        let mut pipeline = redis::pipe();
        for i in some {
            let key = format!("k:{i}");
            // What is hashed has no order: its digest has none either.
            pipeline.cmd("DEBUG").arg("DIGEST-VALUE").arg(&key).cmd("PEXPIRETIME").arg(&key);
        }
        let found: Vec<Value> = pipeline.query_async(&mut c).await.expect("values");
        for (i, two) in some.iter().zip(found.chunks(2)) {
            all.insert(*i, (two[0].clone(), two[1].clone()));
        }
    }
    all
}

/// Times of PING beside what runs, in milliseconds, sorted.
fn probe(server: &Redis, end: Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<f64>> {
    let url = server.url();
    tokio::spawn(async move {
        let mut c =
            redis::Client::open(url).expect("a client").get_multiplexed_async_connection().await.expect("a connection");
        let mut times = Vec::new();
        while !end.load(Ordering::SeqCst) {
            let began = Instant::now();
            redis::cmd("PING").exec_async(&mut c).await.expect("an answer");
            times.push(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.sort_by(f64::total_cmp);
        times
    })
}

fn p99(times: &[f64]) -> f64 {
    times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

#[tokio::main]
async fn main() {
    let server = Redis::start_with(&["--enable-debug-command", "yes"]).await.expect("Redis");
    fill(&server).await;
    let before = all(&server).await;
    let (address, _) = Address::parse(&server.url()).expect("an address");
    let target = CacheTarget::of(address);
    let meant = Meant::of(&InvalidationOf::Pattern(CacheBytes::new(b"k:*"))).expect("a pattern");
    let folder = std::env::temp_dir();
    let end = Arc::new(AtomicBool::new(false));
    let pings = probe(&server, end.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    end.store(true, Ordering::SeqCst);
    let alone = p99(&pings.await.expect("it ended"));
    println!(
        "{KEYS} keys of five types, {RUNS} runs each; PING every millisecond: p99 {alone:.2} ms with nothing beside it"
    );
    for (paced, what) in [(false, "as fast as answers come"), (true, "at the pace")] {
        for run in 1..=RUNS {
            let path = folder.join(format!("perfdeck-bench-{}-{run}-{paced}.keys", std::process::id()));
            let snapshot = Snapshot { path, key: FileKey::random(), cap: 2 << 30 };
            let end = Arc::new(AtomicBool::new(false));
            let pings = probe(&server, end.clone());
            let order = Order {
                target: &target,
                password: None,
                meant: &meant,
                snapshot: Some(&snapshot),
                soft: None,
                oversized: false,
                limit: None,
                paced,
                before: TakenKeys::default(),
            };
            let (taken, done) = take(order, Watch { stop: &|| false, paused: &|| false, progress: &|_, _| {} }).await;
            done.expect("taken");
            end.store(true, Ordering::SeqCst);
            let taking = pings.await.expect("it ended");
            let end = Arc::new(AtomicBool::new(false));
            let pings = probe(&server, end.clone());
            let watch = Watch { stop: &|| false, paused: &|| false, progress: &|_, _| {} };
            let (back, _, done) = restore(&target, None, &snapshot, watch, &|_| {}).await;
            done.expect("restored");
            end.store(true, Ordering::SeqCst);
            let restoring = pings.await.expect("it ended");
            let length = std::fs::metadata(&snapshot.path).map_or(0, |m| m.len());
            std::fs::remove_file(&snapshot.path).expect("removed");
            let equal = all(&server).await == before;
            println!(
                "{what}: removed {} in {:.2} s (PING p99 {:.2} ms), restored {} in {:.2} s (PING p99 {:.2} ms), snapshot {:.1} MB, values and expiries {}",
                taken.removed,
                taken.seconds,
                p99(&taking),
                back.restored,
                back.seconds,
                p99(&restoring),
                length as f64 / 1e6,
                if equal { "equal" } else { "DIFFER" },
            );
            assert!(equal && taken.removed == KEYS as f64, "{taken:?} {back:?}");
        }
    }
}
