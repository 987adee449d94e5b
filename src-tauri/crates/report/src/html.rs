//! The HTML rendering: one file, no network, no script.
use perfdeck_model::Run;
use perfdeck_stats::Verdict;
use perfdeck_words::{count, plural, rate, setting};

use crate::format::unbroken;
use crate::glyph::{self, Glyph};
use crate::lanes::role_name;
use crate::markup::{cell, facts, push};
use crate::run::{failing_probes, load, missed, request, state};
use crate::text::{escape, escape_json, isolated};
use crate::time::{second, span};
use crate::{Error, ReportDocument, RunSeries, bound, comparison, fonts, knee, run, tokens};

/// What the file may do: show inline styles, pictures and fonts that are in it, nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");
/// The stripes of a hatch, once for all. A gradient would do on a screen; printed it is coarse.
const STRIPES: &str = "<svg class=\"defs\" aria-hidden=\"true\"><pattern id=\"gap\" width=\"5\" height=\"5\" \
                       patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"1.5\" \
                       height=\"5\"/></pattern></svg>";

/// The document as one self-contained HTML file: the same document makes the same file, byte for byte.
///
/// Charts, tables, fonts and print styles are inline; the document itself is in
/// `<script type="application/json" id="perfdeck-report">`, which a browser does not execute.
///
/// # Errors
/// [`Error::Contents`], [`Error::Json`].
pub fn render_html(document: &ReportDocument) -> Result<String, Error> {
    let d = bound::bounded(document)?;
    let mut body = String::with_capacity(256 * 1024);
    header(&mut body, &d);
    out_main(&mut body, &d);
    // The figures of the page; the data below stays as it is.
    let body = unbroken(&body);
    let tool = format!("{} {}", escape(&d.tool.name), escape(&d.tool.version));
    let mut out = String::with_capacity(body.len() * 2);
    push(
        &mut out,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"{tool}\">\n<title>{}</title>\n<style>\n{}{}{STYLE}</style>\n</head>\n",
            escape(&d.title),
            fonts::faces(),
            tokens::sheet(&format!("{STYLE}{body}")),
        ),
    );
    push(&mut out, format_args!("<body class=\"{}\">\n{STRIPES}\n{body}", d.environment.kind.as_str()));
    let json = escape_json(&serde_json::to_string(&d)?);
    push(
        &mut out,
        format_args!("<script type=\"application/json\" id=\"perfdeck-report\">{json}</script>\n</body>\n</html>\n"),
    );
    Ok(out)
}

fn header(out: &mut String, d: &ReportDocument) {
    let kind = d.environment.kind.as_str();
    let measured = measured(d).map_or_else(String::new, |(from, to)| format!("Measured {} UTC · ", span(from, to)));
    push(
        out,
        format_args!(
            "<header><div class=\"kind\"><b>{}</b><span>{} {kind}</span></div><div><h1>{}</h1><p class=\"meta\">{measured}{} {}</p></div></header>\n",
            isolated(&d.environment.name),
            glyph::kind(kind),
            isolated(&d.title),
            escape(&d.tool.name),
            escape(&d.tool.version),
        ),
    );
}

