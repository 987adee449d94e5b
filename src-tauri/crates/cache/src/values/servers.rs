//! The servers of a cache while keys are looked at or edited: a key's commands go to the server that owns it, and redirects are followed.
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use crate::connect::{Purpose, connect_as, explain};
use crate::error::acl;
use crate::load::servers;

/// Redirects that are followed for one key.
const REDIRECTS: usize = 5;
/// Longest time to wait for keys that are moving between servers.
const MOVING: Duration = Duration::from_secs(1);

pub(crate) type Reply = Result<Value, RedisError>;

/// A script, and the digest that servers know it by.
pub(crate) struct Script {
    text: &'static str,
    digest: LazyLock<String>,
}

impl Script {
    pub(crate) const fn new(text: &'static str, digest: fn() -> String) -> Self {
        Self { text, digest: LazyLock::new(digest) }
    }
}

/// Makes a script of a file.
macro_rules! script {
    ($text:expr) => {
        $crate::values::servers::Script::new($text, || sha1_smol::Sha1::from($text).digest().to_string())
    };
}
pub(crate) use script;

/// Connections to the servers of a cache, opened as they are needed.
pub(crate) struct Servers<'a> {
    target: &'a CacheTarget,
    password: Option<&'a Sensitive>,
    purpose: Purpose,
    /// Servers that own keys, in the order of the address.
    pub(crate) hosts: Vec<HostPort>,
    open: HashMap<String, MultiplexedConnection>,
    /// Owners of slots, as redirects named them.
    owners: HashMap<u16, HostPort>,
    known: HashMap<&'static str, bool>,
}

/// Slot of a key in a cluster: of what is between its first braces, if anything is.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let length = key[open + 1..].iter().position(|b| *b == b'}')?;
        (length > 0).then(|| &key[open + 1..open + 1 + length])
    });
    let mut crc = 0_u16;
    for byte in tag.unwrap_or(key) {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc & 0x3fff
}

/// Whether an error is a server's word of this kind.
pub(crate) fn is(error: &RedisError, word: &str) -> bool {
    error.code() == Some(word)
}

