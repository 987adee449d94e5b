//! From the tree of a statement to its shape: what each part of it asks of the tables that it names.
use std::rc::Rc;

use perfdeck_sqltext::{Dialect, prepared};
use sqlparser::ast::{
    AssignmentTarget, Distinct, Expr, FromTable, Function, GroupByExpr, Ident, JoinConstraint, JoinOperator,
    LimitClause, ObjectName, OnConflictAction, OnInsert, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, TableFunctionArgs, TableObject,
    TableWithJoins, UpdateTableFromKind, Value as Literal,
};

use crate::catalogue::Catalogue;
use crate::parse::{NotAnalysed, parsed};
use crate::predicates::{Asked, Value};
use crate::scalar::Scalar;
use crate::scope::{Builder, Columns, MOST_SCANS, Scope, Source, arguments, expressions_of};
use crate::shape::{Shape, SortKey, Written};

/// Views within views that are followed.
const DEEPEST_VIEW: usize = 8;

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

    /// Notes whose rows are written: those of the first table, in MySQL's dialect of each.
    fn writes_rows(&mut self, scope: &Scope<'_>) {
        let all = if self.catalogue.dialect == Dialect::Mysql { usize::MAX } else { 1 };
        for (_, source) in scope.names.iter().take(all) {
            self.reads_rows(source);
        }
    }

    fn targets(&self, target: &AssignmentTarget) -> Vec<String> {
        let last = |name: &ObjectName| name.0.last().and_then(|p| p.as_ident()).map(|i| self.folded(i));
        match target {
            AssignmentTarget::ColumnName(name) => last(name).into_iter().collect(),
            AssignmentTarget::Tuple(all) => all.iter().filter_map(last).collect(),
        }
    }

    fn upserted(&self, on: Option<&OnInsert>) -> Vec<String> {
        let assignments = match on {
            Some(OnInsert::DuplicateKeyUpdate(all)) => all.as_slice(),
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoUpdate(update) => update.assignments.as_slice(),
                OnConflictAction::DoNothing => &[],
            },
            _ => &[],
        };
        assignments.iter().flat_map(|a| self.targets(&a.target)).collect()
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

    /// Notes parameters that say how many rows are wanted, or left out.
    fn limits(&mut self, query: &Query) {
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
    fn limit(&self, query: &Query) -> (bool, Option<f64>) {
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

    /// What stands behind each column of a `SELECT`. Conditions reach through it only where they may be moved into it.
    fn columns_of(&self, select: &Select, scope: &Scope<'_>, groups: Option<&Vec<Expr>>, closed: bool) -> Source {
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
    fn renamed(&self, source: Source, names: &[&Ident]) -> Source {
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

    fn from<'p>(&mut self, from: &[TableWithJoins], outer: &'p Scope<'p>) -> Scope<'p> {
        let mut scope = Scope { names: Vec::new(), ctes: Vec::new(), outer: Some(outer) };
        self.add_from(from, &mut scope);
        scope
    }

    fn add_from(&mut self, from: &[TableWithJoins], scope: &mut Scope<'_>) {
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

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) {
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

    fn view(&mut self, definition: &str) -> Option<Source> {
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

    fn unaliased(&self, expr: &Expr, projection: &[SelectItem]) -> Expr {
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

    /// Notes values by which rows are grouped, where all are of one table.
    fn group(&mut self, all: &[Expr], scope: &Scope<'_>) -> Vec<Option<(usize, Scalar)>> {
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

    fn extremes(&mut self, aggregates: &[&Function], grouped: bool, columns: usize, scope: &Scope<'_>) {
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

    fn item(&mut self, item: &SelectItem, scope: &Scope<'_>) {
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

/// The name that a column of a `SELECT` has by itself.
fn last(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

/// The expression of a column of a `SELECT`.
fn expression(item: &SelectItem) -> Option<&Expr> {
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
