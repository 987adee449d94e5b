//! What a comparison reads of a stored run.
use perfdeck_model::{Load, PERCENTILES, Run};

use super::comparison::Comparison;
use super::figures::{CurvePoint, RunFigures};
use super::registration::{LoopKind, Registration};
use super::single::{NoiseFloor, RunSecond, Single, single_pair};
use crate::judged;

/// Quantiles of the shift function.
const SHIFT: [f64; 8] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// The figures of a run. Requests that failed are in the distribution as longer than the others, or a target that gives up
/// early would look fast (docs/benchmarks.md, 7.2.9); a percentile among them is not known and has no value.
pub fn figures(run: &Run) -> RunFigures {
    let mut figures = RunFigures {
        run_id: run.id.clone(),
        started_ms: run.started_ms,
        valid: run.valid,
        invalid_reasons: run.invalid_reasons.clone(),
        requests: run.requests,
        errors: run.errors,
        rate_per_s: run.rate_per_s,
        ..RunFigures::default()
    };
    let Some(judged) = judged::response(run) else { return figures };
    figures.latency_n = judged.n();
    if let Some(summary) = judged.summary() {
        figures.too_small = summary.too_small;
    } else {
        figures.too_small = PERCENTILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    }
    for (name, q) in PERCENTILES {
        match judged.at(q).map(|time| time.exact()) {
            Some(Some(ms)) => _ = figures.latency_ms.insert(name.to_owned(), ms),
            Some(None) => figures.beyond.push(name.to_owned()),
            None => {}
        }
    }
    let known = SHIFT.into_iter().filter_map(|q| Some(CurvePoint { q, ms: judged.at(q)?.exact()? }));
    figures.curve = known.collect();
    figures
}

/// The seconds of a run.
fn seconds(run: &Run) -> Vec<RunSecond> {
    run.intervals
        .iter()
        // A last part of a second has too few requests to stand beside whole ones.
        .filter(|i| i.duration_s > 0.99)
        .map(|i| RunSecond {
            rate_per_s: i.requests.saturating_sub(i.errors) as f64 / i.duration_s,
            p50_ms: i.p50,
            p90_ms: i.p90,
            p99_ms: i.p99,
        })
        .collect()
}

