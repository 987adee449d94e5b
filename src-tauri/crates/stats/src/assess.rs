//! From the figures of both sides to a comparison: intervals, tests, correction, suppression, verdict.
use perfdeck_words as words;

use super::comparison::{Comparison, ComparisonKind, Drift, ErrorDifference, MetricComparison, SCHEMA, ShiftPoint};
use super::figures::{BenchMetric, RunFigures};
use super::paired::{LogInterval, holm, mean, median, more_pairs, paired_t, sd, sign_flip_p, welch};
use super::paired::{fewest_pairs, pairs_needed};
use super::registration::Registration;
use super::verdict::{Verdict, by_interval, overall};
use super::{drift, sentence, t};

/// Difference of error rates above which latency is not compared: 0.1 percentage points (docs/benchmarks.md, 7.2.9).
const ERRORS: f64 = 0.001;
/// Quantiles of the shift function (docs/benchmarks.md, 7.3: p10 to p99.9).
const SHIFT: [f64; 12] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

/// Everything a comparison is made of.
pub(super) struct Input<'a> {
    pub(super) plan: &'a Registration,
    pub(super) kind: ComparisonKind,
    /// Runs of A; with a duet, position k of both is pair k.
    pub(super) a: Vec<&'a RunFigures>,
    pub(super) b: Vec<&'a RunFigures>,
    pub(super) differences: Vec<String>,
}

