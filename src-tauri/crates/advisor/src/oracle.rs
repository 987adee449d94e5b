//! What a statement costs with indexes that are not there.
use std::collections::BTreeSet;

pub use perfdeck_model::AdviceBasis as Worth;
use perfdeck_model::{ApiError, BoxFuture};

/// One question: what does this statement cost, with these values, when these candidates are there?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Place of the statement in the workload.
    pub statement: usize,
    /// Place of the values among those of the statement.
    pub parameters: usize,
    /// Places of the candidates.
    pub candidates: BTreeSet<usize>,
}

/// An index that a plan uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Used {
    /// The candidate at that place.
    Candidate(usize),
    /// One that is there, by its name.
    Existing(String),
}

/// What a statement costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// By the planner's reckoning, in its own unit.
    pub total: f64,
    /// What it would cost if the plan's hope to have enough rows early were wrong: all rows that it would read then. `None` where the
    /// plan has no such hope.
    pub unstopped: Option<f64>,
    /// The indexes that it uses.
    pub used: Vec<Used>,
}

/// Whoever knows what statements cost.
pub trait Oracle: Send {
    /// Answers questions, in their order: a cost, or why the server does not plan that statement with those values.
    ///
    /// # Errors
    /// When nothing can be asked any more.
    fn costs<'a>(&'a mut self, questions: &'a [Question])
    -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>>;

    /// What stands behind the answers.
    fn worth(&self) -> Worth;
}
