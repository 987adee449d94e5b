//! Watched environments: one monitor each, shared by all viewers.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use perfdeck_cache::CacheCollector;
use perfdeck_database::DatabaseCollector;
use perfdeck_model::{
    ApiError, BoxFuture, Clock, Collection, Collector, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, Tag, TargetRole,
};
use perfdeck_monitor::{ApiCollector, HostCollector, Monitor};
use tokio::sync::Mutex;

use crate::Engine;

/// Environments that stay watched when nobody looks; of more, the one that was used longest ago makes room.
const MAX_SESSIONS: usize = 4;
/// Watches that were ever begun.
static WATCHES: AtomicU64 = AtomicU64::new(0);

/// One watched environment.
struct Session {
    monitor: Arc<Monitor>,
    /// Cloned into every [`Watch`]: while there is one, somebody needs the samples.
    held: Arc<()>,
    /// Counts up with every use.
    used: u64,
    /// Tells this watch apart from an earlier one of the same environment.
    number: u64,
}

impl Session {
    fn watch(&self) -> Watch {
        Watch { monitor: self.monitor.clone(), _held: self.held.clone() }
    }
}

/// A watched environment. While it is held, by a viewer, a run or a rule, the watch does not make room for another.
#[derive(Clone)]
pub(crate) struct Watch {
    monitor: Arc<Monitor>,
    _held: Arc<()>,
}

impl std::ops::Deref for Watch {
    type Target = Monitor;

    fn deref(&self) -> &Monitor {
        &self.monitor
    }
}

/// The monitors that run.
#[derive(Default)]
pub(crate) struct Sessions {
    running: Mutex<HashMap<String, Session>>,
    /// Perfdeck ends: nothing is watched anew.
    ended: AtomicBool,
}

impl Sessions {
    pub(crate) async fn get(&self, id: &str) -> Option<Watch> {
        let mut running = self.running.lock().await;
        let newest = running.values().map(|s| s.used).max().unwrap_or(0);
        let session = running.get_mut(id)?;
        session.used = newest + 1;
        Some(session.watch())
    }

    /// The environments that are watched, each with the number of its watch: another one after it was edited.
    pub(crate) async fn watched(&self) -> HashMap<String, u64> {
        self.running.lock().await.iter().map(|(id, session)| (id.clone(), session.number)).collect()
    }

    pub(crate) async fn stop(&self, id: &str) -> bool {
        let session = self.running.lock().await.remove(id);
        if let Some(session) = &session {
            session.monitor.stop().await;
        }
        session.is_some()
    }

    pub(crate) async fn stop_all(&self) {
        let all: Vec<_> = {
            let mut running = self.running.lock().await;
            self.ended.store(true, Ordering::SeqCst);
            running.drain().collect()
        };
        for (_, session) in all {
            session.monitor.stop().await;
        }
    }
}

/// Stands in for a target that cannot be measured, so that its state says why instead of staying silent.
struct Unavailable {
    role: TargetRole,
    address: String,
    error: ApiError,
}

impl Collector for Unavailable {
    fn role(&self) -> TargetRole {
        self.role
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn collect<'a>(&'a mut self, _clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        let error = self.error.clone();
        Box::pin(async move { Err(error) })
    }
}

impl Engine {
    /// The monitor of an environment, started when it does not run.
    ///
    /// # Errors
    /// When there is no such environment, or its targets would have to be reached for a caller that only reads.
    pub(crate) async fn monitor(&self, id: &str) -> Result<Watch, ApiError> {
        let environment = self.environment(id).await?;
        let id = environment.id.clone();
        if let Some(watch) = self.monitoring.get(&id).await {
            return Ok(watch);
        }
        if crate::core::access::reads_only() {
            return Err(ApiError::new(
                ErrorCode::Guarded,
                format!("'{}' is not watched at the moment", environment.name),
            )
            .hint("A link that only reads does not connect to targets. Open the environment with full access first"));
        }
        let collectors = self.collectors(&environment).await?;
        let mut running = self.monitoring.running.lock().await;
        if self.monitoring.ended.load(Ordering::SeqCst) {
            return Err(ApiError::new(ErrorCode::Cancelled, "Perfdeck ends, so nothing is watched any more"));
        }
        // Another caller may have started it meanwhile.
        if let Some(session) = running.get(&id) {
            return Ok(session.watch());
        }
        while running.len() >= MAX_SESSIONS {
            let idle = running.iter().filter(|(_, s)| Arc::strong_count(&s.held) == 1);
            // All of them are needed: then there is one more.
            let Some(oldest) = idle.min_by_key(|(_, s)| s.used).map(|(id, _)| id.clone()) else { break };
            if let Some(session) = running.remove(&oldest) {
                tokio::spawn(async move { session.monitor.stop().await });
            }
        }
        let used = running.values().map(|s| s.used).max().unwrap_or(0) + 1;
        let monitor =
            Monitor::start(id.clone(), collectors, self.core.clock.clone(), Arc::new(self.core.store.clone()));
        let number = WATCHES.fetch_add(1, Ordering::Relaxed);
        let session = Session { monitor, held: Arc::default(), used, number };
        let watch = session.watch();
        running.insert(id, session);
        drop(running);
        // Viewers that could not watch it so far can now.
        self.core.changed(&[Tag::Series]);
        Ok(watch)
    }

