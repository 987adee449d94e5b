//! The collector against real servers: true figures, rates after real traffic, recovery, findings.
use std::time::Duration;

use perfdeck_database::{ActivityReader, DatabaseCollector, Long};
use perfdeck_model::{Address, Collection, Collector, DatabaseActivity, ErrorCode, Finding, FindingTarget, Sensitive};
use perfdeck_testkit::{MariaDb, POSTGRES_PASSWORD, Postgres};
use sqlx::{Connection, Executor};

fn value(c: &Collection, id: &str) -> Option<f64> {
    c.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
}

fn collector(url: &str) -> DatabaseCollector {
    let (address, password) = Address::parse(url).expect("a URL");
    DatabaseCollector::new(address, password)
}

/// One look at the sessions, as a process does that ends after it.
async fn activity(url: &str) -> DatabaseActivity {
    let (address, password) = Address::parse(url).expect("a URL");
    let mut reader = ActivityReader::default();
    let facts = reader.read(&address, password.as_ref(), 1e12).await.expect("answers");
    reader.close().await;
    facts.answer()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_figures_are_true() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let mut c = collector(&server.url());
    let first = c.collect(&0.0).await.expect("answers");
    assert_eq!(value(&first, "database.transactions"), None, "the first collection has no rates");
    assert_eq!(value(&first, "database.connections{state=active}"), Some(0.0), "its own session is left out");
    assert_eq!(first.limits.get("max_connections"), Some(&100.0), "the limit is the server's");
    assert_eq!(value(&first, "database.size"), None, "sizes are read later");
    assert!(first.version.as_deref().is_some_and(|v| v.starts_with("PostgreSQL")), "{:?}", first.version);

    // One idle, one idle in a transaction with a lock, one that waits for the lock.
    server.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.expect("a table");
    let _idle = server.connect().await.expect("a session");
    let mut holder = server.connect().await.expect("a session");
    holder.execute("BEGIN; UPDATE t SET a = 2").await.expect("locked");
    let mut waiter = server.connect().await.expect("a session");
    let waiting = tokio::spawn(async move {
        let _ = waiter.execute("UPDATE t SET a = 333 WHERE a = 1").await;
    });
    let mut now = 1_000.0;
    let seen = eventually_collect(&mut c, &mut now, |s| value(s, "database.locks.waiting") == Some(1.0)).await;
    assert_eq!(value(&seen, "database.connections{state=active}"), Some(1.0), "the waiting one");
    assert_eq!(value(&seen, "database.connections{state=idle}"), Some(1.0), "the idle one");
    assert_eq!(value(&seen, "database.connections{state=idle_in_transaction}"), Some(1.0), "the holder");
    assert_eq!(value(&seen, "database.waits{type=lock}"), Some(1.0), "what it waits for");
    assert!(value(&seen, "database.query.longest").is_some_and(|s| s > 0.0), "and for how long");
    let running = activity(&server.url()).await;
    let blocked = running.sessions.iter().find(|r| !r.blocked_by.is_empty()).expect("the waiting one");
    assert_eq!(blocked.statement, "UPDATE t SET a = ? WHERE a = ?", "without its literals");
    holder.execute("COMMIT").await.expect("committed");
    waiting.await.expect("done");

    // Rates come from real traffic: 200 transactions in one made-up second.
    let before = c.collect(&(now + 1_000.0)).await.expect("answers");
    assert!(before.warning.is_none(), "a superuser lacks nothing: {:?}", before.warning);
    let mut busy = server.connect().await.expect("a session");
    for _ in 0..200 {
        busy.execute("SELECT count(*) FROM t").await.expect("works");
    }
    // Sessions tell of their counters once a second; made-up seconds would be over by then, and Perfdeck's own transactions
    // of so many of them not told either.
    busy.execute("SELECT pg_stat_force_next_flush()").await.expect("told");
    let seen = c.collect(&(now + 2_000.0)).await.expect("answers");
    let total = value(&seen, "database.transactions").expect("a rate");
    assert!(total > 190.0, "200 transactions show in the rate, saw {total}");
    assert!(total < 215.0, "and not many more: {total}");
}

