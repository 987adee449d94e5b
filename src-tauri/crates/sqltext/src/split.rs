//! The statements of a script.
use std::ops::Range;

use crate::lexer::{Dialect, Kind, Token, tokens};

/// A statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text without the semicolon and without white space and comments around it.
    pub text: &'a str,
    /// Line of its first character, from 1.
    pub line: usize,
}

/// Why a script cannot be split. The message names a line and what is there, and holds no text of the script but words of
/// client commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Refused {
    /// The line, from 1.
    pub line: usize,
    /// What is there.
    pub what: String,
    /// What helps.
    pub hint: &'static str,
}

/// What is open where the splitter stands.
#[derive(Default)]
struct Open {
    /// First words of the statement, in upper case.
    words: Vec<String>,
    /// Parentheses.
    depth: usize,
    /// `BEGIN` and `CASE` of a body.
    bodies: usize,
    executable: usize,
    /// SQLite: the last word that was no space, for `; END ;`.
    after_semicolon: bool,
    end_of_trigger: bool,
}

impl Open {
    /// What `CREATE` makes, when the statement is one with a body of statements.
    fn creates(&self, kinds: &[&str]) -> bool {
        self.words.first().is_some_and(|w| w == "CREATE") && self.words.iter().any(|w| kinds.contains(&w.as_str()))
    }

    /// A word of the statement.
    fn word(&mut self, word: &str, dialect: Dialect) {
        let word = word.to_ascii_uppercase();
        let routine = match dialect {
            Dialect::Postgres => self.creates(&["FUNCTION", "PROCEDURE"]),
            _ => false,
        };
        if routine && self.depth == 0 {
            match word.as_str() {
                "BEGIN" => self.bodies += 1,
                "CASE" if self.bodies > 0 => self.bodies += 1,
                "END" => self.bodies = self.bodies.saturating_sub(1),
                _ => {}
            }
        }
        self.end_of_trigger = self.after_semicolon && word == "END";
        self.after_semicolon = false;
        if self.words.len() < 12 {
            self.words.push(word);
        }
    }

    /// Whether a semicolon ends the statement.
    fn ends(&mut self, dialect: Dialect) -> bool {
        let inside = match dialect {
            // As psql does: parentheses hold the actions of a rule, BEGIN ATOMIC the body of a function.
            Dialect::Postgres => self.depth > 0 || self.bodies > 0,
            // As sqlite3_complete() does: a trigger ends with `; END;`.
            Dialect::Sqlite => self.trigger() && !self.end_of_trigger,
            Dialect::Mysql => false,
        };
        self.after_semicolon = true;
        self.end_of_trigger = false;
        !inside
    }

    /// `[EXPLAIN] CREATE [TEMP|TEMPORARY] TRIGGER`, and nothing else that happens to have the word.
    fn trigger(&self) -> bool {
        let mut words = self.words.iter().map(String::as_str).filter(|w| !["EXPLAIN", "TEMP", "TEMPORARY"].contains(w));
        words.next() == Some("CREATE") && words.next() == Some("TRIGGER")
    }
}

/// The ranges between the semicolons that end statements: joined with `;` they are the whole script again.
pub fn pieces(script: &str, dialect: Dialect) -> Vec<Range<usize>> {
    let (mut all, mut from, mut open) = (Vec::new(), 0, Open::default());
    for token in tokens(script, dialect) {
        if step(&mut open, &token, script, dialect) {
            all.push(from..token.start);
            (from, open) = (token.end, Open::default());
        }
    }
    all.push(from..script.len());
    all
}

/// Takes a token; answers whether it ends the statement.
fn step(open: &mut Open, token: &Token, script: &str, dialect: Dialect) -> bool {
    let text = &script[token.start..token.end];
    match token.kind {
        Kind::Semicolon => return open.ends(dialect),
        Kind::Word => open.word(text, dialect),
        Kind::ExecutableOpen => open.executable += 1,
        Kind::ExecutableClose => open.executable = open.executable.saturating_sub(1),
        Kind::Space | Kind::Comment => return false,
        Kind::Other => match text {
            "(" => open.depth += 1,
            ")" => open.depth = open.depth.saturating_sub(1),
            _ => {}
        },
        _ => {}
    }
    if token.kind != Kind::Word {
        open.after_semicolon = false;
        open.end_of_trigger = false;
    }
    false
}

