//! Commands of invalidation. Applying and undoing are those of every change: `changes.apply`, `changes.undo`.
use std::sync::Arc;

use perfdeck_model::{ApiError, Change, Invalidation, InvalidationPreview, InvalidationSpec, UndoKept};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::book::Files;
use super::kind::INVALIDATE;
use super::plan::Plan;
use crate::Engine;
use crate::requests::ById;
use crate::table::{Result, commands};

/// Plans an invalidation.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct InvalidationPlan {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// What is to be done with which keys.
    pub spec: InvalidationSpec,
}

/// Lets an invalidation wait, or go on.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct InvalidationPause {
    /// Identifier of the change.
    pub id: String,
    /// Whether it is to wait.
    pub paused: bool,
}

commands! {
    Target Json "cache.plan_invalidation" (InvalidationPlan) -> Invalidation, changes [Changes] => plan_invalidation;
    Read Json "cache.invalidation" (ById) -> Invalidation, changes [] => invalidation;
    Write Json "cache.pause_invalidation" (InvalidationPause) -> Invalidation, changes [Changes] => pause_invalidation;
}

/// Looks at keys and says what invalidating them would do, within 20 s. Nothing is altered.
pub async fn plan_invalidation(engine: Arc<Engine>, request: InvalidationPlan) -> Result<Invalidation> {
    let object = serde_json::to_string(&request.spec).map_err(|e| ApiError::internal(e.to_string()))?;
    let id = engine.cache_of(&request.environment_id).await?.0.id;
    let change = engine.plan_change(INVALIDATE, &id, &object, None).await?;
    told(&engine, change).await
}

/// An invalidation: what was predicted, and what came so far.
pub async fn invalidation(engine: Arc<Engine>, request: ById) -> Result<Invalidation> {
    let change = engine.change(&request.id, true).await?;
    told(&engine, change).await
}

/// Lets an invalidation of this process wait between two batches, or go on.
pub async fn pause_invalidation(engine: Arc<Engine>, request: InvalidationPause) -> Result<Invalidation> {
    let change = engine.change(&request.id, true).await?;
    let plan = plan_of(&engine, &change).await?;
    engine.cache.take.pause(&plan.token, request.paused && change.state.is_moving());
    told(&engine, change).await
}

async fn plan_of(engine: &Engine, change: &Change) -> Result<Plan> {
    if change.kind != INVALIDATE {
        return Err(ApiError::bad_request("This change invalidates no keys"));
    }
    let stored = engine.core.store.change(&change.id).await?;
    Plan::read(stored.as_ref().map_or(&serde_json::Value::Null, |s| s.own()))
}

async fn told(engine: &Arc<Engine>, change: Change) -> Result<Invalidation> {
    let plan = plan_of(engine, &change).await?;
    let book = Files::of(&engine.core.data_dir, &plan.token).read()?;
    let seen = engine.cache.take.shown(&plan.token);
    let (share, loads, time_s, agree) = (plan.share(), plan.extra_loads(), plan.time_s(), plan.agree());
    let loads_over_s = plan.loads_over_s();
    let kept = matches!(plan.undo, UndoKept::File | UndoKept::ThisRun);
    let undo_over = kept && book.is_over(engine.core.clock.now_ms());
    let surveyed = plan.surveyed;
    let preview = InvalidationPreview {
        matched: surveyed.matched,
        database_keys: surveyed.database_keys,
        share,
        looked_through: surveyed.looked_through,
        looked_at: surveyed.looked_at,
        bytes: surveyed.bytes,
        types: surveyed.types,
        ttl: surveyed.ttl,
        examples: seen.as_ref().map(|s| s.examples.clone()),
        oversized: surveyed.oversized,
        oversized_keys: seen.map(|s| s.oversized),
        readers: surveyed.readers,
        extra_loads_per_s: loads.map(|(value, ..)| value),
        extra_loads_bounds: loads.map(|(_, low, high)| (low, high)),
        extra_loads_over_s: loads_over_s,
        by: plan.by,
        time_s,
        undo: plan.undo,
        not_restored: surveyed.not_restored,
        agree,
    };
    Ok(Invalidation {
        detail: engine.change_detail(change).await?,
        preview,
        stage: book.stage,
        paused: engine.cache.take.is_paused(&plan.token),
        taken: book.taken,
        restored: book.restored,
        undo_until_ms: book.until_ms,
        undo_over,
    })
}
