//! Answers from what was seen. Pure.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_database::statements::{Cut, StatementCounts};
use perfdeck_stats::paired::welch;
use perfdeck_stats::verdict::by_interval;

use super::answer::{
    ComparedWith, StatementChange, StatementDetail, StatementOthers, StatementRow, StatementWindow, Statements,
    StatementsCompared, StatementsCoverage, StatementsGap, StatementsGapKind, StatementsHidden,
};
use super::kept::Texts;
use super::window::{KEPT, Piece, WINDOW_MS};
use crate::core::statement_source::{statement_name, statement_of};

/// Windows with calls that either side of a comparison needs.
const FEWEST: usize = 6;
/// The smallest relative change of a time that matters, 5 %: that of medians of benchmarks (docs/benchmarks.md, 7.2.1).
const MATTERS: f64 = 0.05;
/// A window of which less was seen is no sample of its own, in milliseconds.
const SHORTEST_MS: f64 = 60_000.0;
/// Gaps that are listed.
const GAPS: usize = 50;
/// Time between two pieces from which nobody looked in between, in milliseconds.
const UNSEEN_MS: f64 = 1_500.0;
/// An hour and a week, in milliseconds.
pub(super) const HOUR_MS: f64 = 3_600_000.0;
pub(super) const WEEK_MS: f64 = 7.0 * 24.0 * HOUR_MS;

/// A statement by its identifier, and whether it ran within others.
pub(super) type Id = (Arc<str>, bool);
/// Mean time of a call in each hour, by statement.
pub(super) type Means = HashMap<Id, Vec<Option<f64>>>;

/// The statement that has this name.
pub(super) fn of_name(name: &str) -> Id {
    let (key, nested) = statement_of(name);
    (Arc::from(key), nested)
}

/// The two times that one may be compared with.
pub(super) fn before(from_ms: f64, to_ms: f64) -> [(ComparedWith, f64, f64); 2] {
    let length = to_ms - from_ms;
    [
        (ComparedWith::WeekBefore, from_ms - WEEK_MS, to_ms - WEEK_MS),
        (ComparedWith::PeriodBefore, from_ms - length, from_ms),
    ]
}

/// The pieces whose middle is within a time.
pub(super) fn within(pieces: &[Piece], from_ms: f64, to_ms: f64) -> Vec<&Piece> {
    let middle = |piece: &Piece| f64::midpoint(piece.from_ms, piece.to_ms);
    pieces.iter().filter(|piece| middle(piece) >= from_ms && middle(piece) < to_ms).collect()
}

fn coverage(pieces: &[&Piece]) -> StatementsCoverage {
    StatementsCoverage {
        from_ms: pieces.first().map(|piece| piece.from_ms),
        to_ms: pieces.last().map(|piece| piece.to_ms),
        observed_s: pieces.iter().map(|piece| piece.to_ms - piece.from_ms).sum::<f64>() / 1e3,
        windows: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
    }
}

fn gaps(pieces: &[&Piece]) -> (Vec<StatementsGap>, u32) {
    let mut all = Vec::new();
    let mut end: Option<f64> = None;
    for piece in pieces {
        if let Some(end) = end.filter(|end| piece.from_ms - end > UNSEEN_MS) {
            let kind = StatementsGapKind::NotSeen;
            all.push(StatementsGap { from_ms: end, to_ms: piece.from_ms, kind, entries: 0 });
        }
        end = Some(piece.to_ms);
        for cut in &piece.cuts {
            let kind = match cut {
                Cut::Reset => StatementsGapKind::Reset,
                Cut::Restarted => StatementsGapKind::Restarted,
                Cut::Evicted => StatementsGapKind::Evicted,
                Cut::Hidden => StatementsGapKind::Hidden,
                Cut::SomeReset => StatementsGapKind::SomeReset,
            };
            let entries = if matches!(cut, Cut::Evicted | Cut::SomeReset) { piece.vanished } else { 0 };
            all.push(StatementsGap { from_ms: piece.from_ms, to_ms: piece.to_ms, kind, entries });
        }
    }
    let left_out = all.len().saturating_sub(GAPS);
    all.truncate(GAPS);
    (all, u32::try_from(left_out).unwrap_or(u32::MAX))
}

