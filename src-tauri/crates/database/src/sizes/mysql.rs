//! Sizes from MySQL and MariaDB: InnoDB's statistics of pages, and the lengths of its files where this user may see them.
use std::collections::{HashMap, HashSet};

use perfdeck_model::{Address, BloatUnknown, DatabaseSizes, IndexSize, SizeTold, TableKind, TableSize};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::MOST_INDEXES;
use crate::hints::account;
use crate::mysql::{between, tables, text};

/// Tables of this database: name, rows, data, indexes, free space, and what tells the size of a compressed page.
const TABLES: &str = "
    SELECT table_name, CAST(table_rows AS DOUBLE), CAST(data_length AS DOUBLE), CAST(index_length AS DOUBLE),
           CAST(data_free AS DOUBLE), row_format, create_options, CAST(@@innodb_page_size AS DOUBLE)
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY data_length + index_length DESC, table_name";

/// The indexes of some tables: table, name, kind, whether each key comes once.
const INDEXES: &str = "
    SELECT table_name, index_name, index_type, CAST(MIN(non_unique) AS SIGNED)
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND $BETWEEN
    GROUP BY table_name, index_name, index_type ORDER BY table_name, index_name";

/// Tables of one page: all at once may take longer than a statement has.
const PAGE: usize = 500;

/// Pages of each index, in bytes, as at the last look of InnoDB.
const INDEX_PAGES: &str = "
    SELECT table_name, index_name, CAST(stat_value * @@innodb_page_size AS DOUBLE) FROM mysql.innodb_index_stats
    WHERE database_name = DATABASE() AND stat_name = 'size'";

/// When InnoDB made its statistics.
const ANALYZED: &str = "
    SELECT table_name, CAST(UNIX_TIMESTAMP(MAX(last_update)) AS DOUBLE) * 1000 FROM mysql.innodb_table_stats
    WHERE database_name = DATABASE() GROUP BY table_name";

/// Rows that were read without an index, and those that were read through one, since the server started.
const READS: &str = "
    SELECT object_name, index_name, CAST(count_read AS DOUBLE)
    FROM performance_schema.table_io_waits_summary_by_index_usage
    WHERE object_schema = DATABASE() AND count_read > 0";

pub(super) async fn sizes(
    c: &mut MySqlConnection,
    address: &Address,
    limit: u32,
) -> Result<DatabaseSizes, sqlx::Error> {
    let mut found =
        DatabaseSizes { source: "InnoDB's statistics, as it made them last".to_owned(), ..DatabaseSizes::default() };
    let rows = sqlx::query(TABLES).fetch_all(&mut *c).await?;
    let mut tables: Vec<TableSize> = rows.iter().map(table).collect();
    let of_page: HashMap<String, f64> = rows.iter().filter_map(|r| Some((text(r, 0)?, page_share(r)))).collect();
    let mut places: HashMap<String, usize> = tables.iter().enumerate().map(|(at, t)| (t.name.clone(), at)).collect();
    let files = files(c, address).await?;
    for table in &mut tables {
        if let Some(bytes) = files.get(&table.name) {
            (table.bytes, table.told) = (Some(*bytes), SizeTold::Exact);
        }
    }
    if !files.is_empty() {
        found.source = "the lengths of the files; their parts are InnoDB's statistics, as it made them last".to_owned();
    }
    found.bytes = super::sum(tables.iter().map(|t| t.bytes));
    found.bytes_exact = tables.iter().all(|t| t.told == SizeTold::Exact);

    let mut left_out = Vec::new();
    if tables.len() > limit as usize {
        tables.sort_by(|a, b| super::larger(a.bytes, b.bytes));
        left_out = tables.split_off(limit as usize);
        places = tables.iter().enumerate().map(|(at, t)| (t.name.clone(), at)).collect();
    }
    found.tables_left_out = u32::try_from(left_out.len()).unwrap_or(u32::MAX);
    found.tables = tables;
    indexes(c, &mut found, &places).await?;
    statistics(c, address, &mut found, &places).await?;
    for table in &mut found.tables {
        let share = of_page.get(&table.name).copied().unwrap_or(1.0);
        table.indexes.iter_mut().for_each(|index| index.bytes = index.bytes.map(|bytes| bytes * share));
    }
    reads(c, &mut found, &places).await;
    hidden(c, address, &mut found).await?;
    Ok(found)
}

fn table(row: &MySqlRow) -> TableSize {
    let n = |at: usize| row.try_get::<Option<f64>, _>(at).ok().flatten();
    // What somebody locks has no figures.
    let told = if n(2).is_none() { SizeTold::Locked } else { SizeTold::Estimate };
    TableSize {
        name: text(row, 0).unwrap_or_default(),
        kind: TableKind::Table,
        bytes: n(2).zip(n(3)).map(|(data, indexes)| data + indexes),
        told,
        parts_told: told,
        table_bytes: n(2),
        index_bytes: n(3),
        free_bytes: n(4),
        rows: n(1),
        bloat_unknown: Some(BloatUnknown::Unsupported),
        ..TableSize::default()
    }
}

