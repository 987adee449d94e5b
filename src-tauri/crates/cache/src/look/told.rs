//! What INFO says, as figures. Pure: a part that a server does not tell is `None`, never 0.
use std::collections::BTreeMap;

use perfdeck_model::{
    CacheDatabase, CacheErrorCount, CacheLink, CacheMemory, CachePersistence, CacheReplica, CacheSizeBucket,
    CacheTypeSizes,
};

use crate::info::Info;

/// Most errors that are listed.
const ERRORS: usize = 64;

/// A field as a number.
pub(crate) fn number(info: &Info, name: &str) -> Option<f64> {
    info.get(name)?.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A field that is a count.
pub(crate) fn whole(info: &Info, name: &str) -> Option<u64> {
    info.get(name)?.parse().ok()
}

/// Parts of a value such as `keys=10,expires=4`.
fn parts(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(',').filter_map(|part| part.split_once('='))
}

fn part<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    parts(value).find(|(n, _)| *n == name).map(|(_, v)| v)
}

/// Databases that have keys.
pub(crate) fn databases(info: &Info) -> Vec<CacheDatabase> {
    let mut all: Vec<CacheDatabase> = info
        .iter()
        .filter_map(|(name, value)| {
            let number = name.strip_prefix("db")?.parse().ok()?;
            let count = |name: &str| part(value, name).and_then(|n| n.parse::<u64>().ok());
            let mean_ttl_ms = count("avg_ttl").filter(|ttl| *ttl > 0);
            Some(CacheDatabase { number, keys: count("keys")?, expires: count("expires").unwrap_or(0), mean_ttl_ms })
        })
        .collect();
    all.sort_by_key(|d| d.number);
    all
}

/// A number such as `4K`, of servers that keep sizes by powers of two.
fn size(text: &str) -> Option<f64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1024.0),
        b'M' => (&text[..text.len() - 1], 1024.0 * 1024.0),
        b'G' => (&text[..text.len() - 1], 1024.0 * 1024.0 * 1024.0),
        _ => (text, 1.0),
    };
    digits.parse::<f64>().ok().map(|n| n * factor)
}

/// Keys by type and size, over all databases: `db0_distrib_strings_sizes:1=1,4K=1`.
pub(crate) fn sizes(infos: &[&Info]) -> Vec<CacheTypeSizes> {
    let mut all: BTreeMap<(String, bool), BTreeMap<u64, u64>> = BTreeMap::new();
    for (name, value) in infos.iter().flat_map(|info| info.iter()) {
        let Some((db, rest)) = name.split_once("_distrib_") else { continue };
        let Some((of, unit)) = rest.rsplit_once('_') else { continue };
        if !db.starts_with("db") || !matches!(unit, "sizes" | "items") {
            continue;
        }
        let sizes = all.entry((of.to_owned(), unit == "sizes")).or_default();
        for (from, keys) in parts(value) {
            if let (Some(from), Ok(keys)) = (size(from), keys.parse::<u64>()) {
                *sizes.entry(from as u64).or_default() += keys;
            }
        }
    }
    let mut types: Vec<CacheTypeSizes> = all
        .into_iter()
        .map(|((of, in_bytes), sizes)| {
            let keys = sizes.values().sum();
            let sizes = sizes.into_iter().map(|(from, keys)| CacheSizeBucket { from: from as f64, keys }).collect();
            CacheTypeSizes { of, in_bytes, keys, sizes }
        })
        .collect();
    types.sort_by(|a, b| b.keys.cmp(&a.keys).then_with(|| a.of.cmp(&b.of)));
    types
}

/// Counters of commands: `cmdstat_get:calls=10,usec=60,…`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) calls: u64,
    pub(crate) usec: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// Median, 99th and 99.9th percentile, in seconds.
    pub(crate) percentiles: [Option<f64>; 3],
}

/// Commands by the name under which the server counts them.
pub(crate) fn commands(info: &Info) -> BTreeMap<String, Command> {
    let mut all = BTreeMap::new();
    for (name, value) in info {
        let Some(name) = name.strip_prefix("cmdstat_") else { continue };
        let count = |name: &str| part(value, name).and_then(|n| n.parse::<u64>().ok());
        let (Some(calls), Some(usec)) = (count("calls"), count("usec")) else { continue };
        let times = info.get(&format!("latency_percentiles_usec_{name}"));
        let percentile =
            |p: &str| times.and_then(|t| part(t, p)).and_then(|n| n.parse::<f64>().ok()).map(|usec| usec / 1e6);
        let command = Command {
            calls,
            usec,
            rejected: count("rejected_calls").unwrap_or(0),
            failed: count("failed_calls").unwrap_or(0),
            percentiles: ["p50", "p99", "p99.9"].map(percentile),
        };
        all.insert(name.to_owned(), command);
    }
    all
}

