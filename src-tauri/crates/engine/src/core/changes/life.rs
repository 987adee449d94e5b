//! The life of a change after its plan: applied, kept, undone. Every step is stored before the next one is taken.
use std::future::Future;
use std::sync::Arc;

use perfdeck_model::{
    ApiError, Change, ChangeState, ChangeStep, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, JobResult, JobStatus,
    JournalEntry, JournalKind, Says, Tag, TargetSays, masking,
};

use super::hold::Hold;
use super::store::Stored;
use super::{At, ChangeKind, address_of, machine};
use crate::Engine;
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Steps that a change keeps; of more the oldest but the first go.
const STEPS: usize = 200;

/// A change while somebody works on it.
pub(super) struct Held {
    pub(super) stored: Stored,
    pub(super) environment: Environment,
    /// Ends with this.
    _hold: Hold,
}

/// What a change does, as plain text.
pub(super) fn named(change: &Change) -> String {
    change.title.replace('`', "")
}

pub(super) fn entry(change: &Change, at_ms: f64, text: &str) -> JournalEntry {
    let text = format!("{}: {}{}{text}", named(change), change.state.as_str(), if text.is_empty() { "" } else { ", " });
    JournalEntry {
        at_ms,
        kind: JournalKind::TargetChange,
        environment_id: Some(change.environment_id.clone()),
        environment: Some(change.environment.clone()),
        text,
        run_id: None,
        part_of: None,
    }
}

/// The change in its next state.
fn next(change: &Change, to: ChangeState, at_ms: f64, text: &str) -> Change {
    let mut next = change.clone();
    next.state = to;
    next.updated_ms = at_ms;
    next.steps.push(ChangeStep { at_ms, state: to, text: text.to_owned() });
    if next.steps.len() > STEPS {
        next.steps.remove(1);
    }
    next
}

pub(super) fn conflict(change: &Change, what: &str) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("This change is {} and cannot be {what}", change.state.as_str()))
        .hint("Look at it again: what can be done with it is offered there")
}

/// Runs what alters a target: it is asked to end on cancel, and given up when it does not, or takes too long.
async fn altering<T>(
    kind: &dyn ChangeKind,
    job: &JobContext,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let stopped = async {
        job.cancel.cancelled().await;
        tokio::time::sleep(kind.winding_up()).await;
    };
    tokio::select! {
        biased;
        done = work => done,
        () = stopped => Err(ApiError::new(ErrorCode::Cancelled, "It was stopped, and did not end by itself")),
        () = tokio::time::sleep(kind.limit()) => {
            let limit = kind.limit().as_secs();
            Err(ApiError::new(ErrorCode::Timeout, format!("It did not end within {limit} s and was given up")))
        }
    }
}

impl Engine {
    /// The environment of a change. The demo is opened when it is not.
    pub(super) async fn change_environment(&self, id: &str) -> Result<Environment, ApiError> {
        if id == DEMO_ENVIRONMENT_ID {
            self.demo().await?;
        }
        self.environment(id).await
    }

    /// Stores the next state of a change, with its entry in the journal.
    pub(super) async fn advance(&self, stored: &mut Stored, to: ChangeState, text: &str) -> Result<(), ApiError> {
        self.advance_with(stored, to, text, |_| {}).await
    }

    pub(super) async fn advance_with(
        &self,
        stored: &mut Stored,
        to: ChangeState,
        text: &str,
        edit: impl FnOnce(&mut Change),
    ) -> Result<(), ApiError> {
        let now = self.core.clock.now_ms();
        let mut change = next(&stored.change, to, now, text);
        edit(&mut change);
        self.core.store.advance_change(stored.change.state, &change, &entry(&change, now, text)).await?;
        stored.change = change;
        stored.revision += 1;
        self.core.changed(&[Tag::Changes]);
        Ok(())
    }

    /// Takes hold of a change, as it is now and on the target that it was planned against.
    pub(super) async fn hold_change(&self, id: &str) -> Result<Held, ApiError> {
        // Before a file is named after it.
        let known = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        let hold = Hold::take(&self.core.data_dir, &known.change.id).await?;
        let mut stored = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        if stored.change.state.is_moving() {
            // Nobody else holds it: whoever worked on it is gone.
            self.cut_off(&mut stored).await?;
        }
        let environment = self.change_environment(&stored.change.environment_id).await?;
        same_target(&stored, &environment)?;
        Ok(Held { stored, environment, _hold: hold })
    }

