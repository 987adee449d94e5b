//! The text of a `.env` file: read as node's dotenv, python-dotenv and Ruby's dotenv read it, or refused with its line.
//!
//! There is no standard. Where the reference parsers agree, this reader agrees with them. Where they do not, the value is
//! a [`Mistake`]: a password that is cut at a `#` by half of them must not be guessed. Such a mistake stays with its
//! variable, so that a value nobody asks for disturbs nobody; what makes the following lines uncertain (a quote that is
//! never closed) refuses the file. References are the exception, because files use them all the time: node leaves
//! `${NAME}` to dotenv-expand, and Ruby alone knows no default. The crates there are (dotenvy, dotenvs, dotenvor) refuse spaces in plain values, or put
//! nothing in the place of an unknown `${NAME}`, or cite the line with its password in their errors.

/// One variable of the file. Later ones of the same name win, as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The line that it begins in, from 1.
    pub(super) line: u32,
    /// Its value, or why it is not known.
    pub(super) value: Result<String, Refused>,
}

/// A mistake and where it is. Holds no text of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// The line, from 1.
    pub(super) line: u32,
    /// What it is.
    pub(super) mistake: Mistake,
}

/// Kinds of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Bytes that are no text in UTF-8.
    NotText,
    /// UTF-16, as some Windows programs write it.
    Utf16,
    /// Neither a variable, nor a comment, nor blank.
    NotAVariable,
    /// A quote is opened and never closed.
    NeverClosed,
    /// Text follows the closing quote.
    AfterQuote,
    /// A value in backticks, which only node knows.
    Backtick,
    /// Nothing but a comment after the `=`, which python takes for the value.
    OnlyComment,
    /// `NAME: value`, which python does not read.
    Colon,
    /// A `#` without a space before it.
    Hash,
    /// A backslash that parsers read differently.
    Backslash,
    /// `$NAME` without braces.
    BareReference,
    /// `${…}` in single quotes.
    QuotedReference,
    /// `${…}` that is not `${NAME}` or `${NAME:-default}`.
    Reference,
    /// `${NAME}` of a variable that nobody defined before.
    Undefined,
    /// `${NAME:-default}` of a variable that is empty, which python takes for set.
    EmptyReference,
    /// `$(…)`.
    Command,
}

impl Mistake {
    /// What is wrong, and what would be right.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotText => ("the bytes are no text in UTF-8", "Save the file as UTF-8"),
            Self::Utf16 => ("the file is UTF-16", "Save it as UTF-8; PowerShell does with: Out-File -Encoding utf8"),
            Self::NotAVariable => (
                "neither NAME=value, nor a comment, nor blank",
                "A value over several lines stands in double quotes, a comment begins with #",
            ),
            Self::NeverClosed => {
                ("a quote is opened and never closed", "Close it; a value with quotes of one kind stands in the other")
            }
            Self::AfterQuote => (
                "text follows the closing quote of a value",
                "End the value with its quote; a value with quotes of one kind stands in the other, a comment begins with #",
            ),
            Self::Backtick => (
                "a value in backticks: some parsers take them for quotes, others for a part of the value",
                "Use single or double quotes",
            ),
            Self::OnlyComment => (
                "nothing but a comment after the =: some parsers read an empty value there, others take the comment for it",
                "Put the comment into a line of its own, or write \"\" before it",
            ),
            Self::Colon => ("a : instead of a =: some parsers do not read it", "Write NAME=value"),
            Self::Hash => (
                "a # without a space before it: some parsers end the value there, others do not",
                "Put the value in double quotes, or a space before the comment",
            ),
            Self::Backslash => (
                "a backslash that parsers read differently",
                "In single quotes a backslash and a \" stand for themselves, but not \\\\ and \\'; in an address write %5C for a \
                 backslash, %22 for a double quote and %27 for a single one",
            ),
            Self::BareReference => (
                "a $ before a name: some parsers put a variable there, others do not",
                "Write ${NAME} for the variable, or the value in single quotes for a dollar sign",
            ),
            Self::QuotedReference => (
                "${…} in single quotes: some parsers put a variable there, others do not",
                "Use double quotes for the variable, or write the value without it",
            ),
            Self::Reference => {
                ("a reference that is not ${NAME} or ${NAME:-default}", "Write one of these, or the value itself")
            }
            Self::Undefined => (
                "it refers to a variable that is not defined before it",
                "Define that variable above, or give a default: ${NAME:-default}",
            ),
            Self::EmptyReference => (
                "a default for a variable that is empty: some parsers take the default, others the empty value",
                "Write the value itself, or delete the empty variable",
            ),
            Self::Command => ("$(…) would run a command", "Write the value itself"),
        }
    }
}

