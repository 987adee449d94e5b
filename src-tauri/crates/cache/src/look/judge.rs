//! What is or will soon be broken of a cache: each check with its value, threshold, reason and what mends it.
use perfdeck_model::checks::{Limit, Mend, measured, refused, told as said, unknown};
use perfdeck_model::{ApiError, CacheClientState, CheckFix, CheckState, HealthCheck, Unit};
use perfdeck_words as words;
use perfdeck_words::{bytes, count, integer};

use super::ask::Unanswered;
use super::slots::ALL;
use super::sums::{Gained, Moment};
use super::told::{self, number, whole};
use super::{Reading, Told};
use crate::error::one_node;
use crate::info::{evicts, keys, nothing_to_evict, one_of_many};

/// Time from which an entry of the slow log is old, in milliseconds.
const RECENT_MS: f64 = 3_600_000.0;
/// A ten-hundredth of a second is what a request of ten look-ups then spends on the way.
const LATENCY: Limit =
    Limit::new(0.01, 0.1, "Perfdeck: ten look-ups of a request then spend a tenth of a second on the way");
const FULL: Limit = Limit::new(0.8, 0.95, "Perfdeck: at 100 % writes are refused, or keys are evicted");
const MACHINE: Limit = Limit::new(0.7, 0.9, "Perfdeck: a copy for a snapshot may need as much again");
const CLIENTS: Limit = Limit::new(0.8, 0.95, "Perfdeck: at 100 % nobody more is served");
const SLOW: Limit = Limit::new(0.01, 0.1, "the usual threshold of the slow log; a server does one command at a time");
const FRAGMENTED: Limit =
    Limit { warning: Some(1.5), failing: None, source: "redis.conf: active defragmentation is worth it from here on" };
/// Pages that are not in use, in bytes, below which their share says nothing.
const WASTED: f64 = 32.0 * 1024.0 * 1024.0;
const FOREVER: Limit =
    Limit { warning: Some(0.05), failing: None, source: "Perfdeck: what nothing frees stays until the memory is full" };
/// Keys below which their share says nothing.
const FEW: u64 = 20;
const LAG: Limit = Limit::new(10.0, 60.0, "repl-timeout is 60 s: then the link is given up");
const BUFFER: Limit =
    Limit { warning: Some(1_048_576.0), failing: None, source: "the usual threshold of a large reply (1 MiB)" };
const BLOCKED: Limit = Limit {
    warning: Some(0.0),
    failing: None,
    source: "Perfdeck: workers that wait for work do so by design, requests do not",
};
const NEVER_EVICTS: &str = "CONFIG SET maxmemory-policy allkeys-lfu";

/// A cache that cannot be reached.
pub(super) fn unreachable(error: &ApiError) -> HealthCheck {
    let mut check = said("reachable", "Reachable", CheckState::Failing, error.message.clone());
    check.fix = error.hint.clone().map(|what| CheckFix { what, statement: None });
    check
}

/// All checks of a reading, in a fixed order.
pub(super) fn checks(reading: &Reading, before: Option<&Moment>, now_ms: f64) -> Vec<HealthCheck> {
    let told = &reading.told;
    let gained = before.and_then(|before| reading.at.since(before));
    let mut all = vec![reachable(reading), latency(told)];
    all.extend(serving(told));
    all.extend(slots(reading));
    all.extend([memory(told), policy(told), evictions(told, gained.as_ref()), replication(told), persistence(told)]);
    all.extend([
        connections(told),
        rejected(told, gained.as_ref()),
        slow(told, now_ms),
        fragmentation(told),
        expiry(told),
    ]);
    all.extend([blocked(told), buffers(told)]);
    all
}

/// Which server something is of, where there are several.
fn of(told: &[Told], one: &Told) -> String {
    if told.len() > 1 { format!(" on {}", one.host) } else { String::new() }
}

/// The server whose figure is largest, with it.
fn worst(told: &[Told], figure: impl Fn(&Told) -> Option<f64>) -> Option<(f64, &Told)> {
    told.iter().filter_map(|t| Some((figure(t)?, t))).max_by(|a, b| a.0.total_cmp(&b.0))
}

