//! `perfctl db index`: indexes as changes.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::database::CreateIndexRequest;
use perfdeck_engine::{ByEnvironment, Engine, IndexText, index_spec};
use perfdeck_model::{ApiError, Environment, ErrorCode, masking};

use super::args::{CreateIndexArgs, IndexCommand};
use crate::args::Source;
use crate::output::Done;
use crate::{changes, environments};

/// Creates, hides or drops one, or says what that would do.
pub(super) async fn run(engine: &Arc<Engine>, command: &IndexCommand, source: &Source, json: bool) -> Done {
    match command {
        IndexCommand::Create(args) => create(engine, args, source, json).await,
        IndexCommand::Drop { index, preview, env, allow } => {
            changes::plan(engine, ("drop_index", index), *preview, env.as_deref(), allow, source, json).await
        }
        IndexCommand::Hide { index, preview, env, allow } => {
            changes::plan(engine, ("hide_index", index), *preview, env.as_deref(), allow, source, json).await
        }
    }
}

async fn create(engine: &Arc<Engine>, args: &CreateIndexArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    if let Some(name) = &args.advised {
        return advised(engine, &environment, name, args, json).await;
    }
    let text = IndexText {
        table: args.table.clone().unwrap_or_default(),
        keys: args.keys.clone(),
        include: args.include.clone(),
        predicate: args.predicate.clone(),
        method: args.method.clone(),
        name: args.name.clone(),
    };
    let spec = index_spec(&environment, text)?;
    let object = serde_json::to_string(&spec).map_err(|e| ApiError::internal(e.to_string()))?;
    changes::plan(engine, ("create_index", &object), args.preview, args.env.as_deref(), &args.allow, source, json).await
}

/// Creates an index of the last advice.
async fn advised(
    engine: &Arc<Engine>,
    environment: &Environment,
    name: &str,
    args: &CreateIndexArgs,
    json: bool,
) -> Done {
    let id = environment.id.clone();
    let last = api::database::db_advice(engine.clone(), ByEnvironment { environment_id: id.clone() }).await?;
    let last = last.ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, format!("No advice is kept for '{}'", environment.name))
            .hint("perfctl db advise")
    })?;
    let known: Vec<&str> = last.advised.iter().map(|a| a.name.as_str()).collect();
    let index = last.advised.iter().find(|a| a.name == name).map(|a| a.spec.clone()).ok_or_else(|| {
        let text = format!("The last advice has no index '{}'", masking::shown(name));
        ApiError::new(ErrorCode::NotFound, text).hint(format!("It has: {}", known.join(", ")))
    })?;
    let asked = CreateIndexRequest { environment_id: id, index, advice_id: Some(last.id) };
    let planned = api::database::db_plan_index(engine.clone(), asked).await?.change;
    changes::planned(engine, &planned, args.preview, (&args.allow, None), json).await
}
