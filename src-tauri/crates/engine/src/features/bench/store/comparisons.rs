//! Comparisons and knees.
use perfdeck_model::ApiError;

use crate::core::store::{Store, text};
use crate::features::bench::comparisons::StoredComparison;
use crate::features::bench::knees::StoredKnee;

impl Store {
    pub(crate) async fn put_comparison(&self, comparison: &StoredComparison) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO comparisons (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&comparison.id)
            .bind(&comparison.environment_id)
            .bind(comparison.created_ms)
            .bind(text(comparison)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn comparisons(&self, environment_id: Option<&str>) -> Result<Vec<StoredComparison>, ApiError> {
        self.list(
            "SELECT doc FROM comparisons WHERE deleted_ms IS NULL AND (?1 IS NULL OR environment_id = ?1)
             ORDER BY created_ms DESC",
            environment_id,
        )
        .await
    }

    pub(crate) async fn comparison(&self, id: &str) -> Result<Option<StoredComparison>, ApiError> {
        self.one("SELECT doc FROM comparisons WHERE id = ? AND deleted_ms IS NULL", id).await
    }

    pub(crate) async fn set_comparison_deleted(&self, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        self.mark("UPDATE comparisons SET deleted_ms = ? WHERE id = ?", id, deleted_ms).await
    }

    pub(crate) async fn put_knee(&self, knee: &StoredKnee) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO knees (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&knee.id)
            .bind(&knee.environment_id)
            .bind(knee.created_ms)
            .bind(text(knee)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn knee(&self, id: &str) -> Result<Option<StoredKnee>, ApiError> {
        self.one("SELECT doc FROM knees WHERE id = ? AND deleted_ms IS NULL", id).await
    }

    /// The newest first.
    pub(crate) async fn knees(&self, environment_id: Option<&str>) -> Result<Vec<StoredKnee>, ApiError> {
        self.list(
            "SELECT doc FROM knees WHERE deleted_ms IS NULL AND (?1 IS NULL OR environment_id = ?1)
             ORDER BY created_ms DESC",
            environment_id,
        )
        .await
    }

    pub(crate) async fn set_knee_deleted(&self, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        self.mark("UPDATE knees SET deleted_ms = ? WHERE id = ?", id, deleted_ms).await
    }
}
