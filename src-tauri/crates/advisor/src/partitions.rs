//! Indexes of partitions beside those of the partitioned table above them, of which each partition gets its part.
use std::collections::BTreeMap;

use crate::candidates::Candidate;
use crate::catalogue::Catalogue;
use crate::covered::does_the_work_of;
use crate::index::Index;

/// Levels of partitioned tables that are followed.
const DEEPEST: usize = 8;

/// For candidates of partitions those of the tables above that do their work, the nearest first, by their places.
pub(crate) fn above(catalogue: &Catalogue, candidates: &[Candidate]) -> BTreeMap<usize, Vec<usize>> {
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, own) in candidates.iter().enumerate() {
        for table in parents(catalogue, own.index.table) {
            let does = |other: &&usize| {
                let other = &candidates[**other].index;
                let here = Index { table: own.index.table, ..other.clone() };
                other.table == table && does_the_work_of(&here, &own.index, own.fixed)
            };
            let all: Vec<usize> = (0..candidates.len()).collect();
            let does: Vec<usize> = all.iter().filter(does).copied().collect();
            if !does.is_empty() {
                found.entry(place).or_default().extend(does);
            }
        }
    }
    found
}

/// The partitioned tables that a table is a part of, the nearest first.
fn parents(catalogue: &Catalogue, table: usize) -> Vec<usize> {
    let mut all = Vec::new();
    let mut at = table;
    while let Some(name) = &catalogue.tables[at].partition_of
        && let Some(next) = catalogue.tables.iter().position(|t| t.shown() == *name)
        && all.len() < DEEPEST
    {
        all.push(next);
        at = next;
    }
    all
}
