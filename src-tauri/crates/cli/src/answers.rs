//! What `--json` writes: one schema per command, named in its `schema` field.
use std::collections::BTreeMap;
use std::path::Path;

use perfdeck_engine::cost::RequestCost;
use perfdeck_engine::plan::{self as plans, Plan, Severity};
use perfdeck_engine::pool_size::PoolSizing;
use perfdeck_engine::statements::Statements;
use perfdeck_engine::{DeletedItem, StoredComparison, StoredKnee};
use perfdeck_model::{
    Blocking, CacheClients, CacheHeat, CacheKey, CacheMap, CacheSlowLog, Change, ConnectionReport, DatabaseActivity,
    DatabaseIndexes, DatabasePools, DatabaseSession, DatabaseSizes, Environment, EnvironmentSummary, IndexAdvice,
    IndexBloat, Invalidation, JournalEntry, KeyRow, KeysMissing, MapNamespace, OwnCost, PreparedTransaction,
    ReportFile, Run, RunSummary, StatementPlan, TargetHealth, TargetStatus, ValuePage,
};
use schemars::{JsonSchema, schema_for};
use serde::Serialize;

/// `perfctl env list`: `perfdeck.environments/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Environments {
    pub(crate) schema: &'static str,
    pub(crate) environments: Vec<EnvironmentSummary>,
}

/// `perfctl env add`, `show`, `duplicate` and `perfctl demo`: `perfdeck.environment/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OneEnvironment {
    pub(crate) schema: &'static str,
    pub(crate) environment: Environment,
}

/// `perfctl env test`: `perfdeck.test/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tested {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    /// Whether every target can be used.
    pub(crate) ok: bool,
    pub(crate) targets: Vec<ConnectionReport>,
}

/// `perfctl env remove`: `perfdeck.removed/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) schema: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    /// Until when it can be restored, in milliseconds since the Unix epoch.
    pub(crate) undo_until_ms: f64,
}

/// `perfctl monitor`, one per line: `perfdeck.sample/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sample<'a> {
    pub(crate) schema: &'static str,
    /// Time of the sample in milliseconds since the Unix epoch.
    pub(crate) t_ms: f64,
    pub(crate) environment: &'a str,
    /// Values by series id; `null` is a gap.
    pub(crate) series: BTreeMap<&'a str, Option<f64>>,
    pub(crate) targets: &'a [TargetStatus],
    /// What Perfdeck itself costs.
    pub(crate) own: OwnCost,
}

/// `perfctl db activity`: `perfdeck.activity/2`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Activity {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) activity: DatabaseActivity,
}

/// `perfctl db locks`: `perfdeck.locks/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Locks {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    /// Time of the reading, in milliseconds since the Unix epoch.
    pub(crate) at_ms: f64,
    /// Sessions that wait for a lock or hold up others.
    pub(crate) sessions: Vec<DatabaseSession>,
    /// Prepared transactions, which hold their locks without a session.
    pub(crate) prepared: Vec<PreparedTransaction>,
    /// The same as a tree, with what would end it.
    pub(crate) blocking: Blocking,
    /// Sessions of other users that hide what they do from this user; `null` where the server does not tell how many.
    pub(crate) hidden: Option<u32>,
    /// Statement that lets this user see them.
    pub(crate) grant: Option<String>,
}

impl Locks {
    /// What of an activity is about locks.
    pub(crate) fn of(environment: String, activity: DatabaseActivity) -> Self {
        let waits = |s: &DatabaseSession| s.holds_up > 0 || !s.blocked_by.is_empty() || s.waits_s.is_some();
        Self {
            schema: "perfdeck.locks/1",
            environment,
            at_ms: activity.at_ms,
            sessions: activity.sessions.into_iter().filter(waits).collect(),
            prepared: activity.prepared,
            blocking: activity.blocking,
            hidden: activity.hidden,
            grant: activity.grant,
        }
    }
}

/// `perfctl cache map`: `perfdeck.cache_map/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MappedCache {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    /// Keys of the cache.
    pub(crate) keys: f64,
    /// Memory of the keys; `null` where it was not asked.
    pub(crate) bytes: Option<f64>,
    /// Whether every count of keys is exact.
    pub(crate) exact: bool,
    /// Time that it took.
    pub(crate) duration_s: f64,
    /// Namespaces with how sure each figure is, those with most memory first.
    pub(crate) namespaces: Vec<MappedNamespace>,
    /// Namespaces that are not listed.
    pub(crate) left_out: u32,
    /// Keys in them.
    pub(crate) left_out_keys: f64,
    /// Bytes in them.
    pub(crate) left_out_bytes: Option<f64>,
    /// All that is known of the map as a whole: servers, pace, notes.
    pub(crate) map: CacheMap,
}

