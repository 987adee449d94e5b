//! How full real servers are: their size, their connections, and what is left of them.
use perfdeck_database::{Occupancy, OccupancyWatch};
use perfdeck_model::Address;
use perfdeck_testkit::{MariaDb, Postgres};

async fn open(url: &str) -> OccupancyWatch {
    let (address, password) = Address::parse(url).expect("a URL");
    OccupancyWatch::open(&address, password.as_ref()).await.expect("answers").expect("it has connections")
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_counts_others_and_what_is_left() {
    let server = Postgres::start_with(&[("max_connections", "20")]).await.expect("PostgreSQL");
    let mut watch = open(&server.url()).await;
    let alone = watch.read().await.expect("answers");
    assert_eq!((alone.connections, alone.others, alone.limit), (1.0, 0.0, 17.0), "three are kept for superusers");
    assert!(alone.bytes > 1e6, "an empty database has its catalogue: {}", alone.bytes);
    let _one = server.connect().await.expect("a client");
    let _two = server.connect().await.expect("a client");
    let three = watch.read().await.expect("answers");
    assert_eq!((three.connections, three.others), (3.0, 2.0), "two of them are others'");
    assert!((three.free() - 14.0 / 17.0).abs() < 1e-9, "14 of 17 are free: {}", three.free());
    watch.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_counts_others_and_what_is_left() {
    let server = MariaDb::start_with(&["--max-connections=20"]).await.expect("MariaDB");
    server.execute("CREATE TABLE t (a INT) ENGINE=InnoDB").await.expect("a table");
    let mut watch = open(&server.url()).await;
    let before = watch.read().await.expect("answers");
    assert_eq!(before.limit, 20.0, "the limit is the server's");
    assert!(before.bytes > 0.0, "the table has pages: {}", before.bytes);
    let _one = server.connect().await.expect("a client");
    let after = watch.read().await.expect("answers");
    assert_eq!(after.others - before.others, 1.0, "one more: {before:?} {after:?}");
    watch.close().await;
}

#[tokio::test]
async fn sqlite_has_no_connections() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("a.db");
    std::fs::write(&file, "").expect("an empty file");
    let (address, _) = Address::parse(&format!("sqlite:{}", file.display())).expect("a URL");
    assert!(OccupancyWatch::open(&address, None).await.expect("opens").is_none(), "so there is nothing to watch");
    let none = Occupancy { bytes: 0.0, connections: 3.0, others: 0.0, limit: 2.0, reserved: 0.0 };
    assert_eq!(none.free(), 0.0, "more than all is none left");
}
