//! What one request costs, on services whose statements are known: an own one on PostgreSQL and Redis, and the demo.
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use perfdeck_engine::bench::RunList;
use perfdeck_engine::cost::{self, CostAmount, CostRequest, RequestCost};
use perfdeck_engine::house::{self, JournalList};
use perfdeck_engine::{BenchSpec, Empty, Engine, environments};
use perfdeck_model::{ApiError, ErrorCode, JobState, JobStatus, JournalKind, Kind, Load, TargetsDraft};
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually, redis, sqlx};
use sqlx::{Connection as _, Executor as _};

const PATIENCE: Duration = Duration::from_secs(30);
/// When a service does what it does after its answer.
const LATER: Duration = Duration::from_millis(300);

/// Statements of a request for `/N`. No two routes share one, so that each can be told from the others' noise.
fn statements(n: usize) -> Vec<String> {
    match n {
        // A list, what belongs to it, and one more for each of its 21 rows.
        23 => ["SELECT id FROM staff_shifts ORDER BY id".to_owned(), "SELECT count(*) FROM staff_shifts".to_owned()]
            .into_iter()
            .chain((1..=21).map(|id| format!("SELECT room FROM staff_shifts WHERE id = {id}")))
            .collect(),
        // Each is another one by the number of its columns.
        _ => {
            (1..=n).map(|columns| format!("SELECT {}", vec!["id"; columns + n].join(", ")) + " FROM one_row").collect()
        }
    }
}

/// A service that works on PostgreSQL, and on Redis where it has one.
struct Service {
    http: ScriptedHttp,
    /// The next request has the server's counters reset.
    reset: Arc<AtomicBool>,
}

type Job = (Vec<String>, mpsc::Sender<()>);

/// Runs what it is asked to, over connections of its own, until nobody can ask any more.
fn worker(server: &Postgres, cache: Option<&Redis>) -> mpsc::Sender<Job> {
    let (asks, asked) = mpsc::channel::<Job>();
    let url = server.url();
    let mut cache = cache.map(|cache| {
        redis::Client::open(cache.url()).expect("an address").get_connection().expect("a connection to Redis")
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut c = runtime.block_on(sqlx::PgConnection::connect(&url)).expect("a connection");
        for (statements, done) in asked {
            for sql in statements {
                runtime.block_on(c.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))).expect("run");
            }
            for _ in 0..2 {
                let _: Option<Option<String>> =
                    cache.as_mut().map(|c| redis::cmd("GET").arg("staff").query(c).expect("read"));
            }
            let _ = done.send(());
        }
    });
    asks
}

/// Runs two statements at each time that it is told, in their order: what a service does after it has answered.
fn later(asks: mpsc::Sender<Job>) -> mpsc::Sender<Instant> {
    let (tells, told) = mpsc::channel::<Instant>();
    std::thread::spawn(move || {
        for due in told {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (done, waits) = mpsc::channel();
            let work = vec!["SELECT max(id) FROM staff_shifts".to_owned(); 2];
            if asks.send((work, done)).is_err() || waits.recv().is_err() {
                return;
            }
        }
    });
    tells
}

async fn service(server: &Postgres, cache: Option<&Redis>) -> Service {
    let asks = std::sync::Mutex::new(worker(server, cache));
    let reset = Arc::new(AtomicBool::new(false));
    let (to_reset, failing) = (reset.clone(), AtomicU64::new(0));
    let later = std::sync::Mutex::new(later(asks.lock().expect("a lock").clone()));
    let http = ScriptedHttp::start(move |request| {
        let fails = request.path.starts_with("/third-fails");
        let n = request.path.rsplit('/').next().and_then(|n| n.parse().ok()).expect("a number of statements");
        let mut all = statements(n);
        if to_reset.swap(false, Ordering::SeqCst) {
            all.push("SELECT pg_stat_statements_reset()".to_owned());
        }
        let (done, waits) = mpsc::channel();
        asks.lock().expect("a lock").send((all, done)).expect("the worker lives");
        waits.recv().expect("it was done");
        if fails {
            later.lock().expect("a lock").send(Instant::now() + LATER).expect("it lives");
        }
        if fails && failing.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
            return Answer::status(500, "no");
        }
        Answer::ok("done")
    });
    Service { http: http.await.expect("a service"), reset }
}

