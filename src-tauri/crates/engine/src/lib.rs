//! The composition root: environments, secrets, the local store, jobs, watched environments, benchmarks, reports, and
//! the commands through which every face of Perfdeck reaches them.
//!
//! Invariants: no transport and no window is known here; a command is declared once ([`COMMANDS`]); producers never
//! block on viewers; secrets leave the vault only towards their target.
#![forbid(unsafe_code)]

mod bindings;
mod core;
mod features;
mod requests;
mod rpc;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, Clock};

/// Benchmark plans: reading, checking and importing them.
pub mod plan {
    pub use perfdeck_plan::{
        Action, Arrivals, CacheStep, FeedMode, FeedSource, FeedSpec, Files, Folder, Plan, PlanLoad, Severity, Span,
        SqlParameter, SqlStep, SqlType, Step, TypedParameter, Warmup, from_toml, import, line_of, schema, to_toml,
        validate,
    };
}

/// The words and numbers of comparisons, for the faces that show them.
pub mod compare {
    pub use perfdeck_stats::figures::BenchMetric;
    pub use perfdeck_stats::knee::{Knee, KneePoint, KneeState};
    pub use perfdeck_stats::{Comparison, MetricComparison, Verdict};
}

/// Invalidation of cache keys: the question, beside the commands.
pub mod invalidation {
    pub use crate::features::cache::take::commands::{
        InvalidationPause, InvalidationPlan, invalidation, pause_invalidation, plan_invalidation,
    };
}

/// What one request costs: the question, the answer and the commands.
pub mod cost {
    pub use crate::features::bench::cost::answer::{
        CostAmount, CostHidden, CostRequest, CostTotals, RequestCost, StatementCost, USUAL_BLOCK_S, USUAL_PAIRS,
    };
    pub use crate::features::bench::cost::commands::{get, list, start};
}

/// Advice on indexes: the question and the answer.
pub mod advice {
    pub use crate::features::database::advice::{
        AdviceFailure, AdviceGiven, AdviceWanted, WorkloadStatement, index_advice,
    };
    pub use perfdeck_advisor::{Advice, Advised, Class, Effect, Rejected, Worth};
    pub use perfdeck_database::what_if::Rung;
}

/// Proof of an index: the question, beside the command.
pub mod prove {
    pub use crate::features::database::prove::{ProveStatement, ProveWanted, prove_index};
    pub use perfdeck_database::prove::{ProofPlace, ProvenIndex};
}

/// The size of a pool, measured: the question, the answer and the commands.
pub mod pool_size {
    pub use crate::features::bench::pool_size::answer::{
        ConnectionRoom, PoolSetting, PoolSizePreview, PoolSizeRequest, PoolSizing, SizeLeftOut, SizingState,
        USUAL_MEASURE_S, USUAL_REPETITIONS, USUAL_WARMUP_S,
    };
    pub use crate::features::bench::pool_size::commands::{get, list, preview, start};
    pub use perfdeck_stats::pool_size::{RefusalKind, SIZES, SizeAnalysis, SizeCell, SizePoint};
}

pub use crate::core::changes::commands as changes;
pub use crate::core::deleted::{DeletedItem, DeletedKind};
pub use crate::core::hub::Viewer;
pub use crate::core::jobs::{JobContext, Jobs};
pub use crate::core::signals::{stop_requested, stop_requested_again};
pub use crate::core::store::Store;
pub use crate::core::vault::{SecretVault, SecretsStatus, VaultKind};
pub use crate::core::{commands as house, logs};
pub use crate::features::bench::commands as bench;
pub use crate::features::bench::commands::BenchRequest;
pub use crate::features::bench::comparisons::StoredComparison;
pub use crate::features::bench::data_load::{CacheBenchSpec, CacheShare, Pace, SqlBenchSpec, SqlValue};
pub use crate::features::bench::duet::{DuetRequest, DuetSide};
pub use crate::features::bench::handover::export_plan;
pub use crate::features::bench::hooks::Hooks;
pub use crate::features::bench::insights::Baseline;
pub use crate::features::bench::knees::{KneeRequest, StoredKnee};
pub use crate::features::bench::part::BenchPart;
pub use crate::features::bench::plans::SavedPlan;
pub use crate::features::bench::preview::BenchPreview;
pub use crate::features::bench::work::{BenchSpec, PlanFolder};
pub use crate::features::cache::keys::commands as cache_keys;
pub use crate::features::cache::look::commands as cache_look;
pub use crate::features::cache::map::commands as cache_map;
pub use crate::features::database::commands as database;
pub use crate::features::database::create_index::{IndexText, index_spec};
pub use crate::features::database::statements::answer as statements;
pub use crate::features::environments::commands as environments;
pub use crate::features::environments::dotenv::{
    Described, draft_from_dotenv, draft_from_own_dotenv, draft_from_variables,
};
pub use crate::features::monitoring::commands as monitoring;
pub use crate::features::reports::commands as reports;
pub use crate::requests::{ByEnvironment, ById, Deleted, Empty, Text};
pub use crate::rpc::{COMMANDS, export_bindings};
pub use crate::table::Reply;
pub use perfdeck_bench::transfer;
pub use perfdeck_database::dialect;
pub use perfdeck_sqltext as sqltext;

