//! Which indexes could answer what the statements ask, each with its reason.
//!
//! The order of keys is equality, then order, then one range: rows of one value lie together, in the order of the next key; after a range
//! nothing is in order any more. Of the equalities the ones that most of the workload has come first, so that an index serves many.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::Dialect;

use crate::catalogue::{Catalogue, Column, Table, TypeClass};
use crate::concerns::{Weight, concerned, finds_one, weights};
use crate::covered::{covered_by, widened};
use crate::index::{Index, Key, KeyOf, Method};
use crate::kept::kept;
use crate::merged::merged;
use crate::predicates::{Asked, Predicate, Value};
use crate::quiet::without_written;
use crate::scalar::Scalar;
use crate::shape::{Scan, SortKey};
use crate::size::size;
use crate::widths::{cannot_be_held, fit_together, may_be_too_long, too_long};
use crate::workload::Workload;

/// Why an index is proposed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Finds rows by values that are equal.
    Equality,
    /// Finds the rows of another table's row.
    Join,
    /// Finds rows and has them in the order that is asked.
    Order,
    /// Has rows in the order, and finds none: it helps while enough rows come early.
    OrderOnly,
    /// Finds rows between bounds.
    Range,
    /// Has rows of a group side by side.
    Group,
    /// Has the least and the greatest value at its ends.
    Extreme,
    /// Has every column that is asked, so that the table is not read.
    Covering,
    /// Has the rows of one condition only.
    Partial,
    /// Finds texts by their beginning.
    Beginning,
    /// Finds texts by what is within them.
    Within,
    /// Finds documents and arrays by what they have.
    Contents,
    /// Knows which pages cannot have a value.
    Ranges,
}

impl Kind {
    /// What such an index does, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Equality => "finds rows by equal values",
            Self::Join => "finds the rows that belong to a row of the joined table",
            Self::Order => "finds the rows and has them in the order that is asked",
            Self::OrderOnly => "has the rows in the order that is asked, and finds none",
            Self::Range => "finds rows between bounds, after equal values",
            Self::Group => "has the rows of a group side by side",
            Self::Extreme => "has the least and the greatest value at its ends",
            Self::Covering => "has every column that is asked, so that the table itself is not read",
            Self::Partial => "has the few rows of a condition that the statements write themselves",
            Self::Beginning => "finds texts by their beginning",
            Self::Within => "finds texts by what is within them",
            Self::Contents => "finds documents or arrays by what they have",
            Self::Ranges => "knows which pages cannot have a value, in very few bytes",
        }
    }
}

/// An index that could be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it holds.
    pub index: Index,
    /// Why.
    pub kind: Kind,
    /// How many of its keys are asked for by one value.
    pub fixed: usize,
    /// Statements that it was made for.
    pub from: BTreeSet<usize>,
    /// Statements that it could matter to.
    pub concerns: BTreeSet<usize>,
    /// Its bytes; `None` where its columns' widths are hidden.
    pub bytes: Option<f64>,
    /// The index that is there and that it does the work of, and more.
    pub widens: Option<String>,
}

/// Bounds of the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Candidates of one table.
    pub of_table: usize,
    /// All candidates.
    pub all: usize,
    /// Keys of one.
    pub keys: usize,
    /// Rows of a table from which on it is looked at.
    pub rows: f64,
    /// Bytes of a table from which on BRIN is proposed.
    pub brin_bytes: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { of_table: 60, all: 400, keys: 4, rows: 500.0, brin_bytes: 1024.0 * 1024.0 * 1024.0 }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidates {
    /// Indexes to choose from.
    pub all: Vec<Candidate>,
    /// Those that were put aside at once, with the reason.
    pub aside: Vec<(Index, String)>,
    /// How many were not looked at because there were too many.
    pub left_out: usize,
}

/// Share of its pages that must be visible to all before an index alone can answer, and the bytes that it may then have of a row.
const VISIBLE: f64 = 0.8;
pub(crate) const WIDEST_COVER: f64 = 200.0;

