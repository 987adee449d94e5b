//! The plan of a change: the target is asked, what it gives and costs is predicted, and nothing is altered.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, Change, ChangePrediction, ChangeState, ChangeStep, Environment, ErrorCode, masking};
use perfdeck_words as words;
use uuid::Uuid;

use super::life::{entry, no_change};
use super::store::Stored;
use super::{At, ChangeKind, PLAN, Planned, address_of};
use crate::Engine;

/// Sentences of a preview.
const NOTES: usize = 20;

/// Answer of a target, unless it takes longer than `limit`.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!("The target did not answer within {}", words::seconds(limit.as_secs_f64()));
        Err(ApiError::new(ErrorCode::Timeout, text))
    })
}

impl Engine {
    /// Plans a change and predicts what it does; `prediction` is what was predicted of it before. Nothing is altered.
    pub(crate) async fn plan_change(
        self: &Arc<Self>,
        kind: &str,
        environment_id: &str,
        object: &str,
        prediction: Option<ChangePrediction>,
    ) -> Result<Change, ApiError> {
        let kind = self.core.kinds.get(kind)?;
        let environment = self.change_environment(environment_id).await?;
        let role = kind.target();
        let address = address_of(&environment.targets, role).ok_or_else(|| {
            ApiError::new(ErrorCode::Unsupported, format!("'{}' has no {}", environment.name, role.as_str()))
                .hint("Add one in the environment's editor")
        })?;
        let at = At { engine: self, environment: &environment, prediction: prediction.as_ref() };
        let planned = within(PLAN, kind.plan(at, object)).await?;
        if let Some(id) = self.core.store.unfinished_change(&environment.id, kind.name(), &planned.object).await? {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                format!("A change of '{}' is in the middle: {id}", masking::shown(&planned.object)),
            )
            .hint("Wait for it, or bring it to its end or undo it"));
        }
        let mut stored = self.new_change(kind, &environment, planned, address);
        stored.change.prediction = prediction.clone();
        let first = entry(&stored.change, stored.change.created_ms, "");
        let replaced = self.core.store.add_change(&stored, &first).await?;
        match within(PLAN, kind.preview(at, stored.own())).await {
            Ok(mut preview) => {
                preview.notes.truncate(NOTES);
                preview
                    .notes
                    .extend(replaced.iter().map(|id| format!("It takes the place of {id}, which was not applied")));
                self.advance_with(&mut stored, ChangeState::Previewed, "", |change| {
                    change.preview = preview.rows;
                    change.notes.extend(preview.notes);
                    (change.waits, change.lock) = (preview.waits, preview.lock);
                })
                .await?;
                Ok(self.shown(stored.change))
            }
            Err(error) => {
                let text = format!("it could not be previewed: {}", error.message);
                self.advance_with(&mut stored, ChangeState::Failed, &text, |c| c.error = Some(error.clone())).await?;
                Err(error)
            }
        }
    }

    /// A change as it was last stored, with what its kind knows of it.
    pub(crate) async fn change_plan(&self, id: &str) -> Result<(Change, serde_json::Value), ApiError> {
        let stored = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        let plan = stored.own().clone();
        Ok((self.shown(stored.change), plan))
    }

    fn new_change(
        &self,
        kind: &dyn ChangeKind,
        environment: &Environment,
        planned: Planned,
        address: String,
    ) -> Stored {
        let now = self.core.clock.now_ms();
        let lease = planned.lease_ms;
        let change = Change {
            id: Uuid::now_v7().to_string(),
            kind: kind.name().to_owned(),
            environment_id: environment.id.clone(),
            environment: environment.name.clone(),
            target: kind.target(),
            object: planned.object,
            title: planned.title,
            statement: planned.statement,
            undo_statement: planned.undo_statement,
            undo_cost: planned.undo_cost,
            state: ChangeState::Planned,
            held: false,
            steps: vec![ChangeStep { at_ms: now, state: ChangeState::Planned, text: String::new() }],
            preview: Vec::new(),
            notes: lease.map(|ms| format!("It ends by itself after {} s", (ms / 1e3).round())).into_iter().collect(),
            waits: None,
            lock: None,
            offers: Vec::new(),
            target_says: None,
            checked_ms: None,
            ends_ms: None,
            created_ms: now,
            updated_ms: now,
            error: None,
            prediction: None,
            proof: None,
        };
        Stored::new(change, address, lease, planned.plan)
    }
}
