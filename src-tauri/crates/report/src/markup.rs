//! Pieces of HTML that all sections are made of.
use std::fmt::Write as _;

use perfdeck_model::LatencyMs;

use crate::format::ms;

pub(crate) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String does not fail.
    let _ = out.write_fmt(text);
}

pub(crate) fn cell(l: &LatencyMs, key: &str, v: Option<f64>) -> String {
    match percentile(l, key, v) {
        Some(text) => format!("<td class=\"n\">{text}</td>"),
        None if l.n == 0 => "<td class=\"n off\">–</td>".to_owned(),
        None => "<td class=\"n off\">n too small</td>".to_owned(),
    }
}

pub(crate) fn facts(out: &mut String, title: &str, rows: &[(&str, String)]) {
    push(out, format_args!("<div><h3>{title}</h3>\n<table class=\"facts\"><tbody>\n"));
    for (name, value) in rows {
        push(out, format_args!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    }
    out.push_str("</tbody></table></div>\n");
}

/// A percentile that has enough samples behind it.
pub(crate) fn percentile(l: &LatencyMs, name: &str, v: Option<f64>) -> Option<String> {
    v.filter(|_| l.n > 0 && !l.too_small.iter().any(|t| t == name)).map(ms)
}