fn sum(told: &[Told], name: &str) -> Option<f64> {
    told.iter().map(|t| number(&t.info, name)).sum()
}

fn reachable(reading: &Reading) -> HealthCheck {
    if let Some(error) = reading.silent.first() {
        return unreachable(error);
    }
    let servers = words::plural(reading.told.len() as u64, "server");
    if let Some(t) = reading.told.iter().find(|t| told::persistence(&t.info).loading) {
        let reason = format!("{} is loading its data, and answers no look-ups meanwhile", t.host);
        return said("reachable", "Reachable", CheckState::Failing, reason)
            .mend("Wait: it serves by itself when it is through", None);
    }
    said("reachable", "Reachable", CheckState::Ok, format!("{servers} answered"))
}

/// A server that answers with what is wrong with it, in its own code.
fn serving(told: &[Told]) -> Option<HealthCheck> {
    let (code, error) = told.iter().find_map(|t| t.unwell.as_ref())?;
    let reason = format!("{}: it answers PING with {code}", error.message);
    let mut check = said("serving", "Serving", CheckState::Failing, reason);
    check.fix = error.hint.clone().map(|what| CheckFix { what, statement: None });
    Some(check)
}

fn latency(told: &[Told]) -> HealthCheck {
    let Some((ping, t)) = worst(told, |t| Some(t.ping_s)) else {
        return unknown("latency", "Latency", "no server answered");
    };
    let reason = format!("one round trip{}", of(told, t));
    measured("latency", "Latency", (ping, Unit::Seconds), LATENCY, reason)
        .mend("See what keeps the server, in its slow log and the latency spikes, or move closer to it", None)
}

fn slots(reading: &Reading) -> Option<HealthCheck> {
    let (id, title) = ("slots", "Slots");
    let Some(slots) = reading.slots.as_ref() else {
        let node = reading.told.iter().find(|t| one_of_many(&t.info))?;
        let error = one_node(&node.host);
        let check = said(id, title, CheckState::Warning, error.message);
        let fix = error.hint.map(|what| CheckFix { what, statement: None });
        return Some(HealthCheck { fix, ..check });
    };
    Some(match slots {
        Ok(slots) if !slots.failed.is_empty() || slots.served < ALL => {
            let gone =
                if slots.failed.is_empty() { String::new() } else { format!("; failed: {}", slots.failed.join(", ")) };
            let reason = format!("{} of {} slots are served{gone}", count(slots.served), count(ALL));
            said(id, title, CheckState::Failing, reason)
                .mend("Bring the node back, or let a replica take over", Some("redis-cli --cluster check HOST:PORT"))
        }
        Ok(slots) => {
            let replicas = words::plural(slots.replicas, "replica");
            let reason = format!(
                "all {} slots are served by {}, {replicas}",
                count(ALL),
                words::plural(slots.nodes.len() as u64, "primary")
            );
            said(id, title, CheckState::Ok, reason.replace("primarys", "primaries"))
        }
        Err(why) => unanswered(id, title, why),
    })
}

/// A check whose question was not answered.
fn unanswered(id: &str, title: &str, why: &Unanswered) -> HealthCheck {
    match why {
        Unanswered::Refused { reason, grant } => refused(id, title, reason.clone(), grant.clone()),
        Unanswered::Never { reason } => unknown(id, title, reason.clone()),
        Unanswered::Missed { reason } => HealthCheck { missed: true, ..unknown(id, title, reason.clone()) },
    }
}

fn not_told(id: &str, title: &str, what: &str) -> HealthCheck {
    unknown(id, title, format!("this server does not tell {what}"))
}

/// A policy that evicts nothing, whatever there is.
fn never_evicts(t: &Told) -> bool {
    t.info.get("maxmemory_policy").is_none_or(|p| p == "noeviction")
}

fn limit(t: &Told) -> Option<f64> {
    number(&t.info, "maxmemory").filter(|max| *max > 0.0)
}

