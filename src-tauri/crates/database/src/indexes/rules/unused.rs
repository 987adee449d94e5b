//! Indexes that nothing read for long enough, on no node.
use std::collections::HashMap;

use perfdeck_model::{IndexFindingKind, Proof, UnusedAnswer};
use perfdeck_words as words;

use super::{Draft, Facts, alike, foreign_key, named, statements};
use crate::indexes::facts::{Counted, Index, IndexReading};
use crate::indexes::parts;

/// Statistics younger than a week tell nothing: what runs once a week did not run yet.
const ENOUGH_S: f64 = 7.0 * 86_400.0;
/// In less than this, what runs once a month may not have run.
const MONTH_S: f64 = 35.0 * 86_400.0;

/// The window that all nodes together have, in seconds; why there is none.
fn window(facts: &Facts<'_>) -> Result<f64, UnusedAnswer> {
    let nodes = || std::iter::once(facts.reading).chain(facts.others);
    if nodes().all(|node| node.standby) {
        let why = "This server is a standby: it counts what it reads itself, and its primary may read more".to_owned();
        return Err(UnusedAnswer::NotTold { why, fix: None });
    }
    let mut shortest = f64::INFINITY;
    for node in nodes() {
        match &node.counted {
            Counted::For(seconds) => shortest = shortest.min(*seconds),
            Counted::Not { why, fix } => return Err(UnusedAnswer::NotTold { why: why.clone(), fix: fix.clone() }),
        }
    }
    if shortest < ENOUGH_S {
        return Err(UnusedAnswer::TooEarly { hours: shortest / 3_600.0, enough_hours: ENOUGH_S / 3_600.0 });
    }
    Ok(shortest)
}

/// What all nodes together did with an index.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    scans: f64,
    rows_read: f64,
    /// Seconds since anybody read it; infinite where nobody did, `None` where a node that did does not tell when.
    idle_s: Option<f64>,
}

/// The uses by table and index; one that a node does not count is not there.
fn uses<'a>(nodes: impl Iterator<Item = &'a IndexReading>) -> HashMap<(&'a str, &'a str), Option<Use>> {
    let mut all: HashMap<_, Option<Use>> = HashMap::new();
    for node in nodes {
        for index in &node.indexes {
            let none = Use { idle_s: Some(f64::INFINITY), ..Use::default() };
            let sum = all.entry(named(index)).or_insert(Some(none));
            let own = index.done.scans.zip(index.done.rows_read);
            *sum = sum.zip(own).map(|(sum, (scans, rows))| {
                let idle = if scans > 0.0 || rows > 0.0 { index.done.idle_s } else { Some(f64::INFINITY) };
                let idle_s = sum.idle_s.zip(idle).map(|(a, b)| a.min(b));
                Use { scans: sum.scans + scans, rows_read: sum.rows_read + rows, idle_s }
            });
        }
    }
    all
}

/// Whether nothing but scans speaks for it, and scans are counted.
fn is_judged(facts: &Facts<'_>, index: &Index) -> bool {
    let i = &index.identity;
    let supports = facts.keys.get(i.table.as_str()).into_iter().flatten().any(|key| {
        let refers = key.references == i.table
            && !key.referenced.is_empty()
            && key.referenced.len() <= i.keys.len()
            && key
                .referenced
                .iter()
                .all(|name| i.keys[..key.referenced.len()].iter().any(|k| k.column.as_ref() == Some(name)));
        refers || key.table == i.table && foreign_key::serves(index, key)
    });
    alike::is_free(index)
        && i.valid
        && i.maintained
        && i.visible
        && !i.unique
        // How often words were looked for is not counted there.
        && i.method != "fulltext"
        // The planner has statistics of an expression from its index alone, and uses them without a scan.
        && i.keys.iter().all(|k| k.column.is_some())
        && !supports
        && !facts.going.contains(&named(index))
        // It is to serve what another one served until now.
        && !facts.staying.contains(&named(index))
}

