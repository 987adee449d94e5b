//! How long values may be, and what an index takes of them.
//!
//! An entry of a B-tree of PostgreSQL has at most a third of a page, with values that were stored elsewhere fetched and put into it
//! (`index_form_tuple`): the index is not built, or whoever writes a longer value later is refused. A key of InnoDB has its bound too.
use perfdeck_sqltext::Dialect;

use crate::catalogue::{Catalogue, Column, Table};
use crate::scalar::Scalar;

/// Longest key of a B-tree, in bytes: a third of a page (`BTMaxItemSize`), less where values vary.
const LONGEST_KEY: f64 = 900.0;
/// Longest known value of a column, in bytes, whose others are taken to fit too.
const SURE: f64 = 500.0;
/// Bytes that a type may let a value have and that fit for certain.
const BOUNDED: f64 = 2000.0;
/// Bytes of all keys of an index of InnoDB together (its rows `DYNAMIC`, pages of 16 kB).
pub(crate) const INNODB_KEYS: f64 = 3072.0;
/// Functions and operators whose value is short, however long what they are of is. A part of a document mostly is.
const SHORT: &[&str] = &[
    "length",
    "char_length",
    "octet_length",
    "md5",
    "jsonb_array_length",
    "sign",
    "date",
    "date_part",
    "date_trunc",
    "extract",
    "strftime",
    "datetime",
    "time",
    "julianday",
    "json_extract",
    "left",
    "right",
];
const PARTS: &[&str] = &["->>", "->", "#>>", "#>"];

impl Column {
    /// Whether its type lets a value of PostgreSQL be longer than an index takes.
    fn is_unbounded(&self) -> bool {
        const BOUND: &[&str] =
            &["numeric", "name", "inet", "cidr", "bit(", "\"char\"", "int4range", "int8range", "numrange"];
        const TIMES: &[&str] = &["tsrange", "tstzrange", "daterange"];
        let is = |all: &[&str]| all.iter().any(|t| self.type_name.starts_with(t)) && !self.type_name.ends_with("[]");
        if self.fixed.is_some() || is(BOUND) || is(TIMES) {
            return false;
        }
        // A character takes up to four bytes.
        let most =
            self.type_name.strip_prefix("character varying(").or_else(|| self.type_name.strip_prefix("character("));
        let most = most.and_then(|rest| rest.strip_suffix(')')?.parse::<f64>().ok());
        most.is_none_or(|most| most * 4.0 > BOUNDED)
    }

    /// Whether it may be longer than what an index has of one column in that format of rows.
    fn is_longer_than_a_part(&self, table: &Table) -> bool {
        table.longest_key.as_ref().is_some_and(|(_, bytes)| self.fixed.or(self.most).is_some_and(|most| most > *bytes))
    }

    /// Whether it is one of MySQL's texts and documents, of which an index takes the beginning only.
    fn has_no_whole_key(&self) -> bool {
        ["text", "blob", "json"].iter().any(|t| self.type_name.ends_with(t))
    }
}

/// Whether an index could not hold a column beside its keys, or could not some day.
pub(crate) fn cannot_be_held(table: &Table, column: &Column) -> bool {
    column.is_unbounded() && (table.toasted || column.longest.is_some_and(|n| n > SURE))
}

/// Columns whose whole value is in the value of a key.
fn whole(of: &Scalar) -> Vec<&str> {
    match of {
        Scalar::Column(name) => vec![name],
        Scalar::Call(name, all) if SHORT.contains(name) || name.starts_with("subst") && all.len() == 3 => Vec::new(),
        Scalar::Operator(_, operator, _) if PARTS.contains(operator) => Vec::new(),
        Scalar::Call(_, all) | Scalar::Function(.., all) => all.iter().flat_map(whole).collect(),
        Scalar::Operator(a, _, b) => whole(a).into_iter().chain(whole(b)).collect(),
        Scalar::Cast(inner, to) if to == "text" => whole(inner),
        Scalar::Collated(inner, _) => whole(inner),
        Scalar::Cast(..) | Scalar::Text(_) | Scalar::Number(_) => Vec::new(),
    }
}

/// Why a value is too long to be a key.
pub(crate) fn too_long(catalogue: &Catalogue, table: &Table, of: &Scalar) -> Option<String> {
    whole(of).into_iter().filter_map(|name| table.column(name)).find_map(|column| {
        let name = &column.name;
        match catalogue.dialect {
            Dialect::Mysql if column.has_no_whole_key() => Some(format!(
                "`{name}` is a {}, of which an index takes the beginning only, as long as one says: ADD INDEX (`{name}`(20))",
                column.type_name.to_ascii_uppercase()
            )),
            Dialect::Mysql if column.most.is_some_and(|most| most > INNODB_KEYS) => {
                Some(format!("`{name}` may have more than the 3,072 B of a key: an index takes its beginning only"))
            }
            Dialect::Mysql if column.is_longer_than_a_part(table) => table.longest_key.as_ref().map(|(format, bytes)| {
                format!(
                    "`{name}` may have more than the {bytes} B that an index has of a column of rows in the format {}: it takes its beginning only, or all of it with ROW_FORMAT=DYNAMIC",
                    format.to_ascii_uppercase()
                )
            }),
            _ if column.width.is_some_and(|w| w >= LONGEST_KEY) => {
                Some(format!("values of `{name}` are longer than an entry of an index may be"))
            }
            Dialect::Postgres if table.toasted && column.is_unbounded() && is_long(column) => Some(format!(
                "values of `{name}` may be longer than the 2,704 B of an entry: an index of md5({name}) finds them where the query asks for that too"
            )),
            _ => None,
        }
    })
}

/// Whether a value that is not known to be too long may be: of a table that has some outside of its rows nobody knows which column's they are.
pub(crate) fn may_be_too_long(catalogue: &Catalogue, table: &Table, of: &Scalar) -> bool {
    let mut columns = whole(of).into_iter().filter_map(|name| table.column(name));
    catalogue.dialect == Dialect::Postgres && table.toasted && columns.any(Column::is_unbounded)
}

/// Whether values are long, of a table that has some outside of its rows: those that are very long are left out of statistics.
fn is_long(column: &Column) -> bool {
    let none = column.common.is_empty() && column.bounds.is_empty() && column.nulls.is_some_and(|nulls| nulls < 1.0);
    none || column.longest.is_some_and(|n| n > SURE)
}

/// Whether columns fit as keys together.
pub(crate) fn fit_together(catalogue: &Catalogue, table: &Table, columns: &[&str]) -> bool {
    let all = || columns.iter().filter_map(|name| table.column(name));
    catalogue.dialect != Dialect::Mysql
        || !all().any(|column| column.has_no_whole_key() || column.is_longer_than_a_part(table))
            && all().filter_map(|c| c.fixed.or(c.most)).sum::<f64>() <= INNODB_KEYS
}
