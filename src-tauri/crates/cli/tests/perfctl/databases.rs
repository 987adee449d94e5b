//! `perfctl db`: a user without rights is told the exact statement everywhere, and a locked table holds nothing up.
use std::path::Path;
use std::time::{Duration, Instant};

use perfdeck_testkit::sqlx::{self, Executor as _, Row as _};
use perfdeck_testkit::{POSTGRES_PASSWORD, Postgres};

use crate::perfctl::{finish, perfctl, run};

/// Runs with the role's password in its variable; answers the exit code and everything that was said.
fn asked(dir: &Path, args: &[&str]) -> (i32, String) {
    let mut command = perfctl(dir, args);
    let output = finish(command.env("CANARY_PASSWORD", POSTGRES_PASSWORD).spawn().expect("perfctl starts"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// A name as long as PostgreSQL has them.
const LONG: &str = "ééééééééééééééééééééééééééééééé";

#[tokio::test(flavor = "multi_thread")]
async fn every_command_says_what_a_user_lacks_and_waits_for_no_lock() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server
        .execute(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 1000) i;
             CREATE TABLE o AS SELECT i AS id, i % 500 AS c, now() + i * interval '1 min' AS at, md5(i::text) AS note
             FROM generate_series(1, 20000) i; CREATE TABLE u (n int); CREATE INDEX u_1 ON u (n); CREATE INDEX u_2 ON u (n);
             CREATE TABLE \"{LONG}\" (\"имя\" text PRIMARY KEY); CREATE EXTENSION pgstattuple;
             CREATE ROLE plain LOGIN PASSWORD '{POSTGRES_PASSWORD}'; ANALYZE"
        ))
        .await
        .expect("tables");
    let mut busy = server.connect().await.expect("a session");
    busy.execute("BEGIN; UPDATE t SET n = 1 WHERE id = 1").await.expect("locked");
    let pid: i32 = busy.fetch_one("SELECT pg_backend_pid()").await.expect("its number").get(0);
    let pid = pid.to_string();
    let dir = tempfile::tempdir().expect("a folder");
    for role in ["plain", "perfdeck"] {
        let url = format!("postgres://{role}@127.0.0.1:{}/app", server.port());
        let add = ["env", "add", role, "--database", &url, "--database-password-env", "CANARY_PASSWORD"];
        let (code, _, said) = run(dir.path(), &add);
        assert_eq!(code, 0, "{said}");
    }
    without_rights(dir.path(), &pid);
    // Somebody takes the table for himself: what needs it says so, and nothing else waits.
    busy.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    beside_a_lock(dir.path(), &pid);
    indexes(dir.path());
    advice(dir.path());
    long_names(dir.path());
    busy.execute("ROLLBACK").await.expect("free again");
    let of = "SELECT coalesce(string_agg(pg_get_indexdef(indexrelid), ';'), '') FROM pg_index WHERE indrelid = 'o'::regclass";
    for (condition, name, made) in
        [("lower(note) = 'x'", "o_note_idx", "(lower(note))"), ("id * 3 = 30 AND c = 7", "o_id_idx", "(((id * 3)))")]
    {
        let id = create_advised(dir.path(), "perfdeck", &format!("SELECT * FROM o WHERE {condition}"), name);
        let there: String = busy.fetch_one(of).await.expect("asked").get(0);
        assert!(there.contains(&format!("INDEX {name} ON public.o USING btree {made}")), "{there}");
        undo(dir.path(), &id);
        let there: String = busy.fetch_one(of).await.expect("asked").get(0);
        assert_eq!(there, "", "as before");
    }
    sqlx::Connection::close(busy).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn advised_expressions_and_collations_of_sqlite_are_made_and_undone() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("lite.db").display().to_string();
    let url = format!("sqlite://{file}?mode=rwc");
    let mut c = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("a file");
    c.execute(
        "CREATE TABLE nc (id INTEGER PRIMARY KEY, plain TEXT, j TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO nc SELECT i, 'P' || i, json_object('a', i % 900) FROM n",
    )
    .await
    .expect("rows");
    let (code, _, said) = run(dir.path(), &["env", "add", "lite", "--database", &format!("sqlite:{file}")]);
    assert_eq!(code, 0, "{said}");
    let of = "SELECT coalesce(group_concat(sql, ';'), '') FROM sqlite_schema WHERE type = 'index'";
    for (condition, name, made) in [
        ("plain LIKE 'p77%'", "nc_plain_idx", "(\"plain\" COLLATE NOCASE)"),
        ("json_extract(j, '$.a') = 77", "nc_j_idx", "json_extract(\"j\", '$.a')"),
        ("lower(plain) = 'x'", "nc_plain_idx", "lower(\"plain\")"),
    ] {
        let id = create_advised(dir.path(), "lite", &format!("SELECT id FROM nc WHERE {condition}"), name);
        let there: String = c.fetch_one(of).await.expect("asked").get(0);
        assert!(there.contains(name) && there.contains(made), "{made}: {there}");
        undo(dir.path(), &id);
        let there: String = c.fetch_one(of).await.expect("asked").get(0);
        assert_eq!(there, "", "as before");
    }
    sqlx::Connection::close(c).await.expect("closed");
}

