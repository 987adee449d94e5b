//! The same answers of the cache in this process: what it has, and why it cannot have the rest.
use std::time::{Duration, Instant};

use perfdeck_model::checks::{Limit, Mend, measured, told, unknown};
use perfdeck_model::{
    CacheClients, CacheDatabase, CacheLook, CacheMemory, CacheSlowLog, CacheTotals, CacheUnknown, CheckState, Clock,
    HealthCheck, TargetHealth, Unit,
};
use perfdeck_words::{bytes, count};

use crate::memory::MemoryCache;

/// Product, as collectors name it.
const VERSION: &str = "moka, in process";

fn never(part: &str, reason: &str) -> CacheUnknown {
    CacheUnknown { part: part.to_owned(), reason: reason.to_owned(), grant: None, fix: None }
}

impl MemoryCache {
    fn memory(&self) -> CacheMemory {
        CacheMemory {
            used_bytes: Some(self.weight() as f64),
            limit_bytes: Some(self.max_bytes() as f64),
            policy: Some("least used first (TinyLFU)".to_owned()),
            ..CacheMemory::default()
        }
    }

    fn checks(&self) -> Vec<HealthCheck> {
        let (keys, forever) = self.keys();
        let (_, _, evicted) = self.counters();
        let used = self.weight() as f64 / (self.max_bytes() as f64).max(1.0);
        let reason = format!(
            "{} of {} used; at the limit it evicts",
            bytes(self.weight() as f64),
            bytes(self.max_bytes() as f64)
        );
        let limit = Limit {
            warning: Some(0.0),
            failing: None,
            source: "Perfdeck: what is evicted before it expires is computed again",
        };
        let without = Limit {
            warning: Some(0.05),
            failing: None,
            source: "Perfdeck: what nothing frees stays until the memory is full",
        };
        let process = "it is a part of this process, which has none";
        let share = if keys < 20 { 0.0 } else { forever as f64 / keys as f64 };
        let mut memory = told("memory", "Memory", CheckState::Ok, reason);
        (memory.value, memory.unit) = (Some(used), Some(Unit::Ratio));
        vec![
            told("reachable", "Reachable", CheckState::Ok, "in this process"),
            memory,
            told("policy", "Memory limit and policy", CheckState::Ok, "least used first (TinyLFU)"),
            measured("evictions", "Evictions", (evicted as f64, Unit::Count), limit, "since it began".to_owned())
                .mend("Give it more room, or give less important keys a shorter time to live", None),
            measured(
                "keys_without_expiry",
                "Keys without expiry",
                (share, Unit::Ratio),
                without,
                format!("{} of {} keys", count(forever), count(keys)),
            )
            .mend("Give them a time to live where they are written; the map shows which they are", None),
            unknown("replication", "Replication", process),
            unknown("persistence", "Persistence", process),
            unknown("connections", "Connections", process),
            unknown("slow_commands", "Slow commands", "it keeps no times of single look-ups"),
            unknown(
                "fragmentation",
                "Fragmentation",
                "its memory is this process's, whose allocator does not tell it apart",
            ),
        ]
    }

    /// What it tells of itself.
    pub fn look(&self, clock: &dyn Clock) -> CacheLook {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let (keys, forever) = self.keys();
        let (hits, misses, evicted) = self.counters();
        let look_ups = (hits + misses) as f64;
        let (reads, writes) = self.operations();
        let wanting = |c: &HealthCheck| c.state > CheckState::Unknown;
        CacheLook {
            at_ms,
            version: VERSION.to_owned(),
            mode: None,
            nodes: Vec::new(),
            memory: self.memory(),
            databases: vec![CacheDatabase {
                number: 0,
                keys,
                expires: keys.saturating_sub(forever),
                mean_ttl_ms: None,
            }],
            keys,
            expiring: keys.saturating_sub(forever),
            sizes: Vec::new(),
            recent: None,
            totals: CacheTotals {
                since_s: None,
                commands: Some((reads + writes) as f64),
                hit_ratio: (look_ups > 0.0).then(|| hits as f64 / look_ups),
                evicted: Some(evicted as f64),
                expired: None,
                rejected: None,
            },
            commands: Vec::new(),
            errors: Vec::new(),
            latency: Vec::new(),
            doctor: Vec::new(),
            findings: self.checks().into_iter().filter(wanting).collect(),
            unknown: vec![
                never("Commands by cost", "it is called, not asked: there are no commands"),
                never("Sizes by type", "it holds bytes only, without types"),
                never("Latency spikes", "it is a part of this process, and nothing holds it up but this process"),
                never("Expirations", "expired keys go away together, uncounted"),
            ],
            took_s: started.elapsed().as_secs_f64(),
        }
    }

    /// Health of it.
    pub fn health(&self, clock: &dyn Clock) -> TargetHealth {
        let started = Instant::now();
        let checks = self.checks();
        TargetHealth::of(
            clock.now_ms(),
            Some(VERSION.to_owned()),
            checks,
            started.elapsed().max(Duration::ZERO).as_secs_f64(),
        )
    }

    /// It keeps no log.
    pub fn slow_log(&self, clock: &dyn Clock) -> CacheSlowLog {
        CacheSlowLog {
            at_ms: clock.now_ms(),
            took_s: 0.0,
            version: VERSION.to_owned(),
            entries: Vec::new(),
            own: 0,
            left_out: 0,
            slower_than_s: None,
            sizes: false,
            unknown: vec![never("Slow log", "the cache in this process keeps none: a look-up is a call of a function")],
        }
    }

    /// It has no clients.
    pub fn clients(&self, clock: &dyn Clock) -> CacheClients {
        CacheClients {
            at_ms: clock.now_ms(),
            took_s: 0.0,
            version: VERSION.to_owned(),
            clients: Vec::new(),
            connected: 0,
            blocked: 0,
            ours: 0,
            left_out: 0,
            max_clients: None,
            unknown: vec![never("Clients", "the cache in this process has none: whoever uses it is this process")],
        }
    }
}
