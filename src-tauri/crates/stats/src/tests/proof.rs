use perfdeck_model::{ProofClass, ProofStatement, ProofVerdict, ShareRange, SplitMix64, ValueClass};

use super::*;
use crate::normal::Normal as _;

fn range(value: f64, low: f64, high: f64) -> ShareRange {
    ShareRange { value, low, high }
}

fn class(change: ShareRange, used: bool) -> ProofClass {
    ProofClass {
        class: ValueClass::Frequent,
        blocks: 8,
        runs: 80,
        before_ms: 10.0,
        after_ms: 10.0 * (1.0 + change.value),
        change,
        buffers_before: None,
        buffers_after: None,
        rows: 1.0,
        same_rows: Some(true),
        used,
        used_after_analyze: Some(used),
        predicted: None,
    }
}

fn statement(classes: Vec<ProofClass>) -> ProofStatement {
    ProofStatement {
        statement: "SELECT * FROM orders WHERE customer_id = $1".into(),
        writes: false,
        share: None,
        change: None,
        predicted: None,
        landed: None,
        classes,
        not_measured: None,
    }
}

/// Pairs of block medians whose log ratio is `effect`, with a drift that both blocks of a pair share.
fn pairs(rng: &mut SplitMix64, n: usize, effect: f64, odd: bool) -> (Vec<f64>, Vec<f64>) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut drift = 0.0;
    for _ in 0..n {
        drift += 0.05 * rng.normal();
        let mut noise = || {
            let wide = if odd && rng.unit() < 0.1 { 10.0 } else { 1.0 };
            0.03 * wide * rng.normal()
        };
        without.push((drift + noise()).exp());
        with.push((drift + effect + noise()).exp());
    }
    (without, with)
}

#[test]
fn the_interval_holds_the_change_as_often_as_it_says() {
    // Also with odd blocks, and also where the number of pairs depends on what was seen so far.
    for (odd, effect) in [(false, 0.0), (true, 0.0), (false, -0.02), (true, 0.05_f64.ln_1p())] {
        let mut rng = SplitMix64::seeded(7);
        let (mut held, mut faster) = (0, 0);
        for _ in 0..4_000 {
            let (without, with) = pairs(&mut rng, MOST_PAIRS, effect, odd);
            let first = change(&without[..PAIRS], &with[..PAIRS]);
            let open = is_open(&without[..PAIRS], &with[..PAIRS]);
            let found = if open { change(&without, &with) } else { first };
            held += u32::from(found.low <= effect && effect <= found.high);
            faster += u32::from(found.high < 0.0);
        }
        let coverage = f64::from(held) / 4_000.0;
        assert!(coverage > 0.94, "odd {odd}, effect {effect}: {coverage}");
        if effect == 0.0 {
            assert!(f64::from(faster) / 4_000.0 < 0.03, "odd {odd}: a gain that is none, {faster}");
        }
    }
}

#[test]
fn few_pairs_say_little_and_one_says_nothing() {
    let of = |n: usize| share(change(&[10.0, 10.1, 9.9, 10.0, 10.2][..n], &[1.0, 1.1, 0.9, 1.0, 1.05][..n]));
    assert_eq!(of(1), None, "one pair has no scatter");
    let (two, five) = (of(2).expect("an interval"), of(5).expect("an interval"));
    assert!(two.high - two.low > five.high - five.low && two.high.is_finite(), "{two:?} {five:?}");
    assert!(five.high < -0.8, "{five:?}");
    let eight = change(&[10.0; 8], &[1.0; 8]);
    assert!((eight.mean + std::f64::consts::LN_10).abs() < 1e-12, "{eight:?}");
}

#[test]
fn ranks_are_those_of_the_printed_table() {
    // Wilcoxon's two-sided critical values at 5 %: 0, 2, 3, 5, 8, 10, 13.
    let table: Vec<usize> = (6..=12).map(|n| rank(n, 0.025)).collect();
    assert_eq!(table, [0, 2, 3, 5, 8, 10, 13]);
}

#[test]
fn parts_are_weighed_by_their_time() {
    let half = of_parts(&[(0.5, range(-0.8, -0.9, -0.7)), (0.5, range(0.0, -0.1, 0.1))]).expect("parts");
    assert!((half.value + 0.4).abs() < 1e-12, "{half:?}");
    assert!((half.low + 0.4 + (0.05_f64.powi(2) * 2.0).sqrt()).abs() < 1e-12, "{half:?}");
    assert_eq!(of_parts(&[]), None);
    let saved = saved(&[(0.4, range(-0.5, -0.6, -0.4))]).expect("one");
    assert!((saved.value - 0.2).abs() < 1e-12 && (saved.low - 0.16).abs() < 1e-12, "{saved:?}");
}

#[test]
fn verdicts_follow_the_rules() {
    let (gain, none) = (range(-0.9, -0.92, -0.88), range(0.0, -0.02, 0.02));
    let (loss, wide) = (range(0.3, 0.2, 0.4), range(-0.1, -0.4, 0.3));
    let little = range(0.04, 0.02, 0.06);
    let differ = ProofClass { same_rows: Some(false), ..class(gain, true) };
    let open = ProofClass { same_rows: None, ..class(gain, true) };
    let flips = ProofClass { used_after_analyze: Some(false), ..class(gain, true) };
    let comes = ProofClass { used_after_analyze: Some(true), ..class(none, false) };
    for (classes, wanted) in [
        (vec![], ProofVerdict::Unclear),
        (vec![class(gain, true)], ProofVerdict::Proven),
        (vec![open], ProofVerdict::Proven),
        (vec![class(gain, true), class(wide, true)], ProofVerdict::Proven),
        (vec![class(gain, true), class(little, true)], ProofVerdict::Proven),
        (vec![class(gain, true), class(loss, true)], ProofVerdict::Regression),
        // A plan that does not use it is the same plan: what differs there is noise.
        (vec![class(gain, true), class(loss, false)], ProofVerdict::Proven),
        (vec![class(gain, false)], ProofVerdict::NotUsed),
        (vec![class(none, true)], ProofVerdict::NoGain),
        (vec![class(little, true)], ProofVerdict::NoGain),
        (vec![class(wide, true)], ProofVerdict::Unclear),
        (vec![differ, class(loss, true)], ProofVerdict::Unclear),
        (vec![flips], ProofVerdict::Fragile),
        (vec![class(gain, true), comes.clone()], ProofVerdict::Fragile),
        (vec![comes], ProofVerdict::Fragile),
    ] {
        let (found, why) = verdict(&[statement(classes.clone())]);
        assert_eq!(found, wanted, "{why}: {classes:#?}");
        assert!(!why.is_empty(), "{classes:?}");
    }
    let writes = ProofStatement { writes: true, ..statement(vec![class(loss, false)]) };
    assert_eq!(
        verdict(std::slice::from_ref(&writes)).0,
        ProofVerdict::Regression,
        "a write keeps the index up to date"
    );
    assert_eq!(verdict(&[writes, statement(vec![class(gain, true)])]).0, ProofVerdict::Regression);
    let found = |of: ProofClass| verdict(&[ProofStatement { writes: true, ..statement(vec![of]) }]).0;
    assert_eq!(
        found(class(gain, true)),
        ProofVerdict::Proven,
        "a write finds its rows by it, and pays for it in the same time"
    );
    assert_eq!(
        found(class(gain, false)),
        ProofVerdict::Unclear,
        "what is quicker without any use of it is none of its gains"
    );
}