/// Two stored runs against each other: indicative, never a verdict. `noise` is that of the same work against itself;
/// `differences` are those that make the two not comparable.
pub fn runs(a: &Run, b: &Run, noise: &[NoiseFloor], differences: Vec<String>) -> Comparison {
    let kind = if matches!(a.spec.load(), Load::Closed) { LoopKind::Closed } else { LoopKind::Open };
    // The seed only draws the bootstrap; the same two runs always give the same band.
    let (of_a, of_b, in_a, in_b) = (figures(a), figures(b), seconds(a), seconds(b));
    let (a, b) = (Single { figures: &of_a, seconds: &in_a }, Single { figures: &of_b, seconds: &in_b });
    single_pair(&Registration::new(kind, 1, 1), a, b, noise, differences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::BenchMetric;
    use crate::histogram::{histogram, latency, packed};

    fn run(id: &str, us: u64, errors: u64) -> Run {
        let mut h = histogram();
        h.record_n(us, 1_000).expect("in range");
        let second = |i: u32| perfdeck_model::Interval {
            t_ms: f64::from(i) * 1e3,
            duration_s: 1.0,
            requests: 100,
            errors: 0,
            p50: Some(us as f64 / 1e3),
            p90: Some(us as f64 / 1e3),
            p99: Some(us as f64 / 1e3),
            max: Some(us as f64 / 1e3),
        };
        let spec = serde_json::json!({
            "kind": "http", "url": "http://127.0.0.1:1/", "load": { "kind": "closed" }, "connections": 1, "duration_s": 10.0, "timeout_s": 2.0
        });
        Run {
            schema: "perfdeck.run/1".into(),
            id: id.into(),
            name: id.into(),
            environment_id: None,
            environment_name: None,
            part_of: None,
            engine: "test".into(),
            spec: serde_json::from_value(spec).expect("a spec"),
            resolved: Vec::new(),
            state: perfdeck_model::RunState::Completed,
            started_ms: 0.0,
            finished_ms: 10_000.0,
            duration_s: 10.0,
            requests: 1_000 + errors,
            errors,
            rate_per_s: 100.0,
            target_rate_per_s: None,
            bytes_received: 0,
            response_ms: Some(latency(&h)),
            service_ms: latency(&h),
            judged_ms: None,
            schedule_lag_ms: None,
            client_cpu_s: Some(0.1),
            facts: std::collections::BTreeMap::new(),
            masked_tag: String::new(),
            steps: Vec::new(),
            stages: Vec::new(),
            iterations: None,
            thresholds: Vec::new(),
            footing: perfdeck_model::Footing::default(),
            valid: true,
            invalid_reasons: Vec::new(),
            notes: Vec::new(),
            errors_by_class: Vec::new(),
            statuses: Vec::new(),
            intervals: (0..12).map(second).collect(),
            curve: Vec::new(),
            response_histogram: packed(&h),
            service_histogram: packed(&h),
            lag_histogram: String::new(),
            timeout_histogram: String::new(),
            machine: perfdeck_model::Machine::default(),
        }
    }

    fn errors(class: &str, count: u64) -> perfdeck_model::ErrorCount {
        perfdeck_model::ErrorCount { class: class.to_owned(), count, sample: String::new() }
    }

    #[test]
    fn a_percentile_among_failed_requests_has_no_value() {
        for class in ["timeout", "connect"] {
            let mut failing = run("a", 5_000, 111);
            failing.errors_by_class = vec![errors(class, 111)];
            let f = figures(&failing);
            assert_eq!(f.latency_n, 1_111, "they are in the distribution");
            assert!((f.latency_ms["p50"] - 5.0).abs() < 0.1, "half of them took 5 ms: {:?}", f.latency_ms);
            assert_eq!(f.beyond, ["p95", "p99", "p999"], "the slowest tenth are the failed ones, {class}");
            assert_eq!(f.value(BenchMetric::P99), None, "at least two seconds is no two seconds");
            assert_eq!(f.too_small, ["p95", "p99", "p999"], "1,111 requests carry p90, not p95");
        }
    }

    #[test]
    fn equal_failures_on_both_sides_are_not_equal_percentiles() {
        let failing = |id| {
            let mut run = run(id, 5_000, 111);
            run.errors_by_class = vec![errors("timeout", 111)];
            run
        };
        let c = runs(&failing("a"), &failing("b"), &[], Vec::new());
        let p95 = c.metrics.iter().find(|m| m.name == "p95");
        assert!(p95.is_none_or(|m| m.effect.is_none()), "two times at least the timeout are not 0 %: {p95:?}");
    }

    #[test]
    fn two_runs_are_never_a_verdict() {
        let c = runs(&run("a", 5_000, 0), &run("b", 2_000, 0), &[], Vec::new());
        assert_eq!(c.kind, super::super::comparison::ComparisonKind::Indicative, "one run a side is indicative");
        assert_eq!(
            c.verdict,
            super::super::verdict::Verdict::Inconclusive,
            "however large the difference: {}",
            c.sentence
        );
        let p50 = c.metrics.iter().find(|m| m.name == "p50").expect("p50 is compared");
        assert!(p50.effect.is_some_and(|e| (e + 0.6).abs() < 0.01), "2 ms instead of 5 ms is -60 %: {:?}", p50.effect);
        let unlike = runs(&run("a", 5_000, 0), &run("b", 5_000, 0), &[], vec!["load differs".to_owned()]);
        assert_eq!(
            unlike.verdict,
            super::super::verdict::Verdict::Invalid,
            "what differs in its plan cannot be compared"
        );
    }
}
