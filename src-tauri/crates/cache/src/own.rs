//! What Perfdeck itself does on a cache's servers, in this process: counted where it is written, so that whoever opens a connection here
//! is counted without a word of his own, and the collector takes it out of its figures.
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use perfdeck_model::HostPort;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Servers that are remembered. Beyond that those without a connection are forgotten.
const SERVERS: usize = 1_000;
/// Names of commands that are counted apart at one server.
const NAMES: usize = 300;
/// Longest word of a command that is read.
const WORD: usize = 24;

/// Commands that count a hit or a miss of the key that they look at, of those that Perfdeck sends. MEMORY USAGE and SCAN count none.
const LOOK_UPS: &[&str] = &[
    "dump",
    "exists",
    "expiretime",
    "get",
    "getrange",
    "hexpiretime",
    "hget",
    "hgetall",
    "hlen",
    "hmget",
    "hpexpiretime",
    "hpttl",
    "hscan",
    "hstrlen",
    "lindex",
    "llen",
    "lrange",
    "object|encoding",
    "object|freq",
    "object|idletime",
    "pexpiretime",
    "pttl",
    "scard",
    "sismember",
    "smembers",
    "sscan",
    "strlen",
    "ttl",
    "type",
    "xinfo|consumers",
    "xinfo|groups",
    "xinfo|stream",
    "xlen",
    "xrange",
    "xrevrange",
    "zcard",
    "zrange",
    "zscan",
    "zscore",
];

/// Commands whose second word says what they do; servers from 7.0 on count them by both.
const CONTAINERS: &[&str] = &[
    "acl",
    "client",
    "cluster",
    "command",
    "commandlog",
    "config",
    "function",
    "hotkeys",
    "latency",
    "memory",
    "object",
    "script",
    "sentinel",
    "slowlog",
    "xgroup",
    "xinfo",
];

/// Totals at one server since the start of this process.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// Commands that were sent.
    pub(crate) commands: u64,
    /// Those that look a key up, and so count among its hits and misses.
    pub(crate) look_ups: u64,
}

/// What is known of one server.
#[derive(Debug, Default)]
struct Server {
    connections: AtomicU64,
    commands: AtomicU64,
    look_ups: AtomicU64,
    names: Mutex<BTreeMap<String, u64>>,
}

fn ledger() -> MutexGuard<'static, HashMap<String, Arc<Server>>> {
    static LEDGER: OnceLock<Mutex<HashMap<String, Arc<Server>>>> = OnceLock::new();
    LEDGER.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

fn server(host: &HostPort) -> Arc<Server> {
    let mut ledger = ledger();
    if ledger.len() >= SERVERS {
        ledger.retain(|_, server| server.connections.load(Ordering::Relaxed) > 0);
    }
    ledger.entry(host.to_string()).or_default().clone()
}

fn known(host: &HostPort) -> Option<Arc<Server>> {
    ledger().get(&host.to_string()).cloned()
}

/// Everything that was sent so far to a server.
pub(crate) fn done(host: &HostPort) -> Done {
    let read = |server: Arc<Server>| Done {
        commands: server.commands.load(Ordering::Relaxed),
        look_ups: server.look_ups.load(Ordering::Relaxed),
    };
    known(host).map(read).unwrap_or_default()
}

/// Commands that were sent so far to a server, by the name under which it counts them.
pub(crate) fn by_name(host: &HostPort) -> BTreeMap<String, u64> {
    known(host).map(|s| s.names.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
}

/// Takes back a command that was refused before it began: a server counts none of those.
pub(crate) fn refused(host: &HostPort, words: &[&str]) {
    let Some(server) = known(host) else { return };
    let (first, second) = (words.first().unwrap_or(&"").to_lowercase(), words.get(1).unwrap_or(&"").to_lowercase());
    let name = if CONTAINERS.contains(&first.as_str()) { format!("{first}|{second}") } else { first };
    let less = |n: u64| Some(n.saturating_sub(1));
    let _ = server.commands.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    if let Some(count) = server.names.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&name) {
        *count = count.saturating_sub(1);
    }
}

/// Whether a command counts a hit or a miss of a key.
pub(crate) fn looks_up(name: &str) -> bool {
    LOOK_UPS.contains(&name)
}

/// Connections of this process to a server that are open now.
pub(crate) fn connections(host: &HostPort) -> u64 {
    known(host).map_or(0, |server| server.connections.load(Ordering::Relaxed))
}

impl Server {
    fn add(&self, sent: &BTreeMap<String, u64>) {
        let sum = |of: &dyn Fn(&str) -> bool| sent.iter().filter(|(name, _)| of(name)).map(|(_, n)| n).sum::<u64>();
        self.commands.fetch_add(sum(&|_| true), Ordering::Relaxed);
        self.look_ups.fetch_add(sum(&looks_up), Ordering::Relaxed);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, n) in sent {
            if let Some(count) = names.get_mut(name) {
                *count += n;
            } else if names.len() < NAMES {
                names.insert(name.clone(), *n);
            }
        }
    }
}

