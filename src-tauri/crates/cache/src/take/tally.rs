//! What was seen of keys, added up.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, CacheBytes, ClientGroup, OversizedKey, TtlProfile};
use redis::Value;

use super::loads::{Loads, Watched};
use super::nodes::{Call, Nodes};
use super::survey::{Has, Seen, Surveyed, is_oversized, needs};
use crate::map::Frame;

/// Names that are shown.
const SHOWN: usize = 50;
/// Keys whose facts are asked in one go: four commands each.
pub(super) const AT_ONCE: usize = 250;
/// Keys that are watched for reads.
const WATCHED: usize = 1_000;

/// Facts of a key.
pub(super) struct Fact {
    bytes: u64,
    ttl: Option<i64>,
    /// Whole seconds since it was used, or how often; `None` where the server does not tell.
    used: Option<i64>,
    kind: String,
}

#[derive(Default)]
pub(super) struct Tally {
    /// Keys in the database.
    pub(super) database: f64,
    pub(super) matched: u64,
    /// Keys that the figures are of, where they are not all that were walked over: (looked at, there in the part that was walked over).
    pub(super) among: Option<(f64, f64)>,
    /// Share of the key space that was looked through.
    pub(super) through: f64,
    /// All of it was.
    pub(super) finished: bool,
    /// What was looked through is like a random part.
    pub(super) random: bool,
    pub(super) looked_at: u32,
    bytes: f64,
    types: BTreeMap<String, u32>,
    ttl: TtlProfile,
    oversized: u32,
    examples: Vec<Vec<u8>>,
    largest: Vec<OversizedKey>,
    /// Some of the keys, each with the same chance.
    pub(super) watched: Vec<Watched>,
    looking: Duration,
}

