//! The change `invalidate`.
use std::sync::Mutex;
use std::time::{Duration, Instant};

use perfdeck_cache::take::{
    Order, SOURCE_HAS_THEM, Snapshot, Watch, put_back, records_in, restore, take, take_from_memory, there_again,
};
use perfdeck_model::{
    ApiError, BoxFuture, ErrorCode, InvalidationStage, PreviewFigure, RestoredKeys, Says, SecretSource, TakenKeys,
    TargetRole, TargetSays, UndoKept,
};
use serde_json::Value;

use super::book::{Book, Files, KEPT_MS};
use super::plan::{GOOD_MS, Plan, made};
use super::{epochs, held, words};
use crate::Engine;
use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;
use crate::features::cache::door::CacheDoor;

pub(super) const INVALIDATE: &str = "invalidate";

/// Invalidates keys of a cache.
pub(crate) struct Invalidate;

impl ChangeKind for Invalidate {
    fn name(&self) -> &'static str {
        INVALIDATE
    }

    fn target(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn limit(&self) -> Duration {
        // Ten million keys at a gentle pace, with a pause for lunch.
        Duration::from_secs(12 * 3_600)
    }

    fn winding_up(&self) -> Duration {
        // The batch that it works on, and servers that are waited for in its middle.
        Duration::from_secs(40)
    }

    fn agree(&self, plan: &Value) -> Option<String> {
        Plan::read(plan).ok()?.agree()
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            let plan = made(at, object).await?;
            let undo_statement = words::undo_statement(&plan);
            Ok(Planned {
                object: plan.shown.clone(),
                title: words::title(&plan),
                statement: words::statement(&plan),
                undo_cost: undo_statement
                    .is_some()
                    .then(|| "about the same time; what was written meanwhile is left".to_owned()),
                undo_statement,
                plan: serde_json::to_value(&plan).map_err(|e| ApiError::internal(e.to_string()))?,
                lease_ms: None,
            })
        })
    }

    fn preview<'a>(&'a self, _: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        Box::pin(async move {
            let plan = Plan::read(plan)?;
            Ok(Preview { rows: words::rows(&plan), notes: words::notes(&plan), ..Preview::default() })
        })
    }

    fn apply<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came, ApiError>> {
        Box::pin(async move {
            let plan = Plan::read(plan)?;
            let taken = applied(at, &plan, job).await?;
            if !plan.epochs.is_empty() {
                return Ok(vec![(PreviewFigure::Time, taken.seconds)]);
            }
            Ok(vec![
                (PreviewFigure::Keys, taken.removed),
                (PreviewFigure::Time, taken.seconds),
                (PreviewFigure::KeysOversized, taken.oversized_left + taken.oversized_removed),
            ])
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move { asked(at, &Plan::read(plan)?).await })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move { undone(at, &Plan::read(plan)?, job).await })
    }
}

/// The snapshot to take into, its key kept as it was promised.
async fn snapshot(engine: &Engine, plan: &Plan, book: &mut Book) -> Result<Option<Snapshot>, ApiError> {
    if plan.undo == UndoKept::Not {
        return Ok(None);
    }
    if book.key.is_none() {
        let (_, source) = engine.make_key(&plan.token).await?;
        book.key = Some(source);
    }
    if plan.undo == UndoKept::File && book.key == Some(SecretSource::Session) {
        return Err(ApiError::new(
            ErrorCode::SecretMissing,
            "The keychain does not keep the key of the snapshot any more, so nothing was removed",
        )
        .hint("Plan it anew: it then says for how long it can be undone"));
    }
    Ok(Some(engine.snapshot(&plan.token, book).await?))
}