pub(super) fn found<'a>(facts: &Facts<'a>) -> (Vec<Draft<'a>>, UnusedAnswer) {
    let window = match window(facts) {
        Ok(window) => window,
        Err(answer) => return (Vec::new(), answer),
    };
    let others = u32::try_from(facts.others.len()).unwrap_or(u32::MAX);
    let not_asked = facts.reading.standbys.map(|n| n.saturating_sub(others));
    let uses = uses(std::iter::once(facts.reading).chain(facts.others));
    let parts = parts::parts(&facts.reading.indexes);
    let mut all = Vec::new();
    for index in facts.reading.indexes.iter().filter(|index| is_judged(facts, index)) {
        // One of a partitioned table has no scans: those of its parts are its own.
        let own =
            if index.identity.partitioned { parts.get(index.identity.name.as_str()).map(Vec::as_slice) } else { None };
        let of = |i: &Index| uses.get(&named(i)).copied().flatten();
        let sum = match own {
            Some(parts) => {
                parts.iter().map(|i| of(i)).try_fold(Use { idle_s: Some(f64::INFINITY), ..Use::default() }, |a, b| {
                    let b = b?;
                    let idle_s = a.idle_s.zip(b.idle_s).map(|(a, b)| a.min(b));
                    Some(Use { scans: a.scans + b.scans, rows_read: a.rows_read + b.rows_read, idle_s })
                })
            }
            None if index.identity.partitioned => None,
            None => of(index),
        };
        let Some(sum) = sum else { continue };
        let never = sum.scans <= 0.0 && sum.rows_read <= 0.0;
        if never || sum.idle_s.is_some_and(|idle| idle >= MONTH_S) {
            let bytes = own.map_or(index.done.bytes, |parts| parts.iter().map(|i| i.done.bytes).sum());
            all.push(draft(facts, index, &Seen { sum, window, bytes, not_asked }));
        }
    }
    let nodes = others.saturating_add(1);
    (all, UnusedAnswer::Judged { hours: window / 3_600.0, nodes, standbys_not_asked: not_asked })
}

/// What was seen of an index.
struct Seen {
    sum: Use,
    window: f64,
    bytes: Option<f64>,
    not_asked: Option<u32>,
}

fn draft<'a>(facts: &Facts<'a>, index: &'a Index, seen: &Seen) -> Draft<'a> {
    let (i, scheme) = (&index.identity, facts.reading.scheme);
    let table = facts.reading.tables.get(&i.table);
    let entries = table.and_then(|t| t.entries_written);
    let (share, told) = facts.whole.burden(seen.bytes, entries);
    let never = seen.sum.scans <= 0.0 && seen.sum.rows_read <= 0.0;
    let idle = seen.sum.idle_s.filter(|s| s.is_finite());
    let time = if never { seen.window } else { idle.unwrap_or(seen.window) };
    let days = words::plural((time / 86_400.0).floor() as i64, "day");
    let short = time < MONTH_S;
    let alone = seen.not_asked.is_some_and(|n| n > 0);
    let unknown = || "\u{2013}".to_owned();
    let count = |n: Option<f64>| n.map_or_else(unknown, |n| words::count(n as i64));
    let (object, size) = (statements::object(scheme, i), seen.bytes.map_or_else(unknown, words::bytes));
    let mut evidence = format!("{size}, not read in {days}, {} entries written", count(entries));
    if alone {
        evidence += "; standbys count what they read themselves, and were not asked";
    }
    let mut advice =
        "Drop it when nothing needs it: what runs seldom, what names it in a hint. When it was created is told by no \
                      server, so one that is younger than the statistics looks like this too"
            .to_owned();
    if short {
        advice += ". The statistics are younger than five weeks: what runs once a month may not have run";
    }
    let mut proof = Proof::new(
        "no scan and no row read for seven days or more on any node that was asked, or none for five weeks; no constraint, no \
         uniqueness, no replica identity, no foreign key and no expression rests on it",
        advice,
    )
    .value("scans", words::count(seen.sum.scans as i64))
    .value("rows read by it", words::count(seen.sum.rows_read as i64))
    .value("observed for", words::plural((seen.window / 86_400.0).floor() as i64, "day"))
    .value("size", size)
    .value("entries written", count(entries))
    .value("nodes asked", words::count(facts.others.len() as i64 + 1))
    .observed(None, Some(seen.window));
    if let Some(hide) = statements::hide(scheme, i) {
        proof = proof.statement("Hides it first, to see whether something needs it", hide);
    }
    proof = proof.statement(statements::drops(scheme, i), statements::drop(scheme, i));
    let sure = if alone { 0.5 } else { 1.0 } * if short { 0.5 } else { 1.0 };
    Draft {
        kind: IndexFindingKind::Unused,
        index: Some(index),
        stays: None,
        title: format!("`{object}` is not used"),
        object,
        table: i.table.clone(),
        evidence,
        cost: 0.03 + 0.6 * share * sure,
        ranked_by: format!(
            "{told}{}",
            if sure < 1.0 { "; lower, because not everything was seen that may use it" } else { "" }
        ),
        frees_bytes: seen.bytes,
        opens: statements::change(scheme, i),
        proof,
    }
}