/// The size of a table's pages, as a share of the server's: compressed ones are `KEY_BLOCK_SIZE` KiB, half of a page where
/// nothing is said.
fn page_share(row: &MySqlRow) -> f64 {
    let format = text(row, 5).unwrap_or_default();
    let page: f64 = row.try_get(7).unwrap_or(16_384.0);
    compressed(&format, &text(row, 6).unwrap_or_default(), page)
}

fn compressed(format: &str, options: &str, page: f64) -> f64 {
    if !format.eq_ignore_ascii_case("compressed") {
        return 1.0;
    }
    let options = options.to_ascii_lowercase();
    let said =
        options.split_whitespace().find_map(|option| option.strip_prefix("key_block_size=")?.parse::<f64>().ok());
    said.filter(|kib| *kib > 0.0).map_or(0.5, |kib| (kib * 1024.0 / page.max(1.0)).min(1.0))
}

/// Whether a right is what is missing, or a table that this server does not have.
fn is_refused(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(e) = error else { return false };
    let number = e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
    matches!(number, 1044 | 1109 | 1142 | 1143 | 1146 | 1227)
}

/// The rows of a question that this user may not be allowed to ask; `None` then.
async fn allowed(c: &mut MySqlConnection, text: &str) -> Result<Option<Vec<MySqlRow>>, sqlx::Error> {
    match sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(c).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if is_refused(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lengths of the files of tables, all partitions together; none without the right PROCESS.
async fn files(c: &mut MySqlConnection, address: &Address) -> Result<HashMap<String, f64>, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut *c).await?;
    let view = if version.contains("MariaDB") { "INNODB_SYS_TABLESPACES" } else { "INNODB_TABLESPACES" };
    let question =
        format!("SELECT name, CAST(file_size AS DOUBLE) FROM information_schema.{view} WHERE name LIKE '%/%'");
    let mut found = HashMap::new();
    for row in allowed(c, &question).await?.unwrap_or_default() {
        let (Some(name), Ok(Some(bytes))) = (text(&row, 0), row.try_get::<Option<f64>, _>(1)) else { continue };
        let Some((schema, table)) = name.split_once('/') else { continue };
        let table = table.split(['#']).next().unwrap_or(table);
        if let (Some(schema), Some(table)) = (decoded(schema), decoded(table))
            && schema == address.path
        {
            *found.entry(table).or_insert(0.0) += bytes;
        }
    }
    Ok(found)
}

/// A name as files have it: `@` and four hexadecimal digits are a character. Other codes are left alone: such a file counts
/// for no table.
fn decoded(name: &str) -> Option<String> {
    let mut parts = name.split('@');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = (part.get(..4)?, part.get(4..)?);
        out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        out.push_str(rest);
    }
    Some(out)
}

async fn indexes(
    c: &mut MySqlConnection,
    found: &mut DatabaseSizes,
    places: &HashMap<String, usize>,
) -> Result<(), sqlx::Error> {
    let (mut read, mut rows) = (0, Vec::new());
    for page in tables(c).await?.chunks(PAGE) {
        let names: HashSet<&str> = page.iter().map(|(name, _)| name.as_str()).collect();
        let own = sqlx::query(AssertSqlSafe(INDEXES.replace("$BETWEEN", &between(page)))).fetch_all(&mut *c).await?;
        read += own.len();
        rows.extend(own.into_iter().filter(|row| text(row, 0).is_some_and(|table| names.contains(table.as_str()))));
        if read > MOST_INDEXES {
            found.missing.push(format!("Only {MOST_INDEXES} indexes are read; there are more"));
            break;
        }
    }
    for row in rows.iter().take(MOST_INDEXES) {
        let (Some(table), Some(name)) = (text(row, 0), text(row, 1)) else { continue };
        let Some(table) = places.get(&table).and_then(|at| found.tables.get_mut(*at)) else {
            found.indexes_left_out += 1;
            continue;
        };
        table.indexes.push(IndexSize {
            primary: name == "PRIMARY",
            unique: row.try_get::<i64, _>(3).unwrap_or(1) == 0,
            kind: text(row, 2).unwrap_or_default().to_lowercase(),
            name,
            told: SizeTold::Estimate,
            valid: true,
            bloat_unknown: Some(BloatUnknown::Unsupported),
            ..IndexSize::default()
        });
    }
    Ok(())
}

