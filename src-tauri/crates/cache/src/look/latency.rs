//! What held a server up, by its latency monitor, and what its doctor says of it.
use perfdeck_model::{CacheLatencyEvent, CacheLatencySpike, CacheUnknown};
use redis::Value;

use super::ask::{Answer, Door};
use super::masked::shown;

/// Most events whose history is asked for.
const EVENTS: usize = 8;
/// Longest words of a doctor, in bytes.
const WORDS: usize = 4096;

/// Memory, as the machine counts it, up to which a server is asked for its doctor's words: they look for large pages in the map of all of it, which
/// takes a millisecond and 20 µs to 40 µs for each MiB (Redis 7.0), and it serves nobody meanwhile.
const DOCTOR_BYTES: f64 = 48.0 * 1024.0 * 1024.0;

/// What one server tells.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) events: Vec<CacheLatencyEvent>,
    /// The doctor's words, where the monitor is on.
    pub(crate) doctor: Option<String>,
    pub(crate) unknown: Vec<CacheUnknown>,
}

/// What is known of a doctor.
enum Doctor {
    Said(String),
    /// The monitor is off.
    Off,
    /// The server has so much memory that it is not asked.
    Spared,
    /// The monitor is on, or that is not known.
    Quiet,
}

/// What the doctor says of a server with so much memory.
async fn doctor(door: &Door<'_>, memory: Option<f64>) -> Answer<Doctor> {
    if memory.is_some_and(|bytes| bytes <= DOCTOR_BYTES) {
        let words = door.ask::<String>(&["LATENCY", "DOCTOR"], "+latency|doctor").await?;
        return Ok(if is_off(&words) { Doctor::Off } else { said(&words).map_or(Doctor::Quiet, Doctor::Said) });
    }
    let threshold = door.ask::<Vec<String>>(&["CONFIG", "GET", "latency-monitor-threshold"], "+config|get").await;
    Ok(match threshold.ok().as_deref() {
        Some([_, threshold]) if threshold == "0" => Doctor::Off,
        _ => Doctor::Spared,
    })
}

/// Asks for the events and for the doctor's words. `memory` is what the machine gave the server, in bytes.
pub(crate) async fn latency(door: &Door<'_>, memory: Option<f64>) -> Latency {
    let (latest, doctor) = tokio::join!(
        door.ask::<Vec<(String, f64, f64, f64)>>(&["LATENCY", "LATEST"], "+latency|latest"),
        doctor(door, memory),
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
        Ok(Doctor::Off) => found.unknown.push(CacheUnknown {
            part: "Latency spikes".to_owned(),
            reason: format!("the latency monitor of {} is off", door.host),
            grant: None,
            fix: Some("CONFIG SET latency-monitor-threshold 100".to_owned()),
        }),
        Ok(Doctor::Said(words)) => found.doctor = Some(words),
        // Where there are events there would be words.
        Ok(Doctor::Spared) if !found.events.is_empty() => found.unknown.push(CacheUnknown {
            part: "Latency doctor".to_owned(),
            reason: format!(
                "{} has too much memory to be asked: it would serve nobody for longer than 5 ms",
                door.host
            ),
            grant: None,
            fix: Some("LATENCY DOCTOR".to_owned()),
        }),
        Ok(Doctor::Spared | Doctor::Quiet) => {}
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
