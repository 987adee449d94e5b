//! Runs with the environment's series and the histograms of their seconds.
use perfdeck_model::{ApiError, Run, RunSummary};
use sqlx::Row;

use crate::core::store::{Store, text};

impl Store {
    /// Stores a run with the environment's series and the histograms of its seconds, in one transaction; what is `None`
    /// stays as it was.
    pub(crate) async fn put_run(
        &self,
        run: &Run,
        series: Option<Vec<u8>>,
        seconds: Option<Vec<u8>>,
    ) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO runs (id, environment_id, started_ms, summary, doc, series, seconds) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET summary = excluded.summary, doc = excluded.doc,
                series = coalesce(excluded.series, runs.series), seconds = coalesce(excluded.seconds, runs.seconds)",
        )
        .bind(&run.id)
        .bind(&run.environment_id)
        .bind(run.started_ms)
        .bind(text(&RunSummary::from(run))?)
        .bind(text(run)?)
        .bind(series)
        .bind(seconds)
        .execute(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn runs(&self, environment_id: Option<&str>) -> Result<Vec<RunSummary>, ApiError> {
        self.list(
            "SELECT summary FROM runs WHERE deleted_ms IS NULL AND (?1 IS NULL OR environment_id = ?1)
             ORDER BY started_ms DESC",
            environment_id,
        )
        .await
    }

    pub(crate) async fn run(&self, id: &str) -> Result<Option<Run>, ApiError> {
        self.one("SELECT doc FROM runs WHERE id = ? AND deleted_ms IS NULL", id).await
    }

    pub(crate) async fn run_series(&self, id: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT series FROM runs WHERE id = ? AND deleted_ms IS NULL")
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(row.flatten())
    }

    /// The histograms of a run's seconds.
    pub(crate) async fn run_seconds(&self, id: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT seconds FROM runs WHERE id = ? AND deleted_ms IS NULL")
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(row.flatten())
    }

    pub(crate) async fn set_run_deleted(&self, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        self.mark("UPDATE runs SET deleted_ms = ? WHERE id = ?", id, deleted_ms).await
    }

    pub(crate) async fn run_counts(&self) -> Result<Vec<(Option<String>, u32)>, ApiError> {
        let rows =
            sqlx::query("SELECT environment_id, count(*) FROM runs WHERE deleted_ms IS NULL GROUP BY environment_id")
                .fetch_all(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(rows.iter().map(|r| (r.get(0), r.get::<u32, _>(1))).collect())
    }
}
