//! Caches: what is in them, and changes of it.
pub(crate) mod door;
pub(crate) mod map;
pub(crate) mod keys;

/// What is kept of caches while Perfdeck runs.
#[derive(Default)]
pub(crate) struct State {
    /// The last map of each environment.
    pub(crate) map: map::Maps,
}
