//! Expressions within expressions.
use sqlparser::ast::{Expr, Subscript};

use crate::scope::arguments;

/// Calls for an expression and all that it is made of, subqueries not entered.
pub(crate) fn walk<'e>(expr: &'e Expr, see: &mut dyn FnMut(&'e Expr)) {
    see(expr);
    match expr {
        Expr::Nested(e)
        | Expr::Cast { expr: e, .. }
        | Expr::IsNull(e)
        | Expr::IsNotNull(e)
        | Expr::IsTrue(e)
        | Expr::IsFalse(e)
        | Expr::IsNotTrue(e)
        | Expr::IsNotFalse(e)
        | Expr::UnaryOp { expr: e, .. }
        | Expr::Extract { expr: e, .. }
        | Expr::Ceil { expr: e, .. }
        | Expr::Floor { expr: e, .. }
        | Expr::Trim { expr: e, .. }
        | Expr::Collate { expr: e, .. }
        | Expr::InSubquery { expr: e, .. } => walk(e, see),
        Expr::BinaryOp { left, right, .. }
        | Expr::AnyOp { left, right, .. }
        | Expr::AllOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::Position { expr: left, r#in: right }
        | Expr::AtTimeZone { timestamp: left, time_zone: right }
        | Expr::Like { expr: left, pattern: right, .. }
        | Expr::ILike { expr: left, pattern: right, .. }
        | Expr::SimilarTo { expr: left, pattern: right, .. } => {
            walk(left, see);
            walk(right, see);
        }
        Expr::InList { expr, list, .. } => {
            walk(expr, see);
            list.iter().for_each(|e| walk(e, see));
        }
        Expr::Tuple(list) => list.iter().for_each(|e| walk(e, see)),
        Expr::Array(array) => array.elem.iter().for_each(|e| walk(e, see)),
        Expr::Between { expr, low, high, .. } => [expr, low, high].into_iter().for_each(|e| walk(e, see)),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            walk(expr, see);
            substring_from.iter().chain(substring_for).for_each(|e| walk(e, see));
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            operand.iter().chain(else_result).for_each(|e| walk(e, see));
            for when in conditions {
                walk(&when.condition, see);
                walk(&when.result, see);
            }
        }
        Expr::Function(function) => {
            arguments(function).into_iter().for_each(|e| walk(e, see));
            function.filter.iter().for_each(|e| walk(e, see));
            if let Some(sqlparser::ast::WindowType::WindowSpec(window)) = &function.over {
                window.partition_by.iter().for_each(|e| walk(e, see));
                window.order_by.iter().for_each(|by| walk(&by.expr, see));
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            walk(root, see);
            for access in access_chain {
                if let sqlparser::ast::AccessExpr::Subscript(Subscript::Index { index }) = access {
                    walk(index, see);
                }
            }
        }
        _ => {}
    }
}
