//! What PostgreSQL tells of its sessions. A glance says whether anybody waits, or maintenance runs; then the sessions, with who
//! holds what in the same message where there is something to tell: one transaction, and what it reads of them is of one moment.
//! The glance and the sessions alone are prepared once, since planning them costs ten times as much as running them.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use perfdeck_model::{Address, Maintenance, WaitClass};
use perfdeck_sqltext::Dialect;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::facts::{ActivityFacts, PreparedFacts, SessionFacts, Wait};
use super::maintenance::{self, Progress};
use super::reader::{Found, State};
use super::texts::Texts;
use super::{HOLDERS, SESSIONS, WAITERS};
use crate::foreign_text::{self, ask};
use crate::hints::grant;
use crate::own;
use crate::session::{OURS, Session};

/// Bytes of a name, of a prepared transaction's name, of a statement, and of what an idle session ran last that are read at most.
const NAME: usize = 63;
const GID: usize = 200;
const TEXT: usize = 2_000;
const IDLE_TEXT: usize = 200;

/// The clock; client sessions of which this user sees neither state nor statement: a hidden session has no kind, those of
/// the server itself are in no database or have no user; whether locks are waited for, perhaps unseen, or kept by prepared
/// transactions, and whether maintenance runs.
const GLANCE: &str = "
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8,
        count(*) FILTER (WHERE query = '<insufficient privilege>' AND datid IS NOT NULL AND usesysid IS NOT NULL
            AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'perfdeck'),
        coalesce(bool_or(wait_event_type = 'Lock'), false) OR EXISTS (SELECT FROM pg_prepared_xacts) OR $UNSEEN,
        $PROGRESS
    FROM pg_stat_activity";

/// Every session of a client but Perfdeck's own.
const CLIENTS: &str = "
    SELECT 'session', s.pid::int8, (extract(epoch FROM s.backend_start) * 1000000)::int8, $USER, $DATABASE,
        s.application_name,
        CASE WHEN s.client_addr IS NOT NULL THEN host(s.client_addr) WHEN s.client_port = -1 THEN 'local' END,
        s.state, s.wait_event_type, s.wait_event, (extract(epoch FROM s.state_change) * 1000)::float8,
        (extract(epoch FROM s.query_start) * 1000)::float8, (extract(epoch FROM s.xact_start) * 1000)::float8,
        s.backend_xid IS NOT NULL, greatest(age(s.backend_xid), age(s.backend_xmin))::float8,
        CASE WHEN s.query LIKE '$OWN' THEN NULL WHEN s.state = 'idle' THEN $SHORT ELSE $LONG END, s.total
    FROM (SELECT *, count(*) OVER () AS total
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
          AND application_name IS DISTINCT FROM 'perfdeck' AND application_name IS DISTINCT FROM 'perfdeck-change'
          AND NOT (state = 'active' AND query LIKE '$OWN')
        ORDER BY coalesce(wait_event_type = 'Lock', false) DESC, coalesce(state = 'idle', false), xact_start NULLS LAST,
            state_change, pid LIMIT $SESSIONS) s";

/// Whether locks are looked at: somebody waits for one, or may do so unseen. What a hidden session waits for is hidden with it,
/// and on a standby the process that replays does not say that it waits; the table of locks tells everybody of both.
const LOOK: &str = "(EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock') OR $UNSEEN)";
const UNSEEN: &str =
    "(pg_is_in_recovery() OR EXISTS (SELECT 1 FROM pg_stat_activity WHERE query = '<insufficient privilege>'
    AND datid IS NOT NULL AND usesysid IS NOT NULL))";

/// Whom each waits for. It is asked for those that wait only: the answer takes the server's locks on every part of its table of
/// locks.
const WAITS: &str = "
    SELECT 'wait', w.pid::int8, b.pids[1:$HOLDERS]::int8[], cardinality(b.pids)
    FROM (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
          UNION SELECT pid FROM pg_locks WHERE NOT granted AND pid IS NOT NULL AND $UNSEEN
          LIMIT $WAITERS) w
    CROSS JOIN LATERAL (SELECT pg_blocking_pids(w.pid) AS pids) b";

