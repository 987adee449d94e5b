//! Commands about what a cache tells of itself.
use std::sync::Arc;

use perfdeck_cache::{MOST_SECONDS, USUAL_SECONDS};
use perfdeck_model::{
    ApiError, CacheClients, CacheHeat, CacheHeatMethod, CacheLook, CacheSlowLog, ErrorCode, JobResult, JobState,
    JobStatus, JournalKind, TargetHealth, TargetRole,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Asked;
use crate::Engine;
use crate::requests::ByEnvironment;
use crate::table::{Result, commands};

/// The kind of the job.
const KIND: &str = "cache_heat";

/// Asks for the clients of a cache.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct CacheClientsRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Whether a server with more than 2,000 clients makes its list too, though it serves nobody meanwhile.
    #[serde(default)]
    pub all: bool,
}

/// Asks which keys are used most.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct CacheHeatRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// How it is found.
    pub method: CacheHeatMethod,
    /// Time that commands are watched, in seconds, at most 10; 2 by default.
    #[serde(default)]
    pub seconds: Option<f64>,
}

commands! {
    Target Json "cache.look" (ByEnvironment) -> CacheLook, changes [] => cache_look;
    Target Json "cache.health" (ByEnvironment) -> TargetHealth, changes [] => cache_health;
    Target Json "cache.slowlog" (ByEnvironment) -> CacheSlowLog, changes [] => cache_slowlog;
    Target Json "cache.clients" (CacheClientsRequest) -> CacheClients, changes [] => cache_clients;
    Target Json "cache.measure_heat" (CacheHeatRequest) -> JobStatus, changes [Jobs] => cache_measure_heat;
    Read Json "cache.heat" (ByEnvironment) -> Option<CacheHeat>, changes [] => cache_heat;
}

/// What a cache tells of itself within a second and without a scan: memory, keys, sizes by type, commands by cost, what held it up, its
/// servers, and what is wrong. Rates come with the second look, a second later or more, and leave out what Perfdeck did itself.
pub async fn cache_look(engine: Arc<Engine>, request: ByEnvironment) -> Result<CacheLook> {
    let clock = &*engine.core.clock;
    match engine.asked(&request.environment_id).await?.1 {
        Asked::Memory(cache) => Ok(cache.look(clock)),
        Asked::Server(reader) => reader.lock().await.look(clock).await,
    }
}

/// Health of the cache: checks with value, threshold, reason and fix. It takes 5 s at most; a cache that cannot be reached is an answer too.
pub async fn cache_health(engine: Arc<Engine>, request: ByEnvironment) -> Result<TargetHealth> {
    let clock = &*engine.core.clock;
    match engine.asked(&request.environment_id).await?.1 {
        Asked::Memory(cache) => Ok(cache.health(clock)),
        Asked::Server(reader) => Ok(reader.lock().await.health(clock).await),
    }
}

/// The slow log of all servers, and where they keep them the logs of large requests and replies, newest first. Of arguments only names of
/// keys are shown, where it is known that they are some.
pub async fn cache_slowlog(engine: Arc<Engine>, request: ByEnvironment) -> Result<CacheSlowLog> {
    let clock = &*engine.core.clock;
    match engine.asked(&request.environment_id).await?.1 {
        Asked::Memory(cache) => Ok(cache.slow_log(clock)),
        Asked::Server(reader) => reader.lock().await.slow_log(clock).await,
    }
}

/// The clients of all servers, Perfdeck's own marked.
pub async fn cache_clients(engine: Arc<Engine>, request: CacheClientsRequest) -> Result<CacheClients> {
    let clock = &*engine.core.clock;
    match engine.asked(&request.environment_id).await?.1 {
        Asked::Memory(cache) => Ok(cache.clients(clock)),
        Asked::Server(reader) => reader.lock().await.clients(request.all, clock).await,
    }
}

/// Finds which namespaces and keys are used most, as a job whose result is its environment. Watching commands costs a server about half of
/// what it can do: on what is, or looks like, production it is a guarded act, and it has a cap of time and of bytes everywhere.
pub async fn cache_measure_heat(engine: Arc<Engine>, request: CacheHeatRequest) -> Result<JobStatus> {
    let seconds = request.seconds.unwrap_or(USUAL_SECONDS);
    if !(0.1..=MOST_SECONDS).contains(&seconds) {
        return Err(ApiError::bad_request(format!("Commands are watched for 0.1 s to {MOST_SECONDS} s")));
    }
    let (environment, asked) = engine.asked(&request.environment_id).await?;
    let Asked::Server(reader) = asked else {
        let error = ApiError::new(
            ErrorCode::Unsupported,
            "The cache in this process keeps no counters of use, and has no commands to watch",
        );
        return Err(error.hint("The map shows its namespaces by size"));
    };
    let same = |job: &JobStatus| {
        job.kind == KIND && job.state == JobState::Running && job.environment_id.as_ref() == Some(&environment.id)
    };
    if let Some(job) = engine.core.jobs.list().into_iter().find(same) {
        return Ok(job);
    }
    if request.method == CacheHeatMethod::Monitor {
        engine.altered(&environment, TargetRole::Cache).await.may_run("MONITOR")?;
        if engine.take_unlocked_for_run(&environment.id) {
            let text = "the cache's commands may be watched for a short time".to_owned();
            engine.journal(JournalKind::Unlocked, Some(&environment), text, None).await?;
        }
    }
    // Where a server counts hot keys itself, that is a count of its own that it begins: not where nothing may be begun.
    let may_begin = engine.altered(&environment, TargetRole::Cache).await.may_run("HOTKEYS").is_ok();
    let (of, id) = (engine.clone(), environment.id.clone());
    let title = format!("Heat of the keys of {}", environment.name);
    Ok(engine.core.jobs.spawn(KIND, title, Some(environment.id), move |job| async move {
        let watched = request.method == CacheHeatMethod::Monitor;
        job.progress(None, if watched { "watching commands" } else { "drawing keys" });
        let work = async {
            let mut reader = reader.lock().await;
            let clock = &*of.core.clock;
            if watched {
                return reader.watch(seconds, clock).await;
            }
            let counted = if may_begin { reader.hot_keys(seconds, clock).await? } else { None };
            match counted {
                Some(heat) => Ok(heat),
                None if request.method == CacheHeatMethod::Hotkeys => Err(ApiError::new(
                    ErrorCode::Unsupported,
                    "Not every server here has HOTKEYS, and lets this user ask it; Redis has it from 8.6 on",
                )
                .hint("By counters (LFU) and by watching commands it can be measured too")),
                None => reader.heat(clock).await,
            }
        };
        // Given up, a watch ends with its connection.
        let heat = job.unless_cancelled(work).await??;
        of.cache.look.put_heat(id.clone(), heat);
        Ok(Some(JobResult::CacheHeat(id)))
    }))
}

/// The heat that was measured last by this Perfdeck; `null` before the first time. It is kept in memory only.
pub async fn cache_heat(engine: Arc<Engine>, request: ByEnvironment) -> Result<Option<CacheHeat>> {
    let environment = engine.environment(&request.environment_id).await?;
    Ok(engine.cache.look.heat(&environment.id))
}
