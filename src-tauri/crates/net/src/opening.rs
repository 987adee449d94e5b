//! Connection attempts that take longer than one who waits for them.
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// An attempt that goes on between two who wait for it; dropped, it ends.
#[derive(Debug)]
pub struct Opening<T> {
    began: Instant,
    task: JoinSet<T>,
}

/// What waiting for an attempt came to.
#[derive(Debug)]
pub enum Waited<T> {
    /// It has an outcome.
    Done(T),
    /// It ended without one, by a panic.
    Lost,
    /// It goes on, this long already.
    Still(Duration),
}

impl<T: Send + 'static> Opening<T> {
    /// Waits at most `patience` for the attempt in `slot`, which is begun when there is none and kept while it goes on.
    pub async fn wait<F>(slot: &mut Option<Self>, patience: Duration, begin: impl FnOnce() -> F) -> Waited<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut opening = slot.take().unwrap_or_else(|| {
            let mut task = JoinSet::new();
            task.spawn(begin());
            Self { began: Instant::now(), task }
        });
        match tokio::time::timeout(patience, opening.task.join_next()).await {
            Ok(Some(Ok(outcome))) => Waited::Done(outcome),
            Ok(_) => Waited::Lost,
            Err(_) => {
                let lasts = opening.began.elapsed();
                *slot = Some(opening);
                Waited::Still(lasts)
            }
        }
    }
}