/// Whom the process waits for that replays on a standby, which is no session to `pg_blocking_pids`: it takes locks on tables that
/// everybody else's go against.
const REPLAY: &str = "
    SELECT 'wait', l.pid::int8, (array_agg(DISTINCT h.pid::int8))[1:$HOLDERS], count(DISTINCT h.pid)::int4
    FROM pg_stat_activity s
    JOIN pg_locks l ON l.pid = s.pid AND NOT l.granted AND l.locktype = 'relation'
    JOIN pg_locks h ON h.granted AND h.pid <> l.pid AND h.locktype = 'relation' AND h.database = l.database AND h.relation = l.relation
    WHERE pg_is_in_recovery() AND s.backend_type = 'startup' GROUP BY l.pid";

/// Sessions that are no client's and may hold what a client waits for.
const OTHERS: &str = "
    SELECT 'other', pid::int8, backend_type FROM pg_stat_activity
    WHERE backend_type <> 'client backend' AND $LOOK";

/// What each waits for. Who waits for another's transaction to write a row has the lock of that row already, which names
/// the table.
const LOCKS: &str = "
    SELECT 'lock', l.pid::int8, l.locktype, l.granted, n.nspname::text, c.relname::text,
        (extract(epoch FROM $WAITSTART) * 1000)::float8
    FROM pg_locks l $NAMES
    WHERE (NOT l.granted OR l.locktype = 'tuple') AND l.pid IS NOT NULL AND $LOOK LIMIT 4000";

/// Names of tables; while somebody holds the catalogue itself there are none.
const NAMES: &str = "
    LEFT JOIN pg_class c ON c.oid = l.relation
        AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace";
const NO_NAMES: &str = "CROSS JOIN (SELECT NULL::name AS relname) c CROSS JOIN (SELECT NULL::name AS nspname) n";

const PREPARED: &str = "
    SELECT 'prepared', $GID, $USER, $DATABASE, (extract(epoch FROM prepared) * 1000)::float8,
        age(transaction)::float8
    FROM pg_prepared_xacts ORDER BY prepared LIMIT 200";

/// Who waits for which prepared transaction: it has no session, so that its number is 0 for all of them. Its locks are those of
/// the virtual transaction that holds its own number; which one that is differs by version, and after a restart.
const HOLDS: &str = "
    SELECT DISTINCT 'holds', w.pid::int8, $GID
    FROM pg_prepared_xacts p
    JOIN pg_locks x ON x.pid IS NULL AND x.granted AND x.locktype = 'transactionid' AND x.transactionid = p.transaction
    JOIN pg_locks h ON h.granted AND h.pid IS NULL AND h.virtualtransaction = x.virtualtransaction
    JOIN pg_locks w ON NOT w.granted AND w.locktype = h.locktype
        AND (w.database, w.relation, w.page, w.tuple, w.transactionid, w.classid, w.objid, w.objsubid)
            IS NOT DISTINCT FROM
            (h.database, h.relation, h.page, h.tuple, h.transactionid, h.classid, h.objid, h.objsubid)
    WHERE $LOOK LIMIT 1000";

/// Sessions that may share rows: each table of which more than one locks rows, for itself or for a foreign key.
const SHARES: &str = "
    SELECT 'shares', array_agg(DISTINCT pid)::int8[] FROM pg_locks
    WHERE mode = 'RowShareLock' AND granted AND pid IS NOT NULL AND $LOOK
    GROUP BY database, relation HAVING count(DISTINCT pid) > 1 LIMIT 1000";

/// A waiter's lock, and the table of the row that it locked on its way there.
#[derive(Default)]
struct Lock {
    kind: String,
    relation: Option<String>,
    row_of: Option<String>,
    since_ms: Option<f64>,
}

