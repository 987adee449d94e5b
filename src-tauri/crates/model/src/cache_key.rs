//! Bytes of a cache on the wire: names of keys, and values. Both are bytes there, and not always text.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, ErrorCode};

/// Name of a key, or a value: `{"text": …}` where the bytes are UTF-8, control characters among it, else `{"base64": …}`.
/// It is the user's data: its debug form tells its length only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheBytes {
    /// Bytes that are UTF-8.
    Text(String),
    /// Any bytes, in standard Base64 with padding. What is UTF-8 may be given so too.
    Base64(String),
}

impl CacheBytes {
    /// These bytes on the wire.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The bytes themselves.
    ///
    /// # Errors
    /// [`ErrorCode::BadRequest`] for what is no Base64.
    pub fn bytes(&self) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => STANDARD.decode(text).map_err(|_| {
                ApiError::new(ErrorCode::BadRequest, "A name or value that is given in Base64 is none")
                    .hint("Standard Base64 with padding: A–Z, a–z, 0–9, + and /, to a multiple of four characters")
            }),
        }
    }

    /// The text, where the bytes are some.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Base64(_) => None,
        }
    }
}

impl From<&[u8]> for CacheBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl std::fmt::Debug for CacheBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, length) = match self {
            Self::Text(text) => ("text", text.len()),
            Self::Base64(text) => ("base64", text.len()),
        };
        write!(f, "CacheBytes({kind} of {length})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were_whatever_they_are() {
        for bytes in [&b""[..], b"user:118", "\u{e4}\u{0}\n".as_bytes(), b"\xff\x00\xfe", &[0x80; 4096]] {
            let wire = CacheBytes::new(bytes);
            let json = serde_json::to_string(&wire).expect("written");
            let read: CacheBytes = serde_json::from_str(&json).expect("read");
            assert_eq!(read, wire, "the same on the wire");
            assert_eq!(read.bytes().expect("bytes"), bytes, "and byte for byte");
            assert_eq!(wire.text().is_some(), std::str::from_utf8(bytes).is_ok(), "text where it is some");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_and_debug_tells_no_name() {
        let error = CacheBytes::Base64("a key?".into()).bytes().expect_err("no Base64");
        assert_eq!(error.code, ErrorCode::BadRequest, "said");
        assert!(!error.message.contains("a key"), "without the name: {}", error.message);
        assert!(!format!("{:?}", CacheBytes::new(b"user:118")).contains("118"), "nor in a log");
    }
}
