//! Saved plans, and the names of baselines.
use perfdeck_model::{ApiError, ErrorCode};
use sqlx::Row;

use crate::core::store::Store;
use crate::features::bench::insights::Baseline;
use crate::features::bench::plans::SavedPlan;

impl Store {
    pub(crate) async fn plans(&self) -> Result<Vec<SavedPlan>, ApiError> {
        let rows = sqlx::query("SELECT id, name, toml, updated_ms FROM plans ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        let plan = |r: &sqlx::sqlite::SqliteRow| SavedPlan {
            id: r.get(0),
            name: r.get(1),
            toml: r.get(2),
            updated_ms: r.get(3),
        };
        Ok(rows.iter().map(plan).collect())
    }

    pub(crate) async fn put_plan(&self, plan: &SavedPlan) -> Result<(), ApiError> {
        let result = sqlx::query(
            "INSERT INTO plans (id, name, toml, updated_ms) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, toml = excluded.toml, updated_ms = excluded.updated_ms",
        )
        .bind(&plan.id)
        .bind(&plan.name)
        .bind(&plan.toml)
        .bind(plan.updated_ms)
        .execute(&self.pool)
        .await;
        result.map(drop).map_err(|e| match &e {
            sqlx::Error::Database(d) if d.is_unique_violation() => {
                ApiError::new(ErrorCode::Conflict, format!("A plan named '{}' exists already", plan.name))
                    .hint("Change `name` in the plan's text")
            }
            _ => self.fail(&e),
        })
    }

    pub(crate) async fn delete_plan(&self, id: &str) -> Result<bool, ApiError> {
        let done = sqlx::query("DELETE FROM plans WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn baselines(&self) -> Result<Vec<Baseline>, ApiError> {
        let rows = sqlx::query(
            "SELECT b.name, b.run_id, b.created_ms FROM baselines b JOIN runs r ON r.id = b.run_id
             WHERE r.deleted_ms IS NULL ORDER BY lower(b.name)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(rows.iter().map(|r| Baseline { name: r.get(0), run_id: r.get(1), created_ms: r.get(2) }).collect())
    }

    pub(crate) async fn put_baseline(&self, baseline: &Baseline) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO baselines (name, run_id, created_ms) VALUES (?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET run_id = excluded.run_id, created_ms = excluded.created_ms",
        )
        .bind(&baseline.name)
        .bind(&baseline.run_id)
        .bind(baseline.created_ms)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|e| self.fail(&e))
    }

    pub(crate) async fn delete_baseline(&self, name: &str) -> Result<bool, ApiError> {
        let done = sqlx::query("DELETE FROM baselines WHERE name = ?")
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }
}
