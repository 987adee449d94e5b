//! Placeholders of a statement.
use std::collections::BTreeSet;

use crate::{Dialect, Kind, tokens};

/// How many values a statement takes: the highest `$n` in PostgreSQL, the number of `?` in MySQL and MariaDB, and what
/// SQLite counts for its `?`, `?n`, `$n` and `:name`.
pub fn parameters(sql: &str, dialect: Dialect) -> usize {
    let all = tokens(sql, dialect);
    let texts = all.iter().filter(|t| t.kind == Kind::Parameter).map(|t| &sql[t.start..t.end]);
    let (mut names, mut highest) = (BTreeSet::new(), 0usize);
    for text in texts {
        let number = text.get(1..).and_then(|n| n.parse::<usize>().ok());
        match (text.as_bytes().first(), number) {
            (Some(b'$' | b'?'), Some(n)) => highest = highest.max(n),
            (Some(b'?'), None) => highest += 1,
            // SQLite gives a new name the next number.
            _ if names.insert(text) => highest += 1,
            _ => {}
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_counted_as_their_server_counts_them() {
        for (dialect, sql, want) in [
            (Dialect::Postgres, "select $2, $1, '$3', $$ $4 $$, \"$5\" -- $6", 2),
            (Dialect::Postgres, "select a ? 'k' from t", 0),
            (Dialect::Postgres, "select a$1 from t", 0),
            (Dialect::Mysql, "select ?, '?', `?`, \"?\" # ?\n, ?", 2),
            (Dialect::Sqlite, "select ?, ?3, :a, :a, @b, [?]", 5),
            (Dialect::Sqlite, "select $1, $2, $1", 2),
            (Dialect::Sqlite, "select 1", 0),
        ] {
            assert_eq!(parameters(sql, dialect), want, "{dialect:?} {sql}");
        }
    }
}
