//! Stores as every earlier schema left them, with what it could hold in every table, opened by today's engine. The documents
//! have the fields that the version which brought their table wrote.
use std::collections::BTreeMap;
use std::path::Path;

use perfdeck_model::{ChangeState, Clock, RunSpec, SystemClock};
use perfdeck_series::BlockStore;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Connection, Row, SqliteConnection, TypeInfo, ValueRef};

use super::schema::MIGRATIONS;
use crate::bench::{self, RunList, RunSeries};
use crate::changes::{self, ChangeList};
use crate::compare::Verdict;
use crate::house::{self, JournalList};
use crate::{ById, Empty, Engine, EngineOptions, environments, reports};
use crate::{cost, pool_size};

fn environment(now: f64) -> Value {
    let none = json!({"kind": "none"});
    json!({
        "id": "e1", "name": "shop", "kind": "staging",
        "targets": {
            "database": {
                "address": {"scheme": "postgres", "hosts": [{"host": "127.0.0.1", "port": 1}], "path": "shop",
                            "username": "u", "tls": "prefer", "params": {}},
                "password": {"kind": "env", "name": "SHOP_PASSWORD"},
            },
            "cache": {
                "address": {"scheme": "redis", "hosts": [{"host": "127.0.0.1", "port": 1}], "path": "0",
                            "username": null, "tls": "disable", "params": {}},
                "mode": "single", "sentinel_master": null, "password": none, "default_ttl_s": 300.0,
            },
            "api": {"url": "http://127.0.0.1:1", "probe_path": "/health", "headers": [], "authorization": none},
            "host": {"url": "local", "secret": none},
            "frontend": null,
        },
        "pool": {"size": 10, "max_overflow": 10, "timeout_s": 30.0, "recycle_s": 3600.0},
        "guards": {"read_only": false, "typed_confirmation": false, "max_rate_per_s": 5000.0},
        "created_ms": now, "updated_ms": now,
    })
}

/// A run. Since version 3 its work says its kind.
fn run(now: f64, version: usize) -> Value {
    let times = json!({"n": 1000, "min": 0.1, "mean": 0.4, "p50": 0.4, "p90": 0.6, "p95": 0.7, "p99": 0.9, "p999": 1.1,
                       "max": 1.2, "too_small": ["p99.99"]});
    let mut spec = json!({"url": "http://127.0.0.1:1/health", "method": "GET", "headers": [], "body": null,
                          "load": {"kind": "rate", "rate_per_s": 100.0}, "connections": 8, "threads": null,
                          "duration_s": 10.0, "warmup_s": 1.0, "timeout_s": 10.0, "insecure_tls": false});
    if version >= 3 {
        spec["kind"] = json!("http");
    }
    // What is called footing now.
    let footing = if version >= 3 { json!({"rate_share": 0.998}) } else { json!({}) };
    json!({
        "schema": "perfdeck.run/1", "id": "r1", "certificate": footing, "name": "health", "environment_id": "e1", "environment_name": "shop",
        "engine": "raw", "spec": spec, "resolved": ["127.0.0.1:1"], "state": "completed",
        "started_ms": now, "finished_ms": now + 11_000.0, "duration_s": 10.0, "requests": 1000, "errors": 2,
        "rate_per_s": 99.8, "target_rate_per_s": 100.0, "bytes_received": 123_456,
        "response_ms": times, "service_ms": times, "schedule_lag_ms": times, "client_cpu_s": 0.5,
        "valid": true, "invalid_reasons": [], "notes": ["a note"],
        "errors_by_class": [{"class": "timeout", "count": 2, "sample": "no answer"}],
        "statuses": [{"status": 200, "count": 998}],
        "intervals": [{"t_ms": now, "duration_s": 1.0, "requests": 100, "errors": 0, "p50": 0.4, "p90": 0.6, "p99": 0.9,
                       "max": 1.2}],
        "curve": [{"q": 0.5, "ms": 0.4}],
        "response_histogram": "", "service_histogram": "", "lag_histogram": "",
        "machine": {"os": "Linux", "cpu": "a CPU", "cores": 2, "memory_bytes": 8e9, "perfdeck": "0.1.0"},
    })
}

