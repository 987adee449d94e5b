//! Laws of throughput over the number of connections, of three parameters each.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::usl::{self, UslFit};

/// Growth up to a limit: 1/X(N)^p = 1/(γN)^p + 1/C^p.
///
/// γN and C are the asymptotic bounds of a closed queueing network (Denning and Buzen, The Operational Analysis of Queueing Network
/// Models, 1978), blended as two asymptotes are (Churchill and Usagi, A General Expression for the Correlation of Rates of Transfer
/// and Other Phenomena, 1972). p = 1 is contention alone, Amdahl's law; a large p is a hard limit: locks, slots and processors that are
/// all taken stop the growth more sharply than the universal scalability law can.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LimitedFit {
    /// Throughput of one connection without the others, per second.
    pub gamma: f64,
    /// The limit C, per second.
    pub limit: f64,
    /// The sharpness p of the knee, 1 to 64.
    pub sharpness: f64,
    /// Scatter around the fit, as a relative standard deviation.
    pub scatter: f64,
}

impl LimitedFit {
    /// Throughput at `n` connections, per second.
    pub fn at(&self, n: f64) -> f64 {
        let (grows, p) = (self.gamma * n, self.sharpness);
        let (low, high) = (grows.min(self.limit), grows.max(self.limit));
        // The smaller bound first: its power would be beyond what a number holds.
        low * (1.0 + (low / high).powf(p)).powf(-1.0 / p)
    }
}

/// The law that describes a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Law {
    /// The universal scalability law.
    Usl(UslFit),
    /// Growth up to a limit.
    Limited(LimitedFit),
}

impl Law {
    /// Throughput at `n` connections, per second.
    pub fn at(&self, n: f64) -> f64 {
        match self {
            Self::Usl(fit) => fit.at(n),
            Self::Limited(fit) => fit.at(n),
        }
    }

    /// Scatter around it, as a relative standard deviation.
    pub fn scatter(&self) -> f64 {
        match self {
            Self::Usl(fit) => fit.scatter,
            Self::Limited(fit) => fit.scatter,
        }
    }

    /// The same law fitted anew.
    pub(super) fn again(&self, points: &[(f64, f64)]) -> Option<Self> {
        match self {
            Self::Usl(_) => usl::fit(points).map(Self::Usl),
            Self::Limited(_) => limited(points).map(Self::Limited),
        }
    }
}

/// The law with the smaller squared error of ln X; both have three parameters, so that the error alone decides. `None` with fewer
/// than three sizes or values that are not above 0.
pub fn fit(points: &[(f64, f64)]) -> Option<Law> {
    let usl = usl::fit(points).map(Law::Usl)?;
    let limited = limited(points).map(Law::Limited);
    Some(match limited {
        Some(limited) if limited.scatter() < usl.scatter() => limited,
        _ => usl,
    })
}

/// Values of p that are tried: each half as large again, so that the one between two of them is hardly better.
const SHARPNESS: [f64; 11] = [1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 32.0, 64.0];

/// Farthest that a bound may be from what was measured, as a natural logarithm: a factor of 148.
const FARTHEST: f64 = 5.0;

fn limited(points: &[(f64, f64)]) -> Option<LimitedFit> {
    let fits = SHARPNESS.into_iter().filter_map(|p| limited_at(points, p));
    fits.min_by(|a, b| a.scatter.total_cmp(&b.scatter))
}

/// The best one of a sharpness: Gauss-Newton with Levenberg-Marquardt damping on ln γ and ln C.
fn limited_at(points: &[(f64, f64)], sharpness: f64) -> Option<LimitedFit> {
    let of = |v: [f64; 2]| LimitedFit { gamma: v[0].exp(), limit: v[1].exp(), sharpness, scatter: 0.0 };
    let error = |v: [f64; 2]| {
        let law = of(v);
        points.iter().map(|(n, x)| (x / law.at(*n)).ln().powi(2)).sum::<f64>()
    };
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(0.0, f64::max);
    let start = [most(|(n, x)| x / n).ln(), most(|(_, x)| *x).ln()];
    let mut v = start;
    let (mut best, mut damping) = (error(v), 1e-3);
    for _ in 0..60 {
        // d ln X / d ln γ is the weight of the first bound, d ln X / d ln C that of the other one.
        let (mut a, mut b, mut c, mut r) = (0.0, 0.0, 0.0, [0.0; 2]);
        let law = of(v);
        for (n, x) in points {
            let weight = 1.0 / (1.0 + (law.gamma * n / law.limit).powf(sharpness));
            let off = (x / law.at(*n)).ln();
            a += weight * weight;
            b += weight * (1.0 - weight);
            c += (1.0 - weight) * (1.0 - weight);
            r = [r[0] + weight * off, r[1] + (1.0 - weight) * off];
        }
        (a, c) = (a * (1.0 + damping) + 1e-12, c * (1.0 + damping) + 1e-12);
        let whole = a * c - b * b;
        if whole <= 0.0 || whole.is_nan() {
            break;
        }
        let next = [v[0] + (c * r[0] - b * r[1]) / whole, v[1] + (a * r[1] - b * r[0]) / whole];
        // A bound that nothing was measured near is not known better than that it is far away.
        let next = [0, 1].map(|i| next[i].clamp(start[i] - FARTHEST, start[i] + FARTHEST));
        let next_error = error(next);
        if next_error <= best {
            let gain = best - next_error;
            (v, best, damping) = (next, next_error, damping * 0.3);
            if gain <= 1e-12 * best.max(1e-18) {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > 1e9 {
                break;
            }
        }
    }
    let free = points.len().saturating_sub(3).max(1) as f64;
    best.is_finite().then(|| LimitedFit { scatter: (best / free).sqrt(), ..of(v) })
}
