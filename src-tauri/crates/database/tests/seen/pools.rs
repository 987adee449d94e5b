//! Pools of applications, as their sessions show them, and the waiters of a pooler.
use std::str::FromStr;
use std::time::{Duration, Instant};

use perfdeck_database::{DatabaseCollector, PoolsReader};
use perfdeck_model::{Address, ApplicationPool, Collector, DatabasePools, ErrorCode, SessionStates};
use perfdeck_testkit::{MariaDb, POSTGRES_PASSWORD, PgBouncer, Postgres, eventually};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::sync::Mutex;

const SOON: Duration = Duration::from_secs(10);

fn reader(url: &str) -> PoolsReader {
    let (address, password) = Address::parse(url).expect("a URL");
    PoolsReader::new(address, password)
}

/// A client that names itself, as an application's pool does.
async fn client(url: &str, application: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).expect("a URL").application_name(application);
    options.connect().await.expect("a client")
}

/// Reads again and again, at one time, until something is there.
async fn until(reader: &mut PoolsReader, at_ms: f64, there: impl Fn(&DatabasePools) -> bool) -> DatabasePools {
    let reader = Mutex::new(reader);
    eventually(SOON, async || {
        let pools = reader.lock().await.read(&at_ms).await.map_err(|e| e.to_string())?;
        if there(&pools) { Ok(pools) } else { Err(format!("{pools:#?}")) }
    })
    .await
}

