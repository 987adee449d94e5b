//! The end of an HTTP/1.1 response, found with as little work as possible: status and framing from the head, the body
//! only handed on. A head that is the same as the last one is not read again.
//!
//! Framing follows RFC 9112, section 6.3. Where that leaves a choice: a length that is given several times is one length;
//! folded lines are read as spaces; nothing but CRLF ends the lines of a chunked body.
use std::mem::MaybeUninit;

use hyper::http::request::Parts;

/// Longest head of a response, its interim responses included.
pub(crate) const MAX_HEAD: usize = 256 << 10;
/// Most header fields of a response.
pub(crate) const MAX_FIELDS: usize = 1024;
/// Longest line with the size of a chunk.
const MAX_CHUNK_LINE: u32 = 16 << 10;

/// What of a request decides how its response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// It was HEAD, whose responses have no body.
    pub(crate) bodyless: bool,
    /// It asked for another protocol.
    pub(crate) upgrade: bool,
    /// It asked for the connection to be closed.
    pub(crate) close: bool,
}

impl Asked {
    /// Of a request.
    pub(crate) fn of(parts: &Parts) -> Self {
        let connection = |token: &str| {
            let fields = parts.headers.get_all(hyper::header::CONNECTION).iter();
            fields.filter_map(|v| v.to_str().ok()).any(|v| has(v, token))
        };
        Self {
            bodyless: parts.method == hyper::Method::HEAD,
            upgrade: parts.headers.contains_key(hyper::header::UPGRADE) && connection("upgrade"),
            close: connection("close"),
        }
    }
}

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    NoLength,
    LengthsDiffer,
    ChunkedTwice,
    Switched,
}

impl Flaw {
    fn words(self) -> String {
        match self {
            Self::NoLength => "a Content-Length that is no number",
            Self::LengthsDiffer => "two different lengths",
            Self::ChunkedTwice => "a body that is chunked twice",
            Self::Switched => "the server switched protocols without being asked",
        }
        .to_owned()
    }
}

/// How the body of a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
    Flawed(Flaw),
}

/// What a head says, whatever was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
    keep_alive: bool,
}

/// What a reader keeps of a head besides.
pub(crate) trait Fields: Clone {
    /// Of a response that was parsed.
    ///
    /// # Errors
    /// What cannot be kept.
    fn of(response: &httparse::Response<'_, '_>) -> Result<Self, String>;
}

impl Fields for () {
    fn of(_: &httparse::Response<'_, '_>) -> Result<Self, String> {
        Ok(())
    }
}

/// The last head of a thread or connection: servers send the same bytes again and again.
#[derive(Debug)]
pub(crate) struct HeadCache<F = ()> {
    bytes: Vec<u8>,
    head: Option<(Head, F)>,
}

impl<F> Default for HeadCache<F> {
    fn default() -> Self {
        Self { bytes: Vec::new(), head: None }
    }
}

/// Where a response is.
#[derive(Debug)]
enum Phase {
    Head,
    Length(u64),
    Chunk(Chunk),
    UntilClose,
}

/// Where a chunked body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the size, with the value so far and the length of its line.
    Size(u64, u32),
    /// Behind the size, up to the end of its line.
    Extension(u64, u32),
    /// Behind the CR of that line.
    SizeEnd(u64),
    Data(u64),
    /// Line end behind the data; how many of its two bytes are left.
    DataEnd(u8),
    /// In the trailers: bytes of the line so far, and of all of them.
    Trailer(u32, u32),
    /// Behind the CR of a trailer, of which this was the length.
    TrailerEnd(u32, u32),
}

/// What more bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The response goes on.
    More,
    /// The response is complete.
    Done {
        status: u16,
        keep_alive: bool,
        /// Bytes of the input that belong to it.
        used: usize,
    },
}

/// Reads one response after the other of a connection.
#[derive(Debug)]
pub(crate) struct Reader<F = ()> {
    phase: Phase,
    head: Option<Head>,
    fields: Option<F>,
    /// The part of a head that has arrived.
    partial: Vec<u8>,
    /// How long that was when it was last parsed.
    parsed: usize,
    asked: Asked,
}

