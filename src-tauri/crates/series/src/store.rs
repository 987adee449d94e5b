//! The series store: a ring of recent seconds in memory, older minutes as blocks, and down-sampling that keeps spikes.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{BoxFuture, Columns};

use crate::codec::{Block, round};

/// Time between samples, in milliseconds.
pub const STEP_MS: f64 = 1000.0;
/// Samples in one block: five minutes.
pub const BLOCK: i64 = 300;
/// Seconds kept in memory: three blocks, so that a closed block that could not be stored is still at hand.
pub const RING: i64 = 3 * BLOCK;
/// Most series of one environment; a target that invents more gets no further ones.
pub const MAX_SERIES: usize = 2000;
/// Points of one series in one answer at most: a day of seconds.
const MAX_POINTS: usize = 86_400;
/// Blocks older than this are dropped from [`MemoryBlocks`], in milliseconds.
const KEEP_MS: f64 = 86_400_000.0;

/// Store that blocks go to.
pub trait BlockStore: Send + Sync + 'static {
    /// Keeps a block, replacing one of the same environment, series and start.
    fn put(&self, environment_id: &str, block: Block) -> BoxFuture<'_, Result<(), String>>;

    /// Keeps several blocks. A store with transactions keeps them in one; otherwise one after the other, and the first
    /// failure ends it.
    fn put_all(&self, environment_id: &str, blocks: Vec<Block>) -> BoxFuture<'_, Result<(), String>> {
        let environment_id = environment_id.to_owned();
        Box::pin(async move {
            for block in blocks {
                self.put(&environment_id, block).await?;
            }
            Ok(())
        })
    }

    /// Blocks that overlap a window, ascending by start; of all series when `series` is `None`.
    fn get(
        &self,
        environment_id: &str,
        from_ms: f64,
        to_ms: f64,
        series: Option<&[String]>,
    ) -> BoxFuture<'_, Result<Vec<Block>, String>>;
}

/// Blocks in memory, for tests and where there is no local store; the oldest are dropped after a day.
#[derive(Default)]
pub struct MemoryBlocks(Mutex<Stored>);

/// Blocks by environment, start and series, so that old ones are at the front of each environment.
type Stored = BTreeMap<String, BTreeMap<(i64, String), Block>>;

impl BlockStore for MemoryBlocks {
    fn put(&self, environment_id: &str, block: Block) -> BoxFuture<'_, Result<(), String>> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = stored.entry(environment_id.to_owned()).or_default();
        blocks.insert((second(block.from_ms), block.series_id.clone()), block);
        let newest = blocks.last_key_value().map_or(0, |((s, _), _)| *s);
        let oldest = newest - second(KEEP_MS);
        while blocks.first_key_value().is_some_and(|((s, _), _)| *s < oldest) {
            blocks.pop_first();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn get(
        &self,
        environment_id: &str,
        from_ms: f64,
        to_ms: f64,
        series: Option<&[String]>,
    ) -> BoxFuture<'_, Result<Vec<Block>, String>> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let overlaps = |b: &Block| b.from_ms <= to_ms && b.from_ms + b.step_ms * b.count as f64 > from_ms;
        let found: Vec<Block> = stored
            .get(environment_id)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|b| overlaps(b) && series.is_none_or(|s| s.contains(&b.series_id)))
            .cloned()
            .collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// The whole second a time is in. Absurd times are brought within 300,000 years, so that sums of them cannot overflow.
pub fn second(t_ms: f64) -> i64 {
    (t_ms / STEP_MS).floor().clamp(-1e13, 1e13) as i64
}

/// The time of a whole second.
pub fn millis(second: i64) -> f64 {
    second as f64 * STEP_MS
}

fn slot(second: i64) -> usize {
    usize::try_from(second.rem_euclid(RING)).unwrap_or(0)
}

/// One series in the ring.
struct Column {
    /// Decimals its values are rounded to.
    decimals: u8,
    /// Values by second modulo the ring's length; NaN is a gap.
    values: Box<[f64]>,
}

/// The recent seconds of all series, on one grid of whole seconds.
#[derive(Default)]
pub struct Ring {
    /// First and last second of this ring since it was empty.
    span: Option<(i64, i64)>,
    columns: BTreeMap<Arc<str>, Column>,
}

impl Ring {
    /// Makes room for a series; does nothing when it is known.
    pub fn add(&mut self, id: &Arc<str>, decimals: u8) {
        self.columns.entry(id.clone()).or_insert_with(|| Column {
            decimals,
            values: vec![f64::NAN; usize::try_from(RING).unwrap_or(0)].into_boxed_slice(),
        });
    }

