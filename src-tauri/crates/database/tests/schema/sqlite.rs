//! Sizes and plans of SQLite.
use perfdeck_database::sizes;
use perfdeck_model::ErrorCode;
use sqlx::{Connection as _, Row as _};

use crate::schema::{parsed, plan, read, table};

#[tokio::test]
async fn sqlite_tells_pages_and_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut c = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.expect("a file");
    for text in [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT, note TEXT)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO orders SELECT i, i % 7, hex(randomblob(8)) FROM n",
        "CREATE INDEX by_customer ON orders (customer)",
        "CREATE TABLE \"odd \"\"name\" (a UNIQUE)",
        "CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO keyed SELECT 'key ' || i, i FROM n",
        "CREATE INDEX keyed_v ON keyed (v) WHERE v > 10",
    ] {
        sqlx::query(text).execute(&mut c).await.expect(text);
    }
    let url = format!("sqlite:{}", path.display());
    let found = read(&url, 100).await;
    assert!(found.source.contains("dbstat"), "{found:?}");
    let orders = table(&found, "orders");
    let pages: i64 = sqlx::query("SELECT sum(pgsize) FROM dbstat WHERE name IN ('orders', 'by_customer')")
        .fetch_one(&mut c)
        .await
        .expect("dbstat")
        .get(0);
    assert_eq!((orders.bytes, orders.rows, orders.rows_exact), (Some(pages as f64), Some(5_000.0), true), "{orders:?}");
    assert_eq!(table(&found, "keyed").rows, Some(3_000.0), "rows of inner pages are rows too: {found:?}");
    let index = &table(&found, "keyed").indexes;
    assert!(index.len() == 1 && index[0].partial, "its key is itself: {found:?}");
    assert_eq!(table(&found, "odd \"name").indexes.len(), 1, "{found:?}");
    assert_eq!(
        (orders.scans, orders.dead_rows, orders.vacuumed_ms),
        (None, None, None),
        "not kept is not 0: {orders:?}"
    );
    assert!(orders.bloat.is_some_and(|b| b < 0.1) && orders.bloat_unknown.is_none(), "in order: {orders:?}");
    let file: i64 = sqlx::query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .fetch_one(&mut c)
        .await
        .expect("the file")
        .get(0);
    assert_eq!((found.bytes, found.bytes_exact), (Some(file as f64), true), "{found:?}");
    let first = read(&url, 1).await;
    assert_eq!((first.tables.len(), first.tables_left_out), (1, 2), "{first:?}");

    let found = plan(&url, "SELECT * FROM orders WHERE customer = ? AND note <> 's3cret' ORDER BY note", false)
        .await
        .expect("a plan");
    assert!(!format!("{found:?}").contains("s3cret"), "no literal: {found:?}");
    assert_eq!(
        (found.nodes[0].name.as_str(), found.nodes[0].index.as_deref()),
        ("Search", Some("by_customer")),
        "{found:?}"
    );
    assert!(found.nodes.iter().any(|n| n.name.contains("TEMP B-TREE")), "{found:?}");
    let error = plan(&url, "SELECT * FROM orders", true).await.expect_err("not measured");
    assert_eq!(error.code, ErrorCode::Unsupported, "{error:?}");
    assert!(plan(&url, "DELETE FROM orders", false).await.is_err(), "it writes");
    let long = format!("SELECT * FROM orders WHERE id IN ({})", vec!["1234567"; 130_000].join(","));
    assert!(plan(&url, &long, false).await.expect("planned").statement.len() <= 2_000, "1 MB");

    // Every other row is gone, and its page has the room.
    sqlx::query("DELETE FROM orders WHERE id % 2 = 0").execute(&mut c).await.expect("deleted");
    let (page, root) = (4_096, "SELECT pageno FROM dbstat WHERE name = 'keyed' AND pagetype = 'leaf' LIMIT 1 OFFSET 3");
    let leaf: i64 = sqlx::query_scalar(root).fetch_one(&mut c).await.expect("a page");
    c.close().await.expect("closed");
    let half = read(&url, 100).await;
    assert!(table(&half, "orders").bloat.is_some_and(|b| b > 0.3), "room in its pages: {half:?}");
    assert!(!half.missing.iter().any(|m| m.contains("damaged")), "{half:?}");

    let mut file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start((leaf as u64 - 1) * page)).expect("a leaf");
    std::io::Write::write_all(&mut file, &[0xff; 4_096]).expect("overwritten");
    let (address, password) = parsed(&url);
    match sizes(&address, password.as_ref(), 100).await {
        Ok(found) => {
            assert!(found.missing.iter().any(|m| m.contains("damaged")), "rows are missing: {found:?}");
            assert!(!table(&found, "keyed").rows_exact, "{found:?}");
        }
        Err(error) => assert!(error.message.contains("damaged"), "{error:?}"),
    }
}