/// Errors over all servers: `errorstat_WRONGTYPE:count=3`. A code that is none of the server's may be anybody's text, of a script.
pub(crate) fn errors(infos: &[&Info]) -> Vec<CacheErrorCount> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for (name, value) in infos.iter().flat_map(|info| info.iter()) {
        let Some(code) = name.strip_prefix("errorstat_") else { continue };
        let plain = code.len() <= 16 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let code = if plain { code } else { "of a script" };
        *all.entry(code.to_owned()).or_default() += part(value, "count").and_then(|n| n.parse().ok()).unwrap_or(0);
    }
    let mut errors: Vec<CacheErrorCount> =
        all.into_iter().map(|(code, count)| CacheErrorCount { code, count }).collect();
    errors.sort_by_key(|e| std::cmp::Reverse(e.count));
    errors.truncate(ERRORS);
    errors
}

/// Memory, summed over primaries. A figure that one of them does not tell is not known of all.
pub(crate) fn memory(infos: &[&Info]) -> CacheMemory {
    let sum = |name: &str| infos.iter().map(|info| number(info, name)).sum::<Option<f64>>();
    let either = |names: &[&str]| names.iter().filter_map(|name| sum(name)).reduce(|a, b| a + b);
    let mut policies: Vec<&str> = infos.iter().filter_map(|i| i.get("maxmemory_policy").map(String::as_str)).collect();
    policies.sort_unstable();
    policies.dedup();
    let limited = infos.iter().all(|info| number(info, "maxmemory").is_some_and(|max| max > 0.0));
    let counted = infos.iter().all(|info| counts_pages(info));
    let (allocated, active) = (sum("allocator_allocated"), sum("allocator_active"));
    let ratio = allocated.zip(active).filter(|(a, _)| *a > 0.0 && counted).map(|(a, b)| b / a);
    CacheMemory {
        used_bytes: sum("used_memory"),
        peak_bytes: sum("used_memory_peak"),
        limit_bytes: if limited { sum("maxmemory") } else { None },
        policy: (!policies.is_empty()).then(|| policies.join(", ")),
        system_bytes: sum("total_system_memory"),
        dataset_bytes: sum("used_memory_dataset"),
        clients_bytes: either(&["mem_clients_normal", "mem_clients_slaves"]),
        replication_bytes: either(&["mem_replication_backlog", "mem_total_replication_buffers"]),
        scripts_bytes: sum("used_memory_vm_total").or_else(|| sum("used_memory_lua")),
        resident_bytes: sum("used_memory_rss"),
        fragmentation: ratio,
        fragmentation_bytes: allocated.zip(active).filter(|_| counted).map(|(a, b)| (b - a).max(0.0)),
        allocator: infos.first().and_then(|i| i.get("mem_allocator").cloned()),
    }
}

/// Whether the allocator counts its pages: jemalloc does. The C library's tells resident memory for them, which says nothing.
pub(crate) fn counts_pages(info: &Info) -> bool {
    info.get("mem_allocator").is_some_and(|a| a.starts_with("jemalloc"))
}

/// Replicas of a primary: `slave0:ip=…,port=…,state=online,offset=…,lag=0`.
pub(crate) fn replicas(info: &Info) -> Vec<CacheReplica> {
    let offset = number(info, "master_repl_offset");
    let mut all: Vec<(u32, CacheReplica)> = info
        .iter()
        .filter_map(|(name, value)| {
            let number = name.strip_prefix("slave")?.parse().ok()?;
            let figure = |name: &str| part(value, name).and_then(|n| n.parse::<f64>().ok());
            let address = format!("{}:{}", part(value, "ip")?, part(value, "port")?);
            let behind_bytes = offset.zip(figure("offset")).map(|(all, has)| (all - has).max(0.0));
            let state = part(value, "state").unwrap_or("unknown").to_owned();
            // -1 is one that never acknowledged anything.
            let lag_s = figure("lag").filter(|lag| *lag >= 0.0);
            Some((number, CacheReplica { address, state, lag_s, behind_bytes }))
        })
        .collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, replica)| replica).collect()
}

/// The link of a replica to its primary.
pub(crate) fn link(info: &Info) -> Option<CacheLink> {
    let address = format!("{}:{}", info.get("master_host")?, info.get("master_port")?);
    Some(CacheLink {
        address,
        up: info.get("master_link_status").is_some_and(|s| s == "up"),
        syncing: info.get("master_sync_in_progress").is_some_and(|s| s == "1"),
        silent_s: number(info, "master_last_io_seconds_ago").filter(|s| *s >= 0.0),
    })
}

