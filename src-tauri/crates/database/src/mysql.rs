//! What is read from MySQL and MariaDB.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, Clock, ErrorCode, Finding, IndexFindingKind, Scheme, Unit};
use perfdeck_sqltext::{Dialect, quote_text};
use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use crate::activity::Long;
use crate::error::explain;
use crate::hints::grant;
use crate::indexes::mysql_catalogue;
use crate::indexes::rules::of_catalogue;
use crate::own;
use crate::reading::{Counters, Moment, Reading, Slow, connections, oldest_transaction, series};

/// What is known about the server behind a connection.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether PROCESS is granted; not known before the first reading.
    process: Option<bool>,
    /// Whether performance_schema counts transactions; not known before the first reading.
    counted: Option<bool>,
    /// Start of the server, derived once: recomputing it every second would wobble by a second.
    started: Option<(f64, f64)>,
    transactions: Transactions,
}

/// A text column: MariaDB and MySQL differ in whether information_schema has text or bytes.
pub(crate) fn text(row: &MySqlRow, i: usize) -> Option<String> {
    row.try_get::<Option<String>, _>(i).ok().flatten().or_else(|| {
        let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(i).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// Tables of this database with their engine, in the order that the server compares names by.
pub(crate) async fn tables(c: &mut MySqlConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT table_name, engine FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name",
    )
    .fetch_all(c)
    .await?;
    Ok(rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1).unwrap_or_default()))).collect())
}

/// A condition on the information schema for some of [`tables`], one after the other: a server opens no table outside of it, so
/// that a page takes a part of the time. Names that differ in case alone may be on both sides of a page's end.
pub(crate) fn between(page: &[(String, String)]) -> String {
    let name = |of: Option<&(String, String)>| quote_text(of.map_or("", |(name, _)| name), Dialect::Mysql);
    format!("table_name >= {} AND table_name <= {}", name(page.first()), name(page.last()))
}

