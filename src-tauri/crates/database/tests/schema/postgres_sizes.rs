//! Sizes of PostgreSQL.
use std::time::{Duration, Instant};

use perfdeck_database::{health, index_bloat, measure_bloat};
use perfdeck_model::{BloatUnknown, ErrorCode, SizeTold, TableKind};
use perfdeck_testkit::Postgres;
use sqlx::{Executor as _, Row as _};

use crate::schema::{parsed, plan, read, table};

/// A name as long as PostgreSQL has them, in another script.
const LONG: &str = "ééééééééééééééééééééééééééééééé";

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_postgresql_are_those_of_psql_and_come_beside_a_lock_and_without_rights() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server
        .execute(&format!(
            "CREATE TABLE orders (id int PRIMARY KEY, customer int, note text);
             INSERT INTO orders SELECT i, i % 7, md5(i::text) FROM generate_series(1, 20000) i;
             CREATE INDEX orders_customer ON orders (customer);
             CREATE TABLE long_ones (id int, body text);
             ALTER TABLE long_ones ALTER body SET STORAGE EXTERNAL;
             INSERT INTO long_ones SELECT i, repeat(md5(i::text), 300) FROM generate_series(1, 50) i;
             CREATE SCHEMA \"Odd.one\";
             CREATE TABLE \"Odd.one\".\"Tabelle \"\"x\"\" 日本\" (a int);
             CREATE TABLE \"{LONG}\" (\"{LONG}\" int UNIQUE);
             CREATE TABLE events (at int, what text) PARTITION BY RANGE (at);
             CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
             CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20);
             CREATE INDEX events_at ON events (at);
             INSERT INTO events SELECT i % 20, 'x' FROM generate_series(1, 2000) i;
             CREATE MATERIALIZED VIEW totals AS SELECT customer, count(*) AS n FROM orders GROUP BY 1;
             CREATE TABLE fresh (a int)"
        ))
        .await
        .expect("tables");
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    server.execute("DELETE FROM orders WHERE id <= 3000").await.expect("dead rows");
    for _ in 0..3 {
        server.execute("SELECT count(*) FROM orders WHERE note = 'x'").await.expect("a scan");
    }
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'reader-secret'").await.expect("a role");
    let mut c = server.connect().await.expect("connects");
    // Sessions tell their statistics within a second; the ones above have ended, which tells them at once.
    let found = read(&server.url(), 100).await;

    let rows = c
        .fetch_all(
            "SELECT format('%I.%I', n.nspname, c.relname), pg_total_relation_size(c.oid), pg_table_size(c.oid),
                    pg_indexes_size(c.oid)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'm') AND n.nspname IN ('public', 'Odd.one')",
        )
        .await
        .expect("psql's functions");
    assert_eq!(rows.len(), found.tables.len(), "every table and no other: {found:?}");
    let mut all = 0.0;
    for row in &rows {
        let (name, n) = (row.get::<String, _>(0), |at: usize| row.get::<i64, _>(at) as f64);
        let t = table(&found, &name);
        assert_eq!((t.told, t.bytes), (SizeTold::Exact, Some(n(1))), "{name} as pg_total_relation_size: {t:?}");
        let own = t.table_bytes.zip(t.toast_bytes).map(|(rows, toast)| rows + toast);
        assert_eq!((own, t.index_bytes), (Some(n(2)), Some(n(3))), "{name} as \\dt+ and \\di+: {t:?}");
        all += n(1);
    }
    assert_eq!((found.bytes, found.bytes_exact), (Some(all), true), "all of them together");
    let orders = table(&found, "public.orders");
    assert_eq!(orders.rows, Some(20_000.0), "rows are the estimate of the last analyze: {orders:?}");
    assert!(!orders.rows_exact && orders.analyzed_ms.is_some() && orders.vacuumed_ms.is_some(), "{orders:?}");
    assert_eq!((orders.dead_rows, orders.changed_rows), (Some(3_000.0), Some(3_000.0)), "{orders:?}");
    assert_eq!(orders.vacuum_at_rows, None, "autovacuum is off: {orders:?}");
    assert_eq!(orders.scans.map(|n| n >= 3.0), Some(true), "{orders:?}");
    assert!(orders.scan_rows.is_some_and(|n| n >= 3.0 * 17_000.0), "rows read by scans: {orders:?}");
    assert_eq!(orders.indexes.len(), 2, "{orders:?}");
    assert!(
        orders.indexes.iter().any(|i| i.primary && i.name == "public.orders_pkey" && i.kind == "btree"),
        "{orders:?}"
    );
    assert!(table(&found, "public.long_ones").toast_bytes.is_some_and(|b| b > 400_000.0), "what is stored apart");
    assert_eq!(table(&found, "public.totals").kind, TableKind::MaterializedView, "it has a size too");
    let part = table(&found, "public.events_1");
    assert_eq!((part.kind, part.partition_of.as_deref()), (TableKind::Partition, Some("public.events")), "{part:?}");
    assert_eq!(part.indexes.len(), 1, "a partition has its own index: {part:?}");
    assert!(found.tables.iter().any(|t| t.name == format!("public.\"{LONG}\"") && t.indexes.len() == 1), "{found:?}");
    assert!(found.tables.iter().any(|t| t.name == "\"Odd.one\".\"Tabelle \"\"x\"\" 日本\""), "as the server writes it");
    assert_eq!(found.tables[0].name, "public.orders", "the largest first");
    assert!(found.missing.is_empty() && found.grants.is_empty(), "a superuser sees everything: {found:?}");

    let first = read(&server.url(), 1).await;
    assert_eq!(
        (first.tables.len(), first.tables_left_out as usize),
        (1, found.tables.len() - 1),
        "the rest is counted"
    );
    let indexes: usize = found.tables.iter().map(|t| t.indexes.len()).sum();
    assert_eq!(first.indexes_left_out as usize, indexes - 2, "and its indexes");
    assert!(!first.bytes_exact && first.bytes.is_some_and(|b| b > orders.bytes.unwrap_or(0.0)), "about all: {first:?}");

    // Somebody has a table for himself.
    c.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    let started = Instant::now();
    let beside = read(&server.url(), 100).await;
    assert!(started.elapsed() < Duration::from_secs(3), "nobody waits for the lock: {:?}", started.elapsed());
    let locked = table(&beside, "public.orders");
    assert_eq!(locked.told, SizeTold::Locked, "{locked:?}");
    let (estimate, exact) = (locked.bytes.expect("the catalogue's"), orders.bytes.expect("measured"));
    assert!((estimate / exact - 1.0).abs() < 0.1, "about {exact}: {estimate}");
    assert!(beside.tables.iter().filter(|t| t.name != locked.name).all(|t| t.told == SizeTold::Exact), "{beside:?}");
    assert!(beside.missing.iter().any(|m| m.starts_with("1 table is locked")) && !beside.bytes_exact, "{beside:?}");
    let error = plan(&server.url(), "SELECT * FROM orders", false).await.expect_err("a plan needs the table");
    assert!(error.message.contains("locked") && error.retryable, "{error:?}");
    c.execute("ROLLBACK").await.expect("free");

    // A role without any right sees sizes, and that it sees nothing of the columns.
    let reader =
        server.url().replace(&format!("perfdeck:{}", perfdeck_testkit::POSTGRES_PASSWORD), "reader:reader-secret");
    let seen = read(&reader, 100).await;
    let orders = table(&seen, "public.orders");
    assert_eq!((orders.told, orders.bytes.is_some()), (SizeTold::Exact, true), "{orders:?}");
    assert_eq!((orders.bloat, orders.bloat_unknown), (None, Some(BloatUnknown::Hidden)), "hidden is not 0: {orders:?}");
    let pkey = &orders.indexes[0];
    assert_eq!((pkey.bloat, pkey.bloat_unknown), (None, Some(BloatUnknown::Hidden)), "{pkey:?}");
    assert!(seen.missing.iter().any(|m| m.contains("hide their statistics")), "{seen:?}");
    assert_eq!(seen.grants.len(), 1, "{seen:?}");
    server.execute(&seen.grants[0]).await.expect("the grant can be run as it is");
    let seen = read(&reader, 100).await;
    assert!(table(&seen, "public.orders").bloat.is_some() && seen.grants.is_empty(), "and it helps: {seen:?}");
    let (address, password) = parsed(&reader);
    server.execute("CREATE EXTENSION pgstattuple").await.expect("Debian has it with the server");
    let bloat = index_bloat(&address, password.as_ref(), "public.orders_pkey").await.expect("its cost");
    assert_eq!(bloat.fix.as_deref(), Some("GRANT pg_stat_scan_tables TO \"reader\";"), "{bloat:?}");
    let refused = measure_bloat(&address, password.as_ref(), "public.orders_pkey", std::future::pending())
        .await
        .expect_err("no right");
    assert_eq!((refused.code, refused.hint), (ErrorCode::Privilege, bloat.fix), "the grant is told");

    // Neither an index nor a table of a schema that the role may not look into: the grant is of the schema.
    server
        .execute(
            "CREATE SCHEMA \"Own\"; CREATE TABLE \"Own\".t (id int PRIMARY KEY); GRANT pg_monitor TO reader;
                  REVOKE pg_read_all_data FROM reader",
        )
        .await
        .expect("a schema");
    let refused = index_bloat(&address, password.as_ref(), "\"Own\".t_pkey").await.expect_err("no right");
    let usage = "GRANT USAGE ON SCHEMA \"Own\" TO \"reader\";";
    assert_eq!((refused.code, refused.hint.as_deref()), (ErrorCode::Privilege, Some(usage)), "{refused:?}");
    let planned = plan(&reader, "SELECT * FROM \"Own\".t", false).await.expect_err("no right");
    assert_eq!(planned.hint.as_deref(), Some(usage), "{planned:?}");
    server.execute(usage).await.expect("the grant can be run as it is");
    index_bloat(&address, password.as_ref(), "\"Own\".t_pkey").await.expect("and it helps");
    let planned = plan(&reader, "SELECT * FROM \"Own\".t", false).await.expect_err("no right on the table");
    assert_eq!(planned.hint.as_deref(), Some("GRANT pg_read_all_data TO \"reader\";"), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_18_tells_sizes_bloat_plans_and_health() {
    let server = Postgres::start_18_with(&[("autovacuum", "off")]).await.expect("PostgreSQL 18");
    server
        .execute(
            "CREATE EXTENSION pgstattuple; CREATE TABLE t (id int PRIMARY KEY, few int, hash text);
             INSERT INTO t SELECT i, i % 20, md5(i::text) FROM generate_series(1, 60000) i;
             CREATE INDEX t_few ON t (few); CREATE INDEX t_hash ON t (hash); DELETE FROM t WHERE id % 2 = 0",
        )
        .await
        .expect("tables");
    server.execute("VACUUM ANALYZE t").await.expect("statistics");
    let (address, password) = parsed(&server.url());
    let found = read(&server.url(), 10).await;
    let t = table(&found, "public.t");
    let mut c = server.connect().await.expect("connects");
    let all: i64 = c.fetch_one("SELECT pg_total_relation_size('t')").await.expect("a size").get(0);
    assert_eq!((t.told, t.bytes, t.indexes.len()), (SizeTold::Exact, Some(all as f64), 3), "{t:?}");
    assert!(t.vacuumed_ms.is_some() && t.dead_rows.is_some() && found.missing.is_empty(), "{found:?}");
    for index in &t.indexes {
        let measured = measure_bloat(&address, password.as_ref(), &index.name, std::future::pending()).await;
        let measured = measured.expect("measured").measured;
        let (measured, estimate) = (measured.expect("measured").bloat, index.bloat.expect("an estimate"));
        assert!((estimate - measured).abs() < 0.1, "{}: {estimate} for {measured}", index.name);
    }
    let generic = plan(&server.url(), "SELECT * FROM t WHERE id = $1", false).await.expect("for any value");
    assert!(generic.nodes.iter().any(|n| n.index.as_deref() == Some("t_pkey")), "{generic:?}");
    let measured = plan(&server.url(), "SELECT count(*) FROM t WHERE few = 3", true).await.expect("measured");
    assert!(measured.execution_ms.is_some() && measured.nodes.iter().all(|n| n.rows.is_some()), "{measured:?}");
    let seen = health(&address, password.as_ref(), &0.0).await;
    assert!(
        !seen.is_incomplete() && seen.version.as_deref().is_some_and(|v| v.starts_with("PostgreSQL 18")),
        "{seen:#?}"
    );
}
