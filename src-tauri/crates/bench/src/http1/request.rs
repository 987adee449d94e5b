//! A request as it goes over an HTTP/1.1 connection.
use hyper::http::request::Parts;

/// Appends the head of a request with a body of so many bytes.
pub(crate) fn head(parts: &Parts, body: usize, out: &mut Vec<u8>) {
    use std::io::Write as _;
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    // Writing into a vector does not fail.
    let _ = match parts.uri.path_and_query() {
        Some(path) if parts.uri.scheme().is_none() => write!(out, "{path}"),
        _ => write!(out, "{}", parts.uri),
    };
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // RFC 9110, section 8.6: a method that gives a body a meaning sends its length even when it is empty.
    if body > 0 || matches!(parts.method.as_str(), "POST" | "PUT" | "PATCH") {
        let _ = write!(out, "content-length: {body}\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// A whole request.
pub(crate) fn whole(parts: &Parts, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + body.len());
    head(parts, body.len(), &mut out);
    out.extend_from_slice(body);
    out
}
