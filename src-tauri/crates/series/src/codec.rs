//! The block codec: a few minutes of one series in few bytes.
//!
//! Values are rounded to the decimals that their unit declares ([`decimals`]) when they enter the store, so a block
//! holds them exactly: as integers (value × 10^decimals), delta, zig-zag and varint coded. A block with a value that is
//! too large for that holds the bits of each value XORed with its predecessor instead. Either form is deflated when
//! that makes it smaller. A bitmap marks gaps, so a gap costs one bit and never a made-up value.
//!
//! Layout before deflate: `form` (1 scaled, 2 bits), `decimals`, bitmap of `ceil(count / 8)` bytes with the lowest bit
//! first, then the present values. In front of it one byte: 0 stored, 1 deflated.
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use perfdeck_model::Unit;

/// Most samples in one block; 16 KiB of raw values.
pub const MAX_SAMPLES: usize = 2048;

/// A block of one series: samples at `from_ms`, `from_ms + step_ms`, …
///
/// Blocks of one series do not overlap unless two programs watch the same environment; a block replaces an earlier one
/// of the same series and start, which is how a growing block is written more than once.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Series id.
    pub series_id: String,
    /// Time of the first sample, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// Time between samples, in milliseconds.
    pub step_ms: f64,
    /// Number of samples, gaps included.
    pub count: usize,
    /// The encoded samples.
    pub bytes: Vec<u8>,
}

/// Reason for which bytes are not a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The block claims more samples than one block holds.
    #[error("the block claims more than 2048 samples")]
    TooLong,
    /// The bytes are not deflated data, or unpack to more than the samples can need.
    #[error("the block cannot be unpacked")]
    Deflate,
    /// The unpacked data ends early, goes on too long or is of an unknown form.
    #[error("the block is malformed")]
    Malformed,
}

const STORED: u8 = 0;
const DEFLATED: u8 = 1;
const SCALED: u8 = 1;
const BITS: u8 = 2;
const MAX_DECIMALS: u8 = 9;
/// Up to here, 2^50, scaling and back loses less than half a step, so that rounding twice changes nothing: division and
/// multiplication each add a relative error of 2^-53.
const EXACT: f64 = 1_125_899_906_842_624.0;

/// Decimals kept of values of a unit: whole bytes, a thousandth of an event, a hundred-thousandth as a ratio (0.001 %),
/// a tenth of a microsecond.
pub fn decimals(unit: Unit) -> u8 {
    match unit {
        Unit::Bytes | Unit::BytesPerSecond => 0,
        Unit::PerSecond | Unit::Count => 3,
        Unit::Ratio => 5,
        Unit::Seconds => 7,
    }
}

/// The nearest value with this many decimals; unchanged when it is too large to have any.
pub fn round(value: f64, decimals: u8) -> f64 {
    let scale = 10f64.powi(i32::from(decimals.min(MAX_DECIMALS)));
    let scaled = value * scale;
    if scaled.abs() < EXACT { scaled.round() / scale } else { value }
}

