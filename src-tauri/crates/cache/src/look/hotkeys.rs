//! Keys that cost most, as a server counts them itself for a short time (HOTKEYS, from Redis 8.6 on): at most 64 of them, with the CPU time that
//! went into each.
//!
//! A server has one such count. Beginning one drops the last, so that none is begun where somebody has one: theirs is read, and left as it is.
//! Ours ends by itself, whatever becomes of us, and is dropped when it was read.
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use perfdeck_model::{ApiError, CacheHeat, CacheHeatMethod, CacheHeatNamespace, CacheHotKey, Clock};
use redis::Value;

use super::ask::{Answer, Door};
use super::hot::{KEYS, NAMESPACES};
use super::{Asks, CacheReader, shown, versions};
use crate::collector::prefix;
use crate::values::servers::bytes;

/// Keys that are counted at most: as many as a server does.
const COUNT: &str = "64";
/// Seconds after which a count of ours ends by itself, beyond what it is wanted for.
const MORE: u64 = 5;
/// Longest time that is counted, in seconds.
const MOST: f64 = 10.0;

/// What one server counted.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    /// CPU time of each key in microseconds, or its bytes where somebody counts those alone.
    keys: Vec<(Vec<u8>, f64)>,
    /// The same of all keys.
    all: f64,
    seconds: f64,
}

/// Fields of an answer: pairs, as a map or one after the other. Since its release Redis 8.6 puts them into a list of one.
fn fields(value: Value) -> Option<BTreeMap<String, Value>> {
    let name = |value: &Value| bytes(value).map(|name| String::from_utf8_lossy(name).into_owned());
    match value {
        Value::Array(mut one) if one.len() == 1 => fields(one.remove(0)),
        Value::Map(pairs) => pairs.into_iter().map(|(key, value)| Some((name(&key)?, value))).collect(),
        Value::Array(all) => {
            let mut all = all.into_iter();
            let mut fields = BTreeMap::new();
            while let (Some(key), Some(value)) = (all.next(), all.next()) {
                fields.insert(name(&key)?, value);
            }
            Some(fields)
        }
        _ => None,
    }
}

impl Counted {
    /// Reads an answer to HOTKEYS GET. Names of fields as they are documented, and as the first builds had them (`by-cpu-time`, milliseconds).
    fn of(value: Value) -> Option<Self> {
        let fields = fields(value)?;
        let number = |name: &str| match fields.get(name) {
            Some(Value::Int(n)) => Some(*n as f64),
            _ => None,
        };
        let by = |name: &str| match fields.get(name) {
            Some(Value::Array(all)) => Some(all.as_slice()),
            _ => None,
        };
        let cpu = || number("all-commands-all-slots-us").or_else(|| Some(1e3 * number("all-commands-all-slots-ms")?));
        let (list, all) = match by("by-cpu-time-us").or_else(|| by("by-cpu-time")) {
            Some(list) => (list, cpu()?),
            None => (by("by-net-bytes")?, number("net-bytes-all-commands-all-slots")?),
        };
        let key = |pair: &[Value]| match pair {
            [name, Value::Int(n)] => Some((bytes(name)?.to_vec(), *n as f64)),
            _ => None,
        };
        let keys: Vec<(Vec<u8>, f64)> = list.chunks(2).map(key).collect::<Option<_>>()?;
        let listed: f64 = keys.iter().map(|(_, n)| n).sum();
        Some(Self { keys, all: all.max(listed), seconds: number("collection-duration-ms").unwrap_or(0.0) / 1e3 })
    }
}

/// What a server counts for so long; `None` where it has no such command.
async fn counted(door: &Door<'_>, time: Duration) -> Answer<Option<Counted>> {
    // It is asked whether it knows it: an unknown command would stand in its counts of errors.
    let known = door.ask::<Value>(&["COMMAND", "INFO", "HOTKEYS"], "+command|info").await?;
    if matches!(&known, Value::Array(all) if matches!(all.as_slice(), [] | [Value::Nil])) || known == Value::Nil {
        return Ok(None);
    }
    let get = async || door.ask::<Value>(&["HOTKEYS", "GET"], "+hotkeys").await;
    match get().await? {
        Value::Nil => {}
        somebodys => return Ok(Counted::of(somebodys)),
    }
    let ends = (time.as_secs() + MORE).to_string();
    let begin = ["HOTKEYS", "START", "METRICS", "1", "CPU", "COUNT", COUNT, "DURATION", &ends];
    door.ask::<Value>(&begin, "+hotkeys").await?;
    tokio::time::sleep(time).await;
    let found = get().await;
    // Left alone it ends by itself.
    for word in ["STOP", "RESET"] {
        drop(door.ask::<Value>(&["HOTKEYS", word], "+hotkeys").await);
    }
    Ok(Counted::of(found?))
}

impl CacheReader {
    /// The keys that cost most within `seconds` (at most 10), where all servers count that themselves; `None` where one does not, or does not
    /// let this user.
    ///
    /// # Errors
    /// When no server can be reached.
    pub async fn hot_keys(&mut self, seconds: f64, clock: &dyn Clock) -> Result<Option<CacheHeat>, ApiError> {
        let at_ms = clock.now_ms();
        let reading = self.read(clock, Asks::Info).await?;
        let time = Duration::from_secs_f64(seconds.clamp(0.1, MOST));
        let target = &self.target;
        let work = self.open.iter().map(|(host, connection)| async move {
            counted(&Door { target, host, connection: connection.clone() }, time).await
        });
        let mut all = Counted::default();
        for found in join_all(work).await {
            let Ok(Some(found)) = found else { return Ok(None) };
            all.keys.extend(found.keys);
            (all.all, all.seconds) = (all.all + found.all, all.seconds.max(found.seconds));
        }
        Ok(Some(heat(all, at_ms, versions(&reading.told))))
    }
}

