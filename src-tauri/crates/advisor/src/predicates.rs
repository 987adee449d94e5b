//! What a condition asks of one table.
use perfdeck_sqltext::{Dialect, quote_text};

use crate::scalar::Scalar;

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// The parameter of that place, from 1.
    Parameter(usize),
    /// A text that the statement has itself.
    Literal(String),
    /// A number, or `true` or `false`, that it has.
    Number(String),
    /// Something that is one value for the whole statement, such as `now() - '1 day'`.
    Stable,
    /// A value of another table of the statement.
    Other,
}

impl Value {
    /// Its text where the statement has it.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }
}

/// How a value is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// One value.
    Equal(Value),
    /// One of some that are written; none where they are not known.
    OneOf(Vec<Value>),
    /// One of those in an array.
    AnyOf(Value),
    /// Between two bounds, or beyond one.
    Range {
        /// The lower one.
        low: Option<Value>,
        /// The upper one.
        high: Option<Value>,
    },
    /// A text that matches; whether its letters' case counts.
    Like {
        /// The pattern.
        pattern: Value,
        /// `LIKE`, and not `ILIKE`.
        case: bool,
    },
    /// No value.
    Null,
    /// Any value.
    NotNull,
    /// Other than that.
    NotEqual(Value),
    /// An array or document that has something in it: the operator, and what.
    Has(&'static str, Value),
}

/// A condition: a value of the table and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Predicate {
    /// What is compared.
    pub of: Scalar,
    /// How.
    pub asked: Asked,
}

impl Predicate {
    /// A condition.
    pub fn new(of: Scalar, asked: Asked) -> Self {
        Self { of, asked }
    }

    /// Columns that it is made of.
    pub fn columns(&self) -> Vec<&str> {
        self.of.columns()
    }

    /// Whether an index that has the rows of this condition only can have been meant: it is the same for each call.
    pub fn is_fixed(&self) -> bool {
        match &self.asked {
            Asked::Equal(Value::Literal(_) | Value::Number(_)) | Asked::Null | Asked::NotNull => true,
            Asked::OneOf(all) => !all.is_empty() && all.iter().all(|v| v.literal().is_some()),
            _ => false,
        }
    }

    /// As a statement writes it. Only those that are fixed are written.
    pub fn shown(&self, dialect: Dialect, quoted: &impl Fn(&str) -> String) -> String {
        let of = match &self.of {
            Scalar::Operator(..) => format!("({})", self.of.shown(dialect, quoted)),
            _ => self.of.shown(dialect, quoted),
        };
        let value = |value: &Value| match value {
            Value::Literal(text) => quote_text(text, dialect),
            Value::Number(text) => text.clone(),
            _ => "?".to_owned(),
        };
        match &self.asked {
            Asked::Equal(v) => format!("{of} = {}", value(v)),
            Asked::OneOf(all) => format!("{of} IN ({})", all.iter().map(value).collect::<Vec<_>>().join(", ")),
            Asked::AnyOf(v) => format!("{of} = ANY ({})", value(v)),
            Asked::Null => format!("{of} IS NULL"),
            Asked::NotNull => format!("{of} IS NOT NULL"),
            Asked::NotEqual(v) => format!("{of} <> {}", value(v)),
            Asked::Range { low: Some(v), .. } => format!("{of} > {}", value(v)),
            Asked::Range { .. } => format!("{of} < ?"),
            Asked::Like { pattern, .. } => format!("{of} LIKE {}", value(pattern)),
            Asked::Has(operator, _) => format!("{of} {operator} ?"),
        }
    }
}

/// Where a pattern has its first sign that stands for others: `None` where it has none, so that it is the text itself.
pub(crate) fn wildcard(pattern: &str) -> Option<usize> {
    let mut escaped = false;
    pattern.char_indices().find_map(|(at, c)| {
        let found = !escaped && (c == '%' || c == '_');
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}
