//! Which indexes could answer what the statements ask, each with its reason.
//!
//! The order of keys is equality, then order, then one range: rows of one value lie together, in the order of the next key; after a range
//! nothing is in order any more. Of the equalities the ones that most of the workload has come first, so that an index serves many.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::Dialect;

use crate::catalogue::{Catalogue, Collating, Column, Table, TypeClass};
use crate::covered::{covered_by, widened};
use crate::index::{Index, Key, KeyOf, Method};
use crate::predicates::{Asked, Predicate, Value, wildcard};
use crate::scalar::Scalar;
use crate::shape::{Scan, SortKey};
use crate::size::{share, size};
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
        Self { of_table: 30, all: 400, keys: 4, rows: 500.0, brin_bytes: 1024.0 * 1024.0 * 1024.0 }
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

/// Longest key of a B-tree, in bytes: a third of a page (`BTMaxItemSize`), less where values vary.
const LONGEST_KEY: f64 = 900.0;
/// Share of its pages that must be visible to all before an index alone can answer, and the bytes that it may then have of a row.
const VISIBLE: f64 = 0.8;
const WIDEST_COVER: f64 = 200.0;
/// Share of the rows that an index of a part of them may have.
const LARGEST_PART: f64 = 0.1;
/// Share of the calls that must write the value themselves: a parameter is never known to match a condition.
const WRITTEN: f64 = 0.8;
/// Different values of a column that says in which state a row is.
const MOST_STATES: f64 = 50.0;
/// How closely the order on disk must follow the values.
const CLUSTERED: f64 = 0.95;

/// The candidates of a workload.
pub fn candidates(catalogue: &Catalogue, workload: &Workload, limits: Limits) -> Candidates {
    let mut maker = Maker { catalogue, limits, found: BTreeMap::new(), weights: weights(workload), aside: Vec::new() };
    for (place, statement) in workload.statements.iter().enumerate() {
        for scan in &statement.shape.scans {
            maker.of_scan(place, scan);
        }
    }
    let Maker { found, mut aside, .. } = maker;
    let mut all: Vec<Candidate> = Vec::new();
    for (index, mut candidate) in found {
        if let Some(existing) = covered_by(catalogue, &index, candidate.fixed) {
            aside.push((index, format!("`{}` does that already", existing.name)));
            continue;
        }
        candidate.widens = widened(catalogue, &index).map(|e| e.name.clone());
        candidate.bytes = size(catalogue, &index);
        candidate.concerns = concerned(workload, &index).chain(candidate.from.iter().copied()).collect();
        all.push(candidate);
    }
    // The time of the statements that one was made for; of equal ones the narrower.
    let worth = |c: &Candidate| c.from.iter().map(|s| workload.statements[*s].total_ms).sum::<f64>();
    all.sort_by(|a, b| {
        worth(b)
            .total_cmp(&worth(a))
            .then_with(|| a.index.keys.len().cmp(&b.index.keys.len()))
            .then(a.index.cmp(&b.index))
    });
    let mut of_table: BTreeMap<usize, usize> = BTreeMap::new();
    let before = all.len();
    all.retain(|c| {
        let count = of_table.entry(c.index.table).or_default();
        *count += 1;
        *count <= limits.of_table
    });
    all.truncate(limits.all);
    Candidates { left_out: before - all.len(), all, aside }
}

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

/// Statements that use the first key of an index, of a reading of its table.
fn concerned<'w>(workload: &'w Workload, index: &Index) -> impl Iterator<Item = usize> + use<'w> {
    let table = index.table;
    let first: Vec<String> =
        index.keys.first().map(|k| k.columns().into_iter().map(str::to_owned).collect()).unwrap_or_default();
    workload.statements.iter().enumerate().filter_map(move |(place, statement)| {
        let uses = |scan: &Scan| scan.table == table && first.iter().all(|c| scan.used.contains(c) || scan.uses_all);
        let asks = |scan: &Scan| {
            !scan.conditions.is_empty() || !scan.joins.is_empty() || !scan.alternatives.is_empty() || scan.asks_order()
        };
        statement.shape.scans.iter().any(|s| uses(s) && asks(s)).then_some(place)
    })
}

