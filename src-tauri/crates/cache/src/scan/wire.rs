//! The protocol of Redis over a stream, for scans: names of keys stay in one buffer until they are counted, and the next page is asked
//! for while one is read. Every wait has a deadline, every reply a bound.
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::Stream;

/// Longest wait for the next bytes of an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Bytes of one reply at most.
const LONGEST: usize = 64 << 20;
/// Longest line: numbers, states and errors.
const LONGEST_LINE: usize = 64 << 10;
/// Elements of one reply at most.
const MOST: usize = 4 << 20;
/// How deep replies are nested at most.
const DEEPEST: u8 = 8;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Why an answer could not be had.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection failed.
    Io(io::Error),
    /// Nothing came for this long.
    Late(Duration),
    /// What came is not the protocol.
    Nonsense,
    /// A reply is longer than is read.
    TooLong,
    /// The server refused it, in its words: they are for recognising, not for showing.
    Refused(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Read<T> = Result<T, Broken>;

/// An answer of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Null,
    Number(i64),
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    /// A refusal in place of an answer.
    Error(String),
}

impl Reply {
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bytes(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }
}

/// Names of keys, one after the other.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.bytes[start..self.ends[place] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// A connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    at: usize,
    out: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: Vec::with_capacity(CHUNK), at: 0, out: Vec::new() }
    }

    /// Queues a command.
    pub(super) fn queue(&mut self, words: &[&[u8]]) {
        let number = |out: &mut Vec<u8>, kind: u8, n: usize| {
            out.push(kind);
            let mut digits = [0_u8; 20];
            let (mut at, mut n) = (digits.len(), n);
            loop {
                at -= 1;
                digits[at] = b'0' + (n % 10) as u8;
                n /= 10;
                if n == 0 {
                    break;
                }
            }
            out.extend_from_slice(&digits[at..]);
            out.extend_from_slice(b"\r\n");
        };
        number(&mut self.out, b'*', words.len());
        for word in words {
            number(&mut self.out, b'$', word.len());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends what is queued.
    pub(super) async fn send(&mut self) -> Read<()> {
        let sent = tokio::time::timeout(ANSWER, self.stream.write_all(&self.out)).await;
        self.out.clear();
        sent.map_err(|_| Broken::Late(ANSWER))??;
        // Only an encrypted stream keeps anything back.
        tokio::time::timeout(ANSWER, self.stream.flush()).await.map_err(|_| Broken::Late(ANSWER))??;
        Ok(())
    }

    /// Runs a command; a refusal is an error.
    pub(super) async fn ask(&mut self, words: &[&[u8]]) -> Read<Reply> {
        self.queue(words);
        self.send().await?;
        match self.reply().await? {
            Reply::Error(text) => Err(Broken::Refused(text)),
            reply => Ok(reply),
        }
    }

    async fn fill(&mut self) -> Read<()> {
        if self.at > 0 && (self.at == self.buffer.len() || self.buffer.len() > 4 * CHUNK) {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        if self.buffer.len() - self.at > LONGEST {
            return Err(Broken::TooLong);
        }
        self.buffer.reserve(CHUNK);
        let read = tokio::time::timeout(ANSWER, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| Broken::Late(ANSWER))?? {
            0 => Err(Broken::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// The next line, without its end: its kind and where the rest is in the buffer.
    async fn line(&mut self) -> Read<(u8, std::ops::Range<usize>)> {
        let mut from = 0;
        loop {
            let open = &self.buffer[self.at..];
            if let Some(end) = open[from..].iter().position(|b| *b == b'\n').map(|i| from + i) {
                if end < 2 || open[end - 1] != b'\r' {
                    return Err(Broken::Nonsense);
                }
                let (kind, start) = (open[0], self.at + 1);
                let range = start..self.at + end - 1;
                self.at += end + 1;
                return Ok((kind, range));
            }
            from = open.len();
            if from > LONGEST_LINE {
                return Err(Broken::Nonsense);
            }
            self.fill().await?;
        }
    }

    fn number(&self, range: std::ops::Range<usize>) -> Read<i64> {
        let digits = &self.buffer[range];
        // Short and plain: this is most of what is read.
        if digits.len() < 18 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            return Ok(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')));
        }
        std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Broken::Nonsense)
    }

    fn length(&self, range: std::ops::Range<usize>, most: usize) -> Read<Option<usize>> {
        match self.number(range)? {
            -1 => Ok(None),
            n => match usize::try_from(n) {
                Ok(n) if n <= most => Ok(Some(n)),
                Ok(_) => Err(Broken::TooLong),
                Err(_) => Err(Broken::Nonsense),
            },
        }
    }

    /// The next `length` bytes and the end of their line, as a range of the buffer.
    async fn bytes(&mut self, length: usize) -> Read<std::ops::Range<usize>> {
        while self.buffer.len() - self.at < length + 2 {
            self.fill().await?;
        }
        let start = self.at;
        if &self.buffer[start + length..start + length + 2] != b"\r\n" {
            return Err(Broken::Nonsense);
        }
        self.at += length + 2;
        Ok(start..start + length)
    }

    /// The next reply. What the server pushes without being asked is left out.
    pub(super) async fn reply(&mut self) -> Read<Reply> {
        loop {
            let (kind, rest) = self.line().await?;
            if kind == b'>' {
                self.list(kind, rest, 0).await?;
                continue;
            }
            return self.after(kind, rest, 0).await;
        }
    }

    /// The rest of a reply whose first line was read.
    async fn after(&mut self, kind: u8, rest: std::ops::Range<usize>, depth: u8) -> Read<Reply> {
        match kind {
            b':' => Ok(Reply::Number(self.number(rest)?)),
            // A double, a number of any size: as they are written.
            b'+' | b',' | b'(' => Ok(Reply::Bytes(self.buffer[rest].to_vec())),
            b'-' => Ok(Reply::Error(String::from_utf8_lossy(&self.buffer[rest]).into_owned())),
            b'_' => Ok(Reply::Null),
            b'#' => Ok(Reply::Number(i64::from(&self.buffer[rest] == b"t"))),
            b'$' | b'=' | b'!' => {
                let Some(length) = self.length(rest, LONGEST)? else { return Ok(Reply::Null) };
                let range = self.bytes(length).await?;
                let bytes = &self.buffer[range];
                Ok(match kind {
                    b'!' => Reply::Error(String::from_utf8_lossy(bytes).into_owned()),
                    // Three letters say what kind of text it is.
                    b'=' => Reply::Bytes(bytes.get(4..).unwrap_or_default().to_vec()),
                    _ => Reply::Bytes(bytes.to_vec()),
                })
            }
            b'*' | b'~' | b'%' => Box::pin(self.list(kind, rest, depth)).await,
            _ => Err(Broken::Nonsense),
        }
    }

    async fn list(&mut self, kind: u8, rest: std::ops::Range<usize>, depth: u8) -> Read<Reply> {
        let Some(length) = self.length(rest, MOST)? else { return Ok(Reply::Null) };
        if depth >= DEEPEST {
            return Err(Broken::TooLong);
        }
        let length = if kind == b'%' { 2 * length } else { length };
        let mut all = Vec::with_capacity(length.min(1_024));
        for _ in 0..length {
            let (kind, rest) = self.line().await?;
            all.push(Box::pin(self.after(kind, rest, depth + 1)).await?);
        }
        Ok(Reply::List(all))
    }

    /// The first half of the answer to SCAN: where the next page begins, as the server writes it. It may be above 2^63.
    pub(super) async fn cursor(&mut self) -> Read<Vec<u8>> {
        let (kind, rest) = self.line().await?;
        match kind {
            b'*' if self.length(rest.clone(), 2)? == Some(2) => {}
            b'-' => return Err(Broken::Refused(String::from_utf8_lossy(&self.buffer[rest]).into_owned())),
            _ => return Err(Broken::Nonsense),
        }
        let (kind, rest) = self.line().await?;
        match self.after(kind, rest, 0).await? {
            Reply::Bytes(cursor) if !cursor.is_empty() && cursor.iter().all(u8::is_ascii_digit) => Ok(cursor),
            Reply::Number(n) if n >= 0 => Ok(n.to_string().into_bytes()),
            _ => Err(Broken::Nonsense),
        }
    }

    /// The second half: names, put after those that are in `names`.
    pub(super) async fn names(&mut self, names: &mut Names) -> Read<()> {
        let (kind, rest) = self.line().await?;
        if kind != b'*' {
            return Err(Broken::Nonsense);
        }
        let count = self.length(rest, MOST)?.unwrap_or(0);
        for _ in 0..count {
            let (kind, rest) = self.line().await?;
            if kind != b'$' {
                return Err(Broken::Nonsense);
            }
            let length = self.length(rest, LONGEST)?.ok_or(Broken::Nonsense)?;
            let range = self.bytes(length).await?;
            if names.bytes.len() + length > LONGEST {
                return Err(Broken::TooLong);
            }
            names.push(&self.buffer[range]);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
