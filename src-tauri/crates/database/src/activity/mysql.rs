//! What MySQL and MariaDB tell of their sessions.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_model::{Address, ErrorCode, Maintenance, WaitClass};
use perfdeck_sqltext::Dialect;
use sqlx::Row as _;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::facts::{SessionFacts, Wait};
use super::metadata::{self, MetadataLock};
use super::reader::{Found, State};
use super::texts::Texts;
use super::xa;
use super::{HOLDERS, SESSIONS};
use crate::error::explain;
use crate::hints::grant;
use crate::mysql::text;
use crate::own;

/// Readings between two questions whether PROCESS was granted meanwhile.
const ASK_AGAIN: u32 = 10;
/// Times that differ by less than this, in milliseconds, are of the same moment: the server tells ages in whole seconds or in
/// milliseconds of its own.
const SAME_MS: f64 = 1_500.0;

/// What is known about the server behind a connection.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Product and start of the server; not known before the first reading.
    server: Option<Server>,
    /// Whether PROCESS is granted, and how many readings ago that was asked.
    process: Option<(bool, u32)>,
    /// Whether metadata locks can be read.
    metadata: Option<bool>,
}

/// A server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) mariadb: bool,
    /// When it started, in seconds since the Unix epoch by its own clock, right to a second or two.
    pub(crate) started_s: i64,
}

/// Asks what it is.
pub(super) async fn server(c: &mut MySqlConnection) -> Result<Server, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut *c).await?;
    let row = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Uptime'").fetch_one(&mut *c).await?;
    let uptime: i64 = text(&row, 1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let now: i64 = sqlx::query_scalar("SELECT CAST(UNIX_TIMESTAMP() AS SIGNED)").fetch_one(c).await?;
    Ok(Server { mariadb: version.contains("MariaDB"), started_s: now - uptime })
}

/// Who is left out of every list: the server's own threads, and Perfdeck's sessions.
fn others(address: &Address) -> String {
    let own: Vec<String> = own::sessions(address).iter().map(i64::to_string).collect();
    let own = if own.is_empty() { String::new() } else { format!(" AND p.id NOT IN ({})", own.join(", ")) };
    format!(
        "p.id <> CONNECTION_ID(){own} AND p.command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
         AND p.user NOT IN ('system user', 'event_scheduler')"
    )
}

/// The sessions. InnoDB tells times in the server's own zone, whatever the session's is.
fn question(server: Server, process: bool, address: &Address) -> String {
    let time = if server.mariadb { "p.time_ms" } else { "p.time * 1000" };
    let progress = if server.mariadb {
        "CAST(p.progress AS DOUBLE), CAST(p.stage AS SIGNED), CAST(p.max_stage AS SIGNED)"
    } else {
        "NULL, NULL, NULL"
    };
    let (transactions, join) = if process {
        (
            "CAST(TIMESTAMPDIFF(MICROSECOND, t.trx_started, n.here) / 1000 AS DOUBLE),
             CAST(TIMESTAMPDIFF(MICROSECOND, t.trx_wait_started, n.here) / 1000 AS DOUBLE),
             CAST(t.trx_rows_locked AS DOUBLE), CAST(t.trx_rows_modified AS DOUBLE)",
            "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id
             CROSS JOIN (SELECT CONVERT_TZ(NOW(6), @@session.time_zone, 'SYSTEM') AS here) n",
        )
    } else {
        ("NULL, NULL, NULL, NULL", "")
    };
    let (processlist, others) = ("information_schema.processlist", others(address));
    format!(
        "SELECT CAST(p.id AS SIGNED), p.user, p.db, p.host, p.command, p.state, CAST({time} AS DOUBLE),
                LEFT(p.info, 2000), {progress}, {transactions},
                CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS DOUBLE)
         FROM {processlist} p {join}
         WHERE {others} AND p.command NOT IN ('Binlog Dump', 'Binlog Dump GTID')
         ORDER BY p.command = 'Sleep', p.time DESC LIMIT {}",
        SESSIONS + 1
    )
}

