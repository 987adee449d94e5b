//! What errors of all kinds advise.
use perfdeck_model::{Address, ApiError, ErrorCode, Remedy, Scheme};
use perfdeck_sqltext::{Dialect, quote_identifier};

use crate::own;

pub(crate) fn again(code: ErrorCode, message: String) -> ApiError {
    let mut error = ApiError::new(code, message);
    error.retryable = true;
    error
}

/// A server that asks for a password, and there is none.
pub(crate) fn no_password(at: &str, user: &str) -> ApiError {
    ApiError::new(ErrorCode::Authentication, format!("{at} asks '{user}' for a password, and no password was given"))
        .hint("Give it where the environment is edited, in the address (user:PASSWORD@host), or name a variable that holds it")
        .remedy(Remedy::PasswordVariable)
}

/// The MySQL account of an address: what the server says that it is (`CURRENT_USER()`), which may be for one host only, or for any host
/// where nobody has signed in yet.
pub(crate) fn account(address: &Address) -> String {
    match own::account(address) {
        Some((user, host)) => account_at(&user, &host),
        None => account_at(address.username.as_deref().unwrap_or("perfdeck"), "%"),
    }
}

/// A MySQL account for one host.
pub(crate) fn account_at(user: &str, host: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
    format!("'{}'@'{}'", quoted(user), quoted(host))
}

/// The statement that gives monitoring its privileges.
pub(crate) fn grant(address: &Address) -> String {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    match address.scheme {
        Scheme::Postgres => format!("GRANT pg_monitor TO {};", quote_identifier(user, Dialect::Postgres)),
        _ => format!("GRANT PROCESS ON *.* TO {};", account(address)),
    }
}
