//! Rights of the caller of a task.
tokio::task_local! {
    /// Whether the caller may only read what Perfdeck has already.
    pub(crate) static READS_ONLY: bool;
}

/// Whether the caller of this task may only read what Perfdeck has already.
pub(crate) fn reads_only() -> bool {
    READS_ONLY.try_with(|only| *only).unwrap_or(false)
}
