//! `perfctl cache`: keys listed, shown, edited, removed and put back, each by a process of its own.
use perfdeck_testkit::Redis;

use crate::support::Perfctl;

#[test]
fn keys_are_listed_shown_edited_and_put_back_by_another_process() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Redis::start()).expect("Redis");
    let read = |words: &[&str]| format!("{:?}", runtime.block_on(server.execute(words)).expect("read"));
    read(&["HSET", "user:1", "price", "45.10", "id", "9007199254740993"]);
    runtime.block_on(async {
        let mut c = server.connect().await.expect("connected");
        let set = perfdeck_testkit::redis::cmd("SET").arg(b"\xff\x00").arg("v").exec_async(&mut c).await;
        set.expect("a binary name");
    });
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "shop", "--cache", &server.url()]);
    let listed = perfctl.json(&["cache", "keys", "user:*", "--type", "hash", "--env", "shop"]);
    assert_eq!(listed["schema"], "perfdeck.cache_keys/1");
    assert_eq!(
        (listed["complete"].as_bool(), &listed["keys"][0]["name"]["text"]),
        (Some(true), &"user:1".into()),
        "{listed}"
    );
    let shown = perfctl.json(&["cache", "show", "ff00", "--hex", "--env", "shop"]);
    assert_eq!(shown["value"]["part"]["value"]["bytes"]["text"], "v", "a binary name: {shown}");
    let text = perfctl.ok(&["cache", "show", "user:1", "--env", "shop"]);
    assert!(text.contains("45.10") && text.contains("9007199254740993"), "numbers keep their text: {text}");

    let set = perfctl.json(&["cache", "set", "user:1", "1.90e1", "--field", "price", "--env", "shop"]);
    assert_eq!(set["state"], "verified", "{set}");
    assert!(read(&["HGET", "user:1", "price"]).contains("1.90e1"), "as it was typed");
    let id = set["id"].as_str().expect("an identifier");
    let undone = perfctl.json(&["changes", "undo", id]);
    assert_eq!(undone["state"], "undone", "by another process: {undone}");
    assert!(read(&["HGET", "user:1", "price"]).contains("45.10"), "as it was");

    for (time, word) in [("0", "cache delete"), ("", "change nothing")] {
        let (code, _, err) = perfctl.run(&["cache", "expire", "user:1", time, "--env", "shop"]);
        assert!(code == 2 && err.contains(word), "{time:?} is refused: {code} {err}");
    }
    perfctl.ok(&["cache", "expire", "user:1", "5m", "--env", "shop"]);
    assert!(!read(&["PTTL", "user:1"]).contains("-1"), "it expires");
    let preview = perfctl.json(&["cache", "delete", "user:1", "--preview", "--env", "shop"]);
    assert_eq!(preview["state"], "previewed", "{preview}");
    let deleted = perfctl.json(&["cache", "delete", "user:1", "--env", "shop"]);
    assert!(read(&["EXISTS", "user:1"]).contains('0'), "removed");
    perfctl.json(&["changes", "undo", deleted["id"].as_str().expect("an identifier")]);
    assert!(read(&["HGET", "user:1", "id"]).contains("9007199254740993"), "and back");
    assert!(!read(&["PTTL", "user:1"]).contains("-1"), "with its expiry");
    let (code, _, err) = perfctl.run(&["cache", "show", "nothing", "--env", "shop"]);
    assert!(code == 1 && err.contains("hint:"), "{code} {err}");
}