    /// Opens a second that is later than all before it. Seconds skipped since the last one are gaps, and so is this
    /// one until [`Ring::set`].
    pub fn open(&mut self, second: i64) {
        let from = self.span.map_or(second, |(_, newest)| (newest + 1).max(second - RING + 1));
        for column in self.columns.values_mut() {
            for s in from..=second {
                column.values[slot(s)] = f64::NAN;
            }
        }
        self.span = Some((self.span.map_or(second, |(first, _)| first), second));
    }

    /// Writes a value, rounded to the series' decimals, into the newest second.
    pub fn set(&mut self, id: &str, value: f64) {
        if let (Some((_, newest)), Some(column)) = (self.span, self.columns.get_mut(id)) {
            column.values[slot(newest)] = round(value, column.decimals);
        }
    }

    /// Forgets all samples, as after the clock was set back.
    pub fn clear(&mut self) {
        self.span = None;
        for column in self.columns.values_mut() {
            column.values.fill(f64::NAN);
        }
    }

    /// The newest second.
    pub fn newest(&self) -> Option<i64> {
        self.span.map(|(_, newest)| newest)
    }

    /// Whether everything since `from` is here, so that the store need not be asked.
    pub fn covers(&self, from: i64) -> bool {
        self.span.is_some_and(|(first, newest)| from >= first && from > newest - RING)
    }

    /// The seconds of `[from, to]` that the ring still has.
    fn window(&self, from: i64, to: i64) -> std::ops::Range<i64> {
        match self.span {
            Some((first, newest)) => from.max(first).max(newest - RING + 1)..to.min(newest) + 1,
            None => 0..0,
        }
    }

    /// The blocks that cover `[from, to]`, one for each series with a value in it. A block starts on the grid of five
    /// minutes or at this ring's first second, so that it never replaces what an earlier session stored.
    pub fn blocks(&self, from: i64, to: i64) -> Vec<Block> {
        let mut out = Vec::new();
        let window = self.window(from.div_euclid(BLOCK) * BLOCK, to);
        let mut start = window.start;
        while start < window.end {
            let end = ((start.div_euclid(BLOCK) + 1) * BLOCK).min(window.end);
            for (id, column) in &self.columns {
                let values: Vec<f64> = (start..end).map(|s| column.values[slot(s)]).collect();
                if values.iter().any(|v| !v.is_nan()) {
                    out.push(Block::encode(id.to_string(), millis(start), STEP_MS, &values, column.decimals));
                }
            }
            start = end;
        }
        out
    }
}

/// Division of a window into points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// First second of the first point.
    from: i64,
    /// Seconds of one point.
    step: i64,
    /// Number of points.
    points: usize,
}

impl Grid {
    /// Cuts `[from_ms, to_ms]` into at most `width` points of whole seconds. Points lie on multiples of their length,
    /// so that they do not change their place, and with it their extremes, when the window moves on.
    /// Between two times, in milliseconds, at most `width` points.
    pub fn new(from_ms: f64, to_ms: f64, width: usize) -> Self {
        // An end at or before the start, or not a number, is an empty window.
        let (from, to) = (second(from_ms), second(to_ms));
        let width = i64::try_from(width.clamp(1, MAX_POINTS)).unwrap_or(1);
        let count = to - from + 1;
        if count <= 0 || to_ms < from_ms || !from_ms.is_finite() || !to_ms.is_finite() {
            return Self { from, step: 1, points: 0 };
        }
        // An unaligned window touches one point more than its length needs, hence one less to divide by.
        let (step, from) = if width == 1 {
            (count, from)
        } else {
            let step = ((count - 1 + width - 2) / (width - 1)).max(1);
            (step, from.div_euclid(step) * step)
        };
        Self { from, step, points: usize::try_from((to - from) / step + 1).unwrap_or(0) }
    }

    fn point(&self, second: i64) -> Option<usize> {
        usize::try_from((second - self.from).div_euclid(self.step)).ok().filter(|p| *p < self.points)
    }
}

/// Minimum, maximum and mean of each point of one series.
struct Points {
    low: Vec<f64>,
    high: Vec<f64>,
    /// Sum and number of the samples behind the mean.
    sum: Vec<f64>,
    n: Vec<u32>,
    /// Seconds that are in the means already, ascending; what a block and the ring both have counts once.
    counted: Vec<(i64, i64)>,
}

