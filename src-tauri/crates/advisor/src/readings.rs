//! What each reading of a statement asks of its table alone, as conditions that the database can count rows of.
use perfdeck_sqltext::{Dialect, quote_text};

use crate::catalogue::Catalogue;
use crate::index::Key;
use crate::predicates::{Asked, Predicate, Value};
use crate::shape::{Scan, Shape};

/// A condition of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is compared, as [`Key::compared`] writes the key of an index that finds it.
    pub of: String,
    /// The column, where it is one and nothing more.
    pub column: Option<String>,
    /// The condition with its values; `None` where those are not known.
    pub text: Option<String>,
    /// Whether it asks for one value, or for some.
    pub equal: bool,
    /// The value, as it is written, where one is asked for.
    pub value: Option<String>,
}

/// A reading of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The table.
    pub table: String,
    /// Its name in the statement.
    pub name: String,
    /// Conditions, all of which hold; those of joins too, without a text.
    pub conditions: Vec<Condition>,
    /// Whether it has others, one branch of which holds.
    pub branches: bool,
}

/// The readings of a statement with these values for its parameters.
pub fn readings(catalogue: &Catalogue, shape: &Shape, values: &[String]) -> Vec<Reading> {
    shape.scans.iter().map(|scan| reading(catalogue, scan, values)).collect()
}

fn reading(catalogue: &Catalogue, scan: &Scan, values: &[String]) -> Reading {
    let dialect = catalogue.dialect;
    let mut conditions: Vec<Condition> = scan.conditions.iter().map(|p| condition(dialect, p, values)).collect();
    for (of, _) in &scan.joins {
        let column = of.as_column().map(str::to_owned);
        conditions.push(Condition {
            of: Key::scalar(of).compared(dialect),
            column,
            text: None,
            equal: true,
            value: None,
        });
    }
    Reading {
        table: catalogue.tables[scan.table].name.clone(),
        name: scan.alias.clone(),
        conditions,
        branches: !scan.alternatives.is_empty(),
    }
}

fn condition(dialect: Dialect, predicate: &Predicate, values: &[String]) -> Condition {
    let of = Key::scalar(&predicate.of).compared(dialect);
    let column = predicate.of.as_column().map(str::to_owned);
    let told = |value: &Value| match value {
        Value::Literal(text) => Some(quote_text(text, dialect)),
        Value::Number(number) => Some(number.clone()),
        // Values for parameters are those of a column: what an expression makes of one is another.
        Value::Parameter(n) if column.is_some() => values.get(n.checked_sub(1)?).map(|v| quote_text(v, dialect)),
        _ => None,
    };
    let (mut value, mut equal) = (None, false);
    let text = match &predicate.asked {
        Asked::Equal(v) => {
            (value, equal) = (told(v), true);
            value.as_ref().map(|v| format!("{of} = {v}"))
        }
        Asked::Null => {
            equal = true;
            Some(format!("{of} IS NULL"))
        }
        Asked::OneOf(all) => {
            equal = true;
            let all: Option<Vec<String>> = all.iter().map(told).collect();
            all.filter(|all| !all.is_empty()).map(|all| format!("{of} IN ({})", all.join(", ")))
        }
        Asked::NotNull => Some(format!("{of} IS NOT NULL")),
        Asked::NotEqual(v) => told(v).map(|v| format!("{of} <> {v}")),
        Asked::Range { low, high } => {
            let bound = |sign: &str, bound: &Option<Value>| match bound {
                Some(v) => told(v).map(|v| Some(format!("{of} {sign} {v}"))),
                None => Some(None),
            };
            let both = bound(">=", low).zip(bound("<=", high));
            both.map(|(low, high)| low.into_iter().chain(high).collect::<Vec<_>>().join(" AND "))
        }
        Asked::Like { pattern, .. } => told(pattern).map(|v| format!("{of} LIKE {v}")),
        Asked::AnyOf(_) | Asked::Has(..) => None,
    };
    Condition { of, column, text: text.filter(|text| !text.is_empty()), equal, value }
}