/// What the keys tell of their namespaces: each has at least the share of those that were listed, and at most what is listed of no other.
fn heat(all: Counted, at_ms: f64, version: String) -> CacheHeat {
    let mut spaces: BTreeMap<Option<String>, (u64, f64)> = BTreeMap::new();
    let mut keys = all.keys;
    keys.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (name, cost) in &keys {
        let space = spaces.entry(prefix(name)).or_default();
        *space = (space.0 + 1, space.1 + cost);
    }
    let share = |cost: f64| if all.all > 0.0 { cost / all.all } else { 0.0 };
    let unlisted = 1.0 - share(spaces.values().map(|(_, cost)| cost).sum());
    let mut namespaces: Vec<CacheHeatNamespace> = spaces
        .into_iter()
        .map(|(name, (seen, cost))| CacheHeatNamespace {
            name: name.map(|name| format!("{name}:*")),
            seen,
            share: share(cost),
            share_low: Some(share(cost)),
            share_high: Some((share(cost) + unlisted).min(1.0)),
            mean_counter: None,
            reads_per_s: None,
            writes_per_s: None,
            hit_ratio_at_most: None,
        })
        .collect();
    namespaces.sort_by(|a, b| b.share.total_cmp(&a.share));
    let left_out = namespaces.len().saturating_sub(NAMESPACES) as u64;
    namespaces.truncate(NAMESPACES);
    let sampled = keys.len() as u64;
    keys.truncate(KEYS);
    CacheHeat {
        at_ms,
        method: CacheHeatMethod::Hotkeys,
        took_s: all.seconds,
        version,
        sampled,
        ended_by: None,
        namespaces,
        left_out,
        keys: keys.into_iter().map(|(name, uses)| CacheHotKey { name: shown(&name), uses }).collect(),
        unknown: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    /// An answer of Redis 8.6.5 as it was captured publicly, but for the names of its keys.
    fn captured() -> Vec<(Value, Value)> {
        let number = |n| Value::Int(n);
        let keys = |a, b| Value::Array(vec![text("user:1"), number(a), text("cart:2"), number(b)]);
        vec![
            (text("tracking-active"), number(0)),
            (text("sample-ratio"), number(1)),
            (text("selected-slots"), Value::Array(vec![Value::Array(vec![number(0), number(16_383)])])),
            (text("all-commands-all-slots-us"), number(6_963)),
            (text("net-bytes-all-commands-all-slots"), number(16_834_000)),
            (text("collection-start-time-unix-ms"), number(1_787_154_094_702)),
            (text("collection-duration-ms"), number(3_013)),
            (text("total-cpu-time-user-ms"), number(23)),
            (text("total-cpu-time-sys-ms"), number(46)),
            (text("total-net-bytes"), number(16_834_000)),
            (text("by-cpu-time-us"), keys(6_836, 127)),
            (text("by-net-bytes"), keys(16_296_000, 538_000)),
        ]
    }

    #[test]
    fn what_a_server_counted_is_read_in_all_its_shapes() {
        let flat: Vec<Value> = captured().into_iter().flat_map(|(a, b)| [a, b]).collect();
        let shapes = [
            Value::Array(vec![Value::Map(captured())]),
            Value::Array(vec![Value::Array(flat.clone())]),
            Value::Array(flat.clone()),
        ];
        for shape in shapes {
            let read = Counted::of(shape).expect("it is read");
            assert_eq!(read.keys, [(b"user:1".to_vec(), 6_836.0), (b"cart:2".to_vec(), 127.0)]);
            assert!((read.all - 6_963.0).abs() < 0.5 && (read.seconds - 3.013).abs() < 1e-9, "{read:?}");
        }
        let bytes_only: Vec<Value> =
            flat.chunks(2).filter(|p| p[0] != text("by-cpu-time-us")).flatten().cloned().collect();
        let read = Counted::of(Value::Array(bytes_only)).expect("by bytes, where somebody counts those");
        assert!((read.all - 16_834_000.0).abs() < 0.5, "{read:?}");
        for none in [Value::Nil, Value::Array(Vec::new()), text("OK"), Value::Array(vec![Value::Int(1), Value::Int(2)])]
        {
            assert!(Counted::of(none.clone()).is_none(), "{none:?} is no count");
        }
    }

    #[test]
    fn namespaces_have_at_least_what_is_listed_of_them() {
        let counted = Counted {
            keys: vec![(b"cart:2".to_vec(), 100.0), (b"user:1".to_vec(), 500.0), (b"user:2".to_vec(), 200.0)],
            all: 1_000.0,
            seconds: 2.0,
        };
        let heat = heat(counted, 0.0, "Redis 8.6".to_owned());
        let user = &heat.namespaces[0];
        assert_eq!((user.name.as_deref(), user.seen), (Some("user:*"), 2));
        let (low, high) = user.share_low.zip(user.share_high).expect("bounds");
        assert!((low - 0.7).abs() < 1e-9 && (high - 0.9).abs() < 1e-9, "a fifth is not listed: {user:?}");
        assert_eq!((heat.keys[0].name.as_str(), heat.sampled), ("user:1", 3));
    }
}
