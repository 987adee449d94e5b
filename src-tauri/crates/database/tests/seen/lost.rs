//! A connection that is lost in the middle of whatever is asked: an error that says so or the whole answer, never a part, and the next
//! question works.
use std::time::{Duration, Instant};

use perfdeck_database::statements::{Found, StatementReader};
use perfdeck_database::{ActivityReader, DatabaseCollector, PoolsReader, health, measure_bloat, sizes, statement_plan};
use perfdeck_model::{Address, ApiError, CheckState, Collector as _, ErrorCode, Sensitive};
use perfdeck_testkit::{CuttingDoor, MariaDb, Postgres};

/// Tables that a whole answer has.
const TABLES: usize = 40;

/// Each operation once; answers its name and what came of it.
async fn everything(address: &Address, password: Option<&Sensitive>) -> Vec<(&'static str, Result<(), ApiError>)> {
    let own = || (address.clone(), password.cloned());
    let mut all = Vec::new();
    let found = sizes(address, password, 1_000).await;
    all.push(("sizes", found.map(|f| assert_eq!(f.tables.len(), TABLES, "all of them or none: {f:?}"))));
    if address.scheme == perfdeck_model::Scheme::Postgres {
        all.push((
            "bloat",
            measure_bloat(address, password, "public.t1_pkey", std::future::pending())
                .await
                .map(|b| assert!(b.measured.is_some())),
        ));
    }
    all.push(("plan", statement_plan(address, password, "SELECT * FROM t1", true).await.map(|p| assert!(p.measured))));
    let mut sessions = ActivityReader::default();
    all.push(("activity", sessions.read(address, password, 1e12).await.map(drop)));
    let (a, p) = own();
    let counters = StatementReader::new(a, p).read(1e12, true).await;
    all.push(("statements", counters.map(|f| assert!(matches!(f, Found::Counters(_)), "{f:?}"))));
    let (a, p) = own();
    all.push(("pools", PoolsReader::new(a, p).read(&0.0).await.map(drop)));
    let (a, p) = own();
    all.push(("collector", DatabaseCollector::new(a, p).collect(&0.0).await.map(drop)));
    let seen = health(address, password, &0.0).await;
    let reachable = seen.checks.iter().find(|c| c.id == "reachable").expect("checked");
    let lost = ApiError::new(ErrorCode::Unreachable, reachable.reason.clone());
    all.push(("health", if reachable.state == CheckState::Ok { Ok(()) } else { Err(lost.hint("said")) }));
    all
}

async fn cut(url: &str, port: u16) {
    for after in [60, 400, 800, 1_500, 3_000, 6_000, 12_000] {
        let door = CuttingDoor::open(port, after).await.expect("a door");
        let (address, password) =
            Address::parse(&url.replace(&format!(":{port}/"), &format!(":{}/", door.port()))).expect("a URL");
        let began = Instant::now();
        let all = everything(&address, password.as_ref()).await;
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "nobody waits for what will not come: {:?}",
            began.elapsed()
        );
        for (what, outcome) in all {
            let Err(error) = outcome else { continue };
            let codes = [ErrorCode::Unreachable, ErrorCode::Timeout];
            assert!(codes.contains(&error.code), "{what}, cut after {after} bytes: {error:?}");
            assert!(error.hint.is_some(), "{what} says what helps: {error:?}");
        }
    }
    let (address, password) = Address::parse(url).expect("a URL");
    for (what, outcome) in everything(&address, password.as_ref()).await {
        outcome.unwrap_or_else(|error| panic!("{what} works again: {error:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_postgresql_that_is_lost_in_the_middle_is_an_error_and_never_a_part() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let tables: String = (1..=TABLES).map(|n| format!("CREATE TABLE t{n} (id int PRIMARY KEY, n int);")).collect();
    server.execute(&format!("CREATE EXTENSION pgstattuple; {tables} ANALYZE")).await.expect("tables");
    cut(&server.url(), server.port()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_mariadb_that_is_lost_in_the_middle_is_an_error_and_never_a_part() {
    let server = MariaDb::start_with(&["--performance-schema=ON"]).await.expect("MariaDB");
    for n in 1..=TABLES {
        server.execute(&format!("CREATE TABLE t{n} (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")).await.expect("tables");
    }
    cut(&server.url(), server.port()).await;
}
