//! The answer: which indexes, why, what each gains and costs, and why not the others.
mod effects;
mod plans;
mod reasons;
mod refused;
mod why;

use std::collections::BTreeSet;

use perfdeck_model::ApiError;

use crate::candidates::{Candidate, Candidates, Kind};
use crate::catalogue::Catalogue;
use crate::covered::superfluous;
use crate::oracle::{Oracle, Worth};
use crate::parse::NotAnalysed;
use crate::partitions::above;
use crate::search::{Budget, Found, Wanted, search};
use crate::vectors::{Class, Parameters};
use crate::workload::{Coverage, Left, Workload};
use crate::writes::{WriteCost, write_cost};
use crate::writing::{WriteEffect, Writing};

/// Rejected candidates that are told.
const MOST_REJECTED: usize = 60;

/// What the indexes do to one statement. Ratios are costs after by costs before: 0.1 is a tenth.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Place of the statement in the workload.
    pub statement: usize,
    /// Over the classes of values, by their share.
    pub mean: f64,
    /// Of the class that gains the most.
    pub best: f64,
    /// Of the class that gains the least, or loses.
    pub worst: f64,
    /// That class.
    pub worst_class: Class,
    /// Classes that are made slower by more than 5 %, with their ratio.
    pub slower: Vec<(Class, f64)>,
    /// All classes, with their ratio.
    pub classes: Vec<(Class, f64)>,
    /// Time that it saves over the workload's time, in milliseconds.
    pub saved_ms: f64,
}

/// An index that is advised.
#[derive(Debug, Clone, PartialEq)]
pub struct Advised {
    /// Its candidate.
    pub candidate: Candidate,
    /// Candidates of partitions of its table that it makes too.
    pub parts: Vec<Candidate>,
    /// A name that is free.
    pub name: String,
    /// The statement that creates it.
    pub ddl: String,
    /// Its bytes.
    pub bytes: Option<f64>,
    /// What it costs writers.
    pub writes: WriteCost,
    /// What it does alone to each statement that writes, those first that are made slower the most.
    pub slows: Vec<WriteEffect>,
    /// Time that it saves alone, writers' time taken off, in milliseconds of the workload's time.
    pub saved_ms: f64,
    /// Statements whose plan uses it.
    pub used_by: Vec<usize>,
    /// What it does alone to those statements.
    pub effects: Vec<Effect>,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// Whether it helps only where enough rows come early: to be proven by running, and not by plans.
    pub needs_proof: bool,
    /// Indexes that are there and that it makes superfluous.
    pub replaces: Vec<String>,
}

/// A candidate that is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Its table, as a person reads it.
    pub table: String,
    /// Its keys, likewise.
    pub index: String,
    /// Why not.
    pub why: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// Indexes, those first that were chosen first.
    pub advised: Vec<Advised>,
    /// What they do together to each statement that they matter to.
    pub effects: Vec<Effect>,
    /// What they do together to each statement that writes, those first that are made slower the most.
    pub slows: Vec<WriteEffect>,
    /// Candidates that were not chosen.
    pub rejected: Vec<Rejected>,
    /// Candidates that were rejected and are not told, and those that were not looked at.
    pub rejected_left_out: usize,
    /// How much of the database's time this is about.
    pub coverage: Coverage,
    /// Statements that could not be analysed.
    pub left: Vec<Left>,
    /// Time before and after, in milliseconds of the workload's time.
    pub before_ms: f64,
    /// See `before_ms`; writers' time is in it.
    pub after_ms: f64,
    /// Plans that were asked for.
    pub asked: usize,
    /// What stands behind the costs.
    pub worth: Worth,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
}

