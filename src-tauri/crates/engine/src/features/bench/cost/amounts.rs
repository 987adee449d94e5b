//! Amounts of a request from its pairs of blocks. Pure.
use std::collections::{BTreeMap, HashMap};

use perfdeck_database::statements::StatementText;
use perfdeck_stats::per_request::{Pair, PerRequest, is_repeated, per_request};

use super::answer::{CostAmount, CostHidden, CostTotals, StatementCost};
use super::counters::names;
use crate::core::statement_source::statement_of;

/// Statements that are listed.
const LISTED: usize = 200;
/// Longest text of one of them, in bytes.
const TEXT: usize = 2_000;

/// What pairs say of a request.
pub(super) struct Amounts {
    of: BTreeMap<String, PerRequest>,
}

impl Amounts {
    pub(super) fn of(pairs: &[Pair]) -> Self {
        Self { of: per_request(pairs) }
    }

    /// `None` where it is not counted.
    fn get(&self, what: &str, whose: &str) -> Option<CostAmount> {
        self.of.get(&names::of(what, whose)).copied().map(CostAmount::from)
    }

    /// The same of what is always counted: what no block gained is nothing.
    fn counted(&self, what: &str, whose: &str) -> CostAmount {
        self.get(what, whose).unwrap_or(CostAmount { mean: 0.0, low: Some(0.0), high: Some(0.0) })
    }

    /// Part of the statements that others ran.
    pub(super) fn background(&self) -> Option<f64> {
        self.of.get(&names::of(names::CALLS, names::ALL))?.background
    }

    pub(super) fn totals(&self) -> CostTotals {
        let of = |what| self.counted(what, names::ALL);
        let cache_commands = self.get(names::CALLS, names::COMMANDS);
        let prefix = names::of(names::CALLS, names::COMMAND);
        let commands = self.of.iter().filter_map(|(name, found)| Some((name.strip_prefix(&prefix)?, found)));
        let of_a_request = commands.filter(|(_, found)| found.mean > 0.0);
        let commands = of_a_request.map(|(name, found)| (name.to_owned(), CostAmount::from(*found))).collect();
        CostTotals {
            statements: of(names::CALLS),
            rows: of(names::ROWS),
            db_ms: of(names::MS),
            buffers: self.get(names::BUFFERS, names::ALL),
            wal_bytes: self.get(names::WAL, names::ALL),
            cache_commands,
            cache: cache_commands.map(|_| commands),
        }
    }

    /// The statements of a request, without their texts, and how many more there are.
    pub(super) fn statements(&self) -> (Vec<StatementCost>, u32) {
        let prefix = names::of(names::CALLS, names::STATEMENT);
        let called = self.of.iter().filter(|(_, calls)| calls.mean > 0.0);
        let mut rows: Vec<StatementCost> = called
            .filter_map(|(name, calls)| {
                let key = name.strip_prefix(&prefix)?;
                let whose = format!("{}{key}", names::STATEMENT);
                let amount = CostAmount::from(*calls);
                Some(StatementCost {
                    key: key.to_owned(),
                    statement: None,
                    nested: statement_of(key).1,
                    sure: amount.is_sure(),
                    calls: amount,
                    rows: self.counted(names::ROWS, &whose),
                    ms: self.counted(names::MS, &whose),
                    buffers: self.get(names::BUFFERS, &whose),
                    wal_bytes: self.get(names::WAL, &whose),
                    repeated: is_repeated(calls),
                })
            })
            .collect();
        rows.sort_by(|a, b| b.sure.cmp(&a.sure).then_with(|| b.ms.mean.total_cmp(&a.ms.mean)));
        let left_out = rows.len().saturating_sub(LISTED);
        rows.truncate(LISTED);
        (rows, u32::try_from(left_out).unwrap_or(u32::MAX))
    }

    /// What cannot be told apart, of so many entries; `None` when there are none.
    pub(super) fn hidden(&self, statements: u32, grant: Option<String>) -> Option<CostHidden> {
        let of = |what| self.counted(what, names::HIDDEN);
        (statements > 0).then(|| CostHidden { statements, calls: of(names::CALLS), ms: of(names::MS), grant })
    }
}

/// Puts the texts where they belong.
pub(super) fn with_texts(rows: &mut [StatementCost], texts: &HashMap<String, StatementText>) {
    for row in rows {
        let text = texts.get(statement_of(&row.key).0).map(|found| found.text.as_str());
        row.statement = text.map(|text| text.get(..text.floor_char_boundary(TEXT)).unwrap_or(text).to_owned());
    }
}
