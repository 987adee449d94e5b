//! What the indexes of MySQL and MariaDB have done: performance_schema counts it, or MariaDB's statistics of users.
use std::collections::HashMap;

use perfdeck_model::Address;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::facts::{Counted, IndexReading};
use crate::hints::account;
use crate::mysql::text;

/// Table, index, uses and rows that were read through it; of a table that nobody opened since the server started there is nothing.
const INSTRUMENTED: &str = "
    SELECT object_name, index_name, CAST(count_star AS DOUBLE), CAST(count_read AS DOUBLE), CAST(count_write AS DOUBLE)
    FROM performance_schema.table_io_waits_summary_by_index_usage WHERE object_schema = DATABASE()";

/// Whether tables are instrumented.
const INSTRUMENT: &str = "
    SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_instruments
    WHERE name = 'wait/io/table/sql/handler' AND enabled = 'YES'";

/// Tables that performance_schema had no room for.
const LOST: &str = "SHOW GLOBAL STATUS LIKE 'Performance_schema_table_%_lost'";

/// Table, index, rows that were read through it.
const USERSTAT: &str = "
    SELECT table_name, index_name, CAST(rows_read AS DOUBLE) FROM information_schema.index_statistics
    WHERE table_schema = DATABASE()";

/// Table and rows that changed.
const CHANGED: &str = "
    SELECT table_name, CAST(rows_changed AS DOUBLE) FROM information_schema.table_statistics WHERE table_schema = DATABASE()";

/// What lets MariaDB and MySQL count.
const SWITCH_ON: &str = "performance_schema = ON";

fn is_refused(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(e) = error else { return false };
    let number = e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
    matches!(number, 1044 | 1109 | 1142 | 1143 | 1146 | 1193 | 1227)
}

