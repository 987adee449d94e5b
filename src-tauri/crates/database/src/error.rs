//! What can go wrong with a database, and what it means for a person.
use perfdeck_model::{Address, ApiError, ErrorCode, Scheme};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::mysql::MySqlDatabaseError;

/// Why a database could not be used. Messages never hold a password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// All connections of the pool stayed in use for the whole `timeout_s`.
    #[error("no connection of {address} became free within {timeout_s} s ({in_use} in use, {waiting} waiting)")]
    PoolTimeout {
        /// Address without credentials.
        address: String,
        /// The pool's `timeout_s`.
        timeout_s: f64,
        /// Connections in use when the wait ended.
        in_use: u32,
        /// Others that still wait.
        waiting: u32,
    },
    /// The pool was closed.
    #[error("the pool of {0} is closed")]
    PoolClosed(String),
    /// A setting of the pool is out of range.
    #[error("{0}")]
    Settings(String),
    /// The server, the network or the credentials failed; the inner error says which.
    #[error("{0}")]
    Server(ApiError),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::PoolTimeout { .. } => ApiError::new(ErrorCode::Timeout, message)
                .hint("Raise the pool's size or overflow, or make the statements that hold connections shorter"),
            Error::PoolClosed(_) => ApiError::new(ErrorCode::Conflict, message).hint("Open the pool again"),
            Error::Settings(_) => {
                ApiError::bad_request(message).hint("Pool sizes are 1 to 1000 connections; times are positive seconds")
            }
            Error::Server(error) => error,
        }
    }
}

fn again(code: ErrorCode, message: String) -> ApiError {
    let mut error = ApiError::new(code, message);
    error.retryable = true;
    error
}

fn is_certificate(error: &std::io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<tokio_rustls::rustls::Error>())
}

fn untrusted(at: &str, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Tls, format!("TLS with {at} failed: {error}")).hint(
        "Trust the issuer on this machine or add ?sslrootcert=FILE; ?sslmode=require encrypts without verification",
    )
}

/// What a driver's error means.
pub(crate) fn explain(address: &Address, error: &sqlx::Error) -> ApiError {
    let at = address.short();
    match error {
        sqlx::Error::Database(e) => {
            let code = e.code().unwrap_or_default();
            match address.scheme {
                Scheme::Postgres => postgres(address, &code, e.message()),
                Scheme::Mysql | Scheme::Mariadb => {
                    let number = e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
                    mysql(address, number, e.message())
                }
                _ => sqlite(address, &code, e.message()),
            }
        }
        sqlx::Error::Tls(e) => untrusted(&at, e),
        // A refused certificate arrives as an I/O error around rustls' own.
        sqlx::Error::Io(e) if is_certificate(e) => untrusted(&at, e),
        sqlx::Error::Io(e) => again(ErrorCode::Unreachable, format!("{at} cannot be reached: {e}"))
            .hint("Is the server running, and is the port right?"),
        sqlx::Error::Protocol(e) => {
            ApiError::new(ErrorCode::Unreachable, format!("{at} does not speak {}: {e}", address.scheme.product()))
                .hint("Check the port and the scheme of the address")
        }
        other => again(ErrorCode::Unreachable, format!("{at}: {other}")).hint("Try again; the log has the details"),
    }
}

pub(crate) fn postgres(address: &Address, code: &str, message: &str) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    let quoted = quote_identifier(user, Dialect::Postgres);
    match code {
        "28000" if message.contains("pg_hba.conf") => {
            ApiError::new(ErrorCode::Authentication, format!("{at} rejects the connection by pg_hba.conf: {message}"))
                .hint(format!(
                    "Add a line to the server's pg_hba.conf, such as: host {} {quoted} CLIENT_ADDRESS/32 scram-sha-256 \
                     (hostssl when it wants TLS); then: SELECT pg_reload_conf();",
                    quote_identifier(if address.path.is_empty() { user } else { &address.path }, Dialect::Postgres)
                ))
        }
        "28P01" => ApiError::new(ErrorCode::Authentication, format!("{at} refused the password of '{user}'"))
            .hint(format!("Check user and password; to set a new one: ALTER ROLE {quoted} PASSWORD '…';")),
        "28000" => ApiError::new(ErrorCode::Authentication, format!("{at} refused '{user}': {message}"))
            .hint(format!("Check the user name; to allow it to log in: ALTER ROLE {quoted} LOGIN;")),
        "3D000" => ApiError::new(ErrorCode::NotFound, format!("{at}: {message}"))
            .hint("Check the database's name; psql -l lists them"),
        "42501" if message.contains("permission denied for database") => ApiError::new(
            ErrorCode::Privilege,
            format!("{at}: {message}"),
        )
        .hint(format!("GRANT CONNECT ON DATABASE {} TO {quoted};", quote_identifier(&address.path, Dialect::Postgres))),
        "42501" => ApiError::new(ErrorCode::Privilege, format!("{at}: {message}")).hint(grant(address)),
        "53300" => again(ErrorCode::Unreachable, format!("{at} has no free connection: {message}"))
            .hint("Raise max_connections or close idle clients"),
        "57014" => again(ErrorCode::Timeout, format!("{at} cancelled a monitoring query: {message}"))
            .hint("The server is busy; Perfdeck's queries end after 1.5 s on their own"),
        "55P03" => again(ErrorCode::Timeout, format!("{at}: a lock was not free within 200 ms"))
            .hint("Someone holds an exclusive lock on a catalogue table"),
        "57P03" => again(ErrorCode::Unreachable, format!("{at}: {message}")).hint("Wait until it has started"),
        "57P01" | "57P02" => again(ErrorCode::Unreachable, format!("{at} ended the connection: {message}"))
            .hint("It is shutting down or an administrator ended the session; Perfdeck reconnects by itself"),
        _ => again(ErrorCode::Unreachable, format!("{at}: {message}")).hint("See the server's log"),
    }
}

