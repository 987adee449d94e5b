//! Conditions of a statement, one table at a time.
mod comparisons;
mod converted;

use perfdeck_sqltext::Dialect;
use sqlparser::ast::{BinaryOperator as Op, Expr, Query, UnaryOperator, Value as Literal};

use crate::catalogue::TypeClass;
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::scope::{Builder, Scope};
use crate::walk::walk;

/// Functions whose value is another one each time: nothing is looked up by them.
const VOLATILE: &[&str] = &["random", "rand", "clock_timestamp", "nextval", "gen_random_uuid", "uuid", "timeofday"];

impl Builder<'_> {
    /// Notes everything that a condition asks.
    pub(crate) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>) {
        match expr {
            Expr::Nested(inner) => self.condition(inner, scope),
            // One after the other: a chain of them is as deep a tree as it is long.
            Expr::BinaryOp { op: Op::And, .. } => {
                let mut parts = Vec::new();
                flatten(expr, &Op::And, &mut parts);
                for part in parts {
                    self.condition(part, scope);
                }
            }
            Expr::BinaryOp { op: Op::Or, .. } => self.alternatives(expr, scope),
            Expr::BinaryOp { left, op, right } => self.compared(left, op, right, scope),
            Expr::Exists { subquery, .. } => drop(self.subquery(subquery, scope)),
            Expr::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated, scope),
            Expr::AnyOp { left, compare_op: Op::Eq, right, .. } if matches!(unnested(right), Expr::Subquery(_)) => {
                if let Expr::Subquery(query) = unnested(right) {
                    self.in_subquery(left, query, false, scope);
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } if matches!(**expr, Expr::Exists { .. }) => {
                self.condition(expr, scope);
            }
            other => match self.predicate(other, scope) {
                Some((scan, predicate)) if self.is_converted(scan, &predicate) => {
                    self.compared_with_number(scan, predicate.of);
                }
                Some((scan, predicate)) => self.add(scan, predicate.of, predicate.asked),
                None => {
                    self.denied_functions(other, scope);
                    self.uses(other, scope);
                }
            },
        }
    }

    /// Each row is compared with a subquery's: only those of the latter are looked up.
    fn compared_with_each(&mut self, expr: &Expr, query: &Query, scope: &Scope<'_>) {
        let inner = self.subquery(query, scope);
        if let (Some((own, _)), Some((scan, of))) = (self.scalar(expr, scope), inner)
            && own != scan
        {
            self.touch(scan, &of);
            self.shape.scans[scan].joins.push((of, own));
        }
        self.uses(expr, scope);
    }

    fn in_subquery(&mut self, expr: &Expr, query: &Query, negated: bool, scope: &Scope<'_>) {
        if !negated && !self.is_gone_through(query) {
            return self.compared_with_each(expr, query, scope);
        }
        let inner = self.subquery(query, scope);
        match (self.scalar(expr, scope), inner) {
            (Some(own), Some(inner)) if !negated => self.join(own, inner),
            // Rows of the subquery are gone through as those of a table that is joined.
            (Some((scan, own)), None) if !negated => self.add(scan, own, Asked::Equal(Value::Other)),
            _ => self.uses(expr, scope),
        }
    }

    /// A comparison of two values.
    fn compared(&mut self, left: &Expr, op: &Op, right: &Expr, scope: &Scope<'_>) {
        // Two rows of values are compared one by one where they are equal, by their first ones where one is greater.
        if let (Expr::Tuple(a), Expr::Tuple(b)) = (left, right) {
            let pairs = a.iter().zip(b).take(if *op == Op::Eq { usize::MAX } else { 1 });
            for (a, b) in pairs {
                self.compared(a, op, b, scope);
            }
            for expr in a.iter().chain(b) {
                self.uses(expr, scope);
            }
            return;
        }
        if *op == Op::Eq
            && let (Some(mut a), Some(mut b)) = (self.scalar(left, scope), self.scalar(right, scope))
        {
            if let Some(to) = self.collation(left).or_else(|| self.collation(right)) {
                a.1 = self.collated(a.0, a.1, &to);
                b.1 = self.collated(b.0, b.1, &to);
            }
            return self.join(a, b);
        }
        // The value of a subquery is one, and what it is made of is another reading.
        for side in [left, right] {
            if let Expr::Subquery(query) = unnested(side) {
                self.subquery(query, scope);
            }
        }
        let whole = Expr::BinaryOp { left: Box::new(left.clone()), op: op.clone(), right: Box::new(right.clone()) };
        match self.predicate(&whole, scope) {
            Some((scan, predicate)) if self.is_converted(scan, &predicate) => {
                self.compared_with_number(scan, predicate.of);
            }
            Some((scan, predicate)) => self.add(scan, predicate.of, predicate.asked),
            None => {
                self.denied_functions(&whole, scope);
                self.uses(left, scope);
                self.uses(right, scope);
            }
        }
    }

    /// `a OR b OR …`: one group, where every branch is of the same table.
    fn alternatives(&mut self, expr: &Expr, scope: &Scope<'_>) {
        let mut branches = Vec::new();
        flatten(expr, &Op::Or, &mut branches);
        let mut of: Option<usize> = None;
        let mut group: Vec<Vec<Predicate>> = Vec::new();
        let mut same = true;
        for branch in &branches {
            let mut parts = Vec::new();
            flatten(branch, &Op::And, &mut parts);
            let found = parts.iter().filter_map(|p| self.predicate(p, scope));
            let found: Vec<(usize, Predicate)> = found.filter(|(scan, p)| !self.is_converted(*scan, p)).collect();
            same &= !found.is_empty() && found.iter().all(|(scan, _)| *of.get_or_insert(*scan) == *scan);
            group.push(found.into_iter().map(|(_, p)| p).collect());
        }
        self.uses(expr, scope);
        for subquery in branches.iter().filter(|b| matches!(b, Expr::Exists { .. } | Expr::InSubquery { .. })) {
            match subquery {
                // MySQL and MariaDB make no join of what is a branch.
                Expr::InSubquery { expr, subquery, .. } if self.catalogue.dialect == Dialect::Mysql => {
                    self.compared_with_each(expr, subquery, scope);
                }
                _ => self.condition(subquery, scope),
            }
        }
        let (Some(scan), true) = (of, same) else { return };
        // One value or another of one column is one of some.
        let one = |branch: &Vec<Predicate>| match branch.as_slice() {
            [Predicate { of, asked: Asked::Equal(value) }] => Some((of.clone(), value.clone())),
            _ => None,
        };
        let equal: Option<Vec<(Scalar, Value)>> = group.iter().map(one).collect();
        match equal {
            Some(all) if all.windows(2).all(|w| w[0].0 == w[1].0) => {
                let of = all[0].0.clone();
                self.add(scan, of, Asked::OneOf(all.into_iter().map(|(_, v)| v).collect()));
            }
            _ => self.shape.scans[scan].alternatives.push(group),
        }
    }

    /// Whether an expression is made of columns of what is no table: of a list of values, of a function's rows, of a subquery.
    fn is_elsewhere(&self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let (mut found, mut all) = (false, true);
        walk(expr, &mut |e| {
            let parts = match e {
                Expr::Identifier(name) if self.may_be_column(&name.value) => std::slice::from_ref(name),
                Expr::CompoundIdentifier(parts) => parts.as_slice(),
                Expr::Function(f) => {
                    all &= !VOLATILE.contains(&f.name.to_string().to_ascii_lowercase().as_str());
                    return;
                }
                _ => return,
            };
            let known = self.is_derived(parts, scope);
            found |= known;
            all &= known;
        });
        found && all
    }

    fn is_boolean(&self, expr: &Expr, scope: &Scope<'_>) -> bool {
        self.scalar(expr, scope).is_some_and(|(scan, scalar)| {
            let table = &self.catalogue.tables[self.shape.scans[scan].table];
            scalar.as_column().and_then(|c| table.column(c)).is_some_and(|c| c.class == TypeClass::Boolean)
        })
    }

    /// Whether an expression has one value for the whole statement.
    pub(crate) fn is_stable(&self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let mut stable = true;
        walk(expr, &mut |e| match e {
            Expr::Identifier(name) => stable &= !self.may_be_column(name.value.as_str()),
            Expr::CompoundIdentifier(_) | Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                stable = false;
            }
            Expr::Function(f) => {
                stable &= !VOLATILE.contains(&f.name.to_string().to_ascii_lowercase().as_str()) && f.over.is_none();
            }
            _ => {}
        });
        stable && self.scans_of(expr, scope).is_empty()
    }

    /// Names without a table that are no columns: the grammar takes these for names.
    fn may_be_column(&self, name: &str) -> bool {
        !["current_date", "current_timestamp", "localtimestamp", "current_time", "current_user"]
            .contains(&name.to_ascii_lowercase().as_str())
    }

    /// Readings of which an expression has columns.
    fn scans_of(&self, expr: &Expr, scope: &Scope<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        walk(expr, &mut |e| {
            let name = match e {
                Expr::Identifier(name) => self.resolved(std::slice::from_ref(name), scope),
                Expr::CompoundIdentifier(parts) => self.resolved(parts, scope),
                _ => None,
            };
            found.extend(name.map(|(scan, _)| scan));
        });
        found
    }

    /// Notes the columns that an expression uses, and reads its subqueries.
    pub(crate) fn uses(&mut self, expr: &Expr, scope: &Scope<'_>) {
        let (mut names, mut queries) = (Vec::new(), Vec::new());
        walk(expr, &mut |e| match e {
            Expr::Identifier(name) => names.extend(self.resolved(std::slice::from_ref(name), scope)),
            Expr::CompoundIdentifier(parts) => names.extend(self.resolved(parts, scope)),
            Expr::Subquery(query) => queries.push(query.clone()),
            Expr::Exists { subquery, .. } | Expr::InSubquery { subquery, .. } => queries.push(subquery.clone()),
            _ => {}
        });
        for (scan, scalar) in names {
            self.touch(scan, &scalar);
        }
        for query in queries {
            self.subquery(&query, scope);
        }
    }
}

