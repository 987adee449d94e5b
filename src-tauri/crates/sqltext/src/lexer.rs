//! The tokens of a text. Every byte belongs to exactly one token.

/// Whose lexical rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL with `standard_conforming_strings`, its default since 9.1.
    Postgres,
    /// MySQL and MariaDB without `ANSI_QUOTES` and `NO_BACKSLASH_ESCAPES`, their defaults.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Mysql, Self::Sqlite];
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// White space.
    Space,
    /// A comment that no server executes. Optimizer hints are comments too.
    Comment,
    /// `/*!50100` or `/*M!`: what follows is executed by MySQL or MariaDB.
    ExecutableOpen,
    /// The `*/` of such a comment.
    ExecutableClose,
    /// A key word or a name without quotes.
    Word,
    /// A quoted name.
    Name,
    /// A string with its prefix and quotes, or a dollar-quoted text.
    Text,
    /// A number.
    Number,
    /// A placeholder, such as `$1`, `?` or `:name`.
    Parameter,
    /// `;`
    Semicolon,
    /// A backslash outside quotes with the rest of its line: a command of `psql` or `mysql`, which no server knows.
    ClientCommand,
    /// Any other character.
    Other,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
    /// Whether it ends by itself: false for a quote or comment that the text ends in.
    pub closed: bool,
    /// Servers disagree, by a setting, on where this string ends: it has a backslash before a quote or a backslash.
    pub unclear: bool,
}

/// The tokens of a text; together they are the whole text.
pub fn tokens(sql: &str, dialect: Dialect) -> Vec<Token> {
    let mut lexer = Lexer { text: sql.as_bytes(), at: 0, dialect, executable: 0 };
    let mut all = Vec::new();
    while lexer.at < lexer.text.len() {
        all.push(lexer.next());
    }
    all
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Executable comments that are open.
    executable: usize,
}

