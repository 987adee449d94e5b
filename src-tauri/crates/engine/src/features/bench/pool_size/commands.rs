//! Commands about the size of a pool.
use std::sync::Arc;

use perfdeck_model::{ApiError, JobStatus, masking};

use crate::Engine;
use crate::features::bench::commands::RunList;
use crate::features::bench::pool_size::answer::{PoolSizePreview, PoolSizeRequest, PoolSizing};
use crate::features::bench::work::PlanFolder;
use crate::requests::ById;
use crate::table::{Result, commands};

commands! {
    Target Json "pool_size.preview" (PoolSizeRequest) -> PoolSizePreview, changes [] => preview;
    Target Json "pool_size.start" (PoolSizeRequest) -> JobStatus, changes [Jobs] => start;
    Read Json "pool_size.list" (RunList) -> Vec<PoolSizing>, changes [] => list;
    Read Json "pool_size.get" (ById) -> PoolSizing, changes [] => get;
}

/// Sizes that would be tried, how long it would take, and what guards the database.
pub async fn preview(engine: Arc<Engine>, request: PoolSizeRequest) -> Result<PoolSizePreview> {
    engine.pool_size_preview(&request, &PlanFolder::default()).await
}

/// Starts to measure the size of a pool, as a job.
pub async fn start(engine: Arc<Engine>, request: PoolSizeRequest) -> Result<JobStatus> {
    engine.pool_size_start(request, PlanFolder::default()).await
}

/// Stored sizes of pools, newest first.
pub async fn list(engine: Arc<Engine>, request: RunList) -> Result<Vec<PoolSizing>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.pool_sizings(id.as_deref()).await
}

/// One of them.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<PoolSizing> {
    let found = engine.core.store.pool_sizing(&request.id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("There is no sizing '{}'", masking::shown(&request.id))))
}
