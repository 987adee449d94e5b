//! A scripted HTTP/1.1 target: answers, delays, hangs and resets as the test says.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Error, Result};

/// Longest request head and body that is read.
const MAX_REQUEST: usize = 1 << 20;

/// A request as the target saw it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method, such as `GET`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Headers in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Counts up from zero over all connections.
    pub number: u64,
}

impl Request {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone)]
enum Act {
    Respond { status: u16, headers: Vec<(String, String)>, body: Vec<u8>, close: bool },
    Raw(Vec<u8>),
    Hang,
    Reset,
    Close,
}

/// What the target does with one request.
#[derive(Debug, Clone)]
pub struct Answer {
    delay: Duration,
    act: Act,
}

impl Answer {
    /// `200 OK` with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// A status with a body.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let act = Act::Respond { status, headers: Vec::new(), body: body.into(), close: false };
        Self { delay: Duration::ZERO, act }
    }

    /// Never answers, and keeps the connection open until the client closes it.
    pub fn hang() -> Self {
        Self { delay: Duration::ZERO, act: Act::Hang }
    }

    /// Resets the connection.
    pub fn reset() -> Self {
        Self { delay: Duration::ZERO, act: Act::Reset }
    }

    /// Closes the connection without an answer.
    pub fn close() -> Self {
        Self { delay: Duration::ZERO, act: Act::Close }
    }

    /// Sends these bytes as they are, then closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { delay: Duration::ZERO, act: Act::Raw(bytes.into()) }
    }

    /// Waits before doing it.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Act::Respond { headers, .. } = &mut self.act {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Closes the connection after the response.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        if let Act::Respond { close, .. } = &mut self.act {
            *close = true;
        }
        self
    }
}

/// The running target. It has a thread and a runtime of its own, so it answers while the test's thread is blocked.
#[derive(Debug)]
pub struct ScriptedHttp {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ScriptedHttp {
    /// Starts a target on a random port; `handler` decides about every request.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub async fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Result<Self> {
        Self::start_now(handler)
    }

    /// As [`ScriptedHttp::start`], for tests that are not async.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start_now(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("binding a port"))?;
        let address = listener.local_addr().map_err(Error::io("reading the port"))?;
        listener.set_nonblocking(true).map_err(Error::io("preparing the listener"))?;
        let requests = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("starting the target's runtime"))?;
        let (count, opened) = (requests.clone(), connections.clone());
        let thread = std::thread::Builder::new()
            .name("scripted-http".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = TcpListener::from_std(listener) else { return };
                    let handler = Arc::new(handler);
                    let accept = async {
                        loop {
                            let Ok((stream, _)) = listener.accept().await else { continue };
                            opened.fetch_add(1, Ordering::Relaxed);
                            tokio::spawn(serve(stream, handler.clone(), count.clone()));
                        }
                    };
                    tokio::select! { () = accept => {}, _ = stopped => {} }
                });
            })
            .map_err(Error::io("starting the target's thread"))?;
        Ok(Self { address, requests, connections, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Requests read so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Stops listening and closes every connection.
    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for ScriptedHttp {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve<H>(mut stream: TcpStream, handler: Arc<H>, count: Arc<AtomicU64>)
where
    H: Fn(&Request) -> Answer + Send + Sync + 'static,
{
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, &count).await {
        let answer = handler(&request);
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        match answer.act {
            Act::Respond { status, headers, body, close } => {
                let mut head = format!("HTTP/1.1 {status} {}\r\ncontent-length: {}\r\n", reason(status), body.len());
                for (name, value) in &headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str(if close { "connection: close\r\n\r\n" } else { "\r\n" });
                let mut bytes = head.into_bytes();
                if request.method != "HEAD" {
                    bytes.extend_from_slice(&body);
                }
                let asked_to_close = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                if stream.write_all(&bytes).await.is_err() || close || asked_to_close {
                    return;
                }
            }
            Act::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Act::Hang => {
                // Reading until the end notices the client's close; what it sends meanwhile is dropped.
                let mut sink = [0_u8; 1024];
                while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
                return;
            }
            Act::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
            Act::Close => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, count: &AtomicU64) -> Option<Request> {
    let end = loop {
        if let Some(position) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break position;
        }
        if buffer.len() > MAX_REQUEST || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.iter().find(|(n, _)| n == "content-length").map_or(Ok(0), |(_, v)| v.parse()).ok()?;
    while buffer.len() < length {
        if length > MAX_REQUEST || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Request { method, path, headers, body, number: count.fetch_add(1, Ordering::Relaxed) })
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
