//! The noise of runs against themselves, by what they do and where.
use perfdeck_model::ApiError;
use sqlx::Row;

use crate::core::store::{Store, document, text};
use crate::features::bench::noise::Noise;

impl Store {
    /// Keeps a noise floor instead of an older one of the same work in the same environment.
    pub(crate) async fn put_noise(&self, noise: &Noise) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO noise (work, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)
             ON CONFLICT (work, environment_id) DO UPDATE SET created_ms = excluded.created_ms, doc = excluded.doc",
        )
        .bind(&noise.work)
        .bind(noise.environment_id.as_deref().unwrap_or_default())
        .bind(noise.created_ms)
        .bind(text(noise)?)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|e| self.fail(&e))
    }

    pub(crate) async fn noise(&self, work: &str, environment_id: Option<&str>) -> Result<Option<Noise>, ApiError> {
        let row = sqlx::query("SELECT doc FROM noise WHERE work = ? AND environment_id = ?")
            .bind(work)
            .bind(environment_id.unwrap_or_default())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }
}
