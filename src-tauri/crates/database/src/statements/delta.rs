//! What happened between two readings. Pure.
//!
//! Counters only grow while their entry lives. An entry may be reset by anybody, may be dropped by the server to make room and come
//! back, and all of them may be lost with the server. None of this may show as a negative figure or as a jump:
//!
//! - an entry that is not in the reading before began in between, so that all it has counted was counted since;
//! - one whose counters went back, or whose life began in between, was dropped or reset and began anew: what it has counted
//!   since is a part of what happened, the rest is not known ([`Cut::Evicted`] where the server made room or does not tell,
//!   [`Cut::SomeReset`] where it made none, or the cut that explains all of them);
//! - one that is missing takes with it what it counted after the reading before ([`Delta::vanished`]).
use std::collections::BTreeMap;

use super::counts::{Hidden, Reading, StatementCounts, StatementKey};

/// Reason for which a part of what happened is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Somebody reset the counters.
    Reset,
    /// The server began anew, and its counters with it.
    Restarted,
    /// The server dropped entries to make room for others.
    Evicted,
    /// What this user may see changed, or there are more entries than are read.
    Hidden,
    /// Somebody reset the counters of some statements.
    SomeReset,
}

/// What happened between two readings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Time of the first reading.
    pub from_ms: f64,
    /// Time of the second one.
    pub to_ms: f64,
    /// What each entry gained; those that gained nothing are not in it.
    pub gained: BTreeMap<StatementKey, StatementCounts>,
    /// What the entries gained that this user may not tell apart, and how many there are.
    pub hidden: Hidden,
    /// Why a part is not known; each once.
    pub cuts: Vec<Cut>,
    /// Entries that are gone, and with them what they counted after the first reading.
    pub vanished: u32,
}

/// Whether the counters of `now` have nothing to do with those of `before`, and why.
fn anew(before: &Reading, now: &Reading) -> Option<Cut> {
    let moved = |a: Option<f64>, b: Option<f64>, by: f64| a.zip(b).is_some_and(|(a, b)| (a - b).abs() > by);
    // A server may tell how long it runs, in seconds, and not since when.
    let restarted = moved(before.origin.started_ms, now.origin.started_ms, 1_000.0);
    // The time of a reset is kept to the microsecond: another one is another reset, however soon.
    let reset = moved(before.origin.reset_ms, now.origin.reset_ms, 0.000_5);
    // PostgreSQL keeps its counters over an orderly restart and loses them in a crash; then none is what it was. Without room
    // having been made, an entry neither goes away nor back by itself.
    let lost = before.lost == now.lost
        && before
            .entries
            .iter()
            .any(|(key, old)| now.entries.get(key).is_none_or(|new| new.counts.since(&old.counts).is_none()));
    if restarted && (reset || lost) {
        Some(Cut::Restarted)
    } else if reset {
        Some(Cut::Reset)
    } else {
        // Servers that do not tell of a reset: nothing is left of what was there.
        let gone = |(key, old): (&StatementKey, &super::Entry)| {
            now.entries.get(key).is_none_or(|new| new.counts.since(&old.counts).is_none())
        };
        (!before.entries.is_empty() && before.entries.iter().all(gone)).then_some(Cut::Reset)
    }
}

/// What happened between `before` and `now`, two readings of the same database by the same user.
pub fn delta(before: &Reading, now: &Reading) -> Delta {
    let mut out = Delta { from_ms: before.at_ms, to_ms: now.at_ms, ..Delta::default() };
    let anew = anew(before, now);
    out.cuts.extend(anew);
    let made_room = before.lost.zip(now.lost).map(|(then, now)| now > then);
    let began_anew = if made_room == Some(false) { Cut::SomeReset } else { Cut::Evicted };
    // What is told apart now may have been counted for years.
    let seen_anew = now.hidden.statements < before.hidden.statements || before.left_out > 0;
    for (key, entry) in &now.entries {
        let old = before.entries.get(key);
        let began = match (old.and_then(|old| old.since_ms), entry.since_ms) {
            // By the server's own clock, and however small its counters were.
            (Some(then), Some(since)) => (since - then).abs() > 0.000_5,
            (None, Some(since)) => since > before.at_ms,
            _ => false,
        };
        let gained = match old {
            _ if anew.is_some() => entry.counts,
            Some(old) => match entry.counts.since(&old.counts).filter(|_| !began) {
                Some(gained) => gained,
                None => {
                    note(&mut out.cuts, began_anew);
                    entry.counts
                }
            },
            None if seen_anew && !began => {
                note(&mut out.cuts, Cut::Hidden);
                continue;
            }
            None => entry.counts,
        };
        if !gained.is_nothing() {
            out.gained.insert(key.clone(), gained);
        }
    }
    if anew.is_none() {
        let gone = before.entries.keys().filter(|key| !now.entries.contains_key(*key)).count();
        out.vanished = u32::try_from(gone).unwrap_or(u32::MAX);
        if made_room == Some(true) || gone > 0 && now.left_out == 0 {
            note(&mut out.cuts, began_anew);
        }
    }
    out.hidden.statements = now.hidden.statements;
    out.hidden.counts = match anew {
        Some(_) => now.hidden.counts,
        // Entries that went or came to light in between take their part of the sum away.
        None => now.hidden.counts.since(&before.hidden.counts).unwrap_or_default(),
    };
    if now.left_out > 0 {
        note(&mut out.cuts, Cut::Hidden);
    }
    out.cuts.sort_unstable();
    out
}

