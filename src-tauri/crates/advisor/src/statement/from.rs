//! What stands in `FROM`: tables, views, subqueries, functions, and how they are joined.
use std::rc::Rc;

use sqlparser::ast::{Ident, JoinConstraint, JoinOperator, Statement, TableFactor, TableFunctionArgs, TableWithJoins};

use crate::parse::parsed;
use crate::predicates::{Asked, Value};
use crate::scalar::Scalar;
use crate::scope::{Builder, MOST_SCANS, Scope, Source, expressions_of};

/// Views within views that are followed.
const DEEPEST_VIEW: usize = 8;

impl Builder<'_> {
    pub(super) fn from<'p>(&mut self, from: &[TableWithJoins], outer: &'p Scope<'p>) -> Scope<'p> {
        let mut scope = Scope { names: Vec::new(), ctes: Vec::new(), outer: Some(outer) };
        self.add_from(from, &mut scope);
        scope
    }

    pub(super) fn add_from(&mut self, from: &[TableWithJoins], scope: &mut Scope<'_>) {
        for table in from {
            self.factor(&table.relation, scope);
            for join in &table.joins {
                self.factor(&join.relation, scope);
                let (JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint)) = &join.join_operator
                else {
                    continue;
                };
                match constraint {
                    JoinConstraint::On(expr) => self.condition(expr, scope),
                    JoinConstraint::Using(names) => {
                        let names: Vec<_> = names.iter().filter_map(|n| self.named(n)).collect();
                        for (_, name) in &names {
                            self.using(name, scope);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn using(&mut self, name: &str, scope: &Scope<'_>) {
        let sides: Vec<(usize, Scalar)> = scope.names.iter().filter_map(|(_, s)| self.column_of(s, name)).collect();
        for (at, (scan, scalar)) in sides.iter().enumerate() {
            self.touch(*scan, scalar);
            for (other, _) in sides.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, s)| s) {
                self.shape.scans[*scan].joins.push((scalar.clone(), *other));
            }
        }
        // The other side is no table.
        if let [(scan, scalar)] = sides.as_slice()
            && self.is_derived(&[Ident::new(name)], scope)
        {
            self.add(*scan, scalar.clone(), Asked::Equal(Value::Other));
        }
    }

    pub(super) fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let Some((schema, name)) = self.named(name) else { return };
                let alias = alias.as_ref().map_or_else(|| name.clone(), |a| self.folded(&a.name));
                if schema.is_none()
                    && let Some(source) = scope.cte(&name, self.catalogue).cloned()
                {
                    scope.names.push((alias, source));
                    return;
                }
                if self.shape.scans.len() >= MOST_SCANS {
                    return;
                }
                if let Some(table) = self.catalogue.find(schema.as_deref(), &name) {
                    let scan = self.scan(table, &alias);
                    scope.names.push((alias, Source::Scan(scan)));
                    return;
                }
                let definition = self.catalogue.view(schema.as_deref(), &name).map(|v| v.definition.clone());
                let source = definition.and_then(|text| self.view(&text));
                scope.names.push((alias, source.unwrap_or_else(|| Source::Derived(Rc::default()))));
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let source = self.query(subquery, scope);
                if let Some(alias) = alias {
                    let names: Vec<&Ident> = alias.columns.iter().map(|c| &c.name).collect();
                    let source = self.renamed(source, &names);
                    scope.names.push((self.folded(&alias.name), source));
                }
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.add_from(std::slice::from_ref(table_with_joins), scope);
            }
            // Rows of a function: nothing is known of its columns.
            TableFactor::Table { args: Some(TableFunctionArgs { args, .. }), name, alias, .. }
            | TableFactor::Function { args, name, alias, .. } => {
                for argument in expressions_of(args) {
                    self.uses(argument, scope);
                }
                let own = self.named(name).map(|(_, name)| name).unwrap_or_default();
                let name = alias.as_ref().map_or(own, |alias| self.folded(&alias.name));
                scope.names.push((name, Source::Derived(Rc::default())));
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                for argument in array_exprs {
                    self.uses(argument, scope);
                }
                let name = alias.as_ref().map_or_else(|| "unnest".to_owned(), |alias| self.folded(&alias.name));
                scope.names.push((name, Source::Derived(Rc::default())));
            }
            TableFactor::JsonTable { json_expr: expr, alias, .. } | TableFactor::TableFunction { expr, alias } => {
                self.uses(expr, scope);
                let name = alias.as_ref().map(|alias| self.folded(&alias.name)).unwrap_or_default();
                scope.names.push((name, Source::Derived(Rc::default())));
            }
            _ => {}
        }
    }

    pub(super) fn view(&mut self, definition: &str) -> Option<Source> {
        if self.views >= DEEPEST_VIEW {
            return None;
        }
        let Ok(Statement::Query(query)) = parsed(definition, self.catalogue.dialect) else { return None };
        self.views += 1;
        let outer = Scope { names: Vec::new(), ctes: Vec::new(), outer: None };
        let source = self.query(&query, &outer);
        self.views -= 1;
        Some(source)
    }
}
