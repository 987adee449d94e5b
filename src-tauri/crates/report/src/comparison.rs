//! A comparison: the verdict first, then the effects with their intervals, what they rest on, and the runs.
use perfdeck_model::RunSummary;
use perfdeck_stats::Verdict;
use perfdeck_stats::comparison::{Comparison, ComparisonKind, Look, MetricComparison};
use perfdeck_words::{DASH, THIN, count, interval, ms, per_second, percent, plural, ratio, share, significant};

use crate::axis::{AxisUnit, ScaleKind, ScaleSpec, domain};
use crate::curve::{Curve, figure, x_labels};
use crate::glyph::Glyph;
use crate::lane::axis_marks;
use crate::markup::{facts, push, split, verdict};
use crate::plot::Plot;
use crate::text::isolated;
use crate::time::second;
use crate::{ReportComparison, SideCurve};

/// Sign of a verdict, where it has one.
pub(crate) fn glyph(verdict: Verdict) -> Option<Glyph> {
    match verdict {
        Verdict::Faster => Some(Glyph::Ok),
        Verdict::Slower | Verdict::Invalid => Some(Glyph::Bad),
        Verdict::Inconclusive => Some(Glyph::Warn),
        Verdict::Equivalent | Verdict::RealButSmall => None,
    }
}

/// The verdict sentence.
pub(crate) fn said(c: &ReportComparison) -> String {
    let (word, rest) = split(&c.comparison.sentence);
    verdict(glyph(c.comparison.verdict), word, rest)
}

fn named(m: &MetricComparison) -> &str {
    if m.name == "p999" { "p99.9" } else { &m.name }
}

fn value(m: &MetricComparison, v: Option<f64>) -> String {
    let Some(v) = v.filter(|v| v.is_finite()) else { return DASH.to_owned() };
    if m.unit == "ms" { ms(v) } else { per_second(v) }
}

fn is_small(m: &MetricComparison) -> bool {
    m.note.as_deref().is_some_and(|note| note.starts_with("n too small"))
}

/// Ends of the effect axis: the smallest round share that holds the intervals and bands of what has enough requests.
fn effect_end(metrics: &[MetricComparison]) -> f64 {
    let sure = metrics.iter().filter(|m| !is_small(m));
    let ends = sure.flat_map(|m| [m.effect, m.low, m.high, Some(m.band_low), Some(m.delta)]);
    let most = ends.flatten().filter(|v| v.is_finite()).fold(0.02, |most: f64, v| most.max(v.abs()));
    [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0]
        .into_iter()
        .find(|end| *end >= most * 1.02)
        .unwrap_or_else(|| most.ceil())
}

/// The change of one metric with its interval over the band of no consequence.
fn interval_picture(m: &MetricComparison, end: f64) -> String {
    const HEIGHT: f64 = 24.0;
    let x = |v: f64| f64::midpoint(v.clamp(-end, end) / end, 1.0);
    let mut plot = Plot::new(HEIGHT);
    plot.band((x(m.band_low), 0.0), (x(m.delta), HEIGHT), "band");
    plot.vertical(x(0.0), 0.0, HEIGHT, "bracket");
    let colour = match m.verdict {
        Verdict::Faster | Verdict::Slower => "accent",
        _ => "text-2",
    };
    if let (Some(low), Some(high)) = (m.low, m.high) {
        plot.line(&[(x(low), 12.0), (x(high), 12.0)], colour, "line");
        for v in [low, high] {
            plot.line(&[(x(v), 8.0), (x(v), 16.0)], colour, "line");
        }
    }
    if let Some(effect) = m.effect {
        plot.dot((x(effect), 12.0), colour, m.low.is_none());
    }
    let said = format!("{}: {}", named(m), effect_words(m));
    plot.finish(&said)
}

/// `−31 % (−36 % to −25 %)`.
fn effect_words(m: &MetricComparison) -> String {
    match (m.effect, m.low, m.high) {
        (Some(e), Some(low), Some(high)) => format!("{} ({})", percent(e), interval(low, high)),
        (Some(e), ..) => format!("{}, no interval", percent(e)),
        _ => DASH.to_owned(),
    }
}