impl<F: Fields> Reader<F> {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { phase: Phase::Head, head: None, fields: None, partial: Vec::new(), parsed: 0, asked }
    }

    /// Forgets a response that was not finished.
    pub(crate) fn reset(&mut self) {
        self.phase = Phase::Head;
        self.head = None;
        self.partial.clear();
        self.parsed = 0;
    }

    /// The next response is to such a request.
    pub(crate) fn begin(&mut self, asked: Asked) {
        self.reset();
        self.asked = asked;
    }

    /// What was kept of the last head.
    pub(crate) fn fields(&mut self) -> Option<F> {
        self.fields.take()
    }

    /// Takes in bytes; `body` gets those of the body.
    ///
    /// # Errors
    /// What is wrong with the response, for a person.
    pub(crate) fn take(
        &mut self,
        data: &[u8],
        cache: &mut HeadCache<F>,
        mut body: impl FnMut(&[u8]),
    ) -> Result<Step, String> {
        let mut at = 0;
        if matches!(self.phase, Phase::Head) {
            match self.head(data, cache)? {
                Some(used) => at = used,
                None => return Ok(Step::More),
            }
        }
        let Some(head) = self.head else { return Ok(Step::More) };
        let rest = data.get(at..).unwrap_or_default();
        let ended = match &mut self.phase {
            Phase::Head => None,
            Phase::UntilClose => {
                body(rest);
                None
            }
            Phase::Length(left) => {
                let take = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(*left);
                *left -= take;
                // At most the length of the input.
                let taken = usize::try_from(take).unwrap_or(rest.len());
                body(rest.get(..taken).unwrap_or_default());
                (*left == 0).then_some(taken)
            }
            Phase::Chunk(chunk) => chunked(chunk, rest, &mut body)?,
        };
        let Some(used) = ended else { return Ok(Step::More) };
        self.reset();
        Ok(Step::Done { status: head.status, keep_alive: head.keep_alive, used: at + used })
    }

    /// The connection was closed: the status when that is how the response ends, else `None`.
    pub(crate) fn closed(&mut self) -> Option<u16> {
        let ends = matches!(self.phase, Phase::UntilClose);
        let status = self.head.map(|h| h.status);
        self.reset();
        if ends { status } else { None }
    }

    /// Reads the head; answers how many bytes of `data` it took once it is complete.
    fn head(&mut self, data: &[u8], cache: &mut HeadCache<F>) -> Result<Option<usize>, String> {
        if self.partial.is_empty() {
            if let Some((head, fields)) = &cache.head
                && data.starts_with(&cache.bytes)
            {
                let used = cache.bytes.len();
                let (head, fields) = (*head, fields.clone());
                self.begin_body(head, fields)?;
                return Ok(Some(used));
            }
            return match parse::<F>(data)? {
                Some((head, fields, used)) => {
                    cache.head = Some((head, fields.clone()));
                    cache.bytes.clear();
                    cache.bytes.extend_from_slice(data.get(..used).unwrap_or_default());
                    self.begin_body(head, fields)?;
                    Ok(Some(used))
                }
                None => {
                    self.partial.extend_from_slice(data);
                    self.parsed = data.len();
                    bounded(self.partial.len()).map(|()| None)
                }
            };
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(data);
        // A head that comes in crumbs is parsed when it may be complete, and so that nonsense does not grow.
        let tail = self.partial.get(before.saturating_sub(2)..).unwrap_or_default();
        let ends = tail.windows(2).any(|w| w == b"\n\n") || tail.windows(3).any(|w| w == b"\n\r\n");
        if !ends && self.partial.len() < self.parsed.saturating_mul(2) {
            return bounded(self.partial.len()).map(|()| None);
        }
        self.parsed = self.partial.len();
        match parse::<F>(&self.partial)? {
            Some((head, fields, used)) => {
                self.partial.clear();
                self.begin_body(head, fields)?;
                Ok(Some(used.saturating_sub(before)))
            }
            None => bounded(self.partial.len()).map(|()| None),
        }
    }

    fn begin_body(&mut self, mut head: Head, fields: F) -> Result<(), String> {
        let framing = match head.framing {
            Framing::Flawed(Flaw::Switched) if self.asked.upgrade => {
                head.keep_alive = false;
                Framing::Length(0)
            }
            framing @ Framing::Flawed(Flaw::Switched) => framing,
            // Nothing but the head, whatever it says of a body.
            _ if self.asked.bodyless || matches!(head.status, 204 | 304) => Framing::Length(0),
            framing => framing,
        };
        self.phase = match framing {
            Framing::Length(n) => Phase::Length(n),
            Framing::Chunked => Phase::Chunk(Chunk::Size(0, 0)),
            Framing::UntilClose => Phase::UntilClose,
            Framing::Flawed(flaw) => return Err(flaw.words()),
        };
        head.keep_alive &= !self.asked.close && framing != Framing::UntilClose;
        self.head = Some(head);
        self.fields = Some(fields);
        Ok(())
    }
}