/// The sum of each statement.
fn sums(pieces: &[&Piece]) -> HashMap<Id, StatementCounts> {
    let mut sums: HashMap<Id, StatementCounts> = HashMap::new();
    for row in pieces.iter().flat_map(|piece| &piece.rows) {
        sums.entry((row.key.clone(), row.nested)).or_default().add(&row.counts);
    }
    sums
}

fn mean(counts: &StatementCounts) -> Option<f64> {
    (counts.calls > 0).then(|| counts.total_ms / counts.calls as f64)
}

/// The logarithms of the mean times of each statement's windows, for those in which it was called.
fn samples(pieces: &[&Piece]) -> HashMap<Id, Vec<f64>> {
    let mut samples: HashMap<Id, Vec<f64>> = HashMap::new();
    for row in pieces.iter().filter(|piece| piece.to_ms - piece.from_ms >= SHORTEST_MS).flat_map(|piece| &piece.rows) {
        if let Some(ms) = mean(&row.counts).filter(|ms| *ms > 0.0) {
            samples.entry((row.key.clone(), row.nested)).or_default().push(ms.ln());
        }
    }
    samples
}

/// How the time of a call changed: Welch's interval of the windows' mean times, on the log scale; `None` where either side has too
/// few of them.
fn change(then: &[f64], now: &[f64]) -> Option<StatementChange> {
    if then.len() < FEWEST || now.len() < FEWEST {
        return None;
    }
    let interval = welch(then, now, 0.05);
    let (change, low, high) = interval.ratios();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (change.is_finite() && low.is_finite() && high.is_finite()).then(|| StatementChange {
        change,
        low,
        high,
        verdict: by_interval(&interval, MATTERS, true, interval.excludes_zero()),
        before: count(then.len()),
        now: count(now.len()),
    })
}