impl<'a> Servers<'a> {
    /// Finds the servers of a target.
    ///
    /// # Errors
    /// When Sentinels or seeds cannot be asked.
    pub(crate) async fn to(
        target: &'a CacheTarget,
        password: Option<&'a Sensitive>,
        purpose: Purpose,
    ) -> Result<Self, ApiError> {
        let hosts = servers(target, password).await?;
        if hosts.is_empty() {
            return Err(ApiError::bad_request("The cache's address names no host"));
        }
        Ok(Self {
            target,
            password,
            purpose,
            hosts,
            open: HashMap::new(),
            owners: HashMap::new(),
            known: HashMap::new(),
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.target.mode == CacheMode::Cluster
    }

    /// A connection to a server. What is looked at over it does not become hot, where the server can do that.
    pub(crate) async fn connection(&mut self, host: &HostPort) -> Result<MultiplexedConnection, ApiError> {
        let name = host.to_string();
        if let Some(open) = self.open.get(&name) {
            return Ok(open.clone());
        }
        let mut connection = connect_as(self.target, host, self.password, self.purpose).await?;
        let _: Result<(), RedisError> =
            redis::cmd("CLIENT").arg("NO-TOUCH").arg("ON").query_async(&mut connection).await;
        self.open.insert(name, connection.clone());
        Ok(connection)
    }

    /// Whether the servers know a command. They are asked: an error about an unknown command repeats its words, and a connection does
    /// not survive one whose words are no text.
    pub(crate) async fn knows(&mut self, command: &'static str) -> Result<bool, ApiError> {
        if let Some(known) = self.known.get(command) {
            return Ok(*known);
        }
        let mut ask = redis::cmd("COMMAND");
        ask.arg("INFO").arg(command);
        let host = self.owner(b"");
        let reply = self.batch(&host, std::slice::from_ref(&ask), false).await?.pop();
        // An account that may not ask may still use it.
        let known = !matches!(&reply, Some(Ok(Value::Array(all))) if matches!(all.as_slice(), [Value::Nil]));
        self.known.insert(command, known);
        Ok(known)
    }

    fn owner(&self, key: &[u8]) -> HostPort {
        let known = self.is_cluster().then(|| self.owners.get(&slot(key))).flatten();
        known.or(self.hosts.first()).cloned().unwrap_or_else(|| HostPort { host: String::new(), port: 0 })
    }

    /// Sends commands to one server in one go; each has its own reply.
    ///
    /// # Errors
    /// When the server cannot be reached, or the connection was lost.
    pub(crate) async fn batch(
        &mut self,
        host: &HostPort,
        commands: &[Cmd],
        asking: bool,
    ) -> Result<Vec<Reply>, ApiError> {
        let mut pipeline = Pipeline::new();
        pipeline.ignore_errors();
        for command in commands {
            if asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(command.clone());
        }
        let mut connection = self.connection(host).await?;
        let replies: Result<Vec<Reply>, RedisError> = pipeline.query_async(&mut connection).await;
        let replies = replies.map_err(|e| {
            self.open.remove(&host.to_string());
            explain(self.target, host, &e)
        })?;
        Ok(if asking { replies.into_iter().skip(1).step_by(2).collect() } else { replies })
    }

    /// Sends commands about one key to the server that owns it; answers that server and a reply for each.
    ///
    /// # Errors
    /// When the server cannot be reached, or the key does not come to rest.
    pub(crate) async fn about(&mut self, key: &[u8], commands: &[Cmd]) -> Result<(HostPort, Vec<Reply>), ApiError> {
        let started = Instant::now();
        let (mut host, mut asking, mut redirects) = (self.owner(key), false, 0);
        loop {
            let replies = self.batch(&host, commands, asking).await?;
            let errors = || replies.iter().filter_map(|r| r.as_ref().err());
            if let Some(to) = errors().find_map(|e| redirect(e, &host)) {
                redirects += 1;
                if redirects > REDIRECTS {
                    return Err(explain(
                        self.target,
                        &host,
                        errors().next().unwrap_or(&RedisError::from((ErrorKind::Client, "too many redirects"))),
                    ));
                }
                asking = to.1;
                host = to.0;
                if !asking {
                    self.owners.insert(slot(key), host.clone());
                }
                continue;
            }
            if errors().any(|e| is(e, "TRYAGAIN")) && started.elapsed() < MOVING {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            return Ok((host, replies));
        }
    }

    /// One command about one key.
    ///
    /// # Errors
    /// As [`Servers::about`]; also when the server refuses it.
    pub(crate) async fn one(&mut self, key: &[u8], command: &Cmd) -> Result<Value, ApiError> {
        let (host, mut replies) = self.about(key, std::slice::from_ref(command)).await?;
        match replies.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.refused(&host, command, &error)),
            None => Err(ApiError::internal("The server gave no reply")),
        }
    }

    /// Runs a script on keys of one slot.
    ///
    /// # Errors
    /// As [`Servers::one`].
    pub(crate) async fn script(
        &mut self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[Vec<u8>],
    ) -> Result<Value, ApiError> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(*key);
            }
            for argument in arguments {
                command.arg(argument.as_slice());
            }
            command
        };
        let first = keys.first().copied().unwrap_or_default();
        let short = command("EVALSHA", &script.digest);
        let (host, mut replies) = self.about(first, std::slice::from_ref(&short)).await?;
        match replies.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(e)) if is(&e, "NOSCRIPT") => self.one(first, &command("EVAL", script.text)).await,
            Some(Err(e)) => Err(self.refused(&host, &short, &e)),
            None => Err(ApiError::internal("The server gave no reply")),
        }
    }

    /// Why a server refused a command. A missing privilege is named with the rule that gives it.
    pub(crate) fn refused(&self, host: &HostPort, command: &Cmd, error: &RedisError) -> ApiError {
        let text = error.to_string();
        if !is(error, "NOPERM") && !text.contains("NOPERM") && !text.contains("can't run this command") {
            if is(error, "WRONGTYPE") || text.contains("WRONGTYPE") {
                return ApiError::new(ErrorCode::Conflict, "The key is of another type by now").hint("Read it again");
            }
            if text.to_ascii_lowercase().contains("unknown command") && is_script(command) {
                return no_scripts(host);
            }
            return explain(self.target, host, error);
        }
        let user = self.target.address.username.as_deref().unwrap_or("default");
        if text.contains("one of the keys") || text.contains("access the key") || text.contains("key used as") {
            let hint = format!("{} and the pattern of the keys, such as ~user:*", acl(user, &[]).trim_end());
            return ApiError::new(ErrorCode::Privilege, format!("'{user}' may not use this key on {host}")).hint(hint);
        }
        let word = |n: usize| match command.args_iter().nth(n) {
            Some(redis::Arg::Simple(bytes)) => String::from_utf8_lossy(bytes).to_lowercase(),
            _ => String::new(),
        };
        let name = word(0);
        let rules = match name.as_str() {
            "evalsha" | "eval" => "+eval +evalsha and the commands that read or edit this type".to_owned(),
            "memory" | "object" | "xinfo" | "client" => format!("+{name}|{}", word(1)),
            _ => format!("+{name}"),
        };
        ApiError::new(ErrorCode::Privilege, format!("'{user}' may not run {} on {host}", name.to_uppercase()))
            .hint(acl(user, &[rules.as_str()]))
    }
}

