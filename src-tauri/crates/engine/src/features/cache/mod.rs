//! Caches: what is in them, and changes of it.
pub(crate) mod door;
pub(crate) mod look;

/// What is kept of caches while Perfdeck runs.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) look: look::State,
}
