//! What the operating system says about the load generator: its CPU time and how many files it may open.

/// CPU seconds of the calling thread, or `None` where the system does not tell.
pub(crate) fn thread_cpu_s() -> Option<f64> {
    #[cfg(unix)]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        #[allow(clippy::cast_precision_loss)]
        Some(t.tv_sec as f64 + t.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(unix))]
    None
}

/// Raises this process's soft limit of open files, within the hard limit, so that `connections` fit.
///
/// What cannot be raised shows as connect errors with the system's message.
pub(crate) fn allow_connections(connections: usize) {
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
    }
    #[cfg(not(unix))]
    let _ = connections;
}
