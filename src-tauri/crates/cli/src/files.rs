//! Reading what a person names on the command line.
use std::io::Read;
use std::path::Path;

use perfdeck_model::ApiError;

/// The text of a file of at most `limit` bytes; `-` is stdin.
///
/// # Errors
/// [`perfdeck_model::ErrorCode::BadRequest`] naming the file and why it cannot be read.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, ApiError> {
    let bytes = read_bytes(path, limit)?;
    String::from_utf8(bytes)
        .map_err(|_| ApiError::bad_request(format!("{} cannot be read: it is not a text file", path.display())))
}

/// The content of a file of at most `limit` bytes; `-` is stdin.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, ApiError> {
    let refuse = |e: &dyn std::fmt::Display| ApiError::bad_request(format!("{} cannot be read: {e}", path.display()));
    let large = format!("it is larger than {} MiB", limit >> 20);
    let mut bytes = Vec::new();
    // One byte more tells a file that is too long from one that just fits.
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    } else {
        let file = std::fs::File::open(path).map_err(|e| refuse(&e))?;
        // A pipe, such as a shell's <(…), is read as a file is.
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(refuse(&"it is a folder"));
        }
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    }
    if bytes.len() as u64 > limit { Err(refuse(&large)) } else { Ok(bytes) }
}
