//! Bounded and masked: a report has a size that does not depend on how long was measured, and holds no secret.
use perfdeck_model::masking::{MASK, Masker, has_mask};
use perfdeck_model::{Header, Run, RunSpec};

use crate::{Error, ReportDocument, ReportSeries, RunSeries};

/// Most points kept of one series.
pub const MAX_POINTS: usize = 600;
/// Most series kept of one run.
pub const MAX_SERIES: usize = 200;
/// Most runs, comparisons and knees in one report.
pub const MAX_PARTS: usize = 20;
/// Most columns of a heatmap.
pub const MAX_COLUMNS: u32 = 240;
/// Most points of a percentile curve.
const MAX_CURVE: usize = 600;
/// Most findings, notes or redactions.
const MAX_LINES: usize = 500;

/// The document as it is written: at most [`MAX_POINTS`] points a series, no request bodies, no secret headers.
pub(crate) fn bounded(document: &ReportDocument) -> Result<ReportDocument, Error> {
    if document.parts() == 0 || document.parts() > MAX_PARTS {
        return Err(Error::Contents { found: document.parts() });
    }
    let mut d = document.clone();
    let mut masked = Masked::default();
    for run in &mut d.runs {
        mask(run, &mut masked);
    }
    for c in &mut d.comparisons {
        let (name, a, b) = (url_in(&c.name), url_in(&c.label_a), url_in(&c.label_b));
        masked.url |= name != c.name || a != c.label_a || b != c.label_b;
        (c.name, c.label_a, c.label_b) = (name, a, b);
        for run in &mut c.runs {
            let (name, request) = (url_in(&run.name), url_in(&run.request));
            masked.url |= name != run.name || request != run.request;
            (run.name, run.request) = (name, request);
        }
        for curve in [&mut c.curve_a, &mut c.curve_b].into_iter().flatten() {
            let step = curve.points.len().div_ceil(MAX_CURVE).max(1);
            curve.points = curve.points.iter().copied().step_by(step).collect();
        }
    }
    for k in &mut d.knees {
        let name = url_in(&k.name);
        masked.url |= name != k.name;
        k.name = name;
    }
    d.series = d.series.iter().map(thin).collect();
    d.findings.truncate(MAX_LINES);
    d.notes.truncate(MAX_LINES);
    d.redactions.truncate(MAX_LINES);
    for (hit, line) in [
        (masked.body, "Request bodies are replaced by their size"),
        (masked.header, "Values of request headers that may be secrets are masked"),
        (masked.url, "Parts of URLs that may be secrets are masked"),
    ] {
        if hit && !d.redactions.iter().any(|r| r == line) {
            d.redactions.push(line.to_owned());
        }
    }
    Ok(d)
}

#[derive(Default)]
struct Masked {
    body: bool,
    header: bool,
    url: bool,
}

/// The engine stores secrets apart; this is the second lock on the same door.
fn mask(run: &mut Run, masked: &mut Masked) {
    let RunSpec::Http(spec) = &mut run.spec else { return };
    if let Some(body) = &mut spec.body
        && !body.is_empty()
    {
        // A stored run says the size already.
        if !has_mask(body) {
            *body = format!("{MASK} ({} bytes)", body.len());
        }
        masked.body = true;
    }
    for Header { name, value } in &mut spec.headers {
        let shown = Masker::Literal.header(name, value);
        masked.header |= shown != *value || has_mask(value);
        *value = shown;
    }
    let url = Masker::Literal.url(&spec.url);
    masked.url |= has_mask(&url) || url != spec.url;
    if url != spec.url {
        // Errors and names may repeat the address they are about.
        let old = std::mem::replace(&mut spec.url, url.clone());
        for error in &mut run.errors_by_class {
            error.sample = error.sample.replace(&old, &url);
        }
        run.name = run.name.replace(&old, &url);
    }
}

