//! What a statement asks of each table, and what it writes.
use std::collections::BTreeSet;

use crate::predicates::Predicate;
use crate::scalar::Scalar;

/// What one statement asks and writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// Each reading of a table, once for each time that the statement names it.
    pub scans: Vec<Scan>,
    /// What it writes.
    pub written: Vec<Written>,
    /// Parameters that say how many rows are wanted.
    pub limits: Vec<usize>,
}

/// One reading of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scan {
    /// Place of the table in the catalogue.
    pub table: usize,
    /// Its name in the statement.
    pub alias: String,
    /// Conditions that all hold.
    pub conditions: Vec<Predicate>,
    /// Values that are equal to one of another reading, by its place.
    pub joins: Vec<(Scalar, usize)>,
    /// Groups of which one branch holds: conditions of each branch.
    pub alternatives: Vec<Vec<Vec<Predicate>>>,
    /// The order that is asked of this table, from the first key on.
    pub sort: Vec<SortKey>,
    /// Whether the statement's order is that and nothing more.
    pub sort_whole: bool,
    /// Values by which rows are grouped, where all are of this table; `DISTINCT` too.
    pub group: Vec<Scalar>,
    /// Values of which the least or the greatest is asked, and nothing else.
    pub extremes: Vec<Scalar>,
    /// Calls of functions in its conditions that no index can have, with the reason.
    pub denied: Vec<(Scalar, String)>,
    /// Whether some rows are enough (`LIMIT`).
    pub limited: bool,
    /// How many, where the statement has the number.
    pub limit: Option<f64>,
    /// Columns that the statement uses anywhere.
    pub used: BTreeSet<String>,
    /// Whether it uses all of them (`*`).
    pub uses_all: bool,
}

/// A key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// What is sorted by.
    pub of: Scalar,
    /// From the greatest on.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// What a statement writes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Place of the table in the catalogue.
    pub table: usize,
    /// Columns that an `UPDATE` sets; `None` where whole rows come and go.
    pub columns: Option<Vec<String>>,
    /// Whether rows go.
    pub deletes: bool,
}
