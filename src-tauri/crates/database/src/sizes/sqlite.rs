//! Sizes from a SQLite file: its pages are counted one by one, by `dbstat` where this SQLite has it.
use std::time::{Duration, Instant};

use perfdeck_model::{BloatUnknown, DatabaseSizes, IndexSize, SizeTold, TableSize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::sum;

/// Time for counting pages; a file of 1 GiB takes about as long from memory.
const COUNTING: Duration = Duration::from_millis(2_500);
/// Time for looking for damage, which makes figures wrong; of a file that takes longer nothing is said.
const LOOKING: Duration = Duration::from_millis(500);
/// Instructions of SQLite between two looks at the clock.
const STEPS: i32 = 20_000;

/// Pages of one table or index: their bytes, unused ones, and rows. A table's rows are in its leaves, those of a table
/// without row numbers in its inner pages too.
const PAGES: &str = "
    SELECT CAST(COALESCE(sum(pgsize), 0) AS REAL), CAST(COALESCE(sum(unused), 0) AS REAL),
           CAST(COALESCE(sum(CASE WHEN pagetype = 'leaf' THEN ncell ELSE 0 END), 0) AS REAL),
           CAST(COALESCE(sum(CASE WHEN pagetype <> 'overflow' THEN ncell ELSE 0 END), 0) AS REAL)
    FROM dbstat WHERE name = ?";

/// Tables with their statements.
const TABLES: &str = "
    SELECT m.name, NOT EXISTS (SELECT 1 FROM pragma_table_list(m.name) l WHERE l.wr AND l.schema = 'main'), m.rootpage
    FROM sqlite_schema m
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND m.rootpage > 0 ORDER BY m.name";

/// Indexes: name, table, unique, origin.
const INDEXES: &str = "
    SELECT il.name, m.name, il.\"unique\", il.origin, il.partial FROM sqlite_schema m, pragma_index_list(m.name) il
    WHERE m.type = 'table' ORDER BY m.name, il.name";

/// What the pages of one object hold.
#[derive(Clone, Copy)]
struct Pages {
    bytes: f64,
    unused: f64,
    leaf_cells: f64,
    cells: f64,
}

pub(super) async fn sizes(c: &mut SqliteConnection, limit: u32) -> Result<DatabaseSizes, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(page_count * page_size AS REAL), CAST(freelist_count * page_size AS REAL), CAST(page_size AS REAL)
         FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()",
    )
    .fetch_one(&mut *c)
    .await?;
    let (file, free, page): (f64, f64, f64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let mut found = DatabaseSizes { bytes: Some(file), bytes_exact: true, ..DatabaseSizes::default() };
    let counts = sqlx::query("SELECT 1 FROM dbstat LIMIT 1").fetch_optional(&mut *c).await.is_ok();
    found.source = if counts {
        "the pages of the file, counted by dbstat".to_owned()
    } else {
        "the file as a whole: this SQLite has no dbstat".to_owned()
    };
    found.missing.push("SQLite keeps no account of what is read and changed".to_owned());
    if free > 0.0 {
        found.missing.push(format!("{} of the file are free pages, of no table", perfdeck_words::bytes(free)));
    }
    let mut tables = Vec::new();
    let deadline = Instant::now() + COUNTING;
    let rows = sqlx::query(TABLES).fetch_all(&mut *c).await?;
    let indexes = sqlx::query(INDEXES).fetch_all(&mut *c).await?;
    if counts {
        limit_time(c, Some(deadline)).await?;
    }
    for row in rows {
        let name: String = row.try_get(0)?;
        let rowid: bool = row.try_get(1)?;
        let pages = if counts { pages(c, &name, deadline).await? } else { None };
        tables.push(TableSize {
            told: told(pages),
            table_bytes: pages.map(|p| p.bytes),
            free_bytes: pages.map(|p| p.unused),
            rows: pages.map(|p| if rowid { p.leaf_cells } else { p.cells }),
            rows_exact: pages.is_some(),
            parts_told: told(pages),
            bloat: pages.map(|p| p.bloat(page)),
            bloat_unknown: unknown(pages, counts),
            name,
            ..TableSize::default()
        });
    }
    for row in indexes {
        let (name, of, origin): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
        let unique: bool = row.try_get(2)?;
        let Some(table) = tables.iter_mut().find(|t| t.name == of) else { continue };
        // The primary key of a table without row numbers is the table.
        let own = origin == "pk" && !has_pages(c, &name).await?;
        if own {
            continue;
        }
        let pages = if counts { pages(c, &name, deadline).await? } else { None };
        table.indexes.push(IndexSize {
            kind: "btree".to_owned(),
            bytes: pages.map(|p| p.bytes),
            told: told(pages),
            unique,
            primary: origin == "pk",
            partial: row.try_get(4)?,
            valid: true,
            bloat: pages.map(|p| p.bloat(page)),
            bloat_unknown: unknown(pages, counts),
            name,
            ..IndexSize::default()
        });
    }
    if counts {
        limit_time(c, None).await?;
    }
    if is_damaged(c).await? {
        let told = "The file is damaged, so that rows and pages may be missing here: perfctl db health says what to do";
        found.missing.push(told.to_owned());
        tables.iter_mut().for_each(|table| table.rows_exact = false);
    }
    for table in &mut tables {
        table.index_bytes = sum(table.indexes.iter().map(|i| i.bytes));
        table.bytes = sum([table.table_bytes, table.index_bytes]);
    }
    tables.sort_by(|a, b| super::larger(a.bytes, b.bytes));
    let uncounted = tables.iter().filter(|t| t.bytes.is_none()).count();
    if counts && uncounted > 0 {
        found.missing.push(format!(
            "{} not counted in time: their sizes are not known",
            if uncounted == 1 { "1 table was".to_owned() } else { format!("{uncounted} tables were") }
        ));
    }
    let keep = (limit as usize).min(tables.len());
    let left = tables.split_off(keep);
    found.tables_left_out = u32::try_from(left.len()).unwrap_or(u32::MAX);
    found.indexes_left_out = u32::try_from(left.iter().map(|t| t.indexes.len()).sum::<usize>()).unwrap_or(u32::MAX);
    found.tables = tables;
    Ok(found)
}