/// From when to when what is in the report was measured.
fn measured(d: &ReportDocument) -> Option<(f64, f64)> {
    // A tool that does not tell when it ran leaves 0.
    let runs = d.runs.iter().filter(|r| r.started_ms > 0.0).map(|r| (r.started_ms, r.finished_ms));
    let sides = d.comparisons.iter().flat_map(|c| {
        let runs = c.runs.iter().map(|r| (r.started_ms, r.started_ms + r.duration_s * 1e3));
        runs.chain(c.runs.is_empty().then_some((c.created_ms, c.created_ms)))
    });
    let knees = d.knees.iter().map(|k| (k.created_ms, k.created_ms));
    let all = runs.chain(sides).chain(knees).filter(|s| s.0.is_finite() && s.1.is_finite());
    all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn out_main(out: &mut String, d: &ReportDocument) {
    out.push_str("<main>\n");
    push(out, format_args!("<p class=\"verdict\">{}</p>\n", headline(d)));
    let alone = d.parts() == 1;
    if !alone {
        contents(out, d);
    }
    if d.runs.len() > 1 {
        overview(out, d);
    }
    for (i, c) in d.comparisons.iter().enumerate() {
        comparison::section(out, c, &format!("c{}", i + 1), alone);
    }
    for (i, k) in d.knees.iter().enumerate() {
        knee::section(out, k, &format!("k{}", i + 1), alone);
    }
    for (i, run) in d.runs.iter().enumerate() {
        let heat = d.heatmaps.iter().find(|h| h.run_id == run.id).map(|h| &h.heatmap);
        run::section(out, run, &format!("r{}", i + 1), alone, series_of(d, run), heat);
    }
    environment(out, d);
    findings(out, d);
    lines(out, "Notes", &d.notes);
    lines(out, "Left out or masked", &d.redactions);
    out.push_str(
        "</main>\n<footer>Times are UTC. Percentiles come from histograms with three significant figures; a percentile q \
         is stated from 100/(1−q) samples on. A hatched span has no samples. The data of this report is embedded in this \
         file as JSON. Set in Inter and JetBrains Mono, under the SIL Open Font License 1.1.</footer>\n",
    );
}

fn series_of<'a>(d: &'a ReportDocument, run: &Run) -> Option<&'a RunSeries> {
    d.series.iter().find(|s| s.run_id == run.id)
}

/// The first line: what failed, then what was measured.
fn headline(d: &ReportDocument) -> String {
    match (d.comparisons.as_slice(), d.knees.as_slice(), d.runs.as_slice()) {
        ([c], [], []) => comparison::said(c),
        ([], [k], []) => knee::said(k),
        ([], [], [r]) => run::said(r, series_of(d, r)),
        _ => of_several(d),
    }
}

