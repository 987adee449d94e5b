//! Which samples the names of a statement mean. Two tables of one name in two schemas have samples of two names; a statement is planned with that
//! of its table under the table's name, and a rollback gives both their names back.
use std::collections::BTreeSet;

use perfdeck_sqltext::{Dialect, Kind, decoded, tokens};

use super::{Sample, quoted};

/// Why a statement has no plan on samples.
const TWO: &str = "it reads two tables of one name in two schemas, whose samples cannot be told apart in one statement";

/// The samples that are given the names of their tables for a statement: none where all have theirs.
pub(super) fn meant(samples: &[Sample], text: &str) -> Result<Vec<usize>, String> {
    let mut all = Vec::new();
    let names: BTreeSet<&str> = samples.iter().filter(|s| s.own != s.name).map(|s| s.name.as_str()).collect();
    for name in names {
        let wanted = of_name(samples, name, text);
        match wanted.iter().copied().collect::<Vec<_>>().as_slice() {
            [] => {}
            [only] if samples[*only].own == name => {}
            [only] => all.push(*only),
            _ => return Err(TWO.to_owned()),
        }
    }
    Ok(all)
}

/// Samples of tables of a name that a text means: those that it names with their schemas, and the one that the search path finds where it names
/// one without.
fn of_name(samples: &[Sample], name: &str, text: &str) -> BTreeSet<usize> {
    let all: Vec<_> = tokens(text, Dialect::Postgres)
        .into_iter()
        .filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment))
        .collect();
    let word = |at: usize| all.get(at).map_or("", |t| &text[t.start..t.end]);
    let named = |at: usize| {
        let token = all.get(at).filter(|t| matches!(t.kind, Kind::Word | Kind::Name))?;
        decoded(&text[token.start..token.end], token.kind, Dialect::Postgres).ok()
    };
    let (mut found, mut alone, mut read) = (BTreeSet::new(), false, false);
    for at in (0..all.len()).filter(|at| named(*at).as_deref() == Some(name)) {
        let of = (at >= 2 && word(at - 1) == ".").then(|| named(at - 2)).flatten();
        match of {
            Some(schema) => found.extend(samples.iter().position(|s| s.name == name && s.schema == schema)),
            None if word(at + 1) == "." => alone = true,
            None => {
                alone = true;
                let before = at.checked_sub(1).map(|at| word(at).to_ascii_uppercase()).unwrap_or_default();
                read |= ["FROM", "JOIN", "UPDATE", "INTO", "ONLY", "USING", ","].contains(&before.as_str());
            }
        }
    }
    // Beside the name with its schema the name alone is that of its columns.
    if alone && (found.is_empty() || read) {
        found.extend(samples.iter().position(|s| s.name == name && s.visible));
    }
    found
}

/// The name under which the holder of another's name is meanwhile.
fn away(sample: &Sample) -> String {
    format!("pdk_away_{}", sample.own)
}

/// What gives these samples the names of their tables, and what gives them back.
pub(super) fn renames(samples: &[Sample], meant: &[usize]) -> (String, String) {
    let (mut there, mut back) = (String::new(), String::new());
    for sample in meant.iter().map(|at| &samples[*at]) {
        let holder = samples.iter().find(|s| s.own == sample.name);
        let rename = |from: &str, to: &str| format!("ALTER TABLE pg_temp.{} RENAME TO {}; ", quoted(from), quoted(to));
        there.extend(holder.map(|h| rename(&h.own, &away(h))));
        there.push_str(&rename(&sample.own, &sample.name));
        back.push_str(&rename(&sample.name, &sample.own));
        back.extend(holder.map(|h| rename(&away(h), &h.own)));
    }
    (there, back)
}

/// The sample that a plan calls by this name, while those have the names of their tables.
pub(super) fn called<'s>(samples: &'s [Sample], meant: &[usize], name: &str) -> Option<&'s Sample> {
    let own = meant.iter().map(|at| &samples[*at]).find(|s| s.name == name);
    own.or_else(|| samples.iter().find(|s| s.own == name || away(s) == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(schema: &str, own: &str, visible: bool) -> Sample {
        Sample {
            schema: schema.to_owned(),
            name: "t".to_owned(),
            own: own.to_owned(),
            visible,
            scale: 1.0,
            indexes: Vec::new(),
        }
    }

    #[test]
    fn a_name_means_the_sample_of_its_table() {
        let all = [sample("a", "t", false), sample("b", "pdk_t1", true), sample("c", "pdk_t2", false)];
        let of = |text: &str| meant(&all, text);
        for (text, want) in [
            ("SELECT t.k FROM a.t WHERE t.k = 1", &[][..]),
            ("SELECT k FROM B.\"t\" WHERE t.k = 1 AND b.t.k > 0", &[1]),
            ("SELECT k FROM t WHERE k = 1", &[1]),
            ("SELECT x.k, t.k FROM other x JOIN c.t ON t.k = x.k", &[2]),
            ("SELECT 't', \"T\" FROM other", &[]),
        ] {
            assert_eq!(of(text).as_deref(), Ok(want), "{text}");
        }
        for text in
            ["SELECT 1 FROM a.t JOIN b.t y ON true", "SELECT 1 FROM a.t x, t", "SELECT 1 FROM c.t x JOIN t ON true"]
        {
            assert!(of(text).is_err(), "{text}");
        }
        let (there, back) = renames(&all, &[2]);
        assert_eq!(
            there,
            "ALTER TABLE pg_temp.\"t\" RENAME TO \"pdk_away_t\"; ALTER TABLE pg_temp.\"pdk_t2\" RENAME TO \"t\"; "
        );
        assert!(back.ends_with("ALTER TABLE pg_temp.\"pdk_away_t\" RENAME TO \"t\"; "), "{back}");
        let schema = |meant: &[usize], name| called(&all, meant, name).map(|s| s.schema.as_str());
        assert_eq!(
            (schema(&[2], "t"), schema(&[2], "pdk_away_t"), schema(&[], "t")),
            (Some("c"), Some("a"), Some("a"))
        );
        assert_eq!(schema(&[2], "pdk_t1"), Some("b"), "through a view");
    }
}
