//! The logs of a server: commands that took long, and where it keeps them, those whose request or reply was large.
use perfdeck_model::{CacheSlowEntry, CacheSlowKind, CacheUnknown};
use redis::Value;

use super::ask::{Answer, Door, Unanswered};
use super::masked::{masked, shown};

/// Entries of each log that are asked for.
pub(crate) const ASKED: u64 = 128;
/// How the names of Perfdeck's own connections begin.
pub(crate) const OWN: &str = "perfdeck";
/// Longest name or address that is passed on, in characters.
const TEXT: usize = 128;

/// What one server keeps.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    pub(crate) entries: Vec<CacheSlowEntry>,
    pub(crate) own: u32,
    /// Entries of all its logs.
    pub(crate) kept: u64,
    pub(crate) slower_than_s: Option<f64>,
    /// Whether it logs sizes.
    pub(crate) sizes: bool,
    pub(crate) unknown: Vec<CacheUnknown>,
}

/// An answer in bytes, whatever it is made of.
fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Int(n) => Some(*n),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    let text: String = shown(bytes(value?)?).chars().take(TEXT).collect();
    (!text.is_empty()).then_some(text)
}

/// CPU time behind the seventh field, in seconds: Redis 8.12 is said to add it, and could not be run for this. What is longer than the
/// command itself is something else.
fn cpu_s(fields: &[Value], usec: f64) -> Option<f64> {
    integer(fields.get(7)).map(|cpu| cpu as f64).filter(|cpu| (0.0..=usec).contains(cpu)).map(|cpu| cpu / 1e6)
}

/// One entry: number, time, how much, words, address and name of the client. Redis 8.10 adds how many words there were.
fn entry(value: &Value, kind: CacheSlowKind, node: &str) -> Option<CacheSlowEntry> {
    let Value::Array(fields) = value else { return None };
    let amount = integer(fields.get(2))? as f64;
    let Some(Value::Array(arguments)) = fields.get(3) else { return None };
    let arguments: Vec<Vec<u8>> = arguments.iter().filter_map(|a| bytes(a).map(<[u8]>::to_vec)).collect();
    let (command, words, words_left_out) = masked(&arguments);
    let timed = kind == CacheSlowKind::Slow;
    Some(CacheSlowEntry {
        kind,
        id: u64::try_from(integer(fields.first())?).ok()?,
        node: node.to_owned(),
        at_ms: integer(fields.get(1))? as f64 * 1e3,
        seconds: timed.then_some(amount / 1e6),
        cpu_s: cpu_s(fields, amount).filter(|_| timed),
        bytes: (!timed).then_some(amount),
        command,
        words,
        words_left_out,
        client: text(fields.get(4)),
        client_name: text(fields.get(5)),
    })
}

/// Entries of a reply, Perfdeck's own counted and left out.
fn entries(reply: &Value, kind: CacheSlowKind, node: &str) -> (Vec<CacheSlowEntry>, u32) {
    let Value::Array(all) = reply else { return (Vec::new(), 0) };
    let all: Vec<CacheSlowEntry> = all.iter().filter_map(|value| entry(value, kind, node)).collect();
    let count = all.len();
    let is_own = |e: &CacheSlowEntry| e.client_name.as_ref().is_some_and(|name| name.starts_with(OWN));
    let others: Vec<CacheSlowEntry> = all.into_iter().filter(|e| !is_own(e)).collect();
    let own = u32::try_from(count - others.len()).unwrap_or(u32::MAX);
    (others, own)
}

/// The newest entries of the log of times, and how many are Perfdeck's own.
pub(crate) async fn slow(door: &Door<'_>, count: u64) -> Answer<(Vec<CacheSlowEntry>, u32)> {
    let reply: Value = door.ask(&["SLOWLOG", "GET", &count.to_string()], "+slowlog|get").await?;
    Ok(entries(&reply, CacheSlowKind::Slow, &door.host.to_string()))
}