/// Sizes of single indexes and the age of the statistics, which lie in tables of the server's own.
async fn statistics(
    c: &mut MySqlConnection,
    address: &Address,
    found: &mut DatabaseSizes,
    places: &HashMap<String, usize>,
) -> Result<(), sqlx::Error> {
    let (pages, analyzed) = (allowed(c, INDEX_PAGES).await?, allowed(c, ANALYZED).await?);
    let Some((pages, analyzed)) = pages.zip(analyzed) else {
        found.missing.push("Sizes of single indexes are hidden from this user".to_owned());
        let user = account(address);
        for table in ["innodb_index_stats", "innodb_table_stats"] {
            found.grants.push(format!("GRANT SELECT ON mysql.{table} TO {user};"));
        }
        return Ok(());
    };
    // A partition has `#P#` and its name behind the table's.
    let of = |row: &MySqlRow| {
        let name = text(row, 0)?;
        let table = name.split("#P#").next().and_then(|n| n.split("#p#").next()).unwrap_or(&name);
        places.get(table).copied()
    };
    for row in &pages {
        let (Some(table), Some(name), Ok(bytes)) = (of(row), text(row, 1), row.try_get::<f64, _>(2)) else { continue };
        let indexes = found.tables.get_mut(table).map(|t| t.indexes.as_mut_slice()).unwrap_or_default();
        if let Some(index) = indexes.iter_mut().find(|i| i.name == name) {
            index.bytes = Some(index.bytes.unwrap_or(0.0) + bytes);
        }
    }
    for row in &analyzed {
        if let Some(table) = of(row).and_then(|at| found.tables.get_mut(at)) {
            table.analyzed_ms = row.try_get(1).ok();
        }
    }
    Ok(())
}

/// What was read without an index, where the server counts it. Without that nothing is known, which is not nothing.
async fn reads(c: &mut MySqlConnection, found: &mut DatabaseSizes, places: &HashMap<String, usize>) {
    let on = sqlx::query_scalar::<_, i64>("SELECT @@performance_schema").fetch_one(&mut *c).await.unwrap_or(0);
    let Some(rows) = (if on == 1 { allowed(c, READS).await.ok().flatten() } else { None }) else {
        found.missing.push(
            "The server does not count what is read without an index: performance_schema is off or hidden".to_owned(),
        );
        return;
    };
    for table in &mut found.tables {
        table.scan_rows = Some(0.0);
    }
    for row in rows {
        let table = text(&row, 0).and_then(|name| places.get(&name).copied());
        let Some(table) = table.and_then(|at| found.tables.get_mut(at)) else { continue };
        if text(&row, 1).is_none() {
            table.scan_rows = row.try_get(2).ok();
        }
    }
    let started = "SELECT CAST((UNIX_TIMESTAMP() - variable_value) * 1000 AS DOUBLE)
                   FROM information_schema.global_status WHERE variable_name = 'Uptime'";
    found.counted_since_ms = sqlx::query_scalar(started).fetch_one(c).await.ok();
}

/// Without a right on the whole database its other tables are not there for this user, and nobody tells how many they are.
async fn hidden(c: &mut MySqlConnection, address: &Address, found: &mut DatabaseSizes) -> Result<(), sqlx::Error> {
    let granted: i64 = sqlx::query_scalar(
        "SELECT CAST((SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type <> 'USAGE'
                      AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'INDEX', 'DROP'))
                     + (SELECT COUNT(*) FROM information_schema.schema_privileges
                        WHERE DATABASE() LIKE table_schema) AS SIGNED)",
    )
    .fetch_one(c)
    .await?;
    if granted == 0 {
        let user = account(address);
        let database = quote_identifier(&address.path, Dialect::Mysql);
        found
            .missing
            .push("Tables on which this user has no right are not listed, and not told how many they are".to_owned());
        found.grants.push(format!("GRANT SELECT ON {database}.* TO {user};"));
        (found.bytes, found.bytes_exact) = (None, false);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{compressed, decoded};

    #[test]
    fn compressed_pages_are_smaller() {
        assert_eq!(compressed("Dynamic", "key_block_size=8", 16_384.0), 1.0, "not compressed");
        assert_eq!(compressed("Compressed", "row_format=COMPRESSED KEY_BLOCK_SIZE=4", 16_384.0), 0.25, "as it says");
        assert_eq!(compressed("Compressed", "row_format=COMPRESSED", 16_384.0), 0.5, "half, where nothing is said");
    }

    #[test]
    fn names_of_files_are_those_of_tables() {
        assert_eq!(decoded("orders").as_deref(), Some("orders"), "as it is");
        assert_eq!(decoded("odd@0020name@002d1").as_deref(), Some("odd name-1"), "a code for each character");
        assert_eq!(decoded("caf@1s"), None, "codes that are not known are no name");
    }
}
