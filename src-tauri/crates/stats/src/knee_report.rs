//! The result of a knee search: capacity, law, limiting resource, and all of it in words.
use std::collections::BTreeMap;

use perfdeck_words as words;

use super::knee::{Knee, KneePhase, KneePoint, KneeSearch, KneeState, SCHEMA};
use super::paired::mean;
use super::resource::saturated;
use super::usl::{self, Bounds, UslFit};

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
            .filter(|p| Some(p.step.concurrency) == concurrency && p.holds)
            .map(|p| p.figures.rate_per_s)
            .collect();
        let confirmed = self.points.iter().rfind(|p| p.step.phase == KneePhase::Confirming && p.holds);
        let rate_per_s = confirmed.map(|p| p.figures.rate_per_s).or_else(|| (!rates.is_empty()).then(|| mean(&rates)));
        let measured = rates
            .iter()
            .copied()
            .reduce(f64::min)
            .map(|low| Bounds { low, high: rates.iter().copied().reduce(f64::max) });
        let law = usl
            .zip(concurrency)
            .and_then(|(fit, n)| usl::further(&curve, &fit, &redrawn, f64::from(n), u64::from(self.plan.seed)));
        let misfit = law.zip(measured).is_some_and(|(law, measured)| law.hull(&measured) != law);
        let estimated = law.map(|law| measured.map_or(law, |measured| law.hull(&measured)));
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
        if misfit {
            knee.notes.push(
                "the scalability law does not describe these steps, so the interval is widened to what was measured; a \
                 limit such as a pool or a lock makes throughput stop growing more sharply than the law can"
                    .to_owned(),
            );
        }
        knee.sentence = self.sentence(&knee);
        knee
    }

    fn notes(&self, fit: Option<&UslFit>) -> Vec<String> {
        let mut notes = Vec::new();
        let name = self.plan.slo.metric.name();
        let at = |which: &dyn Fn(&KneePoint) -> bool| {
            let mut at: Vec<u32> = self.points.iter().filter(|p| which(p)).map(|p| p.step.concurrency).collect();
            at.sort_unstable();
            at.dedup();
            let list = || at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            (!at.is_empty()).then(|| format!("{} connection{}", list(), if at == [1] { "" } else { "s" }))
        };
        if let Some(at) = at(&|p| p.unjudged) {
            notes.push(format!("steps with too few requests to judge {name}, at {at}, neither held nor failed"));
        }
        if let Some(at) = at(&|p| !p.unjudged && !p.figures.enough) {
            notes.push(format!("n too small for a stable {name} at {at}; longer steps help"));
        }
        let disagreed = |p: &KneePoint| {
            let here = self.points.iter().filter(|q| q.step.concurrency == p.step.concurrency && !q.unjudged);
            here.clone().any(|q| q.holds) && here.clone().any(|q| !q.holds)
        };
        if let Some(at) = at(&disagreed) {
            notes.push(format!("at {at} steps disagreed; the majority decided"));
        }
        if self.points.iter().any(|p| p.figures.error_share > 0.0) {
            notes.push(format!(
                "{name} is that of all requests: one that failed counts as longer than any, one that timed out as at least \
                 its timeout"
            ));
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
        let goal = format!("{} within {}", slo.metric.name(), words::ms(slo.limit_ms));
        let connections = |n: u32| words::plural(n, "connection");
        let text = match (self.state, knee.concurrency, knee.failing) {
            (KneeState::Searching, ..) => {
                return format!("Searching: {} done.", words::plural(self.points.len(), "step"));
            }
            (KneeState::Stopped, Some(n), bad) => {
                let fails = bad.map_or_else(String::new, |bad| format!(", {bad} did not"));
                let steps = words::plural(self.points.len(), "step");
                format!("Stopped after {steps}: {} held {goal}{fails}, not confirmed", connections(n))
            }
            (KneeState::Stopped, None, bad) => {
                let steps = words::plural(self.points.len(), "step");
                let fails = bad.map_or_else(String::new, |bad| format!("; {} did not hold it", connections(bad)));
                return format!("Stopped after {steps}: nothing is known to hold {goal}{fails}.");
            }
            (KneeState::Unjudged, ..) => return self.too_few(&goal),
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
                words::rate(rate),
                if knee.capacity_measured { "measured" } else { "95\u{2009}% interval" },
                words::rate(low),
                words::rate(high)
            ),
            _ => String::new(),
        };
        let limit = knee.saturation.as_ref().map_or_else(String::new, |s| format!(" {}.", s.text));
        format!("{text}{capacity}.{limit}")
    }

    /// What it takes to judge the objective where the steps had too few requests.
    fn too_few(&self, goal: &str) -> String {
        let Some(last) = self.points.iter().rfind(|p| p.unjudged) else { return format!("Not judged: {goal}.") };
        let needed = self.plan.slo.metric.to_judge();
        let per_s = last.figures.n as f64 / last.step.duration_s.max(1e-9);
        let longer = (needed as f64 / per_s.max(1e-9)).ceil();
        format!(
            "Not judged: {goal} needs {} requests in a step; {} made {} in {:.0} s. Steps of {longer:.0} s could tell.",
            words::count(needed),
            words::plural(last.step.concurrency, "connection"),
            words::count(last.figures.n),
            last.step.duration_s,
        )
    }
}
