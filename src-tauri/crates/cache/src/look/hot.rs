//! Which namespaces and keys are used most, by the counters that servers keep under an LFU policy: keys are drawn at random, and looking at
//! their counters does not change them.
use std::collections::BTreeMap;
use std::time::Instant;

use perfdeck_model::{
    ApiError, CacheHeat, CacheHeatMethod, CacheHeatNamespace, CacheHotKey, CacheUnknown, Clock, ErrorCode,
};
use redis::Value;
use redis::aio::MultiplexedConnection;

use super::ask::{Door, Unanswered};
use super::{Asks, CacheReader, shown, versions};
use crate::collector::prefix;

/// Keys that are drawn, over all servers.
const DRAWN: usize = 4_000;
/// Keys of one round trip: none of these commands takes a server more than a few microseconds.
const PAGE: usize = 200;
/// Most namespaces and keys that are listed.
pub(super) const NAMESPACES: usize = 200;
pub(super) const KEYS: usize = 50;
/// Counters begin here, and grow by one with a chance of one in so many times what they are above it (`lfu-log-factor`, as usual).
const BEGIN: f64 = 5.0;
const FACTOR: f64 = 10.0;

/// Uses that a counter stands for: the sum of the mean waits for each of its steps.
fn uses(counter: f64) -> f64 {
    let steps = (counter - BEGIN).max(0.0);
    counter.min(BEGIN) + steps + FACTOR * steps * (steps - 1.0).max(0.0) / 2.0
}

/// What was drawn of one namespace.
#[derive(Debug, Default, Clone)]
struct Drawn {
    keys: u64,
    counters: f64,
    uses: f64,
    squares: f64,
}

impl CacheReader {
    /// The heat of namespaces by the counters of an LFU policy.
    ///
    /// # Errors
    /// When no server can be reached, or none keeps such counters; what turns them on is the hint.
    pub async fn heat(&mut self, clock: &dyn Clock) -> Result<CacheHeat, ApiError> {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let reading = self.read(clock, Asks::Info).await?;
        let keeps = |t: &&super::Told| t.info.get("maxmemory_policy").is_some_and(|p| p.ends_with("lfu"));
        let without: Vec<String> = reading.told.iter().filter(|t| !keeps(t)).map(|t| t.host.to_string()).collect();
        if without.len() == reading.told.len() {
            let error = ApiError::new(
                ErrorCode::Unsupported,
                "The servers keep no counters of use: their policy is not an LFU one",
            );
            return Err(error.hint(
                "CONFIG SET maxmemory-policy allkeys-lfu counts from then on; or watch the commands of a short time",
            ));
        }
        let mut unknown: Vec<CacheUnknown> = without
            .iter()
            .map(|host| {
                Unanswered::Never { reason: format!("{host} keeps no counters: its policy is not an LFU one") }
                    .of("Heat")
            })
            .collect();
        let (mut namespaces, mut keys): (BTreeMap<Option<String>, Drawn>, BTreeMap<Vec<u8>, f64>) = Default::default();
        let mut sampled = 0;
        let of_each = DRAWN.div_ceil(self.open.len().max(1));
        for (host, connection) in &self.open {
            if without.contains(&host.to_string()) {
                continue;
            }
            let door = Door { target: &self.target, host, connection: connection.clone() };
            if let Err(why) = draw(&door, of_each, &mut |name, counter| {
                sampled += 1;
                let entry = namespaces.entry(prefix(name)).or_default();
                let n = uses(counter);
                entry.keys += 1;
                entry.counters += counter;
                entry.uses += n;
                entry.squares += n * n;
                keys.insert(name.to_vec(), counter);
            })
            .await
            {
                unknown.push(why.of("Heat"));
            }
        }
        let total: f64 = namespaces.values().map(|d| d.uses).sum();
        let mut listed: Vec<CacheHeatNamespace> =
            namespaces.into_iter().map(|(name, drawn)| namespace(name, &drawn, total, sampled)).collect();
        listed.sort_by(|a, b| b.share.total_cmp(&a.share));
        let left_out = listed.len().saturating_sub(NAMESPACES) as u64;
        listed.truncate(NAMESPACES);
        let mut hottest: Vec<CacheHotKey> =
            keys.into_iter().map(|(name, uses)| CacheHotKey { name: shown(&name), uses }).collect();
        hottest.sort_by(|a, b| b.uses.total_cmp(&a.uses));
        hottest.truncate(KEYS);
        Ok(CacheHeat {
            at_ms,
            method: CacheHeatMethod::Lfu,
            took_s: started.elapsed().as_secs_f64(),
            version: versions(&reading.told),
            sampled,
            ended_by: None,
            namespaces: listed,
            left_out,
            keys: hottest,
            unknown,
        })
    }
}

