//! The pool has the semantics of SQLAlchemy's QueuePool.
use std::time::{Duration, Instant};

use perfdeck_database::{Error, Pool};
use perfdeck_model::{Address, ApiError, ErrorCode, PoolSettings, Sensitive};
use perfdeck_testkit::{MariaDb, POSTGRES_PASSWORD, Postgres, eventually};

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
    assert_eq!(pool.stats().overflow_closed, 1, "the one beyond the size is closed at its return");
    assert_eq!(pool.stats().timeouts, 1, "counted");

    // A waiting caller gets the connection that comes back.
    let held = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    eventually(SOON, async || pool.stats().waiting == 1).await;
    drop(held);
    waiter.await.expect("task").expect("got one");
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.waited), (0, 1), "its wait is counted");
    assert!(stats.wait_max_ms > 0.0 && stats.wait_p99_ms.is_some(), "and measured: {stats:?}");
    pool.close().await;
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
    assert!(stats.overflow_closed <= 25, "connections are not churned: {stats:?}");
    pool.close().await;

    // Age is checked at check-out.
    let pool = Pool::open(&address, password.as_ref(), &settings(1, 0, 5.0, 0.05)).await.expect("opens");
    drop(pool.acquire().await.expect("one"));
    eventually(SOON, async || pool.stats().idle == 1).await;
    assert_eq!(pool.stats().recycled, 0, "an old connection stays while it is idle");
    eventually(SOON, async || {
        drop(pool.acquire().await.expect("one"));
        pool.stats().recycled >= 1
    })
    .await;
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
