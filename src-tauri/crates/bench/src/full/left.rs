//! Statements that nobody waits for any more: the server is told, or it would go on with them.
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_pgload::Cancel;
use tokio::task::JoinHandle;

/// How long telling the server may take.
const LIMIT: Duration = Duration::from_millis(500);

thread_local! {
    /// Those of this generator thread, whose tasks all run on it.
    static LEFT: RefCell<Vec<Arc<Cancel>>> = const { RefCell::new(Vec::new()) };
    /// What tells the servers beside the load.
    static TELLING: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

/// A statement that is executed; dropped before its end it is left.
pub(super) struct Executing(Option<Arc<Cancel>>);

impl Executing {
    pub(super) fn new(cancel: Arc<Cancel>) -> Self {
        Self(Some(cancel))
    }

    /// It has ended.
    pub(super) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        if let Some(cancel) = self.0.take() {
            LEFT.with_borrow_mut(|left| left.push(cancel));
        }
    }
}

/// Tells the servers to end what this thread has left, without being waited for.
pub(super) fn cancel_beside() {
    let task = tokio::task::spawn_local(tell());
    TELLING.with_borrow_mut(|telling| {
        telling.retain(|task| !task.is_finished());
        telling.push(task);
    });
}

/// Tells the servers to end what this thread has left, and waits until they have been told of all of it.
pub(super) async fn cancel() {
    tell().await;
    for task in TELLING.with_borrow_mut(std::mem::take) {
        let _ = task.await;
    }
}

async fn tell() {
    let left = LEFT.with_borrow_mut(std::mem::take);
    let mut tasks = tokio::task::JoinSet::new();
    for cancel in left {
        tasks.spawn_local(async move {
            match tokio::time::timeout(LIMIT, cancel.send()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a statement could not be cancelled"),
                Err(_) => tracing::debug!("a statement could not be cancelled in time"),
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