fn memory(told: &[Told]) -> HealthCheck {
    let (id, title) = ("memory", "Memory");
    let used = |t: &Told| number(&t.info, "used_memory");
    let full = |t: &Told| Some(used(t)? / limit(t)?);
    // One that evicts is full by design: it hides none that refuses writes.
    let refusing = told.iter().filter(|t| !evicts(&t.info)).filter_map(|t| Some((full(t)?, t)));
    if let Some((part, t)) = refusing.max_by(|a, b| a.0.total_cmp(&b.0)).or_else(|| worst(told, full)) {
        let (has, max) = (used(t).unwrap_or_default(), limit(t).unwrap_or_default());
        let reason = format!("{} of {} used{}", bytes(has), bytes(max), of(told, t));
        // A cache that evicts is full by design: what that costs is told by its evictions.
        if evicts(&t.info) {
            return HealthCheck {
                value: Some(part),
                unit: Some(Unit::Ratio),
                ..said(id, title, CheckState::Ok, format!("{reason}; at the limit it evicts"))
            };
        }
        let policy = t.info.get("maxmemory_policy").map_or("", String::as_str);
        let why = if nothing_to_evict(&t.info) {
            let (all, expiring) = keys(&t.info);
            format!("{policy} evicts only keys that expire, and {} of {} do: ", count(expiring), count(all))
        } else {
            String::new()
        };
        return measured(
            id,
            title,
            (part, Unit::Ratio),
            FULL,
            format!("{reason}; {why}at the limit it refuses writes"),
        )
        .mend("Raise maxmemory, or let it evict what is used least", Some(NEVER_EVICTS));
    }
    let machine = worst(told, |t| Some(used(t)? / number(&t.info, "total_system_memory").filter(|n| *n > 0.0)?));
    let Some((part, t)) = machine else { return not_told(id, title, "its memory") };
    let all = number(&t.info, "total_system_memory").unwrap_or_default();
    let reason =
        format!("{} of the {} of its machine used{}", bytes(used(t).unwrap_or_default()), bytes(all), of(told, t));
    measured(id, title, (part, Unit::Ratio), MACHINE, reason)
        .mend("Set a limit below the machine's memory", Some("CONFIG SET maxmemory 1gb"))
}

fn policy(told: &[Told]) -> HealthCheck {
    let (id, title) = ("policy", "Memory limit and policy");
    if told.iter().any(|t| !t.info.contains_key("maxmemory")) {
        return not_told(id, title, "its limit");
    }
    if let Some(t) = told.iter().find(|t| limit(t).is_none()) {
        let reason = format!("no maxmemory{}: it grows until the system has no memory left and ends it", of(told, t));
        return said(id, title, CheckState::Warning, reason).mend(
            "Set a limit below the machine's memory, with room for a snapshot's copy, and a policy that evicts",
            Some("CONFIG SET maxmemory 1gb\nCONFIG SET maxmemory-policy allkeys-lfu"),
        );
    }
    if let Some(t) = told.iter().find(|t| never_evicts(t)) {
        let reason = format!("maxmemory-policy noeviction{}: when it is full, writes are refused", of(told, t));
        return said(id, title, CheckState::Warning, reason).mend(
            "Let a cache evict what is used least; a store that must lose nothing stays as it is",
            Some(NEVER_EVICTS),
        );
    }
    if let Some(t) = told.iter().find(|t| keys(&t.info).0 >= FEW && nothing_to_evict(&t.info)) {
        let (all, expiring) = keys(&t.info);
        let policy = t.info.get("maxmemory_policy").map_or("", String::as_str);
        let reason = format!(
            "{policy} evicts only keys that expire, and {} of {} do{}",
            count(expiring),
            count(all),
            of(told, t)
        );
        return said(id, title, CheckState::Warning, reason)
            .mend("Let it evict any key, or give keys a time to live", Some(NEVER_EVICTS));
    }
    let mut all: Vec<&str> = told.iter().filter_map(|t| t.info.get("maxmemory_policy").map(String::as_str)).collect();
    all.dedup();
    said(id, title, CheckState::Ok, format!("maxmemory-policy {}", all.join(", ")))
}