    /// Applies a change as a job whose result is the change, or brings one that was cut off to its end.
    ///
    /// # Errors
    /// When it is in no state for that, somebody else works on it, or a guard says no.
    pub(crate) async fn apply_change(self: &Arc<Self>, id: &str, typed: &[String]) -> Result<JobStatus, ApiError> {
        let held = self.hold_change(id).await?;
        let change = &held.stored.change;
        if !matches!(change.state, ChangeState::Previewed | ChangeState::CutOff) {
            return Err(conflict(change, "applied"));
        }
        if change.state == ChangeState::Previewed
            && let Some(text) = self.core.kinds.get(&change.kind)?.agree(held.stored.own())
            && !typed.contains(&text)
        {
            let what = format!("{}: it needs to be agreed to, as its preview says", named(change));
            return Err(ApiError::new(ErrorCode::Guarded, what)
                .hint(format!("Type '{text}' to agree; in a terminal --agree '{text}'")));
        }
        let permit = self.permit(&held.environment, change.target, &named(change), typed).await?;
        let (title, environment) = (named(change), held.environment.id.clone());
        let engine = self.clone();
        Ok(self.core.jobs.spawn("change", title, Some(environment), move |job| async move {
            let id = held.stored.change.id.clone();
            engine.applying(held, permit, &job).await?;
            job.through();
            Ok(Some(JobResult::Change(id)))
        }))
    }

    async fn applying(self: &Arc<Self>, mut held: Held, permit: Permit, job: &JobContext) -> Result<(), ApiError> {
        let kind = self.core.kinds.get(&held.stored.change.kind)?;
        let Held { stored, environment, .. } = &mut held;
        job.progress(None, "asking the target");
        let says = self.ask_now(stored, environment).await;
        match (says.says, stored.change.state) {
            (Says::AsApplied, ChangeState::CutOff) => {
                let text = "the target has all of it; nothing was sent";
                return self.said(stored, ChangeState::Verified, text, says).await;
            }
            (Says::AsApplied, ChangeState::Previewed) => {
                let refused = not_now(&says);
                self.lapse(stored, says).await?;
                return Err(refused);
            }
            (Says::AsBefore, _) | (Says::HalfDone, ChangeState::CutOff) => {}
            _ => return Err(not_now(&says)),
        }
        if !permit.is_for(environment, stored.change.target) {
            return Err(ApiError::internal("The permit is for another target"));
        }
        self.advance(stored, ChangeState::Armed, "the guards allow it").await?;
        // Stored before it is sent: what cannot be stored is not applied.
        self.advance_with(stored, ChangeState::Applying, "", |c| c.error = None).await?;
        let at = At { engine: self, environment, prediction: None };
        job.progress(None, "applying");
        let plan = stored.own().clone();
        let done = altering(kind, job, kind.apply(permit, at, &plan, job)).await;
        job.progress(None, "asking the target");
        let ends = stored.lease_ms().map(|ms| self.core.clock.now_ms() + ms);
        match done {
            Ok(came) => {
                self.advance_with(stored, ChangeState::Applied, "", |change| {
                    change.ends_ms = ends;
                    for row in &mut change.preview {
                        row.came = came.iter().find(|(figure, _)| row.is(*figure)).map(|(_, value)| *value);
                    }
                })
                .await?;
                let at = At { engine: self, environment, prediction: None };
                if let Some(own) = kind.made(at, &plan).await {
                    stored.made(own);
                    self.core.store.keep_plan(stored).await?;
                }
                let says = self.ask_now(stored, environment).await;
                self.confirmed(stored, says).await
            }
            Err(error) => {
                let says = self.ask_now(stored, environment).await;
                let text = format!("{}; the target: {}", error.message, says.text);
                match says.says {
                    Says::AsApplied => {
                        self.advance_with(stored, ChangeState::Applied, &text, |c| c.ends_ms = ends).await?;
                        return self.confirmed(stored, says).await;
                    }
                    Says::AsBefore => self.failed(stored, ChangeState::Failed, &text, says, &error).await?,
                    _ => self.failed(stored, ChangeState::CutOff, &text, says, &error).await?,
                }
                Err(error)
            }
        }
    }

