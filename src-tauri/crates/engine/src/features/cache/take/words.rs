//! An invalidation in words.
use perfdeck_model::{
    InvalidationStage, MapCount, NodeFailures, PreviewFigure, PreviewRow, RestoredKeys, TakenKeys, UndoKept,
};
use perfdeck_words as words;

use super::book::Book;
use super::plan::Plan;

fn count(n: f64) -> String {
    words::count(n.max(0.0).round() as u64)
}

/// A rate with as many digits as it is sure.
fn rate(n: f64) -> String {
    if n >= 10.0 { count(n) } else { format!("{n:.1}") }
}

fn keys(n: f64) -> String {
    if n.round() as u64 == 1 { "1 key".to_owned() } else { format!("{} keys", count(n)) }
}

/// A number of keys, with how sure it is.
pub(super) fn number(of: MapCount) -> String {
    match of {
        MapCount::Exact { value: n } => keys(n),
        MapCount::Estimate { value: n, low, high } => {
            format!("about {} (95 %: {} to {})", keys(n), count(low), count(high))
        }
        MapCount::AtLeast { value: n } => format!("at least {}", keys(n)),
    }
}

pub(super) fn title(plan: &Plan) -> String {
    let what = plan.shown.replace('`', "'");
    match plan.spec.soft_s {
        Some(s) => format!("Let `{what}` expire within {}: {}", words::seconds(s), number(plan.surveyed.matched)),
        None => format!("Invalidate `{what}`: {}", number(plan.surveyed.matched)),
    }
}

pub(super) fn statement(plan: &Plan) -> String {
    if !plan.epochs.is_empty() {
        let each: Vec<String> =
            plan.epochs.iter().map(|e| format!("SET {} to a new epoch if it is unchanged", e.key)).collect();
        return each.join("; ");
    }
    let what = &plan.shown;
    match (plan.spec.soft_s, plan.undo) {
        (_, UndoKept::Memory) => format!("remove {what}"),
        (Some(s), _) => format!("SCAN … MATCH {what}; each key: DUMP, then PEXPIREAT within {s} s if it is unchanged"),
        (None, UndoKept::Not) => format!("SCAN … MATCH {what}; each key: UNLINK"),
        (None, _) => format!("SCAN … MATCH {what}; each key: DUMP, then UNLINK if it is unchanged"),
    }
}

pub(super) fn undo_statement(plan: &Plan) -> Option<String> {
    match (plan.undo, plan.spec.soft_s) {
        (UndoKept::Not, _) => None,
        (UndoKept::Epoch, _) => Some("each epoch: SET its old value if nobody else changed it".to_owned()),
        (UndoKept::Memory, _) => Some("put back what is not there again".to_owned()),
        (_, Some(_)) => Some("each key: its own expiry again; RESTORE … ABSTTL where it is gone".to_owned()),
        (_, None) => Some("each key: RESTORE … ABSTTL, without REPLACE".to_owned()),
    }
}

pub(super) fn rows(plan: &Plan) -> Vec<PreviewRow> {
    let of = PreviewRow::new;
    let surveyed = &plan.surveyed;
    let mut rows = vec![
        of(PreviewFigure::Keys, Some(surveyed.matched.value())),
        of(PreviewFigure::KeysShare, plan.share()),
        of(PreviewFigure::KeysMemory, Some(plan.bytes())),
        of(PreviewFigure::ExtraLoads, plan.extra_loads().map(|(value, ..)| value)),
        of(PreviewFigure::Time, plan.time_s()),
    ];
    if surveyed.oversized > 0 {
        rows.push(of(PreviewFigure::KeysOversized, Some(f64::from(surveyed.oversized))));
    }
    rows
}

pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let surveyed = &plan.surveyed;
    let mut notes = vec![match plan.undo {
        UndoKept::File => {
            "What goes is kept for 24 h in a file that is encrypted; its key is with the secrets".to_owned()
        }
        UndoKept::ThisRun => {
            "It can be undone until this Perfdeck ends, and not afterwards: there is no keychain and no secrets \
                              file that could keep the key of its snapshot"
                .to_owned()
        }
        UndoKept::Memory => "What goes is kept in memory until this Perfdeck ends".to_owned(),
        UndoKept::Epoch => {
            "The old epoch is kept with the change: undoing serves again what has not expired by then, and not what was filled meanwhile"
                .to_owned()
        }
        UndoKept::Not => "Nothing undoes it: no snapshot is kept, as it was asked for".to_owned(),
    }];
    notes.extend(plan.notes.iter().cloned());
    if surveyed.looked_through < 1.0 {
        notes.push(format!(
            "{} of the key space was looked through; the figures are of that part",
            words::share(surveyed.looked_through)
        ));
    }
    if surveyed.oversized > 0 && plan.spec.soft_s.is_none() && plan.undo != UndoKept::Not {
        let many = keys(f64::from(surveyed.oversized));
        notes.push(if plan.spec.oversized {
            format!("{many} too large for a snapshot go too: nothing brings them back")
        } else {
            format!("{many} too large for a snapshot (over 1 MB, or 512 kB in parts) are left")
        });
    }
    if let Some(readers) = surveyed.readers.as_ref().filter(|r| !r.is_empty()) {
        let some: Vec<String> =
            readers.iter().take(5).map(|r| format!("{} ({})", r.name.replace('`', "'"), r.connections)).collect();
        notes.push(format!("Clients that are connected: {}", some.join(", ")));
    }
    if let Some((value, low, high)) = plan.extra_loads().filter(|(.., high)| *high > 0.0) {
        notes.push(format!(
            "The source is asked about {} times a second more over the first {}: at least {}, at most {}",
            rate(value),
            words::seconds(plan.loads_over_s()),
            rate(low),
            rate(high)
        ));
    }
    if plan.extra_loads().is_none() && plan.undo != UndoKept::Memory {
        notes.push(
            "How many of them are in use is not known here, so neither is what their source has to load again"
                .to_owned(),
        );
    }
    notes.extend(surveyed.not_restored.iter().cloned());
    if let Some(text) = plan.agree() {
        notes.push(format!("So much goes that it must be agreed to by typing '{}'", text.replace('`', "'")));
    }
    notes
}

fn failed(all: &[NodeFailures]) -> String {
    all.iter().map(|f| format!("; {} refused for {}: {}", f.node, keys(f64::from(f.keys)), f.why)).collect()
}

pub(super) fn taken(plan: &Plan, taken: &TakenKeys) -> String {
    let did = if plan.spec.soft_s.is_some() { "set to expire" } else { "removed" };
    let mut text = format!("{} {did}", keys(taken.removed));
    let refused: f64 = taken.failed.iter().map(|f| f64::from(f.keys)).sum();
    let known = taken.changed + taken.oversized_left + refused;
    for (n, what) in [
        (taken.survivors.unwrap_or(0.0), "match and are there"),
        (taken.recreated.unwrap_or(0.0), "were written anew meanwhile"),
        (
            taken.left() - known,
            "of those were written or moved to another server meanwhile, and left: invalidate again to take them",
        ),
        (taken.changed, "were changed again and again, and left"),
        (taken.oversized_left, "are too large for a snapshot, and left"),
        (taken.sooner, "expire sooner anyway"),
        (taken.gone, "were gone before"),
    ] {
        if n > 0.0 {
            text.push_str(&format!("; {} {what}", count(n)));
        }
    }
    text.push_str(&failed(&taken.failed));
    if taken.removed > 0.0 && !taken.digest.is_empty() {
        text.push_str(&format!("; digest of their names {}", taken.digest));
    }
    text
}

pub(super) fn restored(of: &RestoredKeys) -> String {
    let mut text = format!("{} restored", keys(of.restored));
    for (n, what) in [
        (of.there, "were there as they had been"),
        (of.recreated, "were written anew meanwhile, and left"),
        (of.expired, "had expired by now"),
        (of.lost, "expired, and no snapshot of them was taken"),
    ] {
        if n > 0.0 {
            text.push_str(&format!("; {} {what}", count(n)));
        }
    }
    text.push_str(&failed(&of.failed));
    text
}

/// What one that was left in the middle came to.
pub(super) fn middle(plan: &Plan, book: &Book, stored: Option<u64>) -> String {
    if book.stage == InvalidationStage::Undoing {
        let so_far = book.restored.as_ref().map_or_else(|| "nothing restored yet".to_owned(), restored);
        return format!("it ended while it was undone: {so_far}");
    }
    let known = book.taken.as_ref().map_or(0.0, |t| t.removed);
    let most = stored.map_or(known, |n| known.max(n as f64));
    let did = if plan.spec.soft_s.is_some() { "set to expire" } else { "removed" };
    if most > known {
        format!("between {} and {} {did} before it ended", count(known), keys(most))
    } else {
        format!("{} {did} before it ended", keys(known))
    }
}