fn evictions(told: &[Told], gained: Option<&Gained>) -> HealthCheck {
    let (id, title) = ("evictions", "Evictions");
    let Some(all) = sum(told, "evicted_keys") else { return not_told(id, title, "evictions") };
    let since = format!("{} since it began", words::plural(all as u64, "key"));
    let Some((rate, over)) = gained.and_then(|g| Some((g.figure("evicted_keys")? / g.over_s, g.over_s))) else {
        return unknown(id, title, format!("{since}; a rate needs a second reading"));
    };
    let limit = Limit {
        warning: Some(0.0),
        failing: None,
        source: "Perfdeck: what is evicted before it expires is computed again",
    };
    let reason = format!(
        "{} in the last {}; {since}",
        words::plural((rate * over).round() as u64, "key"),
        words::duration(over.round())
    );
    measured(id, title, (rate, Unit::PerSecond), limit, reason)
        .mend("Raise maxmemory, or give less important keys a shorter time to live", Some("INFO memory"))
}

fn replication(told: &[Told]) -> HealthCheck {
    let (id, title) = ("replication", "Replication");
    let mut lag: Option<(f64, String)> = None;
    let mut replicas = 0;
    for t in told {
        if let Some(link) = told::link(&t.info) {
            if link.syncing {
                let reason = format!("{} gets a full copy from {}", t.host, link.address);
                return said(id, title, CheckState::Warning, reason)
                    .mend("Wait until it is through", Some("INFO replication"));
            }
            if !link.up {
                let reason = format!(
                    "the link of {} to its primary {} is down: what it answers grows old",
                    t.host, link.address
                );
                return said(id, title, CheckState::Failing, reason)
                    .mend("Repair the network between them, or the password (masterauth)", Some("INFO replication"));
            }
            if let Some(silent) = link.silent_s.filter(|s| lag.as_ref().is_none_or(|(l, _)| s > l)) {
                lag = Some((silent, format!("since {} heard of its primary", t.host)));
            }
        }
        let backlog = number(&t.info, "repl_backlog_size");
        for replica in told::replicas(&t.info) {
            replicas += 1;
            if replica.state != "online" {
                let reason = format!(
                    "replica {} is not online yet ({})",
                    replica.address,
                    super::shown(replica.state.as_bytes())
                );
                return said(id, title, CheckState::Warning, reason)
                    .mend("Wait until it has its copy", Some("INFO replication"));
            }
            if let Some((behind, size)) = replica.behind_bytes.zip(backlog).filter(|(b, s)| b > s) {
                let reason = format!(
                    "replica {} is {} behind, more than the backlog of {}: after a break it needs a full copy",
                    replica.address,
                    bytes(behind),
                    bytes(size)
                );
                return said(id, title, CheckState::Warning, reason)
                    .mend("Make the backlog larger", Some("CONFIG SET repl-backlog-size 256mb"));
            }
            if let Some(seconds) = replica.lag_s.filter(|s| lag.as_ref().is_none_or(|(l, _)| s > l)) {
                lag = Some((seconds, format!("since replica {} was heard of", replica.address)));
            }
        }
    }
    match lag {
        Some((seconds, reason)) => measured(id, title, (seconds, Unit::Seconds), LAG, reason)
            .mend("See the replica's load and the network between them", Some("INFO replication")),
        None if replicas == 0 => said(id, title, CheckState::Ok, "no replicas: what it holds is gone when it ends"),
        None => said(id, title, CheckState::Ok, words::plural(replicas, "replica")),
    }
}

fn persistence(told: &[Told]) -> HealthCheck {
    let (id, title) = ("persistence", "Persistence");
    for t in told {
        let p = told::persistence(&t.info);
        let (what, mend) = if p.save_ok == Some(false) {
            (
                "the last snapshot failed: by its usual settings it refuses writes then",
                "See its log and the room on its disk, then save again",
            )
        } else if p.log == Some(true) && p.log_ok == Some(false) {
            (
                "the last write to the log of changes (AOF) failed: it refuses writes",
                "See its log and the room on its disk",
            )
        } else if p.log == Some(true) && p.rewrite_ok == Some(false) {
            (
                "the last rewrite of the log of changes (AOF) failed: it grows",
                "See its log and the room on its disk, then rewrite it again",
            )
        } else {
            continue;
        };
        let state = if what.contains("rewrite") { CheckState::Warning } else { CheckState::Failing };
        let statement = if what.contains("snapshot") {
            "BGSAVE"
        } else if what.contains("rewrite") {
            "BGREWRITEAOF"
        } else {
            "INFO persistence"
        };
        return said(id, title, state, format!("{what}{}", of(told, t))).mend(mend, Some(statement));
    }
    let Some(first) = told.first().map(|t| told::persistence(&t.info)) else { return not_told(id, title, "it") };
    if first.save_ok.is_none() {
        return not_told(id, title, "what it keeps on disk");
    }
    let fork = worst(told, |t| told::persistence(&t.info).fork_s);
    if let Some((seconds, t)) = fork.filter(|(s, _)| *s > 0.5) {
        let reason = format!("the last fork stopped the server for {}{}", words::seconds(seconds), of(told, t));
        return said(id, title, CheckState::Warning, reason)
            .mend("Save on a replica, or turn off transparent huge pages", None);
    }
    let log = if first.log == Some(true) {
        "snapshots and a log of changes (AOF), nothing failed"
    } else {
        "no log of changes (AOF); no snapshot failed"
    };
    said(id, title, CheckState::Ok, log)
}

