//! Ending a session or its statement in PostgreSQL. It works through a pooler and on a standby: nothing is written.
use perfdeck_model::{Address, ApiError, ErrorCode};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::Row as _;

use super::{Asked, CANCEL, EndPlan, EndState, gone, own};
use crate::error::explain;
use crate::hints::grant;
use crate::own as ledger;
use crate::session::Session;

/// A moment as it is compared with: to the microsecond, in UTC.
const EXACT: &str = "'YYYY-MM-DD HH24:MI:SS.US'";

/// The condition that only what was planned fulfils.
fn only(plan: &EndPlan) -> String {
    let session = format!("pid = {} AND backend_start = '{}+00'", plan.pid, plan.began.as_deref().unwrap_or_default());
    match plan.statement.as_deref().filter(|_| plan.cancels()) {
        Some(at) => format!("{session} AND query_start = '{at}+00' AND state NOT LIKE 'idle%'"),
        None => session,
    }
}

pub(super) fn sends(plan: &EndPlan) -> String {
    let function = if plan.cancels() { "pg_cancel_backend" } else { "pg_terminate_backend" };
    format!("SELECT {function}(pid) FROM pg_stat_activity WHERE {}", only(plan))
}

/// Why this user may not end it.
fn may_not(address: &Address, pid: i64, superuser: bool) -> ApiError {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    let error = ApiError::new(ErrorCode::Privilege, format!("'{user}' may not end session {pid}"));
    if superuser {
        return error.hint("It is a superuser's: only a superuser may end it");
    }
    error.hint(format!("GRANT pg_signal_backend TO {};", quote_identifier(user, Dialect::Postgres)))
}

pub(super) async fn ask(c: &mut Session, address: &Address, pid: i64, kind: &str) -> Result<Asked, ApiError> {
    ledger::add(address, 1.0, 0);
    let sql = format!(
        "SELECT to_char(s.backend_start AT TIME ZONE 'UTC', {EXACT}), to_char(s.query_start AT TIME ZONE 'UTC', {EXACT}),
                s.state, (extract(epoch FROM s.backend_start) * 1000000)::int8, s.backend_type,
                s.pid = pg_backend_pid() OR coalesce(s.application_name, '') IN ('perfdeck', 'perfdeck-change', 'perfdeck-load'),
                coalesce(r.rolsuper, false),
                (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                    OR NOT coalesce(r.rolsuper, false) AND (coalesce(pg_has_role(s.usesysid, 'USAGE'), false)
                        OR pg_has_role('pg_signal_backend', 'USAGE'))
         FROM pg_stat_activity s LEFT JOIN pg_roles r ON r.oid = s.usesysid WHERE s.pid = {pid}"
    );
    let failed = |e: sqlx::Error| explain(address, &e);
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_optional(c).await.map_err(failed)?;
    let row = row.ok_or_else(|| gone(pid))?;
    let (began, statement, state): (Option<String>, Option<String>, Option<String>) =
        (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
    let (Some(began), Some(started)) = (began, row.try_get::<Option<i64>, _>(3).map_err(failed)?) else {
        let what =
            format!("Session {pid} is hidden from this user, so that it cannot be told from a later one of its number");
        return Err(ApiError::new(ErrorCode::Privilege, what).hint(grant(address)));
    };
    if row.try_get::<Option<bool>, _>(5).map_err(failed)? == Some(true) {
        return Err(own(pid));
    }
    let backend: Option<String> = row.try_get(4).map_err(failed)?;
    if backend.as_deref() != Some("client backend") {
        let what = format!("Session {pid} is no client's: {}", backend.as_deref().unwrap_or("the server's own"));
        return Err(ApiError::new(ErrorCode::Conflict, what).hint("The server would begin it again; it ends by itself"));
    }
    if row.try_get::<Option<bool>, _>(7).map_err(failed)? != Some(true) {
        return Err(may_not(address, pid, row.try_get(6).map_err(failed)?));
    }
    if kind == CANCEL && state.as_deref().is_none_or(|s| s.starts_with("idle")) {
        let state = state.unwrap_or_else(|| "idle".to_owned());
        return Err(ApiError::new(ErrorCode::Conflict, format!("Session {pid} is {state}: no statement to cancel"))
            .hint("Its transaction ends with the session; terminate it instead"));
    }
    Ok(Asked { started, began: Some(began), statement, mariadb: false })
}

pub(super) async fn state(c: &mut Session, address: &Address, plan: &EndPlan) -> Result<EndState, ApiError> {
    ledger::add(address, 1.0, 0);
    let sql = format!(
        "SELECT state, to_char(query_start AT TIME ZONE 'UTC', {EXACT}), backend_start IS NULL FROM pg_stat_activity
         WHERE pid = {} AND (backend_start IS NULL OR backend_start = '{}+00')",
        plan.pid,
        plan.began.as_deref().unwrap_or_default()
    );
    let failed = |e: sqlx::Error| explain(address, &e);
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_optional(c).await.map_err(failed)?;
    let Some(row) = row else { return Ok(EndState::Ended("the session is gone".to_owned())) };
    if row.try_get::<bool, _>(2).map_err(failed)? {
        let what = format!("Session {} is hidden from this user", plan.pid);
        return Err(ApiError::new(ErrorCode::Privilege, what).hint(grant(address)));
    }
    let (state, statement): (Option<String>, Option<String>) =
        (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let state = state.unwrap_or_default();
    if plan.cancels() && (state.starts_with("idle") || statement != plan.statement) {
        return Ok(EndState::Ended(format!("the statement has ended; the session is {state}")));
    }
    Ok(EndState::Runs)
}

pub(super) async fn send(c: &mut Session, address: &Address, plan: &EndPlan) -> Result<(), ApiError> {
    ledger::add(address, 1.0, 0);
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sends(plan))).fetch_optional(c).await;
    let row = row.map_err(|error| match &error {
        sqlx::Error::Database(e) if e.code().as_deref() == Some("42501") => {
            may_not(address, plan.pid, e.message().to_lowercase().contains("superuser"))
        }
        _ => explain(address, &error),
    })?;
    let Some(row) = row else {
        let what = if plan.cancels() { "runs that statement no more" } else { "is not there any more" };
        return Err(ApiError::new(ErrorCode::Conflict, format!("Session {} {what}, so nothing was sent", plan.pid)));
    };
    if row.try_get::<Option<bool>, _>(0).map_err(|e| explain(address, &e))? == Some(true) {
        Ok(())
    } else {
        Err(gone(plan.pid))
    }
}