/// A namespace of a map.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MappedNamespace {
    /// Its name: identifiers are `*`.
    pub(crate) name: String,
    /// Its keys.
    pub(crate) keys: f64,
    /// Their memory; `null` where it was not asked.
    pub(crate) bytes: Option<f64>,
    /// All that is known of it, with how sure each figure is.
    pub(crate) of: MapNamespace,
}

/// `perfctl db statements`: `perfdeck.statements/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TopStatements {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    /// Seconds between the two readings that these figures are of; `null` where they come from the history.
    pub(crate) looked_s: Option<f64>,
    /// Statements that are listed in the history and were cut off by `--top`.
    pub(crate) more: usize,
    #[serde(flatten)]
    pub(crate) statements: Statements,
}

/// `perfctl db pool`: `perfdeck.pools/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pools {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) pools: DatabasePools,
}

/// `perfctl db health` and `perfctl cache health`: `perfdeck.health/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) health: TargetHealth,
}

/// `perfctl cache slowlog`: `perfdeck.cache_slowlog/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheSlow {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) log: CacheSlowLog,
}

/// `perfctl cache clients`: `perfdeck.cache_clients/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheClientList {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) found: CacheClients,
}

/// `perfctl cache hot`: `perfdeck.cache_hot/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheHot {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) heat: CacheHeat,
}

/// `perfctl db sizes`: `perfdeck.sizes/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sizes {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) sizes: DatabaseSizes,
}

/// `perfctl db indexes`: `perfdeck.indexes/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Indexes {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) indexes: DatabaseIndexes,
}

/// `perfctl db advise`: `perfdeck.advice/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Advice {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) advice: IndexAdvice,
}

/// `perfctl cache keys`: `perfdeck.cache_keys/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheKeysListed {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    /// Keys that match, in the server's order, each once.
    pub(crate) keys: Vec<KeyRow>,
    /// Whether these are all of them: no limit was reached, and no server is missing.
    pub(crate) complete: bool,
    /// Share of the key space that was looked through, 0 to 1; `null` where it cannot be told.
    pub(crate) progress: Option<f64>,
    /// What is missing, and why.
    pub(crate) missing: Vec<KeysMissing>,
}

/// `perfctl cache show`: `perfdeck.cache_key/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheKeyShown {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    pub(crate) key: CacheKey,
    /// A page of its value.
    pub(crate) value: ValuePage,
}

/// `perfctl db bloat`: `perfdeck.bloat/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Bloat {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) bloat: IndexBloat,
}

/// `perfctl db plan`: `perfdeck.statement_plan/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plans {
    pub(crate) schema: &'static str,
    pub(crate) environment: String,
    #[serde(flatten)]
    pub(crate) plan: StatementPlan,
}

/// `perfctl db cost`: `perfdeck.cost/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Cost {
    pub(crate) schema: &'static str,
    #[serde(flatten)]
    pub(crate) cost: RequestCost,
}

/// `perfctl db pool size`: `perfdeck.pool_size/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PoolSize {
    pub(crate) schema: &'static str,
    #[serde(flatten)]
    pub(crate) sizing: PoolSizing,
}

/// `perfctl run list`: `perfdeck.runs/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Runs {
    pub(crate) schema: &'static str,
    pub(crate) runs: Vec<RunSummary>,
}

/// `perfctl journal`: `perfdeck.journal/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Journal {
    pub(crate) schema: &'static str,
    /// Newest first.
    pub(crate) entries: Vec<JournalEntry>,
}

/// `perfctl deleted`: `perfdeck.deleted/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeletedItems {
    pub(crate) schema: &'static str,
    /// The last deletion first.
    pub(crate) deleted: Vec<DeletedItem>,
}

/// `perfctl restore`: `perfdeck.restored/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restored {
    pub(crate) schema: &'static str,
    /// As it was deleted.
    pub(crate) restored: DeletedItem,
}

/// `perfctl changes list`: `perfdeck.changes/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Changes {
    pub(crate) schema: &'static str,
    /// Newest first.
    pub(crate) changes: Vec<Change>,
}

/// `perfctl changes show`, `drop-index`, `apply`, `keep` and `undo`, `perfctl db cancel` and `terminate`: `perfdeck.change/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OneChange {
    pub(crate) schema: &'static str,
    #[serde(flatten)]
    pub(crate) change: Change,
}

/// `perfctl cache invalidate` and `undo`: `perfdeck.invalidation/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OneInvalidation {
    pub(crate) schema: &'static str,
    /// Identifier that `perfctl cache undo` takes; `null` when nothing undoes it.
    pub(crate) undo_id: Option<String>,
    /// Keys that matched; before it was applied those that are predicted.
    pub(crate) matched: f64,
    /// Keys that were removed, or set to expire; `null` before, and where an epoch is changed.
    pub(crate) removed: Option<f64>,
    /// Epochs that were changed; `null` before, and where keys are removed.
    pub(crate) epochs: Option<f64>,
    #[serde(flatten)]
    pub(crate) invalidation: Invalidation,
}

