//! Indexes without the columns that updates set, beside those that have them.
//!
//! On PostgreSQL an update that sets no column of any index is written into the table alone (HOT). An index of a column that is updated
//! ends that for the whole table, so that the one without it is looked at as well.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::Dialect;

use crate::candidates::{Candidate, Kind};
use crate::catalogue::Catalogue;
use crate::index::{Index, Method};
use crate::predicates::Predicate;
use crate::workload::Workload;

/// For each B-tree that has a column which an update sets and no index that is there has: the same without, where keys are left and it is
/// not among them.
pub(crate) fn without_written(
    catalogue: &Catalogue,
    workload: &Workload,
    found: &BTreeMap<Index, Candidate>,
) -> Vec<Candidate> {
    if catalogue.dialect != Dialect::Postgres {
        return Vec::new();
    }
    let mut set: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for written in workload.statements.iter().flat_map(|s| &s.shape.written) {
        let columns = written.columns.iter().flatten().map(String::as_str);
        set.entry(written.table).or_default().extend(columns);
    }
    for (table, columns) in &mut set {
        let indexed: Vec<&str> = catalogue.tables[*table].indexes.iter().flat_map(|e| e.index.columns()).collect();
        columns.retain(|column| !indexed.contains(column));
    }
    let mut all: BTreeMap<Index, Candidate> = BTreeMap::new();
    for candidate in found.values().filter(|c| c.index.method == Method::Btree) {
        let Some(columns) = set.get(&candidate.index.table) else { continue };
        let Some(quiet) = without(candidate, columns).filter(|c| !found.contains_key(&c.index)) else { continue };
        let known = all.entry(quiet.index.clone()).or_insert_with(|| quiet.clone());
        known.from.extend(&quiet.from);
        (known.kind, known.fixed) = (known.kind.min(quiet.kind), known.fixed.min(quiet.fixed));
    }
    all.into_values().collect()
}

/// A candidate without these columns; `None` where it has none of them, or no other key.
fn without(candidate: &Candidate, columns: &BTreeSet<&str>) -> Option<Candidate> {
    let has = |all: Vec<&str>| all.iter().any(|column| columns.contains(column));
    let index = &candidate.index;
    if !has(index.columns()) {
        return None;
    }
    let keys: Vec<_> = index.keys.iter().filter(|key| !has(key.columns())).cloned().collect();
    let fixed = index.keys.iter().take(candidate.fixed).filter(|key| !has(key.columns())).count();
    let include: Vec<String> = index.include.iter().filter(|c| !columns.contains(c.as_str())).cloned().collect();
    let predicate = index.predicate.clone().filter(|p| !has(Predicate::columns(p)));
    let kind = match candidate.kind {
        Kind::Covering | Kind::Partial | Kind::Order if fixed == 0 => Kind::OrderOnly,
        Kind::Covering => Kind::Equality,
        kind => kind,
    };
    let index = Index { keys, include, predicate, ..index.clone() };
    (!index.keys.is_empty()).then(|| Candidate { index, kind, fixed, ..candidate.clone() })
}