fn summary(now: f64) -> Value {
    json!({"id": "r1", "name": "health", "environment_id": "e1", "request": "GET http://127.0.0.1:1/health",
           "load": {"kind": "rate", "rate_per_s": 100.0}, "connections": 8, "state": "completed", "started_ms": now,
           "duration_s": 10.0, "requests": 1000, "errors": 2, "rate_per_s": 99.8, "p50_ms": 0.4, "p99_ms": 0.9,
           "valid": true})
}

fn comparison(now: f64) -> Value {
    json!({
        "id": "c1", "name": "before and after", "created_ms": now, "label_a": "A", "label_b": "B", "environment_id": "e1",
        "schema": "perfdeck.comparison/1", "kind": "duet", "verdict": "faster", "sentence": "B is faster", "level": 0.95,
        "registration_hash": "abc",
        "metrics": [{"metric": "throughput", "name": "rate", "unit": "/s", "primary": true, "effect": 0.1, "low": 0.05,
                     "high": 0.15, "p": 0.01, "p_holm": 0.02, "pairs": 6, "verdict": "faster", "a_median": 100.0,
                     "b_median": 110.0, "delta": 0.03, "band_low": -0.03, "ratios": [1.1], "note": null}],
        "shift": [], "looks": [], "more_pairs": null, "differences": [], "invalid_reasons": [], "exclusions": [],
        "errors_a": 0.0, "errors_b": 0.0, "errors": {"mean": 0.0, "low": null, "high": null, "suppresses": false},
        "order": ["a", "b"], "runs_a": ["r1"], "runs_b": ["r1"], "drift": [], "notes": [],
    })
}

fn knee(now: f64) -> Value {
    json!({
        "id": "k1", "name": "health", "created_ms": now, "environment_id": "e1", "slo": "p99<50ms",
        "schema": "perfdeck.knee/1", "state": "found", "concurrency": 16, "failing": 32, "rate_per_s": 900.0,
        "capacity": {"low": 800.0, "high": 1000.0}, "capacity_measured": true, "usl": null, "usl_interval": null,
        "saturation": null,
        "points": [{"step": {"concurrency": 16, "phase": "doubling", "duration_s": 15.0},
                    "figures": {"rate_per_s": 900.0, "latency_ms": 20.0, "enough": true, "error_share": 0.0,
                                "invalid_reasons": [], "utilisation": {"cpu": 0.5}},
                    "holds": true}],
        "sentence": "16 connections", "notes": [],
    })
}

