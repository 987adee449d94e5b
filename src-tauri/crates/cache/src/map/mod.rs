//! A map of the keys of a cache: counts, bytes, types and expiry by namespace, with how sure they are. Nothing in here waits or sends.
pub(crate) mod answer;
pub(crate) mod draw;
mod estimate;
mod path;
pub(crate) mod stats;
mod token;
mod tree;

use perfdeck_model::MapDetail;

use draw::Draw;
pub(crate) use estimate::Frame;
use stats::Told;
use token::Delimiters;
pub(crate) use token::is_identifier;
use tree::Tree;

/// Keys of each namespace that are asked whatever the share, so that small ones are known too.
const FIRST: u64 = 32;
/// Keys that are asked of the whole cache at least, where it has as many: with them the sum of all is known within 2 % (95 %) where sizes
/// spread as much as their mean, by (1.96 ÷ 0.02)².
const ASKED: f64 = 10_000.0;
/// Share of the keys that is asked at least.
const SHARE: f64 = 0.01;
/// Share of the keys that is asked at most because their namespaces are small, beyond [`ASKED`].
const FIRST_SHARE: f64 = 0.05;
/// Examples that are looked at for the delimiters.
const LOOKED_AT: usize = 2_000;

/// Evenly from 0 to 1 by the name, for a seed: which keys are asked does not depend on the order in which a server gives them, nor on how often
/// (FNV-1a, stirred by SplitMix64).
fn drawn(seed: u64, name: &[u8]) -> f64 {
    let hash = name
        .iter()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    Draw::new(hash).share()
}

/// What is known of the keys.
pub(crate) struct Map {
    pub(crate) detail: MapDetail,
    tree: Tree,
    delimiters: Option<Delimiters>,
    seed: u64,
    /// Share of the keys that is asked.
    share: f64,
    read: u64,
    asked: u64,
    first: u64,
}

impl Map {
    /// An empty one. `delimiters` are found in the first names where none are given.
    pub(crate) fn new(detail: MapDetail, delimiters: Option<&str>, seed: u64) -> Self {
        Self {
            detail,
            tree: Tree::new(seed),
            delimiters: delimiters.filter(|d| !d.is_empty()).map(Delimiters::these),
            seed: seed.rotate_left(32) ^ 0x00c0_ffee,
            share: 1.0,
            read: 0,
            asked: 0,
            first: 0,
        }
    }

    /// Says how many keys there are, before the first is counted.
    pub(crate) fn expect(&mut self, keys: u64) {
        self.share = (ASKED / keys.max(1) as f64).clamp(SHARE, 1.0);
    }

    /// Keys that were counted.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// Counts keys; puts the places of those that are to be asked into `ask`.
    pub(crate) fn count<'a, I>(&mut self, names: I, ask: &mut Vec<u32>)
    where
        I: Iterator<Item = &'a [u8]> + Clone,
    {
        let Self { tree, delimiters, .. } = self;
        let delimiters = delimiters.get_or_insert_with(|| Delimiters::detected(names.clone().take(LOOKED_AT)));
        for (place, name) in (0..).zip(names) {
            let end = tree.count(name, delimiters);
            self.read += 1;
            let ask_it = match self.detail {
                MapDetail::Names => false,
                MapDetail::Exact => true,
                MapDetail::Sampled => {
                    let by_chance = self.share >= 1.0 || drawn(self.seed, name) < self.share;
                    let may = (self.first as f64) < ASKED + FIRST_SHARE * self.read as f64;
                    let first = !by_chance && may && tree.node(end).keys <= FIRST;
                    self.first += u64::from(first);
                    by_chance || first
                }
            };
            if ask_it {
                self.asked += 1;
                ask.push(place);
            }
        }
    }

    /// Adds what a server said of a key that was counted.
    pub(crate) fn tell(&mut self, name: &[u8], told: &Told) {
        if let Some(delimiters) = &self.delimiters {
            self.tree.tell(name, delimiters, told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn keys_are_drawn_evenly_and_by_their_names_alone() {
        for seed in 0..5 {
            let names = || (0..20_000).map(|i| format!("user:{i}"));
            let below = names().filter(|name| drawn(seed, name.as_bytes()) < 0.1).count();
            assert!((1_850..2_150).contains(&below), "a tenth of 20,000 with seed {seed}: {below}");
            let both =
                names().filter(|name| drawn(seed, name.as_bytes()) < 0.5 && drawn(seed + 100, name.as_bytes()) < 0.5);
            assert!((4_700..5_300).contains(&both.count()), "another seed draws others");
        }
        assert!((drawn(7, b"a") - drawn(7, b"a")).abs() < f64::EPSILON, "the same again");
    }
}
