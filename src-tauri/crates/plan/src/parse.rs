//! Plans as TOML text, with errors that name step and line, and their JSON schema.
use perfdeck_model::masking::{message, reading_failed, title};
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::feed_spec::FeedSpec;
use super::model::Plan;
use super::step::Step;

/// Beginnings of messages that repeat nothing of the text: those that the types of a plan give themselves.
const OWN: [&str; 4] =
    ["missing field `", "a secret is written as", "the text of `json` is no JSON", "it is not a duration"];

/// Bytes of a plan's text at most.
const MAX_TEXT: usize = 4 << 20;

/// Why a text is no plan. Messages hold names from the text, never its values: these may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than a plan is.
    #[error("the text has {0} bytes; a plan has at most 4 MiB")]
    TooLarge(usize),
    /// No TOML.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// The reader's words.
        message: String,
    },
    /// TOML, but no plan.
    #[error("{place} (line {line}): {message}")]
    Invalid {
        /// `plan`, `step 'login'`, `step 3` or `feed 'users'`.
        place: String,
        /// Of the wrong key, or of the place.
        line: usize,
        /// What is wrong, and what may have been meant.
        message: String,
    },
}

impl Error {
    /// The line that it is about, from 1.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::TooLarge(_) => None,
            Self::Syntax { line, .. } | Self::Invalid { line, .. } => u32::try_from(*line).ok(),
        }
    }
}

/// Reads a plan. It is well formed then, but not yet sensible: see [`validate`](super::validate()).
///
/// # Errors
/// The first mistake, with step and line.
pub fn from_toml(text: &str) -> Result<Plan, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::TooLarge(text.len()));
    }
    let mut table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start);
        let before = text.get(..at).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error::Syntax { line: line_of(text, at), column, message: syntax(e.message()) }
    })?;
    let steps = take(&mut table, "steps");
    let feeds = take(&mut table, "feeds");
    let whole = table.clone();
    let mut plan: Plan =
        Plan::deserialize_from(table).map_err(|e| blame(text, "plan".into(), 0, whole.get_ref(), &e))?;
    plan.feeds = items::<FeedSpec>(text, feeds, "feed")?;
    plan.steps = items::<Step>(text, steps, "step")?;
    Ok(plan)
}

impl Plan {
    fn deserialize_from(table: Spanned<DeTable<'_>>) -> Result<Self, toml::de::Error> {
        serde::Deserialize::deserialize(table.into_deserializer())
    }
}

fn take<'i>(table: &mut Spanned<DeTable<'i>>, key: &str) -> Option<Spanned<DeValue<'i>>> {
    table.get_mut().remove(key)
}

/// Reads the elements one by one, so that a mistake belongs to one of them.
fn items<T: DeserializeOwned>(text: &str, list: Option<Spanned<DeValue<'_>>>, what: &str) -> Result<Vec<T>, Error> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let at = list.span().start;
    let DeValue::Array(list) = list.into_inner() else {
        let message = format!("`{what}s` is a list; write [[{what}s]]");
        return Err(Error::Invalid { place: "plan".into(), line: line_of(text, at), message });
    };
    let mut out = Vec::with_capacity(list.len());
    for (i, item) in list.into_iter().enumerate() {
        let copy = item.clone();
        match T::deserialize(item.into_deserializer()) {
            Ok(item) => out.push(item),
            Err(e) => {
                let name = copy.get_ref().get("name").and_then(|n| n.get_ref().as_str());
                let place = match name {
                    Some(name) => {
                        format!("{what} '{}'", title(&name.chars().take(80).collect::<String>()).escape_debug())
                    }
                    None => format!("{what} {}", i + 1),
                };
                let start = copy.span().start;
                return Err(match copy.get_ref() {
                    DeValue::Table(table) => blame(text, place, start, table, &e),
                    _ => Error::Invalid { place, line: line_of(text, start), message: "it is no table".into() },
                });
            }
        }
    }
    Ok(out)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
}

