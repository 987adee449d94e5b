//! What the operating system says about the load generator: its CPU time and how many files it may open.
use perfdeck_model::ApiError;

/// CPU seconds of the calling thread, or `None` where the system does not tell.
pub(crate) fn thread_cpu_s() -> Option<f64> {
    #[cfg(unix)]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(t.tv_sec as f64 + t.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(unix))]
    None
}

/// Files that a run may open beside its connections: for the store and the collectors.
#[cfg(unix)]
const SPARE: u64 = 32;
/// Files that a generator thread has open for itself: its selector, its wake-up, its timer.
#[cfg(unix)]
const PER_THREAD: u64 = 6;

/// Files that this process has open now; a usual number where the system does not tell.
#[cfg(unix)]
fn open_files() -> u64 {
    std::fs::read_dir("/dev/fd").map_or(64, |files| files.count() as u64)
}

/// Raises this process's soft limit of open files, within the hard limit, so that `connections` of `threads` fit.
///
/// # Errors
/// When they do not fit: errors of this machine would look like the target's.
pub(crate) fn allow_connections(connections: usize, threads: usize) -> Result<(), ApiError> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // Room for everything else that the process has open.
        let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(512);
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
            if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum }) {
                tracing::warn!(%error, wanted, "the limit of open files stays as it is");
            }
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            let room = limit.saturating_sub(open_files() + SPARE + threads as u64 * PER_THREAD);
            if connections as u64 > room {
                let message = format!(
                    "{connections} connections do not fit into the {limit} files that this process may have open"
                );
                let hint = format!("Ask for at most {room} connections, or raise the limit with 'ulimit -n' first");
                return Err(ApiError::bad_request(message).hint(hint));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (connections, threads);
    Ok(())
}
