//! `perfctl changes` on a real PostgreSQL: several processes, one store.

use crate::support::Perfctl;
use perfdeck_testkit::Postgres;

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_dropped_listed_and_brought_back_by_processes_of_their_own() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server
        .execute("CREATE TABLE t (a int); CREATE INDEX one ON t (a); CREATE INDEX two ON t (a)")
        .await
        .expect("tables");
    let there = async |name: &str| {
        let mut c = server.connect().await.expect("a session");
        let sql = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass($1)";
        sqlx::query_scalar::<_, i64>(sql).bind(name.to_owned()).fetch_one(&mut c).await.expect("the catalogue") == 1
    };
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "live", "--kind", "production", "--database", &server.url()]);
    let preview = perfctl.json(&["changes", "drop-index", "two", "--env", "live", "--preview"]);
    assert_eq!(
        (&preview["schema"], &preview["state"]),
        (&"perfdeck.change/1".into(), &"previewed".into()),
        "{preview}"
    );
    assert!(there("two").await, "a preview alters nothing");
    let (code, out, err) = perfctl.run(&["changes", "drop-index", "two", "--env", "live"]);
    assert_eq!((code, out.as_str()), (1, ""), "production is read-only: {err}");
    assert!(err.contains("hint: Unlock the environment"), "with what to do: {err}");
    let confirmed = ["--confirm", "live", "--unlock"];
    let dropped = perfctl.json(&[&["changes", "drop-index", "two", "--env", "live"][..], &confirmed].concat());
    assert_eq!(dropped["state"], "verified", "{dropped}");
    assert!(!there("two").await && there("one").await, "it is gone, and the other one stays");

    let list = perfctl.json(&["changes", "list", "--env", "live"]);
    let first = &list["changes"][0];
    assert_eq!((&first["id"], &first["target_says"]["says"]), (&dropped["id"], &"as_applied".into()), "{list}");
    assert!(first["checked_ms"].is_f64() && first["ends_ms"].is_null(), "asked now, and it waits for a person: {list}");
    let id = dropped["id"].as_str().expect("id");
    let kept = perfctl.json(&["changes", "keep", id]);
    assert_eq!(kept["state"], "kept", "{kept}");
    let text = perfctl.ok(&["changes", "show", id]);
    assert!(text.contains("DROP INDEX CONCURRENTLY \"public\".\"two\"") && text.contains("kept"), "{text}");
    let undone = perfctl.json(&[&["changes", "undo", id][..], &confirmed].concat());
    assert_eq!(undone["state"], "undone", "{undone}");
    assert!(there("two").await, "it is back");
    let journal = perfctl.ok(&["journal", "--env", "live"]);
    assert!(journal.contains("change of a target") && journal.contains("change refused"), "{journal}");
}
