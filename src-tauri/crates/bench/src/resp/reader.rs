//! The end of a RESP reply, found with as little work as possible: what it is from its first line, the rest only
//! counted.
use super::reply::{Line, Reply, line};

/// Longest line, such as a simple string.
const MAX_LINE: usize = 64 << 10;
/// Bytes of a line that are kept: enough for any number, and for the words of an error.
const KEPT: usize = 512;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// An aggregate that goes on.
#[derive(Debug)]
struct Frame {
    /// Values to come.
    left: u64,
    /// Whether it is no part of the reply.
    aside: bool,
}

/// Reads one reply after the other of a connection.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The part of a line that has arrived, up to [`KEPT`] bytes of it.
    line: Vec<u8>,
    /// Bytes of that part, all of them.
    length: usize,
    /// Bytes of a bulk string to come.
    skip: u64,
    /// Bytes of its line end to come.
    end: u8,
    /// Whether the bulk string is the words of the error that the reply is.
    keep: bool,
    frames: Vec<Frame>,
    /// What the first line said.
    reply: Option<Reply>,
    error: Vec<u8>,
}

impl Reader {
    /// Forgets a reply that was not finished.
    pub(super) fn reset(&mut self) {
        self.line.clear();
        self.length = 0;
        (self.skip, self.end, self.keep) = (0, 0, false);
        self.frames.clear();
        self.reply = None;
    }

    /// Words of the last error, as far as they are kept.
    pub(super) fn error(&self) -> &[u8] {
        &self.error
    }