/// Seconds of an idle server; every figure that only others' work can give must say that there is none.
async fn idle(c: &mut DatabaseCollector, seconds: std::ops::Range<u32>) {
    for second in seconds {
        let seen = c.collect(&(f64::from(second) * 1e3)).await.expect("answers");
        assert!(seen.own_requests > 0, "what it costs itself is told");
        let Some(rate) = value(&seen, "database.transactions") else { continue };
        assert_eq!(rate, 0.0, "second {second}: nobody else works here: {:?}", seen.values);
        assert_eq!(value(&seen, "database.cache.hit_ratio"), None, "second {second}: and nobody reads pages");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_postgres_is_idle() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server.execute("CREATE TABLE t AS SELECT generate_series(1, 100) AS a; ANALYZE").await.expect("a table");
    let mut busy = server.connect().await.expect("a session");
    let mut c = collector(&server.url());
    // A whole minute of made-up seconds, with the slow checks in it.
    idle(&mut c, 0..62).await;
    // Somebody looks at the running statements, and a second environment is of the same database.
    let mut twin = collector(&server.url());
    for second in 62..70 {
        activity(&server.url()).await;
        twin.collect(&(f64::from(second) * 1e3)).await.expect("answers");
        idle(&mut c, second..second + 1).await;
    }
    // The checks look at the catalogue; what others do in their second is still counted.
    let mut total = 0.0;
    for second in 70..76 {
        for _ in 0..10 {
            busy.execute("SELECT count(*) FROM t").await.expect("works");
        }
        busy.execute("SELECT pg_stat_force_next_flush()").await.expect("told");
        let seen = c.collect(&(f64::from(second) * 1e3)).await.expect("answers");
        total += value(&seen, "database.transactions").unwrap_or(0.0);
        // Perfdeck's other sessions read the catalogue until a moment ago; how much of it is not known.
        let ratio = value(&seen, "database.cache.hit_ratio");
        assert!(ratio == Some(1.0) || second < 73, "pages of others: {:?}", seen.values);
    }
    assert_eq!(total, 66.0, "eleven a second");
    busy.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_mariadb_are_transactions() {
    for options in [&[][..], &["--performance-schema-instrument=transaction=ON"][..]] {
        let server = MariaDb::start_with(options).await.expect("MariaDB");
        for sql in ["CREATE TABLE t (a int PRIMARY KEY, b int)", "INSERT INTO t VALUES (1, 1), (2, 2)"] {
            server.execute(sql).await.expect("set up");
        }
        let mut busy = server.connect().await.expect("a session");
        let mut c = collector(&server.url());
        let mut now = 0.0;
        let mut rate = async |what: &str| {
            now += 1_000.0;
            let seen = c.collect(&now).await.expect(what);
            value(&seen, "database.transactions")
        };
        assert_eq!(rate("first").await, None, "the first collection has no rates");
        assert_eq!(rate("idle").await, Some(0.0), "its own readings are not transactions, {options:?}");
        for i in 0..40 {
            busy.execute(sqlx::AssertSqlSafe(format!("UPDATE t SET b = {i} WHERE a = 1"))).await.expect("works");
            busy.execute("SELECT b FROM t WHERE a = 2").await.expect("works");
        }
        assert_eq!(rate("alone").await, Some(80.0), "each autocommitted statement is one, {options:?}");
        // As sysbench does it: several reads and writes, begun and ended by name.
        let mut transaction = async |i: i32, end: &'static str| {
            busy.execute("BEGIN").await.expect("begun");
            for _ in 0..10 {
                busy.execute("SELECT b FROM t WHERE a = 2").await.expect("works");
            }
            busy.execute(sqlx::AssertSqlSafe(format!("UPDATE t SET b = {i} + 100 WHERE a = 1"))).await.expect("works");
            busy.execute(sqlx::AssertSqlSafe(format!("UPDATE t SET b = {i} + 200 WHERE a = 2"))).await.expect("works");
            busy.execute(end).await.expect("ended");
        };
        for i in 0..20 {
            transaction(i, "COMMIT").await;
        }
        assert_eq!(
            rate("named").await,
            Some(20.0),
            "statements within a transaction are not transactions, {options:?}"
        );
        for i in 0..10 {
            transaction(i, "COMMIT").await;
            transaction(-i, "ROLLBACK").await;
        }
        assert_eq!(rate("rolled back").await, Some(20.0), "a transaction that is rolled back is one, {options:?}");
        for i in 0..10 {
            transaction(i, "COMMIT").await;
        }
        for i in 0..30 {
            busy.execute(sqlx::AssertSqlSafe(format!("UPDATE t SET b = {i} + 300 WHERE a = 1"))).await.expect("works");
        }
        assert_eq!(rate("mixed").await, Some(40.0), "writes beside named transactions are counted, {options:?}");
        busy.close().await.expect("closed");
    }
}

/// InnoDB tells what is new of its transactions only when nobody has read them for 100 ms.
const UNREAD: Duration = Duration::from_millis(150);

/// Collects, `step_ms` of its clock apart, until `good` finds what is waited for; no oftener than InnoDB looks again.
async fn until<T>(
    c: &mut DatabaseCollector,
    now: &mut f64,
    step_ms: f64,
    good: impl Fn(&Collection) -> Result<T, String>,
) -> T {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    let mut looks = tokio::time::interval(UNREAD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        *now += step_ms;
        match good(&c.collect(&*now).await.expect("answers")) {
            Ok(found) => return found,
            Err(last) => assert!(std::time::Instant::now() < end, "never as expected; last: {last}"),
        }
    }
}

async fn eventually_collect(
    c: &mut DatabaseCollector,
    now: &mut f64,
    good: impl Fn(&Collection) -> bool,
) -> Collection {
    until(c, now, 1.0, |seen| if good(seen) { Ok(seen.clone()) } else { Err(format!("{:?}", seen.values)) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_findings_are_found_and_nothing_else() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server
        .execute(
            "CREATE TABLE big AS SELECT i AS a, i % 10 AS b FROM generate_series(1, 20000) i;
             CREATE TABLE small AS SELECT 1 AS a; ANALYZE;
             CREATE INDEX one ON big (b); CREATE INDEX two ON big (b); CREATE INDEX longer ON big (b, a);
             CREATE INDEX other ON big (b DESC); CREATE UNIQUE INDEX uniq ON big (a);
             CREATE TABLE options AS SELECT 1 AS a; CREATE INDEX merged ON options (a);
             CREATE INDEX unmerged ON options (a) WITH (deduplicate_items = off)",
        )
        .await
        .expect("tables");
    let mut c = collector(&server.url());
    c.collect(&0.0).await.expect("answers");
    let quiet = c.collect(&3_000.0).await.expect("answers");
    assert!(value(&quiet, "database.size").is_some_and(|s| s > 1e6), "the size is known after three seconds");
    let kinds = |c: &Collection| {
        let mut all: Vec<String> = c.findings.iter().flatten().map(|f| f.id.clone()).collect();
        all.sort();
        all
    };
    // `one` and `two` are copies: the younger is the copy, the elder is the beginning of `longer`.
    assert_eq!(
        kinds(&quiet),
        ["duplicate_index:public.two", "redundant_index:public.one"],
        "no scans yet; other directions or options and unique indexes are no copies: {:#?}",
        quiet.findings
    );
    let mut busy = server.connect().await.expect("a session");
    for _ in 0..12 {
        busy.execute("SELECT count(*) FROM big WHERE a + 0 = 7; SELECT * FROM small").await.expect("scans");
    }
    busy.close().await.expect("closed");
    let mut now = 3_000.0;
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let found = loop {
        now += 60_000.0;
        let seen = c.collect(&now).await.expect("answers");
        if kinds(&seen).contains(&"sequential_scan:public.big".to_owned()) {
            break seen;
        }
        assert!(std::time::Instant::now() < end, "the scans are never found: {:#?}", seen.findings);
    };
    assert!(!kinds(&found).iter().any(|k| k.contains("small")), "small tables may be scanned");
    for finding in found.findings.iter().flatten() {
        let drop = |name: &str| FindingTarget::Change { kind: "drop_index".to_owned(), object: name.to_owned() };
        let opens = match finding.kind.as_str() {
            "duplicate_index" => drop("public.two"),
            "redundant_index" => drop("public.one"),
            _ => FindingTarget::DatabaseAdvice,
        };
        assert_eq!(finding.action.opens, opens, "its button leads to what mends it, or to advice");
        assert!((0.0..=1.0).contains(&finding.cost), "its cost is a share: {finding:?}");
        let proof = &finding.proof;
        assert!(!proof.values.is_empty() && !proof.rule.is_empty(), "with what it is made of: {finding:?}");
        let exact = match finding.kind.as_str() {
            "duplicate_index" => "DROP INDEX CONCURRENTLY public.two;",
            "redundant_index" => "DROP INDEX CONCURRENTLY public.one;",
            _ => {
                "SELECT seq_scan, seq_tup_read, n_live_tup, idx_scan FROM pg_stat_user_tables WHERE relid = 'public.big'::regclass;"
            }
        };
        assert_eq!(proof.statements[0].text, exact, "and the exact statement");
        server.execute(&exact.replace("CONCURRENTLY", "CONCURRENTLY IF EXISTS")).await.expect("which the server takes");
    }
}

/// Findings of state once they are exactly these kinds. A collection looks at the sessions every five seconds of its clock.
async fn states(c: &mut DatabaseCollector, now: &mut f64, wanted: &[&str]) -> Vec<Finding> {
    until(c, now, 5_000.0, |seen| {
        let of_sessions = |f: &&Finding| f.kind.ends_with("blocked") || f.kind.ends_with("transaction");
        let found: Vec<Finding> = seen.broken.iter().filter(of_sessions).cloned().collect();
        let as_wanted = found.iter().map(|f| f.kind.as_str()).eq(wanted.iter().copied());
        if as_wanted { Ok(found) } else { Err(format!("not {wanted:?}: {found:#?}")) }
    })
    .await
}

/// What is blocked, idle in a transaction or open for long is a finding, told from half a second on, until it is over.
async fn told_and_over<C>(url: &str, open: impl AsyncFn() -> C, run: impl AsyncFn(&mut C, &'static str)) {
    const UPDATE: &str = "UPDATE t SET a = a + 1";
    let half = Long { blocked_s: 0.5, idle_s: 0.5, transaction_s: 0.5 };
    let (mut c, mut now) = (collector(url).telling_from(half), 0.0);
    let mut holder = open().await;
    run(&mut holder, "BEGIN").await;
    run(&mut holder, UPDATE).await;
    let found = states(&mut c, &mut now, &["idle_in_transaction"]).await;
    assert!(found[0].is_of_state() && found[0].evidence.contains("it has written"), "{found:?}");
    let mut waiter = open().await;
    let wait = run(&mut waiter, UPDATE);
    let look = async {
        let found = states(&mut c, &mut now, &["session_blocked", "idle_in_transaction", "long_transaction"]).await;
        assert!(found[0].title.starts_with("1 session waits for"), "{found:?}");
        let FindingTarget::Session { pid } = found[0].action.opens else { panic!("it leads to its holder: {found:?}") };
        assert_eq!(found[1].action.opens, FindingTarget::Session { pid }, "who idles is who holds it up: {found:?}");
        assert_ne!(found[2].action.opens, FindingTarget::Session { pid }, "who waits is open for long: {found:?}");
        assert!(found.iter().all(|f| f.proof.since_ms.is_some()), "each with since when: {found:?}");
        run(&mut holder, "ROLLBACK").await;
        states(&mut c, &mut now, &[]).await;
    };
    tokio::join!(wait, look);
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_sessions_are_findings_until_they_are_over() {
    let postgres = Postgres::start().await.expect("PostgreSQL");
    postgres.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.expect("a table");
    let open = async || postgres.connect().await.expect("a session");
    told_and_over(&postgres.url(), open, async |c, sql| {
        c.execute(sql).await.expect(sql);
    })
    .await;
    let mariadb = MariaDb::start().await.expect("MariaDB");
    mariadb.execute("CREATE TABLE t (a INT) ENGINE=InnoDB; INSERT INTO t VALUES (1)").await.expect("a table");
    let open = async || mariadb.connect().await.expect("a session");
    told_and_over(&mariadb.url(), open, async |c, sql| {
        c.execute(sql).await.expect(sql);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_sessions_are_not_counted_as_none() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE ROLE small LOGIN PASSWORD 'small'").await.expect("a role");
    let _other = server.connect().await.expect("a session of someone else");
    let (mut address, _) = Address::parse(&server.url()).expect("a URL");
    address.username = Some("small".to_owned());
    let mut c = DatabaseCollector::new(address, Some(Sensitive::new("small")));
    let seen = c.collect(&0.0).await.expect("answers");
    assert_eq!(value(&seen, "database.connections{state=idle}"), None, "unknown is not zero");
    let warning = seen.warning.expect("what is missing");
    assert_eq!(warning.hint.as_deref(), Some("GRANT pg_monitor TO \"small\";"), "and what to run");
    let [hidden] = seen.broken.as_slice() else { panic!("one finding of state: {:?}", seen.broken) };
    assert!(hidden.is_of_state() && hidden.title == "1 session hides its statement", "{hidden:?}");
    assert_eq!(hidden.proof.statements[0].text, "GRANT pg_monitor TO \"small\";", "with the exact grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_recovers_by_itself() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let mut c = collector(&server.url());
    c.collect(&0.0).await.expect("answers");
    server.stop();
    let mut now = 0.0;
    for _ in 0..2 {
        now += 1_000.0;
        let started = std::time::Instant::now();
        let error = c.collect(&now).await.expect_err("it is gone");
        assert!(started.elapsed() < Duration::from_secs(2), "an attempt is bounded: {:?}", started.elapsed());
        assert!(error.hint.is_some() && error.retryable, "and says what to do: {error:?}");
        assert!(!format!("{error:?} {c:?}").contains(POSTGRES_PASSWORD), "without the password");
    }
    server.restart().await.expect("restarted");
    now += 1_000.0;
    let back = c.collect(&now).await.expect("it is back");
    assert_eq!(value(&back, "database.transactions"), None, "no rate across the restart");
    assert!(value(&back, "database.connections{state=idle}").is_some(), "figures again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_less_than_two_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for scheme in ["postgres", "mysql"] {
        let mut c = collector(&format!("{scheme}://u:canary@127.0.0.1:{port}/d"));
        let started = std::time::Instant::now();
        let error = c.collect(&0.0).await.expect_err("it hangs");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(error.code, ErrorCode::Timeout, "a time-out: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_figures_are_true() {
    let mut server = MariaDb::start().await.expect("MariaDB");
    for sql in [
        "CREATE TABLE t (a int PRIMARY KEY, b int)",
        "INSERT INTO t VALUES (1, 1)",
        "CREATE INDEX one ON t (b)",
        "CREATE INDEX two ON t (b)",
        "CREATE INDEX pair ON t (b, a)",
    ] {
        server.execute(sql).await.expect("set up");
    }
    let mut c = collector(&server.url());
    let first = c.collect(&0.0).await.expect("answers");
    assert_eq!(value(&first, "database.connections{state=active}"), Some(0.0), "its own session is left out");
    assert!(first.limits.contains_key("max_connections"), "the limit: {:?}", first.limits);
    let quiet = c.collect(&1_000.0).await.expect("answers");
    assert_eq!(value(&quiet, "database.transactions"), Some(0.0), "its own readings are not transactions");

    let mut holder = server.connect().await.expect("a session");
    holder.execute("BEGIN").await.expect("begun");
    holder.execute("UPDATE t SET b = 2").await.expect("locked");
    let mut waiter = server.connect().await.expect("a session");
    let waiting = tokio::spawn(async move {
        let _ = waiter.execute("UPDATE t SET b = 3333").await;
    });
    let mut now = 1_000.0;
    let holding = |s: &Collection| value(s, "database.connections{state=idle_in_transaction}") == Some(1.0);
    let seen =
        eventually_collect(&mut c, &mut now, |s| value(s, "database.locks.waiting") == Some(1.0) && holding(s)).await;
    assert_eq!(value(&seen, "database.connections{state=active}"), Some(1.0), "the waiting one: {:?}", seen.values);
    let running = activity(&server.url()).await;
    assert!(running.sessions.iter().any(|r| r.statement == "UPDATE t SET b = ?"), "without literals: {running:?}");
    holder.execute("COMMIT").await.expect("committed");
    waiting.await.expect("done");

    let base = now + 1_000.0;
    c.collect(&base).await.expect("answers");
    for i in 0..100 {
        holder.execute(sqlx::AssertSqlSafe(format!("UPDATE t SET b = {i}"))).await.expect("works");
    }
    let seen = c.collect(&(base + 1_000.0)).await.expect("answers");
    let rate = value(&seen, "database.transactions").expect("a rate");
    assert_eq!(rate, 100.0, "100 autocommitted updates in a second");
    assert!(value(&seen, "database.cache.hit_ratio").is_some_and(|r| (0.0..=1.0).contains(&r)), "a ratio");

    let slow = c.collect(&(base + 61_000.0)).await.expect("answers");
    assert!(value(&slow, "database.size").is_some_and(|s| s > 0.0), "the size");
    let ids: Vec<&str> = slow.findings.iter().flatten().map(|f| f.id.as_str()).collect();
    assert_eq!(ids, ["duplicate_index:t.two"], "one copy, and it is not the other one: {:#?}", slow.findings);

    server.stop();
    assert!(c.collect(&(base + 62_000.0)).await.is_err(), "it is gone");
    server.restart().await.expect("restarted");
    let back = c.collect(&(base + 63_000.0)).await.expect("it is back");
    assert_eq!(value(&back, "database.transactions"), None, "no rate across the restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_figures_are_true() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    let make = async || {
        use sqlx::ConnectOptions;
        let mut w = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .connect()
            .await
            .expect("a database");
        w.execute(
            "CREATE TABLE t (a, b UNIQUE, c); CREATE INDEX one ON t (a, c); CREATE INDEX two ON t (a, c);
             CREATE INDEX half ON t (a, c) WHERE a > 1; CREATE INDEX back ON t (a DESC, c); CREATE INDEX b2 ON t (b);
             CREATE INDEX e1 ON t (json_extract(c, '$.a')); CREATE INDEX e2 ON t (JSON_EXTRACT(c,'$.a'));
             CREATE INDEX e3 ON t (json_extract(c, '$.A')); CREATE INDEX big ON t (c)\nWHERE b = 'A';
             CREATE INDEX small ON t (c) WHERE b = 'a'; CREATE INDEX small2 ON t (\"c\") where B='a' -- again",
        )
        .await
        .expect("tables");
        w
    };
    make().await.close().await.expect("closed");
    let mut c = collector(&format!("sqlite:{}", file.display()));
    c.collect(&0.0).await.expect("answers");
    let seen = c.collect(&3_000.0).await.expect("answers");
    let size = std::fs::metadata(&file).expect("the file").len();
    let size = size as f64;
    assert_eq!(value(&seen, "database.size"), Some(size), "the size is the file's");
    assert_eq!(value(&seen, "database.transactions"), None, "SQLite counts none, so none are shown");
    let mut ids: Vec<&str> = seen.findings.iter().flatten().map(|f| f.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["b2", "e2", "small2", "two"].map(|i| format!("duplicate_index:{i}")), "{:#?}", seen.findings);
    std::fs::remove_file(&file).expect("removed");
    let error = c.collect(&4_000.0).await.expect_err("a deleted file is down, though it is still open");
    assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");
    make().await.close().await.expect("closed");
    assert!(c.collect(&5_000.0).await.is_ok(), "and comes back");
}
