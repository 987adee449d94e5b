//! Advice on indexes on real databases: small tables whose values are spread unevenly.
mod beyond;
mod held;
mod kinds;
mod sizes;
mod untimed;
mod written;

use std::collections::BTreeSet;
use std::time::Duration;

use perfdeck_database::what_if::{Schema, WhatIf, database_facts};
use perfdeck_engine::advice::{
    AdviceFailure, AdviceGiven, AdviceWanted, Class, Rung, WorkloadStatement, Worth, index_advice,
};
use perfdeck_model::{Address, ErrorCode, Kind};
use perfdeck_testkit::sqlx::{Connection as _, Row as _};
use perfdeck_testkit::{MariaDb, Postgres, eventually};

/// Longest wait for what a server does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

fn wanted(statements: &[(&str, f64)]) -> AdviceWanted {
    let of = |(text, total_ms): &(&str, f64)| WorkloadStatement {
        text: (*text).to_owned(),
        calls: 1_000.0,
        total_ms: *total_ms,
    };
    AdviceWanted {
        statements: statements.iter().map(of).collect(),
        days: 1.0,
        bytes: None,
        kind: Kind::Production,
        agreed: false,
        quarantined: false,
    }
}

async fn asked(url: &str, wanted: &AdviceWanted) -> Result<AdviceGiven, AdviceFailure> {
    let (address, password) = Address::parse(url).expect("a URL");
    index_advice(&address, password.as_ref(), wanted).await
}

async fn given(url: &str, wanted: &AdviceWanted) -> AdviceGiven {
    asked(url, wanted).await.expect("advice")
}

/// The indexes, without the quotes of their names.
fn ddl(given: &AdviceGiven) -> Vec<String> {
    given.advice.advised.iter().map(|a| a.ddl.replace('"', "")).collect()
}

const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, cust_id int NOT NULL, status text NOT NULL, created timestamptz NOT NULL,
                         amount int NOT NULL, note text COLLATE \"en-x-icu\", tags text[]);
    INSERT INTO orders
    SELECT i, CASE WHEN i <= 400 THEN 7 ELSE 100 + (i * 7919) % 1000 END,
           CASE WHEN i % 100 = 0 THEN 'new' WHEN i % 10 = 0 THEN 'open' ELSE 'done' END,
           timestamptz '2026-01-01' + i * interval '1 minute', (i * 31) % 5000, md5(i::text),
           ARRAY['t' || i % 2000]
    FROM generate_series(1, 20000) i;
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, region int NOT NULL);
    INSERT INTO customers SELECT i, 'c' || i, i % 5 FROM generate_series(1, 2000) i;
    CREATE INDEX customers_name ON customers (name);
    CREATE VIEW open_orders AS SELECT id, cust_id, amount FROM public.orders WHERE status = 'open';
    CREATE SCHEMA \"Odd s\";
    CREATE TABLE \"Odd s\".\"T; --\" (\"a\"\"b\" int, rest text);
    INSERT INTO \"Odd s\".\"T; --\" SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i";

