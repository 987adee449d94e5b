//! Health of a MySQL or MariaDB server.
use perfdeck_model::{Address, CheckState, ErrorCode, HealthCheck, Unit};
use perfdeck_words as words;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Column as _, Row};

use super::Question;
use super::postgres::deadlock_rate;
use crate::error::explain;
use crate::hints::account;
use crate::mysql::text;
use perfdeck_model::checks::{Limit, Mend, measured, refused, told, unknown};

pub(super) const QUESTIONS: &[Question<MySqlConnection>] = &[
    Question { id: "connections", title: "Connections", ask: |c, _| Box::pin(connections(c)) },
    Question { id: "replication", title: "Replication", ask: |c, a| Box::pin(replication(c, a)) },
    Question { id: "history", title: "Undo history", ask: |c, _| Box::pin(history(c)) },
    Question { id: "settings", title: "Settings", ask: |c, _| Box::pin(settings(c)) },
    Question { id: "deadlocks", title: "Deadlocks", ask: |c, _| Box::pin(deadlocks(c)) },
    Question { id: "disk", title: "Disk", ask: |c, a| Box::pin(disk(c, a)) },
];

async fn status(c: &mut MySqlConnection, name: &str) -> Result<Option<f64>, sqlx::Error> {
    let query = format!("SHOW GLOBAL STATUS LIKE '{name}'");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_optional(c).await?;
    Ok(row.and_then(|row| text(&row, 1)).and_then(|value| value.parse().ok()))
}

const CONNECTIONS: Limit = Limit::new(0.7, 0.9, "netdata, connection utilisation");

async fn connections(c: &mut MySqlConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let used = status(&mut *c, "Threads_connected").await?.unwrap_or(0.0);
    let refused = status(&mut *c, "Connection_errors_max_connections").await?.unwrap_or(0.0);
    let limit = sqlx::raw_sql("SELECT CAST(@@max_connections AS SIGNED)").fetch_one(c).await?;
    let most: i64 = limit.try_get(0)?;
    let reason = format!(
        "{} of {} in use, and one more is kept for an administrator; {} refused since the server started",
        words::count(used as i64),
        words::plural(most, "connection"),
        words::count(refused as i64)
    );
    let share = used / (most as f64).max(1.0);
    Ok(vec![measured("connections", "Connections", (share, Unit::Ratio), CONNECTIONS, reason).mend(
        "Shows who holds them; a smaller pool helps more than a higher max_connections",
        Some(
            "SELECT user, db, command, COUNT(*) FROM information_schema.processlist GROUP BY 1, 2, 3 ORDER BY 4 DESC;",
        ),
    )])
}

/// Whether the server is MariaDB, whatever scheme the address has.
async fn is_mariadb(c: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(c).await?;
    Ok(version.contains("MariaDB"))
}

/// A column by one of its names: versions and products differ.
fn column(row: &MySqlRow, names: &[&str]) -> Option<String> {
    let at = row.columns().iter().position(|c| names.iter().any(|n| c.name().eq_ignore_ascii_case(n)))?;
    text(row, at).or_else(|| row.try_get_unchecked::<Option<i64>, _>(at).ok().flatten().map(|n| n.to_string()))
}

const LAG: Limit = Limit::new(10.0, 30.0, "netdata, replication lag");

async fn replication(c: &mut MySqlConnection, address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let (id, title) = ("replication", "Replication");
    let mut answer = sqlx::raw_sql("SHOW REPLICA STATUS").fetch_all(&mut *c).await;
    if let Err(sqlx::Error::Database(_)) = &answer {
        // Before MySQL 8.0.22 and MariaDB 10.5 it had another name.
        answer = match sqlx::raw_sql("SHOW SLAVE STATUS").fetch_all(&mut *c).await {
            Ok(rows) => Ok(rows),
            Err(_) => answer,
        };
    }
    let rows = match answer {
        Ok(rows) => rows,
        Err(error) if explain(address, &error).code == ErrorCode::Privilege => {
            let privilege = if is_mariadb(c).await? { "REPLICA MONITOR" } else { "REPLICATION CLIENT" };
            let user = account(address);
            let grant = format!("GRANT {privilege} ON *.* TO {user};");
            let reason = "whether it is a replica is hidden from this user";
            return Ok(vec![refused(id, title, reason, grant)]);
        }
        Err(error) => return Err(error),
    };
    if rows.is_empty() {
        return Ok(vec![told(id, title, CheckState::Ok, "it is no replica")]);
    }
    Ok(rows.iter().take(20).map(of_replica).collect())
}

fn of_replica(row: &MySqlRow) -> HealthCheck {
    let channel = column(row, &["Connection_name", "Channel_Name"]).filter(|name| !name.is_empty());
    let id = channel.as_ref().map_or_else(|| "replication".to_owned(), |name| format!("replication:{name}"));
    let title = channel.map_or_else(|| "Replication".to_owned(), |name| format!("Replication {name}"));
    let runs = |names: &[&str]| column(row, names).unwrap_or_default();
    let (reads, applies) =
        (runs(&["Replica_IO_Running", "Slave_IO_Running"]), runs(&["Replica_SQL_Running", "Slave_SQL_Running"]));
    let reason = format!("receives: {}, applies: {}", reads.to_lowercase(), applies.to_lowercase());
    if reads != "Yes" || applies != "Yes" {
        return told(&id, &title, CheckState::Failing, reason)
            .mend("Shows why (Last_IO_Error, Last_SQL_Error)", Some("SHOW REPLICA STATUS;"));
    }
    match column(row, &["Seconds_Behind_Source", "Seconds_Behind_Master"]).and_then(|s| s.parse::<f64>().ok()) {
        Some(seconds) => measured(&id, &title, (seconds, Unit::Seconds), LAG, reason)
            .mend("Look for one long transaction, or for a replica that applies with one thread", None),
        None => unknown(&id, &title, format!("{reason}; the server tells no lag")),
    }
}

