//! The composition root: environments, secrets, the local store, jobs, watched environments, benchmarks, reports, and
//! the command registry through which every face of Perfdeck reaches them.
//!
//! Invariants: no transport and no window is known here; a command is declared once ([`COMMANDS`]); producers never
//! block on viewers; secrets leave the vault only towards their target.
#![forbid(unsafe_code)]

mod benchmarks;
mod bindings;
mod bound;
mod claim;
mod comparisons;
pub mod demo;
mod dotenv;
mod environments;
mod evidence;
mod facts;
mod guards;
mod handover;
mod headroom;
mod hooks;
mod insights;
mod jobs;
mod journal;
mod knees;
pub mod logs;
mod masked;
mod noise;
mod process_only;
mod registry;
mod reports;
mod requests;
mod secrets;
mod sentinels;
mod sessions;
mod signals;
mod store;
mod targets;
mod unstored;
mod viewer;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_model::{
    ApiError, BenchLive, Clock, DEMO_ENVIRONMENT_ID, Environment, Guards, JobStatus, Kind, Machine, OwnCost,
    PoolSettings, RunSpec, SystemClock, Tag, Targets,
};
use tokio::sync::{Mutex, broadcast, watch};
use tokio_util::sync::CancellationToken;

mod plans;

/// Benchmark plans: reading, checking and importing them.
pub mod plan {
    pub use perfdeck_bench::plan::{
        Action, Arrivals, CacheStep, FeedMode, FeedSource, FeedSpec, Files, Folder, Load, Plan, Severity, Span,
        SqlParameter, SqlStep, SqlType, Step, TypedParameter, Warmup, from_toml, import, line_of, schema, to_toml,
        validate,
    };
}

/// The words and numbers of comparisons, for the faces that show them.
pub mod compare {
    pub use perfdeck_bench::compare::figures::BenchMetric;
    pub use perfdeck_bench::compare::knee::{Knee, KneePoint, KneeState};
    pub use perfdeck_bench::compare::{Comparison, MetricComparison, Verdict};
}

pub use benchmarks::BenchPreview;
pub use comparisons::{DuetRequest, DuetSide, StoredComparison};
pub use dotenv::{Described, draft_from_dotenv, draft_from_own_dotenv, draft_from_variables};
pub use handover::export_plan;
pub use hooks::Hooks;
pub use insights::Baseline;
pub use jobs::{JobContext, Jobs};
pub use knees::{KneeRequest, StoredKnee};
pub use perfdeck_bench::transfer;
pub use perfdeck_database::dialect;
pub use perfdeck_sqltext as sqltext;
pub use plans::SavedPlan;
pub use registry::{COMMANDS, Reply, export_bindings};
pub use requests::{AddressInfo, AppInfo, BenchRequest, ById, Deleted, KindDefaults, ReportContent};
pub use secrets::{SecretVault, SecretsStatus, VaultKind};
pub use signals::{stop_requested, stop_requested_again};
pub use store::Store;
pub use viewer::Viewer;
pub use work::{BenchSpec, PlanFolder};

/// How to open an engine.
#[derive(Default)]
pub struct EngineOptions {
    /// Folder of the local store; `PERFDECK_DATA_DIR` or the platform's data folder when absent.
    pub data_dir: Option<PathBuf>,
    /// Where time comes from; the machine's clock when absent.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Everything behind the faces.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) vault: SecretVault,
    /// Environments that are not stored.
    pub(crate) process_only: process_only::ProcessOnly,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_dir: PathBuf,
    pub(crate) jobs: Jobs,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) bench: watch::Sender<Option<BenchLive>>,
    /// What the benchmark that runs, or the last one, does. Held for a moment, never across a wait.
    pub(crate) bench_spec: std::sync::Mutex<Option<RunSpec>>,
    /// Which benchmark runs, so that no other one is started.
    pub(crate) running: claim::Running,
    pub(crate) own: watch::Sender<OwnCost>,
    pub(crate) tags: broadcast::Sender<Tag>,
    pub(crate) machine: Machine,
    pub(crate) unlocks: guards::Unlocks,
    /// Runs that wait for the store. Held for a moment, never across a wait.
    pub(crate) unstored: std::sync::Mutex<Vec<unstored::Unstored>>,
    pub(crate) asked: evidence::Asked,
    pub(crate) stopped: CancellationToken,
    demo: Mutex<Option<Arc<demo::Demo>>>,
    dropped: AtomicU64,
}