/// All logs of a server.
pub(crate) async fn logs(door: &Door<'_>) -> Logs {
    let count = ASKED.to_string();
    let large = |kind: &'static str| {
        let count = count.clone();
        async move { door.ask::<Value>(&["COMMANDLOG", "GET", &count, kind], "+commandlog|get").await }
    };
    let asked = (
        slow(door, ASKED),
        large("large-request"),
        large("large-reply"),
        door.ask::<u64>(&["SLOWLOG", "LEN"], "+slowlog|len"),
        door.ask::<Vec<String>>(&["CONFIG", "GET", "*log*slower-than"], "+config|get"),
    );
    let (slow, request, reply, length, threshold) = tokio::join!(asked.0, asked.1, asked.2, asked.3, asked.4);
    let mut logs = Logs::default();
    match slow {
        Ok((entries, own)) => {
            let listed = entries.len() as u64 + u64::from(own);
            logs.kept = length.unwrap_or(listed).max(listed);
            (logs.entries, logs.own) = (entries, own);
        }
        Err(why) => logs.unknown.push(why.of("Slow log")),
    }
    logs.sizes = !matches!(reply, Err(Unanswered::Never { .. }));
    let node = door.host.to_string();
    for (answer, kind, part) in
        [(request, CacheSlowKind::LargeRequest, "Large requests"), (reply, CacheSlowKind::LargeReply, "Large replies")]
    {
        match answer {
            Ok(value) => {
                let (entries, own) = entries(&value, kind, &node);
                logs.kept += entries.len() as u64 + u64::from(own);
                logs.own += own;
                logs.entries.extend(entries);
            }
            // A server that keeps no log of sizes says so once, and not as something that is missing.
            Err(Unanswered::Never { .. }) => {}
            Err(why) => logs.unknown.push(why.of(part)),
        }
    }
    // The threshold is a nicety: an account that may not read settings misses nothing of the log.
    logs.slower_than_s = threshold.ok().and_then(|t| slower_than(&t));
    logs
}

/// The threshold among settings that were asked for by a pattern, in seconds; `None` where nothing is logged.
fn slower_than(settings: &[String]) -> Option<f64> {
    let value = settings.chunks(2).find(|pair| {
        matches!(pair.first().map(String::as_str), Some("slowlog-log-slower-than" | "commandlog-execution-slower-than"))
    });
    value?.get(1)?.parse::<f64>().ok().filter(|us| *us >= 0.0).map(|us| us / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(name: &str, extra: &[i64]) -> Value {
        let bulk = |text: &str| Value::BulkString(text.into());
        let mut fields = vec![
            Value::Int(4),
            Value::Int(1_700_000_000),
            Value::Int(15_000),
            Value::Array(vec![bulk("SET"), bulk("k"), bulk("secret")]),
            bulk("10.0.0.7:4711"),
            bulk(name),
        ];
        fields.extend(extra.iter().map(|n| Value::Int(*n)));
        Value::Array(fields)
    }

    #[test]
    fn entries_are_read_whatever_a_server_adds() {
        let reply = Value::Array(vec![
            entry_of("worker", &[3, 9_000]),
            entry_of("perfdeck-scan", &[]),
            entry_of("", &[3]),
            Value::Nil,
        ]);
        let (all, own) = entries(&reply, CacheSlowKind::Slow, "h:1");
        assert_eq!((all.len(), own), (2, 1), "our own is counted and not listed");
        assert_eq!((all[0].seconds, all[0].client_name.as_deref()), (Some(0.015), Some("worker")));
        assert_eq!(all[0].cpu_s, Some(0.009), "the CPU time behind it");
        assert_eq!(all[1].cpu_s, None, "the seventh field of Redis 8.10 is a number of words, not a time");
        assert!(!format!("{all:?}").contains("secret"), "no value of anybody: {all:?}");
    }

    #[test]
    fn the_threshold_has_two_names() {
        let of = |pairs: &[&str]| slower_than(&pairs.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["slowlog-log-slower-than", "10000"]), Some(0.01));
        assert_eq!(of(&["commandlog-execution-slower-than", "500", "slowlog-log-slower-than", "500"]), Some(5e-4));
        assert_eq!(of(&["slowlog-log-slower-than", "-1"]), None, "nothing is logged");
    }
}
