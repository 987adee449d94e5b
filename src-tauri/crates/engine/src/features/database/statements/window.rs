//! What was seen within five minutes. Pure.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use perfdeck_database::statements::{Cut, Delta, Hidden, StatementCounts, StatementKey};

/// Length of a window, in milliseconds. Windows begin at whole multiples of it since the Unix epoch.
pub(super) const WINDOW_MS: f64 = 300_000.0;
/// Statements of a window that are kept by name; the others are one row.
pub(super) const KEPT: usize = 200;

/// A statement of one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The server's identifier.
    pub(super) key: Arc<str>,
    /// It ran within others, whose time has its own.
    pub(super) nested: bool,
    pub(super) counts: StatementCounts,
}

/// Statements that are not kept by name.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Others {
    pub(super) statements: u32,
    /// Their sum, without those that ran within others.
    pub(super) counts: StatementCounts,
}

/// What was seen of a window, for reading: the heaviest statements and the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Piece {
    /// From when to when the counters were observed, in milliseconds since the Unix epoch.
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    /// Why a part of it is not known.
    pub(super) cuts: Vec<Cut>,
    /// Entries that the server dropped, with what they had counted.
    pub(super) vanished: u32,
    /// Heaviest first, at most [`KEPT`].
    pub(super) rows: Vec<Row>,
    pub(super) others: Others,
    pub(super) hidden: Hidden,
}

impl Piece {
    /// The time that the database spent on statements, in milliseconds. What ran within another is in that one's time.
    pub(super) fn total_ms(&self) -> f64 {
        let named: f64 = self.rows.iter().filter(|row| !row.nested).map(|row| row.counts.total_ms).sum();
        named + self.others.counts.total_ms + self.hidden.counts.total_ms
    }

    /// How often statements were called, likewise.
    pub(super) fn calls(&self) -> u64 {
        let named: u64 = self.rows.iter().filter(|row| !row.nested).map(|row| row.counts.calls).sum();
        named + self.others.counts.calls + self.hidden.counts.calls
    }
}

/// A window that is still being filled.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    from_ms: f64,
    to_ms: f64,
    gained: BTreeMap<(String, bool), StatementCounts>,
    cuts: BTreeSet<Cut>,
    vanished: u32,
    hidden: Hidden,
}

/// The window that a moment is in, by its number.
pub(super) fn number(ms: f64) -> i64 {
    (ms / WINDOW_MS).floor() as i64
}

impl Window {
    /// One that begins with this.
    pub(super) fn of(delta: &Delta) -> Self {
        let mut window = Self { from_ms: delta.from_ms, to_ms: delta.from_ms, ..Self::default() };
        window.add(delta);
        window
    }

    /// Adds what happened next.
    pub(super) fn add(&mut self, delta: &Delta) {
        self.to_ms = delta.to_ms;
        for (StatementKey { id, nested, .. }, counts) in &delta.gained {
            self.gained.entry((id.clone(), *nested)).or_default().add(counts);
        }
        self.cuts.extend(&delta.cuts);
        self.vanished = self.vanished.saturating_add(delta.vanished);
        self.hidden.statements = self.hidden.statements.max(delta.hidden.statements);
        self.hidden.counts.add(&delta.hidden.counts);
    }

    /// Which window it is. A step between two readings belongs where its middle is.
    pub(super) fn number(&self) -> i64 {
        number(f64::midpoint(self.from_ms, self.to_ms))
    }

    /// What was seen so far.
    pub(super) fn piece(&self) -> Piece {
        let mut all: Vec<(&(String, bool), &StatementCounts)> = self.gained.iter().collect();
        all.sort_by(|a, b| b.1.total_ms.total_cmp(&a.1.total_ms).then_with(|| b.1.calls.cmp(&a.1.calls)));
        let mut others = Others::default();
        for ((_, nested), counts) in all.iter().skip(KEPT) {
            others.statements = others.statements.saturating_add(1);
            if !nested {
                others.counts.add(counts);
            }
        }
        let row = |((key, nested), counts): &(&(String, bool), &StatementCounts)| Row {
            key: Arc::from(key.as_str()),
            nested: *nested,
            counts: **counts,
        };
        Piece {
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            cuts: self.cuts.iter().copied().collect(),
            vanished: self.vanished,
            rows: all.iter().take(KEPT).map(row).collect(),
            others,
            hidden: self.hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(from_ms: f64, to_ms: f64, gained: &[(&str, bool, u64)]) -> Delta {
        let counts = |n: u64| StatementCounts { calls: n, total_ms: n as f64, ..StatementCounts::default() };
        Delta {
            from_ms,
            to_ms,
            gained: gained
                .iter()
                .map(|(id, nested, n)| (StatementKey { id: (*id).to_owned(), nested: *nested, user: 1 }, counts(*n)))
                .collect(),
            ..Delta::default()
        }
    }

    #[test]
    fn the_heaviest_are_kept_by_name_and_the_others_as_one() {
        let all: Vec<String> = (0..KEPT + 5).map(|i| format!("s{i:03}")).collect();
        let gained: Vec<(&str, bool, u64)> =
            all.iter().enumerate().map(|(i, id)| (id.as_str(), false, i as u64 + 1)).collect();
        let mut window = Window::of(&delta(0.0, 1e4, &gained));
        window.add(&delta(1e4, 2e4, &[("s000", false, 10_000), ("in a function", true, 20_000)]));
        let piece = window.piece();
        assert_eq!((piece.rows.len(), &*piece.rows[1].key), (KEPT, "s000"), "by all of their time");
        assert_eq!(piece.others.statements, 6, "the rest is counted");
        let sum: u64 = (1..=KEPT as u64 + 5).sum::<u64>() + 10_000;
        assert_eq!(piece.total_ms(), sum as f64, "nothing is lost, and what ran within another is not counted twice");
        assert_eq!((piece.from_ms, piece.to_ms), (0.0, 2e4), "and it says what it was seen of");
        assert_eq!(Window::of(&delta(299_000.0, 309_000.0, &[])).number(), 1, "a step is where its middle is");
    }
}
