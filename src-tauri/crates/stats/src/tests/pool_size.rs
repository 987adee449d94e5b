use perfdeck_model::SplitMix64;

use super::refusal::RefusalKind;
use super::*;
use crate::normal::Normal as _;

/// Cells of a sweep over `sizes` whose throughput is `law` with a relative scatter.
fn cells(sizes: &[u32], repetitions: u32, scatter: f64, law: impl Fn(f64) -> f64) -> Vec<SizeCell> {
    let mut random = SplitMix64::seeded(11);
    let mut cells = Vec::new();
    for repetition in 1..=repetitions {
        for n in sizes {
            let rate_per_s = law(f64::from(*n)) * (scatter * random.normal()).exp();
            let mean = f64::from(*n) / rate_per_s * 1000.0;
            cells.push(SizeCell {
                connections: *n,
                repetition,
                rate_per_s,
                requests: 2_000,
                mean_ms: Some(mean),
                p95_ms: Some(mean * 1.5),
                p99_ms: Some(mean * 2.0),
                ..SizeCell::default()
            });
        }
    }
    cells
}

fn goal() -> SizeGoal {
    SizeGoal { instances: 1, seed: 1, ..SizeGoal::default() }
}

fn usl(gamma: f64, alpha: f64, beta: f64) -> impl Fn(f64) -> f64 {
    move |n| gamma * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0))
}

fn refused(analysis: &SizeAnalysis) -> RefusalKind {
    analysis.refused.as_ref().unwrap_or_else(|| panic!("it is refused: {analysis:?}")).kind
}

#[test]
fn a_known_law_gives_its_parameters_and_the_smallest_size_near_its_peak() {
    // √((1 − 0.03) / 0.002) = 22; 16 connections have 95 % of the throughput at 24, 12 have 89 %.
    let law = usl(100.0, 0.03, 0.002);
    let found = analyse(&cells(&SIZES, 5, 0.02, &law), &goal());
    let Some(law::Law::Usl(fit)) = found.law else { panic!("the law that it was made of: {:?}", found.law) };
    assert!((fit.gamma - 100.0).abs() < 4.0 && (fit.alpha - 0.03).abs() < 0.01, "{fit:?}");
    assert!((fit.beta - 0.002).abs() < 3e-4 && (fit.peak_n.expect("a peak") - 22.0).abs() < 2.0, "{fit:?}");
    assert!(found.lack_of_fit.is_some_and(|fit| fit.holds && fit.df_misfit == 9 && fit.df_pure == 48), "{found:?}");
    let enough = |n: u32| law(f64::from(n)) >= ENOUGH * law(24.0);
    let true_size = SIZES.into_iter().find(|n| enough(*n)).expect("one");
    let size = found.recommended.expect("recommended");
    assert_eq!((size.connections, size.overflow), (true_size, 0), "not the peak: {}", found.sentence);
    assert!(size.low <= true_size && size.high >= true_size && size.share >= ENOUGH, "{size:?}");
    assert_eq!((size.per_instance, size.total), (true_size, true_size));
    assert!(found.curve.iter().all(|point| point.band.is_some_and(|b| b.low <= point.rate_per_s)), "with its band");
}

#[test]
fn a_hard_limit_is_found_where_it_is() {
    for (k, known) in [(4_u32, 4_u32), (7, 8), (1, 1)] {
        let law = |n: f64| 50.0 * n.min(f64::from(k));
        let found = analyse(&cells(&SIZES, 3, 0.01, law), &goal());
        assert!(matches!(found.law, Some(law::Law::Limited(_))) || k == 1, "{:?}", found.law);
        let size = found.recommended.as_ref().unwrap_or_else(|| panic!("{k}: {}", found.sentence));
        assert_eq!((size.connections, size.low, size.high), (known, known, known), "{k}: {}", found.sentence);
        let at = |n: u32| found.sizes.iter().find(|size| size.connections == n).expect("measured");
        assert_eq!(at(64).queue_ms, Some(0.0), "nobody waits for one of 64 connections");
        let queue = at(known).queue_ms.expect("modelled");
        let all = 64.0 / at(known).rate_per_s.expect("a rate") * 1000.0;
        assert!((queue + at(known).mean_ms.expect("a mean") - all).abs() < 1e-9, "Little's law: {queue} of {all} ms");
    }
}

