//! Ending a statement or a session: what is asked first, what is sent, and whether it is gone.
//!
//! A session is named by its number and its start, a statement by its own start besides: what is sent holds both, so that a
//! later session of the same number, or its next statement, is never hit.
mod mysql;
mod postgres;

use std::time::Duration;

use perfdeck_model::{Address, ApiError, BoxFuture, ErrorCode, Scheme, Sensitive, masking};
use serde::{Deserialize, Serialize};

use super::actions::{cancel_costs, terminate_costs};
use super::doubt::doubt;
use super::facts::{ActivityFacts, SessionFacts, rollback};
use super::reader::ActivityReader;
use super::{CANCEL, tree};
use crate::connect::{Database, close, connect, stalled};

/// Longest time of one question.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest time to wait until what was told to end has ended.
const ENDS: Duration = Duration::from_secs(10);
/// Rest between two looks whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// Looks at whether those that waited go on, after it has ended.
const GO_ON: u32 = 20;
/// Sessions that are remembered as freed by a plan.
const FREED: usize = 500;

/// Object of a change that ends a session or its statement.
pub(super) fn object(pid: i64, started: i64) -> String {
    format!("{pid}@{started}")
}

/// Number of a session, and its start where it is given.
fn parsed(object: &str) -> Result<(i64, Option<i64>), ApiError> {
    let (pid, started) = object.split_once('@').map_or((object, None), |(pid, started)| (pid, Some(started)));
    let wrong = || {
        ApiError::bad_request(format!("'{}' names no session", masking::shown(object)))
            .hint("Give its number, as the list of sessions has it")
    };
    let pid: i64 = pid.trim().parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
    Ok((pid, started.map(|s| s.parse().map_err(|_| wrong())).transpose()?))
}

/// What ending one session or statement rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndPlan {
    /// [`CANCEL`] or [`TERMINATE`].
    pub kind: String,
    /// Server's number of the session.
    pub pid: i64,
    /// Its start, in the unit of its server: microseconds (PostgreSQL), or seconds of the server's own start (MySQL, MariaDB,
    /// which give no number twice while they run).
    pub started: i64,
    /// The start as the server writes it (PostgreSQL).
    began: Option<String>,
    /// Start of its statement as the server writes it (PostgreSQL), or the statement's number (MariaDB).
    statement: Option<String>,
    /// Whether the server is MariaDB.
    #[serde(default)]
    mariadb: bool,
    /// What a person calls the session: its application or user.
    pub name: Option<String>,
    /// Address of its client.
    pub client: Option<String>,
    /// Sessions that wait for nobody else but it, so that they go on at once; at most 500.
    pub frees: Vec<i64>,
    /// How many they are.
    pub freed: u32,
    /// Sessions that wait for nobody but those: they go on one after the other.
    #[serde(default)]
    pub behind: u32,
    /// Whether it keeps locks from before its statement, so that it may be that nobody goes on.
    #[serde(default)]
    pub keeps: bool,
    /// Why fewer may go on than wait for it alone, in words.
    #[serde(default)]
    pub doubt: Option<String>,
    /// What its statement leaves half done, in words.
    #[serde(default)]
    pub leaves: Option<String>,
    /// Sessions that go on waiting for others.
    pub still: u32,
    /// Sessions that wait for a lock whose holder the server does not tell: it may be this one.
    #[serde(default)]
    pub untold: u32,
    /// Price of it, in words.
    pub costs: String,
    /// Rows that are rolled back, where the server tells (InnoDB).
    pub rows: Option<f64>,
    /// Whether the rows are not known although something is rolled back.
    pub unknown_rows: bool,
    /// Statements that end prepared transactions which the session waits for: ending the session frees nobody of those.
    pub prepared: Vec<String>,
}

impl EndPlan {
    /// Object of the change.
    pub fn object(&self) -> String {
        object(self.pid, self.started)
    }

    /// Whether its statement is cancelled and the session stays.
    pub fn cancels(&self) -> bool {
        self.kind == CANCEL
    }

    /// What is sent, exactly.
    pub fn sends(&self, scheme: Scheme) -> String {
        if scheme == Scheme::Postgres { postgres::sends(self) } else { mysql::sends(self) }
    }
}

