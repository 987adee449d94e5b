//! `perfctl db health`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};

use crate::args::Source;
use crate::output::Done;
use crate::{environments, health};

pub(crate) async fn health(engine: &Arc<Engine>, env: Option<&str>, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let asked = ByEnvironment { environment_id: environment.id };
    let found = api::database::db_health(engine.clone(), asked).await?;
    health::write(environment.name, found, json)
}
