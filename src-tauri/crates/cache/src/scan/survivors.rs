//! Some of the keys that were read, drawn at random, are asked for again while there are writes: what clients make and delete at the same rate
//! leaves a server's counters as they were, and shows here alone.
use super::wire::Names;
use crate::map::draw::Draw;

/// Keys that are asked for again: a share of 0.6 % that is gone is seen 19 times in 20, and asking takes a server a third of a millisecond.
const KEPT: usize = 512;
/// Longest name that is kept.
const LONGEST: usize = 1_024;
/// Quantile of the normal distribution for 95 % on both sides.
const Z2: f64 = 1.959_964 * 1.959_964;

/// Names that were read, each kept with the same chance (Vitter's algorithm R).
pub(super) struct Survivors {
    names: Vec<Box<[u8]>>,
    offered: u64,
    draw: Draw,
    /// How many were asked for and not answered yet.
    pub(super) asked: usize,
}

impl Survivors {
    pub(super) fn new(seed: u64) -> Self {
        Self { names: Vec::new(), offered: 0, draw: Draw::new(seed), asked: 0 }
    }

    /// Offers names that were counted.
    pub(super) fn offer(&mut self, names: &Names) {
        for name in names.iter().filter(|name| name.len() <= LONGEST) {
            self.offered += 1;
            if self.names.len() < KEPT {
                self.names.push(name.into());
            } else if let Some(kept) = self.names.get_mut((self.draw.next() % self.offered) as usize) {
                *kept = name.into();
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }
}

/// Share of the keys that others have taken the place of, where `gone` of `asked` that were read are there no more: the upper end of Wilson's 95 %
/// interval; none where all are there.
pub(super) fn replaced(gone: u32, asked: u32) -> f64 {
    if gone == 0 {
        return 0.0;
    }
    let (n, p) = (f64::from(asked), f64::from(gone) / f64::from(asked.max(1)));
    let half = (Z2 * (p * (1.0 - p) / n + Z2 / (4.0 * n * n))).sqrt();
    ((p + Z2 / (2.0 * n) + half) / (1.0 + Z2 / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_with_the_same_chance_each() {
        let mut early = 0;
        for seed in 0..20 {
            let mut kept = Survivors::new(seed);
            for page in 0..50 {
                let mut names = Names::default();
                (0..200).for_each(|i| names.push(format!("{}", page * 200 + i).as_bytes()));
                kept.offer(&names);
            }
            assert_eq!(kept.names.len(), KEPT, "of 10,000");
            let first =
                |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|n| n.parse::<u32>().is_ok_and(|n| n < 1_000));
            early += kept.iter().filter(first).count();
        }
        assert!((850..1_200).contains(&early), "a tenth of 20 times 512 is of the first tenth: {early}");
    }

    #[test]
    fn what_was_replaced_is_bounded_from_above() {
        assert!(replaced(0, 512).abs() < 1e-12, "all are there");
        let quarter = replaced(128, 512);
        assert!(quarter > 0.25 && quarter < 0.30, "{quarter}");
        assert!((replaced(512, 512) - 1.0).abs() < 0.01, "none is");
    }
}
