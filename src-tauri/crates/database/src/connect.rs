//! Bare connections with deadlines, and what their errors mean for a person.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, Sensitive, TlsMode};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

/// A connection is given up after this.
pub(crate) const CONNECT: Duration = Duration::from_millis(2500);

/// A connection to one of the engines.
pub(crate) enum Database {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// Connects without a pool: a pool would retry and report a wrong password as a time-out.
pub(crate) async fn connect(address: &Address, password: Option<&Sensitive>) -> Result<Database, ApiError> {
    let work = async {
        let host = address.hosts.first();
        match address.scheme {
            Scheme::Postgres => {
                let mut o = PgConnectOptions::new_without_pgpass()
                    .application_name("perfdeck")
                    .ssl_mode(match address.tls {
                        TlsMode::Disable => PgSslMode::Disable,
                        TlsMode::Prefer => PgSslMode::Prefer,
                        TlsMode::Require => PgSslMode::Require,
                        TlsMode::Verify => PgSslMode::VerifyFull,
                    })
                    .options([
                        ("statement_timeout", "2000"),
                        ("lock_timeout", "200"),
                        ("default_transaction_read_only", "on"),
                        ("jit", "off"),
                    ]);
                if let Some(h) = host {
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
                o.disable_statement_logging().connect().await.map(Database::Postgres)
            }
            Scheme::Mysql | Scheme::Mariadb => {
                let mut o = MySqlConnectOptions::new().ssl_mode(match address.tls {
                    TlsMode::Disable => MySqlSslMode::Disabled,
                    TlsMode::Prefer => MySqlSslMode::Preferred,
                    TlsMode::Require => MySqlSslMode::Required,
                    TlsMode::Verify => MySqlSslMode::VerifyIdentity,
                });
                if let Some(h) = host {
                    o = o.host(&h.host).port(h.port);
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
                let mut c = o.disable_statement_logging().connect().await?;
                sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY, lock_wait_timeout = 1").execute(&mut c).await?;
                Ok(Database::Mysql(c))
            }
            _ => SqliteConnectOptions::new()
                .filename(&address.path)
                .create_if_missing(false)
                .read_only(true)
                .busy_timeout(Duration::from_millis(200))
                .disable_statement_logging()
                .connect()
                .await
                .map(Database::Sqlite),
        }
    };
    match tokio::time::timeout(CONNECT, work).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(explain(address, &error)),
        Err(_) => Err(ApiError::new(
            ErrorCode::Timeout,
            format!("{} accepted the connection but did not answer within 2.5 s", address.short()),
        )
        .hint(format!(
            "Is it {}? A server that hangs or another kind of server looks like this",
            address.scheme.product()
        ))),
    }
}

/// What a driver's error means.
pub(crate) fn explain(address: &Address, error: &sqlx::Error) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    match error {
        sqlx::Error::Database(e) => {
            let code = e.code().unwrap_or_default();
            let message = e.message();
            match (&*code, address.scheme) {
                ("28P01" | "28000", Scheme::Postgres)
                | ("1045" | "1698" | "28000", Scheme::Mysql | Scheme::Mariadb) => {
                    ApiError::new(ErrorCode::Authentication, format!("{at} refused the credentials of '{user}'"))
                        .hint("Check user name and password; for PostgreSQL also pg_hba.conf")
                }
                ("3D000", Scheme::Postgres) | ("1049" | "42000", Scheme::Mysql | Scheme::Mariadb) => {
                    ApiError::new(ErrorCode::NotFound, format!("{at}: {message}")).hint("Check the database's name")
                }
                ("42501", _) | ("1142" | "1227", _) => {
                    ApiError::new(ErrorCode::Privilege, format!("{at}: {message}")).hint(grant(address))
                }
                ("53300", _) | ("1040", _) => {
                    let mut e =
                        ApiError::new(ErrorCode::Unreachable, format!("{at} has no free connection: {message}"))
                            .hint("Raise max_connections or close idle clients");
                    e.retryable = true;
                    e
                }
                _ => {
                    let mut e = ApiError::new(ErrorCode::Unreachable, format!("{at}: {message}"));
                    e.retryable = true;
                    e
                }
            }
        }
        sqlx::Error::Tls(e) => ApiError::new(ErrorCode::Tls, format!("TLS with {at} failed: {e}"))
            .hint("Add ?sslmode=require to skip verification, or trust the issuer on this machine"),
        sqlx::Error::Io(e) => ApiError::new(ErrorCode::Unreachable, format!("{at} cannot be reached: {e}"))
            .hint("Is the server running, and is the port right?"),
        other => {
            let mut e = ApiError::new(ErrorCode::Unreachable, format!("{at}: {other}"));
            e.retryable = true;
            e
        }
    }
}

/// The statement that gives monitoring its privileges.
pub(crate) fn grant(address: &Address) -> String {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    match address.scheme {
        Scheme::Postgres => format!("GRANT pg_monitor TO \"{}\";", user.replace('"', "\"\"")),
        _ => format!("GRANT PROCESS ON *.* TO '{}'@'%';", user.replace('\'', "''")),
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
