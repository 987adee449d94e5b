//! A statement of minutes on PostgreSQL: followed, and stopped on the server too.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::postgres_session::{Mode, open, why, why_after};
use super::{STATEMENT, Watch};

/// How often a statement's progress is asked for.
const LOOK: Duration = Duration::from_millis(500);
/// Longest wait for a statement to end once the server was told to cancel it.
const CANCEL: Duration = Duration::from_secs(2);

/// Runs a statement of minutes, followed and stopped over a second session.
pub(super) async fn run(
    address: &Address,
    password: Option<&Sensitive>,
    c: &mut PgConnection,
    sql: &str,
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *c).await.map_err(|e| why(address, &e))?;
    let mut second = open(address, password, Mode::Read).await?;
    let started = Instant::now();
    let work = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(c);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = &mut watch.stop => {
                let asked = sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&mut second).await;
                if let Err(error) = asked {
                    tracing::warn!(%error, "the server could not be told to cancel");
                }
                match tokio::time::timeout(CANCEL, &mut work).await {
                    // It was through already.
                    Ok(Ok(done)) => break Ok(done),
                    Ok(Err(_)) => return Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its end")),
                    Err(_) => {
                        let text = format!("It was stopped, and session {pid} of the server has not ended yet");
                        return Err(ApiError::new(ErrorCode::Cancelled, text));
                    }
                }
            }
            _ = tick.tick() => look(&mut second, pid, watch.progress).await,
        }
    };
    let passed = started.elapsed() >= STATEMENT;
    let _ = second.close().await;
    done.map(std::mem::drop).map_err(|e| why_after(address, &e, Some(passed)))
}

/// Tells how far a statement is, and whom it waits for.
async fn look(c: &mut PgConnection, pid: i32, progress: &(dyn Fn(Option<f64>, &str) + Send + Sync)) {
    let sql = "SELECT p.phase, (p.blocks_done::float8 / nullif(p.blocks_total, 0)), (pg_blocking_pids($1))[1]
               FROM (SELECT 1) one LEFT JOIN pg_stat_progress_create_index p ON p.pid = $1";
    let Ok(row) = sqlx::query(sql).bind(pid).fetch_one(c).await else { return };
    let phase: Option<String> = row.try_get(0).unwrap_or_default();
    let share: Option<f64> = row.try_get(1).unwrap_or_default();
    let blocker: Option<i32> = row.try_get(2).unwrap_or_default();
    let step = match (phase, blocker) {
        (_, Some(blocker)) => format!("waits for session {blocker}"),
        (Some(phase), None) => phase,
        (None, None) => "at work".to_owned(),
    };
    progress(share, &step);
}