#[test]
fn a_soft_knee_before_a_limit_is_described_too() {
    // Three slots of 40 ms and a quarter as long between two of them, as measured on a machine that was busy.
    let means = [18.5, 40.3, 59.9, 62.1, 71.7, 70.5];
    let law = |n: f64| means[[1.0, 2.0, 3.0, 4.0, 6.0, 8.0].iter().position(|size| *size >= n).expect("a size")];
    let found = analyse(&cells(&SIZES[..6], 3, 0.03, law), &goal());
    assert!(matches!(found.law, Some(law::Law::Limited(fit)) if (65.0..76.0).contains(&fit.limit)), "{:?}", found.law);
    assert!(found.lack_of_fit.is_some_and(|fit| fit.misfit < 0.05 && fit.holds), "{:?}", found.lack_of_fit);
    assert!(found.recommended.is_some_and(|size| (4..=6).contains(&size.connections)), "{}", found.sentence);
}

#[test]
fn what_grows_to_the_end_is_said_with_what_limits_it() {
    let growing = cells(&SIZES[..8], 3, 0.01, |n| 100.0 * n);
    let found = analyse(&growing, &goal());
    assert_eq!(refused(&found), RefusalKind::StillGrows);
    assert_eq!(found.sentence, "No size is recommended: throughput still grows at 16 connections, the largest size");
    assert!(found.refused.expect("why").hint.contains("Raise the largest size"));
    let cut = analyse(&growing, &SizeGoal { cut_by_head_room: true, ..goal() });
    assert!(cut.refused.expect("why").hint.contains("max_connections"), "what limits it is the database");
    assert_eq!(cut.sizes.len(), 8, "what was measured is there all the same");
}

#[test]
fn a_limit_that_nothing_was_measured_near_is_a_number_still() {
    let linear: Vec<(f64, f64)> = SIZES.iter().map(|n| (f64::from(*n), 100.0 * f64::from(*n))).collect();
    let any = law::Law::Limited(law::LimitedFit { gamma: 1.0, limit: 1.0, sharpness: 1.0, scatter: 0.0 });
    let Some(law::Law::Limited(fit)) = any.again(&linear) else { panic!("it is fitted") };
    assert!(fit.limit.is_finite() && fit.limit > 6_400.0 && fit.scatter < 0.01, "{fit:?}");
    let found = analyse(&cells(&SIZES, 2, 0.1, |n| 100.0 * n), &goal());
    let stored = serde_json::to_string(&found).expect("JSON");
    let read: SizeAnalysis = serde_json::from_str(&stored).expect("what is stored is read again");
    assert_eq!(read.sentence, found.sentence);
}

#[test]
fn short_cells_on_a_shared_machine_are_refused() {
    // 2 s cells, select-only, on a machine of two processors: a law fits them with 10 % and a peak at 19.
    let rates = [(2, 19.6), (3, 26.6), (4, 25.4), (6, 25.1), (8, 34.0), (16, 38.6), (32, 31.7)];
    let once: Vec<SizeCell> = rates
        .iter()
        .map(|(n, k)| SizeCell {
            connections: *n,
            repetition: 1,
            rate_per_s: k * 1000.0,
            requests: 60_000,
            ..SizeCell::default()
        })
        .collect();
    let found = analyse(&once, &goal());
    assert_eq!(refused(&found), RefusalKind::Scatter, "{}", found.sentence);
    assert_eq!(found.lack_of_fit, None, "without repetitions nothing tells misfit and scatter apart");
    assert!(found.sizes.iter().all(|size| size.rate_per_s.is_some()), "what was measured is shown");

    let law = usl(100.0, 0.2, 0.002);
    let found = analyse(&cells(&SIZES, 3, 0.1, &law), &goal());
    assert_eq!(refused(&found), RefusalKind::Scatter, "{}", found.sentence);
    let why = found.refused.expect("why");
    assert!(why.hint.contains("repetitions"), "it says how many would do: {why:?}, {:?}", found.scatter);
}

#[test]
fn a_law_that_does_not_describe_the_means_is_refused() {
    // It falls to a third between 8 and 12 connections, as when a cache does not hold them any more.
    let cliff = |n: f64| if n <= 8.0 { 100.0 * n } else { 250.0 };
    let found = analyse(&cells(&SIZES, 3, 0.01, cliff), &goal());
    assert_eq!(refused(&found), RefusalKind::LackOfFit, "{}", found.sentence);
    let fit = found.lack_of_fit.expect("tested");
    assert!(!fit.holds && fit.p < 1e-6 && fit.misfit > 0.05, "{fit:?}");
    assert!((fit.pure_error - 0.01).abs() < 0.005, "the scatter that it was made with: {fit:?}");
}