/// Draws keys of one server with their counters. A key that goes away in between is left out.
async fn draw(door: &Door<'_>, many: usize, found: &mut impl FnMut(&[u8], f64)) -> Result<(), Unanswered> {
    // What this user may not do is told by the first question, with its rule.
    door.ask::<Value>(&["RANDOMKEY"], "+randomkey").await?;
    let mut connection: MultiplexedConnection = door.connection.clone();
    let mut drawn = 0;
    while drawn < many {
        let mut ask = redis::pipe();
        for _ in 0..PAGE {
            ask.cmd("RANDOMKEY");
        }
        let names: Vec<Option<Vec<u8>>> =
            ask.query_async(&mut connection).await.map_err(|e| door.unanswered(&["RANDOMKEY"], "+randomkey", &e))?;
        let names: Vec<Vec<u8>> = names.into_iter().flatten().collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut ask = redis::pipe();
        ask.ignore_errors();
        for name in &names {
            ask.cmd("OBJECT").arg("FREQ").arg(name);
        }
        let counters: Vec<Value> = ask
            .query_async(&mut connection)
            .await
            .map_err(|e| door.unanswered(&["OBJECT", "FREQ"], "+object|freq", &e))?;
        for (name, counter) in names.iter().zip(counters) {
            match counter {
                Value::Int(counter) => found(name, counter as f64),
                Value::ServerError(error) if error.code() == "NOPERM" => {
                    return Err(door.unanswered(&["OBJECT", "FREQ"], "+object|freq ~*", &error.into()));
                }
                _ => {}
            }
        }
        drawn += PAGE;
    }
    Ok(())
}

/// A namespace's share of all use with its 95 % interval: a ratio of sums over keys that were drawn at random, by the delta method.
fn namespace(name: Option<String>, drawn: &Drawn, total: f64, sampled: u64) -> CacheHeatNamespace {
    let n = sampled.max(1) as f64;
    let share = if total > 0.0 { drawn.uses / total } else { 0.0 };
    let mean = total / n;
    // Each key adds (own use if it is of this namespace) − share × (own use); that has the mean 0. Of the others' squares only an upper
    // bound is needed: those of this namespace dominate where it is large, and share² is small where it is not.
    let variance = drawn.squares / n * (1.0 - share) * (1.0 - share) + share * share * (total / n) * (total / n);
    let half = if mean > 0.0 { 1.96 * (variance / n).sqrt() / mean } else { 0.0 };
    CacheHeatNamespace {
        name: name.map(|name| format!("{name}:*")),
        seen: drawn.keys,
        share,
        share_low: Some((share - half).max(0.0)),
        share_high: Some((share + half).min(1.0)),
        mean_counter: Some(drawn.counters / drawn.keys.max(1) as f64),
        reads_per_s: None,
        writes_per_s: None,
        hit_ratio_at_most: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_stands_for_as_many_uses_as_redis_documents() {
        // redis.conf: with factor 10, 10 after 100 hits, 18 after 1 000, 142 after 100 000.
        for (counter, hits) in [(10.0, 100.0), (18.0, 1_000.0), (142.0, 100_000.0)] {
            let said = uses(counter);
            assert!(said / hits > 0.7 && said / hits < 1.4, "{counter}: {said} of {hits}");
        }
    }
}
