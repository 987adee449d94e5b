//! What a server says to a stranger: more than what the driver passes on, and some servers say it once and close.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheTarget, ErrorCode, HostPort, TlsMode};
use perfdeck_net::Speaks;
use tokio::net::TcpStream;

use crate::error::{DEADLINE, full, protected, silent};

/// Whether the address asks for TLS.
pub(crate) fn wants_tls(target: &CacheTarget) -> bool {
    !matches!(target.address.tls, TlsMode::Disable | TlsMode::Prefer)
}

/// A server of another protocol.
pub(crate) fn other(host: &HostPort, speaks: Speaks) -> ApiError {
    let hint = match speaks.scheme() {
        Some(scheme) => format!("Check the port; for what answers there the address begins with {scheme}"),
        None => "Check the port".to_owned(),
    };
    ApiError::new(ErrorCode::Unreachable, format!("{host} {}, not Redis'", speaks.words())).hint(hint)
}

/// Listens to a server without TLS before the driver does. `limit` is the time that was given, and what is left of it.
///
/// # Errors
/// What it says to strangers, where that is no answer of Redis.
pub(crate) async fn greet(host: &HostPort, stream: TcpStream, limit: (Duration, Duration)) -> Result<(), ApiError> {
    let Some(bytes) = perfdeck_net::ping(stream, limit.1).await else { return Err(silent(host, limit.0)) };
    let has = |part: &[u8]| bytes.windows(part.len()).any(|w| w == part);
    let speaks = Speaks::from_first_bytes(&bytes);
    match bytes.as_slice() {
        b if b.starts_with(b"-DENIED") => Err(protected(host)),
        b if b.starts_with(b"-") && has(b"max number of clients") => Err(full(host)),
        [] => Err(ApiError::new(ErrorCode::Unreachable, format!("{host} closed the connection"))
            .hint("Is it Redis or Valkey? A port that expects TLS looks like this")),
        _ => match speaks {
            Some(Speaks::Redis) => Ok(()),
            Some(speaks) if speaks.is_known() => Err(other(host, speaks)),
            _ => Err(ApiError::new(ErrorCode::Unreachable, format!("{host} does not speak Redis' protocol"))
                .hint("Check the port and the scheme of the address")),
        },
    }
}

/// Why a server closes connections that are opened, where it tells a stranger.
pub(crate) async fn why_closed(target: &CacheTarget, host: &HostPort) -> Option<ApiError> {
    if wants_tls(target) {
        return None;
    }
    let connected = TcpStream::connect((host.host.as_str(), host.port));
    let stream = tokio::time::timeout(DEADLINE, connected).await.ok()?.ok()?;
    let mut error = greet(host, stream, (DEADLINE, DEADLINE)).await.err()?;
    error.retryable = true;
    Some(error)
}
