//! What a server tells of itself during a scan: how many keys, how much memory and CPU time, and what came or went.
use std::collections::HashMap;

use super::wire::{Broken, Reply, Wire};
use crate::info::{evicts, fields, one_of_many, product};

/// One reading of INFO and DBSIZE.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Keys of the database.
    pub(super) keys: Option<u64>,
    /// Whether INFO was answered.
    pub(super) told: bool,
    pub(super) product: String,
    pub(super) run_id: String,
    pub(super) loading: bool,
    pub(super) replica: bool,
    pub(super) link_down: bool,
    /// Seconds since a replica heard of its primary.
    pub(super) heard_s: Option<f64>,
    pub(super) used: f64,
    pub(super) most: f64,
    pub(super) evicts: bool,
    /// Whether it is a node of a cluster.
    pub(super) of_cluster: bool,
    /// CPU seconds so far.
    pub(super) cpu_s: Option<f64>,
    removed: u64,
    writes: u64,
    saved: String,
    /// Replicas that are online, by the lag that their primary sees.
    pub(super) replicas: Vec<(String, u16, f64)>,
}

/// Counters that tell whether keys came or went: those that expired, those that were evicted, and writes since the last save.
const COUNTERS: [&str; 3] = ["expired_keys", "evicted_keys", "rdb_changes_since_last_save"];

impl Facts {
    /// Puts the questions into the queue.
    pub(super) fn queue(wire: &mut Wire) {
        wire.queue(&[b"DBSIZE"]);
        wire.queue(&[b"INFO"]);
    }

    /// Reads the answers. A refusal leaves unknown what it refuses.
    pub(super) async fn read(wire: &mut Wire) -> Result<Self, Broken> {
        let keys = wire.reply().await?;
        let info = wire.reply().await?;
        for reply in [&keys, &info] {
            if let Reply::Error(text) = reply
                && !text.starts_with("NOPERM")
                && !text.starts_with("ERR")
            {
                return Err(Broken::Refused(text.clone()));
            }
        }
        let mut facts = info.text().map(|text| Self::of(&fields(&text))).unwrap_or_default();
        facts.keys = keys.number().and_then(|n| u64::try_from(n).ok());
        Ok(facts)
    }

    pub(super) async fn ask(wire: &mut Wire) -> Result<Self, Broken> {
        Self::queue(wire);
        wire.send().await?;
        Self::read(wire).await
    }

    fn of(info: &HashMap<String, String>) -> Self {
        let number = |name: &str| info.get(name).and_then(|text| text.parse::<f64>().ok());
        let count = |name: &str| info.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let is = |name: &str, value: &str| info.get(name).is_some_and(|text| text == value);
        let replicas = (0..64).map_while(|i| info.get(&format!("slave{i}"))).filter_map(|line| replica(line)).collect();
        Self {
            keys: None,
            // A counter that is hidden, as by some hosted servers, would look as if nothing came or went.
            told: COUNTERS.iter().all(|name| info.contains_key(*name)),
            product: product(info),
            run_id: info.get("run_id").cloned().unwrap_or_default(),
            loading: is("loading", "1"),
            replica: is("role", "slave"),
            link_down: is("master_link_status", "down"),
            heard_s: number("master_last_io_seconds_ago").filter(|s| *s >= 0.0),
            used: number("used_memory").unwrap_or(0.0),
            most: number("maxmemory").unwrap_or(0.0),
            evicts: evicts(info),
            of_cluster: one_of_many(info),
            cpu_s: number("used_cpu_sys").zip(number("used_cpu_user")).map(|(sys, user)| sys + user),
            removed: count(COUNTERS[0]) + count(COUNTERS[1]),
            writes: count(COUNTERS[2]),
            saved: info.get("rdb_last_save_time").cloned().unwrap_or_default(),
            replicas,
        }
    }

    /// Keys that came or went since `then`, as far as the counters show. One more than nothing where only writes are seen, or nothing
    /// at all: what clients make and delete at the same rate leaves the counters as they were.
    pub(super) fn churn_since(&self, then: &Self) -> u64 {
        let removed = self.removed.saturating_sub(then.removed) as i64;
        let more = self.keys.zip(then.keys).map_or(0, |(now, then)| now as i64 - then as i64);
        // What expired is not there any more either: it is counted once. A count is off by those that went, or by those that came.
        let (went, came) = (removed.max(-more), (more + removed).max(0));
        let moved = went.max(came).unsigned_abs();
        // A save sets the count of writes back.
        let wrote = self.writes != then.writes || self.saved != then.saved;
        let known = self.told && then.told;
        moved.max(u64::from(wrote || !known))
    }

    /// Writes since `then`; `None` where a save set the count back.
    pub(super) fn writes_since(&self, then: &Self) -> Option<u64> {
        (self.told && self.saved == then.saved).then(|| self.writes.saturating_sub(then.writes))
    }
}

/// `ip=10.0.0.2,port=6379,state=online,offset=1,lag=0`.
fn replica(line: &str) -> Option<(String, u16, f64)> {
    let parts: HashMap<&str, &str> = line.split(',').filter_map(|part| part.split_once('=')).collect();
    let online = parts.get("state").is_some_and(|state| *state == "online");
    // One whose lag is not told may be far behind: it is not read.
    online.then_some((
        (*parts.get("ip")?).to_owned(),
        parts.get("port")?.parse().ok()?,
        parts.get("lag")?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str, keys: u64) -> Facts {
        Facts { keys: Some(keys), ..Facts::of(&fields(text)) }
    }

    #[test]
    fn what_came_or_went_is_seen_in_the_counters() {
        let base = "expired_keys:5\r\nevicted_keys:1\r\nrdb_changes_since_last_save:10\r\nrdb_last_save_time:7\r\n";
        let then = facts(base, 100);
        assert_eq!(facts(base, 100).churn_since(&then), 0, "nothing happened");
        assert_eq!(facts(&base.replace("expired_keys:5", "expired_keys:8"), 100).churn_since(&then), 3, "expired");
        assert_eq!(facts(base, 90).churn_since(&then), 10, "fewer than before");
        let expired = base.replace("expired_keys:5", "expired_keys:8");
        assert_eq!(facts(&expired, 97).churn_since(&then), 3, "those that expired are the ones that are missing");
        assert_eq!(facts(&expired, 90).churn_since(&then), 10, "and seven that were deleted");
        assert_eq!(facts(&expired, 105).churn_since(&then), 8, "eight came, and three went");
        assert_eq!(facts(&base.replace("save:10", "save:11"), 100).churn_since(&then), 1, "a write may have been both");
        assert_eq!(facts(&base.replace("time:7", "time:8"), 100).churn_since(&then), 1, "a save hides the writes");
        assert_eq!(
            Facts { keys: Some(100), ..Facts::default() }.churn_since(&then),
            1,
            "what is not told is not nothing"
        );
        let hidden = base.replace("expired_keys:5\r\n", "");
        assert_eq!(facts(&hidden, 100).churn_since(&facts(&hidden, 100)), 1, "nor is a counter that a server hides");
    }

    #[test]
    fn replicas_are_those_that_are_online() {
        let text = "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=1\r\nslave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r\nslave2:ip=10.0.0.4,port=6379,state=online,offset=1";
        assert_eq!(
            facts(text, 0).replicas,
            [("10.0.0.2".to_owned(), 6379, 1.0)],
            "one is not ready, and how far one is behind is not told"
        );
    }
}
