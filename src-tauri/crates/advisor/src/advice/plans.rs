//! What plans make of an index that was chosen: whether they use it, in the place of which others, and whether they only hope.
use std::collections::BTreeSet;

use super::Answer;
use crate::index::{Index, Key, Method};
use crate::oracle::Used;
use crate::predicates::{Asked, Predicate};
use crate::search::uses;
use crate::shape::Scan;
use crate::vectors::Class;

/// Whether an index has the rows of a reading in its order, after keys of which one value is asked.
fn has_order(scan: &Scan, index: &Index) -> bool {
    let equal = |key: &&Key| {
        let asked =
            |p: &&Predicate| matches!(p.asked, Asked::Equal(_) | Asked::Null) && Key::scalar(&p.of).of == key.of;
        scan.conditions.iter().any(|p| asked(&p))
    };
    let fixed = index.keys.iter().take_while(equal).count();
    let order = index.keys[fixed..].iter().map(|key| &key.of);
    let wanted = scan.sort.iter().map(|key| Key::scalar(&key.of).of);
    let whole = index.keys.iter().all(|key| key.prefix.is_none());
    index.method == Method::Btree
        && whole
        && index.keys.len() >= fixed + scan.sort.len()
        && wanted.zip(order).all(|(a, b)| a == *b)
}

impl Answer<'_> {
    /// Why a chosen index would not be used, although it was chosen: another one is in its place in every plan.
    pub(super) fn captured(&self, place: usize) -> Option<String> {
        let candidate = &self.wanted.candidates[place];
        let mut others = BTreeSet::new();
        for statement in &candidate.concerns {
            for (_, after) in self.found.costs[*statement].iter().flatten() {
                if uses(after, place) {
                    return None;
                }
                others.extend(after.used.iter().filter_map(|u| match u {
                    Used::Existing(name) => Some(name.clone()),
                    Used::Candidate(_) => None,
                }));
            }
        }
        let names: Vec<String> = others.into_iter().map(|n| format!("`{n}`")).collect();
        Some(if names.is_empty() {
            "no plan uses it beside the others".to_owned()
        } else {
            format!("no plan uses it: {} is used in its place", names.join(", "))
        })
    }

    /// Whether it helps only where a plan hopes to have enough rows early.
    pub(super) fn hopes(&self, place: usize) -> bool {
        let all = &self.found.alone_costs[&place];
        let mut helped = false;
        for (statement, at, cost) in all.iter().filter(|(.., cost)| uses(cost, place)) {
            let Some((before, _)) = &self.found.costs[*statement][*at] else { continue };
            if cost.total >= before.total {
                continue;
            }
            helped = true;
            if cost.unstopped.is_none_or(|all| all < before.total * 0.95) {
                return false;
            }
        }
        helped
    }

    /// Existing indexes in whose order rows are met early as things are, where the plan with this one reads all that it finds and sorts it:
    /// what comes first in that order is found at once today.
    pub(super) fn displaced(&self, place: usize) -> BTreeSet<String> {
        let candidate = &self.wanted.candidates[place];
        let mut found = BTreeSet::new();
        for statement in &candidate.concerns {
            let scans = &self.wanted.workload.statements[*statement].shape.scans;
            let ordered = |scan: &Scan| scan.limited && has_order(scan, &candidate.index);
            if scans.iter().any(|s| s.table == candidate.index.table && ordered(s)) {
                continue;
            }
            for (before, after) in self.found.costs[*statement].iter().flatten() {
                if before.unstopped.is_none() || after.unstopped.is_some() || !uses(after, place) {
                    continue;
                }
                let gone = before.used.iter().filter(|used| !after.used.contains(used));
                found.extend(gone.filter_map(|used| match used {
                    Used::Existing(name) => Some(name.clone()),
                    Used::Candidate(_) => None,
                }));
            }
        }
        found
    }

    /// Existing indexes that plans go on to use although this one was made for the statement, in hope of enough rows.
    pub(super) fn in_the_way(&self, place: usize) -> Vec<(String, Class)> {
        let candidate = &self.wanted.candidates[place];
        let mut found = Vec::new();
        for statement in &candidate.from {
            for (at, costs) in self.found.costs[*statement].iter().enumerate() {
                let Some((_, after)) = costs else { continue };
                if after.unstopped.is_none() || uses(after, place) {
                    continue;
                }
                for used in &after.used {
                    if let Used::Existing(name) = used {
                        found.push((name.clone(), self.class(*statement, at)));
                    }
                }
            }
        }
        found
    }

    /// Statements whose plan uses a candidate beside the others.
    pub(super) fn used_by(&self, place: usize) -> Vec<usize> {
        let uses = |s: &usize| self.found.costs[*s].iter().flatten().any(|(_, after)| uses(after, place));
        self.wanted.candidates[place].concerns.iter().copied().filter(uses).collect()
    }
}
