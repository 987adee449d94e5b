//! Plans of SQL and cache steps against real servers, alone and mixed with HTTP on one clock.

use crate::plan::{Setting, TestTargets};
use perfdeck_model::{CeilingKind, Run};
use perfdeck_testkit::{Answer, MariaDb, Postgres, Redis, RedisCluster, ScriptedHttp};

const ROWS: &str = r#"
    name = "rows"
    duration = "1s"
    load = { kind = "closed", connections = 4 }
    [[feeds]]
    name = "id"
    kind = "uniform"
    from = 1
    to = 100
    [[steps]]
    name = "read"
    kind = "sql"
    statement = "SELECT v FROM t WHERE id = PLACE"
    parameters = [{ value = "{{id}}", type = "integer" }]
    weight = 4
    [[steps]]
    name = "write"
    kind = "sql"
    statement = "UPDATE t SET v = v + 1 WHERE id = PLACE"
    parameters = [{ value = "{{id}}", type = "integer" }]
    transaction = true
    [[steps]]
    name = "simple"
    kind = "sql"
    statement = "SELECT count(*) FROM t"
    prepared = false
"#;

fn fine(run: &Run) {
    assert_eq!(run.errors, 0, "no errors: {:?}", run.errors_by_class);
    assert!(run.valid && run.requests > 100, "a valid run of {} statements: {:?}", run.requests, run.invalid_reasons);
    assert_eq!(run.steps.iter().map(|s| s.requests).sum::<u64>(), run.requests, "the steps add up");
    assert!(run.steps.iter().all(|s| s.requests > 0), "each step ran");
}

fn sql(url: &str) -> Setting {
    Setting::of(TestTargets { sql: Some(url.to_owned()), ..TestTargets::default() })
}

fn writes(run: &Run) -> u64 {
    run.steps.iter().filter(|s| s.name == "write").map(|s| s.requests).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_runs_what_its_own_counters_saw() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v bigint NOT NULL)").await.expect("table");
    server.execute("INSERT INTO t SELECT i, 0 FROM generate_series(1, 100) i").await.expect("rows");
    let run = sql(&server.url()).run(&ROWS.replace("PLACE", "$1")).await;
    fine(&run);
    assert_eq!(run.footing.ceiling_kind, Some(CeilingKind::Projected), "nothing stands in for a database");
    let mut connection = server.connect().await.expect("a connection");
    let sum: i64 = sqlx::query_scalar("SELECT sum(v)::bigint FROM t").fetch_one(&mut connection).await.expect("sum");
    assert_eq!(u64::try_from(sum).expect("positive"), writes(&run), "every write that was counted was committed");
    let wrong = ROWS.replace("PLACE", "$1").replace("SELECT v FROM t", "SELECT nope FROM t");
    let error = sql(&server.url()).try_run(&wrong).await.expect_err("it is said before the first statement");
    assert!(error.message.contains("'read'") && error.message.contains("nope"), "step and words: {}", error.message);
    let after: i64 = sqlx::query_scalar("SELECT sum(v)::bigint FROM t").fetch_one(&mut connection).await.expect("sum");
    assert_eq!(after, sum, "and nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_one_transaction_and_a_refused_statement_ends_it() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE TABLE t (id serial, v int CHECK (v < 5))").await.expect("table");
    let script = |value: u32| {
        format!(
            "name='s'\nscenario=true\nduration='400ms'\nload={{kind='closed',connections=2}}\n\
             [[steps]]\nname='begin'\nkind='sql'\nstatement='BEGIN'\n\
             [[steps]]\nname='insert'\nkind='sql'\nstatement='INSERT INTO t (v) VALUES ({value})'\n\
             [[steps]]\nname='commit'\nkind='sql'\nstatement='COMMIT'"
        )
    };
    let run = sql(&server.url()).run(&script(1)).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let mut connection = server.connect().await.expect("a connection");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut connection).await.expect("count");
    assert_eq!(u64::try_from(rows).expect("positive"), run.iterations.expect("a plan has iterations"), "all committed");
    let run = sql(&server.url()).run(&script(9)).await;
    assert!(run.errors > 3 && run.errors == run.requests, "every transaction is refused: {}", run.errors);
    assert!(run.errors < 200, "and not at full speed: {}", run.errors);
    assert!(!run.valid && run.rate_per_s == 0.0, "what never succeeds has no rate: {:?}", run.invalid_reasons);
    let commits = run.steps.iter().find(|s| s.name == "commit").expect("the step").requests;
    assert_eq!(commits, 0, "an iteration ends with its first failure");
    let begins = run.steps.iter().find(|s| s.name == "begin").expect("the step");
    assert_eq!(begins.errors, 0, "and the next one begins afresh: {:?}", begins.errors_by_class);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_and_sqlite_run_the_same_plan() {
    let server = MariaDb::start().await.expect("MariaDB");
    let seed = |i: u32| format!("({i}, 0)");
    let values: Vec<String> = (1..=100).map(seed).collect();
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v bigint NOT NULL)").await.expect("table");
    server.execute(&format!("INSERT INTO t VALUES {}", values.join(","))).await.expect("rows");
    fine(&sql(&server.url()).run(&ROWS.replace("PLACE", "?")).await);

    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("a file");
    connection.execute("PRAGMA journal_mode = WAL").await.expect("WAL");
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, v bigint NOT NULL)").await.expect("table");
    let insert = sqlx::AssertSqlSafe(format!("INSERT INTO t VALUES {}", values.join(",")));
    connection.execute(insert).await.expect("rows");
    fine(&sql(&url).run(&ROWS.replace("PLACE", "?")).await);
}

