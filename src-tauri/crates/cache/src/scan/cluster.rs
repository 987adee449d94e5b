//! Who has which slots of a cluster, and the keys of one slot.
use std::collections::BTreeMap;

use perfdeck_model::{ApiError, HostPort};

use super::door::Door;
use super::wire::{Broken, Reply, Wire};
use crate::connect::Purpose;

/// Keys of a slot that are asked for at once. It takes a server half a millisecond.
const PAGE: i64 = 1_000;

/// The primaries by slot.
pub(super) struct Owners(Vec<Option<HostPort>>);

impl Owners {
    /// Asks a node.
    pub(super) async fn ask(door: &Door<'_>, host: &HostPort) -> Result<Self, ApiError> {
        let mut wire = door.open(host, Purpose::Scan, false).await?;
        let slots = wire.ask(&[b"CLUSTER", b"SLOTS"]).await.map_err(|broken| door.told(host, broken))?;
        Ok(Self::of(&slots, host))
    }

    fn of(slots: &Reply, seed: &HostPort) -> Self {
        let mut owners = vec![None; 16_384];
        let Reply::List(ranges) = slots else { return Self(owners) };
        for range in ranges {
            let Reply::List(parts) = range else { continue };
            let [first, last, Reply::List(node), ..] = parts.as_slice() else { continue };
            let [host, port, ..] = node.as_slice() else { continue };
            let (Some(first), Some(last), Some(port)) = (first.number(), last.number(), port.number()) else {
                continue;
            };
            // A node that does not know its own address is the one that was asked.
            let host = host.text().filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| seed.host.clone());
            let Ok(port) = u16::try_from(port) else { continue };
            for slot in first.max(0)..=last.min(16_383) {
                owners[slot as usize] = Some(HostPort { host: host.clone(), port });
            }
        }
        Self(owners)
    }

    /// Slots that somebody else has in `after`, by who has them there.
    pub(super) fn moved(&self, after: &Self) -> Vec<(HostPort, Vec<u16>)> {
        let mut moved: BTreeMap<(String, u16), Vec<u16>> = BTreeMap::new();
        for (slot, (then, now)) in (0..).zip(self.0.iter().zip(&after.0)) {
            if let Some(now) = now
                && then.as_ref() != Some(now)
            {
                moved.entry((now.host.clone(), now.port)).or_default().push(slot);
            }
        }
        moved.into_iter().map(|((host, port), slots)| (HostPort { host, port }, slots)).collect()
    }
}

/// Names of the keys of a slot, and how many more there are.
pub(super) async fn keys_of(wire: &mut Wire, slot: u16) -> Result<(Vec<Vec<u8>>, u64), Broken> {
    let text = slot.to_string();
    let count = wire.ask(&[b"CLUSTER", b"COUNTKEYSINSLOT", text.as_bytes()]).await?.number().unwrap_or(0);
    if count == 0 {
        return Ok((Vec::new(), 0));
    }
    let most = PAGE.to_string();
    let reply = wire.ask(&[b"CLUSTER", b"GETKEYSINSLOT", text.as_bytes(), most.as_bytes()]).await?;
    let Reply::List(names) = reply else { return Err(Broken::Nonsense) };
    let names =
        names.into_iter().filter_map(|name| if let Reply::Bytes(name) = name { Some(name) } else { None }).collect();
    Ok((names, u64::try_from(count - PAGE).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: &str, port: i64) -> Reply {
        let node = Reply::List(vec![Reply::Bytes(host.into()), Reply::Number(port), Reply::Bytes(b"id".to_vec())]);
        Reply::List(vec![Reply::Number(first), Reply::Number(last), node])
    }

    #[test]
    fn slots_that_moved_are_found_with_who_has_them_now() {
        let seed = HostPort { host: "127.0.0.1".into(), port: 1 };
        let before = Owners::of(&Reply::List(vec![range(0, 9, "", 1), range(10, 19, "b", 2)]), &seed);
        let same = Owners::of(&Reply::List(vec![range(0, 9, "127.0.0.1", 1), range(10, 19, "b", 2)]), &seed);
        assert!(before.moved(&same).is_empty(), "an address that is left out is the node's own");
        let after = Owners::of(&Reply::List(vec![range(0, 7, "", 1), range(8, 19, "b", 2)]), &seed);
        assert_eq!(
            before.moved(&after),
            [(HostPort { host: "b".into(), port: 2 }, vec![8, 9])],
            "two went to the other"
        );
        let lost = Owners::of(&Reply::List(vec![range(0, 9, "", 1)]), &seed);
        assert!(before.moved(&lost).is_empty(), "what nobody has cannot be read");
    }
}
