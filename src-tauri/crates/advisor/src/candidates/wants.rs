//! What conditions ask of a table, sorted by how an index can use it.
use std::collections::BTreeMap;

use perfdeck_sqltext::Dialect;

use super::Maker;
use crate::catalogue::{Table, TypeClass};
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::shape::Scan;
use crate::widths::too_long;

/// What one reading of a table asks, sorted by how an index can use it.
#[derive(Default)]
pub(crate) struct Wants {
    /// Values of which one is asked.
    pub(crate) equal: Vec<Scalar>,
    /// Values of which some are asked.
    pub(crate) some: Vec<Scalar>,
    /// Values between bounds.
    pub(crate) ranges: Vec<Scalar>,
    /// Values of rows of each other reading.
    pub(crate) joins: BTreeMap<usize, Vec<Scalar>>,
}

impl Maker<'_> {
    /// What conditions ask. Wide texts, and what has no order, cannot be keys of a B-tree.
    pub(crate) fn wants(&self, scan: &Scan, conditions: &[Predicate]) -> Wants {
        let table = &self.catalogue.tables[scan.table];
        let mut wants = Wants::default();
        for predicate in conditions.iter().filter(|p| self.can_be_key(table, &p.of)) {
            let of = predicate.of.clone();
            match &predicate.asked {
                // A join with what is no table, or with more than a column of one.
                Asked::Equal(Value::Other) => wants.joins.entry(usize::MAX).or_default().push(of),
                Asked::Equal(_) | Asked::Null if !wants.equal.contains(&of) => wants.equal.push(of),
                Asked::OneOf(_) | Asked::AnyOf(_) if !wants.some.contains(&of) => wants.some.push(of),
                Asked::Range { .. } if !wants.ranges.contains(&of) => wants.ranges.push(of),
                _ => {}
            }
        }
        for (of, other) in scan.joins.iter().filter(|(of, _)| self.can_be_key(table, of)) {
            let all = wants.joins.entry(*other).or_default();
            if !all.contains(of) {
                all.push(of.clone());
            }
        }
        wants.some.retain(|of| !wants.equal.contains(of));
        wants.ranges.retain(|of| !wants.equal.contains(of) && !wants.some.contains(of));
        self.by_weight(scan.table, &mut wants.equal);
        self.by_weight(scan.table, &mut wants.some);
        // Of several ranges only one can be a key that finds; the one that leaves the fewest rows is not known, so each is tried.
        wants
    }

    pub(crate) fn can_be_key(&self, table: &Table, of: &Scalar) -> bool {
        let of_column = of.as_column().is_some();
        if !of_column && self.catalogue.dialect == Dialect::Mysql {
            return false;
        }
        of.columns().iter().all(|name| {
            let Some(column) = table.column(name) else { return false };
            let ordered = matches!(column.class, TypeClass::Ordered | TypeClass::Text | TypeClass::Boolean);
            ordered || !of_column
        }) && too_long(self.catalogue, table, of).is_none()
    }

    /// The ones that most of the workload's time asks for first; of equal ones those that leave the fewest rows.
    pub(super) fn by_weight(&self, table: usize, all: &mut [Scalar]) {
        let facts = &self.catalogue.tables[table];
        let rows = facts.rows.unwrap_or(0.0);
        let rank = |of: &Scalar| {
            let weight = self.weights.get(&(table, of.clone())).map_or(0.0, |w| w.ms);
            let column = of.columns().first().and_then(|c| facts.column(c));
            (weight, column.and_then(|c| c.different(rows)).unwrap_or(1.0))
        };
        all.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
    }
}
