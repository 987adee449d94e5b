//! Counters of statements on real servers: calls to the last one, shares beside an independent reading, nothing of our own, and
//! nothing negative whatever happens to the counters.
use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use perfdeck_database::statements::{Cut, Delta, Found, Reading, StatementReader, Unseen, delta};
use perfdeck_database::{ActivityReader, DatabaseCollector, health, sizes};
use perfdeck_model::{Address, Clock as _, Collector, SizeTold, StatementsUnavailable, SystemClock};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, PgBouncer, Postgres, find_program};
use sqlx::{Connection as _, Executor as _, Row as _};

const TABLES: &str =
    "CREATE TABLE items (id int PRIMARY KEY, stock int); INSERT INTO items SELECT i, 0 FROM generate_series(1, 500) i;
    CREATE TABLE \"Überstunden 表\" (\"имя\" int)";
/// Two statements of different weight.
const LIGHT: &str = "SELECT stock FROM items WHERE id = 7";
const HEAVY: &str = "SELECT sum(a.stock + b.id) FROM items a, items b";

fn reader(url: &str) -> StatementReader {
    let (address, password) = Address::parse(url).expect("a URL");
    StatementReader::new(address, password)
}

async fn read(reader: &mut StatementReader) -> Reading {
    match reader.read(SystemClock.now_ms(), true).await.expect("answers") {
        Found::Counters(reading) => *reading,
        Found::Unavailable(why) => panic!("{why:?}"),
    }
}

async fn refused(url: &str) -> StatementsUnavailable {
    match reader(url).read(SystemClock.now_ms(), true).await.expect("answers") {
        Found::Unavailable(why) => why,
        Found::Counters(reading) => panic!("{reading:?}"),
    }
}

/// What was gained, by text.
async fn by_text(reader: &mut StatementReader, delta: &Delta) -> HashMap<String, (u64, f64)> {
    let ids: Vec<String> = delta.gained.keys().map(|key| key.id.clone()).collect();
    let texts = reader.texts(&ids).await.expect("answers");
    let mut out = HashMap::new();
    for (key, counts) in &delta.gained {
        let text = texts.get(&key.id).map_or_else(|| format!("no text of {}", key.id), |text| text.text.clone());
        let sum: &mut (u64, f64) = out.entry(text).or_default();
        *sum = (sum.0 + counts.calls, sum.1 + counts.total_ms);
    }
    out
}

