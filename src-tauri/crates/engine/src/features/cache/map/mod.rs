//! The map of a cache as a job, and the maps that are kept.
pub mod commands;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_cache::{MapRun, MapWanted};
use perfdeck_model::{ApiError, JobResult, JobState, JobStatus, Tag};
use uuid::Uuid;

use self::commands::CacheMapRequest;
use super::door::CacheDoor;
use crate::Engine;
use crate::core::jobs::JobContext;

/// The kind of the job.
const KIND: &str = "cache_map";
/// Maps that are kept, each of its environment: one takes up to 70 MB.
const KEPT: usize = 4;
/// Time between two messages of the progress, and how many of them a viewer reads the map again.
const TICK: Duration = Duration::from_millis(250);
const READ_AGAIN: u32 = 4;

/// A map and the job that makes it or made it.
#[derive(Clone)]
pub(crate) struct Kept {
    environment_id: String,
    pub(crate) job_id: String,
    pub(crate) run: Arc<MapRun>,
}

/// The last map of each environment, the newest first.
#[derive(Default)]
pub(crate) struct Maps(Mutex<VecDeque<Kept>>);

impl Maps {
    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last map of an environment.
    pub(crate) fn of(&self, environment_id: &str) -> Option<Kept> {
        self.all().iter().find(|kept| kept.environment_id == environment_id).cloned()
    }

    fn keep(&self, kept: Kept) {
        let mut all = self.all();
        all.retain(|old| old.environment_id != kept.environment_id);
        all.push_front(kept);
        while all.len() > KEPT {
            let Some(old) = all.iter().rposition(|kept| !kept.run.is_running()) else { break };
            all.remove(old);
        }
    }
}

impl Engine {
    pub(crate) async fn map_cache(self: &Arc<Self>, request: CacheMapRequest) -> Result<JobStatus, ApiError> {
        let (environment, door) = self.cache_of(&request.environment_id).await?;
        // One is enough: who asks again follows it.
        let same = |job: &JobStatus| {
            job.kind == KIND && job.state == JobState::Running && job.environment_id.as_ref() == Some(&environment.id)
        };
        if let Some(job) = self.core.jobs.list().into_iter().find(same) {
            return Ok(job);
        }
        let id = Uuid::now_v7();
        let wanted = MapWanted {
            detail: request.detail,
            paced: !request.no_pace,
            replica: request.replica,
            delimiters: request.delimiters,
            seed: id.as_u64_pair().1,
            patience: None,
        };
        let run = MapRun::new(wanted, id.to_string(), self.core.clock.now_ms());
        let title = format!("Map of the cache of {}", environment.name);
        let (of, made) = (self.clone(), run.clone());
        let job = self.core.jobs.spawn(KIND, title, Some(environment.id.clone()), move |job| async move {
            let done = of.mapping(&made, door, &job).await;
            of.core.changed(&[Tag::CacheMap]);
            done.map(|()| Some(JobResult::CacheMap(id.to_string())))
        });
        self.cache.map.keep(Kept { environment_id: environment.id, job_id: job.id.clone(), run });
        Ok(job)
    }

    async fn mapping(&self, run: &Arc<MapRun>, door: CacheDoor, job: &JobContext) -> Result<(), ApiError> {
        job.progress(None, "connecting");
        let work = async {
            match &door {
                CacheDoor::Server { target, password } => run.scan(target, password.as_ref()).await,
                CacheDoor::Memory(cache) => {
                    run.read_memory(cache);
                    Ok(())
                }
            }
        };
        let told = async {
            let mut tick = tokio::time::interval(TICK);
            for n in 0_u32.. {
                tick.tick().await;
                job.progress(run.progress(), &run.step());
                if n % READ_AGAIN == READ_AGAIN - 1 {
                    self.core.changed(&[Tag::CacheMap]);
                }
            }
        };
        let stopped = async {
            job.cancel.cancelled().await;
            // The scan ends by itself then, with what it has.
            run.stop();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = work => done,
            () = told => Ok(()),
            () = stopped => Ok(()),
        }
    }
}