fn of_several(d: &ReportDocument) -> String {
    let runs = |which: &dyn Fn(&Run) -> bool| d.runs.iter().filter(|r| which(r)).count();
    let said = |n: usize, one: &str, words: &str| (n > 0).then(|| format!("{} {words}", plural(n, one)));
    let verdicts = |v: Verdict| d.comparisons.iter().filter(|c| c.comparison.verdict == v).count();
    let bad: Vec<String> = [
        said(runs(&|r| !r.valid), "run", "invalid"),
        said(runs(&missed), "run", "with a failed threshold"),
        said(runs(&|r| r.errors > 0), "run", "with errors"),
        said(runs(&|r| failing_probes(series_of(d, r)).is_some()), "run", "with failing probes"),
        said(verdicts(Verdict::Slower), "comparison", "slower"),
        said(verdicts(Verdict::Invalid), "comparison", "invalid"),
        said(d.knees.iter().filter(|k| knee::glyph(k.knee.state) == Glyph::Bad).count(), "knee", "not found"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let all: Vec<String> =
        [said(d.comparisons.len(), "comparison", ""), said(d.knees.len(), "knee", ""), said(d.runs.len(), "run", "")]
            .into_iter()
            .flatten()
            .map(|words| words.trim_end().to_owned())
            .collect();
    let first = if bad.is_empty() { String::new() } else { format!("{}. ", Glyph::Bad.with(&bad.join(", "))) };
    format!("{first}{}{}.", all.join(", "), rates(d))
}

/// From which rate to which the valid runs had.
fn rates(d: &ReportDocument) -> String {
    let valid = || d.runs.iter().filter(|r| r.valid && r.requests > 0).map(|r| r.rate_per_s);
    let low = valid().fold(f64::INFINITY, f64::min);
    let high = valid().fold(f64::NEG_INFINITY, f64::max);
    match d.runs.len() {
        0 | 1 => String::new(),
        _ if !low.is_finite() => ", none of the runs valid".to_owned(),
        _ => format!(": {} to {} requests/s", rate(low), rate(high)),
    }
}

/// What is in the report, each with its sentence; what failed first in each.
fn contents(out: &mut String, d: &ReportDocument) {
    out.push_str("<ol class=\"contents\">\n");
    let mut line = |id: String, name: &str, said: &str| {
        push(out, format_args!("<li><a href=\"#{id}\">{}</a> {said}</li>\n", isolated(name)));
    };
    for (i, c) in d.comparisons.iter().enumerate() {
        line(format!("c{}", i + 1), &c.name, &comparison::said(c));
    }
    for (i, k) in d.knees.iter().enumerate() {
        line(format!("k{}", i + 1), &format!("Knee of {}", k.name), &knee::said(k));
    }
    for (i, r) in d.runs.iter().enumerate() {
        line(format!("r{}", i + 1), &r.name, &run::said(r, series_of(d, r)));
    }
    out.push_str("</ol>\n");
}

fn overview(out: &mut String, d: &ReportDocument) {
    out.push_str(
        "<section><h2>Runs</h2><table><thead><tr><th>run</th><th>request</th><th>load</th>\
         <th class=\"n\">responses/s</th><th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">n</th>\
         <th class=\"n\">errors</th><th>state</th></tr></thead><tbody>\n",
    );
    for (i, run) in d.runs.iter().enumerate() {
        let l = run.latency();
        push(
            out,
            format_args!(
                "<tr><td><a href=\"#r{}\">{}</a></td><td>{}</td><td>{}</td><td class=\"n\">{}</td>{}{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                i + 1,
                isolated(&run.name),
                request(run),
                load(run),
                rate(run.rate_per_s),
                cell(l, "p50"),
                cell(l, "p99"),
                count(l.n),
                count(run.errors),
                state(run),
            ),
        );
    }
    out.push_str("</tbody></table></section>\n");
}

fn environment(out: &mut String, d: &ReportDocument) {
    let e = &d.environment;
    push(out, format_args!("<section><h2>Environment {}</h2>\n", isolated(&e.name)));
    if e.targets.is_empty() {
        out.push_str("<p class=\"off\">It has no targets.</p>\n");
    } else {
        out.push_str("<table><thead><tr><th>target</th><th>address</th><th>version</th></tr></thead><tbody>\n");
        for t in &e.targets {
            let version = t.version.as_deref().map_or_else(|| "–".to_owned(), isolated);
            push(
                out,
                format_args!(
                    "<tr><td class=\"w\">{}</td><td><code>{}</code></td><td>{version}</td></tr>\n",
                    role_name(t.role),
                    isolated(&t.address)
                ),
            );
        }
        out.push_str("</tbody></table>\n");
    }
    facts(
        out,
        "Connection pool",
        &[
            ("size", count(e.pool.size)),
            ("overflow", count(e.pool.max_overflow)),
            ("timeout", setting(e.pool.timeout_s)),
            ("recycle", setting(e.pool.recycle_s)),
        ],
    );
    out.push_str("</section>\n");
}

fn findings(out: &mut String, d: &ReportDocument) {
    if d.findings.is_empty() {
        return;
    }
    let when = d.findings_ms.map_or_else(String::new, |at| format!("<small>as of {} UTC</small>", second(at)));
    push(out, format_args!("<section><h2>Findings{when}</h2>\n"));
    out.push_str("<table><thead><tr><th>target</th><th>finding</th><th>evidence</th></tr></thead><tbody>\n");
    for f in &d.findings {
        push(
            out,
            format_args!(
                "<tr><td class=\"w\">{}</td><td>{}</td><td>{}</td></tr>\n",
                role_name(f.target),
                code_spans(&f.title),
                code_spans(&f.evidence)
            ),
        );
    }
    out.push_str("</tbody></table></section>\n");
}

/// Text whose parts between backticks are identifiers.
fn code_spans(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An unpaired backtick is just a backtick.
    if parts.len().is_multiple_of(2) {
        return isolated(text);
    }
    let span = |(i, p): (usize, &&str)| if i % 2 == 1 { format!("<code>{}</code>", isolated(p)) } else { isolated(p) };
    parts.iter().enumerate().map(span).collect()
}

fn lines(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    push(out, format_args!("<section><h2>{title}</h2><ul>\n"));
    for line in lines {
        push(out, format_args!("<li>{}</li>\n", isolated(line)));
    }
    out.push_str("</ul></section>\n");
}
