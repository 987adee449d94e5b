//! A command: what of it never changes as bytes, the rest as templates.
use std::ops::Range;

use super::slots::slot_of;
use perfdeck_plan::{Builtins, Scope, Template, UnsetVariable};

/// Commands whose nil reply means that the key, field or member is not there. Others answer nil for other reasons, such
/// as `SET … NX` for a key that is there; those for several keys answer a list, which is no miss.
const READS: &[&str] = &[
    "GET",
    "GETEX",
    "GETDEL",
    "HGET",
    "LINDEX",
    "ZSCORE",
    "ZRANK",
    "ZREVRANK",
    "SRANDMEMBER",
    "HRANDFIELD",
    "JSON.GET",
];

/// Commands after which a connection no longer has one reply for each command.
const STREAMS: &[&str] = &["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"];

/// Whether a command cannot be part of a load.
pub(super) fn streams(name: &str) -> bool {
    STREAMS.iter().any(|stream| stream.eq_ignore_ascii_case(name.trim()))
}

#[derive(Debug, Clone)]
enum Part {
    /// Serialised already: the number of arguments, the name, and neighbouring arguments without a slot.
    Fixed(Vec<u8>),
    Argument(Template),
}

/// Where the key of a command is.
#[derive(Debug, Clone, Copy)]
enum Key {
    /// There are no arguments.
    None,
    /// It is always the same one, of this slot.
    Fixed(usize),
    /// It is the first argument that is rendered.
    Rendered,
}

/// A command as it is sent, except for what is new each time.
#[derive(Debug, Clone)]
pub(super) struct Command {
    parts: Vec<Part>,
    key: Key,
    /// Whether nil is a miss.
    pub(super) reads: bool,
}

impl Command {
    /// A name, which may have a second word as `CONFIG GET`, and arguments. The first one is taken for the key; commands
    /// of several keys go where that one is.
    pub(super) fn new(name: &str, args: Vec<Template>) -> Self {
        let words: Vec<&str> = name.split_ascii_whitespace().collect();
        let reads = words.first().is_some_and(|word| READS.iter().any(|read| read.eq_ignore_ascii_case(word)));
        let key = match args.first().map(Template::literal) {
            None => Key::None,
            Some(Some(text)) => Key::Fixed(slot_of(text)),
            Some(None) => Key::Rendered,
        };
        let mut fixed = format!("*{}\r\n", words.len() + args.len()).into_bytes();
        words.iter().for_each(|word| bulk(word.as_bytes(), &mut fixed));
        let mut parts = Vec::new();
        for arg in args {
            if let Some(text) = arg.literal() {
                bulk(text, &mut fixed);
                continue;
            }
            if !fixed.is_empty() {
                parts.push(Part::Fixed(std::mem::take(&mut fixed)));
            }
            parts.push(Part::Argument(arg));
        }
        if !fixed.is_empty() {
            parts.push(Part::Fixed(fixed));
        }
        Self { parts, key, reads }
    }

    /// Whether it inserts the value of a slot of the scope.
    pub(super) fn inserts(&self, slot: usize) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Argument(template) if template.slots().any(|s| s == slot)))
    }

    /// Appends the command as an array of bulk strings. Answers its first rendered argument's place.
    ///
    /// # Errors
    /// The first variable without a value.
    pub(super) fn render(
        &self,
        scope: &Scope,
        builtins: &mut Builtins,
        out: &mut Vec<u8>,
    ) -> Result<Range<usize>, UnsetVariable> {
        let mut first = None;
        for part in &self.parts {
            match part {
                Part::Fixed(bytes) => out.extend_from_slice(bytes),
                Part::Argument(template) => {
                    let place = rendered(out, |out| template.render(scope, builtins, out))?;
                    first.get_or_insert(place);
                }
            }
        }
        Ok(first.unwrap_or(0..0))
    }

    /// The slot of the key, which is at `place` in `out` when it is not the same each time; `None` without a key.
    pub(super) fn slot(&self, out: &[u8], place: Range<usize>) -> Option<usize> {
        match self.key {
            Key::None => None,
            Key::Fixed(slot) => Some(slot),
            Key::Rendered => Some(slot_of(out.get(place).unwrap_or_default())),
        }
    }
}

/// Appends a bulk string.
pub(super) fn bulk(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// Appends what `write` appends as a bulk string; answers its place. Its size stands before it and is known after it:
/// room is left for two digits, which most sizes have.
fn rendered<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Range<usize>, E> {
    let head = out.len();
    out.extend_from_slice(b"$00\r\n");
    let start = out.len();
    write(out)?;
    let (size, mut digits, mut at) = (out.len() - start, [b'0'; 20], 20);
    let mut left = size;
    while left > 0 || at == 20 {
        at -= 1;
        let digit = (left % 10) as u8;
        digits[at] += digit;
        left /= 10;
    }
    let digits = digits.get(at..).unwrap_or_default();
    // Moves what was rendered when there are more or fewer of them.
    out.splice(head + 1..head + 3, digits.iter().copied());
    let start = head + 3 + digits.len();
    out.extend_from_slice(b"\r\n");
    Ok(start..start + size)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use perfdeck_plan::Compiler;

    fn render(name: &str, args: &[&str], value: &str) -> (String, Option<usize>) {
        let mut compiler = Compiler::new(&BTreeMap::new()).expect("no variables");
        let args = args.iter().map(|arg| compiler.compile(arg).expect("a template")).collect();
        let command = Command::new(name, args);
        let mut scope = compiler.names().scope();
        if let Some(slot) = compiler.names().find("v") {
            assert!(command.inserts(slot) && !command.inserts(slot + 1), "it knows what it inserts");
            scope.set(slot, value.as_bytes());
        }
        let mut out = b"before".to_vec();
        let place = command.render(&scope, &mut Builtins::new(1, 0, 1), &mut out).expect("all values are set");
        let slot = command.slot(&out, place);
        (String::from_utf8(out.split_off(6)).expect("text"), slot)
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(render("PING", &[], ""), ("*1\r\n$4\r\nPING\r\n".to_owned(), None), "no key");
        assert_eq!(
            render("CONFIG GET", &["foo"], ""),
            ("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$3\r\nfoo\r\n".to_owned(), Some(12_182)),
            "two words of a name, and a key that never changes"
        );
        for size in [0, 1, 9, 10, 11, 99, 100, 1234] {
            let value = "x".repeat(size);
            let expected = format!("*3\r\n$3\r\nSET\r\n${size}\r\n{value}\r\n$1\r\n1\r\n");
            assert_eq!(render("SET", &["{{v}}", "1"], &value), (expected, Some(slot_of(value.as_bytes()))), "{size}");
        }
        let (text, slot) = render("MSET", &["a:{{v}}", "1", "b:{{v}}", "2"], "{t}");
        assert_eq!(text, "*5\r\n$4\r\nMSET\r\n$5\r\na:{t}\r\n$1\r\n1\r\n$5\r\nb:{t}\r\n$1\r\n2\r\n", "in order");
        assert_eq!(slot, Some(slot_of(b"t")), "the first key's hash tag");
    }
}