/// What was seen from `from_ms` to `to_ms`; `pieces` may hold more. What is known of the texts is put in by [`with_texts`].
pub(super) fn built(pieces: &[Piece], from_ms: f64, to_ms: f64, means: &Means) -> Statements {
    let now = within(pieces, from_ms, to_ms);
    let (gaps, gaps_left_out) = gaps(&now);
    let total_ms: f64 = now.iter().map(|piece| piece.total_ms()).sum();
    let share = |ms: f64| if total_ms > 0.0 { (ms / total_ms).clamp(0.0, 1.0) } else { 0.0 };
    let then = before(from_ms, to_ms)
        .into_iter()
        .map(|(with, from, to)| (with, from, to, within(pieces, from, to)))
        // The first of which enough was seen to compare with, else the one of which more was.
        .max_by_key(|(with, _, _, seen)| {
            (seen.len().min(FEWEST), *with == ComparedWith::WeekBefore && !seen.is_empty(), seen.len())
        })
        .filter(|(_, _, _, seen)| !seen.is_empty());
    let seen_then = then.as_ref().map(|(_, _, _, seen)| seen.as_slice()).unwrap_or_default();
    let was = sums(seen_then);
    let (samples_then, samples_now) = (samples(seen_then), samples(&now));
    let mut all: Vec<(Id, StatementCounts)> = sums(&now).into_iter().collect();
    all.sort_by(|a, b| b.1.total_ms.total_cmp(&a.1.total_ms).then_with(|| a.0.cmp(&b.0)));
    let mut others = StatementOthers { statements: 0, total_ms: 0.0, calls: 0, share: 0.0 };
    for piece in &now {
        others.statements = others.statements.max(piece.others.statements);
        others.total_ms += piece.others.counts.total_ms;
        others.calls += piece.others.counts.calls;
    }
    for ((_, nested), counts) in all.iter().skip(KEPT) {
        others.statements = others.statements.saturating_add(1);
        if !nested {
            others.total_ms += counts.total_ms;
            others.calls += counts.calls;
        }
    }
    others.share = share(others.total_ms);
    let rows = all.iter().take(KEPT).map(|(id, counts)| {
        let each = |value: Option<u64>| value.filter(|_| counts.calls > 0).map(|n| n as f64 / counts.calls as f64);
        StatementRow {
            key: statement_name(&id.0, id.1),
            statement: None,
            nested: id.1,
            share: (!id.1).then(|| share(counts.total_ms)),
            calls: counts.calls,
            total_ms: counts.total_ms,
            mean_ms: mean(counts),
            rows_per_call: each(Some(counts.rows)),
            buffers_per_call: each(counts.hit.zip(counts.read).map(|(hit, read)| hit.saturating_add(read))),
            reads_per_call: each(counts.read),
            wal_bytes_per_call: each(counts.wal_bytes),
            temp_per_call: each(counts.temp),
            first_seen_ms: None,
            was_ms: was.get(id).and_then(mean),
            change: samples_then.get(id).zip(samples_now.get(id)).and_then(|(then, now)| change(then, now)),
            plan_changed_ms: None,
            means: means.get(id).cloned().unwrap_or_default(),
        }
    });
    Statements {
        coverage: coverage(&now),
        gaps,
        gaps_left_out,
        total_ms,
        calls: now.iter().map(|piece| piece.calls()).sum(),
        rows: rows.collect(),
        hidden: hidden(&now, total_ms),
        others: (others.statements > 0).then_some(others),
        compared: then.map(|(with, from_ms, to_ms, seen)| StatementsCompared {
            with,
            from_ms,
            to_ms,
            windows: u32::try_from(seen.len()).unwrap_or(u32::MAX),
        }),
        means_step_ms: HOUR_MS,
        ..Statements::default()
    }
}

fn hidden(pieces: &[&Piece], all_ms: f64) -> Option<StatementsHidden> {
    // How many there were last: those of before may be seen now.
    let statements = pieces.last().map_or(0, |piece| piece.hidden.statements);
    let total_ms: f64 = pieces.iter().map(|piece| piece.hidden.counts.total_ms).sum();
    (statements > 0 || total_ms > 0.0).then(|| StatementsHidden {
        statements,
        total_ms,
        calls: pieces.iter().map(|piece| piece.hidden.counts.calls).sum(),
        share: if all_ms > 0.0 { total_ms / all_ms } else { 0.0 },
        grant: None,
    })
}

/// Puts texts into the rows, cut for a list.
pub(super) fn with_texts(answer: &mut Statements, texts: &Texts) {
    const LONGEST: usize = 2_000;
    for row in &mut answer.rows {
        let Some(kept) = texts.get(&of_name(&row.key).0) else { continue };
        row.first_seen_ms = Some(kept.first_ms);
        row.statement = kept.text.as_ref().map(|text| {
            let end = (0..=LONGEST.min(text.text.len())).rev().find(|at| text.text.is_char_boundary(*at));
            text.text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
        });
    }
}

/// The mean time of a call in each whole hour of the week before `to_ms`, and where the first of them begins.
pub(super) fn hourly(pieces: &[Piece], to_ms: f64) -> (f64, Means) {
    let first = (to_ms / HOUR_MS).ceil() * HOUR_MS - WEEK_MS;
    let hours = (WEEK_MS / HOUR_MS) as usize;
    let mut sums: HashMap<Id, Vec<StatementCounts>> = HashMap::new();
    for piece in pieces {
        let at = (f64::midpoint(piece.from_ms, piece.to_ms) - first) / HOUR_MS;
        if at < 0.0 || at >= hours as f64 {
            continue;
        }
        for row in &piece.rows {
            let all =
                sums.entry((row.key.clone(), row.nested)).or_insert_with(|| vec![StatementCounts::default(); hours]);
            if let Some(hour) = all.get_mut(at as usize) {
                hour.add(&row.counts);
            }
        }
    }
    (first, sums.into_iter().map(|(id, hours)| (id, hours.iter().map(mean).collect())).collect())
}