async fn applied(at: At<'_>, plan: &Plan, job: &JobContext) -> Result<TakenKeys, ApiError> {
    let engine = at.engine;
    let files = Files::of(&engine.core.data_dir, &plan.token);
    let mut book = files.read()?;
    let now = engine.core.clock.now_ms();
    if book.stage == InvalidationStage::Planned && now - plan.made_ms > GOOD_MS {
        return Err(ApiError::new(
            ErrorCode::Conflict,
            "What was seen of these keys is older than 10 minutes, so nothing was removed",
        )
        .hint("Plan it anew"));
    }
    if !plan.epochs.is_empty() {
        return epochs::applied(at, plan).await;
    }
    let meant = plan.meant(at, &book).await?;
    let (_, door) = engine.cache_of(&at.environment.id).await?;
    let (target, password) = match door {
        CacheDoor::Memory(cache) => {
            let mut kept = held(&engine.cache.take.memory).remove(&plan.token).unwrap_or_default();
            let taken = take_from_memory(&cache, &meant, plan.spec.soft_s.is_some(), &mut kept).await;
            held(&engine.cache.take.memory).insert(plan.token.clone(), kept);
            let taken = taken?;
            (book.stage, book.taken) = (InvalidationStage::Taken, Some(taken.clone()));
            files.write(&book)?;
            return Ok(taken);
        }
        CacheDoor::Server { target, password } => (target, password),
    };
    let snapshot = snapshot(engine, plan, &mut book).await?;
    book.stage = InvalidationStage::Taking;
    book.until_ms = snapshot.as_ref().map(|_| now + KEPT_MS);
    // Before anything is removed: what a killed process leaves must be found.
    files.write(&book)?;
    let order = Order {
        target: &target,
        password: password.as_ref(),
        meant: &meant,
        snapshot: snapshot.as_ref(),
        soft: plan.spec.soft_s.map(Duration::from_secs_f64),
        oversized: plan.spec.oversized,
        limit: Some(plan.limit()),
        paced: plan.spec.paced,
        before: book.taken.clone().unwrap_or_default(),
    };
    let noted = Mutex::new((Instant::now(), book.clone()));
    let progress = |taken: &TakenKeys, through: f64| {
        let waits = if engine.cache.take.is_paused(&plan.token) { "paused: " } else { "" };
        job.progress(Some(through), &format!("{waits}{} keys", perfdeck_words::count(taken.removed as u64)));
        let mut noted = held(&noted);
        if noted.0.elapsed() >= Duration::from_secs(1) {
            noted.1.taken = Some(taken.clone());
            noted.0 = Instant::now();
            if let Err(error) = files.write(&noted.1) {
                tracing::warn!(code = ?error.code, "how far an invalidation came could not be stored");
            }
        }
    };
    let stop = || job.cancel.is_cancelled();
    let paused = || engine.cache.take.is_paused(&plan.token);
    let (taken, done) = take(order, Watch { stop: &stop, paused: &paused, progress: &progress }).await;
    engine.cache.take.pause(&plan.token, false);
    let nothing = done.is_err() && taken.removed == 0.0 && taken.oversized_removed == 0.0;
    book.stage = match &done {
        Ok(()) => InvalidationStage::Taken,
        Err(_) if nothing && records_in(&files.snapshot()).unwrap_or(0) == 0 => InvalidationStage::Planned,
        Err(_) => InvalidationStage::Taking,
    };
    book.taken = Some(taken.clone());
    files.write(&book)?;
    done.map(|()| taken)
}

/// What the target and the book say.
async fn asked(at: At<'_>, plan: &Plan) -> Result<TargetSays, ApiError> {
    if !plan.epochs.is_empty() {
        return epochs::asked(at, plan).await;
    }
    let engine = at.engine;
    let files = Files::of(&engine.core.data_dir, &plan.token);
    let book = files.read()?;
    let (_, door) = engine.cache_of(&at.environment.id).await?;
    let CacheDoor::Server { target, password } = door else {
        return Ok(in_memory(engine, plan, &book));
    };
    let taken = book.taken.as_ref().map(|t| words::taken(plan, t)).unwrap_or_default();
    match book.stage {
        InvalidationStage::Planned => {
            perfdeck_cache::clients(&target, password.as_ref()).await?;
            Ok(TargetSays::new(Says::AsBefore, "nothing was removed"))
        }
        InvalidationStage::Undone => {
            let text = book.restored.as_ref().map(words::restored).unwrap_or_default();
            Ok(TargetSays::new(Says::AsBefore, text))
        }
        InvalidationStage::Taken => {
            let again = match engine.snapshot(&plan.token, &book).await {
                Ok(snapshot) if snapshot.path.exists() => {
                    Some(there_again(&target, password.as_ref(), &snapshot).await?)
                }
                _ => {
                    perfdeck_cache::clients(&target, password.as_ref()).await?;
                    None
                }
            };
            let again = match again {
                Some((asked, there)) if there > 0 && plan.spec.soft_s.is_none() => {
                    format!("; of {asked} looked at now {there} are there again")
                }
                _ => String::new(),
            };
            Ok(TargetSays::new(Says::AsApplied, format!("{taken}{again}")))
        }
        InvalidationStage::Taking | InvalidationStage::Undoing => {
            perfdeck_cache::clients(&target, password.as_ref()).await?;
            let stored = records_in(&files.snapshot());
            let text = words::middle(plan, &book, stored);
            if plan.undo == UndoKept::Not {
                return Ok(TargetSays::new(Says::HalfDone, text));
            }
            if book.stage == InvalidationStage::Taking
                && stored == Some(0)
                && book.taken.as_ref().is_none_or(|t| t.removed == 0.0)
            {
                return Ok(TargetSays::new(Says::AsBefore, "nothing was removed"));
            }
            match engine.file_key(&plan.token, book.key.as_ref()).await {
                Ok(_) => Ok(TargetSays::new(Says::HalfDone, text)),
                // Neither its end nor its undoing can be done: what is so stays so.
                Err(_) => Ok(TargetSays::new(
                    Says::AsApplied,
                    format!("{text}; the key of its snapshot is gone with the run that took them, or locked away"),
                )),
            }
        }
    }
}

