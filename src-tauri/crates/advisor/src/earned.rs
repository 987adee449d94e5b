//! Whether an index earns what it costs those who write.
//!
//! What readers save and writers lose is one sum, and in it a few microseconds of each write weigh next to nothing. Yet they are paid by a
//! transaction that gains nothing, a lost HOT update is paid again by VACUUM, by the log and by every other index, and a saving is an
//! estimate while an entry is certain. So where a statement that writes is made slower by more than 5 %, each millisecond that such statements
//! lose must save [`EARN`] of those who read. Of an index that ends HOT the same is asked of what it saves beyond one of its table that
//! leaves HOT alone: the most of a saving often comes without the column that is updated. What a plan only hopes for (rows that come early)
//! is no saving of that other one.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::{Dialect, without_literals};

use crate::search::Wanted;
use crate::writing::WriteEffect;

/// A statement that writes is made slower by more than this part of its time.
pub(crate) const SLOWER: f64 = 0.05;
/// Time that must be saved for a time that statements lose which are made slower.
const EARN: f64 = 10.0;

/// What a candidate saves alone of one statement's time, in milliseconds: by its plan, and if no end came early.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Saved {
    pub(crate) usual: f64,
    pub(crate) sure: f64,
}

/// Candidates that do not earn what they cost, with the reason. `saved` has what each saves of each statement alone, where that is known.
pub(crate) fn not_earned(wanted: &Wanted<'_>, saved: &[Option<BTreeMap<usize, Saved>>]) -> BTreeMap<usize, String> {
    // Of a plan that only hopes nothing is counted.
    let of = |c: usize, s: usize| saved[c].as_ref().and_then(|all| all.get(&s)).map_or(0.0, |s| s.sure.min(s.usual));
    let effects = (0..saved.len()).map(|c| wanted.writing.effects(&BTreeSet::from([c]), |s| of(c, s))).collect();
    let judge = Judge { wanted, saved, effects };
    (0..saved.len()).filter_map(|candidate| Some((candidate, judge.why_not(candidate)?))).collect()
}

struct Judge<'a> {
    wanted: &'a Wanted<'a>,
    saved: &'a [Option<BTreeMap<usize, Saved>>],
    /// What each candidate does alone to statements that write.
    effects: Vec<Vec<WriteEffect>>,
}

impl Judge<'_> {
    fn why_not(&self, candidate: usize) -> Option<String> {
        let own = self.saved[candidate].as_ref()?;
        let slower: Vec<WriteEffect> = self.slower(candidate);
        let worst = slower.first()?;
        let (gain, loss) = (own.values().map(|s| s.usual).sum::<f64>(), self.lost(candidate, &slower));
        if gain <= 0.0 {
            return None;
        }
        let statement = self.shown(worst);
        if gain < EARN * loss {
            return Some(format!("{statement}, and readers save less than {EARN:.0} times what such statements lose"));
        }
        if slower.iter().all(|w| w.hot_lost <= 0.0) {
            return None;
        }
        let all = self.wanted.candidates;
        let fits =
            |c: &usize| self.wanted.budget.bytes.is_none_or(|most| all[*c].bytes.is_some_and(|bytes| bytes <= most));
        let beside = |c: &usize| *c != candidate && all[*c].index.table == all[candidate].index.table;
        let best = (0..self.saved.len())
            .filter(|c| beside(c) && fits(c) && self.leaves_hot(*c, &slower))
            .filter_map(|c| {
                let other = self.saved[c].as_ref()?;
                // Of what this one saves, and not what it saves elsewhere.
                let of = |(s, own): (&usize, &Saved)| {
                    let all = other.get(s).map_or(0.0, |saved| saved.sure.min(saved.usual));
                    all.min(own.usual.max(0.0))
                };
                let kept: f64 = own.iter().map(of).sum();
                (gain - kept < EARN * (loss - self.lost(c, &slower))).then_some((kept, c))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        let other = all[best.1].index.shown(self.wanted.dialect);
        Some(format!(
            "{statement}, and beyond {other}, which leaves it as it is, readers save less than {EARN:.0} times what such statements lose"
        ))
    }

    /// Statements that it makes slower by more than a little, the worst first.
    fn slower(&self, candidate: usize) -> Vec<WriteEffect> {
        let much = |effect: &&WriteEffect| effect.change.is_some_and(|change| change > SLOWER);
        self.effects[candidate].iter().filter(much).copied().collect()
    }

    /// What these statements lose by a candidate, in milliseconds of the workload's time.
    fn lost(&self, candidate: usize, slower: &[WriteEffect]) -> f64 {
        let among = self.effects[candidate].iter().filter(|e| slower.iter().any(|s| s.statement == e.statement));
        among.map(|e| e.added_ms * self.wanted.workload.statements[e.statement].calls).sum()
    }

    fn leaves_hot(&self, candidate: usize, slower: &[WriteEffect]) -> bool {
        let effects = &self.effects[candidate];
        let loses = |s: &WriteEffect| effects.iter().any(|e| e.statement == s.statement && e.hot_lost > 0.0);
        !slower.iter().filter(|s| s.hot_lost > 0.0).any(loses)
    }

    fn shown(&self, effect: &WriteEffect) -> String {
        let text = &self.wanted.workload.statements[effect.statement].text;
        let percent = effect.change.unwrap_or(0.0) * 100.0;
        format!("{} would take {percent:.0} % longer", beginning(text, self.wanted.dialect))
    }
}

/// The beginning of a statement, without its literals and on one line.
fn beginning(text: &str, dialect: Dialect) -> String {
    let plain = without_literals(text, dialect).replace('`', "");
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= 60 { words } else { format!("{}…", words.chars().take(59).collect::<String>()) }
}