/// A load of pgbench: each of the statements so often on each of two connections.
async fn pgbench(server: &Postgres, times: u32, statements: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("load.sql");
    std::fs::write(&script, statements.iter().map(|s| format!("{s};\n")).collect::<String>()).expect("a script");
    let mut command =
        tokio::process::Command::new(find_program("pgbench", &[], "postgresql-contrib").expect("pgbench"));
    command.args(["-n", "-c", "2", "-t"]).arg(times.to_string()).arg("-f").arg(&script).args(["-h", "127.0.0.1", "-U"]);
    command.arg("perfdeck").arg("-p").arg(server.port().to_string()).arg("app").env("PGPASSWORD", POSTGRES_PASSWORD);
    let output = command.stdin(Stdio::null()).output().await.expect("pgbench starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Time of the statements of the load as psql would read it.
async fn independent(server: &Postgres) -> HashMap<String, f64> {
    let mut c = server.connect().await.expect("a connection");
    let sql =
        "SELECT query, sum(total_exec_time)::float8 FROM pg_stat_statements WHERE query LIKE '%items%' GROUP BY 1";
    let rows = sqlx::raw_sql(sql).fetch_all(&mut c).await.expect("rows");
    c.close().await.expect("closed");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Everything else that Perfdeck does there while it monitors.
async fn monitor(url: &str) {
    let (address, password) = Address::parse(url).expect("a URL");
    let mut collector = DatabaseCollector::new(address.clone(), password.clone());
    for at_ms in [0.0, 1_000.0, 5_000.0] {
        collector.collect(&at_ms).await.expect("collects");
    }
    let mut sessions = ActivityReader::default();
    sessions.read(&address, password.as_ref(), 0.0).await.expect("answers");
    sessions.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_statements_are_counted_to_the_last_call_and_none_is_our_own() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    server
        .execute(&format!(
            "CREATE ROLE watcher LOGIN PASSWORD '{POSTGRES_PASSWORD}'; GRANT pg_monitor TO watcher;
             CREATE ROLE plain LOGIN PASSWORD '{POSTGRES_PASSWORD}'"
        ))
        .await
        .expect("roles");
    let as_role = |role: &str| server.url().replace("//perfdeck:", &format!("//{role}:"));
    for (url, unseen) in [(server.url(), Unseen::NotRecorded), (as_role("watcher"), Unseen::Marked)] {
        exact(&server, &url, &as_role("plain"), unseen).await;
    }
    pooled(&server).await;
    hidden(&server, &as_role("plain")).await;
    odd_texts(&server).await;
    reset(&server).await;
    other_encodings(&server).await;
    missing(&server).await;
    restarted(&mut server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_18_and_a_standby_tell_the_same() {
    let server = Postgres::start_18_with(&[]).await.expect("PostgreSQL 18");
    server.execute(TABLES).await.expect("tables");
    exact(&server, &server.url(), &server.url(), Unseen::NotRecorded).await;
    odd_texts(&server).await;
    reset(&server).await;
    drop(server);

    // A standby counts what runs on it, and only that.
    let primary = Postgres::start().await.expect("PostgreSQL");
    primary.execute(TABLES).await.expect("tables");
    primary.execute("CREATE INDEX items_stock ON items (stock); ANALYZE").await.expect("statistics");
    let standby = primary.standby().await.expect("a standby");
    perfdeck_testkit::eventually(Duration::from_secs(20), || async {
        standby.execute("SELECT 1 FROM items").await.is_ok()
    })
    .await;
    pgbench(&primary, 5, &[LIGHT]).await;
    exact(&standby, &standby.url(), &standby.url(), Unseen::NotRecorded).await;
    on_a_standby(&primary, &standby).await;
}

/// Sessions, sizes and health of a standby: nothing fails, and what it cannot know is unknown and said.
async fn on_a_standby(primary: &Postgres, standby: &Postgres) {
    let (address, password) = Address::parse(&standby.url()).expect("a URL");
    let mut client = standby.connect().await.expect("a session");
    client.execute("BEGIN; SELECT count(*) FROM items").await.expect("reads");
    let mut reader = ActivityReader::default();
    let seen = reader.read(&address, password.as_ref(), 1e12).await.expect("answers").answer();
    let open = seen.sessions.iter().find(|s| s.state == "idle in transaction").expect("the client's");
    assert_eq!((open.wrote, seen.hidden, seen.blocking.waiting), (Some(false), Some(0), 0), "{seen:?}");
    // What the primary locks is locked on the standby too, by its recovery: who waits for that has a holder that is no client.
    let mut locker = primary.connect().await.expect("a session");
    client.execute("COMMIT").await.expect("ended");
    locker.execute("BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE; SELECT pg_switch_wal()").await.expect("locked");
    perfdeck_testkit::eventually(Duration::from_secs(20), || async {
        standby.execute("SET lock_timeout = 50; SELECT count(*) FROM items").await.is_err()
    })
    .await;
    let waits = tokio::spawn(async move { client.execute("SELECT count(*) FROM items").await.map(drop) });
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let seen = loop {
        let seen = reader.read(&address, password.as_ref(), 1e12).await.expect("answers").answer();
        if seen.blocking.waiting == 1 {
            break seen;
        }
        assert!(std::time::Instant::now() < end, "nobody waits: {seen:?}");
    };
    assert_eq!(seen.blocking.rows.len(), 2, "the waiter below its holder: {:?}", seen.blocking);
    reader.close().await;
    let found = sizes(&address, password.as_ref(), 100).await.expect("beside the lock");
    let items = found.tables.iter().find(|t| t.name == "public.items").expect("it is there");
    assert_eq!(items.told, SizeTold::Locked, "{items:?}");
    assert_eq!(
        (items.dead_rows, items.vacuumed_ms, items.analyzed_ms),
        (None, None, None),
        "unknown is not 0: {items:?}"
    );
    assert!(items.indexes.len() == 2 && items.indexes.iter().all(|i| i.bloat.is_some()), "{items:?}");
    assert!(found.missing.iter().any(|m| m.contains("standby")), "which is said: {:?}", found.missing);
    locker.execute("ROLLBACK").await.expect("free");
    waits.await.expect("a task").expect("it went on");
    // A reader that holds up the replay is who is waited for, though the server tells that of no session.
    let mut holds = standby.connect().await.expect("a session");
    holds.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM items").await.expect("reads");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holds).await.expect("its number");
    primary.execute("ALTER TABLE items ADD COLUMN later int").await.expect("altered");
    let mut reader = ActivityReader::default();
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let seen = loop {
        let seen = reader.read(&address, password.as_ref(), 1e12).await.expect("answers").answer();
        if seen.blocking.rows.first().is_some_and(|row| row.pid == i64::from(pid)) {
            break seen;
        }
        assert!(std::time::Instant::now() < end, "the reader is the root: {:?}", seen.blocking);
    };
    assert_eq!(seen.blocking.rows[1].name.as_deref(), Some("startup"), "{:?}", seen.blocking);
    reader.close().await;
    holds.execute("ROLLBACK").await.expect("ended");
    let health = health(&address, password.as_ref(), &0.0).await;
    assert!(!health.is_incomplete(), "nothing fails: {health:#?}");
    assert!(health.checks.iter().any(|c| c.id == "replication_lag" && c.value.is_some()), "{health:#?}");
}

/// Calls are exact, shares are those of an independent reading, and nothing of Perfdeck's own is in them.
async fn exact(server: &Postgres, url: &str, another: &str, unseen: Unseen) {
    let mut reader = reader(url);
    monitor(url).await;
    let then = independent(server).await;
    let before = read(&mut reader).await;
    assert_eq!(reader.unseen(), Some(unseen), "how own statements are kept out as this user");
    pgbench(server, 30, &[LIGHT, HEAVY]).await;
    monitor(url).await;
    // Another Perfdeck, which signs in as somebody without rights: its sessions are recorded.
    monitor(another).await;
    // Its own reading is in the counters before ours is made, as another client's statement.
    let found = delta(&before, &read(&mut reader).await);
    let now = independent(server).await;
    let texts = by_text(&mut reader, &found).await;
    let (light, heavy) = ("SELECT stock FROM items WHERE id = $1", HEAVY);
    assert_eq!((texts[light].0, texts[heavy].0), (60, 60), "two connections, thirty times: {texts:?}");
    assert_eq!(texts.len(), 2, "{unseen:?}: no statement of Perfdeck's own, and nobody else was there: {texts:?}");
    assert_eq!((found.cuts.as_slice(), found.vanished), (&[][..], 0), "all of it is known");
    let all: f64 = texts.values().map(|t| t.1).sum();
    let gained = |text: &str| now[text] - then.get(text).copied().unwrap_or(0.0);
    let independently: f64 = now.keys().filter(|text| !text.contains("pg_stat_statements")).map(|t| gained(t)).sum();
    for text in [light, heavy] {
        let (share, theirs) = (texts[text].1 / all, gained(text) / independently);
        assert!((share - theirs).abs() < 0.02, "{text}: {share} beside {theirs}");
    }
    reader.close().await;
}

/// A pooler gives each question another server connection: nothing is left on it, and the marks know our own.
async fn pooled(server: &Postgres) {
    let pooler = PgBouncer::start(server, &[("pool_mode", "transaction")]).await.expect("PgBouncer");
    let mut reader = reader(&pooler.url());
    let before = read(&mut reader).await;
    assert_eq!(reader.unseen(), Some(Unseen::Marked), "an option would stay with the next client");
    pgbench(server, 5, &[LIGHT]).await;
    monitor(&pooler.url()).await;
    let found = delta(&before, &read(&mut reader).await);
    let texts = by_text(&mut reader, &found).await;
    let ours: Vec<&String> = texts.keys().filter(|text| !text.contains("items")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    assert_eq!(texts["SELECT stock FROM items WHERE id = $1"].0, 10, "{texts:?}");
    let mut client = server.connect().await.expect("a connection");
    let track = sqlx::raw_sql("SHOW pg_stat_statements.track").fetch_one(&mut client).await.expect("a setting");
    assert_eq!(track.get::<String, _>(0), "top", "nobody else's setting was touched");
    client.close().await.expect("closed");
}

/// A role that may not see others' statements is told how many there are; its own are exact.
async fn hidden(server: &Postgres, url: &str) {
    let mut reader = reader(url);
    let before = read(&mut reader).await;
    assert!(before.hidden.statements > 0 && before.entries.is_empty(), "none is its own: {before:?}");
    pgbench(server, 10, &[LIGHT]).await;
    let now = read(&mut reader).await;
    let found = delta(&before, &now);
    assert_eq!((found.hidden.counts.calls, found.gained.len()), (20, 0), "their sum is known: {found:?}");
    assert_eq!(reader.reveal(), "GRANT pg_monitor TO \"plain\";", "and what shows them");
    server.execute("GRANT pg_monitor TO plain").await.expect("granted");
    let found = delta(&now, &read(&mut reader).await);
    assert!(found.gained.values().all(|counts| counts.calls < 20), "what comes to light is no jump: {found:?}");
    assert!(found.cuts.contains(&Cut::Hidden), "and it is said: {found:?}");
}

/// Statements of a megabyte, and in other scripts.
async fn odd_texts(server: &Postgres) {
    let mut reader = reader(&server.url());
    let before = read(&mut reader).await;
    // Columns: of a list of constants PostgreSQL 18 keeps the first.
    let long = format!("SELECT ARRAY[{}id] FROM items WHERE id < 0", "stock,".repeat(170_000));
    server.execute(&format!("SELECT \"имя\" FROM \"Überstunden 表\" WHERE \"имя\" = 3; {long}")).await.expect("run");
    let found = delta(&before, &read(&mut reader).await);
    let ids: Vec<String> = found.gained.keys().map(|key| key.id.clone()).collect();
    let texts = reader.texts(&ids).await.expect("answers");
    let other = "SELECT \"имя\" FROM \"Überstunden 表\" WHERE \"имя\" = $1";
    assert!(texts.values().any(|text| text.text == other && text.cut_of.is_none()), "{:?}", texts.keys());
    let long = texts.values().find(|text| text.text.starts_with("SELECT ARRAY")).expect("the long one");
    assert!(long.text.len() <= 1 << 16 && long.cut_of.is_some_and(|n| n > 1_000_000), "{:?}", long.cut_of);
}

async fn reset(server: &Postgres) {
    let mut reader = reader(&server.url());
    pgbench(server, 20, &[LIGHT]).await;
    let before = read(&mut reader).await;
    pgbench(server, 5, &[LIGHT]).await;
    server.execute("SELECT pg_stat_statements_reset()").await.expect("reset");
    pgbench(server, 3, &[LIGHT]).await;
    let found = delta(&before, &read(&mut reader).await);
    let texts = by_text(&mut reader, &found).await;
    assert_eq!(texts["SELECT stock FROM items WHERE id = $1"].0, 6, "what was counted since: {texts:?}");
    assert_eq!(found.cuts, [Cut::Reset], "and why that is not all");
    let before = read(&mut reader).await;
    let one = "SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query LIKE 'SELECT stock FROM items%'";
    server.execute(one).await.expect("reset");
    pgbench(server, 2, &[LIGHT]).await;
    let found = delta(&before, &read(&mut reader).await);
    assert_eq!(by_text(&mut reader, &found).await["SELECT stock FROM items WHERE id = $1"].0, 4, "{found:?}");
    assert_eq!(found.cuts, [Cut::SomeReset], "the server made no room: somebody reset this one");
}

/// Texts that are no UTF-8: another database's make nobody else's figures go away, and in their own they are shown as far as they
/// are text.
async fn other_encodings(server: &Postgres) {
    for name in ["SQL_ASCII", "LATIN1"] {
        let create = format!("CREATE DATABASE \"{name}\" ENCODING '{name}' TEMPLATE template0 LOCALE 'C'");
        server.execute(&create).await.expect("created");
        let url = server.url().replace("/app", &format!("/{name}"));
        let mut c = sqlx::PgConnection::connect(&url).await.expect("a connection");
        c.execute("CREATE EXTENSION pg_stat_statements").await.expect("created");
        let mut reader = reader(&url);
        let before = read(&mut reader).await;
        // The byte E9 by itself: an é in LATIN1, and nothing in UTF-8.
        c.execute("SET pg_stat_statements.track = 'all'").await.expect("set");
        let bytes = "DO $$ BEGIN EXECUTE 'SELECT 1 AS \"caf' || chr(233) || '\"'; END $$";
        c.execute(bytes).await.expect("run");
        let found = delta(&before, &read(&mut reader).await);
        let texts = by_text(&mut reader, &found).await;
        let letter = if name == "LATIN1" { 'é' } else { char::REPLACEMENT_CHARACTER };
        let wanted = format!("SELECT $1 AS \"caf{letter}\"");
        // Where another database's text cannot be converted into this one's encoding the server sends none at all.
        let shown = texts.contains_key(&wanted) || texts.keys().any(|text| text.starts_with("no text of"));
        assert!(shown, "{name}: {texts:?}");
        let (address, password) = Address::parse(&server.url()).expect("a URL");
        let mut sessions = ActivityReader::default();
        let seen = sessions.read(&address, password.as_ref(), 0.0).await.expect("others do not blind it");
        let session = seen.answer().sessions.into_iter().find(|s| s.database.as_deref() == Some(name));
        assert!(session.expect("it is listed").statement.contains("DO "), "an idle session of {name}");
        sessions.close().await;
        reader.close().await;
        c.close().await.expect("closed");
    }
    let mut reader = reader(&server.url());
    let before = read(&mut reader).await;
    pgbench(server, 5, &[LIGHT]).await;
    let found = delta(&before, &read(&mut reader).await);
    assert!(found.gained.values().any(|counts| counts.calls == 10), "figures come without texts too: {found:?}");
    assert!(reader.unread().is_some_and(|why| why.contains("another database")), "and why they do is said");
    for name in ["SQL_ASCII", "LATIN1"] {
        server.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await.expect("dropped");
    }
    server.execute("SELECT pg_stat_statements_reset()").await.expect("reset");
}

/// What is missing is said, with what changes it.
async fn missing(server: &Postgres) {
    let mut open = reader(&server.url());
    read(&mut open).await;
    server.execute("DROP EXTENSION pg_stat_statements").await.expect("dropped");
    let Found::Unavailable(why) = open.read(0.0, true).await.expect("it was there a moment ago") else {
        panic!("it is gone");
    };
    assert_eq!(why, refused(&server.url()).await, "in the middle as at the beginning");
    assert_eq!(why.fix.as_deref(), Some("CREATE EXTENSION pg_stat_statements;"), "{why:?}");
    // In another schema, which this user may not use.
    server
        .execute(
            "CREATE SCHEMA \"Stats\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Stats\"; CREATE ROLE outside LOGIN",
        )
        .await
        .expect("created");
    server.execute(&format!("ALTER ROLE outside PASSWORD '{POSTGRES_PASSWORD}'")).await.expect("a password");
    let outside = server.url().replace("//perfdeck:", "//outside:");
    let why = refused(&outside).await;
    let grant = why.fix.expect("a statement");
    assert_eq!(grant, "GRANT USAGE ON SCHEMA \"Stats\" TO \"outside\";");
    server.execute(&grant).await.expect("it is exact");
    read(&mut reader(&outside)).await;
    for (setting, off) in [("pg_stat_statements.track", "none"), ("compute_query_id", "off")] {
        server.execute(&format!("ALTER SYSTEM SET {setting} = '{off}'")).await.expect("set");
        server.execute("SELECT pg_reload_conf()").await.expect("reloaded");
        let url = server.url();
        let why = perfdeck_testkit::eventually(Duration::from_secs(10), || async {
            match reader(&url).read(0.0, false).await {
                Ok(Found::Unavailable(why)) => Some(why),
                _ => None,
            }
        })
        .await;
        assert!(why.fix.as_ref().is_some_and(|fix| fix.contains(setting)), "{why:?}");
        server.execute(&format!("ALTER SYSTEM RESET {setting}")).await.expect("set");
        server.execute("SELECT pg_reload_conf()").await.expect("reloaded");
        perfdeck_testkit::eventually(Duration::from_secs(10), || async {
            matches!(reader(&url).read(0.0, false).await, Ok(Found::Counters(_)))
        })
        .await;
    }
}

/// A server that ends in order keeps its counters, and one that crashes loses them.
async fn restarted(server: &mut Postgres) {
    let light = "SELECT stock FROM items WHERE id = $1";
    let mut reader = reader(&server.url());
    pgbench(server, 20, &[LIGHT]).await;
    let before = read(&mut reader).await;
    server.restart().await.expect("restarts");
    pgbench(server, 30, &[LIGHT]).await;
    let now = read(&mut reader).await;
    let found = delta(&before, &now);
    assert_eq!(by_text(&mut reader, &found).await[light].0, 60, "they go on where they were");
    assert_eq!(found.cuts, [], "and nothing is missing");
    let mut victim = server.connect().await.expect("a connection");
    let pid: i32 = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(&mut victim).await.expect("its number").get(0);
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill");
    assert!(killed.success(), "a session of the server crashes");
    perfdeck_testkit::eventually(Duration::from_secs(20), || async { server.execute("SELECT 1").await }).await;
    pgbench(server, 7, &[LIGHT]).await;
    let _ = reader.read(0.0, true).await;
    let found = delta(&now, &read(&mut reader).await);
    assert_eq!(by_text(&mut reader, &found).await[light].0, 14, "all of them are of since");
    assert_eq!(found.cuts.len(), 1, "and that something is missing is said: {:?}", found.cuts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_module_says_how_to_load_it() {
    let server = Postgres::start_with(&[("shared_preload_libraries", "")]).await.expect("PostgreSQL");
    let why = refused(&server.url()).await;
    assert_eq!(why.fix.as_deref(), Some("shared_preload_libraries = 'pg_stat_statements'"), "{why:?}");
    assert!(why.hint.expect("a hint").contains("restart"), "and that a restart is needed");
}

/// A load of sysbench with an exact number of its events, from one thread: the server adds to a digest's counters without a lock
/// (`PFS_statement_stat::aggregate_value`), and two threads at once can lose it one.
async fn sysbench(server: &MariaDb, step: &str, events: &str) {
    let mut command = tokio::process::Command::new(find_program("sysbench", &[], "sysbench").expect("sysbench"));
    command.args(["oltp_point_select", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=perfdeck"]);
    command.arg(format!("--mysql-port={}", server.port())).arg(format!("--mysql-password={MARIADB_PASSWORD}"));
    command.args(["--mysql-db=app", "--tables=1", "--table-size=1000", "--threads=1", "--time=0"]);
    command.args(["--db-ps-mode=disable", "--skip-trx=on"]).arg(format!("--events={events}")).arg(step);
    let output = command.stdin(Stdio::null()).output().await.expect("sysbench starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_digests_are_counted_to_the_last_call_and_none_is_our_own() {
    let mut server = MariaDb::start().await.expect("MariaDB");
    sysbench(&server, "prepare", "0").await;
    let mut all = reader(&server.url());
    let before = read(&mut all).await;
    assert_eq!(all.unseen(), Some(Unseen::NotRecorded), "as this user its sessions can be kept out");
    sysbench(&server, "run", "400").await;
    let mut c = server.connect().await.expect("a connection");
    for _ in 0..50 {
        c.execute("UPDATE sbtest1 SET k = k + 1 WHERE id BETWEEN 1 AND 500").await.expect("updated");
    }
    monitor(&server.url()).await;
    let found = delta(&before, &read(&mut all).await);
    let mut texts = by_text(&mut all, &found).await;
    // What a client of the test sends when it connects.
    texts.retain(|text, _| text.contains("sbtest1"));
    let (select, update) =
        ("SELECT c FROM sbtest1 WHERE id = ?", "UPDATE `sbtest1` SET k = k + ? WHERE `id` BETWEEN ? AND ?");
    let calls = |wanted: &str| {
        // The server quotes names, and writes those that are also keywords in capitals.
        let bare = |text: &str| text.replace(['`', ' '], "").to_lowercase();
        let text = texts.iter().find(|(text, _)| bare(text) == bare(wanted));
        text.unwrap_or_else(|| panic!("{wanted} is not among {texts:?}")).1.0
    };
    assert_eq!((calls(select), calls(update)), (400, 50), "to the last call: {texts:?}");
    let ours = by_text(&mut all, &found).await;
    let ours: Vec<&String> = ours.keys().filter(|t| t.contains("information_schema") || t.contains("SHOW")).collect();
    assert!(ours.is_empty(), "nothing of our own: {ours:?}");
    // Shares beside the server's own sum.
    let sum = "SELECT CAST(SUM(IF(digest_text LIKE 'UPDATE%', sum_timer_wait, 0)) / SUM(sum_timer_wait) AS DOUBLE)
               FROM performance_schema.events_statements_summary_by_digest
               WHERE schema_name = 'app' AND (digest_text LIKE 'UPDATE%sbtest1%' OR digest_text LIKE 'SELECT%FROM%sbtest1%WHERE%')";
    let theirs: f64 = sqlx::raw_sql(sum).fetch_one(&mut c).await.expect("a sum").get(0);
    let time = |word: &str| texts.iter().filter(|(t, _)| t.starts_with(word)).map(|(_, v)| v.1).sum::<f64>();
    let share = time("UPDATE") / (time("UPDATE") + time("SELECT"));
    assert!((share - theirs).abs() < 0.02, "{share} beside {theirs}");
    emptied(&server, &mut c).await;
    c.close().await.expect("closed");
    not_allowed(&server).await;
    let mut reader = reader(&server.url());
    let before = read(&mut reader).await;
    server.restart().await.expect("restarts");
    sysbench(&server, "run", "20").await;
    let found = delta(&before, &read(&mut reader).await);
    // Its start is told to the second: a server that was young is not told apart from one whose counters were emptied.
    let anew = |cut: &Cut| matches!(cut, Cut::Restarted | Cut::Reset);
    assert!(found.cuts.iter().any(anew) || before.entries.is_empty(), "{found:?}");
    assert!(found.gained.values().all(|counts| counts.calls <= 100), "no jump: {found:?}");
}

/// Somebody empties the table of counters.
async fn emptied(server: &MariaDb, c: &mut sqlx::MySqlConnection) {
    let mut reader = reader(&server.url());
    let before = read(&mut reader).await;
    c.execute("TRUNCATE performance_schema.events_statements_summary_by_digest").await.expect("emptied");
    for _ in 0..3 {
        c.execute("UPDATE sbtest1 SET k = k + 1 WHERE id BETWEEN 1 AND 500").await.expect("updated");
    }
    // The server counts a statement after its client has the answer.
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    let found = loop {
        let found = delta(&before, &read(&mut reader).await);
        assert!(!found.cuts.is_empty(), "it is said: {found:?}");
        if found.gained.values().any(|counts| counts.calls == 3) {
            break found;
        }
        assert!(tokio::time::Instant::now() < until, "what was counted since: {found:?}");
    };
    assert!(found.gained.values().all(|counts| counts.calls <= 3), "no jump: {found:?}");
}

/// A role that may not read the counters, one that may not keep its sessions out, and a server that keeps none.
async fn not_allowed(server: &MariaDb) {
    for (off, table) in [
        (
            "UPDATE performance_schema.setup_instruments SET enabled = 'NO' WHERE name LIKE 'statement/%'",
            "setup_instruments",
        ),
        ("UPDATE performance_schema.setup_actors SET enabled = 'NO'", "setup_actors"),
        (
            "UPDATE performance_schema.setup_consumers SET enabled = 'NO' WHERE name = 'thread_instrumentation'",
            "setup_consumers",
        ),
    ] {
        server.execute(off).await.expect("switched off");
        let fix = refused(&server.url()).await.fix.expect("what switches it on");
        assert!(fix.contains(table), "nothing is counted, and why: {fix}");
        server.execute(&fix).await.expect("it is exact");
        read(&mut reader(&server.url())).await;
    }
    server
        .execute(&format!(
            "CREATE USER plain@'%' IDENTIFIED BY '{MARIADB_PASSWORD}'; GRANT SELECT ON app.* TO plain@'%'"
        ))
        .await
        .expect("a role");
    let url = server.url().replace("//perfdeck:", "//plain:");
    let why = refused(&url).await;
    let grant = why.fix.expect("a statement");
    assert_eq!(grant, "GRANT SELECT ON performance_schema.* TO 'plain'@'%';");
    server.execute(&grant).await.expect("it is exact");
    let mut reader = reader(&url);
    read(&mut reader).await;
    assert_eq!(reader.unseen(), Some(Unseen::Counted), "its own statements are in the figures, which is said");
    server.execute(&reader.unrecord()).await.expect("and what changes it is exact");
    reader.close().await;
    read(&mut reader).await;
    assert_eq!(reader.unseen(), Some(Unseen::NotRecorded), "with it they are kept out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_without_performance_schema_says_how_to_turn_it_on() {
    let server = MariaDb::start_with(&["--performance-schema=OFF"]).await.expect("MariaDB");
    let why = refused(&server.url()).await;
    assert_eq!(why.fix.as_deref(), Some("performance_schema = ON"), "{why:?}");
}

#[tokio::test]
async fn sqlite_says_that_nobody_counts_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    std::fs::write(&path, "").expect("a file");
    let why = refused(&format!("sqlite:{}", path.display())).await;
    assert!(why.reason.contains("SQLite") && why.fix.is_none(), "{why:?}");
}