impl Lock {
    fn words(&self) -> String {
        let row = |of: &Option<String>| of.as_ref().map_or_else(|| "a row".to_owned(), |r| format!("a row of {r}"));
        match self.kind.as_str() {
            "transactionid" | "tuple" => row(&self.row_of),
            "relation" => self.relation.clone().unwrap_or_else(|| "a table of another database".to_owned()),
            "extend" => format!("more pages of {}", self.relation.as_deref().unwrap_or("a table")),
            "page" => format!("a page of {}", self.relation.as_deref().unwrap_or("an index")),
            "advisory" => "an advisory lock".to_owned(),
            "virtualxid" => "the end of a transaction".to_owned(),
            "object" => "an object of the catalogue".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// What is found while the rows of one message are read.
#[derive(Default)]
struct Reading {
    found: Found,
    locks: HashMap<i64, Lock>,
    holds: Vec<(i64, Arc<str>)>,
    shares: Vec<Vec<i64>>,
    total: i64,
}

/// What is told beside the sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Parts {
    /// Who holds what.
    locks: bool,
    /// Maintenance that runs.
    progress: bool,
}

fn glance(progress: &Progress) -> String {
    GLANCE.replace("$UNSEEN", UNSEEN).replace("$PROGRESS", &progress.exists())
}

fn clients() -> String {
    CLIENTS
        .replace("$SESSIONS", &SESSIONS.to_string())
        .replace("$USER", &ask("s.usename::text", NAME))
        .replace("$DATABASE", &ask("s.datname::text", NAME))
        .replace("$SHORT", &ask("s.query", IDLE_TEXT))
        .replace("$LONG", &ask("s.query", TEXT))
        .replace("$OWN", OURS)
}

/// The questions of one message; those about the catalogue only where it is not held by somebody.
fn message(progress: &Progress, version: u32, parts: Parts, catalogue: bool) -> String {
    let mut all = vec![clients()];
    if parts.locks {
        let since = if version >= 140_000 { "l.waitstart" } else { "NULL::timestamptz" };
        let names = if catalogue { NAMES } else { NO_NAMES };
        let prepared = PREPARED
            .replace("$GID", &ask("gid", GID))
            .replace("$USER", &ask("owner::text", NAME))
            .replace("$DATABASE", &ask("database::text", NAME));
        all.extend([
            WAITS.replace("$HOLDERS", &HOLDERS.to_string()).replace("$WAITERS", &WAITERS.to_string()),
            REPLAY.replace("$HOLDERS", &HOLDERS.to_string()),
            OTHERS.to_owned(),
            LOCKS.replace("$WAITSTART", since).replace("$NAMES", names),
            prepared,
            SHARES.to_owned(),
            HOLDS.replace("$GID", &ask("p.gid", GID)),
        ]);
    }
    if parts.progress && catalogue {
        all.extend(progress.question());
    }
    all.join(";").replace("$LOOK", LOOK).replace("$UNSEEN", UNSEEN)
}

/// Whether somebody holds what was asked for, so that it was not waited for any longer.
fn is_locked(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.code().as_deref() == Some("55P03"))
}

/// Asks a question that is the same each time. A new one is prepared first, which is a transaction too; through a pooler nothing is.
async fn again(c: &mut Session, state: &mut State, address: &Address, sql: String) -> Result<Vec<PgRow>, sqlx::Error> {
    let new = state.prepared.insert(sql.clone()) && !c.is_shared();
    own::add(address, if new { 2.0 } else { 1.0 }, 0);
    sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(c).await
}

/// Reads the sessions.
pub(super) async fn read(c: &mut Session, state: &mut State, address: &Address) -> Result<Found, sqlx::Error> {
    let progress = match &state.progress {
        Some(progress) => progress.clone(),
        None => {
            own::add(address, 1.0, 0);
            state.progress.insert(maintenance::probe(c).await?).clone()
        }
    };
    let now = again(c, state, address, glance(&progress)).await?;
    let row = now.first().ok_or(sqlx::Error::RowNotFound)?;
    let hidden: i64 = row.try_get(1)?;
    let rest = ActivityFacts {
        server_ms: row.try_get(0)?,
        hidden: Some(u32::try_from(hidden.max(0)).unwrap_or(u32::MAX)),
        grant: (hidden > 0).then(|| grant(address)),
        ..ActivityFacts::default()
    };
    let mut parts = Parts { locks: row.try_get(2)?, progress: row.try_get(3)? };
    let mut rows = Vec::new();
    if parts == Parts::default() {
        rows = again(c, state, address, clients()).await?;
        // Who waits since the glance waits for somebody.
        parts.locks = rows.iter().any(|row| row.try_get::<Option<&str>, _>(8).is_ok_and(|kind| kind == Some("Lock")));
    }
    if parts != Parts::default() {
        let version = c.server_version_num().unwrap_or(0);
        let mut ask = async |catalogue| {
            own::add(address, 1.0, 0);
            let sql = message(&progress, version, parts, catalogue);
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *c).await
        };
        rows = match ask(true).await {
            Err(error) if is_locked(&error) => ask(false).await?,
            rows => rows?,
        };
    }
    let mut reading = Reading { found: Found { rest, ..Found::default() }, ..Reading::default() };
    for row in &rows {
        match row.try_get::<&str, _>(0)? {
            "session" => reading.session(row, &mut state.texts)?,
            "wait" => reading.wait(row)?,
            "other" => reading.found.rest.others.push((row.try_get(1)?, state.texts.name(row.try_get(2)?))),
            "lock" => reading.lock(row)?,
            "shares" => reading.shares.push(row.try_get(1)?),
            "prepared" => reading.found.rest.prepared.push(prepared(row, &mut state.texts)?),
            "holds" => reading
                .holds
                .push((row.try_get(1)?, state.texts.name(&foreign_text::read(row, 2)?.unwrap_or_default()))),
            _ => {
                let server_ms = reading.found.rest.server_ms;
                let running: Maintenance = maintenance::progress(row, server_ms)?;
                reading.found.rest.maintenance.push(running);
            }
        }
    }
    Ok(reading.finished())
}

