//! What an index does to updates, held against the server's own count of those that touched no index (HOT).
use perfdeck_engine::advice::{AdviceGiven, AdviceWanted, WorkloadStatement};
use perfdeck_testkit::Postgres;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};

use super::{ddl, given, wanted};

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, status text NOT NULL, created timestamptz NOT NULL, note text)
    WITH (fillfactor = 40);
    INSERT INTO orders SELECT i, (i * 7919) % 500, CASE WHEN i % 200 = 0 THEN 'new' WHEN i % 3 = 0 THEN 'open' ELSE 'done' END,
           timestamptz '2026-01-01' + i * interval '1 minute', md5(i::text)
    FROM generate_series(1, 20000) i";
const READ: &str = "SELECT * FROM orders WHERE customer = $1 AND status = $2";
const NEW: &str = "SELECT id, customer FROM orders WHERE status = 'new' ORDER BY created LIMIT 50";
const SET_STATUS: &str = "UPDATE orders SET status = $1 WHERE id = $2";
const SET_NOTE: &str = "UPDATE orders SET note = $1 WHERE id = $2";
/// Updates of each kind in a round.
const UPDATES: i64 = 100;

/// Updates so far that touched no index, of all.
async fn counted(c: &mut PgConnection) -> (i64, i64) {
    let ask = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'orders'";
    raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut *c).await.expect("counters are handed on");
    let row = raw_sql(ask).fetch_one(&mut *c).await.expect("counters");
    (row.get(0), row.get(1))
}

/// Updates states and notes of other rows each time; how many of all touched no index.
async fn update(c: &mut PgConnection, round: i64) -> i64 {
    let before = counted(c).await;
    for n in 0..UPDATES {
        // Rows far from each other: each page has room for a few.
        let id = 1 + (round * UPDATES + n) * 37 % 20_000;
        for set in [format!("status = 'state {round} {n}'"), format!("note = 'note {round} {n}'")] {
            let text = AssertSqlSafe(format!("UPDATE orders SET {set} WHERE id = {id}"));
            raw_sql(text).execute(&mut *c).await.expect("updated");
        }
    }
    let after = counted(c).await;
    assert_eq!(after.1 - before.1, 2 * UPDATES, "all are counted");
    after.0 - before.0
}

fn workload(reads: &[(&str, f64, f64)]) -> AdviceWanted {
    let updates = [SET_STATUS, SET_NOTE].map(|text| (text, UPDATES as f64, UPDATES as f64 * 0.05));
    let of = |(text, calls, total_ms): &(&str, f64, f64)| WorkloadStatement {
        text: (*text).to_owned(),
        calls: *calls,
        total_ms: *total_ms,
    };
    AdviceWanted { statements: reads.iter().chain(&updates).map(of).collect(), ..wanted(&[]) }
}

/// Updates of the workload that lose HOT, by the advice, and the greatest change of the time of one.
fn said(given: &AdviceGiven) -> (f64, f64) {
    let lost = given.advice.slows.iter().map(|e| e.hot_lost * given.workload.statements[e.statement].calls);
    let worst = given.advice.slows.first().and_then(|e| e.change).unwrap_or(0.0);
    (lost.sum(), worst)
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_updates_that_are_said_to_be_lost_are_those_that_the_server_misses() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    for text in TABLES.split(';') {
        server.execute(text).await.expect("rows");
    }
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    let mut c = server.connect().await.expect("connects");
    assert_eq!(update(&mut c, 0).await, 2 * UPDATES, "as things are, all touch no index");

    // Many readers of few rows: the part of the rows is worth what the updates lose, and that is said.
    let found = given(&server.url(), &workload(&[(NEW, 10_000.0, 50_000.0)])).await;
    let [advised] = found.advice.advised.as_slice() else { panic!("{:#?}", found.advice) };
    assert!(advised.ddl.contains("WHERE \"status\" = 'new'"), "{}", advised.ddl);
    let (lost, worst) = said(&found);
    assert!(worst > 0.05, "an update of 0.05 ms takes much longer: {:?}", found.advice.slows);
    server.execute(&advised.ddl).await.expect("as it is");
    let hot = update(&mut c, 1).await;
    assert_eq!((2 * UPDATES - hot) as f64, lost, "{:?}", found.advice.slows);
    server.execute(&format!("DROP INDEX \"{}\"", advised.name)).await.expect("gone again");
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    assert_eq!(update(&mut c, 2).await, 2 * UPDATES, "they touch none again");

    // Few readers, whom the customer alone serves about as well: the state stays out of it.
    let found = given(&server.url(), &workload(&[(READ, 10.0, 20.0)])).await;
    assert_eq!(ddl(&found).len(), 1, "{:#?}", found.advice);
    assert!(ddl(&found)[0].ends_with("(customer)"), "{:?} {:#?}", ddl(&found), found.advice.rejected);
    let why = found.advice.rejected.iter().find(|r| r.index.contains("status") && r.index.contains("customer"));
    let why = why.map(|r| r.why.as_str()).unwrap_or_default();
    assert!(why.contains("beyond (customer), which leaves it as it is"), "{why}");
    assert_eq!(said(&found).0, 0.0, "nothing is lost: {:?}", found.advice.slows);
    server.execute(&found.advice.advised[0].ddl).await.expect("as it is");
    assert_eq!(update(&mut c, 3).await, 2 * UPDATES, "and the server counts none either");
    let _ = c.close().await;
}
