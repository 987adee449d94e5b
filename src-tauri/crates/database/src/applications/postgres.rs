//! Sessions of a PostgreSQL database.
use perfdeck_model::ConnectionLimits;
use perfdeck_words as words;
use sqlx::Row;

use super::group::{Seen, State};
use super::{SESSIONS, Sessions, beyond};
use crate::foreign_text;
use crate::session::{OURS, Session};

/// Sessions of clients in this database, without Perfdeck's. A role without `pg_read_all_stats` sees of others their number,
/// database, user and application, and nothing else. It is one simple query, without a lock, and works through poolers.
const QUERY: &str = "
    WITH a AS MATERIALIZED (
        SELECT *, query = '<insufficient privilege>' AS hidden FROM pg_stat_activity
        WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'),
    m AS (SELECT current_setting('max_connections')::int AS most,
                 current_setting('superuser_reserved_connections')::int
                 + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
                 (SELECT count(*) FROM a) AS used),
    s AS (SELECT * FROM a WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
            AND application_name NOT IN ('perfdeck', 'perfdeck-load', 'perfdeck-pool'))
    SELECT m.most, m.reserved, m.used, (SELECT count(*) FROM s),
        s.pid, coalesce((extract(epoch FROM s.backend_start) * 1e6)::int8, 0), nullif(s.application_name, ''),
        host(s.client_addr), $USER, s.state, s.wait_event_type,
        extract(epoch FROM clock_timestamp() - s.backend_start)::float8,
        extract(epoch FROM clock_timestamp() - s.state_change)::float8, s.hidden,
        coalesce(s.query LIKE '$OURS', false)
    FROM m LEFT JOIN s ON true ORDER BY s.backend_start NULLS LAST LIMIT 5000";

fn state(row: &sqlx::postgres::PgRow) -> Result<State, sqlx::Error> {
    let waits: Option<String> = row.try_get(10)?;
    Ok(match row.try_get::<Option<String>, _>(9)?.as_deref() {
        Some("active" | "fastpath function call") if waits.as_deref() == Some("Lock") => State::LockWait,
        Some("active" | "fastpath function call") => State::Active,
        Some("idle") => State::Idle,
        Some(state) if state.starts_with("idle in transaction") => State::IdleInTransaction,
        _ => State::Unknown,
    })
}

/// What is told of sessions behind a pooler; `ours` of them were last used by Perfdeck.
fn behind(ours: i64) -> String {
    let told = "The server sees the pooler's address and the names that it passes on, not the clients before it";
    match ours {
        0 => told.to_owned(),
        n => format!(
            "{told}; {} last used by Perfdeck",
            if n == 1 { "1 of them was".to_owned() } else { format!("{} of them were", words::count(n)) }
        ),
    }
}

pub(super) async fn sessions(c: &mut Session) -> Result<Sessions, sqlx::Error> {
    let shared = c.is_shared();
    let query = QUERY.replace("$OURS", OURS).replace("$USER", &foreign_text::ask("s.usename::text", 63));
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_all(c).await?;
    let mut told = Sessions { hidden: Some(0), ..Sessions::default() };
    let (mut hidden, mut ours) = (0_u32, 0_i64);
    for row in &rows {
        let limit = |i: usize| row.try_get::<i32, _>(i).map(|n| u32::try_from(n).unwrap_or(0));
        let used = row.try_get::<i64, _>(2)?;
        told.limits = Some(ConnectionLimits { max: limit(0)?, reserved: limit(1)?, used: u32::try_from(used).ok() });
        // The limits come in a row of their own when nobody is there.
        let Some(pid) = row.try_get::<Option<i32>, _>(4)? else { continue };
        let state = state(row)?;
        // A pooler's connection whose last statement is ours. While that runs it is ours, later it is anybody's.
        if row.try_get::<Option<bool>, _>(14)?.unwrap_or(false) {
            ours += 1;
            if state == State::Active {
                continue;
            }
        }
        hidden += u32::from(row.try_get::<Option<bool>, _>(13)?.unwrap_or(false));
        told.seen.push(Seen {
            key: (i64::from(pid), row.try_get(5)?),
            application: row.try_get(6)?,
            address: row.try_get(7)?,
            user: foreign_text::read(row, 8)?,
            state,
            age_s: row.try_get::<Option<f64>, _>(11)?.map(|s| s.max(0.0)),
            state_s: row.try_get::<Option<f64>, _>(12)?.map(|s| s.max(0.0)),
        });
    }
    told.hidden = Some(hidden);
    let all: i64 = rows.first().map_or(Ok(0), |row| row.try_get(3))?;
    let more = beyond(usize::try_from(all).unwrap_or(0).max(told.seen.len()));
    debug_assert!(told.seen.len() <= SESSIONS, "the query has the bound");
    told.note = more.or_else(|| shared.then(|| behind(ours)));
    Ok(told)
}