/// Jobs that end with Perfdeck may take this long to write what they have.
const JOBS: Duration = Duration::from_secs(10);
/// Longest time of [`Engine::shutdown`], for whoever must end at some point.
pub const SHUTDOWN: Duration = Duration::from_secs(20);

/// The data folder used when none is named.
pub fn default_data_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PERFDECK_DATA_DIR").filter(|d| !d.is_empty()) {
        return PathBuf::from(dir);
    }
    directories::ProjectDirs::from("io", "perfdeck", "Perfdeck")
        .map_or_else(|| PathBuf::from(".perfdeck"), |d| d.data_dir().to_owned())
}

impl Engine {
    /// Opens the local store and starts the housekeeping. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When the store cannot be opened: damaged, from a newer Perfdeck, not writable. When a variable that chooses the store
    /// of secrets is not understood.
    pub async fn open(options: EngineOptions) -> Result<Arc<Self>, ApiError> {
        // Whichever part asks for TLS first, all use the same provider; a second installation is refused harmlessly.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data_dir = options.data_dir.unwrap_or_else(default_data_dir);
        let clock = options.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let store = Store::open(&data_dir).await?;
        let vault = {
            let dir = data_dir.clone();
            tokio::task::spawn_blocking(move || SecretVault::open(&dir))
                .await
                .map_err(|e| ApiError::internal(format!("The secret store could not be opened: {e}")))??
        };
        let engine = Arc::new(Self {
            jobs: Jobs::new(clock.clone()),
            store,
            vault,
            process_only: process_only::ProcessOnly::default(),
            clock,
            data_dir,
            sessions: sessions::Sessions::default(),
            bench: watch::channel(None).0,
            bench_spec: std::sync::Mutex::new(None),
            running: claim::Running::default(),
            own: watch::channel(OwnCost::default()).0,
            tags: broadcast::channel(64).0,
            machine: perfdeck_monitor::machine(env!("CARGO_PKG_VERSION")),
            unlocks: guards::Unlocks::default(),
            unstored: std::sync::Mutex::default(),
            asked: evidence::Asked::default(),
            stopped: CancellationToken::new(),
            demo: Mutex::new(None),
            dropped: AtomicU64::new(0),
        });
        tokio::spawn(housekeeping(Arc::downgrade(&engine), engine.stopped.clone()));
        Ok(engine)
    }

    /// A viewer of the event stream; starts watching the environment when one is named.
    ///
    /// # Errors
    /// When the environment does not exist or its demo cannot be opened.
    pub async fn watch(self: &Arc<Self>, environment_id: Option<&str>) -> Result<Viewer, ApiError> {
        let (id, monitor) = match environment_id {
            Some(id) => {
                let id = self.environment(id).await?.id;
                let monitor = self.monitor(&id).await?;
                (Some(id), Some(monitor))
            }
            None => (None, None),
        };
        Ok(Viewer::new(self.clone(), id, monitor))
    }

    /// A viewer for a caller that may only read: the environment must be watched already.
    ///
    /// # Errors
    /// As [`Engine::watch`]; [`perfdeck_model::ErrorCode::Guarded`] when it is not watched.
    pub async fn watch_reading(self: &Arc<Self>, environment_id: Option<&str>) -> Result<Viewer, ApiError> {
        let mut viewer = sessions::READS_ONLY.scope(true, self.watch(environment_id)).await?;
        viewer.reads_only();
        Ok(viewer)
    }

    /// The jobs of this process.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Where the local store is.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// Ends jobs and monitors and flushes what they hold; a benchmark that runs is stored as interrupted. Takes
    /// [`SHUTDOWN`] at most. Safe to call twice.
    pub async fn shutdown(&self) {
        // Jobs first: a run takes the environment's series from its monitor.
        if tokio::time::timeout(JOBS, self.jobs.end()).await.is_err() {
            tracing::error!("a job did not end in time; what it did is lost");
        }
        self.sessions.stop_all().await;
        self.store_waiting().await;
        self.stopped.cancel();
        if let Some(demo) = self.demo.lock().await.take() {
            demo.shutdown().await;
        }
    }

