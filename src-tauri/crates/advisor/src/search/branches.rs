//! Indexes for the branches of an `OR`, tried together: a server puts the rows of the branches together (`BitmapOr`, `MULTI-INDEX OR`,
//! `index_merge`) only where each of them has its index, so that one alone saves nothing.
use std::collections::BTreeSet;

use perfdeck_model::ApiError;

use super::{LEAST, Search};
use crate::predicates::Predicate;
use crate::shape::Scan;

/// Sets of branches that are tried in a round, those of the heaviest statements first.
const MOST: usize = 40;

impl Search<'_, '_> {
    /// Adds the sets that save something, the best first; whether there was one.
    pub(super) async fn branches(&mut self, chosen: &mut Vec<usize>) -> Result<bool, ApiError> {
        let all = self.sets();
        let mut found = false;
        for _ in 0..all.len() {
            let set: BTreeSet<usize> = chosen.iter().copied().collect();
            let beside = |new: &BTreeSet<usize>| {
                new.iter().fold(set.clone(), |set, candidate| self.with(&set, *candidate).unwrap_or(set))
            };
            let sets: Vec<BTreeSet<usize>> = all.iter().map(beside).filter(|s| *s != set && self.fits(s)).collect();
            self.ask(std::slice::from_ref(&set)).await?;
            self.ask(&sets).await?;
            let now = self.time(&set);
            let gain = |s: &BTreeSet<usize>| now - self.time(s);
            let known = sets.into_iter().filter(|s| self.is_known(s) && gain(s) > now * LEAST);
            // Of two that save as much the one of fewer bytes.
            let Some(best) = known.max_by(|a, b| {
                let near = (gain(a) - gain(b)).abs() <= now * LEAST;
                if near { self.bytes(b).total_cmp(&self.bytes(a)) } else { gain(a).total_cmp(&gain(b)) }
            }) else {
                break;
            };
            let new: Vec<usize> = best.difference(&set).copied().collect();
            let each = gain(&best) / new.len().max(1) as f64;
            self.shared.extend(new.iter().map(|candidate| (*candidate, each)));
            chosen.retain(|c| best.contains(c));
            chosen.extend(new);
            found = true;
        }
        Ok(found)
    }

    /// For each `OR` of a statement the narrowest indexes of its branches, and those that find by the most of what a branch asks.
    fn sets(&self) -> Vec<BTreeSet<usize>> {
        let mut all: Vec<BTreeSet<usize>> = Vec::new();
        for (statement, of) in self.wanted.workload.statements.iter().enumerate() {
            for scan in &of.shape.scans {
                for group in &scan.alternatives {
                    for wide in [false, true] {
                        let each = group.iter().filter_map(|branch| self.of_branch(statement, scan, branch, wide));
                        let set: BTreeSet<usize> = each.collect();
                        if set.len() > 1 && !all.contains(&set) && all.len() < MOST {
                            all.push(set);
                        }
                    }
                }
            }
        }
        all
    }

    fn of_branch(&self, statement: usize, scan: &Scan, branch: &[Predicate], wide: bool) -> Option<usize> {
        let asked = |column: &&str| branch.iter().any(|p| p.columns().contains(column));
        let finds = |at: usize| {
            let index = &self.wanted.candidates[at].index;
            index.keys.iter().take_while(|key| key.columns().iter().all(asked)).count()
        };
        let fits = |at: &usize| {
            let candidate = &self.wanted.candidates[*at];
            let index = &candidate.index;
            let plain = index.include.is_empty() && index.predicate.is_none();
            candidate.from.contains(&statement) && index.table == scan.table && plain && finds(*at) > 0
        };
        let keys = |at: usize| self.wanted.candidates[at].index.keys.len();
        let all = (0..self.wanted.candidates.len()).filter(fits);
        if wide {
            all.max_by_key(|at| (finds(*at), std::cmp::Reverse(keys(*at))))
        } else {
            all.min_by_key(|at| keys(*at))
        }
    }
}
