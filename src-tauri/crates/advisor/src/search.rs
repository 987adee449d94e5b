//! The choice: indexes that are worth their bytes together.
//!
//! Extend (Schlosser, Kossmann, Boissier, ICDE 2019): in each round the move that saves the most time for its bytes, an index more or a
//! chosen one made longer; at the end each is tried without, and in exchange for another. What writers pay is taken off. What a candidate
//! saves beside others is seldom more than alone, so that candidates are asked about again only while they could still be the best.
mod asked;
mod branches;
mod extend;
mod improve;
mod times;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perfdeck_model::ApiError;
use perfdeck_sqltext::Dialect;

use crate::candidates::Candidate;
use crate::earned::{Saved, not_earned};
use crate::oracle::{Cost, Oracle, Question, Used};
use crate::vectors::{Class, Parameters, weight};
use crate::workload::Workload;
use crate::writing::Writing;

/// What the search may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Bytes of all new indexes; `None` where disk does not matter.
    pub bytes: Option<f64>,
    /// New indexes at most.
    pub indexes: usize,
    /// Plans that are asked for at most.
    pub questions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: None, indexes: 20, questions: 20_000 }
    }
}

/// Part of the time that is left by now which a move must save: less is lost in what estimates are worth. Not of the time before: what one
/// statement takes that is mended would hide all others.
const LEAST: f64 = 0.003;
/// Bytes of an index whose size is not known, for the order of the moves only.
const UNKNOWN: f64 = 64.0 * 1024.0 * 1024.0;

/// What the search is about.
pub struct Wanted<'a> {
    /// Statements.
    pub workload: &'a Workload,
    /// Values of each statement.
    pub parameters: &'a [Vec<Parameters>],
    /// Indexes to choose from.
    pub candidates: &'a [Candidate],
    /// What they cost writers.
    pub writing: &'a Writing<'a>,
    /// For candidates of partitions those of the table above that do their work.
    pub above: &'a BTreeMap<usize, Vec<usize>>,
    /// Whose rules hold.
    pub dialect: Dialect,
    /// What the search may use.
    pub budget: Budget,
}

impl Wanted<'_> {
    /// The chosen index of the partitioned table of which one of a partition would be a part.
    pub(crate) fn part_of(&self, candidate: usize, set: &BTreeSet<usize>) -> Option<usize> {
        self.above.get(&candidate)?.iter().copied().find(|above| set.contains(above))
    }

    /// What is made of a set: without those that others make on their partitions.
    pub(crate) fn made(&self, set: &BTreeSet<usize>) -> BTreeSet<usize> {
        set.iter().copied().filter(|c| self.part_of(*c, set).is_none()).collect()
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Places of the chosen candidates, in the order of their choice.
    pub chosen: Vec<usize>,
    /// Costs before and after, of each statement and its values; `None` where it is not planned.
    pub costs: Vec<Vec<Option<(Cost, Cost)>>>,
    /// Time that each candidate saves alone, writers' time taken off; `None` where it was not asked about.
    pub alone: Vec<Option<f64>>,
    /// What each would do alone to each statement that it concerns and its values.
    pub alone_costs: HashMap<usize, Vec<(usize, usize, Cost)>>,
    /// Candidates that do not earn what they cost writers, with the reason.
    pub not_earned: BTreeMap<usize, String>,
    /// Why it is not known what a candidate does, of those of which that is so.
    pub unknown: BTreeMap<usize, String>,
    /// Statements that the server does not plan, with the reason.
    pub not_planned: BTreeMap<usize, String>,
    /// Time before and after, in milliseconds; writers' time is in the latter.
    pub before_ms: f64,
    /// See `before_ms`.
    pub after_ms: f64,
    /// Plans that were asked for.
    pub asked: usize,
    /// Whether the bound on those ended the search.
    pub cut: bool,
}

impl Cost {
    /// What is reckoned with for values of that class: at the far end of an order nothing ends early. Of values that are written in the
    /// statement nobody looked whether they are there, so that it counts as often as among other values.
    pub(crate) fn of(&self, class: Class) -> f64 {
        match (class, self.unstopped) {
            (Class::FarEnd, Some(all)) => all.max(self.total),
            (Class::AsWritten, Some(all)) => {
                let far = weight(Class::FarEnd);
                (1.0 - far) * self.total + far * all.max(self.total)
            }
            _ => self.total,
        }
    }
}

