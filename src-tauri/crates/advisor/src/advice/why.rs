//! Why candidates are not advised.
use std::collections::BTreeSet;

use perfdeck_sqltext::Dialect;

use super::{Answer, Rejected};
use crate::candidates::Candidate;
use crate::covered::does_the_work_of;
use crate::index::Existing;
use crate::oracle::{Cost, Used};
use crate::search::uses;

impl Answer<'_> {
    pub(super) fn reject(&self, place: usize, why: String) -> Rejected {
        let index = &self.wanted.candidates[place].index;
        Rejected { table: self.catalogue.tables[index.table].shown(), index: index.shown(self.catalogue.dialect), why }
    }

    pub(super) fn why_not(&self, place: usize) -> String {
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

    /// An index that is there and would do the same if the server used it.
    pub(super) fn unused(&self, candidate: &Candidate) -> Option<String> {
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
}