fn named(texts: &mut Texts, name: Option<&str>) -> Option<Arc<str>> {
    name.filter(|n| !n.is_empty()).map(|n| texts.name(n))
}

fn prepared(row: &PgRow, texts: &mut Texts) -> Result<PreparedFacts, sqlx::Error> {
    Ok(PreparedFacts {
        gid: texts.name(&foreign_text::read(row, 1)?.unwrap_or_default()),
        user: named(texts, foreign_text::read(row, 2)?.as_deref()),
        database: named(texts, foreign_text::read(row, 3)?.as_deref()),
        prepared_ms: row.try_get(4)?,
        xids: row.try_get(5)?,
    })
}

/// Class of what a session does or waits for.
fn class(state: Option<&str>, kind: Option<&str>) -> WaitClass {
    match (state, kind) {
        (Some(state), _) if state.starts_with("idle") => WaitClass::Idle,
        (_, Some("Lock")) => WaitClass::Lock,
        // Short locks of the server's own stand beside the others in the lane of waits.
        (_, Some("LWLock")) => WaitClass::Lock,
        (_, Some("IO")) => WaitClass::Io,
        (Some("active" | "fastpath function call"), None) => WaitClass::Cpu,
        _ => WaitClass::Other,
    }
}

impl Reading {
    fn session(&mut self, row: &PgRow, texts: &mut Texts) -> Result<(), sqlx::Error> {
        let (pid, started): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let (state, kind, event): (Option<&str>, Option<&str>, Option<&str>) =
            (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?);
        let idle = state.is_some_and(|s| s.starts_with("idle"));
        let wait = kind.filter(|_| !idle).map(|kind| format!("{kind}: {}", event.unwrap_or_default()));
        let statement = texts.statement(&foreign_text::read(row, 15)?.unwrap_or_default(), Dialect::Postgres);
        // One that failed has no start any more, and holds nothing; it is open for as long as it idles.
        let aborted = state == Some("idle in transaction (aborted)");
        let transaction_ms: Option<f64> = match row.try_get(12)? {
            None if aborted => row.try_get(10)?,
            began => began,
        };
        let session = SessionFacts {
            pid,
            object: texts.name(&super::end::object(pid, started)),
            started_ms: Some(started as f64 / 1e3),
            user: named(texts, foreign_text::read(row, 3)?.as_deref()),
            database: named(texts, foreign_text::read(row, 4)?.as_deref()),
            application: named(texts, row.try_get(5)?),
            client: named(texts, row.try_get(6)?),
            state: texts.name(state.unwrap_or("unknown")),
            wait_class: class(state, kind),
            wait: wait.map(|w| texts.name(&w)),
            state_ms: row.try_get(10)?,
            statement_ms: row.try_get(11)?,
            transaction_ms,
            xids: row.try_get(14)?,
            wrote: transaction_ms.is_some().then_some(row.try_get(13)?),
            rows_written: None,
            rows_locked: None,
            statement,
            ended: idle,
        };
        self.found.sessions.push(session);
        self.total = row.try_get(16)?;
        Ok(())
    }

