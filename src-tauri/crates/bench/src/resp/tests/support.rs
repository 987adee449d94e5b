//! Private Redis servers, and a way to run a load against them.
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::raw;
use crate::record::Record;
use crate::resp::greeting::Greeting;
use crate::resp::topology::ask;
use crate::resp::value::Value;
use crate::resp::{CacheLoad, CacheTarget};
use crate::shared::{Shared, Times};
use perfdeck_plan::{Compiler, FeedSpec, Step, open_feed};

/// Below the range that systems use for outgoing connections.
fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = 12_000 + u16::try_from(random % 20_000).expect("below 20,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A server without persistence, which ends with this value.
pub(super) struct Server {
    child: Child,
    pub(super) port: u16,
    pub(super) bus: u16,
    folder: PathBuf,
}

impl Server {
    pub(super) fn start(arguments: &[&str]) -> Self {
        // Another process may take the port before the server does.
        (0..5).find_map(|_| Self::launch(free_port(), arguments)).expect("redis-server starts")
    }

    /// `None` when it ended instead of coming up.
    pub(super) fn launch(port: u16, arguments: &[&str]) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("perfdeck-resp-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let bus = free_port();
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--protected-mode", "no"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--cluster-port", &bus.to_string()])
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let mut log = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = log.by_ref().map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        // Reads on, so that the server never waits for its log to be taken.
        std::thread::spawn(move || log.count());
        let server = Self { child, port, bus, folder };
        ready.then_some(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub(super) fn ask(&self, words: &[&str]) -> Value {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        words.iter().for_each(|word| crate::resp::command::bulk(word.as_bytes(), &mut command));
        let answer = ask(self.address(), &Greeting::default(), &command, Duration::from_secs(10));
        answer.expect("it answers").expect("with a value")
    }

    /// How often it executed a command, by its own account.
    pub(super) fn calls(&self, command: &str) -> u64 {
        let info = self.ask(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{command}:calls=");
        let info = info.text().expect("text");
        let line = info.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |line| line.split(',').next().and_then(|n| n.parse().ok()).expect("a number"))
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn target(nodes: Vec<SocketAddr>) -> CacheTarget {
    CacheTarget {
        nodes,
        cluster: false,
        username: None,
        password: None,
        database: 0,
        timeout: Duration::from_millis(500),
    }
}

/// A load of these steps: name and weight, command and arguments. Feeds are as a plan writes them.
pub(super) fn load(steps: &[(f64, &str, &[&str])], feeds: &[&str], target: CacheTarget, pipeline: usize) -> CacheLoad {
    let steps: Vec<Step> = steps
        .iter()
        .map(|(weight, command, args)| {
            serde_json::from_value(serde_json::json!({
                "name": command, "weight": weight, "kind": "cache", "command": command, "args": args
            }))
            .expect("a step")
        })
        .collect();
    let feeds = feeds
        .iter()
        .map(|feed| {
            let feed: FeedSpec = toml::from_str(feed).expect("a feed");
            open_feed(&feed, &BTreeMap::new()).expect("opened")
        })
        .collect();
    let compiler = Compiler::new(&BTreeMap::new()).expect("no variables");
    CacheLoad::new(&steps, compiler, feeds, &BTreeMap::new(), 1, target, pipeline)
        .unwrap_or_else(|e| panic!("{}", e.message))
}

/// How a load is run.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) rate_per_s: Option<f64>,
    pub(super) seconds: f64,
}

pub(super) const CLOSED: Shape = Shape { connections: 8, threads: 1, rate_per_s: None, seconds: 0.3 };

pub(super) fn run(load: CacheLoad, shape: Shape) -> Record {
    watched(load, shape, |_| {})
}

/// What the threads recorded; `during` runs beside them.
pub(super) fn watched(load: CacheLoad, shape: Shape, during: impl FnOnce(&Watch)) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let shared = Arc::new(Shared::new(shape.rate_per_s, shape.threads, 0));
    let load = Arc::new(load);
    let (ready, mut opened) = mpsc::unbounded_channel();
    let (go, times) = watch::channel(None);
    let threads: Vec<_> = (0..shape.threads)
        .map(|index| {
            let (shared, load, ready, times) = (shared.clone(), load.clone(), ready.clone(), times.clone());
            let (handle, share) = (runtime.handle().clone(), shape.connections / shape.threads);
            std::thread::spawn(move || raw::generate(&shared, &*load, index, share, &ready, times, &handle))
        })
        .collect();
    for _ in 0..shape.threads {
        opened.blocking_recv().expect("each thread says when it is ready");
    }
    let start = Instant::now() + Duration::from_millis(5);
    let end = start + Duration::from_secs_f64(shape.seconds);
    go.send_replace(Some(Times { start, measure: start, end }));
    during(&Watch(shared.clone()));
    let mut records = threads.into_iter().map(|thread| thread.join().expect("no thread panics"));
    let first = records.next().expect("a thread");
    records.fold(first, |mut total, record| {
        total.merge(record);
        total
    })
}

/// A look at a load that runs.
pub(super) struct Watch(Arc<Shared>);

impl Watch {
    /// Waits until so many further commands succeeded and failed.
    pub(super) fn until(&self, succeeded: u64, failed: u64) {
        let (mut fine, mut errors) = (0, 0);
        let end = Instant::now() + Duration::from_secs(20);
        while fine < succeeded || errors < failed {
            assert!(Instant::now() < end, "{fine} of {succeeded} succeeded, {errors} of {failed} failed");
            for slot in &self.0.slots {
                let mut slot = slot.lock().expect("lock");
                errors += std::mem::take(&mut slot.errors);
                fine += slot.response.len();
                slot.response.reset();
            }
            // A thread that finds its slot locked keeps its figures: it must find it open most of the time.
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(super) fn stop(&self) {
        let _ = self.0.stopped_at.set(Instant::now());
        self.0.stop.store(true, Ordering::Release);
    }
}

/// How many failed for each reason, the most frequent first: class, first message, count.
pub(super) fn errors(record: &Record) -> Vec<(String, String, u64)> {
    record.errors.counts().into_iter().map(|e| (e.class, e.sample, e.count)).collect()
}
