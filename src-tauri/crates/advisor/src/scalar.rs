//! A value made of the columns of one table: what a key of an index can be.
//!
//! Only what is the same at any time and for anybody can be a key (immutable, in PostgreSQL's word): the functions here are known to
//! be, for the types that they are let at.
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};

/// A column, or an expression over columns of one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// A column.
    Column(String),
    /// A text.
    Text(String),
    /// A number as it was written.
    Number(String),
    /// A call of one of the functions of [`FUNCTIONS`].
    Call(&'static str, Vec<Scalar>),
    /// A call of another function that the database says is immutable: its schema, unless the server itself has it, and its name.
    Function(Option<String>, String, Vec<Scalar>),
    /// A value as another type, in the word of the dialect.
    Cast(Box<Scalar>, String),
    /// A value that compares by another collation than its own: of SQLite, in capitals.
    Collated(Box<Scalar>, String),
    /// Two values with one of the operators of [`OPERATORS`].
    Operator(Box<Scalar>, &'static str, Box<Scalar>),
}

/// Functions that depend on nothing but their arguments, in all three dialects that have them.
pub(crate) const FUNCTIONS: &[&str] = &[
    "lower",
    "upper",
    "length",
    "char_length",
    "octet_length",
    "btrim",
    "ltrim",
    "rtrim",
    "trim",
    "abs",
    "md5",
    "reverse",
    "coalesce",
    "nullif",
    "substr",
    "substring",
    "left",
    "right",
    "replace",
    "jsonb_array_length",
    "sign",
    "floor",
    "ceil",
    // Of a time without a zone only: what day another one is hangs on the session's.
    "date",
    "date_part",
    "date_trunc",
    // Of a zone that is named: `AT TIME ZONE 'UTC'`.
    "timezone",
    // SQLite's.
    "json_extract",
    "datetime",
    "time",
    "julianday",
    "strftime",
];

/// Operators that do.
pub(crate) const OPERATORS: &[&str] = &["->>", "->", "#>>", "#>", "+", "-", "*", "/", "%", "||"];

impl Scalar {
    /// Its columns.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) => vec![name],
            Self::Text(_) | Self::Number(_) => Vec::new(),
            Self::Call(_, arguments) | Self::Function(.., arguments) => {
                arguments.iter().flat_map(Self::columns).collect()
            }
            Self::Cast(inner, _) | Self::Collated(inner, _) => inner.columns(),
            Self::Operator(a, _, b) => a.columns().into_iter().chain(b.columns()).collect(),
        }
    }

    /// The name where it is a column and nothing more.
    pub fn as_column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            _ => None,
        }
    }

    /// As a statement writes it.
    pub fn shown(&self, dialect: Dialect, quoted: &impl Fn(&str) -> String) -> String {
        match self {
            Self::Column(name) => quoted(name),
            Self::Text(text) => quote_text(text, dialect),
            Self::Number(text) => text.clone(),
            Self::Cast(inner, to) => format!("CAST({} AS {to})", inner.shown(dialect, quoted)),
            Self::Collated(inner, to) => {
                let (of, to) = (inner.shown(dialect, quoted), collation(to, dialect));
                if matches!(**inner, Self::Operator(..)) {
                    format!("({of}) COLLATE {to}")
                } else {
                    format!("{of} COLLATE {to}")
                }
            }
            Self::Call("extract", arguments) => {
                let [Self::Text(field), of] = arguments.as_slice() else { return String::new() };
                format!("EXTRACT({field} FROM {})", of.shown(dialect, quoted))
            }
            Self::Call("timezone", arguments) => {
                let [zone, of] = arguments.as_slice() else { return String::new() };
                let (zone, shown) = (zone.shown(dialect, quoted), of.shown(dialect, quoted));
                match of {
                    Self::Column(_) => format!("{shown} AT TIME ZONE {zone}"),
                    _ => format!("({shown}) AT TIME ZONE {zone}"),
                }
            }
            Self::Call(name, arguments) => {
                let all: Vec<String> = arguments.iter().map(|a| a.shown(dialect, quoted)).collect();
                format!("{name}({})", all.join(", "))
            }
            Self::Function(schema, name, arguments) => {
                let of = schema.as_ref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
                let all: Vec<String> = arguments.iter().map(|a| a.shown(dialect, quoted)).collect();
                format!("{of}{}({})", quoted(name), all.join(", "))
            }
            Self::Operator(a, operator, b) => {
                let part = |scalar: &Self| match scalar {
                    Self::Operator(..) => format!("({})", scalar.shown(dialect, quoted)),
                    _ => scalar.shown(dialect, quoted),
                };
                format!("{} {operator} {}", part(a), part(b))
            }
        }
    }
}

/// A collation as a statement names it.
pub(crate) fn collation(name: &str, dialect: Dialect) -> String {
    if dialect == Dialect::Sqlite { name.to_owned() } else { quote_identifier(name, dialect) }
}
