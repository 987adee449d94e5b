//! A statement of MySQL or MariaDB with a hint that one index is not to be used.
use std::ops::ControlFlow;

use perfdeck_sqltext::Dialect;
use sqlparser::ast::{
    Ident, Query, Statement, TableFactor, TableIndexHintType, TableIndexHints, TableIndexType, VisitMut as _,
    VisitorMut,
};

use crate::parse::{NotAnalysed, as_written};

/// A statement as the grammar writes it, and the same with the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hinted {
    /// Without the hint.
    pub plain: String,
    /// With it.
    pub ignoring: String,
}

/// Puts `IGNORE INDEX` behind each use of a table. Both texts come from the same tree and differ in nothing else; parameters stay where
/// they are.
///
/// # Errors
/// When it is not understood, or names the table nowhere.
pub fn ignoring(text: &str, table: &str, index: &str) -> Result<Hinted, NotAnalysed> {
    let mut tree = as_written(text, Dialect::Mysql)?;
    if !matches!(tree, Statement::Query(_)) {
        return Err(NotAnalysed::Other);
    }
    let plain = tree.to_string();
    let mut hints = Hints { table, index, put: 0, hidden: false };
    let _: ControlFlow<()> = tree.visit(&mut hints);
    // A part of the statement of that name is another thing.
    if hints.put == 0 || hints.hidden {
        return Err(NotAnalysed::NoTable);
    }
    Ok(Hinted { plain, ignoring: tree.to_string() })
}

struct Hints<'a> {
    table: &'a str,
    index: &'a str,
    put: usize,
    /// Whether something else in the statement has the table's name.
    hidden: bool,
}

impl Hints<'_> {
    fn is_it(&self, name: &Ident) -> bool {
        name.value.eq_ignore_ascii_case(self.table)
    }
}

impl VisitorMut for Hints<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let named = query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| self.is_it(&cte.alias.name));
        self.hidden |= named;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, index_hints, .. } = factor else { return ControlFlow::Continue(()) };
        if name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| self.is_it(name)) {
            index_hints.push(TableIndexHints {
                hint_type: TableIndexHintType::Ignore,
                index_type: TableIndexType::Index,
                for_clause: None,
                index_names: vec![Ident::with_quote('`', self.index)],
            });
            self.put += 1;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_stands_behind_each_use_of_the_table_and_nowhere_else() {
        let of = |text: &str| ignoring(text, "orders", "ix `a`").map(|h| h.ignoring);
        assert_eq!(
            of("SELECT * FROM orders o JOIN customers c ON c.id = o.cust_id WHERE o.a = ? AND o.b = 'it''s \\' x' LIMIT ?").as_deref(),
            Ok("SELECT * FROM orders o IGNORE INDEX (`ix ``a```) JOIN customers c ON c.id = o.cust_id WHERE o.a = ? AND \
                o.b = 'it''s \\' x' LIMIT ?"),
            "texts stay as they were written"
        );
        let within =
            of("SELECT 1 FROM customers WHERE EXISTS (SELECT 1 FROM `shop`.`Orders` WHERE a = 1)").expect("within");
        assert!(within.contains("FROM `shop`.`Orders` IGNORE INDEX (`ix ``a```)"), "{within}");
        for (text, why) in [
            ("SELECT * FROM customers", NotAnalysed::NoTable),
            ("WITH orders AS (SELECT 1) SELECT * FROM orders", NotAnalysed::NoTable),
            ("DELETE FROM orders", NotAnalysed::Other),
            ("SELECT 1; SELECT 2", NotAnalysed::NotOne),
        ] {
            assert_eq!(of(text), Err(why), "{text}");
        }
        let both = ignoring("select a from orders where a in (?, ?) order by a", "orders", "i").expect("read");
        assert_eq!(both.ignoring.replace(" IGNORE INDEX (`i`)", ""), both.plain, "nothing else differs");
    }
}