impl Points {
    fn new(points: usize) -> Self {
        let gaps = || vec![f64::NAN; points];
        Self { low: gaps(), high: gaps(), sum: vec![0.0; points], n: vec![0; points], counted: Vec::new() }
    }

    /// Adds a sample of a point that stands for several seconds.
    fn add(&mut self, p: usize, second: i64, value: f64) {
        // `min` and `max` ignore a NaN, which is what an empty point holds.
        self.low[p] = self.low[p].min(value);
        self.high[p] = self.high[p].max(value);
        let counted = self.counted.iter().rev().any(|(first, last)| (*first..=*last).contains(&second));
        if self.n[p] == 0 || !counted {
            self.sum[p] += value;
            self.n[p] += 1;
        }
    }

    /// Notes that the seconds up to `last` are in the means.
    fn count(&mut self, first: i64, last: i64) {
        match self.counted.last_mut() {
            Some(span) if first <= span.1 + 1 && first >= span.0 => span.1 = span.1.max(last),
            _ => self.counted.push((first, last)),
        }
    }

    /// Means of the points: samples of several series add up in them, as their extremes do not.
    fn means(&self) -> Vec<f64> {
        let mean = |(sum, n): (&f64, &u32)| if *n == 0 { f64::NAN } else { sum / f64::from(*n) };
        self.sum.iter().zip(&self.n).map(mean).collect()
    }
}

/// Gatherer of the samples of a window, point by point: memory depends on the points, not on the length of the window.
pub struct Gather {
    grid: Grid,
    /// Seconds asked for; points at the ends may reach beyond.
    from: i64,
    to: i64,
    series: BTreeMap<String, Points>,
    incomplete: bool,
}

impl Gather {
    /// Between two times, in milliseconds, at most `width` points.
    pub fn new(from_ms: f64, to_ms: f64, width: usize) -> Self {
        Self {
            grid: Grid::new(from_ms, to_ms, width),
            from: second(from_ms),
            to: second(to_ms),
            series: BTreeMap::new(),
            incomplete: false,
        }
    }

    /// Notes that stored samples could not be read.
    pub fn missing(&mut self) {
        self.incomplete = true;
    }

    /// Adds the samples of a stored block. One that cannot be read is a gap, and the answer says so.
    pub fn block(&mut self, block: &Block) {
        let values = match block.decode() {
            Ok(values) => values,
            Err(error) => {
                tracing::warn!(%error, series = block.series_id, from_ms = block.from_ms, "a stored block is unreadable");
                self.incomplete = true;
                return;
            }
        };
        let at = |i: usize| second(block.from_ms + i as f64 * block.step_ms);
        self.add(&block.series_id, values.iter().enumerate().map(|(i, v)| (at(i), *v)));
    }

    /// Adds what the ring has. It is newer than any block, so a point of one second takes the ring's value.
    pub fn ring(&mut self, ring: &Ring, series: Option<&[String]>) {
        for (id, column) in &ring.columns {
            if series.is_none_or(|s| s.iter().any(|s| **s == **id)) {
                let window = ring.window(self.from, self.to);
                self.add(id, window.map(|s| (s, column.values[slot(s)])));
            }
        }
    }

    fn add(&mut self, id: &str, samples: impl Iterator<Item = (i64, f64)>) {
        let grid = self.grid;
        if !self.series.contains_key(id) {
            self.series.insert(id.to_owned(), Points::new(grid.points));
        }
        let Some(points) = self.series.get_mut(id) else { return };
        let mut span: Option<(i64, i64)> = None;
        for (second, value) in samples {
            if value.is_nan() || second < self.from || second > self.to {
                continue;
            }
            let Some(p) = grid.point(second) else { continue };
            if grid.step == 1 {
                points.low[p] = value;
            } else {
                points.add(p, second, value);
            }
            span = Some((span.map_or(second, |(first, _)| first), second));
        }
        if let Some((first, last)) = span {
            points.count(first, last);
        }
    }

