//! Load that is part of a measurement and no run of its own: too short for one, sent again and again, and not stored.
use std::time::Duration;

use perfdeck_bench::AbortSwitch;
use perfdeck_model::{ApiError, ErrorCode, JournalKind, Run};

use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::headroom::HeadRoom;
use crate::features::bench::running::Allowed;
use crate::features::bench::work::Work;

/// Longest time that requests may take beyond their length and twice their time-out.
const GRACE: Duration = Duration::from_secs(15);

/// The guards that hold while such load is sent; they end with it.
pub(crate) struct Guarded {
    pub(crate) abort: AbortSwitch,
    _head_room: Option<HeadRoom>,
}

impl Allowed {
    /// Sends `work` once, whatever the state in which it ends. Messages of it have nothing of its data.
    ///
    /// # Errors
    /// When it cannot begin, or does not end within its length, twice its time-out and 15 s.
    pub(crate) async fn sent(
        &self,
        engine: &Engine,
        work: &Work,
        name: &str,
        abort: &AbortSwitch,
        job: &JobContext,
    ) -> Result<Run, ApiError> {
        let spec = work.spec()?;
        let context = self.context(engine, name.to_owned(), abort.clone());
        let run = work.run(context, |_| {}, job.cancel.clone());
        let limit = Duration::from_secs_f64(spec.warmup_s() + spec.duration_s() + 2.0 * spec.timeout_s()) + GRACE;
        let finished = tokio::time::timeout(limit, run).await.map_err(|_| {
            ApiError::new(ErrorCode::Timeout, format!("The requests did not end within {} s", limit.as_secs()))
        })?;
        let finished = finished.map_err(ApiError::from).map_err(|mut error| {
            error.message = work.harmless(&error.message);
            error
        })?;
        let mut run = finished.run;
        crate::features::bench::masked::mask_messages(&mut run, &|text| work.harmless(text));
        Ok(run)
    }
}

impl Engine {
    /// The guards that hold during a measurement, and its entry in the journal. What cannot be journaled is not sent.
    pub(crate) async fn load_begins(
        &self,
        what: &Allowed,
        text: String,
        job: &JobContext,
    ) -> Result<Guarded, ApiError> {
        let environment = what.environment.as_ref();
        let abort = AbortSwitch::default();
        let head_room = match environment {
            Some(guarded) => job.unless_cancelled(self.head_room(guarded, what.strict, &abort)).await??,
            None => None,
        };
        if let Some(environment) = environment.filter(|e| self.take_unlocked_for_run(&e.id)) {
            let text = "changes are allowed for this measurement".to_owned();
            self.journal(JournalKind::Unlocked, Some(environment), text, None).await?;
        }
        self.journal(JournalKind::LoadStarted, environment, text, None).await?;
        Ok(Guarded { abort, _head_room: head_room })
    }

    /// The entry of the journal at its end; `words` are for one that has a result.
    pub(crate) async fn load_ended<T>(
        &self,
        what: &Allowed,
        job: &JobContext,
        outcome: &Result<T, ApiError>,
        words: impl FnOnce(&T) -> String,
    ) {
        let text = match outcome {
            Ok(found) => words(found),
            Err(error) if error.code == ErrorCode::Cancelled && job.is_interrupted() => {
                "interrupted: Perfdeck was ended".to_owned()
            }
            Err(error) if error.code == ErrorCode::Cancelled => "stopped by the user".to_owned(),
            Err(error) => format!("without a result: {}", error.message),
        };
        self.noted(JournalKind::LoadEnded, what.environment.as_ref(), text).await;
    }
}
