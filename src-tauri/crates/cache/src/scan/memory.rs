//! The map of the cache in this process: everything is known at once, but for what it does not keep.
use std::sync::Arc;

use super::run::{MapRun, NodeState};
use crate::map::stats::{Expiry, Told, kind};
use crate::memory::MemoryCache;

impl MapRun {
    /// Reads the keys of a cache of this process.
    pub fn read_memory(self: &Arc<Self>, cache: &MemoryCache) {
        {
            let mut inside = self.inside();
            inside.server = Some("moka, in process".to_owned());
            inside.notes.push(
                "Sizes are the cache's own accounting: name, value and 64 bytes a key. It does not keep when a key expires, only whether it does"
                    .to_owned(),
            );
            let mut keys = 0;
            let entries = cache.weighed();
            inside.map.expect(entries.len() as u64);
            for (name, bytes, expires) in entries {
                let mut ask = Vec::new();
                inside.map.count(std::iter::once(name.as_bytes()), &mut ask);
                if !ask.is_empty() {
                    let expiry = if expires { Expiry::Sometime } else { Expiry::Never };
                    inside.map.tell(
                        name.as_bytes(),
                        &Told { kind: Some(kind(b"string")), expiry, bytes: Some(bytes), hidden: false },
                    );
                }
                keys += 1;
            }
            let mut node = NodeState { keys: Some(keys), read: keys, ended: true, ..NodeState::default() };
            node.told.address = "in process".to_owned();
            node.told.finished = true;
            inside.nodes = vec![node];
        }
        let (used, most) = (cache.weight(), cache.max_bytes());
        self.was_memory(used as f64, most as f64);
        self.end();
    }
}