impl Input<'_> {
    fn interval(&self, a: &[f64], b: &[f64]) -> (LogInterval, Option<f64>) {
        if self.kind == ComparisonKind::Unpaired {
            let interval = welch(a, b, self.plan.alpha);
            let p = (interval.df > 0.0 && interval.se > 0.0)
                .then(|| t::two_sided_p(interval.mean / interval.se, interval.df));
            (interval, p)
        } else {
            let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            (paired_t(&d, self.plan.alpha), Some(sign_flip_p(&d, u64::from(self.plan.seed))))
        }
    }

    fn errors(&self) -> ErrorDifference {
        let shares = |runs: &[&RunFigures]| -> Vec<f64> { runs.iter().map(|r| r.error_share()).collect() };
        let (a, b) = (shares(&self.a), shares(&self.b));
        let interval = if self.kind == ComparisonKind::Unpaired {
            welch(&a, &b, self.plan.alpha)
        } else {
            let d: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
            paired_t(&d, self.plan.alpha)
        };
        let finite = |v: f64| v.is_finite().then_some(v);
        ErrorDifference {
            mean: interval.mean,
            low: finite(interval.low),
            high: finite(interval.high),
            // Rounding of the shares must not turn exactly 0.1 points into more.
            suppresses: interval.mean.abs() > ERRORS + 1e-12,
        }
    }

    /// The comparison of one metric, its verdict still open, with the interval to decide on.
    fn metric(&self, metric: BenchMetric, drift: Option<&Drift>) -> (MetricComparison, Option<LogInterval>) {
        let logs =
            |runs: &[&RunFigures]| -> Vec<f64> { runs.iter().filter_map(|r| r.value(metric)).map(f64::ln).collect() };
        let typical = |runs: &[&RunFigures]| median(&runs.iter().filter_map(|r| r.value(metric)).collect::<Vec<_>>());
        let (a, b) = (logs(&self.a), logs(&self.b));
        let delta = self.plan.delta(metric);
        let mut row = MetricComparison {
            metric,
            name: metric.name().to_owned(),
            unit: metric.unit().to_owned(),
            primary: self.plan.is_primary(metric),
            effect: None,
            low: None,
            high: None,
            p: None,
            p_holm: None,
            pairs: self.a.len().min(self.b.len()) as u32,
            verdict: Verdict::Inconclusive,
            a_median: typical(&self.a),
            b_median: typical(&self.b),
            delta,
            band_low: -delta / (1.0 + delta),
            ratios: Vec::new(),
            note: None,
        };
        let all = || self.a.iter().chain(&self.b);
        let missing = all().count() - a.len() - b.len();
        if missing > 0 || a.is_empty() || b.is_empty() {
            let beyond = all().filter(|r| r.beyond.contains(&row.name)).count();
            row.note = Some(if beyond > 0 {
                let runs = words::plural(beyond, "run");
                format!("{} is not known in {runs}: the requests there timed out or failed", row.name)
            } else if missing == 0 {
                "no complete pair".to_owned()
            } else {
                format!("no value in {}", words::plural(missing, "run"))
            });
            return (row, None);
        }
        if !all().all(|r| r.enough(metric)) {
            let least = all().map(|r| r.latency_n).min().unwrap_or(0);
            row.note = Some(format!(
                "n too small: {} needs {} requests in each run, the smallest had {}",
                row.name,
                words::count(metric.needed()),
                words::count(least)
            ));
            return (row, None);
        }
        let (mut interval, p) = self.interval(&a, &b);
        if let Some(drift) = drift.filter(|d| d.significant) {
            interval = interval.widened(drift.shift.ln_1p());
            row.note = Some(drift.text.clone());
        }
        let (effect, low, high) = interval.ratios();
        let ends = interval.low.is_finite() && interval.high.is_finite();
        (row.effect, row.low, row.high, row.p) = (Some(effect), ends.then_some(low), ends.then_some(high), p);
        if self.kind == ComparisonKind::Duet {
            row.ratios = a.iter().zip(&b).map(|(a, b)| (b - a).exp()).collect();
        }
        (row, Some(interval))
    }

    fn shift(&self) -> Vec<ShiftPoint> {
        let point = |q: f64| {
            let logs =
                |runs: &[&RunFigures]| -> Option<Vec<f64>> { runs.iter().map(|r| r.at(q).map(f64::ln)).collect() };
            let (a, b) = (logs(&self.a)?, logs(&self.b)?);
            if a.is_empty() || b.is_empty() {
                return None;
            }
            let interval = self.interval(&a, &b).0;
            let (effect, low, high) = interval.ratios();
            let ends = interval.low.is_finite() && interval.high.is_finite();
            let needed = (100.0 / (1.0 - q)).round() as u64;
            let enough = self.a.iter().chain(&self.b).all(|r| r.latency_n >= needed);
            Some(ShiftPoint { q, effect, low: ends.then_some(low), high: ends.then_some(high), enough })
        };
        SHIFT.into_iter().filter_map(point).collect()
    }

    /// About how many more pairs would decide the metrics that are undecided.
    fn more(&self, metrics: &[MetricComparison]) -> Option<u32> {
        let (alpha, family) = (self.plan.alpha, self.plan.primary.len());
        let needed = |m: &MetricComparison| {
            if self.kind != ComparisonKind::Unpaired {
                let d: Vec<f64> = m.ratios.iter().map(|r| r.ln()).collect();
                return more_pairs(&d, m.delta, alpha, family);
            }
            // A duet in place of the series: its log ratios would scatter at most like two independent runs.
            let spread = |runs: &[&RunFigures]| {
                sd(&runs.iter().filter_map(|r| r.value(m.metric)).map(f64::ln).collect::<Vec<_>>()).powi(2)
            };
            let scatter = (spread(&self.a) + spread(&self.b)).sqrt();
            (m.pairs >= 2).then(|| pairs_needed(scatter, m.delta).max(fewest_pairs(alpha, family)))
        };
        metrics
            .iter()
            .filter(|m| m.primary && m.verdict == Verdict::Inconclusive && m.effect.is_some())
            .filter_map(needed)
            .max()
    }
}