/// The error of an element with the line of the key that it is about.
fn blame(text: &str, place: String, start: usize, table: &DeTable<'_>, error: &toml::de::Error) -> Error {
    let message = error.message().lines().next().unwrap_or_default();
    let mut at = error.span().map(|s| s.start).filter(|at| *at > start).unwrap_or(start);
    let message = if let Some((key, known)) = unknown(message, "unknown field `") {
        at = find(table, key, 0).unwrap_or(at);
        let mut known: Vec<&str> = known;
        if place != "plan" {
            known.extend(["name", "kind"]);
            known.extend(if place.starts_with("step") { ["weight"] } else { ["mode"] });
        }
        let meant = closest(key, known.iter().copied());
        let hint =
            meant.map_or_else(|| format!("; there are {}", known.join(", ")), |m| format!("; did you mean `{m}`?"));
        // A key that is near no known one may be anything, even a value without its quotes.
        let word = key.len() <= 24 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if meant.is_some() || word {
            format!("unknown field `{}`{hint}", shorten(key))
        } else {
            format!("an unknown field{hint}")
        }
    } else if let Some((value, known)) = unknown(message, "unknown variant `") {
        let meant = closest(value, known.iter().copied());
        let hint =
            meant.map_or_else(|| format!("; there are {}", known.join(", ")), |m| format!("; did you mean `{m}`?"));
        match meant {
            Some(_) => format!("unknown value `{}`{hint}", shorten(value)),
            None => format!("an unknown value{hint}"),
        }
    } else if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|m| m.rsplit_once(", expected "))
    {
        // What follows the kind is the value itself.
        let kind = found.split([' ', '`', '"']).next().unwrap_or_default();
        format!("found {kind} where {expected} is expected")
    } else if message.contains("did not match any variant of untagged enum") {
        let kind = message.rsplit(' ').next().unwrap_or_default();
        match kind {
            "StatusRule" | "StatusMatch" => {
                "`status` is a number such as 200, a class such as \"2xx\", or a list".into()
            }
            "SqlParameter" => "a parameter is a value or { value = \"{{x}}\", type = \"integer\" }".into(),
            _ => "a text, a number, true or false is expected".into(),
        }
    } else if OWN.iter().any(|own| message.starts_with(own)) {
        shorten(message)
    } else {
        reading_failed(message)
    };
    Error::Invalid { place, line: line_of(text, at), message }
}

/// The reader's words on text that is no TOML. What it quotes are marks and words of TOML.
fn syntax(text: &str) -> String {
    let toml = |word: &str| !word.contains(char::is_alphanumeric) || ["true", "false", "nan", "inf"].contains(&word);
    message(text, &toml)
}

fn shorten(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}

/// Key or value of serde's "unknown …" and the ones that it knows.
fn unknown<'a>(message: &'a str, prefix: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (key, rest) = message.strip_prefix(prefix)?.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// Where a key stands, in the table or the tables in it.
fn find(table: &DeTable<'_>, key: &str, depth: usize) -> Option<usize> {
    if depth > 32 {
        return None;
    }
    if let Some((found, _)) = table.get_key_value(key) {
        return Some(found.span().start);
    }
    table.values().find_map(|value| match value.get_ref() {
        DeValue::Table(inner) => find(inner, key, depth + 1),
        DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
            DeValue::Table(inner) => find(inner, key, depth + 1),
            _ => None,
        }),
        _ => None,
    })
}

/// The known word that a misspelt one most likely is: at most a third of its letters differ.
pub(super) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let scored = known.map(|k| (distance(&letters, &k.to_lowercase().chars().take(64).collect::<Vec<_>>()), k));
    scored.filter(|(d, k)| *d * 3 <= letters.len().max(k.len()).max(3)).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Edit distance with neighbours that changed places as one edit.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|r| r.last()).copied().unwrap_or(0)
}

/// Writes a plan as TOML that [`from_toml`] reads as the same plan.
pub fn to_toml(plan: &Plan) -> String {
    // Every type of a plan has a form in TOML: integers are below 2^63 and JSON with nulls is written as text.
    toml::to_string_pretty(plan).unwrap_or_default()
}

/// The JSON schema of a plan, for editors.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Plan).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "Perfdeck benchmark plan".into());
    }
    schema
}
