//! Bare connections with deadlines.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_model::{Address, AddressOptions, ApiError, ErrorCode, Scheme, Sensitive};
use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use crate::error::{asked, explain};
use crate::options::{mysql_options, sqlite_options};
use crate::own;
use crate::session::{self, Session, Settings};
use crate::trust;

/// A connection to one of the engines.
pub enum Database {
    /// PostgreSQL.
    Postgres(Session),
    /// MySQL or MariaDB.
    Mysql(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// What is left of a deadline has more digits than anybody wants to read.
fn tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// A server that accepts and then says nothing.
pub(crate) fn silent(address: &Address, deadline: Duration) -> ApiError {
    let seconds = tenths(deadline);
    ApiError::new(
        ErrorCode::Timeout,
        format!("{} accepted the connection but did not answer within {seconds} s", address.short()),
    )
    .hint(format!("Is it {}? A server that hangs or another kind of server looks like this", address.scheme.product()))
}

/// Signed in, but the first question waits: nothing behind the pooler is free.
pub(crate) fn no_server(address: &Address, limit: Duration) -> ApiError {
    let seconds = tenths(limit);
    ApiError::new(
        ErrorCode::Timeout,
        format!(
            "{} signed in and then gave no server connection within {seconds} s: the pooler has none that is free",
            address.short()
        ),
    )
    .hint(
        "Its default_pool_size is taken, or it is paused (SHOW DATABASES in its console says so; RESUME). In session mode each client \
         keeps one: use fewer connections (-c), raise the size, set pool_mode=transaction, or use the server's own port",
    )
}

/// A connection that was open and did not answer in time.
pub(crate) fn stalled(address: &Address, database: &Database, limit: Duration) -> ApiError {
    match database {
        Database::Postgres(session) => unanswered(address, session, limit),
        _ => silent(address, limit),
    }
}

/// The same of a session of PostgreSQL.
pub(crate) fn unanswered(address: &Address, session: &Session, limit: Duration) -> ApiError {
    if session.is_shared() { no_server(address, limit) } else { silent(address, limit) }
}

/// Connects for monitoring, without a pool: a pool would retry and report a wrong password as a time-out.
///
/// The session is read-only and its statements end by themselves.
pub(crate) async fn connect(
    address: &Address,
    password: Option<&Sensitive>,
    deadline: Duration,
) -> Result<Database, ApiError> {
    connect_with(address, password, deadline, Settings::Lean).await
}

/// The same with the role's own settings where they decide on how a statement is run.
pub(crate) async fn connect_as_role(
    address: &Address,
    password: Option<&Sensitive>,
    deadline: Duration,
) -> Result<Database, ApiError> {
    connect_with(address, password, deadline, Settings::OfRole).await
}

async fn connect_with(
    address: &Address,
    password: Option<&Sensitive>,
    deadline: Duration,
    settings: Settings,
) -> Result<Database, ApiError> {
    let wanted = trust::wanted(address)?;
    let deadline = wanted.connect_timeout.unwrap_or(deadline);
    let signed_in = AtomicBool::new(false);
    match tokio::time::timeout(deadline, open(address, password, &wanted, settings, &signed_in)).await {
        Ok(opened) => opened.map_err(|error| asked(address, password, error)),
        Err(_) if signed_in.load(Ordering::Relaxed) => Err(no_server(address, deadline)),
        Err(_) => Err(silent(address, deadline)),
    }
}

async fn open(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &AddressOptions,
    settings: Settings,
    signed_in: &AtomicBool,
) -> Result<Database, ApiError> {
    let failed = |error: sqlx::Error| explain(address, &error);
    let door = trust::checked(address, wanted).await?;
    match address.scheme {
        Scheme::Postgres => {
            let mut session = Session::open(address, password, wanted, door.as_ref(), settings, signed_in).await?;
            session::fits(address, wanted.session, &mut session).await?;
            Ok(Database::Postgres(session))
        }
        Scheme::Mysql | Scheme::Mariadb => mysql(address, password).await.map(Database::Mysql).map_err(failed),
        _ => sqlite_options(address)
            .read_only(true)
            .busy_timeout(Duration::from_millis(200))
            .connect()
            .await
            .map(Database::Sqlite)
            .map_err(failed),
    }
}

async fn mysql(address: &Address, password: Option<&Sensitive>) -> Result<MySqlConnection, sqlx::Error> {
    // Without a database first: what is sent until then is counted for none.
    let nowhere = Address { path: String::new(), ..address.clone() };
    let mut c = mysql_options(&nowhere, password).connect().await?;
    let row = sqlx::raw_sql("SELECT CAST(CONNECTION_ID() AS SIGNED), CURRENT_USER()").fetch_one(&mut c).await?;
    own::signed_in(address, &crate::mysql::text(&row, 1).unwrap_or_default());
    // The server's statistics of statements leave this session out, where this user may ask for that.
    let _ = sqlx::raw_sql(
        "UPDATE performance_schema.threads SET instrumented = 'NO' WHERE processlist_id = CONNECTION_ID()",
    )
    .execute(&mut c)
    .await;
    if !address.path.is_empty() {
        let name = perfdeck_sqltext::quote_identifier(&address.path, perfdeck_sqltext::Dialect::Mysql);
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("USE {name}"))).execute(&mut c).await?;
    }
    sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut c).await?;
    sqlx::raw_sql("SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1").execute(&mut c).await?;
    // MariaDB counts seconds, MySQL milliseconds; each refuses the other's name.
    if sqlx::raw_sql("SET SESSION max_statement_time = 1.5").execute(&mut c).await.is_err() {
        let _ = sqlx::raw_sql("SET SESSION max_execution_time = 1500").execute(&mut c).await;
    }
    own::began(address, sqlx::Row::try_get(&row, 0)?);
    Ok(c)
}

