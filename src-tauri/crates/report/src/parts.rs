//! What a plan's run is made of: its steps, its stages, how its thresholds turned out, and what its figures rest on.
use perfdeck_model::{CeilingKind, LatencyMs, Run, StageResult, StepResult, ThresholdResult};

use perfdeck_words::{DASH, count, measured, ms, per_second, rate, ratio, setting, significant};

use crate::glyph::Glyph;
use crate::markup::{cell, facts, push};
use crate::text::isolated;

/// Rows of a table at most.
const MAX_ROWS: usize = 200;

/// The tables of a run that has such parts.
pub(crate) fn parts(out: &mut String, run: &Run) {
    thresholds(out, &run.thresholds);
    steps(out, &run.steps);
    stages(out, run);
}

fn head(out: &mut String, title: &str, about: &str, columns: &[(&str, bool)]) {
    push(out, format_args!("<h3>{title}<small>{about}</small></h3>\n<div class=\"scroll\"><table><thead><tr>"));
    for (name, number) in columns {
        let class = if *number { " class=\"n\"" } else { "" };
        push(out, format_args!("<th{class}>{name}</th>"));
    }
    out.push_str("</tr></thead><tbody>\n");
}

fn percentiles(l: &LatencyMs) -> String {
    [cell(l, "p50"), cell(l, "p90"), cell(l, "p99")].concat()
}

fn steps(out: &mut String, steps: &[StepResult]) {
    if steps.is_empty() {
        return;
    }
    let service = steps.iter().any(|s| s.response_ms.is_none());
    let about = if service {
        "service time of each, in the plan's order"
    } else {
        "response time of each, in the plan's order"
    };
    let columns = [
        ("step", false),
        ("kind", false),
        ("request", false),
        ("rate", true),
        ("p50", true),
        ("p90", true),
        ("p99", true),
        ("n", true),
        ("errors", true),
    ];
    head(out, "Steps", about, &columns);
    for step in steps.iter().take(MAX_ROWS) {
        let l = step.response_ms.as_ref().unwrap_or(&step.service_ms);
        push(
            out,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td><code>{}</code></td><td class=\"n\">{}</td>{}<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                isolated(&step.name),
                isolated(&step.kind),
                isolated(&step.request),
                per_second(step.rate_per_s),
                percentiles(l),
                count(l.n),
                count(step.errors),
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// The level of a stage, in words.
fn level(stage: &StageResult, open_loop: bool) -> String {
    let at = |level: f64| if open_loop { per_second(level) } else { format!("{} connections", rate(level)) };
    if stage.kind == "ramp" { format!("{} to {}", at(stage.from), at(stage.to)) } else { at(stage.to) }
}

fn stages(out: &mut String, run: &Run) {
    if run.stages.is_empty() {
        return;
    }
    let columns = [
        ("stage", false),
        ("level", false),
        ("from", true),
        ("length", true),
        ("rate", true),
        ("sent in time", true),
        ("p50", true),
        ("p90", true),
        ("p99", true),
        ("n", true),
        ("errors", true),
        ("", false),
    ];
    head(out, "Stages", "the requests that were meant to start in each", &columns);
    for stage in run.stages.iter().take(MAX_ROWS) {
        let in_time = stage.rate_share.map_or_else(|| DASH.to_owned(), ratio);
        let held = stage
            .invalid_reason
            .as_ref()
            .map_or_else(String::new, |why| format!("{}: {}", Glyph::Bad.with("not held"), isolated(why)));
        push(
            out,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{in_time}</td>{}<td class=\"n\">{}</td><td class=\"n\">{}</td><td>{held}</td></tr>\n",
                isolated(&stage.kind),
                level(stage, run.target_rate_per_s.is_some()),
                setting(stage.start_s),
                ms(stage.duration_s * 1e3),
                per_second(stage.rate_per_s),
                percentiles(&stage.response_ms),
                count(stage.response_ms.n),
                count(stage.errors),
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
}

fn thresholds(out: &mut String, thresholds: &[ThresholdResult]) {
    if thresholds.is_empty() {
        return;
    }
    let unjudged = thresholds.iter().filter(|t| t.unjudged).count();
    let failed = thresholds.iter().filter(|t| !t.ok).count() - unjudged;
    let about = match (failed, unjudged) {
        (0, 0) => "all hold".to_owned(),
        (0, _) => format!("{unjudged} of {} could not be judged", thresholds.len()),
        (_, 0) => format!("{failed} of {} failed", thresholds.len()),
        _ => format!("{failed} of {} failed, {unjudged} could not be judged", thresholds.len()),
    };
    head(out, "Thresholds", &about, &[("threshold", false), ("measured", true), ("", false), ("", false)]);
    for t in thresholds.iter().take(MAX_ROWS) {
        let actual = isolated(&measured(t));
        let verdict = match (t.ok, t.unjudged) {
            (true, _) => Glyph::Ok.with("holds"),
            (false, true) => Glyph::Warn.with("not judged"),
            (false, false) => Glyph::Bad.with("fails"),
        };
        push(
            out,
            format_args!(
                "<tr><th scope=\"row\"><code>{}</code></th><td class=\"n\">{actual}</td><td>{verdict}</td><td>{}</td></tr>\n",
                isolated(&t.text),
                isolated(t.note.as_deref().unwrap_or_default()),
            ),
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// What the figures of a run rest on, each with its limit.
pub(crate) fn footing(out: &mut String, run: &Run) {
    let c = &run.footing;
    let mut rows = Vec::new();
    if let Some(in_time) = c.rate_share {
        rows.push(("rate sent in time", format!("{}, at least 99\u{2009}%", ratio(in_time))));
    }
    if let Some(lag) = c.lag_p99_ms {
        let limit = c.lag_limit_ms.map_or_else(String::new, |limit| format!(", limit {}", ms(limit)));
        rows.push(("schedule lag p99", format!("{}{limit}", ms(lag))));
    }
    if let Some(busy) = c.generator_cpu_share {
        rows.push(("generator CPU", format!("{} of a core per thread, limit 80\u{2009}%", ratio(busy))));
    }
    if let (Some(ceiling), Some(reached)) = (c.ceiling_per_s, c.ceiling_share) {
        let how = if c.ceiling_kind == Some(CeilingKind::Projected) {
            "that its CPU time leaves room for"
        } else {
            "that it reaches against a target that does nothing, limit 70\u{2009}%"
        };
        rows.push(("share of the ceiling", format!("{} of the {} {how}", ratio(reached), per_second(ceiling))));
    }
    if let (Some(seconds), Some(periods)) = (c.throttled_s, c.throttled_periods) {
        let how = match periods {
            0 => "never".to_owned(),
            _ => format!("{} times, {} in all", count(periods), ms(seconds * 1e3)),
        };
        rows.push(("held back by a CPU quota", how));
    }
    if let Some(here) = c.co_located {
        let place = if here { "on the target's machine" } else { "on another machine than the target" };
        rows.push(("generator", place.to_owned()));
    }
    if let Some(steady) = c.steady {
        rows.push(("rate and latency", if steady { "kept one level" } else { "did not keep one level" }.to_owned()));
    }
    if let Some(correlation) = c.autocorrelation {
        rows.push(("neighbouring seconds", format!("correlation {}", significant(correlation, 2))));
    }
    facts(out, "What the figures rest on", &rows);
}