    /// Ends what was only previewed, because the target is by now as it would have made it.
    pub(super) async fn lapse(&self, stored: &mut Stored, says: TargetSays) -> Result<(), ApiError> {
        let text = format!("nothing was sent: {}", says.text);
        self.said(stored, ChangeState::Lapsed, &text, says).await
    }

    /// What was applied, with what the target says about it.
    async fn confirmed(&self, stored: &mut Stored, says: TargetSays) -> Result<(), ApiError> {
        if says.says == Says::AsApplied {
            let text = says.text.clone();
            return self.said(stored, ChangeState::Verified, &text, says).await;
        }
        let (text, told) = (says.text.clone(), says.says);
        self.note_says(stored, says).await?;
        let hint = match told {
            Says::Differs => "Look at it on the target: what is another one than was made is not taken away",
            _ => "Ask the target again; it can be undone",
        };
        Err(ApiError::new(ErrorCode::Conflict, format!("It was applied, and the target does not confirm it: {text}"))
            .hint(hint))
    }

    async fn said(&self, stored: &mut Stored, to: ChangeState, text: &str, says: TargetSays) -> Result<(), ApiError> {
        let now = self.core.clock.now_ms();
        self.advance_with(stored, to, text, |change| {
            change.target_says = Some(says);
            change.checked_ms = Some(now);
            change.error = None;
        })
        .await?;
        self.settle(stored).await
    }

    /// What the target confirmed and nothing takes back waits for nobody: there is nothing to choose.
    pub(super) async fn settle(&self, stored: &mut Stored) -> Result<(), ApiError> {
        let change = &stored.change;
        if change.state == ChangeState::Verified && change.undo_statement.is_none() && change.ends_ms.is_none() {
            self.advance(stored, ChangeState::Kept, "nothing takes it back").await?;
        }
        Ok(())
    }

    async fn failed(
        &self,
        stored: &mut Stored,
        to: ChangeState,
        text: &str,
        says: TargetSays,
        error: &ApiError,
    ) -> Result<(), ApiError> {
        let now = self.core.clock.now_ms();
        self.advance_with(stored, to, text, |change| {
            change.target_says = Some(says);
            change.checked_ms = Some(now);
            change.error = Some(error.clone());
        })
        .await
    }

    /// Undoes a change as a job whose result is the change; what was left half done is taken away.
    ///
    /// # Errors
    /// As [`Engine::apply_change`]; also when it cannot be undone.
    pub(crate) async fn undo_change(self: &Arc<Self>, id: &str, typed: &[String]) -> Result<JobStatus, ApiError> {
        let held = self.hold_change(id).await?;
        let change = &held.stored.change;
        let may = [ChangeState::Applied, ChangeState::Verified, ChangeState::Kept, ChangeState::CutOff];
        if !may.contains(&change.state) {
            return Err(conflict(change, "undone"));
        }
        if change.undo_statement.is_none() {
            return Err(ApiError::new(ErrorCode::Unsupported, "This change cannot be undone"));
        }
        let what = format!("undo of: {}", named(change));
        let permit = self.permit(&held.environment, change.target, &what, typed).await?;
        let (title, environment) = (format!("Undo: {}", named(change)), held.environment.id.clone());
        let engine = self.clone();
        Ok(self.core.jobs.spawn("change", title, Some(environment), move |job| async move {
            let id = held.stored.change.id.clone();
            engine.undoing(held, permit, &job).await?;
            job.through();
            Ok(Some(JobResult::Change(id)))
        }))
    }

