//! Pieces of HTML that all sections are made of.
use std::fmt::Write as _;

use perfdeck_model::LatencyMs;
use perfdeck_words::{ms, percentile};

pub(crate) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String does not fail.
    let _ = out.write_fmt(text);
}

pub(crate) fn cell(l: &LatencyMs, key: &str) -> String {
    match percentile(l, key) {
        Some(v) => format!("<td class=\"n\">{}</td>", ms(v)),
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
