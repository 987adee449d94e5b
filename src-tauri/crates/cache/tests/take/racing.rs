//! Others write while keys are taken and put back: nothing that they wrote is lost.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_testkit::Redis;
use redis::Value;

use super::{Place, fill, pattern_of};

/// Writes new values to random keys, one after the other, until it is told to end; answers the last one of each key.
fn writer(
    server: &Redis,
    prefix: &'static str,
    keys: usize,
    end: Arc<AtomicBool>,
    seed: usize,
) -> tokio::task::JoinHandle<HashMap<String, String>> {
    let url = server.url();
    tokio::spawn(async move {
        let client = redis::Client::open(url).expect("a client");
        let mut c = client.get_multiplexed_async_connection().await.expect("a connection");
        let mut last = HashMap::new();
        let mut n = seed;
        while !end.load(Ordering::SeqCst) {
            n += 1;
            let key = format!("{prefix}{}", (n * 7_919 + seed) % keys);
            let value = format!("written {seed} {n}");
            redis::cmd("SET").arg(&key).arg(&value).exec_async(&mut c).await.expect("written");
            last.insert(key, value);
        }
        last
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_while_keys_are_taken_and_put_back() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 20_000, None).await;
    let place = Place::of(&server);
    let end = Arc::new(AtomicBool::new(false));
    let writing = writer(&server, "k:", 20_000, end.clone(), 1);
    let taken = place.all("k:*").await;
    end.store(true, Ordering::SeqCst);
    let written = writing.await.expect("it ended");
    assert!(written.len() > 100, "it wrote meanwhile: {}", written.len());
    assert!(taken.removed > 15_000.0 && taken.recreated.is_some_and(|n| n > 0.0), "{taken:?}");
    // Undone beside another one that writes.
    let end = Arc::new(AtomicBool::new(false));
    let writing = writer(&server, "k:", 20_000, end.clone(), 2);
    let (back, names, done) = place.back().await;
    done.expect("restored");
    end.store(true, Ordering::SeqCst);
    let later = writing.await.expect("it ended");
    assert!(back.recreated > 0.0 && names.len() == 50.min(back.recreated as usize), "they are told: {back:?}");
    assert_eq!(back.kept, back.restored + back.recreated + back.there, "each is accounted for: {back:?}");
    // Every value that somebody wrote last is there, whether it was taken and restored, or left.
    let mut c = server.connect().await.expect("a connection");
    for i in 0..20_000 {
        let key = format!("k:{i}");
        let value: Option<String> = redis::cmd("GET").arg(&key).query_async(&mut c).await.expect("asked");
        let original = format!("value {i} {}", "x".repeat(i % 200));
        let right = later.get(&key).or(written.get(&key)).unwrap_or(&original);
        assert_eq!(value.as_ref(), Some(right), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_is_prolonged_meanwhile_is_not_taken_back() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "s:", 5_000, Some(1_000_000)).await;
    let place = Place::of(&server);
    let end = Arc::new(AtomicBool::new(false));
    let ends = end.clone();
    let url = server.url();
    // Each use of a session makes it live longer.
    let sliding = tokio::spawn(async move {
        let client = redis::Client::open(url).expect("a client");
        let mut c = client.get_multiplexed_async_connection().await.expect("a connection");
        let mut prolonged = HashMap::new();
        let mut n: usize = 0;
        while !ends.load(Ordering::SeqCst) {
            n += 1;
            let (key, at) = (format!("s:{}", n * 31 % 5_000), 4_000_000_000_000 + n as i64);
            let did: i64 = redis::cmd("PEXPIREAT").arg(&key).arg(at).query_async(&mut c).await.expect("asked");
            if did == 1 {
                prolonged.insert(key, at);
            }
        }
        prolonged
    });
    let taken = place.all("s:*").await;
    end.store(true, Ordering::SeqCst);
    let prolonged = sliding.await.expect("it ended");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!(back.restored, taken.removed, "{taken:?} {back:?}");
    for (key, at) in prolonged {
        let is = server.execute(&["PEXPIRETIME", &key]).await.expect("asked");
        assert_eq!(is, Value::Int(at), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_keys_expire_within_the_time_and_get_their_own_back() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "f:", 2_000, Some(5_000_000)).await;
    fill(&server, "forever:", 500, None).await;
    server.execute(&["SET", "f:soon", "v", "PX", "900"]).await.expect("one that expires sooner");
    let before = server.execute(&["PEXPIRETIME", "f:7"]).await.expect("asked");
    let place = Place::of(&server);
    let meant = pattern_of("f*:*");
    let mut order = place.order(&meant);
    order.soft = Some(Duration::from_secs(600));
    let (taken, done) = place.take(order).await;
    done.expect("taken");
    assert_eq!((taken.removed, taken.sooner), (2_500.0, 1.0), "{taken:?}");
    for key in ["f:7", "forever:3"] {
        let Value::Int(left) = server.execute(&["PTTL", key]).await.expect("asked") else { panic!("a time") };
        assert!((1..=600_000).contains(&left), "{key}: {left}");
    }
    // One is written anew, one expires, one is removed by somebody and one is prolonged.
    server.execute(&["SET", "f:1", "new"]).await.expect("written");
    server.execute(&["PEXPIRE", "f:2", "5000000"]).await.expect("prolonged");
    server.execute(&["DEL", "f:3"]).await.expect("removed");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.restored, back.recreated), (2_498.0, 2.0), "{back:?}");
    assert_eq!(server.execute(&["PEXPIRETIME", "f:7"]).await.expect("asked"), before, "to the millisecond");
    assert_eq!(server.execute(&["PTTL", "forever:3"]).await.expect("asked"), Value::Int(-1), "never again");
    assert_eq!(server.execute(&["PTTL", "f:1"]).await.expect("asked"), Value::Int(-1), "as it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_meanwhile_is_told_and_not_restored() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "e:", 100, Some(1_500)).await;
    fill(&server, "l:", 100, None).await;
    let place = Place::of(&server);
    let taken = place.all("*:*").await;
    let end = std::time::Instant::now() + Duration::from_millis(1_700);
    perfdeck_testkit::eventually(Duration::from_secs(5), async || std::time::Instant::now() > end).await;
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((taken.removed, back.restored, back.expired), (200.0, 100.0, 100.0), "{taken:?} {back:?}");
}
