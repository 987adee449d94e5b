//! Proof of a change: what it did to statements, measured.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ShareRange, ValueClass};

/// How the time without the index was measured beside the time with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofMethod {
    /// The index was taken for invalid within a transaction that was rolled back: no lock on the table (PostgreSQL, superusers).
    Hidden,
    /// The planner was told not to look at it (`hypopg_hide_index`, from HypoPG 1.4 on).
    HypopgHide,
    /// It was dropped within a transaction that was rolled back: others wait for the table meanwhile (PostgreSQL, development only).
    DroppedInside,
    /// The statement asked not to use it: `IGNORE INDEX` (MySQL, MariaDB).
    IgnoreHint,
    /// Two copies of the file, one with it and one without (SQLite).
    Copies,
}

impl ProofMethod {
    /// The words shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "the index hidden within a transaction that is rolled back",
            Self::HypopgHide => "the index hidden from the planner (HypoPG)",
            Self::DroppedInside => "the index dropped within a transaction that is rolled back",
            Self::IgnoreHint => "the index ignored by hint",
            Self::Copies => "two copies of the file",
        }
    }
}

/// Verdict of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofVerdict {
    /// Statements take less time with the index, by interval, and none takes more.
    Proven,
    /// No statement takes less time with it.
    NoGain,
    /// A statement, or a class of its values, takes more than 5 % longer with it, by interval.
    Regression,
    /// No plan uses it.
    NotUsed,
    /// It is used now, and no more once the table's statistics are gathered anew.
    Fragile,
    /// It cannot be told: too few runs, intervals too wide, or answers that differ.
    Unclear,
}

impl ProofVerdict {
    /// The words shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::NoGain => "no gain",
            Self::Regression => "slower",
            Self::NotUsed => "not used",
            Self::Fragile => "fragile",
            Self::Unclear => "unclear",
        }
    }
}

/// One class of a statement's values, without the index and with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ProofClass {
    /// The class.
    pub class: ValueClass,
    /// Blocks of each kind.
    pub blocks: u32,
    /// Runs of each kind.
    pub runs: u32,
    /// Median time of a run without the index, in milliseconds.
    pub before_ms: f64,
    /// The same with it.
    pub after_ms: f64,
    /// Relative change with its 95 % interval: -0.9 is a tenth.
    pub change: ShareRange,
    /// Pages that a run touched without the index; `null` where the engine does not count them.
    pub buffers_before: Option<f64>,
    /// The same with it.
    pub buffers_after: Option<f64>,
    /// Rows that a run returned.
    pub rows: f64,
    /// Whether both returned the same rows; `null` where the statement leaves open which rows those are.
    pub same_rows: Option<bool>,
    /// Whether the plan with the index uses it.
    pub used: bool,
    /// Whether it still does once the statistics are gathered anew; `null` where that was not tried.
    pub used_after_analyze: Option<bool>,
    /// Relative change that was predicted; `null` where none was.
    pub predicted: Option<f64>,
}

/// One statement without the index and with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ProofStatement {
    /// The statement without literals, at most 2,000 bytes.
    pub statement: String,
    /// Whether it writes: it was run within transactions that were rolled back.
    pub writes: bool,
    /// Share of the workload's time when the index was advised; `null` where that is not known.
    pub share: Option<f64>,
    /// Relative change over the classes by their share of the calls, with its 95 % interval; `null` where it could not be measured.
    pub change: Option<ShareRange>,
    /// Relative change that was predicted, with its interval.
    pub predicted: Option<ShareRange>,
    /// Whether the measured change lies within what was predicted; `null` where either is not known.
    pub landed: Option<bool>,
    /// Its classes.
    pub classes: Vec<ProofClass>,
    /// Why it could not be measured; `null` where it was.
    pub not_measured: Option<String>,
}

/// Proof of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangeProof {
    /// Time at which it was made, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Time that it took, in seconds.
    pub took_s: f64,
    /// How it was measured.
    pub method: ProofMethod,
    /// Verdict.
    pub verdict: ProofVerdict,
    /// Why, in a sentence.
    pub why: String,
    /// Statements, the heaviest first.
    pub statements: Vec<ProofStatement>,
    /// Share of the workload's time that was saved, with its 95 % interval; `null` where shares are not known.
    pub saved: Option<ShareRange>,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
}

/// How earlier predictions came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TrackRecord {
    /// Statements whose change was predicted and measured.
    pub predictions: u32,
    /// Those whose measured change lay within the predicted interval.
    pub landed: u32,
}
