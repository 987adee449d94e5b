//! A folder with two copies of a SQLite file, gone with its process. A lock on a file beside it tells a living owner, so that what a
//! crash left is taken away at the next start.
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use perfdeck_model::{ApiError, ErrorCode};
use perfdeck_words as words;
use uuid::Uuid;

use crate::disk::room;

/// Largest file that is copied, in bytes.
const LARGEST: f64 = 2.0 * 1024.0 * 1024.0 * 1024.0;
/// What stays free on the disk, in bytes.
const SPARE: f64 = 500e6;

/// The folder of two copies.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
    lock: PathBuf,
    /// Locked while it is open.
    _file: File,
}

fn failed(at: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(ErrorCode::Storage, format!("{} cannot be used for copies of the file: {error}", at.display()))
        .hint("Copies are made in the data folder; name another one with PERFDECK_DATA_DIR")
}

/// Only this user may look.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn folder_of_own(at: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(at)
}

impl Copies {
    /// A new folder for two copies of a file of so many bytes.
    ///
    /// # Errors
    /// When the file is too large, the disk has no room for two of it, or the folder cannot be written.
    pub(super) fn make(root: &Path, bytes: f64) -> Result<Self, ApiError> {
        if bytes > LARGEST {
            let text = format!("The file has {}, and is measured on two copies of it", words::bytes(bytes));
            return Err(ApiError::new(ErrorCode::Unsupported, text)
                .hint(format!("Files of up to {} are copied", words::bytes(LARGEST))));
        }
        std::fs::create_dir_all(root).map_err(|e| failed(root, &e))?;
        if let Some(free) = room(root).map(|(_, free)| free).filter(|free| *free < 2.0 * bytes + SPARE) {
            let text = format!(
                "Two copies of the file need {}, and {} are free in {}",
                words::bytes(2.0 * bytes),
                words::bytes(free),
                root.display()
            );
            return Err(ApiError::new(ErrorCode::Storage, text).hint("Make room, or name another data folder"));
        }
        let id = Uuid::new_v4().simple().to_string();
        let (folder, lock) = (root.join(&id), root.join(format!("{id}.lock")));
        let mut options = OpenOptions::new();
        let file = private(options.create_new(true).write(true)).open(&lock).map_err(|e| failed(&lock, &e))?;
        file.try_lock().map_err(|e| failed(&lock, &e.into()))?;
        folder_of_own(&folder).map_err(|e| failed(&folder, &e))?;
        Ok(Self { folder, lock, _file: file })
    }

    /// Path of a copy, an empty file that only this user may read.
    pub(super) fn path(&self, name: &str) -> Result<PathBuf, ApiError> {
        let path = self.folder.join(name);
        private(OpenOptions::new().create_new(true).write(true)).open(&path).map_err(|e| failed(&path, &e))?;
        Ok(path)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_file(&self.lock);
    }
}

/// Takes copies away whose process ended before them. Answers how many there were.
pub fn clear_copies(root: &Path) -> usize {
    let Ok(all) = std::fs::read_dir(root) else { return 0 };
    let mut gone = 0;
    for lock in all.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "lock")) {
        let free = File::open(&lock).is_ok_and(|file| file.try_lock().is_ok());
        if free {
            let _ = std::fs::remove_dir_all(lock.with_extension(""));
            gone += usize::from(std::fs::remove_file(&lock).is_ok());
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_with_their_process_or_at_the_next_start() {
        let root = tempfile::tempdir().expect("a folder");
        let left = || std::fs::read_dir(root.path()).expect("the folder").count();
        let copies = Copies::make(root.path(), 1e6).expect("room");
        std::fs::write(copies.path("a").expect("a file"), b"x").expect("written");
        assert_eq!(clear_copies(root.path()), 0, "somebody works with them");
        assert_eq!(left(), 2);
        drop(copies);
        assert_eq!(left(), 0, "gone with their owner");
        // As a process leaves it that was killed.
        std::fs::create_dir(root.path().join("x")).expect("a folder");
        std::fs::write(root.path().join("x").join("with"), b"x").expect("a copy");
        std::fs::write(root.path().join("x.lock"), b"").expect("its lock");
        assert_eq!((clear_copies(root.path()), left()), (1, 0));
        let large = Copies::make(root.path(), 3e9).expect_err("too large");
        let hint = large.hint.as_deref().unwrap_or_default();
        assert!(large.message.contains("2.79") && hint.contains("2.00"), "{large:?}");
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_may_look() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().expect("a folder");
        let copies = Copies::make(root.path(), 1e6).expect("room");
        let file = copies.path("a").expect("a file");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&copies.folder), mode(&file)), (0o700, 0o600));
    }
}
