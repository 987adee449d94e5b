//! What held a server up, by its latency monitor, and what its doctor says of it.
use perfdeck_model::{CacheLatencyEvent, CacheLatencySpike, CacheUnknown};
use redis::Value;

use super::ask::Door;
use super::masked::shown;

/// Most events whose history is asked for.
const EVENTS: usize = 8;
/// Longest words of a doctor, in bytes.
const WORDS: usize = 4096;

/// What one server tells.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) events: Vec<CacheLatencyEvent>,
    /// The doctor's words, where the monitor is on.
    pub(crate) doctor: Option<String>,
    pub(crate) unknown: Vec<CacheUnknown>,
}

/// Asks for the events and for the doctor's words.
pub(crate) async fn latency(door: &Door<'_>) -> Latency {
    let (latest, doctor) = tokio::join!(
        door.ask::<Vec<(String, f64, f64, f64)>>(&["LATENCY", "LATEST"], "+latency|latest"),
        door.ask::<String>(&["LATENCY", "DOCTOR"], "+latency|doctor"),
    );
    let mut found = Latency::default();
    match latest {
        Ok(latest) => {
            for (name, at_s, latest_ms, longest_ms) in latest.into_iter().take(EVENTS) {
                let history = door.ask::<Value>(&["LATENCY", "HISTORY", &name], "+latency|history").await;
                found.events.push(CacheLatencyEvent {
                    node: door.host.to_string(),
                    name: shown(name.as_bytes()),
                    at_ms: at_s * 1e3,
                    latest_s: latest_ms / 1e3,
                    longest_s: longest_ms / 1e3,
                    history: history.map(|h| spikes(&h)).unwrap_or_default(),
                });
            }
        }
        Err(why) => found.unknown.push(why.of("Latency spikes")),
    }
    match doctor {
        Ok(words) if is_off(&words) => found.unknown.push(CacheUnknown {
            part: "Latency spikes".to_owned(),
            reason: format!("the latency monitor of {} is off", door.host),
            grant: None,
            fix: Some("CONFIG SET latency-monitor-threshold 100".to_owned()),
        }),
        Ok(words) => found.doctor = said(&words),
        Err(why) => found.unknown.push(why.of("Latency doctor")),
    }
    found
}

/// Whether the doctor says that nothing is watched.
fn is_off(words: &str) -> bool {
    words.contains("Latency monitoring is disabled")
}

/// The doctor's words line by line, without what would drive a terminal; `None` where it has seen nothing.
fn said(words: &str) -> Option<String> {
    if words.contains("no latency spike was observed") || words.trim().is_empty() {
        return None;
    }
    let mut text = String::new();
    for line in words.lines() {
        if text.len() + line.len() > WORDS {
            break;
        }
        text.push_str(&shown(line.as_bytes()));
        text.push('\n');
    }
    Some(text.trim().to_owned())
}

/// Pairs of a time in seconds and milliseconds that it lasted.
fn spikes(history: &Value) -> Vec<CacheLatencySpike> {
    let Value::Array(all) = history else { return Vec::new() };
    let pair = |value: &Value| match value {
        Value::Array(pair) => match pair.as_slice() {
            [Value::Int(at), Value::Int(ms), ..] => {
                Some(CacheLatencySpike { at_ms: *at as f64 * 1e3, seconds: *ms as f64 / 1e3 })
            }
            _ => None,
        },
        _ => None,
    };
    all.iter().filter_map(pair).take(160).collect()
}