fn in_memory(engine: &Engine, plan: &Plan, book: &Book) -> TargetSays {
    let kept = held(&engine.cache.take.memory).contains_key(&plan.token);
    match (book.stage, &book.taken) {
        (InvalidationStage::Taken, Some(taken)) if kept || plan.undo == UndoKept::Not => {
            TargetSays::new(Says::AsApplied, words::taken(plan, taken))
        }
        (InvalidationStage::Taken, _) => TargetSays::new(Says::AsBefore, "that cache ended with its process"),
        (InvalidationStage::Undone, _) => {
            TargetSays::new(Says::AsBefore, book.restored.as_ref().map(words::restored).unwrap_or_default())
        }
        _ => TargetSays::new(Says::AsBefore, "nothing was removed"),
    }
}

/// Whether the snapshot had every key that was taken: a file that was cut short ends without a word.
fn all_kept(book: &Book, restored: &RestoredKeys) -> Result<(), ApiError> {
    let taken = book.taken.as_ref().map_or(0.0, |t| t.removed);
    if restored.kept >= taken {
        return Ok(());
    }
    let (kept, all) = (perfdeck_words::count(restored.kept as u64), perfdeck_words::count(taken as u64));
    Err(ApiError::new(
        ErrorCode::Storage,
        format!("The snapshot is incomplete: it has {kept} of the {all} keys that were taken, which were dealt with"),
    )
    .hint(SOURCE_HAS_THEM))
}

async fn undone(at: At<'_>, plan: &Plan, job: &JobContext) -> Result<(), ApiError> {
    if !plan.epochs.is_empty() {
        return epochs::undone(at, plan).await;
    }
    let engine = at.engine;
    let files = Files::of(&engine.core.data_dir, &plan.token);
    let mut book = files.read()?;
    let (_, door) = engine.cache_of(&at.environment.id).await?;
    let (target, password) = match door {
        CacheDoor::Memory(cache) => {
            let kept = held(&engine.cache.take.memory).remove(&plan.token);
            let kept =
                kept.ok_or_else(|| ApiError::not_found("What was taken out of that cache ended with its process"))?;
            book.restored = Some(put_back(&cache, &kept).await);
            book.stage = InvalidationStage::Undone;
            return files.write(&book);
        }
        CacheDoor::Server { target, password } => (target, password),
    };
    if book.is_over(engine.core.clock.now_ms()) {
        return Err(ApiError::not_found("Its snapshot expired 24 h after keys were taken, so nothing can be put back")
            .hint("Keys come back as they are asked for: their source has them"));
    }
    let snapshot = engine.snapshot(&plan.token, &book).await?;
    book.stage = InvalidationStage::Undoing;
    files.write(&book)?;
    let all = book.taken.as_ref().map_or(0.0, |t| t.removed).max(1.0);
    let stop = || job.cancel.is_cancelled();
    let paused = || engine.cache.take.is_paused(&plan.token);
    let watch = Watch { stop: &stop, paused: &paused, progress: &|_, _| {} };
    let (restored, left, done) = restore(&target, password.as_ref(), &snapshot, watch, &|so_far| {
        job.progress(Some(so_far.kept / all), &format!("{} keys", perfdeck_words::count(so_far.restored as u64)));
    })
    .await;
    engine.cache.take.pause(&plan.token, false);
    let done = done.and_then(|()| all_kept(&book, &restored));
    book.restored = Some(restored);
    if done.is_ok() {
        book.stage = InvalidationStage::Undone;
        (book.until_ms, book.key) = (None, None);
    }
    files.write(&book)?;
    done?;
    // Values of others are kept no longer than they are needed.
    engine.forget_files(&plan.token).await;
    if !left.is_empty() {
        engine.cache.take.show(&plan.token, perfdeck_cache::take::Seen { examples: left, oversized: Vec::new() });
    }
    Ok(())
}
