//! What one comparison asks of a table.
use perfdeck_sqltext::Dialect;
use sqlparser::ast::{BinaryOperator as Op, Expr, UnaryOperator};

use super::{denied, is_null, truth, unnested};
use crate::catalogue::Collating;
use crate::predicates::{Asked, Predicate, Value, wildcard};
use crate::scalar::Scalar;
use crate::scope::{Builder, Scope};

impl Builder<'_> {
    /// What a condition that is not made of others asks of one table.
    pub(super) fn predicate(&self, expr: &Expr, scope: &Scope<'_>) -> Option<(usize, Predicate)> {
        let of = |expr: &Expr, asked: Asked| {
            let (scan, scalar) = self.scalar(expr, scope)?;
            Some((scan, Predicate::new(scalar, asked)))
        };
        match expr {
            Expr::Nested(inner) => self.predicate(inner, scope),
            Expr::IsNull(e) => of(e, Asked::Null),
            Expr::IsNotNull(e) => of(e, Asked::NotNull),
            Expr::IsTrue(e) | Expr::IsNotFalse(e) if self.is_boolean(e, scope) => of(e, truth(true)),
            Expr::IsFalse(e) | Expr::IsNotTrue(e) if self.is_boolean(e, scope) => of(e, truth(false)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } if self.is_boolean(expr, scope) => of(expr, truth(false)),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.is_boolean(expr, scope) => of(expr, truth(true)),
            // Servers make these of the comparison with a null that is written.
            Expr::IsDistinctFrom(a, b) if is_null(b) => of(a, Asked::NotNull),
            Expr::IsDistinctFrom(a, b) if is_null(a) => of(b, Asked::NotNull),
            Expr::IsNotDistinctFrom(a, b) if is_null(b) => of(a, Asked::Null),
            Expr::IsNotDistinctFrom(a, b) if is_null(a) => of(b, Asked::Null),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } if denied(expr).is_some() => {
                self.predicate(&denied(expr)?, scope)
            }
            Expr::IsNotDistinctFrom(a, b) => self.sided(a, &Op::Eq, b, scope),
            Expr::InList { expr, list, negated: false } => {
                let values: Option<Vec<Value>> = list.iter().map(|v| self.value(v, scope)).collect();
                let values = values.unwrap_or_default();
                match values.as_slice() {
                    [only] => of(expr, Asked::Equal(only.clone())),
                    _ => of(expr, Asked::OneOf(values)),
                }
            }
            Expr::Between { expr, negated: false, low, high } => {
                let (low, high) = (self.value(low, scope)?, self.value(high, scope)?);
                of(expr, Asked::Range { low: Some(low), high: Some(high) })
            }
            Expr::Like { negated: false, expr, pattern, .. } => self.like(expr, pattern, true, scope),
            Expr::ILike { negated: false, expr, pattern, .. } => self.like(expr, pattern, false, scope),
            Expr::AnyOp { left, compare_op: Op::Eq, right, .. } => {
                // `value = ANY (column)` is about an array that is a column, which no index finds this way.
                let array = self.value(right, scope)?;
                of(left, Asked::AnyOf(array))
            }
            Expr::BinaryOp { left, op, right } => self.sided(left, op, right, scope),
            _ => None,
        }
    }

    fn like(&self, expr: &Expr, pattern: &Expr, case: bool, scope: &Scope<'_>) -> Option<(usize, Predicate)> {
        let (scan, scalar) = self.scalar(expr, scope)?;
        let pattern = self.value(pattern, scope)?;
        let asked = match pattern.literal() {
            Some(text) if case && wildcard(text).is_none() => Asked::Equal(pattern),
            // SQLite's LIKE does not look at the case of letters, MySQL's goes by the collation.
            _ => Asked::Like { pattern, case: case && self.catalogue.dialect != Dialect::Sqlite },
        };
        Some((scan, Predicate::new(scalar, asked)))
    }

    /// `GLOB` of SQLite looks at the case of letters: its pattern's beginning is that of a range of bytes.
    fn glob(&self, pattern: &Expr, scan: usize, of: &Scalar, scope: &Scope<'_>) -> Option<Asked> {
        let table = &self.catalogue.tables[self.shape.scans[scan].table];
        let no_case = of.as_column().and_then(|c| table.column(c)).is_some_and(|c| c.collating == Collating::NoCase);
        let pattern = self.value(pattern, scope)?;
        match pattern.literal()?.find(['*', '?', '[']) {
            _ if no_case => None,
            Some(0) => None,
            Some(_) => Some(Asked::Range { low: Some(Value::Stable), high: Some(Value::Stable) }),
            None => Some(Asked::Equal(pattern)),
        }
    }

    /// A regular expression of PostgreSQL that begins with letters at the start: what it finds begins with these.
    fn anchored(&self, pattern: &Expr, scope: &Scope<'_>) -> Option<Asked> {
        let pattern = self.value(pattern, scope)?;
        let begins = beginning(pattern.literal()?)?;
        Some(Asked::Like { pattern: Value::Literal(format!("{begins}%")), case: true })
    }

    /// A comparison with the table's value on either side.
    fn sided(&self, left: &Expr, op: &Op, right: &Expr, scope: &Scope<'_>) -> Option<(usize, Predicate)> {
        let (own, other, flipped) = match self.scalar(left, scope) {
            Some(own) => (own, right, false),
            None => (self.scalar(right, scope)?, left, true),
        };
        // A collation that either side names is that of the comparison; the left one's goes first.
        let own = match self.collation(other).filter(|_| flipped || self.collation(left).is_none()) {
            Some(to) => (own.0, self.collated(own.0, own.1, &to)),
            None => own,
        };
        let has = |operator| Asked::Has(operator, self.value(other, scope).unwrap_or(Value::Other));
        let asked = match op {
            Op::PGLikeMatch if !flipped => return self.like(left, right, true, scope),
            Op::Glob if !flipped => self.glob(right, own.0, &own.1, scope)?,
            Op::PGILikeMatch if !flipped => return self.like(left, right, false, scope),
            Op::AtArrow if !flipped => has("@>"),
            Op::ArrowAt if flipped => has("@>"),
            Op::PGOverlap => has("&&"),
            Op::Question if !flipped => has("?"),
            Op::QuestionPipe if !flipped => has("?|"),
            Op::QuestionAnd if !flipped => has("?&"),
            Op::AtAt => has("@@"),
            Op::AtQuestion if !flipped => has("@?"),
            Op::PGRegexMatch if !flipped => self.anchored(right, scope)?,
            Op::Eq | Op::Spaceship => Asked::Equal(self.comparand(other, own.0, scope)?),
            Op::Gt | Op::GtEq | Op::Lt | Op::LtEq => {
                let bound = self.comparand(other, own.0, scope)?;
                let is_low = matches!(op, Op::Gt | Op::GtEq) != flipped;
                let (low, high) = if is_low { (Some(bound), None) } else { (None, Some(bound)) };
                Asked::Range { low, high }
            }
            Op::NotEq => Asked::NotEqual(self.comparand(other, own.0, scope)?),
            _ => return None,
        };
        Some((own.0, Predicate::new(own.1, asked)))
    }

    /// What a value of reading `own` is compared with: one for the statement, or one of another reading's row.
    fn comparand(&self, expr: &Expr, own: usize, scope: &Scope<'_>) -> Option<Value> {
        if matches!(unnested(expr), Expr::Subquery(_)) {
            return Some(Value::Stable);
        }
        self.value(expr, scope).or_else(|| {
            let others = self.scans_of(expr, scope);
            let other = if others.is_empty() { self.is_elsewhere(expr, scope) } else { !others.contains(&own) };
            other.then_some(Value::Other)
        })
    }
}

/// What everything begins with that a regular expression matches, as LIKE writes it; `None` where that is nothing, or not known.
fn beginning(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix('^')?;
    // One of several may begin otherwise.
    if rest.contains(['|', '\\']) {
        return None;
    }
    let end = rest.find(['.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '^', '$']).unwrap_or(rest.len());
    let mut letters: Vec<char> = rest[..end].chars().collect();
    if rest[end..].starts_with(['*', '?', '{']) {
        letters.pop();
    }
    let text: String =
        letters.iter().flat_map(|c| if matches!(c, '%' | '_') { vec!['\\', *c] } else { vec![*c] }).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_regular_expression_begins_with_is_known_or_not() {
        for (pattern, begins) in [
            ("^User777", Some("User777")),
            ("^ab.*c$", Some("ab")),
            ("^abc*", Some("ab")),
            ("^a_b%", Some("a\\_b\\%")),
            ("abc", None),
            ("^(a|b)", None),
            ("^a|b", None),
            ("^.x", None),
            ("^\\d", None),
            ("^a?", None),
        ] {
            assert_eq!(beginning(pattern).as_deref(), begins, "{pattern}");
        }
    }
}
