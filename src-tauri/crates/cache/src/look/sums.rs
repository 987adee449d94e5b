//! What several servers told, as one answer: sums, and rates between two readings without what Perfdeck did itself.
use std::collections::BTreeMap;

use perfdeck_model::{
    CacheCommandCost, CacheCommandRecent, CacheDatabase, CacheDoctor, CacheLook, CacheMode, CacheNode, CacheRecent,
    CacheTotals, CacheUnknown,
};

use super::told::{self, Command};
use super::{Reading, Told, silent, versions};
use crate::info::{Info, keys, product};
use crate::own;

/// Most commands that are listed.
const COMMANDS: usize = 200;

/// Counters of one server at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Counted {
    /// Its life: another one counts anew.
    run_id: String,
    figures: BTreeMap<&'static str, f64>,
    commands: BTreeMap<String, Command>,
    /// Perfdeck's own commands, by name.
    own: BTreeMap<String, u64>,
}

/// Counters of all servers at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Moment {
    /// On the monotonic clock, in milliseconds.
    pub(crate) at_ms: f64,
    servers: BTreeMap<String, Counted>,
}

const FIGURES: [&str; 8] = [
    "total_commands_processed",
    "keyspace_hits",
    "keyspace_misses",
    "evicted_keys",
    "expired_keys",
    "rejected_connections",
    "total_net_input_bytes",
    "total_net_output_bytes",
];

impl Moment {
    pub(super) fn of(at_ms: f64, told: &[Told]) -> Self {
        let counted = |t: &Told| Counted {
            run_id: t.info.get("run_id").cloned().unwrap_or_default(),
            figures: FIGURES.iter().filter_map(|name| Some((*name, told::number(&t.info, name)?))).collect(),
            commands: told::commands(&t.info),
            own: t.own.clone(),
        };
        Self { at_ms, servers: told.iter().map(|t| (t.host.to_string(), counted(t))).collect() }
    }

    /// What was gained since `before`. `None` when a server began anew, came or went, or somebody reset its counters in between.
    pub(crate) fn since(&self, before: &Self) -> Option<Gained> {
        let over_s = (self.at_ms - before.at_ms) / 1e3;
        if over_s <= 0.0 || !self.servers.keys().eq(before.servers.keys()) {
            return None;
        }
        let mut gained = Gained { over_s, ..Gained::default() };
        for (host, now) in &self.servers {
            let then = before.servers.get(host)?;
            gained.add(host, now, then)?;
        }
        Some(gained)
    }
}

/// What was gained between two readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Gained {
    pub(crate) over_s: f64,
    figures: BTreeMap<&'static str, f64>,
    /// Perfdeck's own commands, and those of them that looked a key up.
    own: f64,
    looked: f64,
    /// Calls and seconds by name, Perfdeck's own left out.
    commands: BTreeMap<String, (f64, f64)>,
    /// Of each server: commands that are not Perfdeck's, and seconds that all its commands took.
    servers: BTreeMap<String, (f64, f64)>,
}

impl Gained {
    fn add(&mut self, host: &str, now: &Counted, then: &Counted) -> Option<()> {
        let reset = now.run_id != then.run_id || then.commands.keys().any(|name| !now.commands.contains_key(name));
        if reset {
            return None;
        }
        for (name, value) in &now.figures {
            let more = value - then.figures.get(name)?;
            if more < 0.0 {
                return None;
            }
            *self.figures.entry(name).or_default() += more;
        }
        let more = |name: &str| {
            own_calls(&now.own, &now.commands, name).saturating_sub(own_calls(&then.own, &now.commands, name))
        };
        let (mut ours, mut busy) = (0.0, 0.0);
        for (name, command) in &now.commands {
            let earlier = then.commands.get(name).cloned().unwrap_or_default();
            let (calls, usec) = (command.calls.checked_sub(earlier.calls)?, command.usec.checked_sub(earlier.usec)?);
            let own = more(name).min(calls);
            ours += own as f64;
            self.looked += if own::looks_up(name) { own as f64 } else { 0.0 };
            busy += usec as f64 / 1e6;
            let others = (calls - own) as f64;
            if others > 0.0 {
                // Times of single calls are not told: our own took what a call took on average.
                let seconds = usec as f64 / 1e6 * others / calls as f64;
                let entry = self.commands.entry(name.clone()).or_default();
                *entry = (entry.0 + others, entry.1 + seconds);
            }
        }
        self.own += ours;
        let all = now.figures.get("total_commands_processed").zip(then.figures.get("total_commands_processed"));
        self.servers.insert(host.to_owned(), (all.map_or(0.0, |(n, b)| (n - b - ours).max(0.0)), busy));
        Some(())
    }

    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied()
    }

    fn commands_of(&self, host: &str) -> Option<f64> {
        self.servers.get(host).map(|(commands, _)| commands / self.over_s)
    }
}

