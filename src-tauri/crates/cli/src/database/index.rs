//! `perfctl db index`: indexes as changes.
use std::sync::Arc;

use perfdeck_engine::{Engine, IndexText, index_spec};
use perfdeck_model::ApiError;

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
    let text = IndexText {
        table: args.table.clone(),
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
