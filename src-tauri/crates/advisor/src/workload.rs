//! The statements that indexes are for, with what they cost, and how much of the database's time they are.
use crate::catalogue::Catalogue;
use crate::of_plan::{OfPlan, shape_of_plan};
use crate::parse::NotAnalysed;
use crate::shape::Shape;
use crate::statement::shape_of;

/// A statement with what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its text; values may be parameters.
    pub text: String,
    /// How often it was run.
    pub calls: f64,
    /// What that took, in milliseconds.
    pub total_ms: f64,
    /// What it asks and writes.
    pub shape: Shape,
}

/// A statement that takes no part.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// Its text.
    pub text: String,
    /// How often it was run.
    pub calls: f64,
    /// What that took, in milliseconds.
    pub total_ms: f64,
    /// Why.
    pub why: NotAnalysed,
}

/// How much of the database's time was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Coverage {
    /// Time of the statements that were analysed, in milliseconds.
    pub analysed_ms: f64,
    /// Time of all statements.
    pub all_ms: f64,
}

impl Coverage {
    /// The share that was analysed, 0 to 1; `None` where nothing took time.
    pub fn share(&self) -> Option<f64> {
        (self.all_ms > 0.0).then(|| self.analysed_ms / self.all_ms)
    }
}

/// Statements of a stretch of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workload {
    /// Those that take part, the heaviest first.
    pub statements: Vec<Statement>,
    /// Those that do not.
    pub left: Vec<Left>,
    /// How long the stretch was, in days; 0 of statements that were handed in, whose times are weights.
    pub days: f64,
}

impl Workload {
    /// A workload of `days` days without statements.
    pub fn new(days: f64) -> Self {
        Self { statements: Vec::new(), left: Vec::new(), days }
    }

    /// Whether times were measured.
    pub(crate) fn is_timed(&self) -> bool {
        self.days > 0.0
    }

    /// Adds a statement. Where its text is not understood, what a plan of it says is looked at.
    pub fn add(&mut self, catalogue: &Catalogue, text: &str, calls: f64, total_ms: f64, plan: Option<&OfPlan>) {
        let shape = shape_of(text, catalogue).or_else(|why| match plan {
            Some(plan) => shape_of_plan(plan, catalogue).map_err(|_| why),
            None => Err(why),
        });
        let text = text.to_owned();
        match shape {
            Ok(shape) => self.statements.push(Statement { text, calls, total_ms, shape }),
            Err(why) => self.left.push(Left { text, calls, total_ms, why }),
        }
        self.statements.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms));
    }

    /// Takes statements out that turned out not to be planned.
    pub(crate) fn coverage(&self, not_planned: &[usize]) -> Coverage {
        let of = |statement: &Statement| statement.total_ms;
        let all_ms = self.statements.iter().map(of).sum::<f64>() + self.left.iter().map(|l| l.total_ms).sum::<f64>();
        let planned = self.statements.iter().enumerate().filter(|(i, _)| !not_planned.contains(i));
        Coverage { analysed_ms: planned.map(|(_, s)| of(s)).sum(), all_ms }
    }
}