/// Our own calls of a command as a server counts it: up to 6.2 it counts `CLIENT LIST` as `client`.
fn own_calls(own: &BTreeMap<String, u64>, counted: &BTreeMap<String, Command>, name: &str) -> u64 {
    let parts = own.iter().filter(|(n, _)| {
        n.split_once('|').is_some_and(|(container, _)| container == name) && !counted.contains_key(n.as_str())
    });
    own.get(name).copied().unwrap_or(0) + parts.map(|(_, n)| n).sum::<u64>()
}

/// The answer of all servers.
pub(super) fn look(reading: &Reading, before: Option<&Moment>, mode: CacheMode, at_ms: f64) -> CacheLook {
    let told = &reading.told;
    let infos: Vec<&Info> = told.iter().map(|t| &t.info).collect();
    let gained = before.and_then(|before| reading.at.since(before));
    let (all, expiring) = infos.iter().map(|info| keys(info)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let mut unknown = silent(&reading.silent);
    unknown.extend(told.iter().flat_map(|t| t.latency.unknown.clone()));
    for t in told {
        unknown.extend(t.slow.as_ref().err().map(|why| why.of("Slow log")));
        unknown.extend(t.clients.as_ref().err().map(|why| why.of("Clients")));
    }
    let sizes = told::sizes(&infos);
    if sizes.is_empty() && all > 0 {
        let reason = format!("{} keeps no sizes by type; Redis does from 8.0 on", versions(told));
        unknown.push(CacheUnknown { part: "Sizes by type".to_owned(), reason, grant: None, fix: None });
    }
    if let Some(Err(why)) = &reading.slots {
        unknown.push(why.of("Slots"));
    }
    unknown.dedup();
    CacheLook {
        at_ms,
        took_s: 0.0,
        version: versions(told),
        mode: Some(mode),
        nodes: told.iter().map(|t| node(t, reading, gained.as_ref())).collect(),
        memory: told::memory(&infos),
        databases: databases(&infos),
        keys: all,
        expiring,
        sizes,
        recent: gained.as_ref().and_then(recent),
        totals: totals(&infos),
        commands: commands(told, gained.as_ref()),
        errors: told::errors(&infos),
        latency: told.iter().flat_map(|t| t.latency.events.clone()).collect(),
        doctor: told
            .iter()
            .filter_map(|t| Some(CacheDoctor { node: t.host.to_string(), words: t.latency.doctor.clone()? }))
            .collect(),
        findings: Vec::new(),
        unknown,
    }
}

fn recent(gained: &Gained) -> Option<CacheRecent> {
    let over_s = gained.over_s;
    let figure = |name: &str| gained.figure(name);
    // Perfdeck looks up keys of which a server has just told the names: all of it are hits but for what is gone in between.
    let (hits, misses) = ((figure("keyspace_hits")? - gained.looked).max(0.0), figure("keyspace_misses")?);
    let look_ups = hits + misses;
    Some(CacheRecent {
        over_s,
        commands_per_s: (figure("total_commands_processed")? - gained.own).max(0.0) / over_s,
        own_per_s: gained.own / over_s,
        hit_ratio: (look_ups > 0.0).then(|| hits / look_ups),
        look_ups_per_s: look_ups / over_s,
        evicted_per_s: figure("evicted_keys")? / over_s,
        expired_per_s: figure("expired_keys")? / over_s,
        rejected: figure("rejected_connections").unwrap_or(0.0) as u64,
        in_bytes_per_s: figure("total_net_input_bytes").map(|n| n / over_s),
        out_bytes_per_s: figure("total_net_output_bytes").map(|n| n / over_s),
        busy: gained.servers.values().map(|(_, busy)| busy / over_s).fold(0.0, f64::max),
    })
}

fn totals(infos: &[&Info]) -> CacheTotals {
    let sum = |name: &str| infos.iter().map(|info| told::number(info, name)).sum::<Option<f64>>();
    let look_ups = sum("keyspace_hits").zip(sum("keyspace_misses"));
    CacheTotals {
        since_s: infos.iter().filter_map(|info| told::number(info, "uptime_in_seconds")).reduce(f64::min),
        commands: sum("total_commands_processed"),
        hit_ratio: look_ups.filter(|(h, m)| h + m > 0.0).map(|(h, m)| h / (h + m)),
        evicted: sum("evicted_keys"),
        expired: sum("expired_keys"),
        rejected: sum("rejected_connections"),
    }
}

/// Databases with the same number of all servers as one; a cluster has only number 0.
fn databases(infos: &[&Info]) -> Vec<CacheDatabase> {
    let mut all: BTreeMap<u32, CacheDatabase> = BTreeMap::new();
    for found in infos.iter().flat_map(|info| told::databases(info)) {
        all.entry(found.number)
            .and_modify(|d| {
                d.keys += found.keys;
                d.expires += found.expires;
                d.mean_ttl_ms = d.mean_ttl_ms.max(found.mean_ttl_ms);
            })
            .or_insert(found);
    }
    all.into_values().collect()
}

fn node(told: &Told, reading: &Reading, gained: Option<&Gained>) -> CacheNode {
    let info = &told.info;
    let address = told.host.to_string();
    let slots = reading.slots.as_ref().and_then(|s| s.as_ref().ok()).and_then(|s| s.nodes.get(&address).cloned());
    CacheNode {
        version: product(info),
        role: info.get("role").cloned().unwrap_or_else(|| "unknown".to_owned()),
        uptime_s: told::number(info, "uptime_in_seconds"),
        ping_s: told.ping_s,
        used_bytes: told::number(info, "used_memory"),
        limit_bytes: told::number(info, "maxmemory").filter(|max| *max > 0.0),
        keys: keys(info).0,
        clients: told::whole(info, "connected_clients").map(|n| n.saturating_sub(told.own_connections)),
        max_clients: told::whole(info, "maxclients"),
        blocked: told::whole(info, "blocked_clients"),
        commands_per_s: gained.and_then(|g| g.commands_of(&address)),
        replicas: told::replicas(info),
        primary: told::link(info),
        persistence: told::persistence(info),
        slots,
        address,
    }
}

/// Commands of all servers by what they cost: between two readings where there are two, else since the start without what this process did.
fn commands(told: &[Told], gained: Option<&Gained>) -> Vec<CacheCommandCost> {
    let mut all: BTreeMap<String, (Command, u64)> = BTreeMap::new();
    for t in told {
        let counted = told::commands(&t.info);
        for (name, command) in &counted {
            let own = own_calls(&t.own, &counted, name);
            let entry = all.entry(name.clone()).or_default();
            entry.0.calls += command.calls;
            entry.0.usec += command.usec;
            entry.0.rejected += command.rejected;
            entry.0.failed += command.failed;
            for (most, one) in entry.0.percentiles.iter_mut().zip(command.percentiles) {
                *most = [*most, one].into_iter().flatten().reduce(f64::max);
            }
            entry.1 += own;
        }
    }
    let others = |(command, own): &(Command, u64)| command.calls.saturating_sub(*own);
    all.retain(|_, c| others(c) > 0 || c.0.rejected > 0);
    let seconds = |c: &(Command, u64)| c.0.usec as f64 / 1e6 * others(c) as f64 / c.0.calls.max(1) as f64;
    let sum: f64 = all.values().map(seconds).sum();
    let recent_sum: f64 = gained.map_or(0.0, |g| g.commands.values().map(|(_, s)| s).sum());
    let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
    let mut commands: Vec<CacheCommandCost> = all
        .iter()
        .map(|(name, c)| {
            let [p50_s, p99_s, p999_s] = c.0.percentiles;
            let recent = gained.map(|g| {
                let (calls, took) = g.commands.get(name).copied().unwrap_or_default();
                CacheCommandRecent {
                    calls_per_s: calls / g.over_s,
                    mean_s: (calls > 0.0).then(|| took / calls),
                    share: share(took, recent_sum),
                }
            });
            CacheCommandCost {
                name: name.replace('|', " ").to_uppercase(),
                calls: others(c),
                seconds: seconds(c),
                share: share(seconds(c), sum),
                mean_s: c.0.usec as f64 / 1e6 / c.0.calls.max(1) as f64,
                rejected: c.0.rejected,
                failed: c.0.failed,
                p50_s,
                p99_s,
                p999_s,
                recent,
            }
        })
        .collect();
    let weight = |c: &CacheCommandCost| (c.recent.as_ref().map_or(0.0, |r| r.share), c.seconds);
    commands.sort_by(|a, b| weight(b).0.total_cmp(&weight(a).0).then_with(|| weight(b).1.total_cmp(&weight(a).1)));
    commands.truncate(COMMANDS);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::fields;

    fn moment(at_ms: f64, run: &str, lines: &str, own: &[(&str, u64)]) -> Moment {
        let info = fields(&format!("run_id:{run}\r\n{lines}"));
        let counted = Counted {
            run_id: run.to_owned(),
            figures: FIGURES.iter().filter_map(|name| Some((*name, told::number(&info, name)?))).collect(),
            commands: told::commands(&info),
            own: own.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        };
        Moment { at_ms, servers: BTreeMap::from([("h:1".to_owned(), counted)]) }
    }

    #[test]
    fn what_perfdeck_did_is_left_out() {
        let before = moment(0.0, "a", "total_commands_processed:10\r\ncmdstat_get:calls=5,usec=50\r\n", &[]);
        let lines =
            "total_commands_processed:40\r\ncmdstat_get:calls=25,usec=250\r\ncmdstat_client:calls=10,usec=100\r\n";
        let now = moment(2000.0, "a", lines, &[("get", 10), ("client|list", 10)]);
        let gained = now.since(&before).expect("one life");
        assert_eq!(
            gained.commands,
            BTreeMap::from([("get".to_owned(), (10.0, 1e-4))]),
            "10 of 20 calls, and half of the time"
        );
        assert_eq!((gained.own, gained.commands_of("h:1")), (20.0, Some(5.0)), "6.2 counts CLIENT LIST as client");
    }

    #[test]
    fn what_was_reset_or_began_anew_has_no_rate() {
        let before = moment(0.0, "a", "total_commands_processed:10\r\ncmdstat_get:calls=5,usec=50\r\n", &[]);
        for (now, why) in [
            (
                moment(1000.0, "b", "total_commands_processed:20\r\ncmdstat_get:calls=9,usec=90\r\n", &[]),
                "another life",
            ),
            (
                moment(1000.0, "a", "total_commands_processed:2\r\ncmdstat_get:calls=9,usec=90\r\n", &[]),
                "a counter went back",
            ),
            (moment(1000.0, "a", "total_commands_processed:20\r\n", &[]), "its commands were forgotten"),
        ] {
            assert_eq!(now.since(&before), None, "{why}");
        }
    }
}
