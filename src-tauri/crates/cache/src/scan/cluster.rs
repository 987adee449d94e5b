//! Who has which slots of a cluster, and the keys of one slot.
use std::collections::BTreeMap;

use perfdeck_model::{ApiError, HostPort};

use super::door::Door;
use super::wire::{Broken, Reply, Wire};
use crate::connect::Purpose;

/// Keys of a slot that are asked for at once: it takes a server half a millisecond. There is no way to ask for the next ones.
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

    /// Asks the first that answers.
    ///
    /// # Errors
    /// With what was wrong with the last one.
    pub(super) async fn of_any(door: &Door<'_>, hosts: &[HostPort]) -> Result<Self, ApiError> {
        let mut last = ApiError::bad_request("The address names no cluster node");
        for host in hosts {
            match Self::ask(door, host).await {
                Ok(owners) => return Ok(owners),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Slots of a primary.
    pub(super) fn slots_of(&self, primary: &HostPort) -> Vec<u16> {
        (0..).zip(&self.0).filter(|(_, owner)| owner.as_ref() == Some(primary)).map(|(slot, _)| slot).collect()
    }

    /// Who has most of these slots.
    pub(super) fn heir(&self, slots: &[u16]) -> Option<HostPort> {
        let mut counts: BTreeMap<(&str, u16), u32> = BTreeMap::new();
        for owner in slots.iter().filter_map(|slot| self.0.get(usize::from(*slot))?.as_ref()) {
            *counts.entry((owner.host.as_str(), owner.port)).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, slots)| *slots)?;
        Some(HostPort { host: most.0.0.to_owned(), port: most.0.1 })
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

    /// Slots that somebody else has in `after`, by who has them there. `homes` are primaries with the servers that were read for them: what
    /// those have by then was read.
    pub(super) fn moved(&self, after: &Self, homes: &[(HostPort, HostPort)]) -> Vec<(HostPort, Vec<u16>)> {
        let read = |then: Option<&HostPort>, now: &HostPort| {
            homes.iter().any(|(primary, home)| Some(primary) == then && home == now)
        };
        let mut moved: BTreeMap<(String, u16), Vec<u16>> = BTreeMap::new();
        for (slot, (then, now)) in (0..).zip(self.0.iter().zip(&after.0)) {
            if let Some(now) = now
                && then.as_ref() != Some(now)
                && !read(then.as_ref(), now)
            {
                moved.entry((now.host.clone(), now.port)).or_default().push(slot);
            }
        }
        moved.into_iter().map(|((host, port), slots)| (HostPort { host, port }, slots)).collect()
    }
}

/// Names of the keys of a slot; none where there are more than a server gives at once.
pub(super) async fn keys_of(wire: &mut Wire, slot: u16) -> Result<Option<Vec<Vec<u8>>>, Broken> {
    let text = slot.to_string();
    let count = wire.ask(&[b"CLUSTER", b"COUNTKEYSINSLOT", text.as_bytes()]).await?.number().unwrap_or(0);
    if count == 0 || count > PAGE {
        return Ok((count == 0).then(Vec::new));
    }
    let most = PAGE.to_string();
    let reply = wire.ask(&[b"CLUSTER", b"GETKEYSINSLOT", text.as_bytes(), most.as_bytes()]).await?;
    let Reply::List(names) = reply else { return Err(Broken::Nonsense) };
    let names =
        names.into_iter().filter_map(|name| if let Reply::Bytes(name) = name { Some(name) } else { None }).collect();
    Ok(Some(names))
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
        assert!(before.moved(&same, &[]).is_empty(), "an address that is left out is the node's own");
        let after = Owners::of(&Reply::List(vec![range(0, 7, "", 1), range(8, 19, "b", 2)]), &seed);
        assert_eq!(
            before.moved(&after, &[]),
            [(HostPort { host: "b".into(), port: 2 }, vec![8, 9])],
            "two went to the other"
        );
        let host = |name: &str, port| HostPort { host: name.into(), port };
        assert!(
            before.moved(&after, &[(host("127.0.0.1", 1), host("b", 2))]).is_empty(),
            "not where the other one was read in its place"
        );
        assert_eq!(after.heir(&before.slots_of(&seed)), Some(seed.clone()), "who has most of them is the heir");
        assert_eq!(after.heir(&[8, 9]), Some(host("b", 2)));
        assert_eq!(after.heir(&[16_000]), None, "nobody has it");
        let lost = Owners::of(&Reply::List(vec![range(0, 9, "", 1)]), &seed);
        assert!(before.moved(&lost, &[]).is_empty(), "what nobody has cannot be read");
    }
}
