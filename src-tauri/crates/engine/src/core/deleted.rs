//! What was deleted and can still be restored.
use perfdeck_model::ApiError;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use ts_rs::TS;

use crate::core::store::{Store, UNDO_MS};

/// Kind of a deleted thing, which names the command that restores it: `run.restore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletedKind {
    /// An environment.
    Environment,
    /// A benchmark's run.
    Run,
    /// A comparison; its runs are apart from it.
    Comparison,
    /// A search for the knee; its runs are apart from it.
    Knee,
    /// A written report, with its files.
    Report,
}

/// A deleted thing that can still be restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DeletedItem {
    /// What it is.
    pub kind: DeletedKind,
    /// Stable identifier.
    pub id: String,
    /// Its name when it was deleted.
    pub name: String,
    /// Name of the environment that it belongs to; of an environment its own.
    pub environment: Option<String>,
    /// Time of the deletion, in milliseconds since the Unix epoch.
    pub deleted_ms: f64,
    /// Time after which it is gone, in milliseconds since the Unix epoch.
    pub until_ms: f64,
}

/// One list for each kind; columns: identifier, name, name of the environment, time of the deletion.
const DELETED: [(DeletedKind, &str); 5] = [
    (DeletedKind::Environment, "SELECT id, name, name, deleted_ms FROM environments WHERE deleted_ms >= ?"),
    (
        DeletedKind::Run,
        "SELECT r.id, r.summary ->> '$.name', coalesce(e.name, r.environment_id), r.deleted_ms
         FROM runs r LEFT JOIN environments e ON e.id = r.environment_id WHERE r.deleted_ms >= ?",
    ),
    (
        DeletedKind::Comparison,
        "SELECT c.id, c.doc ->> '$.name', coalesce(e.name, c.environment_id), c.deleted_ms
         FROM comparisons c LEFT JOIN environments e ON e.id = c.environment_id WHERE c.deleted_ms >= ?",
    ),
    (
        DeletedKind::Knee,
        "SELECT k.id, k.doc ->> '$.name', coalesce(e.name, k.environment_id), k.deleted_ms
         FROM knees k LEFT JOIN environments e ON e.id = k.environment_id WHERE k.deleted_ms >= ?",
    ),
    (
        DeletedKind::Report,
        "SELECT id, doc ->> '$.title', doc ->> '$.environment_name', deleted_ms FROM reports WHERE deleted_ms >= ?",
    ),
];

impl Store {
    /// What can still be restored, the last deletion first.
    pub(crate) async fn deleted(&self, now_ms: f64) -> Result<Vec<DeletedItem>, ApiError> {
        let mut all = Vec::new();
        for (kind, sql) in DELETED {
            let rows =
                sqlx::query(sql).bind(now_ms - UNDO_MS).fetch_all(&self.pool).await.map_err(|e| self.fail(&e))?;
            all.extend(rows.iter().map(|row| {
                let deleted_ms: f64 = row.get(3);
                DeletedItem {
                    kind,
                    id: row.get(0),
                    name: row.get(1),
                    environment: row.get(2),
                    deleted_ms,
                    until_ms: deleted_ms + UNDO_MS,
                }
            }));
        }
        all.sort_by(|a, b| b.deleted_ms.total_cmp(&a.deleted_ms));
        Ok(all)
    }
}