fn number(answer: &Value) -> Option<i64> {
    match answer {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// Asks for facts of keys; nothing of those that are gone.
pub(super) async fn facts(nodes: &mut Nodes, has: Has, keys: &[Vec<u8>]) -> Result<Vec<Option<Fact>>, ApiError> {
    let mut calls = Vec::with_capacity(keys.len() * 4);
    for key in keys {
        calls.push(Call::words(key, &[b"MEMORY", b"USAGE", key]));
        calls.push(Call::words(key, &[b"PTTL", key]));
        calls.push(Call::words(key, &[b"OBJECT", has.used(), key]));
        calls.push(Call::words(key, &[b"TYPE", key]));
    }
    let answers = nodes.send_steadily(&calls).await;
    let mut all = Vec::with_capacity(keys.len());
    for facts in answers.chunks(4) {
        let [memory, ttl, used, kind] = facts else { continue };
        if let Err(refused) = memory {
            return Err(needs(refused, nodes.target()));
        }
        let fact = match (memory, ttl, kind) {
            (Ok(memory), Ok(ttl), Ok(Value::SimpleString(kind))) => number(memory).map(|bytes| Fact {
                bytes: bytes.unsigned_abs(),
                ttl: number(ttl),
                used: used.as_ref().ok().and_then(number),
                kind: kind.clone(),
            }),
            _ => None,
        };
        all.push(fact);
    }
    Ok(all)
}

/// Puts something among as many as fit, each with the same chance however many come: this is the `nth`.
fn kept<T>(all: &mut Vec<T>, most: usize, nth: u32, one: T) {
    if all.len() < most {
        all.push(one);
    } else if let Some(place) = all.get_mut(rand::random_range(0..nth.max(1) as usize)) {
        *place = one;
    }
}

impl Tally {
    /// Of a database of so many keys.
    pub(super) fn of(database: f64) -> Self {
        Self { database, ..Self::default() }
    }

    /// Looks at keys; `count` where whether they are there decides whether they match.
    pub(super) async fn look(
        &mut self,
        nodes: &mut Nodes,
        has: Has,
        keys: &[Vec<u8>],
        count: bool,
    ) -> Result<(), ApiError> {
        let began = Instant::now();
        let facts = facts(nodes, has, keys).await?;
        for (key, fact) in keys.iter().zip(facts) {
            let Some(fact) = fact else { continue };
            self.matched += u64::from(count);
            self.note(key, &fact, has);
        }
        self.looking += began.elapsed();
        Ok(())
    }

    /// Adds a key.
    pub(super) fn note(&mut self, key: &[u8], fact: &Fact, has: Has) {
        self.looked_at += 1;
        self.bytes += fact.bytes as f64;
        *self.types.entry(fact.kind.clone()).or_default() += 1;
        let bucket = match fact.ttl {
            Some(ms) if ms < 0 => &mut self.ttl.never,
            Some(..=60_000) => &mut self.ttl.minute,
            Some(..=3_600_000) => &mut self.ttl.hour,
            Some(..=86_400_000) => &mut self.ttl.day,
            _ => &mut self.ttl.later,
        };
        *bucket += 1;
        kept(&mut self.examples, SHOWN, self.looked_at, key.to_vec());
        if !has.frequency && fact.used.is_some() {
            kept(&mut self.watched, WATCHED, self.looked_at, Watched::new(key, fact.ttl));
        }
        if is_oversized(fact.bytes, &fact.kind) {
            self.oversized += 1;
            let (key, kind) = (CacheBytes::new(key), fact.kind.clone());
            self.largest.push(OversizedKey { key, bytes: fact.bytes as f64, kind });
            self.largest.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
            self.largest.truncate(SHOWN);
        }
    }

    /// Keys that match in the whole database.
    pub(super) fn count(&self) -> perfdeck_model::MapCount {
        let seen = self.matched as f64;
        let (read, all) = match self.among {
            // Of entries some were looked into.
            Some((looked_at, there)) => {
                let all = if self.finished { there } else { there / self.through.clamp(1e-9, 1.0) };
                (looked_at, all)
            }
            None => ((self.through * self.database).max(seen), self.database),
        };
        let whole = self.finished && self.among.is_none_or(|(looked_at, there)| looked_at >= there);
        let frame = Frame { read, all: Some(all), finished: whole, random: self.random && read > 0.0, churn: 0.0 };
        frame.keys(seen, false)
    }

    pub(super) fn told(
        mut self,
        has: Has,
        readers: Option<Vec<ClientGroup>>,
        loads: Option<Loads>,
    ) -> (Surveyed, Seen) {
        self.examples.sort_unstable();
        let surveyed = Surveyed {
            matched: self.count(),
            database_keys: self.database,
            looked_through: if self.finished { 1.0 } else { self.through },
            looked_at: self.looked_at,
            bytes: self.bytes,
            types: self.types,
            ttl: self.ttl,
            oversized: self.oversized,
            loads,
            readers,
            not_restored: has.not_restored(),
            key_s: self.looking.as_secs_f64() / f64::from(self.looked_at.max(1)),
        };
        let examples = self.examples.iter().map(|key| CacheBytes::new(key)).collect();
        (surveyed, Seen { examples, oversized: self.largest })
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_model::MapCount;

    use super::*;

    #[test]
    fn an_estimate_lies_within_its_own_interval_and_below_all_keys() {
        for database in [1.0_f64, 10.0, 1_000.0, 1e7] {
            for through in [0.0, 0.001, 0.1, 0.5, 0.99, 1.0] {
                for share in [0.0, 0.01, 0.5, 1.0, 1.5] {
                    // More may match than the part that was looked through should have: SCAN gives some twice, and keys come.
                    let matched = (database * through * share).ceil() as u64;
                    let tally = Tally { database, matched, through, random: true, ..Tally::default() };
                    match tally.count() {
                        MapCount::Estimate { value, low, high } => {
                            assert!(
                                low <= value && value <= high && high <= database.max(matched as f64) + 1e-6,
                                "{matched} of {through} of {database}: {low} to {high}, not {value}"
                            );
                            assert!(low >= matched as f64 - 1e-6, "no less than was seen");
                        }
                        other => assert_eq!((other.value(), matched), (0.0, 0), "nothing was looked through"),
                    }
                }
            }
        }
        let done = Tally { database: 10.0, matched: 4, finished: true, ..Tally::default() };
        assert_eq!(done.count(), MapCount::Exact { value: 4.0 }, "all were seen");
        let ordered = Tally { database: 10.0, matched: 4, through: 0.5, ..Tally::default() };
        assert_eq!(ordered.count(), MapCount::AtLeast { value: 4.0 }, "no random part");
        let entries = |looked_at| Tally {
            matched: 5,
            among: Some((looked_at, 100.0)),
            finished: true,
            random: true,
            ..Tally::default()
        };
        assert!(
            matches!(entries(50.0).count(), MapCount::Estimate { value, .. } if value == 10.0),
            "half were looked into"
        );
        assert_eq!(entries(100.0).count(), MapCount::Exact { value: 5.0 }, "all were");
    }
}