/// The candidates of a workload.
pub fn candidates(catalogue: &Catalogue, workload: &Workload, limits: Limits) -> Candidates {
    let mut maker = Maker { catalogue, limits, found: BTreeMap::new(), weights: weights(workload), aside: Vec::new() };
    for (place, statement) in workload.statements.iter().enumerate() {
        for scan in &statement.shape.scans {
            maker.of_scan(place, scan);
        }
    }
    let Maker { mut found, mut aside, .. } = maker;
    let quiet = without_written(catalogue, workload, &found);
    found.extend(quiet.into_iter().map(|candidate| (candidate.index.clone(), candidate)));
    let mut all: Vec<Candidate> = Vec::new();
    for (index, candidate) in found {
        match covered_by(catalogue, &index, candidate.fixed) {
            Some(existing) => aside.push((index, format!("`{}` does that already", existing.name))),
            None => all.push(candidate),
        }
    }
    let before = all.len();
    let mut all = kept(all, workload, limits);
    let left_out = before - all.len();
    let mut more = merged(catalogue, workload, &all);
    more.retain(|c| covered_by(catalogue, &c.index, c.fixed).is_none());
    all.extend(kept(more, workload, Limits { of_table: limits.of_table / 2, all: limits.all / 4, ..limits }));
    for candidate in &mut all {
        let index = &candidate.index;
        candidate.widens = widened(catalogue, index).map(|e| e.name.clone());
        candidate.bytes = size(catalogue, index);
        candidate.concerns = concerned(catalogue, workload, index).chain(candidate.from.iter().copied()).collect();
    }
    Candidates { left_out, all, aside }
}

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

pub(crate) struct Maker<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) limits: Limits,
    pub(crate) found: BTreeMap<Index, Candidate>,
    pub(crate) weights: BTreeMap<(usize, Scalar), Weight>,
    pub(crate) aside: Vec<(Index, String)>,
}

fn columns_of(keys: &[Key]) -> Vec<&str> {
    keys.iter().flat_map(Key::columns).collect()
}

