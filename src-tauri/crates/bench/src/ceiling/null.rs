//! A target that answers each request at once and does nothing else. It only knows the requests of Perfdeck's own
//! engines.
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);
const HTTP: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// To a HEAD request.
const HTTP_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
const RESP: &[u8] = b"$2\r\nok\r\n";

/// How requests are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// HTTP requests that all have so many bytes.
    Length(usize),
    /// HTTP/1.1 by its heads and their content length.
    Http,
    /// Arrays of bulk strings.
    Resp,
}

impl Framing {
    /// The length of the first request of `data` and its answer; `None` when it goes on.
    fn first(self, data: &[u8]) -> Option<(usize, &'static [u8])> {
        let (length, answer) = match self {
            Self::Length(length) => (length.max(1), HTTP),
            Self::Http => http(data)?,
            Self::Resp => (resp(data)?, RESP),
        };
        (data.len() >= length).then_some((length, answer))
    }
}

fn http(data: &[u8]) -> Option<(usize, &'static [u8])> {
    const END: &[u8] = b"\r\n\r\n";
    const FIELD: &[u8] = b"\r\ncontent-length: ";
    let head = data.windows(END.len()).position(|w| w == END)?;
    let field = data.get(..head)?.windows(FIELD.len()).position(|w| w.eq_ignore_ascii_case(FIELD));
    let body = field.map_or(Some(0), |at| number(data.get(at + FIELD.len()..)?).map(|(value, _)| value))?;
    Some((head + END.len() + body, if data.starts_with(b"HEAD ") { HTTP_HEAD } else { HTTP }))
}

fn resp(data: &[u8]) -> Option<usize> {
    // The mark, the number of bulk strings, and for each its size, its bytes and two line ends.
    let (count, digits) = number(data.get(1..)?)?;
    let mut at = 1 + digits + 2;
    for _ in 0..count {
        let (size, digits) = number(data.get(at + 1..)?)?;
        at += 1 + digits + 2 + size + 2;
    }
    Some(at)
}

/// A number at the start of `text` that ends within it, and its digits.
fn number(text: &[u8]) -> Option<(usize, usize)> {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let add = |sum: usize, digit: &u8| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    Some((text.get(..digits)?.iter().fold(0, add), digits))
}

/// The target. It ends when it is dropped.
pub(super) struct Null {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Null {
    pub(super) fn start(framing: Framing) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = move || {
            if let Err(error) = serve(listener, framing, &stopped) {
                tracing::debug!(%error, "the target of the ceiling ended");
            }
        };
        let thread = std::thread::Builder::new().name("ceiling-target".to_owned()).spawn(serve)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within [`LOOK`].
            let _ = thread.join();
        }
    }
}

/// A connection with what arrived of a request that goes on.
struct Client {
    stream: TcpStream,
    begun: Vec<u8>,
}

fn serve(mut listener: TcpListener, framing: Framing, stop: &AtomicBool) -> std::io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut clients: Vec<Client> = Vec::new();
    let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match poll.poll(&mut events, Some(LOOK)) {
            Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    poll.registry().register(&mut stream, Token(clients.len()), Interest::READABLE)?;
                    clients.push(Client { stream, begun: Vec::new() });
                }
            } else if let Some(client) = clients.get_mut(event.token().0) {
                client.answer(framing, &mut buffer, &mut out);
            }
        }
    }
    Ok(())
}

impl Client {
    /// Reads what is there and answers each complete request in it.
    fn answer(&mut self, framing: Framing, buffer: &mut [u8], out: &mut Vec<u8>) {
        loop {
            let n = match self.stream.read(buffer) {
                Ok(0) => return,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            out.clear();
            let arrived = buffer.get(..n).unwrap_or_default();
            if self.begun.is_empty() {
                let used = answers(framing, arrived, out);
                self.begun.extend_from_slice(arrived.get(used..).unwrap_or_default());
            } else {
                self.begun.extend_from_slice(arrived);
                let used = answers(framing, &self.begun, out);
                self.begun.drain(..used);
            }
            // Few bytes to a client that reads: the socket's buffer holds them.
            if self.stream.write_all(out).is_err() || n < buffer.len() {
                return;
            }
        }
    }
}

/// Appends the answers to the complete requests of `data`; answers their length.
fn answers(framing: Framing, data: &[u8], out: &mut Vec<u8>) -> usize {
    let mut used = 0;
    while let Some((length, answer)) = data.get(used..).and_then(|rest| framing.first(rest)) {
        used += length;
        out.extend_from_slice(answer);
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(framing: Framing, data: &[u8]) -> (usize, String) {
        let mut out = Vec::new();
        let used = answers(framing, data, &mut out);
        (used, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn requests_are_told_apart_and_the_rest_waits() {
        assert_eq!(count(Framing::Length(4), b"abcdabcdab").0, 8, "two whole ones");
        let get = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
        let post = b"POST / HTTP/1.1\r\nContent-Length: 12\r\nhost: h\r\n\r\nhello, world";
        let head = b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n";
        let all = [&get[..], &post[..], &head[..]].concat();
        let (used, out) = count(Framing::Http, &all);
        assert_eq!((used, out.matches("200 OK").count(), out.matches("ok").count()), (all.len(), 3, 2), "{out}");
        for end in 0..post.len() {
            assert_eq!(count(Framing::Http, &post[..end]).0, 0, "{end} bytes are no request");
        }
        let set = b"*3\r\n$3\r\nSET\r\n$10\r\nkey:000001\r\n$0\r\n\r\n";
        let twice = [&set[..], &set[..]].concat();
        assert_eq!(count(Framing::Resp, &twice), (twice.len(), "$2\r\nok\r\n".repeat(2)), "two commands");
        for end in 0..set.len() {
            assert_eq!(count(Framing::Resp, &set[..end]).0, 0, "{end} bytes are no command");
        }
    }
}
