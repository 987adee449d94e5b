//! Bloat of PostgreSQL.
use perfdeck_database::{index_bloat, measure_bloat};
use perfdeck_model::{BloatUnknown, DatabaseSizes, ErrorCode};
use perfdeck_testkit::Postgres;
use sqlx::{Executor as _, Row as _};

use crate::schema::{parsed, read, table};

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
    // Nobody has counted its pages since it was filled.
    server
        .execute("CREATE TABLE grown (id int PRIMARY KEY); INSERT INTO grown SELECT generate_series(1, 50000)")
        .await
        .expect("grown");
    let grown = index_bloat(&address, password.as_ref(), "public.grown_pkey").await.expect("its cost");
    assert!(grown.reads_bytes > 1e6, "what is there, not what was counted: {grown:?}");
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
