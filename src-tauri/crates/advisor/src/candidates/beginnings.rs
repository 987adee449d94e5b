//! Indexes on the beginning of texts that are no whole keys, of MySQL and MariaDB. They find rows and do nothing else.
use perfdeck_sqltext::Dialect;

use super::{Kind, Maker, Wants};
use crate::catalogue::Table;
use crate::index::{Index, Key};
use crate::predicates::{Asked, Predicate, wildcard};
use crate::shape::Scan;
use crate::widths::{INNODB_KEYS, too_long};

/// Bytes of a character at most.
const CHARACTER: f64 = 4.0;

impl Maker<'_> {
    /// The key that finds the rows of a condition on a text that is too long for a whole one.
    pub(super) fn by_beginning(&self, table: &Table, predicate: &Predicate) -> Option<Key> {
        let column = table.column(predicate.of.as_column()?)?;
        let length = column.beginning.as_ref()?.length;
        let finds = match &predicate.asked {
            Asked::Equal(_) | Asked::OneOf(_) | Asked::AnyOf(_) => true,
            Asked::Like { pattern, .. } => pattern.literal().and_then(wildcard).is_some_and(|at| at > 0),
            _ => false,
        };
        let long = || too_long(self.catalogue, table, &predicate.of).is_some();
        (self.catalogue.dialect == Dialect::Mysql && finds && long()).then(|| Key::beginning(&column.name, length))
    }

    /// Such keys, alone and behind the values of which one is asked.
    pub(super) fn beginnings(&mut self, statement: usize, scan: &Scan, wants: &Wants) {
        let table = &self.catalogue.tables[scan.table];
        let bytes = |key: &Key| match key.prefix {
            Some(length) => Some(f64::from(length) * CHARACTER),
            None => key.columns().first().and_then(|name| table.column(name)).and_then(|c| c.fixed.or(c.most)),
        };
        for predicate in &scan.conditions {
            let Some(key) = self.by_beginning(table, predicate) else { continue };
            let one = usize::from(matches!(predicate.asked, Asked::Equal(_)));
            let kind = if matches!(predicate.asked, Asked::Like { .. }) { Kind::Beginning } else { Kind::Equality };
            let index = |keys: Vec<Key>| Index { table: scan.table, keys, ..Index::default() };
            self.push(statement, index(vec![key.clone()]), kind, one);
            let before = wants.equal.iter().map(Key::scalar).take(self.limits.keys - 1);
            let keys: Vec<Key> = before.chain([key]).collect();
            if keys.len() > 1 && keys.iter().filter_map(bytes).sum::<f64>() <= INNODB_KEYS {
                let fixed = keys.len() - 1 + one;
                self.push(statement, index(keys), kind, fixed);
            }
        }
    }
}