const CACHE: &str = r#"
    name = "cache"
    duration = "1s"
    load = { kind = "closed", connections = 4 }
    [[feeds]]
    name = "key"
    kind = "zipf"
    items = 1000
    prefix = "k:"
    [[steps]]
    name = "get"
    kind = "cache"
    command = "GET"
    args = ["{{key}}"]
    weight = 9
    [[steps]]
    name = "set"
    kind = "cache"
    command = "SET"
    args = ["{{key}}", "value"]
    [[steps]]
    name = "wrong"
    kind = "cache"
    command = "LPUSH"
    args = ["text", "x"]
    weight = 0.1
"#;

async fn cache_counts(raw: bool) {
    let server = Redis::start().await.expect("Redis");
    server.execute(&["SET", "text", "a string"]).await.expect("a key of another type");
    let setting = Setting::of(TestTargets { sql: None, cache: Some(vec![server.url()]), raw });
    let run = setting.run(CACHE).await;
    assert_eq!(run.engine.contains("resp"), raw, "the run says which engine ran: {}", run.engine);
    let of = |name: &str| run.steps.iter().find(|s| s.name == name).expect("the step");
    let info = server.execute(&["INFO", "commandstats"]).await.expect("counters");
    let info = redis::from_redis_value::<String>(info).expect("text");
    let calls = |command: &str| -> u64 {
        let line = info.lines().find(|l| l.starts_with(&format!("cmdstat_{command}:calls="))).unwrap_or_default();
        line.split(['=', ',']).nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    assert_eq!(of("get").requests, calls("get"), "reads are those that the server counted");
    // One more was this test's own.
    assert_eq!(of("set").requests + 1, calls("set"), "so are writes");
    let misses = of("get").misses.expect("a step that reads can miss");
    assert!(misses > 0 && misses < of("get").requests, "the first reads found nothing: {misses}");
    assert_eq!(of("wrong").errors, of("wrong").requests, "what the server refuses is an error");
    assert!(run.errors_by_class[0].sample.contains("WRONGTYPE"), "in its words: {:?}", run.errors_by_class);
    assert_eq!(of("set").misses, None, "a write cannot miss");
    let kind = if raw { CeilingKind::Measured } else { CeilingKind::Projected };
    assert_eq!(run.footing.ceiling_kind, Some(kind), "{:?}", run.footing);
    assert!(run.footing.ceiling_per_s.is_some_and(|ceiling| ceiling > 0.0), "{:?}", run.footing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_counts_what_it_was_asked_and_what_it_did_not_have() {
    cache_counts(false).await;
    cache_counts(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_takes_keys_of_all_slots() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    for raw in [false, true] {
        let setting = Setting::of(TestTargets { sql: None, cache: Some(cluster.urls()), raw });
        let plan = CACHE.replace("weight = 0.1", "weight = 0");
        let run = setting.run(&plan).await;
        assert_eq!(run.errors, 0, "every key finds its node: {:?}", run.errors_by_class);
        assert!(run.requests > 100, "{} commands", run.requests);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelining_is_for_the_raw_engine() {
    let server = Redis::start().await.expect("Redis");
    let plan =
        CACHE.replace("name = \"cache\"", "name = \"cache\"\npipeline = 16").replace("weight = 0.1", "weight = 0");
    let setting = |raw| Setting::of(TestTargets { sql: None, cache: Some(vec![server.url()]), raw });
    let run = setting(true).run(&plan).await;
    assert_eq!(run.errors, 0, "sixteen at a time: {:?}", run.errors_by_class);
    let error = setting(false).try_run(&plan).await.expect_err("one at a time");
    assert!(error.message.contains("raw engine"), "it says why: {}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_sql_and_cache_run_on_one_clock() {
    let (database, cache) = (Postgres::start().await.expect("PostgreSQL"), Redis::start().await.expect("Redis"));
    let http = ScriptedHttp::start(|_| Answer::ok("ok")).await.expect("a target");
    let plan = r#"
        name = "mixed"
        duration = "2s"
        [load]
        kind = "open"
        rate_per_s = 300
        [[steps]]
        name = "page"
        kind = "http"
        path = "/"
        [[steps]]
        name = "row"
        kind = "sql"
        statement = "SELECT 1"
        [[steps]]
        name = "key"
        kind = "cache"
        command = "GET"
        args = ["k"]
    "#;
    let mut setting = Setting::of(TestTargets { sql: Some(database.url()), cache: Some(vec![cache.url()]), raw: true });
    setting.api = Some(http.url());
    let run = setting.run(plan).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    assert_eq!(run.requests, 600, "one schedule for all of them");
    let kinds: Vec<&str> = run.steps.iter().map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds, ["http", "sql", "cache"], "each in its own way");
    assert!(run.steps.iter().all(|s| (120..280).contains(&s.requests)), "about a third each: {:?}", run.steps);
    assert_eq!(http.requests(), run.steps[0].requests, "as the target counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_and_returns_costs_errors_and_nothing_else() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let plan = "name='d'\nduration='4s'\ntimeout='1s'\n[load]\nkind='open'\nrate_per_s=200\nmax_in_flight=4\n[[steps]]\n\
                name='one'\nkind='sql'\nstatement='SELECT 1'";
    let setting = std::sync::Arc::new(sql(&server.url()));
    let (running, live) = (setting.clone(), setting.live.clone());
    let run = tokio::spawn(async move { running.run(plan).await });
    while !live.lock().expect("lock").iter().any(|l| l.requests > 100) {
        tokio::task::yield_now().await;
    }
    server.restart().await.expect("it returns");
    let run = run.await.expect("the run ends");
    assert!(run.errors > 0, "the time without it is in the errors");
    let last = run.intervals.last().expect("seconds");
    assert!(last.requests > last.errors, "and it goes on by itself: {last:?}");
    assert_eq!(run.requests, 800, "every start has an outcome");
}
