//! Statements of a file, whose times nobody knows: what people asked for in public and other advisors missed, each index made as it is advised,
//! used by the server, and not advised again.
use perfdeck_testkit::Postgres;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Row as _, raw_sql};

use super::{AdviceWanted, WorkloadStatement, ddl, given, wanted};

const TABLES: &str = "
    CREATE TABLE jobs (id bigserial PRIMARY KEY, st text, q text, payload text);
    INSERT INTO jobs (st, q, payload)
    SELECT CASE WHEN g > 39900 THEN 'pending' ELSE 'done' END, 'q' || g % 3, md5(g::text) FROM generate_series(1, 40000) g;
    CREATE TABLE ev (id bigserial PRIMARY KEY, tenant int, status text, deleted timestamptz, created timestamptz);
    INSERT INTO ev (tenant, status, deleted, created)
    SELECT g % 50, CASE WHEN g % 200 = 0 THEN 'new' ELSE 'done' END, CASE WHEN g % 200 = 0 THEN timestamptz '2026-01-01' END,
           timestamptz '2026-01-01' - g * interval '1 min' FROM generate_series(1, 40000) g;
    CREATE TABLE asked (id bigserial PRIMARY KEY, eid bigint);
    INSERT INTO asked (eid) SELECT g * 7 % 40000 + 1 FROM generate_series(1, 40000) g;
    CREATE TABLE users (id bigserial PRIMARY KEY, email text, name text COLLATE \"de-x-icu\", created timestamptz, local timestamp);
    INSERT INTO users (email, name, created, local)
    SELECT 'User' || g || '@x.org', 'N' || g, timestamptz '2026-01-01' - g * interval '1 min', timestamp '2026-01-01' - g * interval '1 min'
    FROM generate_series(1, 40000) g";

/// Each with what is advised, empty where nothing is.
const ASKED: &[(&str, &str)] = &[
    // An update is judged by what it loses in all: finding its rows saves more than the entries take.
    ("UPDATE jobs SET st = 'done' WHERE st = 'pending' AND q = 'q1'", "(q) WHERE st = 'pending'"),
    ("SELECT id FROM jobs WHERE st = 'pending' ORDER BY id LIMIT 10", "(id) WHERE st = 'pending'"),
    // No row is left: an index in the order asked for is gone through to its end.
    (
        "SELECT id FROM ev WHERE status = 'new' AND deleted IS NULL ORDER BY tenant, created LIMIT 1",
        "(deleted) WHERE status = 'new'",
    ),
    (
        "SELECT a.id FROM asked a WHERE NOT EXISTS (SELECT 1 FROM ev e WHERE e.id = a.eid AND e.status = 'new')",
        "(id) WHERE status = 'new'",
    ),
    ("SELECT name FROM users WHERE email COLLATE \"C\" LIKE 'User777%'", "(email COLLATE C)"),
    ("SELECT name FROM users WHERE email COLLATE \"de-x-icu\" = 'User777@x.org'", "(email COLLATE de-x-icu)"),
    ("SELECT email FROM users WHERE name COLLATE \"de-x-icu\" = 'N777'", "(name)"),
    ("SELECT email FROM users WHERE lower(name) COLLATE \"C\" = 'n777'", "((lower(name)) COLLATE C)"),
    ("SELECT email FROM users WHERE name COLLATE \"und-x-icu\" LIKE 'N777%'", "(name text_pattern_ops)"),
    (
        "SELECT name FROM users WHERE date_trunc('hour', created AT TIME ZONE 'UTC') = '2025-12-20'",
        "((date_trunc('hour', created AT TIME ZONE 'UTC')))",
    ),
    (
        "SELECT name FROM users WHERE (created AT TIME ZONE 'Europe/Berlin')::date = '2025-12-20'",
        "((date(created AT TIME ZONE 'Europe/Berlin')))",
    ),
    // That of a moment hangs on the session's zone.
    ("SELECT name FROM users WHERE (local AT TIME ZONE 'UTC')::date = '2025-12-20'", ""),
    (
        "SELECT name FROM users WHERE date_trunc('hour', created AT TIME ZONE current_setting('timezone')) = '2025-12-20'",
        "",
    ),
    // A row that its key finds is found as fast without an index that has all of it.
    ("SELECT email FROM users WHERE id = 7", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_advised_for_a_file_is_used_and_not_advised_again() {
    let settings = [("autovacuum", "off"), ("jit", "off"), ("max_parallel_workers_per_gather", "0")];
    let server = Postgres::start_with(&settings).await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    let mut c = server.connect().await.expect("connects");
    for (text, want) in ASKED {
        let statements = vec![WorkloadStatement { text: (*text).to_owned(), calls: 1.0, total_ms: 1.0 }];
        let of = AdviceWanted { statements, days: 0.0, ..wanted(&[]) };
        let found = given(&server.url(), &of).await;
        let all = ddl(&found);
        let keys: Vec<&str> = all.iter().map(|d| &d[d.find('(').unwrap_or(0)..]).collect();
        let expected: Vec<String> = [*want].iter().filter(|w| !w.is_empty()).map(|w| (*w).to_owned()).collect();
        assert_eq!(keys, expected, "{text}\n{:#?}\n{:?}", found.advice.rejected, found.advice.left);
        for advised in &found.advice.advised {
            server.execute(&advised.ddl).await.unwrap_or_else(|e| panic!("{text}: as it is: {e}"));
            server.execute("VACUUM ANALYZE").await.expect("statistics");
            let plan = raw_sql(AssertSqlSafe(format!("EXPLAIN {text}"))).fetch_all(&mut c).await.expect("a plan");
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            assert!(plan.join("\n").contains(&advised.name), "{text}: the server uses it: {plan:#?}");
            let again = given(&server.url(), &of).await;
            assert_eq!(ddl(&again), [""; 0], "{text}: it is there: {:#?}", again.advice);
            server.execute(&format!("DROP INDEX {}", advised.name)).await.expect("gone again");
        }
    }
}
