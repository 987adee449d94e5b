//! What is kept of the keys that end in one node of the tree.

/// Buckets of the time left: below 1 s, then each twice as long as the one before, the last from 2^29 s (17 years) on.
pub(crate) const TTL_BUCKETS: u8 = 31;
/// Types that are told apart; what only some server has is `other`.
pub(crate) const TYPES: [&str; 7] = ["string", "hash", "list", "set", "zset", "stream", "other"];
/// Place of the keys that never expire among the counts, after the buckets.
const FOREVER: u8 = TTL_BUCKETS;
const FIRST_TYPE: u8 = FOREVER + 1;
/// All counts.
pub(crate) const COUNTS: usize = FIRST_TYPE as usize + TYPES.len();

/// When a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Never.
    Never,
    /// After this many milliseconds.
    In(u64),
    /// It was not told.
    Unknown,
    /// Some day; when is not told.
    Sometime,
}

/// What a server said of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Index in [`TYPES`].
    pub(crate) kind: Option<u8>,
    pub(crate) expiry: Expiry,
    pub(crate) bytes: Option<u64>,
    /// Whether the account may not see this key, while it may see others.
    pub(crate) hidden: bool,
}

/// Index of a type by its name.
pub(crate) fn kind(name: &[u8]) -> u8 {
    let known = TYPES.iter().position(|t| t.as_bytes() == name).unwrap_or(TYPES.len() - 1);
    u8::try_from(known).unwrap_or(0)
}

/// Sums over the keys that were asked. Small: most nodes have few keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stats {
    /// Keys that were asked.
    pub(crate) asked: u32,
    /// Of them, those whose bytes are known.
    pub(crate) measured: u32,
    /// Of them, those whose expiry is known.
    pub(crate) timed: u32,
    /// Of them, those that the account may not see. They are no random part of all, so that what is seen says nothing of them.
    pub(crate) hidden: u32,
    pub(crate) bytes: f64,
    pub(crate) squares: f64,
    /// Counts that are not 0: of buckets of the time left, of keys that never expire, of types.
    counts: Vec<(u8, u32)>,
}

impl Stats {
    /// Adds a key.
    pub(crate) fn add(&mut self, told: &Told) {
        self.asked += 1;
        self.hidden += u32::from(told.hidden);
        if let Some(bytes) = told.bytes {
            self.measured += 1;
            self.bytes += bytes as f64;
            self.squares += (bytes as f64).powi(2);
        }
        match told.expiry {
            Expiry::Never => {
                self.timed += 1;
                self.count(FOREVER, 1);
            }
            Expiry::In(ms) => {
                self.timed += 1;
                self.count(bucket(ms), 1);
            }
            Expiry::Sometime => self.timed += 1,
            Expiry::Unknown => {}
        }
        if let Some(kind) = told.kind {
            self.count(FIRST_TYPE + kind, 1);
        }
    }

    fn count(&mut self, what: u8, by: u32) {
        match self.counts.iter_mut().find(|(at, _)| *at == what) {
            Some((_, n)) => *n += by,
            None => {
                // One more and not four: there are many of these.
                self.counts.reserve_exact(1);
                self.counts.push((what, by));
            }
        }
    }

    /// Adds what another one has.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.asked += other.asked;
        self.measured += other.measured;
        self.timed += other.timed;
        self.hidden += other.hidden;
        self.bytes += other.bytes;
        self.squares += other.squares;
        for (what, n) in &other.counts {
            self.count(*what, *n);
        }
    }

    /// Keys that never expire.
    pub(crate) fn forever(&self) -> u32 {
        self.counts.iter().find(|(at, _)| *at == FOREVER).map_or(0, |(_, n)| *n)
    }

    /// Adds the counts, each times `weight`.
    pub(crate) fn weigh(&self, weight: f64, into: &mut [f64; COUNTS]) {
        for (at, n) in &self.counts {
            into[usize::from(*at)] += weight * f64::from(*n);
        }
    }
}

/// Bucket of a time left in milliseconds.
fn bucket(ms: u64) -> u8 {
    let bits = u64::BITS - (ms / 1000).leading_zeros();
    u8::try_from(bits).unwrap_or(u8::MAX).min(TTL_BUCKETS - 1)
}

/// Where a bucket begins and ends, in seconds.
pub(crate) fn bucket_s(bucket: u8) -> (f64, f64) {
    let end = 2_f64.powi(i32::from(bucket));
    (if bucket == 0 { 0.0 } else { end / 2.0 }, end)
}

/// The buckets' part of the counts.
pub(crate) fn ttl(counts: &[f64; COUNTS]) -> &[f64] {
    &counts[..usize::from(TTL_BUCKETS)]
}

/// The types' part of the counts.
pub(crate) fn types(counts: &[f64; COUNTS]) -> &[f64] {
    &counts[usize::from(FIRST_TYPE)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_left_fall_into_their_buckets() {
        for ms in [0, 999, 1_000, 1_999, 2_000, 3_999, 60_000, 86_400_000, 31_536_000_000] {
            let (from, to) = bucket_s(bucket(ms));
            assert!(from * 1e3 <= ms as f64 && (ms as f64) < to * 1e3, "{ms} ms is between {from} and {to} s");
        }
        assert_eq!(bucket(u64::MAX), TTL_BUCKETS - 1, "the last takes all that is longer");
    }

    #[test]
    fn sums_are_the_same_whether_merged_or_added() {
        let told = |n: u64| Told {
            kind: Some((n % 3) as u8),
            expiry: if n.is_multiple_of(4) { Expiry::Never } else { Expiry::In(n * 1_000) },
            bytes: Some(n),
            hidden: false,
        };
        let (mut all, mut odd, mut even) = (Stats::default(), Stats::default(), Stats::default());
        for n in 0..100 {
            all.add(&told(n));
            if n % 2 == 0 { even.add(&told(n)) } else { odd.add(&told(n)) }
        }
        even.merge(&odd);
        let counts = |of: &Stats| {
            let mut counts = [0.0; COUNTS];
            of.weigh(1.0, &mut counts);
            counts
        };
        assert_eq!((even.asked, even.bytes, even.squares), (100, all.bytes, all.squares), "the sums");
        assert_eq!(counts(&even), counts(&all), "and the counts");
        assert_eq!(even.forever(), 25, "every fourth never expires");
        assert_eq!(types(&counts(&all)).iter().sum::<f64>(), 100.0, "each has a type");
    }
}
