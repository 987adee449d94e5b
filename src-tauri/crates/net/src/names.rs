//! Names that cannot be resolved, as errors of a connection tell them.
use std::io::Error;

/// What the standard library says of every failed look-up on Unix; its kind cannot be matched.
const LOOKUP: &str = "failed to lookup address information";
/// Winsock's answers: no such host, try again, no recovery, no data.
const WINSOCK: std::ops::RangeInclusive<i32> = 11_001..=11_004;

/// Whether a connection failed because a name has no address.
pub fn unresolved(error: &Error) -> bool {
    match error.raw_os_error() {
        Some(code) => cfg!(windows) && WINSOCK.contains(&code),
        None => error.to_string().contains(LOOKUP),
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    use super::*;

    #[test]
    fn a_failed_look_up_is_told_from_a_failed_connection() {
        let failed = ("no-such-host.invalid", 1).to_socket_addrs().expect_err("RFC 6761: it never resolves");
        assert!(unresolved(&failed), "{failed}");
        assert!(!unresolved(&Error::from(std::io::ErrorKind::ConnectionRefused)));
        let refused = std::net::TcpStream::connect("127.0.0.1:1").expect_err("nothing listens there");
        assert!(!unresolved(&refused), "{refused}");
    }
}
