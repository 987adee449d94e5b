//! Which name is which table's column: through aliases, subqueries, CTEs and views.
use std::collections::BTreeSet;
use std::rc::Rc;

use perfdeck_sqltext::Dialect;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Value as Literal,
};

use crate::catalogue::{Catalogue, TableKind};
use crate::parse::NotAnalysed;
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::shape::{Scan, Shape};

/// Readings of tables that a statement may have.
pub(crate) const MOST_SCANS: usize = 60;

/// Columns by name, in their order; one without a name has an empty one.
pub(crate) type Columns = Vec<(String, Option<(usize, Scalar)>)>;

/// What a name of a `FROM` stands for.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A table.
    Scan(usize),
    /// A subquery: its columns in their order, each with the value of one reading that is behind it, where there is one.
    Derived(Rc<Columns>),
}

/// Names that can be seen from one place.
pub(crate) struct Scope<'p> {
    pub(crate) names: Vec<(String, Source)>,
    pub(crate) ctes: Vec<(String, Source)>,
    pub(crate) outer: Option<&'p Scope<'p>>,
}

/// Makes a shape.
pub(crate) struct Builder<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) shape: Shape,
    pub(crate) views: usize,
    /// The text that is read.
    pub(crate) text: &'c str,
}

impl Scope<'_> {
    pub(crate) fn find(&self, name: &str, catalogue: &Catalogue) -> Option<&Source> {
        let here = self.names.iter().rev().find(|(known, _)| catalogue.same_name(known, name)).map(|(_, s)| s);
        here.or_else(|| self.outer.and_then(|outer| outer.find(name, catalogue)))
    }

    pub(crate) fn cte(&self, name: &str, catalogue: &Catalogue) -> Option<&Source> {
        let here = self.ctes.iter().rev().find(|(known, _)| catalogue.same_name(known, name)).map(|(_, s)| s);
        here.or_else(|| self.outer.and_then(|outer| outer.cte(name, catalogue)))
    }
}

