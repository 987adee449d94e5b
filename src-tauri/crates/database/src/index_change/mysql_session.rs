//! A connection to MySQL or MariaDB for what alters a table, on a session of its own.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::STATEMENT;
use super::postgres_session::{Mode, user};
use crate::connect::silent;
use crate::error::{asked, explain};
use crate::hints::{account, again};
use crate::mysql::text;
use crate::options::mysql_options;
use crate::{own, trust};

/// Longest time to connect, unless the address gives another.
const CONNECT: Duration = Duration::from_millis(2_500);
/// Longest wait for the lock of a table, in seconds: whoever comes after who waits for it waits too.
pub(super) const LOCK_S: u64 = 2;
/// Longest time of a question, in seconds.
const QUESTION_S: u64 = 3;

/// What is behind a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) mariadb: bool,
    /// Its version, as far as three numbers tell it.
    pub(super) version: (u32, u32, u32),
}

impl Server {
    fn of(text: &str) -> Self {
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { mariadb: text.contains("MariaDB"), version: (next(), next(), next()) }
    }

    /// Whether indexes can be hidden from its planner.
    pub(super) fn hides(self) -> bool {
        self.version >= if self.mariadb { (10, 6, 0) } else { (8, 0, 0) }
    }

    /// Whether keys descend; older ones read it and forget it.
    pub(super) fn descends(self) -> bool {
        self.version >= if self.mariadb { (10, 8, 0) } else { (8, 0, 0) }
    }

    /// Whether an expression can be a key.
    pub(super) fn indexes_expressions(self) -> bool {
        !self.mariadb && self.version >= (8, 0, 13)
    }

    pub(super) fn product(self) -> &'static str {
        if self.mariadb { "MariaDB" } else { "MySQL" }
    }
}

/// Connects.
pub(super) async fn open(
    address: &Address,
    password: Option<&Sensitive>,
    mode: Mode,
) -> Result<(MySqlConnection, Server), ApiError> {
    if address.path.is_empty() {
        return Err(ApiError::bad_request(format!("The address of {} names no database", address.short()))
            .hint("Write it behind the port: mariadb://user@host:3306/DATABASE"));
    }
    let wanted = trust::wanted(address)?;
    let limit = wanted.connect_timeout.unwrap_or(CONNECT);
    let work = async {
        trust::checked(address, &wanted).await?;
        let mut c = mysql_options(address, password).connect().await.map_err(|e| explain(address, &e))?;
        let server = ready(address, &mut c, mode).await?;
        Ok((c, server))
    };
    match tokio::time::timeout(limit, work).await {
        Ok(opened) => opened.map_err(|e| asked(address, password, e)),
        Err(_) => Err(silent(address, limit)),
    }
}

/// Makes sure that the session is the server's own, and that its statements mean what they say whatever the server's settings are.
async fn ready(address: &Address, c: &mut MySqlConnection, mode: Mode) -> Result<Server, ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    // A longer value than a key takes is refused, not cut; texts of definitions have one kind of quotes.
    let sql = format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', sql_quote_show_create = 1,
         lock_wait_timeout = {LOCK_S}, innodb_lock_wait_timeout = {LOCK_S}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *c).await.map_err(failed)?;
    let row = "SELECT VERSION(), CAST(CONNECTION_ID() AS SIGNED), CAST(@@SESSION.lock_wait_timeout AS SIGNED),
               CAST(@@GLOBAL.read_only AS SIGNED), CURRENT_USER()";
    let row = sqlx::raw_sql(row).fetch_one(&mut *c).await.map_err(failed)?;
    let id: i64 = row.try_get(1).map_err(failed)?;
    own::began(address, id);
    own::signed_in(address, &text(&row, 4).unwrap_or_default());
    let server = Server::of(&text(&row, 0).unwrap_or_default());
    let again: i64 =
        sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&mut *c).await.map_err(failed)?;
    if again != id || row.try_get::<i64, _>(2).map_err(failed)? != LOCK_S as i64 {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            format!("{} is a pooler, and an index is built and dropped on a session of its own", address.short()),
        )
        .hint("Give the environment the server's own port"));
    }
    if mode == Mode::Read {
        // The server's statistics of statements leave this session out, where this user may ask for that.
        let own = "UPDATE performance_schema.threads SET instrumented = 'NO' WHERE processlist_id = CONNECTION_ID()";
        let _ = sqlx::raw_sql(own).execute(&mut *c).await;
        sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut *c).await.map_err(failed)?;
        let limit = match server.mariadb {
            true => format!("SET SESSION max_statement_time = {QUESTION_S}"),
            false => format!("SET SESSION max_execution_time = {}", QUESTION_S * 1_000),
        };
        sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut *c).await.map_err(failed)?;
    } else if row.try_get::<i64, _>(3).map_err(failed)? != 0 {
        return Err(only_reads(address));
    } else if server.mariadb {
        // What the server gives to queries would end a build; MySQL's has no say in it.
        let limit = format!("SET SESSION max_statement_time = {}", STATEMENT.as_secs());
        sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut *c).await.map_err(failed)?;
    }
    Ok(server)
}