/// When a snapshot was last written. A server takes the moment at which it began for one, which is none.
fn saved_ms(info: &Info) -> Option<f64> {
    let at = number(info, "rdb_last_save_time").filter(|s| *s > 0.0)?;
    // Counted since the server began, from 7.0 on; before that the moments are compared.
    let never = match number(info, "rdb_saves") {
        Some(saves) => saves == 0.0,
        None => {
            let now = number(info, "server_time_usec")? / 1e6;
            (now - number(info, "uptime_in_seconds")? - at).abs() <= 2.0
        }
    };
    (!never).then_some(at * 1e3)
}

/// What a server keeps on disk.
pub(crate) fn persistence(info: &Info) -> CachePersistence {
    let is = |name: &str, value: &str| info.get(name).map(|v| v == value);
    CachePersistence {
        loading: is("loading", "1") == Some(true),
        saved_ms: saved_ms(info),
        changes: number(info, "rdb_changes_since_last_save"),
        save_ok: is("rdb_last_bgsave_status", "ok"),
        saving: is("rdb_bgsave_in_progress", "1") == Some(true),
        log: is("aof_enabled", "1"),
        log_ok: is("aof_last_write_status", "ok"),
        rewrite_ok: is("aof_last_bgrewrite_status", "ok"),
        fork_s: number(info, "latest_fork_usec").filter(|us| *us > 0.0).map(|us| us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::fields;

    #[test]
    fn the_moment_at_which_a_server_began_is_no_snapshot() {
        let saved = |text: &str| persistence(&fields(text)).saved_ms;
        assert_eq!(saved("rdb_last_save_time:1000\r\nrdb_saves:0\r\n"), None, "none since it began");
        assert_eq!(saved("rdb_last_save_time:1000\r\nrdb_saves:2\r\n"), Some(1e6));
        let old =
            |up: u32| format!("rdb_last_save_time:1000\r\nserver_time_usec:9000000000\r\nuptime_in_seconds:{up}\r\n");
        assert_eq!(saved(&old(8_000)), None, "6.2 began then");
        assert_eq!(saved(&old(8_500)), Some(1e6), "and here it ran before");
    }

    #[test]
    fn sizes_are_summed_over_databases_and_servers() {
        let one = fields(
            "db0_distrib_strings_sizes:1=3,4K=1\r\ndb2_distrib_strings_sizes:1=2\r\ndb0_distrib_lists_items:8=5\r\n",
        );
        let two = fields("db0_distrib_strings_sizes:1M=1\r\ndb0:keys=1,expires=0\r\n");
        let types = sizes(&[&one, &two]);
        let strings = &types[0];
        let found: Vec<(f64, u64)> = strings.sizes.iter().map(|s| (s.from, s.keys)).collect();
        assert_eq!(found, [(1.0, 5), (4096.0, 1), (1_048_576.0, 1)], "{types:?}");
        assert!(strings.in_bytes && strings.keys == 7 && !types[1].in_bytes, "lists are of elements: {types:?}");
    }

    #[test]
    fn what_is_not_told_is_not_zero() {
        let bare = fields("redis_version:6.2.5\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n");
        let memory = memory(&[&bare]);
        assert_eq!((memory.used_bytes, memory.limit_bytes, memory.fragmentation), (None, None, None), "{memory:?}");
        assert_eq!(databases(&bare)[0].mean_ttl_ms, None, "no key expires");
        assert_eq!(persistence(&bare).save_ok, None, "nothing is told of it");
        let half = fields("used_memory:5\r\nmaxmemory:9\r\n");
        assert_eq!(super::memory(&[&half, &bare]).limit_bytes, None, "one primary has no limit");
    }

    #[test]
    fn an_allocator_that_counts_no_pages_has_no_fragmentation() {
        let of = |allocator: &str| {
            let text =
                format!("allocator_allocated:1025000\r\nallocator_active:6389760\r\nmem_allocator:{allocator}\r\n");
            memory(&[&fields(&text)]).fragmentation.is_some()
        };
        assert!(
            of("jemalloc-5.3.0") && !of("libc"),
            "Valkey with the C library's says 6.2 of a server that holds nothing"
        );
    }

    #[test]
    fn a_script_s_error_code_is_not_passed_on() {
        let info = fields("errorstat_WRONGTYPE:count=3\r\nerrorstat_jane@example.org:count=2\r\n");
        let codes: Vec<(String, u64)> = errors(&[&info]).into_iter().map(|e| (e.code, e.count)).collect();
        assert_eq!(codes, [("WRONGTYPE".to_owned(), 3), ("of a script".to_owned(), 2)]);
    }
}
