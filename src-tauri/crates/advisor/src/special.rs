//! Indexes that are not of all rows, or not B-trees of a plain column.
use std::collections::BTreeSet;

use perfdeck_sqltext::Dialect;

use crate::candidates::{Kind, Maker};
use crate::catalogue::{Collating, Column, Table, TypeClass};
use crate::index::{Index, Key, Method};
use crate::predicates::{Asked, Predicate, Value, wildcard};
use crate::scalar::Scalar;
use crate::shape::Scan;
use crate::size::share;

/// Share of the rows that an index of a part of them may have.
const LARGEST_PART: f64 = 0.1;
/// Share of the calls that must write the value themselves: a parameter is never known to match a condition.
const WRITTEN: f64 = 0.8;
/// Different values of a column that says in which state a row is.
const MOST_STATES: f64 = 50.0;
/// How closely the order on disk must follow the values.
const CLUSTERED: f64 = 0.95;

/// Whether a condition is about a state that rows are in, such as `status = 'new'`, and not about one row or customer whose number
/// happens to be written in the text.
fn is_state(table: &Table, predicate: &Predicate) -> bool {
    let Some(column) = predicate.of.as_column().and_then(|c| table.column(c)) else { return false };
    let few = column.different(table.rows.unwrap_or(0.0)).is_some_and(|n| n <= MOST_STATES);
    let common = |value: &Value| value.literal().is_some_and(|text| column.share_of(text).is_some());
    match &predicate.asked {
        Asked::Equal(value) => few && common(value),
        Asked::OneOf(all) => few && all.iter().all(common),
        _ => true,
    }
}

/// How a value compares: by the collation that the statement names (PostgreSQL), or as its column does.
fn collating(column: &Column, of: &Scalar) -> Collating {
    match of {
        Scalar::Collated(_, to) if ["C", "POSIX", "ucs_basic"].contains(&to.as_str()) => Collating::Bytes,
        Scalar::Collated(..) if column.collating == Collating::Bytes => Collating::Language,
        _ => column.collating,
    }
}

