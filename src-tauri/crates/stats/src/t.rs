//! Student's t distribution and the normal quantile.
//!
//! The t distribution comes from the regularised incomplete beta function, evaluated by its continued fraction with
//! Lentz's method (Press et al., Numerical Recipes, 3rd edition, section 6.4); the normal quantile is algorithm
//! AS 241, PPND16 (Wichura 1988), exact to about 1e-16.
use std::f64::consts::PI;

/// Natural logarithm of the gamma function for x > 0 (Lanczos, g = 7, nine terms; relative error about 1e-15).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = C.iter().enumerate().skip(1).fold(C[0], |sum, (i, c)| sum + c / (x + i as f64));
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The continued fraction of the incomplete beta function; converges fast for x < (a + 1) / (a + b + 2).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// Regularised incomplete beta function `I_x(a, b)`, with y = 1 − x given apart so that neither end loses digits.
fn beta_regularised(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, y) / b
    }
}

/// The probability of a |t| at least this large under Student's t with `df` degrees of freedom (need not be whole).
///
/// `NaN` in gives 1: no evidence.
pub fn two_sided_p(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return 1.0;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let square = t * t;
    beta_regularised(df / 2.0, 0.5, df / (df + square), square / (df + square)).clamp(0.0, 1.0)
}

/// The probability of an F at least this large with `above` and `below` degrees of freedom (need not be whole), by the
/// regularised incomplete beta function (Press et al., 6.14.10).
///
/// `NaN` in gives 1: no evidence.
pub fn f_upper_p(f: f64, above: f64, below: f64) -> f64 {
    if f.is_nan() || f <= 0.0 || above.is_nan() || below.is_nan() || above <= 0.0 || below <= 0.0 {
        return 1.0;
    }
    if f.is_infinite() {
        return 0.0;
    }
    let whole = below + above * f;
    beta_regularised(below / 2.0, above / 2.0, below / whole, above * f / whole).clamp(0.0, 1.0)
}

/// Student's t cumulative distribution function.
pub fn cdf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * two_sided_p(t, df);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The value that Student's t with `df` degrees of freedom stays below with probability `p`.
///
/// Infinite at `p` 0 or 1 or without degrees of freedom, so that an interval built on it claims nothing.
pub fn quantile(p: f64, df: f64) -> f64 {
    if p.is_nan() || df.is_nan() || df <= 0.0 || p >= 1.0 {
        return f64::INFINITY;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p < 0.5 {
        return -quantile(1.0 - p, df);
    }
    // Bracketed Newton on the two-sided tail, which keeps its digits far out.
    let tail = 2.0 * (1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided_p(high, df) > tail && high < 1e300 {
        low = high;
        high *= 4.0;
    }
    let norm = (ln_gamma((df + 1.0) / 2.0) - ln_gamma(df / 2.0)).exp() / (df * PI).sqrt();
    let mut t = 0.5 * (low + high);
    for _ in 0..200 {
        let excess = two_sided_p(t, df) - tail;
        if excess > 0.0 {
            low = t;
        } else {
            high = t;
        }
        let slope = 2.0 * norm * (1.0 + t * t / df).powf(-0.5 * (df + 1.0));
        let step = t + excess / slope;
        let next = if step > low && step < high { step } else { 0.5 * (low + high) };
        if (next - t).abs() <= 1e-14 * t.abs().max(1e-14) {
            return next;
        }
        t = next;
    }
    t
}

/// The value that a standard normal number stays below with probability `p`; infinite at 0 and 1 (AS 241, PPND16).
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let ratio = |top: &[f64; 8], bottom: &[f64; 8], x: f64| {
        let poly = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * x + c);
        poly(top) / poly(bottom)
    };
    if p.is_nan() {
        return f64::NAN;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180_625 - q * q);
    }
    let r = (-(p.min(1.0 - p)).ln()).sqrt();
    let z = if r <= 5.0 { ratio(&C, &D, r - 1.6) } else { ratio(&E, &F, r - 5.0) };
    z.copysign(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_the_printed_tables() {
        for (p, df, want) in [
            (0.975, 1.0, 12.706_204_736_432_1),
            (0.975, 2.0, 4.302_652_729_911_28),
            (0.975, 5.0, 2.570_581_835_636_31),
            (0.975, 9.0, 2.262_157_162_740_99),
            (0.975, 14.0, 2.144_786_687_916_93),
            (0.975, 30.0, 2.042_272_456_301_24),
            (0.995, 9.0, 3.249_835_541_592_14),
            (0.9995, 10.0, 4.586_893_858_702_64),
            (0.95, 4.0, 2.131_846_786_326_65),
            (0.975, 1e6, 1.959_966_5),
        ] {
            let got = quantile(p, df);
            assert!((got - want).abs() < 1e-6 * want, "t({p}, {df}) is {want} in the tables, got {got}");
            assert!((cdf(got, df) - p).abs() < 1e-12, "the CDF undoes the quantile at p {p}, df {df}");
            assert!((quantile(1.0 - p, df) + got).abs() < 1e-8 * want, "t is symmetric at p {p}, df {df}");
        }
    }

    #[test]
    fn f_matches_the_printed_tables_and_students_t() {
        for (f, above, below) in
            [(4.256_494_729_093_75, 2.0, 9.0), (2.866_081_402_156_8, 4.0, 20.0), (161.447_6, 1.0, 1.0)]
        {
            let p = f_upper_p(f, above, below);
            assert!((p - 0.05).abs() < 1e-6, "F({above}, {below}) is {f} at 5 % in the tables, got p {p}");
        }
        for (t, df) in [(0.3, 4.0), (2.0, 7.0), (9.0, 30.0)] {
            let (f, t) = (f_upper_p(t * t, 1.0, df), two_sided_p(t, df));
            assert!((f - t).abs() < 1e-12, "the square of t is F with one degree of freedom above");
        }
        assert_eq!(f_upper_p(f64::NAN, 2.0, 9.0), 1.0, "no evidence");
    }

    #[test]
    fn closed_forms_hold() {
        for t in [-30.0, -2.0, -0.3, 0.0, 1e-6, 0.7, 4.0, 1e4] {
            let cauchy = 0.5 + f64::atan(t) / PI;
            assert!((cdf(t, 1.0) - cauchy).abs() < 1e-13, "one degree of freedom is the Cauchy distribution, t {t}");
            let two = 0.5 + t / (2.0 * (2.0 + t * t).sqrt());
            assert!((cdf(t, 2.0) - two).abs() < 1e-13, "two degrees of freedom have this closed form, t {t}");
        }
    }

    #[test]
    fn degenerate_arguments_claim_nothing() {
        assert_eq!(quantile(0.975, 0.0), f64::INFINITY, "no degrees of freedom, so the interval is everything");
        assert_eq!(two_sided_p(f64::NAN, 5.0), 1.0, "an undefined statistic is no evidence");
        assert_eq!(two_sided_p(f64::INFINITY, 5.0), 0.0, "a difference without any scatter is certain");
    }

    #[test]
    fn normal_quantiles_match_the_printed_tables() {
        for (p, want) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.8, 0.841_621_233_572_914_3),
            (0.001, -3.090_232_306_167_813),
            (1e-12, -7.034_483_825_301_131),
        ] {
            let got = normal_quantile(p);
            assert!((got - want).abs() < 1e-9, "z({p}) is {want} in the tables, got {got}");
        }
        assert!((quantile(0.975, 1e7) - normal_quantile(0.975)).abs() < 1e-5, "t tends to the normal distribution");
    }
}