fn asked(environment_id: &str, url: &str, pairs: u32) -> CostRequest {
    CostRequest {
        spec: BenchSpec::Http(support::http(url, Load::Closed, 8, 10.0)),
        environment_id: environment_id.to_owned(),
        pairs,
        block_s: 0.5,
        name: None,
        confirm: None,
    }
}

async fn cost_of(engine: &Arc<Engine>, request: CostRequest) -> RequestCost {
    let job = cost::start(engine.clone(), request).await.expect("started");
    found(engine, &job).await
}

async fn found(engine: &Arc<Engine>, job: &JobStatus) -> RequestCost {
    let id = support::result(&support::ended(engine, job).await);
    cost::get(engine.clone(), support::by_id(&id)).await.expect("stored")
}

async fn refused(engine: &Arc<Engine>, request: CostRequest) -> ApiError {
    cost::start(engine.clone(), request).await.expect_err("refused")
}

fn exactly(n: f64) -> CostAmount {
    CostAmount { mean: n, low: Some(n), high: Some(n) }
}

/// Waits until a job is at a step.
async fn at(engine: &Arc<Engine>, job: &JobStatus, step: &str) {
    eventually(PATIENCE, async || {
        let now = engine.jobs().get(&job.id).expect("known");
        if now.step.starts_with(step) { Ok(()) } else { Err(now) }
    })
    .await;
}

/// Calls of a request's statements, as they were found, most first.
fn calls(cost: &RequestCost) -> Vec<f64> {
    let mut calls: Vec<f64> = cost.statements.iter().filter(|row| row.sure).map(|row| row.calls.mean).collect();
    calls.sort_by(|a, b| b.total_cmp(a));
    calls
}

/// A 95 % interval misses the truth once in twenty times, and a test must not: twice as wide it does so once in 280 (Student, five
/// degrees of freedom).
fn holds(amount: &CostAmount, truth: f64) -> bool {
    let half = amount.high.expect("an interval") - amount.mean;
    (amount.mean - truth).abs() <= 2.0 * half
}

/// Another client, with 50 statements a second.
fn noise(server: &Postgres) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopped) = (server.url(), stop.clone());
    let task = tokio::spawn(async move {
        let mut c = sqlx::PgConnection::connect(&url).await.expect("a connection");
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !stopped.load(Ordering::SeqCst) {
            tick.tick().await;
            c.execute("SELECT sum(id) FROM staff_shifts").await.expect("noise");
        }
        c.close().await.expect("closed");
    });
    (stop, task)
}

const TABLES: &str = "
    CREATE TABLE one_row (id int); INSERT INTO one_row VALUES (1);
    CREATE TABLE staff_shifts (id int PRIMARY KEY, room text);
    INSERT INTO staff_shifts SELECT id, 'r' FROM generate_series(1, 21) id";

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_18_counts_the_same() {
    let server = Postgres::start_18_with(&[]).await.expect("PostgreSQL 18");
    server.execute(TABLES).await.expect("tables");
    let dir = tempfile::tempdir().expect("a folder");
    let engine = support::open(dir.path()).await;
    let draft = support::draft("shop", Kind::Development, support::database(server.url()));
    let id = support::environment(&engine, draft).await;
    let service = service(&server, None).await;
    let cost = cost_of(&engine, asked(&id, &format!("{}/23", service.http.url()), 6)).await;
    assert_eq!((cost.totals.statements, cost.totals.rows), (exactly(23.0), exactly(43.0)), "{:?}", cost.totals);
    assert_eq!(calls(&cost), [21.0, 1.0, 1.0], "{:?}", cost.statements);
    assert!(cost.totals.buffers.is_some_and(|pages| pages.mean >= 21.0), "{:?}", cost.totals);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_counted_to_the_last_statement() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let cache = Redis::start().await.expect("Redis");
    server.execute(TABLES).await.expect("tables");
    server.execute("CREATE DATABASE bare").await.expect("a database without the extension");
    noisy(&server).await;
    let dir = tempfile::tempdir().expect("a folder");
    let engine = support::open(dir.path()).await;
    let targets = TargetsDraft { cache: Some(cache.url()), ..support::database(server.url()) };
    let id = support::environment(&engine, support::draft("shop", Kind::Development, targets)).await;
    quiet(&engine, &id, &server, &cache).await;
    not_counted(&engine, &server).await;
    engine.shutdown().await;
}

