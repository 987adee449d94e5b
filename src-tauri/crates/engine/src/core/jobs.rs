//! Jobs: work that has progress, can be cancelled and survives navigation.
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use perfdeck_model::{ApiError, Clock, ErrorCode, JobResult, JobState, JobStatus, Part};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::hub::Hub;

/// Finished jobs that are remembered.
const KEEP: usize = 50;

/// All jobs of this process.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
    entries: Mutex<VecDeque<Entry>>,
    version: watch::Sender<u64>,
    /// Perfdeck ends: what is started now is interrupted at once.
    ending: AtomicBool,
}

struct Entry {
    status: JobStatus,
    cancel: CancellationToken,
    interrupted: Arc<AtomicBool>,
}

/// Handle through which a job tells its progress.
#[derive(Clone)]
pub struct JobContext {
    /// Identifier of the job.
    pub id: String,
    /// Token that is cancelled when the user asks for it, and when Perfdeck ends.
    pub cancel: CancellationToken,
    interrupted: Arc<AtomicBool>,
    through: Arc<AtomicBool>,
    jobs: Jobs,
}

impl JobContext {
    /// Whether it ends because Perfdeck does, and not because a person asked for it.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Says that all of it is done, though it may have been asked to end: that came too late.
    pub fn through(&self) {
        self.through.store(true, Ordering::SeqCst);
    }

    /// Says whether Cancel does something from now on. What cannot be stopped half way says so.
    pub fn cancellable(&self, can: bool) {
        self.jobs.update(&self.id, |status| status.cancellable = can);
    }

    /// Waits for `work`, unless the job is cancelled first; then the work is given up where it waits.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] when it was.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, ApiError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its end")),
            done = work => Ok(done),
        }
    }

    /// Sets the share done (0 to 1, `None` when it cannot be known) and the step.
    pub fn progress(&self, share: Option<f64>, step: &str) {
        self.jobs.update(&self.id, |status| {
            status.progress = share.map(|s| s.clamp(0.0, 1.0));
            step.clone_into(&mut status.step);
        });
    }
}

impl Entry {
    fn interrupt(&self) {
        if self.status.state == JobState::Running {
            self.interrupted.store(true, Ordering::SeqCst);
            self.cancel.cancel();
        }
    }
}

impl Jobs {
    pub(crate) fn new(clock: Arc<dyn Clock>, hub: Arc<Hub>) -> Self {
        let (version, _) = watch::channel(0);
        let jobs = Self {
            inner: Arc::new(Inner {
                clock,
                hub,
                entries: Mutex::new(VecDeque::new()),
                version,
                ending: AtomicBool::new(false),
            }),
        };
        // Whoever watches learns that there are none.
        jobs.touch();
        jobs
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.inner.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn touch(&self) {
        self.inner.version.send_modify(|v| *v += 1);
        self.inner.hub.publish(|| Part::Jobs(self.list()));
    }

    /// Number that counts up with every change.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    fn update(&self, id: &str, f: impl FnOnce(&mut JobStatus)) {
        if let Some(entry) = self.entries().iter_mut().find(|e| e.status.id == id) {
            f(&mut entry.status);
        }
        self.touch();
    }

    /// All jobs, newest first.
    pub fn list(&self) -> Vec<JobStatus> {
        self.entries().iter().map(|e| e.status.clone()).collect()
    }

    /// The job `id`.
    pub fn get(&self, id: &str) -> Option<JobStatus> {
        self.entries().iter().find(|e| e.status.id == id).map(|e| e.status.clone())
    }

    /// A running job of this kind.
    pub(crate) fn running(&self, kind: &str) -> Option<JobStatus> {
        self.entries()
            .iter()
            .find(|e| e.status.kind == kind && e.status.state == JobState::Running)
            .map(|e| e.status.clone())
    }

    /// Asks a job to end; answers whether there is such a job, it runs, and it can be stopped.
    pub fn cancel(&self, id: &str) -> bool {
        let found = self
            .entries()
            .iter()
            .find(|e| e.status.id == id && e.status.state == JobState::Running && e.status.cancellable)
            .map(|e| e.cancel.clone());
        if let Some(token) = &found {
            token.cancel();
        }
        found.is_some()
    }

    /// Asks a job to end because Perfdeck does; what it measured so far is kept as interrupted.
    pub fn interrupt(&self, id: &str) {
        if let Some(entry) = self.entries().iter().find(|e| e.status.id == id) {
            entry.interrupt();
        }
    }

    /// Forgets a finished job.
    pub fn dismiss(&self, id: &str) {
        self.entries().retain(|e| e.status.id != id || e.status.state == JobState::Running);
        self.touch();
    }

