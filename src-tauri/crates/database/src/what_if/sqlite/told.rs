//! How many rows the steps of a plan find and keep, by the values that their statement has: SQLite tells none, and takes every value of an
//! expression for one that ten rows have.
use std::collections::HashMap;

use super::counter::{MOST, by_shares};
use super::reckoned::{Step, aliases};
use super::{Schema, quoted};
use crate::what_if::{Sought, TableFacts, TableReading};

/// Why a plan with an index of expressions is not reckoned.
const UNKNOWN: &str = "how many rows its expression finds could not be counted";

/// Rows of steps, by their number.
#[derive(Default)]
pub(super) struct Told {
    /// Rows that one look into an index finds.
    pub(super) found: HashMap<i64, f64>,
    /// Share of the rows of a table that is gone through which is kept.
    pub(super) kept: HashMap<i64, f64>,
}

impl Schema {
    pub(super) async fn told(
        &mut self,
        steps: &[(i64, i64, String)],
        text: &str,
        readings: &[TableReading],
    ) -> Result<Told, String> {
        let (aliases, mut told) = (aliases(text), Told::default());
        for (id, _, detail) in steps {
            let Some(step) = Step::of(detail).filter(|s| !s.automatic) else { continue };
            let table = step.table_of(&aliases);
            let Some(reading) = reading(readings, &step.table, &table) else { continue };
            let Some(facts) = self.tables.iter().find(|t| t.name.eq_ignore_ascii_case(&reading.table)).cloned() else {
                continue;
            };
            if !step.searches {
                told.kept.extend(self.kept(&facts, reading, readings.len() > 1).await.map(|share| (*id, share)));
            } else if step.index.is_some() && !step.equal.is_empty() {
                told.found.extend(self.found(&facts, reading, &step).await?.map(|rows| (*id, rows)));
            }
        }
        Ok(told)
    }

    /// Share of a table's rows that its reading leaves. Where it asks nothing that is understood, a join keeps all of them.
    async fn kept(&mut self, facts: &TableFacts, reading: &TableReading, joined: bool) -> Option<f64> {
        let own: Vec<&Sought> = reading.sought.iter().filter(|s| s.text.is_some()).collect();
        let asks = reading.branches || reading.sought.iter().any(|s| s.text.is_none() && !s.equal);
        if own.is_empty() {
            return (joined && !asks).then_some(1.0);
        }
        let rows = facts.rows?.max(1.0);
        Some((self.counted(facts, &own).await? / rows).min(1.0))
    }

    /// Rows that one look finds; `None` where averages are all that is known.
    async fn found(&mut self, facts: &TableFacts, reading: &TableReading, step: &Step) -> Result<Option<f64>, String> {
        let name = step.index.as_deref().unwrap_or_default();
        let place = name.strip_prefix("pdk_c").and_then(|n| n.parse::<usize>().ok());
        let proposed = place.and_then(|place| self.proposed.get(place));
        let keys: Vec<String> = match proposed {
            Some(proposed) => proposed.keys.iter().take(step.equal.len()).cloned().collect(),
            None => step.equal.iter().map(|column| quoted(column)).collect(),
        };
        let most = proposed.and_then(|p| p.rows);
        let is_new = proposed.is_some();
        let rows = facts.rows.unwrap_or(1.0).max(1.0);
        let (mut own, mut share, mut expressions): (Vec<&Sought>, f64, bool) = (Vec::new(), 1.0, false);
        for key in &keys {
            let sought = reading.sought.iter().filter(|s| s.equal && s.of.eq_ignore_ascii_case(key));
            let sought = sought.min_by_key(|s| s.text.is_none());
            let column = facts.columns.iter().find(|c| quoted(&c.name).eq_ignore_ascii_case(key));
            expressions |= column.is_none();
            match (sought, column) {
                (Some(sought), _) if sought.text.is_some() => own.push(sought),
                (_, Some(column)) => {
                    let distinct = column.distinct.map(|n| if n < 0.0 { -n * rows } else { n });
                    share /= distinct.unwrap_or(rows / 10.0).max(1.0);
                }
                (_, None) => match self.counter.alike(&facts.name, key).await {
                    Some(alike) => share *= alike,
                    None if is_new => return Err(UNKNOWN.to_owned()),
                    None => return Ok(None),
                },
            }
        }
        if own.is_empty() && !expressions {
            return Ok(None);
        }
        let counted = if own.is_empty() { Some(rows) } else { self.counted(facts, &own).await };
        match counted {
            Some(counted) => Ok(Some(counted.min(most.unwrap_or(counted)) * share)),
            None if expressions && is_new => Err(UNKNOWN.to_owned()),
            None => Ok(None),
        }
    }

    /// Rows of which all of these hold: counted, beyond the bound by their share among the first rows, of columns by the values looked at.
    async fn counted(&mut self, facts: &TableFacts, all: &[&Sought]) -> Option<f64> {
        let texts: Vec<&str> = all.iter().filter_map(|s| s.text.as_deref()).collect();
        let counted = self.counter.rows(&facts.name, &texts).await;
        if let Some(rows) = counted.filter(|rows| *rows < MOST) {
            return Some(rows);
        }
        let share = self.counter.share(&facts.name, &texts).await.zip(facts.rows).map(|(share, rows)| share * rows);
        let equal: Option<Vec<(String, String)>> = all.iter().map(|s| s.column.clone().zip(s.value.clone())).collect();
        let known = share.or_else(|| by_shares(facts, &equal?));
        match counted {
            Some(_) => Some(known.unwrap_or(MOST).max(MOST)),
            None => known.map(|rows| rows.max(1.0)),
        }
    }
}

/// The reading that a step is of; `None` where several have its name.
fn reading<'r>(all: &'r [TableReading], name: &str, table: &str) -> Option<&'r TableReading> {
    let is = |r: &&TableReading| {
        r.name.eq_ignore_ascii_case(name) || r.name.is_empty() && r.table.eq_ignore_ascii_case(table)
    };
    let mut found = all.iter().filter(is);
    let first = found.next()?;
    found.all(|other| other.sought == first.sought && other.table == first.table).then_some(first)
}
