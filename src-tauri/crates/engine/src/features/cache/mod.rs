//! Caches: what is in them, and changes of it.
pub(crate) mod door;
pub(crate) mod take;

/// What is kept of caches while Perfdeck runs.
#[derive(Default)]
pub(crate) struct State {
    /// Invalidations.
    pub(crate) take: take::State,
}
