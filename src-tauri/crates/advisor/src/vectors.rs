//! Values for the parameters of a statement, by class: what the planner does hangs on them, and one value says nothing of the
//! others.
use crate::catalogue::{Catalogue, Column, TypeClass};
use crate::literals::{ParameterType, array};
use crate::predicates::{Asked, Predicate, Value};
use crate::shape::{Scan, Shape};

pub use perfdeck_model::ValueClass as Class;

/// Characters after which a value of a column is cut, as the facts are read.
const LONGEST_VALUE: usize = 200;

/// Share of the calls that have values of a class, as it is taken where nobody knows.
pub fn weight(class: Class) -> f64 {
    match class {
        Class::AsWritten => 1.0,
        Class::Frequent => 0.5,
        Class::Rare => 0.3,
        Class::FarEnd | Class::Absent => 0.1,
    }
}

/// Values for all parameters of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Their class.
    pub class: Class,
    /// A text for each, in the order of their numbers.
    pub values: Vec<String>,
}

/// A value that some rows have, all at the end of an order that is read last. Only a look at rows finds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarEnd {
    /// Place of the table in the catalogue.
    pub table: usize,
    /// The column that is compared.
    pub column: String,
    /// The column that is sorted by.
    pub sort: String,
    /// Whether the order goes from the greatest on.
    pub descending: bool,
    /// The value; empty while it is only asked for.
    pub value: String,
}

/// Where a value at the far end of an order matters: an equality with a parameter, an order and a limit.
pub fn far_ends(shape: &Shape) -> Vec<FarEnd> {
    let mut found = Vec::new();
    for scan in shape.scans.iter().filter(|s| s.limited) {
        let Some((key, sort)) = scan.sort.first().and_then(|k| Some((k, k.of.as_column()?))) else { continue };
        for predicate in &scan.conditions {
            let parameter = matches!(predicate.asked, Asked::Equal(Value::Parameter(_)));
            if let Some(column) = predicate.of.as_column().filter(|c| parameter && *c != sort) {
                found.push(FarEnd {
                    table: scan.table,
                    column: column.to_owned(),
                    sort: sort.to_owned(),
                    descending: key.descending,
                    value: String::new(),
                });
            }
        }
    }
    found
}

/// Values for a statement with `count` parameters, whose types are `types` as far as the server tells them.
pub fn parameters(
    shape: &Shape,
    count: usize,
    types: &[ParameterType],
    catalogue: &Catalogue,
    far: &[FarEnd],
) -> Vec<Parameters> {
    if count == 0 {
        return vec![Parameters { class: Class::AsWritten, values: Vec::new() }];
    }
    let mut all: Vec<Parameters> = Vec::new();
    for class in [Class::Frequent, Class::Rare, Class::FarEnd, Class::Absent] {
        let far: Vec<&FarEnd> = far.iter().filter(|f| shape.scans.iter().any(|s| s.table == f.table)).collect();
        if class == Class::FarEnd && far.is_empty() {
            continue;
        }
        let value = |number: usize| {
            if shape.limits.contains(&number) {
                return "10".to_owned();
            }
            let of = place(shape, number);
            let known =
                of.and_then(|(scan, predicate, upper)| value_of(scan, predicate, upper, class, catalogue, &far));
            match types.get(number - 1) {
                Some(of) => of.fitting(known),
                // A text of which most types make a value; where one does not, the statement is said to be not planned.
                None => known.unwrap_or_else(|| "1".to_owned()),
            }
        };
        let values: Vec<String> = (1..=count).map(value).collect();
        // A frequent value may be one at the far end too, and is reckoned with as both.
        if class == Class::FarEnd || !all.iter().any(|p| p.values == values) {
            all.push(Parameters { class, values });
        }
    }
    all
}

/// The condition that has a parameter, and whether that is its upper bound.
fn place(shape: &Shape, number: usize) -> Option<(&Scan, &Predicate, bool)> {
    let is = |value: &Value| *value == Value::Parameter(number);
    shape.scans.iter().find_map(|scan| {
        let branches = scan.alternatives.iter().flatten().flatten();
        scan.conditions.iter().chain(branches).find_map(|predicate| {
            let upper = match &predicate.asked {
                Asked::Equal(v)
                | Asked::NotEqual(v)
                | Asked::Like { pattern: v, .. }
                | Asked::AnyOf(v)
                | Asked::Has(_, v) => is(v).then_some(false),
                Asked::OneOf(all) => all.iter().any(is).then_some(false),
                Asked::Range { low, high } => match (low.as_ref().is_some_and(is), high.as_ref().is_some_and(is)) {
                    (true, _) => Some(false),
                    (_, true) => Some(true),
                    _ => None,
                },
                _ => None,
            };
            upper.map(|upper| (scan, predicate, upper))
        })
    })
}

