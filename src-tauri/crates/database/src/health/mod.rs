//! Health of a database: what is or will soon be broken, each check with its value, threshold, reason and fix.
//!
//! It takes one connection of its own and 5 s at most, whatever the server does: each statement has the session's time-out,
//! and what was not asked by then is unknown with that reason. A check that this user may not make names the grant; the
//! others are made all the same.
mod mysql;
mod postgres;
mod postgres_replication;
mod sqlite;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use perfdeck_model::{
    Address, ApiError, CheckState, Clock, ErrorCode, Finding, FindingTarget, HealthCheck, Proof, Sensitive,
    TargetHealth, Unit,
};
use perfdeck_words as words;
use tokio::time::Instant as Deadline;

use crate::connect::{Database, close, connect, stalled, version};
use crate::error::explain;
use crate::own;
use crate::reading::finding;
use crate::session::Session;
use perfdeck_model::checks::{Limit, measured, missed, told};

/// Longest time of everything.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest time to connect within that.
const CONNECT: Duration = Duration::from_secs(3);
/// How long SQLite waits for a writer, in milliseconds.
const PATIENCE: &str = "PRAGMA busy_timeout = 2000";
/// Round trips whose median is the latency.
const ROUND_TRIPS: usize = 5;

/// One question, and the checks that come of its answer.
type Ask<C> = for<'c> fn(&'c mut C, &'c Address) -> BoxFuture<'c, Result<Vec<HealthCheck>, sqlx::Error>>;

/// A question with the check that stands for it when it has no answer.
struct Question<C: 'static> {
    id: &'static str,
    title: &'static str,
    ask: Ask<C>,
}

/// Checks a database. One that cannot be reached has the failing check `reachable` and no other.
pub async fn health(address: &Address, password: Option<&Sensitive>, clock: &dyn Clock) -> TargetHealth {
    let (at_ms, started) = (clock.now_ms(), Instant::now());
    let end = Deadline::now() + DEADLINE;
    let mut database = match connect(address, password, CONNECT).await {
        Ok(database) => database,
        Err(error) => {
            return TargetHealth::of(at_ms, None, vec![unreachable(&error)], started.elapsed().as_secs_f64());
        }
    };
    if matches!(database, Database::Postgres(_)) {
        own::add(address, 1.0, 1);
    }
    if let Database::Sqlite(c) = &mut database {
        // A writer of a moment is no fault: readers wait for it where there is no WAL.
        let _ = sqlx::raw_sql(PATIENCE).execute(c).await;
    }
    let signed_in = started.elapsed().as_secs_f64();
    let reason = format!("signed in within {}", words::seconds(signed_in));
    let mut checks = vec![told("reachable", "Reachable", CheckState::Ok, reason)];
    let product = tokio::time::timeout_at(end, latency(&mut database, &mut checks)).await;
    let version = match product {
        Ok(Ok(version)) => Some(version),
        Ok(Err(error)) => {
            checks[0] = unreachable(&explain(address, &error));
            None
        }
        Err(_) => {
            checks[0] = unreachable(&stalled(address, &database, DEADLINE));
            None
        }
    };
    if version.is_some() {
        let lost = match &mut database {
            Database::Postgres(c) => asked(c, address, postgres::QUESTIONS, end, &mut checks).await,
            Database::Mysql(c) => asked(c, address, mysql::QUESTIONS, end, &mut checks).await,
            Database::Sqlite(c) => asked(c, address, sqlite::QUESTIONS, end, &mut checks).await,
        };
        if let (Database::Postgres(_), Ok(asked)) = (&database, u32::try_from(postgres::QUESTIONS.len())) {
            own::add(address, f64::from(asked) + 1.0 + ROUND_TRIPS as f64, 0);
        }
        if let Some(error) = lost {
            checks[0] = unreachable(&error);
        }
    }
    close(database).await;
    TargetHealth::of(at_ms, version, checks, started.elapsed().as_secs_f64())
}

fn unreachable(error: &ApiError) -> HealthCheck {
    let mut check = told("reachable", "Reachable", CheckState::Failing, error.message.clone());
    check.fix = error.hint.clone().map(|what| perfdeck_model::CheckFix { what, statement: None });
    check
}

/// A statement of ten such round trips takes a second on the way at the first limit.
const LATENCY: Limit = Limit::new(0.1, 1.0, "Perfdeck: ten statements of a request then spend a second on the way");

