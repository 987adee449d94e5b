//! The pool has the semantics of SQLAlchemy's QueuePool.
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use perfdeck_database::{Error, Pool, SqlitePools};
use perfdeck_model::{Address, ApiError, ErrorCode, PoolSettings, Sensitive};
use perfdeck_testkit::{MariaDb, POSTGRES_PASSWORD, Postgres, Wiretap, eventually};
use sqlx::SqliteConnection;

const SOON: Duration = Duration::from_secs(5);

fn settings(size: u32, max_overflow: u32, timeout_s: f64, recycle_s: f64) -> PoolSettings {
    PoolSettings { size, max_overflow, timeout_s, recycle_s }
}

async fn semantics(url: &str) {
    let (address, password) = Address::parse(url).expect("a URL");
    let pool = Pool::open(&address, password.as_ref(), &settings(2, 1, 0.3, 3600.0)).await.expect("opens");
    assert_eq!(pool.stats().open, 0, "nothing is opened before it is needed");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(pool.acquire().await.expect("size and overflow"));
    }
    assert_eq!((pool.stats().open, pool.stats().overflow), (3, 1), "all are open, one of them beyond the size");
    let started = Instant::now();
    let error = pool.acquire().await.expect_err("no fourth");
    assert!(started.elapsed() >= Duration::from_millis(290), "it waits for the timeout");
    assert!(started.elapsed() < Duration::from_secs(2), "and not longer: {:?}", started.elapsed());
    assert!(matches!(error, Error::PoolTimeout { in_use: 3, .. }), "its own error: {error:?}");
    assert_eq!(ApiError::from(error).code, ErrorCode::Timeout, "a time-out for the UI");
    for connection in &mut held {
        connection.execute("SELECT 1").await.expect("works");
    }
    held.clear();
    eventually(SOON, async || pool.stats().in_use == 0 && pool.stats().open == 2).await;
    assert_eq!(pool.stats().closed.beyond_size, 1, "the one beyond the size is closed at its return");
    assert_eq!(pool.stats().timeouts, 1, "counted");

    // A waiting caller gets the connection that comes back. Those that it had to open are the third one again.
    let held = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
    // A seat is free a moment after its connection is back: one of these may have waited for that.
    let waited = pool.stats().waited;
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    eventually(SOON, async || pool.stats().waiting == 1).await;
    drop(held);
    waiter.await.expect("task").expect("got one");
    eventually(SOON, async || pool.stats().in_use == 0 && pool.stats().open == 2).await;
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.waited), (0, waited + 1), "its wait is counted");
    assert!(stats.wait.max_ms > Some(0.0) && stats.wait.p99_ms.is_some(), "and measured: {stats:?}");
    pool.close().await;
    let stats = pool.stats();
    let closed = &stats.closed;
    assert_eq!((stats.open, closed.with_pool, closed.lost), (0, 2, 0), "what was idle closed with it: {stats:?}");
    assert_eq!(stats.created, closed.with_pool + closed.beyond_size, "each has one reason: {stats:?}");
    assert!(matches!(pool.acquire().await, Err(Error::PoolClosed(_))), "a closed pool gives out nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_pool() {
    let server = Postgres::start().await.expect("PostgreSQL");
    semantics(&server.url()).await;
    let (address, password) = Address::parse(&server.url()).expect("a URL");

    // Steady use of everything opens no further connections.
    let pool = Pool::open(&address, password.as_ref(), &settings(3, 1, 5.0, 3600.0)).await.expect("opens");
    let workers = (0..4).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                pool.acquire().await.expect("free").execute("SELECT 1").await.expect("works");
            }
        })
    });
    for worker in workers {
        worker.await.expect("task");
    }
    let stats = pool.stats();
    assert_eq!(stats.acquired, 200, "each check-out is counted");
    // Only when all four happen to be idle at once is one closed; closing whatever is beyond the size would churn.
    assert!(stats.closed.beyond_size <= 25, "connections are not churned: {stats:?}");
    pool.close().await;
    thirty_and_twenty_five(&address, password.as_ref()).await;
    times(&address, password.as_ref()).await;

    // Age is checked at check-out.
    let pool = Pool::open(&address, password.as_ref(), &settings(1, 0, 5.0, 0.05)).await.expect("opens");
    drop(pool.acquire().await.expect("one"));
    eventually(SOON, async || pool.stats().idle == 1).await;
    assert_eq!(pool.stats().closed.age, 0, "an old connection stays while it is idle");
    eventually(SOON, async || {
        drop(pool.acquire().await.expect("one"));
        pool.stats().closed.age >= 1
    })
    .await;
    let stats = pool.stats();
    assert_eq!(stats.created, 1 + stats.closed.age, "each that was too old was replaced by a new one: {stats:?}");
    assert_eq!((stats.open, stats.closed.lost), (1, 0), "and there is one: {stats:?}");
    pool.close().await;

    // A wrong password is told at once, as such.
    let started = Instant::now();
    let error = Pool::open(&address, Some(&Sensitive::new("wrong-canary")), &settings(1, 0, 30.0, 60.0)).await;
    let error = ApiError::from(error.expect_err("refused"));
    assert_eq!(error.code, ErrorCode::Authentication, "not a pool time-out");
    assert!(started.elapsed() < Duration::from_secs(3), "within three seconds");
    let pool = Pool::open(&address, password.as_ref(), &settings(1, 0, 30.0, 60.0)).await.expect("opens");
    let text = format!("{error:?} {pool:?}");
    assert!(!text.contains(POSTGRES_PASSWORD) && !text.contains("wrong-canary"), "no password in Debug: {text}");
}

