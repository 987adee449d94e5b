//! The change `cache_edit`: a key's value, expiry or name, or the key itself, compared with what was seen and written in one step. Its
//! object, as it is asked for, is an [`EditOf`] as JSON. Names and values are stored encrypted only.
use std::time::{Duration, Instant};

use perfdeck_cache::MemoryEdit;
use perfdeck_cache::edits::{self, EditPlan, FOR_GOOD};
use perfdeck_model::{
    ApiError, BoxFuture, CacheBytes, EditState, EditView, KeyEdit, PreviewFigure, PreviewRow, Says, TargetRole,
    TargetSays,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sealed::{self, KEPT_DAYS, seal, unseal};
use crate::Engine;
use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;
use crate::features::cache::door::CacheDoor;

/// Name of the kind.
pub(crate) const CACHE_EDIT: &str = "cache_edit";

/// Edits a key.
pub(crate) struct CacheEdit;

/// Which edit of which key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditOf {
    pub(super) key: CacheBytes,
    pub(super) edit: KeyEdit,
}

/// A plan, by the cache that it is of.
#[derive(Serialize, Deserialize)]
enum Plan {
    Server(EditPlan),
    Memory(MemoryEdit),
}

fn mismatch() -> ApiError {
    ApiError::internal("The environment has another kind of cache than the edit was planned on")
}

async fn look(engine: &Engine, environment: &str, plan: &Plan) -> Result<(EditState, Option<CacheBytes>), ApiError> {
    match (plan, engine.cache_of(environment).await?.1) {
        (Plan::Server(plan), CacheDoor::Server { target, password }) => {
            edits::look(&target, password.as_ref(), plan).await
        }
        (Plan::Memory(edit), CacheDoor::Memory(cache)) => Ok((cache.look_at_edit(edit).await?, None)),
        _ => Err(mismatch()),
    }
}

async fn write(engine: &Engine, environment: &str, plan: &Plan, back: bool) -> Result<(), ApiError> {
    match (plan, engine.cache_of(environment).await?.1) {
        (Plan::Server(plan), CacheDoor::Server { target, password }) if back => {
            edits::undo(&target, password.as_ref(), plan).await
        }
        (Plan::Server(plan), CacheDoor::Server { target, password }) => {
            edits::apply(&target, password.as_ref(), plan).await
        }
        (Plan::Memory(edit), CacheDoor::Memory(cache)) => cache.write_edit(edit, back).await,
        _ => Err(mismatch()),
    }
}

/// Names and values of an edit, with what is there now; `asks` whether that is looked at.
///
/// # Errors
/// When its names and values can be read no more. A server that cannot be asked is no error: its state is unknown.
pub(super) async fn view(engine: &Engine, environment: &str, plan: &Value, asks: bool) -> Result<EditView, ApiError> {
    let (plan, this_run_only) = unseal::<Plan>(engine, plan).await?;
    let there = if asks { look(engine, environment, &plan).await.ok() } else { None };
    let (state, theirs) = there.unwrap_or((EditState::Unknown, None));
    let theirs = theirs.map(|t| shortened(&t));
    Ok(match &plan {
        Plan::Server(plan) => {
            let (opened, yours) = plan.values();
            let part = plan.part().to_owned();
            EditView { key: plan.key().clone(), part, name: plan.name(), opened, yours, theirs, state, this_run_only }
        }
        Plan::Memory(edit) => EditView {
            key: edit.key(),
            part: edit.part().to_owned(),
            name: None,
            opened: None,
            yours: None,
            theirs: None,
            state,
            this_run_only,
        },
    })
}

/// At most 64 kB of a value.
fn shortened(value: &CacheBytes) -> CacheBytes {
    match value.bytes() {
        Ok(bytes) if bytes.len() > perfdeck_cache::values::UNASKED as usize => {
            CacheBytes::new(&bytes[..perfdeck_cache::values::UNASKED as usize])
        }
        _ => value.clone(),
    }
}

impl ChangeKind for CacheEdit {
    fn name(&self) -> &'static str {
        CACHE_EDIT
    }

    fn target(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn agree(&self, plan: &Value) -> Option<String> {
        sealed::agree(plan)
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            // Its own words would repeat names and values.
            let EditOf { key, edit } = serde_json::from_str(object).map_err(|_| {
                ApiError::bad_request("This is no edit of a key").hint("Edits of keys are planned where keys are shown")
            })?;
            let name = key.bytes()?;
            let (plan, object, title, statement, undo) = match at.engine.cache_of(&at.environment.id).await?.1 {
                CacheDoor::Server { target, password } => {
                    let plan = edits::plan(&target, password.as_ref(), &name, edit).await?;
                    let words = (plan.object(), plan.title(), plan.statement(), plan.undo_statement());
                    (Plan::Server(plan), words.0, words.1, words.2, words.3)
                }
                CacheDoor::Memory(cache) => {
                    let edit = cache.plan_edit(&name, &edit).await?;
                    let words = (edit.object(), edit.title(), edit.statement());
                    (Plan::Memory(edit), words.0, words.1, words.2, Some("in process: as it was before".to_owned()))
                }
            };
            let last = matches!(&plan, Plan::Server(plan) if plan.is_final());
            let (plan, _) = seal(at.engine, &plan, last.then(|| FOR_GOOD.to_owned())).await?;
            Ok(Planned { object, title, statement, undo_statement: undo, undo_cost: None, plan, lease_ms: None })
        })
    }

    fn preview<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        Box::pin(async move {
            let (plan, this_run_only) = unseal::<Plan>(at.engine, plan).await?;
            let (mut rows, mut notes, undoes) = match &plan {
                Plan::Server(plan) => {
                    let freed = plan.frees().map(|bytes| PreviewRow::new(PreviewFigure::SpaceFreed, Some(bytes)));
                    (freed.into_iter().collect::<Vec<_>>(), plan.notes(), plan.undoes())
                }
                Plan::Memory(_) => (Vec::new(), Vec::new(), true),
            };
            rows.push(PreviewRow::new(PreviewFigure::Time, None));
            if !this_run_only && undoes {
                notes
                    .push(format!("What it was is kept for {KEPT_DAYS:.0} days, encrypted: it cannot be undone later"));
            }
            if this_run_only && undoes {
                notes.push(
                    "It can be undone while this Perfdeck runs only: no key can be kept here to encrypt what it was, so it is forgotten then"
                        .to_owned(),
                );
            }
            Ok(Preview { rows, notes, ..Preview::default() })
        })
    }

    fn apply<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        _job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came, ApiError>> {
        Box::pin(async move {
            let (plan, _) = unseal::<Plan>(at.engine, plan).await?;
            let started = Instant::now();
            write(at.engine, &at.environment.id, &plan, false).await?;
            Ok(vec![(PreviewFigure::Time, started.elapsed().as_secs_f64())])
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move {
            let (plan, _) = unseal::<Plan>(at.engine, plan).await?;
            let (state, _) = look(at.engine, &at.environment.id, &plan).await?;
            Ok(match state {
                EditState::AsOpened => TargetSays::new(Says::AsBefore, "as it was opened"),
                EditState::AsWritten => TargetSays::new(Says::AsApplied, "as it was written"),
                EditState::Changed | EditState::Unknown => TargetSays::new(
                    Says::Differs,
                    "neither as it was opened nor as it was written: another client wrote it",
                ),
            })
        })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        _job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            let (plan, _) = unseal::<Plan>(at.engine, plan).await?;
            write(at.engine, &at.environment.id, &plan, true).await
        })
    }
}