    async fn undoing(self: &Arc<Self>, mut held: Held, permit: Permit, job: &JobContext) -> Result<(), ApiError> {
        let kind = self.core.kinds.get(&held.stored.change.kind)?;
        let Held { stored, environment, .. } = &mut held;
        job.progress(None, "asking the target");
        let says = self.ask_now(stored, environment).await;
        match says.says {
            Says::AsBefore => {
                let text = "the target is as before; nothing was sent";
                return self.said(stored, ChangeState::Undone, text, says).await;
            }
            Says::AsApplied | Says::HalfDone => {}
            _ => return Err(not_now(&says)),
        }
        if !permit.is_for(environment, stored.change.target) {
            return Err(ApiError::internal("The permit is for another target"));
        }
        self.advance_with(stored, ChangeState::Undoing, "", |c| c.error = None).await?;
        job.progress(None, "undoing");
        let at = At { engine: self, environment, prediction: None };
        let plan = stored.own().clone();
        let done = altering(kind, job, kind.undo(permit, at, &plan, job)).await;
        job.progress(None, "asking the target");
        let says = self.ask_now(stored, environment).await;
        match (done, says.says) {
            (_, Says::AsBefore) => {
                let text = says.text.clone();
                self.said(stored, ChangeState::Undone, &text, says).await
            }
            (done, told) => {
                let error = done.err().unwrap_or_else(|| not_now(&says));
                let text = format!("{}; the target: {}", error.message, says.text);
                let to = if told == Says::AsApplied { ChangeState::Verified } else { ChangeState::CutOff };
                self.failed(stored, to, &text, says, &error).await?;
                Err(error)
            }
        }
    }

    /// Discards a change that was only planned or previewed: nothing of it was sent, and nothing will be.
    ///
    /// # Errors
    /// When it was applied, or somebody works on it.
    pub(crate) async fn discard_change(&self, id: &str) -> Result<Change, ApiError> {
        let known = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        let _hold = Hold::take(&self.core.data_dir, &known.change.id).await?;
        let mut stored = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        if !matches!(stored.change.state, ChangeState::Planned | ChangeState::Previewed) {
            return Err(conflict(&stored.change, "discarded"));
        }
        self.advance(&mut stored, ChangeState::Lapsed, "discarded; nothing was sent").await?;
        Ok(self.shown(stored.change))
    }

    /// Keeps a change: it waits for nobody any more, and can still be undone.
    ///
    /// # Errors
    /// When it is not verified, or ends by itself.
    pub(crate) async fn keep_change(&self, id: &str) -> Result<Change, ApiError> {
        let mut held = self.hold_change(id).await?;
        let change = &held.stored.change;
        if change.state != ChangeState::Verified {
            return Err(conflict(change, "kept"));
        }
        if change.ends_ms.is_some() {
            return Err(ApiError::new(ErrorCode::Unsupported, "This change ends by itself and cannot be kept")
                .hint("Apply it again when it has ended"));
        }
        self.advance(&mut held.stored, ChangeState::Kept, "").await?;
        let change = held.stored.change.clone();
        drop(held);
        Ok(self.shown(change))
    }
}

pub(super) fn no_change(id: &str) -> ApiError {
    ApiError::not_found(format!("There is no change '{}'", masking::shown(id)))
        .hint("The list of changes shows those there are; what was previewed once more has another identifier")
}

/// Why nothing is sent to a target that says this.
pub(super) fn not_now(says: &TargetSays) -> ApiError {
    let (code, what) = match says.says {
        Says::Unreachable => (ErrorCode::Unreachable, "The target cannot be asked, so nothing was sent"),
        Says::NotAllowed => (ErrorCode::Privilege, "The target does not let Perfdeck look, so nothing was sent"),
        Says::Differs => (ErrorCode::Conflict, "The target was changed by somebody else, so nothing was sent"),
        Says::AsApplied => (ErrorCode::Conflict, "The target has it already"),
        Says::HalfDone => (ErrorCode::Conflict, "The target has a part of it"),
        Says::AsBefore => (ErrorCode::Conflict, "The target has nothing of it"),
    };
    ApiError::new(code, format!("{what}: {}", says.text))
}

/// Refuses to alter or ask another target than the one that the change belongs to.
pub(super) fn same_target(stored: &Stored, environment: &Environment) -> Result<(), ApiError> {
    if address_of(&environment.targets, stored.change.target).as_ref() == Some(&stored.address) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Conflict,
        format!(
            "'{}' names another {} now than this change was made on",
            environment.name,
            stored.change.target.as_str()
        ),
    )
    .hint("Give the environment its former address to ask it about the change, or to undo it"))
}

/// What is offered for a change that nobody holds.
pub(super) fn with_offers(mut change: Change) -> Change {
    change.offers = machine::offers(&change);
    change
}
