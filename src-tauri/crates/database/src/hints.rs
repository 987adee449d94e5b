//! What errors of all kinds advise.
use perfdeck_model::{Address, ApiError, ErrorCode, Remedy, Scheme};
use perfdeck_sqltext::{Dialect, quote_identifier};

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

/// A MySQL account for any host.
pub(crate) fn account(user: &str) -> String {
    account_at(user, "%")
}

/// A MySQL account for one host.
pub(crate) fn account_at(user: &str, host: &str) -> String {
    format!("'{}'@'{host}'", user.replace('\\', "\\\\").replace('\'', "''"))
}

/// The statement that gives monitoring its privileges.
pub(crate) fn grant(address: &Address) -> String {
    let user = address.username.as_deref().unwrap_or("perfdeck");
    match address.scheme {
        Scheme::Postgres => format!("GRANT pg_monitor TO {};", quote_identifier(user, Dialect::Postgres)),
        _ => format!("GRANT PROCESS ON *.* TO {};", account(user)),
    }
}