impl Maker<'_> {
    /// Indexes of the rows of one condition that statements write themselves.
    pub(crate) fn part(&mut self, statement: usize, scan: &Scan, predicate: &Predicate) {
        let table = &self.catalogue.tables[scan.table];
        if !self.catalogue.has_partial() || !predicate.is_fixed() || predicate.of.as_column().is_none() {
            return;
        }
        let weight = self.weights.get(&(scan.table, predicate.of.clone())).copied().unwrap_or_default();
        let few = is_state(table, predicate) && share(table, predicate).is_some_and(|share| share < LARGEST_PART);
        if !few || weight.calls <= 0.0 || weight.written / weight.calls < WRITTEN {
            return;
        }
        let others: Vec<Predicate> = scan.conditions.iter().filter(|p| p.of != predicate.of).cloned().collect();
        let wants = self.wants(scan, &others);
        self.plain(statement, scan, &wants, Some(predicate));
        // Nothing else is asked: the rows are found by being there at all.
        if wants.equal.is_empty() && wants.ranges.is_empty() && wants.some.is_empty() && scan.sort.is_empty() {
            let keys = vec![Key::scalar(&predicate.of)];
            let index = Index { table: scan.table, keys, predicate: Some(predicate.clone()), ..Index::default() };
            self.push(statement, index, Kind::Partial, 1);
        }
    }

    /// Indexes for what a B-tree of the plain column does not find.
    pub(crate) fn special(&mut self, statement: usize, scan: &Scan, predicate: &Predicate, equal: &[Scalar]) {
        let table = &self.catalogue.tables[scan.table];
        let Some(column) = predicate.columns().first().and_then(|c| table.column(c)) else { return };
        match &predicate.asked {
            Asked::Like { pattern, case } => {
                let begins = pattern.literal().and_then(wildcard).map(|at| at > 0);
                if self.catalogue.dialect == Dialect::Sqlite && begins != Some(false) {
                    self.beginning_of_any_case(statement, scan, predicate, column, equal);
                }
                if *case && begins != Some(false) {
                    self.beginning(statement, scan, predicate, column, equal);
                }
                // A pattern that is a parameter may be one or the other.
                if !*case || begins != Some(true) {
                    self.within(statement, scan, predicate, column);
                }
            }
            Asked::Has(operator, _) if self.catalogue.dialect == Dialect::Postgres => {
                let can = matches!(column.class, TypeClass::Json | TypeClass::Array);
                // A part of a document is one.
                let part =
                    matches!(&predicate.of, Scalar::Operator(_, "->" | "#>", _)) && column.class == TypeClass::Json;
                if !can || predicate.of.as_column().is_none() && !part {
                    return;
                }
                let key = Key::scalar(&predicate.of);
                // Of documents that are only asked whether they have another one or a path, this class is smaller and finds more exactly.
                let key = if column.class == TypeClass::Json && ["@>", "@?", "@@"].contains(operator) {
                    key.class("jsonb_path_ops")
                } else {
                    key
                };
                self.other(statement, scan.table, key, Method::Gin, Kind::Contents);
            }
            Asked::Range { .. } if self.catalogue.dialect == Dialect::Postgres => {
                let large = table.bytes(self.catalogue.page) > self.limits.brin_bytes;
                let follows = column.correlation.is_some_and(|c| c.abs() > CLUSTERED);
                if large && follows && predicate.of.as_column().is_some() {
                    self.other(statement, scan.table, Key::scalar(&predicate.of), Method::Brin, Kind::Ranges);
                }
            }
            _ => {}
        }
    }

    fn beginning(&mut self, statement: usize, scan: &Scan, predicate: &Predicate, column: &Column, equal: &[Scalar]) {
        let collating = collating(column, &predicate.of);
        if collating == Collating::Nondeterministic || column.class != TypeClass::Text {
            return;
        }
        let table = &self.catalogue.tables[scan.table];
        if !self.can_be_key(table, &predicate.of) {
            return;
        }
        let by_bytes = self.catalogue.dialect != Dialect::Postgres || collating == Collating::Bytes;
        // Patterns compare bytes, whatever collation the statement names.
        let key = match &predicate.of {
            Scalar::Collated(inner, _) if !by_bytes => Key::scalar(inner),
            of => Key::scalar(of),
        };
        // The class of the column's own type: patterns of `char(n)` compare without the blanks at the end.
        let class = if column.type_name.starts_with("character(") { "bpchar_pattern_ops" } else { "text_pattern_ops" };
        let key = if by_bytes { key } else { key.class(class) };
        for equal in [&[][..], equal] {
            let keys: Vec<Key> = equal.iter().map(Key::scalar).chain([key.clone()]).take(self.limits.keys).collect();
            let index = Index { table: scan.table, keys, ..Index::default() };
            self.push(statement, index, Kind::Beginning, equal.len());
        }
    }

    /// SQLite's `LIKE` does not look at the case of letters, and neither must the index (`NOCASE`).
    fn beginning_of_any_case(
        &mut self,
        statement: usize,
        scan: &Scan,
        predicate: &Predicate,
        column: &Column,
        equal: &[Scalar],
    ) {
        if column.class != TypeClass::Text || predicate.of.as_column().is_none() {
            return;
        }
        let own = column.collating == Collating::NoCase;
        let key = Key { collation: (!own).then(|| "NOCASE".to_owned()), ..Key::scalar(&predicate.of) };
        for equal in [&[][..], equal] {
            let keys: Vec<Key> = equal.iter().map(Key::scalar).chain([key.clone()]).take(self.limits.keys).collect();
            let index = Index { table: scan.table, keys, ..Index::default() };
            self.push(statement, index, Kind::Beginning, equal.len());
        }
    }

    fn within(&mut self, statement: usize, scan: &Scan, predicate: &Predicate, column: &Column) {
        if self.catalogue.dialect != Dialect::Postgres
            || column.class != TypeClass::Text
            || collating(column, &predicate.of) == Collating::Nondeterministic
        {
            return;
        }
        let key = Key::scalar(&predicate.of).class(&self.catalogue.class("gin_trgm_ops"));
        let has = |all: &BTreeSet<String>| all.contains("pg_trgm");
        if has(&self.catalogue.extensions) {
            self.other(statement, scan.table, key, Method::Gin, Kind::Within);
            return;
        }
        let index = Index { table: scan.table, method: Method::Gin, keys: vec![key], ..Index::default() };
        let why = if has(&self.catalogue.available) {
            "it needs the extension pg_trgm, which is not in this database: CREATE EXTENSION pg_trgm"
        } else {
            "it needs the extension pg_trgm, which the server does not have"
        };
        if !self.aside.iter().any(|(i, _)| *i == index) {
            self.aside.push((index, why.to_owned()));
        }
    }

    fn other(&mut self, statement: usize, table: usize, key: Key, method: Method, kind: Kind) {
        let index = Index { table, method, keys: vec![key], ..Index::default() };
        self.push(statement, index, kind, 0);
    }
}
