//! Random numbers and fingerprints that are the same on every machine and in every version. Nothing here is a secret.

/// The fingerprint of some bytes: FNV-1a, 64 bits. It identifies and protects nothing.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    fnv1a_from(FNV_START, bytes)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv1a_from(start: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Sebastiano Vigna's splitmix64 (public domain): 64 bits of state, passes BigCrush, any seed is a good seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The published sequence of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for each `seed` and each list of `parts`, such as a feed's name and a worker's number.
    pub fn new(seed: u64, parts: &[&[u8]]) -> Self {
        // FNV-1a over the parts keeps streams of equal seeds apart; the finaliser does the mixing.
        let start = seed ^ FNV_START;
        let state = parts.iter().fold(start, |state, part| fnv1a_from(state, part.iter().copied().chain([0xff])));
        let mut rng = Self { state };
        rng.state = rng.next_u64();
        rng
    }

    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        let bits = (self.next_u64() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// Uniform in `0..n`, without bias (Lemire 2019, multiply and reject); 0 for `n` = 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            let (high, low) = ((wide >> 64) as u64, wide as u64);
            if low >= threshold {
                return high;
            }
        }
    }

    /// An index in `0..n`; 0 for `n` = 0.
    #[inline]
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform in `low..=high`, in either order.
    #[inline]
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let (low, high) = (low.min(high), low.max(high));
        let width = high.wrapping_sub(low).cast_unsigned();
        match width.checked_add(1) {
            Some(n) => low.wrapping_add_unsigned(self.below(n)),
            None => self.next_u64().cast_signed(),
        }
    }

    /// Exponential with mean 1, by inversion.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        let mut rng = SplitMix64::seeded(1_234_567);
        let known = [6_457_827_717_110_365_317u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for expected in known {
            assert_eq!(rng.next_u64(), expected, "the reference implementation gives this for seed 1234567");
        }
    }

    #[test]
    fn a_fingerprint_is_the_published_one() {
        assert_eq!(fnv1a([]), 0xcbf2_9ce4_8422_2325, "of nothing it is where it starts");
        assert_eq!(fnv1a(*b"foobar"), 0x8594_4171_f739_67e8, "Fowler, Noll and Vo give this for foobar");
    }

    #[test]
    fn streams_differ_by_each_part() {
        let first = |seed, parts: &[&[u8]]| SplitMix64::new(seed, parts).next_u64();
        assert_eq!(first(1, &[b"a"]), first(1, &[b"a"]), "the same stream twice");
        assert_ne!(first(1, &[b"a"]), first(2, &[b"a"]), "the seed counts");
        assert_ne!(first(1, &[b"a"]), first(1, &[b"b"]), "the part counts");
        assert_ne!(first(1, &[b"ab", b"c"]), first(1, &[b"a", b"bc"]), "so does where a part ends");
    }

    #[test]
    fn ranges_hold_and_are_even() {
        let mut rng = SplitMix64::new(1, &[]);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[usize::try_from(rng.between(-2, 3) + 2).expect("in range")] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "each of six gets a sixth: {seen:?}");
        assert_eq!(rng.index(0), 0, "an empty range has no index, so 0 stands for it");
        for _ in 0..100 {
            let _ = rng.between(i64::MIN, i64::MAX);
            assert_eq!(rng.between(5, 5), 5, "one value");
        }
        let mean = (0..100_000).map(|_| rng.exponential()).sum::<f64>() / 1e5;
        assert!((mean - 1.0).abs() < 0.02, "exponential gaps have mean 1, not {mean}");
    }
}
