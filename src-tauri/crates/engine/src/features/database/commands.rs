//! Commands of databases.
use std::sync::Arc;

use perfdeck_model::{ApiError, DatabaseActivity, DatabaseSizes, ErrorCode, IndexBloat, StatementPlan, TargetRole};

pub use super::schema::{BloatRequest, PlanRequest, SizesRequest, db_bloat, db_plan, db_sizes};
use crate::Engine;
use crate::requests::ByEnvironment;
use crate::table::{Result, commands};

commands! {
    Target Json "db.activity" (ByEnvironment) -> DatabaseActivity, changes [] => db_activity;
    Target Json "db.sizes" (SizesRequest) -> DatabaseSizes, changes [] => db_sizes;
    Target Json "db.bloat" (BloatRequest) -> IndexBloat, changes [] => db_bloat;
    Target Json "db.plan" (PlanRequest) -> StatementPlan, changes [] => db_plan;
}

/// The statements that run now, without literals.
pub async fn db_activity(engine: Arc<Engine>, request: ByEnvironment) -> Result<DatabaseActivity> {
    let environment = engine.environment(&request.environment_id).await?;
    let database = environment.targets.database.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
            .hint("Add one in the environment's editor")
    })?;
    let password = engine.secret(&environment, TargetRole::Database).await?;
    perfdeck_database::activity(&database.address, password.as_ref()).await
}
