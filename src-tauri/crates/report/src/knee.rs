//! A search for the knee: its sentence, throughput and latency over concurrency, its steps, and what limits it.
use perfdeck_stats::knee::{Knee, KneePhase, KneePoint, KneeState};
use perfdeck_stats::resource::Evidence;
use perfdeck_words::{DASH, count, integer, ms, per_second, plural, ratio, significant};

use crate::ReportKnee;
use crate::axis::{AxisUnit, Domain};
use crate::curve::x_labels;
use crate::glyph::Glyph;
use crate::lane::axis_marks;
use crate::markup::{facts, push, verdict};
use crate::plot::Plot;
use crate::text::isolated;
use crate::time::second;

/// Share of errors from which a step fails, as the search has it.
const MOST_ERRORS: f64 = 0.001;

/// Sign of how a search ended.
pub(crate) fn glyph(state: KneeState) -> Glyph {
    match state {
        KneeState::Found | KneeState::BeyondMax => Glyph::Ok,
        KneeState::NeverHolds | KneeState::Invalid => Glyph::Bad,
        KneeState::Searching | KneeState::Unsteady | KneeState::Unjudged | KneeState::Stopped => Glyph::Warn,
    }
}

/// The sentence of a search.
pub(crate) fn said(k: &ReportKnee) -> String {
    verdict(Some(glyph(k.knee.state)), None, &k.knee.sentence)
}

/// The limit of an objective in milliseconds.
fn limit_ms(slo: &str) -> Option<f64> {
    let text = slo.rsplit(['<', '=']).next()?.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "us" | "µs" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|v| v * factor)
}

/// The percentile of an objective, such as `p99`.
fn percentile_of(slo: &str) -> String {
    let name: String = slo.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    if name.is_empty() { "latency".to_owned() } else { name }
}

/// Axes of the figure: concurrency by powers of two, throughput from 0, latency in decades.
struct Axes {
    ticks: Vec<f64>,
    rate: Domain,
    time: Domain,
}

fn nice(v: f64) -> f64 {
    let power = 10f64.powf(v.max(1e-9).log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0].into_iter().find(|m| m * power >= v).unwrap_or(10.0) * power
}

fn axes(knee: &Knee, limit: Option<f64>) -> Axes {
    let most = knee.points.iter().map(|p| f64::from(p.step.concurrency)).fold(2.0, f64::max);
    let end = most.log2().ceil();
    let mut ticks = vec![1.0];
    while ticks.last().is_some_and(|t| *t < end.exp2()) {
        ticks.push(ticks.last().map_or(1.0, |t| t * 2.0));
    }
    let rates = knee.points.iter().map(|p| p.figures.rate_per_s);
    let law = knee.usl.iter().flat_map(|law| ticks.iter().map(|n| law.at(*n)));
    let capacity = knee.capacity.iter().flat_map(|c| [Some(c.low), c.high]).flatten();
    let top = rates.chain(law).chain(capacity).filter(|v| v.is_finite()).fold(1.0, f64::max);
    let times = knee.points.iter().filter_map(|p| p.figures.latency_ms).chain(limit).filter(|v| *v > 0.0);
    let (low, high) = times.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    let (low, high) = if high > 0.0 { (low, high) } else { (1.0, 10.0) };
    Axes {
        ticks,
        rate: Domain { min: 0.0, max: nice(top * 1.05), log: false },
        time: Domain {
            min: 10f64.powf((low.log10() + 1e-9).floor()),
            max: 10f64.powf(((high * 1.05).log10() - 1e-9).ceil()),
            log: true,
        },
    }
}

/// Head and axis of one of the two plots.
fn open(out: &mut String, title: &str, what: &str, marks: &[(f64, String)], height: f64) {
    push(
        out,
        format_args!(
            "<div class=\"lane tall\"><div class=\"who\"><b>{}</b><span>{what}</span></div><div class=\"axis\" \
             style=\"height:{height}px\">",
            isolated(title)
        ),
    );
    axis_marks(out, marks, height);
    push(out, format_args!("</div><div class=\"plot\" style=\"height:{height}px\">"));
}