    /// The columns: `t`, then one a series where a point is one second, else its minimum, maximum and mean.
    pub fn columns(self) -> Columns {
        let Grid { from, step, points } = self.grid;
        let raw = step == 1;
        let mut meta = serde_json::json!({ "step_ms": millis(step), "raw": raw });
        if self.incomplete {
            meta["incomplete"] = true.into();
        }
        let mut out = Columns::new(meta);
        out.push("t", (0i64..).take(points).map(|p| millis(from + p * step)).collect());
        for (id, points) in self.series {
            if raw {
                out.push(id, points.low);
            } else {
                let means = points.means();
                out.push(format!("{id}:min"), points.low);
                out.push(format!("{id}:max"), points.high);
                out.push(format!("{id}:mean"), means);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(values: &[(i64, f64)]) -> Ring {
        let mut ring = Ring::default();
        ring.add(&"a".into(), 3);
        for (s, v) in values {
            ring.open(*s);
            if !v.is_nan() {
                ring.set("a", *v);
            }
        }
        ring
    }

    fn read(ring: &Ring, from: i64, to: i64) -> Vec<f64> {
        let mut gather = Gather::new(millis(from), millis(to), 100_000);
        gather.ring(ring, None);
        gather.columns().get("a").expect("the series is there").to_vec()
    }

    /// Same values, gaps at the same places.
    fn same(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
    }

    proptest! {
        #[test]
        fn downsampling_shows_every_spike_and_fills_no_gap(
            values in prop::collection::vec(
                prop_oneof![4 => (-1000i32..1000).prop_map(f64::from).boxed(), 1 => Just(f64::NAN).boxed()], 1..800),
            width in 1usize..60,
            start in 0i64..1000,
        ) {
            let ring = ring(&(start..).zip(values.iter().copied()).collect::<Vec<_>>());
            let end = start + values.len() as i64 - 1;
            let mut gather = Gather::new(millis(start), millis(end), width);
            gather.ring(&ring, None);
            let grid = gather.grid;
            let columns = gather.columns();
            prop_assert!(columns.rows() <= width, "{} points for {} pixels", columns.rows(), width);
            let raw = columns.meta()["raw"] == true;
            let low = columns.get(if raw { "a" } else { "a:min" }).expect("minimum").to_vec();
            let high = columns.get(if raw { "a" } else { "a:max" }).expect("maximum").to_vec();
            for (i, v) in values.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
                let p = grid.point(start + i as i64).expect("every sample has a point");
                prop_assert!(low[p] <= *v && *v <= high[p], "{} is within what is drawn at its place", v);
            }
            for p in 0..low.len() {
                let own: Vec<f64> = values.iter().enumerate()
                    .filter(|(i, v)| !v.is_nan() && grid.point(start + *i as i64) == Some(p)).map(|(_, v)| *v).collect();
                let max = own.iter().copied().fold(f64::NAN, f64::max);
                let min = own.iter().copied().fold(f64::NAN, f64::min);
                prop_assert!(same(&[high[p], low[p]], &[max, min]), "extremes are samples, and a gap stays a gap");
                let Some(means) = (!raw).then(|| columns.get("a:mean").expect("mean")) else { continue };
                let mean = own.iter().sum::<f64>() / own.len() as f64;
                prop_assert!(own.is_empty() && means[p].is_nan() || (means[p] - mean).abs() < 1e-6, "the mean is of the samples");
            }
        }

        #[test]
        fn a_moving_window_keeps_its_points(from in 0i64..10_000, count in 1i64..100_000, width in prop_oneof![1usize..10, 10usize..2000]) {
            let a = Grid::new(millis(from), millis(from + count - 1), width);
            prop_assert!(a.points <= width && a.points > 0, "{:?} fits into {} pixels", a, width);
            prop_assert!(width == 1 || a.from.rem_euclid(a.step) == 0, "points lie on multiples of their length");
            prop_assert!(a.step == 1 || count > width as i64, "nothing is merged that has room");
            prop_assert!(a.point(from) == Some(0), "the first sample is in the first point");
            prop_assert!(a.point(from + count - 1) == Some(a.points - 1), "the last sample is in the last point");
        }

        #[test]
        fn blocks_hold_what_the_ring_holds(
            values in prop::collection::vec(
                prop_oneof![3 => (-1000i32..1000).prop_map(f64::from).boxed(), 1 => Just(f64::NAN).boxed()], 1..850),
            start in 0i64..1000,
        ) {
            let ring = ring(&(start..).zip(values.iter().copied()).collect::<Vec<_>>());
            let end = start + values.len() as i64 - 1;
            let mut gather = Gather::new(millis(start), millis(end), 100_000);
            for block in ring.blocks(start, end) {
                prop_assert!(block.from_ms >= millis(start), "no block starts before the session did");
                prop_assert!(block.count <= 300, "a block is five minutes at most");
                gather.block(&block);
            }
            let columns = gather.columns();
            let stored = columns.get("a").map_or_else(|| vec![f64::NAN; values.len()], <[f64]>::to_vec);
            prop_assert!(same(&stored, &values), "blocks and ring agree");
        }
    }

    #[test]
    fn missed_seconds_are_gaps() {
        let mut ring = ring(&[(10, 1.0), (13, 2.0)]);
        let got = read(&ring, 9, 14);
        let gap = f64::NAN;
        assert!(same(&got, &[gap, 1.0, gap, gap, 2.0, gap]), "only seconds with a sample have a value: {got:?}");
        ring.open(13 + RING + 5);
        assert!(read(&ring, 10, 13).iter().all(|v| v.is_nan()), "old seconds do not come back after a long sleep");
        assert!(read(&ring, 14, 13 + RING + 5).iter().all(|v| v.is_nan()), "nor do they appear as new ones");
    }

    #[test]
    fn absurd_windows_cost_nothing() {
        for (from, to) in [(0.0, f64::MAX), (f64::NAN, 1.0), (5.0, -5.0), (f64::MIN, f64::MAX), (0.0, f64::INFINITY)] {
            let mut gather = Gather::new(from, to, usize::MAX);
            gather.ring(&ring(&[(10, 1.0)]), None);
            assert!(gather.columns().rows() <= MAX_POINTS, "{from} to {to} is bounded");
        }
    }

    #[test]
    fn an_unreadable_block_is_a_gap_and_said_so() {
        let mut gather = Gather::new(0.0, 10_000.0, 100);
        gather.block(&Block { series_id: "a".into(), from_ms: 0.0, step_ms: 1000.0, count: 5, bytes: vec![9] });
        assert_eq!(gather.columns().meta()["incomplete"], true, "the viewer is told that samples are missing");
    }

    #[tokio::test]
    async fn memory_blocks_replace_the_same_and_drop_the_old() {
        let store = MemoryBlocks::default();
        let block = |from_ms: f64, v: f64| Block::encode("a".into(), from_ms, STEP_MS, &[v], 0);
        store.put_all("e", vec![block(0.0, 1.0), block(0.0, 2.0)]).await.expect("memory");
        let found = store.get("e", 0.0, 1e12, None).await.expect("memory");
        assert_eq!(found.len(), 1, "same series and start replace");
        assert_eq!(found[0].decode().expect("readable"), vec![2.0], "by the newer one");
        store.put("e", block(90_000_000.0, 3.0)).await.expect("memory");
        assert_eq!(store.get("e", 0.0, 1e12, None).await.expect("memory").len(), 1, "older than a day is dropped");
        assert!(store.get("other", 0.0, 1e12, None).await.expect("memory").is_empty(), "environments are apart");
    }

    #[test]
    fn parts_of_a_whole_add_up_to_it_in_the_means_and_a_sample_counts_once() {
        let mut ring = Ring::default();
        for id in ["user", "system"] {
            ring.add(&id.into(), 5);
        }
        for s in 0..600 {
            ring.open(s);
            let user = if s % 3 == 0 { 0.9 } else { 0.1 };
            ring.set("user", user);
            ring.set("system", 1.0 - user);
        }
        let mut gather = Gather::new(0.0, millis(599), 100);
        // A block that holds what the ring still has, uneven within a point.
        ring.blocks(0, 100).iter().for_each(|block| gather.block(block));
        gather.ring(&ring, None);
        let columns = gather.columns();
        let of = |name: &str| columns.get(name).expect("a column").to_vec();
        for (high, other) in of("user:max").iter().zip(of("system:max")) {
            assert!(high + other > 1.7, "extremes of parts do not add up: they are of different seconds");
        }
        for (user, system) in of("user:mean").iter().zip(of("system:mean")) {
            assert!((user + system - 1.0).abs() < 1e-9, "the means of all parts are the whole: {user} and {system}");
        }
        let mut once = Gather::new(0.0, millis(599), 100);
        once.ring(&ring, None);
        let plain = once.columns().get("user:mean").expect("a column").to_vec();
        for (both, alone) in of("user:mean").iter().zip(&plain) {
            assert!((both - alone).abs() < 1e-9, "what a block and the ring have counts once: {both}, not {alone}");
        }
    }
}