    /// Asks every job to end because Perfdeck does, also those that are started later, and waits until all have.
    pub(crate) async fn end(&self) {
        self.inner.ending.store(true, Ordering::SeqCst);
        for entry in self.entries().iter() {
            entry.interrupt();
        }
        let mut version = self.version();
        loop {
            version.borrow_and_update();
            if !self.entries().iter().any(|e| e.status.state == JobState::Running) {
                return;
            }
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Starts a job. A panic inside becomes a failed job, never a lost one.
    pub(crate) fn spawn<F, Fut>(&self, kind: &str, title: String, environment_id: Option<String>, work: F) -> JobStatus
    where
        F: FnOnce(JobContext) -> Fut,
        Fut: Future<Output = Result<Option<JobResult>, ApiError>> + Send + 'static,
    {
        let id = Uuid::now_v7().to_string();
        let cancel = CancellationToken::new();
        let interrupted = Arc::new(AtomicBool::new(false));
        let status = JobStatus {
            id: id.clone(),
            kind: kind.to_owned(),
            title,
            environment_id,
            state: JobState::Running,
            progress: None,
            step: String::new(),
            started_ms: self.inner.clock.now_ms(),
            finished_ms: None,
            cancellable: true,
            error: None,
            result: None,
        };
        {
            let mut entries = self.entries();
            let entry = Entry { status: status.clone(), cancel: cancel.clone(), interrupted: interrupted.clone() };
            if self.inner.ending.load(Ordering::SeqCst) {
                entry.interrupt();
            }
            entries.push_front(entry);
            while entries.len() > KEEP {
                let Some(i) = entries.iter().rposition(|e| e.status.state != JobState::Running) else { break };
                entries.remove(i);
            }
        }
        self.touch();
        let through = Arc::new(AtomicBool::new(false));
        let (jobs, all_done) = (self.clone(), through.clone());
        let future = work(JobContext { id: id.clone(), cancel: cancel.clone(), interrupted, through, jobs });
        let jobs = self.clone();
        let work = tokio::spawn(future);
        tokio::spawn(async move {
            let outcome = work.await.unwrap_or_else(|e| {
                // The message of a panic may hold anybody's data; the hook for panics tells where it was.
                tracing::error!(panicked = e.is_panic(), "a job ended unexpectedly");
                Err(ApiError::internal("The job ended unexpectedly; the log has the details"))
            });
            let now = jobs.inner.clock.now_ms();
            jobs.update(&id, |status| {
                status.finished_ms = Some(now);
                status.cancellable = false;
                match outcome {
                    Ok(result) => {
                        let stopped = cancel.is_cancelled() && !all_done.load(Ordering::SeqCst);
                        status.state = if stopped { JobState::Cancelled } else { JobState::Done };
                        status.progress = Some(1.0);
                        status.result = result;
                    }
                    Err(e) if e.code == ErrorCode::Cancelled => status.state = JobState::Cancelled,
                    Err(e) => {
                        status.state = JobState::Failed;
                        status.error = Some(e);
                    }
                }
            });
        });
        status
    }

    /// Waits until a job ended.
    pub async fn wait(&self, id: &str) -> Option<JobStatus> {
        let mut version = self.version();
        loop {
            version.borrow_and_update();
            let status = self.get(id)?;
            if status.state != JobState::Running {
                return Some(status);
            }
            version.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::ManualClock;

    fn jobs() -> Jobs {
        let clock = Arc::new(ManualClock::new(1000.0));
        Jobs::new(clock.clone(), Arc::new(Hub::new(clock, CancellationToken::new())))
    }

    #[tokio::test]
    async fn a_panic_fails_the_job_and_nothing_else() {
        let jobs = jobs();
        let job = jobs.spawn("x", "X".into(), None, |_| async { panic!("boom") });
        let end = jobs.wait(&job.id).await.expect("job is known");
        assert_eq!(end.state, JobState::Failed, "a panic is a failure");
        assert_eq!(end.error.expect("with an error").code, ErrorCode::Internal, "of Perfdeck itself");
    }

    #[tokio::test]
    async fn cancel_reaches_the_work() {
        let jobs = jobs();
        let job = jobs.spawn("x", "X".into(), None, |ctx| async move {
            ctx.progress(Some(0.5), "half way");
            ctx.cancel.cancelled().await;
            Err(ApiError::new(ErrorCode::Cancelled, "stopped"))
        });
        assert!(jobs.cancel(&job.id), "a running job can be cancelled");
        let end = jobs.wait(&job.id).await.expect("job is known");
        assert_eq!(end.state, JobState::Cancelled, "it says so");
        assert!(!jobs.cancel(&job.id), "and cannot be cancelled twice");
    }

    #[tokio::test]
    async fn what_is_through_before_it_stops_is_done() {
        let jobs = jobs();
        let job = jobs.spawn("x", "X".into(), None, |ctx| async move {
            ctx.cancel.cancelled().await;
            ctx.through();
            Ok(None)
        });
        assert!(jobs.cancel(&job.id), "it is told to end");
        let end = jobs.wait(&job.id).await.expect("job is known");
        assert_eq!(end.state, JobState::Done, "too late");
    }

    #[tokio::test]
    async fn the_end_waits_for_every_job_and_says_why() {
        let jobs = jobs();
        let (told, mut kept) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..2 {
            let told = told.clone();
            jobs.spawn("x", "X".into(), None, |job| async move {
                job.cancel.cancelled().await;
                // What is measured is written, and that is waited for.
                tokio::task::yield_now().await;
                let _ = told.send(job.is_interrupted());
                Ok(Some(JobResult::Run("kept".into())))
            });
        }
        jobs.end().await;
        assert_eq!((kept.try_recv(), kept.try_recv()), (Ok(true), Ok(true)), "both wrote what they had, interrupted");
        let late = jobs.spawn("x", "X".into(), None, |job| async move {
            job.unless_cancelled(std::future::pending::<()>()).await.map(|()| None)
        });
        let end = jobs.wait(&late.id).await.expect("job is known");
        assert_eq!(end.state, JobState::Cancelled, "what is started afterwards ends at once");
    }

    #[tokio::test]
    async fn what_cannot_be_stopped_says_so() {
        let jobs = jobs();
        let (go, going) = tokio::sync::oneshot::channel::<()>();
        let job = jobs.spawn("x", "X".into(), None, |job| async move {
            job.cancellable(false);
            let _ = going.await;
            Ok(None)
        });
        let mut version = jobs.version();
        while jobs.get(&job.id).is_some_and(|s| s.cancellable) {
            version.changed().await.expect("the jobs live");
        }
        assert!(!jobs.cancel(&job.id), "Cancel does nothing, and says it");
        go.send(()).expect("it waits");
        let end = jobs.wait(&job.id).await.expect("job is known");
        assert_eq!(end.state, JobState::Done, "it ran to its end");
    }
}