async fn shop() -> Postgres {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server.execute(ORDERS).await.expect("tables");
    server.execute("CREATE EXTENSION pg_trgm").await.expect("shipped with the server");
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn on_samples_of_postgresql_it_finds_what_others_miss_and_harms_nobody() {
    let server = shop().await;
    let url = server.url();
    let before = catalogue(&server).await;
    let mut c = server.connect().await.expect("connects");

    // What an advisor of single columns gets wrong: order and limit, expression, part, beginning, within.
    for (text, want) in [
        ("SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", "(cust_id, created DESC)"),
        ("SELECT * FROM orders WHERE cust_id = $1 AND status = $2 AND created > $3", "(cust_id"),
        ("SELECT * FROM public.orders WHERE lower(note) = $1", "((lower(note)))"),
        ("SELECT * FROM orders WHERE status = 'new' AND amount > 4900", "(amount) WHERE status = 'new'"),
        ("SELECT id FROM orders WHERE note LIKE 'c4ca42%'", "(note text_pattern_ops)"),
        ("SELECT id FROM orders WHERE note ILIKE '%c4ca4238a0%'", "USING gin (note gin_trgm_ops)"),
        ("SELECT id FROM orders WHERE tags @> ARRAY['t7']", "USING gin (tags)"),
        ("SELECT id FROM orders WHERE tags @> $1", "USING gin (tags)"),
        ("SELECT id FROM orders WHERE tags && $1::text[]", "USING gin (tags)"),
        ("SELECT * FROM orders WHERE cust_id = any($1)", "(cust_id"),
        ("SELECT * FROM orders WHERE amount = ANY ($1::int[]) AND id > $2", "(amount"),
        (
            "SELECT sum(o.amount) FROM customers c JOIN orders o ON o.cust_id = c.id WHERE c.name = $1",
            "orders (cust_id",
        ),
        ("SELECT * FROM open_orders WHERE amount = $1", "(amount"),
        ("UPDATE orders SET status = 'done' WHERE cust_id = $1", "(cust_id"),
        ("SELECT rest FROM \"Odd s\".\"T; --\" WHERE \"a\"\"b\" = $1", "(ab)"),
    ] {
        let found = given(&url, &wanted(&[(text, 60_000.0)])).await;
        let all = ddl(&found);
        assert_eq!(found.advice.worth, Worth::Planner, "{text}: tables as small are taken whole");
        assert!(all.len() == 1 && all[0].contains(want), "{text}\nwants {want}: {all:?}\n{:#?}", found.advice.rejected);
        assert!(!found.advice.advised[0].needs_proof, "{text}: {:?}", found.advice.advised[0]);
        let effect = found.advice.effects.first().unwrap_or_else(|| panic!("{text} gains"));
        assert!(effect.mean < 0.7 && effect.slower.is_empty(), "{text}: {effect:?}");
        let advised = &found.advice.advised[0];
        server.execute(&advised.ddl).await.unwrap_or_else(|e| panic!("{text}: the statement as it is: {e}"));
        let row =
            perfdeck_testkit::sqlx::query("SELECT pg_relation_size($1::regclass)::float8").bind(index_name(&found));
        let (real, said): (f64, f64) =
            (row.fetch_one(&mut c).await.expect("a size").get(0), advised.bytes.expect("known"));
        // Of few pages one more is much.
        assert!((said - real).abs() < (real * 0.2).max(3.0 * 8192.0), "{said} said, {real} written: {}", advised.ddl);
        server.execute(&format!("DROP INDEX {}", index_name(&found))).await.expect("gone again");
    }

    typed_parameters(&server).await;
    elsewhere(&server).await;

    // What is there, what is small, what nobody asks for.
    let found = given(
        &url,
        &wanted(&[
            ("SELECT * FROM customers WHERE name = $1", 60_000.0),
            ("SELECT * FROM orders WHERE id = $1", 60_000.0),
        ]),
    )
    .await;
    assert!(found.advice.advised.is_empty(), "{:?}", ddl(&found));
    assert!(
        found.advice.rejected.iter().any(|r| r.why == "`customers_name` does that already"),
        "{:?}",
        found.advice.rejected
    );

    let all = [
        ("SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", 50_000.0),
        ("SELECT id FROM orders WHERE note ILIKE '%c4ca4238a0%'", 20_000.0),
        ("SELECT * FROM orders WHERE amount = $1", 20_000.0),
        ("SELECT * FROM nowhere WHERE a = $1", 5_000.0),
        ("SELECT * FROM orders WHERE created > $1::date + $2", 5_000.0),
        ("VACUUM orders", 1.0),
    ];
    let free = given(&url, &wanted(&all)).await;
    assert_eq!(free.advice.advised.len(), 3, "{:?}", ddl(&free));
    let most = 2_000_000.0;
    let tight = given(&url, &AdviceWanted { bytes: Some(most), ..wanted(&all) }).await;
    let bytes: f64 = tight.advice.advised.iter().map(|a| a.bytes.expect("known")).sum();
    assert!(bytes <= most && !tight.advice.advised.is_empty(), "{bytes}: {:?}", ddl(&tight));
    let left: Vec<String> = free.advice.left.iter().map(|l| format!("{}: {}", l.text, l.why)).collect();
    assert!(left.iter().any(|l| l.contains("nowhere") && l.contains("none of its tables")), "{left:?}");
    assert!(left.iter().any(|l| l.contains("VACUUM")), "{left:?}");
    let share = free.advice.coverage.share().expect("some time");
    assert!(share > 0.85 && share < 0.96, "{share}");

    // Nothing of it stays: what a session had goes with it, a moment after it was left.
    eventually(Duration::from_secs(20), async || {
        let left = catalogue(&server).await;
        (left == before).then_some(()).ok_or_else(|| format!("indexes, tables or statistics were left: {left:?}"))
    })
    .await;
    let _ = c.close().await;
    capture(&server).await;
    privileges(&server).await;
}

/// Values that stand for parameters are of the types that the server takes them for, whichever those are.
async fn typed_parameters(server: &Postgres) {
    let make = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN few AS int CHECK (value > 0);
        CREATE TABLE odd (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), m mood, f few, during tsrange, days date, ip inet,
                          doc jsonb, span interval, data bytea, at point, v varbit, ts timestamp);
        INSERT INTO odd (m, f, during, days, ts) SELECT 'ok', 1 + i % 50, tsrange(now()::timestamp, NULL), current_date, now()
        FROM generate_series(1, 2000) i; ANALYZE odd";
    server.execute(make).await.expect("a table of many types");
    let texts = [
        "SELECT 1 FROM odd WHERE id = ANY ($1::uuid[])",
        "SELECT 1 FROM odd WHERE id = $1 AND m = ANY ($2) AND f = $3",
        "SELECT 1 FROM odd WHERE during @> $1::timestamp",
        "SELECT 1 FROM odd WHERE during && $1 AND days = ANY ($2)",
        "SELECT 1 FROM odd WHERE ip << $1 AND doc @> $2 AND doc ? $3 AND span > $4",
        "SELECT 1 FROM odd WHERE data = $1 AND at <@ $2::box AND v = $3 AND doc @@ $4",
        "SELECT 1 FROM odd WHERE extract(year FROM ts) = $1 AND ts::date = $2 AND m = $3::mood LIMIT $4",
        "SELECT 1 FROM odd WHERE f = ANY ($1::few[]) AND ts <@ $2::tsmultirange",
    ];
    for text in texts {
        let found = given(&server.url(), &wanted(&[(text, 60_000.0)])).await;
        assert!(found.advice.left.is_empty(), "{text}: {:?}", found.advice.left);
    }
    // The sample's tables go with its session, which the server ends a moment after it was left.
    eventually(PATIENCE, async || {
        server.execute("DROP TABLE odd; DROP DOMAIN few; DROP TYPE mood").await.map_err(|e| e.to_string())
    })
    .await;
}