/// Who waits for a row lock of whom.
fn row_locks(server: Server) -> &'static str {
    if server.mariadb {
        "SELECT CAST(r.trx_mysql_thread_id AS SIGNED), CAST(b.trx_mysql_thread_id AS SIGNED), l.lock_table, l.lock_type
         FROM information_schema.innodb_lock_waits w
         JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
         JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id
         LEFT JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id LIMIT 32000"
    } else {
        "SELECT CAST(r.processlist_id AS SIGNED), CAST(b.processlist_id AS SIGNED),
                CONCAT(l.object_schema, '.', l.object_name), l.lock_type
         FROM performance_schema.data_lock_waits w
         JOIN performance_schema.threads r ON r.thread_id = w.requesting_thread_id
         JOIN performance_schema.threads b ON b.thread_id = w.blocking_thread_id
         LEFT JOIN performance_schema.data_locks l
             ON l.engine = w.engine AND l.engine_lock_id = w.requesting_engine_lock_id LIMIT 32000"
    }
}

/// What is asked for and not held yet, and all locks on the same.
const METADATA: &str = "
    SELECT CAST(t.processlist_id AS SIGNED), l.object_type, CONCAT_WS('.', l.object_schema, l.object_name), l.lock_type, l.lock_status
    FROM performance_schema.metadata_locks w
    JOIN performance_schema.metadata_locks l ON l.object_type = w.object_type AND l.object_schema <=> w.object_schema
        AND l.object_name <=> w.object_name
    JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id
    WHERE w.lock_status = 'PENDING' AND t.processlist_id IS NOT NULL LIMIT 32000";

/// What makes the server list metadata locks; those of transactions from before stay untold.
const METADATA_INSTRUMENT: &str =
    "UPDATE performance_schema.setup_instruments SET enabled = 'YES' WHERE name = 'wait/lock/metadata/sql/mdl';";

fn metadata_locks(rows: &[MySqlRow]) -> Result<Vec<MetadataLock>, sqlx::Error> {
    let lock = |row: &MySqlRow| {
        let cell = |i: usize| text(row, i).ok_or_else(|| sqlx::Error::ColumnNotFound(i.to_string()));
        Ok(MetadataLock {
            pid: row.try_get(0)?,
            on: (cell(1)?, text(row, 2).filter(|name| !name.is_empty())),
            strength: cell(3)?,
            granted: cell(4)? == "GRANTED",
        })
    };
    rows.iter().map(lock).collect()
}

/// What the server's words for a session's state say that it waits for, where that is a lock.
fn lock_of(state: &str) -> Option<&str> {
    match state {
        "User lock" => Some("user"),
        "Waiting for table flush" => Some("table flush"),
        state => state.strip_prefix("Waiting for ")?.strip_suffix(" lock"),
    }
}

/// Connections that are not in the process list of this user: without PROCESS it has only the user's own. `None` when the
/// server does not tell how many there are.
async fn hidden(c: &mut MySqlConnection) -> Result<Option<u32>, sqlx::Error> {
    let row = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").fetch_optional(&mut *c).await?;
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
    Ok(Some(u32::try_from((connected - seen).max(0)).unwrap_or(u32::MAX)))
}

/// Whether PROCESS is granted to this user or to a role that it has.
pub(super) async fn granted(c: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let granted =
        "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'";
    Ok(sqlx::query_scalar::<_, i64>(granted).fetch_one(c).await? > 0)
}