fn of<'a>(pools: &'a DatabasePools, application: &str) -> &'a ApplicationPool {
    let found = pools.applications.iter().find(|p| p.application.as_deref() == Some(application));
    found.unwrap_or_else(|| panic!("{application} is there: {pools:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_pools_are_its_sessions() {
    let mut server = Postgres::start_with(&[("max_connections", "30")]).await.expect("PostgreSQL");
    server.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.expect("a table");
    let url = server.url();
    let (address, password) = Address::parse(&url).expect("a URL");
    let mut collector = DatabaseCollector::new(address, password);
    collector.collect(&0.0).await.expect("Perfdeck's own session is there too");

    let mut idle = vec![client(&url, "clinic-api").await, client(&url, "clinic-api").await];
    let mut holder = client(&url, "clinic-api").await;
    holder.execute("BEGIN; UPDATE t SET a = 2").await.expect("locked");
    let mut waiter = client(&url, "clinic-api").await;
    let waits = tokio::spawn(async move { waiter.execute("UPDATE t SET a = 3").await.map(drop) });
    let mut worker = client(&url, "clinic-worker").await;
    let works = tokio::spawn(async move { worker.execute("SELECT pg_sleep(60)").await.map(drop) });

    let mut reader = reader(&url);
    let expected = SessionStates { lock_wait: 1, active: 0, idle_in_transaction: 1, idle: 2, unknown: 0 };
    let all = |p: &DatabasePools| p.applications.len() == 2 && of(p, "clinic-api").states == expected;
    let pools = until(&mut reader, 0.0, all).await;
    let api = of(&pools, "clinic-api");
    assert_eq!((api.sessions, api.address.as_deref()), (4, Some("127.0.0.1")), "four sessions from this machine");
    assert_eq!(api.users, ["perfdeck"], "its user");
    assert_eq!(of(&pools, "clinic-worker").states.active, 1, "the sleeping statement is active");
    assert_eq!(pools.applications[0].application.as_deref(), Some("clinic-api"), "the fullest first");
    assert!(api.oldest_s >= api.newest_s && api.newest_s > Some(0.0), "ages: {api:?}");
    assert!(api.longest_idle_in_transaction_s > Some(0.0), "the holder's: {api:?}");
    assert_eq!((api.begun_last_minute, api.churn), (Some(4), None), "one reading knows no churn");
    assert_eq!((pools.hidden, pools.grant.as_deref()), (Some(0), None), "a superuser sees all");
    assert!(pools.pooler.is_none() && pools.own.is_empty(), "no pooler, and no pool of Perfdeck's");
    assert!(pools.waiting_unknown.as_deref().is_some_and(|w| w.contains("server itself")), "with the reason");

    let collection = collector.collect(&1_000.0).await.expect("a collection");
    let told = |id: &str| collection.values.iter().find(|(s, _)| s.id == id).map(|(_, n)| *n);
    let oldest: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8 FROM pg_stat_activity
         WHERE application_name LIKE 'clinic-%'",
    )
    .fetch_one(&mut idle[0])
    .await
    .expect("asked independently");
    let age = told("database.transaction.oldest").expect("its age");
    assert!(age > 0.0 && age <= oldest, "the holder's: {age} s, {oldest} s a little later");
    let sessions = |state| told(&format!("database.pool.sessions{{application=clinic-api,state={state}}}"));
    assert_eq!((sessions("in_use"), sessions("idle")), (Some(2.0), Some(2.0)), "the lane of its pool");
    let worker = collection.values.iter().any(|(s, _)| s.id.contains("clinic-worker"));
    assert!(!worker && told("database.pool.waiting").is_none(), "one session is no pool, and there is no pooler");

    // The same, asked independently.
    let mut other = server.connect().await.expect("a client");
    let row = other
        .fetch_one(
            "SELECT current_setting('max_connections')::int, count(*) FILTER (WHERE backend_type = 'client backend') - 1
             FROM pg_stat_activity",
        )
        .await
        .expect("an answer");
    let (most, used): (i32, i64) = (row.get(0), row.get(1));
    let limits = pools.limits.expect("limits");
    assert_eq!((i64::from(limits.max), limits.reserved), (i64::from(most), 3), "the server's limits");
    assert_eq!(limits.used.map(i64::from), Some(used), "everybody's connections, Perfdeck's two included");
    other.close().await.expect("closed");

    // Three begin and one ends within half a minute.
    for _ in 0..3 {
        idle.push(client(&url, "clinic-api").await);
    }
    idle.remove(0).close().await.expect("closed");
    let pools = until(&mut reader, 30_000.0, |p| of(p, "clinic-api").sessions == 6).await;
    let churn = of(&pools, "clinic-api").churn.expect("half a minute");
    assert_eq!((churn.begun_per_min, churn.ended_per_min, churn.over_s), (6.0, 2.0, 30.0), "three and one");

    // A role that sees nothing of others still sees that they are there.
    server
        .execute(&format!("CREATE ROLE reader LOGIN PASSWORD '{POSTGRES_PASSWORD}'"))
        .await
        .expect("a role without rights");
    let blind = url.replace("//perfdeck:", "//reader:");
    let told = self::reader(&blind).read(&0.0).await.expect("it may sign in");
    assert_eq!(told.hidden, Some(7), "six of one application, one of the other: {told:#?}");
    assert_eq!(told.grant.as_deref(), Some("GRANT pg_monitor TO \"reader\";"), "with the exact grant");
    let api = of(&told, "clinic-api");
    assert_eq!((api.states.unknown, api.states.idle), (6, 0), "what is hidden is not idle");
    assert_eq!((api.oldest_s, api.begun_last_minute), (None, None), "nor without age");
    server.execute("GRANT pg_monitor TO reader").await.expect("granted");
    let told = self::reader(&blind).read(&0.0).await.expect("it may sign in");
    assert_eq!((told.hidden, of(&told, "clinic-api").states.unknown), (Some(0), 0), "the grant is the right one");

    // The connection that is kept is ended by somebody, and the server goes away.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'perfdeck'";
    server.execute(end).await.expect("ended");
    reader.read(&31_000.0).await.expect("another connection");
    holder.execute("ROLLBACK").await.expect("free");
    waits.await.expect("task").expect("written");
    works.abort();
    server.stop();
    let gone = reader.read(&32_000.0).await.expect_err("it is gone");
    assert_eq!(gone.code, ErrorCode::Unreachable, "{gone:?}");
    server.restart().await.expect("back");
    assert!(reader.read(&33_000.0).await.expect("and is read again").applications.is_empty(), "nobody is there");
    reader.release().await;
}

