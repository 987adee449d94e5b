//! Commands of the map of a cache.
use std::sync::Arc;

use perfdeck_cache::MapAsked;
use perfdeck_model::{ApiError, CacheMap, CacheMapPage, JobStatus, MapDetail, MapOrder};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::table::{Result, commands};

/// Asks for a map of the keys of a cache.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct CacheMapRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// What is asked of each key.
    #[serde(default)]
    pub detail: MapDetail,
    /// Whether the scan goes as fast as it can, instead of staying within a tenth of a core and 2 ms of added latency.
    #[serde(default)]
    pub no_pace: bool,
    /// Whether replicas are read in place of their primaries, where there are some.
    #[serde(default)]
    pub replica: bool,
    /// Characters at which names are divided, at most 8; found in the names where none are given.
    #[serde(default)]
    pub delimiters: Option<String>,
}

/// Asks for a part of the map that was made last, or is being made.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct CacheMapPart {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// `path` of the namespace whose inside is asked for; empty for the whole map.
    #[serde(default)]
    pub path: String,
    /// Order of what is inside.
    #[serde(default)]
    pub order: MapOrder,
    /// Namespaces that are left out before the first.
    #[serde(default)]
    pub skip: u32,
    /// Namespaces at most, 1 to 500; 100 where none is given.
    #[serde(default)]
    pub most: Option<u32>,
    /// Levels of namespaces: 1 for what is directly inside, 2 for what is inside that too, at most 12; each comes as one of the list.
    #[serde(default)]
    pub depth: Option<u32>,
}

/// What may be asked of a scan that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CacheMapOrder {
    /// Wait.
    Pause,
    /// Go on.
    Resume,
    /// Half of the limits of CPU and added latency.
    Gentler,
    /// End; what was read is kept.
    Stop,
}

/// Asks something of the scan that runs.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct CacheMapControl {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// What is asked.
    pub order: CacheMapOrder,
}

commands! {
    Target Json "cache.map" (CacheMapRequest) -> JobStatus, changes [Jobs, CacheMap] => cache_map;
    Read Json "cache.map_state" (CacheMapPart) -> Option<CacheMapPage>, changes [] => cache_map_state;
    Write Json "cache.map_control" (CacheMapControl) -> Option<CacheMap>, changes [CacheMap] => cache_map_control;
}

/// Maps the keys of a cache, as a job whose result is the map. It reads only. One that runs already is answered in its place. Stopped,
/// what it read is kept as unfinished.
pub async fn cache_map(engine: Arc<Engine>, request: CacheMapRequest) -> Result<JobStatus> {
    if request
        .delimiters
        .as_ref()
        .is_some_and(|d| d.is_empty() || d.len() > 8 || !d.bytes().all(|b| b.is_ascii_punctuation()))
    {
        return Err(
            ApiError::bad_request("Delimiters are 1 to 8 characters of punctuation").hint("Such as ':' or ':/'")
        );
    }
    engine.map_cache(request).await
}

/// The map of a cache that is being made or was made last, with what is inside one of its namespaces; `null` where none was made since
/// Perfdeck was started. It is kept in memory.
pub async fn cache_map_state(engine: Arc<Engine>, part: CacheMapPart) -> Result<Option<CacheMapPage>> {
    let environment = engine.environment(&part.environment_id).await?;
    let Some(kept) = engine.cache.map.of(&environment.id) else { return Ok(None) };
    let wanted = MapAsked {
        path: part.path,
        order: part.order,
        skip: part.skip as usize,
        most: part.most.unwrap_or(100) as usize,
        depth: part.depth.unwrap_or(1).min(12),
    };
    // A tree of 200,000 nodes takes some milliseconds to add up.
    let page = tokio::task::spawn_blocking(move || {
        let mut page = kept.run.page(&wanted)?;
        page.map.job_id = kept.job_id;
        Ok::<_, ApiError>(page)
    });
    page.await.map_err(|_| ApiError::internal("The map could not be read"))?.map(Some)
}

/// Lets the scan of a cache wait, go on, go more gently or end; answers the map then, `null` where there is none. Nothing happens to one
/// that ended.
pub async fn cache_map_control(engine: Arc<Engine>, control: CacheMapControl) -> Result<Option<CacheMap>> {
    let environment = engine.environment(&control.environment_id).await?;
    let Some(kept) = engine.cache.map.of(&environment.id) else { return Ok(None) };
    match control.order {
        CacheMapOrder::Pause => kept.run.pause(true),
        CacheMapOrder::Resume => kept.run.pause(false),
        CacheMapOrder::Gentler => kept.run.gentler(),
        CacheMapOrder::Stop => {
            engine.core.jobs.cancel(&kept.job_id);
            kept.run.stop();
        }
    }
    Ok(Some(CacheMap { job_id: kept.job_id, ..kept.run.map() }))
}
