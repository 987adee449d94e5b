//! A statement of minutes on MySQL and MariaDB: followed, and stopped on the server too.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::mysql_session::{open, why};
use super::postgres_session::Mode;
use super::{STATEMENT, Watch};
use crate::error::explain;
use crate::hints::again;
use crate::mysql::text;

/// How often a statement's progress is asked for.
const LOOK: Duration = Duration::from_millis(500);
/// Longest wait for a statement to end once the server was told to end it.
const CANCEL: Duration = Duration::from_secs(2);

/// Runs a statement about `table`, followed and stopped over a second session. No setting of these servers ends an `ALTER TABLE`
/// after a time on both of them, so that its time is counted here; where MariaDB's own ends it, it may say that somebody did.
pub(super) async fn run(
    address: &Address,
    password: Option<&Sensitive>,
    c: &mut MySqlConnection,
    (table, sql): (&str, &str),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    let id = own_id(address, c).await?;
    let (mut second, server) = open(address, password, Mode::Read).await?;
    let started = Instant::now();
    let work = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(c);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            done = &mut work => {
                settled(&mut second, id).await;
                let _ = second.close().await;
                return match done {
                    Err(_) if started.elapsed() >= STATEMENT => Err(late()),
                    done => done.map(drop).map_err(|e| why(address, table, &e)),
                };
            }
            () = &mut watch.stop => break ApiError::new(ErrorCode::Cancelled, "It was stopped before its end"),
            _ = tick.tick() => {
                if started.elapsed() >= STATEMENT {
                    break late();
                }
                look(&mut second, server.mariadb, id, watch.progress).await;
            }
        }
    };
    if let Err(error) = kill(&mut second, id).await {
        tracing::warn!(%error, "the server could not be told to end the statement");
    }
    let done = tokio::time::timeout(CANCEL, &mut work).await;
    if done.is_ok() {
        settled(&mut second, id).await;
    }
    match done {
        // It was through already.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(ended),
        Err(_) => {
            let text = format!("{}, and session {id} of the server has not ended yet", ended.message);
            Err(ApiError::new(ended.code, text))
        }
    }
}

fn late() -> ApiError {
    let limit = STATEMENT.as_secs() / 60;
    again(ErrorCode::Timeout, format!("It took longer than {limit} min and was ended"))
        .hint("A table of this size is altered by hand, or with a tool that copies it in pieces")
}

/// Waits until the server shows a session without its statement: it answers before it does, and whoever asks in between finds the statement
/// at work that is through.
async fn settled(c: &mut MySqlConnection, id: i64) {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist WHERE id = ? AND command = 'Query'";
    let began = Instant::now();
    while began.elapsed() < CANCEL {
        match sqlx::query_scalar::<_, i64>(sql).bind(id).fetch_one(&mut *c).await {
            Ok(1..) => tokio::time::sleep(Duration::from_millis(10)).await,
            _ => return,
        }
    }
}

async fn own_id(address: &Address, c: &mut MySqlConnection) -> Result<i64, ApiError> {
    let id = sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(c).await;
    id.map_err(|e| explain(address, &e))
}

async fn kill(c: &mut MySqlConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(format!("KILL QUERY {id}"))).execute(c).await.map(drop)
}

/// The session that runs this statement in the same database, one of another Perfdeck or of one that ended among them: other databases of
/// the server may have a table of that name. Sessions of the same user are seen without a privilege.
pub(super) async fn at_work(c: &mut MySqlConnection, sql: &str) -> Result<Option<i64>, sqlx::Error> {
    let ask = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist
               WHERE command = 'Query' AND id <> CONNECTION_ID() AND db = DATABASE() AND CAST(info AS BINARY) = CAST(? AS BINARY) LIMIT 1";
    sqlx::query_scalar(ask).bind(sql).fetch_optional(c).await
}

/// Ends the statement wherever it runs, and waits until it did.
pub(super) async fn end_work(address: &Address, c: &mut MySqlConnection, sql: &str) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let Some(id) = at_work(c, sql).await.map_err(failed)? else { return Ok(()) };
    kill(c, id).await.map_err(failed)?;
    let began = Instant::now();
    while began.elapsed() < CANCEL {
        if at_work(c, sql).await.map_err(failed)?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(again(
        ErrorCode::Timeout,
        format!("Session {id} of the server was told to end the statement, and still takes it back"),
    )
    .hint("Try again in a moment"))
}

/// Tells how far a statement is.
async fn look(c: &mut MySqlConnection, mariadb: bool, id: i64, progress: &(dyn Fn(Option<f64>, &str) + Send + Sync)) {
    let told = if mariadb { stage(c, id).await } else { None };
    // MariaDB tells stages of what copies a table, and of what is done in place only where they are instrumented.
    let (share, state) = match told.filter(|(share, _)| share.is_some()) {
        Some(told) => told,
        None => instrumented(c, id).await.unwrap_or_default(),
    };
    let step = match state.as_deref() {
        Some(state) if state.starts_with("Waiting for table") => "waits for the lock of the table".to_owned(),
        Some(state) if !state.is_empty() => state.to_owned(),
        _ => "at work".to_owned(),
    };
    progress(share, &step);
}

/// MariaDB tells stages, and how many hundredths of one are done.
async fn stage(c: &mut MySqlConnection, id: i64) -> Option<(Option<f64>, Option<String>)> {
    let sql = "SELECT state, CAST(stage AS DOUBLE), CAST(max_stage AS DOUBLE), CAST(progress AS DOUBLE)
               FROM information_schema.processlist WHERE id = ?";
    let row = sqlx::query(sql).bind(id).fetch_optional(c).await.ok()??;
    let n = |at: usize| row.try_get::<f64, _>(at).unwrap_or(0.0);
    let (stage, stages, done) = (n(1), n(2), n(3));
    let share = (stages > 0.0).then(|| ((stage - 1.0).max(0.0) + done / 100.0) / stages);
    Some((share.map(|share| share.clamp(0.0, 1.0)), text(&row, 0)))
}

/// Work done and estimated, where the instruments and consumers of stages are on.
async fn instrumented(c: &mut MySqlConnection, id: i64) -> Option<(Option<f64>, Option<String>)> {
    let sql = "SELECT p.state, CAST(s.work_completed AS DOUBLE), CAST(s.work_estimated AS DOUBLE)
               FROM information_schema.processlist p
               LEFT JOIN performance_schema.threads t ON t.processlist_id = p.id
               LEFT JOIN performance_schema.events_stages_current s ON s.thread_id = t.thread_id WHERE p.id = ? LIMIT 1";
    let row = match sqlx::query(sql).bind(id).fetch_optional(&mut *c).await {
        Ok(row) => row?,
        // Hidden from this user.
        Err(_) => {
            let sql = "SELECT state, NULL, NULL FROM information_schema.processlist WHERE id = ?";
            sqlx::query(sql).bind(id).fetch_optional(c).await.ok()??
        }
    };
    let n = |at: usize| row.try_get::<Option<f64>, _>(at).ok().flatten();
    // Where the table's statistics are old, more is done than was estimated, and the estimate follows what is done.
    let share = n(1).zip(n(2)).filter(|(done, all)| done < all).map(|(done, all)| (done / all).clamp(0.0, 1.0));
    Some((share, text(&row, 0)))
}
