//! Locks on changes: who works on a change holds a lock on a file of its own. The operating system releases it with the
//! process that holds it, however that ends, so that a change in the middle that nobody holds was cut off.
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use perfdeck_model::{ApiError, ErrorCode};

/// Folder of the files, in the data folder.
const FOLDER: &str = "changes";
/// A check holds a change for a moment only; whoever wants to work on it waits this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for another check, of another process: a list does not say for its sake that somebody is at work.
const LOOK: Duration = Duration::from_millis(300);

/// The right to work on a change; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    /// Locked while it is open.
    file: Option<File>,
    path: PathBuf,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Under the lock: whoever opened the file before finds after locking that it is not the one of this name.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
        // Closing the file unlocks it.
        self.file = None;
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        format!("Whether somebody works on this change cannot be told: {} cannot be locked: {error}", path.display()),
    )
    .hint("Changes need a data folder on a file system with locks; name another one with PERFDECK_DATA_DIR")
}

/// Whether an open file is still the one of its name.
#[cfg(unix)]
fn is_current(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(own), Ok(named)) => own.ino() == named.ino() && own.dev() == named.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_current(_: &File, _: &Path) -> bool {
    true
}

impl Hold {
    /// Takes the right, if nobody has it: `None` while somebody does.
    ///
    /// # Errors
    /// When the file system has no locks, or the folder cannot be written.
    pub(super) fn try_take(data_dir: &Path, id: &str) -> Result<Option<Self>, ApiError> {
        let folder = data_dir.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, &e))?;
        let path = folder.join(format!("{id}.lock"));
        // A file that is removed at each attempt is one that others take and leave in between.
        for _ in 0..50 {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(|e| failed(&path, &e))?;
            match file.try_lock() {
                Ok(()) if is_current(&file, &path) => return Ok(Some(Self { file: Some(file), path })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
            }
        }
        Ok(None)
    }

    /// Takes the right, waiting a moment for whoever only looks.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] while somebody works on the change; else as [`Hold::try_take`].
    pub(super) async fn take(data_dir: &Path, id: &str) -> Result<Self, ApiError> {
        Self::within(data_dir, id, PATIENCE).await?.ok_or_else(|| {
            ApiError::new(ErrorCode::Conflict, "Somebody works on this change already")
                .hint("Wait for it or stop it, here or in the other Perfdeck on this data folder")
        })
    }

    /// Takes the right to look at a change: `None` while somebody works on it.
    ///
    /// # Errors
    /// As [`Hold::try_take`].
    pub(super) async fn look(data_dir: &Path, id: &str) -> Result<Option<Self>, ApiError> {
        Self::within(data_dir, id, LOOK).await
    }

    async fn within(data_dir: &Path, id: &str, patience: Duration) -> Result<Option<Self>, ApiError> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            if let Some(hold) = Self::try_take(data_dir, id)? {
                return Ok(Some(hold));
            }
            if tokio::time::Instant::now() >= end {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_ask_at_once_one_holds_it_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut had = 0;
                    while had < 50 {
                        let Some(hold) = Hold::try_take(folder.path(), "c").expect("locks") else {
                            std::thread::yield_now();
                            continue;
                        };
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0, "one at a time, however often the file is made anew");
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(hold);
                        had += 1;
                    }
                });
            }
        });
        let left = std::fs::read_dir(folder.path().join(FOLDER)).expect("the folder").count();
        assert_eq!(left, usize::from(!cfg!(unix)), "no file stays");
    }
}
