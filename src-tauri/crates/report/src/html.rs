//! The HTML rendering: one file, no network, no script.

use perfdeck_model::{JudgedMs, JudgedTime, Load, Run, RunSpec, RunState};
use perfdeck_words::{Sentence, bytes, count, judged, ms, per_second, plural, rate, sentence};

use crate::format::{setting_s, unbroken};
use crate::lanes::{self, role_name};
use crate::markup::{cell, facts, push};
use crate::text::{escape, escape_json, isolated};
use crate::{Error, ReportDocument, bound, parts};

/// What the file may do: show inline styles and embedded pictures, nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'";

/// The document as one self-contained HTML file.
///
/// Charts, tables and print styles are inline; the document itself is in
/// `<script type="application/json" id="perfdeck-report">`, which a browser does not execute.
///
/// # Errors
/// [`Error::Runs`], [`Error::Chart`], [`Error::Font`], [`Error::Json`].
pub fn render_html(document: &ReportDocument) -> Result<String, Error> {
    let d = bound::bounded(document)?;
    let mut out = String::with_capacity(256 * 1024);
    let kind = d.environment.kind.as_str();
    push(
        &mut out,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"{} {}\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body class=\"{kind}\">\n",
            escape(&d.tool.name),
            escape(&d.tool.version),
            escape(&d.title),
            include_str!("style.css"),
        ),
    );
    let glyph = match kind {
        "production" => "●",
        "staging" => "◐",
        _ => "○",
    };
    push(
        &mut out,
        format_args!(
            "<header><div class=\"kind\"><b>{}</b><span>{glyph} {kind}</span></div><div><h1>{}</h1><p class=\"meta\">{} · {} {}</p></div></header>\n",
            isolated(&d.environment.name),
            isolated(&d.title),
            escape(&d.generated_at),
            escape(&d.tool.name),
            escape(&d.tool.version),
        ),
    );
    out.push_str("<main>\n");
    push(&mut out, format_args!("<p class=\"verdict\">{}</p>\n", headline(&d)));
    if d.runs.len() > 1 {
        overview(&mut out, &d);
    }
    for run in &d.runs {
        run_section(&mut out, run, &d)?;
    }
    environment(&mut out, &d);
    findings(&mut out, &d);
    lines(&mut out, "Notes", &d.notes);
    lines(&mut out, "Left out or masked", &d.redactions);
    out.push_str(
        "</main>\n<footer>Times are UTC. Percentiles come from histograms with three significant figures; a percentile q \
         is stated from 100/(1−q) samples on. A hatched span has no samples. The data of this report is embedded in this \
         file as JSON.</footer>\n",
    );
    // The figures of the page; the data below stays as it is.
    let mut out = unbroken(&out);
    let json = escape_json(&serde_json::to_string(&d)?);
    push(
        &mut out,
        format_args!("<script type=\"application/json\" id=\"perfdeck-report\">{json}</script>\n</body>\n</html>\n"),
    );
    Ok(out)
}

/// The sentence of a run; that it is invalid stands out.
fn said(run: &Run) -> String {
    match sentence(run) {
        Sentence { word: Some(word), text } if !run.valid => {
            format!("<span class=\"bad\">✕ {word}:</span> {}.", escape(&text))
        }
        other => format!("{}.", escape(&other.to_string())),
    }
}

fn headline(d: &ReportDocument) -> String {
    if let [run] = d.runs.as_slice() {
        return said(run);
    }
    let valid: Vec<&Run> = d.runs.iter().filter(|r| r.valid && r.requests > 0).collect();
    if valid.is_empty() {
        return format!("{} runs, none of them valid.", d.runs.len());
    }
    let low = valid.iter().map(|r| r.rate_per_s).fold(f64::INFINITY, f64::min);
    let high = valid.iter().map(|r| r.rate_per_s).fold(f64::NEG_INFINITY, f64::max);
    let invalid = d.runs.len() - valid.len();
    let rest = if invalid == 0 { String::new() } else { format!(", {invalid} invalid") };
    format!("{} runs{rest}: {} to {} requests/s.", d.runs.len(), rate(low), rate(high))
}

