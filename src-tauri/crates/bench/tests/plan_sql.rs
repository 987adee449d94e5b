//! What SQL steps measure is what the application's own statements are: their types, their transactions, their mistakes.

use std::time::{Duration, Instant};

use crate::plan::{Setting, TestTargets};
use perfdeck_model::{Run, RunState};
use perfdeck_testkit::{MariaDb, Postgres};

fn sql(url: &str) -> Setting {
    Setting::of(TestTargets { sql: Some(url.to_owned()), ..TestTargets::default() })
}

fn one(statement: &str, parameters: &[&str], duration: &str) -> String {
    format!(
        "name='one'\nduration='{duration}'\nload={{kind='closed',connections=2}}\n[[steps]]\nname='one'\nkind='sql'\n\
         statement='''{statement}'''\nparameters=[{}]",
        parameters.join(",")
    )
}

fn script(statements: &[&str], duration: &str, connections: u32) -> String {
    let steps = statements
        .iter()
        .enumerate()
        .map(|(i, statement)| format!("[[steps]]\nname='s{}'\nkind='sql'\nstatement='''{statement}'''\n", i + 1));
    format!(
        "name='script'\nscenario=true\nduration='{duration}'\nload={{kind='closed',connections={connections}}}\n{}",
        steps.collect::<String>()
    )
}