    async fn collectors(&self, environment: &Environment) -> Result<Vec<Box<dyn Collector>>, ApiError> {
        let mut collectors: Vec<Box<dyn Collector>> = Vec::new();
        if environment.id == DEMO_ENVIRONMENT_ID {
            let demo = self.demo().await?;
            demo.set_active(true);
            collectors.extend(demo.collectors());
            collectors.push(Box::new(HostCollector::new()));
            return Ok(collectors);
        }
        let t = &environment.targets;
        let unavailable = |role: TargetRole, address: String, error: ApiError| -> Box<dyn Collector> {
            Box::new(Unavailable { role, address, error })
        };
        if let Some(api) = &t.api {
            collectors.push(match self.secret(environment, TargetRole::Api).await {
                Ok(secret) => Box::new(ApiCollector::new(api.clone(), secret)),
                Err(e) => unavailable(TargetRole::Api, api.url.clone(), e),
            });
        }
        if let Some(host) = &t.host {
            collectors.push(if host.url == "local" {
                Box::new(HostCollector::new())
            } else {
                let e = ApiError::new(ErrorCode::Unsupported, "Remote hosts are not measured by this version yet")
                    .hint("Use 'local' to measure this machine");
                unavailable(TargetRole::Host, host.url.clone(), e)
            });
        }
        if let Some(database) = &t.database {
            collectors.push(match self.secret(environment, TargetRole::Database).await {
                Ok(secret) => Box::new(DatabaseCollector::new(database.address.clone(), secret)),
                Err(e) => unavailable(TargetRole::Database, database.address.short(), e),
            });
        }
        if let Some(cache) = &t.cache {
            collectors.push(match self.cache_login(environment).await {
                Ok(Some((cache, secret))) => Box::new(CacheCollector::new(cache, secret)),
                Ok(None) => return Ok(collectors),
                Err(e) => unavailable(TargetRole::Cache, cache.address.short(), e),
            });
        }
        Ok(collectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineOptions;
    use perfdeck_model::{EnvironmentDraft, TargetsDraft, Watching};
    use serde_json::json;

    async fn engine(environments: usize) -> (tempfile::TempDir, Arc<Engine>, Vec<String>) {
        let dir = tempfile::tempdir().expect("temp dir");
        let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
        let engine = Engine::open(options).await.expect("opens");
        let mut ids = Vec::new();
        for i in 0..environments {
            let targets = TargetsDraft { host: Some("local".to_owned()), ..TargetsDraft::default() };
            let draft = EnvironmentDraft { name: format!("e{i}"), targets, ..EnvironmentDraft::default() };
            ids.push(engine.save_environment(&draft, None).await.expect("made").id);
        }
        (dir, engine, ids)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_somebody_looks_at_never_makes_room() {
        let (_dir, engine, ids) = engine(9).await;
        let mut first = engine.watch(Watching::everything(Some(&ids[0]))).await.expect("a viewer");
        let run = engine.monitor(&ids[1]).await.expect("held, as a run does");
        for id in &ids[2..] {
            engine.monitor(id).await.expect("watched, and left");
        }
        for id in &ids[..2] {
            assert!(engine.monitoring.get(id).await.is_some(), "{id} is needed");
        }
        assert!(engine.monitoring.get(&ids[2]).await.is_none(), "what nobody needs made room");
        assert_eq!(engine.monitoring.running.lock().await.len(), MAX_SESSIONS, "and no more are kept than that");
        let ticked = async { while first.next().await.is_some_and(|frame| frame.t.is_empty()) {} };
        tokio::time::timeout(std::time::Duration::from_secs(20), ticked).await.expect("its samples go on");

        let mut viewers = Vec::new();
        for id in &ids {
            viewers.push(engine.watch(Watching::everything(Some(id))).await.expect("a viewer"));
        }
        for id in &ids {
            assert!(engine.monitoring.get(id).await.is_some(), "{id}: nine viewers, nine watches");
        }
        drop((viewers, first, run));
        engine.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_only_reads_reaches_no_target() {
        let (_dir, engine, ids) = engine(1).await;
        // Over the wire: that is where a caller's access is known.
        let ask = json!({ "environment_id": ids[0] });
        for command in ["monitor.series", "monitor.targets", "findings.list"] {
            let refused = engine.dispatch_reading(command, ask.clone()).await.expect_err(command);
            assert_eq!(refused.code, ErrorCode::Guarded, "{command} would start a watch: {refused}");
        }
        let _viewer = engine.watch(Watching::everything(Some(&ids[0]))).await.expect("someone with full access");
        for command in ["monitor.series", "monitor.targets", "findings.list", "env.list", "run.list", "job.list"] {
            let ask = if command.starts_with("env") || command.starts_with("job") { json!({}) } else { ask.clone() };
            engine.dispatch_reading(command, ask).await.unwrap_or_else(|e| panic!("{command} only reads: {e}"));
        }
        for command in crate::COMMANDS.iter().filter(|c| c.access != perfdeck_model::Access::Read) {
            let refused = engine.dispatch_reading(command.name, json!({})).await.expect_err(command.name);
            assert_eq!(refused.code, ErrorCode::Guarded, "{} is refused before its request is read", command.name);
            assert!(refused.hint.is_some(), "{} says what to do", command.name);
        }
        engine.shutdown().await;
    }
}
