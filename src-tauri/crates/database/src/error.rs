//! What can go wrong with a database, and what it means for a person.
use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, Sensitive, TlsMode};
use perfdeck_net::{Certificate, Spelling, TroubleKind, cause, trouble, unresolved};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::mysql::MySqlDatabaseError;

use crate::hints::{again, no_password};
use crate::refused;

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

/// Why TLS with the address failed. The certificate's names come with the failure where they matter.
pub(crate) fn untrusted(
    address: &Address,
    error: &tokio_rustls::rustls::Error,
    shown: Option<&Certificate>,
) -> ApiError {
    let at = address.hosts.first().map(ToString::to_string).unwrap_or_default();
    let host = address.hosts.first().map_or("", |h| h.host.as_str());
    let spelling = Spelling {
        at: &at,
        host,
        roots: root_of(address),
        any_name: "sslmode=verify-ca",
        unverified: "sslmode=require",
        plain: "sslmode=disable if the network is trusted",
    };
    let found = trouble(error, shown, spelling);
    // The modes that verify nothing could do with it, and MySQL's driver cannot.
    if found.kind == TroubleKind::Version1 && matches!(address.tls, TlsMode::Prefer | TlsMode::Require) {
        return ApiError::new(
            ErrorCode::Tls,
            format!("The certificate of {at} is of version 1, which the MySQL driver does not read"),
        )
        .hint(
            "Issue it with extensions, which makes it version 3 (openssl x509 -req -extfile FILE), or write \
             sslmode=disable if the network is trusted",
        );
    }
    ApiError::new(ErrorCode::Tls, found.what).hint(found.step)
}

/// The file of roots that the address names.
pub(crate) fn root_of(address: &Address) -> Option<&str> {
    ["sslrootcert", "ssl-ca"].iter().find_map(|name| address.params.get(*name)).map(String::as_str)
}

/// What a driver's error means. Its text is not passed on: what it may say is recognised by kind and code.
pub(crate) fn explain(address: &Address, error: &sqlx::Error) -> ApiError {
    let at = address.short();
    if let Some(why) = cause(error) {
        return untrusted(address, why, None);
    }
    match error {
        sqlx::Error::Database(e) => {
            let code = e.code().unwrap_or_default();
            match address.scheme {
                Scheme::Postgres => refused::postgres(address, &code, e.message()),
                Scheme::Mysql | Scheme::Mariadb => {
                    let number = e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
                    refused::mysql(address, number, e.message())
                }
                _ => refused::sqlite(address, &code, e.message()),
            }
        }
        sqlx::Error::Tls(e) => {
            let text = e.to_string();
            match root_of(address).filter(|_| text.contains("Invalid certificate")) {
                Some(file) => ApiError::new(ErrorCode::Tls, format!("A certificate in {file} cannot be read"))
                    .hint("Name a file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----"),
                None if text.contains("does not support TLS") => no_tls(address),
                None => tls_text(address, &text),
            }
        }
        sqlx::Error::Io(e) => io(address, e),
        sqlx::Error::Protocol(text) => protocol(address, text),
        sqlx::Error::Configuration(e) => configuration(address, &e.to_string()),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            again(ErrorCode::Unreachable, format!("The connection to {at} ended")).hint("Try again")
        }
        _ => again(ErrorCode::Unreachable, format!("The answer of {at} could not be understood"))
            .hint(format!("Is it {}, in a version that is still supported?", address.scheme.product())),
    }
}

/// A failure of TLS that comes as text only, recognised by the names that rustls gives to failures.
fn tls_text(address: &Address, text: &str) -> ApiError {
    use tokio_rustls::rustls::{CertificateError as C, Error as E};
    for (word, why) in [
        ("UnknownIssuer", C::UnknownIssuer),
        ("NotValidForName", C::NotValidForName),
        ("not valid for name", C::NotValidForName),
        ("NotValidYet", C::NotValidYet),
        ("Expired", C::Expired),
        ("expired", C::Expired),
        ("Revoked", C::Revoked),
    ] {
        if text.contains(word) {
            return untrusted(address, &E::InvalidCertificate(why), None);
        }
    }
    let with = root_of(address).map(|file| format!(" with the roots of {file}")).unwrap_or_default();
    ApiError::new(ErrorCode::Tls, format!("TLS with {} failed{with}", address.short()))
        .hint("Check the host's name and the files that the address names; the server's log may say more")
}

/// TLS is wanted and not offered.
pub(crate) fn no_tls(address: &Address) -> ApiError {
    let at = address.hosts.first().map_or_else(|| address.short(), ToString::to_string);
    ApiError::new(ErrorCode::Tls, format!("{at} does not offer TLS"))
        .hint("Switch TLS on at the server, or add ?sslmode=disable if the network is trusted")
}