/// Operator classes of an extension that no search path finds.
async fn elsewhere(server: &Postgres) {
    let text = "SELECT id FROM orders WHERE note ILIKE '%c4ca4238a0%'";
    server.execute("CREATE SCHEMA \"Ext s\"; ALTER EXTENSION pg_trgm SET SCHEMA \"Ext s\"").await.expect("moved");
    let found = given(&server.url(), &wanted(&[(text, 60_000.0)])).await;
    assert!(
        ddl(&found)[..] == [ddl(&found)[0].clone()] && ddl(&found)[0].contains("(note Ext s.gin_trgm_ops)"),
        "{:?}",
        ddl(&found)
    );
    server.execute(&found.advice.advised[0].ddl).await.expect("the statement as it is");
    let again = given(&server.url(), &wanted(&[(text, 60_000.0)])).await;
    let known = again.advice.rejected.iter().any(|r| r.why.contains("does that already"));
    assert!(known && again.advice.advised.is_empty(), "{:?} {:?}", ddl(&again), again.advice.rejected);
    server.execute(&format!("DROP INDEX {}", index_name(&found))).await.expect("gone again");
    server.execute("ALTER EXTENSION pg_trgm SET SCHEMA public; DROP SCHEMA \"Ext s\"").await.expect("moved back");
}