impl Scan {
    fn asks_order(&self) -> bool {
        !self.sort.is_empty() || !self.group.is_empty() || !self.extremes.is_empty()
    }
}

/// What is known of a value that statements compare.
#[derive(Debug, Default, Clone, Copy)]
struct Weight {
    /// Time of the statements that ask for one value of it.
    ms: f64,
    /// Calls that do, and those whose text has the value.
    calls: f64,
    written: f64,
}

fn weights(workload: &Workload) -> BTreeMap<(usize, Scalar), Weight> {
    let mut all: BTreeMap<(usize, Scalar), Weight> = BTreeMap::new();
    for statement in &workload.statements {
        for scan in &statement.shape.scans {
            for predicate in &scan.conditions {
                if !matches!(predicate.asked, Asked::Equal(_) | Asked::OneOf(_) | Asked::Null | Asked::NotNull) {
                    continue;
                }
                let weight = all.entry((scan.table, predicate.of.clone())).or_default();
                weight.ms += statement.total_ms;
                weight.calls += statement.calls;
                weight.written += if predicate.is_fixed() { statement.calls } else { 0.0 };
            }
            for (of, _) in &scan.joins {
                all.entry((scan.table, of.clone())).or_default().ms += statement.total_ms;
            }
        }
    }
    all
}

/// What one reading of a table asks, sorted by how an index can use it.
#[derive(Default)]
struct Wants {
    /// Values of which one is asked.
    equal: Vec<Scalar>,
    /// Values of which some are asked.
    some: Vec<Scalar>,
    /// Values between bounds.
    ranges: Vec<Scalar>,
    /// Values of rows of each other reading.
    joins: BTreeMap<usize, Vec<Scalar>>,
}

