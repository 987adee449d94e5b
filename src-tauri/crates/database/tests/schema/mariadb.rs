//! Sizes and plans of MariaDB.
use perfdeck_model::{BloatUnknown, SizeTold};
use perfdeck_testkit::MariaDb;
use sqlx::Row as _;

use crate::schema::{plan, read, table};

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
