//! The query of an address, pair by pair, against the table of its scheme.
use std::collections::{BTreeMap, BTreeSet};

use super::Scheme;
use super::hosts::{ENCODE, decode, decode_shown};
use super::pasted::{ParseAddressError, fail};
use super::table::{self, Parameter, Use};
use crate::Sensitive;

/// One parameter as it was written, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// Its place, from 1.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// Splits a query. A raw `+` is refused: some drivers read a space, others a plus.
pub(super) fn pairs(scheme: Scheme, query: &str) -> Result<Vec<Pair>, ParseAddressError> {
    let mut all = Vec::new();
    for (i, text) in query.split('&').enumerate() {
        let at = i + 1;
        if text.is_empty() {
            if query.is_empty() {
                break;
            }
            return fail(format!("Parameter {at} of the address is empty"), ENCODE);
        }
        let Some((name, value)) = text.split_once('=') else {
            return match known(scheme, text) {
                Some(name) => fail(format!("{name} has no value"), format!("Write {name}=…")),
                None => fail(format!("Parameter {at} of the address has no value"), ENCODE),
            };
        };
        let part = known(scheme, name).map_or_else(|| format!("Parameter {at} of the address"), ToOwned::to_owned);
        if text.contains('+') {
            return fail(format!("{part} has a raw +, which is a plus to some drivers and a space to others"), ENCODE);
        }
        let name = decode_shown(&part, name)?;
        all.push(Pair { at, name, value: decode(&part, value)? });
    }
    Ok(all)
}

/// The name as the table has it, which may be shown.
fn known(scheme: Scheme, name: &str) -> Option<&'static str> {
    let wanted = table::plain(name);
    let found = table::parameter(scheme, name)?;
    std::iter::once(&found.name).chain(found.others).find(|n| table::plain(n) == wanted).copied()
}

/// A parameter that is honoured or a secret.
pub(super) struct Taken {
    /// Its canonical name.
    pub(super) name: &'static str,
    /// The name that was used.
    pub(super) written: &'static str,
    pub(super) secret: bool,
}

impl Taken {
    /// The error for a value that is none of its values.
    pub(super) fn bad<T>(&self, values: &str) -> Result<T, ParseAddressError> {
        fail(format!("The value of {} is not one that it can have", self.written), format!("It can be {values}"))
    }
}

/// Which parameters were given already, and the choice among them.
pub(super) struct Given {
    scheme: Scheme,
    seen: BTreeSet<&'static str>,
}