fn index_name(found: &AdviceGiven) -> String {
    let table = &found.advice.advised[0];
    let schema = if table.ddl.contains("Odd s") { "\"Odd s\"" } else { "public" };
    format!("{schema}.\"{}\"", table.name.replace('"', "\"\""))
}

/// Relations and their indexes, as the catalogue has them.
async fn catalogue(server: &Postgres) -> Vec<String> {
    let mut c = server.connect().await.expect("connects");
    let rows = perfdeck_testkit::sqlx::query(
        "SELECT concat_ws(' ', n.nspname, c.relname, c.relkind, c.reltuples) FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg_toast_temp%'
         ORDER BY 1",
    )
    .fetch_all(&mut c)
    .await
    .expect("the catalogue");
    let _ = c.close().await;
    rows.iter().map(|row| row.get(0)).collect()
}

/// An index on the sort column alone, which plans hope to end early by.
async fn capture(server: &Postgres) {
    let text = "SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10";
    let found = given(&server.url(), &wanted(&[(text, 60_000.0)])).await;
    let alone = found.advice.rejected.iter().find(|r| r.index.contains("(created DESC)"));
    assert!(alone.is_some(), "the sort column alone was looked at: {:#?}", found.advice.rejected);
    // Customer 7 has 2 % of the rows, all of them the oldest.
    server.execute("CREATE INDEX orders_created ON orders (created)").await.expect("an older index");
    server.execute("ANALYZE orders").await.expect("statistics");
    let found = given(&server.url(), &wanted(&[(text, 60_000.0)])).await;
    let [advised] = found.advice.advised.as_slice() else { panic!("{:#?}", found.advice.advised) };
    assert!(advised.ddl.contains("(\"cust_id\""), "{}", advised.ddl);
    let captured =
        "For frequent values the server would still choose `orders_created`, hoping for rows that come early";
    assert!(
        advised.reasons.iter().any(|r| r == captured),
        "the older index captures that plan: {:#?}",
        advised.reasons
    );
    assert!(
        found.advice.effects.iter().all(|e| e.slower.iter().all(|(class, _)| *class != Class::Frequent)),
        "{:#?}",
        found.advice.effects
    );
    server.execute("DROP INDEX orders_created").await.expect("gone again");
}

