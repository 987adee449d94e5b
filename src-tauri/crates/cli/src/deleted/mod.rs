//! `perfctl deleted` and `perfctl restore`: what was deleted in the last seven days, and its way back.
pub(crate) mod args;

use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::{ById, DeletedItem, DeletedKind, Empty, Engine};
use perfdeck_model::{ApiError, masking};

use crate::FINE;
use crate::answers::{DeletedItems, Restored};
use crate::output::{self, Done, moment, plain};

fn word(kind: DeletedKind) -> &'static str {
    match kind {
        DeletedKind::Environment => "environment",
        DeletedKind::Run => "run",
        DeletedKind::Comparison => "comparison",
        DeletedKind::Knee => "search for the knee",
        DeletedKind::Report => "report",
    }
}

pub(crate) async fn list(engine: &Arc<Engine>, json: bool) -> Done {
    let deleted = api::house::deleted_list(engine.clone(), Empty {}).await?;
    if json {
        output::json(&DeletedItems { schema: "perfdeck.deleted/1", deleted })?;
        return Ok(FINE);
    }
    if deleted.is_empty() {
        output::note("Nothing was deleted in the last seven days");
        return Ok(FINE);
    }
    let row = |item: &DeletedItem| {
        let environment = plain(item.environment.as_deref().unwrap_or("-"));
        let (deleted, until) = (moment(item.deleted_ms), moment(item.until_ms));
        vec![item.id.clone(), word(item.kind).to_owned(), item.name.clone(), environment, deleted, until]
    };
    let rows: Vec<Vec<String>> = deleted.iter().map(row).collect();
    output::table(&["id", "what", "name", "environment", "deleted (UTC)", "restorable until"], &rows)?;
    Ok(FINE)
}

pub(crate) async fn restore(engine: &Arc<Engine>, id: &str, json: bool) -> Done {
    let deleted = api::house::deleted_list(engine.clone(), Empty {}).await?;
    let Some(item) = deleted.into_iter().find(|item| item.id == id) else {
        return Err(ApiError::not_found(format!("Nothing with the identifier '{}' was deleted", masking::shown(id)))
            .hint("perfctl deleted lists what can be restored")
            .into());
    };
    let by = ById { id: id.to_owned() };
    let there = match item.kind {
        DeletedKind::Environment => api::environments::restore(engine.clone(), by).await.map(|_| true),
        DeletedKind::Run => api::bench::run_restore(engine.clone(), by).await.map(|_| true),
        DeletedKind::Comparison => api::bench::comparison_restore(engine.clone(), by).await,
        DeletedKind::Knee => api::bench::knee_restore(engine.clone(), by).await,
        DeletedKind::Report => api::reports::restore(engine.clone(), by).await.map(|_| true),
    }?;
    if !there {
        return Err(ApiError::not_found(format!("The {} is gone: it was deleted too long ago", word(item.kind))).into());
    }
    if json {
        output::json(&Restored { schema: "perfdeck.restored/1", restored: item })?;
    } else {
        output::note(&format!("Restored the {} '{}'", word(item.kind), item.name));
    }
    Ok(FINE)
}