/// The usual service: a size of 20, and 10 beyond it.
async fn thirty_and_twenty_five(address: &Address, password: Option<&Sensitive>) {
    let pool = Pool::open(address, password, &settings(20, 10, 0.3, 3600.0)).await.expect("opens");
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(pool.acquire().await.expect("size and overflow"));
    }
    let error = pool.acquire().await.expect_err("no thirty-first");
    assert!(matches!(error, Error::PoolTimeout { in_use: 30, .. }), "it waits and ends with its own error: {error:?}");
    held.clear();
    eventually(SOON, async || pool.stats().in_use == 0 && pool.stats().open == 20).await;
    let stats = pool.stats();
    assert_eq!((stats.created, stats.closed.beyond_size, stats.timeouts), (30, 10, 1), "20 stay: {stats:?}");

    // Steady use beyond the size: closing whatever is beyond it would open a connection for each check-out.
    let workers = (0..25).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..80 {
                pool.acquire().await.expect("free").execute("SELECT pg_sleep(0.002)").await.expect("works");
            }
        })
    });
    for worker in workers {
        worker.await.expect("task");
    }
    let after = pool.stats();
    assert_eq!(after.acquired - stats.acquired, 2_000, "2,000 check-outs");
    let opened = after.created - stats.created;
    assert!(opened <= 10, "25 workers open what they lack once, and nothing again: {opened} of 2,000: {after:?}");
    assert_eq!((after.closed.age, after.closed.dead, after.closed.lost), (0, 0, 0), "nothing broke: {after:?}");
    pool.close().await;
}

