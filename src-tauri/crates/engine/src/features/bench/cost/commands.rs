//! Commands about the cost of one request.
use std::sync::Arc;

use perfdeck_model::{ApiError, JobStatus, masking};

use crate::Engine;
use crate::features::bench::commands::RunList;
use crate::features::bench::cost::answer::{CostRequest, RequestCost};
use crate::features::bench::work::PlanFolder;
use crate::requests::ById;
use crate::table::{Result, commands};

commands! {
    Target Json "cost.start" (CostRequest) -> JobStatus, changes [Jobs] => start;
    Read Json "cost.list" (RunList) -> Vec<RequestCost>, changes [] => list;
    Read Json "cost.get" (ById) -> RequestCost, changes [] => get;
}

/// Starts to measure what one request costs, as a job.
pub async fn start(engine: Arc<Engine>, request: CostRequest) -> Result<JobStatus> {
    engine.cost_start(request, PlanFolder::default()).await
}

/// Stored costs of requests, newest first.
pub async fn list(engine: Arc<Engine>, request: RunList) -> Result<Vec<RequestCost>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.costs(id.as_deref()).await
}

/// One of them.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<RequestCost> {
    let found = engine.core.store.cost(&request.id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("There is no cost '{}'", masking::shown(&request.id))))
}
