//! CPU time of the calling thread, where the system tells it without unsafe code.

/// CPU seconds of the calling thread, or `None` where it cannot be read.
pub(crate) fn thread_cpu_s() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        // The first field is nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst).
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns / 1e9)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
