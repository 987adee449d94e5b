//! The values that templates insert: their names, a worker's current values, and built-ins.
use std::sync::Arc;

use perfdeck_model::SplitMix64;

/// Names of the values that templates of one plan insert; each has a slot.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub(super) names: Vec<Arc<str>>,
    slots: std::collections::HashMap<Arc<str>, usize>,
}

impl Names {
    /// The slot of a name, a new one when it has none.
    pub fn slot(&mut self, name: &str) -> usize {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.slots.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }

    /// The slot of a name that some template uses.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// All names in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|n| &**n)
    }

    /// An empty value for each.
    pub fn scope(&self) -> Scope {
        Scope { values: vec![(false, Vec::new()); self.names.len()] }
    }
}

/// The current values of a worker's variables. Buffers are kept, so setting a value again allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    values: Vec<(bool, Vec<u8>)>,
}

impl Scope {
    /// Sets a value.
    pub fn set(&mut self, slot: usize, value: &[u8]) {
        if let Some((set, buffer)) = self.values.get_mut(slot) {
            *set = true;
            buffer.clear();
            buffer.extend_from_slice(value);
        }
    }

    /// Forgets a value.
    pub fn clear(&mut self, slot: usize) {
        if let Some((set, _)) = self.values.get_mut(slot) {
            *set = false;
        }
    }

    /// A value, when it is set.
    pub fn get(&self, slot: usize) -> Option<&[u8]> {
        self.values.get(slot).filter(|(set, _)| *set).map(|(_, value)| value.as_slice())
    }
}

/// What built-ins need: random numbers, the iteration and the time.
#[derive(Debug, Clone)]
pub struct Builtins {
    pub(super) rng: SplitMix64,
    pub(super) seq: u64,
    stride: u64,
    pub(super) now_ms: u64,
}

impl Builtins {
    /// Those of worker `worker` of `workers`, before its first iteration.
    pub fn new(seed: u64, worker: u32, workers: u32) -> Self {
        let stride = u64::from(workers.max(1));
        let rng = SplitMix64::new(seed, &[b"builtins", &worker.to_le_bytes()]);
        Self { rng, seq: u64::from(worker).wrapping_sub(stride), stride, now_ms: 0 }
    }

    /// Starts the next iteration at `now_ms`, milliseconds since 1970.
    pub fn next(&mut self, now_ms: u64) {
        self.seq = self.seq.wrapping_add(self.stride);
        self.now_ms = now_ms;
    }
}
