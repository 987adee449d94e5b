//! Which node of a cluster owns which slot: asked before a run, and again in its background when a node says that it
//! no longer owns one.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::greeting::{Greeting, words};
use super::slots::SLOTS;
use super::value::Value;
use crate::record::{Class, Failure, refused};

/// Largest answer that is read: some hundred bytes for each of 1,000 nodes.
const MAX_ANSWER: usize = 4 << 20;
/// Most nodes, as the specification recommends.
const MAX_NODES: usize = 1_000;
/// A map is asked for at most this often.
const PAUSE: Duration = Duration::from_secs(1);

/// The nodes of a cluster and the slots that they own.
#[derive(Debug, Clone)]
pub(super) struct SlotMap {
    pub(super) nodes: Vec<SocketAddr>,
    /// The node of each slot.
    owners: Vec<u16>,
}

impl SlotMap {
    fn new(nodes: Vec<SocketAddr>) -> Self {
        Self { nodes, owners: vec![0; SLOTS] }
    }

    /// The node that owns a slot.
    pub(super) fn owner(&self, slot: usize) -> usize {
        self.owners.get(slot).copied().map_or(0, usize::from)
    }

    /// A node by its address; a new one when it is not known yet.
    fn node(&mut self, address: SocketAddr) -> Option<u16> {
        let known = self.nodes.iter().position(|node| *node == address);
        let index = match known {
            Some(index) => index,
            None if self.nodes.len() < MAX_NODES => {
                self.nodes.push(address);
                self.nodes.len() - 1
            }
            None => return None,
        };
        u16::try_from(index).ok()
    }

    fn assign(&mut self, slot: usize, node: u16) {
        if let Some(owner) = self.owners.get_mut(slot) {
            *owner = node;
        }
    }

    /// Reads the answer to `CLUSTER SLOTS` of the node at `asked`.
    fn read(answer: &Value, asked: SocketAddr) -> Option<Self> {
        let mut map = Self::new(Vec::new());
        for range in answer.list()? {
            let [first, last, primary, ..] = range.list()? else { return None };
            let (first, last) = (usize::try_from(first.integer()?).ok()?, usize::try_from(last.integer()?).ok()?);
            let [host, port, ..] = primary.list()? else { return None };
            let node = map.node(address(host, port, asked)?)?;
            for slot in first..=last.min(SLOTS - 1) {
                map.assign(slot, node);
            }
        }
        (!map.nodes.is_empty()).then_some(map)
    }
}

/// A node's address; one that does not know its own host is at the one that was asked.
fn address(host: &Value, port: &Value, asked: SocketAddr) -> Option<SocketAddr> {
    let port = u16::try_from(port.integer()?).ok()?;
    match host.text().unwrap_or_default() {
        "" | "?" => Some(SocketAddr::new(asked.ip(), port)),
        host => match host.parse() {
            Ok(ip) => Some(SocketAddr::new(ip, port)),
            Err(_) => (host, port).to_socket_addrs().ok()?.next(),
        },
    }
}

