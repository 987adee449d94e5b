//! What a server answers to INFO.
use std::collections::HashMap;

/// Fields of an INFO answer by their names.
pub(crate) type Info = HashMap<String, String>;

/// Fields of an INFO answer.
pub(crate) fn fields(info: &str) -> Info {
    info.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()
}

/// All keys of all databases, and those of them that expire. Exact: the server counts both.
pub(crate) fn keys(info: &HashMap<String, String>) -> (u64, u64) {
    let mut sum = (0, 0);
    for (name, value) in info {
        if name.strip_prefix("db").is_none_or(|n| n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit())) {
            continue;
        }
        for part in value.split(',') {
            match part.split_once('=') {
                Some(("keys", n)) => sum.0 += n.parse::<u64>().unwrap_or(0),
                Some(("expires", n)) => sum.1 += n.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
    sum
}

/// Of how many keys one must expire for a policy that evicts only such keys to make room for more than a moment.
const ENOUGH: u64 = 1_000;

/// Whether a policy takes only keys that expire, and there is none of them, or next to none: then nothing is evicted at the limit.
pub(crate) fn nothing_to_evict(info: &Info) -> bool {
    let (all, expiring) = keys(info);
    info.get("maxmemory_policy").is_some_and(|policy| policy.starts_with("volatile"))
        && all > 0
        && expiring.saturating_mul(ENOUGH) < all
}

/// Whether a server makes room at its limit, as far as INFO tells.
pub(crate) fn evicts(info: &Info) -> bool {
    info.get("maxmemory_policy").is_some_and(|policy| policy != "noeviction") && !nothing_to_evict(info)
}

/// Whether the server is a node of a cluster, which has only a part of its keys.
pub(crate) fn one_of_many(info: &Info) -> bool {
    info.get("cluster_enabled").is_some_and(|on| on == "1")
}

/// Product and version from INFO.
pub(crate) fn product(info: &HashMap<String, String>) -> String {
    match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(v), _) => format!("Valkey {v}"),
        (None, Some(v)) => format!("Redis {v}"),
        _ => "Redis-compatible".to_owned(),
    }
}
