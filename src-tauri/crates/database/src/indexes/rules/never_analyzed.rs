//! Tables, and indexes over expressions, of which the planner has no statistics.
use perfdeck_model::{FindingTarget, IndexFindingKind, Proof};
use perfdeck_words as words;

use super::{Draft, Facts, statements};
use crate::indexes::facts::{Index, TableFacts};

/// Rows from which on a guess of the planner can be far off. A smaller table is read whole, whatever is known of it.
const FEW: f64 = 500.0;

pub(super) fn found<'a>(facts: &Facts<'a>) -> Vec<Draft<'a>> {
    let tables = facts.reading.tables.iter();
    let rows = |name: &str, t: &TableFacts| if t.partitioned { of_parts(facts, name) } else { t.rows };
    let tables = tables.filter(|(name, t)| t.never_analyzed && rows(name, t).is_some_and(|n| n >= FEW));
    let tables: Vec<Draft<'a>> = tables.map(|(name, t)| table(facts, name, rows(name, t))).collect();
    let known = |i: &&Index| {
        let of = facts.reading.tables.get(&i.identity.table);
        of.is_some_and(|t| !t.never_analyzed && t.rows.is_some_and(|n| n >= FEW))
    };
    let indexes = facts.reading.indexes.iter().filter(|i| i.done.never_analyzed && i.identity.valid).filter(known);
    tables.into_iter().chain(indexes.map(|index| of_index(facts, index))).collect()
}

fn of_parts(facts: &Facts<'_>, name: &str) -> Option<f64> {
    let parts = facts.reading.tables.values().filter(|t| t.part_of.as_deref() == Some(name) && !t.partitioned);
    Some(parts.filter_map(|t| t.rows).sum())
}

const ADVICE: &str = "Analyze it; it takes a sample and blocks nobody. Where it comes back, see why the server's own analyze does not come";

fn table<'a>(facts: &Facts<'a>, name: &str, rows: Option<f64>) -> Draft<'a> {
    let share = facts.whole.rows(rows);
    let told = rows.map_or_else(|| "\u{2013}".to_owned(), |n| words::count(n as i64));
    let partitioned = facts.reading.tables.get(name).is_some_and(|t| t.partitioned);
    let advice = if partitioned {
        "Analyze it, and again when its partitions changed much: the server's own analyze does not come to a partitioned table"
    } else {
        ADVICE
    };
    Draft {
        kind: IndexFindingKind::NeverAnalyzed,
        index: None,
        stays: None,
        object: name.to_owned(),
        table: name.to_owned(),
        title: format!("`{name}` was never analyzed"),
        evidence: format!("{told} rows of whose values the planner knows nothing"),
        cost: 0.03 + 0.3 * share,
        ranked_by: format!("{} of all rows", words::share(share)),
        frees_bytes: None,
        opens: FindingTarget::Database,
        proof: Proof::new("500 rows or more, and no statistics of any of its columns", advice)
            .value("rows", told)
            .statement("Makes its statistics", statements::analyze(facts.reading.scheme, name)),
    }
}

fn of_index<'a>(facts: &Facts<'a>, index: &'a Index) -> Draft<'a> {
    let (i, rows) = (&index.identity, facts.reading.tables.get(&index.identity.table).and_then(|t| t.rows));
    let share = facts.whole.rows(rows);
    Draft {
        kind: IndexFindingKind::NeverAnalyzed,
        index: Some(index),
        stays: None,
        object: statements::object(facts.reading.scheme, i),
        table: i.table.clone(),
        title: format!("`{}` was never analyzed", i.name),
        evidence: format!("`{}` was, and this index not since it is there: the planner guesses what it finds", i.table),
        cost: 0.02 + 0.2 * share,
        ranked_by: format!("{} of all rows are in its table", words::share(share)),
        frees_bytes: None,
        opens: FindingTarget::Database,
        proof: Proof::new("no statistics of an index that has its own, of a table that was analyzed", ADVICE)
            .value("table", i.table.clone())
            .value("keys", index.listed())
            .statement("Makes its statistics", statements::analyze(facts.reading.scheme, &i.table)),
    }
}