/// Adds a cut unless it is there.
fn note(cuts: &mut Vec<Cut>, cut: Cut) {
    if !cuts.contains(&cut) {
        cuts.push(cut);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Origin};
    use super::*;

    #[test]
    fn a_reset_is_seen_however_soon_and_small() {
        let at = |at_ms: f64, reset_ms: Option<f64>, since_ms: Option<f64>, calls: u64| {
            let counts = StatementCounts { calls, total_ms: calls as f64, rows: calls, ..StatementCounts::default() };
            Reading {
                at_ms,
                origin: Origin { started_ms: Some(1.0), reset_ms },
                entries: [(key("a"), Entry { counts, since_ms })].into(),
                ..Reading::default()
            }
        };
        let found = delta(&at(1e6, Some(999_000.0), None, 3), &at(1.001e6, Some(999_610.0), None, 40));
        assert_eq!(found.cuts, [Cut::Reset], "0.61 s after the one before, and the counters grew");
        let found = delta(&at(1e6, None, Some(5e5), 3), &at(1.001e6, None, Some(5.5e5), 40));
        assert_eq!(found.cuts, [Cut::Evicted], "the entry is another one, whatever our clock says");
        let same = delta(&at(1e6, Some(9e5), Some(2e6), 3), &at(1.001e6, Some(9e5), Some(2e6), 40));
        assert!(same.cuts.is_empty(), "the server's clock is ahead, and nothing was reset: {same:?}");
    }

    fn key(id: &str) -> StatementKey {
        StatementKey { id: id.to_owned(), nested: false, user: 10 }
    }

    fn counts(calls: u64) -> StatementCounts {
        StatementCounts {
            calls,
            total_ms: calls as f64 * 2.0,
            rows: calls * 3,
            hit: Some(calls * 4),
            read: Some(calls),
            wal_bytes: Some(0),
            temp: Some(0),
        }
    }

    fn reading(at_ms: f64, entries: &[(&str, u64)]) -> Reading {
        Reading {
            at_ms,
            origin: Origin { started_ms: Some(1.0), reset_ms: Some(1.0) },
            lost: Some(0),
            entries: entries
                .iter()
                .map(|(id, calls)| (key(id), Entry { counts: counts(*calls), since_ms: None }))
                .collect(),
            ..Reading::default()
        }
    }

    fn calls(delta: &Delta) -> Vec<(&str, u64)> {
        delta.gained.iter().map(|(key, counts)| (key.id.as_str(), counts.calls)).collect()
    }

    #[test]
    fn what_was_gained_is_the_difference_and_a_new_entry_is_all_of_it() {
        let found = delta(&reading(0.0, &[("a", 100), ("b", 7)]), &reading(1e4, &[("a", 130), ("b", 7), ("c", 5)]));
        assert_eq!(calls(&found), [("a", 30), ("c", 5)], "b was not called");
        assert_eq!(found.gained[&key("a")], counts(30), "every counter is a difference");
        assert_eq!((found.cuts.as_slice(), found.vanished), (&[][..], 0), "and nothing is missing");
    }

    #[test]
    fn a_reset_is_neither_negative_nor_a_jump() {
        let before = reading(0.0, &[("a", 100), ("b", 1_000_000)]);
        let mut now = reading(1e4, &[("a", 3), ("b", 2)]);
        now.origin.reset_ms = Some(5_000.0);
        let found = delta(&before, &now);
        assert_eq!(calls(&found), [("a", 3), ("b", 2)], "what was counted since the reset");
        assert_eq!(found.cuts, [Cut::Reset], "and it is said");
        // One that has grown past what it was: only the time of the reset tells.
        let mut more = reading(1e4, &[("a", 150)]);
        more.origin.reset_ms = Some(5_000.0);
        assert_eq!(calls(&delta(&reading(0.0, &[("a", 100)]), &more)), [("a", 150)], "all of it is of since");
        // Servers before PostgreSQL 14 do not tell of it.
        let silent = |mut r: Reading| {
            r.origin.reset_ms = None;
            r.lost = None;
            r
        };
        let found = delta(&silent(before), &silent(reading(1e4, &[("a", 3)])));
        assert_eq!((calls(&found), &found.cuts), (vec![("a", 3)], &vec![Cut::Reset]), "nothing of before is left");
    }

    #[test]
    fn counters_that_outlive_an_orderly_restart_go_on_and_lost_ones_begin_anew() {
        let before = reading(0.0, &[("a", 100), ("b", 50)]);
        let restarted = |entries: &[(&str, u64)]| {
            let mut now = reading(1e4, entries);
            now.origin.started_ms = Some(5_000.0);
            now
        };
        let found = delta(&before, &restarted(&[("a", 110), ("b", 50)]));
        assert_eq!((calls(&found), found.cuts.len()), (vec![("a", 10)], 0), "they were kept");
        let found = delta(&before, &restarted(&[("a", 2_000), ("b", 3)]));
        assert_eq!(calls(&found), [("a", 2_000), ("b", 3)], "one of them went back, so none is what it was");
        assert_eq!(found.cuts, [Cut::Restarted], "and it is said");
    }

    #[test]
    fn an_entry_that_was_dropped_and_came_back_has_no_negative_figure() {
        let before = reading(0.0, &[("a", 100), ("b", 50), ("c", 9)]);
        let mut now = reading(1e4, &[("a", 120), ("b", 4)]);
        now.lost = Some(1);
        let found = delta(&before, &now);
        assert_eq!(calls(&found), [("a", 20), ("b", 4)], "b is what it has counted since it came back");
        assert_eq!((found.cuts.as_slice(), found.vanished), (&[Cut::Evicted][..], 1), "c took its work with it");
        // Come back and grown past what it was: PostgreSQL 17 tells since when it counts.
        let mut now = reading(1e4, &[("a", 120), ("b", 80), ("c", 9)]);
        now.lost = Some(1);
        if let Some(b) = now.entries.get_mut(&key("b")) {
            b.since_ms = Some(4_000.0);
        }
        assert_eq!(calls(&delta(&before, &now)), [("a", 20), ("b", 80)], "not 30: it began at nothing");
    }

    #[test]
    fn a_reset_of_one_statement_is_told_from_room_that_was_made() {
        let found = delta(&reading(0.0, &[("a", 100), ("b", 50)]), &reading(1e4, &[("a", 120)]));
        assert_eq!((found.cuts.as_slice(), found.vanished), (&[Cut::SomeReset][..], 1), "the server dropped none");
        let found = delta(&reading(0.0, &[("a", 100), ("b", 50)]), &reading(1e4, &[("a", 120), ("b", 3)]));
        assert_eq!((calls(&found), &found.cuts), (vec![("a", 20), ("b", 3)], &vec![Cut::SomeReset]), "and b ran again");
        let silent = |mut r: Reading| {
            r.lost = None;
            r
        };
        let found = delta(&silent(reading(0.0, &[("a", 1), ("b", 1)])), &silent(reading(1e4, &[("a", 2)])));
        assert_eq!(found.cuts, [Cut::Evicted], "a server that does not tell");
    }

    #[test]
    fn what_comes_to_light_is_no_jump() {
        let mut before = reading(0.0, &[("own", 5)]);
        before.hidden = Hidden { statements: 2, counts: counts(1_000_000) };
        let now = reading(1e4, &[("own", 6), ("x", 600_000), ("y", 400_010)]);
        let found = delta(&before, &now);
        assert_eq!(calls(&found), [("own", 1)], "two entries were counted long before they could be told apart");
        assert_eq!((found.cuts.as_slice(), found.hidden.statements), (&[Cut::Hidden][..], 0), "and it is said");
        let mut now = reading(1e4, &[("own", 6)]);
        now.hidden = Hidden { statements: 3, counts: counts(1_000_040) };
        let found = delta(&before, &now);
        assert_eq!((found.hidden.statements, found.hidden.counts.calls), (3, 40), "hidden ones have a sum");
        // More entries than are read: one that comes among them is not new.
        let mut before = reading(0.0, &[("a", 10)]);
        before.left_out = 4;
        let found = delta(&before, &reading(1e4, &[("a", 11), ("z", 900)]));
        assert_eq!(calls(&found), [("a", 1)], "z may have been counted for years");
    }
}