impl Pages {
    /// Part of them that fewer pages would spare, 0 to 1. What one page has left is no bloat.
    fn bloat(self, page: f64) -> f64 {
        let wanted = ((self.bytes - self.unused) / page.max(1.0)).ceil().max(1.0) * page;
        if self.bytes > 0.0 { (1.0 - wanted / self.bytes).clamp(0.0, 1.0) } else { 0.0 }
    }
}

fn unknown(pages: Option<Pages>, counts: bool) -> Option<BloatUnknown> {
    let why = if counts { BloatUnknown::Time } else { BloatUnknown::Unsupported };
    pages.is_none().then_some(why)
}

/// Whether the file is known to be damaged.
async fn is_damaged(c: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    limit_time(c, Some(Instant::now() + LOOKING)).await?;
    let outcome = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_all(&mut *c).await;
    limit_time(c, None).await?;
    Ok(match outcome {
        Ok(lines) => lines.first().is_some_and(|line| line != "ok"),
        // SQLITE_CORRUPT.
        Err(sqlx::Error::Database(e)) => e.code().is_some_and(|code| code == "11"),
        Err(error) => return Err(error),
    })
}

fn told(pages: Option<Pages>) -> SizeTold {
    if pages.is_some() { SizeTold::Exact } else { SizeTold::Estimate }
}

/// Ends whatever runs on the connection at a time; `None` lets it run again. Without that a statement on a large file would
/// go on when nobody waits for it any more.
pub(crate) async fn limit_time(c: &mut SqliteConnection, deadline: Option<Instant>) -> Result<(), sqlx::Error> {
    let mut handle = c.lock_handle().await?;
    match deadline {
        Some(end) => handle.set_progress_handler(STEPS, move || Instant::now() < end),
        None => handle.remove_progress_handler(),
    }
    Ok(())
}

/// The pages of a table or an index; `None` when time ran out before they were counted.
async fn pages(c: &mut SqliteConnection, name: &str, deadline: Instant) -> Result<Option<Pages>, sqlx::Error> {
    if Instant::now() >= deadline {
        return Ok(None);
    }
    match sqlx::query(PAGES).bind(name).fetch_one(c).await {
        Ok(row) => Ok(Some(Pages {
            bytes: row.try_get(0)?,
            unused: row.try_get(1)?,
            leaf_cells: row.try_get(2)?,
            cells: row.try_get(3)?,
        })),
        Err(_) if Instant::now() >= deadline => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an index has pages of its own.
async fn has_pages(c: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    let found =
        sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ? AND rootpage > 0").bind(name);
    Ok(found.fetch_optional(c).await?.is_some())
}