fn connections(told: &[Told]) -> HealthCheck {
    let (id, title) = ("connections", "Connections");
    let part =
        |t: &Told| Some(number(&t.info, "connected_clients")? / number(&t.info, "maxclients").filter(|n| *n > 0.0)?);
    let Some((part, t)) = worst(told, part) else { return not_told(id, title, "how many clients it takes") };
    let figure = |name: &str| whole(&t.info, name).unwrap_or_default();
    let reason = format!(
        "{} of {} clients{}, {} of them Perfdeck's",
        count(figure("connected_clients")),
        count(figure("maxclients")),
        of(told, t),
        count(t.own_connections)
    );
    measured(id, title, (part, Unit::Ratio), CLIENTS, reason)
        .mend("Close idle clients, or allow more", Some("CLIENT LIST\nCONFIG SET maxclients 20000"))
}

fn rejected(told: &[Told], gained: Option<&Gained>) -> HealthCheck {
    let (id, title) = ("rejected", "Rejected connections");
    let Some(all) = sum(told, "rejected_connections") else { return not_told(id, title, "them") };
    let now = gained.and_then(|g| g.figure("rejected_connections")).unwrap_or(0.0);
    let limit =
        Limit { warning: Some(0.0), failing: None, source: "a client was refused because all places were taken" };
    let latest = if now > 0.0 { format!(", {} of them just now", integer(now)) } else { String::new() };
    let mut check = measured(id, title, (all, Unit::Count), limit, format!("{} since it began{latest}", integer(all)));
    if now > 0.0 {
        check.state = CheckState::Failing;
    }
    check.mend("Let clients share connections (a pool), or allow more", Some("CONFIG SET maxclients 20000"))
}

fn slow(told: &[Told], now_ms: f64) -> HealthCheck {
    let (id, title) = ("slow_commands", "Slow commands");
    if let Some(why) = told.iter().find_map(|t| t.slow.as_ref().err()) {
        return unanswered(id, title, why);
    }
    let entries = || told.iter().filter_map(|t| t.slow.as_ref().ok()).flat_map(|(entries, _)| entries);
    let lately = || entries().filter(|e| now_ms - e.at_ms < RECENT_MS);
    let Some(longest) = lately().max_by(|a, b| a.seconds.unwrap_or(0.0).total_cmp(&b.seconds.unwrap_or(0.0))) else {
        return said(id, title, CheckState::Ok, "none in the slow log within the last hour");
    };
    let many = lately().filter(|e| e.seconds.is_some_and(|s| s > SLOW.warning.unwrap_or(0.0))).count();
    let reason = format!(
        "{} took longest within the last hour; {} of more than 10\u{2009}ms among the newest",
        longest.command,
        words::plural(many as u64, "command")
    );
    measured(id, title, (longest.seconds.unwrap_or(0.0), Unit::Seconds), SLOW, reason).mend(
        "Ask for less at once: pages in place of whole keys, SCAN in place of KEYS, UNLINK in place of DEL",
        Some("SLOWLOG GET 10"),
    )
}

