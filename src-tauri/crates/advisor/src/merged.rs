//! Indexes that hold what several statements ask, so that one is written in place of two.
//!
//! Where the keys of one begin with those of another, its rows are found as well, and what both hold beside their keys is held once.
use std::collections::BTreeSet;

use crate::candidates::{Candidate, Kind, WIDEST_COVER};
use crate::catalogue::Catalogue;
use crate::index::{Index, Key, Method};
use crate::kept::time;
use crate::workload::Workload;

/// Columns that one holds beside its keys, at most.
const MOST_HELD: usize = 8;
/// Indexes that are put together for one list of keys, at most, in each order.
const MOST_OF_KEYS: usize = 4;

/// Indexes that do the work of several of these, without those that are among them. The heaviest are put together first, and the narrowest
/// first, step by step, each step an index.
pub(crate) fn merged(catalogue: &Catalogue, workload: &Workload, all: &[Candidate]) -> Vec<Candidate> {
    let known: BTreeSet<&Index> = all.iter().map(|c| &c.index).collect();
    let mut found: Vec<Candidate> = Vec::new();
    for own in all.iter().filter(|c| c.index.method == Method::Btree && c.kind != Kind::OrderOnly) {
        let mut others: Vec<&Candidate> = all.iter().filter(|other| begins(&own.index, &other.index)).collect();
        let weight = |c: &Candidate| time(workload, &c.from);
        others.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let mut chains = vec![others.clone()];
        others.sort_by_key(|c| c.index.include.len());
        chains.push(others);
        for chain in chains {
            let (mut one, mut steps) = (own.clone(), 0);
            for other in chain {
                let Some(wider) = joined(catalogue, &one, other) else { continue };
                one = wider;
                if !known.contains(&one.index) && !found.iter().any(|c| c.index == one.index) {
                    found.push(one.clone());
                    steps += 1;
                }
                if steps >= MOST_OF_KEYS {
                    break;
                }
            }
        }
    }
    found
}

/// Whether `big` finds what `small` finds, and `small` holds something beside its keys.
fn begins(big: &Index, small: &Index) -> bool {
    big.table == small.table
        && small.method == Method::Btree
        && big.predicate == small.predicate
        && !small.include.is_empty()
        && big.keys.starts_with(&small.keys)
}

/// `own` with what `other` holds; `None` where that is nothing new, or too much.
fn joined(catalogue: &Catalogue, own: &Candidate, other: &Candidate) -> Option<Candidate> {
    if other.from.is_subset(&own.from) {
        return None;
    }
    let table = &catalogue.tables[own.index.table];
    let keys: Vec<&str> = own.index.keys.iter().flat_map(Key::columns).collect();
    let holds = |name: &String| own.index.include.contains(name) || other.index.include.contains(name);
    let columns = table.columns.iter().filter(|c| holds(&c.name) && !keys.contains(&c.name.as_str()));
    let include: Vec<String> = columns.map(|c| c.name.clone()).collect();
    let named = keys.iter().copied().chain(include.iter().map(String::as_str));
    let width: f64 = named.map(|name| table.column(name)?.width).sum::<Option<f64>>()?;
    let wider = include.len() > own.index.include.len() && include.len() <= MOST_HELD && width <= WIDEST_COVER;
    wider.then(|| Candidate {
        index: Index { include, ..own.index.clone() },
        kind: Kind::Covering,
        fixed: own.fixed.min(other.fixed),
        from: own.from.union(&other.from).copied().collect(),
        ..own.clone()
    })
}