/// The version, and the check of the latency.
async fn latency(database: &mut Database, checks: &mut Vec<HealthCheck>) -> Result<String, sqlx::Error> {
    // Not among those that are measured: a first question may look things up.
    let version = version(database).await?;
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let started = Instant::now();
        match database {
            Database::Postgres(c) => sqlx::raw_sql("SELECT 1").fetch_one(&mut *c).await.map(drop),
            Database::Mysql(c) => sqlx::raw_sql("SELECT 1").fetch_one(&mut *c).await.map(drop),
            Database::Sqlite(c) => sqlx::raw_sql("SELECT 1").fetch_one(&mut *c).await.map(drop),
        }?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (median, longest) = (times[ROUND_TRIPS / 2], times[ROUND_TRIPS - 1]);
    let reason = format!("median of {ROUND_TRIPS} round trips; the longest took {}", words::seconds(longest));
    checks.push(measured("latency", "Latency", (median, Unit::Seconds), LATENCY, reason));
    Ok(version)
}

/// Whether nothing more will come of a connection after this failure.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(e) => {
            // PostgreSQL's shutdown and termination, MySQL's shutdown and kill.
            e.code().is_some_and(|code| ["57P01", "57P02", "57P03", "08S01", "70100"].contains(&code.as_ref()))
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Asks one after the other. What cannot be asked is unknown with its reason. Answers why the database was lost in the
/// middle, when it was.
async fn asked<C>(
    c: &mut C,
    address: &Address,
    questions: &[Question<C>],
    end: Deadline,
    checks: &mut Vec<HealthCheck>,
) -> Option<ApiError> {
    let mut gone: Option<ApiError> = None;
    let mut late = false;
    for Question { id, title, ask } in questions {
        if let Some(error) = gone.as_ref().filter(|_| !late) {
            checks.push(missed(id, title, error));
            continue;
        }
        if late {
            checks.push(missed(id, title, &no_time()));
            continue;
        }
        match tokio::time::timeout_at(end, ask(c, address)).await {
            Ok(Ok(told)) => checks.extend(told),
            Ok(Err(error)) => {
                let why = explain(address, &error);
                checks.push(missed(id, title, &why));
                if is_lost(&error) {
                    gone = Some(why);
                }
            }
            Err(_) => {
                checks.push(missed(id, title, &no_time()));
                late = true;
            }
        }
    }
    gone
}

fn no_time() -> ApiError {
    ApiError::new(ErrorCode::Timeout, format!("not asked: the check has {} s in all", DEADLINE.as_secs()))
}

/// Statements that [`broken`] sends.
pub(crate) const BROKEN_REQUESTS: u32 = 4;

/// Failures of a PostgreSQL that are cheap enough to be looked for once a minute, as findings of what is broken.
pub(crate) async fn broken(c: &mut Session, address: &Address) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    for question in postgres::QUESTIONS.iter().filter(|q| postgres::OF_STATE.contains(&q.id)) {
        let failing = (question.ask)(c, address).await?;
        findings.extend(failing.into_iter().filter(|c| c.state == CheckState::Failing).map(as_finding));
    }
    Ok(findings)
}

/// A check that fails, as a finding.
fn as_finding(check: HealthCheck) -> Finding {
    let rule = match check.threshold.as_ref().and_then(|t| Some((t.failing?, &t.source))) {
        Some((limit, source)) => {
            format!("above {} ({source})", words::format(Some(limit), check.unit.unwrap_or(Unit::Count)))
        }
        None => "the server says so".to_owned(),
    };
    let advice = check.fix.as_ref().map_or_else(String::new, |fix| fix.what.clone());
    let mut proof = Proof::new(rule, advice).step("Show its health", FindingTarget::DatabaseHealth);
    if let (Some(value), Some(unit)) = (check.value, check.unit) {
        proof = proof.value(&check.title.to_lowercase(), words::format(Some(value), unit));
    }
    if let Some((what, text)) = check.fix.and_then(|fix| Some((fix.what, fix.statement?))) {
        proof = proof.statement(&what, text);
    }
    let title = format!("{}: failing", check.title);
    let mut finding = finding("database_unhealthy", &check.id, title, check.reason, 1.0, "Show health").because(proof);
    finding.action.opens = FindingTarget::DatabaseHealth;
    finding
}
