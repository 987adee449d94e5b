//! The journal: entries are added, read and, after a long time, forgotten; never edited.
use perfdeck_model::{ApiError, JournalEntry};
use sqlx::{Row, SqliteConnection};

use super::{Store, document, text};

/// Adds an entry, whose document is `doc`, within whatever the connection is in.
pub(crate) async fn put_entry(
    connection: &mut SqliteConnection,
    entry: &JournalEntry,
    doc: &str,
) -> Result<(), sqlx::Error> {
    let kind = serde_json::to_value(entry.kind).ok();
    sqlx::query("INSERT INTO journal (at_ms, environment_id, kind, doc) VALUES (?, ?, ?, ?)")
        .bind(entry.at_ms)
        .bind(&entry.environment_id)
        .bind(kind.as_ref().and_then(|k| k.as_str()).unwrap_or_default())
        .bind(doc)
        .execute(connection)
        .await
        .map(drop)
}

impl Store {
    pub(crate) async fn put_journal(&self, entry: &JournalEntry) -> Result<(), ApiError> {
        let doc = text(entry)?;
        let work = async { put_entry(&mut *self.pool.acquire().await?, entry, &doc).await };
        work.await.map_err(|e| self.fail(&e))
    }

    /// The newest entries first, at most `limit`.
    pub(crate) async fn journal(
        &self,
        environment_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, ApiError> {
        let rows = sqlx::query(
            "SELECT doc FROM journal WHERE (?1 IS NULL OR environment_id = ?1) ORDER BY at_ms DESC, id DESC LIMIT ?2",
        )
        .bind(environment_id)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }
}
