//! Changes: what Perfdeck alters on targets. Planned, previewed, applied, verified, and kept or undone.
//!
//! Invariants: a change is stored before anything of it is sent, and each state before the step that it names; what cannot
//! be stored is not sent. Who works on a change holds its lock, which ends with the process. What is found in the middle
//! and held by nobody is never guessed: the target is asked, and a person chooses. Nothing is sent without a [`Permit`].
pub(crate) mod check;
pub mod commands;
mod hold;
mod life;
mod machine;
mod plan;
mod proof;
mod store;

#[cfg(test)]
mod tests;

pub(crate) use proof::Proving;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{
    ApiError, BoxFuture, BuildLock, ChangePrediction, Environment, ErrorCode, PreviewFigure, PreviewRow, TargetRole,
    TargetSays, Targets, WaitsFor, masking,
};
use serde_json::Value;

use crate::Engine;
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Longest time of a plan, and of its preview.
const PLAN: Duration = Duration::from_secs(20);
/// Usual [`ChangeKind::patience`].
const PATIENCE: Duration = Duration::from_secs(4);

/// Place where a change is made.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) environment: &'a Environment,
    /// What was predicted of it before it is planned.
    pub(crate) prediction: Option<&'a ChangePrediction>,
}

/// Plan of what would be done.
pub(crate) struct Planned {
    /// Full name of the object.
    pub(crate) object: String,
    /// Title in one line; identifiers between backticks.
    pub(crate) title: String,
    /// Statement as it is sent, exactly.
    pub(crate) statement: String,
    /// Statement that undoes it; `None` when nothing does.
    pub(crate) undo_statement: Option<String>,
    /// Cost of undoing, in words.
    pub(crate) undo_cost: Option<String>,
    /// Facts that the kind needs later; stored, never shown.
    pub(crate) plan: Value,
    /// Time after which it ends by itself on the target, in milliseconds; `None` when it waits for a person.
    pub(crate) lease_ms: Option<f64>,
}

/// Forecast of what it would give and cost.
#[derive(Default)]
pub(crate) struct Preview {
    pub(crate) rows: Vec<PreviewRow>,
    /// Further sentences.
    pub(crate) notes: Vec<String>,
    /// Transactions that it would wait for; `None` where nothing is waited for.
    pub(crate) waits: Option<WaitsFor>,
    /// Whom it keeps waiting while an index is built.
    pub(crate) lock: Option<BuildLock>,
}

/// Figures that were measured while it was applied.
pub(crate) type Came = Vec<(PreviewFigure, f64)>;

/// A kind of change. It only knows its target: states, guards, the journal and what happens after a crash are the core's.
///
/// Any method may be dropped where it waits. `apply` and `undo` must get on with what an earlier attempt left half done, and
/// return soon once `job.cancel` is cancelled.
pub(crate) trait ChangeKind: Send + Sync {
    /// Name of the kind, such as `drop_index`.
    fn name(&self) -> &'static str;

    /// Role of the target that it alters.
    fn target(&self) -> TargetRole;

    /// Longest time of applying or undoing; what takes longer is given up, and the target asked.
    fn limit(&self) -> Duration;

    /// Longest time to ask the target about one change.
    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// Longest time for applying or undoing to end by itself once it is asked to, and to take away what it did so far; what takes longer
    /// is given up where it is.
    fn winding_up(&self) -> Duration {
        self.patience()
    }

    /// Text that must be typed before it is applied, besides what the guards ask for, because so much would go.
    fn agree(&self, _plan: &Value) -> Option<String> {
        None
    }

    /// Asks the target whether it can be done, and how. Alters nothing.
    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>>;

    /// Predicts what it gives and costs. Alters nothing.
    fn preview<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>>;

    /// Makes the change. The target may have changed since the plan: what the plan rests on is asked again first.
    fn apply<'a>(
        &'a self,
        permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came, ApiError>>;

    /// The plan with what the target made of it, by which it tells it from another one later; `None` where the plan says enough, or the
    /// target did not answer. Alters nothing.
    fn made<'a>(&'a self, _at: At<'a>, _plan: &'a Value) -> BoxFuture<'a, Option<Value>> {
        Box::pin(async { None })
    }

    /// Asks the target how much of it is there. Alters nothing. An error is that it could not be asked.
    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>>;

    /// Takes the change back, and what is half there too.
    fn undo<'a>(
        &'a self,
        permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>>;
}

/// The kinds of changes, as the features registered them when the engine was opened.
pub(crate) struct Kinds {
    all: Vec<Box<dyn ChangeKind>>,
    /// Held while targets are asked for a list.
    listing: tokio::sync::Mutex<()>,
    /// Held while a change in the middle is looked at for whether somebody works on it.
    looking: tokio::sync::Mutex<()>,
}

impl Kinds {
    pub(crate) fn new(kinds: Vec<Box<dyn ChangeKind>>) -> Self {
        Self { all: kinds, listing: tokio::sync::Mutex::default(), looking: tokio::sync::Mutex::default() }
    }

    /// The turn to ask targets for a list.
    async fn listing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.listing.lock().await
    }

    /// The turn to look whether somebody works on a change.
    async fn looking(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    fn get(&self, name: &str) -> Result<&dyn ChangeKind, ApiError> {
        self.all.iter().find(|k| k.name() == name).map(|k| &**k).ok_or_else(|| {
            let known: Vec<&str> = self.all.iter().map(|k| k.name()).collect();
            ApiError::new(
                ErrorCode::Unsupported,
                format!("This Perfdeck knows no change of the kind '{}'", masking::shown(name)),
            )
            .hint(format!("It knows: {}", known.join(", ")))
        })
    }
}

/// A target by what makes it that one: how it is connected to may be edited, and it stays the same. A change is only ever
/// undone where it was applied.
fn address_of(targets: &Targets, role: TargetRole) -> Option<String> {
    let plain = |address: &perfdeck_model::Address| {
        let mut hosts: Vec<String> = address.hosts.iter().map(|h| h.to_string().to_lowercase()).collect();
        hosts.sort();
        format!("{:?}://{}/{}", address.scheme, hosts.join(","), address.path)
    };
    match role {
        TargetRole::Database => targets.database.as_ref().map(|d| plain(&d.address)),
        TargetRole::Cache => targets.cache.as_ref().map(|c| plain(&c.address)),
        TargetRole::Api => targets.api.as_ref().map(|a| a.url.clone()),
        TargetRole::Host => targets.host.as_ref().map(|h| h.url.clone()),
        TargetRole::Frontend => targets.frontend.as_ref().map(|f| f.location.clone()),
    }
}