/// One statement's windows.
pub(super) fn detail(pieces: &[Piece], key: &str, from_ms: f64, to_ms: f64, texts: &Texts) -> StatementDetail {
    let id = of_name(key);
    let windows = within(pieces, from_ms, to_ms).into_iter().map(|piece| {
        let row = piece.rows.iter().find(|row| row.nested == id.1 && row.key == id.0);
        // Where all were kept by name, one that is not there was not called.
        let all = piece.others.statements == 0;
        let counts = row.map(|row| row.counts).or_else(|| all.then(StatementCounts::default));
        StatementWindow {
            from_ms: piece.from_ms,
            to_ms: piece.to_ms,
            calls: counts.map(|counts| counts.calls),
            total_ms: counts.map(|counts| counts.total_ms),
        }
    });
    let kept = texts.get(&id.0);
    let text = kept.and_then(|kept| kept.text.as_ref());
    StatementDetail {
        key: key.to_owned(),
        statement: text.map(|text| text.text.clone()),
        cut_of: text.and_then(|text| text.cut_of).map(|n| n as f64),
        first_seen_ms: kept.map(|kept| kept.first_ms),
        windows: windows.collect(),
        plans: Vec::new(),
        no_plan: None,
    }
}

/// Times that an answer needs from the store.
pub(super) fn needed(from_ms: f64, to_ms: f64) -> Vec<(f64, f64)> {
    let [week, period] = before(from_ms, to_ms);
    vec![(week.1 - WINDOW_MS, week.2 + WINDOW_MS), (period.1 - WINDOW_MS, to_ms + WINDOW_MS)]
}

#[cfg(test)]
mod tests {
    use super::super::window::{Others, Row};
    use super::*;
    use perfdeck_stats::Verdict;

    const NOW: f64 = 30.0 * 24.0 * HOUR_MS;

    /// A window in which each statement has so many calls of so many milliseconds.
    fn piece(from_ms: f64, rows: &[(&str, u64, f64)]) -> Piece {
        let row = |(key, calls, each): &(&str, u64, f64)| Row {
            key: Arc::from(*key),
            nested: false,
            counts: StatementCounts {
                calls: *calls,
                total_ms: *calls as f64 * each,
                rows: calls * 2,
                hit: Some(calls * 3),
                read: Some(*calls),
                ..StatementCounts::default()
            },
        };
        Piece { from_ms, to_ms: from_ms + WINDOW_MS, rows: rows.iter().map(row).collect(), ..Piece::default() }
    }

    /// An hour of windows before `NOW`, and the same hours before.
    fn pieces(slow: f64) -> Vec<Piece> {
        let hour = |end: f64, each: f64| {
            (0..12).map(move |i| {
                let at = end - HOUR_MS + f64::from(i) * WINDOW_MS;
                // What is measured is never quite the same.
                let wobble = 1.0 + 0.002 * f64::from(i % 3);
                piece(at, &[("slow", 10, each * wobble), ("even", 100, 1.0 * wobble)])
            })
        };
        hour(NOW - WEEK_MS, 10.0).chain(hour(NOW - HOUR_MS, 10.0)).chain(hour(NOW, 10.0 * slow)).collect()
    }

