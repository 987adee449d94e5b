//! Ending a session or its statement in MySQL and MariaDB.
use perfdeck_model::{Address, ApiError, ErrorCode};
use sqlx::mysql::MySqlConnection;

use super::super::mysql::{granted, server};
use super::{Asked, CANCEL, EndPlan, EndState, gone, own};
use crate::error::explain;
use crate::hints::{account, grant};
use crate::mysql::text;
use crate::own as ledger;

/// Starts of a statement that differ by less than this, in seconds, are the same: MySQL tells whole seconds.
const SAME_S: i64 = 2;

/// What is sent. MariaDB ends a statement by its own number, so that the session's next one is never hit.
pub(super) fn sends(plan: &EndPlan) -> String {
    match (plan.cancels(), plan.mariadb, plan.statement.as_deref()) {
        (true, true, Some(id)) => format!("KILL QUERY ID {id}"),
        (true, ..) => format!("KILL QUERY {}", plan.pid),
        _ => format!("KILL {}", plan.pid),
    }
}

/// A session as the process list has it.
struct Seen {
    user: String,
    idle: bool,
    /// The statement's number, or when it began, in seconds.
    statement: Option<String>,
}

async fn seen(c: &mut MySqlConnection, pid: i64, mariadb: bool) -> Result<Option<Seen>, sqlx::Error> {
    let statement = if mariadb { "CAST(query_id AS CHAR)" } else { "CAST(UNIX_TIMESTAMP() - time AS CHAR)" };
    let sql = format!("SELECT user, command, {statement} FROM information_schema.processlist WHERE id = {pid}");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_optional(c).await?;
    Ok(row.map(|row| Seen {
        user: text(&row, 0).unwrap_or_default(),
        idle: text(&row, 1).is_none_or(|c| c == "Sleep"),
        statement: text(&row, 2),
    }))
}

fn may_not(address: &Address, pid: i64, mariadb: bool) -> ApiError {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    let right = if mariadb { "CONNECTION ADMIN" } else { "CONNECTION_ADMIN" };
    ApiError::new(ErrorCode::Privilege, format!("'{user}' may not end session {pid}"))
        .hint(format!("GRANT {right} ON *.* TO {};", account(address)))
}

/// It may be there: without PROCESS a user sees its own sessions only.
fn unseen(address: &Address, pid: i64) -> ApiError {
    ApiError::new(
        ErrorCode::Privilege,
        format!("Session {pid} is none of this user's, and those of others are hidden from it"),
    )
    .hint(grant(address))
}

/// Whether this user may end sessions of others: what it and its active roles were granted.
async fn may(c: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let grants = sqlx::raw_sql("SHOW GRANTS").fetch_all(c).await?;
    let all = ["ALL PRIVILEGES ON *.*", "SUPER", "CONNECTION ADMIN", "CONNECTION_ADMIN"];
    Ok(grants.iter().filter_map(|row| text(row, 0)).any(|g| {
        let what = g.split(" TO ").next().unwrap_or_default().to_uppercase();
        what.contains("ON *.*") && all.iter().any(|right| what.contains(right))
    }))
}

pub(super) async fn ask(c: &mut MySqlConnection, address: &Address, pid: i64, kind: &str) -> Result<Asked, ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let server = server(c).await.map_err(failed)?;
    let Some(session) = seen(c, pid, server.mariadb).await.map_err(failed)? else {
        return Err(if granted(c).await.map_err(failed)? { gone(pid) } else { unseen(address, pid) });
    };
    if ledger::sessions(address).contains(&pid) {
        return Err(own(pid));
    }
    if matches!(session.user.as_str(), "system user" | "event_scheduler") {
        return Err(ApiError::new(ErrorCode::Conflict, format!("Session {pid} is no client's: the server's own")));
    }
    let me: String =
        sqlx::query_scalar("SELECT SUBSTRING_INDEX(USER(), '@', 1)").fetch_one(&mut *c).await.map_err(failed)?;
    if session.user != me && !may(c).await.map_err(failed)? {
        return Err(may_not(address, pid, server.mariadb));
    }
    if kind == CANCEL && session.idle {
        return Err(ApiError::new(ErrorCode::Conflict, format!("Session {pid} is idle: no statement to cancel"))
            .hint("Its transaction ends with the session; terminate it instead"));
    }
    Ok(Asked { started: server.started_s, began: None, statement: session.statement, mariadb: server.mariadb })
}

pub(super) async fn state(c: &mut MySqlConnection, address: &Address, plan: &EndPlan) -> Result<EndState, ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let server = server(c).await.map_err(failed)?;
    let gone = || Ok(EndState::Ended("the session is gone".to_owned()));
    // Numbers begin anew with the server.
    if (server.started_s - plan.started).abs() > SAME_S {
        return gone();
    }
    let Some(session) = seen(c, plan.pid, server.mariadb).await.map_err(failed)? else { return gone() };
    if !plan.cancels() {
        return Ok(EndState::Runs);
    }
    let same = match (&session.statement, &plan.statement) {
        (Some(now), Some(then)) if !server.mariadb => {
            let s = |text: &str| text.parse::<f64>().map_or(0, |s| s as i64);
            (s(now) - s(then)).abs() <= SAME_S
        }
        (now, then) => now == then,
    };
    if session.idle || !same {
        let word = if session.idle { "idle" } else { "at its next statement" };
        return Ok(EndState::Ended(format!("the statement has ended; the session is {word}")));
    }
    Ok(EndState::Runs)
}

pub(super) async fn send(c: &mut MySqlConnection, address: &Address, plan: &EndPlan) -> Result<(), ApiError> {
    if state(c, address, plan).await? != EndState::Runs {
        let what = if plan.cancels() { "runs that statement no more" } else { "is not there any more" };
        return Err(ApiError::new(ErrorCode::Conflict, format!("Session {} {what}, so nothing was sent", plan.pid)));
    }
    let sent = sqlx::raw_sql(sqlx::AssertSqlSafe(sends(plan))).execute(c).await;
    sent.map(drop).map_err(|error| match &error {
        sqlx::Error::Database(e) => {
            match e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number) {
                // Not the owner; no such session; no such statement.
                Some(1095 | 1227) => may_not(address, plan.pid, plan.mariadb),
                Some(1094 | 1957) => gone(plan.pid),
                _ => explain(address, &error),
            }
        }
        _ => explain(address, &error),
    })
}
