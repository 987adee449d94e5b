//! Commands of changes.
use std::sync::Arc;

use perfdeck_model::{Change, ChangeDetail, JobStatus};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::core::access::reads_only;
use crate::requests::ById;
use crate::table::{Result, commands};

/// Lists changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct ChangeList {
    /// Environment that the list is limited to: identifier or name.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// Plans a change.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ChangePlan {
    /// Kind of the change, such as `drop_index`.
    pub kind: String,
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Object that it alters, such as `public.payments_created_idx`.
    pub object: String,
}

/// Applies or undoes a change.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ChangeConfirm {
    /// Identifier of the change.
    pub id: String,
    /// The environment's name, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
    /// The text that the change itself asks for (`ChangeDetail.agree`), where it does.
    #[serde(default)]
    pub agree: Option<String>,
}

commands! {
    Read Json "changes.list" (ChangeList) -> Vec<Change>, changes [] => list;
    Read Json "changes.get" (ById) -> Change, changes [] => get;
    Target Json "changes.plan" (ChangePlan) -> ChangeDetail, changes [Changes] => plan;
    Target Json "changes.check" (ById) -> ChangeDetail, changes [] => check;
    Target Json "changes.apply" (ChangeConfirm) -> JobStatus, changes [Changes] => apply;
    Write Json "changes.keep" (ById) -> Change, changes [Changes] => keep;
    Write Json "changes.discard" (ById) -> Change, changes [Changes] => discard;
    Target Json "changes.undo" (ChangeConfirm) -> JobStatus, changes [Changes] => undo;
}

/// All changes, newest first. Targets are asked about those in force, unless they were a moment ago or the caller may only
/// read.
pub async fn list(engine: Arc<Engine>, request: ChangeList) -> Result<Vec<Change>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.change_list(id.as_deref(), reads_only()).await
}

/// One change, with what its target said when it was last asked.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<Change> {
    engine.change(&request.id, reads_only()).await
}

/// Plans a change, and says what it gives and costs. Nothing is altered.
pub async fn plan(engine: Arc<Engine>, request: ChangePlan) -> Result<ChangeDetail> {
    let change = engine.plan_change(&request.kind, &request.environment_id, &request.object, None).await?;
    engine.change_detail(change).await
}

/// Asks the target what became of a change, and the guards what they say about it.
pub async fn check(engine: Arc<Engine>, request: ById) -> Result<ChangeDetail> {
    let change = engine.check_change(&request.id).await?;
    engine.change_detail(change).await
}

/// Applies a change that was planned, or brings one that was cut off to its end. The job's result is the change.
pub async fn apply(engine: Arc<Engine>, request: ChangeConfirm) -> Result<JobStatus> {
    let typed: Vec<String> = request.confirm.into_iter().chain(request.agree).collect();
    engine.apply_change(&request.id, &typed).await
}

/// Keeps a change that the target confirmed.
pub async fn keep(engine: Arc<Engine>, request: ById) -> Result<Change> {
    engine.keep_change(&request.id).await
}

/// Discards a change that was only previewed. Its target need not be there.
pub async fn discard(engine: Arc<Engine>, request: ById) -> Result<Change> {
    engine.discard_change(&request.id).await
}

/// Undoes a change, or takes away what was left half done. The job's result is the change.
pub async fn undo(engine: Arc<Engine>, request: ChangeConfirm) -> Result<JobStatus> {
    engine.undo_change(&request.id, request.confirm.as_slice()).await
}

impl Engine {
    /// A change, and what the guards say about altering its target now.
    pub(crate) async fn change_detail(&self, change: Change) -> Result<ChangeDetail> {
        // Past changes and those of environments that are gone are shown all the same.
        let Ok(environment) = self.environment(&change.environment_id).await else {
            return Ok(ChangeDetail { change, guard: None, confirm: None, agree: None, evidence: Vec::new() });
        };
        let agree = self.core.store.change(&change.id).await?.and_then(|stored| {
            let kind = self.core.kinds.get(&change.kind).ok()?;
            kind.agree(stored.own())
        });
        let subject = self.altered(&environment, change.target).await;
        let words = |e: perfdeck_model::ApiError| match e.hint {
            Some(hint) => format!("{}. {hint}", e.message),
            None => e.message,
        };
        Ok(ChangeDetail {
            guard: subject.may_alter(&super::life::named(&change)).err().map(words),
            confirm: subject.to_type().map(str::to_owned),
            evidence: subject.evidence().to_vec(),
            agree,
            change,
        })
    }
}
