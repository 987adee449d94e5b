//! Indexes of partitioned tables, and those of the partitions that belong to them. Pure.
use std::collections::{HashMap, HashSet};

use super::facts::Index;

/// The indexes with entries below each one of a partitioned table, by its name.
pub(super) fn parts(all: &[Index]) -> HashMap<&str, Vec<&Index>> {
    let by_name: HashMap<&str, &Index> = all.iter().map(|i| (i.identity.name.as_str(), i)).collect();
    let mut found: HashMap<&str, Vec<&Index>> = HashMap::new();
    for index in all.iter().filter(|i| !i.identity.partitioned) {
        let (mut at, mut seen) = (index, HashSet::new());
        while let Some(parent) = at.identity.part_of.as_deref().filter(|p| seen.insert(*p)) {
            let Some(next) = by_name.get(parent) else { break };
            found.entry(&next.identity.name).or_default().push(index);
            at = next;
        }
    }
    found
}

/// Gives each index of a partitioned table the bytes of its parts, which are all that it has. Where not all of them are known, or
/// `is_whole` says that not all indexes were read, its own are not either.
pub(super) fn sum_bytes(all: &mut [Index], is_whole: bool) {
    let sum = |parts: &Vec<&Index>| parts.iter().map(|i| i.done.bytes).sum::<Option<f64>>();
    let sums: HashMap<String, Option<f64>> =
        parts(all).iter().map(|(name, parts)| ((*name).to_owned(), sum(parts).filter(|_| is_whole))).collect();
    for index in all.iter_mut().filter(|i| i.identity.partitioned) {
        index.done.bytes = sums.get(&index.identity.name).copied().unwrap_or(is_whole.then_some(0.0));
    }
}