const HISTORY: Limit =
    Limit { warning: Some(50_000.0), failing: None, source: "awesome-prometheus-alerts: more than 50 000" };

async fn history(c: &mut MySqlConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT CAST(count AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'",
    )
    .fetch_optional(c)
    .await?;
    let (id, title) = ("history", "Undo history");
    let Some(row) = row else { return Ok(vec![unknown(id, title, "this server does not count it")]) };
    let length: i64 = row.try_get(0)?;
    let reason = "changes whose old versions are kept for transactions that may still read them";
    Ok(vec![measured(id, title, (length as f64, Unit::Count), HISTORY, reason).mend(
        "Shows the oldest transactions; it shrinks when they end",
        Some("SELECT trx_mysql_thread_id, trx_started, trx_state FROM information_schema.innodb_trx ORDER BY trx_started LIMIT 10;"),
    )])
}

async fn settings(c: &mut MySqlConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN
         ('innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'sync_binlog', 'log_bin')",
    )
    .fetch_all(c)
    .await?;
    let value = |name: &str| {
        let row = rows.iter().find(|row| text(row, 0).is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
        text(row, 1).map(|v| v.to_ascii_uppercase())
    };
    let mut checks = Vec::new();
    let mut wrong = |name: &str, state: CheckState, why: &str, fix: &str| {
        let title = format!("Setting {name}");
        checks.push(
            told(&format!("setting:{name}"), &title, state, why)
                .mend("Sets it until the next restart; write it into my.cnf too", Some(fix)),
        );
    };
    if let Some(flush) = value("innodb_flush_log_at_trx_commit").filter(|v| v != "1") {
        let why = format!("{flush}: a crash loses what was committed in the last second");
        wrong(
            "innodb_flush_log_at_trx_commit",
            CheckState::Warning,
            &why,
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1;",
        );
    }
    if value("innodb_doublewrite").is_some_and(|v| v == "OFF" || v == "0") {
        let why = "off: a crash of the machine can leave torn pages, unless the file system prevents them";
        wrong("innodb_doublewrite", CheckState::Warning, why, "[mysqld]\ninnodb_doublewrite = ON");
    }
    if value("log_bin").is_some_and(|v| v == "ON") && value("sync_binlog").is_some_and(|v| v == "0") {
        let why = "0: after a crash the binary log may lack what was committed, and replicas differ";
        wrong("sync_binlog", CheckState::Warning, why, "SET GLOBAL sync_binlog = 1;");
    }
    if checks.is_empty() {
        let reason = "commits are flushed, and pages are written twice";
        checks.push(told("settings", "Settings", CheckState::Ok, reason));
    }
    Ok(checks)
}

async fn deadlocks(c: &mut MySqlConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let uptime = status(&mut *c, "Uptime").await?.unwrap_or(0.0);
    // MariaDB counts them in its status, MySQL in a metric.
    let n = match status(&mut *c, "Innodb_deadlocks").await? {
        Some(n) => Some(n),
        None => {
            let metric =
                "SELECT CAST(count AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'";
            let row = sqlx::raw_sql(metric).fetch_optional(c).await?;
            row.map(|row| row.try_get::<i64, _>(0)).transpose()?.map(|n| n as f64)
        }
    };
    let Some(n) = n else { return Ok(vec![unknown("deadlocks", "Deadlocks", "this server does not count them")]) };
    Ok(vec![deadlock_rate(n, uptime).mend(
        "Writes each into the server's log with its statements: take locks in one order, or keep transactions short",
        Some("SET GLOBAL innodb_print_all_deadlocks = ON;"),
    )])
}

const DISK: Limit = Limit::new(0.9, 0.98, "netdata, disk space");

async fn disk(c: &mut MySqlConnection, address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let (id, title) = ("disk", "Disk");
    // MariaDB's plugin `disks`; it lists file systems, and the one with the longest path above the data is the data's.
    let query = "SELECT CAST(total AS DOUBLE), CAST(available AS DOUBLE), path FROM information_schema.disks
                 WHERE @@datadir LIKE CONCAT(path, '%') ORDER BY LENGTH(path) DESC LIMIT 1";
    let row = match sqlx::raw_sql(query).fetch_optional(&mut *c).await {
        Ok(row) => row,
        Err(error) if super::is_lost(&error) => return Err(error),
        Err(_) if is_mariadb(c).await? => {
            let reason = "the server tells how much of its disk is free only with its plugin disks: INSTALL SONAME 'disks'; the host tells it too";
            return Ok(vec![unknown(id, title, reason)]);
        }
        Err(_) => {
            return Ok(vec![unknown(id, title, "MySQL does not tell how much of its disk is free, the host does")]);
        }
    };
    let Some(row) = row else {
        let grant = format!("GRANT FILE ON *.* TO {};", account(address));
        return Ok(vec![refused(id, title, "the server's disks are hidden from this user", grant)]);
    };
    let (total, free): (f64, f64) = (row.try_get(0)?, row.try_get(1)?);
    let used = 1.0 - free / total.max(1.0);
    let reason = format!("{} of {} free", words::bytes(free * 1024.0), words::bytes(total * 1024.0));
    Ok(vec![measured(id, title, (used, Unit::Ratio), DISK, reason).mend("Make room, or move the data", None)])
}
