//! Changes: what Perfdeck alters on a target, from its plan until it is kept or undone.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, BuildLock, ChangePrediction, ChangeProof, PreviewRow, TargetRole, WaitsFor};

/// State of a change. Each state is stored before the step that it names begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// The target was asked, and the statements are known.
    Planned,
    /// Costs and gains were predicted; it waits for a person.
    Previewed,
    /// The guards allow it, and how it is undone is stored. Nothing was sent.
    Armed,
    /// Being applied.
    Applying,
    /// Applied; the target did not confirm it yet.
    Applied,
    /// The target confirmed it. It is in force and waits for a person, or for its end.
    Verified,
    /// A person keeps it.
    Kept,
    /// Being undone.
    Undoing,
    /// The target confirmed that it is as before.
    Undone,
    /// Not applied: the target confirmed that nothing of it is there, or nothing was sent.
    Failed,
    /// Never applied: a person discarded it, or the target came to be as it would have made it, as when a session ended by itself.
    Lapsed,
    /// Ended in the middle: Perfdeck ended, it was stopped, or a step failed. What the target says is what is so.
    CutOff,
}

impl ChangeState {
    /// Whether nothing more can come: it is undone, failed or lapsed.
    pub fn is_past(self) -> bool {
        matches!(self, Self::Undone | Self::Failed | Self::Lapsed)
    }

    /// Whether somebody works on it now, or did when Perfdeck ended.
    pub fn is_moving(self) -> bool {
        matches!(self, Self::Armed | Self::Applying | Self::Undoing)
    }

    /// Whether something of it is, or may be, on the target.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Applying | Self::Applied | Self::Verified | Self::Kept | Self::Undoing | Self::CutOff)
    }

    /// The word shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Previewed => "previewed",
            Self::Armed => "armed",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Kept => "kept",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Failed => "failed",
            Self::Lapsed => "lapsed",
            Self::CutOff => "cut off",
        }
    }
}

/// Answer of the target about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// All of it is there.
    AsApplied,
    /// Nothing of it is there.
    AsBefore,
    /// Something else is there: it was changed by somebody else.
    Differs,
    /// A part of it is there.
    HalfDone,
    /// The target did not answer.
    Unreachable,
    /// The target does not let Perfdeck look.
    NotAllowed,
}

/// Answer of the target about a change when it was asked, with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TargetSays {
    /// Answer in short.
    pub says: Says,
    /// Answer in words, with figures where there are any.
    pub text: String,
}

impl TargetSays {
    /// An answer and its words.
    pub fn new(says: Says, text: impl Into<String>) -> Self {
        Self { says, text: text.into() }
    }
}

/// One step in the life of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangeStep {
    /// Time of the step, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// State that the change came to.
    pub state: ChangeState,
    /// Event in words; never a secret.
    pub text: String,
}

/// Operation that can be done with a change as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOffer {
    /// Apply it: `changes.apply`.
    Apply,
    /// Discard it: `changes.discard`. Nothing was sent.
    Discard,
    /// Bring what was cut off to its end: `changes.apply`. Where the target has all of it, nothing is sent.
    Finish,
    /// Keep it: `changes.keep`.
    Keep,
    /// Undo it: `changes.undo`. Where the target has nothing of it, nothing is sent.
    Undo,
    /// Take away what was left half done, so that the target is as before: `changes.undo`.
    CleanUp,
}

/// Alteration of a target by Perfdeck, from its plan until it is kept or undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Change {
    /// Stable identifier.
    pub id: String,
    /// Kind, such as `drop_index`.
    pub kind: String,
    /// Identifier of the environment.
    pub environment_id: String,
    /// Name of the environment when the change was planned.
    pub environment: String,
    /// Role of the target that it alters.
    pub target: TargetRole,
    /// Object that it alters there, such as `public.payments_created_idx`.
    pub object: String,
    /// Description in one line; identifiers between backticks are shown in monospace.
    pub title: String,
    /// Statement as it is sent, exactly.
    pub statement: String,
    /// Statement that is sent to undo it; `None` when it cannot be undone.
    pub undo_statement: Option<String>,
    /// Cost of undoing it, in words.
    pub undo_cost: Option<String>,
    /// State of the change.
    pub state: ChangeState,
    /// Whether a living process works on it now.
    pub held: bool,
    /// Events of its life, oldest first; at most 200.
    pub steps: Vec<ChangeStep>,
    /// Figures of its gains and costs.
    pub preview: Vec<PreviewRow>,
    /// Further facts that a person should know before it is applied, one sentence each.
    pub notes: Vec<String>,
    /// Transactions that it would wait for, as its preview found them; `null` where nothing is waited for, or an earlier Perfdeck asked.
    #[serde(default)]
    pub waits: Option<WaitsFor>,
    /// Whom it keeps waiting while an index is built; `null` of other changes.
    #[serde(default)]
    pub lock: Option<BuildLock>,
    /// Operations that can be done with it now.
    pub offers: Vec<ChangeOffer>,
    /// Answer of the target when it was last asked.
    pub target_says: Option<TargetSays>,
    /// Time at which the target was last asked, in milliseconds since the Unix epoch.
    pub checked_ms: Option<f64>,
    /// Time at which it ends by itself, in milliseconds since the Unix epoch; `None` when it waits for a person.
    pub ends_ms: Option<f64>,
    /// Time of planning, in milliseconds since the Unix epoch.
    pub created_ms: f64,
    /// Time of the last change of its state, in milliseconds since the Unix epoch.
    pub updated_ms: f64,
    /// Failure of its last step.
    pub error: Option<ApiError>,
    /// Prediction that it was planned with; `null` where nobody advised it.
    #[serde(default)]
    pub prediction: Option<ChangePrediction>,
    /// Proof of what it did, the last one; `null` while it was not measured.
    #[serde(default)]
    pub proof: Option<ChangeProof>,
}

impl Change {
    /// Whether nothing more can come: it is past, or was done and cannot be undone, so that nobody has to keep it.
    pub fn is_settled(&self) -> bool {
        self.state.is_past() || self.state == ChangeState::Kept && self.undo_statement.is_none()
    }
}

/// A change, and what the guards of its environment say about applying or undoing it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangeDetail {
    /// The change.
    pub change: Change,
    /// Reason that keeps it from being applied or undone now, in words; `None` when nothing does.
    pub guard: Option<String>,
    /// Text that must be typed to confirm it, if any: the environment's name.
    pub confirm: Option<String>,
    /// Text that must be typed besides, because so much would go, if any.
    #[serde(default)]
    pub agree: Option<String>,
    /// Signs that make the environment look like production that is not called so.
    pub evidence: Vec<String>,
}
