//! The cache-aside library on real servers, and on the cache in this process.
mod answers;
#[path = "../../examples/aside.rs"]
mod example;
mod faults;
mod races;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_cache::MemoryCache;
use perfdeck_cache::aside::{Answer, Aside, Namespace, Store, Tag};
use perfdeck_model::{Address, CacheTarget};
use perfdeck_testkit::eventually;

/// A namespace of these tests: numbers by number, whose source fails with words.
type Numbers = Namespace<u64, u64, String>;

fn store(url: &str) -> Store {
    let (address, password) = Address::parse(url).expect("a URL");
    let target = CacheTarget { default_ttl_s: 90.0, ..CacheTarget::of(address) };
    Store::Redis { target, password }
}

/// A cache whose store may take its time: what is tested is not how busy the machine is.
async fn aside(url: &str) -> Aside {
    Aside::builder("app", store(url)).answer(Duration::from_secs(5)).build().await.expect("a cache")
}

/// Waits until a cache has heard of all that was changed. It is told of changes unless somebody sees to it that it is not.
async fn settled(cache: &Aside) {
    eventually(Duration::from_secs(20), async || cache.settled().await).await;
}

fn embedded() -> Store {
    Store::Memory(MemoryCache::new(64 << 20))
}

/// Tags of a number: one of ten groups, and a user of its own.
fn tags(key: &u64) -> Vec<Tag> {
    vec![Tag::named(format!("group-{}", key % 10)), Tag::user(key)]
}

fn numbers(aside: &Aside) -> Numbers {
    let made = aside.namespace("numbers").ttl(Duration::from_secs(60)).first_level(1 << 20).tags(tags).build();
    made.expect("a namespace")
}

/// A source that counts how often it is asked.
#[derive(Clone, Default)]
struct Source(Arc<AtomicU64>);

impl Source {
    fn loads(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A value, loaded.
    async fn get(&self, from: &Numbers, key: u64, value: u64) -> Answer<u64, String> {
        let count = self.0.clone();
        from.get(&key, move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Some(value))
        })
        .await
    }
}

fn value(answer: Answer<u64, String>) -> u64 {
    *answer.expect("an answer").expect("a value")
}

/// Waits until a value is served by the first level. Messages about the fill itself may take it away once more.
async fn warm(from: &Numbers, key: u64, value_: u64) {
    eventually(Duration::from_secs(10), async || {
        assert_eq!(value(Source::default().get(from, key, value_).await), value_, "whatever it is served from");
        from.kept(&key).is_some()
    })
    .await;
}

#[test]
fn the_documented_example_runs_and_is_the_one_that_is_documented() {
    example::main().expect("it runs");
    let read = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path);
    let (docs, code) = (read("../../../docs/cache-aside.md"), read("examples/aside.rs"));
    let shown = docs.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    assert!(shown.lines().count() > 15, "the whole of it: {shown}");
    for line in shown.lines() {
        assert!(lines.contains(&line.trim()), "in the documentation only: {line}");
    }
}
