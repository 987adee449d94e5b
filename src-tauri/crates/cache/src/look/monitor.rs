//! What is used in a short time, by the commands themselves (MONITOR). A server sends each command to whoever watches, which costs it about
//! half of what it can do: it is asked for, has a cap of time and of bytes, and ends with its connection, whatever becomes of us.
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheHeat, CacheHeatMethod, CacheHeatNamespace, CacheHotKey, CacheMode, CacheTarget, Clock, HostPort,
    Sensitive,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::ask::{Door, Unanswered};
use super::hot::{KEYS, NAMESPACES};
use super::masked::key_names;
use super::{Asks, CacheReader, clients, shown, told, versions};
use crate::collector::prefix;
use crate::connect::{Purpose, Way, explain};
use crate::own;

/// Time that is watched where none is given, in seconds.
pub const USUAL_SECONDS: f64 = 2.0;
/// Longest time that is watched, in seconds.
pub const MOST_SECONDS: f64 = 10.0;
/// Most bytes that are read, over all servers.
const BYTES: usize = 8 * 1024 * 1024;
/// Most keys that are remembered; uses of others are counted for their namespace.
const REMEMBERED: usize = 100_000;
/// Longest line that is read, in bytes: what is behind it is passed over.
const LINE: usize = 16 * 1024;

/// What was seen of one namespace.
#[derive(Debug, Default)]
struct Seen {
    reads: u64,
    writes: u64,
    /// Reads after which the same key was written: they were misses.
    filled: u64,
}

/// What was seen of one server, or of all.
#[derive(Debug, Default)]
struct Watched {
    commands: u64,
    seconds: f64,
    namespaces: HashMap<Option<String>, Seen>,
    keys: HashMap<Vec<u8>, u64>,
    /// Keys that were read and not written since.
    read: HashSet<Vec<u8>>,
    full: bool,
}

/// A command that was seen.
struct Line {
    database: Vec<u8>,
    /// Address of the client.
    client: Vec<u8>,
    words: Vec<Vec<u8>>,
}

/// Reads a line such as `1339518083.107412 [0 127.0.0.1:60866] "get" "key\x00"`.
fn line(text: &[u8]) -> Option<Line> {
    let open = text.iter().position(|b| *b == b'[')?;
    let close = open + text[open..].iter().position(|b| *b == b']')?;
    let mut about = text[open + 1..close].split(|b| *b == b' ');
    let (database, client) = (about.next()?.to_vec(), about.next()?.to_vec());
    let mut words = Vec::new();
    let mut rest = &text[close + 1..];
    while let Some(begin) = rest.iter().position(|b| *b == b'"') {
        let mut word = Vec::new();
        let mut at = begin + 1;
        loop {
            match (rest.get(at)?, rest.get(at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(b'x')) => {
                    let digits = std::str::from_utf8(rest.get(at + 2..at + 4)?).ok()?;
                    word.push(u8::from_str_radix(digits, 16).ok()?);
                    at += 4;
                }
                (b'\\', Some(escaped)) => {
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'a' => 7,
                        b'b' => 8,
                        other => *other,
                    });
                    at += 2;
                }
                (other, _) => {
                    word.push(*other);
                    at += 1;
                }
            }
        }
        words.push(word);
        rest = &rest[at + 1..];
    }
    Some(Line { database, client, words })
}

