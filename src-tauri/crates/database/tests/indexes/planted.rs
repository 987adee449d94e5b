//! A schema with a table for each rule by which two indexes that look alike are the same or are not: what is a defect, and what is
//! a decoy. The rule is the name of the table.
use std::collections::BTreeSet;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The table, which is named after it.
    pub(crate) table: &'static str,
    /// Statements that make it; `$` is the table.
    pub(crate) made: &'static str,
    /// What is found, as `kind object`; nothing of a decoy. `$` is the table.
    pub(crate) found: &'static [&'static str],
}

/// A table with a defect.
pub(crate) const fn defect(table: &'static str, made: &'static str, found: &'static [&'static str]) -> Rule {
    Rule { table, made, found }
}

/// A table with indexes that only look alike.
pub(crate) const fn decoy(table: &'static str, made: &'static str) -> Rule {
    Rule { table, made, found: &[] }
}

/// The statements of all rules, one after the other.
pub(crate) fn statements(rules: &[Rule]) -> Vec<String> {
    let of = |rule: &Rule| rule.made.replace('$', rule.table);
    rules
        .iter()
        .flat_map(|rule| of(rule).split(';').map(|s| s.trim().to_owned()).collect::<Vec<_>>())
        .filter(|s| !s.is_empty())
        .collect()
}

/// What is to be found of all of them.
pub(crate) fn wanted(rules: &[Rule]) -> BTreeSet<String> {
    rules.iter().flat_map(|rule| rule.found.iter().map(|found| found.replace('$', rule.table))).collect()
}