/// What is there of a session or statement that was to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndState {
    /// It is there as it was.
    Runs,
    /// It is gone; in words.
    Ended(String),
}

/// What a server tells of a session before it is ended.
struct Asked {
    started: i64,
    began: Option<String>,
    statement: Option<String>,
    mariadb: bool,
}

fn gone(pid: i64) -> ApiError {
    ApiError::not_found(format!("There is no session {pid}"))
        .hint("It may have ended meanwhile; look at the list again")
}

fn own(pid: i64) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("Session {pid} is Perfdeck's own and is not ended by it"))
        .hint("What it does ends by itself; a benchmark is stopped where it runs")
}

fn not_that_kind(scheme: Scheme) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{} has no sessions to end", scheme.product()))
        .hint("It is for PostgreSQL, MySQL and MariaDB")
}

/// A connection of its own.
async fn open(address: &Address, password: Option<&Sensitive>) -> Result<Database, ApiError> {
    let database = connect(address, password, DEADLINE).await?;
    if matches!(database, Database::Postgres(_)) {
        crate::own::add(address, 1.0, 1);
    }
    Ok(database)
}

/// Ends the connection, and answers what came over it within `limit`.
async fn finished<T>(
    address: &Address,
    database: Database,
    limit: Duration,
    done: Result<Result<T, ApiError>, tokio::time::error::Elapsed>,
) -> Result<T, ApiError> {
    let stalled = stalled(address, &database, limit);
    close(database).await;
    done.unwrap_or(Err(stalled))
}

/// Asks whether a session or its statement can be ended, and what that frees and costs. Alters nothing. `object` is the number
/// of the session, with its start where that is known.
///
/// # Errors
/// When there is no such session, or another one has its number by now; when it is Perfdeck's own; when there is no statement
/// to cancel; when this user may not, with the grant; when the database cannot be asked.
pub async fn plan_end(
    address: &Address,
    password: Option<&Sensitive>,
    kind: &str,
    object: &str,
) -> Result<EndPlan, ApiError> {
    let (pid, started) = parsed(object)?;
    let mut database = open(address, password).await?;
    let work = async {
        match &mut database {
            Database::Postgres(c) => postgres::ask(c, address, pid, kind).await,
            Database::Mysql(c) => mysql::ask(c, address, pid, kind).await,
            Database::Sqlite(_) => Err(not_that_kind(address.scheme)),
        }
    };
    let done = tokio::time::timeout(DEADLINE, work).await;
    let asked = finished(address, database, DEADLINE, done).await?;
    // The server's own start is right to a second or two.
    let slack = if address.scheme == Scheme::Postgres { 0 } else { 2 };
    if started.is_some_and(|s| (s - asked.started).abs() > slack) {
        let what = format!("Session {pid} is another one by now: its number was given to a new session");
        return Err(ApiError::new(ErrorCode::Conflict, what).hint("Look at the list again"));
    }
    let mut reader = ActivityReader::default();
    let facts = reader.read(address, password, 0.0).await;
    reader.close().await;
    planned(kind, pid, asked, &facts?)
}