/// The text of a file's bytes.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Refused> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Refused { line: 1, mistake: Mistake::Utf16 });
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let before = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
        Refused { line: line_after(&before), mistake: Mistake::NotText }
    })
}

/// The line that follows this much text.
fn line_after(text: &str) -> u32 {
    let breaks = text.replace("\r\n", "\n").matches(['\n', '\r']).count();
    u32::try_from(breaks + 1).unwrap_or(u32::MAX)
}

/// Reads all variables. `outside` knows those of the process, for references to what the file does not define.
pub(super) fn read(text: &str, outside: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Variable>, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(Refused { line: line_after(&text[..at]), mistake: Mistake::NotText });
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { rest: &text, line: 1, variables: Vec::new(), outside };
    while reader.next()? {}
    Ok(reader.variables)
}

struct Reader<'a> {
    rest: &'a str,
    line: u32,
    variables: Vec<Variable>,
    outside: &'a dyn Fn(&str) -> Option<String>,
}

/// A value that is being read: a mistake in it is kept and the reading goes on.
struct Value {
    text: String,
    refused: Option<Refused>,
}

impl Value {
    fn refuse(&mut self, line: u32, mistake: Mistake) {
        self.refused.get_or_insert(Refused { line, mistake });
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes one character and counts lines.
    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let before = self.rest.len();
        while self.peek().is_some_and(&wanted) {
            self.take();
        }
        self.rest.len() != before
    }

    fn name(&mut self) -> String {
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn refuse<T>(line: u32, mistake: Mistake) -> Result<T, Refused> {
        Err(Refused { line, mistake })
    }

    /// Whether nothing but blanks and a comment is left of the line.
    fn at_end_of_line(&self) -> bool {
        self.rest.trim_start_matches(is_blank).chars().next().is_none_or(|c| matches!(c, '\n' | '#'))
    }

    /// Reads one line, or one variable over several. `false` at the end.
    fn next(&mut self) -> Result<bool, Refused> {
        self.skip(char::is_whitespace);
        let line = self.line;
        match self.peek() {
            None => return Ok(false),
            Some('#') => {
                self.skip(|c| c != '\n');
                return Ok(true);
            }
            Some(_) => {}
        }
        let mut name = self.name();
        let mut exported = false;
        if name == "export" && self.skip(is_blank) && self.peek() != Some('=') {
            name = self.name();
            exported = true;
        }
        if name.is_empty() {
            return Self::refuse(line, Mistake::NotAVariable);
        }
        // `NAME: value` is read by node and Ruby; the colon stands at the name, so that no URL becomes a variable.
        let colon = self.rest.strip_prefix(':').filter(|rest| rest.starts_with(char::is_whitespace) || rest.is_empty());
        let has_colon = colon.is_some();
        if let Some(rest) = colon {
            self.rest = rest;
        } else {
            // `export NAME` names a variable of the shell.
            if exported && self.at_end_of_line() {
                self.skip(|c| c != '\n');
                return Ok(true);
            }
            self.skip(is_blank);
            if self.take() != Some('=') {
                return Self::refuse(line, Mistake::NotAVariable);
            }
        }
        let spaced = self.skip(is_blank);
        let mut value = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            Some('`') => self.backtick()?,
            _ => self.plain(spaced),
        };
        if has_colon {
            value.refuse(line, Mistake::Colon);
        }
        let value = value.refused.map_or(Ok(value.text), Err);
        self.variables.push(Variable { name, line, value });
        Ok(true)
    }

    /// A value in quotes, with what may follow it.
    fn quoted(&mut self, quote: char) -> Result<Value, Refused> {
        let opened = self.line;
        let mut value = Value { text: String::new(), refused: None };
        self.take();
        loop {
            let line = self.line;
            match self.take() {
                None => return Self::refuse(opened, Mistake::NeverClosed),
                Some(c) if c == quote => break,
                Some('\\') => self.escape(quote, line, &mut value),
                Some('$') if quote == '"' => self.reference(line, &mut value),
                Some(c) => {
                    if c == '$' && self.rest.starts_with('{') {
                        value.refuse(line, Mistake::QuotedReference);
                    }
                    value.text.push(c);
                }
            }
        }
        if !self.at_end_of_line() {
            // Over several lines the quote may have been closed by one that opens the next value.
            if self.line != opened {
                return Self::refuse(opened, Mistake::AfterQuote);
            }
            value.refuse(opened, Mistake::AfterQuote);
        }
        self.skip(|c| c != '\n');
        Ok(value)
    }

