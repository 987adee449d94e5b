//! The vocabulary of Perfdeck: plain data that crosses a boundary (crate, process, window, file).
//!
//! Everything here is serialisable, has public fields and does no I/O. Field names are `snake_case` on every wire:
//! RPC, event stream, `perfctl --json`, reports and the TypeScript bindings are generated from these same types.
//!
//! Units are in the field name: `_ms` milliseconds, `_s` seconds, `_bytes` bytes. Times are milliseconds since the
//! Unix epoch as `f64` (safe in JavaScript); durations of measurements are `f64` too.
#![forbid(unsafe_code)]

mod activity;
mod address;
mod advice;
mod bench;
mod cache_key;
mod cache_keys;
mod cache_look;
mod cache_map;
mod cache_take;
mod catalogue;
mod change;
pub mod checks;
mod clock;
mod collect;
mod columns;
mod command;
mod connection;
mod environment;
mod error;
mod finding;
mod frame;
mod health;
mod index_spec;
mod indexes;
mod job;
mod journal;
mod judged;
pub mod masking;
mod metric;
mod monotonic;
mod pool;
mod preview;
mod proof;
mod report;
mod secret;
mod seeded;
mod sizes;
mod statement_plan;
mod statements;
mod topic;
mod wire;

pub use activity::{
    Blocking, BlockingAction, BlockingRow, DatabaseActivity, DatabaseSession, Maintenance, PreparedTransaction,
    WaitClass,
};
pub use address::{
    Address, HostPort, Mode as FileMode, Options as AddressOptions, ParseAddressError, Pasted, Scheme,
    Session as WantedSession, TlsMode, table as parameters,
};
pub use advice::{
    AdviceBasis, AdvisedIndex, ChangePrediction, ClassEffect, HypopgUse, IndexAdvice, NotAnalysedStatement,
    PredictedStatement, RejectedIndex, ShareRange, SimulationMethod, SlowedStatement, StatementEffect, ValueClass,
    WorkloadSource,
};
pub use bench::{
    BenchLive, BenchPhase, CeilingKind, ClientCertificate, ErrorCount, Footing, Header, Heatmap, HttpBenchSpec,
    Interval, LatencyMs, Load, Machine, Method, PERCENTILES, PartKind, PartOf, Percentile, PlanSpec, Run, RunSpec,
    RunState, RunSummary, StageResult, StatusCount, StepResult, ThresholdCount, ThresholdResult, few_for_point,
    heat_bucket, samples_for, too_small,
};
pub use cache_key::CacheBytes;
pub use cache_keys::{
    CacheKey, CacheTtl, Decoded, EditOfChange, EditState, EditView, HashField, KeyEdit, KeyPage, KeyRow, KeySearch,
    KeyUse, KeysMissing, ListElement, PlannedEdit, ScoredMember, StreamConsumer, StreamEntry, StreamGroup, TtlFilter,
    TtlRange, ValueAt, ValueBytes, ValuePage, ValuePart,
};
pub use cache_look::{
    CacheClient, CacheClientState, CacheClients, CacheCommandCost, CacheCommandRecent, CacheDatabase, CacheDoctor,
    CacheErrorCount, CacheHeat, CacheHeatMethod, CacheHeatNamespace, CacheHotKey, CacheLatencyEvent, CacheLatencySpike,
    CacheLink, CacheLook, CacheMemory, CacheNode, CachePersistence, CacheRecent, CacheReplica, CacheSizeBucket,
    CacheSlotRange, CacheSlots, CacheSlowEntry, CacheSlowKind, CacheSlowLog, CacheTotals, CacheTypeSizes, CacheUnknown,
    CacheWord, CacheWordKind,
};
pub use cache_map::{
    CacheMap, CacheMapPage, MapCount, MapDetail, MapNamespace, MapNode, MapOrder, MapPace, MapPart, MapState, MapTtl,
    MapTtlBucket, MapType,
};
pub use cache_take::*;
pub use catalogue::{catalogue, is_rate, target_of, title_of, unit_of};
pub use change::{Change, ChangeDetail, ChangeOffer, ChangeState, ChangeStep, Says, TargetSays};
pub use clock::{Clock, ManualClock, SystemClock};
pub use collect::{BoxFuture, Collection, Collector};
pub use columns::{Columns, ColumnsError};
pub use command::{Access, CommandInfo, Tag};
pub use connection::{ConnectionReport, ConnectionStage, FoundService, StageName, StageOutcome};
pub use environment::{
    ApiTarget, CacheMode, CacheTarget, DatabaseTarget, Environment, EnvironmentDraft, EnvironmentSummary,
    FrontendTarget, Guards, HostTarget, Kind, PoolSettings, TargetRole, Targets, TargetsDraft,
};
pub use error::{ApiError, ErrorCode, Remedy};
pub use finding::{Finding, FindingAction, FindingStatement, FindingTarget, FindingValue, Proof};
pub use frame::{Frame, FrameKind, OwnCost, TargetState, TargetStatus};
pub use health::{CheckFix, CheckState, CheckThreshold, HealthCheck, TargetHealth};
pub use index_spec::{IndexSpec, IndexSpecKey, IndexSpecKeyOf};
pub use indexes::{
    ConstraintKind, DatabaseIndexes, IndexConstraint, IndexFinding, IndexFindingKind, IndexIdentity, IndexKey,
    IndexOrigin, IndexUser, UnusedAnswer,
};
pub use job::{JobResult, JobState, JobStatus};
pub use journal::{JournalEntry, JournalKind};
pub use judged::{JudgedMs, JudgedTime};
pub use metric::{Instrument, MetricInfo, SeriesInfo, Unit};
pub use pool::{
    ApplicationPool, Churn, ConnectionLimits, DatabasePools, OwnPool, PoolClosed, PoolStats, PoolTimes, PoolerPool,
    PoolerPools, SessionStates,
};
pub use preview::{BuildLock, PreviewFigure, PreviewRow, WaitedFor, WaitsFor};
pub use proof::{ChangeProof, ProofClass, ProofMethod, ProofStatement, ProofVerdict, TrackRecord};
pub use report::{ReportFile, ReportRequest};
pub use secret::{SecretInput, SecretSource, Sensitive};
pub use seeded::{SplitMix64, fnv1a};
pub use sizes::{
    BloatUnknown, DatabaseSizes, IndexBloat, IndexSize, MeasuredBloat, SizeGrowth, SizeTold, TableKind, TableSize,
};
pub use statement_plan::{PlanCondition, PlanNode, PlanShape, ShapeNode, StatementPlan};
pub use statements::StatementsUnavailable;
pub use topic::{Part, Topic, Watching};
pub use wire::{FrameEncoder, WireFrame};

/// The largest integer that survives a round trip through a JavaScript number (2^53 − 1).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Identifier of the built-in demo environment; it always exists and cannot be deleted.
pub const DEMO_ENVIRONMENT_ID: &str = "demo";

/// What is read strictly where a person writes it may still get new fields in an answer.
fn open(schema: &mut schemars::Schema) {
    schema.remove("additionalProperties");
}