fn value_of(
    scan: &Scan,
    predicate: &Predicate,
    upper: bool,
    class: Class,
    catalogue: &Catalogue,
    far: &[&FarEnd],
) -> Option<String> {
    let name = predicate.columns().first().copied()?.to_owned();
    let column = catalogue.tables[scan.table].column(&name)?;
    if let Asked::Range { .. } = predicate.asked {
        let class = if beside_a_value(scan, predicate, class, catalogue) { Class::Frequent } else { class };
        // Is the column bounded on both sides, by this condition or by another one?
        let both =
            scan.conditions.iter().filter(|p| p.of == predicate.of).fold((false, false), |(l, h), p| match &p.asked {
                Asked::Range { low, high } => (l || low.is_some(), h || high.is_some()),
                _ => (l, h),
            }) == (true, true);
        let at = match (class, both, upper) {
            (Class::Frequent, true, false) => 0.4,
            (Class::Frequent, true, true) => 0.6,
            (Class::AsWritten, ..) | (Class::Frequent, false, _) | (Class::Rare | Class::FarEnd, true, false) => 0.5,
            (Class::Rare | Class::FarEnd, true, true) => 0.505,
            (Class::Rare | Class::FarEnd, false, false) | (Class::Absent, true, _) => 0.99,
            (Class::Rare | Class::FarEnd, false, true) => 0.01,
            (Class::Absent, false, true) => 0.0,
            (Class::Absent, false, false) => 1.0,
        };
        return quantile(column, at);
    }
    if let Asked::Like { .. } = predicate.asked {
        let text = rare(column).or_else(|| frequent(column))?;
        let short: String = text.chars().take(if class == Class::Frequent { 2 } else { 6 }).collect();
        return Some(format!("{short}%"));
    }
    if let Asked::Has(..) = predicate.asked {
        return contents(column, class);
    }
    let value = match class {
        Class::FarEnd => {
            let found = far.iter().find(|f| f.table == scan.table && f.column == name && !f.value.is_empty());
            found.map(|f| f.value.clone()).or_else(|| frequent(column))
        }
        Class::Rare => rare(column),
        Class::Absent => absent(column),
        Class::Frequent | Class::AsWritten => frequent(column),
    };
    let value = value.or_else(|| frequent(column))?;
    Some(if let Asked::AnyOf(_) = predicate.asked { array(&[value]) } else { value })
}

/// What an array or a document is asked for: of an array one of its elements, where any are known. One that was cut would be none.
fn contents(column: &Column, class: Class) -> Option<String> {
    if column.class == TypeClass::Array {
        let element = match class {
            Class::Rare => column.elements.last(),
            Class::Absent | Class::FarEnd => None,
            Class::Frequent | Class::AsWritten => column.elements.first(),
        };
        if let Some(element) = element {
            return Some(array(std::slice::from_ref(element)));
        }
    }
    let value = if class == Class::Frequent { frequent(column) } else { rare(column).or_else(|| frequent(column)) };
    value.filter(|text| text.chars().count() < LONGEST_VALUE)
}

/// Whether a bound stands beside a value of that class that is asked for. The bound is then the usual one: rows between it and the end of
/// the order are gone through in search of the value.
fn beside_a_value(scan: &Scan, bound: &Predicate, class: Class, catalogue: &Catalogue) -> bool {
    let column = |p: &Predicate| catalogue.tables[scan.table].column(p.of.as_column()?);
    let is = |p: &Predicate| match class {
        Class::FarEnd => true,
        Class::Absent => column(p).and_then(absent).is_some(),
        _ => false,
    };
    scan.conditions.iter().any(|p| p.of != bound.of && matches!(p.asked, Asked::Equal(Value::Parameter(_))) && is(p))
}

fn frequent(column: &Column) -> Option<String> {
    column.common.first().map(|(value, _)| value.clone()).or_else(|| quantile(column, 0.5))
}

/// A value beside the common ones, or the least common of them.
fn rare(column: &Column) -> Option<String> {
    quantile(column, 0.5).or_else(|| column.common.last().map(|(value, _)| value.clone()))
}

fn absent(column: &Column) -> Option<String> {
    match column.class {
        TypeClass::Text => Some("\u{2205} perfdeck".to_owned()),
        TypeClass::Ordered => {
            let last = column.bounds.last().or_else(|| column.common.first().map(|(v, _)| v))?;
            let number: i64 = last.parse().ok()?;
            number.checked_add(1).map(|n| n.to_string())
        }
        _ => None,
    }
}

/// The value below which that share of the rows beside common values is.
fn quantile(column: &Column, at: f64) -> Option<String> {
    if column.bounds.is_empty() {
        let mut common: Vec<&String> = column.common.iter().map(|(value, _)| value).collect();
        common.sort();
        let at = (at * common.len().saturating_sub(1) as f64).round() as usize;
        return common.get(at).map(|v| (*v).clone());
    }
    let at = (at * (column.bounds.len() - 1) as f64).ceil() as usize;
    column.bounds.get(at).cloned()
}
