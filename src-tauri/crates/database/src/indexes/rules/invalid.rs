//! Indexes that a failed build left: no query uses them.
use perfdeck_model::{FindingTarget, IndexFindingKind, Proof};
use perfdeck_words as words;

use super::{Draft, Facts, partitioned, statements};
use crate::indexes::facts::{Index, Work};

pub(super) fn found<'a>(facts: &Facts<'a>) -> Vec<Draft<'a>> {
    let left = |i: &&Index| !i.identity.valid && i.compared.work == Work::None;
    let draft = |index: &'a Index| {
        if index.identity.partitioned { partitioned::draft(facts, index) } else { Some(draft(facts, index)) }
    };
    facts.reading.indexes.iter().filter(left).filter_map(draft).collect()
}

/// Whether a rebuild that failed left it beside the one that it was to replace.
fn is_remnant(name: &str) -> bool {
    let name = name.trim_end_matches('"').trim_end_matches(|c: char| c.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

fn draft<'a>(facts: &Facts<'a>, index: &'a Index) -> Draft<'a> {
    let (i, scheme) = (&index.identity, facts.reading.scheme);
    let (share, told) = facts.burden(index);
    let written = match (i.maintained, i.unique) {
        (true, true) => "maintained on every write, which it may refuse, and used by no query",
        (true, false) => "maintained on every write and used by no query",
        (false, _) => "used by no query",
    };
    let remnant = is_remnant(&i.name);
    let advice = if remnant {
        "Drop it: the index that it was to replace is still there"
    } else {
        "Build it again, or drop it when nobody needs it"
    };
    let size = index.done.bytes.map(words::bytes);
    let mut proof = Proof::new("the server calls the index invalid, and none is being built", advice)
        .value("size", size.clone().unwrap_or_else(|| "\u{2013}".to_owned()))
        .value("maintained on writes", if i.maintained { "yes" } else { "no" })
        .value("table", i.table.clone());
    if let Some(rebuild) = statements::rebuild(scheme, i).filter(|_| !remnant) {
        proof = proof.statement("Builds it again", rebuild);
    }
    let mut opens = FindingTarget::Database;
    if i.constraints.is_empty() {
        // What is left of the server's own tables is dropped by hand.
        if !i.name.starts_with("pg_toast.") {
            opens = statements::change(scheme, i);
        }
        proof = proof.statement("Drops it", statements::drop(scheme, i));
    }
    Draft {
        kind: IndexFindingKind::Invalid,
        index: Some(index),
        stays: None,
        object: i.name.clone(),
        table: i.table.clone(),
        title: format!("`{}` is invalid", i.name),
        evidence: format!(
            "{}{written}; left by an index build that failed",
            size.map(|size| format!("{size}, ")).unwrap_or_default()
        ),
        cost: if i.maintained { 0.2 + 0.6 * share } else { 0.1 + 0.6 * share },
        ranked_by: format!("it costs and serves nothing; {told}"),
        frees_bytes: index.done.bytes,
        opens,
        proof,
    }
}

#[cfg(test)]
mod tests {
    use super::is_remnant;

    #[test]
    fn what_a_rebuild_leaves_is_known_by_its_name() {
        for (name, is) in [
            ("public.a_ccnew", true),
            ("public.\"A b_ccold12\"", true),
            ("public.accnew", false),
            ("public.a_ccnew_idx", false),
        ] {
            assert_eq!(is_remnant(name), is, "{name}");
        }
    }
}