impl Block {
    /// Packs at most [`MAX_SAMPLES`] samples (further ones are left out); NaN and infinities are gaps. Values come back
    /// rounded to `decimals`, or bit by bit when one of them is too large for that.
    pub fn encode(series_id: String, from_ms: f64, step_ms: f64, values: &[f64], decimals: u8) -> Self {
        let values = &values[..values.len().min(MAX_SAMPLES)];
        let decimals = decimals.min(MAX_DECIMALS);
        let scale = 10f64.powi(i32::from(decimals));
        let present = || values.iter().copied().filter(|v| v.is_finite());
        let scaled = present().all(|v| (v * scale).abs() < EXACT);
        let mut plain = vec![if scaled { SCALED } else { BITS }, decimals];
        let bitmap_at = plain.len();
        plain.resize(bitmap_at + values.len().div_ceil(8), 0);
        for (i, _) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            plain[bitmap_at + i / 8] |= 1 << (i % 8);
        }
        if scaled {
            let mut last = 0i64;
            for v in present() {
                let n = (v * scale).round() as i64;
                write_varint(&mut plain, zigzag(n.wrapping_sub(last)));
                last = n;
            }
        } else {
            let mut last = 0u64;
            for v in present() {
                plain.extend_from_slice(&(v.to_bits() ^ last).to_le_bytes());
                last = v.to_bits();
            }
        }
        let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::default());
        let deflated = encoder.write_all(&plain).and_then(|()| encoder.finish());
        let bytes = match deflated {
            Ok(bytes) if bytes.len() <= plain.len() => bytes,
            _ => {
                plain.insert(0, STORED);
                plain
            }
        };
        Self { series_id, from_ms, step_ms, count: values.len(), bytes }
    }

    /// Unpacks the samples; gaps are NaN.
    ///
    /// # Errors
    /// When the bytes are not what [`Block::encode`] makes of `count` samples. Hostile bytes never allocate more than
    /// 64 KiB.
    pub fn decode(&self) -> Result<Vec<f64>, CodecError> {
        let count = self.count;
        if count > MAX_SAMPLES {
            return Err(CodecError::TooLong);
        }
        // A varint of 64 bits takes at most ten bytes.
        let limit = 2 + count.div_ceil(8) + count * 10;
        let (&packing, packed) = self.bytes.split_first().ok_or(CodecError::Malformed)?;
        let plain = match packing {
            STORED if packed.len() <= limit => packed.to_vec(),
            DEFLATED => {
                let mut plain = Vec::new();
                let mut decoder = DeflateDecoder::new(packed).take(limit as u64 + 1);
                decoder.read_to_end(&mut plain).map_err(|_| CodecError::Deflate)?;
                if plain.len() > limit {
                    return Err(CodecError::Deflate);
                }
                plain
            }
            _ => return Err(CodecError::Malformed),
        };
        parse(&plain, count).ok_or(CodecError::Malformed)
    }
}