    #[test]
    fn shares_means_and_changes_are_those_of_the_windows() {
        let answer = built(&pieces(3.0), NOW - HOUR_MS, NOW, &Means::new());
        let rows: Vec<(&str, u64)> = answer.rows.iter().map(|row| (row.key.as_str(), row.calls)).collect();
        assert_eq!(rows, [("slow", 120), ("even", 1_200)], "by time");
        assert!((answer.rows[0].share.expect("a share") - 0.75).abs() < 1e-9, "300 ms of 400 in each window");
        assert_eq!((answer.coverage.windows, answer.coverage.observed_s), (12, 3_600.0), "an hour");
        let [slow, even] = [0, 1].map(|i| answer.rows[i].change.expect("twelve windows on either side"));
        assert!((slow.change - 2.0).abs() < 0.01 && slow.verdict == Verdict::Slower, "three times: {slow:?}");
        assert!(slow.low > 1.9 && slow.high < 2.1, "{slow:?}");
        assert_eq!(even.verdict, Verdict::Equivalent, "{even:?}");
        assert_eq!(
            answer.compared.expect("compared").with,
            ComparedWith::WeekBefore,
            "the same hour a week ago is there"
        );
        assert!((answer.rows[0].was_ms.expect("was") - 10.02).abs() < 0.1, "and what it was");
        assert_eq!(answer.rows[1].buffers_per_call, Some(4.0), "hit and read");
    }

    #[test]
    fn without_a_week_ago_it_is_the_time_before_and_with_few_windows_there_is_no_verdict() {
        let hour_only: Vec<Piece> = pieces(3.0).into_iter().filter(|p| p.from_ms > NOW - WEEK_MS).collect();
        let answer = built(&hour_only, NOW - HOUR_MS, NOW, &Means::new());
        assert_eq!(answer.compared.expect("compared").with, ComparedWith::PeriodBefore, "the hour before");
        assert!(answer.rows[0].change.is_some(), "it has enough windows");
        let answer = built(&hour_only, NOW - 5.0 * WINDOW_MS, NOW, &Means::new());
        assert_eq!(answer.rows[0].change, None, "five windows say nothing");
        assert!(answer.rows[0].was_ms.is_some(), "what it was is known all the same");
        let answer = built(&hour_only[..12], NOW - 2.0 * HOUR_MS, NOW - HOUR_MS, &Means::new());
        assert_eq!((answer.compared, answer.rows[0].was_ms), (None, None), "nothing was seen before");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let mut pieces = pieces(1.0);
        pieces.truncate(24);
        pieces.remove(18);
        pieces[20].cuts = vec![Cut::Reset];
        pieces[21].others =
            Others { statements: 7, counts: StatementCounts { total_ms: 1.0, ..StatementCounts::default() } };
        let answer = built(&pieces, NOW - 2.0 * HOUR_MS, NOW - HOUR_MS, &Means::new());
        let kinds: Vec<StatementsGapKind> = answer.gaps.iter().map(|gap| gap.kind).collect();
        assert_eq!(kinds, [StatementsGapKind::NotSeen, StatementsGapKind::Reset], "{:?}", answer.gaps);
        assert_eq!(answer.coverage.observed_s, 3_300.0, "eleven of twelve windows");
        let found = detail(&pieces, "gone", NOW - 2.0 * HOUR_MS, NOW - HOUR_MS, &Texts::new());
        let calls: Vec<Option<u64>> = found.windows.iter().map(|w| w.calls).collect();
        assert_eq!(
            (calls.len(), calls[0], calls[9]),
            (11, Some(0), None),
            "where others are one row it may be among them"
        );
        let (first, means) = hourly(&pieces, NOW);
        let slow = &means[&of_name("slow")];
        assert_eq!(
            (slow.len(), slow.iter().flatten().count()),
            (168, 1),
            "two hours are in the week, one of them before"
        );
        assert!(first + WEEK_MS >= NOW, "up to now");
    }

    #[test]
    fn a_name_says_whether_it_ran_within_others() {
        for nested in [false, true] {
            assert_eq!(of_name(&statement_name("-42", nested)), (Arc::from("-42"), nested));
        }
    }
}
