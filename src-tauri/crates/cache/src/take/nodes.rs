//! The servers of a cache while keys are taken or restored: each key's command goes to the server that owns it, redirects are followed
//! key by key, and every reply is told apart from every other.
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};

use super::scripts::Script;
use crate::connect::{Purpose, connect_within, explain};
use crate::load::servers;

/// Longest time for the replies to one batch.
const REPLY: Duration = Duration::from_secs(10);
/// Redirects that are followed for one key.
const REDIRECTS: usize = 5;
/// Longest time to wait for servers that are failing over, loading or busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
const SLOTS: u16 = 16_384;

/// A command about one key.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) key: Vec<u8>,
    pub(super) what: What,
}

#[derive(Clone)]
pub(super) enum What {
    /// A command with its words; the key among them.
    Words(Vec<Vec<u8>>),
    /// A script of the key, with its arguments.
    Script(&'static Script, Vec<Vec<u8>>),
}

impl Call {
    pub(super) fn words(key: &[u8], words: &[&[u8]]) -> Self {
        Self { key: key.to_vec(), what: What::Words(words.iter().map(|w| w.to_vec()).collect()) }
    }

    pub(super) fn script(key: &[u8], script: &'static Script, arguments: Vec<Vec<u8>>) -> Self {
        Self { key: key.to_vec(), what: What::Script(script, arguments) }
    }

    /// The command; `whole` sends the script's text, which a server may have forgotten.
    fn command(&self, whole: bool) -> Cmd {
        let mut command = Cmd::new();
        match &self.what {
            What::Words(words) => {
                for word in words {
                    command.arg(word.as_slice());
                }
            }
            What::Script(script, arguments) => {
                if whole {
                    command.arg("EVAL").arg(script.text);
                } else {
                    command.arg("EVALSHA").arg(script.digest());
                }
                command.arg(1).arg(self.key.as_slice());
                for argument in arguments {
                    command.arg(argument.as_slice());
                }
            }
        }
        command
    }
}

/// Why there is no answer about a key.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) node: HostPort,
    /// Code of the server, such as `NOPERM`; empty where the connection was lost, so that it is not known whether it was done.
    pub(super) code: String,
    pub(super) error: ApiError,
}

impl Refused {
    /// Whether it may be otherwise in a moment.
    pub(super) fn passes(&self) -> bool {
        ["", "READONLY", "LOADING", "CLUSTERDOWN", "BUSY", "MASTERDOWN", "TRYAGAIN", "MOVED", "ASK"]
            .contains(&self.code.as_str())
    }
}

pub(super) type Answer = Result<Value, Refused>;

struct Node {
    at: HostPort,
    connection: Option<MultiplexedConnection>,
}

/// Connections to the servers of one cache.
pub(super) struct Nodes {
    target: CacheTarget,
    password: Option<Sensitive>,
    nodes: Vec<Node>,
    /// Owner of each slot, by its place in `nodes`; empty where there is one server.
    slots: Vec<u16>,
    pub(super) purpose: Purpose,
}

/// Slot of a key: that of its hash tag where it has one.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let length = key[open + 1..].iter().position(|b| *b == b'}').filter(|length| *length > 0)?;
        Some(&key[open + 1..open + 1 + length])
    });
    let mut crc: u16 = 0;
    for byte in tag.unwrap_or(key) {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc % SLOTS
}

impl Nodes {
    /// Finds the servers of a cache. Connections are opened when they are needed.
    ///
    /// # Errors
    /// When none can be asked.
    pub(super) async fn find(
        target: &CacheTarget,
        password: Option<&Sensitive>,
        purpose: Purpose,
    ) -> Result<Self, ApiError> {
        let (target, password) = (target.clone(), password.cloned());
        let mut nodes = Self { target, password, nodes: Vec::new(), slots: Vec::new(), purpose };
        nodes.look().await?;
        Ok(nodes)
    }

    /// Looks again who owns what. What is connected stays so.
    async fn look(&mut self) -> Result<(), ApiError> {
        let found = servers(&self.target, self.password.as_ref()).await?;
        let mut before: Vec<Node> = std::mem::take(&mut self.nodes);
        for at in found {
            let known = before.iter().position(|node| node.at == at);
            let connection = known.and_then(|i| before.swap_remove(i).connection);
            self.nodes.push(Node { at, connection });
        }
        if self.nodes.is_empty() {
            return Err(ApiError::bad_request("The cache's address names no host"));
        }
        self.slots.clear();
        if self.target.mode == CacheMode::Cluster {
            self.read_slots().await?;
        }
        Ok(())
    }