fn mysql(address: &Address, number: u16, message: &str) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    match number {
        1045 | 1698 | 1862 => ApiError::new(
            ErrorCode::Authentication,
            format!("{at} refused the credentials of '{user}'"),
        )
        .hint(format!("Check user and password; to set a new one: ALTER USER {} IDENTIFIED BY '…';", account(user))),
        1130 => ApiError::new(ErrorCode::Authentication, format!("{at}: {message}"))
            .hint(format!("Create the account for this client: CREATE USER {} IDENTIFIED BY '…';", account(user))),
        1049 => ApiError::new(ErrorCode::NotFound, format!("{at}: {message}"))
            .hint("Check the database's name; SHOW DATABASES lists them"),
        1044 => ApiError::new(ErrorCode::Privilege, format!("{at}: {message}")).hint(format!(
            "GRANT SELECT ON {}.* TO {};",
            quote_identifier(&address.path, Dialect::Mysql),
            account(user)
        )),
        1142 | 1227 | 1370 => ApiError::new(ErrorCode::Privilege, format!("{at}: {message}")).hint(grant(address)),
        1040 | 1203 | 1226 => again(ErrorCode::Unreachable, format!("{at} has no free connection: {message}"))
            .hint("Raise max_connections or close idle clients"),
        1129 => ApiError::new(ErrorCode::Unreachable, format!("{at} blocks this host: {message}"))
            .hint("On the server: FLUSH HOSTS;"),
        1969 | 3024 => again(ErrorCode::Timeout, format!("{at} cancelled a monitoring query: {message}"))
            .hint("The server is busy; Perfdeck's queries end after 1.5 s on their own"),
        _ => again(ErrorCode::Unreachable, format!("{at}: {message}")).hint("See the server's log"),
    }
}

fn sqlite(address: &Address, code: &str, message: &str) -> ApiError {
    let path = &address.path;
    // Extended codes keep the primary one in their low byte.
    let primary = code.parse::<u32>().map_or(0, |c| c & 0xff);
    match primary {
        5 | 6 => again(ErrorCode::Timeout, format!("{path} is locked by another process"))
            .hint("Wait for its transaction to end; PRAGMA journal_mode = WAL; lets readers in beside a writer"),
        14 => ApiError::new(ErrorCode::NotFound, format!("{path} cannot be opened: {message}"))
            .hint("Check the path; a database in WAL mode also needs its -wal and -shm files to be readable"),
        8 | 23 => ApiError::new(ErrorCode::Privilege, format!("{path}: {message}"))
            .hint("Check the permissions of the file and of its folder"),
        11 => ApiError::new(ErrorCode::Storage, format!("{path} is damaged: {message}"))
            .hint("Restore a backup, or save what is readable: sqlite3 FILE .recover"),
        26 => ApiError::bad_request(format!("{path} is not a SQLite database, or it is encrypted"))
            .hint("Choose another file"),
        _ => again(ErrorCode::Unreachable, format!("{path}: {message}")).hint("See SQLite's result codes"),
    }
}

/// A MySQL account for any host.
fn account(user: &str) -> String {
    format!("'{}'@'%'", user.replace('\\', "\\\\").replace('\'', "''"))
}

/// The statement that gives monitoring its privileges.
pub(crate) fn grant(address: &Address) -> String {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    match address.scheme {
        Scheme::Postgres => format!("GRANT pg_monitor TO {};", quote_identifier(user, Dialect::Postgres)),
        _ => format!("GRANT PROCESS ON *.* TO {};", account(user)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_in_statements_to_copy() {
        let (mut address, _) = Address::parse("postgres://h/db").expect("an address");
        address.username = Some("o\"br'ien".to_owned());
        assert_eq!(grant(&address), "GRANT pg_monitor TO \"o\"\"br'ien\";", "PostgreSQL doubles double quotes");
        address.scheme = Scheme::Mariadb;
        assert_eq!(grant(&address), "GRANT PROCESS ON *.* TO 'o\"br''ien'@'%';", "MySQL doubles single quotes");
    }

    #[test]
    fn a_pool_timeout_is_its_own_error_and_says_how_full_the_pool_was() {
        let error = Error::PoolTimeout { address: "h:1/d".into(), timeout_s: 0.5, in_use: 3, waiting: 2 };
        let api = ApiError::from(error);
        assert_eq!(api.code, ErrorCode::Timeout, "the UI retries time-outs");
        assert!(api.message.contains("3 in use, 2 waiting"), "the message says why: {}", api.message);
    }
}
