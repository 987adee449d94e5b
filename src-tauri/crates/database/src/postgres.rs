//! What is read from PostgreSQL.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, ErrorCode, Finding, FindingTarget, Proof, Unit};
use perfdeck_words as words;
use perfdeck_words::{bytes, count, share};
use sqlx::Row;

use crate::activity::Long;
use crate::health;
use crate::hints::grant;
use crate::reading::{Counters, Moment, Reading, Slow, connections, duplicate, finding, oldest_transaction, series};
use crate::session::Session;

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

/// Valid B-trees that another one covers: same leading columns, operator classes, collations, directions, expressions
/// and predicate. Those that enforce something (primary key, unique, constraint, replica identity) are kept. Of two
/// exact copies, with the same options but fillfactor, the younger is reported. Column sizes come from the catalogue, which never blocks.
const DUPLICATES: &str = "
    WITH ix AS (
        SELECT i.indexrelid, i.indrelid, i.indnkeyatts, i.indisunique, i.indisreplident, c.relname, c.relpages,
            n.nspname, t.relname AS table_name,
            (string_to_array(i.indkey::text, ' '))[1:i.indnkeyatts] AS k,
            (string_to_array(i.indkey::text, ' '))[i.indnkeyatts + 1:] AS inc,
            string_to_array(i.indclass::text, ' ') AS cl, string_to_array(i.indcollation::text, ' ') AS co,
            (string_to_array(i.indoption::text, ' '))[1:i.indnkeyatts] AS op,
            coalesce(i.indexprs::text, '') AS ex, coalesce(i.indpred::text, '') AS pr,
            ARRAY(SELECT o FROM unnest(c.reloptions) o WHERE o NOT LIKE 'fillfactor=%' ORDER BY o) AS ro,
            ARRAY(SELECT coalesce(array_to_string(a.attoptions, ', '), '') FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum BETWEEN 1 AND i.indnkeyatts ORDER BY a.attnum) AS ao,
            EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conindid = i.indexrelid) AS con
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
        JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE i.indisvalid AND m.amname = 'btree' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
    SELECT DISTINCT ON (a.indexrelid)
        format('%I.%I', a.nspname, a.relname), format('%I.%I', b.nspname, b.relname), a.k = b.k AND a.inc = b.inc,
        a.relpages::float8 * current_setting('block_size')::float8, format('%I.%I', a.nspname, a.table_name)
    FROM ix a JOIN ix b ON a.indrelid = b.indrelid AND a.indexrelid <> b.indexrelid AND a.pr = b.pr AND a.ex = b.ex
    WHERE a.k = b.k[1:a.indnkeyatts] AND a.cl[1:a.indnkeyatts] = b.cl[1:a.indnkeyatts]
      AND a.co[1:a.indnkeyatts] = b.co[1:a.indnkeyatts] AND a.op = b.op[1:a.indnkeyatts] AND a.inc <@ (b.k || b.inc)
      AND a.ao = b.ao[1:a.indnkeyatts] AND (a.ro = b.ro OR NOT (a.k = b.k AND a.inc = b.inc))
      AND NOT a.con AND NOT a.indisreplident AND NOT a.indisunique
      AND NOT (a.k = b.k AND a.inc = b.inc AND NOT b.con AND NOT b.indisunique AND NOT b.indisreplident
               AND a.indexrelid < b.indexrelid)
    ORDER BY a.indexrelid, (a.k = b.k AND a.inc = b.inc) DESC, b.indexrelid LIMIT 20";

const INVALID: &str = "
    SELECT format('%I.%I', n.nspname, c.relname), c.relpages::float8 * current_setting('block_size')::float8,
           i.indisready
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i'
      AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) LIMIT 20";

/// What is broken; and, when it is `thorough`, the size and what the catalogue shows, which takes the longer the more it holds.
pub(crate) async fn slow(c: &mut Session, address: &Address, thorough: bool) -> Result<Slow, sqlx::Error> {
    let (mut size, mut found) = (None, None);
    if thorough {
        let row = sqlx::raw_sql("SELECT pg_database_size(current_database())").fetch_one(&mut *c).await?;
        size = Some(row.try_get::<i64, _>(0)? as f64);
        found = Some(findings(c).await?);
    }
    let broken = health::broken(c, address).await?;
    let asked = if thorough { 4 } else { 0 } + health::BROKEN_REQUESTS;
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
        findings.push(finding(
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
            .step("Show what runs now", FindingTarget::Database),
        ));
    }
    for row in sqlx::raw_sql(DUPLICATES).fetch_all(&mut *c).await? {
        let (a, b, table): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(4)?);
        let (exact, size): (bool, f64) = (row.try_get(2)?, row.try_get(3)?);
        let size = if size > 0.0 { format!("{}, ", bytes(size)) } else { String::new() };
        let evidence = format!("{size}written with every insert into `{table}`; the other serves the same queries");
        let rule = "a valid B-tree that enforces nothing, whose columns, operator classes, order and condition another index has too";
        let proof = Proof::new(rule, "Drop it: the other one answers the same queries, and writes get cheaper")
            .value("index", a.clone())
            .value("covered by", b.clone())
            .value("table", table.clone())
            .value("size", if size.is_empty() { "0 B".to_owned() } else { size.trim_end_matches(", ").to_owned() })
            .statement("Drops it without blocking writes", format!("DROP INDEX CONCURRENTLY {a};"));
        findings.push(if exact {
            duplicate(&a, format!("`{a}` repeats `{b}`"), evidence, proof)
        } else {
            let title = format!("`{a}` is the beginning of `{b}`");
            finding("redundant_index", &a, title, evidence, 0.05, "Review index").because(proof)
        });
    }
    for row in sqlx::raw_sql(INVALID).fetch_all(&mut *c).await? {
        let (name, size, ready): (String, f64, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let written = if ready { "maintained on every write and used by no query" } else { "used by no query" };
        findings.push(
            finding(
                "invalid_index",
                &name,
                format!("`{name}` is invalid"),
                format!("{}, {written}; left by an index build that failed", bytes(size)),
                0.1,
                "Review index",
            )
            .because(
                Proof::new(
                    "the server calls the index invalid, and none is being built",
                    "Build it again, or drop it when nobody needs it",
                )
                .value("size", bytes(size))
                .value("maintained on writes", if ready { "yes" } else { "no" })
                .statement("Builds it again", format!("REINDEX INDEX CONCURRENTLY {name};"))
                .statement("Drops it", format!("DROP INDEX CONCURRENTLY {name};")),
            ),
        );
    }
    Ok(findings)
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