    pub(crate) fn changed(&self, tags: &[Tag]) {
        for tag in tags {
            // Nobody watching is fine.
            let _ = self.tags.send(*tag);
        }
    }

    pub(crate) fn dropped(&self, frames: u64) {
        self.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    // ---- the demo environment

    /// The running demo, built when it does not exist yet.
    pub(crate) async fn demo(&self) -> Result<Arc<demo::Demo>, ApiError> {
        self.demo_with(&|_, _| {}, &CancellationToken::new()).await
    }

    async fn demo_with(
        &self,
        progress: &(dyn Fn(f64, &str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Arc<demo::Demo>, ApiError> {
        let mut slot = tokio::select! {
            slot = self.demo.lock() => slot,
            () = cancel.cancelled() => {
                return Err(ApiError::new(perfdeck_model::ErrorCode::Cancelled, "Opening the demo was stopped"));
            }
        };
        if let Some(demo) = &*slot {
            return Ok(demo.clone());
        }
        let demo = demo::Demo::open(&self.data_dir.join("demo"), progress, cancel).await?;
        *slot = Some(demo.clone());
        Ok(demo)
    }

    /// Opens the demo as a job; one that runs already is answered again.
    pub(crate) fn open_demo(self: &Arc<Self>) -> JobStatus {
        if let Some(job) = self.jobs.running("demo") {
            return job;
        }
        let engine = self.clone();
        self.jobs.spawn(
            "demo",
            "Open the demo environment".to_owned(),
            Some(DEMO_ENVIRONMENT_ID.to_owned()),
            move |job| async move {
                let context = job.clone();
                engine.demo_with(&move |share, step| context.progress(Some(share), step), &job.cancel).await?;
                engine.changed(&[Tag::Environments]);
                Ok(Some(DEMO_ENVIRONMENT_ID.to_owned()))
            },
        )
    }

    /// The demo as an environment; its targets are known once it runs.
    pub(crate) async fn demo_environment(&self) -> Environment {
        // A demo that is being built holds the lock; listing environments does not wait for it.
        let targets = match self.demo.try_lock() {
            Ok(slot) => slot.as_ref().map(|d| d.targets()),
            Err(_) => None,
        };
        Environment {
            id: DEMO_ENVIRONMENT_ID.to_owned(),
            name: DEMO_ENVIRONMENT_ID.to_owned(),
            kind: Kind::Development,
            targets: targets.unwrap_or_else(Targets::default),
            pool: PoolSettings::for_kind(Kind::Development),
            guards: Guards::for_kind(Kind::Development),
            created_ms: 0.0,
            updated_ms: 0.0,
        }
    }
}

/// Measures Perfdeck's own cost every second, notices what other programs wrote to the store, prunes old samples.
async fn housekeeping(engine: std::sync::Weak<Engine>, stopped: CancellationToken) {
    let mut meter = perfdeck_monitor::OwnCostMeter::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection = None;
    let mut version = None;
    let (mut pruned_ms, mut retried_ms) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let (cpu, memory_bytes) = meter.measure();
        engine.own.send_replace(OwnCost {
            cpu,
            memory_bytes,
            dropped_frames: engine.dropped.load(Ordering::Relaxed),
            store_bytes: engine.store.bytes(),
        });
        if connection.is_none() {
            connection = engine.store.connection().await;
        }
        if let Some(c) = &mut connection {
            let now = engine.store.data_version(c).await;
            if now.is_some() && version.is_some() && now != version {
                engine.changed(&[Tag::Environments, Tag::Runs, Tag::Reports]);
            }
            version = now;
        }
        // A wall clock that is set back must not put these off.
        let passed_ms = engine.clock.monotonic_ms();
        if passed_ms - retried_ms > 5_000.0 {
            retried_ms = passed_ms;
            engine.store_waiting().await;
        }
        if passed_ms - pruned_ms > 600_000.0 {
            pruned_ms = passed_ms;
            if let Err(error) = engine.store.prune(engine.clock.now_ms()).await {
                tracing::warn!(%error, "old samples could not be pruned");
            }
        }
    }
}