/// What a reader without the picture is told of the steps.
fn steps_in_words(k: &ReportKnee, of: impl Fn(&KneePoint) -> String) -> String {
    let word = |p: &KneePoint| format!("{}: {}, {}", plural(p.step.concurrency, "connection"), of(p), word(p));
    k.knee.points.iter().map(word).collect::<Vec<_>>().join("; ")
}

fn throughput(out: &mut String, k: &ReportKnee, a: &Axes, x: impl Fn(f64) -> f64) {
    const HEIGHT: f64 = 200.0;
    let knee = &k.knee;
    let y = |v: f64| HEIGHT - 1.0 - a.rate.position(v) * (HEIGHT - 9.0);
    let mut plot = Plot::new(HEIGHT);
    if let Some(c) = &knee.capacity {
        let high = c.high.unwrap_or(a.rate.max).min(a.rate.max);
        plot.band((0.0, y(high)), (1.0, y(c.low).max(y(high) + 2.0)), "band");
    }
    for n in &a.ticks {
        plot.vertical(x(*n), 0.0, HEIGHT, "grid");
    }
    let labels = a.rate.labels(AxisUnit::PerSecond, HEIGHT);
    for label in &labels {
        plot.horizontal(y(label.value), "grid");
    }
    if let Some(law) = &knee.usl {
        let end = a.ticks.last().copied().unwrap_or(2.0).log2();
        let path: Vec<(f64, f64)> =
            (0..=80).map(|i| (end * f64::from(i) / 80.0).exp2()).map(|n| (x(n), y(law.at(n)))).collect();
        plot.line(&path, "ink", "line");
    }
    if let Some(n) = knee.concurrency {
        plot.vertical(x(f64::from(n)), 0.0, HEIGHT, "knee");
    }
    for p in &knee.points {
        plot.dot((x(f64::from(p.step.concurrency)), y(p.figures.rate_per_s)), "accent", !p.holds);
    }
    let marks: Vec<(f64, String)> = labels
        .iter()
        .enumerate()
        .map(|(i, l)| (y(l.value), format!("{}{}", l.text, if i + 1 == labels.len() { "/s" } else { "" })))
        .collect();
    open(out, "Throughput", "over connections, log scale", &marks, HEIGHT);
    out.push_str(&plot.finish(&steps_in_words(k, |p| per_second(p.figures.rate_per_s))));
    x_labels(out, &a.ticks.iter().map(|n| (x(*n), integer(*n))).collect::<Vec<_>>());
    out.push_str(
        "</div><div class=\"read\"><p><i class=\"key dot-b\" style=\"--k:var(--accent)\"></i><span>holds</span></p>\
         <p><i class=\"key dot-a\" style=\"--k:var(--accent)\"></i><span>fails or not judged</span></p>",
    );
    if knee.usl.is_some() {
        out.push_str("<p><i class=\"key\" style=\"--k:var(--ink)\"></i><span>scalability law</span></p>");
    }
    if knee.capacity.is_some() {
        let what = if knee.capacity_measured { "capacity, as measured" } else { "capacity, 95\u{2009}% interval" };
        push(out, format_args!("<p><i class=\"key wide\" style=\"--k:var(--band)\"></i><span>{what}</span></p>"));
    }
    if let Some(n) = knee.concurrency {
        push(out, format_args!("<p><i class=\"key up\"></i><span>knee at {}</span></p>", count(n)));
    }
    out.push_str("</div></div>\n");
}

