//! Bare connections with deadlines.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, Sensitive, TlsMode};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::error::explain;

/// A connection to one of the engines.
pub enum Database {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// MySQL or MariaDB.
    Mysql(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// Name under which monitoring shows in the target's own views; its sessions are left out of every figure.
pub(crate) const NAME: &str = "perfdeck";

/// PostgreSQL options of an address.
pub(crate) fn postgres_options(address: &Address, password: Option<&Sensitive>, name: &str) -> PgConnectOptions {
    let mut o = PgConnectOptions::new_without_pgpass().application_name(name).ssl_mode(match address.tls {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::Verify => PgSslMode::VerifyFull,
    });
    if let Some(h) = address.hosts.first() {
        o = if h.host.starts_with('/') { o.socket(&h.host) } else { o.host(&h.host) }.port(h.port);
    }
    if let Some(user) = &address.username {
        o = o.username(user);
    }
    if let Some(password) = password {
        o = o.password(password.expose());
    }
    if !address.path.is_empty() {
        o = o.database(&address.path);
    }
    if let Some(file) = address.params.get("sslrootcert") {
        o = o.ssl_root_cert(file);
    }
    o.disable_statement_logging()
}

/// MySQL and MariaDB options of an address.
pub(crate) fn mysql_options(address: &Address, password: Option<&Sensitive>) -> MySqlConnectOptions {
    let mut o = MySqlConnectOptions::new().ssl_mode(match address.tls {
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::Verify => MySqlSslMode::VerifyIdentity,
    });
    if let Some(h) = address.hosts.first() {
        o = if h.host.starts_with('/') { o.socket(&h.host) } else { o.host(&h.host).port(h.port) };
    }
    if let Some(user) = &address.username {
        o = o.username(user);
    }
    if let Some(password) = password {
        o = o.password(password.expose());
    }
    if !address.path.is_empty() {
        o = o.database(&address.path);
    }
    if let Some(file) = address.params.get("sslrootcert").or_else(|| address.params.get("ssl-ca")) {
        o = o.ssl_ca(file);
    }
    o.disable_statement_logging()
}

/// SQLite options of an address; never creates the file.
pub(crate) fn sqlite_options(address: &Address) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(&address.path).create_if_missing(false).disable_statement_logging()
}

/// A server that accepts and then says nothing.
pub(crate) fn silent(address: &Address, deadline: Duration) -> ApiError {
    let seconds = deadline.as_secs_f64();
    ApiError::new(
        ErrorCode::Timeout,
        format!("{} accepted the connection but did not answer within {seconds} s", address.short()),
    )
    .hint(format!("Is it {}? A server that hangs or another kind of server looks like this", address.scheme.product()))
}

/// Connects for monitoring, without a pool: a pool would retry and report a wrong password as a time-out.
///
/// The session is read-only and its statements end by themselves.
pub(crate) async fn connect(
    address: &Address,
    password: Option<&Sensitive>,
    deadline: Duration,
) -> Result<Database, ApiError> {
    match tokio::time::timeout(deadline, open(address, password)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            tracing::debug!(target: "perfdeck::database", address = %address.short(), "connecting failed: {error}");
            Err(explain(address, &error))
        }
        Err(_) => Err(silent(address, deadline)),
    }
}

async fn open(address: &Address, password: Option<&Sensitive>) -> Result<Database, sqlx::Error> {
    match address.scheme {
        Scheme::Postgres => {
            let plain = postgres_options(address, password, NAME);
            let guarded = plain.clone().options([
                ("statement_timeout", "1500"),
                ("lock_timeout", "200"),
                ("idle_in_transaction_session_timeout", "5000"),
                ("default_transaction_read_only", "on"),
                ("jit", "off"),
            ]);
            match guarded.connect().await {
                // PgBouncer refuses start-up options, and before 1.21 prepared statements too.
                Err(sqlx::Error::Database(e)) if e.message().contains("unsupported startup parameter") => {
                    plain.statement_cache_capacity(0).connect().await.map(Database::Postgres)
                }
                other => other.map(Database::Postgres),
            }
        }
        Scheme::Mysql | Scheme::Mariadb => {
            let mut c = mysql_options(address, password).connect().await?;
            sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY").execute(&mut c).await?;
            sqlx::raw_sql("SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1").execute(&mut c).await?;
            // MariaDB counts seconds, MySQL milliseconds; each refuses the other's name.
            if sqlx::raw_sql("SET SESSION max_statement_time = 1.5").execute(&mut c).await.is_err() {
                let _ = sqlx::raw_sql("SET SESSION max_execution_time = 1500").execute(&mut c).await;
            }
            Ok(Database::Mysql(c))
        }
        _ => sqlite_options(address)
            .read_only(true)
            .busy_timeout(Duration::from_millis(200))
            .connect()
            .await
            .map(Database::Sqlite),
    }
}

/// Name under which load shows in the target's own views.
const LOAD_NAME: &str = "perfdeck-load";
/// Longest time to open a connection for load.
const LOAD_DEADLINE: Duration = Duration::from_secs(10);

/// Connects for a benchmark: without a pool, and without what keeps monitoring harmless.
///
/// # Errors
/// As a connection test would say it.
pub async fn connect_for_load(address: &Address, password: Option<&Sensitive>) -> Result<Database, ApiError> {
    let open = async {
        match address.scheme {
            Scheme::Postgres => postgres_options(address, password, LOAD_NAME).connect().await.map(Database::Postgres),
            Scheme::Mysql | Scheme::Mariadb => mysql_options(address, password).connect().await.map(Database::Mysql),
            _ => sqlite_options(address).busy_timeout(Duration::from_secs(5)).connect().await.map(Database::Sqlite),
        }
    };
    match tokio::time::timeout(LOAD_DEADLINE, open).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(explain(address, &error)),
        Err(_) => Err(silent(address, LOAD_DEADLINE)),
    }
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