/// Opens a connection, greets, and sends `command` when there is one; waits for the answers until a deadline. Not for a
/// thread that generates load.
///
/// # Errors
/// Why there is no answer.
pub(super) fn ask(
    node: SocketAddr,
    greeting: &Greeting,
    command: &[u8],
    timeout: Duration,
) -> Result<Option<Value>, Failure> {
    let failed = |e: std::io::Error| refused(node, &e);
    let end = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&node, timeout).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    stream.write_all(&[&greeting.bytes, command].concat()).map_err(failed)?;
    let (mut answer, mut part) = (Vec::new(), vec![0; 16 << 10]);
    let mut greeted = 0;
    loop {
        if greeted == greeting.names.len() && command.is_empty() {
            return Ok(None);
        }
        let protocol = |message: String| (Class::Protocol, format!("{node}: {message}"));
        if let Some((value, used)) = Value::parse(&answer).map_err(protocol)? {
            answer.drain(..used);
            match value {
                Value::Error(error) if greeted < greeting.names.len() => {
                    return Err((Class::Cache, greeting.refused(greeted, &error)));
                }
                Value::Error(error) => return Err((Class::Cache, format!("{node}: {}", words(&error)))),
                _ if greeted < greeting.names.len() => greeted += 1,
                value => return Ok(Some(value)),
            }
            continue;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || answer.len() > MAX_ANSWER {
            let seconds = timeout.as_secs_f64();
            return Err((Class::Timeout, format!("{node}: no complete answer within {seconds} s")));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut part) {
            Ok(0) => return Err((Class::Reset, format!("{node}: the connection was closed before an answer"))),
            Ok(n) => answer.extend_from_slice(part.get(..n).unwrap_or_default()),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

/// Asks the nodes one after the other for the map of their cluster.
///
/// # Errors
/// Why the last one did not tell.
pub(super) fn ask_for_map(nodes: &[SocketAddr], greeting: &Greeting, timeout: Duration) -> Result<SlotMap, Failure> {
    let mut last = (Class::Connect, "the cluster has no address".to_owned());
    for node in nodes {
        let answer = ask(*node, greeting, b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n", timeout);
        match answer {
            Ok(Some(answer)) => match SlotMap::read(&answer, *node) {
                Some(map) => return Ok(map),
                None => last = (Class::Cache, format!("{node}: no node of its cluster owns a slot")),
            },
            Ok(None) => {}
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// One thread's map during a run.
pub(super) struct Topology {
    pub(super) map: SlotMap,
    greeting: Greeting,
    timeout: Duration,
    /// Whether something tells that the map is no longer right.
    stale: bool,
    asked: Option<Instant>,
    answer: Option<mpsc::Receiver<SlotMap>>,
}

impl Topology {
    pub(super) fn new(map: SlotMap, greeting: Greeting, timeout: Duration) -> Self {
        Self { map, greeting, timeout, stale: false, asked: None, answer: None }
    }

    /// A node cannot be reached: another one may have taken its slots over.
    pub(super) fn doubt(&mut self) {
        self.stale = true;
    }

    /// A node says where a slot is, as in `MOVED 3999 127.0.0.1:6381`.
    pub(super) fn moved(&mut self, error: &[u8]) {
        self.stale = true;
        let text = std::str::from_utf8(error).unwrap_or_default();
        let mut words = text.split_ascii_whitespace().skip(1);
        let (Some(slot), Some(address)) = (words.next(), words.next()) else { return };
        let (Ok(slot), Ok(address)) = (slot.parse(), address.parse::<SocketAddr>()) else { return };
        let known = self.map.nodes.iter().position(|node| *node == address);
        if let Some(node) = known.and_then(|node| u16::try_from(node).ok()) {
            self.map.assign(slot, node);
        }
    }

    /// Takes in the answer when it has come, and asks again, in a thread of its own, when there is doubt. Answers nodes
    /// that became known.
    pub(super) fn keep_house(&mut self, now: Instant) -> Vec<SocketAddr> {
        let before = self.map.nodes.len();
        match self.answer.as_ref().map(mpsc::Receiver::try_recv) {
            Some(Ok(map)) => self.adopt(&map),
            Some(Err(mpsc::TryRecvError::Empty)) => return Vec::new(),
            Some(Err(mpsc::TryRecvError::Disconnected)) => self.answer = None,
            None => {}
        }
        if self.stale && self.answer.is_none() && self.asked.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE)
        {
            self.stale = false;
            self.asked = Some(now);
            self.answer = self.ask_again();
        }
        self.map.nodes.get(before..).unwrap_or_default().to_vec()
    }

    fn ask_again(&self) -> Option<mpsc::Receiver<SlotMap>> {
        let (send, receive) = mpsc::channel();
        let (nodes, greeting) = (self.map.nodes.clone(), self.greeting.clone());
        let timeout = self.timeout.min(PAUSE);
        let thread = std::thread::Builder::new().name("slots".to_owned()).spawn(move || {
            if let Ok(map) = ask_for_map(&nodes, &greeting, timeout) {
                // The receiver is gone only when the run is over.
                let _ = send.send(map);
            }
        });
        thread.ok().map(|_| receive)
    }

    fn adopt(&mut self, map: &SlotMap) {
        self.answer = None;
        let nodes: Vec<Option<u16>> = map.nodes.iter().map(|address| self.map.node(*address)).collect();
        for slot in 0..SLOTS {
            if let Some(node) = nodes.get(map.owner(slot)).copied().flatten() {
                self.map.assign(slot, node);
            }
        }
    }
}
