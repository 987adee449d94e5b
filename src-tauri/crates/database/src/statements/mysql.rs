//! `performance_schema.events_statements_summary_by_digest` of MySQL and MariaDB.
use std::collections::HashMap;

use perfdeck_model::{Address, StatementsUnavailable};
use perfdeck_sqltext::Dialect;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::counts::{Entry, Origin, Reading, StatementCounts, StatementKey};
use super::reader::{StatementText, text_of};
use super::{MOST, Unseen};
use crate::hints::account;
use crate::mysql::text;

/// What the server's counters are, read once a session.
#[derive(Debug)]
pub(super) struct Digests {
    /// Whether the sessions of monitoring are recorded.
    pub(super) unseen: Unseen,
    /// Start of the server, in milliseconds since the Unix epoch; derived once, as it would wobble by a second.
    started: Option<(f64, f64)>,
}

/// The table of counters, for a grant.
const TABLES: &str = "performance_schema.*";

/// Why the counters cannot be read here, or what they are.
pub(super) async fn probe(c: &mut MySqlConnection) -> Result<Result<Digests, StatementsUnavailable>, sqlx::Error> {
    let on: i64 = sqlx::raw_sql("SELECT CAST(@@performance_schema AS SIGNED)").fetch_one(&mut *c).await?.try_get(0)?;
    if on == 0 {
        return Ok(Err(StatementsUnavailable {
            reason: "performance_schema is off on this server".to_owned(),
            hint: Some("Put it under [mysqld] in the server's configuration and restart the server".to_owned()),
            fix: Some("performance_schema = ON".to_owned()),
        }));
    }
    let consumer = sqlx::raw_sql(
        "SELECT CAST(enabled AS CHAR) FROM performance_schema.setup_consumers WHERE name = 'statements_digest'",
    )
    .fetch_optional(&mut *c)
    .await?;
    if consumer.and_then(|row| text(&row, 0)).is_some_and(|enabled| enabled == "NO") {
        return Ok(Err(StatementsUnavailable {
            reason: "performance_schema counts no statements: its consumer statements_digest is off".to_owned(),
            hint: Some("It takes effect at once, until the server restarts".to_owned()),
            fix: Some(
                "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name = 'statements_digest';"
                    .to_owned(),
            ),
        }));
    }
    if let Some(why) = not_instrumented(c).await? {
        return Ok(Err(why));
    }
    let recorded = sqlx::raw_sql(
        "SELECT CAST(instrumented AS CHAR) FROM performance_schema.threads WHERE processlist_id = CONNECTION_ID()",
    )
    .fetch_optional(c)
    .await?
    .and_then(|row| text(&row, 0));
    let unseen = if recorded.as_deref() == Some("NO") { Unseen::NotRecorded } else { Unseen::Counted };
    Ok(Ok(Digests { unseen, started: None }))
}

/// Why statements are not counted although the counters are there.
async fn not_instrumented(c: &mut MySqlConnection) -> Result<Option<StatementsUnavailable>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT (SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_instruments
                 WHERE name LIKE 'statement/sql/%' AND enabled = 'YES' AND timed = 'YES'),
                (SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_actors WHERE enabled = 'YES'),
                (SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_consumers
                 WHERE name IN ('global_instrumentation', 'thread_instrumentation') AND enabled = 'YES')",
    )
    .fetch_one(c)
    .await?;
    let (instruments, actors, consumers): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (what, fix) = match (instruments, actors, consumers) {
        (0, ..) => (
            "its instruments statement/sql/% are off",
            "UPDATE performance_schema.setup_instruments SET enabled = 'YES', timed = 'YES' WHERE name LIKE 'statement/%';",
        ),
        (_, 0, _) => ("it records no user's sessions", "UPDATE performance_schema.setup_actors SET enabled = 'YES';"),
        (_, _, 0 | 1) => (
            "its consumers are off",
            "UPDATE performance_schema.setup_consumers SET enabled = 'YES'
             WHERE name IN ('global_instrumentation', 'thread_instrumentation');",
        ),
        _ => return Ok(None),
    };
    Ok(Some(StatementsUnavailable {
        reason: format!("performance_schema counts no statements: {what}"),
        hint: Some("It takes effect at once for new sessions, until the server restarts".to_owned()),
        fix: Some(fix.split_whitespace().collect::<Vec<_>>().join(" ")),
    }))
}