    async fn read_slots(&mut self) -> Result<(), ApiError> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let at = self.nodes[0].at.clone();
        let ranges: Value = self.ask(0, &command).await?;
        self.slots = vec![u16::MAX; usize::from(SLOTS)];
        let Value::Array(ranges) = ranges else { return Err(odd(&at)) };
        for range in ranges {
            let Value::Array(parts) = range else { continue };
            let [Value::Int(from), Value::Int(to), Value::Array(owner), ..] = parts.as_slice() else { continue };
            let host = match owner.first() {
                Some(Value::BulkString(bytes)) if !bytes.is_empty() && bytes != b"?" => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                Some(Value::SimpleString(text)) if !text.is_empty() && text != "?" => text.clone(),
                _ => at.host.clone(),
            };
            let Some(Value::Int(port)) = owner.get(1) else { continue };
            let owner = self.known(HostPort { host, port: u16::try_from(*port).unwrap_or(at.port) });
            for slot in (*from).max(0)..=(*to).min(i64::from(SLOTS) - 1) {
                self.slots[usize::try_from(slot).unwrap_or(0)] = owner;
            }
        }
        Ok(())
    }

    /// Place of a server, known from now on.
    fn known(&mut self, at: HostPort) -> u16 {
        let place = self.nodes.iter().position(|node| node.at == at).unwrap_or_else(|| {
            self.nodes.push(Node { at, connection: None });
            self.nodes.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    pub(super) fn target(&self) -> &CacheTarget {
        &self.target
    }

    /// Servers that own keys.
    pub(super) fn owners(&self) -> Vec<usize> {
        if self.slots.is_empty() {
            return vec![0];
        }
        let mut owners: Vec<usize> = self.slots.iter().filter(|o| **o != u16::MAX).map(|o| usize::from(*o)).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    pub(super) fn at(&self, node: usize) -> HostPort {
        self.nodes[node].at.clone()
    }

    /// The server that is asked where any of them would do.
    pub(super) fn first(&self) -> &HostPort {
        &self.nodes[0].at
    }

    pub(super) fn is_cluster(&self) -> bool {
        !self.slots.is_empty()
    }

    fn owner(&self, key: &[u8]) -> usize {
        if self.slots.is_empty() {
            return 0;
        }
        // A slot that nobody owns is asked of the first, which says so.
        usize::from(self.slots[usize::from(slot(key))]).min(self.nodes.len() - 1)
    }

    pub(super) async fn connection(&mut self, node: usize) -> Result<MultiplexedConnection, ApiError> {
        if let Some(open) = &self.nodes[node].connection {
            return Ok(open.clone());
        }
        let at = self.nodes[node].at.clone();
        let mut open = connect_within(&self.target, &at, self.password.as_ref(), self.purpose, REPLY).await?;
        // So that looking does not make keys hot; servers before 7.2 have it not.
        let quiet: Result<(), RedisError> = redis::cmd("CLIENT").arg("NO-TOUCH").arg("ON").query_async(&mut open).await;
        drop(quiet);
        self.nodes[node].connection = Some(open.clone());
        Ok(open)
    }

    /// Asks one server one thing.
    pub(super) async fn ask(&mut self, node: usize, command: &Cmd) -> Result<Value, ApiError> {
        let at = self.nodes[node].at.clone();
        let mut open = self.connection(node).await?;
        let answer: Result<Value, RedisError> = command.query_async(&mut open).await;
        answer.map_err(|e| self.lost(node, &at, &e).error)
    }

    /// What an error means; a connection that is no good is opened anew the next time.
    fn lost(&mut self, node: usize, at: &HostPort, error: &RedisError) -> Refused {
        let code = error.code().unwrap_or_default().to_owned();
        if code.is_empty() {
            self.nodes[node].connection = None;
        }
        Refused { node: at.clone(), code, error: explain(&self.target, at, error) }
    }

    /// The server that owns a key, for what takes several commands about it.
    pub(super) async fn owner_of(&mut self, key: &[u8]) -> Result<(HostPort, MultiplexedConnection), ApiError> {
        let node = self.owner(key);
        Ok((self.at(node), self.connection(node).await?))
    }

    /// Sends each call to the server that owns its key, all of one server's in one go, and answers in the order of the calls. Redirects are
    /// followed; a script that a server does not know is sent whole.
    pub(super) async fn send(&mut self, calls: &[Call]) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = vec![None; calls.len()];
        // Place of the call, its server, whether the slot is being moved there, whether the script is sent whole.
        let mut open: Vec<(usize, usize, bool, bool)> =
            calls.iter().enumerate().map(|(i, call)| (i, self.owner(&call.key), false, false)).collect();
        for _ in 0..=REDIRECTS {
            if open.is_empty() {
                break;
            }
            let mut by_node: BTreeMap<usize, Vec<(usize, bool, bool)>> = BTreeMap::new();
            for (call, node, asking, whole) in open.drain(..) {
                by_node.entry(node).or_default().push((call, asking, whole));
            }
            let mut sent = Vec::new();
            for (node, some) in &by_node {
                sent.push((*node, some, self.connection(*node).await));
            }
            let replies = join_all(sent.into_iter().map(|(node, some, connection)| async move {
                let mut connection = match connection {
                    Ok(connection) => connection,
                    Err(error) => return (node, some, Err(Err(error))),
                };
                let (pipeline, count) = pipeline(calls, some);
                (node, some, connection.send_packed_commands(&pipeline, 0, count).await.map_err(Ok))
            }))
            .await;
            for (node, some, replies) in replies {
                let at = self.at(node);
                match replies {
                    Ok(mut replies) => {
                        replies.reverse();
                        for (call, asking, whole) in some {
                            if *asking {
                                replies.pop();
                            }
                            let Some(reply) = replies.pop() else { continue };
                            match self.redirected(&at, &reply, *whole) {
                                Some((to, asking, whole)) => {
                                    answers[*call] = Some(Err(self.moved(&at)));
                                    open.push((*call, to.unwrap_or(node), asking, whole));
                                }
                                None => answers[*call] = Some(self.answer(node, &at, reply)),
                            }
                        }
                    }
                    Err(error) => {
                        let refused = match error {
                            Ok(error) => self.lost(node, &at, &error),
                            Err(error) => Refused { node: at.clone(), code: String::new(), error },
                        };
                        for (call, ..) in some {
                            answers[*call] = Some(Err(refused.clone()));
                        }
                    }
                }
            }
        }
        let nobody = self.moved(&self.at(0));
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(nobody.clone()))).collect()
    }

    fn moved(&self, at: &HostPort) -> Refused {
        let error = ApiError::new(ErrorCode::Unreachable, format!("{at} sends this key from server to server"))
            .hint("The cluster is being rearranged: redis-cli --cluster check HOST:PORT");
        Refused { node: at.clone(), code: "MOVED".to_owned(), error }
    }

    /// Where a reply sends its call: the server, whether only this once, and whether its script is sent whole.
    fn redirected(&mut self, at: &HostPort, reply: &Value, whole: bool) -> Option<(Option<usize>, bool, bool)> {
        let Value::ServerError(error) = reply else { return None };
        let asking = match error.code() {
            "NOSCRIPT" if !whole => return Some((None, false, true)),
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let mut words = error.details()?.split(' ');
        let (slot, address) = (words.next()?, words.next()?);
        let (host, port) = address.rsplit_once(':')?;
        let host = if host.is_empty() { at.host.clone() } else { host.trim_matches(['[', ']']).to_owned() };
        let to = self.known(HostPort { host, port: port.parse().ok()? });
        if !asking
            && let Ok(slot) = slot.parse::<usize>()
            && let Some(owner) = self.slots.get_mut(slot)
        {
            *owner = to;
        }
        Some((Some(usize::from(to)), asking, whole))
    }

    fn answer(&mut self, node: usize, at: &HostPort, reply: Value) -> Answer {
        match reply {
            Value::ServerError(error) => {
                // What a script may not do is told as another error than what a client may not do.
                let told = |text: &str| {
                    ["ACL failure in script", "The user executing the script"].iter().any(|t| text.contains(t))
                };
                let acl = error.details().is_some_and(told);
                let code = if acl { "NOPERM" } else { error.code() }.to_owned();
                let mut refused = self.lost(node, at, &RedisError::from(error));
                refused.code = code;
                Err(refused)
            }
            reply => Ok(reply),
        }
    }

    /// As [`Nodes::send`], for what may be sent twice: what is refused for a moment is tried again until it is not, or for 15 s.
    pub(super) async fn send_steadily(&mut self, calls: &[Call]) -> Vec<Answer> {
        let end = tokio::time::Instant::now() + PATIENCE;
        let mut answers = self.send(calls).await;
        loop {
            let again: Vec<usize> =
                (0..calls.len()).filter(|i| answers[*i].as_ref().is_err_and(Refused::passes)).collect();
            if again.is_empty() || tokio::time::Instant::now() >= end {
                return answers;
            }
            self.settle().await;
            let some: Vec<Call> = again.iter().map(|i| calls[*i].clone()).collect();
            for (i, answer) in again.into_iter().zip(self.send(&some).await) {
                answers[i] = answer;
            }
        }
    }

    /// Waits a moment, then looks who owns what now.
    pub(super) async fn settle(&mut self) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before: Vec<HostPort> = self.nodes.iter().map(|node| node.at.clone()).collect();
        if self.look().await.is_err() && self.nodes.is_empty() {
            self.nodes = before.into_iter().map(|at| Node { at, connection: None }).collect();
        }
    }
}

fn odd(at: &HostPort) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{at} answers CLUSTER SLOTS in another way than servers do"))
}

fn pipeline(calls: &[Call], some: &[(usize, bool, bool)]) -> (Pipeline, usize) {
    let mut pipeline = redis::pipe();
    let mut count = 0;
    for (call, asking, whole) in some {
        if *asking {
            pipeline.add_command(redis::cmd("ASKING"));
            count += 1;
        }
        pipeline.add_command(calls[*call].command(*whole));
        count += 1;
    }
    (pipeline, count)
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        for (key, right) in
            [("123456789", 12739), ("foo", 12182), ("{user1000}.following", 3443), ("{}x", slot(b"{}x"))]
        {
            assert_eq!(slot(key.as_bytes()), right, "{key}");
        }
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"), "one tag, one slot");
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"), "an empty tag is none");
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"), "an empty tag is none");
    }
}