/// A client that waits for a server connection of the pooler.
fn waiting(url: String) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut client = client(&url, "clinic-api").await;
        let _ = client.execute("SELECT 1").await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbouncer_tells_who_waits() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute(&format!("CREATE ROLE reader LOGIN PASSWORD '{POSTGRES_PASSWORD}'")).await.expect("a role");
    let settings =
        [("pool_mode", "transaction"), ("default_pool_size", "1"), ("ignore_startup_parameters", "extra_float_digits")];
    let bouncer = PgBouncer::start(&server, &settings).await.expect("PgBouncer");
    let of_reader = bouncer.url().replace("//perfdeck:", "//reader:");
    let mut holder = client(&of_reader, "clinic-api").await;
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.expect("the only server connection");
    let waiters = [waiting(of_reader.clone()), waiting(of_reader.clone())];

    let mut reader = reader(&bouncer.url());
    let two = |p: &DatabasePools| {
        let pools = p.pooler.iter().flat_map(|told| &told.pools);
        pools.into_iter().any(|p| p.user == "reader" && p.clients_waiting == 2 && p.longest_wait_s > 0.0)
    };
    let pools = until(&mut reader, 0.0, two).await;
    let told = pools.pooler.as_ref().expect("it tells");
    assert!(told.version.as_deref().is_some_and(|v| v.starts_with("PgBouncer 1.")), "{:?}", told.version);
    let pool = told.pools.iter().find(|p| p.user == "reader").expect("the reader's");
    assert_eq!((pool.database.as_str(), pool.mode.as_str(), pool.size), ("app", "transaction", Some(1)), "{pool:?}");
    assert_eq!((pool.servers_active, pool.clients_active), (1, 1), "one holds it: {pool:?}");
    assert!(pool.longest_wait_s > 0.0, "{pool:?}");
    assert_eq!((pools.waiting_unknown.as_deref(), pools.waiting_fix.as_deref()), (None, None), "nothing is unknown");
    let (address, password) = Address::parse(&bouncer.url()).expect("a URL");
    let collection = DatabaseCollector::new(address, password).collect(&0.0).await.expect("a collection");
    let waiting = collection.values.iter().find(|(s, _)| s.id == "database.pool.waiting").map(|(_, n)| *n);
    assert_eq!(waiting, Some(2.0), "the lane of the pool has them too");
    assert!(
        pools.note.as_deref().is_some_and(|n| n.contains("pooler")),
        "whose address the server sees: {:?}",
        pools.note
    );

    // The pooler has no server connection for the question either: what it tells of itself is shown all the same.
    let mut full = client(&bouncer.url(), "clinic-api").await;
    sqlx::raw_sql("BEGIN").execute(&mut full).await.expect("the only one of this user");
    let pools = reader.read(&1_000.0).await.expect("it answers");
    assert!(
        pools.applications.is_empty() && pools.note.as_deref().is_some_and(|n| n.contains("not shown")),
        "{pools:#?}"
    );
    assert!(pools.pooler.is_some_and(|p| p.pools.iter().any(|p| p.clients_waiting == 2)), "with its waiters");
    sqlx::raw_sql("ROLLBACK").execute(&mut full).await.expect("free");

    // Who is not let into the console is told how.
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.expect("free");
    for waiter in waiters {
        waiter.await.expect("done");
    }
    let pools =
        until(&mut reader, 2_000.0, |p| p.pooler.iter().flat_map(|t| &t.pools).any(|p| p.mean_wait_ms.is_some())).await;
    let means: Vec<_> = pools.pooler.iter().flat_map(|t| &t.pools).map(|p| p.mean_wait_ms).collect();
    assert!(means.iter().flatten().all(|ms| *ms > 0.0) && !means.is_empty(), "two waited a while: {means:?}");
    let (address, password) = Address::parse(&bouncer.url()).expect("a URL");
    let mut full = client(&bouncer.url(), "clinic-api").await;
    sqlx::raw_sql("BEGIN").execute(&mut full).await.expect("the only one of this user");
    let (sizes, plan) = tokio::join!(
        perfdeck_database::sizes(&address, password.as_ref(), 10),
        perfdeck_database::statement_plan(&address, password.as_ref(), "SELECT 1", false)
    );
    for error in [sizes.expect_err("no connection"), plan.expect_err("no connection")] {
        assert!(error.message.contains("none that is free"), "whose fault it is: {error:?}");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut full).await.expect("free");
    let pools = self::reader(&of_reader).read(&0.0).await.expect("it may use the database");
    assert!(pools.pooler.is_none(), "nothing is told: {pools:#?}");
    assert!(pools.waiting_unknown.as_deref().is_some_and(|w| w.contains("stats_users")), "{:?}", pools.waiting_unknown);
    assert_eq!(
        pools.waiting_fix.as_deref(),
        Some("stats_users = …, reader"),
        "the setting, beside those that are there"
    );

    // That question went over the reader's server connection, which is the pooler's: it counts, and whose it was is said.
    let told =
        |p: &DatabasePools| p.note.as_deref().is_some_and(|n| n.ends_with("; 1 of them was last used by Perfdeck"));
    let pools = until(&mut reader, 2_000.0, told).await;
    let counted = pools.applications.iter().find(|p| p.users == ["reader"]).expect("the pooler's connection");
    assert_eq!((counted.states.idle, counted.states.active), (1, 0), "{pools:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_pools_are_its_sessions() {
    let server = MariaDb::start_with(&["--max-connections=30"]).await.expect("MariaDB");
    server.execute("CREATE TABLE t (a INT) ENGINE=InnoDB; INSERT INTO t VALUES (1)").await.expect("a table");
    let (address, password) = Address::parse(&server.url()).expect("a URL");
    let mut collector = DatabaseCollector::new(address, password);
    collector.collect(&0.0).await.expect("Perfdeck's own session is there too");
    let looked = Instant::now();
    let idle = server.connect().await.expect("a client");
    let mut holder = server.connect().await.expect("a client");
    holder.execute("BEGIN").await.expect("begun");
    holder.execute("UPDATE t SET a = 2").await.expect("locked");
    let mut waiter = server.connect().await.expect("a client");
    let waits = tokio::spawn(async move { waiter.execute("UPDATE t SET a = 3").await.map(drop) });
    let asker = Mutex::new(server.connect().await.expect("a client"));
    eventually(SOON, async || {
        let mut c = asker.lock().await;
        let row =
            c.fetch_one("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'").await.map_err(|e| e.to_string())?;
        let waiting: String = row.get(1);
        // InnoDB shows its transactions anew only to who has not looked for 0.1 s; this counter it shows at once.
        let anew = looked.elapsed() > Duration::from_millis(100);
        if waiting == "1" && anew { Ok(()) } else { Err(format!("{waiting} wait")) }
    })
    .await;
    asker.into_inner().close().await.expect("closed");
    let mut reader = reader(&server.url());
    let expected = SessionStates { lock_wait: 1, active: 0, idle_in_transaction: 1, idle: 1, unknown: 0 };
    let all = |p: &DatabasePools| p.applications.len() == 1 && p.applications[0].states == expected;
    let pools = until(&mut reader, 0.0, all).await;
    let pool = &pools.applications[0];
    assert_eq!((pool.sessions, pool.address.as_deref()), (3, Some("127.0.0.1")), "Perfdeck's own are not among them");
    assert_eq!((pool.oldest_s, pool.begun_last_minute), (None, None), "the server does not tell when they began");
    assert!(pools.note.as_deref().is_some_and(|n| n.contains("when a session began")), "{:?}", pools.note);
    let limits = pools.limits.expect("limits");
    assert_eq!((limits.max, limits.used), (30, Some(5)), "three clients, and two of Perfdeck's");
    idle.close().await.expect("closed");
    let pools = until(&mut reader, 30_000.0, |p| p.applications[0].sessions == 2).await;
    let churn = pools.applications[0].churn.expect("half a minute");
    assert_eq!((churn.begun_per_min, churn.ended_per_min), (0.0, 2.0), "one ended in half a minute");

    server
        .execute("CREATE USER 'reader'@'%' IDENTIFIED BY 'reader-canary'; GRANT SELECT ON app.* TO 'reader'@'%'")
        .await
        .expect("an account without rights");
    let url = format!("mariadb://reader:reader-canary@127.0.0.1:{}/app", server.port());
    // The two clients, and the sessions of the collector and of the reader above.
    let told = eventually(SOON, async || {
        let told = self::reader(&url).read(&0.0).await.map_err(|e| e.to_string())?;
        if told.hidden == Some(4) { Ok(told) } else { Err(format!("{told:#?}")) }
    })
    .await;
    assert_eq!(told.grant.as_deref(), Some("GRANT PROCESS ON *.* TO 'reader'@'%';"), "with the exact grant");
    holder.execute("ROLLBACK").await.expect("free");
    waits.await.expect("task").expect("written");
}

#[tokio::test]
async fn a_file_has_no_sessions() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    std::fs::write(&file, "").expect("an empty file is an empty database");
    let pools = reader(&format!("sqlite:{}", file.display())).read(&0.0).await.expect("opens");
    assert!(pools.applications.is_empty() && pools.limits.is_none() && pools.grant.is_none(), "{pools:#?}");
    assert!(pools.note.as_deref().is_some_and(|n| n.contains("no sessions")), "with the reason: {:?}", pools.note);
}