impl Watched {
    /// Counts a line, unless it is of Perfdeck's own or of another database than `of`: a server tells of all.
    fn take(&mut self, text: &[u8], ours: &HashSet<String>, of: &str) {
        let Some(Line { database, client, words }) = line(text) else { return };
        if database != of.as_bytes() {
            return;
        }
        if ours.contains(String::from_utf8_lossy(&client).as_ref()) {
            return;
        }
        self.commands += 1;
        let Some(first) = words.first() else { return };
        let name = String::from_utf8_lossy(first).to_lowercase();
        let reads = own::looks_up(&name)
            || matches!(name.as_str(), "mget" | "getex" | "smismember" | "zrangebyscore" | "zrevrange");
        for key in key_names(&words) {
            let seen = self.namespaces.entry(prefix(key)).or_default();
            if reads {
                seen.reads += 1;
                if self.read.len() < REMEMBERED {
                    self.read.insert(key.to_vec());
                }
            } else {
                seen.writes += 1;
                // Only what stores a value fills; a key that is removed after it was read was there.
                if matches!(name.as_str(), "set" | "setex" | "psetex" | "setnx" | "hset" | "hmset" | "mset")
                    && self.read.remove(key)
                {
                    seen.filled += 1;
                }
            }
            if let Some(uses) = self.keys.get_mut(key) {
                *uses += 1;
            } else if self.keys.len() < REMEMBERED {
                self.keys.insert(key.to_vec(), 1);
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.seconds = self.seconds.max(other.seconds);
        self.full |= other.full;
        for (name, seen) in other.namespaces {
            let sum = self.namespaces.entry(name).or_default();
            (sum.reads, sum.writes, sum.filled) =
                (sum.reads + seen.reads, sum.writes + seen.writes, sum.filled + seen.filled);
        }
        for (key, uses) in other.keys {
            *self.keys.entry(key).or_default() += uses;
        }
    }
}

/// Watches one server for so long, or so many bytes.
async fn watch(
    target: CacheTarget,
    host: HostPort,
    password: Option<Sensitive>,
    ours: HashSet<String>,
    (time, most): (Duration, usize),
) -> Result<Watched, Unanswered> {
    let missed = |e: &redis::RedisError| Unanswered::Missed { reason: explain(&target, &host, e).message };
    let way = Way::to(&target, password.as_ref()).await.map_err(|e| Unanswered::Missed { reason: e.message })?;
    let mut stream = way.spoken(&host, Purpose::Watch).await.map_err(|e| missed(&e))?;
    let io = |e: std::io::Error| missed(&e.into());
    stream.write_all(b"*1\r\n$7\r\nMONITOR\r\n").await.map_err(io)?;
    let path = target.address.path.trim_start_matches('0');
    let of = if target.mode == CacheMode::Cluster || path.is_empty() { "0" } else { path };
    let (started, mut seen, mut bytes) = (Instant::now(), Watched::default(), 0);
    let (mut buffer, mut begun, mut answered) = (vec![0; 64 * 1024], Vec::new(), false);
    while let Some(left) = time.checked_sub(started.elapsed()) {
        let n = match tokio::time::timeout(left, stream.read(&mut buffer)).await {
            Err(_) => break,
            Ok(Ok(0)) => return Err(Unanswered::Missed { reason: format!("{host} closed the connection") }),
            Ok(read) => read.map_err(io)?,
        };
        bytes += n;
        for part in buffer[..n].split_inclusive(|b| *b == b'\n') {
            if begun.len() < LINE {
                begun.extend_from_slice(part);
            }
            if !part.ends_with(b"\n") {
                continue;
            }
            let text = std::mem::take(&mut begun);
            if answered {
                seen.take(&text, &ours, of);
            } else if text.starts_with(b"-NOPERM") {
                let user = target.address.username.as_deref().unwrap_or("default");
                let reason = format!("'{user}' may not run MONITOR on {host}");
                return Err(Unanswered::Refused { reason, grant: crate::error::acl(user, &["+monitor"]) });
            } else if text.starts_with(b"-") {
                return Err(Unanswered::Never {
                    reason: format!("{host} does not know MONITOR, or has it turned off"),
                });
            }
            answered = true;
        }
        if bytes >= most {
            seen.full = true;
            break;
        }
    }
    seen.seconds = started.elapsed().as_secs_f64();
    Ok(seen)
}

impl CacheReader {
    /// The heat of namespaces by the commands of `seconds` (at most 10) and of 8 MiB at most, whichever is over first.
    ///
    /// # Errors
    /// When no server can be reached, or none lets itself be watched.
    pub async fn watch(&mut self, seconds: f64, clock: &dyn Clock) -> Result<CacheHeat, ApiError> {
        let at_ms = clock.now_ms();
        let reading = self.read(clock, Asks::Info).await?;
        let time = Duration::from_secs_f64(seconds.clamp(0.1, MOST_SECONDS));
        let most = BYTES / reading.told.len().max(1);
        let mut watching = JoinSet::new();
        for (host, connection) in &self.open {
            let door = Door { target: &self.target, host, connection: connection.clone() };
            let info = reading.told.iter().find(|t| t.host == *host).map(|t| &t.info);
            let connected = info.and_then(|info| told::whole(info, "connected_clients"));
            let list = clients::list(&door, connected, false).await.unwrap_or_default();
            let ours = list.into_iter().filter(|c| c.ours).map(|c| c.address).collect();
            watching.spawn(watch(self.target.clone(), host.clone(), self.password.clone(), ours, (time, most)));
        }
        let (mut all, mut unknown, mut watched) = (Watched::default(), Vec::new(), 0);
        while let Some(done) = watching.join_next().await {
            match done.map_err(|_| ApiError::internal("A watch ended unexpectedly"))? {
                Ok(seen) => {
                    watched += 1;
                    all.add(seen);
                }
                Err(why) => unknown.push(why.of("Heat")),
            }
        }
        if let (0, Some(why)) = (watched, unknown.first()) {
            let code = if why.grant.is_some() {
                perfdeck_model::ErrorCode::Privilege
            } else {
                perfdeck_model::ErrorCode::Unsupported
            };
            let hint = why.grant.clone().unwrap_or_else(|| "The counters of an LFU policy tell it without".to_owned());
            return Err(ApiError::new(code, why.reason.clone()).hint(hint));
        }
        let uses = |s: &Seen| s.reads + s.writes;
        let total: u64 = all.namespaces.values().map(uses).sum();
        let per_s = |n: u64| Some(n as f64 / all.seconds.max(1e-3));
        let mut namespaces: Vec<CacheHeatNamespace> = all
            .namespaces
            .iter()
            .map(|(name, seen)| CacheHeatNamespace {
                name: name.as_ref().map(|name| format!("{name}:*")),
                seen: uses(seen),
                share: uses(seen) as f64 / total.max(1) as f64,
                share_low: None,
                share_high: None,
                mean_counter: None,
                reads_per_s: per_s(seen.reads),
                writes_per_s: per_s(seen.writes),
                hit_ratio_at_most: (seen.reads > 0).then(|| 1.0 - seen.filled as f64 / seen.reads as f64),
            })
            .collect();
        namespaces.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.name.cmp(&b.name)));
        let left_out = namespaces.len().saturating_sub(NAMESPACES) as u64;
        namespaces.truncate(NAMESPACES);
        let mut keys: Vec<CacheHotKey> =
            all.keys.iter().map(|(name, uses)| CacheHotKey { name: shown(name), uses: *uses as f64 }).collect();
        keys.sort_by(|a, b| b.uses.total_cmp(&a.uses).then_with(|| a.name.cmp(&b.name)));
        keys.truncate(KEYS);
        Ok(CacheHeat {
            at_ms,
            method: CacheHeatMethod::Monitor,
            took_s: all.seconds,
            version: versions(&reading.told),
            sampled: all.commands,
            ended_by: all.full.then(|| format!("{} were read", perfdeck_words::bytes(BYTES as f64))),
            namespaces,
            left_out,
            keys,
            unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_escapes() {
        let Line { client, words, .. } = line(br#"+1.5 [0 127.0.0.1:60866] "SET" "a\x00\"b\\" "v\n""#).expect("a line");
        assert_eq!(
            (client, words),
            (b"127.0.0.1:60866".to_vec(), vec![b"SET".to_vec(), b"a\0\"b\\".to_vec(), b"v\n".to_vec()])
        );
        let Line { client, words, .. } = line(br#"+1.5 [0 lua] "get" "k""#).expect("of a script");
        assert_eq!((client, words.len()), (b"lua".to_vec(), 2));
        assert!(line(br#"+1.5 [0 a:1] "SET" "cut"#).is_none(), "what was cut is not read");
    }

    #[test]
    fn what_is_written_after_it_was_read_was_missed() {
        let mut seen = Watched::default();
        for command in [
            r#""GET" "user:1""#,
            r#""GET" "user:2""#,
            r#""SET" "user:2" "v""#,
            r#""SET" "user:3" "v""#,
            r#""DEL" "user:1""#,
        ] {
            seen.take(format!("+1.5 [0 a:1] {command}\r\n").as_bytes(), &HashSet::new(), "0");
        }
        seen.take(br#"+1.5 [0 b:2] "GET" "user:9""#, &HashSet::from(["b:2".to_owned()]), "0");
        seen.take(br#"+1.5 [3 a:1] "GET" "user:9""#, &HashSet::new(), "0");
        let user = &seen.namespaces[&Some("user".to_owned())];
        assert_eq!(
            (user.reads, user.writes, user.filled, seen.commands),
            (2, 3, 1, 5),
            "without Perfdeck's own, and another database's"
        );
    }
}
