//! Which names a scan of a cluster has read: a Bloom filter, so that keys of slots that moved are not counted twice. One name in a
//! hundred that was not read is taken for one that was.
use std::hash::{BuildHasher, RandomState};

/// Bits for each name, and places of it: 1 % of others look like one of them (Bloom 1970).
const BITS: u64 = 10;
const PLACES: u64 = 7;
/// Bits at most: 32 MiB. Of more keys than 27 million more than 1 % look alike.
const MOST: u64 = 1 << 28;

/// Names that were read.
pub(super) struct Seen {
    bits: Vec<u64>,
    hasher: RandomState,
}

impl Seen {
    /// For about as many names.
    pub(super) fn of(names: u64) -> Self {
        let bits = (names.max(1_000).saturating_mul(BITS)).min(MOST);
        Self { bits: vec![0; bits.div_ceil(64) as usize], hasher: RandomState::new() }
    }

    fn places(&self, name: &[u8]) -> impl Iterator<Item = (usize, u64)> + use<> {
        let hash = self.hasher.hash_one(name);
        let (one, two) = (hash & 0xffff_ffff, hash >> 32 | 1);
        let bits = self.bits.len() as u64 * 64;
        (0..PLACES).map(move |i| {
            // Two halves of one hash make all places (Kirsch and Mitzenmacher 2006).
            let at = (one.wrapping_add(i.wrapping_mul(two)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) % bits;
            ((at / 64) as usize, 1 << (at % 64))
        })
    }

    /// Adds a name.
    pub(super) fn add(&mut self, name: &[u8]) {
        for (word, bit) in self.places(name) {
            self.bits[word] |= bit;
        }
    }

    /// Whether a name was added, or looks like one that was.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.places(name).all(|(word, bit)| self.bits[word] & bit != 0)
    }
}

/// The slot of a key (CRC-16/XMODEM of its name, or of what is between its first braces).
pub(super) fn slot(name: &[u8]) -> u16 {
    let tag = name.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = &name[open + 1..];
        rest.iter().position(|b| *b == b'}').filter(|length| *length > 0).map(|length| &rest[..length])
    });
    let mut crc = 0_u16;
    for byte in tag.unwrap_or(name) {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc % 16_384
}

/// Whether names come slot by slot, as servers with a table for each slot give them.
pub(super) fn by_slot<'a>(names: impl Iterator<Item = &'a [u8]>) -> bool {
    let slots: Vec<u16> = names.map(slot).collect();
    let same = slots.windows(2).filter(|pair| pair[0] <= pair[1]).count();
    // In no order half of the pairs rise.
    slots.len() >= 32 && same as f64 >= 0.95 * (slots.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_known_and_little_else() {
        let mut seen = Seen::of(10_000);
        for i in 0..10_000 {
            seen.add(format!("key:{i}").as_bytes());
        }
        assert!((0..10_000).all(|i| seen.has(format!("key:{i}").as_bytes())), "none is forgotten");
        let wrong = (0..10_000).filter(|i| seen.has(format!("other:{i}").as_bytes())).count();
        assert!(wrong < 250, "about one in a hundred: {wrong}");
    }

    #[test]
    fn slots_are_the_servers() {
        for (name, right) in
            [("foo", 12_182), ("123456789", 12_739), ("{user1000}.following", 3_443), ("{}x", slot(b"{}x"))]
        {
            assert_eq!(slot(name.as_bytes()), right, "{name}");
        }
        assert_eq!(slot(b"a{b}c{d}"), slot(b"b"), "the first braces count");
        assert!(!by_slot((0..100).map(|i: u8| [i]).collect::<Vec<_>>().iter().map(<[u8; 1]>::as_slice)), "no order");
    }
}
