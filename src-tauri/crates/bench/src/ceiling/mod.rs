//! What a generator reaches here against a target that does nothing: above a good part of that, a run measures the load
//! generator and not its target.
mod null;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use self::null::{Framing, Null};
use crate::raw::Wire;
use crate::setup::{LoadEngine, Setup};
use crate::shared::{Shared, Times};
use crate::threads::{StopOnDrop, start_threads};

/// How long it is measured.
const MEASURED: Duration = Duration::from_millis(300);
/// Connections that it is measured with at most; more do not make it faster.
const CONNECTIONS: usize = 64;
/// Longest time until all connections are open and the last reply is there.
const DEADLINE: Duration = Duration::from_secs(3);

/// Ceilings that are kept; a program that runs for weeks starts anew.
const KEPT: usize = 1_000;

/// Ceilings that were measured, by threads, connections and what is sent.
static MEASURED_CEILINGS: Mutex<BTreeMap<(usize, usize, u64), f64>> = Mutex::new(BTreeMap::new());

/// What of a run decides its ceiling besides threads and connections.
fn fingerprint(setup: &Setup) -> u64 {
    let mut hasher = DefaultHasher::new();
    setup.engine.name().hash(&mut hasher);
    match &setup.engine {
        LoadEngine::Raw(wire) => wire.request.len().hash(&mut hasher),
        // A specification is always serialised the same way; one that cannot be is like no other.
        _ => serde_json::to_string(&setup.spec).unwrap_or_default().hash(&mut hasher),
    }
    hasher.finish()
}

/// The target that does nothing for a load, and the load against it; `None` where none can stand in for the target: for a
/// database, for TLS, for a login.
fn stand_in(engine: &LoadEngine, connections: usize) -> Option<(Null, LoadEngine)> {
    // Without a port there is no ceiling; the run itself will say what is wrong.
    let start = |framing: Framing| Null::start(framing).ok();
    match engine {
        LoadEngine::Raw(wire) => {
            let target = start(Framing::Length(wire.request.len()))?;
            let wire = Wire {
                request: wire.request.clone(),
                addresses: vec![target.address],
                timeout: DEADLINE,
                asked: crate::http1::Asked::default(),
                idempotent: false,
                contact: Arc::default(),
            };
            Some((target, LoadEngine::Raw(Arc::new(wire))))
        }
        LoadEngine::Cache(load) => {
            let target = start(Framing::Resp)?;
            let load = load.against(target.address, DEADLINE);
            Some((target, LoadEngine::Cache(Arc::new(load))))
        }
        LoadEngine::Full(program) if program.is_plain_http() => {
            let target = start(Framing::Http)?;
            let program = program.against(target.address, connections, DEADLINE)?;
            Some((target, LoadEngine::Full(Arc::new(program))))
        }
        LoadEngine::Full(_) => None,
    }
}

/// Requests per second; measured once per load. `None` when nothing can stand in for its target, or when it cannot be
/// measured.
pub(crate) async fn measure(setup: &Setup, threads: usize) -> Option<f64> {
    let connections = setup.connections.min(CONNECTIONS).max(threads);
    let key = (threads, connections, fingerprint(setup));
    if let Some(known) = MEASURED_CEILINGS.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Some(*known);
    }
    let (target, engine) = stand_in(&setup.engine, connections)?;
    let rate = reach(&engine, threads, connections, setup.steps.len()).await;
    drop(target);
    let mut known = MEASURED_CEILINGS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(key, rate?);
    rate
}

/// A closed loop of [`MEASURED`].
async fn reach(engine: &LoadEngine, threads: usize, connections: usize, steps: usize) -> Option<f64> {
    let shared = Arc::new(Shared::new(None, threads, steps));
    // A run that is stopped meanwhile does not wait for this one.
    let _guard = StopOnDrop(shared.clone());
    let (ready, mut opened) = mpsc::unbounded_channel();
    let (go, times) = watch::channel(None);
    let workers = start_threads(engine, "ceiling", &shared, connections, &ready, &times).ok()?;
    drop(ready);
    for _ in 0..threads {
        tokio::time::timeout(DEADLINE, opened.recv()).await.ok()??;
    }
    let start = Instant::now() + Duration::from_millis(5);
    // The first moments are slower: pages are touched, caches filled.
    let measure = start + MEASURED / 6;
    go.send_replace(Some(Times { start, measure, end: measure + MEASURED }));
    let mut completed = 0.0;
    for worker in workers {
        let record = worker.await.ok()?;
        // What cannot run its course against such a target, such as a check of the answer, says nothing.
        if record.failed > 0 {
            return None;
        }
        completed += record.completed;
    }
    (shared.stopped_because.get().is_none() && completed > 0.0).then(|| completed / MEASURED.as_secs_f64())
}