impl Builder<'_> {
    pub(crate) fn done(self) -> Result<Shape, NotAnalysed> {
        if self.shape.scans.is_empty() && self.shape.written.is_empty() {
            return Err(NotAnalysed::NoTable);
        }
        let tables = self.shape.scans.iter().map(|scan| &self.catalogue.tables[scan.table]);
        if let Some(parent) = tables.into_iter().find(|t| t.kind == TableKind::Parent) {
            return Err(NotAnalysed::Inherited(parent.shown()));
        }
        Ok(self.shape)
    }

    /// A name as the server looks for it.
    pub(crate) fn folded(&self, ident: &Ident) -> String {
        if self.catalogue.dialect == Dialect::Postgres && ident.quote_style.is_none() {
            return ident.value.to_lowercase();
        }
        ident.value.clone()
    }

    /// Schema and name.
    pub(crate) fn named(&self, name: &ObjectName) -> Option<(Option<String>, String)> {
        let parts: Vec<String> =
            name.0.iter().map(|part| part.as_ident().map(|i| self.folded(i))).collect::<Option<_>>()?;
        match parts.as_slice() {
            [name] => Some((None, name.clone())),
            [.., schema, name] => Some((Some(schema.clone()), name.clone())),
            [] => None,
        }
    }

    pub(crate) fn scan(&mut self, table: usize, alias: &str) -> usize {
        self.shape.scans.push(Scan { table, alias: alias.to_owned(), ..Scan::default() });
        self.shape.scans.len() - 1
    }

    pub(crate) fn all_of(&self, source: &Source) -> Columns {
        match source {
            Source::Scan(scan) => {
                let table = &self.catalogue.tables[self.shape.scans[*scan].table];
                let value = |name: &String| (name.clone(), Some((*scan, Scalar::Column(name.clone()))));
                table.columns.iter().map(|c| value(&c.name)).collect()
            }
            Source::Derived(all) => all.as_ref().clone(),
        }
    }

    /// What a column of a source is.
    pub(crate) fn column_of(&self, source: &Source, name: &str) -> Option<(usize, Scalar)> {
        match source {
            Source::Scan(scan) => {
                let table = &self.catalogue.tables[self.shape.scans[*scan].table];
                let column = table.columns.iter().find(|c| self.catalogue.same_name(&c.name, name))?;
                Some((*scan, Scalar::Column(column.name.clone())))
            }
            Source::Derived(all) => {
                let found = all.iter().find(|(known, _)| self.catalogue.same_name(known, name))?;
                found.1.clone()
            }
        }
    }

    /// What a name in an expression is.
    pub(crate) fn resolved(&self, parts: &[Ident], scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        let names: Vec<String> = parts.iter().map(|i| self.folded(i)).collect();
        match names.as_slice() {
            [name] => {
                let mut at = Some(scope);
                while let Some(here) = at {
                    if let Some(found) = here.names.iter().find_map(|(_, s)| self.column_of(s, name)) {
                        return Some(found);
                    }
                    at = here.outer;
                }
                None
            }
            [.., of, name] => self.column_of(scope.find(of, self.catalogue)?, name),
            [] => None,
        }
    }

    /// Whether a name is a column of something that is no table and whose columns are not those of one.
    pub(crate) fn is_derived(&self, parts: &[Ident], scope: &Scope<'_>) -> bool {
        let names: Vec<String> = parts.iter().map(|i| self.folded(i)).collect();
        let has = |source: &Source, name: &str| match source {
            Source::Derived(all) => {
                all.is_empty() || all.iter().any(|(n, of)| of.is_none() && self.catalogue.same_name(n, name))
            }
            Source::Scan(_) => false,
        };
        match names.as_slice() {
            [name] => {
                let mut at = Some(scope);
                while let Some(here) = at {
                    if here.names.iter().any(|(_, source)| has(source, name)) {
                        return true;
                    }
                    at = here.outer;
                }
                false
            }
            [.., of, name] => scope.find(of, self.catalogue).is_some_and(|source| has(source, name)),
            [] => false,
        }
    }

    /// Notes that all columns of the tables behind a source are used: their rows are written or locked.
    pub(crate) fn reads_rows(&mut self, source: &Source) {
        let scans: Vec<usize> = match source {
            Source::Scan(scan) => vec![*scan],
            Source::Derived(all) => all.iter().filter_map(|(_, of)| of.as_ref().map(|(scan, _)| *scan)).collect(),
        };
        for scan in scans {
            self.shape.scans[scan].uses_all = true;
        }
    }

    /// Notes that columns of a value are used.
    pub(crate) fn touch(&mut self, scan: usize, scalar: &Scalar) {
        let columns: BTreeSet<String> = scalar.columns().into_iter().map(str::to_owned).collect();
        self.shape.scans[scan].used.extend(columns);
    }

    /// Reads a subquery within an expression; answers what its only column is.
    pub(crate) fn subquery(&mut self, query: &Query, scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        match self.query(query, scope) {
            Source::Derived(all) if all.len() == 1 => all[0].1.clone(),
            _ => None,
        }
    }

    /// Notes a condition of a table.
    pub(crate) fn add(&mut self, scan: usize, of: Scalar, asked: Asked) {
        self.touch(scan, &of);
        let predicate = Predicate::new(of, asked);
        let conditions = &mut self.shape.scans[scan].conditions;
        if !conditions.contains(&predicate) {
            conditions.push(predicate);
        }
    }

    /// Notes that values of two readings are equal.
    pub(crate) fn join(&mut self, a: (usize, Scalar), b: (usize, Scalar)) {
        self.touch(a.0, &a.1);
        self.touch(b.0, &b.1);
        if a.0 == b.0 {
            return;
        }
        let [left, right] = self.kept_as_they_are(&a, &b);
        let (of_a, of_b) = (b.0, a.0);
        if left {
            self.shape.scans[a.0].joins.push((a.1, of_a));
        }
        if right {
            self.shape.scans[b.0].joins.push((b.1, of_b));
        }
    }

    /// What a value is, that others are compared with; `None` where it is not the same for the whole statement.
    pub(crate) fn value(&self, expr: &Expr, scope: &Scope<'_>) -> Option<Value> {
        match expr {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } | Expr::Collate { expr: inner, .. } => {
                self.value(inner, scope)
            }
            Expr::Value(v) => Some(match &v.value {
                Literal::Placeholder(name) => match name.trim_start_matches(['$', ':']).parse() {
                    Ok(n) => Value::Parameter(n),
                    Err(_) => Value::Stable,
                },
                Literal::Number(n, _) => Value::Number(n.clone()),
                Literal::Boolean(b) => Value::Number(b.to_string()),
                Literal::SingleQuotedString(text) => Value::Literal(text.clone()),
                Literal::DoubleQuotedString(text) if self.catalogue.dialect == Dialect::Mysql => {
                    Value::Literal(text.clone())
                }
                Literal::Null => return None,
                _ => Value::Stable,
            }),
            Expr::TypedString(_) | Expr::Interval(_) => Some(Value::Stable),
            other => self.is_stable(other, scope).then_some(Value::Stable),
        }
    }
}

/// The arguments of a call that are expressions.
pub(crate) fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    expressions_of(&list.args)
}

/// Those of them that are expressions.
pub(crate) fn expressions_of(all: &[FunctionArg]) -> Vec<&Expr> {
    all.iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
            | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr),
            _ => None,
        })
        .collect()
}