/// Reads commands out of the bytes that are written: arrays of bulk strings, as every client writes them. What a bulk string holds is
/// passed over by its length.
#[derive(Debug, Default)]
struct Requests {
    /// Bulk strings of the present command that are still to come.
    left: usize,
    /// Bytes of the present bulk string, its end of line included, that are still to come.
    skip: usize,
    /// A header of which the end did not come yet.
    line: Vec<u8>,
    /// The first words of the present command.
    words: Vec<Vec<u8>>,
}

impl Requests {
    /// Takes bytes; `sent` gets the commands that they end.
    fn take(&mut self, mut bytes: &[u8], sent: &mut BTreeMap<String, u64>) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                // The last two bytes are the end of line.
                let text = &bytes[..n.min(self.skip.saturating_sub(2))];
                if let Some(word) = self.words.last_mut().filter(|word| word.len() < WORD) {
                    word.extend_from_slice(&text[..text.len().min(WORD - word.len())]);
                }
                (self.skip, bytes) = (self.skip - n, &bytes[n..]);
                if self.skip == 0 {
                    self.left = self.left.saturating_sub(1);
                    self.ended(sent);
                }
                continue;
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            let n = end.map_or(bytes.len(), |at| at + 1);
            if self.line.len() < WORD {
                self.line.extend_from_slice(&bytes[..n.min(WORD)]);
            }
            bytes = &bytes[n..];
            if end.is_some() {
                self.header();
            }
        }
    }

    fn header(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
        let number = text.get(1..).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        match text.as_bytes().first() {
            Some(b'*') => (self.left, self.words) = (number, Vec::new()),
            Some(b'$') => {
                self.skip = number + 2;
                // Only the first two words are of interest: the last one that is kept is cut off once it is long enough.
                if self.words.len() < 3 {
                    self.words.push(Vec::new());
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, sent: &mut BTreeMap<String, u64>) {
        if self.left > 0 {
            return;
        }
        let word = |i: usize| self.words.get(i).map(|w| String::from_utf8_lossy(w).to_lowercase()).unwrap_or_default();
        let mut name = word(0);
        if CONTAINERS.contains(&name.as_str()) && self.words.len() > 1 {
            name = format!("{name}|{}", word(1));
        }
        self.words.clear();
        *sent.entry(name).or_default() += 1;
    }
}

/// A stream to a server whose commands are counted; one for load is not.
pub(crate) struct Counted<S> {
    stream: S,
    requests: Requests,
    server: Option<Arc<Server>>,
}

impl<S> Counted<S> {
    /// A connection of Perfdeck's own.
    pub(crate) fn own(stream: S, host: &HostPort) -> Self {
        let server = server(host);
        server.connections.fetch_add(1, Ordering::Relaxed);
        Self { stream, requests: Requests::default(), server: Some(server) }
    }

    /// A connection that stands for an application's.
    pub(crate) fn load(stream: S) -> Self {
        Self { stream, requests: Requests::default(), server: None }
    }
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        let this = &mut *self;
        if let (Poll::Ready(Ok(n)), Some(server)) = (&written, &this.server) {
            let mut sent = BTreeMap::new();
            this.requests.take(&buf[..*n], &mut sent);
            if !sent.is_empty() {
                server.add(&sent);
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_however_they_are_cut() {
        let text = b"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nclient\r\n$4\r\nLIST\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\n*1\r\n$4\r\n\r\n\r\n*2\r\n$4\r\nPTTL\r\n$0\r\n\r\n";
        let right = [("client|list", 1), ("ping", 1), ("pttl", 1), ("set", 1)];
        for cut in 1..text.len() {
            let (mut requests, mut sent) = (Requests::default(), BTreeMap::new());
            for part in text.chunks(cut) {
                requests.take(part, &mut sent);
            }
            let found: Vec<(&str, u64)> = sent.iter().map(|(name, n)| (name.as_str(), *n)).collect();
            assert_eq!(found, right, "in pieces of {cut} bytes: a value that looks like a command is none");
        }
    }

    #[tokio::test]
    async fn what_is_open_and_sent_is_known_of_the_server() {
        use tokio::io::AsyncWriteExt as _;
        let host = HostPort { host: "own.example".into(), port: 7 };
        let mut one = Counted::own(Vec::new(), &host);
        one.write_all(b"*2\r\n$4\r\nPTTL\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n").await.expect("written");
        assert_eq!((connections(&host), done(&host)), (1, Done { commands: 2, look_ups: 1 }));
        let mut load = Counted::load(Vec::new());
        load.write_all(b"*1\r\n$4\r\nPING\r\n").await.expect("written");
        drop(one);
        assert_eq!((connections(&host), done(&host).commands), (0, 2), "what was sent stays, load is an application's");
        assert_eq!(by_name(&host).get("pttl"), Some(&1));
    }
}