fn io(address: &Address, error: &std::io::Error) -> ApiError {
    use std::io::ErrorKind as K;
    let at = address.short();
    let socket = address.hosts.first().filter(|h| h.host.starts_with('/'));
    let (what, hint) = match (error.kind(), socket) {
        (K::NotFound, Some(_)) => (
            format!("There is no socket of a server at {at}"),
            "Is the server running, and is its socket in this folder?",
        ),
        (K::PermissionDenied, Some(_)) => {
            (format!("The socket of {at} may not be opened"), "Let the user who runs Perfdeck into the socket's folder")
        }
        (K::NotFound | K::PermissionDenied, None) => (
            format!("A file that the address of {at} names cannot be read"),
            "Check the paths in sslrootcert, sslcert and sslkey",
        ),
        (K::ConnectionRefused, _) => (
            format!("{at} refused the connection"),
            "Is the server running, is the port right, and does it listen on this address?",
        ),
        (K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof, _) => (
            format!("{at} closed the connection"),
            "Is it the server that the address says? A proxy without a server behind it looks like this too",
        ),
        (K::TimedOut, _) => (format!("{at} did not answer in time"), "Check the route, the VPN and the firewall"),
        _ if unresolved(error) => {
            let name = match address.hosts.as_slice() {
                [only] => format!("The name '{}'", only.host),
                _ => format!("A name of {at}"),
            };
            (format!("{name} cannot be resolved"), "Check the spelling, the VPN and the DNS server")
        }
        (kind, _) => {
            return again(ErrorCode::Unreachable, format!("{at} cannot be reached: {kind}"))
                .hint("Is the server running, and is the port right?");
        }
    };
    again(ErrorCode::Unreachable, what).hint(hint)
}

fn protocol(address: &Address, text: &str) -> ApiError {
    if let Some((_, after)) = text.split_once("unknown authentication plugin: ") {
        return refused::plugin(address, after.split_whitespace().next());
    }
    if text.contains("mysql_cleartext_plugin disabled") {
        return refused::plugin(address, Some("mysql_clear_password"));
    }
    // The request to change to a plugin whose data has another length than a password's scramble.
    if text.contains("expected 21 bytes") {
        return refused::plugin(address, None);
    }
    if text.contains("unsupported SASL authentication") || text.contains("unsupported authentication method") {
        let user = address.username.as_deref().unwrap_or("(no user)");
        return ApiError::new(
            ErrorCode::Unsupported,
            format!("{} asks '{user}' to sign in by a method that Perfdeck does not support", address.short()),
        )
        .hint("Perfdeck supports passwords (scram-sha-256, md5); set one of them in the server's pg_hba.conf for this user");
    }
    let product = address.scheme.product();
    ApiError::new(
        ErrorCode::Unreachable,
        format!("{} does not speak {product}'s protocol as expected", address.short()),
    )
    .hint("Check the port and the scheme of the address")
}

/// The driver prepares passwords for SCRAM as RFC 4013 says and refuses what that does not allow; its text shows the
/// character.
fn configuration(address: &Address, text: &str) -> ApiError {
    let at = address.short();
    if !text.contains("saslprep") {
        return ApiError::bad_request(format!("A parameter of the address of {at} cannot be used"))
            .hint("sslcert and sslkey are given together, and sslkey names an unencrypted key in PEM");
    }
    let user = address.username.as_deref().unwrap_or("(no user)");
    let subject = if text.contains("saslprep username") { "user name" } else { "password" };
    let why = if text.contains("Bidirectional") {
        "it mixes text that is written from the right with text that is written from the left"
    } else if text.contains("ProhibitedCharacter") {
        "it has a character that is not allowed there: an emoji or another one that is newer than Unicode 3.2, a control \
         character, or one for private use"
    } else {
        "it has characters that cannot be prepared"
    };
    let hint = if subject == "password" {
        format!(
            "psql would send it as it is; Perfdeck cannot. Set a password of letters, digits and signs: ALTER ROLE {} \
             PASSWORD '…';",
            quote_identifier(user, Dialect::Postgres)
        )
    } else {
        "Give Perfdeck a role with a name of letters and digits".to_owned()
    };
    ApiError::new(ErrorCode::Authentication, format!("The {subject} for {at} cannot be used with SCRAM: {why}"))
        .hint(hint)
}

/// Words for a refused password where none was given.
pub(crate) fn asked(address: &Address, password: Option<&Sensitive>, error: ApiError) -> ApiError {
    let given = password.is_some_and(|p| !p.expose().is_empty());
    if given || error.code != ErrorCode::Authentication || error.message != refused::password(address) {
        return error;
    }
    let user = address.username.as_deref().unwrap_or("(no user)");
    no_password(&address.short(), user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::grant;

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