async fn allowed(c: &mut MySqlConnection, text: &str) -> Result<Option<Vec<MySqlRow>>, sqlx::Error> {
    match sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(c).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if is_refused(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A variable as a number; `None` where the server has none of that name.
async fn variable(c: &mut MySqlConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    let rows = allowed(c, &format!("SELECT CAST(@@{name} AS SIGNED)")).await?;
    Ok(rows.and_then(|rows| rows.first().and_then(|row| row.try_get(0).ok())))
}

pub(super) async fn read(
    c: &mut MySqlConnection,
    address: &Address,
    reading: &mut IndexReading,
) -> Result<(), sqlx::Error> {
    let uptime = allowed(c, "SHOW GLOBAL STATUS LIKE 'Uptime'").await?.unwrap_or_default();
    let uptime = uptime.first().and_then(|row| text(row, 1)).and_then(|text| text.parse::<f64>().ok());
    let now = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS DOUBLE)";
    let now: Option<f64> = sqlx::query_scalar(now).fetch_optional(&mut *c).await?;
    reading.counted_since_ms = uptime.zip(now).map(|(uptime, now)| now - uptime * 1e3);
    // It only repeats what another one does, and reads on its own.
    reading.standby = variable(c, "read_only").await?.unwrap_or(0) != 0;
    reading.counted = if variable(c, "performance_schema").await? == Some(1) {
        instrumented(c, address, reading, uptime).await?
    } else {
        userstat(c, reading, uptime).await?
    };
    Ok(())
}

fn counted(uptime: Option<f64>) -> Counted {
    uptime.map_or_else(
        || Counted::Not { why: "The server does not tell since when it counts".to_owned(), fix: None },
        Counted::For,
    )
}

async fn instrumented(
    c: &mut MySqlConnection,
    address: &Address,
    reading: &mut IndexReading,
    uptime: Option<f64>,
) -> Result<Counted, sqlx::Error> {
    let (on, rows) = (allowed(c, INSTRUMENT).await?, allowed(c, INSTRUMENTED).await?);
    let Some((on, rows)) = on.zip(rows) else {
        let user = account(address);
        let grant = format!("GRANT SELECT ON performance_schema.* TO {user};");
        reading.missing.push("What indexes are used for is hidden from this user".to_owned());
        reading.grants.push(grant.clone());
        return Ok(Counted::Not {
            why: "What indexes are used for is hidden from this user".to_owned(),
            fix: Some(grant),
        });
    };
    if on.first().and_then(|row| row.try_get::<i64, _>(0).ok()) != Some(1) {
        let fix =
            "UPDATE performance_schema.setup_instruments SET enabled = 'YES' WHERE name = 'wait/io/table/sql/handler';";
        let why = "The server does not count what tables are read by: the instrument wait/io/table/sql/handler is off"
            .to_owned();
        return Ok(Counted::Not { why, fix: Some(fix.to_owned()) });
    }
    let lost = allowed(c, LOST).await?.unwrap_or_default();
    if lost.iter().any(|row| text(row, 1).is_some_and(|n| n != "0")) {
        let why = "performance_schema had no room for all tables, so that what it has of an index may be too little"
            .to_owned();
        return Ok(Counted::Not { why, fix: Some("performance_schema_max_table_instances = -1".to_owned()) });
    }
    let mut uses: HashMap<(String, String), (f64, f64)> = HashMap::new();
    for row in &rows {
        let (Some(table), Ok(all), Ok(read)) = (text(row, 0), row.try_get::<f64, _>(2), row.try_get::<f64, _>(3))
        else {
            continue;
        };
        let written: f64 = row.try_get(4).unwrap_or(0.0);
        if let Some(facts) = reading.tables.get_mut(&table) {
            let sum = facts.written_rows.unwrap_or(0.0) + written;
            (facts.written_rows, facts.entries_written, facts.changed_rows) = (Some(sum), Some(sum), None);
        }
        match text(row, 1) {
            Some(index) => {
                uses.insert((table, index), (all, read));
            }
            None => {
                if let Some(facts) = reading.tables.get_mut(&table) {
                    facts.scan_rows = Some(read);
                }
            }
        }
    }
    for index in &mut reading.indexes {
        if let Some((all, read)) = uses.get(&(index.identity.table.clone(), index.identity.name.clone())) {
            (index.done.scans, index.done.rows_read) = (Some(*all), Some(*read));
        }
    }
    Ok(counted(uptime))
}

async fn userstat(
    c: &mut MySqlConnection,
    reading: &mut IndexReading,
    uptime: Option<f64>,
) -> Result<Counted, sqlx::Error> {
    if variable(c, "userstat").await? != Some(1) {
        let why = "The server does not count what indexes are used for: performance_schema is off".to_owned();
        return Ok(Counted::Not { why, fix: Some(SWITCH_ON.to_owned()) });
    }
    let origin = "SELECT global_value_origin FROM information_schema.system_variables WHERE variable_name = 'USERSTAT'";
    let origin = allowed(c, origin).await?.and_then(|rows| rows.first().and_then(|row| text(row, 0)));
    if origin.as_deref() == Some("SQL") {
        let why = "userstat was switched on while the server ran, and nobody tells since when it counts".to_owned();
        return Ok(Counted::Not { why, fix: Some("userstat = ON".to_owned()) });
    }
    // Without the right to see them the rows of others are not there, which looks like an index that nobody uses.
    let (Some(rows), Some(changed)) = (allowed(c, USERSTAT).await?, allowed(c, CHANGED).await?) else {
        return Ok(Counted::Not { why: "The statistics of users are hidden from this user".to_owned(), fix: None });
    };
    let read: HashMap<(String, String), f64> =
        rows.iter().filter_map(|row| Some(((text(row, 0)?, text(row, 1)?), row.try_get(2).ok()?))).collect();
    for index in &mut reading.indexes {
        let rows = read.get(&(index.identity.table.clone(), index.identity.name.clone())).copied().unwrap_or(0.0);
        // It counts rows and no scans.
        (index.done.scans, index.done.rows_read) = (Some(if rows > 0.0 { 1.0 } else { 0.0 }), Some(rows));
    }
    for row in &changed {
        let facts = text(row, 0).and_then(|table| reading.tables.get_mut(&table));
        if let (Some(facts), Ok(rows)) = (facts, row.try_get::<f64, _>(1)) {
            (facts.written_rows, facts.entries_written) = (Some(rows), Some(rows));
        }
    }
    Ok(counted(uptime))
}
