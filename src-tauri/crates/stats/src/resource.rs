//! Which resource a load saturates, from utilisation at several concurrencies.
use std::collections::BTreeMap;

use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Utilisation from which a resource is taken to be saturated. Queueing makes waits grow steeply from about here; the
/// load generator's own limit uses the same.
const SATURATED: f64 = 0.8;
/// Growth per doubling of the concurrency below which a utilisation is flat.
const FLAT: f64 = 0.05;
/// Utilisation below which a resource is idle, however flat.
const IDLE: f64 = 0.1;

/// How a resource was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The busiest, at 80 % or more.
    Busiest,
    /// None was that busy; this one stopped growing first. A lock, a pool or a limit may lie behind it.
    FlattenedFirst,
}

/// The resource that limits throughput, as far as utilisation tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Saturation {
    /// Its name, as given.
    pub resource: String,
    /// Its utilisation at the limit, 0 to 1.
    pub utilisation: f64,
    /// Concurrency at which that was seen.
    pub concurrency: u32,
    /// How it was recognised.
    pub evidence: Evidence,
    /// The finding in words.
    pub text: String,
}

/// Names the saturated resource. Each point is a concurrency with utilisations (0 to 1) by resource; the one with the
/// highest concurrency is the limit. `None` when no resource is busy and none flattened.
pub fn saturated(points: &[(u32, &BTreeMap<String, f64>)]) -> Option<Saturation> {
    let (limit, at_limit) = points.iter().max_by_key(|p| p.0)?;
    let busiest = at_limit.iter().filter(|(_, u)| u.is_finite()).max_by(|a, b| a.1.total_cmp(b.1));
    if let Some((name, &utilisation)) = busiest.filter(|(_, u)| **u >= SATURATED) {
        return Some(Saturation {
            resource: name.clone(),
            utilisation,
            concurrency: *limit,
            evidence: Evidence::Busiest,
            text: format!("{name} is at {}", words::share(utilisation)),
        });
    }
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|p| p.0);
    let flat = |name: &String| {
        let series: Vec<(u32, f64)> = sorted.iter().filter_map(|(n, u)| u.get(name).map(|u| (*n, *u))).collect();
        flattened(&series).map(|(n, u)| (n, u, name.clone()))
    };
    let (concurrency, utilisation, resource) =
        at_limit.keys().filter_map(flat).min_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.total_cmp(&a.1)))?;
    let text = format!(
        "{resource} stopped growing first, at {concurrency} with {}; no resource was busy, so a lock, a pool or a limit \
         may hold it back",
        words::share(utilisation)
    );
    Some(Saturation { resource, utilisation, concurrency, evidence: Evidence::FlattenedFirst, text })
}

/// The concurrency from which on a series that grew no longer does, with its utilisation there.
fn flattened(series: &[(u32, f64)]) -> Option<(u32, f64)> {
    // Growth of each step, per doubling, so that small steps are not taken for flat ones.
    let grows = |w: &[(u32, f64)]| {
        let doublings = (f64::from(w[1].0) / f64::from(w[0].0.max(1))).log2();
        doublings > 0.0 && w[1].1 > w[0].1 * (1.0 + FLAT * doublings)
    };
    let last = series.windows(2).rposition(grows)? + 1;
    let (n, u) = series[last];
    let doubled = series.last().is_some_and(|(top, _)| *top >= n.saturating_mul(2));
    (u >= IDLE && doubled).then_some((n, u))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u32, values: &[(&str, f64)]) -> (u32, BTreeMap<String, f64>) {
        (n, values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect())
    }

    fn name(points: &[(u32, BTreeMap<String, f64>)]) -> Option<Saturation> {
        saturated(&points.iter().map(|(n, u)| (*n, u)).collect::<Vec<_>>())
    }

    #[test]
    fn the_busiest_at_the_limit_is_named() {
        let points =
            [at(16, &[("disk", 0.6), ("CPU", 0.93)]), at(1, &[("CPU", 0.1), ("disk", 0.99)]), at(8, &[("CPU", 0.7)])];
        let found = name(&points).unwrap();
        assert_eq!((found.resource.as_str(), found.evidence), ("CPU", Evidence::Busiest), "93 % at the highest load");
        assert_eq!(found.text, "CPU is at 93\u{2009}%", "in words");
    }

    #[test]
    fn else_the_first_to_flatten() {
        let points = [
            at(1, &[("pool", 0.15), ("CPU", 0.1), ("disk", 0.01)]),
            at(2, &[("pool", 0.30), ("CPU", 0.2), ("disk", 0.01)]),
            at(4, &[("pool", 0.50), ("CPU", 0.3), ("disk", 0.02)]),
            at(8, &[("pool", 0.505), ("CPU", 0.4), ("disk", 0.02)]),
            at(16, &[("pool", 0.50), ("CPU", 0.41), ("disk", 0.02)]),
        ];
        let found = name(&points).unwrap();
        assert_eq!((found.resource.as_str(), found.concurrency), ("pool", 4), "the pool stands still from 4 on");
        assert_eq!(found.evidence, Evidence::FlattenedFirst, "at 50 % it is no proof");
    }

    #[test]
    fn nothing_is_named_without_a_sign() {
        assert_eq!(name(&[at(1, &[("CPU", 0.2)]), at(2, &[("CPU", 0.4)])]), None, "it still grows");
        assert_eq!(name(&[at(1, &[("disk", 0.01)]), at(8, &[("disk", 0.01)])]), None, "idle is not flat");
        assert_eq!(name(&[]), None, "no point, no resource");
        let small_steps = [at(40, &[("CPU", 0.50)]), at(41, &[("CPU", 0.51)]), at(42, &[("CPU", 0.52)])];
        assert_eq!(name(&small_steps), None, "steps of one connection grow by little without being flat");
    }
}