struct Maker<'a> {
    catalogue: &'a Catalogue,
    limits: Limits,
    found: BTreeMap<Index, Candidate>,
    weights: BTreeMap<(usize, Scalar), Weight>,
    aside: Vec<(Index, String)>,
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

    /// What conditions ask. Wide texts, and what has no order, cannot be keys of a B-tree.
    fn wants(&self, scan: &Scan, conditions: &[Predicate]) -> Wants {
        let table = &self.catalogue.tables[scan.table];
        let mut wants = Wants::default();
        for predicate in conditions.iter().filter(|p| self.can_be_key(table, &p.of)) {
            let of = predicate.of.clone();
            match &predicate.asked {
                Asked::Equal(_) | Asked::Null if !wants.equal.contains(&of) => wants.equal.push(of),
                Asked::OneOf(_) if !wants.some.contains(&of) => wants.some.push(of),
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

    fn can_be_key(&self, table: &Table, of: &Scalar) -> bool {
        let of_column = of.as_column().is_some();
        if !of_column && self.catalogue.dialect == Dialect::Mysql {
            return false;
        }
        of.columns().iter().all(|name| {
            let Some(column) = table.column(name) else { return false };
            let ordered = matches!(column.class, TypeClass::Ordered | TypeClass::Text | TypeClass::Boolean);
            (ordered || !of_column) && column.width.is_none_or(|w| w < LONGEST_KEY)
        })
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
    fn plain(&mut self, statement: usize, scan: &Scan, wants: &Wants, part: Option<&Predicate>) {
        let mut beginnings: Vec<(Vec<Scalar>, Kind)> = vec![(wants.equal.clone(), Kind::Equality)];
        for joins in wants.joins.values() {
            let mut all = wants.equal.clone();
            all.extend(joins.iter().filter(|of| !wants.equal.contains(of)).cloned());
            self.by_weight(scan.table, &mut all);
            beginnings.push((joins.clone(), Kind::Join));
            beginnings.push((all, Kind::Join));
        }
        for (equal, kind) in beginnings {
            let kind = if part.is_some() { Kind::Partial } else { kind };
            let kind_of = |other: Kind| if part.is_some() { Kind::Partial } else { other };
            if !equal.is_empty() {
                self.add(statement, scan, &equal, &[], kind, part);
                self.add(statement, scan, &equal[..1], &[], kind, part);
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
        let part = index.predicate.iter().flat_map(Predicate::columns).collect::<Vec<_>>();
        let rest: Vec<&Column> = table
            .columns
            .iter()
            .filter(|c| scan.used.contains(&c.name) && !keys.contains(&c.name.as_str()))
            .filter(|c| !part.contains(&c.name.as_str()))
            .collect();
        let widths: Option<f64> =
            keys.iter().filter_map(|k| table.column(k)).chain(rest.iter().copied()).map(|c| c.width).sum();
        if rest.is_empty() || rest.len() > 6 || widths? > WIDEST_COVER {
            return None;
        }
        let names = rest.iter().map(|c| c.name.clone());
        match self.catalogue.dialect {
            Dialect::Postgres => (self.catalogue.has_include() && table.all_visible > VISIBLE)
                .then(|| Index { include: names.collect(), ..index.clone() }),
            // No other columns than keys: few more of them do the same.
            _ if rest.len() <= 3 => {
                let more = names.map(Key::column);
                Some(Index { keys: index.keys.iter().cloned().chain(more).collect(), ..index.clone() })
            }
            _ => None,
        }
    }

    /// Indexes of the rows of one condition that statements write themselves.
    fn part(&mut self, statement: usize, scan: &Scan, predicate: &Predicate) {
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
    fn special(&mut self, statement: usize, scan: &Scan, predicate: &Predicate, equal: &[Scalar]) {
        let table = &self.catalogue.tables[scan.table];
        let Some(column) = predicate.columns().first().and_then(|c| table.column(c)) else { return };
        match &predicate.asked {
            Asked::Like { pattern, case } => {
                let begins = pattern.literal().and_then(wildcard).map(|at| at > 0);
                if *case && begins != Some(false) {
                    self.beginning(statement, scan, predicate, column, equal);
                }
                // A pattern that is a parameter may be one or the other.
                if !*case || begins != Some(true) {
                    self.within(statement, scan, predicate, column);
                }
            }
            Asked::Has(operator) if self.catalogue.dialect == Dialect::Postgres => {
                let can = matches!(column.class, TypeClass::Json | TypeClass::Array);
                if !can || predicate.of.as_column().is_none() {
                    return;
                }
                let key = Key::scalar(&predicate.of);
                // Of documents that are only asked whether they have another one, this class is smaller and finds more exactly.
                let key = if column.class == TypeClass::Json && *operator == "@>" {
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
        if column.collating == Collating::Nondeterministic || column.class != TypeClass::Text {
            return;
        }
        let table = &self.catalogue.tables[scan.table];
        if !self.can_be_key(table, &predicate.of) {
            return;
        }
        let by_bytes = self.catalogue.dialect != Dialect::Postgres || column.collating == Collating::Bytes;
        let key = Key::scalar(&predicate.of);
        // The class of the column's own type: patterns of `char(n)` compare without the blanks at the end.
        let class = if column.type_name.starts_with("character(") { "bpchar_pattern_ops" } else { "text_pattern_ops" };
        let key = if by_bytes { key } else { key.class(class) };
        for equal in [&[][..], equal] {
            let keys: Vec<Key> = equal.iter().map(Key::scalar).chain([key.clone()]).take(self.limits.keys).collect();
            let index = Index { table: scan.table, keys, ..Index::default() };
            self.push(statement, index, Kind::Beginning, equal.len());
        }
    }

    fn within(&mut self, statement: usize, scan: &Scan, predicate: &Predicate, column: &Column) {
        if self.catalogue.dialect != Dialect::Postgres
            || column.class != TypeClass::Text
            || column.collating == Collating::Nondeterministic
        {
            return;
        }
        let key = Key::scalar(&predicate.of).class("gin_trgm_ops");
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

    fn push(&mut self, statement: usize, index: Index, kind: Kind, fixed: usize) {
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
