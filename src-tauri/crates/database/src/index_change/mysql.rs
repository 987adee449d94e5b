//! On MySQL and MariaDB: in place and without a lock, which InnoDB alone does; the lock of the table is taken for a moment at the
//! beginning and at the end, and is waited for two seconds, because whoever comes after who waits for it waits too.
//!
//! What is written about MySQL 8 is by its documentation; MariaDB 10.11 is what the tests ask.
use perfdeck_model::{Address, ApiError, Sensitive, WaitsFor};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::basis::{Basis, basis};
use super::mysql_check::{Meant, at, find, may_alter};
use super::mysql_run::{at_work, end_work, run};
use super::mysql_session::{LOCK_S, open, quoted, takes_changes, why};
use super::postgres_session::Mode;
use super::{IndexFigures, IndexPlan, IndexState, Watch, no_index, no_twin, refused};
use crate::indexes::{Counted, mysql_uses};
use crate::mysql::text;

/// What makes InnoDB do it beside reads and writes, or refuse it.
const ONLINE: &str = "ALGORITHM=INPLACE, LOCK=NONE";

/// What drops an index.
pub(super) fn drops(table: &str, index: &str) -> String {
    format!("ALTER TABLE {} DROP INDEX {}, {ONLINE}", quoted(table), quoted(index))
}

/// What makes one of its part of a table's definition.
pub(super) fn adds(table: &str, definition: &str) -> String {
    format!("ALTER TABLE {} ADD {definition}, {ONLINE}", quoted(table))
}

fn planned(address: &Address, meant: &Meant) -> Result<IndexPlan, ApiError> {
    meant.rests()?;
    let Basis { repeats, covered_by, differs, .. } = basis(&meant.index, &meant.all)?;
    Ok(IndexPlan {
        name: meant.name(),
        repeats,
        covered_by,
        differs,
        table: meant.table.clone(),
        schema: address.path.clone(),
        index: meant.index.identity.name.clone(),
        definition: meant.definition.clone(),
        ..IndexPlan::default()
    })
}

pub(super) async fn plan(address: &Address, password: Option<&Sensitive>, object: &str) -> Result<IndexPlan, ApiError> {
    let (mut c, _) = open(address, password, Mode::Read).await?;
    takes_changes(address, &mut c).await?;
    let meant = find(address, &mut c, object).await?;
    let plan = planned(address, &meant)?;
    may_alter(address, &mut c, &plan.table).await?;
    let _ = c.close().await;
    Ok(plan)
}

/// Transactions of others that are open, which need a privilege to be seen.
pub(super) async fn transactions(c: &mut MySqlConnection) -> WaitsFor {
    // InnoDB tells times in the server's own zone, whatever the session's is.
    let sql = "SELECT CAST(COUNT(*) AS DOUBLE),
                      CAST(MAX(TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(NOW(), @@session.time_zone, 'SYSTEM'))) AS DOUBLE)
               FROM information_schema.innodb_trx WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID())";
    let row = sqlx::query(sql).fetch_one(c).await.ok();
    let n = |at: usize| row.as_ref().and_then(|row| sqlx::Row::try_get::<Option<f64>, _>(row, at).ok().flatten());
    n(0).map_or(WaitsFor::Hidden, |open| WaitsFor::Open { transactions: open as u32, oldest_s: n(1) })
}

/// Servers that follow this one now; `None` where that is hidden.
async fn followers(c: &mut MySqlConnection) -> Option<u32> {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
    let row = sqlx::query(sql).fetch_one(&mut *c).await.ok()?;
    let seen: i64 = sqlx::Row::try_get(&row, 0).ok()?;
    let may =
        "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'";
    let may = sqlx::query_scalar::<_, i64>(may).fetch_one(c).await.ok()? > 0;
    u32::try_from(seen).ok().filter(|n| may || *n > 0)
}

pub(super) async fn figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexFigures, ApiError> {
    let failed = |e: sqlx::Error| why(address, &plan.table, &e);
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let meant = at(address, &mut c, &plan.table, &plan.index).await?.ok_or_else(|| no_index(&plan.name))?;
    let uses = mysql_uses(&mut c, address, &meant.index, &plan.table).await.map_err(failed)?;
    let bytes = "SELECT CAST(stat_value * @@innodb_page_size AS DOUBLE) FROM mysql.innodb_index_stats
                 WHERE database_name = DATABASE() AND table_name = ? AND index_name = ? AND stat_name = 'size'";
    // Without SELECT on the schema mysql nobody tells it.
    let bytes = sqlx::query_scalar(bytes).bind(&plan.table).bind(&plan.index).fetch_optional(&mut c).await;
    let open = transactions(&mut c).await;
    let standbys = followers(&mut c).await;
    let _ = c.close().await;
    let (counted_s, uncounted) = match uses.counted {
        Counted::For(seconds) => (Some(seconds), None),
        Counted::Not { why, .. } => (None, Some(why)),
    };
    let done = uses.done.filter(|_| counted_s.is_some());
    Ok(IndexFigures {
        bytes: bytes.ok().flatten(),
        writes_per_s: uses.written.zip(counted_s).filter(|(_, s)| *s > 0.0).map(|(n, s)| n / s),
        scans: done.as_ref().and_then(|done| done.scans),
        rows_read: done.as_ref().and_then(|done| done.rows_read),
        counted_s,
        uncounted,
        waits: Some(open),
        standbys,
        foreign_keys: meant.foreign_keys(),
        expression: meant.index.identity.keys.iter().any(|key| key.column.is_none()),
    })
}

