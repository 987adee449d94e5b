//! Edits in words: titles, statements and notes, without names and values, since they are stored and journaled.
use perfdeck_model::CacheBytes;
use perfdeck_words as words;

use super::{EditPlan, Expiry, FOR_GOOD, Part, SNAPSHOT, Step};

/// A key's name without what may tell whose it is: its first segment where that is a plain word, and eight digits of its digest.
pub fn veiled(key: &[u8]) -> String {
    let digest = &sha1_smol::Sha1::from(key).digest().to_string()[..8];
    let first = key.iter().position(|b| b":/.|".contains(b)).map(|end| &key[..end]).filter(|first| {
        (1..=24).contains(&first.len()) && first.iter().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
    });
    match first.and_then(|first| std::str::from_utf8(first).ok()) {
        Some(first) => format!("{first}:…#{digest}"),
        None => format!("#{digest}"),
    }
}

fn sized(value: Option<&CacheBytes>) -> String {
    let length = value.and_then(|v| v.bytes().ok()).map_or(0, |b| b.len());
    format!("<{}>", words::bytes(length as f64))
}

impl EditPlan {
    /// The edited object, without names and values: two edits of one part are the same object, of two parts they are two.
    pub fn object(&self) -> String {
        let name = self
            .name()
            .and_then(|n| n.bytes().ok())
            .map(|n| veiled(&n).split('#').next_back().map(|d| format!(" #{d}")));
        format!("{} {}{}", self.veiled_key(), self.part(), name.flatten().unwrap_or_default())
    }

    fn veiled_key(&self) -> String {
        veiled(&self.key.bytes().unwrap_or_default())
    }

    /// Title in one line, without names and values.
    pub fn title(&self) -> String {
        let object = self.veiled_key();
        let what = match &self.step {
            Step::Value { part: Part::String, old: None, .. } => "Make the string",
            Step::Value { part: Part::String, .. } => "Edit the string",
            Step::Value { part: Part::Field(_), old: None, .. } => "Add a field to the hash",
            Step::Value { part: Part::Field(_), new: None, .. } => "Remove a field of the hash",
            Step::Value { part: Part::Field(_), .. } => "Edit a field of the hash",
            Step::Value { part: Part::Member(_), old: None, .. } => "Add a member to the set",
            Step::Value { part: Part::Member(_), .. } => "Remove a member of the set",
            Step::Value { part: Part::Score(_), old: None, .. } => "Add a member to the sorted set",
            Step::Value { part: Part::Score(_), new: None, .. } => "Remove a member of the sorted set",
            Step::Value { part: Part::Score(_), .. } => "Edit a score of the sorted set",
            Step::Value { part: Part::Element { .. }, old: None, .. } => "Insert an element into the list",
            Step::Value { part: Part::Element { .. }, new: None, .. } => "Remove an element of the list",
            Step::Value { part: Part::Element { .. }, .. } => "Edit an element of the list",
            Step::Value { part: Part::Entry(_), .. } => "Remove an entry of the stream",
            Step::RenameField { .. } => "Rename a field of the hash",
            Step::Expiry { new: Expiry::Never, .. } => "Let the key never expire:",
            Step::Expiry { .. } => "Set the expiry of the key",
            Step::Rename { .. } => "Rename the key",
            Step::Delete { .. } => "Remove the key",
        };
        format!("{what} `{object}`")
    }

    /// What is sent, without names and values; the comparison is in the same script.
    pub fn statement(&self) -> String {
        self.sends(false)
    }

    /// What takes it back; `None` when nothing does.
    pub fn undo_statement(&self) -> Option<String> {
        self.undoes().then(|| self.sends(true))
    }

    fn sends(&self, back: bool) -> String {
        let object = self.veiled_key();
        match &self.step {
            Step::Value { part, old, new, .. } => {
                let (from, to) = if back { (new, old) } else { (old, new) };
                let value = sized(to.as_ref());
                match (part, to.is_some()) {
                    (Part::String, true) => format!("SET {object} {value} KEEPTTL"),
                    (Part::String, false) => format!("UNLINK {object}"),
                    (Part::Field(_), true) => format!("HSET {object} <field> {value}"),
                    (Part::Field(_), false) => format!("HDEL {object} <field>"),
                    (Part::Member(_), true) => format!("SADD {object} <member>"),
                    (Part::Member(_), false) => format!("SREM {object} <member>"),
                    (Part::Score(_), true) => format!("ZADD {object} <score> <member>"),
                    (Part::Score(_), false) => format!("ZREM {object} <member>"),
                    (Part::Element { index, .. }, true) if from.is_some() => format!("LSET {object} {index} {value}"),
                    (Part::Element { index, .. }, true) => format!("LINSERT {object} at {index} {value}"),
                    (Part::Element { index, .. }, false) => format!("LREM {object} at {index}"),
                    (Part::Entry(_), _) => format!("XDEL {object} <entry>"),
                }
            }
            Step::RenameField { value, .. } => {
                format!("HSET {object} <field> {}; HDEL {object} <field>", sized(Some(value)))
            }
            Step::Expiry { old, new } => match if back { *old } else { *new } {
                Expiry::Never => format!("PERSIST {object}"),
                Expiry::At(ms) => format!("PEXPIREAT {object} {ms}"),
                Expiry::In(ms, _) => format!("PEXPIRE {object} {ms}"),
            },
            Step::Rename { to } => {
                let to = veiled(&to.bytes().unwrap_or_default());
                if back { format!("RENAMENX {to} {object}") } else { format!("RENAMENX {object} {to}") }
            }
            Step::Delete { .. } if back => format!("RESTORE {object} <snapshot> ABSTTL"),
            Step::Delete { .. } => format!("UNLINK {object}"),
        }
    }

    /// Further sentences that a person should know before.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "It is written only if the server still has what was seen; what another client wrote meanwhile is kept"
                .to_owned(),
        ];
        match &self.step {
            Step::Value { part: Part::Entry(_), .. } => {
                notes.push("It cannot be undone: a stream takes no entry with an earlier identifier".to_owned());
            }
            Step::Delete { snapshot: None, .. } => notes.push(format!(
                "It cannot be undone: a snapshot of what takes more than {} would block the server. It must be agreed to by typing '{FOR_GOOD}'",
                words::bytes(SNAPSHOT)
            )),
            Step::Expiry { new: Expiry::In(..), .. } => {
                notes.push("It can be undone until the key expires: no snapshot of it is taken".to_owned());
            }
            Step::Delete { .. } => {
                notes.push("Undoing restores it with its expiry, unless a key of its name is there by then".to_owned());
            }
            _ => {}
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::veiled;

    #[test]
    fn a_veiled_name_tells_its_namespace_and_nobody() {
        let shown = veiled(b"user:jane@example.com");
        assert!(shown.starts_with("user:…#") && !shown.contains("jane"), "{shown}");
        assert!(veiled(b"jane@example.com").starts_with('#'), "without a namespace nothing but a digest");
        assert!(veiled(b"118:notes").starts_with('#'), "an identifier is no namespace");
        assert_ne!(veiled(b"user:1"), veiled(b"user:2"), "two keys are two");
    }
}
