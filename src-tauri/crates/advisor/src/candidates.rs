//! Which indexes could answer what the statements ask, each with its reason.
//!
//! The order of keys is equality, then order, then one range: rows of one value lie together, in the order of the next key; after a range
//! nothing is in order any more. Of the equalities the ones that most of the workload has come first, so that an index serves many.
mod beginnings;
mod btrees;
mod kind;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Catalogue;
use crate::concerns::{Weight, concerned, finds_one, weights};
use crate::covered::{covered_by, widened};
use crate::index::{Index, Key};
use crate::kept::kept;
use crate::merged::merged;
use crate::predicates::{Asked, Predicate};
use crate::quiet::without_written;
use crate::scalar::Scalar;
use crate::shape::Scan;
use crate::size::size;
use crate::widths::too_long;
use crate::workload::Workload;

pub(crate) use btrees::WIDEST_COVER;
pub use kind::Kind;
pub(crate) use wants::Wants;

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

pub(crate) struct Maker<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) limits: Limits,
    pub(crate) found: BTreeMap<Index, Candidate>,
    pub(crate) weights: BTreeMap<(usize, Scalar), Weight>,
    pub(crate) aside: Vec<(Index, String)>,
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
        self.beginnings(statement, scan, &wants);
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
            if self.by_beginning(table, predicate).is_some() {
                continue;
            }
            let Some(why) = too_long(self.catalogue, table, &predicate.of) else { continue };
            let keys = vec![Key::scalar(&predicate.of)];
            let index = Index { table: scan.table, keys, ..Index::default() };
            if !self.aside.iter().any(|(i, _)| *i == index) {
                self.aside.push((index, why));
            }
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
