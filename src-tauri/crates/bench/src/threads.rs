//! The threads of a generator, from their start to their records.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot, watch};

use crate::record::Record;
use crate::setup::{Error, LoadEngine};
use crate::shared::{Shared, Times};
use crate::{full, raw};

/// Starts the threads of a generator, which open their connections and wait for the moments of the run.
pub(crate) fn start_threads(
    engine: &LoadEngine,
    name: &str,
    shared: &Arc<Shared>,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    times: &watch::Receiver<Option<Times>>,
) -> Result<Vec<oneshot::Receiver<Record>>, Error> {
    let (mut workers, threads) = (Vec::new(), shared.threads);
    for index in 0..threads {
        let share = connections / threads + usize::from(index < connections % threads);
        let (shared, engine, ready, times) = (shared.clone(), engine.clone(), ready.clone(), times.clone());
        let runtime = tokio::runtime::Handle::current();
        let (send, receive) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(move || {
                // The receiver is gone only when the run was dropped.
                let _ = send.send(match &engine {
                    LoadEngine::Raw(wire) => raw::generate(&shared, &**wire, index, share, &ready, times, &runtime),
                    LoadEngine::Cache(load) => raw::generate(&shared, &**load, index, share, &ready, times, &runtime),
                    LoadEngine::Full(program) => full::generate(&shared, program, index, share, &ready, times),
                });
            })
            .map_err(|e| Error::Generator(e.to_string()))?;
        workers.push(receive);
    }
    Ok(workers)
}

/// Ends the threads of a generator when nobody waits for them any more.
pub(crate) struct StopOnDrop(pub(crate) Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

/// Waits for all threads of a generator.
pub(crate) async fn join(workers: Vec<oneshot::Receiver<Record>>) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for worker in workers {
        records.push(worker.await.map_err(|_| Error::Generator("it ended without a result".to_owned()))?);
    }
    Ok(records)
}