/// A text with what may be secret in its addresses masked.
fn url_in(text: &str) -> String {
    let word = |word: &str| if word.contains("://") { Masker::Literal.url(word) } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn finite(v: Option<f64>) -> Option<f64> {
    v.filter(|x| x.is_finite())
}

/// At most [`MAX_POINTS`] points: each bucket keeps its minimum and its maximum in their order, and its gap.
fn thin(run: &RunSeries) -> RunSeries {
    let n = run.t_ms.len();
    let all = run.series.iter().take(MAX_SERIES);
    if n <= MAX_POINTS {
        let series = all
            .map(|s| {
                let mut values: Vec<Option<f64>> = s.values.iter().copied().map(finite).collect();
                values.resize(n, None);
                ReportSeries { values, ..s.clone() }
            })
            .collect();
        return RunSeries { run_id: run.run_id.clone(), t_ms: run.t_ms.clone(), series };
    }
    let buckets = MAX_POINTS / 3;
    let bounds: Vec<(usize, usize)> = (0..buckets).map(|b| (b * n / buckets, (b + 1) * n / buckets)).collect();
    let mut t_ms = Vec::with_capacity(MAX_POINTS);
    for &(from, to) in &bounds {
        let (start, end) = (run.t_ms[from], run.t_ms[to - 1]);
        t_ms.extend([start, start + (end - start) / 3.0, start + (end - start) * 2.0 / 3.0]);
    }
    let series = all
        .map(|s| {
            let mut values = Vec::with_capacity(MAX_POINTS);
            for &(from, to) in &bounds {
                let bucket = || (from..to).map(|i| finite(s.values.get(i).copied().flatten()));
                let known = || bucket().enumerate().filter_map(|(i, v)| v.map(|v| (i, v)));
                // What is drawn on top of others may only be averaged: sums of extremes never were.
                if crate::window::is_stacked(&s.id) && known().next().is_some() {
                    let mean = known().map(|(_, v)| v).sum::<f64>() / known().count() as f64;
                    let gap = bucket().any(|v| v.is_none());
                    values.extend([Some(mean), if gap { None } else { Some(mean) }, Some(mean)]);
                    continue;
                }
                let low = known().min_by(|a, b| a.1.total_cmp(&b.1));
                let high = known().max_by(|a, b| a.1.total_cmp(&b.1));
                match (low, high) {
                    (Some(low), Some(high)) => {
                        let (first, second) = if low.0 <= high.0 { (low.1, high.1) } else { (high.1, low.1) };
                        let gap = bucket().any(|v| v.is_none());
                        values.extend([Some(first), if gap { None } else { Some(second) }, Some(second)]);
                    }
                    _ => values.extend([None; 3]),
                }
            }
            ReportSeries { values, ..s.clone() }
        })
        .collect();
    RunSeries { run_id: run.run_id.clone(), t_ms, series }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{TargetRole, Unit};

    #[test]
    fn thinning_keeps_peaks_and_gaps() {
        let n = 7_200;
        let mut values: Vec<Option<f64>> = (0..n).map(|i| Some(f64::from(i % 7))).collect();
        values[3_001] = Some(1e6);
        values[3_500] = Some(-5.0);
        values[5_000] = None;
        let run = RunSeries {
            run_id: "r".into(),
            t_ms: (0..n).map(|i| f64::from(i) * 1e3).collect(),
            series: vec![ReportSeries { id: "x".into(), unit: Unit::Count, target: TargetRole::Host, values }],
        };
        let thinned = thin(&run);
        let kept = &thinned.series[0].values;
        assert!(kept.len() <= MAX_POINTS && kept.len() == thinned.t_ms.len(), "the size is bounded and columns agree");
        assert!(kept.contains(&Some(1e6)) && kept.contains(&Some(-5.0)), "a peak of one second survives");
        assert_eq!(
            kept.iter().filter(|v| v.is_none()).count(),
            1,
            "a gap of one second survives, and no other is made"
        );
        assert!(thinned.t_ms.windows(2).all(|w| w[0] < w[1]), "times still ascend");
    }
}
