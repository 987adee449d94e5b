//! How large an index would be.
mod innodb;

use perfdeck_pages::{Btree, Column as Layout, btree_bytes, btree_entry};
use perfdeck_sqltext::Dialect;

use crate::catalogue::{Catalogue, Column, Table};
use crate::index::{Index, KeyOf, Method};
use crate::measured::Measured;
use crate::predicates::{Asked, Predicate};

/// Pages that a block range of BRIN has (`pages_per_range`).
const RANGE: f64 = 128.0;
/// Ranges whose places a page of BRIN's map has (`REVMAP_PAGE_MAXITEMS`), what a page of its entries has beside them, and the place of one.
const MAPPED: f64 = 1_360.0;
const BRIN_PAGE: f64 = 32.0;
const ITEM: f64 = 4.0;
/// What an entry of SQLite has beside its values (fileformat2.html): a place in the page, the lengths of the entry and of its head, and a type
/// for the row's number; one more for each value. A build fills its pages.
const SQLITE_ENTRY: f64 = 5.0;

/// Bytes of an index, reckoned; `None` where the width of a column or the number of rows is not known, or an expression was not measured.
///
/// A B-tree and a BRIN of PostgreSQL are reckoned by their own layout, equal keys sharing an entry from 13 on; others are about right. `None` of an
/// inverted index too: nothing that is counted tells it.
pub fn size(catalogue: &Catalogue, index: &Index) -> Option<f64> {
    let table = &catalogue.tables[index.table];
    let rows = table.rows? * index.predicate.as_ref().map_or(Some(1.0), |p| share(table, p))?;
    match index.method {
        Method::Btree if catalogue.dialect == Dialect::Postgres => {
            Some(btree_bytes(&tree(catalogue, table, index, rows)?))
        }
        Method::Btree if catalogue.dialect == Dialect::Mysql => innodb::bytes(table, index, rows, catalogue.page),
        Method::Btree => {
            let columns = layout(table, index)?;
            let width: f64 = columns.iter().map(|c| c.width).sum();
            let bytes = width + columns.len() as f64 + SQLITE_ENTRY + integer_bytes(table.rows?);
            Some((rows * bytes / catalogue.page).ceil().max(1.0) * catalogue.page)
        }
        Method::Brin => {
            // The least and the greatest value of a range, behind a head as long as that of a B-tree's entry.
            let values = layout(table, index)?.into_iter().map(|c| Layout { nulls: 0.0, ..c });
            let columns: Vec<Layout> = values.flat_map(|c| [c.clone(), c]).collect();
            let entry = btree_entry(&columns) + ITEM;
            let ranges = (table.pages / RANGE).ceil().max(1.0);
            let of_entries = (ranges / ((catalogue.page - BRIN_PAGE) / entry).floor().max(1.0)).ceil();
            Some((1.0 + (ranges / MAPPED).ceil() + of_entries) * catalogue.page)
        }
        // How many different parts the values of a column have is not counted by anybody: it is measured where one is built.
        Method::Gin => None,
        Method::Other => None,
    }
}

/// Rows of an index that has a part of its table's; `None` of one that has all, and where nothing tells how many they are.
pub fn rows_of(catalogue: &Catalogue, index: &Index) -> Option<f64> {
    let table = &catalogue.tables[index.table];
    Some(table.rows? * share(table, index.predicate.as_ref()?)?)
}

/// Bytes of most integers up to this one in a record of SQLite.
fn integer_bytes(most: f64) -> f64 {
    match most {
        n if n < 128.0 => 1.0,
        n if n < 32_768.0 => 2.0,
        n if n < 8_388_608.0 => 3.0,
        n if n < 2_147_483_648.0 => 4.0,
        _ => 6.0,
    }
}

/// Mean bytes of an entry of an index.
pub(crate) fn entry(catalogue: &Catalogue, index: &Index) -> Option<f64> {
    let table = &catalogue.tables[index.table];
    Some(btree_entry(&layout(table, index)?))
}

