//! Statements on an open connection.
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, BufMut as _, Bytes};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use crate::Error;
use crate::cancel::Cancel;
use crate::socket::strange;
use crate::wire::{Wire, refusal, text};

/// Identity of statements, see [`Statement`].
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A statement that is executed again and again. Cloning it shares it: a connection prepares it once.
#[derive(Debug, Clone)]
pub struct Statement {
    text: Arc<str>,
    id: u64,
}

impl Statement {
    /// A statement with this text.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Rows of a few short texts.
pub type Rows = Vec<Vec<Option<String>>>;

/// An open connection.
pub struct Client {
    wire: Wire,
    process: i32,
    cancel: Arc<Cancel>,
    told: BTreeMap<String, String>,
    /// Unique to this connection.
    prefix: String,
    /// Statements that this connection has prepared.
    prepared: Vec<u64>,
    shared: bool,
    /// Status of the transaction: idle, in one, in one that failed.
    status: u8,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("process", &self.process).field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// What the answers to a pipeline hold.
#[derive(Default)]
struct Answer {
    error: Option<Error>,
    parsed: bool,
    parameters: usize,
    rows: Rows,
}

impl Client {
    pub(crate) fn new(wire: Wire, process: i32, cancel: Cancel, told: BTreeMap<String, String>) -> Self {
        // Keyed anew for each of them by the standard library, so two of them are 128 bits of chance.
        let random = || RandomState::new().build_hasher().finish();
        let prefix = format!("perfdeck_{:016x}{:016x}_", random(), random());
        Self {
            wire,
            process,
            cancel: Arc::new(cancel),
            told,
            prefix,
            prepared: Vec::new(),
            shared: false,
            status: b'I',
        }
    }

    /// The process that the server, or a pooler before it, calls its own for this connection.
    pub fn process(&self) -> i32 {
        self.process
    }

    /// What ends the statement that it executes, from elsewhere.
    pub fn cancel(&self) -> Arc<Cancel> {
        self.cancel.clone()
    }

    /// What the server said of a setting while the connection was opened, such as `server_version`.
    pub fn told(&self, name: &str) -> Option<&str> {
        self.told.get(name).map(String::as_str)
    }

    /// Says that its server connections are shared with other clients: from now on nothing is left on them between two
    /// transactions, so statements have no name and are parsed anew for each execution.
    pub fn set_shared(&mut self) {
        self.shared = true;
        self.prepared.clear();
    }

    /// Whether server connections are shared with other clients.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.status != b'I'
    }

    /// Executes a statement with these parameters as texts, whose types the server infers; `None` is NULL. All rows are read.
    ///
    /// One round trip, also the first time: Parse, Bind, Execute and Sync are sent together. With `named` the statement
    /// is parsed once for the connection, unless that is [shared](Self::set_shared).
    ///
    /// # Errors
    /// What the server refuses; the connection can be used afterwards. After any other error it cannot.
    pub async fn execute<'a, P>(&mut self, statement: &Statement, parameters: P, named: bool) -> Result<(), Error>
    where
        P: IntoIterator<Item = Option<&'a [u8]>>,
    {
        let named = named && !self.shared;
        let known = named && self.prepared.contains(&statement.id);
        let name = if named { format!("{}{}", self.prefix, statement.id) } else { String::new() };
        let out = &mut self.wire.write;
        if !known {
            frontend::parse(&name, &statement.text, [], out)?;
        }
        let value = |value: Option<&[u8]>, buffer: &mut bytes::BytesMut| {
            Ok(match value {
                Some(value) => {
                    buffer.put_slice(value);
                    IsNull::No
                }
                None => IsNull::Yes,
            })
        };
        // No format is a text for all of them, in and out.
        frontend::bind("", &name, [], parameters, value, [], out).map_err(|e| match e {
            frontend::BindError::Conversion(e) => Error::Protocol(e.to_string()),
            frontend::BindError::Serialization(e) => Error::Io(e),
        })?;
        frontend::execute("", 0, out)?;
        frontend::sync(out);
        self.wire.flush().await?;
        let answer = self.answers(true, false).await?;
        if named && answer.parsed {
            self.prepared.push(statement.id);
        }
        answer.error.map_or(Ok(()), Err)
    }

    /// Executes a text by the simple protocol, which takes several statements at once. All rows are read.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn simple(&mut self, text: &str) -> Result<(), Error> {
        frontend::query(text, &mut self.wire.write)?;
        self.wire.flush().await?;
        self.answers(false, false).await?.error.map_or(Ok(()), Err)
    }

    /// The rows of a question, as texts. Meant for a few short ones.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn ask(&mut self, text: &str) -> Result<Rows, Error> {
        frontend::query(text, &mut self.wire.write)?;
        self.wire.flush().await?;
        let answer = self.answers(false, true).await?;
        answer.error.map_or(Ok(answer.rows), Err)
    }

    /// How many parameters a statement takes, as the server reads it. Nothing is executed and nothing stays behind.
    ///
    /// # Errors
    /// What is wrong with it, in the server's words.
    pub async fn describe(&mut self, statement: &Statement) -> Result<usize, Error> {
        let out = &mut self.wire.write;
        frontend::parse("", &statement.text, [], out)?;
        frontend::describe(b'S', "", out)?;
        frontend::sync(out);
        self.wire.flush().await?;
        let answer = self.answers(true, false).await?;
        answer.error.map_or(Ok(answer.parameters), Err)
    }

    /// Reads until the server is ready again.
    async fn answers(&mut self, extended: bool, keep: bool) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        loop {
            let mut message = self.wire.message().await?;
            match message.tag {
                b'D' if keep => answer.rows.push(row(message.body)),
                b'1' => answer.parsed = true,
                b't' if message.body.len() >= 2 => answer.parameters = usize::from(message.body.get_u16()),
                b'E' => {
                    let error = refusal(message.body);
                    // Nothing follows the end of a session.
                    if error.refusal().is_some_and(|r| r.fatal) {
                        return Err(error);
                    }
                    answer.error.get_or_insert(error);
                }
                // COPY … FROM STDIN: there is no data, and it must not wait for any.
                b'G' | b'W' => {
                    frontend::copy_fail("a benchmark has no data to copy", &mut self.wire.write)?;
                    if extended {
                        // The one that was sent is part of the copy and was ignored.
                        frontend::sync(&mut self.wire.write);
                    }
                    self.wire.flush().await?;
                }
                b'S' => {
                    let (name, value) = (text(&mut message.body), text(&mut message.body));
                    self.told.extend(name.zip(value));
                }
                b'Z' => {
                    self.status = message.body.first().copied().unwrap_or(b'I');
                    return Ok(answer);
                }
                // Rows and their description, ends of commands, copied data, notices, notifications.
                b'D' | b'T' | b't' | b'C' | b'I' | b's' | b'2' | b'3' | b'n' | b'H' | b'd' | b'c' | b'N' | b'A' => {}
                tag => return Err(strange(tag)),
            }
        }
    }

    /// Ends the connection politely.
    pub async fn close(self) {
        self.wire.close().await;
    }
}

fn row(mut body: Bytes) -> Vec<Option<String>> {
    let mut row = Vec::new();
    if body.len() < 2 {
        return row;
    }
    for _ in 0..body.get_u16() {
        if body.len() < 4 {
            break;
        }
        let length = body.get_i32();
        row.push(
            usize::try_from(length)
                .ok()
                .filter(|n| *n <= body.len())
                .map(|n| String::from_utf8_lossy(&body.split_to(n)).into_owned()),
        );
    }
    row
}
