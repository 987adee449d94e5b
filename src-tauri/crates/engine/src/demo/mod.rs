//! The demo environment: a SQLite database, an in-process cache, an API on loopback that reads through both, and gentle
//! traffic, so that every screen has something true to find. It has planted problems: a missing index, a duplicate
//! index, keys without expiry, an uncompressed endpoint and an N+1 endpoint.
mod api;
mod collectors;
mod data;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_cache::{MemoryCache, MemoryCacheCollector};
use perfdeck_model::{
    Address, ApiError, ApiTarget, CacheMode, CacheTarget, Collector, DatabaseTarget, ErrorCode, HostTarget, Scheme,
    SecretSource, Targets, TlsMode,
};
use perfdeck_monitor::ApiCollector;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use collectors::{DemoApiCollector, DemoDatabaseCollector};

/// Connections of the demo's pool.
const POOL: u32 = 8;

/// The running demo.
pub struct Demo {
    state: Arc<api::Served>,
    path: std::path::PathBuf,
    port: u16,
    active: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Demo {
    /// Opens the demo in `dir`, building its database first when it is not there.
    ///
    /// # Errors
    /// When the data cannot be built, loopback cannot be listened on, or `cancel` was asked for.
    pub async fn open(
        dir: &Path,
        progress: &(dyn Fn(f64, &str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Arc<Self>, ApiError> {
        let path = data::prepare(dir, progress, cancel).await?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(Duration::from_secs(1))
            .disable_statement_logging();
        let pool: SqlitePool = SqlitePoolOptions::new()
            .max_connections(POOL)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(|e| ApiError::new(ErrorCode::Storage, format!("The demo database cannot be opened: {e}")))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| {
            ApiError::new(ErrorCode::Unreachable, format!("The demo API cannot listen on loopback: {e}"))
        })?;
        let port = listener.local_addr().map_err(|e| ApiError::internal(e.to_string()))?.port();
        let state = Arc::new(api::Served::new(pool, MemoryCache::new(32 << 20)));
        api::fill(&state).await;
        let stop = CancellationToken::new();
        let (app, stopped) = (api::router(state.clone()), stop.clone());
        tokio::spawn(async move {
            if let Err(error) =
                axum::serve(listener, app).with_graceful_shutdown(async move { stopped.cancelled().await }).await
            {
                tracing::error!(%error, "the demo API ended");
            }
        });
        let active = Arc::new(AtomicBool::new(false));
        tokio::spawn(api::traffic(port, active.clone(), stop.clone()));
        Ok(Arc::new(Self { state, path, port, active, stop }))
    }

    /// Base URL of the demo API.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts or pauses the background traffic.
    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// The demo as targets.
    pub fn targets(&self) -> Targets {
        let address = |scheme, path: String| Address {
            scheme,
            hosts: Vec::new(),
            path,
            username: None,
            tls: TlsMode::Disable,
            params: std::collections::BTreeMap::new(),
        };
        Targets {
            database: Some(DatabaseTarget {
                address: address(Scheme::Sqlite, self.path.display().to_string()),
                password: SecretSource::None,
            }),
            cache: Some(CacheTarget {
                address: address(Scheme::Memory, String::new()),
                mode: CacheMode::Single,
                sentinel_master: None,
                password: SecretSource::None,
                default_ttl_s: 60.0,
            }),
            api: Some(self.api_target()),
            host: Some(HostTarget { url: "local".to_owned(), secret: SecretSource::None }),
            frontend: None,
        }
    }

    fn api_target(&self) -> ApiTarget {
        ApiTarget {
            url: self.api_url(),
            probe_path: "/analytics".to_owned(),
            headers: Vec::new(),
            authorization: SecretSource::None,
        }
    }

    /// Collectors of everything but the host.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let probe = Box::new(ApiCollector::new(self.api_target(), None));
        vec![
            Box::new(DemoApiCollector::new(self.state.clone(), probe)),
            Box::new(DemoDatabaseCollector::new(self.state.clone(), self.path.clone())),
            Box::new(MemoryCacheCollector::new(self.state.cache.clone())),
        ]
    }

    /// Stops traffic and API and closes the database.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        // A statement that still runs is waited for, but not for long.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.state.pool.close()).await;
    }
}