/// Roles that may not see, or may not make temporary tables.
async fn privileges(server: &Postgres) {
    server
        .execute("CREATE ROLE blind LOGIN PASSWORD 'blind-secret'; REVOKE TEMPORARY ON DATABASE app FROM PUBLIC")
        .await
        .expect("a role");
    let url = server.url().replace(&format!("perfdeck:{}", perfdeck_testkit::POSTGRES_PASSWORD), "blind:blind-secret");
    let one = wanted(&[("SELECT * FROM orders WHERE cust_id = $1", 60_000.0)]);
    let found = given(&url, &one).await;
    assert_eq!(found.grants, ["GRANT pg_read_all_data TO \"blind\";"], "the exact statement");
    assert_eq!(found.advice.worth, Worth::Statistics, "nothing could be simulated");
    let told = found.advice.notes.join(" ");
    assert!(told.contains("GRANT TEMPORARY ON DATABASE \"app\" TO \"blind\";"), "{told}");
    server.execute(&format!("{} GRANT TEMPORARY ON DATABASE app TO blind", found.grants[0])).await.expect("as it is");
    let found = given(&url, &one).await;
    assert_eq!(
        (found.advice.worth, found.advice.advised.len()),
        (Worth::Planner, 1),
        "and it helps: {:?}",
        found.advice.notes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_a_large_table_leads_to_the_same_advice() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server
        .execute(
            "CREATE UNLOGGED TABLE events (id bigint, user_id int, kind int, at timestamptz, data text);
             INSERT INTO events SELECT i, (i * 7919::bigint) % 5000, i % 20, timestamptz '2026-01-01' + i * interval '1 second', md5(i::text)
             FROM generate_series(1, 300000) i;
             ANALYZE events",
        )
        .await
        .expect("rows");
    let text = "SELECT * FROM events WHERE user_id = $1 ORDER BY at DESC LIMIT 5";
    let found =
        given(&server.url(), &wanted(&[(text, 60_000.0), ("SELECT count(*) FROM events WHERE id = $1", 30_000.0)]))
            .await;
    assert_eq!(found.advice.worth, Worth::Sample, "it is too large to be taken whole");
    let all = ddl(&found);
    assert!(all.iter().any(|d| d.contains("(user_id, at DESC)")) && all.iter().any(|d| d.contains("(id")), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_hypopg_it_says_the_same_and_its_death_is_told() {
    let server = shop().await;
    if server.execute("CREATE EXTENSION hypopg").await.is_err() {
        panic!("hypopg is not installed: apt-get install postgresql-15-hypopg");
    }
    let one = wanted(&[
        ("SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", 60_000.0),
        ("SELECT * FROM orders WHERE lower(note) = $1", 30_000.0),
        ("SELECT id FROM orders WHERE note ILIKE '%c4ca4238a0%'", 20_000.0),
    ]);
    let here = AdviceWanted { kind: Kind::Development, ..one.clone() };
    let found = given(&server.url(), &here).await;
    let all = ddl(&found);
    assert!(all.iter().any(|d| d.contains("(cust_id, created DESC)")), "{all:?}");
    assert!(all.iter().any(|d| d.contains("((lower(note)))")), "{all:?}");
    // HypoPG 1.3 has no inverted indexes, and knows nothing of an expression's values: those statements are asked on samples.
    assert!(all.iter().any(|d| d.contains("USING gin (note gin_trgm_ops)")), "{all:?}\n{:#?}", found.advice.rejected);
    let said = found
        .advice
        .notes
        .iter()
        .any(|n| n.starts_with("2 statements ") && n.contains("no inverted indexes") && n.contains("expression"));
    assert!(said, "{:?}", found.advice.notes);

    // Somebody ends the session while it plans.
    let (address, password) = Address::parse(&server.url()).expect("a URL");
    let slow = AdviceWanted {
        statements: (0..40)
            .map(|n| WorkloadStatement {
                text: format!("SELECT * FROM orders WHERE cust_id = {n} AND amount = $1 AND status = $2"),
                calls: 1.0,
                total_ms: 1_000.0,
            })
            .collect(),
        ..here
    };
    let killer = async {
        let mut c = server.connect().await.expect("connects");
        loop {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE application_name = 'perfdeck-change' AND query LIKE '%EXPLAIN%'";
            let row = perfdeck_testkit::sqlx::query(sql).fetch_one(&mut c).await.expect("asks");
            if row.get::<i64, _>(0) > 0 {
                return std::future::pending::<()>().await;
            }
        }
    };
    let outcome = tokio::select! {
        outcome = index_advice(&address, password.as_ref(), &slow) => outcome,
        () = killer => unreachable!("it waits for the other"),
    };
    match outcome {
        Err(AdviceFailure::Died(Rung::HypoPg, error)) => assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}"),
        other => panic!("its death is an error of its own: {other:?}"),
    }
    let quarantined = AdviceWanted { quarantined: true, ..one };
    assert!(!given(&server.url(), &quarantined).await.advice.advised.is_empty(), "the other way goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_it_knows_the_order_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut c = perfdeck_testkit::sqlx::SqliteConnection::connect(&url).await.expect("a file");
    perfdeck_testkit::sqlx::raw_sql(
        "CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE visits (id INTEGER PRIMARY KEY, staff_id INTEGER NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL, note TEXT);
         CREATE INDEX visits_status ON visits (status);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO visits SELECT i, i * 7919 % 200, i, CASE WHEN i % 100 = 0 THEN 'new' ELSE 'done' END, 'note ' || i FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO staff SELECT i, 's' || i FROM n",
    )
    .execute(&mut c)
    .await
    .expect("rows");
    let _ = c.close().await;
    let before = std::fs::read(&path).expect("the file");
    for (text, want) in [
        ("SELECT * FROM visits WHERE staff_id = ? AND at > ? ORDER BY at DESC", "(staff_id, at"),
        ("SELECT * FROM visits WHERE staff_id = ? ORDER BY at DESC LIMIT 20", "(staff_id, at DESC)"),
        ("SELECT s.name, count(*) FROM staff s JOIN visits v ON v.staff_id = s.id GROUP BY s.id", "(staff_id"),
        ("SELECT * FROM visits WHERE lower(note) = ?", "((lower(note)))"),
    ] {
        let found = given(&format!("sqlite:{}", path.display()), &wanted(&[(text, 60_000.0)])).await;
        let all = ddl(&found);
        assert!(all.len() == 1 && all[0].contains(want), "{text}\nwants {want}: {all:?}\n{:#?}", found.advice.rejected);
        assert_eq!(found.advice.worth, Worth::Steps);
    }
    let found = given(
        &format!("sqlite:{}", path.display()),
        &wanted(&[("SELECT * FROM visits WHERE status = ?", 60_000.0), ("SELECT * FROM visits WHERE id = ?", 1e3)]),
    )
    .await;
    assert!(found.advice.advised.is_empty(), "they are there: {:?}", ddl(&found));
    assert_eq!(std::fs::read(&path).expect("the file"), before, "nothing was written");
    // Its size is that of the file's own format.
    let all = [
        ("SELECT * FROM visits WHERE staff_id = ? ORDER BY at DESC LIMIT 20", 60_000.0),
        ("SELECT * FROM visits WHERE lower(note) = ?", 60_000.0),
    ];
    let found = given(&format!("sqlite:{}", path.display()), &wanted(&all)).await;
    assert_eq!(found.advice.advised.len(), 2, "{:?}", ddl(&found));
    let mut c = perfdeck_testkit::sqlx::SqliteConnection::connect(&url).await.expect("the file");
    for advised in &found.advice.advised {
        let create = perfdeck_testkit::sqlx::AssertSqlSafe(advised.ddl.clone());
        perfdeck_testkit::sqlx::raw_sql(create).execute(&mut c).await.expect("created");
        let size = perfdeck_testkit::sqlx::query_scalar("SELECT CAST(sum(pgsize) AS REAL) FROM dbstat WHERE name = ?");
        let real: f64 = size.bind(&advised.name).fetch_one(&mut c).await.expect("a size");
        let said = advised.bytes.expect("known");
        assert!((said - real).abs() < (real * 0.1).max(8192.0), "{said} said, {real} written: {}", advised.ddl);
    }
    let _ = c.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_rare_values_are_rare_and_one_end_of_an_order_is_one_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut c = perfdeck_testkit::sqlx::SqliteConnection::connect(&url).await.expect("a file");
    // State 'rare' has 20 rows, all beyond those whose values are looked at; customer 7 has 40,000 of 120,000 rows, the others 8 each.
    perfdeck_testkit::sqlx::raw_sql(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, customer INTEGER NOT NULL, at INTEGER NOT NULL, pad TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
         INSERT INTO jobs SELECT i, CASE WHEN i > 119980 THEN 'rare' WHEN i % 2 = 0 THEN 'done' ELSE 'open' END,
                CASE WHEN i % 3 = 0 THEN 7 ELSE 100 + i % 10000 END, i * 7919 % 1000003, 'some more text of a row ' || i FROM n",
    )
    .execute(&mut c)
    .await
    .expect("rows");
    let file = format!("sqlite:{}", path.display());
    let mean = async |text: &str| {
        let found = given(&file, &wanted(&[(text, 60_000.0)])).await;
        let effect = found.advice.effects.first().map(|e| e.mean);
        (ddl(&found), effect.unwrap_or(1.0), found)
    };
    let (all, rare, found) = mean("SELECT * FROM jobs WHERE state = 'rare'").await;
    assert!(all.len() == 1 && rare < 0.01, "20 of 120,000 rows: {rare} {all:?} {:#?}", found.advice.rejected);
    let (_, common, _) = mean("SELECT * FROM jobs WHERE state = 'done'").await;
    assert!(common > 0.5, "half of the rows are not found more quickly one by one: {common}");
    let (all, few, _) = mean("SELECT * FROM jobs WHERE customer = 150").await;
    assert!(all.len() == 1 && few < 0.01, "8 rows: {few} {all:?}");
    let (_, many, _) = mean("SELECT * FROM jobs WHERE customer = 7").await;
    assert!(many > 10.0 * few, "more rows than are counted: {many} and {few}");

    for (text, want) in [
        ("SELECT max(at) FROM jobs", "(at)"),
        ("SELECT min(j.at) FROM jobs AS j WHERE j.customer = 7", "(customer, at)"),
    ] {
        let (all, mean, found) = mean(text).await;
        assert!(all.len() == 1 && all[0].contains(want), "{text}\nwants {want}: {all:?} {:#?}", found.advice.rejected);
        assert!(mean < 0.001, "{text}: one row of the index is read: {mean}");
    }
    // What is thrown away on the way to the end may be all of it.
    let (all, mean, _) = mean("SELECT max(at) FROM jobs WHERE pad = 'none'").await;
    assert!(all.iter().all(|d| !d.contains("(at)")) || mean > 0.01, "{all:?} {mean}");
    samples(&file, &mut c).await;
    let _ = c.close().await;
}

/// Where the file has samples of an index's values (`sqlite_stat4`), its planner knows which value is rare.
async fn samples(file: &str, c: &mut perfdeck_testkit::sqlx::SqliteConnection) {
    let all = "UPDATE jobs SET state = 'done' WHERE state = 'open'; CREATE INDEX by_state ON jobs (state); ANALYZE";
    perfdeck_testkit::sqlx::raw_sql(all).execute(&mut *c).await.expect("statistics");
    let (address, _) = Address::parse(file).expect("a URL");
    let by_index = async |value: &str| {
        let facts = database_facts(&address, None, &BTreeSet::from(["jobs".to_owned()])).await.expect("facts");
        let mut schema = Schema::open(&address, &facts, Vec::new()).await.expect("a copy");
        let statement = format!("SELECT * FROM jobs WHERE state = '{value}'");
        let asked = WhatIf { statement: &statement, values: &[], indexes: &[], readings: &[] };
        let cost = schema.costs(&[asked]).await.expect("asked").remove(0).expect("planned");
        schema.close().await;
        !cost.indexes.is_empty()
    };
    assert!(by_index("rare").await && !by_index("done").await, "nearly all rows are read as they lie");
    perfdeck_testkit::sqlx::raw_sql("DELETE FROM sqlite_stat4").execute(&mut *c).await.expect("gone");
    assert!(by_index("done").await, "without samples one value is like another");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_it_says_that_nothing_was_simulated() {
    let server = MariaDb::start().await.expect("MariaDB");
    server
        .execute(
            "CREATE TABLE orders (id int PRIMARY KEY, cust_id int NOT NULL, created datetime NOT NULL, note varchar(200));
             INSERT INTO orders SELECT seq, seq % 500, '2026-01-01' + INTERVAL seq MINUTE, md5(seq) FROM seq_1_to_20000;
             CREATE INDEX by_note ON orders (note);
             ANALYZE TABLE orders",
        )
        .await
        .expect("rows");
    let found = given(
        &server.url(),
        &wanted(&[
            ("SELECT * FROM `orders` WHERE `cust_id` = ? ORDER BY `created` DESC LIMIT ?", 60_000.0),
            ("SELECT * FROM orders WHERE note = ?", 10_000.0),
        ]),
    )
    .await;
    assert_eq!(found.advice.worth, Worth::Statistics);
    assert!(
        found.advice.notes.iter().any(|n| n.contains("cannot plan for an index that is not there")),
        "{:?}",
        found.advice.notes
    );
    let [advised] = found.advice.advised.as_slice() else { panic!("{:?}", ddl(&found)) };
    assert!(
        advised.ddl.contains("(`cust_id`, `created` DESC)") && advised.ddl.contains("LOCK=NONE"),
        "{}",
        advised.ddl
    );
    server.execute(&advised.ddl).await.expect("the statement as it is");
}
