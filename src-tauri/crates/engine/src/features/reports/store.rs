//! The list of written reports.
use perfdeck_model::{ApiError, ReportFile};
use sqlx::Row;

use crate::core::store::{Store, document, text};

impl Store {
    /// Adds a report to the list, or changes it there.
    pub(crate) async fn put_report(&self, report: &ReportFile) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO reports (id, created_ms, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
        )
        .bind(&report.id)
        .bind(report.created_ms)
        .bind(text(report)?)
        .execute(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    /// The newest first.
    pub(crate) async fn reports(&self) -> Result<Vec<ReportFile>, ApiError> {
        self.list("SELECT doc FROM reports WHERE deleted_ms IS NULL AND ?1 IS NULL ORDER BY created_ms DESC", None)
            .await
    }

    pub(crate) async fn report(&self, id: &str) -> Result<Option<ReportFile>, ApiError> {
        self.one("SELECT doc FROM reports WHERE id = ? AND deleted_ms IS NULL", id).await
    }

    pub(crate) async fn set_report_deleted(&self, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        self.mark("UPDATE reports SET deleted_ms = ? WHERE id = ?", id, deleted_ms).await
    }

    /// Forgets the reports that were deleted before a time, and answers them.
    pub(crate) async fn forget_reports(&self, before_ms: f64) -> Result<Vec<ReportFile>, ApiError> {
        let rows = sqlx::query("DELETE FROM reports WHERE deleted_ms < ? RETURNING doc")
            .bind(before_ms)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }
}
