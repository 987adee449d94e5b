//! A TCP server whose answers are bytes, and which keeps the bytes that it was sent.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the server does with each request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// Sent as it is.
    pub(crate) answer: Vec<u8>,
    /// The connection ends behind it.
    pub(crate) close: bool,
    /// It is sent a byte at a time.
    pub(crate) crumbs: bool,
}

/// The server. Its thread ends with the process.
pub(crate) struct Wire {
    pub(crate) port: u16,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn held<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let (script, seen) = (Arc::<Mutex<Script>>::default(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let (scripted, log) = (script.clone(), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (scripted.clone(), log.clone());
                std::thread::spawn(move || serve(stream, &script, &seen));
            }
        });
        Self { port, script, seen }
    }

    /// What it does from now on.
    pub(crate) fn plays(&self, script: Script) {
        *held(&self.script) = script;
    }

    /// The requests since the last call, in the order in which they came.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *held(&self.seen))
    }
}

/// How long a request is that begins like this; `None` when it is not complete.
fn length(data: &[u8]) -> Option<usize> {
    let head = data.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&data[..head]).to_ascii_lowercase();
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<usize>().ok());
    let end = head + field("content-length:").unwrap_or(0);
    (data.len() >= end).then_some(end)
}

fn serve(mut stream: TcpStream, script: &Mutex<Script>, seen: &Mutex<Vec<Vec<u8>>>) {
    let _ = stream.set_nodelay(true);
    let (mut data, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        while let Some(end) = length(&data) {
            held(seen).push(data.drain(..end).collect());
            let Script { answer, close, crumbs } = held(script).clone();
            let pieces = if crumbs { 1 } else { answer.len().max(1) };
            if answer.chunks(pieces).any(|piece| stream.write_all(piece).is_err()) {
                return;
            }
            if close {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => data.extend_from_slice(&buffer[..n]),
            _ => return,
        }
        if data.starts_with(b"POST")
            && data.windows(26).any(|w| w.eq_ignore_ascii_case(b"\r\nexpect: 100-continue\r\n\r\n"))
        {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }
}
