//! Rules over facts about indexes, one kind of finding a file. Pure.
pub(crate) mod alike;
mod bloated;
mod duplicate;
mod foreign_key;
mod invalid;
mod never_analyzed;
mod partitioned;
mod rank;
mod statements;
mod unused;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perfdeck_model::{Finding, FindingTarget, IndexFinding, IndexFindingKind, Proof, UnusedAnswer};

use super::facts::{ForeignKey, Index, IndexReading};
use crate::reading;
use alike::Advice;
pub(crate) use duplicate::proof as proof_of_advice;
pub(crate) use foreign_key::not_null as not_null_of;
use rank::Whole;

/// What the rules look at.
struct Facts<'a> {
    reading: &'a IndexReading,
    /// Readings of other nodes of the same database.
    others: &'a [IndexReading],
    whole: Whole,
    by_table: BTreeMap<&'a str, Vec<&'a Index>>,
    /// Partitions by the table that they are of.
    parts: HashMap<&'a str, Vec<&'a str>>,
    /// Foreign keys by the tables at both of their ends.
    keys: HashMap<&'a str, Vec<&'a ForeignKey>>,
    advised: Vec<Advice<'a>>,
    /// Names of those that an advice leaves, by table.
    staying: BTreeSet<(&'a str, &'a str)>,
    /// Names of those that an advice drops.
    going: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Facts<'a> {
    fn of(reading: &'a IndexReading, others: &'a [IndexReading]) -> Self {
        let advised = alike::advised(reading);
        let staying = advised.iter().map(|a| named(a.stays)).collect();
        let going = advised.iter().map(|a| named(a.index)).collect();
        let mut parts: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, table) in &reading.tables {
            if let Some(parent) = &table.part_of {
                parts.entry(parent).or_default().push(name);
            }
        }
        let mut keys: HashMap<&str, Vec<&ForeignKey>> = HashMap::new();
        for key in &reading.foreign_keys {
            keys.entry(&key.table).or_default().push(key);
            if key.references != key.table {
                keys.entry(&key.references).or_default().push(key);
            }
        }
        let by_table = alike::by_table(reading);
        Self { reading, others, whole: Whole::of(reading), by_table, parts, keys, advised, staying, going }
    }

    /// Share of all indexes that one is, in words too.
    fn burden(&self, index: &Index) -> (f64, String) {
        let written = self.reading.tables.get(&index.identity.table).and_then(|t| t.entries_written);
        self.whole.burden(index.done.bytes, written)
    }
}

fn named(index: &Index) -> (&str, &str) {
    (&index.identity.table, &index.identity.name)
}

/// A finding before it has its place.
struct Draft<'a> {
    kind: IndexFindingKind,
    index: Option<&'a Index>,
    stays: Option<&'a Index>,
    object: String,
    table: String,
    title: String,
    evidence: String,
    cost: f64,
    ranked_by: String,
    frees_bytes: Option<f64>,
    opens: FindingTarget,
    proof: Proof,
}

/// The word of findings for a kind, as the monitor has them.
fn word(kind: IndexFindingKind) -> &'static str {
    match kind {
        IndexFindingKind::Invalid => "invalid_index",
        IndexFindingKind::Duplicate => "duplicate_index",
        IndexFindingKind::Redundant => "redundant_index",
        IndexFindingKind::Unused => "unused_index",
        IndexFindingKind::Bloated => "bloated_index",
        IndexFindingKind::ForeignKey => "foreign_key_without_index",
        IndexFindingKind::NeverAnalyzed => "never_analyzed",
    }
}

impl Draft<'_> {
    fn told(self) -> IndexFinding {
        let kind = match &self.opens {
            FindingTarget::Change { kind, .. } => Some(kind.as_str()),
            _ => None,
        };
        let hides = kind == Some(crate::index_change::HIDE_INDEX);
        let change = kind.is_some();
        let label = match self.kind {
            _ if hides => "Review hiding",
            IndexFindingKind::ForeignKey => "Review index",
            _ if change => "Review drop",
            IndexFindingKind::NeverAnalyzed => "Review table",
            _ => "Review index",
        };
        let finding = reading::finding(word(self.kind), &self.object, self.title, self.evidence, self.cost, label);
        let action = perfdeck_model::FindingAction { opens: self.opens.clone(), ..finding.action };
        let drop =
            FindingTarget::Change { kind: crate::index_change::DROP_INDEX.to_owned(), object: self.object.clone() };
        let proof = match (hides, change) {
            (true, _) => self.proof.step("Plan hiding it first", self.opens).step("Plan the drop", drop),
            (_, true) if self.kind == IndexFindingKind::ForeignKey => self.proof.step("Plan the index", self.opens),
            (_, true) => self.proof.step("Plan the drop", self.opens),
            _ => self.proof,
        };
        IndexFinding {
            users: Vec::new(),
            users_left_out: 0,
            kind: self.kind,
            object: self.object,
            table: self.table,
            ranked_by: self.ranked_by,
            index: self.index.map(|i| i.identity.clone()),
            stays: self.stays.map(|i| i.identity.clone()),
            frees_bytes: self.frees_bytes,
            finding: Finding { action, proof, ..finding },
        }
    }
}

/// What the rules found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Findings by rank.
    pub findings: Vec<IndexFinding>,
    /// Whether unused indexes could be told.
    pub unused: UnusedAnswer,
}

/// Findings about the indexes of a reading, by rank. `others` are readings of further nodes of the same database, such as its
/// standbys: an index is unused where no node uses it.
pub fn findings(reading: &IndexReading, others: &[IndexReading]) -> Found {
    let facts = Facts::of(reading, others);
    let (unused, answer) = unused::found(&facts);
    let drafts = invalid::found(&facts).into_iter().chain(duplicate::found(&facts)).chain(unused);
    let drafts = drafts.chain(bloated::found(&facts)).chain(foreign_key::found(&facts));
    let drafts = drafts.chain(never_analyzed::found(&facts));
    Found { findings: ranked(drafts), unused: answer }
}

/// Those that the look at the catalogue alone tells: duplicate, redundant and invalid ones.
pub(crate) fn of_catalogue(reading: &IndexReading) -> Vec<IndexFinding> {
    let facts = Facts::of(reading, &[]);
    ranked(invalid::found(&facts).into_iter().chain(duplicate::found(&facts)))
}

fn ranked<'a>(drafts: impl Iterator<Item = Draft<'a>>) -> Vec<IndexFinding> {
    let mut all: Vec<IndexFinding> = drafts.map(Draft::told).collect();
    all.sort_by(|a, b| b.finding.cost.total_cmp(&a.finding.cost).then_with(|| a.finding.id.cmp(&b.finding.id)));
    all
}