/// What to do when this user may not read the counters.
pub(super) fn refused(address: &Address) -> StatementsUnavailable {
    let user = account(address);
    StatementsUnavailable {
        reason: "This user may not read performance_schema".to_owned(),
        hint: Some("Run it as a user who may grant it".to_owned()),
        fix: Some(format!("GRANT SELECT ON {TABLES} TO {user};")),
    }
}

/// The statement that lets monitoring keep its own sessions out of the counters.
pub(super) fn unrecord(address: &Address) -> String {
    let user = account(address);
    format!("GRANT UPDATE ON performance_schema.threads TO {user};")
}

impl Digests {
    pub(super) async fn read(&mut self, c: &mut MySqlConnection, now_ms: f64) -> Result<Reading, sqlx::Error> {
        let row = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Uptime'").fetch_optional(&mut *c).await?;
        if let Some(uptime) = row.and_then(|row| text(&row, 1)).and_then(|n| n.parse::<f64>().ok()) {
            match self.started {
                Some((start, last)) if uptime >= last => self.started = Some((start, uptime)),
                _ => self.started = Some((now_ms - uptime * 1e3, uptime)),
            }
        }
        let lost = sqlx::raw_sql(
            "SELECT CAST(SUM(count_star) AS UNSIGNED)
             FROM performance_schema.events_statements_summary_by_digest WHERE digest IS NULL",
        )
        .fetch_one(&mut *c)
        .await?;
        let mut reading = Reading {
            at_ms: now_ms,
            origin: Origin { started_ms: self.started.map(|(start, _)| start), reset_ms: None },
            // The row is not there as long as nothing was lost.
            lost: Some(lost.try_get::<Option<u64>, _>(0)?.unwrap_or(0)),
            ..Reading::default()
        };
        let question = format!(
            "SELECT digest, CAST(count_star AS UNSIGNED), CAST(sum_timer_wait / 1000000000 AS DOUBLE),
                    CAST(sum_rows_sent + sum_rows_affected AS UNSIGNED), CAST(UNIX_TIMESTAMP(first_seen) AS DOUBLE)
             FROM performance_schema.events_statements_summary_by_digest
             WHERE schema_name = DATABASE() AND digest IS NOT NULL ORDER BY sum_timer_wait DESC LIMIT {}",
            MOST + 1
        );
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(question)).fetch_all(&mut *c).await?;
        if rows.len() > MOST {
            let all = "SELECT CAST(COUNT(*) AS UNSIGNED) FROM performance_schema.events_statements_summary_by_digest
                       WHERE schema_name = DATABASE() AND digest IS NOT NULL";
            let all: u64 = sqlx::raw_sql(all).fetch_one(c).await?.try_get(0)?;
            reading.left_out = u32::try_from(all.saturating_sub(MOST as u64)).unwrap_or(u32::MAX);
        }
        for row in rows.iter().take(MOST) {
            let Some(id) = text(row, 0) else { continue };
            let counts = StatementCounts {
                calls: row.try_get(1)?,
                total_ms: row.try_get(2)?,
                rows: row.try_get(3)?,
                ..StatementCounts::default()
            };
            let since_ms = row.try_get::<Option<f64>, _>(4)?.map(|s| s * 1e3);
            reading.entries.insert(StatementKey { id, nested: false, user: 0 }, Entry { counts, since_ms });
        }
        Ok(reading)
    }

    pub(super) async fn texts(
        c: &mut MySqlConnection,
        ids: &[String],
    ) -> Result<HashMap<String, StatementText>, sqlx::Error> {
        // Hexadecimal digits only: they go into the question as they are.
        let known = |id: &&String| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
        let list: Vec<String> = ids.iter().filter(known).map(|id| format!("'{id}'")).collect();
        if list.is_empty() {
            return Ok(HashMap::new());
        }
        let question = format!(
            "SELECT digest, digest_text FROM performance_schema.events_statements_summary_by_digest
             WHERE schema_name = DATABASE() AND digest IN ({})",
            list.join(", ")
        );
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(question)).fetch_all(c).await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let digest_text = text(row, 1)?;
                Some((text(row, 0)?, text_of(&digest_text, digest_text.len(), Dialect::Mysql)))
            })
            .collect())
    }
}
