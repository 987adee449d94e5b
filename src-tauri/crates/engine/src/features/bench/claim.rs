//! One benchmark at a time, on this machine and data folder: two at once would measure each other.
//!
//! Whoever starts one takes the claim, under one lock within the process and a lock on a file between processes. The
//! operating system releases the file's lock with the process that holds it, however that ends.
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{ApiError, ErrorCode, Remedy};
use serde::{Deserialize, Serialize};

use crate::Engine;

/// The file that is locked.
const LOCK: &str = "bench.lock";
/// Beside it, who holds the lock: a locked file cannot be read everywhere.
const OWNER: &str = "bench.owner.json";

/// Who holds the claim, for the message to others.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Owner {
    title: String,
    program: String,
    pid: u32,
}

/// Benchmark that runs in this process, if any.
#[derive(Debug, Default, Clone)]
pub(crate) struct Running(Arc<Mutex<Option<String>>>);

/// The right to run a benchmark; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    running: Running,
    /// Locked while it is open; absent where the file system has no locks.
    file: Option<File>,
    owner: PathBuf,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Before the lock goes: afterwards it would be the next one's.
            let _ = std::fs::remove_file(&self.owner);
        }
        // Closing the file unlocks it.
        self.file = None;
        *self.running.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn refused(title: &str, place: &str) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("'{title}' is running{place}"))
        .hint("Two benchmarks at once would measure each other; wait for it or stop it")
}

impl Running {
    /// Claims the right to run the benchmark called `title`.
    pub(crate) fn claim(&self, data_dir: &Path, title: &str) -> Result<Claim, ApiError> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*running {
            return Err(refused(other, "").remedy(Remedy::ShowBenchmark));
        }
        let owner = data_dir.join(OWNER);
        let file = lock(&data_dir.join(LOCK), &owner)?;
        if file.is_some() {
            let program = std::env::current_exe().ok();
            let program = program.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
            let told = Owner { title: title.to_owned(), program: program.into_owned(), pid: std::process::id() };
            // Others would only be told less.
            let _ = serde_json::to_vec(&told).map(|json| std::fs::write(&owner, json));
        }
        *running = Some(title.to_owned());
        Ok(Claim { running: self.clone(), file, owner })
    }
}

/// Locks the file; `None` where it cannot be made or has no locks: then other processes are not known.
fn lock(path: &Path, owner: &Path) -> Result<Option<File>, ApiError> {
    let file = match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(%error, "whether another process runs a benchmark cannot be told");
            return Ok(None);
        }
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let told = std::fs::read(owner).ok().and_then(|json| serde_json::from_slice::<Owner>(&json).ok());
            Err(match told {
                Some(o) => refused(&o.title, &format!(" in {} (process {})", o.program, o.pid)),
                None => refused("A benchmark", " in another Perfdeck"),
            })
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "whether another process runs a benchmark cannot be told");
            Ok(None)
        }
    }
}

impl Engine {
    /// Claims the right to run a benchmark, until the claim is dropped.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] while another one runs, here or in another process on the same data folder.
    pub(crate) fn bench_claim(&self, title: &str) -> Result<Claim, ApiError> {
        self.bench.running.claim(&self.core.data_dir, title)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_ask_at_once_one_gets_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let running = Running::default();
        let barrier = std::sync::Barrier::new(16);
        let claims: Vec<Claim> = std::thread::scope(|scope| {
            let ask = |_| scope.spawn(|| (barrier.wait(), running.claim(folder.path(), "GET /")).1.ok());
            let asking: Vec<_> = (0..16).map(ask).collect();
            asking.into_iter().filter_map(|a| a.join().expect("asked")).collect()
        });
        assert_eq!(claims.len(), 1, "one benchmark at a time");
        let refused = running.claim(folder.path(), "other").expect_err("it is taken");
        assert_eq!(refused.message, "'GET /' is running", "it says which");
        drop(claims);
        assert!(running.claim(folder.path(), "other").is_ok(), "free again");
    }

    #[test]
    fn another_process_is_told_who_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        // Two of these are two processes: a lock belongs to an open file.
        let (one, other) = (Running::default(), Running::default());
        let claim = one.claim(folder.path(), "GET /slow").expect("free");
        let refused = other.claim(folder.path(), "x").expect_err("it is taken");
        let pid = std::process::id();
        assert!(refused.message.starts_with("'GET /slow' is running in "), "{}", refused.message);
        assert!(refused.message.ends_with(&format!("(process {pid})")), "{}", refused.message);
        assert!(refused.hint.is_some(), "with what to do");
        drop(claim);
        assert!(other.claim(folder.path(), "x").is_ok(), "free again");
    }
}
