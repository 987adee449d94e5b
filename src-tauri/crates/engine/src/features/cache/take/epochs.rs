//! Invalidation by epochs: one value for another, and back. Nothing is removed, so that no snapshot is needed.
use std::time::Instant;

use perfdeck_cache::take::{Moved, moved, moved_in_memory, stand, stand_in_memory};
use perfdeck_model::{ApiError, ErrorCode, InvalidationStage, RestoredKeys, Says, TakenKeys, TargetSays};

use super::book::Files;
use super::plan::Plan;
use crate::core::changes::At;
use crate::features::cache::door::CacheDoor;

async fn swap(at: At<'_>, plan: &Plan, back: bool) -> Result<Moved, ApiError> {
    match at.engine.cache_of(&at.environment.id).await?.1 {
        CacheDoor::Memory(cache) => Ok(moved_in_memory(&cache, &plan.epochs, back).await),
        CacheDoor::Server { target, password } => moved(&target, password.as_ref(), &plan.epochs, back).await,
    }
}

fn others(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("Somebody else invalidated it meanwhile, so {what}"))
}

/// Changes the epochs.
pub(super) async fn applied(at: At<'_>, plan: &Plan) -> Result<TakenKeys, ApiError> {
    let began = Instant::now();
    let files = Files::of(&at.engine.core.data_dir, &plan.token);
    let mut book = files.read()?;
    let done = swap(at, plan, false).await?;
    if done.done == 0 && done.others > 0 {
        return Err(others("nothing was changed")
            .hint("What was filled before is not served any more; plan it anew for what was filled since"));
    }
    let taken = TakenKeys {
        epochs: Some(f64::from(done.done)),
        changed: f64::from(done.others),
        gone: f64::from(done.gone),
        seconds: began.elapsed().as_secs_f64(),
        ..TakenKeys::default()
    };
    (book.stage, book.taken) = (InvalidationStage::Taken, Some(taken.clone()));
    files.write(&book)?;
    Ok(taken)
}

/// Puts the old epochs back, where nobody else changed them.
pub(super) async fn undone(at: At<'_>, plan: &Plan) -> Result<(), ApiError> {
    let began = Instant::now();
    let files = Files::of(&at.engine.core.data_dir, &plan.token);
    let mut book = files.read()?;
    let done = swap(at, plan, true).await?;
    if done.done == 0 && done.others > 0 {
        return Err(others("nothing was put back")
            .hint("Their invalidation stands: what was filled before it would be served otherwise"));
    }
    book.stage = InvalidationStage::Undone;
    book.restored = Some(RestoredKeys {
        kept: plan.epochs.len() as f64,
        restored: f64::from(done.done),
        recreated: f64::from(done.others),
        expired: f64::from(done.gone),
        seconds: began.elapsed().as_secs_f64(),
        ..RestoredKeys::default()
    });
    files.write(&book)
}

fn epochs(n: f64) -> String {
    if n == 1.0 { "1 epoch".to_owned() } else { format!("{n:.0} epochs") }
}

/// What the target says of the epochs.
pub(super) async fn asked(at: At<'_>, plan: &Plan) -> Result<TargetSays, ApiError> {
    let book = Files::of(&at.engine.core.data_dir, &plan.token).read()?;
    let now = match at.engine.cache_of(&at.environment.id).await?.1 {
        CacheDoor::Memory(cache) => stand_in_memory(&cache, &plan.epochs).await,
        CacheDoor::Server { target, password } => stand(&target, password.as_ref(), &plan.epochs).await?,
    };
    let all = u32::try_from(plan.epochs.len()).unwrap_or(u32::MAX);
    let old = all.saturating_sub(now.done + now.others + now.gone);
    if book.stage == InvalidationStage::Undone {
        let restored = book.restored.unwrap_or_default();
        let mut text = format!("{} put back", epochs(restored.restored));
        for (n, what) in
            [(restored.recreated, "changed by somebody else meanwhile, and left"), (restored.expired, "gone")]
        {
            if n > 0.0 {
                text.push_str(&format!("; {} {what}", epochs(n)));
            }
        }
        return Ok(TargetSays::new(Says::AsBefore, text));
    }
    if old == all {
        return Ok(TargetSays::new(Says::AsBefore, "no epoch was changed"));
    }
    if book.stage == InvalidationStage::Planned && now.done == 0 {
        return Ok(TargetSays::new(Says::AsBefore, "nothing was changed by it; somebody else invalidated it"));
    }
    let mut text = format!("{} changed", epochs(f64::from(all - old)));
    if now.others > 0 {
        text.push_str(&format!("; {} by somebody else since, which undoing leaves", epochs(f64::from(now.others))));
    }
    if now.gone > 0 {
        text.push_str(&format!("; {} gone: nothing under them is served", epochs(f64::from(now.gone))));
    }
    Ok(TargetSays::new(if old > 0 { Says::HalfDone } else { Says::AsApplied }, text))
}
