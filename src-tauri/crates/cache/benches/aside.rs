//! What the cache-aside library costs: a hit in the first level, a hit in the store, a thousand misses at once. `cargo xtask bench cache-aside`.
#![allow(clippy::print_stdout, reason = "it prints its figures")]
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use perfdeck_cache::MemoryCache;
use perfdeck_cache::aside::{Aside, Namespace, Store, Tag};
use perfdeck_model::{Address, CacheTarget};
use perfdeck_testkit::Redis;

/// Repetitions of each measurement.
const RUNS: usize = 7;
/// Hits of one repetition.
const HITS: u64 = 2_000_000;
/// Keys that are hit in turn.
const KEYS: u64 = 1_000;

type Numbers = Namespace<u64, String, String>;

fn line(name: &str, unit: &str, mut values: Vec<f64>, budget: Option<f64>) {
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    let verdict = budget.map_or_else(String::new, |most| {
        format!("  at most {most:.1} {unit}: {}", if median <= most { "held" } else { "MISSED" })
    });
    let (low, high) = (values[0], values[values.len() - 1]);
    println!("{name:<58} median {median:>9.2} {unit}  ({low:.2} to {high:.2}, n = {}){verdict}", values.len());
}

async fn redis(server: &Redis) -> Aside {
    let (address, password) = Address::parse(&server.url()).expect("a URL");
    let target = CacheTarget { default_ttl_s: 600.0, ..CacheTarget::of(address) };
    Aside::builder("bench", Store::Redis { target, password }).build().await.expect("a cache")
}

async fn value(space: &Numbers, key: u64) -> Arc<String> {
    let load = move || async move { Ok(Some(format!("the value of {key}"))) };
    space.get(&key, load).await.expect("an answer").expect("a value")
}

async fn hits(name: &str, space: &Numbers) {
    // The server's messages about the fills themselves are over before anything is measured.
    let warm = async || {
        for key in 0..KEYS {
            value(space, key).await;
        }
    };
    let mut all = Vec::new();
    for _ in 0..RUNS {
        let until = Instant::now() + Duration::from_secs(20);
        while (0..KEYS).any(|key| space.kept(&key).is_none()) {
            assert!(Instant::now() < until, "the first level fills up");
            warm().await;
        }
        let (before, began) = (space.figures().l1_hits, Instant::now());
        for n in 0..HITS {
            black_box(value(space, n % KEYS).await);
        }
        let (took, seen) = (began.elapsed(), space.figures().l1_hits - before);
        // The few that end after 5 s are read again, and are in the time.
        assert!(seen >= HITS * 999 / 1_000, "these were hits: {seen}");
        all.push(took.as_nanos() as f64 / HITS as f64);
    }
    line(name, "ns", all, Some(200.0));
}

async fn store_hits(name: &str, space: &Numbers) {
    let mut all = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        for n in 0..5_000 {
            black_box(value(space, n % KEYS).await);
        }
        all.push(began.elapsed().as_micros() as f64 / 5_000.0);
    }
    line(name, "µs", all, None);
}

async fn misses(name: &str, spaces: &[Numbers]) {
    let (mut times, mut loads) = (Vec::new(), Vec::new());
    for run in 0..RUNS as u64 {
        let (count, key, began) = (Arc::new(AtomicU64::new(0)), 1_000_000 + run, Instant::now());
        let callers: Vec<_> = (0..1_000)
            .map(|n| {
                let (count, space) = (count.clone(), spaces[n % spaces.len()].clone());
                tokio::spawn(async move {
                    let load = move || async move {
                        count.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Ok(Some("v".to_owned()))
                    };
                    space.get(&key, load).await.expect("an answer")
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("answered");
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
        loads.push(count.load(Ordering::SeqCst) as f64);
    }
    line(&format!("{name}: loads"), "", loads, Some(1.0));
    line(&format!("{name}: time, a load takes 20 ms"), "ms", times, None);
}

fn space(aside: &Aside, name: &str, first: u64, tagged: bool) -> Numbers {
    let made = aside.namespace(name).first_level(first).jitter(0.0);
    let made = if tagged { made.tags(|key: &u64| vec![Tag::named("all"), Tag::user(key)]) } else { made };
    made.build().expect("a namespace")
}

#[tokio::main]
async fn main() {
    let server = Redis::start().await.expect("Redis");
    let (one, two) = (redis(&server).await, redis(&server).await);
    let memory = Store::Memory(MemoryCache::new(256 << 20));
    let memory = Aside::builder("bench", memory).build().await.expect("a cache");
    hits("hit in the first level", &space(&one, "plain", 64 << 20, false)).await;
    hits("hit in the first level, two tags", &space(&one, "tagged", 64 << 20, true)).await;
    store_hits("hit in Redis on loopback", &space(&one, "store", 0, false)).await;
    store_hits("hit in Redis on loopback, two tags", &space(&one, "store-tagged", 0, true)).await;
    store_hits("hit in the cache in process", &space(&memory, "store", 0, false)).await;
    misses("1,000 misses at once, in process", &[space(&memory, "misses", 0, false)]).await;
    misses("1,000 misses at once, Redis", &[space(&one, "misses", 0, true)]).await;
    let both = [space(&one, "both", 0, true), space(&two, "both", 0, true)];
    misses("1,000 misses at once, two processes on Redis", &both).await;
}
