//! Commands of keys.
use std::sync::Arc;

use perfdeck_cache::values;
use perfdeck_model::{
    ApiError, CacheBytes, CacheKey, EditOfChange, ErrorCode, KeyEdit, KeyPage, KeySearch, PlannedEdit, ValueAt,
    ValuePage,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::edit::{CACHE_EDIT, EditOf, view};
use crate::Engine;
use crate::features::cache::door::CacheDoor;
use crate::requests::ById;
use crate::table::{Result, commands};

/// Looks for keys.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct KeysRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Which keys.
    #[serde(default)]
    pub search: KeySearch,
    /// Mark of the page before.
    #[serde(default)]
    pub after: Option<String>,
}

/// Asks for one key.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct KeyRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Name of the key.
    pub key: CacheBytes,
}

/// Asks for a page of a value.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ValueRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Name of the key.
    pub key: CacheBytes,
    /// Which part; the first page where nothing is said.
    #[serde(default)]
    pub at: Option<ValueAt>,
    /// Most that is fetched of it, in bytes, up to 1 MiB; 64 kB where nothing is said.
    #[serde(default)]
    pub most_bytes: Option<u32>,
}

/// Plans an edit of a key.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct EditRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Name of the key.
    pub key: CacheBytes,
    /// What is edited, with what was seen of it.
    pub edit: KeyEdit,
}

commands! {
    Target Json "cache.keys" (KeysRequest) -> KeyPage, changes [] => cache_keys;
    Target Json "cache.key" (KeyRequest) -> CacheKey, changes [] => cache_key;
    Target Json "cache.value" (ValueRequest) -> ValuePage, changes [] => cache_value;
    Target Json "cache.plan_edit" (EditRequest) -> PlannedEdit, changes [Changes] => cache_plan_edit;
    Target Json "cache.edit" (ById) -> EditOfChange, changes [] => cache_edit;
}

/// A page of the keys that match. What one page costs is bounded by what the servers look through for it, at most 100,000 keys and
/// about a second; whoever asks for no further page has stopped the search.
pub async fn cache_keys(engine: Arc<Engine>, request: KeysRequest) -> Result<KeyPage> {
    match engine.cache_of(&request.environment_id).await?.1 {
        CacheDoor::Server { target, password } => {
            values::keys(&target, password.as_ref(), &request.search, request.after.as_deref()).await
        }
        CacheDoor::Memory(cache) => cache.keys_page(&request.search, request.after.as_deref()),
    }
}

/// One key without its value.
pub async fn cache_key(engine: Arc<Engine>, request: KeyRequest) -> Result<CacheKey> {
    let name = request.key.bytes()?;
    match engine.cache_of(&request.environment_id).await?.1 {
        CacheDoor::Server { target, password } => values::key(&target, password.as_ref(), &name).await,
        CacheDoor::Memory(cache) => cache.key(&name).await,
    }
}

/// A page of a key's value.
pub async fn cache_value(engine: Arc<Engine>, request: ValueRequest) -> Result<ValuePage> {
    let (name, at, most) = (request.key.bytes()?, request.at.as_ref(), request.most_bytes);
    match engine.cache_of(&request.environment_id).await?.1 {
        CacheDoor::Server { target, password } => values::value(&target, password.as_ref(), &name, at, most).await,
        CacheDoor::Memory(cache) => cache.value(&name, at, most).await,
    }
}

/// Plans an edit of a key as a change. Nothing is altered; `changes.apply` and `changes.undo` do that, and write nothing over what another
/// client wrote.
pub async fn cache_plan_edit(engine: Arc<Engine>, request: EditRequest) -> Result<PlannedEdit> {
    let object = serde_json::to_string(&EditOf { key: request.key, edit: request.edit })
        .map_err(|_| ApiError::internal("The edit could not be written"))?;
    let change = engine.plan_change(CACHE_EDIT, &request.environment_id, &object, None).await?;
    let (_, plan) = engine.change_plan(&change.id).await?;
    let edit = view(&engine, &change.environment_id, &plan, false).await?;
    Ok(PlannedEdit { detail: engine.change_detail(change).await?, edit })
}

/// A change of a key with its names and values: what was seen, what is written, and what the server has now.
pub async fn cache_edit(engine: Arc<Engine>, request: ById) -> Result<EditOfChange> {
    let (change, plan) = engine.change_plan(&request.id).await?;
    if change.kind != CACHE_EDIT {
        return Err(ApiError::new(ErrorCode::BadRequest, "This change is none of a key"));
    }
    let edit = view(&engine, &change.environment_id, &plan, true).await.ok();
    Ok(EditOfChange { change, edit })
}
