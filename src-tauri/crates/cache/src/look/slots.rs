//! Slots of a cluster's nodes, from CLUSTER NODES. Pure.
use std::collections::HashMap;

use perfdeck_model::{CacheSlotRange, CacheSlots};

/// Most ranges of a node that are passed on.
const RANGES: usize = 32;
/// Slots of a cluster.
pub(crate) const ALL: u32 = 16_384;

/// What a cluster says of its slots.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// By the node's address, as the cluster's nodes know it.
    pub(crate) nodes: HashMap<String, CacheSlots>,
    /// Slots of nodes that have not failed.
    pub(crate) served: u32,
    /// Addresses of primaries with slots that have failed, or are missed by the node that was asked.
    pub(crate) failed: Vec<String>,
    /// Replicas that have not failed.
    pub(crate) replicas: u32,
}

/// Reads the lines of CLUSTER NODES.
pub(crate) fn read(text: &str) -> Slots {
    let mut all = Slots::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (Some(at), Some(flags)) = (fields.get(1), fields.get(2)) else { continue };
        let address = at.split('@').next().unwrap_or_default().to_owned();
        let has = |flag: &str| flags.split(',').any(|f| f == flag);
        let gone = has("fail") || has("fail?") || has("noaddr");
        if has("slave") {
            all.replicas += u32::from(!gone);
        }
        let slots = of(fields.get(8..).unwrap_or_default());
        if slots.count == 0 && slots.moving == 0 {
            continue;
        }
        if gone {
            all.failed.push(address.clone());
        } else {
            all.served += slots.count;
        }
        all.nodes.insert(address, slots);
    }
    all
}

/// Slots of one node: numbers, ranges, and in brackets what is being moved.
fn of(words: &[&str]) -> CacheSlots {
    let mut slots = CacheSlots::default();
    for word in words {
        if word.starts_with('[') {
            slots.moving += 1;
            continue;
        }
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) else { continue };
        if to < from || to >= ALL {
            continue;
        }
        slots.count += to - from + 1;
        if slots.ranges.len() < RANGES {
            slots.ranges.push(CacheSlotRange { from, to });
        } else {
            slots.left_out += 1;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_with_what_moves_and_what_failed() {
        let text = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99 200 [300->-b]\n\
                    b 10.0.0.2:7000@17000,n2 master,fail - 0 0 2 disconnected 100-199\n\
                    c 10.0.0.3:7000@17000 slave a 0 0 1 connected\n\
                    d 10.0.0.4:7000@17000 master - 0 0 3 connected\n";
        let all = read(text);
        let one = &all.nodes["10.0.0.1:7000"];
        assert_eq!((one.count, one.moving, one.ranges.len()), (101, 1, 2), "{one:?}");
        assert_eq!((all.served, all.failed.len(), all.replicas), (101, 1, 1), "{all:?}");
        assert!(!all.nodes.contains_key("10.0.0.4:7000"), "a primary without slots has none");
    }
}
