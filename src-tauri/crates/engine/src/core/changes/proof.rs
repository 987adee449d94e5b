//! Proof of a change that is in force: who measures holds the change, and what was found is stored with it. Its state stays.
use std::sync::Arc;

use perfdeck_model::{
    ApiError, Change, ChangeProof, ChangeState, Environment, ErrorCode, JournalEntry, JournalKind, Says, Tag,
    TrackRecord,
};
use serde_json::Value;

use super::life::{Held, conflict, named, not_now};
use crate::Engine;

/// A change while it is measured.
pub(crate) struct Proving(Held);

impl Proving {
    pub(crate) fn change(&self) -> &Change {
        &self.0.stored.change
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Facts that its kind keeps.
    pub(crate) fn plan(&self) -> &Value {
        self.0.stored.own()
    }

    /// What it does, as plain text.
    pub(crate) fn named(&self) -> String {
        named(self.change())
    }
}

impl Engine {
    /// Takes hold of a change of this kind that is in force, to measure it.
    ///
    /// # Errors
    /// When it is another kind of change, in no state for that, or somebody else works on it.
    pub(crate) async fn hold_to_prove(&self, id: &str, kind: &str) -> Result<Proving, ApiError> {
        let held = self.hold_change(id).await?;
        let change = &held.stored.change;
        if change.kind != kind {
            return Err(ApiError::new(ErrorCode::Unsupported, "Only a change that creates an index is proven")
                .hint("What another change did is measured by a benchmark before it and after"));
        }
        if !matches!(change.state, ChangeState::Verified | ChangeState::Kept) {
            return Err(conflict(change, "proven"));
        }
        Ok(Proving(held))
    }

    /// Asks the target whether it has all of the change.
    ///
    /// # Errors
    /// When it has not, or cannot be asked.
    pub(crate) async fn still_there(self: &Arc<Self>, proving: &Proving) -> Result<(), ApiError> {
        let says = self.ask_now(&proving.0.stored, &proving.0.environment).await;
        if says.says == Says::AsApplied { Ok(()) } else { Err(not_now(&says)) }
    }

    /// Stores a proof with its change, in place of an earlier one, and journals it.
    pub(crate) async fn proven(&self, proving: Proving, proof: ChangeProof) -> Result<(), ApiError> {
        let mut stored = proving.0.stored.clone();
        let change = &mut stored.change;
        let entry = JournalEntry {
            at_ms: proof.at_ms,
            kind: JournalKind::TargetChange,
            environment_id: Some(change.environment_id.clone()),
            environment: Some(change.environment.clone()),
            text: format!("{}: {}, {}", named(change), proof.verdict.as_str(), proof.why.replace('`', "")),
            run_id: None,
            part_of: None,
        };
        change.proof = Some(proof);
        self.core.store.prove_change(&stored, &entry).await?;
        self.core.changed(&[Tag::Changes]);
        Ok(())
    }

    /// How the predictions of an environment's changes came out.
    pub(crate) async fn track_record(&self, environment_id: &str) -> Result<TrackRecord, ApiError> {
        let mut record = TrackRecord::default();
        for proof in self.core.store.proofs(environment_id).await? {
            for landed in proof.statements.iter().filter_map(|statement| statement.landed) {
                record.predictions += 1;
                record.landed += u32::from(landed);
            }
        }
        Ok(record)
    }
}
