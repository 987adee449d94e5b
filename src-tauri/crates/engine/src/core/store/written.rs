//! Tables that were written, by this program or by another one: triggers of the schema count it.
use std::collections::BTreeMap;

use perfdeck_model::Tag;
use sqlx::{Row, SqliteConnection};

use super::Store;

/// State of the store as it was known when it was looked at last.
#[derive(Default)]
pub(crate) struct Written {
    version: Option<i64>,
    counts: BTreeMap<String, i64>,
}

impl Written {
    /// Tags of the tables that other connections wrote since the last call; none at the first one. Always to be called with
    /// the same connection.
    pub(crate) async fn since(&mut self, store: &Store, connection: &mut SqliteConnection) -> Vec<Tag> {
        let Some(version) = store.data_version(connection).await else { return Vec::new() };
        if self.version == Some(version) {
            return Vec::new();
        }
        // What cannot be read now is read at the next call.
        let Ok(rows) = sqlx::query("SELECT name, n FROM written").fetch_all(connection).await else {
            return Vec::new();
        };
        let counts: BTreeMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let first = self.version.is_none();
        let old = std::mem::replace(self, Self { version: Some(version), counts });
        let wrote = |table: &str| self.counts.get(table) != old.counts.get(table);
        Tag::ALL.iter().copied().filter(|tag| !first && tag.table().is_some_and(wrote)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_table_that_a_screen_lists_tells_when_it_is_written() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (store, other) =
            (Store::open(dir.path()).await.expect("opens"), Store::open(dir.path()).await.expect("opens twice"));
        let mut connection = store.connection().await.expect("a connection");
        let mut written = Written::default();
        assert!(written.since(&store, &mut connection).await.is_empty(), "what was before is not news");
        for (tag, table) in Tag::ALL.iter().filter_map(|tag| tag.table().map(|table| (*tag, table))) {
            let columns: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA table_info({table})")))
                .fetch_all(&other.pool)
                .await
                .expect("its columns")
                .iter()
                .map(|row| row.get(1))
                .collect();
            let values = vec!["1"; columns.len()].join(", ");
            let first = &columns[0];
            for sql in [
                format!("INSERT INTO {table} VALUES ({values})"),
                format!("UPDATE {table} SET {first} = 2"),
                format!("DELETE FROM {table}"),
            ] {
                sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&other.pool).await.expect("written");
                assert_eq!(written.since(&store, &mut connection).await, [tag], "{sql}: it and no other");
                assert!(written.since(&store, &mut connection).await.is_empty(), "{sql}: told once");
            }
        }
        sqlx::query("INSERT INTO noise VALUES ('w', 'e', 1, '{}')").execute(&other.pool).await.expect("written");
        assert!(written.since(&store, &mut connection).await.is_empty(), "what no screen lists tells nothing");
    }
}