/// Three services at once, each of them noise to the others, and another client beside them.
async fn noisy(server: &Postgres) {
    let (stop, client) = noise(server);
    let measured = [1_usize, 7, 23].map(|n| async move {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = support::open(dir.path()).await;
        let draft = support::draft("shop", Kind::Development, support::database(server.url()));
        let id = support::environment(&engine, draft).await;
        let service = service(server, None).await;
        let cost = cost_of(&engine, asked(&id, &format!("{}/{n}", service.http.url()), 6)).await;
        engine.shutdown().await;
        cost
    });
    for (n, cost) in [1.0, 7.0, 23.0].into_iter().zip(futures_util::future::join_all(measured).await) {
        assert!(holds(&cost.totals.statements, n), "{n} within its interval: {:?}", cost.totals);
        assert!(cost.background.is_some_and(|share| share > 0.0), "others worked meanwhile: {cost:?}");
        let own: f64 = calls(&cost).iter().filter(|calls| calls.fract() == 0.0).sum();
        assert_eq!(own, n, "its own statements, which nobody else calls, to the last call: {cost:?}");
        assert_eq!(cost.totals.cache_commands, None, "without a cache that is not known, not 0");
    }
    stop.store(true, Ordering::SeqCst);
    client.await.expect("ended");
}

/// Nobody else is there: every figure is exact, also where requests fail and where the counters are reset in the middle.
async fn quiet(engine: &Arc<Engine>, id: &str, server: &Postgres, cache: &Redis) {
    let service = service(server, Some(cache)).await;
    let request = asked(id, &format!("{}/third-fails/23", service.http.url()), 6);
    let job = cost::start(engine.clone(), request).await.expect("started");
    at(engine, &job, "pair 2 of 6, with requests").await;
    service.reset.store(true, Ordering::SeqCst);
    let cost = found(engine, &job).await;
    assert_eq!((cost.pairs, cost.thrown_away, &cost.incomplete), (6, 1, &None), "its pair was measured again");
    assert_eq!(cost.totals.statements, exactly(25.0), "whatever their status, and those 0.3 s later: {cost:?}");
    assert_eq!(cost.totals.rows, exactly(45.0), "21 of the list, one of each other");
    assert_eq!(calls(&cost), [21.0, 2.0, 1.0, 1.0], "{:?}", cost.statements);
    let shifts = cost.statements.iter().find(|row| row.repeated == Some(true)).expect("the N+1 is found");
    assert_eq!(shifts.statement.as_deref(), Some("SELECT room FROM staff_shifts WHERE id = $1"), "without literals");
    assert_eq!((shifts.calls, shifts.rows), (exactly(21.0), exactly(21.0)), "and counted");
    assert!(cost.statements.iter().filter(|row| row.repeated == Some(true)).count() == 1, "no other: {cost:?}");
    assert!(shifts.buffers.is_some_and(|pages| pages.mean >= 21.0) && shifts.ms.mean > 0.0, "{shifts:?}");
    assert!(
        cost.sentence.starts_with("21 of 25 statements of a request are one: SELECT … FROM staff_shifts"),
        "{}",
        cost.sentence
    );
    assert_eq!(cost.background, Some(0.0), "nobody else: {cost:?}");
    assert!(cost.failures > 0 && cost.failures * 2 < cost.requests && cost.unanswered == 0, "{cost:?}");
    assert!(cost.notes.iter().any(|note| note.contains("failed")), "which is said: {:?}", cost.notes);
    assert_eq!(cost.totals.cache_commands, Some(exactly(4.0)), "{:?}", cost.totals);
    assert_eq!(cost.totals.cache.as_ref().and_then(|all| all.get("GET")), Some(&exactly(4.0)), "by command");
    assert_eq!(cost.source.as_deref().map(|s| s.starts_with("pg_stat_statements")), Some(true), "{cost:?}");

    let listed = cost::list(engine.clone(), RunList::default()).await.expect("listed");
    assert_eq!(listed, [cost], "and it is kept");
    let journal = house::journal_list(engine.clone(), JournalList::default()).await.expect("the journal");
    let kinds: Vec<JournalKind> = journal.iter().map(|entry| entry.kind).take(2).collect();
    assert_eq!(kinds, [JournalKind::LoadEnded, JournalKind::LoadStarted], "newest first: {journal:?}");
}

