//! Environments, as documents with a name that is unique among those that are not deleted.
use perfdeck_model::{ApiError, Environment, ErrorCode};
use sqlx::Row;

use crate::core::store::{Store, document, text};

/// Somebody else saved an environment after it was read to be edited.
pub(crate) fn changed_meanwhile(name: &str) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("'{name}' was changed elsewhere meanwhile; nothing was saved"))
        .hint("Look at what is stored now, and change that")
}

impl Store {
    pub(crate) async fn environments(&self) -> Result<Vec<Environment>, ApiError> {
        let rows = sqlx::query("SELECT doc FROM environments WHERE deleted_ms IS NULL ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }

    pub(crate) async fn environment(&self, id: &str) -> Result<Option<Environment>, ApiError> {
        self.one("SELECT doc FROM environments WHERE id = ? AND deleted_ms IS NULL", id).await
    }

    /// Inserts, or replaces what was `updated_ms` then. The name must be free among the environments that are not deleted.
    pub(crate) async fn put_environment(
        &self,
        environment: &Environment,
        replaced_ms: Option<f64>,
    ) -> Result<(), ApiError> {
        let result = sqlx::query(
            "INSERT INTO environments (id, name, doc, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc,
                updated_ms = excluded.updated_ms, deleted_ms = NULL WHERE updated_ms = ?",
        )
        .bind(&environment.id)
        .bind(&environment.name)
        .bind(text(environment)?)
        .bind(environment.created_ms)
        .bind(environment.updated_ms)
        .bind(replaced_ms)
        .execute(&self.pool)
        .await;
        match self.named(result, &environment.name)?.rows_affected() {
            0 => Err(changed_meanwhile(&environment.name)),
            _ => Ok(()),
        }
    }

    fn named<T>(&self, result: Result<T, sqlx::Error>, name: &str) -> Result<T, ApiError> {
        result.map_err(|e| match &e {
            sqlx::Error::Database(d) if d.is_unique_violation() => {
                ApiError::new(ErrorCode::Conflict, format!("An environment named '{name}' exists already"))
                    .hint("Choose another name")
            }
            _ => self.fail(&e),
        })
    }

    pub(crate) async fn delete_environment(&self, id: &str, now_ms: f64) -> Result<bool, ApiError> {
        let done = sqlx::query("UPDATE environments SET deleted_ms = ? WHERE id = ? AND deleted_ms IS NULL")
            .bind(now_ms)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn restore_environment(&self, id: &str) -> Result<Option<Environment>, ApiError> {
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM environments WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        let Some(name) = name else { return Ok(None) };
        let result =
            sqlx::query("UPDATE environments SET deleted_ms = NULL WHERE id = ?").bind(id).execute(&self.pool).await;
        self.named(result, &name)?;
        self.environment(id).await
    }
}
