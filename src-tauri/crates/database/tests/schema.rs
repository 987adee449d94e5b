//! Sizes, bloat and plans on real servers.
use std::time::{Duration, Instant};

use perfdeck_database::{health, index_bloat, measure_bloat, sizes, statement_plan};
use perfdeck_model::{
    Address, ApiError, BloatUnknown, DatabaseSizes, ErrorCode, Sensitive, SizeTold, StatementPlan, TableKind, TableSize,
};
use perfdeck_testkit::{MariaDb, PgBouncer, Postgres};
use sqlx::{Connection as _, Executor as _, Row as _};

fn parsed(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).expect("a URL")
}

async fn read(url: &str, limit: u32) -> DatabaseSizes {
    let (address, password) = parsed(url);
    sizes(&address, password.as_ref(), limit).await.expect("sizes")
}

async fn plan(url: &str, statement: &str, measure: bool) -> Result<StatementPlan, ApiError> {
    let (address, password) = parsed(url);
    statement_plan(&address, password.as_ref(), statement, measure).await
}

fn table<'a>(sizes: &'a DatabaseSizes, name: &str) -> &'a TableSize {
    sizes
        .tables
        .iter()
        .find(|t| t.name == name)
        .unwrap_or_else(|| panic!("{name} is among {:?}", sizes.tables.iter().map(|t| &t.name).collect::<Vec<_>>()))
}

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
async fn bloat_is_estimated_as_pgstatindex_measures_it() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    let (address, password) = parsed(&server.url());
    server
        .execute(
            "CREATE TABLE t (id int PRIMARY KEY, big bigint, short text, hash text, few int, word text, amount numeric,
                             sparse int, a int, b bigint, skewed int);
             INSERT INTO t SELECT i, i * 7, repeat('x', 3 + (hashint4(i) & 15)) || i, md5(i::text), i % 20, 'w' || i % 50,
                 i * 1.17, CASE WHEN i % 4 = 0 THEN i END, i % 1000, i, CASE WHEN i % 2 = 0 THEN 1 ELSE i END
             FROM generate_series(1, 200000) i;
             CREATE INDEX t_big ON t (big); CREATE INDEX t_short ON t (short); CREATE INDEX t_hash ON t (hash);
             CREATE INDEX t_few ON t (few); CREATE INDEX t_word ON t (word); CREATE INDEX t_amount ON t (amount);
             CREATE INDEX t_sparse ON t (sparse); CREATE INDEX t_two ON t (a, b); CREATE INDEX t_skewed ON t (skewed);
             CREATE INDEX t_lower ON t (lower(hash)); CREATE INDEX t_loose ON t (big) WITH (fillfactor = 60);
             CREATE INDEX t_gin ON t USING gin (to_tsvector('simple', word));
             CREATE TABLE half AS SELECT * FROM t; CREATE INDEX half_id ON half (id); CREATE INDEX half_few ON half (few);
             CREATE INDEX half_hash ON half (hash)",
        )
        .await
        .expect("tables");
    // Before anything is known of the columns nothing is told of them.
    let before = read(&server.url(), 10).await;
    let unknown =
        &table(&before, "public.t").indexes.iter().find(|i| i.name == "public.t_hash").expect("it").bloat_unknown;
    assert_eq!(*unknown, Some(BloatUnknown::NotAnalyzed), "{before:?}");
    server.execute("DELETE FROM half WHERE id % 2 = 0").await.expect("deleted");
    server.execute("VACUUM ANALYZE t; ").await.expect("statistics");
    server.execute("VACUUM ANALYZE half").await.expect("statistics");

    let cost = index_bloat(&address, password.as_ref(), "public.t_pkey").await.expect("its cost");
    assert_eq!(cost.fix.as_deref(), Some("CREATE EXTENSION pgstattuple;"), "what is missing is told: {cost:?}");
    assert!(cost.refused.is_some() && cost.measured.is_none() && cost.reads_bytes > 1e6, "{cost:?}");
    let refused = measure_bloat(&address, password.as_ref(), "public.t_pkey", std::future::pending())
        .await
        .expect_err("not there");
    assert_eq!(refused.code, ErrorCode::Unsupported, "{refused:?}");
    server
        .execute("CREATE SCHEMA \"Ext one\"; CREATE EXTENSION pgstattuple SCHEMA \"Ext one\"")
        .await
        .expect("created");

    let found = read(&server.url(), 10).await;
    let (mut compared, mut wrong) = (0, Vec::new());
    for t in ["public.t", "public.half"] {
        for index in &table(&found, t).indexes {
            if index.kind != "btree" {
                assert_eq!(index.bloat_unknown, Some(BloatUnknown::Kind), "{index:?}");
                continue;
            }
            let answer = measure_bloat(&address, password.as_ref(), &index.name, std::future::pending())
                .await
                .expect("measured");
            assert_eq!(Some(answer.reads_bytes), index.bytes, "the cost is all of it");
            let measured = answer.measured.expect("measured").bloat;
            let estimate = index.bloat.unwrap_or_else(|| panic!("an estimate: {index:?}"));
            let near = if t == "public.t" { 0.03 } else { 0.1 };
            if (estimate - measured).abs() > near {
                wrong.push(format!("{}: {estimate:.3} for {measured:.3}", index.name));
            }
            if t == "public.half" {
                assert!(measured > 0.3, "half of it was deleted: {}: {measured}", index.name);
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "estimates within 3 points on fresh ones and 10 on half-deleted ones: {wrong:?}");
    assert_eq!(compared, 15, "each B-tree");
    let bloat = |name: &str| table(&found, name).bloat.expect("an estimate");
    assert!(bloat("public.t") < 0.05, "a fresh table: {}", bloat("public.t"));
    assert!((bloat("public.half") - 0.5).abs() < 0.1, "half of the rows are gone: {}", bloat("public.half"));
    for name in ["public.nothing", "'; DROP TABLE t; --", "x.y.z", "a.b.c.d", "\"open"] {
        let error = index_bloat(&address, password.as_ref(), name).await.expect_err(name);
        assert!(matches!(error.code, ErrorCode::NotFound | ErrorCode::BadRequest), "{name}: {error:?}");
    }
    let error = measure_bloat(&address, password.as_ref(), "public.t_gin", std::future::pending())
        .await
        .expect_err("another kind");
    assert!(error.message.contains("B-tree"), "{error:?}");

    a_partial_index_has_an_estimate_only_where_it_is_right(&server).await;
    what_has_no_statistics_says_why_and_what_is_stored_apart_is_told(&server).await;
}

/// Estimates of the B-trees of a schema beside what pgstatindex measures, all that are more than 10 points apart.
async fn compared(server: &Postgres, schema: &str) -> (DatabaseSizes, Vec<String>) {
    let (address, password) = parsed(&server.url());
    let (found, mut wrong) = (read(&server.url(), 100).await, Vec::new());
    for index in found.tables.iter().filter(|t| t.name.starts_with(schema)).flat_map(|t| &t.indexes) {
        let Some(estimate) = index.bloat else { continue };
        let measured = measure_bloat(&address, password.as_ref(), &index.name, std::future::pending()).await;
        let measured = measured.expect("answers").measured.expect("measured").bloat;
        if (estimate - measured).abs() > 0.1 {
            wrong.push(format!("{}: {estimate:.3} for {measured:.3}", index.name));
        }
    }
    (found, wrong)
}

/// The statistics are of all rows, those of a partial index may be any of them.
async fn a_partial_index_has_an_estimate_only_where_it_is_right(server: &Postgres) {
    server
        .execute(
            "CREATE SCHEMA part;
             CREATE TABLE part.jobs (id int, state text, run_at timestamptz);
             INSERT INTO part.jobs SELECT i, CASE WHEN i % 50 = 0 THEN 'ready' ELSE 'done' END,
                 CASE WHEN i % 50 = 0 THEN now() + i * '1s'::interval END FROM generate_series(1, 100000) i;
             CREATE INDEX ready ON part.jobs (run_at) WHERE state = 'ready';
             CREATE INDEX two ON part.jobs (state, run_at) WHERE state = 'ready';
             CREATE INDEX there ON part.jobs (run_at) WHERE run_at IS NOT NULL;
             CREATE INDEX ids ON part.jobs (id) WHERE state = 'ready';
             CREATE INDEX hashed ON part.jobs (md5(id::text)) WHERE state = 'done';
             CREATE TABLE part.mails (email text, active bool);
             INSERT INTO part.mails SELECT CASE WHEN i % 4 = 0
                 THEN 'a-much-longer-email-address-of-somebody' || i || '@some.example.com' ELSE 'u' || i END, i % 4 = 0
                 FROM generate_series(1, 50000) i;
             CREATE INDEX active ON part.mails (email) WHERE active;
             CREATE TABLE part.texts (a text, b text, c text, k text, v int);
             INSERT INTO part.texts SELECT CASE WHEN i % 5 = 0 THEN 'user' || i || '@example.com' END,
                 CASE WHEN i % 3 = 0 THEN left(repeat(md5(i::text), 3), 70) END, CASE WHEN i % 10 > 0 THEN md5(i::text) END,
                 'k' || i % 20, CASE WHEN i % 2 = 0 THEN i % 100 END FROM generate_series(1, 100000) i;
             CREATE INDEX texts_a ON part.texts (a); CREATE INDEX texts_b ON part.texts (b);
             CREATE INDEX texts_c ON part.texts (c); CREATE INDEX texts_kv ON part.texts (k, v);
             CREATE INDEX texts_va ON part.texts (v, a); ANALYZE part.jobs; ANALYZE part.mails; ANALYZE part.texts",
        )
        .await
        .expect("tables");
    let (found, wrong) = compared(server, "part.").await;
    assert!(wrong.is_empty(), "within 10 points of pgstatindex, or no figure: {wrong:?}");
    let jobs = table(&found, "part.jobs");
    let of = |name: &str| {
        let all = jobs.indexes.iter().chain(&table(&found, "part.mails").indexes);
        all.clone().find(|i| i.name == format!("part.{name}")).unwrap_or_else(|| panic!("{name}: {jobs:?}"))
    };
    for name in ["ready", "two", "active"] {
        assert_eq!((of(name).bloat, of(name).bloat_unknown), (None, Some(BloatUnknown::Partial)), "{:?}", of(name));
    }
    for name in ["there", "ids", "hashed"] {
        assert!(of(name).partial && of(name).bloat.is_some(), "its rows are known: {:?}", of(name));
    }
    assert_eq!(table(&found, "part.texts").indexes.iter().filter(|i| i.bloat.is_some() && !i.partial).count(), 5);
}

async fn what_has_no_statistics_says_why_and_what_is_stored_apart_is_told(server: &Postgres) {
    server
        .execute(
            "CREATE SCHEMA other; CREATE TABLE other.added (a int); INSERT INTO other.added VALUES (1);
             ANALYZE other.added; ALTER TABLE other.added ADD b text; CREATE INDEX added_b ON other.added (b);
             CREATE TABLE other.emptied (id int PRIMARY KEY); INSERT INTO other.emptied SELECT generate_series(1, 20000);
             DELETE FROM other.emptied;
             CREATE TABLE other.docs (id int, doc text); ALTER TABLE other.docs ALTER doc SET STORAGE EXTERNAL;
             INSERT INTO other.docs SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 500) i;
             DELETE FROM other.docs WHERE id % 5 <> 0;
             CREATE TABLE other.dead (id int PRIMARY KEY); INSERT INTO other.dead SELECT generate_series(1, 20000)",
        )
        .await
        .expect("tables");
    for text in ["VACUUM ANALYZE other.emptied", "VACUUM ANALYZE other.docs", "DELETE FROM other.dead WHERE id % 2 = 0"]
    {
        server.execute(text).await.expect(text);
    }
    let found = read(&server.url(), 100).await;
    let added = table(&found, "other.added");
    assert_eq!(added.bloat_unknown, Some(BloatUnknown::NoStatistics), "it was analyzed: {added:?}");
    assert_eq!(added.indexes[0].bloat_unknown, Some(BloatUnknown::NoStatistics), "{added:?}");
    let emptied = table(&found, "other.emptied");
    assert_eq!((emptied.bloat, emptied.bloat_unknown), (Some(0.0), None), "it has no pages: {emptied:?}");
    assert!(emptied.indexes[0].bloat > Some(0.95), "all of its index is room: {emptied:?}");

    let docs = table(&found, "other.docs");
    let mut c = server.connect().await.expect("connects");
    let free: f64 = c
        .fetch_one(
            "SELECT s.free_percent / 100 FROM pg_class c, \"Ext one\".pgstattuple(c.reltoastrelid::regclass) s
             WHERE c.oid = 'other.docs'::regclass",
        )
        .await
        .expect("measured")
        .get(0);
    let told = docs.toast_bloat.expect("it was vacuumed");
    assert!(told <= free && free - told < 0.1, "at least {told}: {free}");
    assert_eq!(table(&found, "other.dead").toast_bloat, None, "nothing is stored apart");

    let (address, password) = parsed(&server.url());
    let dead =
        measure_bloat(&address, password.as_ref(), "other.dead_pkey", std::future::pending()).await.expect("measured");
    assert_eq!(dead.dead_rows, Some(10_000.0), "why the measurement sees no bloat: {dead:?}");
    assert!(dead.measured.is_some_and(|m| m.bloat < 0.05), "their entries are there");
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

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_postgresql_are_trees_without_literals_and_nothing_writes() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server
        .execute(
            "CREATE TABLE staff (id int PRIMARY KEY, name text);
             INSERT INTO staff SELECT i, 'n' || i FROM generate_series(1, 14) i;
             CREATE TABLE shifts (id int PRIMARY KEY, staff_id int, mail text);
             INSERT INTO shifts SELECT i, 1 + i % 14, 'm' || i FROM generate_series(1, 14000) i;
             CREATE INDEX shifts_staff ON shifts (staff_id);
             CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS
                 $$ BEGIN DELETE FROM shifts; RETURN 1; END $$;
             CREATE ROLE reader LOGIN PASSWORD 'reader-secret'",
        )
        .await
        .expect("tables");
    server.execute("ANALYZE").await.expect("statistics");
    let url = server.url();

    let found =
        plan(&url, "SELECT * FROM shifts WHERE mail = 's3cret-literal' AND staff_id = 3", false).await.expect("a plan");
    assert!(found.server.starts_with("PostgreSQL ") && !found.measured && !found.generic, "{found:?}");
    let said = format!("{found:?}");
    assert!(!said.contains("s3cret-literal"), "no literal anywhere: {said}");
    let scan = found.nodes.iter().find(|n| n.relation.as_deref() == Some("shifts")).expect("a scan");
    assert!(scan.estimated_rows.is_some() && scan.rows.is_none() && scan.own_ms.is_none(), "not run: {scan:?}");
    assert!(scan.conditions.iter().any(|c| c.kind == "filter" && c.text.contains("mail = ?")), "{scan:?}");
    assert!(found.json.contains("\"Node Type\"") && found.text.contains("filter: "), "to be copied: {}", found.text);

    // Parameters: the plan for any value, prepared on a session of our own before 16.
    let found = plan(&url, "SELECT * FROM shifts WHERE id = $1 AND mail <> $2", false).await.expect("a plan");
    assert!(found.generic && found.nodes[0].name == "Index Scan", "{found:?}");
    assert_eq!(found.nodes[0].index.as_deref(), Some("shifts_pkey"), "{found:?}");
    let error = plan(&url, "SELECT * FROM shifts WHERE id = $1", true).await.expect_err("no values");
    assert!(error.message.contains("values are not known"), "{error:?}");
    let error = plan(&url, "SELECT interval $1", false).await.expect_err("no place for a parameter");
    assert!(error.hint.is_some_and(|h| h.contains("::interval")), "{}", error.message);

    // One row for each of 14: times and pages of the loops are counted in, once.
    let text =
        "SELECT s.name, x.n FROM staff s, LATERAL (SELECT count(*) AS n FROM shifts h WHERE h.staff_id = s.id) x";
    let found = plan(&url, text, true).await.expect("measured");
    let inner = found.nodes.iter().find(|n| n.relation.as_deref() == Some("shifts")).expect("the inner side");
    assert_eq!((inner.loops, inner.rows), (Some(14.0), Some(1_000.0)), "once for each of 14: {}", found.text);
    let own: f64 = found.nodes.iter().filter_map(|n| n.own_ms).sum();
    let root = found.nodes[0].total_ms.expect("measured");
    assert!((own - root).abs() <= 0.02 * root + 0.1, "own times are all of it: {own} of {root}\n{}", found.text);
    let pages: f64 = found.nodes.iter().filter_map(|n| n.buffers).sum();
    let mut json: serde_json::Value = serde_json::from_str(&found.json).expect("JSON");
    let root = json[0]["Plan"].take();
    let all = root["Shared Hit Blocks"].as_f64().expect("hit") + root["Shared Read Blocks"].as_f64().expect("read");
    assert_eq!(pages, all, "pages are counted once");
    assert!(found.execution_ms.is_some() && found.planning_ms.is_some(), "{found:?}");

    for text in [
        "UPDATE shifts SET mail = NULL",
        "DELETE FROM shifts",
        "WITH gone AS (DELETE FROM shifts RETURNING 1) SELECT * FROM gone",
        "SELECT 1; DELETE FROM shifts",
        "SELECT * FROM shifts FOR UPDATE",
        "SELECT 1 INTO made",
        "EXPLAIN ANALYZE SELECT writes()",
        "SELECT nextval('x')",
    ] {
        for measure in [false, true] {
            let error = plan(&url, text, measure).await.expect_err(text);
            assert_eq!(error.code, ErrorCode::BadRequest, "{text}: {error:?}");
        }
    }
    let error = plan(&url, "SELECT writes()", true).await.expect_err("it writes inside");
    assert!(error.message.contains("writes"), "{error:?}");
    assert!(plan(&url, "SELECT writes()", false).await.is_ok(), "its plan runs nothing");
    let mut c = server.connect().await.expect("connects");
    let left: i64 = c.fetch_one("SELECT count(*) FROM shifts").await.expect("rows").get(0);
    assert_eq!(left, 14_000, "nothing was written");

    nothing_with_an_effect_is_run(&server).await;
    // A role's own settings hold, JIT among them.
    server
        .execute("ALTER ROLE perfdeck SET jit_above_cost = 0; ALTER ROLE perfdeck SET jit_inline_above_cost = 0")
        .await
        .expect("settings");
    let found =
        plan(&url, "SELECT 1 FROM shifts WHERE current_setting('jit') = 'on' AND id < 4", true).await.expect("run");
    assert_eq!(found.nodes[0].rows, Some(3.0), "JIT is as the role has it: {}", found.text);
    let compiled: i64 = c.fetch_one("SELECT pg_jit_available()::int::int8").await.expect("asks").get(0);
    if compiled == 1 {
        assert!(found.notes.iter().any(|n| n.contains("JIT")) && found.json.contains("\"JIT\""), "{found:?}");
    }
    server.execute("ALTER ROLE perfdeck RESET ALL").await.expect("settings");
    let found = plan(&url, "SELECT * FROM generate_series(1, 3) AS gs", false).await.expect("planned");
    assert!(found.nodes[0].detail.as_deref().is_some_and(|d| d.contains("as gs")), "{found:?}");
    let error = plan(&url, "SELECT * FROM shifts WHERE id = ?", false).await.expect_err("not PostgreSQL's");
    assert!(error.hint.is_some_and(|h| h.contains("$1")), "{}", error.message);

    // A statement of 1 MB is planned, and what of it is told is bounded.
    let list: Vec<String> = (0..170_000).map(|n| n.to_string()).collect();
    let long = format!("SELECT * FROM shifts WHERE id IN ({})", list.join(","));
    assert!(long.len() > 1_000_000, "{}", long.len());
    let found = plan(&url, &long, false).await.expect("planned");
    assert!(
        found.statement.len() <= 2_000 && found.json.len() < 100_000,
        "{} {}",
        found.statement.len(),
        found.json.len()
    );
    // Many nodes are cut, and that is said.
    let many = vec!["SELECT id FROM shifts"; 2_500].join(" UNION ALL ");
    let found = plan(&url, &many, false).await.expect("planned");
    assert_eq!(found.nodes.len() + found.nodes_left_out as usize, 2_501, "counted: {}", found.nodes_left_out);
    assert!(found.nodes_left_out > 0 && found.text.contains("left out"), "{}", found.nodes_left_out);

    let reader = url.replace(&format!("perfdeck:{}", perfdeck_testkit::POSTGRES_PASSWORD), "reader:reader-secret");
    let error = plan(&reader, "SELECT * FROM shifts", false).await.expect_err("no right");
    assert_eq!(error.code, ErrorCode::Privilege, "{error:?}");
    assert!(error.hint.as_deref() == Some("GRANT pg_read_all_data TO \"reader\";"), "{error:?}");
    let error = plan(&url, "SELECT * FROM s3cret_table", false).await.expect_err("no table");
    assert!(!format!("{error:?}").contains("s3cret"), "a server's text is not passed on: {error:?}");

    // Through a pooler: what it leaves behind is nothing, and what would is refused by name.
    let pooler = PgBouncer::start(&server, &[("pool_mode", "transaction"), ("default_pool_size", "1")]).await;
    let pooler = pooler.expect("PgBouncer");
    let found = plan(&pooler.url(), "SELECT * FROM shifts WHERE id = 7", true).await.expect("measured");
    assert!(found.measured && found.nodes[0].rows == Some(1.0), "{found:?}");
    assert!(plan(&pooler.url(), "SELECT no_such_column FROM shifts", false).await.is_err(), "a mistake");
    let error = plan(&pooler.url(), "SELECT * FROM shifts WHERE id = $1", false).await.expect_err("prepared");
    assert!(error.message.contains("pooler"), "{error:?}");
    let through = read(&pooler.url(), 10).await;
    assert!(table(&through, "public.shifts").told == SizeTold::Exact, "{through:?}");
    let mut client = pooler.connect().await.expect("the application");
    let setting = |row: sqlx::postgres::PgRow| row.get::<String, _>(0);
    let only =
        sqlx::raw_sql("SELECT current_setting('transaction_read_only')").fetch_one(&mut client).await.expect("asks");
    assert_eq!(setting(only), "off", "the application still writes");
    let time = sqlx::raw_sql("SELECT current_setting('statement_timeout')").fetch_one(&mut client).await.expect("asks");
    assert_eq!(setting(time), "0", "and has its own limits");
}