/// The layout of a B-tree of PostgreSQL.
fn tree(catalogue: &Catalogue, table: &Table, index: &Index, rows: f64) -> Option<Btree> {
    let plain = index.keys.iter().all(|key| match &key.of {
        KeyOf::Expression(scalar) => table.measured.get(scalar).is_some_and(|of| !of.unlike),
        _ => !is_numeric(table, key.columns().first().copied()),
    });
    let measured = index.keys.iter().any(|key| matches!(key.of, KeyOf::Expression(_)));
    let mut columns = layout(table, index)?;
    if let Some(predicate) = &index.predicate {
        // Of rows that were chosen by one of its columns, that column is alike; the others are as in all.
        for (column, key) in columns.iter_mut().zip(&index.keys) {
            if key.columns() == predicate.columns() {
                (column.distinct, column.nulls, column.common) = (1.0, 0.0, (1.0, 1.0));
                if predicate.asked == Asked::NotNull {
                    (column.distinct, column.common) = (-1.0, (0.0, 0.0));
                }
            }
        }
    }
    backed_off(&mut columns, rows);
    Some(Btree {
        pages: 0.0,
        rows,
        fillfactor: 0.9,
        unique: false,
        // Not where two values that are equal may look different (numeric), and not with columns beside the keys.
        deduplicates: catalogue.version >= 130_000 && index.include.is_empty() && plain,
        columns,
        page: catalogue.page,
        // What was measured was reckoned up to all rows already.
        sample: if measured { rows } else { 30_000.0 },
    })
}

/// Columns of a table seldom have nothing to do with each other: of the second and later ones a part of the different values is taken,
/// the square root of those of the second, the fourth root of the third.
fn backed_off(columns: &mut [Layout], rows: f64) {
    let count = |c: &Layout| if c.distinct < 0.0 { -c.distinct * rows } else { c.distinct };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|a, b| count(&columns[*b]).total_cmp(&count(&columns[*a])));
    for (place, at) in order.into_iter().enumerate().skip(1) {
        let all = count(&columns[at]).max(1.0);
        columns[at].distinct = all.powf(0.5_f64.powi(i32::try_from(place.min(10)).unwrap_or(10)));
    }
}

fn is_numeric(table: &Table, column: Option<&str>) -> bool {
    column
        .and_then(|c| table.column(c))
        .is_some_and(|c| ["numeric", "real", "double precision", "jsonb"].iter().any(|t| c.type_name.starts_with(t)))
}

fn layout(table: &Table, index: &Index) -> Option<Vec<Layout>> {
    let alone = index.keys.len() == 1 && index.include.is_empty();
    let keys = index.keys.iter().map(|key| match &key.of {
        KeyOf::Column(name) => table.column(name).and_then(of_column),
        KeyOf::Expression(scalar) => table.measured.get(scalar).map(|of| of_measured(of, alone)),
        KeyOf::Unknown(_) => None,
    });
    let include = index.include.iter().map(|name| table.column(name).and_then(of_column));
    keys.chain(include).collect()
}

/// Where a value that many rows have stands once for all of them, the length of the others is what counts.
fn of_measured(of: &Measured, alone: bool) -> Layout {
    let lengths = of.rare.as_ref().filter(|_| alone && !of.unlike).unwrap_or(&of.lengths);
    Layout {
        fixed: of.fixed,
        align: of.align.max(1),
        width: of.fixed.unwrap_or(lengths.mean),
        nulls: of.nulls,
        distinct: of.distinct.max(1.0),
        common: of.common,
        remainders: lengths.remainders,
    }
}

fn of_column(column: &Column) -> Option<Layout> {
    Some(Layout {
        fixed: column.fixed,
        align: column.align.max(1),
        width: column.fixed.or(column.width)?,
        nulls: column.nulls.unwrap_or(0.0),
        distinct: column.distinct.unwrap_or(-1.0),
        common: (column.common.iter().map(|(_, share)| share).sum(), column.common.len() as f64),
        remainders: column.remainders,
    })
}

/// Share of a table's rows that a condition has; `None` where it is not known.
pub(crate) fn share(table: &Table, predicate: &Predicate) -> Option<f64> {
    let column = table.column(predicate.of.as_column()?)?;
    let one = |value: &str| {
        column.share_of(value).or_else(|| {
            // Beside the common values there are others, each about as rare.
            let rows = table.rows?;
            let rest = 1.0 - column.common.iter().map(|(_, share)| share).sum::<f64>() - column.nulls?;
            let others = (column.different(rows)? - column.common.len() as f64).max(1.0);
            Some((rest / others).max(0.0))
        })
    };
    match &predicate.asked {
        Asked::Null => column.nulls,
        Asked::NotNull => column.nulls.map(|n| 1.0 - n),
        Asked::Equal(value) => one(value.literal()?),
        Asked::OneOf(all) => all.iter().map(|v| one(v.literal()?)).sum::<Option<f64>>(),
        _ => None,
    }
}