/// As on a disk that is full, wherever nothing can be mounted: this user's files may grow no further.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_grow_no_further_is_left_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("full.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut c = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("a file");
    c.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO t SELECT i, hex(randomblob(80)) FROM n",
    )
    .await
    .expect("rows");
    let (code, _, said) = run(dir.path(), &["env", "add", "full", "--database", &format!("sqlite:{}", path.display())]);
    assert_eq!(code, 0, "{said}");
    // What sh counts in blocks of 512 bytes: a megabyte more, of which the index needs seven.
    let blocks = std::fs::metadata(&path).expect("a file").len() / 512 + 2_048;
    let inner = perfctl(dir.path(), &["db", "index", "create", "t", "note", "--env", "full"]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$1\" && shift && exec \"$@\"", "sh", &blocks.to_string()]);
    limited.arg(inner.get_program()).args(inner.get_args()).env_clear();
    limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = finish(limited.spawn().expect("sh starts"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be written") && said.contains("hint: Look at the system's log, at quotas"), "{said}");
    let list = crate::perfctl::json(dir.path(), &["changes", "list", "--env", "full"], 0);
    let first = &list["changes"][0];
    assert_eq!((&first["state"], &first["target_says"]["says"]), (&"failed".into(), &"as_before".into()), "{list}");
    let left: i64 = c.fetch_one("SELECT count(*) FROM sqlite_schema WHERE type = 'index'").await.expect("asked").get(0);
    assert_eq!(left, 0, "it was rolled back");
    let whole: String = c.fetch_one("PRAGMA integrity_check").await.expect("asked").get(0);
    assert_eq!(whole, "ok");
    sqlx::Connection::close(c).await.expect("closed");
}

/// Advises on one statement, makes the index as it is advised, and answers the identifier of the change, of which a size was predicted.
fn create_advised(dir: &Path, environment: &str, statement: &str, name: &str) -> String {
    let file = dir.join("advised.sql");
    std::fs::write(&file, statement).expect("written");
    let queries = file.display().to_string();
    let (code, said) = asked(dir, &["db", "advise", "--env", environment, "--queries", &queries]);
    assert!(code == 0 && said.contains(&format!("--advised {name}")), "{statement}: {said}");
    let create = ["db", "index", "create", "--env", environment, "--advised", name];
    // What is done is told on the way.
    let mut command = perfctl(dir, &[&create[..], &["--json"]].concat());
    let output = finish(command.env("CANARY_PASSWORD", POSTGRES_PASSWORD).spawn().expect("perfctl starts"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {said}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(told["prediction"]["bytes"].as_f64().is_some_and(|n| n > 100_000.0), "{told}");
    told["id"].as_str().expect("its identifier").to_owned()
}

fn undo(dir: &Path, id: &str) {
    let (code, said) = asked(dir, &["changes", "undo", id]);
    assert_eq!(code, 0, "{said}");
}

fn without_rights(dir: &Path, pid: &str) {
    let (monitor, read) = ("hint: GRANT pg_monitor TO \"plain\";", "hint: GRANT pg_read_all_data TO \"plain\";");
    let (measure, plan) = ("hint: GRANT pg_stat_scan_tables TO \"plain\";", "SELECT * FROM t");
    let queries = dir.join("plain.sql");
    std::fs::write(&queries, "SELECT * FROM o WHERE c = 7").expect("written");
    let queries = queries.display().to_string();
    let all: [(&[&str], i32, &str); 12] = [
        (&["activity"], 4, monitor),
        (&["advise", "--queries", &queries], 4, read),
        (&["locks"], 4, monitor),
        (&["pool"], 4, monitor),
        (&["statements", "--for", "1s"], 4, monitor),
        (&["sizes"], 4, read),
        (&["indexes"], 4, read),
        (&["bloat", "public.t_pkey", "--preview"], 4, measure),
        (&["bloat", "public.t_pkey"], 1, measure),
        (&["plan", plan], 1, read),
        (&["terminate", pid, "--preview"], 1, monitor),
        (&["cancel", pid, "--preview"], 1, monitor),
    ];
    for (args, wanted, hint) in all {
        let (code, said) = asked(dir, &[&["db"], args, &["--env", "plain"]].concat());
        assert_eq!(code, wanted, "{args:?}: {said}");
        assert!(said.lines().any(|line| line == hint), "{args:?} says {hint}: {said}");
    }
    // Private servers have no fsync, which is the check that fails; what it may not see is unknown besides.
    let (code, said) = asked(dir, &["db", "health", "--env", "plain"]);
    assert!(code == 3 && said.contains("Connections"), "{code}: {said}");
}

fn beside_a_lock(dir: &Path, pid: &str) {
    let all: [(&[&str], i32, &str); 10] = [
        (&["activity"], 0, "idle in transaction"),
        (&["locks"], 0, "Nobody waits for a lock"),
        (&["pool"], 0, "connections:"),
        (&["health"], 3, "Connections"),
        (&["statements", "--for", "1s"], 0, "two readings"),
        (&["sizes"], 0, "1 table is locked exclusively"),
        (&["indexes"], 0, "1 table is locked exclusively"),
        (&["bloat", "public.t_pkey"], 0, "% bloat"),
        (&["plan", "SELECT * FROM t"], 1, "locked"),
        (&["terminate", pid, "--preview"], 0, "cannot be undone"),
    ];
    for (args, wanted, says) in all {
        let began = Instant::now();
        let (code, said) = asked(dir, &[&["db"], args, &["--env", "perfdeck"]].concat());
        assert_eq!(code, wanted, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?} says '{says}': {said}");
        assert!(began.elapsed() < Duration::from_secs(10), "{args:?} waits for nobody: {:?}", began.elapsed());
    }
}

/// Kinds and a table choose, and a script reads what a person does.
fn indexes(dir: &Path) {
    let ask = |more: &[&str]| asked(dir, &[&["db", "indexes", "--env", "perfdeck"], more].concat());
    let (code, said) = ask(&["--kind", "duplicate,redundant", "--table", "u"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.lines().any(|line| line.starts_with("duplicate") && line.contains("public.u_2")), "{said}");
    assert!(said.lines().any(|line| line.trim() == "fix: DROP INDEX CONCURRENTLY public.u_2;"), "to be copied: {said}");
    assert!(said.contains("1 finding in 4 tables and 4 indexes") && !said.contains("unused:"), "{said}");
    let (_, said) = ask(&["--kind", "unused"]);
    assert!(said.contains("0 findings") && said.contains("unused: too early to say"), "{said}");
    let (_, said) = ask(&["--kind", "duplicate", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&told["schema"], &told["findings"][0]["kind"]), (&"perfdeck.indexes/1".into(), &"duplicate".into()));
    assert_eq!(told["findings"][0]["finding"]["action"]["opens"]["kind"], "drop_index", "{said}");
    let (_, said) = ask(&["--table", "public.t", "--kind", "duplicate"]);
    assert!(said.contains("0 findings"), "of another table there are none: {said}");
    let (code, said) = ask(&["--table", "tyypo"]);
    assert!(code == 1 && said.contains("There is no table 'tyypo'") && said.contains("hint: "), "{said}");
}

/// A file of queries, the index that serves them, and the change with what was predicted of it.
fn advice(dir: &Path) {
    let file = dir.join("queries.sql");
    let text = "SELECT * FROM o WHERE c = 7 ORDER BY at DESC LIMIT 10; -- of one\nSELECT 'a;b' FROM nowhere;";
    std::fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    let ask = |more: &[&str]| asked(dir, &[&["db", "advise", "--env", "perfdeck"], more].concat());
    let (code, said) = ask(&["--queries", &file, "--rejected"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("CREATE INDEX CONCURRENTLY \"o_c_at_idx\" ON \"public\".\"o\" (\"c\", \"at\" DESC);"),
        "as it is sent: {said}"
    );
    assert!(
        said.contains("none of its tables is known: SELECT ? FROM nowhere"),
        "what is left, without literals: {said}"
    );
    assert!(said.contains("hint: perfctl db index create --advised o_c_at_idx"), "{said}");
    let pipe = dir.join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|s| s.success()));
    let writer = {
        let (pipe, text) = (pipe.clone(), text.to_owned());
        std::thread::spawn(move || std::fs::write(pipe, text))
    };
    let (code, piped) = ask(&["--queries", &pipe, "--rejected"]);
    writer.join().expect("a thread").expect("written");
    assert!(code == 0 && piped.contains("\"o_c_at_idx\""), "as a shell's <(…): {piped}");
    let (code, said) = ask(&["--queries", &dir.display().to_string()]);
    assert!(code != 0 && said.contains("it is a folder"), "{said}");
    let (_, said) = ask(&["--last", "7d"]);
    assert!(!said.contains("not a duration"), "as its help says: {said}");
    let (code, said) = asked(dir, &["env", "add", "folder", "--database", &format!("sqlite:{}", dir.display())]);
    let (_, listed) = asked(dir, &["db", "indexes", "--env", "folder"]);
    assert!(
        format!("{said}{listed}").contains("is a folder, and a SQLite database is a file"),
        "{code} {said} {listed}"
    );
    let (code, said) = ask(&["--queries", &file, "--budget", "10kB"]);
    assert!(code == 0 && said.contains("No index is advised"), "nothing fits: {said}");
    let (_, said) = ask(&["--queries", &file, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&told["schema"], &told["advised"][0]["keys"]), (&"perfdeck.advice/1".into(), &"(c, at DESC)".into()));
    let create = ["db", "index", "create", "--env", "perfdeck", "--advised"];
    let (code, said) = asked(dir, &[&create[..], &["nothing"]].concat());
    assert!(code == 1 && said.contains("hint: It has: o_c_at_idx"), "{said}");
    let (code, said) = asked(dir, &[&create[..], &["o_c_at_idx", "--preview", "--json"]].concat());
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert!(told["prediction"]["bytes"].as_f64().is_some_and(|n| n > 100_000.0), "{said}");
    let id = told["id"].as_str().expect("its identifier").to_owned();
    let (code, said) = asked(dir, &["changes", "discard", &id]);
    assert!(code == 0 && said.contains("lapsed"), "{said}");
}

fn long_names(dir: &Path) {
    let (code, said) = asked(dir, &["db", "sizes", "--indexes", "--env", "perfdeck"]);
    assert!(code == 0 && said.contains(&format!("public.\"{LONG}\"")), "{code}: {said}");
    let index = said.lines().find_map(|line| line.trim().strip_prefix("public.\"")?.split_once("_pkey\""));
    let index = format!("public.\"{}_pkey\"", index.expect("its index, which the server named").0);
    let (code, said) = asked(dir, &["db", "bloat", &index, "--env", "perfdeck"]);
    assert!(code == 0 && said.contains("% bloat"), "{index}: {code}: {said}");
    let statement = format!("SELECT \"имя\" FROM \"{LONG}\" WHERE \"имя\" = 'тайна'");
    let (code, said) = asked(dir, &["db", "plan", &statement, "--env", "perfdeck"]);
    assert!(code == 0 && said.contains(LONG) && !said.contains("тайна"), "{code}: {said}");
}
