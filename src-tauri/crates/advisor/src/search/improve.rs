//! What is tried with a set that was chosen: without each, each in exchange for another, and one more in the place of those that are worth
//! the least of its bytes.
use std::collections::BTreeSet;

use perfdeck_model::ApiError;

use super::{LEAST, Search};

/// Part of the time that is left which may be lost for an index that is much smaller.
const LEAST_FOR_BYTES: f64 = 0.01;
/// Exchanges that are tried for a chosen index.
const EXCHANGES: usize = 6;
/// Candidates that are tried in the place of others in one round, and rounds.
const CROWDING: (usize, usize) = (24, 8);

impl Search<'_, '_> {
    /// Tries the set without each, and each in exchange for another of its table.
    pub(super) async fn improve(&mut self, chosen: &mut Vec<usize>, alone: &[Option<f64>]) -> Result<(), ApiError> {
        for place in (0..chosen.len()).rev() {
            let set: BTreeSet<usize> = chosen.iter().copied().collect();
            let own = chosen[place];
            let without: BTreeSet<usize> = set.iter().copied().filter(|c| *c != own).collect();
            let table = self.wanted.candidates[own].index.table;
            self.ask(std::slice::from_ref(&set)).await?;
            let now = self.time(&set);
            let least = now * LEAST;
            let mut others: Vec<usize> = (0..alone.len())
                .filter(|c| !set.contains(c) && self.wanted.candidates[*c].index.table == table)
                .filter(|c| alone[*c].is_some_and(|gain| gain > least))
                .collect();
            others.sort_by(|a, b| alone[*b].unwrap_or(0.0).total_cmp(&alone[*a].unwrap_or(0.0)));
            let exchanges: Vec<(usize, BTreeSet<usize>)> = others
                .into_iter()
                .filter_map(|c| Some((c, self.with(&without, c).filter(|s| self.fits(s))?)))
                .take(EXCHANGES)
                .collect();
            let mut sets = vec![without.clone()];
            sets.extend(exchanges.iter().map(|(_, s)| s.clone()));
            self.ask(&sets).await?;
            let lost = self.least(now, own, &without);
            if self.is_known(&without) && self.time(&without) <= now + lost {
                chosen.remove(place);
                continue;
            }
            // Quicker, or much smaller and about as quick.
            let bytes = self.bytes(&set);
            let smaller = f64::max(now * LEAST_FOR_BYTES, self.part(own, &set));
            let worth = |c: usize, time: f64, s: &BTreeSet<usize>| {
                let saved = now - time;
                let small = self.bytes(s) < bytes * 0.7 && saved > -smaller;
                let wanted = if self.bytes(s) > bytes * 1.3 { smaller.max(self.part(c, &set)) } else { least };
                (saved > wanted || small).then_some(saved + if small { smaller } else { 0.0 })
            };
            let best = exchanges
                .into_iter()
                .filter(|(_, s)| self.is_known(s))
                .filter_map(|(c, s)| Some((worth(c, self.time(&s), &s)?, c, s)))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, candidate, with)) = best {
                chosen[place] = candidate;
                chosen.retain(|c| with.contains(c));
            }
        }
        Ok(())
    }

    /// Where bytes are short: tries each candidate that saves something in the place of the chosen ones that save the least for their bytes,
    /// as many of them as must go. The best of these is taken, and it is tried again. It asks no more plans than were asked before.
    pub(super) async fn crowd(&mut self, chosen: &mut Vec<usize>, alone: &[Option<f64>]) -> Result<(), ApiError> {
        if self.wanted.budget.bytes.is_none() {
            return Ok(());
        }
        let enough = self.asked.saturating_mul(2);
        for _ in 0..CROWDING.1 {
            let set: BTreeSet<usize> = chosen.iter().copied().collect();
            self.ask(std::slice::from_ref(&set)).await?;
            let now = self.time(&set);
            let least = now * LEAST;
            let mut others: Vec<usize> =
                (0..alone.len()).filter(|c| !set.contains(c) && alone[*c].is_some_and(|gain| gain > least)).collect();
            others.sort_by(|a, b| alone[*b].unwrap_or(0.0).total_cmp(&alone[*a].unwrap_or(0.0)));
            let mut best: Option<(f64, usize, BTreeSet<usize>)> = None;
            let mut tried = 0;
            for candidate in others {
                if self.asked >= enough || tried >= CROWDING.0 {
                    break;
                }
                let Some(with) = self.with(&set, candidate) else { continue };
                self.ask(std::slice::from_ref(&with)).await?;
                if !self.is_known(&with) || self.time(&with) > now - least {
                    continue;
                }
                tried += 1;
                let Some(with) = self.within_bytes(with, candidate).await? else { continue };
                let time = self.time(&with);
                if time < now - least && best.as_ref().is_none_or(|(t, ..)| time < *t) {
                    best = Some((time, candidate, with));
                }
            }
            let Some((_, candidate, with)) = best else { break };
            chosen.retain(|c| with.contains(c));
            chosen.push(candidate);
        }
        Ok(())
    }

    /// The set without those that save the least for their bytes, until it fits; `kept` stays. `None` where it alone does not fit.
    async fn within_bytes(
        &mut self,
        mut set: BTreeSet<usize>,
        kept: usize,
    ) -> Result<Option<BTreeSet<usize>>, ApiError> {
        while !self.fits(&set) {
            let fewer: Vec<(usize, BTreeSet<usize>)> = set
                .iter()
                .filter(|c| **c != kept)
                .map(|own| (*own, set.iter().copied().filter(|c| c != own).collect()))
                .collect();
            let sets: Vec<BTreeSet<usize>> = fewer.iter().map(|(_, s)| s.clone()).collect();
            self.ask(&sets).await?;
            let now = self.time(&set);
            let known = fewer.into_iter().filter(|(_, s)| self.is_known(s));
            let loss =
                |own: usize, s: &BTreeSet<usize>| (self.time(s) - now) / self.bytes(&BTreeSet::from([own])).max(1.0);
            let least = known.map(|(own, s)| (loss(own, &s), s)).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, fewer)) = least else { return Ok(None) };
            set = fewer;
        }
        Ok(Some(set))
    }
}
