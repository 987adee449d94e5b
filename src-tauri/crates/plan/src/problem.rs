//! What is wrong with a plan, and what its templates may insert.
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::variables::Compiler;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "PlanSeverity")]
pub enum Severity {
    /// The plan cannot run.
    Error,
    /// It can, but may not do what is meant.
    Warning,
}

/// Something wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(rename = "PlanProblem")]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// The step, where it belongs to one.
    pub step: Option<String>,
    /// The field, such as `load.connections` or `headers.Accept`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.step {
            Some(step) => write!(f, "step '{step}', {}: {}", self.field, self.message),
            None => write!(f, "{}: {}", self.field, self.message),
        }
    }
}

/// Collects problems.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) list: Vec<Problem>,
    pub(super) step: Option<String>,
}

impl Problems {
    pub(super) fn add(&mut self, severity: Severity, field: &str, message: impl Into<String>) {
        let (step, field) = (self.step.clone(), field.to_owned());
        let problem = Problem { severity, step, field, message: message.into() };
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    pub(super) fn error(&mut self, field: &str, message: impl Into<String>) {
        self.add(Severity::Error, field, message);
    }

    pub(super) fn warn(&mut self, field: &str, message: impl Into<String>) {
        self.add(Severity::Warning, field, message);
    }

    pub(super) fn number(&mut self, field: &str, value: f64, low: f64, high: f64, unit: &str) {
        if !(low..=high).contains(&value) {
            self.error(field, format!("{value} is not between {low} and {high} {unit}"));
        }
    }
}

/// What templates of a plan may insert.
pub(super) struct Known {
    pub(super) compiler: Compiler,
    /// Feeds and their columns.
    pub(super) data: BTreeSet<String>,
    /// Extracted variables with the indices of the steps that set them.
    pub(super) extracted: BTreeMap<String, Vec<usize>>,
    /// Index of the login step.
    pub(super) login: Option<usize>,
}
