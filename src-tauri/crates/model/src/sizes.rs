//! Sizes of tables and indexes, how they are read, and how long ago they were tidied.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Tables and indexes of a database, largest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseSizes {
    /// Tables, partitions and materialized views of this database, without the server's own, largest first.
    pub tables: Vec<TableSize>,
    /// Tables that are there and were left out, because only the largest were asked for.
    pub tables_left_out: u32,
    /// Indexes of those tables.
    pub indexes_left_out: u32,
    /// Size of all tables with their indexes, in bytes, those that were left out included; `null` where it is not known.
    pub bytes: Option<f64>,
    /// Whether `bytes` is made of measured sizes only.
    pub bytes_exact: bool,
    /// How much all of it grew; `null` where no earlier size is kept.
    pub growth: Option<SizeGrowth>,
    /// How the sizes were read, in words.
    pub source: String,
    /// Since when the server counts what is read and changed, in milliseconds since the Unix epoch.
    pub counted_since_ms: Option<f64>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
    /// Statements that let this user see what is hidden from it, to be run by an administrator.
    pub grants: Vec<String>,
}

/// How much something grew since its size was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SizeGrowth {
    /// Bytes that it has more than then; below 0 where it has less.
    pub bytes: f64,
    /// When its size was kept, at most seven days and six hours ago, in milliseconds since the Unix epoch.
    pub since_ms: f64,
}

/// How a size was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SizeTold {
    /// The server or the file measured it now.
    #[default]
    Exact,
    /// The server's catalogue says it: as it was at the last vacuum or analyze.
    Estimate,
    /// The catalogue says it, because somebody holds or awaits an exclusive lock.
    Locked,
}

/// What a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// A table.
    #[default]
    Table,
    /// A partition, or a table that inherits from another one.
    Partition,
    /// A materialized view.
    MaterializedView,
}

/// Why there is no figure of bloat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BloatUnknown {
    /// The server keeps no statistics of its columns from this user, who may not read them.
    Hidden,
    /// It was never analyzed.
    NotAnalyzed,
    /// It was analyzed, but one of its columns has no statistics: it was added since, or they are switched off.
    NoStatistics,
    /// It is an index of a part of the rows, and the statistics are of all of them.
    Partial,
    /// Nothing is known of how such an index is laid out.
    Kind,
    /// The server was not asked, because time ran out.
    Time,
    /// This kind of database tells nothing of it.
    Unsupported,
}

/// A table with its indexes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TableSize {
    /// Its name as the server writes it, with its schema, such as `public.orders`.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// The table that it is a partition of.
    pub partition_of: Option<String>,
    /// Its rows with what belongs to them and all its indexes, in bytes.
    pub bytes: Option<f64>,
    /// How `bytes` was told.
    pub told: SizeTold,
    /// How much it grew; `null` where no earlier size of it is kept.
    pub growth: Option<SizeGrowth>,
    /// How its parts were told: `table_bytes`, `index_bytes` and `toast_bytes`.
    pub parts_told: SizeTold,
    /// Its rows without what is stored apart, in bytes.
    pub table_bytes: Option<f64>,
    /// All its indexes, in bytes.
    pub index_bytes: Option<f64>,
    /// Values that are too long for a row and stored apart, in bytes; `null` where the database keeps no account of them.
    pub toast_bytes: Option<f64>,
    /// Space in its files that holds nothing, in bytes, where the database keeps an account of it.
    pub free_bytes: Option<f64>,
    /// Rows.
    pub rows: Option<f64>,
    /// Whether the rows were counted; otherwise they are the server's estimate.
    pub rows_exact: bool,
    /// Part of the table's rows, without what is stored apart, that holds nothing, 0 to 1, estimated from the widths of its
    /// columns; on SQLite what the unused bytes of its pages would spare.
    pub bloat: Option<f64>,
    /// Part of what is stored apart that holds nothing, 0 to 1: at least that much, since a page holds four of the pieces or
    /// more. `null` where it is not known, as before the first vacuum.
    pub toast_bloat: Option<f64>,
    /// Why there is no estimate.
    pub bloat_unknown: Option<BloatUnknown>,
    /// Sequential scans since [`DatabaseSizes::counted_since_ms`].
    pub scans: Option<f64>,
    /// Rows that were read by them.
    pub scan_rows: Option<f64>,
    /// Scans of its indexes.
    pub index_scans: Option<f64>,
    /// Rows that were deleted or replaced and still take room.
    pub dead_rows: Option<f64>,
    /// Dead rows at which the server's own vacuum comes; `null` where it is switched off.
    pub vacuum_at_rows: Option<f64>,
    /// Rows that changed since it was analyzed.
    pub changed_rows: Option<f64>,
    /// Changed rows at which the server's own analyze comes; `null` where it is switched off.
    pub analyze_at_rows: Option<f64>,
    /// When it was vacuumed last, by hand or by the server, in milliseconds since the Unix epoch.
    pub vacuumed_ms: Option<f64>,
    /// When its statistics were made last, likewise.
    pub analyzed_ms: Option<f64>,
    /// Its indexes, largest first.
    pub indexes: Vec<IndexSize>,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexSize {
    /// Its name as the server writes it, with its schema where it has one.
    pub name: String,
    /// Its kind in the server's word, such as `btree`.
    pub kind: String,
    /// Its size, in bytes.
    pub bytes: Option<f64>,
    /// How the size was told.
    pub told: SizeTold,
    /// How much it grew; `null` where no earlier size of it is kept.
    pub growth: Option<SizeGrowth>,
    /// Whether it allows no value twice.
    pub unique: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Whether it has a part of the rows only: those that its predicate takes.
    pub partial: bool,
    /// Whether the server uses it; one whose build failed is not valid.
    pub valid: bool,
    /// Scans since [`DatabaseSizes::counted_since_ms`].
    pub scans: Option<f64>,
    /// Part of it that holds nothing beside the room that its fillfactor keeps free, 0 to 1, estimated.
    pub bloat: Option<f64>,
    /// Why there is no estimate.
    pub bloat_unknown: Option<BloatUnknown>,
    /// What was measured of it last, within 30 days; `null` where it was not.
    pub measured: Option<MeasuredBloat>,
}

/// Bloat of one index: what measuring it costs, and what was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexBloat {
    /// The index as the server writes it, with its schema.
    pub index: String,
    /// Bytes that measuring reads: all of the index.
    pub reads_bytes: f64,
    /// Rows of its table that were deleted or replaced and not vacuumed: their entries are no bloat to the measurement, and
    /// room again after the next vacuum.
    pub dead_rows: Option<f64>,
    /// Why it cannot be measured; `null` where it can.
    pub refused: Option<String>,
    /// Statement that makes it possible, to be run by an administrator.
    pub fix: Option<String>,
    /// What was measured last, within 30 days; `null` where it was not.
    pub measured: Option<MeasuredBloat>,
}

/// What pgstatindex measured of a B-tree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MeasuredBloat {
    /// Part of the index that holds nothing beside the room that its fillfactor keeps free, 0 to 1:
    /// 1 − leaf pages · density / (fillfactor · (leaf + deleted + empty pages)).
    pub bloat: f64,
    /// How full its leaf pages are on average, 0 to 1.
    pub density: f64,
    /// How full they are made, 0 to 1.
    pub fillfactor: f64,
    /// Pages with entries.
    pub leaf_pages: f64,
    /// Pages that were given up and not used again.
    pub deleted_pages: f64,
    /// Pages without entries.
    pub empty_pages: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// When it was measured, in milliseconds since the Unix epoch.
    pub at_ms: f64,
}
