//! An index that is not there yet, as the catalogue would tell it, to be compared with those that are. Pure.
use perfdeck_model::{IndexIdentity, IndexKey, IndexSpec, IndexSpecKeyOf, Scheme};

use super::method;
use crate::indexes::{Compared, Index, IndexDone, comparable_condition, comparable_expression};

/// A name as the catalogue has it: one of the server's own is told without its schema.
fn class(name: &str) -> String {
    name.strip_prefix("pg_catalog.").unwrap_or(name).to_owned()
}

/// The index of a table. What a server makes of expressions and conditions is its own matter, but for SQLite, which keeps them as
/// they are written. `spelled` writes a column as the catalogue does.
pub(super) fn wanted(
    scheme: Scheme,
    spec: &IndexSpec,
    (table, name): (&str, &str),
    spelled: impl Fn(&str) -> String,
) -> Index {
    let has_nulls = scheme == Scheme::Postgres;
    let (mut keys, mut expressions) = (Vec::new(), Vec::new());
    let mut understood = true;
    for key in &spec.keys {
        let (column, expression) = match &key.of {
            IndexSpecKeyOf::Column(name) => (Some(spelled(name)), None),
            IndexSpecKeyOf::Expression(sql) if scheme == Scheme::Sqlite => (None, comparable_expression(sql)),
            IndexSpecKeyOf::Expression(_) => (None, None),
        };
        understood &= column.is_some() || expression.is_some() || scheme != Scheme::Sqlite;
        keys.push(IndexKey {
            column,
            prefix: key.prefix,
            operator_class: key.operator_class.as_deref().map(class),
            descending: key.descending,
            nulls_first: has_nulls.then(|| key.nulls_first.unwrap_or(key.descending)),
            ..IndexKey::default()
        });
        expressions.push(expression);
    }
    let condition = spec.predicate.as_deref().filter(|_| scheme == Scheme::Sqlite);
    let predicate = condition.and_then(comparable_condition);
    let identity = IndexIdentity {
        name: name.to_owned(),
        table: table.to_owned(),
        method: method(spec).to_lowercase(),
        keys,
        include: spec.include.iter().map(|name| spelled(name)).collect(),
        partial: spec.predicate.is_some(),
        valid: true,
        maintained: true,
        visible: true,
        ..IndexIdentity::default()
    };
    let compared =
        Compared { expressions, predicate, understood, immediate: true, wanted: true, ..Compared::default() };
    Index { identity, done: IndexDone::default(), compared }
}