fn when(ms: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    let t = time::OffsetDateTime::from_unix_timestamp((ms / 1e3).floor() as i64);
    t.ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .map_or_else(|| "–".to_owned(), |t| t.replace('T', " ").replace('Z', ""))
}

fn request(run: &Run) -> String {
    match &run.spec {
        RunSpec::Http(http) => format!("<code>{} {}</code>", http.method.as_str(), isolated(&http.url)),
        RunSpec::Plan(plan) => format!("<code>{}</code>", isolated(&plan.request)),
    }
}

fn load(run: &Run) -> String {
    let connections = plural(run.spec.connections(), "connection");
    match run.spec.load() {
        Load::Closed => format!("closed loop, {connections}"),
        Load::Rate { rate_per_s } => format!("open loop, {} over {connections}", per_second(rate_per_s)),
    }
}

fn overview(out: &mut String, d: &ReportDocument) {
    out.push_str(
        "<section><h2>Runs</h2><div class=\"scroll\"><table><thead><tr><th>run</th><th>request</th><th>load</th>\
         <th class=\"n\">responses/s</th><th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">n</th>\
         <th class=\"n\">errors</th><th>state</th></tr></thead><tbody>\n",
    );
    for run in &d.runs {
        let l = run.latency();
        push(
            out,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td>{}{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
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
    out.push_str("</tbody></table></div></section>\n");
}

fn state(run: &Run) -> &'static str {
    match (run.valid, run.state) {
        (false, _) => "<span class=\"bad\">✕ invalid</span>",
        (true, RunState::Completed) => "✓ valid",
        (true, RunState::Cancelled) => "◌ stopped early",
        (true, RunState::Aborted) => "◌ aborted",
        (true, RunState::Interrupted) => "◌ interrupted",
    }
}

fn run_section(out: &mut String, run: &Run, d: &ReportDocument) -> Result<(), Error> {
    push(
        out,
        format_args!(
            "<section class=\"run\"><h2>{}</h2>\n<p class=\"meta\">{} · {} · started {} · {}</p>\n",
            isolated(&run.name),
            request(run),
            load(run),
            when(run.started_ms),
            state(run)
        ),
    );
    if d.runs.len() > 1 {
        push(out, format_args!("<p class=\"say\">{}</p>\n", said(run)));
    }
    if !run.valid {
        out.push_str("<div class=\"strip\"><b class=\"bad\">✕ Invalid</b>: do not quote these figures.<ul>");
        for reason in run.invalid_reasons.iter().take(50) {
            push(out, format_args!("<li>{}</li>", isolated(reason)));
        }
        out.push_str("</ul></div>\n");
    }
    if !run.notes.is_empty() {
        out.push_str("<ul class=\"off\">");
        for note in run.notes.iter().take(50) {
            push(out, format_args!("<li>{}</li>", isolated(note)));
        }
        out.push_str("</ul>\n");
    }
    latencies(out, run);
    parts::parts(out, run);
    out.push_str(
        "<h3>On one clock<small>load generator and environment share the time axis; a hatch is a span without \
         samples</small></h3>\n",
    );
    let series = d.series.iter().find(|s| s.run_id == run.id);
    for figure in lanes::figures(run, series)? {
        if let Some(band) = &figure.band {
            push(out, format_args!("<div class=\"band\">{}</div>\n", escape(band)));
        }
        push(out, format_args!("<div class=\"lane\">{}</div>\n", figure.svg));
    }
    if series.is_none_or(|s| s.series.is_empty()) {
        out.push_str(
            "<p class=\"off\">The environment was not watched during this run: there are no series of its targets.</p>\n",
        );
    }
    if let Some(curve) = lanes::curve(run)? {
        push(out, format_args!("<h3>Distribution</h3>\n<div class=\"lane\">{curve}</div>\n"));
    }
    out.push_str("<div class=\"two\">\n");
    errors(out, run);
    statuses(out, run);
    out.push_str("</div>\n");
    settings(out, run);
    out.push_str("</section>\n");
    Ok(())
}

fn latencies(out: &mut String, run: &Run) {
    out.push_str(
        "<h3>Latency<small>response time counts from the intended start, service time from the actual one</small></h3>\n\
         <div class=\"scroll\"><table><thead><tr><th></th><th class=\"n\">n</th><th class=\"n\">min</th>\
         <th class=\"n\">mean</th><th class=\"n\">p50</th><th class=\"n\">p90</th><th class=\"n\">p95</th>\
         <th class=\"n\">p99</th><th class=\"n\">p99.9</th><th class=\"n\">max</th></tr></thead><tbody>\n",
    );
    let rows = [
        ("response time", run.response_ms.as_ref()),
        ("service time", Some(&run.service_ms)),
        ("schedule lag", run.schedule_lag_ms.as_ref()),
    ];
    for (name, l) in rows.into_iter().filter_map(|(name, l)| Some((name, l?))) {
        let plain = |v: Option<f64>| v.filter(|_| l.n > 0).map_or_else(|| "–".to_owned(), ms);
        push(
            out,
            format_args!(
                "<tr><th scope=\"row\">{name}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>{}{}{}{}{}<td class=\"n\">{}</td></tr>\n",
                count(l.n),
                plain(l.min),
                plain(l.mean),
                cell(l, "p50"),
                cell(l, "p90"),
                cell(l, "p95"),
                cell(l, "p99"),
                cell(l, "p999"),
                plain(l.max),
            ),
        );
    }
    if let Some(all) = run.judged_ms.as_ref().filter(|all| all.differs()) {
        let cell = |key: &str, time: JudgedTime| {
            let text = if all.enough(key) { judged(time) } else { "n too small".to_owned() };
            format!("<td class=\"n\">{text}</td>")
        };
        push(
            out,
            format_args!(
                "<tr><th scope=\"row\">response time of all</th><td class=\"n\">{}</td><td class=\"n\">–</td><td class=\"n\">–</td>{}{}{}{}{}<td class=\"n\">{}</td></tr>\n",
                count(all.n),
                cell("p50", all.p50),
                cell("p90", all.p90),
                cell("p95", all.p95),
                cell("p99", all.p99),
                cell("p999", all.p999),
                judged(all.max),
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
    if run.judged_ms.as_ref().is_some_and(JudgedMs::differs) {
        out.push_str(
            "<p class=\"off\">Response and service time are those of the successful requests. Of all requests, one that timed \
             out counts as at least its deadline, one that failed as longer than any time; that is what is judged.</p>\n",
        );
    }
}

fn errors(out: &mut String, run: &Run) {
    let (errors, all) = (count(run.errors), count(run.requests));
    let answered = count(run.answered());
    push(out, format_args!("<div><h3>Errors<small>{errors} of {all} requests, {answered} answered</small></h3>\n"));
    if run.errors_by_class.is_empty() {
        out.push_str("<p class=\"off\">None.</p></div>\n");
        return;
    }
    out.push_str(
        "<table><thead><tr><th>class</th><th class=\"n\">count</th><th>one of them</th></tr></thead><tbody>\n",
    );
    for e in run.errors_by_class.iter().take(50) {
        push(
            out,
            format_args!(
                "<tr><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                isolated(&e.class),
                count(e.count),
                isolated(&e.sample)
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
}

fn statuses(out: &mut String, run: &Run) {
    out.push_str("<div><h3>Statuses</h3>\n");
    if run.statuses.is_empty() {
        out.push_str("<p class=\"off\">No response had a status.</p></div>\n");
        return;
    }
    out.push_str("<table><thead><tr><th>status</th><th class=\"n\">responses</th></tr></thead><tbody>\n");
    for s in run.statuses.iter().take(100) {
        push(out, format_args!("<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", s.status, count(s.count)));
    }
    out.push_str("</tbody></table></div>\n");
}

fn settings(out: &mut String, run: &Run) {
    let s = &run.spec;
    let mut rows = vec![
        ("request", request(run)),
        ("resolved to", isolated(&run.resolved.join(", "))),
        ("load", load(run)),
        ("connections", count(s.connections())),
        ("threads", s.threads().map_or_else(|| "chosen by the engine".to_owned(), count)),
        ("duration", setting_s(s.duration_s())),
        ("warm-up", format!("{}, excluded from every figure", setting_s(s.warmup_s()))),
        ("timeout", setting_s(s.timeout_s())),
        ("TLS certificates", if s.insecure_tls() { "any is accepted".to_owned() } else { "checked".to_owned() }),
    ];
    match s {
        RunSpec::Http(http) => {
            if http.headers.is_empty() {
                rows.push(("headers", "none".to_owned()));
            }
            for h in http.headers.iter().take(50) {
                rows.push(("header", format!("<code>{}: {}</code>", isolated(&h.name), isolated(&h.value))));
            }
            let body = http.body.as_deref().filter(|b| !b.is_empty());
            rows.push(("body", body.map_or_else(|| "none".to_owned(), escape)));
        }
        RunSpec::Plan(plan) => rows.push(("plan", format!("<pre>{}</pre>", isolated(&plan.toml)))),
    }
    rows.push(("engine", isolated(&run.engine)));
    out.push_str("<div class=\"two\">\n");
    facts(out, "Settings", &rows);
    let m = &run.machine;
    #[allow(clippy::cast_precision_loss)]
    let received = bytes(run.bytes_received as f64);
    let cores = plural(m.cores, "core");
    out.push_str("<div>\n");
    facts(
        out,
        "Load generator",
        &[
            ("system", isolated(&m.os)),
            ("processor", format!("{}, {cores}", isolated(&m.cpu))),
            ("memory", bytes(m.memory_bytes)),
            ("Perfdeck", isolated(&m.perfdeck)),
            ("CPU time used", run.client_cpu_s.map_or_else(|| "not known".to_owned(), |s| ms(s * 1e3))),
            ("received", received),
            ("measured time", ms(run.duration_s * 1e3)),
            ("responses", count(run.requests)),
            ("run", format!("<code>{}</code>", isolated(&run.id))),
        ],
    );
    parts::footing(out, run);
    out.push_str("</div>\n</div>\n");
}

fn environment(out: &mut String, d: &ReportDocument) {
    let e = &d.environment;
    push(out, format_args!("<section><h2>Environment {}</h2>\n", isolated(&e.name)));
    if e.targets.is_empty() {
        out.push_str("<p class=\"off\">It has no targets.</p>\n");
    } else {
        out.push_str("<div class=\"scroll\"><table><thead><tr><th>target</th><th>address</th><th>version</th></tr></thead><tbody>\n");
        for t in &e.targets {
            let version = t.version.as_deref().map_or_else(|| "–".to_owned(), isolated);
            push(
                out,
                format_args!(
                    "<tr><td>{}</td><td><code>{}</code></td><td>{version}</td></tr>\n",
                    role_name(t.role),
                    isolated(&t.address)
                ),
            );
        }
        out.push_str("</tbody></table></div>\n");
    }
    facts(
        out,
        "Connection pool",
        &[
            ("size", count(e.pool.size)),
            ("overflow", count(e.pool.max_overflow)),
            ("timeout", setting_s(e.pool.timeout_s)),
            ("recycle", setting_s(e.pool.recycle_s)),
        ],
    );
    out.push_str("</section>\n");
}

fn findings(out: &mut String, d: &ReportDocument) {
    if d.findings.is_empty() {
        return;
    }
    out.push_str("<section><h2>Findings</h2><div class=\"scroll\"><table><thead><tr><th>target</th><th>finding</th><th>evidence</th></tr></thead><tbody>\n");
    for f in &d.findings {
        push(
            out,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                role_name(f.target),
                code_spans(&f.title),
                code_spans(&f.evidence)
            ),
        );
    }
    out.push_str("</tbody></table></div></section>\n");
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
