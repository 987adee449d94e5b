//! A statement as a tree, within bounds.
use std::collections::HashMap;
use std::fmt;

use perfdeck_sqltext::{Dialect, Kind, tokens};
use sqlparser::ast::{Expr, Statement};
use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserError, ParserOptions};

/// Longest statement that is analysed, in bytes.
pub const LONGEST: usize = 128 * 1024;
/// Tokens of one at most, white space not counted.
const MOST_TOKENS: usize = 20_000;
/// Operators in a row make a tree as deep as they are many, and what walks and frees it needs a stack as deep.
const MOST_OPERATORS: usize = 1_500;
/// Levels of parentheses and subqueries.
const DEEPEST: usize = 40;

/// Why a statement takes no part in the advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAnalysed {
    /// It is longer than [`LONGEST`], or has more parts than are looked at.
    TooLong,
    /// It is nested deeper than is followed.
    TooDeep,
    /// It has more than one statement, or none.
    NotOne,
    /// It is cut off: the server keeps the beginning only.
    Cut,
    /// The grammar does not know it; the line.
    Syntax(u64),
    /// It is none that reads or writes rows, such as `VACUUM` or `EXPLAIN`.
    Other,
    /// It is a `MERGE`, whose parts are not looked at.
    Merge,
    /// None of its tables is known.
    NoTable,
    /// It reads this table, whose rows lie in tables that inherit from it.
    Inherited(String),
    /// The server does not plan it: why.
    NotPlanned(String),
}

impl fmt::Display for NotAnalysed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("it is too long"),
            Self::TooDeep => f.write_str("it is nested too deep"),
            Self::NotOne => f.write_str("it is not one statement"),
            Self::Cut => f.write_str("the server kept its beginning only"),
            Self::Syntax(line) => write!(f, "its grammar is not understood at line {line}"),
            Self::Other => f.write_str("it reads and writes no rows of tables"),
            Self::Merge => f.write_str("a MERGE is not analysed: give the SELECT that finds its rows"),
            Self::NoTable => f.write_str("none of its tables is known"),
            Self::Inherited(table) => write!(
                f,
                "rows of {table} lie in tables that inherit from it, which is not analysed: give the same statement on one of those"
            ),
            Self::NotPlanned(why) => write!(f, "it cannot be planned: {why}"),
        }
    }
}

fn grammar(dialect: Dialect) -> Box<dyn Grammar> {
    match dialect {
        Dialect::Postgres => Box::new(PostgreSqlDialect {}),
        Dialect::Mysql => Box::new(MySqlDialect {}),
        Dialect::Sqlite => Box::new(SQLiteDialect {}),
    }
}

/// Its text with parameters that have numbers, counted as [`perfdeck_sqltext::parameters`] counts them, without
/// comments.
fn numbered(text: &str, dialect: Dialect) -> Result<String, NotAnalysed> {
    let (mut out, mut names, mut highest) = (String::with_capacity(text.len()), HashMap::new(), 0usize);
    let (mut count, mut operators) = (0usize, 0usize);
    for token in tokens(text, dialect) {
        let part = &text[token.start..token.end];
        match token.kind {
            Kind::Space | Kind::Comment => {
                out.push(' ');
                // Lines are kept for what is said of mistakes.
                out.extend(part.chars().filter(|c| *c == '\n'));
                continue;
            }
            _ if !token.closed => return Err(NotAnalysed::Cut),
            Kind::Parameter => {
                let number = part.get(1..).and_then(|n| n.parse::<usize>().ok());
                let number = match (part.starts_with('?') || part.starts_with('$'), number) {
                    (true, Some(n)) => n,
                    (true, None) if part.starts_with('?') => highest + 1,
                    _ => *names.entry(part.to_owned()).or_insert(highest + 1),
                };
                highest = highest.max(number);
                // MySQL's names may begin with a dollar.
                out.push(if dialect == Dialect::Mysql { ':' } else { '$' });
                out.push_str(&number.to_string());
            }
            _ => {
                let word = part.to_ascii_uppercase();
                let joins = ["AND", "OR", "UNION", "JOIN"].contains(&word.as_str());
                operators += usize::from(joins || token.kind == Kind::Other && "+-*/|&<>=.".contains(part));
                out.push_str(part);
            }
        }
        count += 1;
    }
    // What servers write of lists that they shortened.
    let out = out.replace("(...)", "(NULL)").replace("( ... )", "(NULL)");
    if count > MOST_TOKENS || operators > 4 * MOST_OPERATORS {
        return Err(NotAnalysed::TooLong);
    }
    Ok(out)
}

fn failed(error: &ParserError) -> NotAnalysed {
    match error {
        ParserError::RecursionLimitExceeded => NotAnalysed::TooDeep,
        // Its text has parts of the statement; of it only the line is told.
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let line = text.rsplit_once("Line: ").and_then(|(_, rest)| rest.split(',').next()?.trim().parse().ok());
            NotAnalysed::Syntax(line.unwrap_or(1))
        }
    }
}

/// The statement as a tree.
///
/// # Errors
/// When it is not one statement, or not understood.
pub(crate) fn parsed(text: &str, dialect: Dialect) -> Result<Statement, NotAnalysed> {
    if text.len() > LONGEST {
        return Err(NotAnalysed::TooLong);
    }
    let text = numbered(text, dialect)?;
    let grammar = grammar(dialect);
    let parser = Parser::new(grammar.as_ref()).with_recursion_limit(DEEPEST).try_with_sql(&text);
    let mut all = parser.and_then(|mut p| p.parse_statements()).map_err(|e| failed(&e))?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(NotAnalysed::NotOne),
    }
}

/// The statement as a tree that is written again as it was: texts keep their escapes, and parameters their form.
///
/// # Errors
/// As [`parsed`].
pub(crate) fn as_written(text: &str, dialect: Dialect) -> Result<Statement, NotAnalysed> {
    if text.len() > LONGEST {
        return Err(NotAnalysed::TooLong);
    }
    // For its bounds.
    numbered(text, dialect)?;
    let grammar = grammar(dialect);
    let parser = Parser::new(grammar.as_ref())
        .with_recursion_limit(DEEPEST)
        .with_options(ParserOptions::new().with_unescape(false))
        .try_with_sql(text);
    let mut all = parser.and_then(|mut p| p.parse_statements()).map_err(|e| failed(&e))?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(NotAnalysed::NotOne),
    }
}

/// An expression, as a plan shows it.
pub(crate) fn parsed_expression(text: &str, dialect: Dialect) -> Result<Expr, NotAnalysed> {
    if text.len() > LONGEST {
        return Err(NotAnalysed::TooLong);
    }
    let text = numbered(text, dialect)?;
    let grammar = grammar(dialect);
    let parser = Parser::new(grammar.as_ref()).with_recursion_limit(DEEPEST).try_with_sql(&text);
    parser.and_then(|mut p| p.parse_expr()).map_err(|e| failed(&e))
}