fn truth(is: bool) -> Asked {
    Asked::Equal(Value::Number(is.to_string()))
}

fn is_null(expr: &Expr) -> bool {
    matches!(unnested(expr), Expr::Value(v) if v.value == Literal::Null)
}

/// The opposite of a condition about nulls: `NOT a IS NULL` is `a IS NOT NULL`.
fn denied(expr: &Expr) -> Option<Expr> {
    match unnested(expr) {
        Expr::IsNull(e) => Some(Expr::IsNotNull(e.clone())),
        Expr::IsNotNull(e) => Some(Expr::IsNull(e.clone())),
        Expr::IsDistinctFrom(a, b) if is_null(a) || is_null(b) => Some(Expr::IsNotDistinctFrom(a.clone(), b.clone())),
        Expr::IsNotDistinctFrom(a, b) if is_null(a) || is_null(b) => Some(Expr::IsDistinctFrom(a.clone(), b.clone())),
        _ => None,
    }
}

fn unnested(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

/// The parts of a chain of one operator.
fn flatten<'e>(expr: &'e Expr, of: &Op, parts: &mut Vec<&'e Expr>) {
    match expr {
        Expr::BinaryOp { left, op, right } if op == of => {
            flatten(left, of, parts);
            flatten(right, of, parts);
        }
        Expr::Nested(inner) if matches!(&**inner, Expr::BinaryOp { op, .. } if op == of) => flatten(inner, of, parts),
        other => parts.push(other),
    }
}
