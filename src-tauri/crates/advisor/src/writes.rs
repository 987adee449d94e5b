//! What an index costs those who write.
use crate::catalogue::{Catalogue, Table};
use crate::index::{Existing, Index, Method};
use crate::size::{entry, share};
use crate::workload::Workload;

/// Bytes of the log's record of one entry beside the entry itself: header, block, place (`xloginsert.c`). With an entry of 16 bytes
/// that is 73, as was measured on PostgreSQL 15: 226 B for a row with one index beside the primary key, 153 B without.
const RECORD: f64 = 57.0;
/// What an entry of a row that comes takes, in milliseconds, and one of a row that is updated, whose new version lies on another page as a rule.
/// Measured on PostgreSQL 15 by `pg_stat_statements`, 200,000 rows in memory, keys in no order, prepared statements: an insert took 2.5 µs with
/// the primary key alone, 5.6, 8.8, 14 and 21 µs with 1, 2, 3 and 5 indexes more; an update 6.6 µs while it was HOT, and 12, 21, 27 and 46 µs with
/// 2, 3, 4 and 6 entries.
pub(crate) const ENTRY_MS: f64 = 0.0035;
pub(crate) const UPDATED_MS: f64 = 0.0055;
/// What a text or document takes beyond one entry in an inverted index: one for each of about so many parts.
pub(crate) const GIN_PARTS: f64 = 12.0;

/// What an index costs in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WriteCost {
    /// Bytes of the write-ahead log for a row that is inserted.
    pub wal_per_row: f64,
    /// Bytes of it in a day; `None` where writes are not counted.
    pub wal_per_day: Option<f64>,
    /// Updates of a day that touched no index before and will touch all of the table's (HOT); `None` where that is not known.
    pub hot_lost_per_day: Option<f64>,
    /// Time of a day that writers spend on it, in milliseconds.
    pub ms_per_day: Option<f64>,
}

/// What an index would cost writers. Which updates set its columns is told by the workload's own `UPDATE` statements; where it has none
/// of the table, all updates are taken for such.
pub fn write_cost(catalogue: &Catalogue, workload: &Workload, index: &Index) -> WriteCost {
    let table = &catalogue.tables[index.table];
    let part = index.predicate.as_ref().map_or(1.0, |p| share(table, p).unwrap_or(1.0));
    let parts = if index.method == Method::Gin { GIN_PARTS } else { 1.0 };
    let wal_per_row = match index.method {
        // One entry for many pages, which is written when the first row of them comes.
        Method::Brin => 1.0,
        _ => parts * (RECORD + entry(catalogue, index).unwrap_or(16.0)),
    };
    let Some(writes) = table.writes else { return WriteCost { wal_per_row, ..WriteCost::default() } };
    let setting = sets(catalogue, workload, index);
    let hot = writes.hot.unwrap_or(0.0);
    // BRIN is no reason to give up HOT from 16 on.
    let keeps_hot = index.method == Method::Brin && catalogue.version >= 160_000;
    let lost = if keeps_hot || already_indexed(table, index) { 0.0 } else { writes.updates * hot * setting };
    let others: f64 = table.indexes.iter().filter(|i| i.valid).map(|i| wal_of(catalogue, i)).sum();
    let (inserted, updated) = (writes.inserts * part, (writes.updates * (1.0 - hot) + lost) * part);
    let wal = (inserted + updated) * wal_per_row + lost * others;
    let touched = updated * parts + lost * table.indexes.iter().filter(|i| i.valid).count() as f64;
    WriteCost {
        wal_per_row,
        wal_per_day: Some(wal),
        hot_lost_per_day: writes.hot.map(|_| lost),
        ms_per_day: Some(inserted * parts * ENTRY_MS + touched * UPDATED_MS),
    }
}

fn wal_of(catalogue: &Catalogue, existing: &Existing) -> f64 {
    RECORD + entry(catalogue, &existing.index).unwrap_or(16.0)
}

/// Whether every column of it is in another index already, so that an update of them is no HOT update anyhow.
fn already_indexed(table: &Table, index: &Index) -> bool {
    let known: Vec<&str> = table.indexes.iter().flat_map(|i| i.index.columns()).collect();
    index.columns().iter().all(|c| known.contains(c))
}

/// Share of the table's updates that set a column of the index which no other index has.
fn sets(catalogue: &Catalogue, workload: &Workload, index: &Index) -> f64 {
    let table = &catalogue.tables[index.table];
    let known: Vec<&str> = table.indexes.iter().flat_map(|i| i.index.columns()).collect();
    let own: Vec<&str> = index.columns().into_iter().filter(|c| !known.contains(c)).collect();
    let (mut all, mut touching) = (0.0, 0.0);
    for statement in &workload.statements {
        for written in statement.shape.written.iter().filter(|w| w.table == index.table) {
            let Some(columns) = &written.columns else { continue };
            all += statement.calls;
            if columns.iter().any(|c| own.iter().any(|o| catalogue.same_name(c, o))) {
                touching += statement.calls;
            }
        }
    }
    if all > 0.0 { touching / all } else { 1.0 }
}
