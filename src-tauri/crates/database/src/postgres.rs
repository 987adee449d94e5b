//! What is read from PostgreSQL.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, ErrorCode, Finding, FindingTarget, Proof, Scheme, Unit};
use perfdeck_words as words;
use perfdeck_words::{count, share};
use sqlx::Row;

use crate::activity::Long;
use crate::health;
use crate::hints::grant;
use crate::indexes::rules::of_catalogue;
use crate::indexes::{IndexReading, Scope, mark_work, postgres_catalogue};
use crate::reading::{Counters, Moment, Reading, Slow, connections, finding, oldest_transaction, series};
use crate::session::Session;

/// Findings about indexes that one look tells, at most.
const MOST_FOUND: usize = 20;

/// Sessions by state and wait, counters and limits in one round trip. Perfdeck's own sessions are left out. Sessions
/// that the user may not see have a fixed text for their statement and no other column; they are counted apart.
///
/// It is one statement, so that it is exactly one transaction, and works through poolers; elsewhere it is prepared once, because
/// planning it costs ten times as much as running it. From PostgreSQL 15 on the session tells its own statistics at once
/// (`$FLUSH`), so that the next reading knows which transactions were its own.
///
/// Nothing here takes a lock or calls a size function: those would wait behind someone's ACCESS EXCLUSIVE lock.
const ACTIVITY: &str = "
    WITH a AS (
        SELECT state, wait_event_type AS wait, query_start, state_change, xact_start, datid, application_name,
               backend_type = 'client backend' AS client,
               query = '<insufficient privilege>' AND datid IS NOT NULL AS hidden
        FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'perfdeck'),
    s AS (
        SELECT count(*) FILTER (WHERE client AND state IN ('active', 'fastpath function call')) AS active,
            count(*) FILTER (WHERE client AND state = 'idle') AS idle,
            count(*) FILTER (WHERE client AND state LIKE 'idle in transaction%') AS open,
            count(*) FILTER (WHERE client AND state = 'active' AND wait IS NULL) AS cpu,
            count(*) FILTER (WHERE client AND state = 'active' AND wait = 'IO') AS io,
            count(*) FILTER (WHERE client AND state = 'active' AND wait IN ('Lock', 'LWLock')) AS locks,
            count(*) FILTER (WHERE client AND state = 'active' AND wait NOT IN ('IO', 'Lock', 'LWLock')) AS others,
            count(*) FILTER (WHERE client AND wait = 'Lock') AS waiting,
            min(query_start) FILTER (WHERE client AND state = 'active') AS statement,
            count(*) FILTER (WHERE hidden) AS hidden,
            min(query_start) FILTER (WHERE client AND wait = 'Lock') AS blocked,
            min(state_change) FILTER (WHERE client AND state LIKE 'idle in transaction%') AS idling,
            min(xact_start) FILTER (WHERE client) AS transaction
        FROM a)
    SELECT s.active, s.idle, s.open, s.cpu, s.io, s.locks, s.others, s.waiting,
        coalesce(extract(epoch FROM clock_timestamp() - s.statement), 0)::float8, s.hidden,
        d.xact_commit + d.xact_rollback, d.blks_hit, d.blks_read,
        current_setting('max_connections')::float8,
        (coalesce(extract(epoch FROM d.stats_reset), 0) + extract(epoch FROM pg_postmaster_start_time()))::float8,
        coalesce(extract(epoch FROM clock_timestamp() - s.blocked), 0)::float8,
        coalesce(extract(epoch FROM clock_timestamp() - s.idling), 0)::float8,
        coalesce(extract(epoch FROM clock_timestamp() - s.transaction), 0)::float8,
        (SELECT json_agg(json_build_array(application_name, used, idle))::text
            FROM (SELECT application_name, count(*) FILTER (WHERE state IS DISTINCT FROM 'idle') AS used,
                    count(*) FILTER (WHERE state = 'idle') AS idle
                FROM a WHERE client AND a.datid = d.datid
                    AND application_name NOT IN ('', 'perfdeck-load', 'perfdeck-pool', 'perfdeck-change')
                GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 33) p)
        $FLUSH
    FROM s, pg_stat_database d WHERE d.datname = current_database()";

