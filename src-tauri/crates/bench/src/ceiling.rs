//! What the raw engine reaches here against a target that does nothing: above a good part of that, a run measures the
//! load generator and not its target.
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio::sync::{mpsc, oneshot, watch};

use crate::raw::{self, Wire};
use crate::run::Engine;
use crate::shared::{Shared, Times};

/// How long it is measured.
const MEASURED: Duration = Duration::from_millis(300);
/// Connections that it is measured with at most; more do not make it faster.
const CONNECTIONS: usize = 64;
/// What the target answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LISTENER: Token = Token(usize::MAX);

/// Ceilings that were measured, by threads, connections and length of the request.
static MEASURED_CEILINGS: Mutex<BTreeMap<(usize, usize, usize), f64>> = Mutex::new(BTreeMap::new());

/// Requests per second; measured once per number of threads, connections and size of the request. `None` for engines
/// that have no such target, and when it cannot be measured.
pub(crate) async fn measure(engine: &Engine, threads: usize, connections: usize) -> Option<f64> {
    let Engine::Raw(wire) = engine else { return None };
    let connections = connections.min(CONNECTIONS);
    let key = (threads, connections, wire.request.len());
    if let Some(known) = MEASURED_CEILINGS.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Some(*known);
    }
    let target = Null::start(wire.request.len()).ok()?;
    let wire = Arc::new(Wire {
        request: wire.request.clone(),
        addresses: vec![target.address],
        timeout: Duration::from_secs(1),
        bodyless: false,
        idempotent: false,
    });
    let rate = reach(&wire, threads, connections).await?;
    MEASURED_CEILINGS.lock().unwrap_or_else(PoisonError::into_inner).insert(key, rate);
    Some(rate)
}

/// A closed loop of [`MEASURED`].
async fn reach(wire: &Arc<Wire>, threads: usize, connections: usize) -> Option<f64> {
    let shared = Arc::new(Shared::new(None, threads, 0));
    let (ready, mut opened) = mpsc::unbounded_channel();
    let (go, times) = watch::channel(None);
    let mut workers = Vec::new();
    for index in 0..threads {
        let share = connections / threads + usize::from(index < connections % threads);
        let (shared, wire, ready, times) = (shared.clone(), wire.clone(), ready.clone(), times.clone());
        let runtime = tokio::runtime::Handle::current();
        let (send, receive) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("ceiling-{index}"))
            .spawn(move || drop(send.send(raw::generate(&shared, &*wire, index, share, &ready, times, &runtime))))
            .ok()?;
        workers.push(receive);
    }
    drop(ready);
    for _ in 0..threads {
        opened.recv().await?;
    }
    let start = Instant::now() + Duration::from_millis(5);
    // The first moments are slower: pages are touched, caches filled.
    let measure = start + MEASURED / 6;
    go.send_replace(Some(Times { start, measure, end: measure + MEASURED }));
    let mut completed = 0.0;
    for worker in workers {
        let record = worker.await.ok()?;
        if record.failed > 0 {
            return None;
        }
        completed += record.completed;
    }
    Some(completed / MEASURED.as_secs_f64())
}

/// A target that counts the bytes of requests that are all alike and answers each. It ends when it is dropped.
struct Null {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Null {
    fn start(request: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = move || {
            if let Err(error) = serve(listener, request.max(1), &stopped) {
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
            // It looks at the flag every 20 ms.
            let _ = thread.join();
        }
    }
}

fn serve(mut listener: TcpListener, request: usize, stop: &AtomicBool) -> std::io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut clients: Vec<(TcpStream, usize)> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::Relaxed) {
        match poll.poll(&mut events, Some(Duration::from_millis(20))) {
            Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    poll.registry().register(&mut stream, Token(clients.len()), Interest::READABLE)?;
                    clients.push((stream, 0));
                }
            } else if let Some((stream, pending)) = clients.get_mut(event.token().0) {
                answer(stream, pending, request, &mut buffer);
            }
        }
    }
    Ok(())
}

fn answer(stream: &mut TcpStream, pending: &mut usize, request: usize, buffer: &mut [u8]) {
    loop {
        match stream.read(buffer) {
            Ok(0) => return,
            Ok(n) => {
                *pending += n;
                while *pending >= request {
                    *pending -= request;
                    // Two bytes to a client that reads: the socket's buffer holds them.
                    if stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
                if n < buffer.len() {
                    return;
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
