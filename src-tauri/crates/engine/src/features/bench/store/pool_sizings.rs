//! Sizes of pools.
use perfdeck_model::ApiError;

use crate::core::store::{Store, text};
use crate::features::bench::pool_size::answer::PoolSizing;

impl Store {
    pub(crate) async fn put_pool_sizing(&self, sizing: &PoolSizing) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO pool_sizings (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&sizing.id)
            .bind(&sizing.environment_id)
            .bind(sizing.created_ms)
            .bind(text(sizing)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn pool_sizing(&self, id: &str) -> Result<Option<PoolSizing>, ApiError> {
        self.one("SELECT doc FROM pool_sizings WHERE id = ?", id).await
    }

    /// The newest first.
    pub(crate) async fn pool_sizings(&self, environment_id: Option<&str>) -> Result<Vec<PoolSizing>, ApiError> {
        self.list(
            "SELECT doc FROM pool_sizings WHERE ?1 IS NULL OR environment_id = ?1 ORDER BY created_ms DESC",
            environment_id,
        )
        .await
    }
}
