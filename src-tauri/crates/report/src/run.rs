//! The section of a run: its sentence, what it rests on, its figures on one clock, its settings.
use perfdeck_model::{Heatmap, JudgedMs, JudgedTime, Load, Run, RunSpec, RunState};
use perfdeck_words::{Sentence, bytes, count, judged, ms, per_second, plural, sentence, setting};

use crate::glyph::Glyph;
use crate::markup::{cell, facts, push, verdict};
use crate::text::{block, escape, isolated};
use crate::time::second;
use crate::{RunSeries, curve, lanes, parts};

pub(crate) fn request(run: &Run) -> String {
    match &run.spec {
        RunSpec::Http(http) => format!("<code>{} {}</code>", http.method.as_str(), isolated(&http.url)),
        RunSpec::Plan(plan) => format!("<code>{}</code>", isolated(&plan.request)),
    }
}

pub(crate) fn load(run: &Run) -> String {
    let connections = plural(run.spec.connections(), "connection");
    match run.spec.load() {
        _ if run.spec.imported() => "load not told".to_owned(),
        Load::Closed => format!("closed loop, {connections}"),
        Load::Rate { rate_per_s } => format!("open loop, {} over {connections}", per_second(rate_per_s)),
    }
}

/// Since when it ran; some tools do not tell.
fn started(run: &Run) -> String {
    if run.started_ms > 0.0 { format!("started {} UTC", second(run.started_ms)) } else { "start not told".to_owned() }
}

/// How a run ended, with its sign.
pub(crate) fn state(run: &Run) -> String {
    match (run.valid, run.state) {
        (false, _) => Glyph::Bad.with("invalid"),
        (true, RunState::Completed) => Glyph::Ok.with("valid"),
        (true, RunState::Cancelled) => Glyph::Open.with("stopped early"),
        (true, RunState::Aborted) => Glyph::Open.with("aborted"),
        (true, RunState::Interrupted) => Glyph::Open.with("interrupted"),
    }
}

/// Whether a threshold of the run failed.
pub(crate) fn missed(run: &Run) -> bool {
    run.thresholds.iter().any(|t| !t.ok && !t.unjudged)
}

/// Seconds in which the API's probe failed, of those in which it was asked.
pub(crate) fn failing_probes(series: Option<&RunSeries>) -> Option<(usize, usize)> {
    let probes = series?.series.iter().find(|s| s.id == "api.probe.failed")?;
    let known = probes.values.iter().flatten();
    let failed = known.clone().filter(|v| **v > 0.0).count();
    (failed > 0).then(|| (failed, known.count()))
}

/// The sentence of a run; what failed stands out and comes first.
pub(crate) fn said(run: &Run, series: Option<&RunSeries>) -> String {
    let Sentence { word, text } = sentence(run);
    let sign = (!run.valid || missed(run)).then_some(Glyph::Bad);
    let probes = failing_probes(series).map_or_else(String::new, |(failed, of)| {
        let words = format!("The API\u{2019}s probe failed in {} of {} samples.", count(failed), count(of));
        format!("{} ", Glyph::Bad.with(&words))
    });
    format!("{probes}{}.", verdict(sign, word, &text))
}

/// The section of a run; `alone` is whether its sentence is the page's.
pub(crate) fn section(
    out: &mut String,
    run: &Run,
    id: &str,
    alone: bool,
    series: Option<&RunSeries>,
    heat: Option<&Heatmap>,
) {
    push(
        out,
        format_args!(
            "<section class=\"part\" id=\"{id}\"><h2>{}</h2>\n<p class=\"meta\">{} · {} · {} · {}</p>\n",
            isolated(&run.name),
            request(run),
            load(run),
            started(run),
            state(run)
        ),
    );
    if !alone {
        push(out, format_args!("<p class=\"say\">{}</p>\n", said(run, series)));
    }
    if !run.valid {
        push(
            out,
            format_args!("<div class=\"strip\">{}: do not quote these figures.<ul>", Glyph::Bad.with("<b>Invalid</b>")),
        );
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
    lanes::lanes(out, run, series, heat);
    if series.is_none_or(|s| s.series.is_empty()) {
        out.push_str(
            "<p class=\"off\">The environment was not watched during this run: there are no series of its targets.</p>\n",
        );
    }
    out.push_str("<h3>Distribution</h3>\n<div class=\"lanes\">\n");
    curve::of_run(out, run);
    out.push_str("</div>\n<div class=\"two\">\n");
    errors(out, run);
    statuses(out, run);
    out.push_str("</div>\n");
    settings(out, run);
    out.push_str("</section>\n");
}

fn latencies(out: &mut String, run: &Run) {
    out.push_str(
        "<h3>Latency<small>response time counts from the intended start, service time from the actual one</small></h3>\n\
         <table><thead><tr><th></th><th class=\"n\">n</th><th class=\"n\">min</th>\
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
    out.push_str("</tbody></table>\n");
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
        let which = if run.errors == 0 { "None." } else { "Which they were is not told." };
        push(out, format_args!("<p class=\"off\">{which}</p></div>\n"));
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
        let why = if run.spec.imported() { "They are not told." } else { "No response had a status." };
        push(out, format_args!("<p class=\"off\">{why}</p></div>\n"));
        return;
    }
    out.push_str("<table><thead><tr><th>status</th><th class=\"n\">responses</th></tr></thead><tbody>\n");
    for s in run.statuses.iter().take(100) {
        push(out, format_args!("<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", s.status, count(s.count)));
    }
    out.push_str("</tbody></table></div>\n");
}

/// Settings and machine of a run that another tool made: what it does not tell is unknown here.
fn told(out: &mut String, run: &Run) {
    let not = || "not told by the tool that made the run".to_owned();
    out.push_str("<div class=\"two\">\n");
    facts(
        out,
        "Settings",
        &[("request", request(run)), ("engine", isolated(&run.engine)), ("further settings", not())],
    );
    out.push_str("<div>\n");
    let id = format!("<code>{}</code>", isolated(&run.id));
    let measured = if run.duration_s > 0.0 { ms(run.duration_s * 1e3) } else { not() };
    let rows = [("machine", not()), ("measured time", measured), ("responses", count(run.requests)), ("run", id)];
    facts(out, "Load generator", &rows);
    parts::footing(out, run);
    out.push_str("</div>\n</div>\n");
}

fn settings(out: &mut String, run: &Run) {
    let s = &run.spec;
    if s.imported() {
        return told(out, run);
    }
    let mut rows = vec![
        ("request", request(run)),
        ("resolved to", isolated(&run.resolved.join(", "))),
        ("load", load(run)),
        ("connections", count(s.connections())),
        ("threads", s.threads().map_or_else(|| "chosen by the engine".to_owned(), count)),
        ("duration", setting(s.duration_s())),
        ("warm-up", format!("{}, excluded from every figure", setting(s.warmup_s()))),
        ("timeout", setting(s.timeout_s())),
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
        RunSpec::Plan(_) => {}
    }
    rows.push(("engine", isolated(&run.engine)));
    out.push_str("<div class=\"two\">\n");
    facts(out, "Settings", &rows);
    let m = &run.machine;
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
    if let RunSpec::Plan(plan) = s {
        push(out, format_args!("<h3>Plan</h3>\n<pre>{}</pre>\n", block(&plan.toml)));
    }
}