    fn wait(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let mut holders: Vec<i64> = row.try_get::<Option<_>, _>(2)?.unwrap_or_default();
        let all = usize::try_from(row.try_get::<Option<i32>, _>(3)?.unwrap_or(0)).unwrap_or(0);
        let more = u32::try_from(all.saturating_sub(holders.len())).unwrap_or(0);
        // Who waits for nobody any more got it while this was read.
        if !holders.is_empty() {
            holders.dedup();
            self.found.rest.waits.push(Wait { pid: row.try_get(1)?, holders, more, ..Wait::default() });
        }
        Ok(())
    }

    fn lock(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let lock = self.locks.entry(row.try_get(1)?).or_default();
        let (schema, name): (Option<&str>, Option<&str>) = (row.try_get(4)?, row.try_get(5)?);
        let relation = schema.zip(name).map(|(schema, name)| format!("{schema}.{name}"));
        let kind: &str = row.try_get(2)?;
        if kind == "tuple" {
            lock.row_of = relation.clone().or(lock.row_of.take());
        }
        if !row.try_get::<bool, _>(3)? {
            lock.kind = kind.to_owned();
            lock.relation = relation;
            lock.since_ms = row.try_get(6)?;
        }
        Ok(())
    }

    fn finished(mut self) -> Found {
        let listed = self.found.sessions.len();
        self.found.rest.left_out =
            u32::try_from(usize::try_from(self.total).unwrap_or(0).saturating_sub(listed)).unwrap_or(0);
        let begun: HashMap<i64, Option<f64>> = self.found.sessions.iter().map(|s| (s.pid, s.statement_ms)).collect();
        let waiting: HashSet<i64> = self.found.rest.waits.iter().map(|w| w.pid).collect();
        for wait in &mut self.found.rest.waits {
            let lock = self.locks.get(&wait.pid).filter(|l| !l.kind.is_empty());
            wait.waits_for = lock.map(Lock::words);
            wait.queues = lock.is_some_and(|l| l.kind == "tuple");
            // Who waits itself has got its row not yet.
            let beside = |pid: &i64| *pid != wait.pid && !wait.holders.contains(pid) && !waiting.contains(pid);
            let shared = |all: &Vec<i64>| wait.holders.iter().any(|h| all.contains(h)) && all.iter().any(beside);
            wait.shared = lock.is_some_and(|l| l.kind == "transactionid") && self.shares.iter().any(shared);
            // Before PostgreSQL 14 no wait has a beginning: the statement's stands for it.
            wait.since_ms = lock.and_then(|l| l.since_ms).or_else(|| begun.get(&wait.pid).copied().flatten());
            wait.gids = self.holds.iter().filter(|(pid, _)| *pid == wait.pid).map(|(_, gid)| gid.clone()).collect();
            if !wait.holders.contains(&0) {
                wait.gids.clear();
            }
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_in_words() {
        let lock = |kind: &str, relation: Option<&str>, row_of: Option<&str>| Lock {
            kind: kind.to_owned(),
            relation: relation.map(str::to_owned),
            row_of: row_of.map(str::to_owned),
            since_ms: None,
        };
        assert_eq!(lock("transactionid", None, Some("public.t")).words(), "a row of public.t");
        assert_eq!(lock("transactionid", None, None).words(), "a row");
        assert_eq!(lock("relation", Some("public.t"), None).words(), "public.t");
        assert_eq!(lock("relation", None, None).words(), "a table of another database");
        assert_eq!(lock("advisory", None, None).words(), "an advisory lock");
    }

    #[test]
    fn one_message_asks_only_what_the_server_has() {
        let all = Parts { locks: true, progress: true };
        let none = message(&Progress::default(), 130_000, all, true);
        assert!(none.contains("NULL::timestamptz") && !none.contains("l.waitstart"), "no beginning of waits before 14");
        assert!(!none.contains('$'), "everything is filled in: {none}");
        let new = message(&Progress::default(), 150_000, all, false);
        assert!(
            new.contains("l.waitstart") && !new.contains("pg_class"),
            "and nothing of the catalogue while it is held"
        );
        let quiet = message(&Progress::default(), 150_000, Parts::default(), true);
        assert!(!quiet.contains("pg_locks"), "where nobody waits nothing is asked of locks: {quiet}");
        let glance = glance(&Progress::default());
        assert!(!glance.contains('$') && glance.contains("false"), "a server without views of progress: {glance}");
    }
}
