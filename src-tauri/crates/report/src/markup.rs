//! Pieces of HTML that all sections are made of.
use std::fmt::Write as _;

use perfdeck_model::LatencyMs;
use perfdeck_words::{ms, percentile};

use crate::glyph::Glyph;
use crate::text::{escape, sentence};

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

/// A sentence split at its first colon: its word and the rest; no word where there is none.
pub(crate) fn split(sentence: &str) -> (Option<&str>, &str) {
    match sentence.split_once(": ") {
        Some((word, rest)) if word.chars().count() < 24 => (Some(word), rest),
        _ => (None, sentence),
    }
}

/// A sentence whose word stands out with its sign.
pub(crate) fn verdict(glyph: Option<Glyph>, word: Option<&str>, rest: &str) -> String {
    match (glyph, word) {
        (Some(glyph), Some(word)) => format!("{} {}", glyph.with(&format!("<b>{}:</b>", escape(word))), sentence(rest)),
        (None, Some(word)) => format!("<b>{}:</b> {}", escape(word), sentence(rest)),
        (Some(glyph), None) => format!("{} {}", glyph.with(""), sentence(rest)),
        (None, None) => sentence(rest),
    }
}