/// A row of each table as version `version` wrote it, by table.
fn rows(now: f64, version: usize) -> BTreeMap<&'static str, String> {
    let text = |value: Value| format!("'{}'", value.to_string().replace('\'', "''"));
    let mut rows = BTreeMap::from([
        (
            "environments",
            format!(
                "(id, name, doc, created_ms, updated_ms) VALUES ('e1', 'shop', {}, {now}, {now})",
                text(environment(now))
            ),
        ),
        (
            "runs",
            format!(
                "(id, environment_id, started_ms, summary, doc, series) VALUES ('r1', 'e1', {now}, {}, {}, X'{}')",
                text(summary(now)),
                text(run(now, version)),
                series().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            ),
        ),
        (
            "reports",
            format!(
                "VALUES ('p1', {now}, {}{})",
                text(json!({"id": "p1", "title": "Report", "environment_name": "shop", "html_path": "/tmp/r.html",
                            "json_path": "/tmp/r.json", "html_bytes": 10, "created_ms": now, "run_ids": ["r1"]})),
                if version >= 7 { ", NULL" } else { "" },
            ),
        ),
        ("blocks", format!("VALUES ('e1', 'cache.operations', {now}, 1000, 2, X'0102')")),
    ]);
    if version >= 2 {
        let columns = "(id, environment_id, created_ms, doc)";
        rows.insert("comparisons", format!("{columns} VALUES ('c1', 'e1', {now}, {})", text(comparison(now))));
        rows.insert("knees", format!("{columns} VALUES ('k1', 'e1', {now}, {})", text(knee(now))));
    }
    if version >= 3 {
        rows.insert("plans", format!("VALUES ('l1', 'plan', 'name = \"plan\"', {now})"));
        rows.insert("baselines", format!("VALUES ('main', 'r1', {now})"));
        let noise = json!({"work": "w", "environment_id": "e1", "created_ms": now,
                           "floors": [{"metric": "throughput", "sigma": 0.01, "pairs": 6}]});
        rows.insert("noise", format!("VALUES ('w', 'e1', {now}, {})", text(noise)));
        let entry = json!({"at_ms": now, "kind": "created", "environment_id": "e1", "environment": "shop",
                           "text": "staging", "run_id": null});
        rows.insert("journal", format!("VALUES (1, {now}, 'e1', 'created', {})", text(entry)));
    }
    if version >= 6 {
        let change = json!({"id": "h1", "kind": "drop_index", "environment_id": "e1", "environment": "shop",
                            "target": "database", "object": "public.a", "title": "Drop the index `a`",
                            "statement": "DROP INDEX a", "undo_statement": "CREATE INDEX a ON t (a)", "undo_cost": null,
                            "state": "undone", "held": false,
                            "steps": [{"at_ms": now, "state": "undone", "text": "present and valid"}],
                            "preview": [], "notes": [], "offers": [], "target_says": null, "checked_ms": null,
                            "ends_ms": null, "created_ms": now, "updated_ms": now, "error": null});
        let columns = "(id, environment_id, kind, state, created_ms, updated_ms, address, plan, doc)";
        let values =
            format!("'h1', 'e1', 'drop_index', 'undone', {now}, {now}, 'db:5432/shop', 'null', {}", text(change));
        rows.insert("changes", format!("{columns} VALUES ({values})"));
    }
    if version >= 8 {
        rows.insert(
            "statement_windows",
            format!(
                "VALUES ('e1', '127.0.0.1:1/shop', {}, {now}, X'01000000000000000000000000000000')",
                now - 60_000.0
            ),
        );
        let text = "VALUES (1, 'e1', '127.0.0.1:1/shop', '42', 'SELECT $1', NULL";
        rows.insert("statement_texts", format!("{text}, {now}, {now})"));
    }
    if version >= 11 {
        let sizes = json!({"exact": true, "bytes": 3.0, "tables": {"public.orders": 2.0}, "indexes": {}});
        rows.insert("database_sizes", format!("VALUES ('e1', '127.0.0.1:1/shop', {now}, {})", text(sizes)));
        let bloat = json!({"bloat": 0.5, "density": 0.45, "fillfactor": 0.9, "leaf_pages": 9.0, "deleted_pages": 0.0,
                           "empty_pages": 0.0, "took_ms": 1.0, "at_ms": now});
        let index = "VALUES ('e1', '127.0.0.1:1/shop', 'public.orders_pkey'";
        rows.insert("measured_bloat", format!("{index}, {now}, {})", text(bloat)));
    }
    if version >= 9 {
        let amount = json!({"mean": 21.0, "low": 21.0, "high": 21.0});
        let cost = json!({"id": "q1", "created_ms": now, "name": "GET /", "request": "GET http://127.0.0.1:1/",
                          "environment_id": "e1", "environment": "shop", "sentence": "21 of 23", "source": null,
                          "own_counted": null, "pairs_asked": 8, "pairs": 8, "thrown_away": 0, "block_s": 2.0, "requests": 80,
                          "failures": 0, "unanswered": 0, "background": 0.0,
                          "totals": {"statements": amount, "rows": amount, "db_ms": amount, "buffers": null, "wal_bytes": null,
                                     "cache_commands": null, "cache": null},
                          "statements": [], "left_out": 0, "hidden": null, "incomplete": null, "notes": []});
        rows.insert("costs", format!("VALUES ('q1', 'e1', {now}, {})", text(cost)));
    }
    if version >= 10 {
        let shape = json!({"name": "0a1b2c3d", "nodes": [], "nodes_left_out": 0});
        let values = format!("'e1', '127.0.0.1:1/shop', '42', {now}, {now}, {}", text(shape));
        rows.insert("statement_plans", format!("VALUES ({values})"));
    }
    if version >= 12 {
        let size =
            json!({"connections": 8, "low": 8, "high": 8, "share": 0.96, "per_instance": 8, "total": 8, "overflow": 0});
        let sizing = json!({"id": "s1", "created_ms": now, "name": "SELECT 1", "request": "SELECT ?", "environment_id": "e1",
                            "environment": "shop", "state": "finished", "ended_because": null, "repetitions": 3,
                            "warmup_s": 0.5, "measure_s": 2.0, "objective_ms": null, "instances": 1, "room": null,
                            "left_out": [], "cells": [], "sentence": "8 connections", "recommended": size, "refused": null,
                            "law": null, "lack_of_fit": null, "scatter": null, "sizes": [], "curve": [], "notes": [],
                            "settings": []});
        rows.insert("pool_sizings", format!("VALUES ('s1', 'e1', {now}, {})", text(sizing)));
    }
    if version >= 13 {
        let advice = json!({"id": "a1", "environment_id": "e1", "made_ms": now, "server": "PostgreSQL 15.18",
                            "source": {"kind": "queries"}, "from_ms": null, "to_ms": null, "observed_s": 0.0, "statements": 1,
                            "explained": 1.0, "not_analysed": [], "not_analysed_left_out": 0, "basis": "planner",
                            "method": "shadow", "hypopg": "not_installed", "budget_bytes": null, "saved": null, "advised": [],
                            "effects": [], "rejected": [], "rejected_left_out": 0, "grants": [], "notes": [], "plans": 4,
                            "took_s": 0.2});
        rows.insert("advice", format!("VALUES ('e1', '127.0.0.1:1/shop', {now}, {})", text(advice)));
        rows.insert("hypopg_use", format!("VALUES ('e1', '127.0.0.1:1/shop', 'agreed', {now})"));
    }
    rows
}

