//! Indexes that another one of their table repeats, or begins with.
use perfdeck_model::{IndexFindingKind, Proof, Scheme};
use perfdeck_words as words;

use super::alike::Advice;
use super::{Draft, Facts, statements};

/// A wider index that is so many times as large is said to cost more for each entry that is read.
const WIDER: f64 = 3.0;

pub(super) fn found<'a>(facts: &Facts<'a>) -> Vec<Draft<'a>> {
    facts.advised.iter().map(|advice| draft(facts, advice)).collect()
}

/// What stands behind it.
pub(crate) fn proof(scheme: Scheme, advice: &Advice<'_>) -> Proof {
    let Advice { index, stays, twin } = advice;
    let keys = twin.is_some();
    let rule = if keys {
        "an index that nothing but queries needs, with the method, keys, operator classes, collations, directions, condition and \
         options of another one of its table that enforces no less"
    } else {
        "a B-tree that nothing but queries needs, with whose keys another one of its table begins, in operator classes, \
         collations, directions and condition alike, and in what the engine puts behind the keys"
    };
    let mut advice =
        "Drop it: the other one answers the same queries, and writes get cheaper. A statement that names the index \
                      (a hint) would fail or lose it"
            .to_owned();
    if !keys && index.done.bytes.zip(stays.done.bytes).is_some_and(|(own, other)| other > own * WIDER) {
        advice += ". The other one is much wider, so measure the statements that read many entries before and after";
    }
    let repeats = twin.unwrap_or(stays);
    let mut proof = Proof::new(rule, advice)
        .value("index", index.identity.name.clone())
        .value(if keys { "repeats" } else { "covered by" }, repeats.identity.name.clone());
    if repeats.identity.name != stays.identity.name {
        proof = proof.value("stays", stays.identity.name.clone());
    }
    proof = proof.value("table", index.identity.table.clone()).value("columns", index.listed());
    for (name, of) in [("size", *index), ("size of the one that stays", *stays)] {
        if let Some(bytes) = of.done.bytes {
            proof = proof.value(name, words::bytes(bytes));
        }
    }
    if let Some(rows) = index.done.rows_read {
        proof = proof.value("rows read by it", words::count(rows as i64));
    }
    proof = proof.statement(statements::drops(scheme, &index.identity), statements::drop(scheme, &index.identity));
    match statements::hide(scheme, &index.identity) {
        Some(hide) => proof.statement("Hides it first, to see whether something needs it", hide),
        None => proof,
    }
}

fn draft<'a>(facts: &Facts<'a>, advice: &Advice<'a>) -> Draft<'a> {
    let Advice { index, stays, twin } = *advice;
    let scheme = facts.reading.scheme;
    let object = statements::object(scheme, &index.identity);
    let (share, told) = facts.burden(index);
    let size = index.done.bytes.map(|bytes| format!("{}, ", words::bytes(bytes))).unwrap_or_default();
    let table = &index.identity.table;
    let (kind, title, cost) = match twin {
        Some(twin) => {
            (IndexFindingKind::Duplicate, format!("`{object}` repeats `{}`", twin.identity.name), 0.05 + 0.75 * share)
        }
        None => {
            let title = format!("`{object}` is the beginning of `{}`", stays.identity.name);
            (IndexFindingKind::Redundant, title, 0.04 + 0.6 * share)
        }
    };
    let other = twin.filter(|twin| twin.identity.name != stays.identity.name);
    let serves = match other {
        Some(_) => format!("`{}` serves the same queries as both, and stays", stays.identity.name),
        None => "the other serves the same queries".to_owned(),
    };
    Draft {
        kind,
        index: Some(index),
        stays: Some(stays),
        object,
        table: table.clone(),
        title,
        evidence: format!("{size}({}) of `{table}` again, written with every insert; {serves}", index.listed()),
        cost,
        ranked_by: format!("what it serves is served without it; {told}"),
        frees_bytes: index.done.bytes,
        opens: statements::change(scheme, &index.identity),
        proof: proof(scheme, advice),
    }
}