fn latency(out: &mut String, k: &ReportKnee, a: &Axes, limit: Option<f64>, x: impl Fn(f64) -> f64) {
    const HEIGHT: f64 = 120.0;
    let y = |v: f64| HEIGHT - 1.0 - a.time.position(v) * (HEIGHT - 9.0);
    let mut plot = Plot::new(HEIGHT);
    for n in &a.ticks {
        plot.vertical(x(*n), 0.0, HEIGHT, "grid");
    }
    let labels = a.time.labels(AxisUnit::Ms, HEIGHT);
    for label in &labels {
        plot.horizontal(y(label.value), "grid");
    }
    if let Some(limit) = limit {
        plot.horizontal(y(limit), "threshold");
    }
    if let Some(n) = k.knee.concurrency {
        plot.vertical(x(f64::from(n)), 0.0, HEIGHT, "knee");
    }
    for p in &k.knee.points {
        if let Some(ms) = p.figures.latency_ms {
            plot.dot((x(f64::from(p.step.concurrency)), y(ms)), "accent", !p.holds);
        }
    }
    let marks: Vec<(f64, String)> = labels.into_iter().map(|l| (y(l.value), l.text)).collect();
    open(out, &percentile_of(&k.slo), "log scale", &marks, HEIGHT);
    out.push_str(&plot.finish(&steps_in_words(k, step_time)));
    x_labels(out, &a.ticks.iter().map(|n| (x(*n), integer(*n))).collect::<Vec<_>>());
    out.push_str("</div><div class=\"read\">");
    if limit.is_some() {
        push(
            out,
            format_args!(
                "<p><i class=\"key\" style=\"--k:var(--threshold)\"></i><span>objective {}</span></p>",
                isolated(&k.slo)
            ),
        );
    }
    out.push_str("</div></div>\n");
}

/// The percentile of a step, as far as it is known.
fn step_time(p: &KneePoint) -> String {
    let f = &p.figures;
    match f.latency_ms {
        None if f.n > 0 => "failed".to_owned(),
        None => DASH.to_owned(),
        Some(_) if !f.enough => "n too small".to_owned(),
        Some(v) if f.at_least => format!("at least {}", ms(v)),
        Some(v) => ms(v),
    }
}

fn word(p: &KneePoint) -> &'static str {
    match (p.holds, p.unjudged) {
        (true, _) => "holds",
        (false, true) => "not judged",
        (false, false) => "fails",
    }
}

/// Why a step does not hold; empty when it does.
fn why(p: &KneePoint, limit: Option<f64>) -> String {
    let f = &p.figures;
    if p.holds {
        return String::new();
    }
    if !f.invalid_reasons.is_empty() {
        return f.invalid_reasons.iter().map(|r| isolated(r)).collect::<Vec<_>>().join("; ");
    }
    match f.latency_ms {
        _ if f.error_share > MOST_ERRORS => format!("{} errors", ratio(f.error_share)),
        _ if p.unjudged => "too few requests".to_owned(),
        None => "no successful response".to_owned(),
        Some(ms) if limit.is_some_and(|limit| ms > limit) => "over the limit".to_owned(),
        Some(_) if f.at_least => "timed out".to_owned(),
        Some(_) => String::new(),
    }
}

fn steps(out: &mut String, k: &ReportKnee, limit: Option<f64>) {
    push(
        out,
        format_args!(
            "<h3>Steps<small>{} in the order they ran</small></h3>\n<table><thead><tr><th>for</th><th class=\"n\">connections</th>\
             <th class=\"n\">measured</th><th class=\"n\">rate</th><th class=\"n\">{}</th><th class=\"n\">n</th>\
             <th class=\"n\">errors</th><th>busiest</th><th>objective</th></tr></thead><tbody>\n",
            count(k.knee.points.len()),
            isolated(&percentile_of(&k.slo)),
        ),
    );
    for p in k.knee.points.iter().take(200) {
        let phase = match p.step.phase {
            KneePhase::Doubling => "doubling",
            KneePhase::Bisecting => "halving the gap",
            KneePhase::Confirming => "confirming",
        };
        let busy = p.figures.utilisation.iter().filter(|(_, u)| u.is_finite()).max_by(|a, b| a.1.total_cmp(b.1));
        let busiest = busy.map_or_else(|| DASH.to_owned(), |(name, u)| format!("{} {}", isolated(name), ratio(*u)));
        let sign = if p.holds {
            Glyph::Ok
        } else if p.unjudged {
            Glyph::Warn
        } else {
            Glyph::Bad
        };
        let why = why(p, limit);
        let why = if why.is_empty() { why } else { format!(", {why}") };
        push(
            out,
            format_args!(
                "<tr><td>{phase}</td><td class=\"n\">{}</td><td class=\"n\">{}\u{2009}s</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{busiest}</td><td>{}{why}</td></tr>\n",
                count(p.step.concurrency),
                significant(p.step.duration_s, 2),
                per_second(p.figures.rate_per_s),
                step_time(p),
                count(p.figures.n),
                ratio(p.figures.error_share),
                sign.with(word(p)),
            ),
        );
    }
    out.push_str("</tbody></table>\n");
}

