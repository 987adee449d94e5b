//! Values of a cache on a terminal.
use perfdeck_model::{CacheBytes, Unit, ValueBytes, ValuePart};

use crate::output::{self, Done};

/// Bytes as a terminal shows them: escapes for what is no printable text.
pub(super) fn visible(bytes: &CacheBytes) -> String {
    match bytes.text() {
        Some(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => bytes.bytes().map_or_else(|_| "–".to_owned(), |b| b.escape_ascii().to_string()),
    }
}

/// A value in one line of a table.
fn short(value: &ValueBytes) -> String {
    const SHOWN: usize = 80;
    let text = visible(&value.bytes);
    let cut: String = text.chars().take(SHOWN).collect();
    let whole = cut.len() == text.len() && value.bytes.bytes().is_ok_and(|b| b.len() as f64 == value.length);
    if whole { cut } else { format!("{cut}… ({})", output::value(value.length, Unit::Bytes)) }
}

/// A page of a value for a terminal.
pub(super) fn print(part: &ValuePart) -> Done<()> {
    match part {
        ValuePart::String { value, decoded, .. } | ValuePart::One { value, decoded, .. } => match decoded {
            Some(decoded) => {
                output::note(&decoded.forms.join(", "));
                output::line(&decoded.text)?;
                if let Some(note) = &decoded.note {
                    output::note(note);
                }
                Ok(())
            }
            None => output::line(&visible(&value.bytes)),
        },
        ValuePart::Hash { fields, .. } => {
            let expires = |at: Option<f64>| at.map_or_else(|| "never".to_owned(), output::moment);
            let row = |f: &perfdeck_model::HashField| vec![short(&f.name), short(&f.value), expires(f.expires_at_ms)];
            output::table(&["field", "value", "expires"], &fields.iter().map(row).collect::<Vec<_>>())
        }
        ValuePart::List { elements } => {
            let row = |e: &perfdeck_model::ListElement| vec![format!("{:.0}", e.index), short(&e.value)];
            output::table(&["place", "value"], &elements.iter().map(row).collect::<Vec<_>>())
        }
        ValuePart::Set { members } => {
            output::table(&["member"], &members.iter().map(|m| vec![short(m)]).collect::<Vec<_>>())
        }
        ValuePart::Zset { members } => {
            let row = |m: &perfdeck_model::ScoredMember| vec![m.score.clone(), short(&m.name)];
            output::table(&["score", "member"], &members.iter().map(row).collect::<Vec<_>>())
        }
        ValuePart::Stream { entries, groups, .. } => {
            let fields = |e: &perfdeck_model::StreamEntry| {
                e.fields
                    .iter()
                    .map(|(name, value)| format!("{}={}", short(name), short(value)))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            output::table(
                &["entry", "fields"],
                &entries.iter().map(|e| vec![e.id.clone(), fields(e)]).collect::<Vec<_>>(),
            )?;
            let row = |g: &perfdeck_model::StreamGroup| {
                let lag = g.lag.map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"));
                vec![visible(&g.name), format!("{:.0}", g.consumer_count), format!("{:.0}", g.pending), lag]
            };
            if groups.is_empty() {
                return Ok(());
            }
            output::table(&["group", "consumers", "pending", "lag"], &groups.iter().map(row).collect::<Vec<_>>())
        }
        ValuePart::Unknown { dump } => match dump {
            Some(dump) => output::line(&dump.bytes().unwrap_or_default().escape_ascii().to_string()),
            None => {
                output::note("A type that Perfdeck does not know, and too large to be dumped unasked");
                Ok(())
            }
        },
    }
}
