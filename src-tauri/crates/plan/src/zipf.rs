//! Zipf-distributed numbers by rejection-inversion.
use perfdeck_model::SplitMix64;

/// Numbers 0 to n − 1 with P(k) ∝ 1 / (k + 1)^s.
///
/// W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
/// TOMACS 6 (1996): no table, constant time, any s ≥ 0, at most about 1.1 tries on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zipf {
    n: f64,
    s: f64,
    h_first: f64,
    h_last: f64,
    shortcut: f64,
}

/// (eˣ − 1) / x, continuous at 0.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + 0.5 * x * (1.0 + x / 3.0) }
}

/// ln(1 + x) / x, continuous at 0.
fn ln1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x * (0.5 - x * (1.0 / 3.0 - 0.25 * x)) }
}

impl Zipf {
    /// Most items: above 2^53 a number no longer has its own f64.
    pub const MOST: u64 = 1 << 53;

    /// `None` unless 1 ≤ `items` ≤ [`Zipf::MOST`] and 0 ≤ `exponent` ≤ 20.
    pub fn new(items: u64, exponent: f64) -> Option<Self> {
        if !(1..=Self::MOST).contains(&items) || !(0.0..=20.0).contains(&exponent) {
            return None;
        }
        let mut zipf = Self { n: items as f64, s: exponent, h_first: 0.0, h_last: 0.0, shortcut: 0.0 };
        zipf.h_first = zipf.h_integral(1.5) - 1.0;
        zipf.h_last = zipf.h_integral(zipf.n + 0.5);
        zipf.shortcut = 2.0 - zipf.h_integral_inverse(zipf.h_integral(2.5) - zipf.h(2.0));
        Some(zipf)
    }

    /// x^−s
    fn h(&self, x: f64) -> f64 {
        (-self.s * x.ln()).exp()
    }

    /// ∫ x^−s dx = (x^(1−s) − 1) / (1 − s), or ln x for s = 1.
    fn h_integral(&self, x: f64) -> f64 {
        let log = x.ln();
        expm1_over((1.0 - self.s) * log) * log
    }

    fn h_integral_inverse(&self, x: f64) -> f64 {
        // Below −1 only by rounding.
        let t = (x * (1.0 - self.s)).max(-1.0);
        (ln1p_over(t) * x).exp()
    }

    /// The next number, below the number of items.
    pub fn sample(&self, rng: &mut SplitMix64) -> u64 {
        loop {
            let u = self.h_last + rng.unit() * (self.h_first - self.h_last);
            let x = self.h_integral_inverse(u);
            let k = (x + 0.5).floor().clamp(1.0, self.n);
            if k - x <= self.shortcut || u >= self.h_integral(k + 0.5) - self.h(k) {
                return k as u64 - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_distribution() {
        const DRAWS: usize = 200_000;
        for (items, exponent) in [(1u64, 1.0), (10, 0.0), (10, 0.5), (50, 1.0), (100, 0.99), (100, 2.0), (20, 5.0)] {
            let zipf = Zipf::new(items, exponent).expect("in range");
            let mut rng = SplitMix64::new(42, &[]);
            let mut seen = vec![0u32; items as usize];
            for _ in 0..DRAWS {
                seen[zipf.sample(&mut rng) as usize] += 1;
            }
            let weights: Vec<f64> = (1..=items).map(|k| (k as f64).powf(-exponent)).collect();
            let sum: f64 = weights.iter().sum();
            // Pearson's χ² over the items that are expected five times or more, the rest as one.
            let (mut chi2, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
            for (n, weight) in seen.iter().zip(&weights) {
                let expected = weight / sum * DRAWS as f64;
                if expected >= 5.0 {
                    chi2 += (f64::from(*n) - expected).powi(2) / expected;
                    cells += 1.0;
                } else {
                    rest = (rest.0 + f64::from(*n), rest.1 + expected);
                }
            }
            if rest.1 > 0.0 {
                chi2 += (rest.0 - rest.1).powi(2) / rest.1.max(1.0);
                cells += 1.0;
            }
            // Mean and standard deviation of χ² with d degrees of freedom are d and √(2d).
            let d: f64 = cells - 1.0;
            let bound = d + 4.0 * (2.0 * d).sqrt() + 1.0;
            assert!(chi2 <= bound, "n = {items}, s = {exponent}: χ² = {chi2:.1} is above {bound:.1}");
        }
    }

    #[test]
    fn extremes_end_and_stay_in_range() {
        let mut rng = SplitMix64::new(1, &[]);
        for (items, exponent) in
            [(Zipf::MOST, 0.0), (Zipf::MOST, 1.0), (Zipf::MOST, 20.0), (2, 20.0), (1, 0.0), (3, 1.0)]
        {
            let zipf = Zipf::new(items, exponent).expect("in range");
            for _ in 0..1000 {
                assert!(zipf.sample(&mut rng) < items, "numbers of {items} items are below {items}");
            }
        }
        for (items, exponent) in [(0, 1.0), (1, -0.1), (1, f64::NAN), (1, 21.0), (Zipf::MOST + 1, 1.0)] {
            assert_eq!(Zipf::new(items, exponent), None, "{items} items with exponent {exponent} are refused");
        }
    }
}
