//! Sessions of a MySQL or MariaDB server in one database.
use std::collections::HashMap;

use perfdeck_model::{Address, ConnectionLimits, ErrorCode};
use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::group::{Seen, State};
use super::{Sessions, beyond};
use crate::error::explain;
use crate::mysql::text;
use crate::own;

/// Sessions in this database; `$TRANSACTION` says whether one has a transaction open, and needs PROCESS.
const QUERY: &str = "
    SELECT CAST(p.id AS SIGNED), p.user, p.host, p.command, p.state, CAST(p.time AS DOUBLE), $TRANSACTION
    FROM information_schema.processlist p $JOIN
    WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID()
      AND p.command NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
      AND p.user NOT IN ('system user', 'event_scheduler')
    ORDER BY p.id LIMIT 5001";

/// Names of the programs that signed in, where performance_schema is on and may be read.
const NAMES: &str = "
    SELECT CAST(processlist_id AS SIGNED), attr_value FROM performance_schema.session_connect_attrs
    WHERE attr_name = 'program_name' LIMIT 5001";

fn state(row: &MySqlRow) -> Result<State, sqlx::Error> {
    let transaction = text(row, 6);
    let waits = text(row, 4).is_some_and(|s| s.starts_with("Waiting for") && s.ends_with("lock"));
    Ok(match (text(row, 3).as_deref(), transaction.as_deref()) {
        (_, Some("LOCK WAIT")) => State::LockWait,
        (Some("Sleep"), Some("RUNNING")) => State::IdleInTransaction,
        (Some("Sleep"), _) => State::Idle,
        _ if waits => State::LockWait,
        (Some(_), _) => State::Active,
        (None, _) => State::Unknown,
    })
}

/// Where a client is: the server adds its port to a host.
fn address(host: &str) -> Option<String> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    (!name.is_empty() && name != "localhost").then(|| name.to_owned())
}

async fn rows(c: &mut MySqlConnection, all: bool) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let (state, join) = if all {
        ("t.trx_state", "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id")
    } else {
        ("NULL", "")
    };
    let query = QUERY.replace("$TRANSACTION", state).replace("$JOIN", join);
    sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_all(c).await
}

async fn names(c: &mut MySqlConnection) -> HashMap<i64, String> {
    // Off, missing or not allowed: then nobody has a name.
    let rows = sqlx::raw_sql(NAMES).fetch_all(c).await.unwrap_or_default();
    rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, text(row, 1)?))).collect()
}

pub(super) async fn sessions(c: &mut MySqlConnection, at: &Address) -> Result<Sessions, sqlx::Error> {
    let (rows, all) = match rows(&mut *c, true).await {
        Ok(rows) => (rows, true),
        Err(error) if explain(at, &error).code == ErrorCode::Privilege => (rows(&mut *c, false).await?, false),
        Err(error) => return Err(error),
    };
    let mut names = names(&mut *c).await;
    let connected = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").fetch_optional(&mut *c).await?;
    let used: Option<u32> = connected.and_then(|row| text(&row, 1)).and_then(|n| n.parse().ok());
    let limit = sqlx::raw_sql("SELECT CAST(@@max_connections AS SIGNED)").fetch_one(&mut *c).await?;
    let max = u32::try_from(limit.try_get::<i64, _>(0)?).unwrap_or(u32::MAX);
    let mine = own::sessions(at);
    let listed = rows.len();
    let mut seen = Vec::new();
    for row in rows.iter().take(super::SESSIONS) {
        let id: i64 = row.try_get(0)?;
        if mine.contains(&id) {
            continue;
        }
        let state = state(row)?;
        seen.push(Seen {
            // Numbers are never given again while the server runs.
            key: (id, 0),
            application: names.remove(&id),
            address: text(row, 2).as_deref().and_then(address),
            user: text(row, 1),
            state: if !all && state == State::Idle { State::Unknown } else { state },
            age_s: None,
            state_s: row.try_get::<Option<f64>, _>(5)?,
        });
    }
    // Without PROCESS the list has this user's own sessions only.
    let own = u32::try_from(listed).unwrap_or(u32::MAX).saturating_add(1);
    let hidden = if all { Some(0) } else { used.map(|used| used.saturating_sub(own)) };
    let note = beyond(listed).or_else(|| {
        let words = "The server does not tell when a session began; how long it has been in its state is known";
        Some(words.to_owned()).filter(|_| !seen.is_empty())
    });
    Ok(Sessions { seen, hidden, limits: Some(ConnectionLimits { max, reserved: 0, used }), note })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_an_address() {
        assert_eq!(address("10.0.0.7:50412").as_deref(), Some("10.0.0.7"), "each connection has another port");
        assert_eq!(address("app.example:50412").as_deref(), Some("app.example"), "a name stays");
        assert_eq!(address("localhost"), None, "a socket has no address");
        assert_eq!(address(""), None, "nothing is nothing");
    }
}
