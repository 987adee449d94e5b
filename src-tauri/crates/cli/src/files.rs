//! Reading what a person names on the command line.
use std::io::Read;
use std::path::Path;

use perfdeck_model::ApiError;

/// The text of a file of at most `limit` bytes; `-` is stdin.
///
/// # Errors
/// [`perfdeck_model::ErrorCode::BadRequest`] naming the file and why it cannot be read.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, ApiError> {
    let refuse = |e: &dyn std::fmt::Display| ApiError::bad_request(format!("{} cannot be read: {e}", path.display()));
    let large = format!("it is not a text file of at most {} MiB", limit >> 20);
    let mut text = String::new();
    // One byte more tells a file that is too long from one that just fits.
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_string(&mut text).map_err(|e| refuse(&e))?;
    } else {
        let file = std::fs::File::open(path).map_err(|e| refuse(&e))?;
        if file.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(refuse(&large));
        }
        file.take(limit + 1).read_to_string(&mut text).map_err(|e| refuse(&e))?;
    }
    if text.len() as u64 > limit { Err(refuse(&large)) } else { Ok(text) }
}