fn metrics(out: &mut String, c: &Comparison) {
    let end = effect_end(&c.metrics);
    let level = level(c);
    push(
        out,
        format_args!(
            "<h3>Change<small>B against A, {level} interval; the band is too small to matter; ◆ chosen beforehand, the \
             others explore</small></h3>\n<table class=\"effects\"><thead><tr><th>metric</th><th class=\"n\">A</th>\
             <th class=\"n\">B</th><th class=\"pic\"><span>{}</span><span>0</span><span>{}</span></th>\
             <th class=\"n\">change</th><th class=\"n\">interval</th><th>verdict</th></tr></thead><tbody>\n",
            percent(-end),
            percent(end)
        ),
    );
    for m in &c.metrics {
        let class = if m.primary { " class=\"chosen\"" } else { "" };
        let mark = if m.primary { " ◆" } else { "" };
        let verdict = if is_small(m) {
            "<span class=\"off\">n too small</span>".to_owned()
        } else {
            let word = m.verdict.word();
            glyph(m.verdict).map_or_else(|| word.to_owned(), |g| g.with(word))
        };
        let range = m.low.zip(m.high).map_or_else(|| DASH.to_owned(), |(low, high)| interval(low, high));
        push(
            out,
            format_args!(
                "<tr{class}><th scope=\"row\">{}{mark}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"pic\"><div class=\"plot\">{}</div></td><td class=\"n\">{}</td><td class=\"n\">{range}</td>\
                 <td>{verdict}</td></tr>\n",
                isolated(named(m)),
                value(m, m.a_median),
                value(m, m.b_median),
                interval_picture(m, end),
                m.effect.map_or_else(|| DASH.to_owned(), percent),
            ),
        );
    }
    out.push_str("</tbody></table>\n");
    for m in c.metrics.iter().filter(|m| m.primary) {
        if let Some(note) = &m.note {
            push(out, format_args!("<p class=\"off\">{}: {}</p>\n", isolated(named(m)), isolated(note)));
        }
    }
}

