//! The answer: which indexes, why, what each gains and costs, and why not the others.
use std::collections::BTreeSet;

use perfdeck_model::ApiError;
use perfdeck_sqltext::Dialect;

use crate::candidates::{Candidate, Candidates, Kind};
use crate::catalogue::{Catalogue, TableKind};
use crate::covered::{does_the_work_of, superfluous};
use crate::index::{Existing, Index, Key, KeyOf, Method};
use crate::oracle::{Cost, Oracle, Used, Worth};
use crate::parse::NotAnalysed;
use crate::partitions::above;
use crate::predicates::{Asked, Predicate};
use crate::scalar::Scalar;
use crate::search::{Budget, Found, Wanted, search, uses};
use crate::shape::Scan;
use crate::vectors::{Class, Parameters, weight};
use crate::workload::{Coverage, Left, Workload};
use crate::writes::{WriteCost, write_cost};
use crate::writing::{WriteEffect, Writing};

/// A class of values that takes more than this of its cost before is made slower.
const SLOWER: f64 = 1.05;
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
    Ok(Advice {
        effects: answer.effects(),
        slows: writing.effects(&wanted.made(&used)),
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

/// Of which values SQLite makes nothing that an index may hold.
fn refused_by_sqlite(of: &Scalar) -> Option<&'static str> {
    match of {
        Scalar::Call("date" | "datetime" | "time" | "julianday" | "strftime", _) => {
            Some("a value such as 'now', which is another time at each look,")
        }
        Scalar::Call("json_extract", _) | Scalar::Operator(_, "->" | "->>", _) => Some("a text that is no JSON"),
        Scalar::Call(_, all) => all.iter().find_map(refused_by_sqlite),
        Scalar::Cast(inner, _) => refused_by_sqlite(inner),
        Scalar::Operator(a, _, b) => refused_by_sqlite(a).or_else(|| refused_by_sqlite(b)),
        _ => None,
    }
}

/// What a key makes of rows that are no such value.
fn refuses(dialect: Dialect, key: &Key) -> Option<String> {
    let KeyOf::Expression(of) = &key.of else { return None };
    if let Some(what) = refused_by_sqlite(of).filter(|_| dialect == Dialect::Sqlite) {
        return Some(format!(
            "It cannot be made while a row has {what} there, and such a row cannot be written any more"
        ));
    }
    let Scalar::Cast(_, to) = of else { return None };
    // SQLite makes a number of any text.
    (dialect != Dialect::Sqlite && !to.eq_ignore_ascii_case("text")).then(|| {
        format!(
            "It cannot be made while a row has a text there that is no {to}, and such a row cannot be written any more"
        )
    })
}

/// Whether an index has the rows of a reading in its order, after keys of which one value is asked.
fn has_order(scan: &Scan, index: &Index) -> bool {
    let equal = |key: &&Key| {
        let asked =
            |p: &&Predicate| matches!(p.asked, Asked::Equal(_) | Asked::Null) && Key::scalar(&p.of).of == key.of;
        scan.conditions.iter().any(|p| asked(&p))
    };
    let fixed = index.keys.iter().take_while(equal).count();
    let order = index.keys[fixed..].iter().map(|key| &key.of);
    let wanted = scan.sort.iter().map(|key| Key::scalar(&key.of).of);
    index.method == Method::Btree
        && index.keys.len() >= fixed + scan.sort.len()
        && wanted.zip(order).all(|(a, b)| a == *b)
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

    /// Why a chosen index would not be used, although it was chosen: another one is in its place in every plan.
    fn captured(&self, place: usize) -> Option<String> {
        let candidate = &self.wanted.candidates[place];
        let mut others = BTreeSet::new();
        for statement in &candidate.concerns {
            for (_, after) in self.found.costs[*statement].iter().flatten() {
                if uses(after, place) {
                    return None;
                }
                others.extend(after.used.iter().filter_map(|u| match u {
                    Used::Existing(name) => Some(name.clone()),
                    Used::Candidate(_) => None,
                }));
            }
        }
        let names: Vec<String> = others.into_iter().map(|n| format!("`{n}`")).collect();
        Some(if names.is_empty() {
            "no plan uses it beside the others".to_owned()
        } else {
            format!("no plan uses it: {} is used in its place", names.join(", "))
        })
    }

    /// Whether it helps only where a plan hopes to have enough rows early.
    fn hopes(&self, place: usize) -> bool {
        let all = &self.found.alone_costs[&place];
        let mut helped = false;
        for (statement, at, cost) in all.iter().filter(|(.., cost)| uses(cost, place)) {
            let Some((before, _)) = &self.found.costs[*statement][*at] else { continue };
            if cost.total >= before.total {
                continue;
            }
            helped = true;
            if cost.unstopped.is_none_or(|all| all < before.total * 0.95) {
                return false;
            }
        }
        helped
    }

    /// Existing indexes in whose order rows are met early as things are, where the plan with this one reads all that it finds and sorts it:
    /// what comes first in that order is found at once today.
    fn displaced(&self, place: usize) -> BTreeSet<String> {
        let candidate = &self.wanted.candidates[place];
        let mut found = BTreeSet::new();
        for statement in &candidate.concerns {
            let scans = &self.wanted.workload.statements[*statement].shape.scans;
            let ordered = |scan: &Scan| scan.limited && has_order(scan, &candidate.index);
            if scans.iter().any(|s| s.table == candidate.index.table && ordered(s)) {
                continue;
            }
            for (before, after) in self.found.costs[*statement].iter().flatten() {
                if before.unstopped.is_none() || after.unstopped.is_some() || !uses(after, place) {
                    continue;
                }
                let gone = before.used.iter().filter(|used| !after.used.contains(used));
                found.extend(gone.filter_map(|used| match used {
                    Used::Existing(name) => Some(name.clone()),
                    Used::Candidate(_) => None,
                }));
            }
        }
        found
    }

    /// Existing indexes that plans go on to use although this one was made for the statement, in hope of enough rows.
    fn in_the_way(&self, place: usize) -> Vec<(String, Class)> {
        let candidate = &self.wanted.candidates[place];
        let mut found = Vec::new();
        for statement in &candidate.from {
            for (at, costs) in self.found.costs[*statement].iter().enumerate() {
                let Some((_, after)) = costs else { continue };
                if after.unstopped.is_none() || uses(after, place) {
                    continue;
                }
                for used in &after.used {
                    if let Used::Existing(name) = used {
                        found.push((name.clone(), self.class(*statement, at)));
                    }
                }
            }
        }
        found
    }

    /// `parts` are those of its partitions that it makes too.
    fn advised(&mut self, place: usize, parts: &[usize]) -> Advised {
        let candidate = self.wanted.candidates[place].clone();
        let table = &self.catalogue.tables[candidate.index.table];
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
        reasons.extend(self.unused(&candidate));
        reasons.extend(candidate.index.keys.iter().filter_map(|key| refuses(self.catalogue.dialect, key)));
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
        Advised {
            ddl: candidate.index.create(self.catalogue, &name),
            name,
            bytes: candidate.bytes,
            writes: self.writes[place],
            slows: self.wanted.writing.effects(&BTreeSet::from([place])),
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

    /// Statements whose plan uses a candidate beside the others.
    fn used_by(&self, place: usize) -> Vec<usize> {
        let uses = |s: &usize| self.found.costs[*s].iter().flatten().any(|(_, after)| uses(after, place));
        self.wanted.candidates[place].concerns.iter().copied().filter(uses).collect()
    }

    /// An index that is there and would do the same if the server used it.
    fn unused(&self, candidate: &Candidate) -> Option<String> {
        let own = |e: &&Existing| {
            !e.valid && e.unknown_predicate.is_none() && does_the_work_of(&e.index, &candidate.index, candidate.fixed)
        };
        let table = &self.catalogue.tables[candidate.index.table];
        let name = &table.indexes.iter().find(own)?.name;
        Some(match self.catalogue.dialect {
            Dialect::Mysql => format!(
                "`{name}` would do that, and the server is told not to use it: ALTER INDEX … NOT IGNORED (VISIBLE in MySQL) lets it, in place of a new one"
            ),
            _ => format!("`{name}` would do that, and the server does not use it: its build did not come to an end"),
        })
    }

    fn reject(&self, place: usize, why: String) -> Rejected {
        let index = &self.wanted.candidates[place].index;
        Rejected { table: self.catalogue.tables[index.table].shown(), index: index.shown(self.catalogue.dialect), why }
    }

    fn why_not(&self, place: usize) -> String {
        let all = self.wanted.candidates;
        let candidate = &all[place];
        let Some(gain) = self.found.alone[place] else {
            return "it was not asked about: the bound on plans was reached".to_owned();
        };
        if let Some(why) = self.found.unknown.get(&place) {
            return format!("it is not known what it does: {why}");
        }
        let costs = &self.found.alone_costs[&place];
        if !costs.iter().any(|(.., cost)| uses(cost, place)) {
            let others = self.instead(costs);
            return if others.is_empty() {
                "no plan uses it".to_owned()
            } else {
                format!("no plan uses it: {others} is chosen instead")
            };
        }
        if let Some(why) = self.found.not_earned.get(&place) {
            return why.clone();
        }
        if gain <= 0.0 {
            let writing = self.wanted.writing.ms(&BTreeSet::from([place]));
            return if writing > 0.0 && gain + writing > 0.0 {
                "writers would pay more than readers gain".to_owned()
            } else {
                "statements cost no less with it".to_owned()
            };
        }
        if let Some(chosen) =
            self.found.chosen.iter().find(|c| does_the_work_of(&all[**c].index, &candidate.index, candidate.fixed))
        {
            return format!("{} does its work too", all[*chosen].index.shown(self.catalogue.dialect));
        }
        let most = self.wanted.budget.bytes;
        if let (Some(most), Some(bytes)) = (most, candidate.bytes)
            && bytes > most
        {
            return "it is larger than what all of them may have".to_owned();
        }
        if most.is_some() && candidate.bytes.is_none() {
            return "its size is not known, so that it fits into no bound".to_owned();
        }
        "beside the chosen ones it saves too little for its bytes and its writes".to_owned()
    }

    fn instead(&self, costs: &[(usize, usize, Cost)]) -> String {
        let names: BTreeSet<&String> = costs
            .iter()
            .flat_map(|(.., cost)| &cost.used)
            .filter_map(|u| match u {
                Used::Existing(name) => Some(name),
                Used::Candidate(_) => None,
            })
            .collect();
        names.iter().take(3).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
    }

    fn effects(&self) -> Vec<Effect> {
        let all = self.wanted.workload.statements.iter().enumerate();
        all.filter_map(|(place, statement)| self.effect(place, statement.total_ms)).collect()
    }

    fn effect(&self, statement: usize, total_ms: f64) -> Option<Effect> {
        let costs = self.found.costs[statement].iter().enumerate();
        self.compared(statement, total_ms, costs.filter_map(|(at, c)| c.as_ref().map(|(old, new)| (at, old, new))))
    }

    /// What a candidate does alone to the statements that use it beside the others. Where it does nothing alone, what all do together.
    fn alone(&self, place: usize, used_by: &[usize]) -> Vec<Effect> {
        let none = Vec::new();
        let costs = self.found.alone_costs.get(&place).unwrap_or(&none);
        let effect = |statement: &usize| {
            let total_ms = self.wanted.workload.statements[*statement].total_ms;
            let own = costs.iter().filter(|(of, ..)| of == statement).filter_map(|(_, at, new)| {
                let (old, _) = self.found.costs[*statement][*at].as_ref()?;
                Some((*at, old, new))
            });
            self.compared(*statement, total_ms, own).or_else(|| self.effect(*statement, total_ms))
        };
        used_by.iter().filter_map(effect).collect()
    }

    /// Costs of a statement before and after, by the place of its values.
    fn compared<'c>(
        &self,
        statement: usize,
        total_ms: f64,
        costs: impl Iterator<Item = (usize, &'c Cost, &'c Cost)>,
    ) -> Option<Effect> {
        let mut ratios: Vec<(Class, f64)> = Vec::new();
        let (mut before, mut after, mut touched) = (0.0, 0.0, false);
        for (at, old, new) in costs {
            let class = self.class(statement, at);
            let (a, b) = (old.of(class), new.of(class));
            touched |= new.used.iter().any(|u| matches!(u, Used::Candidate(_)));
            before += weight(class) * a;
            after += weight(class) * b;
            ratios.push((class, if a > 0.0 { b / a } else { 1.0 }));
        }
        let worst = *ratios.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let best = ratios.iter().map(|(_, r)| *r).fold(f64::INFINITY, f64::min);
        if !touched && worst.1 < SLOWER && best > 0.999 {
            return None;
        }
        let mean = if before > 0.0 { after / before } else { 1.0 };
        Some(Effect {
            statement,
            mean,
            best,
            worst: worst.1,
            worst_class: worst.0,
            slower: ratios.iter().copied().filter(|(_, r)| *r > SLOWER).collect(),
            classes: ratios,
            saved_ms: total_ms * (1.0 - mean),
        })
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
