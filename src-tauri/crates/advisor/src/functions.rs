//! Functions beyond those that are known by heart: the database's own catalogue says which of them are the same at any time.
use sqlparser::ast::{Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments};

use crate::scalar::Scalar;
use crate::scope::{Builder, Scope, arguments};
use crate::walk::walk;

/// The schema of the server's own functions, which every search path has.
const OWN: &str = "pg_catalog";

/// A function of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Values that it is called with, at least and at most.
    pub arguments: (usize, usize),
    /// Whether it is immutable, and a plain function of which an index can have the value.
    pub is_key: bool,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Whether the search path finds it without its schema.
    pub visible: bool,
}

impl Builder<'_> {
    /// The value of one table's row that a call of a function of the database is.
    pub(crate) fn own_function(&self, call: &Call, scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        let found = self.called(call)?;
        if !found.iter().all(|f| f.is_key) {
            return None;
        }
        let (scan, values) = self.of_one(&arguments(call), scope)?;
        let first = found.first()?;
        let schema = (first.schema != OWN).then(|| first.schema.clone());
        Some((scan, Scalar::Function(schema, first.name.clone(), values)))
    }

    /// The functions that a call may be of: all of its name, in the first schema that has it, that take as many values.
    fn called(&self, call: &Call) -> Option<Vec<&Function>> {
        let FunctionArguments::List(list) = &call.args else { return None };
        let plain = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
        if !list.clauses.is_empty() || list.duplicate_treatment.is_some() || !list.args.iter().all(plain) {
            return None;
        }
        let (schema, name) = self.named(&call.name)?;
        let count = list.args.len();
        let takes = |f: &&Function| f.name == name && (f.arguments.0..=f.arguments.1).contains(&count);
        let all: Vec<&Function> = self.catalogue.functions.iter().filter(takes).collect();
        let of = |schema: &str| -> Vec<&Function> { all.iter().copied().filter(|f| f.schema == schema).collect() };
        let found = match schema {
            Some(schema) => of(&schema),
            None => {
                let path = std::iter::once(OWN).chain(self.catalogue.search_path.iter().map(String::as_str));
                let seen = |f: &&Function| f.visible;
                path.map(of).find(|here| here.iter().any(seen))?
            }
        };
        (!found.is_empty()).then_some(found)
    }

    /// Notes functions of users in a condition that an index cannot have, although it would be of use.
    pub(crate) fn denied_functions(&mut self, expr: &Expr, scope: &Scope<'_>) {
        let mut denied = Vec::new();
        walk(expr, &mut |e| {
            let Expr::Function(call) = e else { return };
            let Some(found) = self.called(call).filter(|all| all.iter().any(|f| !f.is_key)) else { return };
            let Some((scan, values)) = self.of_one(&arguments(call), scope) else { return };
            if found[0].schema == OWN {
                return;
            }
            let name = &found[0].name;
            let why = if found.iter().all(|f| f.immutable) {
                format!("the value of `{name}` has no order, or is none of one row")
            } else {
                format!(
                    "`{name}` is not declared IMMUTABLE, and an index has only what is the same at any time and for anybody: \
                     where it is that, ALTER FUNCTION … IMMUTABLE says so"
                )
            };
            denied.push((scan, Scalar::Function(Some(found[0].schema.clone()), name.clone(), values), why));
        });
        for (scan, scalar, why) in denied {
            let all = &mut self.shape.scans[scan].denied;
            if !all.iter().any(|(known, _)| *known == scalar) {
                all.push((scalar, why));
            }
        }
    }
}
