//! Watched environments: one monitor each, shared by all viewers.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_cache::CacheCollector;
use perfdeck_database::DatabaseCollector;
use perfdeck_model::{ApiError, BoxFuture, Clock, Collection, Collector, DEMO_ENVIRONMENT_ID, Environment, TargetRole};
use perfdeck_monitor::{ApiCollector, HostCollector, Monitor};
use tokio::sync::Mutex;

use crate::Engine;

/// Environments watched at the same time; the one watched longest ago makes room.
const MAX_SESSIONS: usize = 4;

/// The monitors that run.
#[derive(Default)]
pub(crate) struct Sessions {
    running: Mutex<HashMap<String, (u64, Arc<Monitor>)>>,
}

impl Sessions {
    pub(crate) async fn get(&self, id: &str) -> Option<Arc<Monitor>> {
        self.running.lock().await.get(id).map(|(_, m)| m.clone())
    }

    pub(crate) async fn stop(&self, id: &str) -> bool {
        let monitor = self.running.lock().await.remove(id);
        if let Some((_, monitor)) = &monitor {
            monitor.stop().await;
        }
        monitor.is_some()
    }

    pub(crate) async fn stop_all(&self) {
        let all: Vec<_> = self.running.lock().await.drain().collect();
        for (_, (_, monitor)) in all {
            monitor.stop().await;
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
    pub(crate) async fn monitor(&self, id: &str) -> Result<Arc<Monitor>, ApiError> {
        let environment = self.environment(id).await?;
        let id = environment.id.clone();
        if let Some(monitor) = self.sessions.get(&id).await {
            return Ok(monitor);
        }
        let collectors = self.collectors(&environment).await?;
        let mut running = self.sessions.running.lock().await;
        // Another caller may have started it meanwhile.
        if let Some((_, monitor)) = running.get(&id) {
            return Ok(monitor.clone());
        }
        if running.len() >= MAX_SESSIONS
            && let Some(oldest) = running.iter().min_by_key(|(_, (n, _))| *n).map(|(k, _)| k.clone())
            && let Some((_, monitor)) = running.remove(&oldest)
        {
            tokio::spawn(async move { monitor.stop().await });
        }
        let number = running.values().map(|(n, _)| *n).max().unwrap_or(0) + 1;
        let monitor = Monitor::start(id.clone(), collectors, self.clock.clone(), Arc::new(self.store.clone()));
        running.insert(id, (number, monitor.clone()));
        Ok(monitor)
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
                let e = ApiError::new(
                    perfdeck_model::ErrorCode::Unsupported,
                    "Remote hosts are not measured by this version yet",
                )
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
            collectors.push(match self.secret(environment, TargetRole::Cache).await {
                Ok(secret) => Box::new(CacheCollector::new(cache.clone(), secret)),
                Err(e) => unavailable(TargetRole::Cache, cache.address.short(), e),
            });
        }
        Ok(collectors)
    }
}
