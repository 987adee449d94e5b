//! Edits of keys: each is planned from what is there, written by a script that compares it with that in the server, and taken back by the
//! same script the other way round. An edit changes nothing but what is edited: expiries of the key and of its fields, the text of
//! numbers, order and duplicates stay.
mod plan;
mod run;
mod words;

pub use plan::plan;
pub use run::{apply, look, undo};
pub use words::veiled;

use perfdeck_model::{ApiError, CacheBytes, EditState};
use serde::{Deserialize, Serialize};

/// Longest value that is edited, in bytes: it is compared in the server.
pub const LONGEST: usize = 1 << 20;
/// Memory of a key up to which it is dumped before it is removed, in bytes.
pub const SNAPSHOT: f64 = 1_048_576.0;
/// What is typed before a key is removed that nothing brings back: its name may be somebody's.
pub const FOR_GOOD: &str = "for good";
/// Distance from the ends of a list within which elements are put in or taken out: the server looks at each up to there.
pub const REACH: f64 = 50_000.0;

/// When a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Expiry {
    Never,
    /// At a time, in milliseconds since the Unix epoch.
    At(i64),
    /// A time after it is set, both in milliseconds; the second is the server's clock when that was planned.
    In(i64, i64),
}

impl Expiry {
    fn text(self) -> String {
        match self {
            Self::Never => "never".to_owned(),
            Self::At(ms) => format!("at:{ms}"),
            Self::In(ms, since) => format!("in:{ms}:{since}"),
        }
    }
}

/// What of a key is edited.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Part {
    String,
    Field(CacheBytes),
    Member(CacheBytes),
    Score(CacheBytes),
    /// A place of a list, its neighbours, and the list's length when it was planned.
    Element {
        index: u64,
        before: Option<CacheBytes>,
        after: Option<CacheBytes>,
        length: u64,
    },
    Entry(String),
}

/// A key as it was before it was removed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    dump: CacheBytes,
    frequency: Option<i64>,
    idle_s: Option<i64>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// One part: its value before and after, and the expiry of a field.
    Value {
        part: Part,
        old: Option<CacheBytes>,
        new: Option<CacheBytes>,
        expiry: i64,
    },
    RenameField {
        from: CacheBytes,
        to: CacheBytes,
        value: CacheBytes,
    },
    Expiry {
        old: Expiry,
        new: Expiry,
    },
    Rename {
        to: CacheBytes,
    },
    Delete {
        kind: String,
        length: i64,
        bytes: Option<f64>,
        snapshot: Option<Snapshot>,
    },
}

/// An edit as it is planned: all that is needed to write it, to ask about it and to take it back. It holds names and values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EditPlan {
    key: CacheBytes,
    step: Step,
    /// Expiry of the key when it was planned, -1 for never.
    expires: i64,
}

impl std::fmt::Debug for EditPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EditPlan")
    }
}

impl EditPlan {
    /// Name of the key.
    pub fn key(&self) -> &CacheBytes {
        &self.key
    }

    /// What is edited, in a word.
    pub fn part(&self) -> &'static str {
        match &self.step {
            Step::Value { part: Part::String, .. } => "value",
            Step::Value { part: Part::Field(_), .. } => "field",
            Step::Value { part: Part::Member(_) | Part::Score(_), .. } => "member",
            Step::Value { part: Part::Element { .. }, .. } => "element",
            Step::Value { part: Part::Entry(_), .. } => "entry",
            Step::RenameField { .. } => "field name",
            Step::Expiry { .. } => "expiry",
            Step::Rename { .. } => "name",
            Step::Delete { .. } => "key",
        }
    }

    /// Name of the field, member or entry, or place of the element.
    pub fn name(&self) -> Option<CacheBytes> {
        match &self.step {
            Step::Value { part: Part::Field(name) | Part::Member(name) | Part::Score(name), .. } => Some(name.clone()),
            Step::Value { part: Part::Element { index, .. }, .. } => Some(CacheBytes::Text(index.to_string())),
            Step::Value { part: Part::Entry(id), .. } => Some(CacheBytes::Text(id.clone())),
            Step::RenameField { from, .. } => Some(from.clone()),
            _ => None,
        }
    }

    /// What is there before, and what after.
    pub fn values(&self) -> (Option<CacheBytes>, Option<CacheBytes>) {
        let text = |e: Expiry| {
            Some(CacheBytes::Text(match e {
                Expiry::Never => "never".to_owned(),
                Expiry::At(ms) => format!("at {ms}"),
                Expiry::In(ms, _) => format!("in {ms} ms"),
            }))
        };
        match &self.step {
            // Of a member and an entry only that it is there matters.
            Step::Value { part: Part::Entry(_) | Part::Member(_), .. } => (None, None),
            Step::Value { old, new, .. } => (old.clone(), new.clone()),
            Step::RenameField { from, to, .. } => (Some(from.clone()), Some(to.clone())),
            Step::Expiry { old, new } => (text(*old), text(*new)),
            Step::Rename { to } => (Some(self.key.clone()), Some(to.clone())),
            Step::Delete { .. } => (None, None),
        }
    }

    /// Whether it can be taken back.
    pub fn undoes(&self) -> bool {
        match &self.step {
            Step::Value { part: Part::Entry(_), .. } => false,
            Step::Delete { snapshot, .. } => snapshot.is_some(),
            _ => true,
        }
    }

    /// Whether it removes a whole key that nothing brings back.
    pub fn is_final(&self) -> bool {
        matches!(self.step, Step::Delete { snapshot: None, .. })
    }

    /// Memory that it frees, in bytes; `None` where that is unknown, or nothing is freed.
    pub fn frees(&self) -> Option<f64> {
        match &self.step {
            Step::Delete { bytes, .. } => *bytes,
            _ => None,
        }
    }
}

/// Why nothing was written.
pub(crate) fn changed() -> ApiError {
    ApiError::new(
        perfdeck_model::ErrorCode::Conflict,
        "Another client wrote it after it was opened, so nothing was written",
    )
    .hint("Read it again, and choose what is to be kept")
}

fn state(word: &str) -> EditState {
    match word {
        "old" => EditState::AsOpened,
        "new" | "done" => EditState::AsWritten,
        _ => EditState::Changed,
    }
}