/// Whether a session can be made to tell its statistics at the end of its transaction; others do within a second or so.
pub(crate) fn tells_at_once(c: &Session) -> bool {
    c.server_version_num().is_some_and(|v| v >= 150_000)
}

pub(crate) async fn read(c: &mut Session, address: &Address) -> Result<Reading, sqlx::Error> {
    let sql = ACTIVITY.replace("$FLUSH", if tells_at_once(c) { ", pg_stat_force_next_flush()" } else { "" });
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(c).await?;
    let n = |i: usize| row.try_get::<i64, _>(i).map(|n| n as f64);
    let counters =
        Counters { at: Moment::default(), epoch: row.try_get(14)?, transactions: n(10)?, hits: n(11)?, reads: n(12)? };
    let mut reading = Reading {
        counters: Some(counters),
        limits: BTreeMap::from([("max_connections".to_owned(), row.try_get(13)?)]),
        own: 1.0,
        requests: 1,
        ..Reading::default()
    };
    let hidden: i64 = row.try_get(9)?;
    if hidden > 0 {
        reading.broken.push(crate::reading::hidden(Some(hidden), address));
        // What is visible is a part of unknown size: better no figure than a wrong one.
        reading.warning = Some(
            ApiError::new(
                ErrorCode::Privilege,
                format!("{} sessions of other users are hidden, so sessions and waits are not shown", count(hidden)),
            )
            .hint(grant(address)),
        );
        return Ok(reading);
    }
    reading.long = Long { blocked_s: row.try_get(15)?, idle_s: row.try_get(16)?, transaction_s: row.try_get(17)? };
    let applications = row.try_get::<Option<&str>, _>(18)?.unwrap_or("[]");
    reading.applications = serde_json::from_str(applications).ok();
    let waits = |kind| series("database.waits", &[("type", kind)], Unit::Count);
    reading.values = vec![
        (connections("active"), n(0)?),
        (connections("idle"), n(1)?),
        (connections("idle_in_transaction"), n(2)?),
        (waits("cpu"), n(3)?),
        (waits("io"), n(4)?),
        (waits("lock"), n(5)?),
        (waits("other"), n(6)?),
        (series("database.locks.waiting", &[], Unit::Count), n(7)?),
        (series("database.locks.longest", &[], Unit::Seconds), row.try_get::<f64, _>(15)?.max(0.0)),
        (series("database.query.longest", &[], Unit::Seconds), row.try_get::<f64, _>(8)?.max(0.0)),
        oldest_transaction(row.try_get(17)?),
    ];
    Ok(reading)
}

/// Tables that are read whole again and again. Ranked by rows read, not by the number of scans: scans of small tables
/// are fine, and building an index is one scan that counts too. The share is of all rows that were read from any table.
const SCANS: &str = "
    WITH t AS (
        SELECT *, (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables) AS all_read
        FROM pg_stat_user_tables)
    SELECT format('%I.%I', schemaname, relname), seq_scan, seq_tup_read, n_live_tup, coalesce(idx_scan, 0),
           (seq_tup_read / greatest(all_read, 1))::float8,
           (SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8
            FROM pg_stat_database WHERE datname = current_database())
    FROM t
    WHERE n_live_tup > 10000 AND seq_tup_read >= 8 * n_live_tup
      AND seq_scan >= 10 + (SELECT count(*) FROM pg_index i WHERE i.indrelid = t.relid)
      AND seq_scan > coalesce(idx_scan, 0) / 10
      AND seq_tup_read / seq_scan > 1000
    ORDER BY seq_tup_read DESC LIMIT 5";

