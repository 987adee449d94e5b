//! What indexes do to each statement.
use super::{Answer, Effect};
use crate::oracle::{Cost, Used};
use crate::vectors::{Class, weight};

/// A class of values that takes more than this of its cost before is made slower.
pub(super) const SLOWER: f64 = 1.05;

impl Answer<'_> {
    pub(super) fn effects(&self) -> Vec<Effect> {
        let all = self.wanted.workload.statements.iter().enumerate();
        all.filter_map(|(place, statement)| self.effect(place, statement.total_ms)).collect()
    }

    fn effect(&self, statement: usize, total_ms: f64) -> Option<Effect> {
        let costs = self.found.costs[statement].iter().enumerate();
        self.compared(statement, total_ms, costs.filter_map(|(at, c)| c.as_ref().map(|(old, new)| (at, old, new))))
    }

    /// What a candidate does alone to the statements that use it beside the others. Where it does nothing alone, what all do together.
    pub(super) fn alone(&self, place: usize, used_by: &[usize]) -> Vec<Effect> {
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
    pub(super) fn compared<'c>(
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
}
