//! What statements take with a set of candidates, and what it takes of the disk.
use std::collections::{BTreeMap, BTreeSet};

use super::{Search, UNKNOWN};
use crate::earned::Saved;
use crate::oracle::Cost;
use crate::vectors::{Class, weight};

impl Search<'_, '_> {
    /// What a candidate saves alone of each statement that it concerns.
    pub(super) fn saved(&self, candidate: usize, set: &BTreeSet<usize>) -> BTreeMap<usize, Saved> {
        let total = |s: usize| self.wanted.workload.statements[s].total_ms;
        let of = |s: &usize| Saved {
            usual: total(*s) - self.time_of(*s, set),
            sure: total(*s) - self.sure_time_of(*s, set),
        };
        self.wanted.candidates[candidate].concerns.iter().map(|s| (*s, of(s))).collect()
    }

    pub(super) fn alone(&self, candidate: usize, set: &BTreeSet<usize>) -> Vec<(usize, usize, Cost)> {
        let mut all = Vec::new();
        for statement in &self.wanted.candidates[candidate].concerns {
            for parameters in 0..self.wanted.parameters[*statement].len() {
                if let Some(cost) = self.cost(*statement, parameters, set) {
                    all.push((*statement, parameters, cost.clone()));
                }
            }
        }
        all
    }

    /// Time of all statements, and of writers, with these indexes. A statement takes the same part of its time as of its cost.
    pub(super) fn time(&self, set: &BTreeSet<usize>) -> f64 {
        self.wanted.writing.ms(&self.wanted.made(set))
            + (0..self.wanted.workload.statements.len()).map(|s| self.time_of(s, set)).sum::<f64>()
    }

    pub(super) fn time_of(&self, statement: usize, set: &BTreeSet<usize>) -> f64 {
        self.time_by(statement, set, Cost::of)
    }

    /// The same where no end comes early.
    pub(super) fn sure_time_of(&self, statement: usize, set: &BTreeSet<usize>) -> f64 {
        self.time_by(statement, set, |cost, _| cost.unstopped.unwrap_or(cost.total).max(cost.total))
    }

    /// The same where a plan with these indexes costs what `of` makes of it.
    fn time_by(&self, statement: usize, set: &BTreeSet<usize>, of: impl Fn(&Cost, Class) -> f64) -> f64 {
        let nothing = BTreeSet::new();
        let (mut before, mut after) = (0.0, 0.0);
        for (at, parameters) in self.wanted.parameters[statement].iter().enumerate() {
            let costs = self.cost(statement, at, &nothing).zip(self.cost(statement, at, set));
            let Some((old, new)) = costs else { continue };
            let weight = weight(parameters.class);
            before += weight * old.of(parameters.class);
            after += weight * of(new, parameters.class);
        }
        self.wanted.workload.statements[statement].total_ms * if before > 0.0 { after / before } else { 1.0 }
    }

    pub(super) fn bytes(&self, set: &BTreeSet<usize>) -> f64 {
        self.wanted.made(set).iter().map(|c| self.wanted.candidates[*c].bytes.unwrap_or(UNKNOWN)).sum()
    }

    pub(super) fn fits(&self, set: &BTreeSet<usize>) -> bool {
        let sized = set.iter().all(|c| self.wanted.candidates[*c].bytes.is_some());
        set.len() <= self.wanted.budget.indexes
            && self.wanted.budget.bytes.is_none_or(|most| sized && self.bytes(set) <= most)
    }

    pub(super) fn compared(&self, set: &BTreeSet<usize>) -> Vec<Vec<Option<(Cost, Cost)>>> {
        let nothing = BTreeSet::new();
        let of = |statement: usize, at: usize| {
            Some((self.cost(statement, at, &nothing)?.clone(), self.cost(statement, at, set)?.clone()))
        };
        let all = self.wanted.parameters.iter().enumerate();
        all.map(|(s, parameters)| (0..parameters.len()).map(|at| of(s, at)).collect()).collect()
    }
}