#[test]
fn a_misfit_that_a_recommendation_bears_is_none() {
    // 2 % off every other size, repeated to a tenth of a percent: the F test alone would refuse any law.
    let wavy = |n: f64| 50.0 * n.min(6.0) * if n.to_bits().count_ones().is_multiple_of(2) { 1.02 } else { 0.98 };
    let found = analyse(&cells(&SIZES, 5, 0.001, wavy), &goal());
    let fit = found.lack_of_fit.expect("tested");
    assert!(fit.p < 0.001 && fit.holds, "{fit:?}");
    assert_eq!(found.recommended.map(|size| size.connections), Some(6), "{}", found.sentence);
}

#[test]
fn the_objective_is_kept_or_said_to_be_out_of_reach() {
    let law = |n: f64| 100.0 * n.min(4.0);
    let measured = cells(&SIZES, 3, 0.005, law);
    let within = |limit| analyse(&measured, &SizeGoal { objective_ms: Some(limit), ..goal() });
    let found = within(25.0);
    assert_eq!(
        found.recommended.as_ref().map(|size| size.connections),
        Some(4),
        "p99 is 20 ms there: {}",
        found.sentence
    );
    let never = within(5.0);
    assert_eq!(refused(&never), RefusalKind::Objective);
    assert!(
        never.sentence.contains("no size keeps p99 within") && never.sentence.contains("the best is"),
        "{}",
        never.sentence
    );
    let slow = |n: f64| 20.0 * n.min(4.0) / (1.0 + 0.3 * (n.min(4.0) - 1.0));
    let measured = cells(&SIZES, 3, 0.002, slow);
    let found = analyse(&measured, &SizeGoal { objective_ms: Some(150.0), ..goal() });
    assert_eq!(refused(&found), RefusalKind::Objective, "{}", found.sentence);
    let why = found.refused.expect("why");
    assert!(why.hint.starts_with("Take 2 connections, which keep it with"), "the largest that keeps it: {why:?}");
}

#[test]
fn instances_share_the_connections_and_the_head_room_caps_them() {
    let measured = cells(&SIZES, 3, 0.005, |n| 100.0 * n.min(8.0));
    let of = |instances, head_room| analyse(&measured, &SizeGoal { instances, head_room, ..goal() });
    let three = of(3, Some(100)).recommended.expect("recommended");
    assert_eq!((three.connections, three.per_instance, three.total), (8, 3, 9), "rounded up");
    let capped = of(3, Some(7));
    let size = capped.recommended.expect("recommended");
    assert_eq!((size.per_instance, size.total), (2, 6), "seven free connections for three instances");
    assert!(capped.notes.iter().any(|note| note.contains("fewer than the 8")), "{:?}", capped.notes);
    assert_eq!(refused(&of(8, Some(7))), RefusalKind::HeadRoom, "not even one each");
}

#[test]
fn cells_that_were_set_aside_are_counted_and_not_fitted() {
    let mut measured = cells(&SIZES, 3, 0.005, |n| 100.0 * n.min(4.0));
    for cell in measured.iter_mut().filter(|cell| cell.connections == 64) {
        cell.rate_per_s = 1.0;
        cell.set_aside = Some("every second execution failed".to_owned());
    }
    let found = analyse(&measured, &goal());
    assert_eq!(found.recommended.as_ref().map(|size| size.connections), Some(4), "{}", found.sentence);
    let last = found.sizes.last().expect("measured");
    assert_eq!(
        (last.connections, last.cells, last.set_aside, last.rate_per_s, last.fitted_per_s),
        (64, 0, 3, None, None)
    );
    for cell in measured.iter_mut().filter(|cell| cell.connections > 3) {
        cell.set_aside = Some("every second execution failed".to_owned());
    }
    let found = analyse(&measured, &goal());
    assert_eq!(refused(&found), RefusalKind::TooFewSizes, "three sizes lie on any law of three parameters");
    let stopped = SizeGoal { unfinished: Some("it was stopped".to_owned()), ..goal() };
    assert_eq!(refused(&analyse(&measured[..5], &stopped)), RefusalKind::Unfinished);
    assert_eq!(analyse(&[], &stopped).sizes, [], "nothing measured is no figure");
}