/// Sessions of others: active, idle in a transaction, all, waiting for a metadata lock, longest statement in seconds, longest
/// wait for a lock, those whose transaction was open before and may have worked in the last second, and how long the longest has
/// been idle in a transaction, and in one at all. InnoDB tells times in the server's own zone, whatever the session's is.
/// `$OWN` are Perfdeck's own sessions.
const SESSIONS: &str = "
    SELECT CAST(COALESCE(SUM(p.command NOT IN ('Sleep', 'Binlog Dump', 'Binlog Dump GTID')), 0) AS SIGNED),
           CAST(COALESCE(SUM(p.command = 'Sleep' AND t.trx_id IS NOT NULL), 0) AS SIGNED),
           CAST(COUNT(*) AS SIGNED),
           CAST(COALESCE(SUM(p.state LIKE 'Waiting for%lock'), 0) AS SIGNED),
           CAST(COALESCE(MAX(IF(p.command IN ('Query', 'Execute', 'Prepare'), p.time, 0)), 0) AS DOUBLE),
           CAST(COALESCE(MAX(GREATEST(IF(p.state LIKE 'Waiting for%lock', p.time, 0),
                COALESCE(TIMESTAMPDIFF(SECOND, t.trx_wait_started, n.here), 0))), 0) AS DOUBLE),
           CAST(COALESCE(SUM(t.trx_autocommit_non_locking = 0
                AND IF(p.command = 'Sleep', p.time <= 1, t.trx_started < n.here)), 0) AS SIGNED),
           CAST(COALESCE(MAX(IF(p.command = 'Sleep' AND t.trx_id IS NOT NULL, p.time, 0)), 0) AS DOUBLE),
           CAST(COALESCE(MAX(TIMESTAMPDIFF(SECOND, t.trx_started, n.here)), 0) AS DOUBLE)
    FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id
    CROSS JOIN (SELECT CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM') AS here) n
    WHERE p.id <> CONNECTION_ID() AND p.id NOT IN ($OWN) AND p.command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
      AND p.user NOT IN ('system user', 'event_scheduler')";

/// The question about [`SESSIONS`], without Perfdeck's own.
fn sessions_of_others(address: &Address) -> String {
    let own: Vec<String> = own::sessions(address).iter().map(i64::to_string).collect();
    SESSIONS.replace("$OWN", if own.is_empty() { "0".to_owned() } else { own.join(", ") }.as_str())
}

pub(crate) async fn read(
    c: &mut MySqlConnection,
    address: &Address,
    state: &mut State,
    clock: &dyn Clock,
) -> Result<Reading, sqlx::Error> {
    let asked_ms = clock.monotonic_ms();
    let rows = sqlx::raw_sql(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', 'Handler_commit',
         'Com_begin', 'Com_commit', 'Com_rollback', 'Com_xa_commit', 'Com_xa_rollback', 'Com_insert', 'Com_update',
         'Com_delete', 'Com_replace', 'Com_insert_select', 'Com_replace_select', 'Com_update_multi',
         'Com_delete_multi', 'Com_load', 'Innodb_max_trx_id', 'Innodb_buffer_pool_read_requests',
         'Innodb_buffer_pool_reads', 'Innodb_row_lock_current_waits', 'Uptime')",
    )
    .fetch_all(&mut *c)
    .await?;
    let at = Moment { asked_ms, answered_ms: clock.monotonic_ms() };
    let status: BTreeMap<String, f64> =
        rows.iter().filter_map(|r| Some((text(r, 0)?, text(r, 1)?.parse().ok()?))).collect();
    let get = |name: &str| status.get(name).copied();
    let limit = sqlx::raw_sql("SELECT CAST(@@max_connections AS SIGNED)").fetch_one(&mut *c).await?;
    let limit: i64 = limit.try_get(0)?;
    let mut reading = Reading {
        limits: BTreeMap::from([("max_connections".to_owned(), limit as f64)]),
        requests: 3,
        ..Reading::default()
    };
    let locks = series("database.locks.waiting", &[], Unit::Count);
    let (mut sessions, mut open) = (None, None);
    if state.process != Some(false) {
        match sqlx::raw_sql(sqlx::AssertSqlSafe(sessions_of_others(address))).fetch_one(&mut *c).await {
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
        open = Some(n(6)? > 0.0);
        reading.values.push((connections("active"), active));
        reading.values.push((connections("idle"), (all - active - in_transaction).max(0.0)));
        reading.values.push((connections("idle_in_transaction"), in_transaction));
        reading.values.push((series("database.query.longest", &[], Unit::Seconds), row.try_get::<f64, _>(4)?.max(0.0)));
        let longest = series("database.locks.longest", &[], Unit::Seconds);
        let blocked_s = row.try_get::<f64, _>(5)?.max(0.0);
        reading.values.push((longest, blocked_s));
        reading.long = Long { blocked_s, idle_s: row.try_get(7)?, transaction_s: row.try_get(8)? };
        reading.values.push(oldest_transaction(reading.long.transaction_s));
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
        reading.broken.push(crate::reading::hidden(None, address));
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
        let began = asked_ms - uptime * 1e3;
        match state.started {
            Some((start, last)) if uptime >= last => state.started = Some((start, uptime)),
            _ => state.started = Some((began, uptime)),
        }
    }
    let epoch = state.started.map_or(0.0, |(start, _)| start);
    let exact = if state.counted == Some(false) {
        None
    } else {
        reading.requests += 1;
        let exact = counted(c).await;
        // What cannot be read now will not be later: it needs another setting or another privilege.
        state.counted = Some(exact.is_some());
        exact
    };
    let sum = |names: &[&str]| names.iter().filter_map(|n| get(n)).sum::<f64>();
    let status = Status {
        begun: sum(&["Com_begin"]),
        ended: sum(&["Com_commit", "Com_rollback", "Com_xa_commit", "Com_xa_rollback"]),
        committed: sum(&["Handler_commit"]),
        writes: sum(&[
            "Com_insert",
            "Com_update",
            "Com_delete",
            "Com_replace",
            "Com_insert_select",
            "Com_replace_select",
            "Com_update_multi",
            "Com_delete_multi",
            "Com_load",
        ]),
        ids: get("Innodb_max_trx_id"),
    };
    let transactions = exact.unwrap_or_else(|| state.transactions.until(at.answered_ms, epoch, status, open));
    if let (Some(requests), Some(reads)) = (get("Innodb_buffer_pool_read_requests"), get("Innodb_buffer_pool_reads")) {
        reading.counters = Some(Counters { at, epoch, transactions, hits: (requests - reads).max(0.0), reads });
    }
    Ok(reading)
}

/// Transactions since the start as performance_schema counts them, explicit and autocommitted; `None` where it does not:
/// MySQL does by default since 8.0, MariaDB only when told to.
async fn counted(c: &mut MySqlConnection) -> Option<f64> {
    let row = sqlx::raw_sql(
        "SELECT CAST(SUM(count_star) AS SIGNED) FROM performance_schema.events_transactions_summary_global_by_event_name
         WHERE 'YES' = (SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'transaction')
           AND 'YES' = (SELECT enabled FROM performance_schema.setup_consumers WHERE name = 'global_instrumentation')",
    )
    .fetch_one(c)
    .await
    .ok()?;
    row.try_get::<Option<i64>, _>(0).ok().flatten().map(|n| n as f64)
}

/// What the server's status says about transactions since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Status {
    /// Transactions begun by name.
    begun: f64,
    /// Transactions ended by name.
    ended: f64,
    /// Statements that touched a table of a transactional engine, and ends of transactions that had one.
    committed: f64,
    /// Statements that write.
    writes: f64,
    /// InnoDB's newest transaction number: each transaction that writes takes two. MariaDB tells it, MySQL does not.
    ids: Option<f64>,
}

