//! How sure a figure is that comes from some of the keys.
use perfdeck_model::MapCount;

/// Quantile of the normal distribution for 95 % on both sides.
const Z: f64 = 1.959_964;

/// What a scan knows of the key space as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frame {
    /// Keys that were read.
    pub(crate) read: f64,
    /// Keys that there are; `None` where it is not known.
    pub(crate) all: Option<f64>,
    /// Every key was read.
    pub(crate) finished: bool,
    /// What was read is like a random sample of all.
    pub(crate) random: bool,
    /// Keys by which any count may be wrong because they came or went meanwhile, or were read twice.
    pub(crate) churn: f64,
}

impl Frame {
    /// How many times as many keys there are as were read.
    pub(crate) fn scale(&self) -> f64 {
        match self.all {
            Some(all) if !self.finished && self.random && self.read > 0.0 => (all / self.read).max(1.0),
            _ => 1.0,
        }
    }

    fn projects(&self) -> bool {
        !self.finished && self.random && self.all.is_some() && self.read > 0.0
    }

    /// The number of keys of which `seen` were read. A finished scan counts them; before, Wilson's interval with the correction for
    /// a finite population, never below what was seen nor above what is left.
    pub(crate) fn keys(&self, seen: f64, late: bool) -> MapCount {
        if late {
            return MapCount::AtLeast { value: (seen - self.churn).max(0.0) };
        }
        if self.finished {
            return counted(seen, self.churn);
        }
        // What was seen may be gone by now, as far as is known.
        let (Some(all), true) = (self.all, self.projects()) else {
            return MapCount::AtLeast { value: (seen - self.churn).max(0.0) };
        };
        let all = all.max(self.read);
        let (n, p) = (self.read, seen / self.read);
        let z2 = Z * Z * (1.0 - n / all).max(0.0);
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = z2.sqrt() * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        let low = (all * (middle - half) - self.churn).max(seen - self.churn).max(0.0);
        let high = (all * (middle + half)).min(all - (n - seen)) + self.churn;
        estimate(all * p, low, high)
    }

    /// All keys there are.
    pub(crate) fn total(&self) -> MapCount {
        match self.all {
            _ if self.finished => counted(self.read, self.churn),
            Some(all) => estimate(all, (all - self.churn).max(self.read - self.churn).max(0.0), all + self.churn),
            None => MapCount::AtLeast { value: (self.read - self.churn).max(0.0) },
        }
    }
}

fn counted(value: f64, churn: f64) -> MapCount {
    if churn == 0.0 { MapCount::Exact { value } } else { estimate(value, (value - churn).max(0.0), value + churn) }
}

fn estimate(value: f64, low: f64, high: f64) -> MapCount {
    MapCount::Estimate { value, low: low.min(value), high: high.max(value) }
}

/// Sum of something over keys, of which some were measured, in strata: each node is one. Stratified by what is alike, the sum is
/// surer than of one sample of all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    /// Sum over the keys that were read.
    total: f64,
    /// Sum of squares over them.
    squares: f64,
    /// Variance of `total`.
    variance: f64,
    /// Keys of strata that have no variance of their own.
    poor: f64,
    /// All measured keys: how many, their sum and squares.
    measured: (f64, f64, f64),
    keys: f64,
}

impl Sum {
    /// Adds a stratum: keys that were read, and of them those that were measured with their sum and squares.
    pub(crate) fn add(&mut self, keys: f64, measured: f64, sum: f64, squares: f64) {
        let keys = keys.max(measured);
        self.keys += keys;
        self.measured.0 += measured;
        self.measured.1 += sum;
        self.measured.2 += squares;
        if keys <= measured || measured < 2.0 {
            self.total += sum;
            self.squares += squares;
            self.poor += keys - measured;
            return;
        }
        let mean = sum / measured;
        let spread = spread(measured, sum, squares);
        // Student's distribution where few were measured.
        let few = (quantile(measured - 1.0) / Z).powi(2);
        self.total += keys * mean;
        self.squares += keys * squares / measured;
        self.variance += few * keys * keys * spread / measured * (1.0 - measured / keys);
    }

    /// Measured keys.
    pub(crate) fn measured(&self) -> f64 {
        self.measured.0
    }

    /// The sum over all keys that there are. `usual` has the measured keys of the whole map, for those of which none was measured here.
    pub(crate) fn over(&self, frame: &Frame, usual: &Self, late: bool) -> Option<MapCount> {
        if usual.measured.0 == 0.0 {
            return None;
        }
        let mut of = *self;
        if of.poor > 0.0 {
            let (n, sum, squares) = if of.measured.0 >= 8.0 { of.measured } else { usual.measured };
            let spread = spread(n, sum, squares);
            of.total += of.poor * sum / n;
            of.squares += of.poor * squares / n;
            of.variance += of.poor * of.poor * spread / n + of.poor * spread;
        }
        let per_key = if of.keys > 0.0 { of.total / of.keys } else { 0.0 };
        let exact = of.measured.0 >= of.keys;
        let certain = of.measured.1;
        if late || !frame.finished && !frame.projects() {
            return Some(MapCount::AtLeast { value: (certain - frame.churn * per_key).max(0.0) });
        }
        let scale = frame.scale();
        let mut variance = of.variance * scale * scale;
        if frame.projects() {
            let (n, all) = (frame.read, frame.read * scale);
            let (mean, square) = (of.total / n, of.squares / n);
            variance += all * all * (square - mean * mean).max(0.0) / n * (1.0 - n / all).max(0.0);
        }
        let value = of.total * scale;
        if exact && frame.finished && frame.churn == 0.0 {
            return Some(MapCount::Exact { value });
        }
        let half = Z * variance.sqrt() + frame.churn * per_key;
        Some(estimate(value, (value - half).max(if frame.churn == 0.0 { certain } else { 0.0 }), value + half))
    }
}

/// Variance of a sample.
fn spread(n: f64, sum: f64, squares: f64) -> f64 {
    if n < 2.0 { 0.0 } else { ((squares - sum * sum / n) / (n - 1.0)).max(0.0) }
}

/// 97.5 % quantile of Student's distribution (Hill's approximation of 1970, by its first terms; within 1 % from 3 on).
fn quantile(freedom: f64) -> f64 {
    match freedom as u64 {
        0 | 1 => 12.706,
        2 => 4.303,
        3 => 3.182,
        _ => {
            let (v, z) = (freedom, Z);
            z + (z.powi(3) + z) / (4.0 * v) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v)
        }
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
