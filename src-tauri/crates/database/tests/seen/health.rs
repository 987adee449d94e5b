//! Health of real databases, with real faults.
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use perfdeck_database::{DatabaseCollector, health};
use perfdeck_model::{Address, CheckState, Collector, HealthCheck, TargetHealth};
use perfdeck_testkit::{MariaDb, POSTGRES_PASSWORD, Paused, PgBouncer, Postgres, eventually};
use sqlx::{Connection, Executor, Row};

const SOON: Duration = Duration::from_secs(20);

async fn of(url: &str) -> TargetHealth {
    let (address, password) = Address::parse(url).expect("a URL");
    health(&address, password.as_ref(), &0.0).await
}

fn check<'a>(health: &'a TargetHealth, id: &str) -> &'a HealthCheck {
    health.checks.iter().find(|c| c.id == id).unwrap_or_else(|| panic!("{id} is checked: {health:#?}"))
}

/// Waits until a check has an outcome.
async fn until(url: &str, id: &str, state: CheckState) -> HealthCheck {
    eventually(SOON, async || {
        let health = of(url).await;
        let found = health.checks.iter().find(|c| c.id == id && c.state == state).cloned();
        found.ok_or_else(|| format!("{health:#?}"))
    })
    .await
}

fn fix(check: &HealthCheck) -> &str {
    check.fix.as_ref().and_then(|f| f.statement.as_deref()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_and_its_standby() {
    let faults = [("max_connections", "20"), ("archive_mode", "on"), ("archive_command", "false")];
    let mut primary = Postgres::start_with(&faults).await.expect("PostgreSQL");
    primary.execute("CREATE TABLE t (a int)").await.expect("a table");
    let standby = primary.standby().await.expect("a standby");
    let url = primary.url();

    // The archive fails from the first segment on.
    primary.execute("SELECT pg_switch_wal()").await.expect("a segment is due");
    let archiver = until(&url, "archiver", CheckState::Failing).await;
    assert!(archiver.reason.contains("failed") && fix(&archiver).contains("archive_command"), "{archiver:?}");
    until(&url, "replica:walreceiver", CheckState::Ok).await;

    let seen = of(&url).await;
    assert_eq!(seen.state, CheckState::Failing, "the worst of all");
    assert!(seen.version.as_deref().is_some_and(|v| v.starts_with("PostgreSQL ")), "{:?}", seen.version);
    assert!(!seen.is_incomplete(), "a superuser is refused nothing: {seen:#?}");
    assert_eq!(check(&seen, "reachable").state, CheckState::Ok, "it was reached");
    let latency = check(&seen, "latency");
    assert!(latency.value > Some(0.0) && latency.threshold.is_some(), "measured: {latency:?}");
    let fsync = check(&seen, "setting:fsync");
    assert_eq!(fsync.state, CheckState::Failing, "private servers have none");
    assert!(fix(fsync).contains("ALTER SYSTEM SET fsync = on;"), "with the statement: {fsync:?}");
    assert_eq!(check(&seen, "slots").state, CheckState::Ok, "there are none");
    assert_eq!(check(&seen, "deadlocks").state, CheckState::Ok, "there were none");
    assert_eq!(check(&seen, "checksums").state, CheckState::Unknown, "they are off");
    let disk = check(&seen, "disk");
    assert!(disk.state == CheckState::Unknown && !disk.missed, "no server tells: {disk:?}");
    let order: Vec<CheckState> = seen.checks.iter().map(|c| c.state).collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "failing first: {order:?}");

    // The figures, asked independently.
    let mut other = primary.connect().await.expect("a client");
    let row = other
        .fetch_one("SELECT max(age(datfrozenxid))::float8, max(mxid_age(datminmxid))::float8 FROM pg_database")
        .await
        .expect("an answer");
    for (id, at) in [("wraparound", 0), ("multixact", 1)] {
        let (told, asked) = (check(&seen, id).value.expect("a value") * 2_147_483_648.0, row.get::<f64, _>(at));
        assert!((told - asked).abs() < 1_000.0, "{id}: {told} and {asked}");
    }
    let mut clients = vec![other];
    while clients.len() < 14 {
        clients.push(primary.connect().await.expect("a client"));
    }
    let full = of(&url).await;
    let connections = check(&full, "connections");
    assert_eq!(connections.value, Some(15.0 / 17.0), "14 and this one, of 20 less 3 reserved: {connections:?}");
    assert_eq!(connections.state, CheckState::Warning, "above 80 %");
    clients.push(primary.connect().await.expect("a client"));
    assert_eq!(check(&of(&url).await, "connections").state, CheckState::Failing, "above 90 %");
    for client in clients {
        client.close().await.expect("closed");
    }

    // A slot that nobody reads holds WAL.
    primary.execute("SELECT pg_create_physical_replication_slot('left_over', true)").await.expect("a slot");
    let young = check(&of(&url).await, "slot:left_over").clone();
    assert_eq!(young.state, CheckState::Warning, "a moment old: {young:?}");
    for _ in 0..5 {
        primary.execute("INSERT INTO t VALUES (1); SELECT pg_switch_wal()").await.expect("a segment of 16 MiB");
    }
    let slot = until(&url, "slot:left_over", CheckState::Failing).await;
    assert!(slot.value.is_some_and(|held| held >= 0.0), "{slot:?}");
    let (address, password) = Address::parse(&url).expect("a URL");
    let mut collector = DatabaseCollector::new(address, password);
    collector.collect(&0.0).await.expect("answers");
    collector.collect(&3_000.0).await.expect("the slow look");
    let told = collector.collect(&4_000.0).await.expect("answers");
    let mut broken: Vec<&str> = told.broken.iter().map(|f| f.id.as_str()).collect();
    broken.sort_unstable();
    assert_eq!(broken, ["database_unhealthy:archiver", "database_unhealthy:slot:left_over"], "both stay until mended");
    assert!(told.broken.iter().all(|f| f.is_of_state() && !f.proof.statements.is_empty()), "with what mends them");
    primary.execute(fix(&slot)).await.expect("the statement does what it says");
    until(&url, "slots", CheckState::Ok).await;

    // The standby: it follows, is paused, and loses its primary.
    let of_standby = standby.url();
    primary.execute("INSERT INTO t VALUES (1)").await.expect("something to replay");
    let lag = until(&of_standby, "replication_lag", CheckState::Ok).await;
    assert_eq!(lag.value, Some(0.0), "it has replayed all that it received: {lag:?}");
    standby.execute("SELECT pg_wal_replay_pause()").await.expect("paused");
    primary.execute("INSERT INTO t SELECT generate_series(1, 1000)").await.expect("more to replay");
    let paused = until(&of_standby, "replication_lag", CheckState::Warning).await;
    assert!(paused.reason.contains("paused") && fix(&paused).contains("pg_wal_replay_resume"), "{paused:?}");
    standby.execute("SELECT pg_wal_replay_resume()").await.expect("goes on");
    primary.stop();
    let lost = until(&of_standby, "replication_lag", CheckState::Failing).await;
    assert!(lost.reason.contains("nothing is received"), "{lost:?}");
    let gone = of(&url).await;
    assert_eq!((gone.state, gone.checks.len()), (CheckState::Failing, 1), "a primary that is gone: {gone:#?}");
    assert!(gone.checks[0].id == "reachable" && gone.checks[0].fix.is_some(), "says what to look at: {gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_is_told_the_grant_and_who_loses_the_server_why() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute(&format!("CREATE ROLE reader LOGIN PASSWORD '{POSTGRES_PASSWORD}'")).await.expect("a role");
    let _standby = server.standby().await.expect("a standby, of which the role sees only that it is there");
    let blind = server.url().replace("//perfdeck:", "//reader:");
    let refused = eventually(SOON, async || {
        let seen = of(&blind).await;
        let hidden = check(&seen, "replication").missed;
        if hidden { Ok(seen) } else { Err(format!("{seen:#?}")) }
    })
    .await;
    let replication = check(&refused, "replication");
    assert_eq!(replication.state, CheckState::Unknown, "not 0, and not fine");
    assert_eq!(replication.grant.as_deref(), Some("GRANT pg_monitor TO \"reader\";"), "with the exact grant");
    assert!(refused.is_incomplete(), "and counted as not asked");
    let missed: Vec<&str> = refused.checks.iter().filter(|c| c.missed).map(|c| c.id.as_str()).collect();
    assert_eq!(missed, ["replication"], "the rest works: {refused:#?}");
    server.execute("GRANT pg_monitor TO reader").await.expect("granted");
    let allowed = of(&blind).await;
    assert!(!allowed.is_incomplete(), "the grant is the right one: {allowed:#?}");

    // Through a pooler everything is asked too.
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "2")];
    let bouncer = PgBouncer::start(&server, &settings).await.expect("PgBouncer");
    let pooled = of(&bouncer.url()).await;
    assert!(!pooled.is_incomplete(), "nothing needs a session: {pooled:#?}");
    assert_eq!(pooled.checks.len(), of(&server.url()).await.checks.len(), "the same checks");

    // The session is ended in the middle: what was asked stays, what was not is unknown with the reason.
    let url = server.url();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'perfdeck'";
    let cut = eventually(SOON, async || {
        let looking = tokio::spawn({
            let url = url.clone();
            async move { of(&url).await }
        });
        while !looking.is_finished() {
            server.execute(end).await.map_err(|e| e.to_string())?;
        }
        let seen = looking.await.map_err(|e| e.to_string())?;
        let middle = seen.checks.len() > 2 && check(&seen, "reachable").state == CheckState::Failing;
        if middle { Ok(seen) } else { Err(format!("{seen:#?}")) }
    })
    .await;
    assert!(cut.is_incomplete() && cut.state == CheckState::Failing, "{cut:#?}");

    // A server that says nothing any more costs five seconds and no more.
    let paused = Paused::new(server.pid().expect("it runs")).expect("stopped");
    let started = Instant::now();
    let silent = of(&url).await;
    assert!(started.elapsed() < Duration::from_secs(10), "5 s are promised: {:?}", started.elapsed());
    assert_eq!(check(&silent, "reachable").state, CheckState::Failing, "{silent:#?}");
    drop(paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_checks() {
    let server = MariaDb::start_with(&["--max-connections=10"]).await.expect("MariaDB");
    let seen = of(&server.url()).await;
    assert!(!seen.is_incomplete(), "an administrator is refused nothing: {seen:#?}");
    let flush = check(&seen, "setting:innodb_flush_log_at_trx_commit");
    assert_eq!(flush.state, CheckState::Warning, "private servers do not flush");
    server.execute(fix(flush)).await.expect("the statement does what it says");
    let mended = of(&server.url()).await;
    assert_eq!(check(&mended, "settings").state, CheckState::Ok, "mended: {mended:#?}");
    assert_eq!(check(&seen, "replication").state, CheckState::Ok, "it is no replica");
    assert_eq!(check(&seen, "deadlocks").value, Some(0.0), "there were none");
    assert!(check(&seen, "history").value.is_some(), "it is counted");
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(server.connect().await.expect("a client"));
    }
    let full = of(&server.url()).await;
    let connections = check(&full, "connections");
    assert_eq!((connections.value, connections.state), (Some(0.8), CheckState::Warning), "7 and this one of 10");
    clients.clear();

    server
        .execute("CREATE USER 'reader'@'%' IDENTIFIED BY 'reader-canary'; GRANT SELECT ON app.* TO 'reader'@'%'")
        .await
        .expect("an account without rights");
    let blind = of(&format!("mariadb://reader:reader-canary@127.0.0.1:{}/app", server.port())).await;
    for (id, grant) in [
        ("replication", "GRANT REPLICA MONITOR ON *.* TO 'reader'@'%';"),
        ("history", "GRANT PROCESS ON *.* TO 'reader'@'%';"),
    ] {
        let refused = check(&blind, id);
        assert_eq!((refused.state, refused.grant.as_deref()), (CheckState::Unknown, Some(grant)), "{id}: {refused:?}");
        server.execute(grant).await.expect("the grant is one");
    }
    assert_eq!(check(&blind, "connections").state, CheckState::Ok, "the rest works: {blind:#?}");
    // An address may call MariaDB MySQL.
    let misnamed = of(&format!("mysql://reader:reader-canary@127.0.0.1:{}/app", server.port())).await;
    assert!(check(&misnamed, "disk").reason.contains("plugin disks"), "{misnamed:#?}");
    let allowed = of(&format!("mariadb://reader:reader-canary@127.0.0.1:{}/app", server.port())).await;
    assert!(
        check(&allowed, "history").grant.is_none() && check(&allowed, "replication").grant.is_none(),
        "{allowed:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_checked_and_damage_is_found() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut writer = options.connect().await.expect("a database");
    let rows = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);
        INSERT INTO t SELECT value, hex(randomblob(400)) FROM (
            WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 500) SELECT value FROM n);
        PRAGMA journal_mode = WAL";
    sqlx::raw_sql(rows).execute(&mut writer).await.expect("rows");
    let url = format!("sqlite:{}", file.display());
    let seen = of(&url).await;
    assert_eq!(seen.state, CheckState::Ok, "{seen:#?}");
    for id in ["reachable", "latency", "journal", "wal", "free_pages", "integrity"] {
        assert_eq!(check(&seen, id).state, CheckState::Ok, "{id}: {seen:#?}");
    }
    assert!(check(&seen, "disk").value.is_some_and(|used| (0.0..=1.0).contains(&used)), "{seen:#?}");
    sqlx::raw_sql("PRAGMA journal_mode = DELETE").execute(&mut writer).await.expect("changed");
    // A writer of a moment is no fault.
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut writer).await.expect("locked");
    let mut looking = Box::pin(of(&url));
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut looking).await.is_err(), "it waits for the writer");
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.expect("free");
    let beside = looking.await;
    assert_eq!(check(&beside, "reachable").state, CheckState::Ok, "{beside:#?}");
    writer.close().await.expect("closed");
    let journal = of(&url).await;
    assert_eq!(check(&journal, "journal").state, CheckState::Warning, "readers wait for the writer: {journal:#?}");

    let mut damaged = std::fs::OpenOptions::new().write(true).open(&file).expect("the file");
    damaged.seek(std::io::SeekFrom::Start(5 * 4096)).expect("a page in the middle");
    damaged.write_all(&[0xff; 4096]).expect("overwritten");
    let found = of(&url).await;
    assert_eq!(check(&found, "integrity").state, CheckState::Failing, "{found:#?}");
    assert_eq!(found.state, CheckState::Failing, "the worst of all");
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(of(&url).await.checks[0].state, CheckState::Failing, "a file that is gone");
}