/// Whatever it is called by, what a rolled back transaction does not undo is not run, and is named.
async fn nothing_with_an_effect_is_run(server: &Postgres) {
    server
        .execute(
            "CREATE FUNCTION wraps() RETURNS void LANGUAGE sql AS 'SELECT pg_stat_reset()';
             CREATE FUNCTION claims() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1 FROM (SELECT pg_stat_reset()) x';
             CREATE FUNCTION makes_up() RETURNS int LANGUAGE plpgsql STABLE AS
                 $$ BEGIN EXECUTE 'SELECT 1'; RETURN 1; END $$;
             CREATE VIEW behind AS SELECT pg_try_advisory_lock(7) AS held;
             CREATE VIEW further AS SELECT * FROM behind;
             CREATE FUNCTION compares(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_notify(''a'', ''b'') IS NULL';
             CREATE OPERATOR <=># (LEFTARG = int, RIGHTARG = int, FUNCTION = compares);
             CREATE DOMAIN checked AS int CHECK (set_config('perfdeck.x', value::text, false) IS NOT NULL);
             CREATE FUNCTION steps(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2';
             CREATE AGGREGATE sums(int) (SFUNC = steps, STYPE = int);
             CREATE FUNCTION of_row(staff) RETURNS void LANGUAGE sql AS 'SELECT pg_stat_reset()';
             CREATE FUNCTION reads(n int) RETURNS bigint LANGUAGE sql STABLE AS
                 'SELECT count(*) FROM shifts WHERE staff_id = n'",
        )
        .await
        .expect("functions");
    let url = server.url();
    for (text, named) in [
        (r#"SELECT U&"pg\005fstat_reset"()"#, "U&"),
        ("SELECT wraps()", "wraps()"),
        ("SELECT claims()", "pg_stat_reset()"),
        ("SELECT makes_up()", "makes_up()"),
        ("SELECT pg_backup_start('x')", "pg_backup_start()"),
        ("SELECT pg_copy_physical_replication_slot('a', 'b')", "pg_copy_physical_replication_slot()"),
        ("SELECT * FROM further", "pg_try_advisory_lock()"),
        ("SELECT 1 WHERE 1 <=># 2", "compares()"),
        ("SELECT 1::checked", "set_config()"),
        ("SELECT sums(id) FROM staff", "steps()"),
        ("SELECT s.of_row FROM staff s", "of_row()"),
        ("SELECT ts_stat('SELECT 1')", "ts_stat()"),
        ("SELECT table_to_xml('behind', true, true, '')", "table_to_xml()"),
        ("SELECT pg_catalog . \"setseed\" /* x */ (0.5)", "setseed()"),
    ] {
        let error = plan(&url, text, true).await.expect_err(text);
        assert!(error.code == ErrorCode::BadRequest && error.hint.is_some(), "{text}: {error:?}");
        assert!(error.message.contains(named) && error.message.contains("not run"), "{text}: {error:?}");
    }
    let mut c = server.connect().await.expect("connects");
    let asks = "SELECT (SELECT count(*) FROM pg_stat_database WHERE stats_reset IS NOT NULL)
                     + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
    let left: i64 = c.fetch_one(asks).await.expect("asks").get(0);
    assert_eq!(left, 0, "no statistics were reset, no lock is held");
    for text in [
        "SELECT random(), clock_timestamp(), gen_random_uuid(), pg_sleep(0), reads(3), lower('A'), 1 + 2",
        "SELECT count(*) FROM pg_stat_activity, pg_locks",
        "SELECT pg_size_pretty(pg_total_relation_size('shifts')), sum(id) OVER () FROM shifts TABLESAMPLE system (10)",
    ] {
        let found = plan(&url, text, true).await;
        assert!(found.is_ok_and(|plan| plan.measured), "what only reads is run: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_tells_sizes_and_plans() {
    let server = MariaDb::start_with(&["--performance-schema=ON"]).await.expect("MariaDB");
    server
        .execute(
            "CREATE TABLE orders (id INT PRIMARY KEY, customer INT, note TEXT, KEY by_customer (customer)) ENGINE=InnoDB;
             INSERT INTO orders SELECT seq, seq % 7, MD5(seq) FROM seq_1_to_20000;
             CREATE TABLE `odd \"name\" 日本` (a INT) ENGINE=InnoDB;
             CREATE TABLE packed (id INT PRIMARY KEY, note TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4;
             INSERT INTO packed SELECT seq, MD5(seq) FROM seq_1_to_20000;
             CREATE TABLE parts (a INT) ENGINE=InnoDB PARTITION BY HASH (a) PARTITIONS 2;
             INSERT INTO parts SELECT seq FROM seq_1_to_1000;
             CREATE FUNCTION writes() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM parts; RETURN 1; END;
             CREATE VIEW behind AS SELECT writes() AS n;",
        )
        .await
        .expect("tables");
    server.execute("ANALYZE TABLE orders, parts, packed").await.expect("statistics");
    server.execute("SELECT COUNT(*) FROM orders WHERE note = 'x'").await.expect("a scan");
    server
        .execute("CREATE USER reader@'%' IDENTIFIED BY 'reader-secret'; GRANT SELECT ON app.parts TO reader@'%'")
        .await
        .expect("a user");
    let found = read(&server.url(), 100).await;
    let orders = table(&found, "orders");
    assert_eq!(found.tables.len(), 4, "{found:?}");
    assert_eq!(orders.told, SizeTold::Exact, "the length of its file: {orders:?}");
    assert_eq!(orders.parts_told, SizeTold::Estimate, "its parts are statistics: {orders:?}");
    let packed = table(&found, "packed");
    assert_eq!(packed.indexes[0].bytes, packed.table_bytes, "pages of 4 KiB: {packed:?}");
    let mut c = server.connect().await.expect("connects");
    let file: i64 = sqlx::query(
        "SELECT CAST(file_size AS SIGNED) FROM information_schema.innodb_sys_tablespaces WHERE name = 'app/orders'",
    )
    .fetch_one(&mut c)
    .await
    .expect("its file")
    .get(0);
    assert_eq!(orders.bytes, Some(file as f64), "{orders:?}");
    assert!(orders.rows.is_some_and(|n| (15_000.0..25_000.0).contains(&n)) && !orders.rows_exact, "about: {orders:?}");
    assert!(orders.indexes.iter().any(|i| i.primary) && orders.indexes.iter().all(|i| i.bytes.is_some()), "{orders:?}");
    assert!(orders.analyzed_ms.is_some() && orders.scan_rows.is_some_and(|n| n >= 20_000.0), "{orders:?}");
    assert_eq!(orders.bloat_unknown, Some(BloatUnknown::Unsupported), "not 0: {orders:?}");
    assert!(found.tables.iter().any(|t| t.name == "odd \"name\" 日本"), "{found:?}");
    assert!(table(&found, "parts").bytes.is_some_and(|b| b > 0.0), "partitions are parts of it: {found:?}");
    let reader =
        server.url().replace(&format!("perfdeck:{}", perfdeck_testkit::MARIADB_PASSWORD), "reader:reader-secret");
    let seen = read(&reader, 100).await;
    assert_eq!(seen.tables.len(), 1, "what it may see: {seen:?}");
    assert_eq!(seen.bytes, None, "and all of it is not known");
    assert!(seen.grants.iter().any(|g| g == "GRANT SELECT ON `app`.* TO 'reader'@'%';"), "{seen:?}");

    let found = plan(&server.url(), "SELECT * FROM orders WHERE customer = 3 AND note = 's3cret'", false)
        .await
        .expect("a plan");
    assert!(!format!("{found:?}").contains("s3cret"), "no literal: {found:?}");
    let lookup = found.nodes.iter().find(|n| n.relation.as_deref() == Some("orders")).expect("the table");
    assert_eq!(lookup.index.as_deref(), Some("by_customer"), "{found:?}");
    let found =
        plan(&server.url(), "SELECT COUNT(*) FROM orders o JOIN parts p ON p.a = o.id", true).await.expect("measured");
    let inner = found.nodes.iter().find(|n| n.relation.as_deref() == Some("o")).expect("the inner side");
    assert_eq!((inner.loops, inner.rows), (Some(1_000.0), Some(1.0)), "once a row: {}", found.text);
    assert!(found.execution_ms.is_some(), "{found:?}");
    assert!(plan(&server.url(), "SELECT * FROM orders WHERE id = ?", false).await.is_err(), "for its values only");
    let error = plan(&server.url(), "SELECT writes()", true).await.expect_err("it writes inside");
    assert!(error.message.contains("writes"), "{error:?}");
    let error = plan(&server.url(), "SELECT * FROM behind", true).await.expect_err("a view calls it");
    assert!(error.message.contains("writes()"), "{error:?}");
    let left: i64 = sqlx::query("SELECT COUNT(*) FROM parts").fetch_one(&mut c).await.expect("rows").get(0);
    assert_eq!(left, 1_000, "nothing was written");
}

#[tokio::test]
async fn sqlite_tells_pages_and_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut c = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.expect("a file");
    for text in [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT, note TEXT)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO orders SELECT i, i % 7, hex(randomblob(8)) FROM n",
        "CREATE INDEX by_customer ON orders (customer)",
        "CREATE TABLE \"odd \"\"name\" (a UNIQUE)",
        "CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO keyed SELECT 'key ' || i, i FROM n",
        "CREATE INDEX keyed_v ON keyed (v) WHERE v > 10",
    ] {
        sqlx::query(text).execute(&mut c).await.expect(text);
    }
    let url = format!("sqlite:{}", path.display());
    let found = read(&url, 100).await;
    assert!(found.source.contains("dbstat"), "{found:?}");
    let orders = table(&found, "orders");
    let pages: i64 = sqlx::query("SELECT sum(pgsize) FROM dbstat WHERE name IN ('orders', 'by_customer')")
        .fetch_one(&mut c)
        .await
        .expect("dbstat")
        .get(0);
    assert_eq!((orders.bytes, orders.rows, orders.rows_exact), (Some(pages as f64), Some(5_000.0), true), "{orders:?}");
    assert_eq!(table(&found, "keyed").rows, Some(3_000.0), "rows of inner pages are rows too: {found:?}");
    let index = &table(&found, "keyed").indexes;
    assert!(index.len() == 1 && index[0].partial, "its key is itself: {found:?}");
    assert_eq!(table(&found, "odd \"name").indexes.len(), 1, "{found:?}");
    assert_eq!(
        (orders.scans, orders.dead_rows, orders.vacuumed_ms),
        (None, None, None),
        "not kept is not 0: {orders:?}"
    );
    assert!(orders.bloat.is_some_and(|b| b < 0.1) && orders.bloat_unknown.is_none(), "in order: {orders:?}");
    let file: i64 = sqlx::query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .fetch_one(&mut c)
        .await
        .expect("the file")
        .get(0);
    assert_eq!((found.bytes, found.bytes_exact), (Some(file as f64), true), "{found:?}");
    let first = read(&url, 1).await;
    assert_eq!((first.tables.len(), first.tables_left_out), (1, 2), "{first:?}");

    let found = plan(&url, "SELECT * FROM orders WHERE customer = ? AND note <> 's3cret' ORDER BY note", false)
        .await
        .expect("a plan");
    assert!(!format!("{found:?}").contains("s3cret"), "no literal: {found:?}");
    assert_eq!(
        (found.nodes[0].name.as_str(), found.nodes[0].index.as_deref()),
        ("Search", Some("by_customer")),
        "{found:?}"
    );
    assert!(found.nodes.iter().any(|n| n.name.contains("TEMP B-TREE")), "{found:?}");
    let error = plan(&url, "SELECT * FROM orders", true).await.expect_err("not measured");
    assert_eq!(error.code, ErrorCode::Unsupported, "{error:?}");
    assert!(plan(&url, "DELETE FROM orders", false).await.is_err(), "it writes");
    let long = format!("SELECT * FROM orders WHERE id IN ({})", vec!["1234567"; 130_000].join(","));
    assert!(plan(&url, &long, false).await.expect("planned").statement.len() <= 2_000, "1 MB");

    // Every other row is gone, and its page has the room.
    sqlx::query("DELETE FROM orders WHERE id % 2 = 0").execute(&mut c).await.expect("deleted");
    let (page, root) = (4_096, "SELECT pageno FROM dbstat WHERE name = 'keyed' AND pagetype = 'leaf' LIMIT 1 OFFSET 3");
    let leaf: i64 = sqlx::query_scalar(root).fetch_one(&mut c).await.expect("a page");
    c.close().await.expect("closed");
    let half = read(&url, 100).await;
    assert!(table(&half, "orders").bloat.is_some_and(|b| b > 0.3), "room in its pages: {half:?}");
    assert!(!half.missing.iter().any(|m| m.contains("damaged")), "{half:?}");

    let mut file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start((leaf as u64 - 1) * page)).expect("a leaf");
    std::io::Write::write_all(&mut file, &[0xff; 4_096]).expect("overwritten");
    let (address, password) = parsed(&url);
    match sizes(&address, password.as_ref(), 100).await {
        Ok(found) => {
            assert!(found.missing.iter().any(|m| m.contains("damaged")), "rows are missing: {found:?}");
            assert!(!table(&found, "keyed").rows_exact, "{found:?}");
        }
        Err(error) => assert!(error.message.contains("damaged"), "{error:?}"),
    }
}
