//! What a plan's conditions and keys ask, and what the keys and conditions of an index that is there are: expressions as a server writes them.
use sqlparser::ast::{Ident, OrderByExpr, OrderBySort};

use crate::catalogue::Catalogue;
use crate::parse::{NotAnalysed, parsed_expression};
use crate::predicates::Predicate;
use crate::scalar::Scalar;
use crate::scope::{Builder, MOST_SCANS, Scope, Source};
use crate::shape::Shape;

/// Conditions and keys of a plan, as the server wrote them, in place of a text that is not understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfPlan {
    /// Relations that are read: schema, name, name in the statement.
    pub relations: Vec<(Option<String>, String, String)>,
    /// Conditions of the nodes.
    pub conditions: Vec<String>,
    /// Keys of the sort that is nearest to the top, and whether a limit stands over it.
    pub sort: Vec<String>,
    /// Whether some rows are enough.
    pub limited: bool,
}

/// What a plan's nodes ask of each table. Names in it have been resolved by the server, through views too.
///
/// # Errors
/// When none of its tables is known.
pub fn shape_of_plan(plan: &OfPlan, catalogue: &Catalogue) -> Result<Shape, NotAnalysed> {
    let mut builder = Builder { catalogue, shape: Shape::default(), views: 0, text: "" };
    let mut scope = Scope { names: Vec::new(), ctes: Vec::new(), outer: None };
    for (schema, name, alias) in plan.relations.iter().take(MOST_SCANS) {
        if let Some(table) = catalogue.find(schema.as_deref(), name) {
            let scan = builder.scan(table, alias);
            scope.names.push((alias.clone(), Source::Scan(scan)));
            builder.shape.scans[scan].uses_all = true;
        }
    }
    for condition in &plan.conditions {
        if let Ok(expr) = parsed_expression(condition, catalogue.dialect) {
            builder.condition(&expr, &scope);
        }
    }
    let keys: Vec<OrderByExpr> = plan
        .sort
        .iter()
        .filter_map(|key| {
            let (key, sort) = match key.strip_suffix(" DESC") {
                Some(key) => (key, Some(OrderBySort::Desc)),
                None => (key.as_str(), None),
            };
            let expr = parsed_expression(key, catalogue.dialect).ok()?;
            let mut by = OrderByExpr::from(Ident::new("x"));
            (by.expr, by.options.sort) = (expr, sort);
            Some(by)
        })
        .collect();
    builder.sort(&keys, &[], &scope);
    for scan in builder.shape.scans.iter_mut().filter(|s| plan.limited && !s.sort.is_empty()) {
        scan.limited = true;
    }
    builder.done()
}

/// The value that an expression of a table's own is, as its server writes it: of a key of an index.
pub fn scalar_of(text: &str, table: usize, catalogue: &Catalogue) -> Option<Scalar> {
    let expr = parsed_expression(text, catalogue.dialect).ok()?;
    let mut builder = Builder { catalogue, shape: Shape::default(), views: 0, text };
    let scan = builder.scan(table, "");
    let names = vec![(catalogue.tables[table].name.clone(), Source::Scan(scan))];
    builder.scalar(&expr, &Scope { names, ctes: Vec::new(), outer: None }).map(|(_, scalar)| scalar)
}

/// The condition of a table's own, likewise: of the rows of an index.
pub fn predicate_of(text: &str, table: usize, catalogue: &Catalogue) -> Option<Predicate> {
    let expr = parsed_expression(text, catalogue.dialect).ok()?;
    let mut builder = Builder { catalogue, shape: Shape::default(), views: 0, text };
    let scan = builder.scan(table, "");
    let names = vec![(catalogue.tables[table].name.clone(), Source::Scan(scan))];
    builder.condition(&expr, &Scope { names, ctes: Vec::new(), outer: None });
    let scan = builder.shape.scans.pop()?;
    let other = !scan.alternatives.is_empty() || builder.shape.scans.len() > 1;
    match scan.conditions.as_slice() {
        [only] if !other => Some(only.clone()),
        _ => None,
    }
}