/// Judges the metrics: Holm over the primary ones, exploratory ones uncorrected.
fn judge(plan: &Registration, rows: &mut [(MetricComparison, Option<LogInterval>)], errors: &ErrorDifference) {
    let p: Vec<f64> = rows.iter().filter(|(m, _)| m.primary).map(|(m, _)| m.p.unwrap_or(1.0)).collect();
    let mut corrected = holm(&p).into_iter();
    for (m, interval) in rows.iter_mut() {
        let p = if m.primary { corrected.next() } else { m.p };
        m.p_holm = p.filter(|_| m.primary && m.p.is_some());
        let Some(interval) = interval else { continue };
        if errors.suppresses && m.metric.lower_is_better() {
            m.verdict = Verdict::Invalid;
            m.note = Some("not judged: error rates differ by more than 0.1 points".to_owned());
            continue;
        }
        let significant = p.is_some_and(|p| p <= plan.alpha);
        m.verdict = by_interval(interval, m.delta, m.metric.lower_is_better(), significant);
        if m.note.is_some() {
            continue;
        }
        m.note = match m.verdict {
            _ if !m.primary => Some("exploratory: not chosen beforehand, not corrected".to_owned()),
            Verdict::Equivalent if interval.excludes_zero() && significant => {
                Some("there is a difference, but it is below the minimum effect".to_owned())
            }
            Verdict::Inconclusive if interval.excludes_zero() => Some(format!(
                "the interval excludes no change, but the exact test does not (p {:.3} after correction)",
                p.unwrap_or(1.0)
            )),
            _ => None,
        };
    }
}

/// The whole comparison. Looks, order and exclusions are the caller's to fill in.
pub(super) fn assess(input: &Input<'_>) -> Comparison {
    let plan = input.plan;
    let mut metrics: Vec<BenchMetric> = plan.primary.iter().map(|p| p.metric).collect();
    let present = |m: &BenchMetric| input.a.iter().chain(&input.b).any(|r| r.value(*m).is_some());
    metrics.extend(BenchMetric::ALL.into_iter().filter(|m| !plan.is_primary(*m)).filter(present));
    let mut drifts = Vec::new();
    let mut rows = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let drift =
            (input.kind == ComparisonKind::Unpaired).then(|| drift::check(metric, &input.a, &input.b)).flatten();
        rows.push(input.metric(metric, drift.as_ref()));
        drifts.extend(drift.filter(|_| plan.is_primary(metric)));
    }
    let errors = input.errors();
    judge(plan, &mut rows, &errors);
    let mut metrics: Vec<MetricComparison> = rows.into_iter().map(|(m, _)| m).collect();

    let invalid_reasons: Vec<String> = input.a.iter().chain(&input.b).filter(|r| !r.valid).map(|r| reason(r)).collect();
    if !invalid_reasons.is_empty() || !input.differences.is_empty() {
        for m in &mut metrics {
            m.verdict = Verdict::Invalid;
        }
    }
    let verdicts: Vec<Verdict> = metrics.iter().filter(|m| m.primary).map(|m| m.verdict).collect();
    let (verdict, _) = overall(&verdicts);
    let more = if verdict == Verdict::Inconclusive { input.more(&metrics) } else { None };
    let share = |runs: &[&RunFigures]| mean(&runs.iter().map(|r| r.error_share()).collect::<Vec<_>>());
    let ids = |runs: &[&RunFigures]| runs.iter().map(|r| r.run_id.clone()).collect();
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        kind: input.kind,
        verdict,
        sentence: String::new(),
        level: 1.0 - plan.alpha,
        registration_hash: plan.hash(),
        metrics,
        shift: input.shift(),
        looks: Vec::new(),
        more_pairs: more,
        differences: input.differences.clone(),
        invalid_reasons,
        exclusions: Vec::new(),
        errors_a: share(&input.a),
        errors_b: share(&input.b),
        errors,
        order: Vec::new(),
        runs_a: ids(&input.a),
        runs_b: ids(&input.b),
        drift: drifts,
        notes: Vec::new(),
    };
    comparison.sentence = sentence::write(&comparison);
    comparison
}

/// Why a run is invalid, with its name.
pub(super) fn reason(run: &RunFigures) -> String {
    let why = if run.invalid_reasons.is_empty() { "invalid".to_owned() } else { run.invalid_reasons.join("; ") };
    format!("run {}: {why}", run.run_id)
}