/// What the server does for clients other than the one that asks.
async fn sleeping(server: &Postgres) -> i64 {
    let mut c = server.connect().await.expect("a connection");
    let count = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep(6%'";
    sqlx::query_scalar(count).fetch_one(&mut c).await.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_nobody_waits_for_any_more_are_ended_at_the_server() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let setting = sql(&server.url());
    let (plan, cancel) = (one("select pg_sleep(60)", &[], "60s"), setting.cancel.clone());
    let run = tokio::spawn(async move { setting.run(&plan).await });
    let end = Instant::now() + Duration::from_secs(10);
    while sleeping(&server).await < 2 {
        assert!(Instant::now() < end, "the statements are executed");
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    let run = run.await.expect("it ends");
    assert_eq!(run.state, RunState::Cancelled, "{:?}", run.notes);
    // The server ends them when it reads what it was sent.
    let end = Instant::now() + Duration::from_secs(5);
    while sleeping(&server).await > 0 {
        assert!(Instant::now() < end, "the server goes on with statements of a run that was stopped");
    }
    // So are those that were given up at their deadline.
    let text = one("select pg_sleep(61)", &[], "600ms")
        .replace("name='one'\nduration", "name='one'\ntimeout='200ms'\nduration");
    let run = sql(&server.url()).run(&text).await;
    assert!(run.errors_by_class.iter().any(|e| e.class == "timeout"), "{:?}", run.errors_by_class);
    let end = Instant::now() + Duration::from_secs(5);
    while sleeping(&server).await > 0 {
        assert!(Instant::now() < end, "the server goes on with statements that were given up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_type_that_the_server_infers() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server
        .execute(
            "CREATE TYPE mood AS ENUM ('sad', 'fine');
             CREATE TABLE t (u uuid, n numeric, t text, i int, b bigint, z timestamptz, d date, j jsonb, a int[],
                             f float8, o boolean, m mood, y bytea, p inet, r int4range, hits int DEFAULT 0);
             INSERT INTO t SELECT ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, g * 1.05, g::text, g, g,
                '2026-01-01 00:00:00+00'::timestamptz + g * interval '1 day', '2026-01-01'::date + g,
                jsonb_build_object('k', g), ARRAY[g, g + 1], g / 2.0, g % 2 = 0, 'fine', '\\x01', '10.0.0.1', '[1,5)'
                FROM generate_series(1, 5000) g;
             CREATE INDEX ON t (u); CREATE INDEX ON t (n); CREATE INDEX ON t (t); CREATE INDEX ON t (i);
             CREATE INDEX ON t (b); CREATE INDEX ON t (z); CREATE INDEX ON t (d); CREATE INDEX ON t (j);
             CREATE INDEX ON t (a); CREATE INDEX ON t (f); ANALYZE t;",
        )
        .await
        .expect("a table");
    let mut c = server.connect().await.expect("a connection");
    for (column, value) in [
        ("u", "'00000000-0000-0000-0000-000000000005'"),
        ("n", "'5.25'"),
        ("n", "5.25"),
        ("n", "{ value = '5.25', type = 'float' }"),
        ("t", "'5'"),
        ("t", "5"),
        ("t", "{ value = '5', type = 'integer' }"),
        ("i", "5"),
        ("i", "{ value = '5', type = 'inferred' }"),
        ("b", "5"),
        ("z", "'2026-01-06 02:00:00+02'"),
        ("d", "'2026-01-06'"),
        ("j", "'{\"k\": 5}'"),
        ("a", "'{5,6}'"),
        ("f", "2.5"),
    ] {
        sqlx::raw_sql("UPDATE t SET hits = 0 WHERE hits > 0; SELECT pg_stat_reset()")
            .execute(&mut c)
            .await
            .expect("reset");
        let statement = format!("UPDATE t SET hits = hits + 1 WHERE {column} = $1");
        let run = sql(&server.url()).run(&one(&statement, &[value], "120ms")).await;
        assert_eq!(run.errors, 0, "{column} = {value}: {:?}", run.errors_by_class);
        let hit: Vec<i32> = sqlx::query_scalar("SELECT i FROM t WHERE hits > 0").fetch_all(&mut c).await.expect("rows");
        assert_eq!(hit, [5], "{column} = {value} is that row and no other");
    }
    for (column, value) in [("o", "true"), ("m", "'fine'"), ("y", "'\\x01'"), ("p", "'10.0.0.1'"), ("r", "'[1,5)'")] {
        let statement = format!("SELECT count(*) FROM t WHERE {column} = $1");
        let run = sql(&server.url()).run(&one(&statement, &[value], "100ms")).await;
        assert_eq!(run.errors, 0, "{column} = {value}: {:?}", run.errors_by_class);
    }
    // The plan is the application's: an index scan, not a filter over all rows as `numeric = float8` would be. A table of its
    // own, as sessions tell their scans late.
    sqlx::raw_sql("CREATE TABLE v AS SELECT i, n FROM t; CREATE INDEX ON v (n); ANALYZE v")
        .execute(&mut c)
        .await
        .expect("v");
    let run = sql(&server.url()).run(&one("SELECT i FROM v WHERE n = $1", &["5.25"], "200ms")).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let c = tokio::sync::Mutex::new(c);
    perfdeck_testkit::eventually(Duration::from_secs(20), async || {
        let scans = "SELECT seq_scan, coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'v'";
        let (whole, by_index): (i64, i64) =
            sqlx::query_as(scans).fetch_one(&mut *c.lock().await).await.expect("counters");
        u64::try_from(by_index).unwrap_or(0) >= run.requests / 2 && whole < 10
    })
    .await;
    let mut c = c.into_inner();
    // NULL, and no value at all.
    let null = "{ value = '', type = 'null' }";
    sqlx::raw_sql("CREATE TABLE w (a uuid, b text)").execute(&mut c).await.expect("a table");
    let run = sql(&server.url()).run(&one("INSERT INTO w VALUES ($1, $2)", &[null, "'null'"], "100ms")).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let odd: i64 = sqlx::query_scalar("SELECT count(*) FROM w WHERE a IS NOT NULL OR b IS DISTINCT FROM 'null'")
        .fetch_one(&mut c)
        .await
        .expect("counts");
    assert_eq!(odd, 0, "NULL is no text, and the text is no NULL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_ends_a_run_at_once_in_the_servers_words() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE TABLE t (id int PRIMARY KEY, u uuid)").await.expect("a table");
    let (url, long) = (server.url(), "30s");
    let wrong_password = url.replace("perfdeck-canary", "wrong-canary");
    for (url, plan, word) in [
        (&url, one("selec 1", &[], long), "syntax error"),
        (&url, one("select id from t where id = $1", &[], long), "takes 1 parameter, and none"),
        (&url, one("select id from t where id = $1", &["1", "2"], long), "takes 1 parameter, and 2"),
        (&url, one("select * from missing", &[], long), "missing"),
        (&url, one("select nope from t", &[], long), "nope"),
        (&url, one("select id from t where u = $1", &["'no uuid'"], long), "invalid input syntax for type uuid"),
        (&url, one("select upper($1, $2)", &["'a'", "'b'"], long), "does not exist"),
        (&url, script(&["select 1", "selec 2"], long, 2), "s2"),
        (&url, script(&["create table if not exists z (a int)", "select b from z"], long, 2), "s2"),
        (&url, script(&["begin", "select 1", "insert into missing values (1)", "commit"], long, 2), "missing"),
        (&wrong_password, one("select 1", &[], long), "password authentication failed"),
    ] {
        let started = Instant::now();
        let (words, requests) = match sql(url).try_run(&plan).await {
            Ok(finished) => {
                assert_eq!(finished.run.state, RunState::Aborted, "{word}: it was ended");
                assert!(!finished.run.valid, "{word}: what never succeeds is invalid");
                (finished.run.notes.join("; "), finished.run.requests)
            }
            Err(error) => (error.message, 0),
        };
        assert!(words.contains(word), "{word} is in: {words}");
        assert!(requests < 50, "{word}: not again and again, but {requests} times");
        assert!(started.elapsed() < Duration::from_secs(10), "{word}: at once, not after {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_on_mariadb_and_sqlite_end_a_run_too() {
    let server = MariaDb::start().await.expect("MariaDB");
    server
        .execute("CREATE TABLE t (id int PRIMARY KEY, n decimal(8,2), s varchar(20), KEY (n), KEY (s))")
        .await
        .expect("table");
    server.execute("INSERT INTO t VALUES (5, 5.25, '5'), (6, 6.5, '05')").await.expect("rows");
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
    let long = "30s";
    for (url, statement, parameters, word) in [
        (&server.url(), "selec 1", &[][..], "syntax"),
        (&server.url(), "select * from missing", &[], "missing"),
        (&server.url(), "select id from t where id = ?", &[], "takes 1 parameter, and none"),
        (&file, "selec 1", &[], "syntax"),
        (&file, "select * from missing", &[], "missing"),
        (&file, "select ?", &[], "takes 1 parameter, and none"),
    ] {
        let started = Instant::now();
        let error = sql(url).try_run(&one(statement, parameters, long)).await.expect_err(statement);
        assert!(error.message.contains(word), "{statement}: {}", error.message);
        assert!(started.elapsed() < Duration::from_secs(10), "{statement}: at once");
    }
    // What a text column holds is compared as text, what a decimal one holds as a decimal.
    for (column, value, want) in
        [("s", "{value='5',type='inferred'}", "5"), ("n", "{value='5.25',type='inferred'}", "5")]
    {
        let statement = format!("INSERT INTO hits SELECT id FROM t WHERE {column} = ?");
        server.execute("DROP TABLE IF EXISTS hits").await.expect("drop");
        server.execute("CREATE TABLE hits (id int)").await.expect("table");
        let run = sql(&server.url()).run(&one(&statement, &[value], "100ms")).await;
        assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
        use sqlx::Connection as _;
        let mut c = sqlx::MySqlConnection::connect(&server.url()).await.expect("a connection");
        let ids: Vec<i32> = sqlx::query_scalar("SELECT DISTINCT id FROM hits").fetch_all(&mut c).await.expect("rows");
        assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [want], "{column} = {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_not_repeated_at_full_speed() {
    let server = Postgres::start().await.expect("PostgreSQL");
    // A conflict may end, so it does not end the run.
    let conflict = "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$";
    let run = sql(&server.url()).run(&one(conflict, &[], "1s")).await;
    assert_eq!(run.state, RunState::Completed, "it goes on: {:?}", run.notes);
    assert!(run.errors == run.requests && (5..150).contains(&run.errors), "slowly: {}", run.errors);
    assert!(!run.valid, "without a success there is no figure");
}

/// The figures of `pgbench -f`: mean latency in milliseconds and transactions per second.
async fn pgbench(server: &Postgres, script: &str) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).expect("a script");
    let extra: Vec<std::path::PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    let program = perfdeck_testkit::find_program("pgbench", &extra, "it comes with PostgreSQL").expect("pgbench");
    let output = tokio::process::Command::new(program)
        .args(["-n", "-M", "prepared", "-T", "2", "-c", "1", "-f"])
        .arg(&file)
        .arg(server.url())
        .output()
        .await
        .expect("pgbench runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |label: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{label}: {text}"));
        rest.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).expect("a number")
    };
    (number("latency average = "), number("tps = "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_has_the_time_and_the_rate_that_pgbench_gives_it() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let statements = ["begin", "select 1", "select pg_sleep(0.01)", "commit"];
    let (ms, tps) = pgbench(&server, &format!("{};\n", statements.join(";\n"))).await;
    let run: Run = sql(&server.url()).run(&script(&statements, "2s", 1)).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let response = run.response_ms.as_ref().expect("times");
    let (p50, mean) = (response.p50.expect("a median"), response.mean.expect("a mean"));
    assert!(p50 >= 10.0, "a transaction is not shorter than its sleep: {p50}");
    assert!((mean / ms - 1.0).abs() < 0.25, "{mean} ms here, {ms} ms with pgbench");
    assert!((run.rate_per_s / tps - 1.0).abs() < 0.25, "{}/s here, {tps}/s with pgbench", run.rate_per_s);
    assert_eq!(Some(run.requests), run.iterations, "a request is a transaction");
    let names: Vec<&str> = run.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["s1", "s2", "s3", "s4"], "its statements are listed beside it");
    let times: Vec<f64> = run.steps.iter().filter_map(|s| s.response_ms.as_ref()?.mean).collect();
    assert!(times[2] >= 10.0 && times[1] < 5.0, "each with its own time: {times:?}");
    assert!((times.iter().sum::<f64>() / mean - 1.0).abs() < 0.1, "which add up: {times:?}, {mean}");
    assert!(run.steps.iter().all(|s| s.requests == run.requests && s.errors == 0), "and their own counts");
    assert!(run.notes.iter().any(|n| n.contains("transactions of 4 statements")), "it is said: {:?}", run.notes);
}
