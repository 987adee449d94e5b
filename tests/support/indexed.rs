//! Databases whose indexes are changed in the window, asked by connections of the tests' own.
use std::collections::BTreeMap;
use std::path::PathBuf;

use perfdeck_testkit::Postgres;
use perfdeck_testkit::sqlx::{self, Connection as _, Row as _, sqlite};

/// The query of the shop that reads all of its table for ten rows.
pub(crate) const SLOW: &str = "SELECT id, created FROM orders WHERE customer = 7 ORDER BY created DESC LIMIT 10;";
/// One that an index on the foreign key is of no use to.
pub(crate) const OTHER: &str = "SELECT count(*) FROM orders WHERE created < '2026-01-02';";

/// 100,000 orders of 1,000 customers in four regions, with an index on their number alone.
const TABLES: &str = "
    CREATE TABLE regions (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO regions SELECT i, 'region ' || i FROM generate_series(1, 4) i;
    CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, region int NOT NULL REFERENCES regions,
                         created timestamptz NOT NULL, pad text NOT NULL);
    INSERT INTO orders SELECT i, i * 7919 % 1000, 1 + i % 4, timestamptz '2026-01-01' + i * interval '1 minute', repeat('x', 60)
    FROM generate_series(1, 100000) i;
    ANALYZE";

/// A PostgreSQL with a table that is read whole again and again.
pub(crate) struct Shop(Postgres);

impl Shop {
    /// Starts the server; its slow query was run often enough to be found.
    pub(crate) async fn start() -> Self {
        let server = Postgres::start().await.expect("a private PostgreSQL");
        server.execute(TABLES).await.expect("tables");
        server.execute(&SLOW.repeat(20)).await.expect("scans");
        Self(server)
    }

    /// Its address, with the password.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    async fn rows(&self, sql: &'static str) -> Vec<sqlx::postgres::PgRow> {
        let mut c = self.0.connect().await.expect("a connection of its own");
        let rows = sqlx::query(sql).fetch_all(&mut c).await.expect("an answer");
        c.close().await.expect("closed");
        rows
    }

    /// Definitions of all indexes, constraints and columns of its tables, as the server writes them.
    pub(crate) async fn catalogue(&self) -> Vec<String> {
        let sql = "
            SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid || ' ' || indisready || ' ' || indislive AS line
            FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace
            UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attstattarget
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0
            UNION ALL SELECT relname || ' ' || relkind::text || ' ' || coalesce(reloptions::text, '') FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
            ORDER BY line";
        self.rows(sql).await.iter().map(|row| row.get(0)).collect()
    }

    /// Whether each index that was not there before is valid and ready.
    pub(crate) async fn new_indexes(&self, before: &[String]) -> Vec<(bool, bool)> {
        let sql = "SELECT pg_get_indexdef(indexrelid), indisvalid, indisready FROM pg_index JOIN pg_class c ON c.oid = indrelid
                   WHERE c.relnamespace = 'public'::regnamespace";
        let rows = self.rows(sql).await;
        let new = rows.iter().filter(|row| {
            let definition: String = row.get(0);
            !before.iter().any(|line| line.starts_with(&definition))
        });
        new.map(|row| (row.get(1), row.get(2))).collect()
    }

    /// Pages that the slow query touches, as the server counts them.
    pub(crate) async fn pages_of_the_slow_query(&self) -> u64 {
        let sql = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id, created FROM orders WHERE customer = 7
                   ORDER BY created DESC LIMIT 10";
        let plan: serde_json::Value =
            serde_json::from_str(&self.rows(sql).await[0].get_unchecked::<String, _>(0)).expect("a plan");
        let pages = |name: &str| plan[0]["Plan"][name].as_u64().expect("counted");
        pages("Shared Hit Blocks") + pages("Shared Read Blocks")
    }
}

/// The demo's file, read beside the program that has it open.
pub(crate) struct Demo(pub(crate) PathBuf);

impl Demo {
    async fn rows(&self, sql: &'static str) -> Vec<sqlite::SqliteRow> {
        let options = sqlite::SqliteConnectOptions::new().filename(&self.0).read_only(true);
        let mut c = sqlx::SqliteConnection::connect_with(&options).await.expect("the demo's file");
        let rows = sqlx::query(sql).fetch_all(&mut c).await.expect("an answer");
        c.close().await.expect("closed");
        rows
    }

    /// The names of its indexes and the statements that made them.
    pub(crate) async fn indexes(&self) -> BTreeMap<String, String> {
        let rows = self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// The plan of its slow statement.
    pub(crate) async fn plan(&self) -> String {
        let sql = "EXPLAIN QUERY PLAN SELECT id, user_id, staff_id, starts_at, status FROM appointments
                   WHERE staff_id = 1 ORDER BY starts_at DESC LIMIT 20";
        self.rows(sql).await.iter().map(|row| row.get::<String, _>(3)).collect::<Vec<_>>().join("; ")
    }
}
