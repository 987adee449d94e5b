//! Rows of an answer, as a sum that tells whether two answers are alike, whatever the order of their rows.
use std::hash::{DefaultHasher, Hasher as _};

use perfdeck_sqltext::{Dialect, Kind, tokens};

/// Rows that were fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Rows {
    pub(super) fn add(&mut self, row: RowSum) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(row.0.finish());
    }
}

/// The sum of one row, made of its values in order.
#[derive(Default)]
pub(super) struct RowSum(DefaultHasher);

impl RowSum {
    /// Adds a value; `None` is NULL. Of floating-point numbers the last digits are of the order in which they were added up.
    pub(super) fn value(&mut self, bytes: Option<&[u8]>, float: bool) {
        let Some(bytes) = bytes else {
            self.0.write_u8(0);
            return;
        };
        self.0.write_u8(1);
        let number = std::str::from_utf8(bytes).ok().filter(|_| float).and_then(|text| text.parse::<f64>().ok());
        match number {
            Some(number) => self.0.write(format!("{number:.9e}").as_bytes()),
            None => self.0.write(bytes),
        }
        self.0.write_u8(2);
    }
}

/// Words with which a statement leaves open which rows it returns, or what stands in them.
const OPEN: &[&str] = &[
    "limit",
    "fetch",
    "offset",
    "top",
    "distinct",
    "random",
    "rand",
    "uuid",
    "gen_random_uuid",
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "current_timestamp",
    "current_time",
    "localtimestamp",
    "sysdate",
    "nextval",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "xmlagg",
    "group_concat",
    "json_arrayagg",
    "json_objectagg",
    "json_group_array",
    "json_group_object",
    "row_number",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "ntile",
    "tablesample",
    "rowid",
    "ctid",
    "xmin",
    "any_value",
];

/// Whether a statement leaves open which rows it returns: a `LIMIT` with more rows that are alike than it takes, a function of the
/// time, rows put together in no order. In doubt it does.
pub fn leaves_open(text: &str, dialect: Dialect) -> bool {
    tokens(text, dialect).iter().any(|token| {
        token.kind == Kind::Word
            && text.get(token.start..token.end).is_some_and(|word| OPEN.iter().any(|w| w.eq_ignore_ascii_case(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(all: &[&[Option<&str>]]) -> Rows {
        let mut rows = Rows::default();
        for row in all {
            let mut sum = RowSum::default();
            row.iter().for_each(|value| sum.value(value.map(str::as_bytes), true));
            rows.add(sum);
        }
        rows
    }

    #[test]
    fn answers_are_alike_whatever_their_order() {
        let (a, b, n) = (Some("a"), Some("b"), None);
        assert_eq!(rows(&[&[a, b], &[b, n]]), rows(&[&[b, n], &[a, b]]));
        assert_ne!(rows(&[&[a, b]]), rows(&[&[b, a]]), "values have their columns");
        assert_ne!(rows(&[&[Some("ab"), Some("")]]), rows(&[&[a, b]]), "and their ends");
        assert_ne!(rows(&[&[n]]), rows(&[&[Some("")]]), "no value is not an empty one");
        assert_ne!(rows(&[&[a], &[a]]), rows(&[&[a]]), "each row counts");
        assert_eq!(rows(&[&[Some("0.1000000000000001")]]), rows(&[&[Some("0.1")]]), "last digits do not");
    }

    #[test]
    fn what_is_left_open_is_seen() {
        for text in ["SELECT * FROM t LIMIT 5", "select NOW()", "SELECT string_agg(a, ',') FROM t"] {
            assert!(leaves_open(text, Dialect::Postgres), "{text}");
        }
        for text in ["SELECT 'limit' FROM \"now\" -- limit", "SELECT count(*) FROM t WHERE a = $1 ORDER BY b"] {
            assert!(!leaves_open(text, Dialect::Postgres), "{text}");
        }
    }
}
