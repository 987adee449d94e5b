//! The verdict sentence: word, metric and effect with its interval, pairs, errors.
use perfdeck_words as words;

use super::comparison::{Comparison, ComparisonKind, MetricComparison};
use super::verdict::{Verdict, overall};

/// Writes the sentence of a comparison whose other fields are filled in.
///
/// The metric that gives the verdict leads; other primary metrics follow with their own word. Never a number without
/// its interval and n.
pub(super) fn write(c: &Comparison) -> String {
    let word = c.verdict.word();
    if !c.differences.is_empty() {
        return format!("{word}: not comparable: {}.", c.differences.join("; "));
    }
    if !c.invalid_reasons.is_empty() {
        return format!("{word}: {}.", c.invalid_reasons.join("; "));
    }
    let primary: Vec<&MetricComparison> = c.metrics.iter().filter(|m| m.primary).collect();
    let (_, lead) = overall(&primary.iter().map(|m| m.verdict).collect::<Vec<_>>());
    let Some(first) = primary.get(lead) else {
        return format!("{word}: no metric was chosen.");
    };
    if c.runs_a.is_empty() || c.runs_b.is_empty() {
        return format!(
            "{word}: no {} yet.",
            if c.kind == ComparisonKind::Duet { "complete pair" } else { "runs on both sides" }
        );
    }
    let mut text = if c.verdict == Verdict::Invalid {
        format!("{word}: {} differ by more than 0.1 points, so latency is not compared, {}.", errors(c), runs(c))
    } else {
        let level = format!("{}{}% interval ", trimmed(c.level * 100.0), words::THIN);
        format!("{word}: {}, {}, {}.", effect(first, &level), runs(c), errors(c))
    };
    for (i, m) in primary.iter().enumerate() {
        let same = m.verdict == c.verdict && m.verdict == Verdict::Invalid;
        if i != lead && !same {
            text.push_str(&format!(" {} {}: {}.", m.name, m.verdict.word().to_lowercase(), bare(m)));
        }
    }
    if let Some(n) = c.more_pairs {
        match c.kind {
            ComparisonKind::Unpaired => text.push_str(&format!(" A duet of about {} could tell.", pairs(n))),
            _ => text.push_str(&format!(" About {}.", words::plural(n, "more pair"))),
        }
    }
    for drift in c.drift.iter().filter(|d| d.significant) {
        text.push_str(&format!(" Warning: {}.", drift.text));
    }
    text
}

fn pairs(n: u32) -> String {
    words::plural(n, "pair")
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

/// `p99 −31 % (95 % interval −36 % to −25 %)`.
fn effect(m: &MetricComparison, level: &str) -> String {
    match (m.effect, m.low, m.high) {
        (Some(e), Some(l), Some(h)) => format!("{} {} ({level}{})", m.name, words::percent(e), words::interval(l, h)),
        (Some(_), ..) => format!("{} has no interval from so few runs", m.name),
        _ => m.note.clone().unwrap_or_else(|| format!("{} has no value", m.name)),
    }
}

/// The same without name and level, for metrics that follow.
fn bare(m: &MetricComparison) -> String {
    match (m.effect, m.low, m.high) {
        (Some(e), Some(l), Some(h)) => format!("{} ({})", words::percent(e), words::interval(l, h)),
        (Some(_), ..) => "no interval from so few runs".to_owned(),
        _ => m.note.clone().unwrap_or_else(|| "no value".to_owned()),
    }
}

fn runs(c: &Comparison) -> String {
    match c.kind {
        ComparisonKind::Duet => words::plural(c.runs_a.len(), "interleaved pair"),
        ComparisonKind::Unpaired => {
            format!("{} before and {} after", words::plural(c.runs_a.len(), "run"), c.runs_b.len())
        }
        ComparisonKind::Indicative => "single pair".to_owned(),
    }
}

/// `errors equal`, or both rates.
pub(super) fn errors(c: &Comparison) -> String {
    let (a, b) = (words::share(c.errors_a), words::share(c.errors_b));
    if a == b && !c.errors.suppresses { "errors equal".to_owned() } else { format!("errors {a} and {b}") }
}
