//! Keys of caches as a face uses them: listed, shown, edited as changes that are journaled, undone, and stored without names and values.
use std::path::Path;

use perfdeck_engine::cache_keys::{
    EditRequest, KeyRequest, KeysRequest, ValueRequest, cache_edit, cache_key, cache_keys, cache_plan_edit, cache_value,
};
use perfdeck_engine::changes;
use perfdeck_model::{
    ApiError, CacheBytes, ChangeState, EditState, ErrorCode, KeyEdit, KeySearch, Kind, PlannedEdit, Says, ValuePart,
};
use perfdeck_testkit::Redis;

use crate::support::{apply, by_id, cache, draft, environment, open, undo};

fn text(text: &str) -> CacheBytes {
    CacheBytes::new(text.as_bytes())
}

/// Whether any file below a folder has a text in it.
fn found(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return found(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_edited_and_put_back_and_the_store_knows_no_name_and_no_value() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("clinic", Kind::Development, cache(server.url()))).await;
    server.execute(&["HSET", "user:jane-doe", "price", "45.10", "room", "3"]).await.expect("a hash");
    server.execute(&["PEXPIRE", "user:jane-doe", "500000"]).await.expect("an expiry");
    let search = KeySearch { pattern: Some(text("user:*")), ..KeySearch::default() };
    let asked = KeysRequest { environment_id: id.clone(), search, after: None };
    let page = cache_keys(engine.clone(), asked).await.expect("keys");
    let key = page.rows[0].name.clone();
    assert_eq!((key.text(), page.next), (Some("user:jane-doe"), None), "found");
    let facts =
        cache_key(engine.clone(), KeyRequest { environment_id: id.clone(), key: key.clone() }).await.expect("a key");
    assert_eq!((facts.kind.as_str(), facts.length), ("hash", Some(2.0)), "shown");
    let asked = ValueRequest { environment_id: id.clone(), key: key.clone(), at: None, most_bytes: None };
    let ValuePart::Hash { fields, .. } = cache_value(engine.clone(), asked).await.expect("a value").part else {
        panic!("a hash")
    };
    assert_eq!(fields.len(), 2, "with its fields");

    let plan = async |edit: KeyEdit| -> Result<PlannedEdit, ApiError> {
        cache_plan_edit(engine.clone(), EditRequest { environment_id: id.clone(), key: key.clone(), edit }).await
    };
    let price = |value: &str| KeyEdit::SetField { field: text("price"), value: text(value), seen: Some(text("45.10")) };
    let read =
        async |field: &str| format!("{:?}", server.execute(&["HGET", "user:jane-doe", field]).await.expect("read"));
    let planned = plan(price("1.90e1")).await.expect("planned");
    let room = KeyEdit::SetField { field: text("room"), value: text("12"), seen: None };
    let room = plan(room).await.expect("another field").detail.change;
    let change = planned.detail.change;
    assert_eq!(change.state, ChangeState::Previewed, "previewed");
    assert_eq!(
        (planned.edit.opened, planned.edit.yours),
        (Some(text("45.10")), Some(text("1.90e1"))),
        "with its values"
    );
    assert!(planned.edit.this_run_only, "no store keeps a key here");
    assert!(
        change.notes.iter().any(|n| n.contains("while this Perfdeck runs only")),
        "which is said: {:?}",
        change.notes
    );
    let applied = apply(&engine, &change.id, None).await.expect("applied");
    assert_eq!(applied.state, ChangeState::Verified, "the server confirmed it");
    assert!(read("price").await.contains("1.90e1"), "written as it was typed");
    assert_eq!(
        changes::get(engine.clone(), by_id(&room.id)).await.expect("there").state,
        ChangeState::Previewed,
        "the other waits"
    );

    // Another client writes the field that the second edit is about.
    server.execute(&["HSET", "user:jane-doe", "room", "7"]).await.expect("theirs");
    let error = apply(&engine, &room.id, None).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::Conflict, "refused: {error:?}");
    assert!(read("room").await.contains('7'), "nothing was written over it");
    let edit = cache_edit(engine.clone(), by_id(&room.id)).await.expect("the edit").edit.expect("readable");
    assert_eq!(
        (edit.state, edit.opened, edit.yours, edit.theirs),
        (EditState::Changed, Some(text("3")), Some(text("12")), Some(text("7"))),
        "when it was opened, yours, theirs"
    );

    let undone = undo(&engine, &change.id).await.expect("undone");
    assert_eq!(undone.state, ChangeState::Undone, "taken back");
    assert!(read("price").await.contains("45.10"), "as it was");
    let change = plan(KeyEdit::Delete).await.expect("planned").detail.change;
    apply(&engine, &change.id, None).await.expect("removed");
    assert!(
        format!("{:?}", server.execute(&["EXISTS", "user:jane-doe"]).await.expect("asked")).contains('0'),
        "removed"
    );
    for secret in ["jane-doe", "1.90e1", "45.10"] {
        assert!(!found(dir.path(), secret), "{secret} is in no file");
    }
    // A later run cannot read what was encrypted for this one only, and says so.
    engine.shutdown().await;
    let later = open(dir.path()).await;
    let shown = changes::check(later.clone(), by_id(&change.id)).await.expect("shown").change;
    assert_eq!(shown.target_says.map(|t| t.says), Some(Says::NotAllowed), "it cannot tell");
    assert!(cache_edit(later.clone(), by_id(&change.id)).await.expect("the change").edit.is_none(), "nor what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nothing_brings_back_is_removed_once_that_is_agreed_to() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("dev", Kind::Development, cache(server.url()))).await;
    server.execute(&["SETRANGE", "large", "3000000", "x"]).await.expect("a key");
    server.execute(&["SET", "small", "x"]).await.expect("a key");
    let plan = async |key: &str| {
        let asked = EditRequest { environment_id: id.clone(), key: text(key), edit: KeyEdit::Delete };
        cache_plan_edit(engine.clone(), asked).await.expect("planned").detail
    };
    let small = plan("small").await;
    assert_eq!(small.agree, None, "it can be undone");
    apply(&engine, &small.change.id, None).await.expect("removed");
    let large = plan("large").await;
    let text = large.agree.expect("asked for");
    assert!(large.change.notes.iter().any(|n| n.contains(&text)), "said beforehand: {:?}", large.change.notes);
    let error = apply(&engine, &large.change.id, None).await.expect_err("not agreed to");
    assert!(error.code == ErrorCode::Guarded && error.hint.is_some_and(|h| h.contains(&text)), "{}", error.message);
    let is_there = async || format!("{:?}", server.execute(&["EXISTS", "large"]).await.expect("asked")).contains('1');
    assert!(is_there().await, "nothing was sent");
    apply(&engine, &large.change.id, Some(&text)).await.expect("removed");
    assert!(!is_there().await, "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_keep_edits_from_what_is_read_only() {
    let (dir, server) = (tempfile::tempdir().expect("a folder"), Redis::start().await.expect("Redis"));
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("live", Kind::Production, cache(server.url()))).await;
    server.execute(&["SET", "k", "old"]).await.expect("a key");
    let edit = KeyEdit::Set { value: text("new"), seen: None };
    let asked = EditRequest { environment_id: id, key: text("k"), edit };
    let planned = cache_plan_edit(engine.clone(), asked).await.expect("planning alters nothing");
    assert!(planned.detail.guard.is_some_and(|g| g.contains("read-only")), "said beforehand");
    let error = apply(&engine, &planned.detail.change.id, None).await.expect_err("guarded");
    assert_eq!(error.code, ErrorCode::Guarded, "{error:?}");
    assert!(format!("{:?}", server.execute(&["GET", "k"]).await.expect("read")).contains("old"), "nothing was sent");
}