/// The environment's series during the run, as they are stored with it.
fn series() -> Vec<u8> {
    let mut columns = perfdeck_model::Columns::new(json!({"step_ms": 1000, "raw": true}));
    columns.push("t".to_owned(), vec![1.0, 2.0]);
    columns.push("cache.operations".to_owned(), vec![500.0, f64::NAN]);
    columns.encode()
}

/// A store as schema version `version` left it.
async fn left_by(version: usize, dir: &Path, now: f64) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(dir.join("perfdeck.db")).create_if_missing(true);
    let mut store = SqliteConnection::connect_with(&options).await.expect("a file");
    for (_, sql) in MIGRATIONS.iter().take(version) {
        sqlx::raw_sql(sqlx::AssertSqlSafe((*sql).to_owned())).execute(&mut store).await.expect("a migration");
    }
    for (table, row) in rows(now, version) {
        let sql = format!("INSERT INTO {table} {row}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut store).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    }
    let sql = format!("PRAGMA user_version = {version}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut store).await.expect("its version");
    store
}

/// A value of any type, as text.
fn shown(row: &SqliteRow, column: usize) -> String {
    let value = row.try_get_raw(column).expect("a value");
    match value.type_info().name() {
        _ if value.is_null() => "null".to_owned(),
        "TEXT" => row.get(column),
        "INTEGER" => row.get::<i64, _>(column).to_string(),
        "REAL" => row.get::<f64, _>(column).to_string(),
        _ => format!("{:?}", row.get::<Vec<u8>, _>(column)),
    }
}

/// Every row of every table, by table and name of the column.
async fn everything(store: &mut SqliteConnection) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
    use sqlx::Column;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
        .fetch_all(&mut *store)
        .await
        .expect("the tables");
    let mut all = BTreeMap::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows = sqlx::query(sql).fetch_all(&mut *store).await.expect("its rows");
        let rows = rows.iter().map(|row| {
            row.columns().iter().map(|c| (c.name().to_owned(), shown(row, c.ordinal()))).collect::<BTreeMap<_, _>>()
        });
        all.insert(table, rows.collect());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_every_earlier_version_is_read_whole_and_loses_nothing() {
    let now = SystemClock.now_ms().floor();
    for version in 1..=MIGRATIONS.len() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut store = left_by(version, dir.path(), now).await;
        let before = everything(&mut store).await;
        for (table, rows) in &before {
            assert!(!rows.is_empty(), "version {version}: give {table} a row in this test");
        }
        store.close().await.expect("closed");

        let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
        let engine = Engine::open(options).await.unwrap_or_else(|e| panic!("version {version} opens: {e}"));
        read_by_commands(&engine, version, now).await;
        let mut connection = engine.core.store.connection().await.expect("a connection");
        let version_now: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.expect("a version");
        assert_eq!(usize::try_from(version_now), Ok(MIGRATIONS.len()), "from version {version} to the newest");
        let after = everything(&mut connection).await;
        for (table, rows) in before.iter().filter(|(table, _)| *table != "written") {
            for (old, new) in rows.iter().zip(&after[table]) {
                for (column, value) in old {
                    // Its kind was added to what a run does.
                    let rewritten = version < 3 && table == "runs" && column == "doc";
                    assert!(rewritten || new[column] == *value, "version {version}: {table}.{column} is as it was");
                }
            }
            assert_eq!(rows.len(), after[table].len(), "version {version}: no row of {table} is lost");
        }
        drop(connection);
        engine.shutdown().await;
    }
}

/// What was stored, as the commands tell it.
async fn read_by_commands(engine: &std::sync::Arc<Engine>, version: usize, now: f64) {
    let (e, id) = (|| engine.clone(), |id: &str| ById { id: id.to_owned() });
    let environment = environments::get(e(), id("e1")).await.expect("the environment");
    let database = environment.targets.database.as_ref().expect("its database");
    assert_eq!(database.address.path, "shop", "version {version}: {environment:?}");
    assert_eq!(environment.guards.max_rate_per_s, Some(5000.0), "version {version}: {environment:?}");
    environments::draft(e(), id("e1")).await.expect("as it is edited");
    let runs = bench::run_list(e(), RunList { environment_id: Some("e1".to_owned()) }).await.expect("the runs");
    assert_eq!((runs[0].id.as_str(), runs[0].requests), ("r1", 1000), "version {version}: {runs:?}");
    let run = bench::run_get(e(), id("r1")).await.expect("the run");
    assert!(matches!(run.spec, RunSpec::Http(_)) && run.requests == 1000, "version {version}: {run:?}");
    let share = (version >= 3).then_some(0.998);
    assert_eq!(run.footing.rate_share, share, "version {version}: {run:?}");
    bench::run_history(e(), id("r1")).await.expect("its history");
    let kept = bench::run_series(e(), RunSeries { id: "r1".to_owned(), series: None }).await.expect("its series");
    assert_eq!(kept.encode(), series(), "version {version}: as they were stored");
    let written = reports::list(e(), Empty {}).await.expect("the reports");
    assert_eq!(written[0].title, "Report", "version {version}");
    let blocks = engine.core.store.get("e1", now - 1.0, now + 1.0, None).await.expect("samples");
    assert_eq!((blocks.len(), blocks[0].bytes.as_slice()), (1, &[1_u8, 2][..]), "version {version}: samples");
    if version >= 2 {
        let comparison = bench::comparison_get(e(), id("c1")).await.expect("the comparison");
        assert_eq!(comparison.comparison.verdict, Verdict::Faster, "version {version}");
        let all = bench::comparison_list(e(), RunList::default()).await.expect("the comparisons");
        assert_eq!(all[0].id, "c1", "version {version}");
        let knee = bench::knee_get(e(), id("k1")).await.expect("the search");
        assert_eq!(knee.knee.concurrency, Some(16), "version {version}");
        assert_eq!(
            bench::knee_list(e(), RunList::default()).await.expect("the searches")[0].id,
            "k1",
            "version {version}"
        );
    }
    if version >= 3 {
        assert_eq!(bench::plan_list(e(), Empty {}).await.expect("the plans")[0].name, "plan", "version {version}");
        let baselines = bench::baseline_list(e(), Empty {}).await.expect("the baselines");
        assert_eq!(baselines[0].run_id, "r1", "version {version}");
        let journal = house::journal_list(e(), JournalList::default()).await.expect("the journal");
        assert_eq!(journal[0].text, "staging", "version {version}");
        let noise = engine.core.store.noise("w", Some("e1")).await.expect("read").expect("there");
        assert_eq!(noise.floors.len(), 1, "version {version}: the noise of a work");
    }
    if version >= 9 {
        let cost = cost::get(e(), id("q1")).await.expect("what a request cost");
        assert_eq!(cost.totals.statements.mean, 21.0, "version {version}: {cost:?}");
    }
    if version >= 12 {
        let sizing = pool_size::get(e(), id("s1")).await.expect("the size of a pool");
        assert_eq!(sizing.analysis.recommended.map(|size| size.connections), Some(8), "version {version}");
    }
    if version >= 6 {
        let changes = changes::list(e(), ChangeList::default()).await.expect("the changes");
        assert_eq!(changes[0].state, ChangeState::Undone, "version {version}");
    }
}
