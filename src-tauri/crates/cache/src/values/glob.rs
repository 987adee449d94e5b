//! Patterns of the server's: what must be taken literally is escaped.

/// Bytes as a pattern that matches just them.
pub fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'-' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}
