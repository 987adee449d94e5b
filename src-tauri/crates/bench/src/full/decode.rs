//! Bodies that came compressed, for checks that look into them.
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use hyper::header::HeaderValue;

/// The body as it was before its content coding (RFC 9110, section 8.4).
///
/// # Errors
/// For a coding that is not read here, for what is no such coding, and above `limit` bytes.
pub(super) fn decoded(body: Vec<u8>, coding: Option<&HeaderValue>, limit: usize) -> Result<Vec<u8>, String> {
    let coding = coding.map_or("identity", |value| value.to_str().unwrap_or("?")).trim().to_ascii_lowercase();
    match coding.as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => bounded(MultiGzDecoder::new(body.as_slice()), limit),
        "deflate" => bounded(ZlibDecoder::new(body.as_slice()), limit),
        other => {
            let shown: String = other.chars().take(20).collect();
            Err(format!("the body is encoded as '{}', which checks cannot read", shown.escape_debug()))
        }
    }
}

fn bounded(reader: impl Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut out).map_err(|e| format!("the compressed body cannot be read: {e}"))?;
    if out.len() > limit { Err(format!("the body is over {} MiB once decoded", limit >> 20)) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("into memory");
        out.finish().expect("into memory")
    }

    #[test]
    fn compressed_bodies_are_read_within_bounds() {
        let value = HeaderValue::from_static("gzip");
        assert_eq!(decoded(gzip(b"hello"), Some(&value), 100).as_deref(), Ok(&b"hello"[..]), "gzip is undone");
        assert!(
            decoded(gzip(&[0; 5000]), Some(&value), 100).expect_err("a bomb").contains("over"),
            "a bomb ends early"
        );
        assert!(decoded(b"garbage".to_vec(), Some(&value), 100).is_err(), "garbage is no gzip");
        let br = HeaderValue::from_static("br");
        assert!(decoded(Vec::new(), Some(&br), 100).expect_err("br").contains("'br'"), "an unknown coding is named");
        assert_eq!(decoded(b"x".to_vec(), None, 100).as_deref(), Ok(&b"x"[..]), "no coding, no change");
    }
}