/// Counts transactions where the server has no counter of its own for them.
///
/// `Com_commit` misses autocommitted statements; `Handler_commit` counts every statement within a transaction as well.
/// While no transaction is begun, ended or open by name, every statement is one of its own. What the two leave open
/// otherwise is decided over the last minute: transactions that wrote are known by InnoDB's numbers, and reads are taken as
/// within the named ones, unless there are more of them than named transactions plausibly hold ([`MOST_READS`]).
#[derive(Debug, Default)]
struct Transactions {
    last: Option<(f64, Status)>,
    /// Begun or ended by name, and reads, over about the last minute.
    named: f64,
    reads: f64,
    /// When one was last begun or ended by name.
    named_ms: Option<f64>,
    at_ms: f64,
    sum: f64,
}

/// More reads than this for each named transaction are taken as autocommitted. The mixes of sysbench have 14.
const MOST_READS: f64 = 100.0;
/// Time over which named transactions are remembered, in milliseconds.
const MEMORY_MS: f64 = 60_000.0;
/// Where open transactions cannot be seen, none is taken to go on for longer than this after the last sign of one.
const UNSEEN_MS: f64 = 5_000.0;

impl Transactions {
    /// A counter that grows by what was done since the last call. `open` says whether a transaction that was begun before is
    /// still at work; `None` where that cannot be seen.
    fn until(&mut self, at_ms: f64, epoch: f64, now: Status, open: Option<bool>) -> f64 {
        let Some((_, before)) = self.last.replace((epoch, now)).filter(|(e, _)| (*e - epoch).abs() < 1e-6) else {
            *self = Self { last: self.last, at_ms, ..Self::default() };
            return self.sum;
        };
        let gained = |now: f64, before: f64| (now - before).max(0.0);
        let ended = gained(now.ended, before.ended);
        let named = ended.max(gained(now.begun, before.begun));
        let writes = gained(now.writes, before.writes);
        let committed = gained(now.committed, before.committed);
        let reads = (committed - ended - writes).max(0.0);
        if named > 0.5 {
            self.named_ms = Some(at_ms);
        }
        let open = open.unwrap_or_else(|| self.named_ms.is_some_and(|last| at_ms - last < UNSEEN_MS));
        if named < 0.5 && !open {
            // What was begun by name is over, and with it what was known of such transactions.
            (self.named, self.reads) = (0.0, 0.0);
        }
        let keep = (-(at_ms - self.at_ms).max(0.0) / MEMORY_MS).exp();
        self.named = self.named * keep + named;
        self.reads = self.reads * keep + reads;
        self.at_ms = at_ms;
        self.sum += if self.named < 0.5 {
            committed
        } else {
            // A transaction that writes has at least one statement that does; the server's own have none.
            let wrote = match now.ids.zip(before.ids) {
                Some((now, before)) => (gained(now, before) / 2.0).floor().min(writes),
                None => 0.0,
            };
            let alone = if self.reads > MOST_READS * self.named { reads } else { 0.0 };
            ended.max(wrote) + alone
        };
        self.sum
    }
}

