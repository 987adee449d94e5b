//! The end of an HTTP/1.1 response, found with as little work as possible: status and framing from the head, the body
//! only counted. A head that is the same as the last one is not read again.
//!
//! Framing follows RFC 9112, section 6.3.

/// Longest head of a response.
const MAX_HEAD: usize = 64 << 10;
/// Most header fields of a response.
const MAX_FIELDS: usize = 128;

/// How the body of a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
    keep_alive: bool,
}

/// The last head of a thread: servers send the same bytes again and again.
#[derive(Debug, Default)]
pub(crate) struct HeadCache {
    bytes: Vec<u8>,
    head: Option<Head>,
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
    /// In the size, with the value so far and the digits it has.
    Size(u64, u8),
    /// Behind the size, up to the end of its line.
    Extension(u64),
    Data(u64),
    /// Line end behind the data; how many of its two bytes are left.
    DataEnd(u8),
    /// In the trailers: bytes of the line so far, and of all of them.
    Trailer(u32, u32),
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
pub(crate) struct Reader {
    phase: Phase,
    head: Option<Head>,
    /// The part of a head that has arrived.
    partial: Vec<u8>,
    /// Whether the request was HEAD, whose responses have no body.
    bodyless: bool,
}

impl Reader {
    pub(crate) fn new(bodyless: bool) -> Self {
        Self { phase: Phase::Head, head: None, partial: Vec::new(), bodyless }
    }

    /// Forgets a response that was not finished.
    pub(crate) fn reset(&mut self) {
        self.phase = Phase::Head;
        self.head = None;
        self.partial.clear();
    }

    /// Takes in bytes.
    ///
    /// # Errors
    /// What is wrong with the response, for a person.
    pub(crate) fn take(&mut self, data: &[u8], cache: &mut HeadCache) -> Result<Step, String> {
        let mut at = 0;
        if matches!(self.phase, Phase::Head) {
            match self.head(data, cache)? {
                Some(used) => at = used,
                None => return Ok(Step::More),
            }
        }
        let Some(head) = self.head else { return Ok(Step::More) };
        let rest = data.get(at..).unwrap_or_default();
        let body = match &mut self.phase {
            Phase::Head | Phase::UntilClose => None,
            Phase::Length(left) => {
                let take = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(*left);
                *left -= take;
                // At most the length of the input.
                (*left == 0).then_some(usize::try_from(take).unwrap_or(rest.len()))
            }
            Phase::Chunk(chunk) => chunked(chunk, rest)?,
        };
        let Some(used) = body else { return Ok(Step::More) };
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
    fn head(&mut self, data: &[u8], cache: &mut HeadCache) -> Result<Option<usize>, String> {
        if self.partial.is_empty() {
            if let Some(head) = cache.head
                && data.starts_with(&cache.bytes)
            {
                let used = cache.bytes.len();
                self.begin_body(head);
                return Ok(Some(used));
            }
            return match parse(data, self.bodyless)? {
                Some((head, used)) => {
                    cache.head = Some(head);
                    cache.bytes.clear();
                    cache.bytes.extend_from_slice(data.get(..used).unwrap_or_default());
                    self.begin_body(head);
                    Ok(Some(used))
                }
                None => {
                    self.partial.extend_from_slice(data);
                    bounded(self.partial.len()).map(|()| None)
                }
            };
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(data);
        match parse(&self.partial, self.bodyless)? {
            Some((head, used)) => {
                self.partial.clear();
                self.begin_body(head);
                Ok(Some(used.saturating_sub(before)))
            }
            None => bounded(self.partial.len()).map(|()| None),
        }
    }

    fn begin_body(&mut self, head: Head) {
        self.head = Some(head);
        self.phase = match head.framing {
            Framing::Length(n) => Phase::Length(n),
            Framing::Chunked => Phase::Chunk(Chunk::Size(0, 0)),
            Framing::UntilClose => Phase::UntilClose,
        };
    }
}

fn bounded(head: usize) -> Result<(), String> {
    if head > MAX_HEAD { Err(format!("the response's head is over {} KiB", MAX_HEAD >> 10)) } else { Ok(()) }
}

/// A complete head and its length; interim responses (1xx) before it are skipped.
fn parse(data: &[u8], bodyless: bool) -> Result<Option<(Head, usize)>, String> {
    let mut skipped = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let rest = data.get(skipped..).unwrap_or_default();
        let used = match response.parse(rest) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("not an HTTP/1.1 response: {error}")),
        };
        let status = response.code.unwrap_or(0);
        skipped += used;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let head = framing(&response, status, bodyless)?;
        return Ok(Some((head, skipped)));
    }
}

fn framing(response: &httparse::Response<'_, '_>, status: u16, bodyless: bool) -> Result<Head, String> {
    let (mut length, mut chunked, mut other_coding) = (None, false, false);
    let mut keep_alive = response.version == Some(1);
    for field in response.headers.iter() {
        let value = || std::str::from_utf8(field.value).unwrap_or_default();
        let has = |token: &str| value().split(',').any(|part| part.trim().eq_ignore_ascii_case(token));
        if field.name.eq_ignore_ascii_case("content-length") {
            let n: u64 = value().trim().parse().map_err(|_| format!("a length of '{}'", value().escape_debug()))?;
            if length.is_some_and(|before| before != n) {
                return Err("two different lengths".to_owned());
            }
            length = Some(n);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value().rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
            other_coding = !chunked;
        } else if field.name.eq_ignore_ascii_case("connection") {
            if has("close") {
                keep_alive = false;
            } else if has("keep-alive") {
                keep_alive = true;
            }
        }
    }
    let framing = if bodyless || status == 204 || status == 304 {
        Framing::Length(0)
    } else if chunked {
        Framing::Chunked
    } else if other_coding {
        Framing::UntilClose
    } else {
        length.map_or(Framing::UntilClose, Framing::Length)
    };
    Ok(Head { status, framing, keep_alive: keep_alive && framing != Framing::UntilClose })
}

