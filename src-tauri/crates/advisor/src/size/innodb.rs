//! An index of InnoDB as a build writes it: full pages of entries in the compact row format, taken from the file in extents.
use crate::catalogue::{Column, Table};
use crate::index::{Index, Key, KeyOf};

/// What an entry has beside its values: a header (`REC_N_NEW_EXTRA_BYTES`), and its part of the page's directory.
const ENTRY: f64 = 5.0 + 0.5;
/// The number by which rows without a key of their own are found (`DATA_ROW_ID_LEN`).
const ROW_ID: f64 = 6.0;
/// Number of a page below, in an entry of an inner page.
const CHILD: f64 = 4.0;
/// Heads, ends and bounds of a page.
const PAGE: f64 = 128.0;
/// Pages that a part of an index gets one by one; then it gets extents.
const SINGLE: f64 = 32.0;
/// Pages that are taken for each that is used: another extent comes when less than an eighth is free (`FSEG_FILLFACTOR`).
const RESERVED: f64 = 8.0 / 7.0;
/// Bytes of an extent of pages up to 16 KiB.
const EXTENT: f64 = 1024.0 * 1024.0;

/// Bytes of an index with so many rows, as `innodb_index_stats` has them; `None` where how long a column's values are is not known.
pub(super) fn bytes(table: &Table, index: &Index, rows: f64, page: f64) -> Option<f64> {
    let entry = entry(table, index)?;
    let room = page - PAGE;
    let extent = (EXTENT / page).max(1.0);
    let taken = |pages: f64| match pages * RESERVED - SINGLE {
        more if more > 0.0 => SINGLE + (more / extent).ceil() * extent,
        _ => pages.min(SINGLE),
    };
    let leaves = (rows / (room / entry).floor().max(1.0)).ceil().max(1.0);
    let fanout = (room / (entry + CHILD)).floor().max(2.0);
    let (mut level, mut inner) = (leaves, 0.0);
    while level > 1.0 {
        level = (level / fanout).ceil();
        inner += level;
    }
    Some((taken(leaves) + taken(inner)) * page)
}

/// Bytes of an entry: keys, and the columns of the key in whose order the rows are.
fn entry(table: &Table, index: &Index) -> Option<f64> {
    let own = own_order(table);
    let known = |key: &&Key| index.keys.iter().any(|k| k.of == key.of && k.prefix == key.prefix);
    let behind = own.unwrap_or_default().iter().filter(|key| !known(key));
    let part = |key: &Key| match &key.of {
        KeyOf::Column(name) => Some((table.column(name)?, key.prefix)),
        _ => None,
    };
    let parts: Vec<(&Column, Option<u32>)> = index.keys.iter().chain(behind).map(part).collect::<Option<_>>()?;
    let nullable = parts.iter().filter(|(column, _)| !column.not_null).count();
    let values: f64 = parts.iter().map(|(column, prefix)| value(column, *prefix)).sum::<Option<f64>>()?;
    let number = if own.is_none() { ROW_ID } else { 0.0 };
    Some(ENTRY + (nullable as f64 / 8.0).ceil() + values + number)
}

/// The key in whose order the rows are kept: the primary key, or the first one without nulls that is unique.
fn own_order(table: &Table) -> Option<&[Key]> {
    let sure = |key: &Key| {
        key.prefix.is_none() && key.columns().iter().all(|name| table.column(name).is_some_and(|c| c.not_null))
    };
    let primary = table.indexes.iter().find(|i| i.name == "PRIMARY");
    let unique =
        || table.indexes.iter().find(|i| i.unique && !i.index.keys.is_empty() && i.index.keys.iter().all(sure));
    primary.or_else(unique).map(|i| i.index.keys.as_slice())
}

/// Bytes of a value or of its beginning, with those that tell its length where it varies.
fn value(column: &Column, prefix: Option<u32>) -> Option<f64> {
    let width = match (prefix, &column.beginning) {
        (None, _) => column.fixed.or(column.width)?,
        (Some(length), Some(beginning)) if beginning.length == length => beginning.width,
        (Some(length), _) => column.width?.min(f64::from(length)),
    };
    let length = match (column.fixed, column.most) {
        (Some(_), _) => 0.0,
        (None, Some(most)) if most <= 255.0 => 1.0,
        (None, _) => {
            if width > 127.0 {
                2.0
            } else {
                1.0
            }
        }
    };
    Some((width + length) * (1.0 - column.nulls.unwrap_or(0.0)))
}
