//! What real servers say they are: versions, settings that are not the default, rows.
use perfdeck_database::{Facts, facts};
use perfdeck_model::Address;
use perfdeck_testkit::{MariaDb, Postgres, eventually};
use std::time::Duration;

async fn ask(url: &str) -> Facts {
    let (address, password) = Address::parse(url).expect("a URL");
    facts(&address, password.as_ref()).await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tells_what_was_set_and_what_it_holds() {
    let server = Postgres::start_with(&[("work_mem", "7MB"), ("archive_command", "cp canary-secret")]).await;
    let server = server.expect("PostgreSQL");
    server.execute("CREATE TABLE orders (id int)").await.expect("a table");
    server.execute("INSERT INTO orders SELECT generate_series(1, 5000)").await.expect("rows");
    let found = eventually(Duration::from_secs(20), || async {
        let found = ask(&server.url()).await;
        // The server counts what it inserted a moment later.
        found.get("data.public.orders").is_some_and(|rows| rows == "5000").then_some(found)
    })
    .await;
    assert!(found["version"].starts_with("PostgreSQL 1"), "{}", found["version"]);
    assert_eq!(found["setting.work_mem"], "7MB", "as a person would write it");
    assert!(
        !found.contains_key("setting.statement_timeout"),
        "what this connection set is not the server's: {found:?}"
    );
    assert!(!found.contains_key("setting.port"), "where it lives is not what it is: {found:?}");
    assert!(!format!("{found:?}").contains("canary"), "texts may hold secrets: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_tells_what_was_set_and_what_it_holds() {
    let server = MariaDb::start_with(&["--sync-binlog=7"]).await.expect("MariaDB");
    server.execute("CREATE TABLE orders (id INT PRIMARY KEY) ENGINE=InnoDB").await.expect("a table");
    server.execute("INSERT INTO orders SELECT seq FROM seq_1_to_5000").await.expect("rows");
    server.execute("ANALYZE TABLE orders").await.expect("statistics");
    let found = ask(&server.url()).await;
    assert!(found["version"].contains("MariaDB") || found["version"].contains("Debian"), "{}", found["version"]);
    assert_eq!(found["setting.sync_binlog"], "7", "{found:?}");
    let rows: f64 = found["data.orders"].parse().expect("a number");
    assert!((4_000.0..6_000.0).contains(&rows), "about 5000: {rows}");
}

#[tokio::test]
async fn sqlite_tells_its_version_and_its_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut c = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.expect("a file");
    for text in [
        "CREATE TABLE \"odd \"\"name\" (a)",
        "INSERT INTO \"odd \"\"name\" VALUES (1), (2)",
        "CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID",
    ] {
        sqlx::query(text).execute(&mut c).await.expect(text);
    }
    let found = ask(&format!("sqlite:{}", path.display())).await;
    assert!(found["version"].starts_with("SQLite 3."), "{found:?}");
    assert_eq!(found["data.odd \"name"], "2", "{found:?}");
    assert!(!found.contains_key("data.keyed"), "a table without row numbers is left out: {found:?}");
}
