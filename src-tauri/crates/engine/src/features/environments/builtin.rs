//! The demo as an environment like the others.
use std::sync::{Arc, PoisonError};

use perfdeck_model::{
    ApiError, DEMO_ENVIRONMENT_ID, Environment, Guards, JobResult, JobStatus, Kind, PoolSettings, Tag, Targets,
};
use tokio_util::sync::CancellationToken;

use crate::Engine;

impl Engine {
    /// The running demo, built when it does not exist yet.
    pub(crate) async fn demo(&self) -> Result<Arc<perfdeck_demo::Demo>, ApiError> {
        self.demo_with(&|_, _| {}, &CancellationToken::new()).await
    }

    async fn demo_with(
        &self,
        progress: &(dyn Fn(f64, &str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Arc<perfdeck_demo::Demo>, ApiError> {
        let _building = tokio::select! {
            held = self.environments.building.lock() => held,
            () = cancel.cancelled() => {
                return Err(ApiError::new(perfdeck_model::ErrorCode::Cancelled, "Opening the demo was stopped"));
            }
        };
        if let Some(demo) = self.open_one() {
            return Ok(demo);
        }
        let demo = perfdeck_demo::Demo::open(&self.core.data_dir.join("demo"), progress, cancel).await?;
        *self.environments.demo.lock().unwrap_or_else(PoisonError::into_inner) = Some(demo.clone());
        Ok(demo)
    }

    /// The demo, where it is open.
    fn open_one(&self) -> Option<Arc<perfdeck_demo::Demo>> {
        self.environments.demo.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the demo, one that is being built among them.
    pub(crate) async fn end_demo(&self) {
        let _building = self.environments.building.lock().await;
        let demo = self.environments.demo.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(demo) = demo {
            demo.shutdown().await;
        }
    }

    /// Opens the demo as a job; one that runs already is answered again.
    pub(crate) fn open_demo(self: &Arc<Self>) -> JobStatus {
        if let Some(job) = self.core.jobs.running("demo") {
            return job;
        }
        let engine = self.clone();
        self.core.jobs.spawn(
            "demo",
            "Open the demo environment".to_owned(),
            Some(DEMO_ENVIRONMENT_ID.to_owned()),
            move |job| async move {
                let context = job.clone();
                engine.demo_with(&move |share, step| context.progress(Some(share), step), &job.cancel).await?;
                engine.core.changed(&[Tag::Environments]);
                Ok(Some(JobResult::Environment(DEMO_ENVIRONMENT_ID.to_owned())))
            },
        )
    }

    /// The demo as an environment; its targets are known once it runs.
    pub(crate) fn demo_environment(&self) -> Environment {
        Environment {
            id: DEMO_ENVIRONMENT_ID.to_owned(),
            name: DEMO_ENVIRONMENT_ID.to_owned(),
            kind: Kind::Development,
            targets: self.open_one().map_or_else(Targets::default, |demo| demo.targets()),
            pool: PoolSettings::for_kind(Kind::Development),
            guards: Guards::for_kind(Kind::Development),
            created_ms: 0.0,
            updated_ms: 0.0,
        }
    }
}