fn fragmentation(told: &[Told]) -> HealthCheck {
    let (id, title) = ("fragmentation", "Fragmentation");
    if told.iter().any(|t| !told::counts_pages(&t.info)) {
        return unknown(id, title, "its allocator (the C library's) does not count what is in use of its pages");
    }
    let pages = |t: &Told| {
        Some((number(&t.info, "allocator_allocated").filter(|n| *n > 0.0)?, number(&t.info, "allocator_active")?))
    };
    let Some((wasted, t)) = worst(told, |t| pages(t).map(|(a, b)| (b - a).max(0.0))) else {
        return not_told(id, title, "it");
    };
    let (allocated, active) = pages(t).unwrap_or((1.0, 1.0));
    let reason = format!("{} of {} of pages not in use{}", bytes(wasted), bytes(active), of(told, t));
    if wasted < WASTED {
        return said(id, title, CheckState::Ok, format!("{reason}: too little for their share to say something"));
    }
    measured(id, title, (active / allocated, Unit::Count), FRAGMENTED, reason)
        .mend("Let it move what it holds; that takes some of its time", Some("CONFIG SET activedefrag yes"))
}

fn expiry(told: &[Told]) -> HealthCheck {
    let (id, title) = ("keys_without_expiry", "Keys without expiry");
    let (all, expiring) = told.iter().map(|t| keys(&t.info)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let forever = all.saturating_sub(expiring);
    let reason = format!("{} of {} keys, as the server counts them", count(forever), count(all));
    if all < FEW {
        return said(id, title, CheckState::Ok, reason);
    }
    measured(id, title, (forever as f64 / all as f64, Unit::Ratio), FOREVER, reason)
        .mend("Give them a time to live where they are written; the map shows which they are", None)
}

fn blocked(told: &[Told]) -> HealthCheck {
    let (id, title) = ("blocked_clients", "Blocked clients");
    let Some(all) = sum(told, "blocked_clients") else { return not_told(id, title, "them") };
    let listed = || {
        let clients = told.iter().filter_map(|t| t.clients.as_ref().ok()).flatten();
        clients.filter(|c| c.state == CacheClientState::Blocked && !c.ours)
    };
    let mut commands: Vec<String> = listed().filter_map(|c| c.command.clone()).collect();
    commands.sort();
    commands.dedup();
    let longest = listed().map(|c| c.idle_s).fold(0.0, f64::max);
    let mut reason = words::plural(all as u64, "client");
    if !commands.is_empty() {
        reason = format!("{reason} in {}, the longest for {}", commands.join(", "), words::duration(longest));
    }
    measured(id, title, (all, Unit::Count), BLOCKED, reason).mend(
        "See whether they are workers that wait for work; give requests a time-out of their own",
        Some("CLIENT LIST"),
    )
}

fn buffers(told: &[Told]) -> HealthCheck {
    let (id, title) = ("output_buffers", "Replies that wait");
    // Replicas and monitors have buffers of their own, and limits of their own.
    let waits = |t: &Told| {
        let clients = t.clients.as_ref().ok()?.iter();
        let normal =
            clients.filter(|c| !c.ours && !matches!(c.state, CacheClientState::Replica | CacheClientState::Primary));
        normal.map(|c| c.output_bytes).reduce(f64::max)
    };
    let now = worst(told, waits);
    let lately = worst(told, |t| number(&t.info, "client_recent_max_output_buffer"));
    let Some((most, t)) = now.into_iter().chain(lately).max_by(|a, b| a.0.total_cmp(&b.0)) else {
        if let Some(why) = told.iter().find_map(|t| t.clients.as_ref().err()) {
            return unanswered(id, title, why);
        }
        return said(id, title, CheckState::Ok, "no client has any");
    };
    let whose = now.filter(|(n, _)| *n >= most).and_then(|(n, t)| {
        let client = t.clients.as_ref().ok()?.iter().find(|c| c.output_bytes >= n)?;
        Some(format!(
            "for {}",
            client.name.clone().map_or(client.address.clone(), |name| super::shown(name.as_bytes()))
        ))
    });
    let reason = format!(
        "most for one client{}{}",
        whose.map_or_else(|| " lately".to_owned(), |w| format!(", {w}")),
        of(told, t)
    );
    measured(id, title, (most, Unit::Bytes), BUFFER, reason).mend(
        "Ask for less at once, or read faster: the server keeps what is not read in its memory",
        Some("CLIENT LIST"),
    )
}