fn bounded(head: usize) -> Result<(), String> {
    if head > MAX_HEAD { Err(format!("the response's head is over {} KiB", MAX_HEAD >> 10)) } else { Ok(()) }
}

/// A complete head and its length; interim responses (1xx) before it are skipped.
fn parse<F: Fields>(data: &[u8]) -> Result<Option<(Head, F, usize)>, String> {
    let mut skipped = 0;
    loop {
        let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let rest = data.get(skipped..).unwrap_or_default();
        // RFC 9112, section 5.2: a client reads folded lines as spaces.
        let parsed = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .parse_response_with_uninit_headers(&mut response, rest, &mut fields);
        let used = match parsed {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(format!("the response has more than {MAX_FIELDS} header fields"));
            }
            Err(error) => return Err(format!("not an HTTP/1.1 response: {error}")),
        };
        bounded(skipped + used)?;
        let status = response.code.unwrap_or(0);
        skipped += used;
        match status {
            0..100 => return Err("not an HTTP/1.1 response: a status below 100".to_owned()),
            100 | 102..200 => continue,
            _ => {}
        }
        let head = read_head(&response, status);
        return Ok(Some((head, F::of(&response)?, skipped)));
    }
}

/// Whether a list has this token.
fn has(list: &str, token: &str) -> bool {
    list.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// A length, which may be a list of the same ones (RFC 9110, section 8.6).
fn length(value: &[u8], before: Option<u64>) -> Result<u64, Flaw> {
    let mut found = before;
    for part in value.split(|b| *b == b',') {
        let part = part.trim_ascii();
        if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
            return Err(Flaw::NoLength);
        }
        let n = std::str::from_utf8(part).ok().and_then(|p| p.parse().ok()).ok_or(Flaw::NoLength)?;
        if found.is_some_and(|before| before != n) {
            return Err(Flaw::LengthsDiffer);
        }
        found = Some(n);
    }
    found.ok_or(Flaw::NoLength)
}

fn read_head(response: &httparse::Response<'_, '_>, status: u16) -> Head {
    let mut lengths: Result<Option<u64>, Flaw> = Ok(None);
    // How often the body is chunked, and whether that is its last coding.
    let (mut coded, mut times, mut last) = (false, 0, false);
    let modern = response.version == Some(1);
    let mut keep_alive = modern;
    for field in response.headers.iter() {
        let value = || std::str::from_utf8(field.value).unwrap_or_default();
        if field.name.eq_ignore_ascii_case("content-length") {
            lengths = lengths.and_then(|before| length(field.value, before).map(Some));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            coded = true;
            for coding in value().split(',').map(str::trim).filter(|c| !c.is_empty()) {
                last = coding.eq_ignore_ascii_case("chunked");
                times += u32::from(last);
            }
        } else if field.name.eq_ignore_ascii_case("connection") {
            if has(value(), "close") {
                keep_alive = false;
            } else if has(value(), "keep-alive") {
                keep_alive = true;
            }
        }
    }
    let framing = match (coded, lengths) {
        _ if status == 101 => Framing::Flawed(Flaw::Switched),
        // A coding goes before a length (section 6.3).
        (true, _) if times > 1 => Framing::Flawed(Flaw::ChunkedTwice),
        (true, _) if last => Framing::Chunked,
        (true, _) | (false, Ok(None)) => Framing::UntilClose,
        (false, Ok(Some(length))) => Framing::Length(length),
        (false, Err(flaw)) => Framing::Flawed(flaw),
    };
    // Codings came with HTTP/1.1: nobody knows what an older server means by one (section 6.1).
    Head { status, framing, keep_alive: keep_alive && (modern || !coded) }
}

