//! `perfctl changes` on a real PostgreSQL: several processes, one store.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Perfctl;
use perfdeck_testkit::{Postgres, eventually, output_of};

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

/// Customer 7 has 2 % of the rows, all of them the oldest. Statistics of the states are from when all were alike.
const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, cust int NOT NULL, created timestamptz NOT NULL, pad text NOT NULL);
    INSERT INTO orders SELECT i, CASE WHEN i <= 1000 THEN 7 ELSE 100 + (i * 7919) % 1000 END,
           timestamptz '2026-01-01' + i * interval '1 minute', repeat('x', 60)
    FROM generate_series(1, 50000) i ORDER BY i / 200, (i * 7919) % 200;
    CREATE TABLE states (id int PRIMARY KEY, state text NOT NULL, pad text NOT NULL);
    INSERT INTO states SELECT i, 'common', repeat('x', 60) FROM generate_series(1, 20000) i;
    VACUUM ANALYZE;
    UPDATE states SET state = 'rare ' || id WHERE id > 20";

/// A change that created an index of these keys; its identifier.
fn created(perfctl: &Perfctl, table: &str, keys: &[&str], name: &str) -> String {
    let args = [&["db", "index", "create", table][..], keys, &["--name", name, "--env", "shop"]].concat();
    let change = perfctl.json(&args);
    assert_eq!(change["state"], "verified", "{change}");
    change["id"].as_str().expect("id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_a_proof_is_its_verdict() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    for text in ORDERS.split(';') {
        server.execute(text).await.expect("rows");
    }
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "shop", "--kind", "development", "--database", &server.url()]);
    let file = |name: &str, text: &str| {
        let path = perfctl.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let latest = file("latest.sql", "SELECT id, created FROM orders WHERE cust = $1 ORDER BY created DESC LIMIT 10");
    let state = file("state.sql", "SELECT max(pad) FROM states WHERE state = 'common'");
    let nothing = file("nothing.sql", "TRUNCATE orders");
    let proof = |id: &str, queries: &str, time: &str| {
        perfctl.run(&["changes", "prove", id, "--queries", queries, "--for", time])
    };

    let good = created(&perfctl, "orders", &["cust", "created desc"], "good");
    let (code, out, err) = proof(&good, &latest, "4s");
    assert_eq!(code, 0, "proven: {out}{err}");
    assert!(out.contains("proven: ") && !err.contains("changes undo"), "nothing is to be undone: {out}{err}");
    let (code, out, err) = proof(&good, &nothing, "1s");
    assert_eq!(code, 4, "nothing could be measured, so that nothing is told: {out}{err}");
    assert!(out.contains("unclear: "), "{out}{err}");

    let useless = created(&perfctl, "orders", &["pad"], "useless");
    let (code, out, err) = proof(&useless, &latest, "1s");
    assert_eq!(code, 3, "no plan uses it: {out}{err}");
    assert!(out.contains("not used: "), "{out}{err}");
    assert!(err.lines().any(|line| line == format!("hint: perfctl changes undo {useless}")), "what to do: {err}");

    let fragile = created(&perfctl, "states", &["state"], "by_state");
    let (code, out, err) = proof(&fragile, &state, "1s");
    assert_eq!(code, 3, "with new statistics it is used, without them it is not: {out}{err}");
    assert!(out.contains("fragile: "), "{out}{err}");
    let (code, out, _) = perfctl.run(&["changes", "show", &fragile, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &shown["proof"]["verdict"]), (0, &"fragile".into()), "it is kept with the change: {shown}");

    // Refused: nothing was measured at all.
    let (code, out, err) = perfctl.run(&["changes", "prove", "nothing-like-it", "--queries", &latest]);
    assert_eq!((code, out.as_str()), (1, ""), "no such change: {err}");
    let (code, out, err) = proof(&good, &latest, "0s");
    assert!(code == 1 || code == 2, "no time to measure in: {out}{err}");
    perfctl.ok(&["changes", "undo", &useless]);
    let (code, _, err) = proof(&useless, &latest, "1s");
    assert_eq!(code, 1, "it is undone: {err}");
    assert!(err.contains("hint: "), "{err}");

    cancelled(
        &server,
        &perfctl,
        &good,
        &file("slow.sql", "SELECT count(*) FROM generate_series(1, 8000000) g WHERE g < 0"),
    )
    .await;
}

/// Sessions in which something is proven.
async fn sessions(server: &Postgres, of: &str) -> i64 {
    let mut c = server.connect().await.expect("a session");
    let text = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perfdeck-change' {of}");
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut c).await.expect("sessions");
    sqlx::Connection::close(c).await.expect("closed");
    count
}

/// Ctrl-C ends it at the server too, as a command that did not do what it was asked.
async fn cancelled(server: &Postgres, perfctl: &Perfctl, id: &str, slow: &str) {
    let before = perfctl.json(&["changes", "show", id])["proof"].clone();
    let args = ["changes", "prove", id, "--queries", slow, "--for", "60s"];
    let mut command = perfctl.command(&args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    eventually(Duration::from_secs(30), async || {
        sessions(server, "AND state = 'active' AND query LIKE '%8000000%'").await == 1
    })
    .await;
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success(), "the signal is sent to our own child");
    let asked = Instant::now();
    let output = output_of(child, Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(5), "at once: {:?}", asked.elapsed());
    eventually(Duration::from_secs(5), async || sessions(server, "").await == 0).await;
    assert_eq!(perfctl.json(&["changes", "show", id])["proof"], before, "the proof before stays");
}