/// Bytes of other scripts are letters on all servers.
fn begins_word(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn space(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

impl Lexer<'_> {
    fn peek(&self, after: usize) -> Option<u8> {
        self.text.get(self.at + after).copied()
    }

    fn in_word(&self, b: u8) -> bool {
        begins_word(b) || b.is_ascii_digit() || b == b'$'
    }

    fn while_in(&self, from: usize, holds: impl Fn(u8) -> bool) -> usize {
        self.text.iter().skip(from).position(|b| !holds(*b)).map_or(self.text.len(), |n| from + n)
    }

    fn next(&mut self) -> Token {
        let start = self.at;
        let (kind, end, closed, unclear) = self.token();
        // Always forward, and never into the middle of a character: each end is behind an ASCII byte or before one.
        self.at = end.clamp(start + 1, self.text.len());
        while self.text.get(self.at).is_some_and(|b| (0x80..0xc0).contains(b)) {
            self.at += 1;
        }
        Token { kind, start, end: self.at, closed, unclear }
    }

    fn token(&mut self) -> (Kind, usize, bool, bool) {
        use Dialect as D;
        let (at, d) = (self.at, self.dialect);
        let done = |kind, end| (kind, end, true, false);
        let Some(c) = self.peek(0) else { return done(Kind::Other, at) };
        let next = self.peek(1);
        match c {
            c if space(c) => done(Kind::Space, self.while_in(at, space)),
            b'-' if next == Some(b'-') && self.dashes() => done(Kind::Comment, self.line_end()),
            b'#' if d == D::Mysql => done(Kind::Comment, self.line_end()),
            b'/' if next == Some(b'*') => self.comment(),
            b'*' if next == Some(b'/') && self.executable > 0 => {
                self.executable -= 1;
                done(Kind::ExecutableClose, at + 2)
            }
            b'\'' => self.string(at, false),
            b'"' if d == D::Mysql => self.quoted(Kind::Text, at, b'"', true),
            b'"' => self.quoted(Kind::Name, at, b'"', false),
            b'`' if d != D::Postgres => self.quoted(Kind::Name, at, b'`', false),
            b'[' if d == D::Sqlite => {
                let close = self.text.iter().skip(at).position(|b| *b == b']');
                (Kind::Name, close.map_or(self.text.len(), |n| at + n + 1), close.is_some(), false)
            }
            b';' => done(Kind::Semicolon, at + 1),
            b'\\' if d != D::Sqlite => done(Kind::ClientCommand, self.line_end()),
            b'$' if d == D::Postgres => self.dollar(),
            b'?' if d != D::Postgres => {
                let digits = if d == D::Sqlite { self.while_in(at + 1, |b| b.is_ascii_digit()) } else { at + 1 };
                done(Kind::Parameter, digits)
            }
            b':' | b'@' | b'$' if d == D::Sqlite && next.is_some_and(|n| begins_word(n) || n.is_ascii_digit()) => {
                done(Kind::Parameter, self.while_in(at + 1, |b| self.in_word(b)))
            }
            c if c.is_ascii_digit() || c == b'.' && next.is_some_and(|n| n.is_ascii_digit()) => {
                done(Kind::Number, self.number())
            }
            c if begins_word(c) || c == b'$' && d == D::Mysql => self.word(),
            _ => done(Kind::Other, at + 1),
        }
    }

    /// Whether two dashes begin a comment here: MySQL wants white space or the end behind them.
    fn dashes(&self) -> bool {
        self.dialect != Dialect::Mysql || self.peek(2).is_none_or(|b| space(b) || b.is_ascii_control())
    }

    /// The end of the line, its line break not included.
    fn line_end(&self) -> usize {
        let ends = |b: u8| b == b'\n' || (b == b'\r' && self.dialect == Dialect::Postgres);
        self.while_in(self.at, |b| !ends(b))
    }

    fn comment(&mut self) -> (Kind, usize, bool, bool) {
        let at = self.at;
        if self.dialect == Dialect::Mysql {
            let bang = match (self.peek(2), self.peek(3)) {
                (Some(b'!'), _) => Some(at + 3),
                (Some(b'M' | b'm'), Some(b'!')) => Some(at + 4),
                _ => None,
            };
            if let Some(from) = bang {
                self.executable += 1;
                return (Kind::ExecutableOpen, self.while_in(from, |b| b.is_ascii_digit()), true, false);
            }
        }
        let (mut i, mut depth) = (at + 2, 1usize);
        while let Some(c) = self.text.get(i) {
            match (c, self.text.get(i + 1)) {
                (b'*', Some(b'/')) => {
                    (i, depth) = (i + 2, depth - 1);
                    if depth == 0 {
                        return (Kind::Comment, i, true, false);
                    }
                }
                (b'/', Some(b'*')) if self.dialect == Dialect::Postgres => (i, depth) = (i + 2, depth + 1),
                _ => i += 1,
            }
        }
        (Kind::Comment, self.text.len(), false, false)
    }

    /// A string whose opening quote is at `quote`; the token begins at `self.at`, which may be its prefix.
    fn string(&self, quote: usize, escapes: bool) -> (Kind, usize, bool, bool) {
        let escapes = escapes || self.dialect == Dialect::Mysql;
        let mut from = quote;
        let (mut unclear, mut end, mut closed);
        let mut all_unclear = false;
        loop {
            (end, closed, unclear) = self.quote_end(from, b'\'', escapes);
            // Only PostgreSQL's E'…' always has escapes; there no setting changes it, nor in SQLite.
            let settled = self.dialect == Dialect::Sqlite || (self.dialect == Dialect::Postgres && escapes);
            all_unclear |= unclear && !settled;
            match self.continued(end).filter(|_| closed) {
                Some(next) => from = next,
                None => return (Kind::Text, end, closed, all_unclear),
            }
        }
    }

    /// Where a string of PostgreSQL goes on after its end: behind white space with a line break.
    fn continued(&self, end: usize) -> Option<usize> {
        if self.dialect != Dialect::Postgres {
            return None;
        }
        let (mut i, mut line) = (end, false);
        loop {
            match self.text.get(i)? {
                b'\n' | b'\r' => (i, line) = (i + 1, true),
                b if space(*b) => i += 1,
                b'-' if self.text.get(i + 1) == Some(&b'-') => {
                    i = self.while_in(i, |b| b != b'\n' && b != b'\r');
                }
                b'\'' if line => return Some(i),
                _ => return None,
            }
        }
    }

    fn quoted(&self, kind: Kind, from: usize, quote: u8, escapes: bool) -> (Kind, usize, bool, bool) {
        let (end, closed, unclear) = self.quote_end(from, quote, escapes);
        (kind, end, closed, unclear && kind == Kind::Text)
    }

    /// End of a quoted text whose quote is at `from`, whether it is closed, and whether a backslash makes that unclear.
    fn quote_end(&self, from: usize, quote: u8, escapes: bool) -> (usize, bool, bool) {
        let (mut i, mut unclear) = (from + 1, false);
        while let Some(c) = self.text.get(i) {
            let next = self.text.get(i + 1).copied();
            if *c == b'\\' {
                unclear |= matches!(next, Some(b'\'' | b'"' | b'\\'));
                i += if escapes { 2 } else { 1 };
            } else if *c == quote {
                if next != Some(quote) {
                    return (i + 1, true, unclear);
                }
                i += 2;
            } else {
                i += 1;
            }
        }
        (self.text.len(), false, unclear)
    }

    /// `$1`, `$tag$…$tag$`, or a lone dollar.
    fn dollar(&self) -> (Kind, usize, bool, bool) {
        let at = self.at;
        if self.peek(1).is_some_and(|b| b.is_ascii_digit()) {
            return (Kind::Parameter, self.while_in(at + 1, |b| b.is_ascii_digit()), true, false);
        }
        let tag_end = self.while_in(at + 1, |b| begins_word(b) || b.is_ascii_digit());
        if self.text.get(tag_end) != Some(&b'$') {
            return (Kind::Other, at + 1, true, false);
        }
        let (tag, from) = (&self.text[at..=tag_end], tag_end + 1);
        let close = self.text[from..].windows(tag.len()).position(|w| w == tag);
        (Kind::Text, close.map_or(self.text.len(), |n| from + n + tag.len()), close.is_some(), false)
    }

    fn number(&self) -> usize {
        let mut i = self.at;
        while let Some(c) = self.text.get(i) {
            let sign = matches!(c, b'+' | b'-')
                && i > self.at
                && matches!(self.text[i - 1], b'e' | b'E')
                && !matches!(self.text.get(self.at + 1), Some(b'x' | b'X'));
            let range = *c == b'.' && self.text.get(i + 1) == Some(&b'.');
            if range || !(self.in_word(*c) || *c == b'.' || sign) {
                break;
            }
            i += 1;
        }
        i
    }

    /// A word, or a string with a prefix such as `E'…'`.
    fn word(&self) -> (Kind, usize, bool, bool) {
        use Dialect as D;
        let end = self.while_in(self.at, |b| self.in_word(b));
        let quote = |at: usize| self.text.get(at) == Some(&b'\'');
        let one = end == self.at + 1;
        match (self.text[self.at].to_ascii_lowercase(), self.dialect) {
            (b'e', D::Postgres) if one && quote(end) => self.string(end, true),
            (b'b' | b'n', D::Postgres | D::Mysql) if one && quote(end) => self.string(end, false),
            (b'x', _) if one && quote(end) => self.string(end, false),
            (b'u', D::Postgres) if one && self.text.get(end) == Some(&b'&') && quote(end + 1) => {
                self.string(end + 1, false)
            }
            (b'u', D::Postgres)
                if one && self.text.get(end) == Some(&b'&') && self.text.get(end + 1) == Some(&b'"') =>
            {
                self.quoted(Kind::Name, end + 1, b'"', false)
            }
            _ => (Kind::Word, end, true, false),
        }
    }
}