/// What cannot be counted, or must not be loaded, is refused before a request is sent.
async fn not_counted(engine: &Arc<Engine>, server: &Postgres) {
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let bare = format!("{}/bare", server.url().rsplit_once('/').expect("a database").0);
    let draft = support::draft("bare", Kind::Development, support::database(bare));
    let id = support::environment(engine, draft).await;
    let error = refused(engine, asked(&id, &target.url(), 6)).await;
    assert_eq!(error.code, ErrorCode::Unsupported, "{error:?}");
    assert!(error.message.contains("not created in the database 'bare'"), "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("CREATE EXTENSION")), "with what helps: {error:?}");

    let live = support::draft("live", Kind::Production, support::database(server.url()));
    let live = support::environment(engine, live).await;
    let error = refused(engine, asked(&live, &target.url(), 6)).await;
    assert_eq!(error.code, ErrorCode::Guarded, "{error:?}");
    let plan = "name='p'\n[[steps]]\nname='lookup'\nkind='sql'\nstatement='select 1'";
    let spec = BenchSpec::Plan { toml: plan.to_owned(), threads: None };
    let error = refused(engine, CostRequest { spec, ..asked(&id, &target.url(), 6) }).await;
    assert!(error.message.starts_with("Step 'lookup' is no HTTP request"), "{error:?}");
    for request in [asked(&id, &target.url(), 5), CostRequest { block_s: f64::NAN, ..asked(&id, &target.url(), 6) }] {
        assert_eq!(refused(engine, request).await.code, ErrorCode::BadRequest, "out of range");
    }
    let spec = BenchSpec::Http(support::http(&target.url(), Load::Rate { rate_per_s: 20.0 }, 1, 10.0));
    let slow = CostRequest { spec, ..asked(&live, &target.url(), 6) };
    let error = refused(engine, slow.clone()).await;
    assert_eq!(error.code, ErrorCode::Guarded, "its name is to be typed: {error:?}");
    assert_eq!(target.requests(), 0, "nothing was sent for any of them");
    let confirmed = CostRequest { confirm: Some("live".to_owned()), ..slow };
    let job = cost::start(engine.clone(), confirmed).await.expect("at a rate within its cap it may");
    at(engine, &job, "pair 1").await;
    let warm = target.requests();
    assert!((5..=100).contains(&warm), "half a second of 20/s and what follows, not a closed loop: {warm}");
    engine.jobs().cancel(&job.id);
    support::ended(engine, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planted_n_plus_1_of_the_demo_is_counted_exactly() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = support::open(dir.path()).await;
    let opened = environments::demo_open(engine.clone(), Empty {}).await.expect("opens");
    support::ended(&engine, &opened).await;
    let demo = environments::get(engine.clone(), support::by_id("demo")).await.expect("the demo");
    let url = format!("{}/staff/7/schedule", demo.targets.api.expect("its API").url);
    let cost = cost_of(&engine, asked("demo", &url, 6)).await;
    assert_eq!(cost.totals.statements, exactly(21.0), "the list and one for each of its rows: {cost:?}");
    assert_eq!(calls(&cost), [20.0, 1.0], "{:?}", cost.statements);
    let repeated: Vec<&str> = cost
        .statements
        .iter()
        .filter(|row| row.repeated == Some(true))
        .filter_map(|row| row.statement.as_deref())
        .collect();
    assert_eq!(repeated.len(), 1, "one is repeated for each row: {repeated:?}");
    assert!(repeated[0].ends_with("FROM appointments WHERE id = ?"), "{repeated:?}");
    assert_eq!(cost.totals.cache_commands, Some(exactly(1.0)), "its staff comes from the cache");
    assert_eq!(cost.totals.buffers, None, "SQLite counts no pages, which is not 0");
    assert!(cost.totals.db_ms.mean > 0.0 && cost.requests > 50, "{cost:?}");

    let job = cost::start(engine.clone(), asked("demo", &url, 60)).await.expect("started");
    at(&engine, &job, "pair 2").await;
    let error = refused(&engine, asked("demo", &url, 6)).await;
    assert_eq!(error.code, ErrorCode::Conflict, "one at a time: {error:?}");
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    let end = support::ended(&engine, &job).await;
    assert_eq!((end.state, end.result), (JobState::Cancelled, None), "two pairs at most say nothing");
    let listed = cost::list(engine.clone(), RunList::default()).await.expect("listed");
    assert_eq!(listed.len(), 1, "so that nothing of it is kept");
    let again = cost::start(engine.clone(), asked("demo", &url, 6)).await.expect("and the next may begin");
    engine.jobs().cancel(&again.id);
    support::ended(&engine, &again).await;
    engine.shutdown().await;
}