impl Given {
    pub(super) fn new(scheme: Scheme) -> Self {
        Self { scheme, seen: BTreeSet::new() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.seen.contains(name)
    }

    /// The parameter to apply; `None` where its value asks for what happens anyway.
    pub(super) fn take(&mut self, pair: &Pair) -> Result<Option<Taken>, ParseAddressError> {
        let (Some(Parameter { name, used, .. }), Some(written)) =
            (table::parameter(self.scheme, &pair.name), known(self.scheme, &pair.name))
        else {
            return fail(
                format!(
                    "Parameter {} of the address is not one that Perfdeck knows for {}",
                    pair.at,
                    self.scheme.product()
                ),
                format!(
                    "docs/environments.md lists them; leave out what is not in it. If it is part of a password: {ENCODE}"
                ),
            );
        };
        if !self.seen.insert(name) {
            return fail(format!("{written} is given twice, perhaps under two names"), "Leave one of them out");
        }
        if pair.value.chars().any(char::is_control) && !matches!(used, Use::Secret(_)) {
            return fail(format!("The value of {written} contains a control character"), ENCODE);
        }
        match *used {
            Use::Honoured(_) => Ok(Some(Taken { name, written, secret: false })),
            Use::Secret(_) => Ok(Some(Taken { name, written, secret: true })),
            Use::Only(values, why) => {
                let value = pair.value.to_ascii_lowercase();
                if values.contains(&"*") || values.contains(&value.as_str()) {
                    return Ok(None);
                }
                let values = values.iter().filter(|v| !v.is_empty()).copied().collect::<Vec<_>>().join(" or ");
                fail(
                    format!("{written} is supported with the value {values} only: {why}"),
                    "Use that value, or leave the parameter out",
                )
            }
            Use::Refused(what) | Use::SecretRefused(what) => fail(format!("{written} is not supported"), what),
        }
    }
}

/// `true` or `false` in the words that drivers use.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// A time in whole seconds; `per_second` is the unit that it is written in.
pub(super) fn seconds(p: &Taken, value: &str, per_second: u32) -> Result<String, ParseAddressError> {
    let allowed = if per_second == 1 { "1 to 60 seconds" } else { "1000 to 60000 milliseconds" };
    let Ok(number) = value.parse::<u32>() else { return p.bad(allowed) };
    match number / per_second {
        whole @ 1..=60 if number % per_second == 0 => Ok(whole.to_string()),
        _ => p.bad(allowed),
    }
}

/// A file's path, or another name that is stored as it is.
pub(super) fn text(p: &Taken, value: &str) -> Result<String, ParseAddressError> {
    if value.is_empty() { p.bad("a name or a path") } else { Ok(value.to_owned()) }
}

/// Moves a secret out, refusing a second one.
pub(super) fn secret(slot: &mut Option<Sensitive>, value: &str) {
    *slot = (!value.is_empty()).then(|| Sensitive::new(value));
}

/// Settings of PostgreSQL's `options`, as the server itself splits them: by white space, which a backslash keeps.
pub(super) fn settings(text: &str) -> Result<Vec<(String, String)>, ParseAddressError> {
    const WRITE: &str = "Write options=-c%20name=value, several separated by %20";
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut inside) = (String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                inside = true;
                word.extend(chars.next());
            }
            c if c.is_ascii_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            c => {
                inside = true;
                word.push(c);
            }
        }
    }
    if inside {
        words.push(word);
    }
    let mut all: Vec<(String, String)> = Vec::new();
    let mut words = words.into_iter().enumerate();
    while let Some((at, word)) = words.next() {
        let at = at + 1;
        let setting = if word == "-c" {
            match words.next() {
                Some((_, next)) => next,
                None => return fail("options ends with -c and no setting", WRITE),
            }
        } else if let Some(rest) = word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            rest.to_owned()
        } else {
            return fail(format!("Word {at} of options is not a setting that a session can have"), WRITE);
        };
        let Some((name, value)) = setting.split_once('=') else {
            return fail(format!("The setting at word {at} of options has no value"), WRITE);
        };
        // The server reads - in a name as _.
        let name = name.replace('-', "_").to_ascii_lowercase();
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        if name.is_empty() || !name.chars().all(known) {
            return fail(format!("The setting at word {at} of options has no valid name"), WRITE);
        }
        if ["pass", "secret", "token", "pwd", "credential", "apikey", "api_key", "jwt"].iter().any(|w| name.contains(w))
        {
            return fail(
                format!("The setting at word {at} of options is called like a secret"),
                "An address is shown; set it for the role instead: ALTER ROLE … SET …",
            );
        }
        all.retain(|(n, _)| *n != name);
        all.push((name, value.to_owned()));
    }
    Ok(all)
}

/// Settings as `options` writes them.
pub(super) fn settings_text(settings: &[(String, String)]) -> String {
    let escape = |text: &str| -> String {
        text.chars()
            .flat_map(|c| (c == '\\' || c.is_ascii_whitespace()).then_some('\\').into_iter().chain(std::iter::once(c)))
            .collect()
    };
    settings.iter().map(|(n, v)| format!("-c {n}={}", escape(v))).collect::<Vec<_>>().join(" ")
}

/// Decoded parameters of an HTTP query, which belong to the server.
pub(super) fn http(query: &str) -> BTreeMap<String, String> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}