/// Advances through a chunked body; answers how many bytes of `data` it took once it is complete.
fn chunked(chunk: &mut Chunk, data: &[u8], body: &mut impl FnMut(&[u8])) -> Result<Option<usize>, String> {
    let wrong = |what: &str| Err(what.to_owned());
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        match chunk {
            Chunk::Data(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len() - at);
                *left -= take as u64;
                body(data.get(at..at + take).unwrap_or_default());
                at += take;
                if *left == 0 {
                    *chunk = Chunk::DataEnd(2);
                }
                continue;
            }
            Chunk::Size(_, line) | Chunk::Extension(_, line) if *line >= MAX_CHUNK_LINE => {
                return wrong("a chunk whose size does not end");
            }
            Chunk::Size(size, line) => match (byte as char).to_digit(16) {
                Some(_) if *size >> 60 != 0 => return wrong("a chunk whose size is no number of 64 bits"),
                Some(digit) => *chunk = Chunk::Size(*size * 16 + u64::from(digit), *line + 1),
                None if *line == 0 => return wrong("a chunk without a size"),
                None if byte == b'\r' => *chunk = Chunk::SizeEnd(*size),
                None if matches!(byte, b';' | b' ' | b'\t') => *chunk = Chunk::Extension(*size, *line + 1),
                None => return wrong("a chunk whose size is no number"),
            },
            Chunk::Extension(size, line) => match byte {
                b'\r' => *chunk = Chunk::SizeEnd(*size),
                b'\n' => return wrong("a line of a chunked body that ends without CR"),
                _ => *line += 1,
            },
            Chunk::SizeEnd(size) => match byte {
                b'\n' => *chunk = if *size == 0 { Chunk::Trailer(0, 0) } else { Chunk::Data(*size) },
                _ => return wrong("a CR within a line of a chunked body"),
            },
            Chunk::DataEnd(left) => {
                if byte != if *left == 2 { b'\r' } else { b'\n' } {
                    return wrong("a chunk that is longer than its size");
                }
                *chunk = if *left == 2 { Chunk::DataEnd(1) } else { Chunk::Size(0, 0) };
            }
            Chunk::Trailer(line, all) => {
                if *all as usize > MAX_HEAD {
                    return wrong("trailers that do not end");
                }
                match byte {
                    b'\n' => return wrong("a line of a chunked body that ends without CR"),
                    b'\r' => *chunk = Chunk::TrailerEnd(*line, *all + 1),
                    _ => *chunk = Chunk::Trailer(*line + 1, *all + 1),
                }
            }
            Chunk::TrailerEnd(line, all) => match byte {
                b'\n' if *line == 0 => return Ok(Some(at + 1)),
                b'\n' => *chunk = Chunk::Trailer(0, *all + 1),
                _ => return wrong("a CR within a line of a chunked body"),
            },
        }
        at += 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4;x=1\r\nwiki\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n";

    fn done(status: u16, keep_alive: bool, used: usize) -> Step {
        Step::Done { status, keep_alive, used }
    }

    /// The steps of a response that arrives in these pieces.
    fn read(pieces: &[&[u8]], bodyless: bool) -> Result<Step, String> {
        let (mut reader, mut cache) = (Reader::<()>::new(Asked { bodyless, ..Asked::default() }), HeadCache::default());
        let mut step = Step::More;
        for piece in pieces {
            step = reader.take(piece, &mut cache, |_| {})?;
        }
        Ok(step)
    }

    #[test]
    fn framing_follows_the_rfc() {
        for (bytes, bodyless, status, keep) in [
            (PLAIN, false, 200, true),
            (CHUNKED, false, 201, true),
            (b"HTTP/1.1 204 No Content\r\n\r\n".as_slice(), false, 204, true),
            (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 900\r\n\r\n", false, 304, true),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", true, 200, true),
            (b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n", false, 200, false),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false, 200, false),
            (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", false, 200, true),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, 200, true),
        ] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(read(&[bytes], bodyless), Ok(done(status, keep, bytes.len())), "{text}");
        }
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        let (mut reader, mut cache) = (Reader::<()>::new(Asked::default()), HeadCache::default());
        assert_eq!(reader.take(b"HTTP/1.1 200 OK\r\n\r\nabc", &mut cache, |_| {}), Ok(Step::More), "it may go on");
        assert_eq!(reader.closed(), Some(200), "until the connection is closed");
        assert_eq!(reader.take(&PLAIN[..40], &mut cache, |_| {}), Ok(Step::More), "a part of a body");
        assert_eq!(reader.closed(), None, "that is cut off is no response");
    }

    #[test]
    fn nonsense_is_named() {
        for (bytes, word) in [
            (b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), "not an HTTP/1.1 response"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "a Content-Length that is no number"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "two different lengths"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "without a size"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd", "longer than its size"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff", "no number of 64 bits"),
        ] {
            let error = read(&[bytes], false).expect_err("it is refused");
            assert!(error.contains(word), "'{error}' names {word}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'a'; MAX_HEAD + 1]].concat();
        assert!(read(&[&endless], false).expect_err("refused").contains("over 256 KiB"), "a head has a bound");
    }

    #[test]
    fn what_follows_a_response_is_left() {
        let two = [PLAIN, b"more"].concat();
        assert_eq!(read(&[&two], false), Ok(done(200, true, PLAIN.len())), "only its own bytes are taken");
    }

    #[test]
    fn the_cache_answers_the_same_as_reading() {
        let (mut reader, mut cache) = (Reader::<()>::new(Asked::default()), HeadCache::default());
        for _ in 0..3 {
            assert_eq!(reader.take(PLAIN, &mut cache, |_| {}), Ok(done(200, true, PLAIN.len())), "again and again");
        }
        let other = b"HTTP/1.1 503 Busy\r\ncontent-length: 1\r\n\r\nx";
        assert_eq!(
            reader.take(other, &mut cache, |_| {}),
            Ok(done(503, true, other.len())),
            "another head is read anew"
        );
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in proptest::collection::vec(0usize..120, 0..6), kind in 0usize..2) {
            let bytes = [PLAIN, CHUNKED][kind];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % bytes.len()).collect();
            cuts.sort_unstable();
            let (mut reader, mut cache) = (Reader::<()>::new(Asked::default()), HeadCache::default());
            for _ in 0..2 {
                let mut from = 0;
                let mut last = Step::More;
                for to in cuts.iter().copied().chain([bytes.len()]) {
                    if to > from {
                        last = reader.take(&bytes[from..to], &mut cache, |_| {}).expect("well-formed");
                        from = to;
                    }
                }
                let whole = matches!(last, Step::Done { status, keep_alive: true, .. } if status == [200, 201][kind]);
                prop_assert!(whole, "complete with the last piece: {last:?}");
            }
        }

        #[test]
        fn anything_is_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let (mut reader, mut cache) = (Reader::<()>::new(Asked::default()), HeadCache::default());
            for piece in &pieces {
                match reader.take(piece, &mut cache, |_| {}) {
                    Ok(Step::Done { used, .. }) => prop_assert!(used <= piece.len(), "never more than there was"),
                    Ok(Step::More) => {}
                    Err(_) => reader.reset(),
                }
            }
        }
    }
}
