//! The background traffic that keeps the demo's charts alive: gentle, bounded, the same requests every time.
use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::planted_failures;
use super::data::{NO_EMAIL, Random, STAFF};

/// Requests per second in the middle of the wave.
const RATE: f64 = 10.0;
/// How far the wave goes up and down.
const SWING: f64 = 3.0;
/// Length of the wave, in requests: about a minute.
const WAVE: f64 = 600.0;
/// A request is given up after this.
const DEADLINE: Duration = Duration::from_secs(2);
/// Longest head of an answer.
const MAX_HEAD: usize = 8 << 10;

/// An HTTP/1.1 client of one connection to loopback, kept open between requests. It is this small so that the traffic
/// costs little: no pool, no TLS, bodies are thrown away as they come.
pub(crate) struct Client {
    port: u16,
    connection: Option<TcpStream>,
}

/// An answer: its status and the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: usize,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, connection: None }
    }

    /// Closes the connection; the next request opens another.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    /// One GET within [`DEADLINE`]; the body goes to `body` when one is given.
    ///
    /// # Errors
    /// When nothing answers in time, or not in HTTP with a length.
    pub(crate) async fn get(&mut self, path: &str, body: Option<&mut Vec<u8>>) -> std::io::Result<Answer> {
        // Taken out, so that a connection is not used again after a failure or when this is dropped half-way.
        let kept = self.connection.take();
        let port = self.port;
        let work = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => {
                    let connection = TcpStream::connect(("127.0.0.1", port)).await?;
                    connection.set_nodelay(true)?;
                    connection
                }
            };
            let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
            connection.write_all(request.as_bytes()).await?;
            let answer = read(&mut connection, body).await?;
            Ok::<_, Error>((connection, answer))
        };
        let (connection, answer) =
            tokio::time::timeout(DEADLINE, work).await.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        self.connection = Some(connection);
        Ok(answer)
    }
}

async fn read(connection: &mut TcpStream, mut body: Option<&mut Vec<u8>>) -> std::io::Result<Answer> {
    let bad = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let mut buffer = vec![0u8; 16 << 10];
    let mut filled = 0;
    let end = loop {
        let n = connection.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        filled += n;
        let seen = buffer.get(..filled).unwrap_or_default();
        if let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if filled > MAX_HEAD {
            return Err(bad("the head is too long"));
        }
    };
    let head = std::str::from_utf8(buffer.get(..end).unwrap_or_default()).map_err(|_| bad("the head is not text"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad("no status"))?;
    let bytes: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| bad("no length"))?;
    let rest = buffer.get(end..filled).unwrap_or_default();
    if rest.len() > bytes {
        return Err(bad("more than the length says"));
    }
    if let Some(body) = &mut body {
        body.extend_from_slice(rest);
    }
    let mut left = bytes - rest.len();
    while left > 0 {
        let room = left.min(buffer.len());
        let n = connection.read(buffer.get_mut(..room).unwrap_or_default()).await?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(body) = &mut body {
            body.extend_from_slice(buffer.get(..n).unwrap_or_default());
        }
        left -= n;
    }
    Ok(Answer { status, bytes })
}

/// The path of the request of this number. Of forty requests, which take about four seconds, one reads a whole table, one
/// is large and two run many statements; of two hundred, one fails; the rest is cheap and mostly in the cache.
pub(crate) fn path(number: u64, random: &mut Random) -> String {
    let (failing, missing) = planted_failures();
    match (number % 400, number % 40) {
        (111 | 311, _) => failing,
        (257, _) => missing,
        (_, 5) => format!("/appointments?staff_id={}", 1 + random.below(STAFF)),
        (_, 13 | 33) => format!("/staff/{}/schedule", 1 + random.below(STAFF)),
        (_, 25) => "/analytics".to_owned(),
        (_, n) if n % 8 == 0 => "/health".to_owned(),
        // Forty appointments and users are asked for most of the time, the others seldom.
        (_, n) if n % 3 == 0 => format!("/users/{}", 1 + popular(random, NO_EMAIL - 1)),
        _ => format!("/appointments/{}", 1 + popular(random, 5_000)),
    }
}

fn popular(random: &mut Random, all: u32) -> u32 {
    if random.below(100) < 85 { random.below(40) } else { random.below(all) }
}

/// Requests per second for the request of this number: a slow wave with a smaller one on it, so that the lines move.
pub(crate) fn rate(number: u64) -> f64 {
    let turn = number as f64 / WAVE * std::f64::consts::TAU;
    RATE + SWING * (0.8 * turn.sin() + 0.2 * (turn * 7.0).sin())
}

/// Sends requests, one at a time, while `active` and until `stop`.
pub(crate) async fn run(port: u16, mut active: watch::Receiver<bool>, stop: CancellationToken) {
    let mut client = Client::new(port);
    let mut random = Random::new(0x71af_f1c0);
    let mut number = 0u64;
    let mut next = Instant::now();
    loop {
        if !*active.borrow_and_update() {
            client.close();
            tokio::select! {
                () = stop.cancelled() => return,
                changed = active.changed() => if changed.is_err() { return },
            }
            next = Instant::now();
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = active.changed() => if changed.is_err() { return } else { continue },
            () = tokio::time::sleep_until(next) => {}
        }
        let path = path(number, &mut random);
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = client.get(&path, None) => answer,
        };
        // What was missed while the API was slow is not made up for; after a failure it is left alone for a second.
        let pause = Duration::from_secs_f64(1.0 / rate(number));
        next = if answer.is_ok() { (next + pause).max(Instant::now()) } else { Instant::now() + DEADLINE / 2 };
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traffic_is_bounded_and_the_same_every_time() {
        let paths = |seed| {
            let mut random = Random::new(seed);
            (0..4_000).map(|n| path(n, &mut random)).collect::<Vec<_>>()
        };
        let all = paths(7);
        assert_eq!(all, paths(7), "the same requests follow from the same start");
        let (failing, missing) = planted_failures();
        let share = |what: &dyn Fn(&str) -> bool| all.iter().filter(|p| what(p)).count();
        assert_eq!(share(&|p| p.starts_with("/appointments?")), 100, "one in forty reads the whole table");
        assert_eq!(share(&|p| p == "/analytics"), 100, "one in forty is large");
        assert_eq!(share(&|p| p.ends_with("/schedule")), 200, "two in forty run many statements");
        assert_eq!(share(&|p| p == failing), 20, "one in two hundred fails");
        assert_eq!(share(&|p| p == missing), 10, "one in four hundred is not found");
        for n in 0..10_000 {
            assert!((6.5..=13.5).contains(&rate(n)), "about ten a second: {}", rate(n));
        }
    }
}
