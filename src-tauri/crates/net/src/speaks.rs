//! What answers at a port: told from its first bytes, when it is not what an address says.
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// Redis or Valkey, or one of their Sentinels.
    Redis,
    /// HTTP.
    Http,
    /// TLS; what is inside is not known.
    Tls,
    /// SSH.
    Ssh,
    /// A mail or file server, by its greeting.
    Greeting,
    /// Nothing that is known.
    Unknown,
    /// It accepts connections and closes them.
    Closes,
    /// It accepts connections and says nothing.
    Silent,
    /// It does not accept a connection any more.
    Gone,
}

impl Speaks {
    /// Whether it was recognised as something.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::Closes | Self::Silent | Self::Gone)
    }

    /// What it is, for a sentence: "127.0.0.1:80 speaks HTTP".
    pub fn words(self) -> &'static str {
        match self {
            Self::Postgres => "speaks PostgreSQL's protocol",
            Self::Mysql => "speaks MySQL's protocol",
            Self::Redis => "speaks Redis' protocol",
            Self::Http => "speaks HTTP",
            Self::Tls => "speaks TLS",
            Self::Ssh => "is an SSH server",
            Self::Greeting => "greets like a mail or file server",
            Self::Unknown => "answers in a protocol that Perfdeck does not know",
            Self::Closes => "closes connections without a word",
            Self::Silent => "accepts connections and says nothing",
            Self::Gone => "does not accept connections any more",
        }
    }

    /// The scheme of an address for it.
    pub fn scheme(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("postgres://"),
            Self::Mysql => Some("mysql://"),
            Self::Redis => Some("redis://"),
            Self::Http => Some("http://"),
            Self::Ssh => Some("ssh://"),
            _ => None,
        }
    }

    /// Tells it from the first bytes of an answer.
    pub fn from_first_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] => None,
            b if b.starts_with(b"HTTP/") => Some(Self::Http),
            // Error pages of HTTP/0.9, as old servers answer what they do not understand.
            b if b.len() > 5 && b[..5].eq_ignore_ascii_case(b"<html") => Some(Self::Http),
            b if b.starts_with(b"SSH-") => Some(Self::Ssh),
            b if b.starts_with(b"220") || b.starts_with(b"* OK") || b.starts_with(b"+OK") => Some(Self::Greeting),
            // An alert or a handshake of TLS 1.x.
            [0x15 | 0x16, 3, 0..=4, ..] => Some(Self::Tls),
            b if b.starts_with(b"+PONG") || b.starts_with(b"-NOAUTH") || b.starts_with(b"-DENIED") => Some(Self::Redis),
            [b'-', rest @ ..] => {
                // "-ERR …", "-NOPERM …": a word in capitals.
                let word = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
                (word >= 3 && rest.get(word).is_some_and(|b| matches!(b, b' ' | b'\r'))).then_some(Self::Redis)
            }
            // A packet with number 0: protocol 10, or an error instead of a greeting.
            [low, high, 0, 0, 10 | 0xff, ..] if u16::from_le_bytes([*low, *high]) > 4 => Some(Self::Mysql),
            _ => None,
        }
    }
}

/// Longest wait for an answer of a server that greets first.
const GREETING: Duration = Duration::from_millis(200);
/// Longest wait for the answers to questions.
const ANSWER: Duration = Duration::from_millis(600);

/// Asks a server what it is, with questions that no server acts on, for 0.8 s at most. Only for the failure of a test:
/// some servers note a stranger in their log.
pub async fn ask(host: &str, port: u16) -> Speaks {
    let mut closes = false;
    match first_bytes(host, port, b"", GREETING).await {
        Heard::Bytes(bytes) => {
            if let Some(found) = Speaks::from_first_bytes(&bytes) {
                return found;
            }
            return Speaks::Unknown;
        }
        Heard::Closed => closes = true,
        Heard::Nothing => {}
        Heard::Refused => return Speaks::Gone,
    }
    // PostgreSQL's SSLRequest is answered with one letter; an inline PING by Redis, and by most servers of HTTP with 400.
    const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
    let tls = async {
        let stream = TcpStream::connect((host, port)).await.ok()?;
        tokio::time::timeout(ANSWER, crate::handshake(host, stream)).await.ok()?.ok()
    };
    let (postgres, redis, http, tls) = tokio::join!(
        first_bytes(host, port, SSL_REQUEST, ANSWER),
        first_bytes(host, port, b"PING\r\n", ANSWER),
        first_bytes(host, port, b"HEAD / HTTP/1.0\r\n\r\n", ANSWER),
        tls,
    );
    if let Heard::Bytes(bytes) = &postgres
        && matches!(bytes.as_slice(), b"S" | b"N")
    {
        return Speaks::Postgres;
    }
    // A server of HTTPS may answer a plain question in plain words.
    if tls.is_some() {
        return Speaks::Tls;
    }
    let mut heard = false;
    for answer in [&redis, &http, &postgres] {
        match answer {
            Heard::Bytes(bytes) => {
                heard = true;
                if let Some(found) = Speaks::from_first_bytes(bytes) {
                    return found;
                }
            }
            Heard::Closed => closes = true,
            Heard::Nothing | Heard::Refused => {}
        }
    }
    match (heard, closes) {
        (true, _) => Speaks::Unknown,
        (false, true) => Speaks::Closes,
        (false, false) => Speaks::Silent,
    }
}