/// Advises. `parameters` has the values of each statement of the workload, `made` the candidates that the oracle can simulate.
///
/// # Errors
/// When nothing can be asked any more.
pub async fn advise(
    catalogue: &Catalogue,
    workload: &Workload,
    parameters: &[Vec<Parameters>],
    made: &Candidates,
    budget: Budget,
    oracle: &mut dyn Oracle,
) -> Result<Advice, ApiError> {
    let writes: Vec<WriteCost> = made.all.iter().map(|c| write_cost(catalogue, workload, &c.index)).collect();
    let writing = Writing::new(catalogue, workload, &made.all, &writes);
    let above = above(catalogue, &made.all);
    let (dialect, candidates) = (catalogue.dialect, made.all.as_slice());
    let wanted = Wanted { workload, parameters, candidates, writing: &writing, above: &above, dialect, budget };
    let found = search(&wanted, oracle).await?;
    let mut answer = Answer { catalogue, wanted: &wanted, found: &found, writes: &writes, names: BTreeSet::new() };
    let mut advised: Vec<Advised> = Vec::new();
    let mut rejected: Vec<(f64, Rejected)> = Vec::new();
    let used: BTreeSet<usize> = found.chosen.iter().copied().filter(|c| answer.captured(*c).is_none()).collect();
    for place in &found.chosen {
        match (answer.captured(*place), wanted.part_of(*place, &used)) {
            (Some(why), _) => rejected.push((f64::INFINITY, answer.reject(*place, why))),
            (None, Some(whole)) => {
                let index = &made.all[whole].index;
                let (keys, table) = (index.shown(dialect), catalogue.tables[index.table].shown());
                let why = format!("each partition of {table} gets {keys} of that table, which is advised");
                rejected.push((f64::INFINITY, answer.reject(*place, why)));
            }
            (None, None) => {
                let parts = used.iter().copied().filter(|c| wanted.part_of(*c, &used) == Some(*place));
                let parts: Vec<usize> = parts.collect();
                advised.push(answer.advised(*place, &parts));
            }
        }
    }
    for place in (0..made.all.len()).filter(|c| !found.chosen.contains(c)) {
        let gain = found.alone[place].unwrap_or(0.0);
        rejected.push((gain, answer.reject(place, answer.why_not(place))));
    }
    rejected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut rejected: Vec<Rejected> = rejected.into_iter().map(|(_, r)| r).collect();
    rejected.extend(made.aside.iter().map(|(index, why)| Rejected {
        table: catalogue.tables[index.table].shown(),
        index: index.shown(catalogue.dialect),
        why: why.clone(),
    }));
    let left_out = rejected.len().saturating_sub(MOST_REJECTED) + made.left_out;
    rejected.truncate(MOST_REJECTED);
    let mut left = workload.left.clone();
    left.extend(found.not_planned.iter().map(|(place, why)| {
        let statement = &workload.statements[*place];
        let (text, calls, total_ms) = (statement.text.clone(), statement.calls, statement.total_ms);
        Left { text, calls, total_ms, why: NotAnalysed::NotPlanned(why.clone()) }
    }));
    let not_planned: Vec<usize> = found.not_planned.keys().copied().collect();
    let effects = answer.effects();
    Ok(Advice {
        slows: writing.effects(&wanted.made(&used), |s| saved_by(&effects, s)),
        effects,
        advised,
        rejected,
        rejected_left_out: left_out,
        coverage: workload.coverage(&not_planned),
        left,
        before_ms: found.before_ms,
        after_ms: found.after_ms,
        asked: found.asked,
        worth: oracle.worth(),
        notes: answer.notes(oracle.worth()),
    })
}

/// What a statement saves, of these effects.
fn saved_by(effects: &[Effect], statement: usize) -> f64 {
    effects.iter().find(|e| e.statement == statement).map_or(0.0, |e| e.saved_ms)
}

struct Answer<'a> {
    catalogue: &'a Catalogue,
    wanted: &'a Wanted<'a>,
    found: &'a Found,
    writes: &'a [WriteCost],
    names: BTreeSet<String>,
}

impl Answer<'_> {
    fn class(&self, statement: usize, at: usize) -> Class {
        self.wanted.parameters[statement][at].class
    }

    /// `parts` are those of its partitions that it makes too.
    fn advised(&mut self, place: usize, parts: &[usize]) -> Advised {
        let candidate = self.wanted.candidates[place].clone();
        let mut name = candidate.index.name(self.catalogue);
        let mut next = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{}{next}", candidate.index.name(self.catalogue));
            next += 1;
        }
        let used_by = self.used_by(place);
        let mut effects = self.alone(place, &used_by);
        let mut all_used_by = used_by.clone();
        for part in parts {
            let own: Vec<usize> = self.used_by(*part).into_iter().filter(|s| !all_used_by.contains(s)).collect();
            effects.extend(self.alone(*part, &own));
            all_used_by.extend(own);
        }
        let saved = |place: &usize| self.found.alone[*place].unwrap_or(0.0);
        let hopes = candidate.kind == Kind::OrderOnly || self.hopes(place);
        let displaced = self.displaced(place);
        let needs_proof = hopes || !displaced.is_empty();
        let reasons = self.reasons(place, hopes, &displaced);
        Advised {
            ddl: candidate.index.create(self.catalogue, &name),
            name,
            bytes: candidate.bytes,
            writes: self.writes[place],
            slows: self.wanted.writing.effects(&BTreeSet::from([place]), |s| saved_by(&effects, s)),
            saved_ms: saved(&place) + parts.iter().map(saved).sum::<f64>(),
            parts: parts.iter().map(|part| self.wanted.candidates[*part].clone()).collect(),
            reasons,
            needs_proof,
            effects,
            used_by: all_used_by,
            replaces: superfluous(self.catalogue, &candidate.index).iter().map(|e| e.name.clone()).collect(),
            candidate,
        }
    }

    fn notes(&self, worth: Worth) -> Vec<String> {
        let mut notes = Vec::new();
        if self.found.cut {
            notes.push(format!("After {} plans the search was ended; more may be to gain", self.found.asked));
        }
        notes.extend(
            match worth {
                Worth::Planner => None,
                Worth::Sample => Some("Costs are of a sample of the rows and are extrapolated"),
                Worth::Steps => Some("Costs are reckoned from the steps that the engine would take"),
                Worth::Statistics => Some("Nothing was simulated here: indexes are ranked by statistics alone"),
            }
            .map(str::to_owned),
        );
        notes
    }
}