/// Advances through a chunked body; answers how many bytes of `data` it took once it is complete.
fn chunked(chunk: &mut Chunk, data: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        match chunk {
            Chunk::Data(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len() - at);
                *left -= take as u64;
                at += take;
                if *left == 0 {
                    *chunk = Chunk::DataEnd(2);
                }
                continue;
            }
            Chunk::Size(size, digits) => match (byte as char).to_digit(16) {
                Some(_) if *digits >= 15 => return Err("a chunk whose size does not end".to_owned()),
                Some(digit) => *chunk = Chunk::Size(*size * 16 + u64::from(digit), *digits + 1),
                None if *digits == 0 => return Err("a chunk without a size".to_owned()),
                None if byte == b'\n' => *chunk = after_size(*size),
                None if matches!(byte, b'\r' | b';' | b' ' | b'\t') => *chunk = Chunk::Extension(*size),
                None => return Err("a chunk whose size is no number".to_owned()),
            },
            Chunk::Extension(size) => {
                if byte == b'\n' {
                    *chunk = after_size(*size);
                }
            }
            Chunk::DataEnd(left) => {
                if byte != if *left == 2 { b'\r' } else { b'\n' } {
                    return Err("a chunk that is longer than its size".to_owned());
                }
                *chunk = if *left == 2 { Chunk::DataEnd(1) } else { Chunk::Size(0, 0) };
            }
            Chunk::Trailer(line, all) => {
                if *all as usize > MAX_HEAD {
                    return Err("trailers that do not end".to_owned());
                }
                match byte {
                    b'\n' if *line == 0 => return Ok(Some(at + 1)),
                    b'\n' => *chunk = Chunk::Trailer(0, *all + 1),
                    b'\r' => *chunk = Chunk::Trailer(*line, *all + 1),
                    _ => *chunk = Chunk::Trailer(*line + 1, *all + 1),
                }
            }
        }
        at += 1;
    }
    Ok(None)
}

fn after_size(size: u64) -> Chunk {
    if size == 0 { Chunk::Trailer(0, 0) } else { Chunk::Data(size) }
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
        let (mut reader, mut cache) = (Reader::new(bodyless), HeadCache::default());
        let mut step = Step::More;
        for piece in pieces {
            step = reader.take(piece, &mut cache)?;
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
        let (mut reader, mut cache) = (Reader::new(false), HeadCache::default());
        assert_eq!(reader.take(b"HTTP/1.1 200 OK\r\n\r\nabc", &mut cache), Ok(Step::More), "it may go on");
        assert_eq!(reader.closed(), Some(200), "until the connection is closed");
        assert_eq!(reader.take(&PLAIN[..40], &mut cache), Ok(Step::More), "a part of a body");
        assert_eq!(reader.closed(), None, "that is cut off is no response");
    }

    #[test]
    fn nonsense_is_named() {
        for (bytes, word) in [
            (b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), "not an HTTP/1.1 response"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "a length of '-5'"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "two different lengths"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "without a size"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd", "longer than its size"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff", "size does not end"),
        ] {
            let error = read(&[bytes], false).expect_err("it is refused");
            assert!(error.contains(word), "'{error}' names {word}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'a'; MAX_HEAD + 1]].concat();
        assert!(read(&[&endless], false).expect_err("refused").contains("over 64 KiB"), "a head has a bound");
    }

    #[test]
    fn what_follows_a_response_is_left() {
        let two = [PLAIN, b"more"].concat();
        assert_eq!(read(&[&two], false), Ok(done(200, true, PLAIN.len())), "only its own bytes are taken");
    }

    #[test]
    fn the_cache_answers_the_same_as_reading() {
        let (mut reader, mut cache) = (Reader::new(false), HeadCache::default());
        for _ in 0..3 {
            assert_eq!(reader.take(PLAIN, &mut cache), Ok(done(200, true, PLAIN.len())), "again and again");
        }
        let other = b"HTTP/1.1 503 Busy\r\ncontent-length: 1\r\n\r\nx";
        assert_eq!(reader.take(other, &mut cache), Ok(done(503, true, other.len())), "another head is read anew");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in proptest::collection::vec(0usize..120, 0..6), kind in 0usize..2) {
            let bytes = [PLAIN, CHUNKED][kind];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % bytes.len()).collect();
            cuts.sort_unstable();
            let (mut reader, mut cache) = (Reader::new(false), HeadCache::default());
            for _ in 0..2 {
                let mut from = 0;
                let mut last = Step::More;
                for to in cuts.iter().copied().chain([bytes.len()]) {
                    if to > from {
                        last = reader.take(&bytes[from..to], &mut cache).expect("well-formed");
                        from = to;
                    }
                }
                let whole = matches!(last, Step::Done { status, keep_alive: true, .. } if status == [200, 201][kind]);
                prop_assert!(whole, "complete with the last piece: {last:?}");
            }
        }

        #[test]
        fn anything_is_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let (mut reader, mut cache) = (Reader::new(false), HeadCache::default());
            for piece in &pieces {
                match reader.take(piece, &mut cache) {
                    Ok(Step::Done { used, .. }) => prop_assert!(used <= piece.len(), "never more than there was"),
                    Ok(Step::More) => {}
                    Err(_) => reader.reset(),
                }
            }
        }
    }
}
