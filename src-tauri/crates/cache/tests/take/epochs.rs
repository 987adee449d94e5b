//! Users and tags in caches of the library, and in those that only look so.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_cache::aside::{Aside, Namespace, Store, Tag};
use perfdeck_cache::take::{
    library, library_in_memory, moved, moved_in_memory, stand, survey_epochs, survey_epochs_in_memory,
};
use perfdeck_cache::{LoadConnection, MemoryCache, connect_for_load};
use perfdeck_model::MapCount;
use perfdeck_testkit::{Redis, RedisCluster};

use super::Place;

type Pages = Namespace<u64, u64, String>;

async fn cache(name: &str, store: Store) -> (Aside, Pages) {
    let aside = Aside::builder(name, store).answer(Duration::from_secs(5)).build().await.expect("a cache");
    let tags = |key: &u64| vec![Tag::user(key % 4), Tag::named(format!("even-{}", key.is_multiple_of(2)))];
    let pages = aside.namespace("pages").ttl(Duration::from_secs(600)).tags(tags).build().expect("a namespace");
    (aside, pages)
}

/// What is served for a key, and how often the source is asked for it.
async fn served(pages: &Pages, key: u64, value: u64, loads: &Arc<AtomicU64>) -> u64 {
    let loads = loads.clone();
    let load = move || async move {
        loads.fetch_add(1, Ordering::SeqCst);
        Ok(Some(value))
    };
    *pages.get(&key, load).await.expect("an answer").expect("a value")
}

async fn run(to: &mut LoadConnection, command: &redis::Cmd) {
    let done = match to {
        LoadConnection::Single(line) => command.exec_async(line).await,
        LoadConnection::Cluster(line) => command.exec_async(line).await,
    };
    done.expect("a command");
}

async fn on(place: Place) {
    let store = || Store::Redis { target: place.target.clone(), password: None };
    let (clinic, pages) = cache("clinic", store()).await;
    let (_shop, goods) = cache("shop", store()).await;
    let loads = Arc::new(AtomicU64::new(0));
    for key in 0..40 {
        served(&pages, key, key, &loads).await;
    }
    served(&goods, 3, 3, &loads).await;
    let mut c = connect_for_load(&place.target, None).await.expect("connected");
    // Look-alikes: an epoch without a mark, a mark of somebody else's, and one of another type.
    let text = "0123456789abcdef0123456789abcdef";
    for (key, value) in
        [("foreign:@user:3", text), ("odd:@user:3", text), ("odd:@aside", "mine"), ("list:@user:3", text)]
    {
        run(&mut c, redis::cmd("SET").arg(key).arg(value)).await;
    }
    run(&mut c, redis::cmd("RPUSH").arg("list:@aside").arg("perfdeck-aside 1")).await;

    let limit = Duration::from_secs(20);
    let tag = Tag::user(3);
    let found = library(&place.target, None, &tag, limit).await.expect("looked for");
    assert_eq!(
        (found.caches.as_slice(), found.whole),
        (&["clinic".to_owned(), "shop".to_owned()][..], true),
        "by marks"
    );
    assert_eq!(found.epochs.len(), 2, "it has an epoch in both: {found:?}");
    let (told, seen) = survey_epochs(&place.target, None, &tag, &found.epochs, limit).await.expect("looked at");
    assert_eq!(told.matched, MapCount::Exact { value: 11.0 }, "ten of one and one of the other: {told:?}");
    assert!(seen.examples.iter().all(|key| key.text().is_some_and(|t| t.contains(":pages:"))), "entries: {seen:?}");
    let nobody = library(&place.target, None, &Tag::user("nobody"), limit).await.expect("looked for");
    assert_eq!((nobody.caches.len(), nobody.epochs.len()), (2, 0), "nothing of that user is there");

    // Of one of the two, so that the other is seen to stay.
    let (one, other) = (&found.epochs[..1], &found.epochs[1..]);
    let before = loads.load(Ordering::SeqCst);
    for again in 0..2 {
        let done = moved(&place.target, None, one, false).await.expect("changed");
        assert_eq!((done.done, done.others, done.gone), (1, 0, 0), "{again}: also where it was done before");
    }
    assert_eq!(stand(&place.target, None, one).await.expect("asked").done, 1, "it is another one");
    assert_eq!(served(&pages, 3, 103, &loads).await, 103, "loaded anew");
    assert_eq!(served(&pages, 7, 107, &loads).await, 107, "all of the user");
    assert_eq!(served(&pages, 4, 104, &loads).await, 4, "and of nobody else");
    assert_eq!(served(&goods, 3, 103, &loads).await, 3, "nor of another cache");
    assert_eq!(loads.load(Ordering::SeqCst) - before, 2, "two loads");
    let back = moved(&place.target, None, one, true).await.expect("put back");
    assert_eq!(back.done, 1, "the old epoch again");
    assert_eq!(served(&pages, 11, 111, &loads).await, 11, "what was there before is served again");
    assert_eq!(served(&pages, 3, 203, &loads).await, 203, "what was filled meanwhile is not");

    // Somebody else invalidates it in between.
    moved(&place.target, None, one, false).await.expect("changed");
    clinic.invalidate_user(3).await.expect("by somebody else");
    let back = moved(&place.target, None, one, true).await.expect("asked");
    assert_eq!((back.done, back.others), (0, 1), "which is left, and told");
    assert_eq!(served(&pages, 15, 115, &loads).await, 115, "their invalidation stands");
    run(&mut c, redis::cmd("DEL").arg(&other[0].key)).await;
    let gone = moved(&place.target, None, other, false).await.expect("asked");
    assert_eq!(gone.gone, 1, "one that is gone is not made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_changed_and_put_back_on_redis() {
    let server = Redis::start().await.expect("Redis");
    on(Place::of(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_changed_and_put_back_on_valkey() {
    let server = Redis::start_valkey(&[]).await.expect("Valkey");
    on(Place::of(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_changed_and_put_back_in_a_cluster() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    on(Place::cluster(&cluster)).await;
}

#[tokio::test]
async fn an_epoch_is_changed_and_put_back_in_this_process() {
    let memory = MemoryCache::new(1 << 20);
    let (_aside, pages) = cache("clinic", Store::Memory(memory.clone())).await;
    let loads = Arc::new(AtomicU64::new(0));
    for key in 0..8 {
        served(&pages, key, key, &loads).await;
    }
    let tag = Tag::named("even-true");
    let found = library_in_memory(&memory, &tag).await;
    assert_eq!((found.caches.as_slice(), found.epochs.len()), (&["clinic".to_owned()][..], 1), "{found:?}");
    assert_eq!(survey_epochs_in_memory(&memory, &tag, &found.epochs).0.looked_at, 4, "the even ones");
    assert_eq!(moved_in_memory(&memory, &found.epochs, false).await.done, 1, "changed");
    assert_eq!(served(&pages, 2, 102, &loads).await, 102, "loaded anew");
    assert_eq!(served(&pages, 3, 103, &loads).await, 3, "the others are served");
    assert_eq!(moved_in_memory(&memory, &found.epochs, true).await.done, 1, "put back");
    assert_eq!(served(&pages, 4, 104, &loads).await, 4, "as before");
}