    /// A value in backticks. It is for one line alone to say that it is none of the values that are read; over several
    /// lines it is not known where it ends.
    fn backtick(&mut self) -> Result<Value, Refused> {
        let mut value = Value { text: String::new(), refused: None };
        value.refuse(self.line, Mistake::Backtick);
        let rest = &self.rest[1..];
        let line = rest.split('\n').next().unwrap_or_default();
        if !line.contains('`') && rest.contains('`') {
            return Self::refuse(self.line, Mistake::Backtick);
        }
        self.skip(|c| c != '\n');
        Ok(value)
    }

    /// What follows a backslash in quotes.
    fn escape(&mut self, quote: char, line: u32, value: &mut Value) {
        let next = self.peek();
        if quote == '"' {
            let plain = match next {
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                // node keeps the backslash of `\"`, `\'` and `\\`, the others drop it.
                _ => None,
            };
            match plain {
                Some(c) => value.text.push(c),
                None => value.refuse(line, Mistake::Backslash),
            }
            self.take();
            return;
        }
        value.text.push('\\');
        // python-dotenv takes these two for escapes in single quotes, and nobody else does.
        if let Some(c) = next.filter(|c| *c == '\\' || *c == quote) {
            value.refuse(line, Mistake::Backslash);
            value.text.push(c);
            self.take();
        }
    }

    /// A value without quotes: to the end of the line, or to a comment.
    fn plain(&mut self, spaced: bool) -> Value {
        let line = self.line;
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let (whole, after) = self.rest.split_at(end);
        let mut value = Value { text: String::new(), refused: None };
        let mut part = whole;
        if let Some(at) = whole.find('#') {
            let before = whole[..at].chars().next_back().map_or(spaced, is_blank);
            if before {
                part = &whole[..at];
                if part.trim().is_empty() {
                    value.refuse(line, Mistake::OnlyComment);
                }
            } else {
                value.refuse(line, Mistake::Hash);
            }
        }
        self.rest = part.trim_end();
        while let Some(c) = self.take() {
            match c {
                '$' => self.reference(line, &mut value),
                '\\' => value.refuse(line, Mistake::Backslash),
                c => value.text.push(c),
            }
        }
        self.rest = after;
        value
    }

    /// What follows a `$` where parsers look for variables.
    fn reference(&mut self, line: u32, value: &mut Value) {
        match self.peek() {
            Some('(') => value.refuse(line, Mistake::Command),
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => value.refuse(line, Mistake::BareReference),
            Some('{') => match self.braces(line) {
                Ok(text) => value.text.push_str(&text),
                Err(refused) => value.refuse(refused.line, refused.mistake),
            },
            _ => value.text.push('$'),
        }
    }

    /// `{NAME}` or `{NAME:-default}`.
    fn braces(&mut self, line: u32) -> Result<String, Refused> {
        let Some((inside, rest)) = self.rest[1..].split_once('}').filter(|(inside, _)| !inside.contains('\n')) else {
            return Self::refuse(line, Mistake::Reference);
        };
        self.rest = rest;
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        let odd = |c: char| matches!(c, '$' | '{' | '"' | '\'' | '`' | '\\');
        if name.is_empty() || !name.chars().all(is_name) || default.is_some_and(|d| d.contains(odd)) {
            return Self::refuse(line, Mistake::Reference);
        }
        let defined = match self.variables.iter().rev().find(|v| v.name == name) {
            Some(variable) => Some(variable.value.clone()?),
            None => (self.outside)(name),
        };
        match (defined, default) {
            (Some(text), _) if !text.is_empty() => Ok(text),
            (Some(_), Some(default)) if !default.is_empty() => Self::refuse(line, Mistake::EmptyReference),
            (_, Some(default)) => Ok(default.to_owned()),
            (Some(text), None) => Ok(text),
            (None, None) => Self::refuse(line, Mistake::Undefined),
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
