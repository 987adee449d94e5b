//! Why an index is advised, and what is to be known of it.
use std::collections::BTreeSet;

use super::Answer;
use super::refused::refuses;
use crate::catalogue::{Table, TableKind};
use crate::index::{Key, KeyOf, Method};

/// What a key has of a column of which it has the beginning only.
fn beginning(table: &Table, key: &Key) -> Option<String> {
    let length = key.prefix?;
    let column = key.columns().first().and_then(|name| table.column(name))?;
    let known = column.beginning.as_ref().filter(|beginning| beginning.length == length)?;
    let of = if column.type_name.ends_with("blob") { "bytes" } else { "characters" };
    Some(format!(
        "Of `{}` it has the first {length} {of}: among the rows that were looked at they make {:.0} % as many different values as all of it. \
         Rows are compared with the whole value after that, and come in no order",
        column.name,
        known.of_whole * 100.0
    ))
}

impl Answer<'_> {
    /// Why an index is advised, a sentence each. `hopes` is whether it helps only while enough rows come early, `displaced` are the indexes
    /// in whose place it comes.
    pub(super) fn reasons(&self, place: usize, hopes: bool, displaced: &BTreeSet<String>) -> Vec<String> {
        let candidate = &self.wanted.candidates[place];
        let table = &self.catalogue.tables[candidate.index.table];
        let mut reasons = vec![format!("It {}", candidate.kind.words())];
        reasons.extend(displaced.iter().map(|index| {
            format!(
                "It takes the place of `{index}`, in whose order some values come at once: those may become slower. To be proven by running"
            )
        }));
        if hopes {
            reasons.push(
                "It helps only where enough rows come early in its order: where they do not, it reads all of it. To be proven by running"
                    .to_owned(),
            );
        }
        for (index, class) in self.in_the_way(place) {
            let text = format!(
                "For {} the server would still choose `{index}`, hoping for rows that come early",
                class.as_str()
            );
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
        if table.kind == TableKind::Partitioned {
            reasons.push(
                "Its table is partitioned: it is made on the table alone first, then on each partition, and attached"
                    .to_owned(),
            );
        }
        if let Some(whole) = &table.partition_of {
            reasons.push(format!(
                "Its table is a partition of {whole}: the others do not get it. Made on {whole}, each has it, and each new one"
            ));
        }
        reasons.extend(self.unused(candidate));
        reasons.extend(candidate.index.keys.iter().filter_map(|key| refuses(self.catalogue.dialect, key)));
        reasons.extend(candidate.index.keys.iter().filter_map(|key| beginning(table, key)));
        if candidate.bytes.is_none() {
            let why = match candidate.index.method {
                Method::Gin => {
                    "how many parts its values have is counted by nobody, and its table is too large to build it for that"
                }
                _ if candidate.index.keys.iter().any(|key| matches!(key.of, KeyOf::Expression(_))) => {
                    "what its expression makes of the rows could not be measured"
                }
                _ => "the columns' widths are hidden or the table was never analyzed",
            };
            reasons.push(format!("Its size is not known: {why}"));
        }
        reasons
    }
}
