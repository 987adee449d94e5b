//! Asking targets what became of changes, and finding those that were cut off.
use std::sync::Arc;

use futures_util::StreamExt as _;
use perfdeck_model::{
    ApiError, Change, ChangeState, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, Says, Tag, TargetSays,
};

use super::At;
use super::hold::Hold;
use super::life::{entry, no_change, same_target, with_offers};
use super::plan::within;
use super::store::Stored;
use crate::Engine;

/// Time for which an answer of a target is good, in milliseconds: a list that is read again at once asks nobody, and one that
/// is read every 30 s, as the window does it, asks each time.
const FRESH_MS: f64 = 25_000.0;
/// Targets that are asked at the same time.
const AT_ONCE: usize = 32;

/// What an error of asking says about the target.
fn unasked(error: &ApiError) -> TargetSays {
    let says = match error.code {
        ErrorCode::Privilege | ErrorCode::Authentication | ErrorCode::SecretMissing => Says::NotAllowed,
        _ => Says::Unreachable,
    };
    TargetSays::new(says, error.message.clone())
}

/// Whether an answer belongs into the journal: another one than before. That a target cannot be asked for a while does not,
/// nor that it says the usual afterwards.
fn is_news(before: Option<&TargetSays>, now: &TargetSays) -> bool {
    let asked = |says| !matches!(says, Says::Unreachable | Says::NotAllowed);
    match before {
        Some(before) if asked(before.says) => before.says != now.says && asked(now.says),
        Some(_) => asked(now.says) && now.says != Says::AsApplied,
        None => false,
    }
}

impl Engine {
    /// Asks the target of a change; one that cannot be asked is an answer too.
    pub(super) async fn ask_now(self: &Arc<Self>, stored: &Stored, environment: &Environment) -> TargetSays {
        let asked = async {
            same_target(stored, environment)?;
            let kind = self.core.kinds.get(&stored.change.kind)?;
            within(kind.patience(), kind.verify(At { engine: self, environment, prediction: None }, stored.own())).await
        };
        asked.await.unwrap_or_else(|error| unasked(&error))
    }

    /// The same for a change that nobody works on: its environment may be gone, or the demo closed.
    async fn ask(self: &Arc<Self>, stored: &Stored) -> TargetSays {
        let id = &stored.change.environment_id;
        match self.environment(id).await {
            Ok(e) if id == DEMO_ENVIRONMENT_ID && e.targets.roles().is_empty() => {
                TargetSays::new(Says::Unreachable, "The demo is not open")
            }
            Ok(environment) => self.ask_now(stored, &environment).await,
            Err(error) => unasked(&error),
        }
    }

    /// Stores what a target said.
    pub(super) async fn note_says(&self, stored: &mut Stored, says: TargetSays) -> Result<(), ApiError> {
        // Viewers are told what is new only: reading the list again asks again what was not asked lately.
        let news = stored.change.target_says.as_ref() != Some(&says);
        stored.change.target_says = Some(says);
        stored.change.checked_ms = Some(self.core.clock.now_ms());
        self.core.store.say_of_change(stored).await?;
        if news {
            self.core.changed(&[Tag::Changes]);
        }
        Ok(())
    }

    /// Stores that a change which nobody works on was left in the middle.
    pub(super) async fn cut_off(&self, stored: &mut Stored) -> Result<(), ApiError> {
        let text = format!("Perfdeck ended while it was {}", stored.change.state.as_str());
        // What the target said before is of another state; nothing is known until it is asked again.
        self.advance_with(stored, ChangeState::CutOff, &text, |change| {
            change.target_says = None;
            change.checked_ms = None;
        })
        .await
    }

    /// Finds changes that were cut off, here or in another process. Nothing is asked of a target.
    pub(crate) async fn find_cut_off(&self) {
        let moving = match self.core.store.moving_changes().await {
            Ok(moving) => moving,
            Err(error) => {
                tracing::warn!(%error, "changes that were cut off could not be looked for");
                return;
            }
        };
        for stored in moving {
            if let Err(error) = self.found(&stored.change.id).await {
                tracing::warn!(%error, "a change that was cut off could not be stored");
            }
        }
    }

    /// The change as it is, cut off where it was left in the middle and nobody works on it.
    async fn found(&self, id: &str) -> Result<Stored, ApiError> {
        let stored = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        if !stored.change.state.is_moving() {
            return Ok(stored);
        }
        // One look at a time: what holds a change for a look is not somebody at work.
        let _looking = self.core.kinds.looking().await;
        let Some(_hold) = Hold::look(&self.core.data_dir, &stored.change.id).await? else { return Ok(stored) };
        // Whoever held it may have finished it in between.
        let mut stored = self.core.store.change(id).await?.ok_or_else(|| no_change(id))?;
        if stored.change.state.is_moving() {
            self.cut_off(&mut stored).await?;
        }
        Ok(stored)
    }

    /// A change with what can be done with it now.
    pub(super) fn shown(&self, mut change: Change) -> Change {
        // What is in the middle and was not found to be cut off is held by somebody.
        change.held = change.state.is_moving();
        with_offers(change)
    }

    /// One change, as it was last stored.
    pub(crate) async fn change(&self, id: &str, reads_only: bool) -> Result<Change, ApiError> {
        let stored = if reads_only {
            self.core.store.change(id).await?.ok_or_else(|| no_change(id))?
        } else {
            self.found(id).await?
        };
        Ok(self.shown(stored.change))
    }

