//! An entry as it is stored: a head, times, the epochs that it was filled under, and the value.
//!
//! ```text
//! "pA" version flags | created ms | fill | fresh until ms | stale until ms | tags | raw length | payload
//!  2    1      1       8            8      8                8                2+…    4
//! tag: length (2) text epoch (16). Numbers are little-endian; a time that never comes is all ones.
//! ```
//! The head (the first 20 bytes) is another one for each fill: a script tells by it whether an entry was replaced.

use std::borrow::Cow;

/// Bytes of the head.
pub(crate) const HEAD: usize = 20;
/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;
/// Largest value that is unpacked, in bytes.
const LARGEST: usize = 256 << 20;

const MAGIC: [u8; 3] = [b'p', b'A', 1];
const COMPRESSED: u8 = 1;
const NEGATIVE: u8 = 2;

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// When it was filled, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Until when it is fresh; `u64::MAX` for ever.
    pub fresh_until_ms: u64,
    /// Until when it may be served while it is filled anew; `u64::MAX` for ever.
    pub stale_until_ms: u64,
    /// Its tags (`tag:…`, `user:…`) with the epochs of the moment before it was loaded.
    pub tags: Vec<(String, u128)>,
    /// The encoded value; `None` where the source has none.
    pub value: Option<Vec<u8>>,
}

impl Envelope {
    /// The bytes of an entry. A value of more than `compress_above` bytes is compressed where that makes it shorter; says whether
    /// it was.
    pub(crate) fn write(&self, fill: u64, compress_above: usize) -> (Vec<u8>, bool) {
        let raw = self.value.as_deref().unwrap_or_default();
        let packed = (raw.len() > compress_above)
            .then(|| zstd::bulk::compress(raw, 3).ok())
            .flatten()
            .filter(|packed| packed.len() < raw.len());
        let payload = packed.as_deref().unwrap_or(raw);
        let flags = if packed.is_some() { COMPRESSED } else { 0 } | if self.value.is_none() { NEGATIVE } else { 0 };
        let mut all = Vec::with_capacity(HEAD + 64 + self.tags.len() * 64 + payload.len());
        all.extend(MAGIC);
        all.push(flags);
        for number in [self.created_ms, fill, self.fresh_until_ms, self.stale_until_ms] {
            all.extend(number.to_le_bytes());
        }
        all.extend(u16::try_from(self.tags.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (tag, epoch) in &self.tags {
            all.extend(u16::try_from(tag.len()).unwrap_or(u16::MAX).to_le_bytes());
            all.extend(tag.as_bytes());
            all.extend(epoch.to_le_bytes());
        }
        all.extend(u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes());
        all.extend(payload);
        (all, packed.is_some())
    }

    /// Reads an entry; `None` for bytes that are none, or of another version.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let parts = Parts::read(bytes)?;
        let Parts { created_ms, fresh_until_ms, stale_until_ms, .. } = parts;
        let tags = parts.tags.into_iter().map(|(tag, epoch)| (tag.to_owned(), epoch)).collect();
        Some(Self { created_ms, fresh_until_ms, stale_until_ms, tags, value: parts.value.map(Cow::into_owned) })
    }

    /// The tags of an entry with their epochs, from the first of its bytes; `None` for what is no entry, or is cut off before their end.
    pub(crate) fn tags_of(bytes: &[u8]) -> Option<Vec<(&str, u128)>> {
        let mut rest = Rest(bytes);
        if rest.take(3)? != MAGIC {
            return None;
        }
        rest.take(1 + 4 * 8)?;
        rest.tags()
    }

    /// The head of an entry's bytes, or as much of it as there is.
    pub(crate) fn head(bytes: &[u8]) -> &[u8] {
        bytes.get(..HEAD).unwrap_or(bytes)
    }
}

/// An [`Envelope`] within its bytes.
pub(crate) struct Parts<'a> {
    created_ms: u64,
    pub(crate) fresh_until_ms: u64,
    pub(crate) stale_until_ms: u64,
    pub(crate) tags: Vec<(&'a str, u128)>,
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

impl<'a> Parts<'a> {
    /// As [`Envelope::read`]; only a compressed value is copied.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if rest.take(3)? != MAGIC {
            return None;
        }
        let flags = *rest.take(1)?.first()?;
        let (created_ms, _fill) = (rest.number()?, rest.number()?);
        let (fresh_until_ms, stale_until_ms) = (rest.number()?, rest.number()?);
        let tags = rest.tags()?;
        let raw = u32::from_le_bytes(rest.take(4)?.try_into().ok()?) as usize;
        let value = match flags {
            0 => Some(Cow::Borrowed(rest.0)),
            COMPRESSED if raw <= LARGEST => Some(Cow::Owned(zstd::bulk::decompress(rest.0, raw).ok()?)),
            NEGATIVE => None,
            _ => return None,
        };
        if value.as_ref().map_or(0, |value| value.len()) != raw {
            return None;
        }
        Some(Self { created_ms, fresh_until_ms, stale_until_ms, tags, value })
    }
}

/// Bytes that were not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn tags(&mut self) -> Option<Vec<(&'a str, u128)>> {
        let count = self.short()?;
        let mut tags = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let length = self.short()?;
            let tag = std::str::from_utf8(self.take(length)?).ok()?;
            tags.push((tag, u128::from_le_bytes(self.take(16)?.try_into().ok()?)));
        }
        Some(tags)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn short(&mut self) -> Option<usize> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Option<Vec<u8>>) -> Envelope {
        Envelope {
            created_ms: 1_000,
            fresh_until_ms: 2_000,
            stale_until_ms: NEVER,
            tags: vec![("user:1".into(), 7), ("tag:é".into(), u128::MAX)],
            value,
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let long = "a long value ".repeat(500).into_bytes();
        for (value, compressed) in
            [(Some(b"v".to_vec()), false), (Some(Vec::new()), false), (None, false), (Some(long), true)]
        {
            let (bytes, packed) = entry(value.clone()).write(9, 1_024);
            assert_eq!(packed, compressed, "only what is long is compressed");
            assert_eq!(Envelope::read(&bytes), Some(entry(value)), "as it was");
        }
        let noise: Vec<u8> = (0..4_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(
            Envelope::read(&entry(Some(noise.clone())).write(9, 1_024).0),
            Some(entry(Some(noise))),
            "whatever it is"
        );
        let heads = [1, 2].map(|fill| Envelope::head(&entry(None).write(fill, 0).0).to_vec());
        assert_ne!(heads[0], heads[1], "each fill has another head");
    }

    #[test]
    fn what_is_no_entry_is_none() {
        let (whole, _) = entry(Some("x".repeat(3_000).into_bytes())).write(9, 1_024);
        for length in 0..whole.len() {
            assert_eq!(Envelope::read(&whole[..length]), None, "cut after {length} bytes");
        }
        for (at, value) in [(0, b'x'), (2, 2), (3, 9)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(Envelope::read(&other), None, "byte {at} is another one");
        }
        assert_eq!(Envelope::read(b"{\"json\":true}"), None, "a foreign value");
    }
}
