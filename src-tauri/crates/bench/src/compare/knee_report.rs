//! The result of a knee search: capacity, law, limiting resource, and all of it in words.
use std::collections::BTreeMap;

use super::knee::{Knee, KneePhase, KneeSearch, KneeState, SCHEMA};
use super::paired::mean;
use super::resource::saturated;
use super::usl::{self, Bounds, UslFit};
use super::words;

impl KneeSearch {
    /// The result as it stands.
    pub fn outcome(&self) -> Knee {
        let concurrency = self.good();
        let curve: Vec<(f64, f64)> = self
            .points
            .iter()
            .map(|p| (f64::from(p.step.concurrency), p.figures.rate_per_s))
            .filter(|p| p.1 > 0.0)
            .collect();
        let usl = usl::fit(&curve);
        let redrawn =
            usl.map(|fit| usl::bootstrap(&curve, &fit, u64::from(self.plan.seed), usl::REPEATS)).unwrap_or_default();
        let rates: Vec<f64> = self
            .points
            .iter()
            .filter(|p| Some(p.step.concurrency) == concurrency)
            .map(|p| p.figures.rate_per_s)
            .collect();
        let confirmed = self.points.iter().rfind(|p| p.step.phase == KneePhase::Confirming && p.holds);
        let rate_per_s = confirmed.map(|p| p.figures.rate_per_s).or_else(|| (!rates.is_empty()).then(|| mean(&rates)));
        let estimated = concurrency.and_then(|n| usl::range(redrawn.iter().map(|f| Some(f.at(f64::from(n))))));
        let measured = rates
            .iter()
            .copied()
            .reduce(f64::min)
            .map(|low| Bounds { low, high: rates.iter().copied().reduce(f64::max) });
        // Beyond the knee throughput may fall again, and utilisation with it.
        let limit = self.bad.unwrap_or(u32::MAX);
        let utilisation: Vec<(u32, &BTreeMap<String, f64>)> = self
            .points
            .iter()
            .map(|p| (p.step.concurrency, &p.figures.utilisation))
            .filter(|(n, _)| *n <= limit)
            .collect();
        let mut knee = Knee {
            schema: SCHEMA.to_owned(),
            state: self.state,
            concurrency,
            failing: self.bad,
            rate_per_s,
            capacity: estimated.or(measured),
            capacity_measured: estimated.is_none() && measured.is_some(),
            usl,
            usl_interval: usl::intervals(&redrawn),
            saturation: if self.bad.is_some() { saturated(&utilisation) } else { None },
            points: self.points.clone(),
            sentence: String::new(),
            notes: self.notes(usl.as_ref()),
        };
        knee.sentence = self.sentence(&knee);
        knee
    }

    fn notes(&self, fit: Option<&UslFit>) -> Vec<String> {
        let mut notes = Vec::new();
        let small: Vec<String> =
            self.points.iter().filter(|p| !p.figures.enough).map(|p| p.step.concurrency.to_string()).collect();
        if !small.is_empty() {
            let name = self.plan.slo.metric.name();
            notes.push(format!("n too small for {name} at {} connections; longer steps help", small.join(", ")));
        }
        let highest = self.points.iter().map(|p| p.step.concurrency).max().map_or(0.0, f64::from);
        if let Some(peak) = fit.and_then(|f| f.peak_n).filter(|n| *n > highest) {
            notes.push(format!(
                "the peak of the scalability law, at {peak:.0}, lies beyond what was measured ({highest:.0})"
            ));
        }
        notes
    }

    fn sentence(&self, knee: &Knee) -> String {
        let slo = &self.plan.slo;
        let goal = format!("{} within {}{}ms", slo.metric.name(), words::figure(slo.limit_ms), words::THIN);
        let connections = |n: u32| words::plural(n as usize, "connection");
        let text = match (self.state, knee.concurrency, knee.failing) {
            (KneeState::Searching, ..) => {
                return format!("Searching: {} done.", words::plural(self.points.len(), "step"));
            }
            (KneeState::Invalid, ..) => return format!("Invalid: {}.", self.invalid.join("; ")),
            (KneeState::NeverHolds, ..) => return format!("{goal} does not hold even with 1 connection."),
            (KneeState::Found, Some(n), Some(bad)) => format!("{} hold {goal}, {bad} do not", connections(n)),
            (KneeState::BeyondMax, Some(n), _) => format!("{} still hold {goal}; no more were allowed", connections(n)),
            (_, Some(n), _) => format!("Inconclusive: {} held {goal} only at times", connections(n)),
            (_, None, _) => return format!("Inconclusive: {goal} held only at times."),
        };
        let capacity = match (knee.rate_per_s, knee.capacity) {
            (Some(rate), Some(Bounds { low, high: Some(high) })) => format!(
                ": {} requests/s ({} {} to {})",
                words::figure(rate),
                if knee.capacity_measured { "measured" } else { "95\u{2009}% interval" },
                words::figure(low),
                words::figure(high)
            ),
            _ => String::new(),
        };
        let limit = knee.saturation.as_ref().map_or_else(String::new, |s| format!(" {}.", s.text));
        format!("{text}{capacity}.{limit}")
    }
}
