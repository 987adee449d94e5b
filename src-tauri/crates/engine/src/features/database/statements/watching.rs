//! Whose counters a Perfdeck on this data folder reads at the moment, told by locks on files: the operating system releases them
//! with the process that holds them, however that ends.
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// Folder of the files, in the data folder. They are empty and stay, one for each environment.
const FOLDER: &str = "watching";
/// Tries to lock: who asks locks a file for an instant.
const TRIES: usize = 20;

/// That this process reads an environment's counters; it ends when this is dropped.
pub(super) struct Watching {
    /// Locked while it is open, by all that read.
    _file: File,
}

fn path(data_dir: &Path, environment_id: &str) -> PathBuf {
    data_dir.join(FOLDER).join(format!("{environment_id}.lock"))
}

impl Watching {
    /// Says so to other processes; `None` where files cannot be locked, which keeps nothing from being read.
    pub(super) fn begin(data_dir: &Path, environment_id: &str) -> Option<Self> {
        std::fs::create_dir_all(data_dir.join(FOLDER)).ok()?;
        let path = path(data_dir, environment_id);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
        for _ in 0..TRIES {
            match file.try_lock_shared() {
                Ok(()) => return Some(Self { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(_)) => return None,
            }
        }
        None
    }
}

/// Whether any process reads them. A file that is not there, or that can be locked alone, is nobody's.
pub(super) fn by_somebody(data_dir: &Path, environment_id: &str) -> bool {
    let file = File::open(path(data_dir, environment_id));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