fn line_of(script: &str, at: usize) -> usize {
    script.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
}

/// The statements of a script, in their order. Pieces of white space and comments alone are none.
///
/// # Errors
/// What is no SQL, or cannot be told apart without the client that it was written for: commands of `psql`, `mysql` and
/// `sqlite3`, `DELIMITER`, routines of MySQL with a body of several statements, `COPY … FROM STDIN` with its data, a NUL,
/// and quotes and comments that are never closed.
pub fn statements(script: &str, dialect: Dialect) -> Result<Vec<Statement<'_>>, Refused> {
    // A byte-order mark is the file's, not the first statement's.
    let script = script.strip_prefix('\u{feff}').unwrap_or(script);
    let refuse = |at: usize, what: String, hint: &'static str| Refused { line: line_of(script, at), what, hint };
    if let Some(at) = script.find('\0') {
        return Err(refuse(at, "a NUL character".to_owned(), "Save the script as UTF-8 text"));
    }
    let (mut all, mut open) = (Vec::new(), Open::default());
    // First and last token that is neither space nor comment.
    let mut span: Option<(usize, usize)> = None;
    for token in tokens(script, dialect) {
        check(&token, script, dialect, &open, span.is_none())
            .map_err(|(what, hint)| refuse(token.start, what, hint))?;
        let ended = step(&mut open, &token, script, dialect);
        if ended {
            let (state, whole) = (std::mem::take(&mut open), span.take());
            if state.executable > 0 {
                let what = "a semicolon inside a comment that the server executes".to_owned();
                return Err(refuse(token.start, what, "Write the statements without /*! … */"));
            }
            let whole = whole.and_then(|(from, to)| alone(script, from, to, token.start, dialect));
            finish(script, whole, &state, dialect, &mut all).map_err(|(at, what, hint)| refuse(at, what, hint))?;
        } else if !matches!(token.kind, Kind::Space | Kind::Comment) || hint(&token, script) && span.is_some() {
            span = Some((span.map_or(token.start, |(from, _)| from), token.end));
        }
    }
    let span = span.and_then(|(from, to)| alone(script, from, to, script.len(), dialect));
    finish(script, span, &open, dialect, &mut all).map_err(|(at, what, hint)| refuse(at, what, hint))?;
    Ok(all)
}

/// Hints of an optimizer are comments that belong to their statement.
fn hint(token: &Token, script: &str) -> bool {
    script[token.start..token.end].starts_with("/*+")
}

/// What is left of `from..to`, the statement in a script whose text up to its semicolon ends at `end`, when it is sent by
/// itself: MySQL reads two hyphens as a comment only before a space or at the end of the text, so that cutting behind them
/// makes a comment of what was none.
fn alone(script: &str, from: usize, to: usize, end: usize, dialect: Dialect) -> Option<(usize, usize)> {
    if dialect != Dialect::Mysql || !script[from..to].ends_with("--") {
        return Some((from, to));
    }
    let piece = script[from..end].trim_end();
    let last = tokens(piece, dialect).into_iter().rfind(|t| !matches!(t.kind, Kind::Space | Kind::Comment))?;
    let to = if piece[..last.end].ends_with("--") { piece.len() } else { last.end };
    Some((from, from + to))
}