pub(crate) async fn slow(c: &mut MySqlConnection, scheme: Scheme) -> Result<Slow, sqlx::Error> {
    let size: Option<f64> = sqlx::query_scalar(
        "SELECT CAST(SUM(data_length + index_length) AS DOUBLE) FROM information_schema.tables
         WHERE table_schema = DATABASE()",
    )
    .fetch_one(&mut *c)
    .await?;
    Ok(Slow { size, findings: Some(duplicates(c, scheme).await?), requests: 2, ..Slow::default() })
}

/// Indexes that repeat another one, as findings.
async fn duplicates(c: &mut MySqlConnection, scheme: Scheme) -> Result<Vec<Finding>, sqlx::Error> {
    let told = of_catalogue(&mysql_catalogue(c, scheme).await?);
    let told = told.into_iter().filter(|told| told.kind == IndexFindingKind::Duplicate);
    Ok(told.take(20).map(|told| told.finding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions that these seconds of work count as, one by one, where open ones cannot be seen.
    fn counts(seconds: &[Status]) -> Vec<f64> {
        counts_beside(None, seconds)
    }

    fn counts_beside(open: Option<bool>, seconds: &[Status]) -> Vec<f64> {
        let (mut transactions, mut now, mut last) = (Transactions::default(), Status::default(), 0.0);
        now.ids = Some(0.0);
        transactions.until(0.0, 1.0, now, open);
        let mut out = Vec::new();
        for (i, second) in seconds.iter().enumerate() {
            now.begun += second.begun;
            now.ended += second.ended;
            now.committed += second.committed;
            now.writes += second.writes;
            now.ids = now.ids.zip(second.ids).map(|(a, b)| a + b);
            let at = f64::from(u32::try_from(i + 1).unwrap_or(0)) * 1e3;
            let sum = transactions.until(at, 1.0, now, open);
            out.push(sum - last);
            last = sum;
        }
        out
    }

    fn second(named: f64, committed: f64, writes: f64, ids: f64) -> Status {
        Status { begun: named, ended: named, committed, writes, ids: Some(ids) }
    }

    #[test]
    fn transactions_are_counted_once() {
        // Fifty of sysbench: 14 reads, 4 writes, begin and commit.
        let sysbench = second(50.0, 50.0 * 19.0, 200.0, 100.0);
        assert_eq!(counts(&[sysbench; 3]), [50.0; 3], "statements within a transaction are not transactions");
        assert_eq!(counts(&[second(0.0, 700.0, 0.0, 0.0); 2]), [700.0; 2], "each autocommitted read is one");
        assert_eq!(counts(&[second(0.0, 300.0, 300.0, 600.0); 2]), [300.0; 2], "each autocommitted write too");
        let both = second(20.0, 20.0 * 4.0 + 100.0, 20.0 * 3.0 + 100.0, 240.0);
        assert_eq!(counts(&[both; 2]), [120.0; 2], "20 transactions of three writes, and 100 writes beside them");
        let reading = second(1.0, 1_001.0, 0.0, 0.0);
        assert_eq!(counts(&[reading; 2]), [1_001.0; 2], "a thousand reads are not within one transaction a second");
        assert_eq!(counts(&[second(0.0, 0.0, 0.0, 7.0)]), [0.0], "what the server does by itself is none");
        let after = counts(&[sysbench, second(0.0, 0.0, 0.0, 0.0), second(0.0, 36.0, 8.0, 0.0), sysbench]);
        assert_eq!(after, [50.0, 0.0, 0.0, 50.0], "transactions that are open count when they end");
        let points = second(0.0, 200.0, 0.0, 0.0);
        let seen = counts_beside(Some(false), &[sysbench, points, sysbench, points]);
        assert_eq!(seen, [50.0, 200.0, 50.0, 200.0], "each autocommitted read is one also after named transactions");
        let seen = counts_beside(Some(true), &[sysbench, points, points]);
        assert_eq!(seen, [50.0, 0.0, 0.0], "reads beside one that is open may be its own");
        let unseen = counts(&[[sysbench; 1].as_slice(), &[points; 6]].concat());
        assert_eq!(unseen, [50.0, 0.0, 0.0, 0.0, 0.0, 200.0, 200.0], "which is not taken to last where it is not seen");
    }

    #[test]
    fn a_restart_counts_anew() {
        let mut t = Transactions::default();
        t.until(0.0, 1.0, second(0.0, 1_000.0, 0.0, 0.0), None);
        assert_eq!(t.until(1_000.0, 2.0, second(0.0, 5.0, 0.0, 0.0), None), 0.0, "nothing is known of before");
    }
}
