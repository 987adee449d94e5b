//! The choice: indexes that are worth their bytes together.
//!
//! Extend (Schlosser, Kossmann, Boissier, ICDE 2019): in each round the move that saves the most time for its bytes, an index more or a
//! chosen one made longer; at the end each is tried without, and in exchange for another. What writers pay is taken off. What a candidate
//! saves beside others is seldom more than alone, so that candidates are asked about again only while they could still be the best.
mod branches;
mod improve;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perfdeck_model::ApiError;
use perfdeck_sqltext::Dialect;

use crate::candidates::{Candidate, Kind};
use crate::covered::does_the_work_of;
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
/// Part of the time of its own statements that one must save beside another index for them.
const LEAST_BESIDE: f64 = 0.05;
/// Part of what they take by now that is enough whatever they took before.
const HALF: f64 = 0.5;
/// Candidates that are asked about again in one go.
const TOGETHER: usize = 6;
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
    /// What is reckoned with for values of that class: at the far end of an order nothing ends early.
    pub(crate) fn of(&self, class: Class) -> f64 {
        match (class, self.unstopped) {
            (Class::FarEnd, Some(all)) => all.max(self.total),
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

    /// What a candidate saves alone of each statement that it concerns.
    fn saved(&self, candidate: usize, set: &BTreeSet<usize>) -> BTreeMap<usize, Saved> {
        let total = |s: usize| self.wanted.workload.statements[s].total_ms;
        let sure = |cost: &Cost, _| cost.unstopped.unwrap_or(cost.total).max(cost.total);
        let of = |s: &usize| Saved {
            usual: total(*s) - self.time_of(*s, set),
            sure: total(*s) - self.time_by(*s, set, sure),
        };
        self.wanted.candidates[candidate].concerns.iter().map(|s| (*s, of(s))).collect()
    }

    fn alone(&self, candidate: usize, set: &BTreeSet<usize>) -> Vec<(usize, usize, Cost)> {
        let mut all = Vec::new();
        for statement in &self.wanted.candidates[candidate].concerns {
            for parameters in 0..self.wanted.parameters[*statement].len() {
                if let Some(cost) = self.cost(*statement, parameters, set) {
                    all.push((*statement, parameters, cost.clone()));
                }
            }
        }
        all
    }

    /// The question about a statement where these candidates are there: those that do not concern it are left out of it.
    fn question(&self, statement: usize, parameters: usize, set: &BTreeSet<usize>) -> Question {
        let concerns = |c: &usize| self.wanted.candidates[*c].concerns.contains(&statement);
        let candidates = set.iter().copied().filter(concerns).collect();
        Question { statement, parameters, candidates }
    }

    fn questions(&self, set: &BTreeSet<usize>) -> Vec<Question> {
        let mut all = Vec::new();
        for (statement, parameters) in self.wanted.parameters.iter().enumerate() {
            all.extend((0..parameters.len()).map(|p| self.question(statement, p, set)));
        }
        all
    }

    fn is_known(&self, set: &BTreeSet<usize>) -> bool {
        self.questions(set).iter().all(|q| self.known.contains_key(q))
    }

    /// Asks what is not known of these sets, in one go. Where the bound does not let all of it, the first sets are asked.
    async fn ask(&mut self, sets: &[BTreeSet<usize>]) -> Result<(), ApiError> {
        let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
        for set in sets {
            let new: Vec<Question> = self.questions(set).into_iter().filter(|q| !self.known.contains_key(q)).collect();
            if self.asked + open.len() + new.len() > self.wanted.budget.questions {
                self.cut = true;
                break;
            }
            for question in new {
                if seen.insert((question.statement, question.parameters, question.candidates.clone())) {
                    open.push(question);
                }
            }
        }
        // What is not planned as it is will not be with an index.
        let base = |q: &Question| Question { candidates: BTreeSet::new(), ..q.clone() };
        let refused = |q: &Question| self.known.get(&base(q)).and_then(|a| a.as_ref().err().cloned());
        let settled: Vec<(Question, String)> =
            open.iter().filter_map(|q| refused(q).map(|why| (q.clone(), why))).collect();
        open.retain(|q| refused(q).is_none());
        self.known.extend(settled.into_iter().map(|(question, why)| (question, Err(why))));
        if open.is_empty() {
            return Ok(());
        }
        self.asked += open.len();
        let answers = self.oracle.costs(&open).await?;
        if answers.len() != open.len() {
            return Err(ApiError::internal("not every question about a plan was answered"));
        }
        self.known.extend(open.into_iter().zip(answers));
        Ok(())
    }

    fn cost(&self, statement: usize, parameters: usize, set: &BTreeSet<usize>) -> Option<&Cost> {
        self.known.get(&self.question(statement, parameters, set)).and_then(|a| a.as_ref().ok())
    }

    fn not_planned(&self) -> BTreeMap<usize, String> {
        let nothing = BTreeSet::new();
        let mut all = BTreeMap::new();
        for (statement, parameters) in self.wanted.parameters.iter().enumerate() {
            let answers = (0..parameters.len()).map(|p| self.known.get(&self.question(statement, p, &nothing)));
            let refused: Vec<&String> = answers.filter_map(|a| a.and_then(|a| a.as_ref().err())).collect();
            if let [first, ..] = refused.as_slice()
                && refused.len() == parameters.len()
            {
                all.insert(statement, (*first).clone());
            }
        }
        all
    }

    /// Why a statement that is planned as it is has no cost with these.
    fn unknown(&self, set: &BTreeSet<usize>) -> Option<String> {
        let nothing = BTreeSet::new();
        self.questions(set).iter().find_map(|question| {
            self.cost(question.statement, question.parameters, &nothing)?;
            self.known.get(question)?.as_ref().err().cloned()
        })
    }

    /// Time of all statements, and of writers, with these indexes. A statement takes the same part of its time as of its cost.
    fn time(&self, set: &BTreeSet<usize>) -> f64 {
        self.wanted.writing.ms(&self.wanted.made(set))
            + (0..self.wanted.workload.statements.len()).map(|s| self.time_of(s, set)).sum::<f64>()
    }

    fn time_of(&self, statement: usize, set: &BTreeSet<usize>) -> f64 {
        self.time_by(statement, set, Cost::of)
    }

    /// The same where a plan with these indexes costs what `of` makes of it.
    fn time_by(&self, statement: usize, set: &BTreeSet<usize>, of: impl Fn(&Cost, Class) -> f64) -> f64 {
        let nothing = BTreeSet::new();
        let (mut before, mut after) = (0.0, 0.0);
        for (at, parameters) in self.wanted.parameters[statement].iter().enumerate() {
            let costs = self.cost(statement, at, &nothing).zip(self.cost(statement, at, set));
            let Some((old, new)) = costs else { continue };
            let weight = weight(parameters.class);
            before += weight * old.of(parameters.class);
            after += weight * of(new, parameters.class);
        }
        self.wanted.workload.statements[statement].total_ms * if before > 0.0 { after / before } else { 1.0 }
    }

    fn bytes(&self, set: &BTreeSet<usize>) -> f64 {
        self.wanted.made(set).iter().map(|c| self.wanted.candidates[*c].bytes.unwrap_or(UNKNOWN)).sum()
    }

    fn fits(&self, set: &BTreeSet<usize>) -> bool {
        let sized = set.iter().all(|c| self.wanted.candidates[*c].bytes.is_some());
        set.len() <= self.wanted.budget.indexes
            && self.wanted.budget.bytes.is_none_or(|most| sized && self.bytes(set) <= most)
    }

    /// The set with one more; chosen ones whose work it does go.
    fn with(&self, set: &BTreeSet<usize>, candidate: usize) -> Option<BTreeSet<usize>> {
        let all = self.wanted.candidates;
        let new = &all[candidate];
        if set.iter().any(|c| does_the_work_of(&all[*c].index, &new.index, new.fixed)) {
            return None;
        }
        let left = set.iter().copied().filter(|c| !does_the_work_of(&new.index, &all[*c].index, all[*c].fixed));
        Some(left.chain([candidate]).collect())
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

    /// What an index must save: more where another one for the same statements is there or chosen already, which it would only widen.
    fn least(&self, now_ms: f64, candidate: usize, set: &BTreeSet<usize>) -> f64 {
        let all = self.wanted.candidates;
        let own = &all[candidate];
        let served = set
            .iter()
            .any(|c| *c != candidate && all[*c].index.table == own.index.table && !all[*c].from.is_disjoint(&own.from));
        let beside = served || own.widens.is_some();
        f64::max(now_ms * LEAST, if beside { self.part(candidate, set) } else { 0.0 })
    }

    /// A small part of what the statements that a candidate helps took before, which is much where they take little by now. Those of
    /// chosen ones whose place it takes are not asked for: they are served by either.
    fn part(&self, candidate: usize, set: &BTreeSet<usize>) -> f64 {
        let (nothing, alone) = (BTreeSet::new(), BTreeSet::from([candidate]));
        let all = self.wanted.candidates;
        let replaced =
            |c: &&usize| **c != candidate && does_the_work_of(&all[candidate].index, &all[**c].index, all[**c].fixed);
        let served: BTreeSet<usize> = set.iter().filter(replaced).flat_map(|c| &all[*c].from).copied().collect();
        let helped = |s: &&usize| !served.contains(s) && self.time_of(**s, &alone) < self.time_of(**s, &nothing);
        let of = |s: &usize| {
            f64::min(self.wanted.workload.statements[*s].total_ms * LEAST_BESIDE, self.time_of(*s, set) * HALF)
        };
        all[candidate].from.iter().filter(helped).map(of).sum()
    }

    async fn extend(
        &mut self,
        start: Vec<usize>,
        order_of: Moves,
        alone: &[Option<f64>],
    ) -> Result<Vec<usize>, ApiError> {
        let mut set: BTreeSet<usize> = start.iter().copied().collect();
        let mut order = start;
        // What each saved when it was last asked about, and with how many chosen.
        let narrow = |c: &usize| order_of != Moves::Narrow || self.wanted.candidates[*c].kind != Kind::Covering;
        let gains = alone.iter().enumerate().filter(|(c, _)| narrow(c));
        let mut told: BTreeMap<usize, (f64, usize)> =
            gains.filter_map(|(c, gain)| gain.map(|gain| (c, (gain, 0)))).collect();
        // What each saves alone is what it saves beside none.
        let first = usize::from(!set.is_empty());
        for round in first.. {
            let now = self.time(&set);
            let mut best: Option<(f64, usize, BTreeSet<usize>)> = None;
            loop {
                // The moves by what they are said to save, those of long ago among them.
                let mut moves: Vec<(f64, usize, BTreeSet<usize>, bool)> = Vec::new();
                for (candidate, (gain, at)) in &told {
                    if set.contains(candidate) || *gain <= self.least(now, *candidate, &set) {
                        continue;
                    }
                    let Some(with) = self.with(&set, *candidate).filter(|s| self.fits(s)) else { continue };
                    let grows = (self.bytes(&with) - self.bytes(&set))
                        .max(self.wanted.candidates[*candidate].bytes.unwrap_or(UNKNOWN) * 0.05);
                    moves.push((gain / grows.max(1.0), *candidate, with, *at == round));
                }
                moves.sort_by(|a, b| b.0.total_cmp(&a.0));
                match moves.first() {
                    None => break,
                    Some((ratio, candidate, with, true)) => {
                        best = Some((*ratio, *candidate, with.clone()));
                        break;
                    }
                    Some(_) => {}
                }
                let stale: Vec<(usize, BTreeSet<usize>)> =
                    moves.into_iter().filter(|m| !m.3).take(TOGETHER).map(|m| (m.1, m.2)).collect();
                let sets: Vec<BTreeSet<usize>> = stale.iter().map(|(_, s)| s.clone()).collect();
                self.ask(&sets).await?;
                for (candidate, with) in stale {
                    let gain = if self.is_known(&with) { now - self.time(&with) } else { 0.0 };
                    told.insert(candidate, (gain, round));
                }
            }
            let Some((_, candidate, with)) = best else { break };
            order.retain(|c| with.contains(c));
            order.push(candidate);
            set = with;
            // Indexes of one table stand in each other's way; one of a table that is joined may save more beside it than alone.
            for (other, (gain, at)) in &mut told {
                let (one, new) = (&self.wanted.candidates[*other], &self.wanted.candidates[candidate]);
                let joined = one.index.table != new.index.table && !one.from.is_disjoint(&new.from);
                if joined && *at <= round {
                    *gain = alone[*other].unwrap_or(*gain).max(*gain) * 1.5;
                }
            }
        }
        Ok(order)
    }

    fn compared(&self, set: &BTreeSet<usize>) -> Vec<Vec<Option<(Cost, Cost)>>> {
        let nothing = BTreeSet::new();
        let of = |statement: usize, at: usize| {
            Some((self.cost(statement, at, &nothing)?.clone(), self.cost(statement, at, set)?.clone()))
        };
        let all = self.wanted.parameters.iter().enumerate();
        all.map(|(s, parameters)| (0..parameters.len()).map(|at| of(s, at)).collect()).collect()
    }
}

/// Whether a plan uses a candidate.
pub(crate) fn uses(cost: &Cost, candidate: usize) -> bool {
    cost.used.contains(&Used::Candidate(candidate))
}
