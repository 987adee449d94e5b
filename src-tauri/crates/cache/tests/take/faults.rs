//! What goes wrong while keys are taken or put back: nothing is lost, and it is said what happened.
use std::sync::atomic::Ordering;
use std::time::Duration;

use perfdeck_cache::take::{Order, Snapshot, Watch, restore, survey, take};
use perfdeck_model::{CacheMode, ErrorCode};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel, eventually};
use redis::Value;

use super::{Place, fill, pattern_of};

async fn size(server: &Redis) -> i64 {
    match server.execute(&["DBSIZE"]).await.expect("a size") {
        Value::Int(n) => n,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_reaches_its_cap_ends_it_and_nothing_is_lost() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 20_000, None).await;
    let mut place = Place::of(&server);
    place.snapshot.cap = 200_000;
    let meant = pattern_of("k:*");
    let (taken, done) = place.take(place.order(&meant)).await;
    let error = done.expect_err("it is full");
    assert_eq!(error.code, ErrorCode::Storage, "{error}");
    assert!(taken.removed > 0.0 && taken.removed < 20_000.0, "{taken:?}");
    assert_eq!(size(&server).await as f64, 20_000.0 - taken.removed, "what is not in it is there");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.restored, size(&server).await), (taken.removed, 20_000), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_ends_it_and_nothing_is_lost() {
    // A device that takes nothing.
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 1_000, None).await;
    let place = Place::of(&server);
    let snapshot = Snapshot { path: full.to_owned(), ..place.snapshot.clone() };
    let meant = pattern_of("k:*");
    let mut order = place.order(&meant);
    order.snapshot = Some(&snapshot);
    let (taken, done) = place.take(order).await;
    let error = done.expect_err("it is full");
    assert!(error.code == ErrorCode::Storage && error.message.contains("no room left"), "{error}");
    assert_eq!((taken.removed, size(&server).await), (0.0, 1_000), "nothing was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_between_two_batches_and_goes_on_where_it_was() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 20_000, None).await;
    let place = Place::of(&server);
    let meant = pattern_of("k:*");
    let stop = &place.stop;
    let watch = Watch {
        stop: &|| stop.load(Ordering::SeqCst),
        paused: &|| false,
        progress: &|taken, _| stop.store(taken.removed > 5_000.0, Ordering::SeqCst),
    };
    let (taken, done) = take(place.order(&meant), watch).await;
    assert_eq!(done.expect_err("stopped").code, ErrorCode::Cancelled);
    assert!((5_000.0..20_000.0).contains(&taken.removed), "{taken:?}");
    stop.store(false, Ordering::SeqCst);
    let mut order = place.order(&meant);
    order.before = taken;
    let (taken, done) = place.take(order).await;
    done.expect("to its end");
    assert_eq!((taken.removed, size(&server).await), (20_000.0, 0), "{taken:?}");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.restored, size(&server).await), (20_000.0, 20_000), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_predicted_ends_it() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 5_000, None).await;
    let place = Place::of(&server);
    let meant = pattern_of("k:*");
    let mut order = place.order(&meant);
    order.limit = Some(2_000);
    let (taken, done) = place.take(order).await;
    assert_eq!(done.expect_err("too many").code, ErrorCode::Conflict);
    assert!(taken.removed <= 2_000.0, "{taken:?}");
    assert_eq!(place.back().await.0.restored, taken.removed, "what went comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_keys_are_left_unless_it_was_agreed() {
    let server = Redis::start().await.expect("Redis");
    let value = "x".repeat(1_300_000);
    for key in ["big:1", "big:2"] {
        server.execute(&["SET", key, &value]).await.expect("a large one");
    }
    let mut c = server.connect().await.expect("a connection");
    let mut pipeline = redis::pipe();
    for i in 0..20_000 {
        pipeline.cmd("HSET").arg("big:hash").arg(format!("field {i}")).arg("value").ignore();
    }
    pipeline.exec_async(&mut c).await.expect("a hash of many parts");
    fill(&server, "big:small:", 10, None).await;
    let place = Place::of(&server);
    let (found, _) =
        survey(&place.target, None, &pattern_of("big:*"), Duration::from_secs(9)).await.expect("looked at");
    assert_eq!(found.oversized, 3, "they are told before: {found:?}");
    let taken = place.all("big:*").await;
    assert_eq!((taken.removed, taken.oversized_left, taken.survivors), (10.0, 3.0, Some(3.0)), "{taken:?}");
    let meant = pattern_of("big:*");
    let mut order = place.order(&meant);
    order.oversized = true;
    let (taken, done) = place.take(order).await;
    done.expect("taken");
    assert_eq!((taken.removed, taken.oversized_removed, size(&server).await), (3.0, 3.0, 0), "{taken:?}");
    assert_eq!(place.back().await.0.restored, 10.0, "the small ones come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_and_nothing_is_removed() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 500, None).await;
    server.execute(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-eval", "-evalsha"]).await.expect("a user");
    let url = server.url().replace("redis://", "redis://ann:pw@");
    let place = Place::new(&url, CacheMode::Single);
    let meant = pattern_of("k:*");
    let (taken, done) = place.take(place.order(&meant)).await;
    let error = done.expect_err("refused");
    let hint = error.hint.clone().unwrap_or_default();
    assert!(
        error.code == ErrorCode::Privilege && hint.contains("ACL SETUSER ann") && hint.contains("+evalsha"),
        "{error}: {hint}"
    );
    assert_eq!((taken.removed, size(&server).await), (0.0, 500), "{taken:?}");
    // The same of what the scripts do.
    server.execute(&["ACL", "SETUSER", "ann", "+eval", "+evalsha", "-unlink"]).await.expect("a right");
    let (taken, done) = place.take(place.order(&meant)).await;
    assert_eq!((done.expect_err("refused").code, taken.removed), (ErrorCode::Privilege, 0.0), "{taken:?}");
    assert_eq!(size(&server).await, 500, "nothing was removed");
    server.execute(&["ACL", "SETUSER", "ann", "+unlink"]).await.expect("a right");
    assert_eq!(place.all("k:*").await.removed, 500.0, "with it it works");
    // A right that is missing where it is undone: everything is kept until it is there.
    server.execute(&["ACL", "SETUSER", "ann", "-restore"]).await.expect("a right less");
    let (back, _, done) = place.back().await;
    assert_eq!((done.expect_err("refused").code, back.restored), (ErrorCode::Privilege, 0.0), "{back:?}");
    server.execute(&["ACL", "SETUSER", "ann", "+restore"]).await.expect("a right");
    assert_eq!(place.back().await.0.restored, 500.0, "nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_refuses_and_it_goes_on_once_there_is_some() {
    let server = Redis::start_with(&["--maxmemory-policy", "noeviction"]).await.expect("Redis");
    fill(&server, "k:", 5_000, None).await;
    let place = Place::of(&server);
    place.all("k:*").await;
    server.execute(&["CONFIG", "SET", "maxmemory", "1"]).await.expect("no memory");
    let (back, _, done) = place.back().await;
    let error = done.expect_err("refused");
    assert!(error.message.contains("out of memory") && back.restored == 0.0, "{error} {back:?}");
    server.execute(&["CONFIG", "SET", "maxmemory", "0"]).await.expect("memory");
    let (back, _, done) = place.back().await;
    done.expect("restored");
    assert_eq!((back.restored, size(&server).await), (5_000.0, 5_000), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_is_waited_for() {
    let server = Redis::start_with(&["--busy-reply-threshold", "50"]).await.expect("Redis");
    fill(&server, "k:", 20_000, None).await;
    let place = Place::of(&server);
    let mut c = server.connect().await.expect("a connection");
    // Somebody's script keeps the server for a second.
    let busy = tokio::spawn(async move {
        let script = "local t=redis.call('TIME') local e=t[1]*1e6+t[2]+1000000 \
                      repeat t=redis.call('TIME') until t[1]*1e6+t[2]>e return 1";
        redis::cmd("EVAL").arg(script).arg(0).query_async::<Value>(&mut c).await.ok()
    });
    let taken = place.all("k:*").await;
    busy.await.expect("it ended");
    assert_eq!((taken.removed, size(&server).await), (20_000.0, 0), "{taken:?}");
    assert_eq!(place.back().await.0.restored, 20_000.0, "nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_in_the_middle_loses_nothing() {
    let mut sentinel = RedisSentinel::start_with_replica().await.expect("a primary, a replica, a Sentinel");
    let url = sentinel.url();
    let mut place = Place::new(&url, CacheMode::Sentinel);
    place.target.sentinel_master = Some(RedisSentinel::MASTER.to_owned());
    fill(&*sentinel.primary(), "k:", 20_000, None).await;
    eventually(Duration::from_secs(20), async || size(sentinel.replica().expect("a replica")).await == 20_000).await;
    let meant = pattern_of("k:*");
    let (sent, mut gone) = tokio::sync::mpsc::unbounded_channel();
    let far = std::sync::atomic::AtomicBool::new(false);
    let watch = Watch {
        stop: &|| false,
        paused: &|| false,
        progress: &|taken, _| {
            if taken.removed > 3_000.0 && !far.swap(true, Ordering::SeqCst) {
                sent.send(()).expect("it is heard");
                std::thread::sleep(Duration::from_millis(50));
            }
        },
    };
    let taking = take(place.order(&meant), watch);
    let failing = async {
        gone.recv().await.expect("it is far enough");
        sentinel.primary().stop();
    };
    let ((taken, done), ()) = tokio::join!(taking, failing);
    let replica = sentinel.replica().expect("a replica");
    // However it ended, what is gone is in the snapshot.
    let (back, _, undone) = place.back().await;
    assert!(undone.is_ok(), "{undone:?} after {done:?} {taken:?}");
    assert_eq!(size(replica).await, 20_000, "{done:?} {taken:?} {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_put_back_is_known_before_the_first_key_goes() {
    // Whoever may not RESTORE, and a server that knows it under another name or not at all.
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 500, None).await;
    server.execute(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-restore"]).await.expect("a user");
    let renamed = Redis::start_with(&["--rename-command", "RESTORE", "RESTORE-HIDDEN"]).await.expect("Redis");
    fill(&renamed, "k:", 500, None).await;
    let ann = Place::new(&server.url().replace("redis://", "redis://ann:pw@"), CacheMode::Single);
    for (place, server, word) in [(ann, &server, "RESTORE"), (Place::of(&renamed), &renamed, "RESTORE")] {
        let meant = pattern_of("k:*");
        let (found, _) =
            survey(&place.target, place.password.as_ref(), &meant, Duration::from_secs(9)).await.expect("looked at");
        assert!(found.not_restored.iter().any(|n| n.contains(word)), "named beforehand: {:?}", found.not_restored);
        let (taken, done) = place.take(place.order(&meant)).await;
        let error = done.expect_err("refused");
        let said = format!("{error} {}", error.hint.clone().unwrap_or_default());
        assert!(said.contains(word), "by name: {said}");
        assert_eq!((taken.removed, size(server).await), (0.0, 500), "nothing went: {taken:?}");
        // Without undo nothing has to be put back.
        let (taken, done) = place.take(Order { snapshot: None, ..place.order(&meant) }).await;
        done.expect("agreed to");
        assert_eq!((taken.removed, size(server).await), (500.0, 0), "{taken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_a_server_refuses_keeps_what_was_removed_until_it_takes_it() {
    // A server that was replaced by an older one does not read what the newer one wrote.
    let (server, older) =
        (Redis::start_new(&[]).await.expect("Redis 8"), Redis::start_old(&[]).await.expect("Redis 6"));
    fill(&server, "k:", 3_000, None).await;
    let place = Place::of(&server);
    assert_eq!(place.all("k:*").await.removed, 3_000.0);
    let watch = Watch { stop: &|| false, paused: &|| false, progress: &|_, _| {} };
    let other = Place::of(&older);
    let (back, _, done) = restore(&other.target, None, &place.snapshot, watch, &|_| {}).await;
    let error = done.expect_err("none is back");
    assert!(error.message.contains("000 keys") && error.message.contains("are not back"), "{error}");
    assert!(error.hint.is_some() && back.restored == 0.0 && size(&older).await == 0, "{back:?}");
    let (back, _, done) = place.back().await;
    done.expect("by the one that wrote them");
    assert_eq!((back.restored, size(&server).await), (3_000.0, 3_000), "all are back: {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_no_writes_loses_nothing_and_is_named() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 200, None).await;
    let replica =
        Redis::start_with(&["--replicaof", &format!("127.0.0.1 {}", server.port())]).await.expect("a replica");
    eventually(Duration::from_secs(20), async || size(&replica).await == 200).await;
    let place = Place::of(&replica);
    let meant = pattern_of("k:*");
    let (found, _) = survey(&place.target, None, &meant, Duration::from_secs(9)).await.expect("looked at");
    assert!(!found.not_restored.is_empty(), "named beforehand: {found:?}");
    let (taken, done) = place.take(place.order(&meant)).await;
    let error = done.expect_err("it takes no writes");
    assert!(error.message.to_lowercase().contains("replica"), "by name: {error}");
    assert_eq!((taken.removed, size(&replica).await), (0.0, 200), "{taken:?}");
    assert!(taken.failed.is_empty(), "nothing is in doubt: {taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_a_cluster_is_refused_by_name_and_its_keys_stay() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let part = Place::new(&cluster.urls()[0], CacheMode::Single);
    let looked = survey(&part.target, None, &pattern_of("k:*"), Duration::from_secs(9)).await;
    let error = looked.expect_err("a part of the keys");
    assert!(error.message.contains("one node of a cluster"), "{error}");
    assert!(error.hint.is_some_and(|hint| hint.contains("redis+cluster://")), "with the address of all of it");
    // A list of keys says so too.
    let page = perfdeck_cache::values::keys(&part.target, None, &perfdeck_model::KeySearch::default(), None).await;
    let missing = page.expect("listed").missing;
    assert!(missing.iter().any(|m| m.error.message.contains("one node of a cluster")), "{missing:?}");
    // So does the health of it. One key is looked up and edited wherever it is: redirects are followed.
    let mut reader = perfdeck_cache::CacheReader::new(part.target.clone(), None);
    let health = reader.health(&perfdeck_model::SystemClock).await;
    let slots = health.checks.iter().find(|c| c.id == "slots").expect("a check");
    assert_eq!(slots.state, perfdeck_model::CheckState::Warning, "{slots:?}");
    assert!(slots.reason.contains("one node of a cluster"), "{slots:?}");
    assert!(slots.fix.as_ref().is_some_and(|fix| fix.what.contains("redis+cluster://")), "{slots:?}");
}
