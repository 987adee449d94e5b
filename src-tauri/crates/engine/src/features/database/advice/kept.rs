//! What is kept of advice: the last one of a database, and where the use of `HypoPG` stands there.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use perfdeck_model::{ApiError, IndexAdvice, Tag};

use crate::Engine;
use crate::core::store::{Store, text};
use crate::features::database::place::{Place, kept};

/// A person's word about `HypoPG`, or what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Nobody said anything.
    Open,
    /// Somebody agreed to its use.
    Agreed,
    /// A session died while it was used, and nobody agreed since.
    Quarantined,
}

impl Agreement {
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Agreed => Some("agreed"),
            Self::Quarantined => Some("quarantined"),
        }
    }
}

/// What is known of databases of this process only, which leave nothing in the store.
#[derive(Default)]
pub(crate) struct Unstored {
    advice: Mutex<HashMap<Place, IndexAdvice>>,
    agreements: Mutex<HashMap<Place, Agreement>>,
}

impl Engine {
    fn leaves_nothing(&self, place: &Place) -> bool {
        self.environments.process_only.get(&place.environment_id).is_some()
    }

    /// The last advice of a database.
    pub(super) async fn last_advice(&self, place: &Place) -> Result<Option<IndexAdvice>, ApiError> {
        if self.leaves_nothing(place) {
            let all = self.database.advice.advice.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(all.get(place).cloned());
        }
        self.core.store.advice(place).await
    }

    /// Keeps advice over the one before.
    pub(super) async fn keep_advice(&self, place: Place, advice: IndexAdvice) -> Result<(), ApiError> {
        if self.leaves_nothing(&place) {
            self.database.advice.advice.lock().unwrap_or_else(PoisonError::into_inner).insert(place, advice);
        } else {
            self.core.store.put_advice(&place, &advice).await?;
        }
        self.core.changed(&[Tag::Advice]);
        Ok(())
    }

    /// Where the use of `HypoPG` in a database stands.
    pub(super) async fn agreement(&self, place: &Place) -> Result<Agreement, ApiError> {
        if self.leaves_nothing(place) {
            let all = self.database.advice.agreements.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(all.get(place).copied().unwrap_or(Agreement::Open));
        }
        self.core.store.agreement(place).await
    }

    /// Keeps where it stands.
    pub(super) async fn keep_agreement(&self, place: &Place, agreement: Agreement) -> Result<(), ApiError> {
        if self.leaves_nothing(place) {
            let mut all = self.database.advice.agreements.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(place.clone(), agreement);
            return Ok(());
        }
        self.core.store.put_agreement(place, agreement, self.core.clock.now_ms()).await
    }
}

impl Store {
    async fn advice(&self, place: &Place) -> Result<Option<IndexAdvice>, ApiError> {
        let rows = sqlx::query("SELECT made_ms, doc FROM advice WHERE environment_id = ? AND target = ?")
            .bind(&place.environment_id)
            .bind(&place.target)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(kept::<f64, IndexAdvice>(&rows).map(|(_, advice)| advice).next())
    }

    async fn put_advice(&self, place: &Place, advice: &IndexAdvice) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO advice VALUES (?, ?, ?, ?)
             ON CONFLICT (environment_id, target) DO UPDATE SET made_ms = excluded.made_ms, doc = excluded.doc",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(advice.made_ms)
        .bind(text(advice)?)
        .execute(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    async fn agreement(&self, place: &Place) -> Result<Agreement, ApiError> {
        let state: Option<String> =
            sqlx::query_scalar("SELECT state FROM hypopg_use WHERE environment_id = ? AND target = ?")
                .bind(&place.environment_id)
                .bind(&place.target)
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(match state.as_deref() {
            None => Agreement::Open,
            Some("agreed") => Agreement::Agreed,
            // What a newer Perfdeck wrote is no leave to use it.
            Some(_) => Agreement::Quarantined,
        })
    }

    async fn put_agreement(&self, place: &Place, agreement: Agreement, at_ms: f64) -> Result<(), ApiError> {
        let Some(state) = agreement.column() else {
            sqlx::query("DELETE FROM hypopg_use WHERE environment_id = ? AND target = ?")
                .bind(&place.environment_id)
                .bind(&place.target)
                .execute(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
            return Ok(());
        };
        sqlx::query("INSERT OR REPLACE INTO hypopg_use VALUES (?, ?, ?, ?)")
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(state)
            .bind(at_ms)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }
}
