//! Indexes much of which holds nothing.
use perfdeck_model::{FindingTarget, IndexFindingKind, Proof, Scheme};
use perfdeck_words as words;

use super::{Draft, Facts, named, statements};
use crate::indexes::facts::Index;

/// Part of an index that holds nothing, from which on writing it anew is worth its cost: pages split in halves, so that up to
/// three tenths come and stay by themselves.
const MUCH: f64 = 0.3;
/// Bytes that hold nothing, from which on it is.
const LARGE: f64 = 1_048_576.0;

pub(super) fn found<'a>(facts: &Facts<'a>) -> Vec<Draft<'a>> {
    let all = facts.reading.indexes.iter().filter(|i| i.identity.valid && !facts.going.contains(&named(i)));
    all.filter_map(|index| draft(facts, index)).collect()
}

fn draft<'a>(facts: &Facts<'a>, index: &'a Index) -> Option<Draft<'a>> {
    let (bloat, bytes) = (index.done.bloat?, index.done.bytes?);
    let wasted = bloat * bytes;
    if bloat < MUCH || wasted < LARGE {
        return None;
    }
    let (i, scheme) = (&index.identity, facts.reading.scheme);
    let rebuild = statements::rebuild(scheme, i)?;
    let (share, _) = facts.whole.burden(Some(wasted), None);
    let advice = match scheme {
        Scheme::Sqlite => {
            "Write it anew at a time without writers: it holds the write lock for as long as that takes, and the pages go to the \
             file's free list"
        }
        _ => {
            "Measure it first, which reads all of it; then write it anew, which needs its size once more on the disk. It comes back \
             where rows are deleted and changed all the time, so see whether its pages are used again"
        }
    };
    let proof = Proof::new("three tenths or more of an index, and 1 MiB or more, hold nothing, as estimated", advice)
        .value("size", words::bytes(bytes))
        .value("bloat, estimated", words::percent(bloat))
        .value("holds nothing", words::bytes(wasted))
        .value("table", i.table.clone())
        .statement("Writes it anew", rebuild);
    Some(Draft {
        kind: IndexFindingKind::Bloated,
        index: Some(index),
        stays: None,
        object: i.name.clone(),
        table: i.table.clone(),
        title: format!("`{}` is {} bloat", i.name, words::percent(bloat)),
        evidence: format!("about {} of {} hold nothing", words::bytes(wasted), words::bytes(bytes)),
        cost: 0.02 + 0.6 * share,
        ranked_by: format!("what holds nothing is {} of the bytes of all indexes", words::share(share)),
        frees_bytes: Some(wasted),
        opens: FindingTarget::Database,
        proof,
    })
}