/// Reads the sessions.
pub(super) async fn read(c: &mut MySqlConnection, state: &mut State, address: &Address) -> Result<Found, sqlx::Error> {
    let server = match state.mysql.server {
        Some(server) => server,
        None => *state.mysql.server.insert(server(c).await?),
    };
    let may = match state.mysql.process {
        Some((true, _)) => true,
        Some((false, asked)) if asked < ASK_AGAIN => {
            state.mysql.process = Some((false, asked + 1));
            false
        }
        _ => {
            let may = granted(c).await?;
            state.mysql.process = Some((may, 0));
            may
        }
    };
    let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(question(server, may, address))).fetch_all(&mut *c).await;
    let (rows, may) = match asked {
        // What information_schema says of privileges and what the server lets through may differ.
        Err(error) if may && explain(address, &error).code == ErrorCode::Privilege => {
            state.mysql.process = Some((false, 0));
            (sqlx::raw_sql(sqlx::AssertSqlSafe(question(server, false, address))).fetch_all(&mut *c).await?, false)
        }
        other => (other?, may),
    };
    let mut found = Found::default();
    let mut waiting: HashMap<i64, Option<f64>> = HashMap::new();
    for row in rows.iter().take(SESSIONS) {
        session(row, server, state, &mut found, &mut waiting)?;
    }
    if rows.len() > SESSIONS {
        let sql =
            format!("SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist p WHERE {}", others(address));
        let all: i64 = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *c).await?.try_get(0)?;
        found.rest.left_out =
            u32::try_from(usize::try_from(all).unwrap_or(0).saturating_sub(SESSIONS)).unwrap_or(u32::MAX);
    }
    if !waiting.is_empty() {
        // Who holds a table of an engine with locks on tables alone (MyISAM) is in no instrument.
        let told =
            |pid: &i64| found.sessions.iter().any(|s| s.pid == *pid && s.wait.as_deref() != Some("Lock: table level"));
        found.rest.reveal = waiting.keys().any(told).then(|| METADATA_INSTRUMENT.to_owned());
        found.rest.xa = xa::rollbacks(c, server).await?;
        found.rest.waits = waits(c, server, &mut state.mysql, may, &found.sessions, &waiting).await?;
    }
    found.rest.hidden = if may { Some(0) } else { hidden(c).await? };
    found.rest.grant = (found.rest.hidden != Some(0)).then(|| grant(address));
    Ok(found)
}

/// A moment, or the one of the reading before where it is the same.
fn settled(before: Option<f64>, now: f64) -> f64 {
    before.filter(|b| (b - now).abs() < SAME_MS).unwrap_or(now)
}

fn named(texts: &mut Texts, name: Option<String>) -> Option<Arc<str>> {
    name.filter(|n| !n.is_empty()).map(|n| texts.name(&n))
}

fn session(
    row: &MySqlRow,
    server: Server,
    known: &mut State,
    found: &mut Found,
    waiting: &mut HashMap<i64, Option<f64>>,
) -> Result<(), sqlx::Error> {
    let number = |i: usize| row.try_get::<Option<f64>, _>(i);
    let pid: i64 = row.try_get(0)?;
    let now_ms: f64 = row.try_get(15)?;
    found.rest.server_ms = now_ms;
    let (command, state) = (text(row, 4).unwrap_or_default(), text(row, 5).unwrap_or_default());
    let before = known.before(pid).cloned();
    let at = |before: Option<f64>, age: Option<f64>| age.map(|age| settled(before, now_ms - age.max(0.0)));
    let since = at(before.as_ref().and_then(|b| b.state_ms), number(6)?);
    let transaction_ms = at(before.as_ref().and_then(|b| b.transaction_ms), number(11)?);
    let row_wait = number(12)?;
    let idle = command == "Sleep";
    let (class, wait) = match (idle, row_wait, lock_of(&state)) {
        (true, ..) => (WaitClass::Idle, None),
        (_, Some(_), _) => (WaitClass::Lock, Some("Lock: row".to_owned())),
        (_, _, Some(lock)) => (WaitClass::Lock, Some(format!("Lock: {lock}"))),
        _ => (WaitClass::Cpu, None),
    };
    if class == WaitClass::Lock {
        // InnoDB tells the second; nobody has waited for longer than its statement runs.
        let waits = row_wait.map(|ms| now_ms - ms).or(since);
        waiting.insert(pid, waits.zip(since).map(|(waits, began)| waits.max(began)).or(waits));
    }
    let word = match command.as_str() {
        "Sleep" if transaction_ms.is_some() => "idle in transaction".to_owned(),
        "Sleep" => "idle".to_owned(),
        "Query" | "Execute" => "active".to_owned(),
        other => other.to_lowercase(),
    };
    progress(row, pid, &command, found, since, now_ms)?;
    let texts = &mut known.texts;
    let rows_written = number(14)?;
    let statement = texts.statement(&text(row, 7).unwrap_or_default(), Dialect::Mysql);
    found.sessions.push(SessionFacts {
        pid,
        object: texts.name(&super::end::object(pid, server.started_s)),
        started_ms: None,
        user: named(texts, text(row, 1)),
        database: named(texts, text(row, 2)),
        application: None,
        client: named(texts, text(row, 3)),
        state: texts.name(&word),
        wait_class: class,
        wait: wait.map(|w| texts.name(&w)),
        state_ms: since,
        // The server tells since when it does what it does; an idle session's last statement it does not keep.
        statement_ms: since.filter(|_| !idle),
        transaction_ms,
        xids: None,
        wrote: rows_written.map(|rows| rows > 0.0),
        rows_written,
        rows_locked: number(13)?,
        statement,
        ended: idle,
    });
    Ok(())
}

