//! A duet: interleaved pairs of runs in random order, with planned looks (docs/benchmarks.md, 7.2.4 and 7.2.8).
//!
//! A pure state machine: it says what to run next and reads the figures; running, cooling down, the same request seed
//! in both arms and restarting pools between pairs are the caller's. It can be stored and resumed.
use std::fmt;

use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::assess::{Input, assess, reason};
use super::comparison::{Comparison, ComparisonKind, Look};
use super::figures::{Arm, RunFigures};
use super::registration::Registration;
use super::verdict::Verdict;

/// The next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DuetStep {
    /// Its pair, from 0.
    pub pair: u32,
    /// Its side.
    pub arm: Arm,
    /// Whether it is the first of its pair.
    pub first: bool,
}

/// One complete pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DuetPair {
    /// Figures of A.
    pub a: RunFigures,
    /// Figures of B.
    pub b: RunFigures,
}

/// A run was recorded that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuetError {
    /// The duet is over.
    Finished,
    /// The other arm was next.
    WrongArm {
        /// The arm that was next.
        expected: Arm,
    },
}

impl fmt::Display for DuetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("the comparison is over; no run is expected"),
            Self::WrongArm { expected } => write!(f, "a run of {expected:?} was expected"),
        }
    }
}

impl std::error::Error for DuetError {}

/// A duet in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Duet {
    registration: Registration,
    pairs: Vec<DuetPair>,
    /// The first run of a pair whose second is still to come.
    half: Option<RunFigures>,
    /// An invalid run that ended the duet.
    broken: Option<(Arm, RunFigures)>,
    exclusions: Vec<String>,
    differences: Vec<String>,
    decided: bool,
}

impl Duet {
    /// A duet that has not run yet. Ask [`Registration::problems`] first.
    pub fn new(registration: Registration) -> Self {
        Self {
            registration,
            pairs: Vec::new(),
            half: None,
            broken: None,
            exclusions: Vec::new(),
            differences: Vec::new(),
            decided: false,
        }
    }

    /// What was registered.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Complete pairs so far.
    pub fn pairs(&self) -> &[DuetPair] {
        &self.pairs
    }

    /// Sets the differences that the comparability gate found; any makes the outcome invalid.
    pub fn set_differences(&mut self, differences: Vec<String>) {
        self.differences = differences;
    }

    /// The next run; `None` when the duet is over. Asking twice gives the same answer.
    pub fn next(&self) -> Option<DuetStep> {
        let pair = self.pairs.len() as u32;
        if self.decided || self.broken.is_some() || pair >= self.registration.pairs {
            return None;
        }
        let arm = self.registration.first(pair);
        let first = self.half.is_none();
        Some(DuetStep { pair, arm: if first { arm } else { arm.other() }, first })
    }

    /// Records the run that [`Duet::next`] asked for.
    ///
    /// An invalid run ends the duet, or has its pair run again in the same order while repeats are left.
    ///
    /// # Errors
    /// When no run of that arm is next; nothing changes then.
    pub fn record(&mut self, arm: Arm, figures: RunFigures) -> Result<(), DuetError> {
        let step = self.next().ok_or(DuetError::Finished)?;
        if step.arm != arm {
            return Err(DuetError::WrongArm { expected: step.arm });
        }
        if !figures.valid {
            if (self.exclusions.len() as u32) < self.registration.repeats {
                self.exclusions.push(format!("pair {} run again: {}", step.pair + 1, reason(&figures)));
                self.half = None;
            } else {
                self.broken = Some((arm, figures));
            }
            return Ok(());
        }
        let Some(first) = self.half.take() else {
            self.half = Some(figures);
            return Ok(());
        };
        let (a, b) = if arm == Arm::B { (first, figures) } else { (figures, first) };
        self.pairs.push(DuetPair { a, b });
        let done = self.pairs.len();
        if self.registration.looks.contains(&(done as u32)) {
            let look = self.assess(done);
            self.decided = look.metrics.iter().filter(|m| m.primary).all(|m| m.verdict.is_settled());
        }
        Ok(())
    }

    fn assess(&self, pairs: usize) -> Comparison {
        let used = self.pairs.get(..pairs).unwrap_or(&self.pairs);
        let mut input = Input {
            plan: &self.registration,
            kind: ComparisonKind::Duet,
            a: used.iter().map(|p| &p.a).collect(),
            b: used.iter().map(|p| &p.b).collect(),
            differences: self.differences.clone(),
        };
        match &self.broken {
            Some((Arm::A, run)) => input.a.push(run),
            Some((Arm::B, run)) => input.b.push(run),
            None => {}
        }
        assess(&input)
    }

    /// The comparison as it stands. Before a planned look it is inconclusive whatever the numbers say: looking at
    /// other times raises false alarms.
    pub fn outcome(&self) -> Comparison {
        let done = self.pairs.len();
        let mut result = self.assess(done);
        let plan = &self.registration;
        result.looks = plan
            .looks
            .iter()
            .map(|&pairs| {
                let verdict = (pairs as usize <= done).then(|| self.assess(pairs as usize).verdict);
                Look { pairs, alpha: plan.alpha, verdict }
            })
            .collect();
        result.order = (0..done as u32).map(|pair| plan.first(pair)).collect();
        result.exclusions.clone_from(&self.exclusions);
        if !plan.looks.contains(&(done as u32)) && result.verdict != Verdict::Invalid {
            let next = plan.looks.iter().find(|&&k| k as usize > done).copied().unwrap_or(plan.pairs);
            for m in &mut result.metrics {
                m.verdict = Verdict::Inconclusive;
            }
            result.verdict = Verdict::Inconclusive;
            result.more_pairs = Some(next.saturating_sub(done as u32));
            result.sentence = format!(
                "{}: {done} of {} run; the result is looked at after {next}.",
                Verdict::Inconclusive.word(),
                words::plural(plan.pairs, "pair")
            );
        }
        result
    }
}

#[cfg(test)]
#[path = "tests/duet.rs"]
mod tests;