/// What is broken; and, when it is `thorough`, the size and what the catalogue shows, which takes the longer the more it holds.
pub(crate) async fn slow(c: &mut Session, address: &Address, thorough: bool) -> Result<Slow, sqlx::Error> {
    let (mut size, mut found, mut asked) = (None, None, 0);
    if thorough {
        let row = sqlx::raw_sql("SELECT pg_database_size(current_database())").fetch_one(&mut *c).await?;
        size = Some(row.try_get::<i64, _>(0)? as f64);
        let mut all = findings(c).await?;
        let (indexes, statements) = indexes(c).await?;
        all.extend(indexes);
        asked = statements + 2;
        found = Some(all);
    }
    let broken = health::broken(c, address).await?;
    let asked = asked + health::BROKEN_REQUESTS;
    let own = if tells_at_once(c) {
        // All of it is told before the counters are read again.
        sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut *c).await?;
        0.0
    } else {
        f64::from(asked)
    };
    Ok(Slow { size, findings: found, broken, own, requests: asked + 1 })
}

async fn findings(c: &mut Session) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    for row in sqlx::raw_sql(SCANS).fetch_all(&mut *c).await? {
        let name: String = row.try_get(0)?;
        let n = |i: usize| row.try_get::<i64, _>(i);
        let (part, observed): (f64, f64) = (row.try_get(5)?, row.try_get::<Option<f64>, _>(6)?.unwrap_or(0.0));
        let mut found = finding(
            "sequential_scan",
            &name,
            format!("Sequential scans on `{name}`"),
            format!(
                "{} scans read {} rows, {} of all rows read; {} live rows, {} index scans; observed for {}",
                count(n(1)?),
                count(n(2)?),
                share(part),
                count(n(3)?),
                count(n(4)?),
                span(observed)
            ),
            part.clamp(0.0, 1.0),
            "Review index",
        ).because(
            Proof::new(
                "more than 10\u{202f}000 live rows, read as a whole 8 times over or more, with more than a tenth as many scans as \
                 index scans and more than 1\u{202f}000 rows a scan",
                "Find the statement that reads all of it, in the list of what runs now or in pg_stat_statements; an index over \
                 the columns it filters by lets it read its own rows only",
            )
            .value("scans", count(n(1)?))
            .value("rows read by them", count(n(2)?))
            .value("share of all rows read", share(part))
            .value("live rows", count(n(3)?))
            .value("index scans", count(n(4)?))
            .observed(Some(words::plural(n(1)?, "scan")), Some(observed))
            .statement(
                "Shows the same figures",
                format!(
                    "SELECT seq_scan, seq_tup_read, n_live_tup, idx_scan FROM pg_stat_user_tables WHERE relid = '{}'::regclass;",
                    name.replace('\'', "''")
                ),
            )
            .step("Ask for advice on indexes", FindingTarget::DatabaseAdvice)
            .step("Show what runs now", FindingTarget::Database),
        );
        found.action.opens = FindingTarget::DatabaseAdvice;
        findings.push(found);
    }
    Ok(findings)
}

/// Indexes that another one repeats or that are not valid, as findings; with how many statements that took. The catalogue alone
/// is asked, and of a large one only those that may be alike.
async fn indexes(c: &mut Session) -> Result<(Vec<Finding>, u32), sqlx::Error> {
    let version = c.server_version_num().unwrap_or(120_000);
    let (indexes, _, asked) = postgres_catalogue(c, version, Scope::MaybeAlike).await?;
    let mut reading = IndexReading { indexes, ..IndexReading::of(Scheme::Postgres) };
    let (_, looked) = mark_work(c, &mut reading.indexes).await?;
    let found = of_catalogue(&reading).into_iter().take(MOST_FOUND).map(|told| told.finding);
    Ok((found.collect(), asked + looked))
}

/// A time span for a person.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
