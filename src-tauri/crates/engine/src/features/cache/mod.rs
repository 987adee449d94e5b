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
    /// Names of keys of edits that were removed because their time is over.
    edits_over: std::sync::Mutex<std::collections::BTreeSet<String>>,
}

impl State {
    /// Notes that a key of edits is removed; whether it was not noted before.
    fn edits_over(&self, key: &str) -> bool {
        self.edits_over.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key.to_owned())
    }
}
