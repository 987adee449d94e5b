//! The part between the scheme and the path: user, password, hosts and ports; and percent-encoding.
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::pasted::{HINT, ParseAddressError, fail};
use super::{HostPort, Scheme};

/// What to do about a character that ends a part of an address.
pub(super) const ENCODE: &str = "In a user name, password or database name percent-encode: % as %25, # as %23, / as %2F, ? as %3F, @ as %40, : as %3A, & as %26, + as %2B and a space as %20";

/// Decodes one part of an address. `part` names it in the error.
pub(super) fn decode(part: &str, text: &str) -> Result<String, ParseAddressError> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        if *byte == b'%' && !(hex(1) && hex(2)) {
            return fail(format!("{part} has a % that two hexadecimal digits do not follow"), ENCODE);
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if decoded.contains('\0') => fail(format!("{part} contains a zero byte"), ENCODE),
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => fail(format!("{part} is not UTF-8 after percent-decoding"), ENCODE),
    }
}

/// As [`decode`], for a part that is shown: control characters would confuse a terminal.
pub(super) fn decode_shown(part: &str, text: &str) -> Result<String, ParseAddressError> {
    let decoded = decode(part, text)?;
    if decoded.chars().any(char::is_control) {
        return fail(format!("{part} contains a control character"), ENCODE);
    }
    Ok(decoded)
}

/// A host as it is written; its port is absent where none is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl Host {
    pub(super) fn or_port(self, port: u16) -> HostPort {
        HostPort { host: self.name, port: self.port.unwrap_or(port) }
    }
}

/// A port. Port 0 means any free one to a server and nothing to a client.
pub(super) fn port(part: &str, text: &str) -> Result<u16, ParseAddressError> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => fail(
            format!("{part} is not a port"),
            format!("A port is a number from 1 to 65535. If it is part of a password: {ENCODE}"),
        ),
    }
}

/// One host with an optional port. `at` is its place among the hosts, from 1.
pub(super) fn host(text: &str, at: usize, scheme: Scheme) -> Result<Host, ParseAddressError> {
    let part = if at == 1 {
        "What follows the host's colon".to_owned()
    } else {
        format!("What follows the colon of host {at}")
    };
    let given = |text: &str| if text.is_empty() { Ok(None) } else { port(&part, text).map(Some) };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return fail("The IPv6 address has no closing bracket", "Write [::1]:5432");
        };
        let (address, zone) = inside.split_once('%').map_or((inside, None), |(a, z)| (a, Some(z)));
        if address.parse::<Ipv6Addr>().is_err() {
            return fail("What stands in brackets is not an IPv6 address", "Write [::1]:5432");
        }
        let name = match zone {
            None => address.to_owned(),
            // RFC 6874 writes the zone's % as %25; psql takes it as it is.
            Some(zone) => {
                let zone = zone.strip_prefix("25").filter(|z| !z.is_empty()).unwrap_or(zone);
                let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
                if zone.is_empty() || !zone.chars().all(known) {
                    return fail(
                        "The zone of the IPv6 address is not an interface's name",
                        "Write [fe80::1%25eth0]:5432",
                    );
                }
                format!("{address}%{zone}")
            }
        };
        let port = match after {
            "" => None,
            _ => match after.strip_prefix(':') {
                Some(text) => given(text)?,
                None => return fail("Only a colon and a port may follow the closing bracket", "Write [::1]:5432"),
            },
        };
        return Ok(Host { name, port });
    }
    let (name, after) = text.rsplit_once(':').unwrap_or((text, ""));
    if name.contains(':') {
        return fail(
            "The host has several colons",
            format!("An IPv6 address needs brackets: [::1]:5432. If it is part of a password: {ENCODE}"),
        );
    }
    let name = decode_shown("The host", name)?;
    // A percent-encoded socket path is libpq's way to write one where a host stands.
    let socket = name.starts_with('/') && scheme == Scheme::Postgres;
    let forbidden = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}' | '@' | '?' | '#' | '[' | ']' | '%' | '(' | ')'
            )
            || (c == '/')
    };
    if !socket && name.chars().any(forbidden) {
        return fail("The host is not a host name: it has a character that no name has", HINT);
    }
    Ok(Host { name, port: given(after)? })
}
