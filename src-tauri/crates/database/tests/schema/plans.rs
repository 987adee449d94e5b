//! Plans of PostgreSQL.
use perfdeck_model::{ErrorCode, SizeTold};
use perfdeck_testkit::{PgBouncer, Postgres};
use sqlx::{Executor as _, Row as _};

use crate::schema::{plan, read, table};

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
