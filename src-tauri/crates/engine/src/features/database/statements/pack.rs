//! A window as it is kept: integers of variable length (LEB128), a few bytes for each figure. Pure.
//!
//! 200 statements take about 5 kB, a week of them 10 MB. Times are kept in nanoseconds, so that calls, rows and times come back as
//! they were.
use perfdeck_database::statements::{Cut, Hidden, StatementCounts};

use super::window::Others;

/// The first byte of what this version writes.
const VERSION: u8 = 1;
/// The cuts by their bit.
const CUTS: [Cut; 5] = [Cut::Reset, Cut::Restarted, Cut::Evicted, Cut::Hidden, Cut::SomeReset];

/// A packed window: statements by the number of their text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Packed {
    pub(super) cuts: Vec<Cut>,
    pub(super) vanished: u32,
    pub(super) others: Others,
    pub(super) hidden: Hidden,
    /// Number of the text, whether it ran within others, figures.
    pub(super) rows: Vec<(u64, bool, StatementCounts)>,
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_counts(out: &mut Vec<u8>, counts: &StatementCounts) {
    let optional = [counts.hit, counts.read, counts.wal_bytes, counts.temp];
    let there = optional.iter().enumerate().fold(0, |bits, (i, value)| bits | u64::from(value.is_some()) << i);
    put(out, there);
    put(out, counts.calls);
    put(out, (counts.total_ms.max(0.0) * 1e6).round() as u64);
    put(out, counts.rows);
    for value in optional.into_iter().flatten() {
        put(out, value);
    }
}

fn take_counts(bytes: &mut &[u8]) -> Option<StatementCounts> {
    let there = take(bytes)?;
    let (calls, nanos, rows) = (take(bytes)?, take(bytes)?, take(bytes)?);
    let mut optional = [None; 4];
    for (i, value) in optional.iter_mut().enumerate() {
        if there >> i & 1 == 1 {
            *value = Some(take(bytes)?);
        }
    }
    let [hit, read, wal_bytes, temp] = optional;
    Some(StatementCounts { calls, total_ms: nanos as f64 / 1e6, rows, hit, read, wal_bytes, temp })
}

/// The bytes of a window.
pub(super) fn pack(window: &Packed) -> Vec<u8> {
    let mut out = vec![VERSION];
    let bits = CUTS.iter().enumerate().fold(0, |bits, (i, cut)| bits | u64::from(window.cuts.contains(cut)) << i);
    put(&mut out, bits);
    put(&mut out, u64::from(window.vanished));
    put(&mut out, u64::from(window.others.statements));
    put_counts(&mut out, &window.others.counts);
    put(&mut out, u64::from(window.hidden.statements));
    put_counts(&mut out, &window.hidden.counts);
    put(&mut out, window.rows.len() as u64);
    for (text, nested, counts) in &window.rows {
        put(&mut out, text << 1 | u64::from(*nested));
        put_counts(&mut out, counts);
    }
    out
}

/// A window from its bytes; `None` when they are not what [`pack`] writes.
pub(super) fn unpack(bytes: &[u8]) -> Option<Packed> {
    let (version, mut bytes) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let bytes = &mut bytes;
    let bits = take(bytes)?;
    let small = |n: u64| u32::try_from(n).ok();
    let vanished = small(take(bytes)?)?;
    let others = Others { statements: small(take(bytes)?)?, counts: take_counts(bytes)? };
    let hidden = Hidden { statements: small(take(bytes)?)?, counts: take_counts(bytes)? };
    let count = take(bytes)?;
    // A row has five bytes at least: a wrong number takes no memory.
    if count > bytes.len() as u64 {
        return None;
    }
    let mut rows = Vec::with_capacity(usize::try_from(count).ok()?);
    for _ in 0..count {
        let text = take(bytes)?;
        rows.push((text >> 1, text & 1 == 1, take_counts(bytes)?));
    }
    let cuts = CUTS.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, cut)| *cut).collect();
    Some(Packed { cuts, vanished, others, hidden, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Packed {
        let counts = StatementCounts {
            calls: 19_260,
            total_ms: 573_948.123_456,
            rows: u64::MAX,
            hit: Some(31_204),
            read: Some(0),
            wal_bytes: None,
            temp: Some(7),
        };
        Packed {
            cuts: vec![Cut::Reset, Cut::Hidden],
            vanished: 3,
            others: Others { statements: 12, counts },
            hidden: Hidden { statements: 4, counts: StatementCounts::default() },
            rows: (0..200).map(|i| (i, i % 7 == 0, StatementCounts { calls: i, ..counts })).collect(),
        }
    }

    #[test]
    fn a_window_comes_back_as_it_was_and_is_small() {
        let packed = pack(&window());
        assert_eq!(unpack(&packed).expect("read"), window(), "every figure");
        assert!(packed.len() < 200 * 32, "{} bytes", packed.len());
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let packed = pack(&window());
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end]).is_none(), "cut after {end} bytes");
        }
        assert!(unpack(&[2, 0, 0]).is_none(), "of another version");
        assert!(
            unpack(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_none(),
            "a wrong number"
        );
    }
}