fn footing(out: &mut String, k: &ReportKnee) {
    let knee = &k.knee;
    let connections = |n: u32| plural(n, "connection");
    let capacity = knee.capacity.map_or_else(
        || DASH.to_owned(),
        |c| {
            let high = c.high.map_or_else(|| "no known limit".to_owned(), per_second);
            let how = if knee.capacity_measured { "lowest and highest measured" } else { "95\u{2009}% interval" };
            format!("{} to {high}, {how}", per_second(c.low))
        },
    );
    let dash = || DASH.to_owned();
    let mut rows = vec![
        ("objective", format!("<code>{}</code>, at most {} errors", isolated(&k.slo), ratio(MOST_ERRORS))),
        ("highest that holds", knee.concurrency.map_or_else(dash, connections)),
        ("lowest that fails", knee.failing.map_or_else(|| "none up to the most allowed".to_owned(), connections)),
        ("throughput there", knee.rate_per_s.map_or_else(dash, per_second)),
        ("capacity", capacity),
        ("contention α", knee.usl.map_or_else(|| "not fitted: too few steps".to_owned(), |l| ratio(l.alpha))),
        ("coherency β", knee.usl.map_or_else(dash, |l| significant(l.beta, 2))),
        (
            "peak of the law",
            knee.usl.and_then(|l| l.peak_n).map_or_else(dash, |n| format!("{} connections", integer(n))),
        ),
        ("scatter around it", knee.usl.map_or_else(dash, |l| ratio(l.scatter))),
    ];
    match &knee.saturation {
        Some(s) => {
            let how = if s.evidence == Evidence::Busiest { "the busiest" } else { "the first to stop growing" };
            rows.push(("what limits it", format!("{} ({how})", isolated(&s.text))));
        }
        None => rows.push(("what limits it", "no resource was seen at its limit".to_owned())),
    }
    for note in knee.notes.iter().take(50) {
        rows.push(("note", isolated(note)));
    }
    facts(out, "What it rests on", &rows);
}

/// The section of a search.
pub(crate) fn section(out: &mut String, k: &ReportKnee, id: &str, alone: bool) {
    push(out, format_args!("<section class=\"part\" id=\"{id}\"><h2>Knee of {}</h2>\n", isolated(&k.name)));
    push(
        out,
        format_args!(
            "<p class=\"meta\">objective <code>{}</code> · {} UTC</p>\n",
            isolated(&k.slo),
            second(k.created_ms)
        ),
    );
    if !alone {
        push(out, format_args!("<p class=\"say\">{}</p>\n", said(k)));
    }
    let limit = limit_ms(&k.slo);
    if !k.knee.points.is_empty() {
        let a = axes(&k.knee, limit);
        let end = a.ticks.last().copied().unwrap_or(2.0).log2();
        // Room on both sides, so that marks at the ends are whole.
        let x = |n: f64| 0.015 + n.max(1.0).log2() / end * 0.97;
        out.push_str("<div class=\"lanes\">\n");
        throughput(out, k, &a, x);
        latency(out, k, &a, limit, x);
        out.push_str("</div>\n");
    }
    steps(out, k, limit);
    footing(out, k);
    out.push_str("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read() {
        assert_eq!(limit_ms("p99<50ms"), Some(50.0), "milliseconds");
        assert_eq!(limit_ms("p95 <= 1.5s"), Some(1_500.0), "seconds");
        assert_eq!(limit_ms("p50 < 800us"), Some(0.8), "microseconds");
        assert_eq!(limit_ms("p99"), None, "none");
        assert_eq!(percentile_of("p99.9 < 2 s"), "p99.9", "its percentile");
    }
}