/// `perfctl report`: `perfdeck.report_file/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Written {
    pub(crate) schema: &'static str,
    pub(crate) report: ReportFile,
}

/// `perfctl demo --tour`: `perfdeck.tour/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tour {
    pub(crate) schema: &'static str,
    /// The benchmark of the demo's API.
    pub(crate) run: Run,
    /// The report about it.
    pub(crate) report: ReportFile,
}

/// `perfctl serve`: `perfdeck.serving/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Serving {
    pub(crate) schema: &'static str,
    /// Opens the UI in one browser; the token is in its fragment. `null` with `--read-only`.
    pub(crate) url: Option<String>,
    /// The same for those who may only look, in any number of browsers: it changes nothing and reaches no target.
    pub(crate) read_only_url: String,
    pub(crate) address: String,
}

/// Something wrong with a plan.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanProblem {
    /// An error keeps the plan from running.
    pub(crate) severity: Severity,
    /// The step, where it belongs to one.
    pub(crate) step: Option<String>,
    /// The field, such as `load.connections` or `headers.Accept`; empty for the text as a whole.
    pub(crate) field: String,
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// Line in the text, from 1, where it is known.
    pub(crate) line: Option<u32>,
}

/// `perfctl bench plan check`: `perfdeck.plan_check/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckedPlan {
    pub(crate) schema: &'static str,
    /// Whether it can be run.
    pub(crate) ok: bool,
    /// Its name; null when the text is no plan.
    pub(crate) name: Option<String>,
    /// How many steps it has; null when the text is no plan.
    pub(crate) steps: Option<usize>,
    /// Environment variables that it reads when it is run.
    pub(crate) variables: Vec<String>,
    /// Errors first.
    pub(crate) problems: Vec<PlanProblem>,
}

/// `perfctl bench plan import`: `perfdeck.plan_import/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportedPlan {
    pub(crate) schema: &'static str,
    /// The plan.
    pub(crate) plan: Plan,
    /// The same as TOML, for a file.
    pub(crate) toml: String,
    /// What was left out, changed or is needed, one sentence each.
    pub(crate) left_out: Vec<String>,
    /// What a check of the plan says.
    pub(crate) problems: Vec<PlanProblem>,
}

/// Writes every schema into `dir`.
pub(crate) fn write_schemas(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, mut schema) in [
        ("environments", schema_for!(Environments)),
        ("environment", schema_for!(OneEnvironment)),
        ("test", schema_for!(Tested)),
        ("removed", schema_for!(Removed)),
        ("sample", schema_for!(Sample<'_>)),
        ("activity", schema_for!(Activity)),
        ("locks", schema_for!(Locks)),
        ("statements", schema_for!(TopStatements)),
        ("pools", schema_for!(Pools)),
        ("health", schema_for!(Health)),
        ("cache_slowlog", schema_for!(CacheSlow)),
        ("cache_clients", schema_for!(CacheClientList)),
        ("cache_hot", schema_for!(CacheHot)),
        ("sizes", schema_for!(Sizes)),
        ("indexes", schema_for!(Indexes)),
        ("advice", schema_for!(Advice)),
        ("cache_map", schema_for!(MappedCache)),
        ("bloat", schema_for!(Bloat)),
        ("cache_keys", schema_for!(CacheKeysListed)),
        ("cache_key", schema_for!(CacheKeyShown)),
        ("statement_plan", schema_for!(Plans)),
        ("cost", schema_for!(Cost)),
        ("pool_size", schema_for!(PoolSize)),
        ("comparison", schema_for!(StoredComparison)),
        ("knee", schema_for!(StoredKnee)),
        ("journal", schema_for!(Journal)),
        ("deleted", schema_for!(DeletedItems)),
        ("restored", schema_for!(Restored)),
        ("changes", schema_for!(Changes)),
        ("change", schema_for!(OneChange)),
        ("invalidation", schema_for!(OneInvalidation)),
        ("run", schema_for!(Run)),
        ("runs", schema_for!(Runs)),
        ("report_file", schema_for!(Written)),
        ("serving", schema_for!(Serving)),
        ("tour", schema_for!(Tour)),
        ("plan_check", schema_for!(CheckedPlan)),
        ("plan_import", schema_for!(ImportedPlan)),
    ] {
        // Sessions took the place of running statements.
        let version = if name == "activity" { 2 } else { 1 };
        schema.insert("$id".to_owned(), format!("perfdeck.{name}/{version}").into());
        let mut text = serde_json::to_string_pretty(&schema).map_err(std::io::Error::other)?;
        text.push('\n');
        std::fs::write(dir.join(format!("{name}.json")), text)?;
    }
    let mut text = serde_json::to_string_pretty(&plans::schema()).map_err(std::io::Error::other)?;
    text.push('\n');
    std::fs::write(dir.join("plan.json"), text)?;
    Ok(())
}