    /// Takes in bytes. Answers the reply and how many bytes of `data` it took once it is complete.
    ///
    /// # Errors
    /// What is wrong with the reply, for a person.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<Option<(Reply, usize)>, String> {
        let mut rest = data;
        loop {
            if self.skip > 0 || self.end > 0 {
                rest = self.bulk(rest)?;
                if self.skip > 0 || self.end > 0 {
                    return Ok(None);
                }
            } else {
                let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                    self.gather(rest)?;
                    return Ok(None);
                };
                let (line, after) = rest.split_at(end + 1);
                rest = after;
                if !self.whole_line(line)? {
                    continue;
                }
            }
            if let Some(reply) = self.value_ended() {
                return Ok(Some((reply, data.len() - rest.len())));
            }
        }
    }

    /// Passes over a bulk string. Answers what follows it.
    fn bulk<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], String> {
        let n = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
        let (passed, mut rest) = data.split_at(n);
        self.skip -= n as u64;
        if self.keep {
            append(&mut self.error, passed, KEPT);
        }
        while self.skip == 0
            && self.end > 0
            && let Some((byte, after)) = rest.split_first()
        {
            if *byte != if self.end == 2 { b'\r' } else { b'\n' } {
                return Err("a bulk string that is longer than its size".to_owned());
            }
            self.end -= 1;
            rest = after;
        }
        Ok(rest)
    }

    /// Keeps a part of a line that goes on.
    fn gather(&mut self, part: &[u8]) -> Result<(), String> {
        self.length += part.len();
        // With the byte that says what it is.
        append(&mut self.line, part, KEPT + 1);
        bounded(self.length)
    }

    /// Goes into what a line announces; `last` is its last part. Answers whether that is a whole value.
    fn whole_line(&mut self, last: &[u8]) -> Result<bool, String> {
        if self.length == 0 {
            bounded(last.len())?;
            return self.announced(last);
        }
        self.gather(last)?;
        self.length = 0;
        let whole = std::mem::take(&mut self.line);
        let announced = self.announced(&whole);
        self.line = whole;
        self.line.clear();
        announced
    }

    fn announced(&mut self, text: &[u8]) -> Result<bool, String> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line(text.strip_suffix(b"\r").unwrap_or(text))?;
        let first = self.frames.is_empty();
        let reply = match &line {
            Line::Error(_) | Line::BulkError(_) => Some(Reply::Error),
            Line::Nil => Some(Reply::Nil),
            Line::Aside(_) => None,
            Line::Value | Line::Bulk(_) | Line::Items(_) => Some(Reply::Value),
        };
        if first {
            self.reply = reply;
            self.keep = reply == Some(Reply::Error);
            if self.keep {
                self.error.clear();
            }
        } else {
            self.keep = false;
        }
        match line {
            Line::Error(words) if first => append(&mut self.error, words, KEPT),
            Line::Bulk(bytes) | Line::BulkError(bytes) => {
                (self.skip, self.end) = (bytes, 2);
                return Ok(false);
            }
            Line::Items(1..) | Line::Aside(1..) if self.frames.len() >= MAX_DEPTH => {
                return Err(format!("a reply that is nested deeper than {MAX_DEPTH}"));
            }
            Line::Items(left @ 1..) => {
                self.frames.push(Frame { left, aside: false });
                return Ok(false);
            }
            Line::Aside(left) => {
                if left > 0 {
                    self.frames.push(Frame { left, aside: true });
                }
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// A value is complete, and with it the aggregates whose last one it is. Answers the reply when that is complete.
    fn value_ended(&mut self) -> Option<Reply> {
        while let Some(frame) = self.frames.last_mut() {
            frame.left -= 1;
            if frame.left > 0 {
                return None;
            }
            let aside = frame.aside;
            self.frames.pop();
            if aside {
                return None;
            }
        }
        self.reply.take()
    }
}

/// Keeps what fits into so many bytes.
fn append(kept: &mut Vec<u8>, more: &[u8], most: usize) {
    let room = most.saturating_sub(kept.len());
    kept.extend_from_slice(more.get(..more.len().min(room)).unwrap_or_default());
}

fn bounded(line: usize) -> Result<(), String> {
    if line > MAX_LINE { Err(format!("a line of over {} KiB", MAX_LINE >> 10)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply as bytes, and what it says.
    fn samples() -> Vec<(Vec<u8>, Reply)> {
        let text = |text: &str| text.as_bytes().to_vec();
        vec![
            (text("+OK\r\n"), Reply::Value),
            (text(":-42\r\n"), Reply::Value),
            (text("$5\r\nhe\r\nl\r\n"), Reply::Value),
            (text("$0\r\n\r\n"), Reply::Value),
            (text("$-1\r\n"), Reply::Nil),
            (text("*-1\r\n"), Reply::Nil),
            (text("_\r\n"), Reply::Nil),
            (text("*0\r\n"), Reply::Value),
            (text("*2\r\n*2\r\n:1\r\n-ERR inner\r\n$-1\r\n"), Reply::Value),
            (text("-ERR no\r\n"), Reply::Error),
            (text("!9\r\nERR a\r\nb!\r\n"), Reply::Error),
            (text("%1\r\n+k\r\n~2\r\n#t\r\n,1.5\r\n"), Reply::Value),
            (text("|1\r\n+ttl\r\n:3600\r\n>2\r\n+pubsub\r\n$-1\r\n(123\r\n"), Reply::Value),
            (text("*1\r\n|1\r\n+a\r\n*1\r\n+b\r\n=7\r\ntxt:abc\r\n"), Reply::Value),
            (format!("+{}\r\n", "x".repeat(2 * KEPT)).into_bytes(), Reply::Value),
            (format!("-OOM {}\r\n", "x".repeat(2 * KEPT)).into_bytes(), Reply::Error),
        ]
    }

    /// The replies of a stream that arrives in these pieces, with the words of those that are errors.
    fn read(pieces: &[&[u8]]) -> Result<Vec<(Reply, Vec<u8>, u64)>, String> {
        let (mut reader, mut replies, mut bytes) = (Reader::default(), Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while let Some((reply, used)) = if rest.is_empty() { None } else { reader.take(rest)? } {
                let words = if reply == Reply::Error { reader.error().to_vec() } else { Vec::new() };
                replies.push((reply, words, bytes + used as u64));
                bytes = 0;
                rest = &rest[used..];
            }
            bytes += rest.len() as u64;
        }
        Ok(replies)
    }

    #[test]
    fn each_kind_is_told_apart_and_ends_where_it_should() {
        for (bytes, reply) in samples() {
            let replies = read(&[&bytes]).expect("well-formed");
            let seen: Vec<_> = replies.iter().map(|(r, _, n)| (*r, *n)).collect();
            assert_eq!(seen, [(reply, bytes.len() as u64)], "{}", bytes.escape_ascii());
        }
        let words = |bytes: &[u8]| read(&[bytes]).expect("well-formed").remove(0).1;
        assert_eq!(words(b"-WRONGTYPE Operation\r\n"), b"WRONGTYPE Operation", "words of an error");
        assert_eq!(words(b"!9\r\nERR a\r\nb!\r\n"), b"ERR a\r\nb!", "and of one with lines");
    }

    #[test]
    fn nonsense_is_named() {
        let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
        for (bytes, word) in [
            ("HTTP/1.1 400 Bad Request\r\n", "begins with 'H'"),
            ("\r\n", "an empty line"),
            ("$-2\r\n", "a size of '-2'"),
            ("$\r\n", "a size of ''"),
            ("$99999999999999999999\r\n", "a size of '99999"),
            ("$536870913\r\n", "a size of"),
            ("*4294967296\r\n", "a size of"),
            ("%-1\r\n", "a size of '-1'"),
            ("$3\r\nabcd\r\n", "longer than its size"),
            (":1x\r\n", "an integer of '1x'"),
            (deep.as_str(), "nested deeper"),
        ] {
            let error = read(&[bytes.as_bytes()]).expect_err("it is refused");
            assert!(error.contains(word), "'{error}' names {word}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_within_bounds() {
        let mut reader = Reader::default();
        let mut refused = None;
        for _ in 0..100 {
            refused = reader.take(&[b'+'; 1000]).err();
            assert!(reader.line.len() <= KEPT + 1, "what is kept has a bound");
            if refused.is_some() {
                break;
            }
        }
        assert!(refused.expect("an end").contains("over 64 KiB"), "a line has a bound");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(order in proptest::collection::vec(0usize..16, 1..12), cuts in proptest::collection::vec(0usize..4000, 0..12)) {
            let samples = samples();
            let bytes: Vec<u8> = order.iter().flat_map(|i| samples[*i].0.clone()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = read(&[&bytes]).expect("well-formed");
            prop_assert_eq!(whole.len(), order.len(), "each is found");
            prop_assert_eq!(read(&pieces).expect("well-formed"), whole, "in any pieces");
        }

        #[test]
        fn anything_is_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let mut reader = Reader::default();
            for piece in &pieces {
                match reader.take(piece) {
                    Ok(Some((_, used))) => prop_assert!(used <= piece.len(), "never more than there was"),
                    Ok(None) => {}
                    Err(_) => reader.reset(),
                }
            }
        }
    }
}
