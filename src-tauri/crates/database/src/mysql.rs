//! What is read from MySQL and MariaDB.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, ErrorCode, Finding, Unit};
use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use crate::collector::{Counters, Reading, Slow, connections, finding, series};
use crate::error::{explain, grant};

/// What is known about the server behind a connection.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether PROCESS is granted; not known before the first reading.
    process: Option<bool>,
    /// Start of the server, derived once: recomputing it every second would wobble by a second.
    started: Option<(f64, f64)>,
}

/// A text column: MariaDB and MySQL differ in whether information_schema has text or bytes.
pub(crate) fn text(row: &MySqlRow, i: usize) -> Option<String> {
    row.try_get::<Option<String>, _>(i).ok().flatten().or_else(|| {
        let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(i).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// Sessions of others: active, idle in a transaction, all, waiting for a metadata lock, longest statement in seconds.
const SESSIONS: &str = "
    SELECT CAST(COALESCE(SUM(p.command NOT IN ('Sleep', 'Binlog Dump', 'Binlog Dump GTID')), 0) AS SIGNED),
           CAST(COALESCE(SUM(p.command = 'Sleep' AND t.trx_id IS NOT NULL), 0) AS SIGNED),
           CAST(COUNT(*) AS SIGNED),
           CAST(COALESCE(SUM(p.state LIKE 'Waiting for%lock'), 0) AS SIGNED),
           CAST(COALESCE(MAX(IF(p.command IN ('Query', 'Execute', 'Prepare'), p.time, 0)), 0) AS DOUBLE)
    FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id
    WHERE p.id <> CONNECTION_ID() AND p.command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
      AND p.user NOT IN ('system user', 'event_scheduler')";

#[allow(clippy::cast_precision_loss)]
pub(crate) async fn read(
    c: &mut MySqlConnection,
    t_ms: f64,
    address: &Address,
    state: &mut State,
) -> Result<Reading, sqlx::Error> {
    let rows = sqlx::query(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', 'Handler_commit',
         'Handler_rollback', 'Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads',
         'Innodb_row_lock_current_waits', 'Uptime')",
    )
    .fetch_all(&mut *c)
    .await?;
    let status: BTreeMap<String, f64> =
        rows.iter().filter_map(|r| Some((text(r, 0)?, text(r, 1)?.parse().ok()?))).collect();
    let get = |name: &str| status.get(name).copied();
    let limit: i64 = sqlx::query_scalar("SELECT CAST(@@max_connections AS SIGNED)").fetch_one(&mut *c).await?;
    let mut reading =
        Reading { limits: BTreeMap::from([("max_connections".to_owned(), limit as f64)]), ..Reading::default() };
    let locks = series("database.locks.waiting", &[], Unit::Count);
    let mut sessions = None;
    if state.process != Some(false) {
        match sqlx::query(SESSIONS).fetch_one(&mut *c).await {
            Ok(row) => {
                state.process = Some(true);
                sessions = Some(row);
            }
            Err(error) if explain(address, &error).code == ErrorCode::Privilege => state.process = Some(false),
            Err(error) => return Err(error),
        }
    }
    if let Some(row) = sessions {
        let n = |i: usize| row.try_get::<i64, _>(i).map(|n| n as f64);
        let (active, in_transaction, all) = (n(0)?, n(1)?, n(2)?);
        reading.values.push((connections("active"), active));
        reading.values.push((connections("idle"), (all - active - in_transaction).max(0.0)));
        reading.values.push((connections("idle_in_transaction"), in_transaction));
        reading.values.push((series("database.query.longest", &[], Unit::Seconds), row.try_get::<f64, _>(4)?.max(0.0)));
        if let Some(rows) = get("Innodb_row_lock_current_waits") {
            reading.values.push((locks, rows + n(3)?));
        }
    } else {
        // The server's own counters are for all users; both count this connection.
        if let Some((connected, running)) = get("Threads_connected").zip(get("Threads_running")) {
            let active = (running - 1.0).max(0.0);
            reading.values.push((connections("active"), active));
            reading.values.push((connections("idle"), (connected - 1.0 - active).max(0.0)));
        }
        if let Some(rows) = get("Innodb_row_lock_current_waits") {
            reading.values.push((locks, rows));
        }
        reading.warning = Some(
            ApiError::new(
                ErrorCode::Privilege,
                "Other users' sessions are hidden: no longest statement and no idle transactions",
            )
            .hint(grant(address)),
        );
    }
    // A restart that is quicker than one tick shows in the uptime alone.
    if let Some(uptime) = get("Uptime") {
        let began = t_ms - uptime * 1e3;
        match state.started {
            Some((start, last)) if uptime >= last => state.started = Some((start, uptime)),
            _ => state.started = Some((began, uptime)),
        }
    }
    if let (Some(commits), Some(rollbacks), Some(requests), Some(reads)) = (
        get("Handler_commit"),
        get("Handler_rollback"),
        get("Innodb_buffer_pool_read_requests"),
        get("Innodb_buffer_pool_reads"),
    ) {
        reading.counters = Some(Counters {
            t_ms,
            epoch: state.started.map_or(0.0, |(start, _)| start),
            // Handler_commit counts autocommitted statements too, which Com_commit misses.
            transactions: commits + rollbacks,
            hits: (requests - reads).max(0.0),
            reads,
        });
    }
    Ok(reading)
}

pub(crate) async fn slow(c: &mut MySqlConnection) -> Result<Slow, sqlx::Error> {
    let size: Option<f64> = sqlx::query_scalar(
        "SELECT CAST(SUM(data_length + index_length) AS DOUBLE) FROM information_schema.tables
         WHERE table_schema = DATABASE()",
    )
    .fetch_one(&mut *c)
    .await?;
    Ok(Slow { size, findings: duplicates(c).await?, own: 0.0 })
}

/// Indexes of the same kind over the same columns, prefixes and directions. Of two the one is reported that enforces
/// nothing.
async fn duplicates(c: &mut MySqlConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT table_name, index_name, CAST(MAX(non_unique) AS SIGNED), index_type,
                GROUP_CONCAT(CONCAT_WS(':', column_name, sub_part, collation) ORDER BY seq_in_index SEPARATOR '\\n')
         FROM information_schema.statistics WHERE table_schema = DATABASE()
         GROUP BY table_name, index_name, index_type ORDER BY table_name, index_name LIMIT 5000",
    )
    .fetch_all(c)
    .await?;
    struct Index {
        table: String,
        name: String,
        unique: bool,
        kind: String,
        columns: String,
    }
    let all: Vec<Index> = rows
        .iter()
        .filter_map(|r| {
            Some(Index {
                table: text(r, 0)?,
                name: text(r, 1)?,
                unique: r.try_get::<i64, _>(2).ok()? == 0,
                kind: text(r, 3)?,
                // An expression has no column name; such an index equals nothing.
                columns: text(r, 4).filter(|c| !c.is_empty())?,
            })
        })
        .collect();
    let mut findings = Vec::new();
    for (i, a) in all.iter().enumerate() {
        // A unique index beside another unique one over the same columns also repeats it, except the primary key.
        let twin = all.iter().enumerate().find(|(j, b)| {
            *j != i
                && a.table == b.table
                && a.kind == b.kind
                && a.columns == b.columns
                && a.name != "PRIMARY"
                && (b.name == "PRIMARY" || (!a.unique && b.unique) || (a.unique == b.unique && *j < i))
        });
        if let Some((_, b)) = twin {
            let (table, a, b) = (&a.table, &a.name, &b.name);
            let columns =
                all[i].columns.lines().map(|c| c.split(':').next().unwrap_or(c)).collect::<Vec<_>>().join(", ");
            findings.push(finding(
                "duplicate_index",
                &format!("{table}.{a}"),
                format!("`{table}.{a}` repeats `{b}`"),
                format!("both over ({columns}), each written with every insert into `{table}`"),
                0.05,
                "Review index",
            ));
        }
    }
    findings.truncate(20);
    Ok(findings)
}