/// What came back.
enum Heard {
    Bytes(Vec<u8>),
    Closed,
    Nothing,
    Refused,
}

async fn first_bytes(host: &str, port: u16, question: &[u8], wait: Duration) -> Heard {
    let end = Instant::now() + wait;
    let Ok(connected) = tokio::time::timeout_at(end, TcpStream::connect((host, port))).await else {
        return Heard::Nothing;
    };
    let Ok(mut stream) = connected else { return Heard::Refused };
    first_bytes_of(&mut stream, question, end)
        .await
        .map_or(Heard::Nothing, |b| if b.is_empty() { Heard::Closed } else { Heard::Bytes(b) })
}

/// Sends a question and answers the first bytes that come back by `end`: none where the server closed the connection.
async fn first_bytes_of(stream: &mut TcpStream, question: &[u8], end: Instant) -> Option<Vec<u8>> {
    if !question.is_empty() && stream.write_all(question).await.is_err() {
        return Some(Vec::new());
    }
    let mut bytes = Vec::with_capacity(64);
    while bytes.len() < 8 {
        match tokio::time::timeout_at(end, stream.read_buf(&mut bytes)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => break,
            // What came before the time was over is what it says.
            Err(_) => return (!bytes.is_empty()).then_some(bytes),
        }
        // One letter is the whole of PostgreSQL's answer.
        if matches!(bytes.as_slice(), b"S" | b"N") {
            break;
        }
    }
    Some(bytes)
}

/// Sends Redis' `PING` over a connection that is already there and answers its first bytes within `wait`: none where the
/// server closed it, `None` where nothing came.
pub async fn ping(mut stream: TcpStream, wait: Duration) -> Option<Vec<u8>> {
    let end = Instant::now() + wait;
    if stream.write_all(b"PING\r\n").await.is_err() {
        // A full server writes its reason before anyone asks, and closes.
    }
    let mut bytes = Vec::with_capacity(256);
    loop {
        match tokio::time::timeout_at(end, stream.read_buf(&mut bytes)).await {
            Ok(Ok(1..)) if bytes.len() < 512 && !bytes.contains(&b'\n') => {}
            Ok(_) => return Some(bytes),
            Err(_) => return (!bytes.is_empty()).then_some(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        for (bytes, right) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Some(Speaks::Http)),
            (b"<html><body>", Some(Speaks::Http)),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", Some(Speaks::Ssh)),
            (b"220 mail.example ESMTP\r\n", Some(Speaks::Greeting)),
            (b"* OK IMAP4rev1\r\n", Some(Speaks::Greeting)),
            (b"+PONG\r\n", Some(Speaks::Redis)),
            (b"-NOAUTH Authentication required.\r\n", Some(Speaks::Redis)),
            (b"-DENIED Redis is running in protected mode", Some(Speaks::Redis)),
            (b"-ERR max number of clients reached\r\n", Some(Speaks::Redis)),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some(Speaks::Tls)),
            (b"\x16\x03\x03\x00\x40", Some(Speaks::Tls)),
            (b"\x5d\x00\x00\x00\x0a5.5.5-10.11.19-MariaDB", Some(Speaks::Mysql)),
            (b"\x17\x00\x00\x00\xff\x10\x04Too many connections", Some(Speaks::Mysql)),
            (b"- not a reply", None),
            (b"hello", None),
            (b"", None),
            (b"\x00\x00\x00\x00\x0a", None),
        ] {
            assert_eq!(Speaks::from_first_bytes(bytes), right, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test]
    async fn silence_and_closed_doors_are_told_apart_in_time() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = silent.local_addr().expect("bound").port();
        let started = std::time::Instant::now();
        assert_eq!(ask("127.0.0.1", port).await, Speaks::Silent, "nothing is said");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        let closing = tokio::spawn(async move {
            loop {
                drop(silent.accept().await);
            }
        });
        assert_eq!(ask("127.0.0.1", port).await, Speaks::Closes, "the door is shut");
        closing.abort();
    }
}
