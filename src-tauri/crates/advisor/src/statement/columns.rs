//! The columns of a `SELECT`: what stands behind each, and what it uses.
use std::rc::Rc;

use sqlparser::ast::{Expr, Function, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, Value as Literal};

use crate::scalar::Scalar;
use crate::scope::{Builder, Columns, Scope, Source};

/// The name that a column of a `SELECT` has by itself.
pub(super) fn last(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

/// The expression of a column of a `SELECT`.
pub(super) fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The aggregate that a column of a `SELECT` is.
pub(crate) fn aggregate(item: &SelectItem) -> Option<&Function> {
    const AGGREGATES: &[&str] =
        &["count", "sum", "avg", "min", "max", "array_agg", "string_agg", "bool_or", "bool_and"];
    match expression(item)? {
        Expr::Function(f) if f.over.is_none() => {
            AGGREGATES.contains(&f.name.to_string().to_ascii_lowercase().as_str()).then_some(f)
        }
        _ => None,
    }
}

impl Builder<'_> {
    /// What stands behind each column of a `SELECT`. Conditions reach through it only where they may be moved into it.
    pub(super) fn columns_of(
        &self,
        select: &Select,
        scope: &Scope<'_>,
        groups: Option<&Vec<Expr>>,
        closed: bool,
    ) -> Source {
        let mut all = Columns::new();
        if closed {
            return Source::Derived(Rc::new(all));
        }
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    let name = match item {
                        SelectItem::ExprWithAlias { alias, .. } => Some(self.folded(alias)),
                        _ => last(expr).map(|i| self.folded(i)),
                    };
                    let value = self.scalar(expr, scope).filter(|_| groups.is_none_or(|g| g.contains(expr)));
                    all.push((name.unwrap_or_default(), value));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) if groups.is_none() => {
                    let of = match item {
                        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                            self.named(name).map(|(_, name)| name)
                        }
                        _ => None,
                    };
                    for (name, source) in &scope.names {
                        if of.as_ref().is_none_or(|of| self.catalogue.same_name(of, name)) {
                            all.extend(self.all_of(source));
                        }
                    }
                }
                // How many columns these are is not known, and so not which of them is which.
                _ => return Source::Derived(Rc::default()),
            }
        }
        Source::Derived(Rc::new(all))
    }

    /// The same with other names for its columns, the first ones first.
    pub(super) fn renamed(&self, source: Source, names: &[&Ident]) -> Source {
        match source {
            Source::Derived(all) if !names.is_empty() && names.len() <= all.len() => {
                let mut all = all.as_ref().clone();
                for (column, name) in all.iter_mut().zip(names) {
                    column.0 = self.folded(name);
                }
                Source::Derived(Rc::new(all))
            }
            _ if !names.is_empty() => Source::Derived(Rc::default()),
            source => source,
        }
    }

    pub(super) fn unaliased(&self, expr: &Expr, projection: &[SelectItem]) -> Expr {
        let ordinal = match expr {
            Expr::Value(v) => match &v.value {
                Literal::Number(n, _) => n.parse::<usize>().ok(),
                _ => None,
            },
            _ => None,
        };
        if let Some(item) = ordinal.and_then(|n| projection.get(n.checked_sub(1)?)) {
            return expression(item).unwrap_or(expr).clone();
        }
        if let Expr::Identifier(name) = expr {
            let name = self.folded(name);
            for item in projection {
                if let SelectItem::ExprWithAlias { expr, alias } = item
                    && self.folded(alias) == name
                {
                    return expr.clone();
                }
            }
        }
        expr.clone()
    }

    pub(super) fn item(&mut self, item: &SelectItem, scope: &Scope<'_>) {
        match item {
            SelectItem::Wildcard(_) => {
                for (_, source) in &scope.names {
                    self.use_all(source);
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let source = self.named(name).and_then(|(_, n)| scope.find(&n, self.catalogue).cloned());
                if let Some(source) = source {
                    self.use_all(&source);
                }
            }
            other => {
                if let Some(expr) = expression(other) {
                    self.uses(expr, scope);
                }
            }
        }
    }

    fn use_all(&mut self, source: &Source) {
        match source {
            Source::Scan(scan) => self.shape.scans[*scan].uses_all = true,
            Source::Derived(all) => {
                let all: Vec<(usize, Scalar)> = all.iter().filter_map(|(_, value)| value.clone()).collect();
                for (scan, scalar) in all {
                    self.touch(scan, &scalar);
                }
            }
        }
    }
}
