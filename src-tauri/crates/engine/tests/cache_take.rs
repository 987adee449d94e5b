//! Invalidations as a face uses them: paused, stopped, listed, expired, by user and by tag; and edits of one key that do not disturb each
//! other.
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_cache::aside::{Aside, Store, Tag};
use perfdeck_engine::cache_keys::{EditRequest, cache_plan_edit};
use perfdeck_engine::invalidation::{
    InvalidationPause, InvalidationPlan, invalidation, pause_invalidation, plan_invalidation,
};
use perfdeck_engine::{Engine, EngineOptions, changes};
use perfdeck_model::{
    Address, ApiError, CacheBytes, CacheTarget, ChangeState, ErrorCode, Invalidation, InvalidationBy, InvalidationOf,
    InvalidationSpec, InvalidationStage, JobState, KeyEdit, Kind, ManualClock, Says, TargetsDraft, TemplateOf,
    UndoKept,
};
use perfdeck_testkit::{Redis, eventually, redis};

use crate::support::{apply, by_id, cache, change, confirmed, draft, ended, environment, open, says, undo};

const DAY: f64 = 86_400_000.0;

fn bytes(text: &str) -> CacheBytes {
    CacheBytes::new(text.as_bytes())
}

async fn fill(server: &Redis, prefix: &str, n: usize) {
    let mut c = server.connect().await.expect("a connection");
    for some in (0..n).collect::<Vec<_>>().chunks(5_000) {
        let mut all = redis::pipe();
        for i in some {
            all.cmd("SET").arg(format!("{prefix}{i}")).arg(format!("value {i}")).arg("PX").arg(9_000_000).ignore();
        }
        all.exec_async(&mut c).await.expect("keys");
    }
}

async fn size(server: &Redis) -> i64 {
    match server.execute(&["DBSIZE"]).await.expect("a size") {
        redis::Value::Int(n) => n,
        other => panic!("{other:?}"),
    }
}

async fn plan(engine: &Arc<Engine>, id: &str, of: InvalidationOf) -> Result<Invalidation, ApiError> {
    let spec = InvalidationSpec { of, soft_s: None, oversized: false, without_undo: false, paced: true };
    plan_invalidation(engine.clone(), InvalidationPlan { environment_id: id.to_owned(), spec }).await
}