fn planned(kind: &str, pid: i64, asked: Asked, facts: &ActivityFacts) -> Result<EndPlan, ApiError> {
    let session = facts.session(pid).ok_or_else(|| gone(pid))?;
    if kind == CANCEL && session.untracked() {
        let what = format!("Session {pid} does not tell what it does: track_activities is off");
        return Err(ApiError::new(ErrorCode::Conflict, what)
            .hint("ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();"));
    }
    if kind == CANCEL && session.ended {
        return Err(ApiError::new(
            ErrorCode::Conflict,
            format!("Session {pid} is {}: no statement to cancel", session.state),
        )
        .hint("Its transaction ends with the session; that is ended instead"));
    }
    let waiters = facts.waiters();
    let mut frees: Vec<i64> = tree::freed_at_once(&waiters, pid).into_iter().collect();
    frees.sort_unstable();
    let all = tree::freed(&waiters, pid).len();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (freed, behind) = (count(frees.len()), count(all.saturating_sub(frees.len())));
    // Who is ended waits no more either.
    let own = count(usize::from(waiters.iter().any(|w| w.key == pid)));
    let still = count(waiters.len()).saturating_sub(freed + behind + own);
    let doubted = doubt(facts, pid, &frees).map(str::to_owned);
    frees.truncate(FREED);
    let costs = if kind == CANCEL { cancel_costs(still) } else { terminate_costs(session) };
    Ok(EndPlan {
        kind: kind.to_owned(),
        pid,
        started: asked.started,
        began: asked.began,
        statement: asked.statement,
        mariadb: asked.mariadb,
        name: session.name(),
        client: session.client.as_ref().map(ToString::to_string),
        frees,
        freed,
        behind,
        keeps: kind == CANCEL && keeps_locks(session),
        doubt: doubted,
        leaves: leaves(&session.statement),
        still,
        untold: count(facts.waits.iter().filter(|w| w.holders.is_empty() && w.pid != pid).count()),
        costs,
        // What its statement wrote of that, nobody tells.
        rows: session.rows_written.filter(|_| kind != CANCEL),
        unknown_rows: rolls_back(session) && (session.rows_written.is_none() || kind == CANCEL),
        prepared: facts.waits.iter().filter(|w| w.pid == pid).flat_map(|w| &w.gids).map(|gid| rollback(gid)).collect(),
    })
}

/// Whether ending it undoes something.
fn rolls_back(s: &SessionFacts) -> bool {
    s.transaction_ms.is_some() && s.wrote != Some(false)
}

/// Difference, in milliseconds, from which on a transaction began before the statement that it runs.
const EARLIER_MS: f64 = 0.1;

/// Whether a session may hold locks that cancelling its statement leaves as they are. InnoDB undoes the statement alone and keeps
/// its locks while the client's transaction is open; PostgreSQL keeps those from before a savepoint, which it does not tell of.
pub(super) fn keeps_locks(s: &SessionFacts) -> bool {
    match (s.transaction_ms, s.statement_ms) {
        // InnoDB tells what it has written and locked; whether the statement is a transaction of its own, nobody does.
        (Some(_), _) if s.rows_locked.is_some() => true,
        (Some(transaction), Some(statement)) => statement - transaction > EARLIER_MS,
        _ => false,
    }
}

/// What a statement leaves behind that is ended half way.
fn leaves(statement: &str) -> Option<String> {
    let words: Vec<String> = statement.split_whitespace().take(12).map(str::to_uppercase).collect();
    let first = words.first()?.as_str();
    if !words.iter().any(|w| w == "CONCURRENTLY") {
        return None;
    }
    Some(match first {
        "CREATE" | "REINDEX" => {
            "The index that it builds stays as an invalid one, which no statement reads and every write keeps up; drop it with \
             DROP INDEX CONCURRENTLY"
        }
        "DROP" => "The index stays as an invalid one, which no statement reads and every write keeps up; drop it again",
        "ALTER" => "The partition stays half detached; ALTER TABLE … DETACH PARTITION … FINALIZE goes on with it",
        _ => return None,
    }
    .to_owned())
}

/// Asks what is there of a session or statement.
///
/// # Errors
/// When the database cannot be asked, or hides it from this user.
pub async fn end_state(address: &Address, password: Option<&Sensitive>, plan: &EndPlan) -> Result<EndState, ApiError> {
    let mut database = open(address, password).await?;
    let done = tokio::time::timeout(DEADLINE, state_on(&mut database, address, plan)).await;
    finished(address, database, DEADLINE, done).await
}

async fn state_on(database: &mut Database, address: &Address, plan: &EndPlan) -> Result<EndState, ApiError> {
    match database {
        Database::Postgres(c) => postgres::state(c, address, plan).await,
        Database::Mysql(c) => mysql::state(c, address, plan).await,
        Database::Sqlite(_) => Err(not_that_kind(address.scheme)),
    }
}