pub(super) async fn state(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexState, ApiError> {
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let found = state_in(address, &mut c, plan).await;
    let _ = c.close().await;
    found
}

async fn state_in(address: &Address, c: &mut MySqlConnection, plan: &IndexPlan) -> Result<IndexState, ApiError> {
    let failed = |e: sqlx::Error| why(address, &plan.table, &e);
    for sql in [drops(&plan.table, &plan.index), adds(&plan.table, &plan.definition)] {
        if let Some(session) = at_work(c, &sql).await.map_err(failed)? {
            return Ok(IndexState::InWork(session));
        }
    }
    if let Some(meant) = at(address, c, &plan.table, &plan.index).await? {
        // Hidden or not it is the same index: another change may have done that.
        let same = shown(&meant.definition) == shown(&plan.definition);
        return Ok(if same { IndexState::Present } else { IndexState::Differs });
    }
    let twin = match &plan.repeats {
        Some(other) => at(address, c, &plan.table, other).await?.is_some_and(|twin| twin.index.identity.visible),
        None => false,
    };
    Ok(IndexState::Absent(twin))
}

/// A definition without what hides the index.
pub(super) fn shown(definition: &str) -> &str {
    let text = definition.trim_end();
    let text = text.strip_suffix("/*!80000 INVISIBLE */").or_else(|| text.strip_suffix("IGNORED")).unwrap_or(text);
    text.trim_end()
}

/// A session that may alter the table while nobody else of Perfdeck does. What is to be taken back is ended first, wherever it
/// goes on: a session that nobody waits for has the lock until its statement ends.
pub(super) async fn ready(
    address: &Address,
    password: Option<&Sensitive>,
    (table, takes_back): (&str, Option<&str>),
) -> Result<MySqlConnection, ApiError> {
    let (mut c, _) = open(address, password, Mode::Write).await?;
    if let Some(statement) = takes_back {
        end_work(address, &mut c, statement).await?;
    }
    let sql = format!("SELECT CAST(GET_LOCK(CONCAT('perfdeck.', SHA1(CONCAT(DATABASE(), '.', ?))), {LOCK_S}) AS CHAR)");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(table).fetch_one(&mut c).await;
    let row = row.map_err(|e| why(address, table, &e))?;
    if text(&row, 0).as_deref() == Some("1") {
        return Ok(c);
    }
    Err(refused(format!("Another Perfdeck changes an index of '{table}' now")).hint("Try again when it has ended"))
}

pub(super) fn in_work(session: i64) -> ApiError {
    refused(format!("Session {session} of the server still works on this index"))
        .hint("It goes on by itself; look at it again when it has ended, or take it back, which ends it")
}

pub(super) async fn drop(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let mut c = ready(address, password, (&plan.table, None)).await?;
    match state_in(address, &mut c, plan).await? {
        IndexState::Absent(_) => return Ok(()),
        IndexState::InWork(session) => return Err(in_work(session)),
        IndexState::Present => {}
        _ => return Err(refused(format!("'{}' is another one than was planned", plan.name))),
    }
    let meant = at(address, &mut c, &plan.table, &plan.index).await?.ok_or_else(|| no_index(&plan.name))?;
    if planned(address, &meant)?.repeats.is_none() && plan.repeats.is_some() {
        return Err(no_twin(&plan.name));
    }
    run(address, password, &mut c, (&plan.table, &drops(&plan.table, &plan.index)), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}

pub(super) async fn create(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let dropping = drops(&plan.table, &plan.index);
    let mut c = ready(address, password, (&plan.table, Some(&dropping))).await?;
    match state_in(address, &mut c, plan).await? {
        IndexState::Present => return Ok(()),
        IndexState::InWork(session) => return Err(in_work(session)),
        IndexState::Absent(_) => {}
        _ => return Err(refused(format!("Something else is called '{}' now", plan.name))),
    }
    run(address, password, &mut c, (&plan.table, &adds(&plan.table, &plan.definition)), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_an_index_is_no_part_of_what_it_is() {
        assert_eq!(shown("KEY `i` (`a`) IGNORED"), "KEY `i` (`a`)");
        assert_eq!(shown("KEY `i` (`a`) /*!80000 INVISIBLE */"), "KEY `i` (`a`)");
        assert_eq!(shown("KEY `i` (`a`) COMMENT 'IGNORED'"), "KEY `i` (`a`) COMMENT 'IGNORED'");
    }
}
