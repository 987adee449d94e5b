//! A statement of minutes in a SQLite file: stopped in its middle, after which its transaction is rolled back.
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use perfdeck_model::{ApiError, ErrorCode};
use sqlx::sqlite::SqliteConnection;

use super::{STATEMENT, Watch};

/// Instructions of SQLite's machine between two looks at whether it is to go on, some microseconds.
const INSTRUCTIONS: i32 = 1_000;

/// What stops a connection. One that is given up stops with it: nobody waits for its statement any more.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    until: Instant,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.asked.store(true, Ordering::Relaxed);
    }
}

impl Stop {
    /// From now on a statement of the connection ends when it is asked to, and after its ten minutes.
    pub(super) async fn of(c: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let stop = Self { asked: Arc::default(), until: Instant::now() + STATEMENT };
        let (asked, until) = (stop.asked.clone(), stop.until);
        let goes_on = move || !asked.load(Ordering::Relaxed) && Instant::now() < until;
        c.lock_handle().await?.set_progress_handler(INSTRUCTIONS, goes_on);
        Ok(stop)
    }

    /// Why it is to end, if it is.
    pub(super) fn why(&self) -> Option<ApiError> {
        if self.asked.load(Ordering::Relaxed) {
            return Some(ApiError::new(ErrorCode::Cancelled, "It was stopped before its end and rolled back"));
        }
        let late = format!("It took longer than {} min and was rolled back", STATEMENT.as_secs() / 60);
        (Instant::now() >= self.until).then(|| {
            ApiError::new(ErrorCode::Timeout, late).hint("A file of this size is altered by hand, when nobody writes")
        })
    }

    /// Does the work to its end, which comes soon once it is asked for. What came through all the same is done.
    pub(super) async fn through(
        &self,
        work: impl Future<Output = Result<(), ApiError>>,
        watch: &mut Watch<'_>,
    ) -> Result<(), ApiError> {
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = &mut watch.stop => {
                self.asked.store(true, Ordering::Relaxed);
                work.await
            }
        };
        done.map_err(|error| self.why().unwrap_or(error))
    }
}
