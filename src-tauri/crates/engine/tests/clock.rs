//! A wall clock that is set, in either direction and by any amount: real servers under a known load, the real collectors
//! and the real scheduler. Only the wall clock is made up.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perfdeck_cache::CacheCollector;
use perfdeck_database::DatabaseCollector;
use perfdeck_model::{Address, CacheTarget, Clock, Collector, SystemClock};
use perfdeck_monitor::{HostCollector, Monitor, Tick};
use perfdeck_series::MemoryBlocks;
use perfdeck_testkit::{MariaDb, Redis, redis as driver};
use sqlx::Executor;

/// The machine's clock, with a wall clock that the test sets.
#[derive(Default)]
struct SetClock(Mutex<f64>);

impl Clock for SetClock {
    fn now_ms(&self) -> f64 {
        SystemClock.now_ms() + *self.0.lock().expect("not poisoned")
    }

    fn monotonic_ms(&self) -> f64 {
        SystemClock.monotonic_ms()
    }
}

fn value(tick: &Tick, id: &str) -> Option<f64> {
    tick.values.iter().find(|(i, _)| &**i == id).and_then(|(_, v)| *v)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_changes_no_rate_and_stops_nothing() {
    let (redis, mariadb) = tokio::join!(Redis::start(), MariaDb::start());
    let (redis, mariadb) = (redis.expect("Redis"), mariadb.expect("MariaDB"));
    mariadb.execute("CREATE TABLE t (a int PRIMARY KEY, b int)").await.expect("a table");
    mariadb.execute("INSERT INTO t VALUES (1, 0)").await.expect("a row");
    // 500 commands and 100 transactions a second, on time whatever the machine does.
    let mut commands = redis.connect().await.expect("a connection");
    let cache_load = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let mut pipe = driver::pipe();
            for _ in 0..10 {
                pipe.cmd("SET").arg("k").arg("v").ignore();
            }
            let _: Result<(), _> = pipe.exec_async(&mut commands).await;
        }
    });
    let mut statements = mariadb.connect().await.expect("a connection");
    let database_load = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            for _ in 0..2 {
                let _ = statements.execute("UPDATE t SET b = b + 1 WHERE a = 1").await;
            }
        }
    });
    let (cache, cache_password) = Address::parse(&redis.url()).expect("a URL");
    let (database, database_password) = Address::parse(&mariadb.url()).expect("a URL");
    let cache = CacheTarget::of(cache);
    let collectors: Vec<Box<dyn Collector>> = vec![
        Box::new(CacheCollector::new(cache, cache_password)),
        Box::new(DatabaseCollector::new(database, database_password)),
        Box::new(HostCollector::new()),
    ];
    let clock = Arc::new(SetClock::default());
    let monitor = Monitor::start("e".into(), collectors, clock.clone(), Arc::new(MemoryBlocks::default()));
    let mut ticks = monitor.subscribe();
    let mut seen = 0;
    let mut steady = async |what: &str| {
        let mut good = 0;
        let end = tokio::time::Instant::now() + Duration::from_secs(20);
        while good < 2 {
            let tick = tokio::time::timeout_at(end, ticks.recv()).await;
            let tick = tick.unwrap_or_else(|_| panic!("{what}: seconds go on")).expect("a tick");
            let (commands, transactions) = (value(&tick, "cache.operations"), value(&tick, "database.transactions"));
            for (rate, truth) in [(commands, 500.0), (transactions, 100.0)] {
                // A busy machine may send a burst into the next second.
                let fine = rate.is_none_or(|r| (r - truth).abs() <= 0.2 * truth);
                assert!(fine, "{what}: {rate:?} is neither {truth} nor a gap");
            }
            good += u32::from(commands.is_some() && transactions.is_some());
            seen += 1;
        }
    };
    steady("before").await;
    for (what, by_ms) in [
        ("back 2 s", -2_000.0),
        ("forward 4 s", 4_000.0),
        ("forward half a second", 500.0),
        ("back half a second", -500.0),
        ("forward 30 min", 1_800_000.0),
        ("back 1 h", -3_600_000.0),
    ] {
        *clock.0.lock().expect("not poisoned") += by_ms;
        steady(what).await;
    }
    assert!(seen >= 14, "two good seconds after each");
    monitor.stop().await;
    cache_load.abort();
    database_load.abort();
}