fn only_reads(address: &Address) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{} only reads (read_only), as replicas do", address.short()))
        .hint("Give the environment the address of the primary, which the replica then follows")
}

/// Refuses a server that takes no changes, before anything is planned.
pub(super) async fn takes_changes(address: &Address, c: &mut MySqlConnection) -> Result<(), ApiError> {
    let sql = "SELECT CAST(@@GLOBAL.read_only AS SIGNED)";
    let read_only: i64 = sqlx::query_scalar(sql).fetch_one(c).await.map_err(|e| explain(address, &e))?;
    if read_only == 0 { Ok(()) } else { Err(only_reads(address)) }
}

pub(super) fn quoted(name: &str) -> String {
    quote_identifier(name, Dialect::Mysql)
}

/// What a user lacks to alter a table.
pub(super) fn no_alter(address: &Address, table: &str) -> ApiError {
    let user = user(address);
    ApiError::new(ErrorCode::Privilege, format!("'{user}' may not alter '{table}' on {}", address.short()))
        .hint(format!("GRANT ALTER, INDEX ON {}.{} TO {};", quoted(&address.path), quoted(table), account(address)))
}

/// The server's number of an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Number of keys that are too long; MariaDB tells it as a warning, and indexes their beginning.
pub(super) const TOO_LONG: u16 = 1071;

pub(super) fn too_long() -> ApiError {
    ApiError::new(ErrorCode::Unsupported, "The keys are longer than an index takes (3,072 bytes)")
        .hint("Leave a key out, or take less of a text: note(64) is its beginning")
}

/// Why a statement about an index of `table` failed.
pub(super) fn why(address: &Address, table: &str, error: &sqlx::Error) -> ApiError {
    if !matches!(error, sqlx::Error::Database(_)) {
        return explain(address, error);
    }
    let at = address.short();
    let number = number(error).unwrap_or(0);
    let new = |code, text: String| ApiError::new(code, text);
    use ErrorCode as E;
    match number {
        1205 => again(E::Timeout, format!("The lock of '{table}' was not free within {LOCK_S} s on {at}")).hint(
            "A transaction that used the table is open, or another ALTER goes on; the build needs the lock at its beginning \
             and at its end. Try again when it has ended",
        ),
        1213 => again(E::Conflict, format!("{at} ended the statement to break a deadlock")).hint("Try again"),
        1317 => again(E::Conflict, format!("Somebody ended the statement on {at}"))
            .hint("It was told to with KILL QUERY; try again when that is settled"),
        1969 | 3024 => again(E::Timeout, format!("{at} ended the statement after its time"))
            .hint("A question has 3 s, a build 10 min; the server is busy, or the table is altered by hand"),
        1044 | 1142 | 1143 | 1227 | 1370 => no_alter(address, table),
        1290 | 1792 | 1836 => only_reads(address),
        1553 => new(E::Conflict, "A foreign key needs this index, and the server keeps it".to_owned())
            .hint("Create another one that begins with the same columns first"),
        1845 | 1846 => new(E::Unsupported, format!("{at} cannot do this to '{table}' without blocking writes"))
            .hint("Indexes of words and of places, and tables with such ones, are locked; do it by hand when nobody writes"),
        1799 => again(E::Conflict, format!("More was written to '{table}' while the index was built than the server keeps"))
            .hint("Raise innodb_online_alter_log_max_size, or try again when less is written"),
        1062 | 1586 => new(E::Conflict, "Rows that are alike keep the unique index from being built".to_owned())
            .hint("They came while it was not there; remove them and undo again"),
        1061 => new(E::Conflict, "Something else has the index's name by now".to_owned()),
        1069 => new(E::Unsupported, format!("'{table}' has as many indexes as a table may have (64)")),
        TOO_LONG => too_long(),
        1146 => new(E::Conflict, "The index's table is no longer there".to_owned()),
        1091 | 1176 => new(E::Conflict, "The index is no longer there".to_owned()),
        1021 | 1026 | 1030 | 1114 | 1878 => new(E::Storage, format!("The disk of {at} is full, or the limit of its tablespace is reached")).hint(
            "An index needs its own size in its tablespace, and as much again in innodb_tmpdir while it is sorted: make room there, then try again",
        ),
        _ => explain(address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_can_is_told_by_its_version() {
        let maria = Server::of("5.5.5-10.11.19-MariaDB-0+deb12u1");
        assert_eq!((maria.mariadb, maria.version, maria.product()), (true, (10, 11, 19), "MariaDB"));
        assert!(maria.hides() && maria.descends() && !maria.indexes_expressions());
        let old = Server::of("10.5.3-MariaDB");
        assert!(!old.hides() && !old.descends());
        let mysql = Server::of("8.4.2");
        assert!(!mysql.mariadb && mysql.hides() && mysql.indexes_expressions());
        assert!(!Server::of("5.7.44-log").hides());
    }
}
