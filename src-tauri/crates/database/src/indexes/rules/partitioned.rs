//! Indexes of partitioned tables that some partitions have no part of: made with `ON ONLY`, or left by a build that was cut off.
use perfdeck_model::{FindingTarget, IndexFindingKind, Proof};
use perfdeck_sqltext::{Dialect, Kind, quote_identifier, tokens};
use perfdeck_words as words;

use super::alike::may_be_part;
use super::{Draft, Facts, statements};
use crate::indexes::facts::{Index, Work};

/// Partitions whose statements are written out, at most.
const WRITTEN: usize = 20;
/// Longest name that PostgreSQL takes, in bytes.
const LONGEST_NAME: usize = 63;

/// The finding; `None` while one of its partitions is worked on, and where what is missing is a part of a part, which is told itself.
pub(super) fn draft<'a>(facts: &Facts<'a>, index: &'a Index) -> Option<Draft<'a>> {
    let i = &index.identity;
    let of = |table: &str| facts.by_table.get(table).map(Vec::as_slice).unwrap_or_default();
    let partitions = facts.parts.get(i.table.as_str()).map(Vec::as_slice).unwrap_or_default();
    // Where partitions were not read, nobody knows what is built on them.
    if partitions.is_empty()
        || partitions.iter().any(|table| of(table).iter().any(|part| part.compared.work != Work::None))
    {
        return None;
    }
    let is_part = |part: &&&Index| part.identity.part_of.as_deref() == Some(i.name.as_str());
    let part = |table: &&str| of(table).iter().find(is_part).copied();
    let missing: Vec<&str> = partitions.iter().copied().filter(|table| part(table).is_none()).collect();
    if missing.is_empty() && partitions.iter().filter_map(part).any(|part| !part.identity.valid) {
        return None;
    }
    let (share, told) = facts.burden(index);
    let have = words::count((partitions.len() - missing.len()) as i64);
    let all = words::plural(partitions.len() as i64, "partition");
    let size = index.done.bytes.map(words::bytes);
    let mut advice = "Give each partition its part, which makes it valid, or drop it when nobody needs it".to_owned();
    if missing.len() > WRITTEN {
        let rest = words::plural((missing.len() - WRITTEN) as i64, "further partition");
        advice = format!("{advice}. {rest} need the same statements");
    }
    let mut proof = Proof::new(
        "the server calls the index of a partitioned table invalid, and none of its parts is being built",
        advice,
    )
    .value("size", size.clone().unwrap_or_else(|| "\u{2013}".to_owned()))
    .value("partitions with their part", format!("{have} of {all}"))
    .value("table", i.table.clone());
    for table in missing.iter().take(WRITTEN) {
        let ready = of(table).iter().find(|other| may_be_part(other, index));
        let name = match (ready, definition(index, table)) {
            (Some(ready), _) => ready.identity.name.clone(),
            (None, Some((name, create))) => {
                proof = proof.statement("Builds the part of a partition without blocking writes", create);
                name
            }
            (None, None) => continue,
        };
        proof = proof.statement(
            "Makes the index of a partition a part of it; the last one makes it valid",
            format!("ALTER INDEX {} ATTACH PARTITION {name};", i.name),
        );
    }
    if i.constraints.is_empty() {
        proof = proof.statement(statements::drops(facts.reading.scheme, i), statements::drop(facts.reading.scheme, i));
    }
    Some(Draft {
        kind: IndexFindingKind::Invalid,
        index: Some(index),
        stays: None,
        object: i.name.clone(),
        table: i.table.clone(),
        title: format!("`{}` is invalid", i.name),
        evidence: format!(
            "{}{have} of {all} have their part of it; made for the partitioned table only, or left by a build that was cut off",
            size.map(|size| format!("{size}, ")).unwrap_or_default()
        ),
        cost: 0.1 + 0.6 * share,
        ranked_by: format!(
            "a partition that is made later is indexed too, and no foreign key or conflict clause can rest on it; {told}"
        ),
        frees_bytes: index.done.bytes,
        opens: FindingTarget::Database,
        proof,
    })
}

/// Name and statement of the part of a partition; `None` where its text is not known, because literals were taken out of it.
fn definition(index: &Index, table: &str) -> Option<(String, String)> {
    let i = &index.identity;
    if i.partial || !i.options.is_empty() {
        return None;
    }
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let keys: Option<Vec<String>> = i
        .keys
        .iter()
        .map(|key| {
            let mut text = quoted(key.column.as_deref().filter(|_| key.options.is_none())?);
            if let Some(collation) = &key.collation {
                text.push_str(&format!(" COLLATE {}", name_of_catalogue(collation)));
            }
            if let Some(class) = &key.operator_class {
                text.push_str(&format!(" {class}"));
            }
            text.push_str(if key.descending { " DESC" } else { "" });
            if let Some(first) = key.nulls_first.filter(|first| *first != key.descending) {
                text.push_str(if first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            Some(text)
        })
        .collect();
    let (schema, plain) = split(table)?;
    let (_, own) = split(&i.name)?;
    let wanted = format!("{plain}_{own}");
    let name = quoted(wanted.get(..wanted.floor_char_boundary(LONGEST_NAME))?);
    let unique = if i.unique { "UNIQUE " } else { "" };
    let mut create =
        format!("CREATE {unique}INDEX CONCURRENTLY {name} ON {table} USING {} ({})", i.method, keys?.join(", "));
    if !i.include.is_empty() {
        let all: Vec<String> = i.include.iter().map(|name| quoted(name)).collect();
        create.push_str(&format!(" INCLUDE ({})", all.join(", ")));
    }
    if i.nulls_not_distinct {
        create.push_str(" NULLS NOT DISTINCT");
    }
    create.push(';');
    Some((format!("{schema}.{name}"), create))
}

/// A name of the catalogue as a statement takes it: with its schema it is quoted already.
fn name_of_catalogue(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let has_schema = name.starts_with('"') || name.split_once('.').is_some_and(|(schema, _)| schema.chars().all(plain));
    if has_schema { name.to_owned() } else { quote_identifier(name, Dialect::Postgres) }
}

/// The schema as it is written, and the last part of a name without quotes.
fn split(name: &str) -> Option<(&str, String)> {
    let all = tokens(name, Dialect::Postgres);
    let last = all.last().filter(|t| matches!(t.kind, Kind::Word | Kind::Name))?;
    let text = name.get(last.start..last.end)?;
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let plain = inner.map_or_else(|| text.to_owned(), |inner| inner.replace("\"\"", "\""));
    Some((name.get(..last.start)?.strip_suffix('.')?, plain))
}