/// Ends a session or statement and waits until it is gone, at most 10 s or until `stop` completes.
///
/// # Errors
/// When it is not there any more as it was planned, this user may not end it, or it goes on after it was told to end.
pub async fn end_session(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &EndPlan,
    stop: BoxFuture<'_, ()>,
) -> Result<(), ApiError> {
    let mut database = open(address, password).await?;
    let limit = DEADLINE + ENDS;
    let done = tokio::time::timeout(limit, ending(&mut database, address, plan, stop)).await;
    finished(address, database, limit, done).await
}

async fn ending(
    database: &mut Database,
    address: &Address,
    plan: &EndPlan,
    stop: BoxFuture<'_, ()>,
) -> Result<(), ApiError> {
    match database {
        Database::Postgres(c) => postgres::send(c, address, plan).await?,
        Database::Mysql(c) => mysql::send(c, address, plan).await?,
        Database::Sqlite(_) => return Err(not_that_kind(address.scheme)),
    }
    let ended = async {
        while state_on(database, address, plan).await? == EndState::Runs {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    let late = || {
        ApiError::new(ErrorCode::Timeout, format!("Session {} was told to end and goes on", plan.pid))
            .hint("It ends where the server looks for it next; some waits, as for a slow disk, do not look")
    };
    tokio::select! {
        done = tokio::time::timeout(ENDS, ended) => done.unwrap_or_else(|_| Err(late())),
        () = stop => Err(ApiError::new(ErrorCode::Cancelled, "It was told to end; whether it did was not waited for")),
    }
}

/// How many of the sessions that were to be freed wait for no lock any more; looked at for 2 s at most.
///
/// # Errors
/// When the database cannot be asked.
pub async fn freed_now(address: &Address, password: Option<&Sensitive>, plan: &EndPlan) -> Result<u32, ApiError> {
    let mut reader = ActivityReader::default();
    let mut outcome = Ok(0);
    for look in 0..GO_ON {
        if look > 0 {
            tokio::time::sleep(LOOK).await;
        }
        let facts = match reader.read(address, password, 0.0).await {
            Ok(facts) => facts,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        let free = plan.frees.iter().filter(|pid| !facts.waits.iter().any(|w| w.pid == **pid)).count();
        outcome = Ok(u32::try_from(free).unwrap_or(u32::MAX));
        if free == plan.frees.len() {
            break;
        }
    }
    reader.close().await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_half_done_is_said() {
        let invalid = |sql: &str| leaves(sql).is_some_and(|said| said.contains("invalid"));
        assert!(
            invalid("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)") && invalid("reindex (verbose) index concurrently i")
        );
        assert!(invalid("DROP INDEX CONCURRENTLY IF EXISTS i"));
        assert!(leaves("ALTER TABLE t DETACH PARTITION p CONCURRENTLY").is_some_and(|said| said.contains("FINALIZE")));
        assert_eq!(
            (leaves("CREATE INDEX i ON t (a)"), leaves("REFRESH MATERIALIZED VIEW CONCURRENTLY v")),
            (None, None)
        );
    }

    #[test]
    fn cancelling_keeps_the_locks_of_a_transaction_from_before_its_statement() {
        let session = |transaction_ms: Option<f64>, statement_ms, rows_locked: Option<f64>| SessionFacts {
            transaction_ms,
            statement_ms,
            rows_locked,
            ..SessionFacts::default()
        };
        assert!(!keeps_locks(&session(Some(100.0), Some(100.0), None)), "PostgreSQL: a statement by itself");
        assert!(
            keeps_locks(&session(Some(100.0), Some(900.0), None)),
            "within a transaction: there may be a savepoint"
        );
        assert!(keeps_locks(&session(Some(100.0), Some(100.0), Some(4.0))), "InnoDB never lets go before the end");
        assert!(!keeps_locks(&session(None, Some(100.0), None)));
    }

    #[test]
    fn a_session_is_named_by_its_number_and_its_start() {
        assert_eq!(parsed("51877").expect("a number"), (51877, None));
        assert_eq!(parsed(&object(51877, 1_790_000_000_123_456)).expect("both"), (51877, Some(1_790_000_000_123_456)));
        for wrong in ["", "0", "-1", "x", "7@", "7@x", "7; DROP TABLE t", "@5"] {
            assert_eq!(parsed(wrong).expect_err(wrong).code, ErrorCode::BadRequest, "{wrong}");
        }
    }
}
