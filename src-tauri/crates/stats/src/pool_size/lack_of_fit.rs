//! Whether a law describes the means of repeated cells.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::law::Law;
use crate::t;

/// Parameters of a law.
const PARAMETERS: usize = 3;
/// Probability of an F as large by chance, below which a misfit is taken as one.
const SIGNIFICANT: f64 = 0.05;
/// Typical misfit that a recommendation bears: what it leaves to the highest throughput, 1 − 0.95.
pub const BEARABLE: f64 = 0.05;

/// The classical test for lack of fit: the misfit of the means against the pure error between repetitions, on ln X
/// (Draper and Smith, Applied Regression Analysis, 3rd edition, section 2.1).
///
/// With repetitions enough any law fails that test, because none is exact. So a law is refused only when its misfit is both
/// significant and larger than what a recommendation bears ([`BEARABLE`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LackOfFit {
    /// Mean square of the misfit over that of the pure error.
    pub f: f64,
    /// Degrees of freedom of the misfit: sizes − 3.
    pub df_misfit: u32,
    /// Degrees of freedom of the pure error: cells − sizes.
    pub df_pure: u32,
    /// Probability of an F at least as large, were the law right.
    pub p: f64,
    /// Typical relative difference of a size's mean from the law.
    pub misfit: f64,
    /// Relative standard deviation of a cell around its size's mean.
    pub pure_error: f64,
    /// Whether the law describes the means.
    pub holds: bool,
}

/// Of a law and (connections, throughput) of its cells; `None` where no size was repeated, or there are no more sizes than
/// parameters.
pub fn lack_of_fit(points: &[(f64, f64)], law: &Law) -> Option<LackOfFit> {
    let groups = by_size(points);
    let df_misfit = groups.len().checked_sub(PARAMETERS).filter(|df| *df > 0)?;
    let df_pure = points.len().checked_sub(groups.len()).filter(|df| *df > 0)?;
    let misfit: f64 = groups.iter().map(|(n, y)| y.len() as f64 * (mean(y) - law.at(*n).ln()).powi(2)).sum();
    let (square, pure) = (misfit / df_misfit as f64, pure_square(&groups) / df_pure as f64);
    let f = if pure > 0.0 { square / pure } else { f64::MAX };
    let p = t::f_upper_p(f, df_misfit as f64, df_pure as f64);
    let typical = (misfit / points.len() as f64).sqrt();
    let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(LackOfFit {
        f,
        df_misfit: whole(df_misfit),
        df_pure: whole(df_pure),
        p,
        misfit: typical,
        pure_error: pure.sqrt(),
        holds: p >= SIGNIFICANT || typical <= BEARABLE,
    })
}

/// ln X by size, in their order.
fn by_size(points: &[(f64, f64)]) -> Vec<(f64, Vec<f64>)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<(f64, Vec<f64>)> = Vec::new();
    for (n, x) in sorted {
        match groups.last_mut() {
            Some((size, values)) if (*size - n).abs() < f64::EPSILON => values.push(x.ln()),
            _ => groups.push((n, vec![x.ln()])),
        }
    }
    groups
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Sum of squares between repetitions.
fn pure_square(groups: &[(f64, Vec<f64>)]) -> f64 {
    groups.iter().flat_map(|(_, y)| y.iter().map(move |v| (v - mean(y)).powi(2))).sum()
}
