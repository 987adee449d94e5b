//! Comparisons in which MySQL and MariaDB convert the column's value row by row, so that no index of it is read.
use perfdeck_sqltext::Dialect;

use crate::catalogue::Column;
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::scope::Builder;

impl Builder<'_> {
    /// Whether a text is compared with a number: then both are compared as numbers.
    pub(super) fn is_converted(&self, scan: usize, predicate: &Predicate) -> bool {
        let number = |value: &Value| matches!(value, Value::Number(_));
        let with_number = match &predicate.asked {
            Asked::Equal(value) | Asked::NotEqual(value) => number(value),
            Asked::OneOf(values) => values.iter().any(number),
            Asked::Range { low, high } => low.iter().chain(high).any(number),
            _ => false,
        };
        with_number && self.text(scan, &predicate.of).is_some()
    }

    /// Notes that a comparison with a number needs no index, and why.
    pub(super) fn compared_with_number(&mut self, scan: usize, of: Scalar) {
        let why = "it is text and compared with a number, so that each value is converted: quote the value, or make the column a number";
        self.no_key(scan, of, why);
    }

    /// Of two values that are joined, those that keep an index; the others are noted with why not.
    pub(crate) fn kept_as_they_are(&mut self, a: &(usize, Scalar), b: &(usize, Scalar)) -> [bool; 2] {
        let (left, right) = (self.text(a.0, &a.1), self.text(b.0, &b.1));
        let number = |side: &(usize, Scalar)| self.number(side);
        let (kept, why) = match (left, right) {
            (Some(left), Some(right)) => {
                let kept = [!yields(left, right), !yields(right, left)];
                (
                    kept,
                    "it is joined with a text of another character set or collation, so that each value is converted: give both columns the same",
                )
            }
            (Some(_), None) if number(b) => (
                [false, true],
                "it is text and joined with a number, so that each value is converted: give both columns one type",
            ),
            (None, Some(_)) if number(a) => (
                [true, false],
                "it is text and joined with a number, so that each value is converted: give both columns one type",
            ),
            _ => return [true; 2],
        };
        for (side, kept) in [a, b].into_iter().zip(kept) {
            if !kept {
                self.no_key(side.0, side.1.clone(), why);
            }
        }
        kept
    }

    fn no_key(&mut self, scan: usize, of: Scalar, why: &str) {
        self.touch(scan, &of);
        let all = &mut self.shape.scans[scan].denied;
        if !all.iter().any(|(known, _)| *known == of) {
            all.push((of, why.to_owned()));
        }
    }

    fn column(&self, scan: usize, of: &Scalar) -> Option<&Column> {
        let table = &self.catalogue.tables[self.shape.scans.get(scan)?.table];
        table.column(of.as_column()?)
    }

    /// A column of text, of the servers that convert.
    fn text(&self, scan: usize, of: &Scalar) -> Option<&Column> {
        // An enumeration is a number too, and others of that class are no letters.
        const TEXTS: [&str; 6] = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];
        let column = self.column(scan, of).filter(|_| self.catalogue.dialect == Dialect::Mysql)?;
        TEXTS.contains(&type_of(column).as_str()).then_some(column)
    }

    fn number(&self, (scan, of): &(usize, Scalar)) -> bool {
        const NUMBERS: [&str; 10] =
            ["tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "float", "double", "year"];
        self.column(*scan, of).is_some_and(|c| NUMBERS.contains(&type_of(c).as_str()))
    }
}

/// The name of a type without its length.
fn type_of(column: &Column) -> String {
    column.type_name.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a column's values are converted where it is compared with another column: to Unicode from any other set of characters, else to the
/// collation by bytes. Of two others neither is.
fn yields(own: &Column, other: &Column) -> bool {
    let (Some(mine), Some(theirs)) = (&own.collation, &other.collation) else { return false };
    if mine == theirs {
        return false;
    }
    let rank = |collation: &str| match collation.split('_').next().unwrap_or_default() {
        "binary" => 4,
        "utf8mb4" | "utf32" | "utf16" => 3,
        "utf8mb3" | "utf8" | "ucs2" => 2,
        _ => 1,
    };
    match rank(mine).cmp(&rank(theirs)) {
        std::cmp::Ordering::Equal => theirs.ends_with("_bin") && !mine.ends_with("_bin"),
        order => order.is_lt(),
    }
}
