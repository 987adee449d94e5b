//! What requests cost.
use perfdeck_model::ApiError;

use crate::core::store::{Store, text};
use crate::features::bench::cost::answer::RequestCost;

impl Store {
    pub(crate) async fn put_cost(&self, cost: &RequestCost) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO costs (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&cost.id)
            .bind(&cost.environment_id)
            .bind(cost.created_ms)
            .bind(text(cost)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn cost(&self, id: &str) -> Result<Option<RequestCost>, ApiError> {
        self.one("SELECT doc FROM costs WHERE id = ?", id).await
    }

    /// The newest first.
    pub(crate) async fn costs(&self, environment_id: Option<&str>) -> Result<Vec<RequestCost>, ApiError> {
        self.list(
            "SELECT doc FROM costs WHERE ?1 IS NULL OR environment_id = ?1 ORDER BY created_ms DESC",
            environment_id,
        )
        .await
    }
}
