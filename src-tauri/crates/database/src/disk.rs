//! Room on the disk of a file. Code for one system; elsewhere it is not known.
use std::path::Path;

/// Size of the file system that a file or folder is on, and what this user may still write there, in bytes.
#[cfg(unix)]
pub(crate) fn room(at: &Path) -> Option<(f64, f64)> {
    let told = rustix::fs::statvfs(at).ok()?;
    let block = told.f_frsize as f64;
    Some((told.f_blocks as f64 * block, told.f_bavail as f64 * block))
}

#[cfg(not(unix))]
pub(crate) fn room(_: &Path) -> Option<(f64, f64)> {
    None
}