impl Maker<'_> {
    fn of_scan(&mut self, statement: usize, scan: &Scan) {
        let table = &self.catalogue.tables[scan.table];
        if table.rows.is_some_and(|rows| rows < self.limits.rows) {
            let few = format!("the table has {} rows, which are read as fast", table.rows.unwrap_or(0.0));
            let keys = scan.conditions.first().map(|p| vec![Key::scalar(&p.of)]).unwrap_or_default();
            if !keys.is_empty() && !self.aside.iter().any(|(i, _)| i.table == scan.table) {
                self.aside.push((Index { table: scan.table, keys, ..Index::default() }, few));
            }
            return;
        }
        if let Some(engine) = &table.locked_by {
            self.locked(scan, engine);
            return;
        }
        if let Some(existing) = finds_one(table, scan) {
            let known = (existing.index.clone(), format!("`{}` does that already", existing.name));
            if !self.aside.contains(&known) {
                self.aside.push(known);
            }
            return;
        }
        self.denied(scan);
        let wants = self.wants(scan, &scan.conditions);
        self.plain(statement, scan, &wants, None);
        for group in &scan.alternatives {
            // Each branch needs an index of its own: their rows are put together afterwards.
            for branch in group {
                let mut conditions = scan.conditions.clone();
                conditions.extend(branch.iter().cloned());
                let wants = self.wants(scan, branch);
                self.add(statement, scan, &wants.equal, &[], Kind::Equality, None);
                let wants = self.wants(scan, &conditions);
                self.plain(statement, scan, &wants, None);
                for predicate in branch {
                    self.special(statement, scan, predicate, &[]);
                }
            }
        }
        for predicate in &scan.conditions {
            self.special(statement, scan, predicate, &wants.equal);
            self.part(statement, scan, predicate);
        }
    }

    /// Says of a table whose engine locks it that its indexes are made by hand.
    fn locked(&mut self, scan: &Scan, engine: &str) {
        let asked = scan.conditions.iter().map(|p| &p.of).chain(scan.joins.iter().map(|(of, _)| of));
        let Some(first) = asked.into_iter().find(|of| of.as_column().is_some()) else { return };
        let index = Index { table: scan.table, keys: vec![Key::scalar(first)], ..Index::default() };
        let why = format!(
            "nobody reads or writes a table of {engine} while its index is built: that is done by hand at a quiet time, or after ENGINE=InnoDB"
        );
        if covered_by(self.catalogue, &index, 1).is_none() && !self.aside.iter().any(|(i, _)| *i == index) {
            self.aside.push((index, why));
        }
    }

    /// Says of values that are looked up and cannot be keys why that is so.
    fn denied(&mut self, scan: &Scan) {
        for (of, why) in &scan.denied {
            let index = Index { table: scan.table, keys: vec![Key::scalar(of)], ..Index::default() };
            if !self.aside.iter().any(|(i, _)| *i == index) {
                self.aside.push((index, why.clone()));
            }
        }
        let table = &self.catalogue.tables[scan.table];
        let looked_up = |p: &&Predicate| matches!(p.asked, Asked::Equal(_) | Asked::OneOf(_) | Asked::Range { .. });
        for predicate in scan.conditions.iter().filter(looked_up) {
            let Some(why) = too_long(self.catalogue, table, &predicate.of) else { continue };
            let keys = vec![Key::scalar(&predicate.of)];
            let index = Index { table: scan.table, keys, ..Index::default() };
            if !self.aside.iter().any(|(i, _)| *i == index) {
                self.aside.push((index, why));
            }
        }
    }

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
    fn by_weight(&self, table: usize, all: &mut [Scalar]) {
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

    /// B-trees of all rows, or of those of a condition.
    pub(crate) fn plain(&mut self, statement: usize, scan: &Scan, wants: &Wants, part: Option<&Predicate>) {
        let mut beginnings: Vec<(Vec<Scalar>, Kind)> = vec![(wants.equal.clone(), Kind::Equality)];
        for joins in wants.joins.values() {
            let mut all = wants.equal.clone();
            all.extend(joins.iter().filter(|of| !wants.equal.contains(of)).cloned());
            self.by_weight(scan.table, &mut all);
            beginnings.push((joins.clone(), Kind::Join));
            beginnings.push((all, Kind::Join));
        }
        let table = &self.catalogue.tables[scan.table];
        for (equal, kind) in beginnings {
            let kind = if part.is_some() { Kind::Partial } else { kind };
            let kind_of = |other: Kind| if part.is_some() { Kind::Partial } else { other };
            if !equal.is_empty() {
                self.add(statement, scan, &equal, &[], kind, part);
                self.add(statement, scan, &equal[..1], &[], kind, part);
            }
            // One that turns out to be too long for an entry, or of whose values nothing is known, must not take the others with it.
            let unsure = |of: &Scalar| {
                may_be_too_long(self.catalogue, table, of)
                    || self.catalogue.dialect == Dialect::Postgres && of.as_column().is_none()
            };
            if equal.iter().any(unsure) {
                for one in equal.iter().skip(1) {
                    self.add(statement, scan, std::slice::from_ref(one), &[], kind, part);
                }
                let sure: Vec<Scalar> = equal.iter().filter(|of| !unsure(of)).cloned().collect();
                if !sure.is_empty() {
                    self.add(statement, scan, &sure, &[], kind, part);
                }
            }
            let mut some = equal.clone();
            some.extend(wants.some.iter().cloned());
            if some.len() > equal.len() {
                self.add(statement, scan, &some, &[], kind, part);
                self.add(statement, scan, &some[some.len() - 1..], &[], kind, part);
            }
            for range in &wants.ranges {
                let key = [SortKey { of: range.clone(), descending: false, nulls_first: self.first(false) }];
                self.add(statement, scan, &some, &key, kind_of(Kind::Range), part);
                self.add(statement, scan, &equal, &key, kind_of(Kind::Range), part);
                self.add(statement, scan, &[], &key, kind_of(Kind::Range), part);
            }
            self.ordered(statement, scan, &equal, kind_of, part);
        }
    }

    /// Where nulls stand in a key's own order.
    fn first(&self, descending: bool) -> bool {
        if self.catalogue.dialect == Dialect::Postgres { descending } else { !descending }
    }

    fn ordered(
        &mut self,
        statement: usize,
        scan: &Scan,
        equal: &[Scalar],
        kind_of: impl Fn(Kind) -> Kind,
        part: Option<&Predicate>,
    ) {
        let table = &self.catalogue.tables[scan.table];
        let keys: Vec<SortKey> = scan.sort.iter().take_while(|k| self.can_be_key(table, &k.of)).cloned().collect();
        if !keys.is_empty() {
            let kind = if equal.is_empty() && !scan.conditions.is_empty() { Kind::OrderOnly } else { Kind::Order };
            let kind = if equal.is_empty() && part.is_none() { kind } else { Kind::Order };
            if !equal.is_empty() || scan.limited || part.is_some() {
                self.add(statement, scan, equal, &keys, kind_of(kind), part);
            }
            if !equal.is_empty() && scan.limited && part.is_none() {
                self.add(statement, scan, &[], &keys, Kind::OrderOnly, None);
            }
        }
        let nulls_first = self.first(false);
        let plain = |of: &Scalar| SortKey { of: of.clone(), descending: false, nulls_first };
        if scan.group.iter().all(|of| self.can_be_key(table, of)) && !scan.group.is_empty() {
            let keys: Vec<SortKey> = scan.group.iter().map(plain).collect();
            self.add(statement, scan, equal, &keys, kind_of(Kind::Group), part);
        }
        let extremes: Vec<&Scalar> = scan.extremes.iter().filter(|of| self.can_be_key(table, of)).collect();
        for of in extremes {
            self.add(statement, scan, equal, &[plain(of)], kind_of(Kind::Extreme), part);
        }
    }

    /// Adds a B-tree, and one that holds all that is asked.
    fn add(
        &mut self,
        statement: usize,
        scan: &Scan,
        equal: &[Scalar],
        then: &[SortKey],
        kind: Kind,
        part: Option<&Predicate>,
    ) {
        let table = &self.catalogue.tables[scan.table];
        let mut keys: Vec<Key> = Vec::new();
        let fixed = equal.len();
        let ordered = then.iter().filter(|k| !equal.contains(&k.of)).map(|k| Key {
            descending: k.descending,
            nulls_first: self.catalogue.dialect == Dialect::Postgres && k.nulls_first,
            ..Key::scalar(&k.of)
        });
        for key in equal.iter().map(Key::scalar).chain(ordered) {
            if !keys.iter().any(|k| k.of == key.of) && keys.len() < self.limits.keys {
                keys.push(key);
            }
            if !fit_together(self.catalogue, table, &columns_of(&keys)) {
                keys.pop();
            }
        }
        if keys.is_empty() {
            return;
        }
        let fixed = fixed.min(keys.len());
        let index = Index { table: scan.table, keys, predicate: part.cloned(), ..Index::default() };
        if let Some(wide) = self.covering(scan, &index) {
            self.push(statement, wide, Kind::Covering, fixed);
        }
        self.push(statement, index, kind, fixed);
    }

    /// The same with the rest of the columns that the statement uses, where reading the index alone can be enough and pays.
    fn covering(&self, scan: &Scan, index: &Index) -> Option<Index> {
        let table = &self.catalogue.tables[scan.table];
        let plain = index.keys.iter().all(|k| matches!(k.of, KeyOf::Column(_)));
        if scan.uses_all || !plain || index.method != Method::Btree {
            return None;
        }
        let keys: Vec<&str> = index.keys.iter().flat_map(Key::columns).collect();
        let part = index
            .predicate
            .iter()
            .flat_map(Predicate::columns)
            .chain(table.in_every_index(self.catalogue.dialect))
            .collect::<Vec<_>>();
        let rest: Vec<&Column> = table
            .columns
            .iter()
            .filter(|c| scan.used.contains(&c.name) && !keys.contains(&c.name.as_str()))
            .filter(|c| !part.contains(&c.name.as_str()))
            .collect();
        let widths: Option<f64> =
            keys.iter().filter_map(|k| table.column(k)).chain(rest.iter().copied()).map(|c| c.width).sum();
        let held = rest.iter().all(|c| !cannot_be_held(table, c));
        if rest.is_empty() || rest.len() > 6 || widths? > WIDEST_COVER {
            return None;
        }
        let names = rest.iter().map(|c| c.name.clone());
        match self.catalogue.dialect {
            Dialect::Postgres => (held && self.catalogue.has_include() && table.all_visible > VISIBLE)
                .then(|| Index { include: names.collect(), ..index.clone() }),
            // No other columns than keys: few more of them do the same.
            _ if rest.len() <= 3 => {
                let more = names.map(Key::column);
                let keys: Vec<Key> = index.keys.iter().cloned().chain(more).collect();
                fit_together(self.catalogue, table, &columns_of(&keys)).then(|| Index { keys, ..index.clone() })
            }
            _ => None,
        }
    }

    pub(crate) fn push(&mut self, statement: usize, index: Index, kind: Kind, fixed: usize) {
        let new = || Candidate {
            index: index.clone(),
            kind,
            fixed,
            from: BTreeSet::new(),
            concerns: BTreeSet::new(),
            bytes: None,
            widens: None,
        };
        let known = self.found.entry(index.clone()).or_insert_with(new);
        known.from.insert(statement);
        // For one statement it finds rows, for another it only orders them: the better reason is said.
        known.kind = known.kind.min(kind);
        known.fixed = known.fixed.min(fixed);
    }
}