    /// One change, after its target was asked.
    pub(crate) async fn check_change(self: &Arc<Self>, id: &str) -> Result<Change, ApiError> {
        let stored = self.found(id).await?;
        if stored.change.environment_id == DEMO_ENVIRONMENT_ID {
            self.demo().await?;
        }
        self.checked(stored, true).await
    }

    /// All changes, newest first, of one environment or of all. Unless the caller only reads, targets are asked about what
    /// may be in force, and about what waits to be applied; one that cannot be asked is said to be so.
    pub(crate) async fn change_list(
        self: &Arc<Self>,
        environment_id: Option<&str>,
        reads_only: bool,
    ) -> Result<Vec<Change>, ApiError> {
        if reads_only {
            let all = self.core.store.changes(environment_id).await?;
            return Ok(all.into_iter().map(|s| self.shown(s.change)).collect());
        }
        // One list after the other: who waited finds the answers of the one before.
        let _alone = self.core.kinds.listing().await;
        self.find_cut_off().await;
        let all = self.core.store.changes(environment_id).await?;
        let asked = futures_util::stream::iter(all.into_iter().map(|stored| self.checked(stored, false)));
        // In order, so that the list stays as it was read.
        let checked: Vec<Result<Change, ApiError>> = asked.buffered(AT_ONCE).collect().await;
        checked.into_iter().collect()
    }

    /// The environments of changes that may be in force. Nothing is asked of a target.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn changes_in_force(&self, environment_id: Option<&str>) -> Result<Vec<String>, ApiError> {
        let all = self.core.store.changes(environment_id).await?;
        let mut ids: Vec<String> = all
            .into_iter()
            .filter(|s| s.change.state.is_in_force() && !s.change.is_settled())
            .map(|s| s.change.environment_id)
            .collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// Asks about a change and stores the answer, unless it came to another state meanwhile.
    async fn checked(self: &Arc<Self>, stored: Stored, now: bool) -> Result<Change, ApiError> {
        let state = stored.change.state;
        // An answer from before its last step is no answer about it.
        let at = stored.change.checked_ms.filter(|at| *at >= stored.change.updated_ms);
        let fresh = at.is_some_and(|at| (0.0..FRESH_MS).contains(&(self.core.clock.now_ms() - at)));
        let waits = state == ChangeState::Previewed;
        // Whoever works on it asks by itself.
        if !(state.is_in_force() || waits) || state.is_moving() || stored.change.is_settled() || fresh && !now {
            return Ok(self.shown(stored.change));
        }
        let says = self.ask(&stored).await;
        let id = stored.change.id.clone();
        // Another check holds it for a moment, and stores an answer of its own; whoever works on it holds it for longer.
        let Some(_hold) = Hold::look(&self.core.data_dir, &id).await? else { return self.change(&id, true).await };
        let mut newest = self.core.store.change(&id).await?.ok_or_else(|| no_change(&id))?;
        if newest.revision != stored.revision {
            return Ok(self.shown(newest.change));
        }
        if waits && says.says == Says::AsApplied {
            self.lapse(&mut newest, says).await?;
            return Ok(self.shown(newest.change));
        }
        let ended = newest.change.ends_ms.is_some_and(|at| at <= self.core.clock.now_ms());
        let next = match (state, says.says) {
            (ChangeState::Applied, Says::AsApplied) => Some((ChangeState::Verified, says.text.clone())),
            (ChangeState::Applied | ChangeState::Verified, Says::AsBefore) if ended => {
                Some((ChangeState::Undone, "it ended by itself".to_owned()))
            }
            _ => None,
        };
        match next {
            Some((to, text)) => {
                let at = self.core.clock.now_ms();
                self.advance_with(&mut newest, to, &text, |change| {
                    change.target_says = Some(says);
                    change.checked_ms = Some(at);
                })
                .await?;
                self.settle(&mut newest).await?;
            }
            None => {
                // What was not applied is nobody's to journal.
                if !waits && is_news(newest.change.target_says.as_ref(), &says) {
                    self.note_differs(&newest.change, &says).await;
                }
                self.note_says(&mut newest, says).await?;
            }
        }
        Ok(self.shown(newest.change))
    }

    /// Tells that changes of a kind cannot be undone any more: those whose plan `is` it.
    pub(crate) async fn forget_undo(
        &self,
        kind: &str,
        why: &str,
        is: impl Fn(&serde_json::Value) -> bool,
    ) -> Result<(), ApiError> {
        for stored in self.core.store.changes(None).await? {
            let meant = stored.change.kind == kind && stored.change.undo_statement.is_some() && is(stored.own());
            if !meant || stored.change.state.is_past() {
                continue;
            }
            let Some(_hold) = Hold::look(&self.core.data_dir, &stored.change.id).await? else { continue };
            let Some(mut newest) = self.core.store.change(&stored.change.id).await? else { continue };
            newest.change.undo_statement = None;
            newest.change.undo_cost = None;
            newest.change.notes.push(why.to_owned());
            self.core.store.say_of_change(&newest).await?;
            self.settle(&mut newest).await?;
            self.core.changed(&[Tag::Changes]);
        }
        Ok(())
    }

    /// Journals that a target says something else than before.
    async fn note_differs(&self, change: &Change, says: &TargetSays) {
        let now = self.core.clock.now_ms();
        let noted = entry(change, now, &format!("the target says: {}", says.text));
        if let Err(error) = self.core.store.put_journal(&noted).await {
            tracing::error!(%error, "the journal could not be written");
        }
    }
}