/// Reads `count` samples; `None` when the data is not exactly theirs.
fn parse(plain: &[u8], count: usize) -> Option<Vec<f64>> {
    let (&[form, decimals], rest) = plain.split_first_chunk::<2>()?;
    if decimals > MAX_DECIMALS {
        return None;
    }
    let (bitmap, mut data) = rest.split_at_checked(count.div_ceil(8))?;
    let scale = 10f64.powi(i32::from(decimals));
    let (mut last, mut last_bits) = (0i64, 0u64);
    let mut values = Vec::with_capacity(count);
    for i in 0..count {
        if bitmap[i / 8] & (1 << (i % 8)) == 0 {
            values.push(f64::NAN);
            continue;
        }
        match form {
            SCALED => {
                last = last.wrapping_add(unzigzag(read_varint(&mut data)?));
                values.push(last as f64 / scale);
            }
            BITS => {
                let (head, tail) = data.split_first_chunk::<8>()?;
                data = tail;
                last_bits ^= u64::from_le_bytes(*head);
                values.push(f64::from_bits(last_bits));
            }
            _ => return None,
        }
    }
    data.is_empty().then_some(values)
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

fn write_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn read_varint(data: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(values: &[f64], decimals: u8) -> Block {
        Block::encode("x".into(), 0.0, 1000.0, values, decimals)
    }

    fn same(a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn values_come_back_at_their_declared_precision_and_gaps_as_gaps(
            values in prop::collection::vec(prop_oneof![
                3 => (-1e6f64..1e6).boxed(),
                2 => (0.0f64..1.0).boxed(),
                2 => (0i32..100_000).prop_map(f64::from).boxed(),
                1 => Just(f64::NAN).boxed(),
                1 => Just(f64::INFINITY).boxed(),
            ], 0..400),
            decimals in 0u8..=9,
        ) {
            let back = block(&values, decimals).decode().expect("own bytes decode");
            prop_assert_eq!(back.len(), values.len(), "every sample has its place");
            for (a, b) in values.iter().zip(&back) {
                let want = if a.is_finite() { round(*a, decimals) } else { f64::NAN };
                prop_assert!(same(want, *b), "{} came back as {}, not as {}", a, b, want);
            }
        }

        #[test]
        fn a_value_too_large_to_scale_keeps_every_bit_of_the_block(
            mut values in prop::collection::vec((-1e6f64..1e6).boxed(), 1..50), big in 1e15f64..1e300,
        ) {
            values.push(big);
            let back = block(&values, 9).decode().expect("own bytes decode");
            for (a, b) in values.iter().zip(&back) {
                prop_assert_eq!(a.to_bits(), b.to_bits(), "the XOR form is lossless");
            }
        }

        #[test]
        fn rounding_twice_changes_nothing(value in -1e12f64..1e12, decimals in 0u8..=9) {
            let once = round(value, decimals);
            prop_assert_eq!(round(once, decimals).to_bits(), once.to_bits(), "live, ring and block agree on {}", value);
        }

        #[test]
        fn hostile_bytes_are_refused_or_read_but_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0usize..5000, packing in 0u8..3,
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = packing;
            }
            let block = Block { series_id: String::new(), from_ms: 0.0, step_ms: 1000.0, count, bytes };
            if let Ok(values) = block.decode() {
                prop_assert_eq!(values.len(), count, "what is read is what was claimed");
            }
        }

        #[test]
        fn a_damaged_block_is_refused_or_read_but_never_panics(at in 0usize..200, bit in 0u8..8) {
            let values: Vec<f64> = (0..300).map(|i| f64::from(i * 7 % 13)).collect();
            let mut block = block(&values, 3);
            let at = at % block.bytes.len();
            block.bytes[at] ^= 1 << bit;
            if let Ok(back) = block.decode() {
                prop_assert_eq!(back.len(), 300, "never more or fewer samples than the block has");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_unpacks() {
        let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::best());
        encoder.write_all(&vec![0u8; 50_000_000]).expect("memory");
        let bytes = encoder.finish().expect("memory");
        let bomb = Block { series_id: String::new(), from_ms: 0.0, step_ms: 1000.0, count: 300, bytes };
        assert_eq!(bomb.decode(), Err(CodecError::Deflate), "50 MB for 300 samples is not a block");
        let long = Block { count: usize::MAX, ..bomb };
        assert_eq!(long.decode(), Err(CodecError::TooLong), "an absurd count allocates nothing");
    }

    #[test]
    fn small_latencies_keep_three_significant_figures() {
        let back = block(&[0.000_123_4, 0.999], decimals(Unit::Seconds)).decode().expect("decodes");
        assert!((back[0] - 0.000_123_4).abs() < 1e-9, "123.4 µs is not rounded away: {}", back[0]);
    }

    #[test]
    fn typical_series_cost_about_a_byte_per_sample() {
        // A small generator instead of a random one, so that the figure is the same everywhere.
        let mut seed = 1u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 24)
        };
        let connections: Vec<f64> = (0..300).map(|_| 20.0 + (noise() * 6.0).floor()).collect();
        let steady = vec![104_857_600.0; 300];
        let cpu: Vec<f64> = (0..300).map(|_| 0.3 + 0.05 * noise()).collect();
        let per_sample = |values: &[f64], unit| block(values, decimals(unit)).bytes.len() as f64 / 300.0;
        let costs =
            [per_sample(&connections, Unit::Count), per_sample(&steady, Unit::Bytes), per_sample(&cpu, Unit::Ratio)];
        assert!(costs[0] < 1.5, "small counts: {costs:?} bytes per sample");
        assert!(costs[1] < 0.2, "constants: {costs:?} bytes per sample");
        assert!(costs[2] < 2.5, "noise: {costs:?} bytes per sample");
    }
}