async fn of(engine: &Arc<Engine>, id: &str) -> Invalidation {
    invalidation(engine.clone(), by_id(id)).await.expect("there")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_under_way_is_listed_paused_goes_on_is_stopped_and_undone() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    fill(&server, "k:", 20_000).await;
    fill(&server, "other:", 90_000).await;
    let planned = plan(&engine, &id, InvalidationOf::Pattern(bytes("k:*"))).await.expect("planned");
    assert_eq!(planned.preview.undo, UndoKept::ThisRun, "nothing keeps a key here");
    let notes = &planned.detail.change.notes;
    assert!(notes.iter().any(|n| n.contains("until this Perfdeck ends")), "which is said before: {notes:?}");
    let one = planned.detail.change.id;
    let job = changes::apply(engine.clone(), confirmed(&one, None)).await.expect("begun");
    let pause = async |paused: bool| {
        let asked = InvalidationPause { id: one.clone(), paused };
        pause_invalidation(engine.clone(), asked).await.expect("asked").paused
    };
    eventually(Duration::from_secs(30), async || size(&server).await < 110_000).await;
    assert!(pause(true).await, "it waits");
    let (last, same) = (Cell::new(0), Cell::new(0));
    eventually(Duration::from_secs(30), async || {
        let now = size(&server).await;
        same.set(if now == last.replace(now) { same.get() + 1 } else { 0 });
        same.get() >= 20
    })
    .await;
    let last = last.get();
    assert!(last > 90_000, "in its middle: {last}");
    let listed = changes::list(engine.clone(), changes::ChangeList { environment_id: None }).await.expect("a list");
    assert_eq!((listed.len(), listed[0].state), (1, ChangeState::Applying), "it is listed while it waits");
    let shown = of(&engine, &one).await;
    assert_eq!((shown.stage, shown.paused), (InvalidationStage::Taking, true), "as waiting");
    assert!(!pause(false).await, "it goes on");
    eventually(Duration::from_secs(30), async || size(&server).await < last).await;
    pause(true).await;
    assert!(engine.jobs().cancel(&job.id), "stopped while it waits");
    assert_eq!(ended(&engine, &job).await.state, JobState::Cancelled, "stopped");
    let left = size(&server).await;
    let cut = change(&engine, &one).await;
    assert_eq!((cut.state, says(&cut)), (ChangeState::CutOff, Some(Says::HalfDone)), "{cut:?}");
    let taken = of(&engine, &one).await.taken.expect("counted");
    assert_eq!(taken.removed, (110_000 - left) as f64, "what it came to");
    undo(&engine, &one).await.expect("undone");
    assert_eq!(size(&server).await, 110_000, "all are back");
    let restored = of(&engine, &one).await.restored.expect("counted");
    assert_eq!(restored.restored, taken.removed, "those and no others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_over_after_a_day_and_with_its_run_and_an_edit_after_thirty() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let clock = Arc::new(ManualClock::new(1.8e12));
    let options = || EngineOptions { data_dir: Some(dir.path().to_owned()), clock: Some(clock.clone()) };
    let engine = Engine::open(options()).await.expect("the engine opens");
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    fill(&server, "k:", 10).await;
    fill(&server, "other:", 90).await;
    let mut all = Vec::new();
    for pattern in ["k:1", "k:2"] {
        let planned = plan(&engine, &id, InvalidationOf::Pattern(bytes(pattern))).await.expect("planned");
        let one = planned.detail.change.id;
        apply(&engine, &one, None).await.expect("applied");
        all.push(one);
    }
    let edit = KeyEdit::Set { value: bytes("mine"), seen: None };
    let asked = EditRequest { environment_id: id.clone(), key: bytes("k:3"), edit };
    let edited = cache_plan_edit(engine.clone(), asked).await.expect("planned").detail.change.id;
    apply(&engine, &edited, None).await.expect("written");

    // The moment before and the one after, whether or not it was cleared away by then.
    clock.set_forward(DAY - 60_000.0);
    assert!(!of(&engine, &all[0]).await.undo_over, "a minute before");
    undo(&engine, &all[0]).await.expect("undone");
    clock.set_forward(60_001.0);
    assert!(of(&engine, &all[1]).await.undo_over, "it is said");
    let error = undo(&engine, &all[1]).await.expect_err("over");
    assert!(error.message.contains("expired 24 h") && error.hint.is_some(), "by name: {error:?}");
    assert!(
        format!("{:?}", server.execute(&["EXISTS", "k:2"]).await.expect("asked")).contains('0'),
        "nothing was put back"
    );
    // The clearing of every ten minutes.
    clock.advance(700_000.0);
    let notes = eventually(Duration::from_secs(20), async || {
        let notes = change(&engine, &all[1]).await.notes;
        notes.iter().any(|n| n.contains("expired after 24 h")).then_some(notes).ok_or("not cleared away yet")
    })
    .await;
    let over = change(&engine, &all[1]).await;
    assert_eq!((over.undo_statement, over.state), (None, ChangeState::Kept), "nothing takes it back: {notes:?}");
    assert!(of(&engine, &all[1]).await.undo_over, "and it is still said why");
    let files = std::fs::read_dir(dir.path().join("invalidations")).expect("files").flatten();
    assert!(
        files.into_iter().all(|f| f.path().extension().is_some_and(|e| e == "json")),
        "counts are left, and no key"
    );

    // An edit can be taken back for longer.
    clock.set_forward(29.0 * DAY);
    undo(&engine, &edited).await.expect("undone");
    apply_again_and_let_it_expire(&engine, &id, &clock).await;

    // What one run removed another cannot put back where no key could be kept, and says so.
    let planned = plan(&engine, &id, InvalidationOf::Pattern(bytes("k:4"))).await.expect("planned");
    let one = planned.detail.change.id;
    apply(&engine, &one, None).await.expect("applied");
    engine.shutdown().await;
    drop(engine);
    let later = Engine::open(options()).await.expect("the engine opens");
    let error = undo(&later, &one).await.expect_err("its key is gone");
    assert_eq!(error.code, ErrorCode::SecretMissing, "{error:?}");
    assert!(error.hint.is_some_and(|h| h.contains("run that took the keys")), "by name");
    assert!(
        format!("{:?}", server.execute(&["EXISTS", "k:4"]).await.expect("asked")).contains('0'),
        "nothing was put back"
    );
}

async fn apply_again_and_let_it_expire(engine: &Arc<Engine>, id: &str, clock: &ManualClock) {
    let edit = KeyEdit::Set { value: bytes("again"), seen: None };
    let asked = EditRequest { environment_id: id.to_owned(), key: bytes("k:3"), edit };
    let edited = cache_plan_edit(engine.clone(), asked).await.expect("planned").detail.change.id;
    apply(engine, &edited, None).await.expect("written");
    clock.set_forward(31.0 * DAY);
    let error = undo(engine, &edited).await.expect_err("over");
    assert!(error.message.contains("30 days"), "by name: {error:?}");
    clock.advance(700_000.0);
    eventually(Duration::from_secs(20), async || change(engine, &edited).await.undo_statement.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_planned_edits_of_one_key_are_both_written_and_taken_back_in_any_order() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    server.execute(&["HSET", "h", "price", "45.10", "room", "3"]).await.expect("a hash");
    server.execute(&["PEXPIRE", "h", "500000"]).await.expect("an expiry");
    let edit = async |field: &str, seen: &str, value: &str| {
        let edit = KeyEdit::SetField { field: bytes(field), value: bytes(value), seen: Some(bytes(seen)) };
        let asked = EditRequest { environment_id: id.clone(), key: bytes("h"), edit };
        cache_plan_edit(engine.clone(), asked).await.expect("planned").detail.change.id
    };
    let (one, two) = (edit("price", "45.10", "46").await, edit("room", "3", "4").await);
    let never = EditRequest { environment_id: id.clone(), key: bytes("h"), edit: KeyEdit::Expire { in_ms: None } };
    let three = cache_plan_edit(engine.clone(), never).await.expect("planned").detail.change.id;
    for change in [&two, &one, &three] {
        assert_eq!(apply(&engine, change, None).await.expect("written").state, ChangeState::Verified, "written");
    }
    let all = async || format!("{:?}", server.execute(&["HMGET", "h", "price", "room"]).await.expect("read"));
    assert!(all().await.contains("\"46\"") && all().await.contains("\"4\""), "both: {}", all().await);
    undo(&engine, &two).await.expect("undone");
    assert!(all().await.contains("\"46\"") && all().await.contains("\"3\""), "one of them: {}", all().await);
    undo(&engine, &three).await.expect("undone");
    undo(&engine, &one).await.expect("undone");
    assert!(all().await.contains("\"45.10\""), "as it was: {}", all().await);
}

fn target(url: &str) -> CacheTarget {
    CacheTarget { default_ttl_s: 300.0, ..CacheTarget::of(Address::parse(url).expect("a URL").0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_an_epoch_of_the_library_else_a_template_and_it_is_said_which() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let templates = [("user".to_owned(), "user:{id}:*".to_owned())].into();
    let targets = TargetsDraft { cache_templates: Some(templates), ..cache(server.url()) };
    let id = environment(&engine, draft("dev", Kind::Development, targets)).await;
    for key in ["user:42:a", "user:42:b", "user:4:a", "user:*:a", "user:427:a"] {
        server.execute(&["SET", key, "v"]).await.expect("a key");
    }
    // Nothing of the library is there.
    let user = |id: &str| InvalidationOf::User(id.to_owned());
    let planned = plan(&engine, &id, user("42")).await.expect("planned");
    let by = InvalidationBy::Template { name: "user".to_owned(), pattern: "user:42:*".to_owned() };
    assert_eq!((planned.preview.by, planned.preview.matched.value()), (Some(by), 2.0), "by the template");
    assert!(
        planned.detail.change.notes.iter().any(|n| n.contains("no cache here is of the cache-aside library")),
        "said"
    );
    let star = plan(&engine, &id, user("*")).await.expect("planned");
    assert_eq!(star.preview.matched.value(), 1.0, "a star is a star");
    for (of, word) in [
        (InvalidationOf::Tag("x".to_owned()), "template 'tag'"),
        (InvalidationOf::Template(TemplateOf { name: "nope".to_owned(), value: "x".to_owned() }), "template 'nope'"),
    ] {
        let error = plan(&engine, &id, of).await.expect_err(word);
        assert!(error.message.contains(word) && error.hint.is_some(), "by name: {error:?}");
    }
    // The template may be another one by now: what was previewed is taken.
    let applied = apply(&engine, &planned.detail.change.id, None).await.expect("applied");
    assert_eq!(applied.state, ChangeState::Verified, "{applied:?}");
    assert_eq!(size(&server).await, 3, "two went");
    undo(&engine, &applied.id).await.expect("undone");
    assert_eq!(size(&server).await, 5, "and are back");

    // A cache of the library comes.
    let store = Store::Redis { target: target(&server.url()), password: None };
    let aside = Aside::builder("clinic", store).answer(Duration::from_secs(5)).build().await.expect("a cache");
    let pages = aside.namespace::<u64, u64, String>("pages").tags(|key| vec![Tag::user(key)]).build().expect("pages");
    let served = async |key: u64, value: u64| {
        *pages.get(&key, move || async move { Ok(Some(value)) }).await.expect("an answer").expect("a value")
    };
    served(42, 1).await;
    served(7, 1).await;
    let planned = plan(&engine, &id, user("42")).await.expect("planned");
    let by = InvalidationBy::Epoch { caches: vec!["clinic".to_owned()] };
    assert_eq!((&planned.preview.by, planned.preview.undo), (&Some(by), UndoKept::Epoch), "exactly");
    assert_eq!(planned.preview.matched.value(), 1.0, "one entry");
    let change_ = &planned.detail.change;
    assert!(
        change_.notes.iter().any(|n| n.contains("has a template 'user' too")),
        "which was taken: {:?}",
        change_.notes
    );
    assert!(change_.statement.contains("clinic:@user:42"), "{}", change_.statement);
    let one = change_.id.clone();
    assert_eq!(served(42, 2).await, 1, "planning alters nothing");
    let applied = apply(&engine, &one, None).await.expect("applied");
    assert_eq!((applied.state, says(&applied)), (ChangeState::Verified, Some(Says::AsApplied)), "{applied:?}");
    assert_eq!((served(42, 2).await, served(7, 2).await), (2, 1), "of that user alone");
    assert_eq!(of(&engine, &one).await.taken.and_then(|t| t.epochs), Some(1.0), "counted");
    undo(&engine, &one).await.expect("undone");
    assert_eq!(of(&engine, &one).await.restored.map(|r| r.restored), Some(1.0), "put back");
    // Somebody else invalidates in between: that stands, and it is told.
    let one = plan(&engine, &id, user("7")).await.expect("planned").detail.change.id;
    apply(&engine, &one, None).await.expect("applied");
    aside.invalidate_user(7).await.expect("by somebody else");
    let told = changes::check(engine.clone(), by_id(&one)).await.expect("asked").change.target_says.expect("told");
    assert!(told.text.contains("by somebody else since"), "{told:?}");
    let error = undo(&engine, &one).await.expect_err("theirs stands");
    assert!(error.code == ErrorCode::Conflict && error.message.contains("Somebody else"), "{error:?}");
    assert_eq!(served(7, 3).await, 3, "nothing old is served");
    // A user that the library knows nothing of has the template still; without one it is said.
    let planned = plan(&engine, &id, user("427")).await.expect("planned");
    assert!(matches!(planned.preview.by, Some(InvalidationBy::Template { .. })), "{:?}", planned.preview.by);
    let error = plan(&engine, &id, InvalidationOf::Tag("x".to_owned())).await.expect_err("nothing");
    assert!(error.message.contains("clinic"), "where it was looked for: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_was_refused_can_be_done_again_and_a_record_that_is_gone_is_no_empty_one() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    server.execute(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all"]).await.expect("a user");
    let url = server.url().replace("redis://", "redis://ann:pw@");
    let id = environment(&engine, draft("dev", Kind::Development, cache(url))).await;
    fill(&server, "k:", 300).await;
    fill(&server, "other:", 2_700).await;
    let planned = plan(&engine, &id, InvalidationOf::Pattern(bytes("k:*"))).await.expect("planned");
    let one = planned.detail.change.id;
    apply(&engine, &one, None).await.expect("applied");
    assert_eq!(size(&server).await, 2_700, "they went");

    server.execute(&["ACL", "SETUSER", "ann", "-restore"]).await.expect("a right is taken away");
    let error = undo(&engine, &one).await.expect_err("refused");
    assert!(format!("{error:?}").to_lowercase().contains("restore"), "by name: {error:?}");
    let half = of(&engine, &one).await;
    assert!(!half.undo_over && half.stage != InvalidationStage::Undone, "{half:?}");
    let keys = || {
        let files = std::fs::read_dir(dir.path().join("invalidations")).expect("files").flatten();
        files.map(|f| f.path()).find(|p| p.extension().is_some_and(|e| e == "keys"))
    };
    assert!(keys().is_some(), "what was removed is kept");

    // Its record goes: that is said, rather than that nothing was ever removed.
    let record = keys().expect("there").with_extension("json");
    let stored = std::fs::read(&record).expect("a record");
    std::fs::remove_file(&record).expect("removed");
    let error = invalidation(engine.clone(), by_id(&one)).await.expect_err("gone");
    assert!(error.code == ErrorCode::Storage && error.message.contains("is gone"), "{error:?}");
    let error = undo(&engine, &one).await.expect_err("gone");
    assert!(error.message.contains("is gone") && keys().is_some(), "{error:?}");
    std::fs::write(&record, stored).expect("put back");

    server.execute(&["ACL", "SETUSER", "ann", "+restore"]).await.expect("a right is given");
    undo(&engine, &one).await.expect("undone");
    assert_eq!(size(&server).await, 3_000, "all are back");
    assert_eq!(of(&engine, &one).await.stage, InvalidationStage::Undone, "told");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_snapshot_that_is_cut_short_or_damaged_what_is_whole_is_put_back_and_the_rest_said() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    let keys = || {
        let files = std::fs::read_dir(dir.path().join("invalidations")).expect("files").flatten();
        files.map(|f| f.path()).find(|p| p.extension().is_some_and(|e| e == "keys")).expect("a snapshot")
    };
    // Several chunks: a chunk has as many keys as are taken in one go.
    for (prefix, damage) in [("a:", false), ("b:", true)] {
        fill(&server, prefix, 3_000).await;
        let before = size(&server).await;
        let planned = plan(&engine, &id, InvalidationOf::Pattern(bytes(&format!("{prefix}*")))).await.expect("planned");
        let one = planned.detail.change.id;
        let agreed = planned.preview.agree;
        apply(&engine, &one, agreed.as_deref()).await.expect("applied");
        assert_eq!(size(&server).await, before - 3_000, "they went");
        let path = keys();
        let mut stored = std::fs::read(&path).expect("a file");
        let middle = stored.len() / 2;
        if damage {
            stored[middle] ^= 1;
        } else {
            stored.truncate(middle);
        }
        std::fs::write(&path, &stored).expect("written");
        let error = undo(&engine, &one).await.expect_err("not all");
        let back = size(&server).await - (before - 3_000);
        assert!(back > 0 && back < 3_000, "what is whole is back: {back}");
        let (count, all) = (perfdeck_words::count(back as u64), perfdeck_words::count(3_000));
        let what = match damage {
            true => format!("damaged after its first {count} keys"),
            false => format!("it has {count} of the {all} keys"),
        };
        assert!(error.message.contains(&what), "{what}: {error:?}");
        assert!(error.hint.as_deref().is_some_and(|h| h.contains("their source has them")), "{error:?}");
        assert_ne!(of(&engine, &one).await.stage, InvalidationStage::Undone, "it is not called undone");
        std::fs::remove_file(&path).expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_preview_says_which_one_it_takes_the_place_of() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    fill(&server, "k:", 10).await;
    let twice =
        async || plan(&engine, &id, InvalidationOf::Pattern(bytes("k:*"))).await.expect("planned").detail.change;
    let (first, second) = (twice().await, twice().await);
    assert!(!first.notes.iter().any(|n| n.contains("takes the place")), "{:?}", first.notes);
    assert!(second.notes.iter().any(|n| n.contains(&first.id)), "{:?}", second.notes);
    let error = apply(&engine, &first.id, None).await.expect_err("it is no more");
    assert!(error.hint.is_some_and(|h| h.contains("another identifier")), "{}", error.message);
}
