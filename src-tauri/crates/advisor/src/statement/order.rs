//! Groups, order and extremes that a `SELECT` asks for, and how many rows of them.
use perfdeck_sqltext::Dialect;
use sqlparser::ast::{Expr, Function, LimitClause, OrderByExpr, OrderBySort, Query, SelectItem, Value as Literal};

use crate::predicates::Value;
use crate::scalar::Scalar;
use crate::scope::{Builder, Scope, arguments};
use crate::shape::SortKey;

impl Builder<'_> {
    /// Notes parameters that say how many rows are wanted, or left out.
    pub(super) fn limits(&mut self, query: &Query) {
        let mut all: Vec<&Expr> = query.fetch.iter().filter_map(|f| f.quantity.as_ref()).collect();
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                all.extend(limit.iter().chain(offset.as_ref().map(|o| &o.value)));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => all.extend([offset, limit]),
            None => {}
        }
        let empty = Scope { names: Vec::new(), ctes: Vec::new(), outer: None };
        for expr in all {
            if let Some(Value::Parameter(n)) = self.value(expr, &empty) {
                self.shape.limits.push(n);
            }
        }
    }

    /// Whether some rows are enough, and how many.
    pub(super) fn limit(&self, query: &Query) -> (bool, Option<f64>) {
        let number = |expr: &Expr| match expr {
            Expr::Value(v) => match &v.value {
                Literal::Number(n, _) => n.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        match (&query.limit_clause, &query.fetch) {
            (Some(LimitClause::LimitOffset { limit: Some(limit), offset, .. }), _) => {
                let more = offset.as_ref().map_or(Some(0.0), |o| number(&o.value));
                (true, number(limit).zip(more).map(|(a, b)| a + b))
            }
            (Some(LimitClause::OffsetCommaLimit { offset, limit }), _) => {
                (true, number(limit).zip(number(offset)).map(|(a, b): (f64, f64)| a + b))
            }
            (_, Some(fetch)) => (true, fetch.quantity.as_ref().map_or(Some(1.0), number)),
            _ => (false, None),
        }
    }

    /// Notes values by which rows are grouped, where all are of one table.
    pub(super) fn group(&mut self, all: &[Expr], scope: &Scope<'_>) -> Vec<Option<(usize, Scalar)>> {
        let keys: Vec<Option<(usize, Scalar)>> = all.iter().map(|e| self.scalar(e, scope)).collect();
        for expr in all {
            self.uses(expr, scope);
        }
        if let [Some((first, _)), ..] = keys.as_slice()
            && keys.iter().all(|k| k.as_ref().is_some_and(|(scan, _)| scan == first))
        {
            self.shape.scans[*first].group = keys.iter().flatten().map(|(_, scalar)| scalar.clone()).collect();
        }
        keys
    }

    pub(super) fn extremes(&mut self, aggregates: &[&Function], grouped: bool, columns: usize, scope: &Scope<'_>) {
        if grouped || aggregates.len() != columns {
            return;
        }
        let mut found = Vec::new();
        for function in aggregates {
            let name = function.name.to_string().to_ascii_lowercase();
            let argument = arguments(function).first().copied();
            let value = argument.and_then(|a| self.scalar(a, scope));
            match value {
                Some(value) if ["min", "max"].contains(&name.as_str()) => found.push(value),
                _ => return,
            }
        }
        for (scan, scalar) in found {
            self.shape.scans[scan].extremes.push(scalar);
        }
    }

    /// Notes the order that is asked for, as far as it is one table's.
    pub(crate) fn sort(&mut self, keys: &[OrderByExpr], projection: &[SelectItem], scope: &Scope<'_>) {
        let mut of: Option<usize> = None;
        let mut found = Vec::new();
        for key in keys {
            let expr = self.unaliased(&key.expr, projection);
            let Some((scan, scalar)) = self.scalar(&expr, scope) else { break };
            if *of.get_or_insert(scan) != scan {
                break;
            }
            let descending = key.options.sort == Some(OrderBySort::Desc);
            let default = match self.catalogue.dialect {
                Dialect::Postgres => descending,
                // Nulls are less than anything.
                _ => !descending,
            };
            let nulls_first = key.options.nulls_first.unwrap_or(default);
            found.push(SortKey { of: scalar, descending, nulls_first });
        }
        if let Some(scan) = of {
            let whole = found.len() == keys.len();
            let scan = &mut self.shape.scans[scan];
            (scan.sort, scan.sort_whole) = (found, whole);
        }
    }
}
