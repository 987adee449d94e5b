//! Statements that run now, without their literals: those may be personal data or secrets.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, DatabaseActivity, RunningStatement, Sensitive};
use perfdeck_sqltext::{Dialect, without_literals};
use sqlx::Row;

use crate::connect::{Database, close, connect, silent};
use crate::error::explain;
use crate::hints::grant;
use crate::mysql::text;
use crate::own;
use crate::session::Session;

const DEADLINE: Duration = Duration::from_secs(3);

/// The sessions that do something now, longest-running first, at most 50; Perfdeck's own are left out. SQLite has none.
/// Sessions that hide what they do from this user are counted, with the grant that shows them.
///
/// # Errors
/// When the database cannot be reached or does not answer within 3 s.
pub async fn activity(address: &Address, password: Option<&Sensitive>) -> Result<DatabaseActivity, ApiError> {
    let mut database = connect(address, password, DEADLINE).await?;
    if matches!(database, Database::Postgres(_)) {
        // Signing in, and the two questions. What the others are asked is no transaction there and reads no page.
        own::add(address, 3.0, 1);
    }
    let work = async {
        match &mut database {
            Database::Postgres(c) => Ok((postgres(c).await?, Some(postgres_hidden(c).await?))),
            Database::Mysql(c) => Ok((mysql(c).await?, mysql_hidden(c).await?)),
            Database::Sqlite(_) => Ok((Vec::new(), Some(0))),
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    close(database).await;
    match outcome {
        Ok(outcome) => {
            let (statements, hidden): (_, Option<i64>) = outcome.map_err(|e| explain(address, &e))?;
            let hidden = hidden.map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX));
            let grant = (hidden != Some(0)).then(|| grant(address));
            Ok(DatabaseActivity { statements, hidden, grant })
        }
        Err(_) => Err(silent(address, DEADLINE)),
    }
}

async fn postgres(c: &mut Session) -> Result<Vec<RunningStatement>, sqlx::Error> {
    // pg_blocking_pids takes every partition of the lock table, so only for those that wait.
    let rows = sqlx::raw_sql(
        "SELECT pid::int8, usename::text, datname::text, application_name, coalesce(state, ''),
                wait_event_type || ': ' || wait_event,
                coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8,
                extract(epoch FROM clock_timestamp() - xact_start)::float8,
                CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid)::int8[] ELSE '{}' END,
                left(query, 2000)
         FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
           AND application_name IS DISTINCT FROM 'perfdeck'
         ORDER BY query_start NULLS LAST LIMIT 50",
    )
    .fetch_all(c)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RunningStatement {
                id: row.try_get(0)?,
                user: row.try_get(1)?,
                database: row.try_get(2)?,
                application: row.try_get::<Option<String>, _>(3)?.filter(|a| !a.is_empty()),
                state: row.try_get(4)?,
                wait: row.try_get(5)?,
                running_s: row.try_get::<f64, _>(6)?.max(0.0),
                transaction_s: row.try_get(7)?,
                blocked_by: row.try_get(8)?,
                statement: without_literals(
                    &row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
                    Dialect::Postgres,
                ),
            })
        })
        .collect()
}

/// Client sessions of which this user sees neither state nor statement.
async fn postgres_hidden(c: &mut Session) -> Result<i64, sqlx::Error> {
    // A hidden session has no kind; those of the server itself are in no database or have no user.
    let row = sqlx::raw_sql(
        "SELECT count(*) FROM pg_stat_activity
         WHERE query = '<insufficient privilege>' AND datid IS NOT NULL AND usesysid IS NOT NULL
           AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'perfdeck'",
    )
    .fetch_one(c)
    .await?;
    row.try_get(0)
}

/// Connections that are not in the process list of this user: without PROCESS it has only the user's own. `None` when the
/// server does not tell how many there are.
async fn mysql_hidden(c: &mut sqlx::mysql::MySqlConnection) -> Result<Option<i64>, sqlx::Error> {
    let granted = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.user_privileges
                   WHERE privilege_type = 'PROCESS'";
    if sqlx::query_scalar::<_, i64>(granted).fetch_one(&mut *c).await? > 0 {
        return Ok(Some(0));
    }
    let row = sqlx::query("SHOW GLOBAL STATUS LIKE 'Threads_connected'").fetch_optional(&mut *c).await?;
    let Some(connected) = row.and_then(|row| text(&row, 1)).and_then(|n| n.parse::<i64>().ok()) else {
        return Ok(None);
    };
    let seen: i64 = sqlx::query_scalar(
        "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist
         WHERE command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
           AND user NOT IN ('system user', 'event_scheduler')",
    )
    .fetch_one(c)
    .await?;
    Ok(Some((connected - seen).max(0)))
}

async fn mysql(c: &mut sqlx::mysql::MySqlConnection) -> Result<Vec<RunningStatement>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT CAST(id AS SIGNED), user, db, command, state, CAST(time AS DOUBLE), LEFT(info, 2000)
         FROM information_schema.processlist
         WHERE id <> CONNECTION_ID() AND command NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')
           AND user NOT IN ('system user', 'event_scheduler')
         ORDER BY time DESC LIMIT 50",
    )
    .fetch_all(c)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RunningStatement {
                id: row.try_get(0)?,
                user: text(row, 1),
                database: text(row, 2),
                application: None,
                state: text(row, 3).unwrap_or_default().to_lowercase(),
                wait: text(row, 4).filter(|s| s.starts_with("Waiting")),
                running_s: row.try_get::<Option<f64>, _>(5)?.unwrap_or(0.0).max(0.0),
                transaction_s: None,
                blocked_by: Vec::new(),
                statement: without_literals(&text(row, 6).unwrap_or_default(), Dialect::Mysql),
            })
        })
        .collect()
}