fn level(c: &Comparison) -> String {
    let text = format!("{:.1}", c.level * 100.0);
    format!("{}{THIN}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// A run's value of a metric, as far as its summary has it.
fn of_run(run: &RunSummary, metric: &str) -> Option<f64> {
    match metric {
        "throughput" => Some(run.rate_per_s),
        "p50" => run.p50_ms,
        "p99" => run.p99_ms,
        _ => None,
    }
}

/// One metric in each pair: A hollow, B solid, in the order in which they ran.
fn pairs(out: &mut String, c: &ReportComparison) {
    const HEIGHT: f64 = 150.0;
    let comparison = &c.comparison;
    let Some(m) = comparison.metrics.iter().find(|m| m.primary).or(comparison.metrics.first()) else { return };
    let find = |id: &String| c.runs.iter().find(|r| r.id == *id).and_then(|r| of_run(r, &m.name));
    let values: Vec<(f64, f64)> =
        comparison.runs_a.iter().zip(&comparison.runs_b).filter_map(|(a, b)| Some((find(a)?, find(b)?))).collect();
    if values.len() < 2 || comparison.kind == ComparisonKind::Indicative {
        return;
    }
    let unit = if m.unit == "ms" { AxisUnit::Ms } else { AxisUnit::PerSecond };
    let all = || values.iter().flat_map(|v| [v.0, v.1]);
    let spec = ScaleSpec { kind: ScaleKind::Near, at_least: None, cap: None, up_to: None, from: None };
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let axis = domain(&spec, unit, Some(low), Some(high));
    let y = |v: f64| HEIGHT - 8.0 - axis.position(v) * (HEIGHT - 16.0);
    let x = |i: usize| (i as f64 + 0.5) / values.len() as f64;
    let mut plot = Plot::new(HEIGHT);
    let labels = axis.labels(unit, HEIGHT);
    for label in &labels {
        plot.horizontal(y(label.value), "grid");
    }
    for (i, (a, b)) in values.iter().enumerate() {
        plot.line(&[(x(i), y(*a)), (x(i), y(*b))], "text-3", "thin");
        plot.dot((x(i), y(*a)), "arm-a", true);
        plot.dot((x(i), y(*b)), "arm-b", false);
    }
    let what = if comparison.kind == ComparisonKind::Duet { "pair" } else { "run" };
    let note = axis.note(unit).map_or_else(String::new, |note| format!("<span>{note}</span>"));
    push(
        out,
        format_args!(
            "<div class=\"lane tall\"><div class=\"who\"><b>{} in each {what}</b><span>in the order they ran</span>{note}</div>\
             <div class=\"axis\" style=\"height:{HEIGHT}px\">",
            isolated(named(m)),
        ),
    );
    let marks: Vec<(f64, String)> = labels.into_iter().map(|l| (y(l.value), l.text)).collect();
    axis_marks(out, &marks, HEIGHT);
    push(out, format_args!("</div><div class=\"plot\" style=\"height:{HEIGHT}px\">"));
    let in_words = |(a, b): &(f64, f64)| format!("{} and {}", unit.say(*a), unit.say(*b));
    let said: Vec<String> = values.iter().map(in_words).collect();
    out.push_str(&plot.finish(&format!("{} of A and B in each {what}: {}", named(m), said.join("; "))));
    let labels: Vec<(f64, String)> = (0..values.len()).map(|i| (x(i), (i + 1).to_string())).collect();
    x_labels(out, &labels);
    out.push_str("</div><div class=\"read\">");
    for (name, class, colour, median) in
        [("A", "key dot-a", "arm-a", m.a_median), ("B", "key dot-b", "arm-b", m.b_median)]
    {
        push(
            out,
            format_args!(
                "<p><i class=\"{class}\" style=\"--k:var(--{colour})\"></i><span>{name}</span><b>{}</b></p>",
                value(m, median)
            ),
        );
    }
    out.push_str("<p class=\"off\"><span>medians</span></p></div></div>\n");
}

fn curves(out: &mut String, c: &ReportComparison) {
    let (Some(a), Some(b)) = (&c.curve_a, &c.curve_b) else { return };
    let at = |side: &SideCurve, q: f64| {
        let sound = side.points.iter().filter(|p| p.ms > 0.0);
        sound.min_by(|x, y| (x.q - q).abs().total_cmp(&(y.q - q).abs())).map(|p| p.ms)
    };
    let n = a.n.min(b.n);
    let sure = |q: f64| crate::axis::nines(q) <= crate::axis::reliable(n) + 1e-9;
    let marked = |side: &SideCurve| -> Vec<(f64, f64)> {
        [0.5, 0.99].into_iter().filter(|q| sure(*q)).filter_map(|q| Some((q, at(side, q)?))).collect()
    };
    let drawn = [
        Curve { points: &a.points, colour: "arm-a", class: "dash", marked: marked(a), hollow: true },
        Curve { points: &b.points, colour: "arm-b", class: "strong", marked: marked(b), hollow: false },
    ];
    let mut read = String::new();
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let of = |side| at(side, q).filter(|_| sure(q)).map_or_else(|| "n too small".to_owned(), ms);
        push(&mut read, format_args!("<p><span>{name}</span><em>{}</em><b>{}</b></p>", of(a), of(b)));
    }
    push(&mut read, format_args!("<p class=\"off\"><span>n</span><em>{}</em><b>{}</b></p>", count(a.n), count(b.n)));
    let head = "<p class=\"off\"><span></span><em>A</em><b>B</b></p>";
    let said = format!("Response time by percentile of A and B, n = {} and {}", count(a.n), count(b.n));
    figure(out, "Response by percentile", &said, n, &drawn, &format!("{head}{read}"));
    out.push_str("<p class=\"off\">Curves are those of the middle run of each side.</p>\n");
}

fn look(l: &Look) -> String {
    let said = l.verdict.map_or_else(|| "not reached".to_owned(), |v| v.word().to_lowercase());
    format!("after {}: {said}", plural(l.pairs, "pair"))
}

fn footing(out: &mut String, c: &ReportComparison) {
    let all = &c.comparison;
    let design = match all.kind {
        ComparisonKind::Duet => {
            format!("{}, the first of each drawn at random", plural(all.runs_a.len(), "interleaved pair"))
        }
        ComparisonKind::Unpaired => {
            format!("{} before and {} after, not paired", plural(all.runs_a.len(), "run"), all.runs_b.len())
        }
        ComparisonKind::Indicative => "one run each: it indicates, and gives no verdict".to_owned(),
    };
    let invalid = c.runs.iter().filter(|r| !r.valid).count();
    let list = |all: &[String], none: &str| {
        if all.is_empty() { none.to_owned() } else { all.iter().map(|t| isolated(t)).collect::<Vec<_>>().join("; ") }
    };
    let mut rows = vec![
        ("design", design),
        ("runs", if invalid == 0 { "all valid".to_owned() } else { format!("{invalid} of {} invalid", c.runs.len()) }),
        ("work, settings, data", list(&all.differences, "no difference")),
        ("errors", errors(all)),
        ("chosen beforehand", chosen(all)),
    ];
    if !all.invalid_reasons.is_empty() {
        rows.push(("invalid", list(&all.invalid_reasons, "")));
    }
    if !all.exclusions.is_empty() {
        rows.push(("run again", list(&all.exclusions, "")));
    }
    for drift in all.drift.iter().filter(|d| !d.text.is_empty()) {
        rows.push(("drift", isolated(&drift.text)));
    }
    if !all.looks.is_empty() {
        rows.push(("looks", all.looks.iter().map(look).collect::<Vec<_>>().join("; ")));
    }
    if let Some(n) = all.more_pairs {
        rows.push(("to decide", format!("about {}", plural(n, "more pair"))));
    }
    if !all.registration_hash.is_empty() {
        rows.push(("registration", format!("<code>{}</code>", isolated(&all.registration_hash))));
    }
    for note in all.notes.iter().take(50) {
        rows.push(("note", isolated(note)));
    }
    facts(out, "What it rests on", &rows);
}

fn errors(c: &Comparison) -> String {
    let difference = match (c.errors.low, c.errors.high) {
        (Some(low), Some(high)) => {
            let points = |v: f64| format!("{}{THIN}points", significant(v * 100.0, 2));
            format!(", difference {} ({} to {})", points(c.errors.mean), points(low), points(high))
        }
        _ => String::new(),
    };
    format!("A {}, B {}{difference}", share(c.errors_a), share(c.errors_b))
}

fn chosen(c: &Comparison) -> String {
    let word = |m: &MetricComparison| format!("{} from {}", isolated(named(m)), percent(m.delta));
    let all: Vec<String> = c.metrics.iter().filter(|m| m.primary).map(word).collect();
    if all.is_empty() { "nothing".to_owned() } else { format!("{} on", all.join(", ")) }
}

fn runs(out: &mut String, c: &ReportComparison) {
    let all = &c.comparison;
    let gone = all.runs_a.len() + all.runs_b.len() - c.runs.len().min(all.runs_a.len() + all.runs_b.len());
    let about = if gone == 0 { String::new() } else { format!("<small>{} deleted since</small>", plural(gone, "run")) };
    push(
        out,
        format_args!(
            "<h3>Runs{about}</h3>\n<table><thead><tr><th>side</th><th>run</th><th>started, UTC</th><th class=\"n\">rate</th>\
             <th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">n</th><th class=\"n\">errors</th><th>state</th>\
             </tr></thead><tbody>\n"
        ),
    );
    let mut list: Vec<(&str, &RunSummary)> = Vec::new();
    for (side, ids) in [("A", &all.runs_a), ("B", &all.runs_b)] {
        list.extend(ids.iter().filter_map(|id| Some((side, c.runs.iter().find(|r| r.id == *id)?))));
    }
    list.sort_by(|a, b| a.1.started_ms.total_cmp(&b.1.started_ms));
    for (side, run) in list {
        let state = if run.valid { Glyph::Ok.with("valid") } else { Glyph::Bad.with("invalid") };
        let few = |key: &str| run.judged_ms.as_ref().is_some_and(|all| !all.enough(key));
        let time = |v: Option<f64>, key| {
            if few(key) { "n too small".to_owned() } else { v.map_or_else(|| DASH.to_owned(), ms) }
        };
        push(
            out,
            format_args!(
                "<tr><td>{side}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{state}</td></tr>\n",
                isolated(&run.name),
                second(run.started_ms),
                per_second(run.rate_per_s),
                time(run.p50_ms, "p50"),
                time(run.p99_ms, "p99"),
                count(run.requests),
                count(run.errors),
            ),
        );
    }
    out.push_str("</tbody></table>\n");
    let share = |errors: u64, requests: u64| {
        let of = errors as f64 / requests.max(1) as f64;
        ratio(of)
    };
    let (errors, requests) = c.runs.iter().fold((0, 0), |(e, r), run| (e + run.errors, r + run.requests));
    if errors > 0 {
        push(
            out,
            format_args!(
                "<p class=\"off\">{} of {} requests failed in all, {}.</p>\n",
                count(errors),
                count(requests),
                share(errors, requests)
            ),
        );
    }
}

/// The section of a comparison.
pub(crate) fn section(out: &mut String, c: &ReportComparison, id: &str, alone: bool) {
    push(out, format_args!("<section class=\"part\" id=\"{id}\"><h2>{}</h2>\n", isolated(&c.name)));
    push(out, format_args!("<p class=\"meta\">comparison · {} UTC</p>\n", second(c.created_ms)));
    if !alone {
        push(out, format_args!("<p class=\"say\">{}</p>\n", said(c)));
    }
    push(
        out,
        format_args!(
            "<p class=\"arms\"><b>A</b> <code>{}</code></p><p class=\"arms\"><b class=\"b\">B</b> <code>{}</code></p>\n",
            isolated(&c.label_a),
            isolated(&c.label_b)
        ),
    );
    metrics(out, &c.comparison);
    out.push_str("<div class=\"lanes\">\n");
    curves(out, c);
    pairs(out, c);
    out.push_str("</div>\n");
    footing(out, c);
    runs(out, c);
    out.push_str("</section>\n");
}
