//! What a reading of indexes holds: facts that the rules judge, in words that all engines share.
use std::collections::BTreeMap;

use perfdeck_model::{BloatUnknown, IndexIdentity, Scheme};

/// Everything that was read at one moment of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexReading {
    /// The engine.
    pub scheme: Scheme,
    /// Indexes, those of one table together.
    pub indexes: Vec<Index>,
    /// Indexes that are there and were not read, beyond the bound; `None` where there are some and nobody counted them.
    pub indexes_left_out: Option<u32>,
    /// Tables by name.
    pub tables: BTreeMap<String, TableFacts>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// For how long what indexes do was counted.
    pub counted: Counted,
    /// Since when that is, in milliseconds since the Unix epoch.
    pub counted_since_ms: Option<f64>,
    /// Whether the node only follows another one.
    pub standby: bool,
    /// Nodes that follow this one; `None` where nothing tells.
    pub standbys: Option<u32>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
    /// Statements that let this user see what is hidden from it.
    pub grants: Vec<String>,
}

impl IndexReading {
    pub(crate) fn of(scheme: Scheme) -> Self {
        Self {
            scheme,
            indexes: Vec::new(),
            indexes_left_out: Some(0),
            tables: BTreeMap::new(),
            foreign_keys: Vec::new(),
            counted: Counted::Not { why: "Nobody counts what an index does".to_owned(), fix: None },
            counted_since_ms: None,
            standby: false,
            standbys: None,
            missing: Vec::new(),
            grants: Vec::new(),
        }
    }
}

/// For how long a server counted what its indexes do.
#[derive(Debug, Clone, PartialEq)]
pub enum Counted {
    /// So many seconds, by the server's own clock.
    For(f64),
    /// It does not, not to this user, or nobody knows since when.
    Not {
        /// Why.
        why: String,
        /// Setting or statement that changes that.
        fix: Option<String>,
    },
}

/// An index: what it is and what it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// What it is.
    pub identity: IndexIdentity,
    /// What it has done.
    pub done: IndexDone,
    pub(crate) compared: Compared,
}

/// What an index has done since the server counts, and how large it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexDone {
    /// Its size, in bytes.
    pub bytes: Option<f64>,
    /// Scans of it.
    pub scans: Option<f64>,
    /// Entries of it that scans read.
    pub rows_read: Option<f64>,
    /// Seconds since the last scan, by the server's clock; `None` where it tells none.
    pub idle_s: Option<f64>,
    /// Part of it that holds nothing, 0 to 1, estimated.
    pub bloat: Option<f64>,
    /// Why there is no estimate.
    pub bloat_unknown: Option<BloatUnknown>,
    /// Whether the planner has no statistics of it, which it needs.
    pub never_analyzed: bool,
}

/// Whether somebody builds or drops an index at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nobody.
    #[default]
    None,
    /// Somebody.
    Now,
    /// Somebody works on its table and hides from this user what he does.
    Hidden,
}

/// Whether a key is compared as its type and its column usually are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usual {
    pub(crate) class: bool,
    pub(crate) collation: bool,
}

/// What only the comparison of two indexes needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Compared {
    /// For each key the expression in a form in which two that are the same are equal texts; `None` for a column.
    pub(crate) expressions: Vec<Option<String>>,
    /// The condition, likewise.
    pub(crate) predicate: Option<String>,
    /// Whether all of its definition is understood; one that is not is like no other.
    pub(crate) understood: bool,
    /// Whether uniqueness is checked with each row.
    pub(crate) immediate: bool,
    /// How full its pages are made, the one setting that is no reason to keep two.
    pub(crate) fillfactor: Option<String>,
    /// Order in which indexes were made, as far as the engine tells; else by name.
    pub(crate) made: i64,
    /// Its number in the catalogue, and its table's.
    pub(crate) oid: i64,
    pub(crate) table: i64,
    pub(crate) work: Work,
    /// The statement that creates it, where the engine keeps it.
    pub(crate) definition: Option<String>,
    /// For each key whether its operator class is the usual one of its type, and its collation that of its column; nothing where
    /// that was not asked.
    pub(crate) usual: Vec<Usual>,
    /// Whether it is not there yet: where it names no operator class and no collation, the usual ones are meant.
    pub(crate) wanted: bool,
}

/// A table, as far as its indexes need it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableFacts {
    /// Rows.
    pub rows: Option<f64>,
    /// Rows that were inserted, changed and deleted since the server counts.
    pub written_rows: Option<f64>,
    /// Entries that were written to each of its indexes.
    pub entries_written: Option<f64>,
    /// Rows that were deleted or changed, each of which foreign keys that refer to the table have to look for.
    pub changed_rows: Option<f64>,
    /// Rows that were read by scans of the whole table.
    pub scan_rows: Option<f64>,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// The table that it is a partition of.
    pub part_of: Option<String>,
    /// Whether the planner knows nothing of its columns.
    pub never_analyzed: bool,
    /// Whether its rows are found by a column that is no index: SQLite's alias of the row number.
    pub row_number: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForeignKey {
    /// Its name; the columns where the engine gives it none.
    pub name: String,
    /// The table that has it.
    pub table: String,
    /// Its columns, with the collation by which they are compared where that is told.
    pub columns: Vec<(String, Option<String>)>,
    /// The table that it refers to.
    pub references: String,
    /// The columns there.
    pub referenced: Vec<String>,
}

impl Index {
    /// Its key columns and expressions, as a person would list them.
    pub(crate) fn listed(&self) -> String {
        let key = |key: &perfdeck_model::IndexKey| {
            let name =
                key.column.clone().or_else(|| key.expression.clone()).unwrap_or_else(|| "(expression)".to_owned());
            let part = key.prefix.map(|n| format!("({n})")).unwrap_or_default();
            format!("{name}{part}{}", if key.descending { " DESC" } else { "" })
        };
        self.identity.keys.iter().map(key).collect::<Vec<_>>().join(", ")
    }
}
