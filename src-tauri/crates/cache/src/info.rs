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

/// Product and version from INFO.
pub(crate) fn product(info: &HashMap<String, String>) -> String {
    match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(v), _) => format!("Valkey {v}"),
        (None, Some(v)) => format!("Redis {v}"),
        _ => "Redis-compatible".to_owned(),
    }
}
