//! Which statements an index could matter to, and how much of the workload asks for a value.
use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{Catalogue, Table};
use crate::index::{Existing, Index, Key, KeyOf};
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::shape::Scan;
use crate::workload::Workload;

/// The index that is there and finds the one row that is asked for. A planner takes reading that row from another index alone for much
/// cheaper, by the page of the table that is saved, which is in memory as a rule; what writers pay for that index is not.
pub(crate) fn finds_one<'t>(table: &'t Table, scan: &Scan) -> Option<&'t Existing> {
    let equal = |key: &Key| {
        let KeyOf::Column(name) = &key.of else { return false };
        let one = |p: &Predicate| matches!(&p.asked, Asked::Equal(value) if *value != Value::Other);
        let asks = |p: &Predicate| one(p) && p.of.as_column() == Some(name);
        scan.conditions.iter().any(asks)
    };
    table.indexes.iter().find(|existing| {
        let whole = existing.index.predicate.is_none() && existing.unknown_predicate.is_none();
        existing.unique && existing.valid && whole && existing.index.keys.iter().all(equal)
    })
}

/// Statements that ask something of the first key of an index, or find all that they use in it. A row that another index finds by its key
/// is read no quicker, whatever a planner makes of an index that is a page smaller or larger.
pub(crate) fn concerned<'w>(
    catalogue: &'w Catalogue,
    workload: &'w Workload,
    index: &Index,
) -> impl Iterator<Item = usize> + use<'w> {
    let table = index.table;
    let facts = &catalogue.tables[table];
    let first: Vec<String> =
        index.keys.first().map(|k| k.columns().into_iter().map(str::to_owned).collect()).unwrap_or_default();
    let held: BTreeSet<String> = index.whole_columns().into_iter().map(str::to_owned).collect();
    workload.statements.iter().enumerate().filter_map(move |(place, statement)| {
        let concerns = |scan: &Scan| {
            let asked = scan.asked();
            let holds = !scan.uses_all && !asked.is_empty() && scan.used.is_subset(&held);
            scan.table == table
                && finds_one(facts, scan).is_none()
                && (holds || first.iter().all(|c| asked.contains(c.as_str())))
        };
        statement.shape.scans.iter().any(concerns).then_some(place)
    })
}

impl Scan {
    /// Columns that are compared, joined by, ordered or grouped by.
    fn asked(&self) -> BTreeSet<&str> {
        let branches = self.alternatives.iter().flatten().flatten();
        let compared = self.conditions.iter().chain(branches).flat_map(Predicate::columns);
        let joined = self.joins.iter().flat_map(|(of, _)| of.columns());
        let ordered = self.sort.iter().map(|key| &key.of).chain(&self.group).chain(&self.extremes);
        compared.chain(joined).chain(ordered.flat_map(Scalar::columns)).collect()
    }
}

/// What is known of a value that statements compare.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Weight {
    /// Time of the statements that ask for one value of it.
    pub(crate) ms: f64,
    /// Calls that do, and those whose text has the value.
    pub(crate) calls: f64,
    pub(crate) written: f64,
}

pub(crate) fn weights(workload: &Workload) -> BTreeMap<(usize, Scalar), Weight> {
    let mut all: BTreeMap<(usize, Scalar), Weight> = BTreeMap::new();
    for statement in &workload.statements {
        for scan in &statement.shape.scans {
            for predicate in &scan.conditions {
                if !matches!(
                    predicate.asked,
                    Asked::Equal(_) | Asked::OneOf(_) | Asked::AnyOf(_) | Asked::Null | Asked::NotNull
                ) {
                    continue;
                }
                let weight = all.entry((scan.table, predicate.of.clone())).or_default();
                weight.ms += statement.total_ms;
                weight.calls += statement.calls;
                weight.written += if predicate.is_fixed() { statement.calls } else { 0.0 };
            }
            for (of, _) in &scan.joins {
                all.entry((scan.table, of.clone())).or_default().ms += statement.total_ms;
            }
        }
    }
    all
}