/// Waits and holds of a script whose times are measured from outside.
async fn times(address: &Address, password: Option<&Sensitive>) {
    let pool = Pool::open(address, password, &settings(1, 0, 5.0, 3600.0)).await.expect("opens");
    let mut bounds = [[0.0; 2]; 2];
    let mut add = |what: usize, least: Duration, most: Duration| {
        bounds[what][0] += least.as_secs_f64() * 1e3;
        bounds[what][1] += most.as_secs_f64() * 1e3;
    };
    for ms in [20, 5, 40, 10] {
        let asked = Instant::now();
        let mut connection = pool.acquire().await.expect("one");
        let had = Instant::now();
        add(0, Duration::ZERO, had - asked);
        connection.execute(&format!("SELECT pg_sleep(0.0{ms:02})")).await.expect("works");
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move {
                let connection = pool.acquire().await.expect("the one that comes back");
                let had = Instant::now();
                drop(connection);
                (had, Instant::now())
            }
        });
        eventually(SOON, async || pool.stats().waiting == 1).await;
        let waited = Instant::now();
        drop(connection);
        let back = Instant::now();
        add(1, waited - had, back - asked);
        let (had, gone) = waits.await.expect("task");
        // It began to wait before it was seen waiting, and after the connection was had.
        add(0, Duration::ZERO, had - asked);
        add(1, Duration::ZERO, gone - waited);
        eventually(SOON, async || pool.stats().idle == 1).await;
    }
    let stats = pool.stats();
    assert_eq!((stats.wait.count, stats.hold.count), (8, 8), "each check-out has a wait and a hold: {stats:?}");
    assert_eq!((stats.acquired, stats.waited), (8, 4), "four of them found all in use: {stats:?}");
    for (name, times, [least, most]) in [("waits", &stats.wait, bounds[0]), ("holds", &stats.hold, bounds[1])] {
        let sum = times.sum_ms;
        assert!((least..=most).contains(&sum), "{name}: {sum} ms within {least} and {most}: {stats:?}");
        let (p50, p99, max) = (times.p50_ms, times.p99_ms, times.max_ms);
        assert!(p50 <= p99 && p99 <= max && max <= Some(sum), "{name} are in order: {times:?}");
    }
    assert!(stats.hold.max_ms >= Some(40.0), "the longest was asleep for 40 ms: {stats:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_just_used_costs_no_round_trip() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let tap = Wiretap::open(server.port()).await.expect("a port");
    let url = server.url().replace(&format!(":{}/", server.port()), &format!(":{}/", tap.port()));
    let (address, password) = Address::parse(&url).expect("a URL");
    let pool = Pool::open(&address, password.as_ref(), &settings(1, 0, 5.0, 3600.0)).await.expect("opens");
    pool.acquire().await.expect("one").execute("SELECT 1").await.expect("works");
    eventually(SOON, async || pool.stats().idle == 1).await;
    assert!(!tap.heard().is_empty(), "the wiretap hears the server's clients, and the ping at the return");
    eventually(SOON, async || tap.heard().is_empty()).await;
    let started = Instant::now();
    let mut connection = pool.acquire().await.expect("the same one");
    let took = started.elapsed();
    let heard = tap.heard();
    assert!(took >= Duration::from_secs(1) || heard.is_empty(), "nothing was sent for it: {heard:?} in {took:?}");
    connection.execute("SELECT 'after'").await.expect("works");
    let heard = tap.heard();
    assert!(heard.windows(5).any(|part| part == b"after"), "and its statement was: {heard:?}");
    assert_eq!(pool.stats().created, 1, "on the connection that was there");
    drop(connection);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_connections_are_replaced_after_a_restart() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let (address, password) = Address::parse(&server.url()).expect("a URL");
    let pool = Pool::open(&address, password.as_ref(), &settings(2, 0, 5.0, 3600.0)).await.expect("opens");
    drop((pool.acquire().await.expect("one"), pool.acquire().await.expect("two")));
    eventually(SOON, async || pool.stats().idle == 2).await;
    server.restart().await.expect("restarted");
    eventually(Duration::from_secs(10), async || {
        let mut connection = pool.acquire().await.map_err(|e| e.to_string())?;
        connection.execute("SELECT 1").await.map_err(|e| e.to_string())
    })
    .await;
    let (a, b) = (pool.acquire().await.expect("one"), pool.acquire().await.expect("two"));
    drop((a, b));
    eventually(SOON, async || pool.stats().idle == 2).await;
    let stats = pool.stats();
    assert!(stats.closed.dead + stats.closed.lost >= 2, "those of before the restart were dead: {stats:?}");
    assert_eq!(stats.closed.age + stats.closed.beyond_size + stats.closed.with_pool, 0, "and nothing else: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_pool() {
    let server = MariaDb::start().await.expect("MariaDB");
    semantics(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_pool() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    std::fs::write(&file, "").expect("an empty file is an empty database");
    semantics(&format!("sqlite:{}", file.display())).await;
}

/// A statement as a piece of work.
fn run<'c>(c: &'c mut SqliteConnection, sql: &'static str) -> BoxFuture<'c, Result<(), sqlx::Error>> {
    Box::pin(async move { sqlx::raw_sql(sql).execute(c).await.map(drop) })
}

/// A statement on a connection of another process, as far as SQLite can tell.
async fn elsewhere(file: &std::path::Path, sql: &'static str) -> Result<(), sqlx::Error> {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).busy_timeout(Duration::ZERO);
    let mut other = options.connect().await?;
    sqlx::raw_sql(sql).execute(&mut other).await?;
    sqlx::Connection::close(other).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_one_writer_and_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    std::fs::write(&file, "").expect("an empty file is an empty database");
    let (address, _) = Address::parse(&format!("sqlite:{}", file.display())).expect("a URL");
    let pools = SqlitePools::open(&address, &settings(3, 0, 5.0, 3600.0)).await.expect("opens");
    pools.write(|c| run(c, "CREATE TABLE t (a INTEGER)")).await.expect("a table");
    let mode: String = {
        let mut reader = pools.read().await.expect("a reader");
        let c = reader.sqlite().expect("SQLite");
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(c).await.expect("a mode")
    };
    assert_eq!(mode, "wal", "readers and the writer do not wait for each other");

    // Writers queue for the one connection; none of them finds the file locked, and none is lost.
    let writers = (0..20).map(|_| {
        let pools = pools.clone();
        tokio::spawn(async move { pools.write(|c| run(c, "INSERT INTO t SELECT 1 + count(*) FROM t")).await })
    });
    for writer in writers {
        writer.await.expect("task").expect("written");
    }
    let mut held = vec![pools.read().await.expect("one"), pools.read().await.expect("two")];
    let rows: Vec<i64> = sqlx::query_scalar("SELECT a FROM t ORDER BY a")
        .fetch_all(held[0].sqlite().expect("SQLite"))
        .await
        .expect("rows");
    assert_eq!(rows, (1..=20).collect::<Vec<_>>(), "each saw what the one before it wrote");
    let refused = held[1].execute("INSERT INTO t VALUES (99)").await.expect_err("a reader only reads");
    assert_eq!(ApiError::from(refused).code, ErrorCode::Privilege, "and says so");
    held.clear();

    // A transaction that reads first and then writes what is outdated meanwhile: no time-out helps, beginning anew does.
    let mut attempts = 0;
    let outdated = pools.write(|c| {
        attempts += 1;
        let (first, path) = (attempts == 1, file.clone());
        Box::pin(async move {
            if first {
                sqlx::raw_sql("COMMIT; BEGIN; SELECT * FROM t").execute(&mut *c).await?;
                elsewhere(&path, "INSERT INTO t VALUES (100)").await?;
            }
            sqlx::raw_sql("INSERT INTO t VALUES (200)").execute(c).await.map(drop)
        })
    });
    outdated.await.expect("begun anew");
    assert_eq!(attempts, 2, "the first was outdated, the second was not");
    let failing = pools.write(|c| run(c, "INSERT INTO t VALUES (300); SELECT * FROM nothing")).await;
    failing.expect_err("there is no such table");
    let mut reader = pools.read().await.expect("a reader");
    let last: Vec<i64> = sqlx::query_scalar("SELECT a FROM t WHERE a > 20 ORDER BY a")
        .fetch_all(reader.sqlite().expect("SQLite"))
        .await
        .expect("rows");
    assert_eq!(last, [100, 200], "what failed is rolled back, what was done again is there once");
    drop(reader);
    let names: Vec<String> = pools.stats("demo API").into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["demo API, readers", "demo API, writer"], "both tell of themselves");
    let writer = &pools.stats("demo API")[1].stats;
    assert_eq!((writer.size, writer.max_overflow, writer.created), (1, 0, 1), "one writer, whatever comes: {writer:?}");
    pools.close().await;
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let (address, _) = Address::parse("sqlite:/nowhere.db").expect("a URL");
    for bad in [
        settings(0, 0, 1.0, 1.0),
        settings(900, 200, 1.0, 1.0),
        settings(1, 0, f64::NAN, 1.0),
        settings(1, 0, 1.0, -1.0),
    ] {
        let error = Pool::open(&address, None, &bad).await.expect_err("out of range");
        assert!(matches!(error, Error::Settings(_)), "before anything is opened: {error:?}");
    }
}