/// Ends a connection politely, within a deadline.
pub(crate) async fn close(database: Database) {
    let work = async {
        match database {
            Database::Postgres(c) => c.close().await,
            Database::Mysql(c) => c.close().await,
            Database::Sqlite(c) => c.close().await,
        }
    };
    // Whatever happens, the connection is gone afterwards.
    let _ = tokio::time::timeout(Duration::from_millis(500), work).await;
}

/// Whether a failed question means that the session is over: it was lost, ended by somebody, or the server shuts down.
pub(crate) fn ends_session(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return true };
    let code = error.code();
    let code = code.as_deref().unwrap_or_default();
    // PostgreSQL's classes of lost connections and of operators' interventions but cancelled statements; a pooler's own.
    (code.starts_with("08") || code.starts_with("57P")) || matches!(code, "70100" | "08S01")
}

/// Product and version as the server tells them.
pub(crate) async fn version(connection: &mut Database) -> Result<String, sqlx::Error> {
    Ok(match connection {
        Database::Postgres(c) => {
            let v: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(c).await?;
            format!("PostgreSQL {}", v.split(' ').next().unwrap_or(&v))
        }
        Database::Mysql(c) => {
            let v: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(c).await?;
            mysql_version(&v)
        }
        Database::Sqlite(c) => {
            let v: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(c).await?;
            format!("SQLite {v}")
        }
    })
}

/// Product and number from `VERSION()` or a greeting, such as `5.5.5-10.11.19-MariaDB-0+deb12u1`.
pub(crate) fn mysql_version(text: &str) -> String {
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let product = if text.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    format!("{product} {}", text.split('-').next().unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compatibility_prefix_of_mariadb_is_not_its_version() {
        assert_eq!(mysql_version("5.5.5-10.11.19-MariaDB-0+deb12u1"), "MariaDB 10.11.19", "replication prefix");
        assert_eq!(mysql_version("8.4.2"), "MySQL 8.4.2", "MySQL as it is");
    }
}