/// Which move comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// The one that saves the most for its bytes.
    ForBytes,
    /// The one that saves the most.
    Most,
    /// As `ForBytes`, without indexes that hold columns only to be read.
    Narrow,
}

type Answers = HashMap<Question, Result<Cost, String>>;

struct Search<'a, 'o> {
    wanted: &'a Wanted<'a>,
    oracle: &'o mut dyn Oracle,
    known: Answers,
    asked: usize,
    cut: bool,
    /// What those save each that save something only together.
    shared: BTreeMap<usize, f64>,
}

/// Chooses.
///
/// # Errors
/// When the oracle has none to ask any more.
pub(crate) async fn search(wanted: &Wanted<'_>, oracle: &mut dyn Oracle) -> Result<Found, ApiError> {
    let mut search = Search { wanted, oracle, known: Answers::new(), asked: 0, cut: false, shared: BTreeMap::new() };
    search.run().await
}

impl Search<'_, '_> {
    async fn run(&mut self) -> Result<Found, ApiError> {
        let nothing = BTreeSet::new();
        self.ask(std::slice::from_ref(&nothing)).await?;
        let not_planned = self.not_planned();
        let before_ms = self.time(&nothing);
        let mut alone: Vec<Option<f64>> = vec![None; self.wanted.candidates.len()];
        let sets: Vec<BTreeSet<usize>> = (0..alone.len()).map(|c| BTreeSet::from([c])).collect();
        self.ask(&sets).await?;
        for (candidate, set) in sets.iter().enumerate() {
            if self.is_known(set) {
                alone[candidate] = Some(before_ms - self.time(set));
            }
        }
        let saved: Vec<Option<BTreeMap<usize, Saved>>> =
            sets.iter().enumerate().map(|(c, set)| alone[c].map(|_| self.saved(c, set))).collect();
        let unknown = sets.iter().enumerate().filter_map(|(c, set)| Some((c, self.unknown(set)?))).collect();
        let not_earned = not_earned(self.wanted, &saved);
        let open: Vec<Option<f64>> =
            alone.iter().enumerate().map(|(c, gain)| gain.filter(|_| !not_earned.contains_key(&c))).collect();
        let chosen = self.best(&open).await?;
        for (candidate, gain) in &self.shared {
            alone[*candidate] = alone[*candidate].map(|own| own.max(*gain));
        }
        let set: BTreeSet<usize> = chosen.iter().copied().collect();
        self.ask(std::slice::from_ref(&set)).await?;
        let costs = self.compared(&set);
        let after_ms = self.time(&set);
        let alone_costs = sets.iter().enumerate().map(|(c, set)| (c, self.alone(c, set))).collect();
        Ok(Found {
            chosen,
            costs,
            alone,
            alone_costs,
            not_earned,
            unknown,
            not_planned,
            before_ms,
            after_ms,
            asked: self.asked,
            cut: self.cut,
        })
    }

    /// The best of several choices. Where bytes are short, what saves the most for its bytes may leave no room for what saves more, so
    /// that the order of the moves matters.
    async fn best(&mut self, alone: &[Option<f64>]) -> Result<Vec<usize>, ApiError> {
        let orders: &[Moves] = if self.wanted.budget.bytes.is_some() {
            &[Moves::ForBytes, Moves::Most, Moves::Narrow]
        } else {
            &[Moves::ForBytes]
        };
        let mut best: Option<(f64, f64, Vec<usize>)> = None;
        for moves in orders {
            let mut chosen = self.extend(Vec::new(), *moves, alone).await?;
            if self.branches(&mut chosen).await? {
                chosen = self.extend(chosen, *moves, alone).await?;
            }
            self.improve(&mut chosen, alone).await?;
            // What was exchanged may have left room.
            let mut chosen = self.extend(chosen, Moves::ForBytes, alone).await?;
            self.crowd(&mut chosen, alone).await?;
            let set: BTreeSet<usize> = chosen.iter().copied().collect();
            self.ask(std::slice::from_ref(&set)).await?;
            let (time, bytes) = (self.time(&set), self.bytes(&set));
            if self.is_known(&set) && best.as_ref().is_none_or(|(t, b, _)| (time, bytes) < (*t, *b)) {
                best = Some((time, bytes, chosen));
            }
        }
        Ok(best.map(|(.., chosen)| chosen).unwrap_or_default())
    }
}

/// Whether a plan uses a candidate.
pub(crate) fn uses(cost: &Cost, candidate: usize) -> bool {
    cost.used.contains(&Used::Candidate(candidate))
}
