//! Caches: what is in them, and changes of it.
pub(crate) mod door;
pub(crate) mod keys;
pub(crate) mod look;
pub(crate) mod map;
pub(crate) mod take;

/// What is kept of caches while Perfdeck runs.
#[derive(Default)]
pub(crate) struct State {
    /// The last map of each environment.
    pub(crate) map: map::Maps,
    pub(crate) look: look::State,
    /// Invalidations.
    pub(crate) take: take::State,
}
