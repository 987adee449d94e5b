//! Bloat of one index: what measuring it costs, the measurement as a job, and what was measured.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{ApiError, DatabaseSizes, IndexBloat, JobResult, JobState, JobStatus, MeasuredBloat};
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::place::{Place, kept, place_of};
use crate::Engine;
use crate::core::store::{Store, text};
use crate::table::Result;

/// The kind of the job.
const KIND: &str = "bloat";

/// Names an index.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct BloatRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Name of the index as the list of sizes has it, with its schema.
    pub index: String,
}

/// What measuring the bloat of an index costs, whether it is possible, and what was measured last.
pub async fn db_bloat(engine: Arc<Engine>, request: BloatRequest) -> Result<IndexBloat> {
    let (environment, address, password) = engine.database_of(&request.environment_id).await?;
    let mut found = perfdeck_database::index_bloat(&address, password.as_ref(), &request.index).await?;
    let mut kept = engine.bloat(&place_of(&environment)?, Some(&found.index)).await?;
    found.measured = kept.remove(&found.index);
    Ok(found)
}

/// Measures the bloat of an index as a job whose result is its name. Stopped, it ends on the server too.
pub async fn db_measure_bloat(engine: Arc<Engine>, request: BloatRequest) -> Result<JobStatus> {
    let (environment, address, password) = engine.database_of(&request.environment_id).await?;
    let place = place_of(&environment)?;
    // What is not possible is refused before there is a job.
    let cost = perfdeck_database::index_bloat(&address, password.as_ref(), &request.index).await?;
    let title = format!("Bloat of {}", cost.index);
    // One is enough: who asks again follows it.
    let same = |job: &JobStatus| {
        job.kind == KIND
            && job.state == JobState::Running
            && job.title == title
            && job.environment_id.as_ref() == Some(&environment.id)
    };
    if let Some(job) = engine.core.jobs.list().into_iter().find(same) {
        return Ok(job);
    }
    let of = engine.clone();
    Ok(engine.core.jobs.spawn(KIND, title, Some(environment.id), move |job| async move {
        // The server tells nothing of how far it is.
        job.progress(None, &format!("reading {}, at most 60 s", words::bytes(cost.reads_bytes)));
        let stop = job.cancel.clone().cancelled_owned();
        let found = perfdeck_database::measure_bloat(&address, password.as_ref(), &cost.index, stop).await?;
        let measured = found.measured.ok_or_else(|| ApiError::internal("It was measured"))?;
        let measured = MeasuredBloat { at_ms: of.core.clock.now_ms(), ..measured };
        of.put_bloat(place, &found.index, measured).await?;
        Ok(Some(JobResult::Bloat(found.index)))
    }))
}

/// What was measured in environments of this process only, which leave nothing in the store.
pub(crate) type Unstored = Mutex<HashMap<Place, HashMap<String, MeasuredBloat>>>;

impl Engine {
    async fn put_bloat(&self, place: Place, index: &str, measured: MeasuredBloat) -> Result<()> {
        if self.environments.process_only.get(&place.environment_id).is_none() {
            return self.core.store.put_bloat(&place, index, &measured).await;
        }
        let mut unstored = self.database.bloat.lock().unwrap_or_else(PoisonError::into_inner);
        unstored.entry(place).or_default().insert(index.to_owned(), measured);
        Ok(())
    }

    /// What was measured, by the name of the index: of one, or of all.
    async fn bloat(&self, place: &Place, index: Option<&str>) -> Result<HashMap<String, MeasuredBloat>> {
        let mut kept = self.core.store.bloat(place, index).await?;
        let unstored = self.database.bloat.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(unstored.get(place).into_iter().flatten().map(|(name, found)| (name.clone(), found.clone())));
        Ok(kept)
    }

    /// Says of each index what was measured of it last.
    pub(super) async fn with_bloat(&self, place: &Place, sizes: &mut DatabaseSizes) -> Result<()> {
        let mut kept = self.bloat(place, None).await?;
        if kept.is_empty() {
            return Ok(());
        }
        for index in sizes.tables.iter_mut().flat_map(|table| &mut table.indexes) {
            index.measured = kept.remove(&index.name);
        }
        Ok(())
    }
}

impl Store {
    async fn put_bloat(&self, place: &Place, index: &str, measured: &MeasuredBloat) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO measured_bloat VALUES (?, ?, ?, ?, ?)")
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(index)
            .bind(measured.at_ms)
            .bind(text(measured)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    async fn bloat(&self, place: &Place, index: Option<&str>) -> Result<HashMap<String, MeasuredBloat>> {
        let rows = sqlx::query(
            "SELECT name, doc FROM measured_bloat WHERE environment_id = ?1 AND target = ?2 AND (?3 IS NULL OR name = ?3)",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(index)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(kept(&rows).collect())
    }
}
