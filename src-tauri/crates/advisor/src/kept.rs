//! Which candidates are looked at where there are too many.
use std::collections::{BTreeMap, BTreeSet};

use crate::candidates::{Candidate, Limits};
use crate::workload::Workload;

/// Those that are looked at, the ones for most of the time first. Each statement has its turn: the simplest candidate of each comes before
/// the second of any, so that those of one heavy statement do not leave the others without.
pub(crate) fn kept(mut all: Vec<Candidate>, workload: &Workload, limits: Limits) -> Vec<Candidate> {
    all.sort_by(|a, b| width(a).cmp(&width(b)).then_with(|| a.index.cmp(&b.index)));
    let mut turns: Vec<usize> = vec![usize::MAX; all.len()];
    // Of each statement and table: how many had their turn.
    let mut had: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (candidate, turn) in all.iter().zip(&mut turns) {
        for statement in &candidate.from {
            let next = had.entry((*statement, candidate.index.table)).or_default();
            *turn = (*turn).min(*next);
            *next += 1;
        }
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    let worth: Vec<f64> = all.iter().map(|c| time(workload, &c.from)).collect();
    order.sort_by(|a, b| turns[*a].cmp(&turns[*b]).then(worth[*b].total_cmp(&worth[*a])));
    let mut of_table: BTreeMap<usize, usize> = BTreeMap::new();
    order.retain(|at| {
        let count = of_table.entry(all[*at].index.table).or_default();
        *count += 1;
        *count <= limits.of_table
    });
    order.truncate(limits.all);
    order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]).then(a.cmp(b)));
    order.into_iter().map(|at| all[at].clone()).collect()
}

/// Time of statements.
pub(crate) fn time(workload: &Workload, from: &BTreeSet<usize>) -> f64 {
    from.iter().map(|s| workload.statements[*s].total_ms).sum()
}

fn width(candidate: &Candidate) -> (usize, usize) {
    (candidate.index.keys.len(), candidate.index.include.len())
}