/// Whether a command runs a script.
fn is_script(command: &Cmd) -> bool {
    let name = match command.args_iter().next() {
        Some(redis::Arg::Simple(name)) => name.to_ascii_uppercase(),
        _ => Vec::new(),
    };
    name == b"EVAL" || name == b"EVALSHA"
}

/// A server on which scripts have another name, or none. An edit compares and writes in one script.
fn no_scripts(host: &HostPort) -> ApiError {
    let what = format!("{host} does not know EVAL or EVALSHA (renamed or switched off), so nothing was altered");
    ApiError::new(ErrorCode::Unsupported, what).hint(
        "Remove rename-command for EVAL and EVALSHA from its configuration, and give this account alone the right: ACL SETUSER … +eval +evalsha",
    )
}

/// Where an error sends a client, and whether for this time only.
pub(crate) fn redirect(error: &RedisError, from: &HostPort) -> Option<(HostPort, bool)> {
    let (at, _) = error.redirect_node()?;
    let (host, port) = at.rsplit_once(':')?;
    // An empty host is the one that was asked.
    let host = if host.is_empty() { from.host.as_str() } else { host.trim_matches(['[', ']']) };
    let asking = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
    Some((HostPort { host: host.to_owned(), port: port.parse().ok()? }, asking))
}

/// Bytes of a reply.
pub(crate) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// Text of a reply.
pub(crate) fn text(value: &Value) -> Option<String> {
    bytes(value).and_then(|b| std::str::from_utf8(b).ok()).map(str::to_owned)
}

/// Number of a reply.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        other => text(other)?.parse().ok(),
    }
}

/// Elements of a reply.
pub(crate) fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(all) => all,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_the_clusters() {
        for (key, right, why) in [
            ("123456789", 0x31c3 & 0x3fff, "the reference value of CRC16"),
            ("foo", 12_182, "the documented one"),
            ("{foo}.bar", 12_182, "what is between braces decides"),
            ("{}.bar", slot(b"{}.bar"), "empty braces do not"),
        ] {
            assert_eq!(slot(key.as_bytes()), right, "{why}");
        }
        assert_ne!(slot(b"{}.bar"), slot(b""), "of empty braces the whole key counts");
    }
}