/// What MariaDB tells of a statement's progress, in percent of its stage.
fn progress(
    row: &MySqlRow,
    pid: i64,
    command: &str,
    found: &mut Found,
    since: Option<f64>,
    now_ms: f64,
) -> Result<(), sqlx::Error> {
    let (Some(percent), Some(stage), Some(of)) = (
        row.try_get::<Option<f64>, _>(8).ok().flatten(),
        row.try_get::<Option<i64>, _>(9).ok().flatten(),
        row.try_get::<Option<i64>, _>(10).ok().flatten(),
    ) else {
        return Ok(());
    };
    if of == 0 || command == "Sleep" {
        return Ok(());
    }
    let sql = text(row, 7).unwrap_or_default();
    let words: Vec<&str> = sql.split_whitespace().take(2).collect();
    let kind = words.join(" ").to_lowercase();
    let mut letters = kind.chars();
    let kind = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    let state = text(row, 5).unwrap_or_default();
    found.rest.maintenance.push(Maintenance {
        pid,
        kind,
        object: None,
        phase: format!("stage {stage} of {of}{}{state}", if state.is_empty() { "" } else { ": " }),
        done: Some(percent),
        total: Some(100.0),
        unit: "percent".to_owned(),
        elapsed_s: since.map(|ms| ((now_ms - ms) / 1e3).max(0.0)),
        left_s: None,
        waits_for: None,
    });
    Ok(())
}

/// Who waits for whom. What this user may not see has no holder.
async fn waits(
    c: &mut MySqlConnection,
    server: Server,
    known: &mut Known,
    may: bool,
    sessions: &[SessionFacts],
    waiting: &HashMap<i64, Option<f64>>,
) -> Result<Vec<Wait>, sqlx::Error> {
    let mut pairs = Vec::new();
    if may {
        pairs = pairs_of(&sqlx::raw_sql(row_locks(server)).fetch_all(&mut *c).await?);
    }
    let unknown = waiting.keys().any(|pid| !pairs.iter().any(|(waiter, ..)| waiter == pid));
    if unknown && known.metadata != Some(false) {
        match sqlx::raw_sql(METADATA).fetch_all(&mut *c).await {
            Ok(rows) => {
                known.metadata = Some(true);
                pairs.extend(metadata::pairs(&metadata_locks(&rows)?));
            }
            // Not there, not allowed, or switched off: whom they wait for is not told.
            Err(sqlx::Error::Database(_)) => known.metadata = Some(false),
            Err(error) => return Err(error),
        }
    }
    let mut all: Vec<Wait> = Vec::new();
    for s in sessions {
        let Some(since_ms) = waiting.get(&s.pid) else { continue };
        let mine: Vec<&(i64, i64, Option<String>)> = pairs.iter().filter(|(waiter, ..)| *waiter == s.pid).collect();
        let mut holders: Vec<i64> = mine.iter().map(|(_, holder, _)| *holder).collect();
        holders.sort_unstable();
        holders.dedup();
        let more = u32::try_from(holders.len().saturating_sub(HOLDERS)).unwrap_or(0);
        holders.truncate(HOLDERS);
        let waits_for = mine.iter().find_map(|(.., what)| what.clone());
        all.push(Wait { pid: s.pid, holders, more, waits_for, since_ms: *since_ms, ..Wait::default() });
    }
    Ok(all)
}

/// Waiter, holder, and what is waited for.
fn pairs_of(rows: &[MySqlRow]) -> Vec<(i64, i64, Option<String>)> {
    let pair = |row: &MySqlRow| {
        // A partition stands behind its table, as a comment.
        let table = text(row, 2).map(|t| t.replace('`', "").split(" /*").next().unwrap_or_default().to_owned());
        let record = text(row, 3).as_deref() == Some("RECORD");
        let what = table.map(|t| if record { format!("a row of {t}") } else { t });
        Some((row.try_get(0).ok()?, row.try_get(1).ok()?, what))
    };
    rows.iter().filter_map(pair).collect()
}