/// Options for opening an engine.
#[derive(Default)]
pub struct EngineOptions {
    /// Folder of the local store; `PERFDECK_DATA_DIR` or the platform's data folder when absent.
    pub data_dir: Option<PathBuf>,
    /// Source of time; the machine's clock when absent.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Everything behind the faces: what all features stand on, and what each of them keeps while it runs.
pub struct Engine {
    pub(crate) core: core::Core,
    pub(crate) environments: features::environments::State,
    pub(crate) monitoring: features::monitoring::sessions::Sessions,
    pub(crate) bench: features::bench::State,
    pub(crate) database: features::database::State,
    pub(crate) cache: features::cache::State,
}

/// Jobs that end with Perfdeck may take this long to write what they have.
const JOBS: Duration = Duration::from_secs(18);
/// Longest time of [`Engine::shutdown`], for whoever must end at some point.
pub const SHUTDOWN: Duration = Duration::from_secs(20);

impl Engine {
    /// Opens the local store and starts the housekeeping. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When the store cannot be opened: damaged, from a newer Perfdeck, not writable. When a variable that chooses the store
    /// of secrets is not understood.
    pub async fn open(options: EngineOptions) -> Result<Arc<Self>, ApiError> {
        Self::open_with(options, features::change_kinds()).await
    }

    /// The same with these kinds of changes.
    async fn open_with(
        options: EngineOptions,
        kinds: Vec<Box<dyn core::changes::ChangeKind>>,
    ) -> Result<Arc<Self>, ApiError> {
        // Whichever part asks for TLS first, all use the same provider; a second installation is refused harmlessly.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = Arc::new(Self {
            core: core::Core::open(options, kinds).await?,
            environments: features::environments::State::default(),
            monitoring: features::monitoring::sessions::Sessions::default(),
            bench: features::bench::State::default(),
            database: features::database::State::default(),
            cache: features::cache::State::default(),
        });
        features::database::prove::clear(engine.data_dir());
        tokio::spawn(core::housekeeping::housekeeping(Arc::downgrade(&engine), engine.core.stopped.clone()));
        let stopped = engine.core.stopped.clone();
        tokio::spawn(features::database::statements::keep(Arc::downgrade(&engine), stopped.clone()));
        tokio::spawn(features::database::growth::keep(Arc::downgrade(&engine), stopped));
        Ok(engine)
    }

    /// The jobs of this process.
    pub fn jobs(&self) -> &Jobs {
        &self.core.jobs
    }

    /// Folder of the local store.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.core.data_dir
    }

    /// Ends what is watched of an environment, since its targets may be others now; answers whether it was monitored.
    pub(crate) async fn stop_watching(&self, id: &str) -> bool {
        self.database.activity.stop(id).await;
        self.monitoring.stop(id).await
    }

    /// Ends jobs and monitors and flushes what they hold; a benchmark that runs is stored as interrupted. Takes
    /// [`SHUTDOWN`] at most. Safe to call twice.
    pub async fn shutdown(&self) {
        // Jobs first: a run takes the environment's series from its monitor.
        if tokio::time::timeout(JOBS, self.core.jobs.end()).await.is_err() {
            tracing::error!("a job did not end in time; what it did is lost");
        }
        tokio::join!(self.monitoring.stop_all(), self.database.activity.stop_all());
        self.database.statements.stop().await;
        self.database.pools.end_all().await;
        self.store_waiting().await;
        self.core.stopped.cancel();
        self.end_demo().await;
    }
}
