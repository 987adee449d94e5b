//! Indexes of a database: what each one is, and what is found about them.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Finding;

/// What an index is, in words that all engines share. Two of them are alike only where all of it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexIdentity {
    /// Its name as the server writes it, with its schema where it has one.
    pub name: String,
    /// Its table, likewise.
    pub table: String,
    /// Access method in the server's word, in small letters, such as `btree` or `gin`.
    pub method: String,
    /// What it is ordered or searched by, the first first.
    pub keys: Vec<IndexKey>,
    /// Columns that it holds beside its keys (`INCLUDE`).
    pub include: Vec<String>,
    /// Columns of the primary key that the engine itself puts behind the keys, where a statement can name them: InnoDB and SQLite.
    pub suffix: Vec<String>,
    /// Whether it has a part of the rows only.
    pub partial: bool,
    /// The condition of those, without literals; `null` where there is none, and where it could not be read beside a lock.
    pub predicate: Option<String>,
    /// Whether it allows no value twice.
    pub unique: bool,
    /// Whether two nulls are the same value to that.
    pub nulls_not_distinct: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Constraints that rest on it, foreign keys of other tables among them.
    pub constraints: Vec<IndexConstraint>,
    /// Whether replication tells rows apart by it.
    pub replica_identity: bool,
    /// Whether the table was ordered by it (`CLUSTER`).
    pub clustered: bool,
    /// Whether it is the index of a partitioned table, which has no entries of its own.
    pub partitioned: bool,
    /// The index that it is a part of.
    pub part_of: Option<String>,
    /// Who made it.
    pub origin: IndexOrigin,
    /// Whether queries may use it; one whose build failed is not valid.
    pub valid: bool,
    /// Whether writes maintain it.
    pub maintained: bool,
    /// Whether the planner looks at it: not one that is `INVISIBLE` (MySQL) or `IGNORED` (MariaDB).
    pub visible: bool,
    /// Settings of the index itself, such as `pages_per_range=4`.
    pub options: Vec<String>,
}

/// One key of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexKey {
    /// The column; `null` for an expression.
    pub column: Option<String>,
    /// The expression, without literals; `null` for a column, and where it could not be read beside a lock.
    pub expression: Option<String>,
    /// Operator class (PostgreSQL), with its schema where it is not the server's own.
    pub operator_class: Option<String>,
    /// Collation, likewise; `null` where the values have none, or the server tells none.
    pub collation: Option<String>,
    /// Whether its order is descending.
    pub descending: bool,
    /// Whether nulls come first; `null` where the engine has one place for them.
    pub nulls_first: Option<bool>,
    /// How many letters or bytes of the value it has; `null` for all of it.
    pub prefix: Option<u32>,
    /// Settings of the operator class, such as `siglen=100`.
    pub options: Option<String>,
}

/// A constraint that rests on an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexConstraint {
    /// Its name.
    pub name: String,
    /// The table whose constraint it is.
    pub table: String,
    /// What it is.
    pub kind: ConstraintKind,
    /// Whether it may be checked at the end of a transaction only.
    pub deferrable: bool,
}

/// What a constraint is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// The primary key.
    PrimaryKey,
    /// No value twice.
    #[default]
    Unique,
    /// An exclusion.
    Exclusion,
    /// A foreign key, which refers to what the index keeps unique.
    ForeignKey,
}

/// Who made an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexOrigin {
    /// `CREATE INDEX`, or a key of `CREATE TABLE` that is none of the others.
    #[default]
    Created,
    /// A constraint that allows no value twice.
    Constraint,
    /// The primary key.
    PrimaryKey,
    /// An extension, which owns it.
    Extension,
}

/// What is found about an index.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IndexFindingKind {
    /// Its build failed: writes may maintain it, and no query uses it.
    Invalid,
    /// It has the keys of another one, which serves and enforces the same.
    Duplicate,
    /// It is the beginning of another one, which serves the same.
    Redundant,
    /// Nothing read it, for long enough.
    Unused,
    /// Much of it holds nothing.
    Bloated,
    /// The columns of a foreign key begin no index, so that a change of the referenced row reads the whole table.
    ForeignKey,
    /// The planner knows nothing of what is in the table, or in the index.
    NeverAnalyzed,
}

/// One finding about indexes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexFinding {
    /// What it is.
    pub kind: IndexFindingKind,
    /// The index, the constraint or the table that it is about.
    pub object: String,
    /// The table.
    pub table: String,
    /// Why it stands where it stands in the list.
    pub ranked_by: String,
    /// The index; `null` where the finding is that there is none, and where it is about a table.
    pub index: Option<IndexIdentity>,
    /// The index that serves what this one serves, and that no finding advises to drop.
    pub stays: Option<IndexIdentity>,
    /// Bytes that following the advice gives back; `null` where nothing says that.
    pub frees_bytes: Option<f64>,
    /// Statements whose plan was seen to use the index within the last seven days, the last seen first, at most 20: they would lose by its
    /// drop.
    #[serde(default)]
    pub users: Vec<IndexUser>,
    /// Those beyond.
    #[serde(default)]
    pub users_left_out: u32,
    /// The finding as all faces show it; `cost` ranks it.
    pub finding: Finding,
}

/// A statement whose plan was seen to use an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexUser {
    /// Names it in `db.statement`.
    pub key: String,
    /// The statement without literals, at most 2,000 bytes; `null` where its text is not known.
    pub statement: Option<String>,
    /// When that plan was seen last, in milliseconds since the Unix epoch.
    pub last_ms: f64,
}

/// Whether unused indexes could be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum UnusedAnswer {
    /// They were looked for, in a window that is long enough.
    Judged {
        /// Length of the window, in hours: the shortest of all nodes that were asked.
        hours: f64,
        /// Nodes that were asked.
        nodes: u32,
        /// Standbys that were not asked and count what they read themselves; `null` where nothing tells.
        standbys_not_asked: Option<u32>,
    },
    /// Not looked for: the statistics are too young.
    TooEarly {
        /// Length of the window, in hours.
        hours: f64,
        /// Hours from which on it is long enough.
        enough_hours: f64,
    },
    /// Nobody counts what an index does, or not to this user, or nobody knows since when.
    NotTold {
        /// Why.
        why: String,
        /// Setting or statement that changes that; `null` where there is none.
        fix: Option<String>,
    },
}

/// Findings about the indexes of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseIndexes {
    /// Time of the reading, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// The findings that were asked for, by rank.
    pub findings: Vec<IndexFinding>,
    /// Those that were left out, because only so many were asked for.
    pub findings_left_out: u32,
    /// Whether unused indexes could be told.
    pub unused: UnusedAnswer,
    /// Indexes that were looked at.
    pub indexes: u32,
    /// Indexes that are there and were not looked at, beyond the bound; `null` where there are some and nobody counted them.
    pub indexes_left_out: Option<u32>,
    /// Tables that were looked at.
    pub tables: u32,
    /// Statements whose plans were followed within the last seven days; whether any of them uses an index is known of these only.
    #[serde(default)]
    pub plans_followed: u32,
    /// Since when the server counts what is read, in milliseconds since the Unix epoch.
    pub counted_since_ms: Option<f64>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
    /// Statements that let this user see what is hidden from it, to be run by an administrator.
    pub grants: Vec<String>,
    /// Time that reading took, in seconds; at most 10.
    pub took_s: f64,
}