/// Adds a statement that has ended.
fn finish<'a>(
    script: &'a str,
    span: Option<(usize, usize)>,
    open: &Open,
    dialect: Dialect,
    all: &mut Vec<Statement<'a>>,
) -> Result<(), (usize, String, &'static str)> {
    let Some((from, to)) = span else { return Ok(()) };
    let text = &script[from..to];
    let has = |word: &str| open.words.iter().any(|w| w == word);
    if dialect == Dialect::Postgres && open.words.first().is_some_and(|w| w == "COPY") && has("STDIN") {
        let what = "COPY … FROM STDIN, whose data stands in the script".to_owned();
        return Err((from, what, "Load the data before the benchmark, such as with psql"));
    }
    let compound = open.creates(&["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]) && has("BEGIN")
        || has("ATOMIC") && has("NOT") && has("BEGIN");
    if dialect == Dialect::Mysql && compound {
        let what = "a body of several statements, which ends nowhere without the client's DELIMITER".to_owned();
        return Err((from, what, "Create it before the benchmark; the script may call it"));
    }
    all.push(Statement { text, line: line_of(script, from) });
    Ok(())
}

/// Refuses what no server knows.
fn check(
    token: &Token,
    script: &str,
    dialect: Dialect,
    open: &Open,
    first: bool,
) -> Result<(), (String, &'static str)> {
    let text = &script[token.start..token.end];
    if !token.closed {
        let what = match token.kind {
            Kind::Comment => "a comment that is never closed",
            Kind::Name => "a quoted name that is never closed",
            _ => "a string that is never closed",
        };
        return Err((what.to_owned(), "Close it; check the quotes before it"));
    }
    match token.kind {
        Kind::ClientCommand => {
            let client = if dialect == Dialect::Postgres { "psql" } else { "mysql" };
            let word: String = text.chars().skip(1).take_while(char::is_ascii_alphabetic).take(20).collect();
            Err((
                format!("\\{word} is a command of {client}, not of the server"),
                "Leave it out, or write the SQL that it stands for",
            ))
        }
        Kind::Word if dialect == Dialect::Mysql && first && text.eq_ignore_ascii_case("delimiter") => Err((
            "DELIMITER is a command of mysql, not of the server".to_owned(),
            "Create routines before the benchmark; the script may call them",
        )),
        // `.mode` and the like, at the beginning of a line.
        Kind::Other if dialect == Dialect::Sqlite && first && text == "." && open.words.is_empty() => {
            let rest = &script[token.end..];
            let word: String = rest.chars().take_while(char::is_ascii_alphabetic).take(20).collect();
            Err((format!(".{word} is a command of sqlite3, not of SQL"), "Leave it out"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Mysql, Postgres, Sqlite};

    fn texts(script: &str, dialect: Dialect) -> Vec<&str> {
        statements(script, dialect).unwrap_or_else(|e| panic!("{script:?}: {e}")).iter().map(|s| s.text).collect()
    }

    #[test]
    fn scripts_are_split_where_their_server_would() {
        let table: &[(&[Dialect], &str, &[&str])] = &[
            (&Dialect::ALL, "select 1; select 2", &["select 1", "select 2"]),
            (&Dialect::ALL, " ;; select ';' ; -- nothing; here\n;", &["select ';'"]),
            (&Dialect::ALL, "", &[]),
            (&Dialect::ALL, "/* a; b */ select 1 /* c; d */;", &["select 1"]),
            (&Dialect::ALL, "select 'it''s; fine'; select 2", &["select 'it''s; fine'", "select 2"]),
            (&Dialect::ALL, "\u{feff}select 1;\r\nselect 2;\r\n", &["select 1", "select 2"]),
            (&Dialect::ALL, "select a -- x; y\n, b; select 2", &["select a -- x; y\n, b", "select 2"]),
            (&[Postgres], "select \"a;b\"; select 2", &["select \"a;b\"", "select 2"]),
            (
                &[Postgres],
                "DO $$ begin perform 1; perform 2; end $$; select 1",
                &["DO $$ begin perform 1; perform 2; end $$", "select 1"],
            ),
            (&[Postgres], "DO $x$ a; $$ b; $y$ c; $x$; select 1", &["DO $x$ a; $$ b; $y$ c; $x$", "select 1"]),
            (&[Postgres], "select a$b; select 2; select c$b", &["select a$b", "select 2", "select c$b"]),
            (&[Postgres], "select $1; select $2", &["select $1", "select $2"]),
            (&[Postgres], "/* a /* b; */ c; */ select 1; select 2", &["select 1", "select 2"]),
            (&[Postgres], r"select E'\';'; select 2", &[r"select E'\';'", "select 2"]),
            (&[Postgres], r"select E'\\'; select 2", &[r"select E'\\'", "select 2"]),
            (&[Postgres], r"select 'C:\'; select 2", &[r"select 'C:\'", "select 2"]),
            (&[Postgres], "select E'a'\n'\\';'; select 2", &["select E'a'\n'\\';'", "select 2"]),
            (
                &[Postgres],
                "create rule r as on insert to t do (delete from a; delete from b); select 1",
                &["create rule r as on insert to t do (delete from a; delete from b)", "select 1"],
            ),
            (
                &[Postgres],
                "create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 1",
                &[
                    "create function f() returns int begin atomic select 1; select case when true then 1 end; end",
                    "select 1",
                ],
            ),
            (&[Postgres], "begin; select 1; end;", &["begin", "select 1", "end"]),
            (&[Postgres], "select U&\"a;b\", U&'c;d'; select 2", &["select U&\"a;b\", U&'c;d'", "select 2"]),
            (&[Mysql], "select 1 # don't; stop\n; select 2", &["select 1", "select 2"]),
            (&[Mysql], "select 5 --3; select 2", &["select 5 --3", "select 2"]),
            (&[Mysql], "select 5--; select 2", &["select 5", "select 2"]),
            (&[Mysql], "----", &["----"]),
            (&[Mysql], "--;", &[]),
            (&[Mysql], r#"select 'a\';', "b;\"c"; select `d;e`"#, &[r#"select 'a\';', "b;\"c""#, "select `d;e`"]),
            (&[Mysql], "/* a /* b */ select 1; select 2", &["select 1", "select 2"]),
            (&[Mysql], "/*!40101 SET NAMES utf8 */; select 1", &["/*!40101 SET NAMES utf8 */", "select 1"]),
            (&[Mysql], "select /*+ NO_INDEX(t) */ 1; select 2", &["select /*+ NO_INDEX(t) */ 1", "select 2"]),
            (&[Mysql], "create procedure p() select 1; call p()", &["create procedure p() select 1", "call p()"]),
            (&[Sqlite], "select [a;b], `c;d`; select 2", &["select [a;b], `c;d`", "select 2"]),
            (&[Sqlite], "select '\\'; select 2", &["select '\\'", "select 2"]),
            (
                &[Sqlite],
                "create trigger g after insert on t begin update a set x = case 1 when 1 then 2 end; delete from b; end; select 1",
                &[
                    "create trigger g after insert on t begin update a set x = case 1 when 1 then 2 end; delete from b; end",
                    "select 1",
                ],
            ),
        ];
        for (dialects, script, want) in table {
            for dialect in *dialects {
                assert_eq!(texts(script, *dialect), *want, "{dialect:?}: {script}");
            }
        }
    }

    #[test]
    fn what_is_no_sql_is_refused_by_name() {
        for (dialect, script, line, word) in [
            (Postgres, "select 1;\n\\set x 1\nselect 2;", 2, "\\set"),
            (Postgres, "select 1 \\gset", 1, "\\gset"),
            (Postgres, "\\connect postgres://u:SECRET@h/d", 1, "\\connect"),
            (Postgres, "copy t from stdin;\n1\n\\.\n", 1, "COPY"),
            (Postgres, "select 1;\nselect 'open", 2, "string"),
            (Postgres, "do $x$ open; $y$", 1, "string"),
            (Postgres, "select \"open", 1, "name"),
            (Postgres, "/* open /* */", 1, "comment"),
            (Postgres, "select\0 1", 1, "NUL"),
            (Mysql, "DELIMITER //\ncreate procedure p() begin select 1; end//", 1, "DELIMITER"),
            (Mysql, "create procedure p()\nbegin\n select 1; select 2; end;", 1, "body"),
            (Mysql, "begin not atomic select 1; end", 1, "body"),
            (Mysql, "select 1\\G", 1, "\\G"),
            (Mysql, "/*! select 1; select 2 */", 1, "executes"),
            (Sqlite, ".mode csv\nselect 1;", 1, ".mode"),
        ] {
            let error = statements(script, dialect).expect_err(script);
            assert_eq!(error.line, line, "{script}: {error}");
            assert!(error.to_string().contains(word), "it names {word}: {error}");
            assert!(!error.to_string().contains("SECRET"), "and nothing else of the script: {error}");
        }
    }
}
