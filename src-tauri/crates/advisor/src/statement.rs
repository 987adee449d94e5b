//! From the tree of a statement to its shape: what each part of it asks of the tables that it names.
mod columns;
mod from;
mod order;
mod writes;

use std::rc::Rc;

use perfdeck_sqltext::prepared;
use sqlparser::ast::{
    Distinct, FromTable, Function, GroupByExpr, Ident, OrderBy, OrderByKind, Query, Select, SetExpr, Statement,
    TableObject, UpdateTableFromKind,
};

use crate::catalogue::Catalogue;
use crate::parse::{NotAnalysed, parsed};
use crate::scope::{Builder, Scope, Source};
use crate::shape::{Shape, Written};

pub(crate) use columns::aggregate;
use columns::expression;

/// What a statement asks and writes.
///
/// # Errors
/// When it is not understood, or names no table that is known.
pub(crate) fn shape_of(text: &str, catalogue: &Catalogue) -> Result<Shape, NotAnalysed> {
    let text = prepared(text, catalogue.dialect);
    let statement = parsed(text, catalogue.dialect)?;
    let mut builder = Builder { catalogue, shape: Shape::default(), views: 0, text };
    builder.statement(&statement)?;
    builder.done()
}

impl Builder<'_> {
    pub(crate) fn statement(&mut self, statement: &Statement) -> Result<(), NotAnalysed> {
        let outer = Scope { names: Vec::new(), ctes: Vec::new(), outer: None };
        match statement {
            Statement::Query(query) => drop(self.query(query, &outer)),
            Statement::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    let table = self.named(name).and_then(|(s, n)| self.catalogue.find(s.as_deref(), &n));
                    if let Some(table) = table {
                        self.shape.written.push(Written { table, columns: None, deletes: false });
                        let sets = self.upserted(insert.on.as_ref());
                        if !sets.is_empty() {
                            self.shape.written.push(Written { table, columns: Some(sets), deletes: false });
                        }
                    }
                }
                if let Some(source) = &insert.source {
                    self.query(source, &outer);
                }
            }
            Statement::Update(update) => {
                let mut scope = self.from(std::slice::from_ref(&update.table), &outer);
                match &update.from {
                    Some(UpdateTableFromKind::AfterSet(more) | UpdateTableFromKind::BeforeSet(more)) => {
                        self.add_from(more, &mut scope);
                    }
                    None => {}
                }
                let sets: Vec<String> = update.assignments.iter().flat_map(|a| self.targets(&a.target)).collect();
                self.writes_rows(&scope);
                if let Some((_, Source::Scan(first))) = scope.names.first() {
                    let table = self.shape.scans[*first].table;
                    self.shape.written.push(Written { table, columns: Some(sets), deletes: false });
                }
                for assignment in &update.assignments {
                    self.uses(&assignment.value, &scope);
                }
                if let Some(condition) = &update.selection {
                    self.condition(condition, &scope);
                }
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let mut scope = self.from(from, &outer);
                if let Some(more) = &delete.using {
                    self.add_from(more, &mut scope);
                }
                self.writes_rows(&scope);
                if let Some((_, Source::Scan(first))) = scope.names.first() {
                    let table = self.shape.scans[*first].table;
                    self.shape.written.push(Written { table, columns: None, deletes: true });
                }
                if let Some(condition) = &delete.selection {
                    self.condition(condition, &scope);
                }
            }
            Statement::Merge(_) => return Err(NotAnalysed::Merge),
            _ => return Err(NotAnalysed::Other),
        }
        Ok(())
    }

    /// Reads a query; answers what its columns are.
    pub(crate) fn query(&mut self, query: &Query, outer: &Scope<'_>) -> Source {
        let mut with = Scope { names: Vec::new(), ctes: Vec::new(), outer: Some(outer) };
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            let name = self.folded(&cte.alias.name);
            let names: Vec<&Ident> = cte.alias.columns.iter().map(|c| &c.name).collect();
            let recursive = query.with.as_ref().is_some_and(|w| w.recursive);
            match &*cte.query.body {
                // What it reads of itself has the columns that it begins with.
                SetExpr::SetOperation { left, right, .. } if recursive && cte.query.with.is_none() => {
                    let source = self.body(left, None, false, None, &with);
                    with.ctes.push((name, self.renamed(source, &names)));
                    self.body(right, None, false, None, &with);
                }
                _ => {
                    let source = self.query(&cte.query, &with);
                    with.ctes.push((name, self.renamed(source, &names)));
                }
            }
        }
        let (limited, limit) = self.limit(query);
        self.limits(query);
        let first = self.shape.scans.len();
        let source = self.body(&query.body, query.order_by.as_ref(), limited, limit, &with);
        for lock in &query.locks {
            // Rows that are locked are read themselves.
            let of = lock.of.as_ref().and_then(|name| self.named(name)).map(|(_, name)| name);
            let is = |alias: &str| of.as_ref().is_none_or(|of| self.catalogue.same_name(of, alias));
            let locked: Vec<usize> =
                (first..self.shape.scans.len()).filter(|s| is(&self.shape.scans[*s].alias)).collect();
            for scan in locked {
                self.shape.scans[scan].uses_all = true;
            }
        }
        source
    }

    fn body(
        &mut self,
        body: &SetExpr,
        order: Option<&OrderBy>,
        limited: bool,
        limit: Option<f64>,
        scope: &Scope<'_>,
    ) -> Source {
        match body {
            SetExpr::Select(select) => self.select(select, order, limited, limit, scope),
            SetExpr::Query(query) => self.query(query, scope),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None, false, None, scope);
                self.body(right, None, false, None, scope);
                Source::Derived(Rc::default())
            }
            SetExpr::Insert(s) | SetExpr::Update(s) | SetExpr::Delete(s) => {
                let _ = self.statement(s);
                Source::Derived(Rc::default())
            }
            _ => Source::Derived(Rc::default()),
        }
    }

    fn select(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        limited: bool,
        limit: Option<f64>,
        outer: &Scope<'_>,
    ) -> Source {
        let scope = self.from(&select.from, outer);
        for condition in select.selection.iter().chain(&select.having) {
            self.condition(condition, &scope);
        }
        for item in &select.projection {
            self.item(item, &scope);
        }
        let mut grouped = Vec::new();
        if let GroupByExpr::Expressions(all, _) = &select.group_by {
            grouped.extend(all.iter().map(|e| self.unaliased(e, &select.projection)));
        }
        let by_groups = !grouped.is_empty();
        match &select.distinct {
            Some(Distinct::Distinct) if !by_groups => {
                grouped.extend(select.projection.iter().filter_map(|item| expression(item).cloned()));
            }
            Some(Distinct::On(all)) => grouped.extend(all.iter().cloned()),
            _ => {}
        }
        let aggregates: Vec<&Function> = select.projection.iter().filter_map(aggregate).collect();
        let keys = self.group(&grouped, &scope);
        let whole = by_groups || select.distinct.is_some() || !aggregates.is_empty();
        self.extremes(&aggregates, by_groups, select.projection.len(), &scope);
        if let Some(OrderByKind::Expressions(all)) = order.map(|o| &o.kind) {
            // Rows that were grouped are others than those of the table.
            let same = !whole || keys.iter().any(Option::is_some);
            if same {
                self.sort(all, &select.projection, &scope);
            }
            for key in all {
                self.uses(&key.expr, &scope);
            }
        }
        if limited && !whole {
            for (_, source) in &scope.names {
                if let Source::Scan(scan) = source {
                    let scan = &mut self.shape.scans[*scan];
                    (scan.limited, scan.limit) = (true, limit);
                }
            }
        }
        self.columns_of(select, &scope, by_groups.then_some(&grouped), limited || !aggregates.is_empty() && !by_groups)
    }
}
