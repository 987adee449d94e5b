//! Statements that follow from findings about indexes. PostgreSQL's names are as the server quotes them.
use perfdeck_model::{FindingTarget, IndexIdentity, Scheme};
use perfdeck_sqltext::{Dialect, quote_identifier};

use crate::index_change::{DROP_INDEX, HIDE_INDEX};

fn mysql(name: &str) -> String {
    quote_identifier(name, Dialect::Mysql)
}

fn sqlite(name: &str) -> String {
    quote_identifier(name, Dialect::Sqlite)
}

/// What an index is called in findings and changes: on MySQL and MariaDB its name is its table's alone.
pub(super) fn object(scheme: Scheme, index: &IndexIdentity) -> String {
    match scheme {
        Scheme::Mysql | Scheme::Mariadb => format!("{}.{}", index.table, index.name),
        _ => index.name.clone(),
    }
}

/// The change that a finding about an index that need not stay leads to: where it can be hidden, that comes first.
pub(super) fn change(scheme: Scheme, index: &IndexIdentity) -> FindingTarget {
    // That of a partitioned table goes with those of all partitions, and is not dropped beside reads and writes.
    if index.partitioned || index.part_of.is_some() {
        return FindingTarget::Database;
    }
    let kind = if hides(scheme, index) { HIDE_INDEX } else { DROP_INDEX };
    FindingTarget::Change { kind: kind.to_owned(), object: object(scheme, index) }
}

/// Drops an index.
pub(super) fn drop(scheme: Scheme, index: &IndexIdentity) -> String {
    match scheme {
        // The index of a partitioned table goes with those of its partitions, and not concurrently.
        Scheme::Postgres if index.partitioned => format!("DROP INDEX {};", index.name),
        Scheme::Postgres => format!("DROP INDEX CONCURRENTLY {};", index.name),
        Scheme::Sqlite => format!("DROP INDEX {};", sqlite(&index.name)),
        _ => format!("DROP INDEX {} ON {};", mysql(&index.name), mysql(&index.table)),
    }
}

/// What dropping it does, in words.
pub(super) fn drops(scheme: Scheme, index: &IndexIdentity) -> &'static str {
    match scheme {
        Scheme::Postgres if index.partitioned => "Drops it with those of all partitions, which blocks reads and writes",
        Scheme::Postgres => "Drops it without blocking writes",
        _ => "Drops it",
    }
}

/// Whether an index can still be hidden from the planner.
fn hides(scheme: Scheme, index: &IndexIdentity) -> bool {
    matches!(scheme, Scheme::Mysql | Scheme::Mariadb) && index.visible
}

/// Hides an index from the planner, where the engine can do that and it is not hidden yet: it is there again at once when something
/// needs it.
pub(super) fn hide(scheme: Scheme, index: &IndexIdentity) -> Option<String> {
    if !hides(scheme, index) {
        return None;
    }
    let (table, name) = (mysql(&index.table), mysql(&index.name));
    match scheme {
        Scheme::Mariadb => Some(format!("ALTER TABLE {table} ALTER INDEX {name} IGNORED;")),
        Scheme::Mysql => Some(format!("ALTER TABLE {table} ALTER INDEX {name} INVISIBLE;")),
        _ => None,
    }
}

/// Writes an index anew.
pub(super) fn rebuild(scheme: Scheme, index: &IndexIdentity) -> Option<String> {
    let exclusion = index.constraints.iter().any(|c| c.kind == perfdeck_model::ConstraintKind::Exclusion);
    match scheme {
        // Which is refused for exclusions.
        Scheme::Postgres if exclusion => Some(format!("REINDEX INDEX {};", index.name)),
        Scheme::Postgres => Some(format!("REINDEX INDEX CONCURRENTLY {};", index.name)),
        Scheme::Sqlite => Some(format!("REINDEX {};", sqlite(&index.name))),
        _ => None,
    }
}

/// Creates an index over the columns of a foreign key.
pub(super) fn create(scheme: Scheme, table: &str, partitioned: bool, columns: &[(String, Option<String>)]) -> String {
    let dialect = match scheme {
        Scheme::Postgres => Dialect::Postgres,
        Scheme::Sqlite => Dialect::Sqlite,
        _ => Dialect::Mysql,
    };
    let column = |(name, collation): &(String, Option<String>)| {
        let name = quote_identifier(name, dialect);
        // SQLite compares by the collation of the other table; elsewhere it is the column's own.
        match collation.as_deref().filter(|c| scheme == Scheme::Sqlite && *c != "binary") {
            Some(collation) => format!("{name} COLLATE {}", quote_identifier(collation, dialect)),
            None => name,
        }
    };
    let quoted = columns.iter().map(column).collect::<Vec<_>>().join(", ");
    match scheme {
        Scheme::Postgres if partitioned => format!("CREATE INDEX ON {table} ({quoted});"),
        Scheme::Postgres => format!("CREATE INDEX CONCURRENTLY ON {table} ({quoted});"),
        Scheme::Sqlite => {
            let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("_");
            let name = quote_identifier(&format!("{table}_{names}_fk_idx"), dialect);
            format!("CREATE INDEX {name} ON {} ({quoted});", quote_identifier(table, dialect))
        }
        // The server gives it a name that is free and short enough.
        _ => format!("ALTER TABLE {} ADD INDEX ({quoted});", quote_identifier(table, dialect)),
    }
}

/// Makes the statistics of a table.
pub(super) fn analyze(scheme: Scheme, table: &str) -> String {
    match scheme {
        Scheme::Postgres => format!("ANALYZE {table};"),
        Scheme::Sqlite => format!("ANALYZE {};", sqlite(table)),
        _ => format!("ANALYZE TABLE {};", mysql(table)),
    }
}
