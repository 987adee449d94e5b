//! Slots of a cluster that went to another server during a scan: their keys are read there, and those that were read before are known by
//! their names.
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, HostPort};
use perfdeck_words::plural;

use super::cluster::{Owners, keys_of};
use super::door::Door;
use super::run::MapRun;
use super::seen::{Seen, slot};
use super::wire::{Names, Wire};
use crate::connect::Purpose;

/// Attempts to read one server's slots.
const ATTEMPTS: u32 = 3;
/// Buckets that one SCAN visits, as in `node.rs`.
const COUNT: &[u8] = b"1000";
/// How many times as long as a page took it waits before the next, with a pace: a tenth of a core at most.
const REST: u32 = 9;

impl MapRun {
    /// Counts the keys of slots that went to another server during the scan and were not read there or here.
    pub(super) async fn moved(&self, door: &Door<'_>, before: &Owners, seen: &Mutex<Seen>) {
        let homes: Vec<(HostPort, HostPort)> = self.inside().homes().cloned().collect();
        let hosts: Vec<HostPort> =
            door.target.address.hosts.iter().cloned().chain(homes.iter().map(|(_, now)| now.clone())).collect();
        let Ok(after) = Owners::of_any(door, &hosts).await else {
            let mut inside = self.inside();
            inside.doubt += 1;
            return inside.notes.push(
                "Who has which slots could not be asked at the end: slots that moved meanwhile may be missing"
                    .to_owned(),
            );
        };
        let (mut keys, mut slots, mut lost) = (0, 0, BTreeSet::<u16>::new());
        for (host, moved) in &before.moved(&after, &homes) {
            slots += moved.len() as u64;
            match self.reread(door, host, moved, seen).await {
                Ok(read) => keys += read,
                Err(_) => lost.extend(moved),
            }
        }
        if slots == 0 {
            return;
        }
        let mut inside = self.inside();
        // Each may have been read on both sides before it was known that it moves.
        inside.doubt += keys.max(1);
        let read = slots - lost.len() as u64;
        if read > 0 {
            let were = if read == 1 { "was" } else { "were" };
            let moved = plural(read, "slot");
            let note = format!("{moved} moved to another server during the scan and {were} read again there");
            inside.notes.push(note);
        }
        // Their keys are in no count: it is no finished scan of who had them.
        for node in &mut inside.nodes {
            let Some((primary, _)) = &node.home else { continue };
            let of_it = before.slots_of(primary).iter().filter(|slot| lost.contains(*slot)).count() as u64;
            if of_it > 0 {
                node.told.finished = false;
                let gone = plural(of_it, "slot");
                node.told.problem = Some(format!("{gone} of it moved away, and could not be read where they went"));
            }
        }
    }

    /// Reads slots of one server; answers how many keys they have. It may be begun again: what was read is known.
    async fn reread(
        &self,
        door: &Door<'_>,
        host: &HostPort,
        slots: &[u16],
        seen: &Mutex<Seen>,
    ) -> Result<u64, ApiError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.reread_once(door, host, slots, seen).await {
                Err(error) if !error.retryable || attempt == ATTEMPTS => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                read => return read,
            }
        }
    }

    async fn reread_once(
        &self,
        door: &Door<'_>,
        host: &HostPort,
        slots: &[u16],
        seen: &Mutex<Seen>,
    ) -> Result<u64, ApiError> {
        let told = |broken| door.told(host, broken);
        let mut wire = door.open(host, Purpose::Scan, false).await?;
        let (mut keys, mut large) = (0, BTreeSet::new());
        for slot in slots {
            match keys_of(&mut wire, *slot).await.map_err(told)? {
                Some(names) => keys += self.counted_there(names.iter().map(Vec::as_slice), seen),
                None => drop(large.insert(*slot)),
            }
        }
        if !large.is_empty() {
            keys += self.large_slots(door, host, &mut wire, &large, seen).await?;
        }
        Ok(keys)
    }

    /// Reads slots whose keys are too many for one answer: all keys of their server are gone through, and those of these slots counted.
    async fn large_slots(
        &self,
        door: &Door<'_>,
        host: &HostPort,
        wire: &mut Wire,
        large: &BTreeSet<u16>,
        seen: &Mutex<Seen>,
    ) -> Result<u64, ApiError> {
        let told = |broken| door.told(host, broken);
        let (mut keys, mut cursor, mut names) = (0, b"0".to_vec(), Names::default());
        loop {
            let began = Instant::now();
            wire.queue(&[b"SCAN", &cursor, b"COUNT", COUNT]);
            wire.send().await.map_err(told)?;
            cursor = wire.cursor().await.map_err(told)?;
            names.clear();
            wire.names(&mut names).await.map_err(told)?;
            keys += self.counted_there(names.iter().filter(|name| large.contains(&slot(name))), seen);
            if cursor == b"0" {
                return Ok(keys);
            }
            let orders = *self.orders.borrow();
            if self.wanted.paced || orders.gentler > 0 {
                tokio::time::sleep(REST * began.elapsed()).await;
            }
            while self.orders.borrow().paused {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Counts names that were not read before; answers how many there are.
    fn counted_there<'n>(&self, names: impl Iterator<Item = &'n [u8]>, seen: &Mutex<Seen>) -> u64 {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = 0;
        let mut new = Vec::new();
        for name in names {
            all += 1;
            if !seen.has(name) {
                seen.add(name);
                new.push(name);
            }
        }
        self.inside().map.count(new.iter().copied(), &mut Vec::new());
        all
    }
}
