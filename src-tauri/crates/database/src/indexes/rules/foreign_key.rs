//! Foreign keys whose columns begin no index.
use perfdeck_model::{FindingTarget, IndexFindingKind, IndexSpec, IndexSpecKey, IndexSpecKeyOf, Proof};
use perfdeck_words as words;

use super::{Draft, Facts, statements};
use crate::index_change::CREATE_INDEX;
use crate::indexes::facts::{ForeignKey, Index};

pub(super) fn found<'a>(facts: &Facts<'a>) -> Vec<Draft<'a>> {
    let without = |key: &&ForeignKey| !is_covered(facts, key, &key.table, 0);
    facts.reading.foreign_keys.iter().filter(without).map(|key| draft(facts, key)).collect()
}

/// Partitions within partitions that are followed.
const DEEPEST: usize = 8;

/// Whether an index of the table, or one of each of its partitions, finds the rows of a foreign key.
fn is_covered(facts: &Facts<'_>, key: &ForeignKey, table: &str, depth: usize) -> bool {
    let own = facts.reading.tables.get(table);
    if let (Some(number), [(only, _)]) = (own.and_then(|t| t.row_number.as_deref()), key.columns.as_slice())
        && number == only
    {
        return true;
    }
    if facts.by_table.get(table).is_some_and(|all| all.iter().any(|index| serves(index, key))) {
        return true;
    }
    // A table without partitions has no rows to look for.
    let parts = facts.parts.get(table).filter(|_| own.is_some_and(|t| t.partitioned) && depth < DEEPEST);
    parts.is_some_and(|parts| parts.iter().all(|part| is_covered(facts, key, part, depth + 1)))
}

/// Whether the keys of an index begin with the columns of a foreign key, in any order, and queries for them may use it.
///
/// A part of the rows is enough where only those without nulls are left out: what is looked for is not null.
pub(super) fn serves(index: &Index, key: &ForeignKey) -> bool {
    let i = &index.identity;
    let keys = match i.method.as_str() {
        "btree" => i.keys.get(..key.columns.len()),
        "hash" if i.keys.len() == key.columns.len() => Some(i.keys.as_slice()),
        _ => None,
    };
    let Some(keys) = keys.filter(|_| i.valid && i.maintained && i.visible) else { return false };
    if i.partial && !index.compared.predicate.as_deref().is_some_and(|p| says_not_null(p, key)) {
        return false;
    }
    key.columns.iter().all(|(name, collation)| {
        keys.iter().any(|k| {
            let comparable = collation.is_none() || k.collation.is_none() || k.collation == *collation;
            k.column.as_ref() == Some(name) && k.prefix.is_none() && comparable
        })
    })
}

/// What a reader puts in place of a condition that says of one column that it is not null, and nothing else.
pub(crate) fn not_null(column: &str) -> String {
    format!("NOT NULL {column}")
}

fn says_not_null(predicate: &str, key: &ForeignKey) -> bool {
    key.columns.iter().any(|(name, _)| predicate == not_null(name))
}

fn draft<'a>(facts: &Facts<'a>, key: &ForeignKey) -> Draft<'a> {
    let (reading, scheme) = (facts.reading, facts.reading.scheme);
    let own = reading.tables.get(&key.table).cloned().unwrap_or_default();
    let parent = reading.tables.get(&key.references).cloned().unwrap_or_default();
    let columns: Vec<&str> = key.columns.iter().map(|(name, _)| name.as_str()).collect();
    let read = own.rows.zip(parent.changed_rows).map(|(rows, changed)| rows * changed);
    let share = read.map_or(0.0, |read| facts.whole.reads(read));
    let rows = facts.whole.rows(own.rows);
    let unknown = || "\u{2013}".to_owned();
    let count = |n: Option<f64>| n.map_or_else(unknown, |n| words::count(n as i64));
    let table = &key.table;
    let changes = match parent.changed_rows {
        Some(n) if n > 0.0 => format!("{} were so far", words::plural(n as i64, "row")),
        Some(_) => "none was so far".to_owned(),
        None => "how many were is not told".to_owned(),
    };
    let proof = Proof::new(
        "the columns of a foreign key begin no valid index of its table, in any order, that has all rows that are not null there",
        "Create the index, unless rows of the referenced table are never deleted and their keys never change, and no statement \
         joins by it. The sequence of columns that other statements filter by goes first",
    )
    .value("foreign key", key.name.clone())
    .value("columns", columns.join(", "))
    .value("rows of the table", count(own.rows))
    .value("refers to", format!("{} ({})", key.references, key.referenced.join(", ")))
    .value("rows deleted or changed there", count(parent.changed_rows))
    .statement("Creates it", statements::create(scheme, table, own.partitioned, &key.columns));
    Draft {
        kind: IndexFindingKind::ForeignKey,
        index: None,
        stays: None,
        object: format!("{table}.{}", key.name),
        table: table.clone(),
        title: format!("The foreign key `{}` of `{table}` has no index", key.name),
        evidence: format!(
            "{} rows are read for each row of `{}` that is deleted or gets another key; {changes}",
            count(own.rows),
            key.references
        ),
        cost: 0.02 + 0.5 * share + 0.1 * rows,
        ranked_by: format!(
            "{} of all rows, and what its checks would read is {} of what scans read",
            words::share(rows),
            words::share(share)
        ),
        frees_bytes: None,
        opens: creates(key),
        proof,
    }
}

/// The change that creates an index of its columns.
fn creates(key: &ForeignKey) -> FindingTarget {
    let column = |(name, _): &(String, Option<String>)| IndexSpecKey {
        of: IndexSpecKeyOf::Column(name.clone()),
        ..IndexSpecKey::default()
    };
    let spec =
        IndexSpec { table: key.table.clone(), keys: key.columns.iter().map(column).collect(), ..IndexSpec::default() };
    match serde_json::to_string(&spec) {
        Ok(object) => FindingTarget::Change { kind: CREATE_INDEX.to_owned(), object },
        Err(_) => FindingTarget::Database,
    }
}
