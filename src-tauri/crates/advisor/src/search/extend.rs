//! The moves of Extend: an index more, or one in the place of those whose work it does, by what it saves for its bytes.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::ApiError;

use super::{LEAST, Moves, Search, UNKNOWN};
use crate::candidates::Kind;
use crate::covered::does_the_work_of;
use crate::oracle::Worth;

/// Part of what the statements that it is for take by now that one must save.
const LEAST_OF_OWN: f64 = 0.02;

/// Part of the time of its own statements that one must save beside another index for them.
const LEAST_BESIDE: f64 = 0.05;

/// Part of what they take by now that is enough whatever they took before.
const HALF: f64 = 0.5;

/// Cost below which a statement is quick: 0.2 ms as everything is in memory.
const QUICK: f64 = 100.0;

/// Candidates that are asked about again in one go.
const TOGETHER: usize = 6;

impl Search<'_, '_> {
    /// The set with one more; chosen ones whose work it does go.
    pub(super) fn with(&self, set: &BTreeSet<usize>, candidate: usize) -> Option<BTreeSet<usize>> {
        let all = self.wanted.candidates;
        let new = &all[candidate];
        if set.iter().any(|c| does_the_work_of(&all[*c].index, &new.index, new.fixed)) {
            return None;
        }
        let left = set.iter().copied().filter(|c| !does_the_work_of(&new.index, &all[*c].index, all[*c].fixed));
        Some(left.chain([candidate]).collect())
    }

    /// What an index must save: more where another one for the same statements is there or chosen already, which it would only widen.
    pub(super) fn least(&self, now_ms: f64, candidate: usize, set: &BTreeSet<usize>) -> f64 {
        let all = self.wanted.candidates;
        let own = &all[candidate];
        if own.from.iter().all(|s| self.is_quick(*s, set)) {
            return f64::INFINITY;
        }
        let served = set
            .iter()
            .any(|c| *c != candidate && all[*c].index.table == own.index.table && !all[*c].from.is_disjoint(&own.from));
        let beside = served || own.widens.is_some();
        // Costs of two plans are no nearer to the truth than that.
        let own_ms: f64 = own.from.iter().map(|s| self.time_of(*s, set)).sum();
        let least = f64::max(now_ms * LEAST, own_ms * LEAST_OF_OWN);
        f64::max(least, if beside { self.part(candidate, set) } else { 0.0 })
    }

    /// Whether a statement whose time nobody knows takes so little that no index is asked for it.
    fn is_quick(&self, statement: usize, set: &BTreeSet<usize>) -> bool {
        let classes = self.wanted.parameters[statement].iter().enumerate();
        let mut costs = classes.map(|(at, p)| self.cost(statement, at, set).map(|cost| cost.of(p.class)));
        !self.wanted.workload.is_timed()
            && self.oracle.worth() != Worth::Steps
            && costs.all(|cost| cost.is_some_and(|cost| cost < QUICK))
    }

    /// A small part of what the statements that a candidate helps took before, which is much where they take little by now. Those of
    /// chosen ones whose place it takes are not asked for: they are served by either.
    pub(super) fn part(&self, candidate: usize, set: &BTreeSet<usize>) -> f64 {
        let (nothing, alone) = (BTreeSet::new(), BTreeSet::from([candidate]));
        let all = self.wanted.candidates;
        let replaced =
            |c: &&usize| **c != candidate && does_the_work_of(&all[candidate].index, &all[**c].index, all[**c].fixed);
        let served: BTreeSet<usize> = set.iter().filter(replaced).flat_map(|c| &all[*c].from).copied().collect();
        let helped = |s: &&usize| !served.contains(s) && self.time_of(**s, &alone) < self.time_of(**s, &nothing);
        let of = |s: &usize| {
            let some = self.wanted.workload.statements[*s].total_ms * LEAST_BESIDE;
            // Half of what is left is much where it is certain, and not where it hangs on rows that come early.
            let sure = self.sure_time_of(*s, &alone);
            let hoped = sure > self.time_of(*s, &alone) * 1.05 && sure > self.time_of(*s, set);
            if hoped { some } else { f64::min(some, self.time_of(*s, set) * HALF) }
        };
        all[candidate].from.iter().filter(helped).map(of).sum()
    }

    pub(super) async fn extend(
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
}
