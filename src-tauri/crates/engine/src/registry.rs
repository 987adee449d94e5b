//! The command registry: each command is declared once, here. The shell's IPC, the server's RPC, `perfctl` and the
//! TypeScript bindings all come from this table.
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use perfdeck_model::masking;
use perfdeck_model::{
    Access, Address, ApiError, Columns, CommandInfo, ConnectionReport, DEMO_ENVIRONMENT_ID, DatabaseActivity,
    Environment, EnvironmentDraft, EnvironmentSummary, ErrorCode, Finding, FoundService, Frame, Guards, Heatmap,
    JobStatus, JournalEntry, JournalKind, Kind, MetricInfo, Pasted, PoolSettings, ReportFile, ReportRequest, Run,
    RunSummary, SeriesInfo, Tag, TargetRole, TargetStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::benchmarks::{BenchPreview, RunningBench};
use crate::bound::{hide_account, no_secret_parameters};
use crate::comparisons::{DuetRequest, StoredComparison};
use crate::dotenv::{Described, draft_from_dotenv};
use crate::environments::draft_of;
use crate::hooks::Hooks;
use crate::insights::{Baseline, BaselineSet, Moved, RunHistory};
use crate::knees::{KneeRequest, StoredKnee};
use crate::plans::{ImportedPlan, PlanCheck, PlanImport, PlanSave, SavedPlan};
use crate::requests::{
    AddressInfo, AppInfo, BenchRequest, ByEnvironment, ById, ByKind, ComparePair, Deleted, Dotenv, Empty, EnvCreate,
    EnvDuplicate, EnvUnlock, EnvUpdate, HistoryRequest, JournalList, KindDefaults, Passphrase, ReportContent,
    RunHeatmap, RunList, RunRename, RunSeries, TestDraft, Text,
};
use crate::secrets::SecretsStatus;
use crate::store::UNDO_MS;
use crate::work::PlanFolder;
use crate::{Engine, environments};

/// The answer of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// JSON.
    Json(Value),
    /// Binary columns, see [`Columns`].
    Binary(Vec<u8>),
}

type Result<T> = std::result::Result<T, ApiError>;

trait IntoReply {
    fn into_reply(self) -> Result<Reply>;
}

struct Json<T>(T);
struct Binary(Columns);

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply> {
        serde_json::to_value(self.0)
            .map(Reply::Json)
            .map_err(|e| ApiError::internal(format!("The answer could not be written: {e}")))
    }
}

impl IntoReply for Binary {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::Binary(self.0.encode()))
    }
}

/// The type whose TypeScript form an answer has; binary columns have none of their own.
macro_rules! ts_type {
    (Json $ty:ty) => {
        $ty
    };
    (Binary $ty:ty) => {
        Empty
    };
}

macro_rules! is_binary {
    (Json) => {
        false
    };
    (Binary) => {
        true
    };
}

macro_rules! commands {
    ($( $access:ident $form:ident $name:literal ($req:ty) -> $res:ty, changes [$($tag:ident),*] => $function:path; )*) => {
        /// Every command, in the order of declaration.
        pub const COMMANDS: &[CommandInfo] = &[
            $( CommandInfo {
                name: $name,
                access: Access::$access,
                changes: &[$(Tag::$tag),*],
                binary: is_binary!($form),
            } ),*
        ];

        async fn call(engine: &Arc<Engine>, name: &str, params: Value) -> Result<Reply> {
            match name {
                $( $name => {
                    let request: $req = parse(name, params)?;
                    let answer: $res = $function(engine.clone(), request).await?;
                    engine.changed(&[$(Tag::$tag),*]);
                    $form(answer).into_reply()
                } )*
                _ => Err(ApiError::not_found(format!("There is no command '{}'", masking::shown(name)))),
            }
        }

        /// Writes the TypeScript bindings of all commands and of what they exchange into `dir`.
        ///
        /// # Errors
        /// When a file cannot be written.
        pub fn export_bindings(dir: &Path) -> std::result::Result<(), Box<dyn std::error::Error>> {
            let config = ts_rs::Config::new().with_large_int("number").with_out_dir(dir);
            Frame::export_all(&config)?;
            $( <$req as TS>::export_all(&config).or_else(ignore_unnamed)?; )*
            let mut inner = Inner(&config, Ok(()));
            $(
                <ts_type!($form $res) as TS>::export_all(&config).or_else(ignore_unnamed)?;
                <ts_type!($form $res) as TS>::visit_generics(&mut inner);
            )*
            inner.1?;
            let signatures = [
                $( ($name, <$req as TS>::name(&config), if is_binary!($form) { "Columns".to_owned() } else { <ts_type!($form $res) as TS>::name(&config) }), )*
            ];
            crate::bindings::write_commands(dir, &signatures)
        }
    };
}

/// Exports what is inside `Vec<T>` and friends.
struct Inner<'a>(&'a ts_rs::Config, std::result::Result<(), ts_rs::ExportError>);

impl ts_rs::TypeVisitor for Inner<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if self.1.is_ok() {
            self.1 = T::export_all(self.0).or_else(ignore_unnamed);
        }
    }
}

fn ignore_unnamed(error: ts_rs::ExportError) -> std::result::Result<(), ts_rs::ExportError> {
    // `Vec<T>` and friends have no file of their own; what is inside them was exported.
    match error {
        ts_rs::ExportError::CannotBeExported(_) => Ok(()),
        other => Err(other),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(name: &str, params: Value) -> Result<T> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    // serde would read a list as the fields in their order.
    if !params.is_object() {
        return Err(ApiError::bad_request(format!("{name}: a request is an object of named fields")));
    }
    // What serde says quotes values; the place and the kind of the mistake are told instead.
    serde_path_to_error::deserialize(params).map_err(|e| {
        let path = place(e.path());
        ApiError::bad_request(format!("{name}: {path}{}", masking::reading_failed(&e.inner().to_string())))
    })
}

/// Where a mistake is: names of fields and positions in lists. A key of a map is a user's word and not told.
fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let parts: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => (index + 1).to_string(),
            Segment::Map { key } if key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                key.clone()
            }
            Segment::Enum { variant } => variant.clone(),
            Segment::Map { .. } | Segment::Unknown => "?".to_owned(),
        })
        .collect();
    if parts.is_empty() || parts == ["?"] { String::new() } else { format!("{}: ", parts.join(".")) }
}

commands! {
    Read Json "app.info" (Empty) -> AppInfo, changes [] => app_info;
    Read Json "env.list" (Empty) -> Vec<EnvironmentSummary>, changes [] => env_list;
    Read Json "env.get" (ById) -> Environment, changes [] => env_get;
    Read Json "env.draft" (ById) -> EnvironmentDraft, changes [] => env_draft;
    Read Json "env.defaults" (ByKind) -> KindDefaults, changes [] => env_defaults;
    Write Json "env.create" (EnvCreate) -> Environment, changes [Environments] => env_create;
    Write Json "env.update" (EnvUpdate) -> Environment, changes [Environments] => env_update;
    Write Json "env.duplicate" (EnvDuplicate) -> Environment, changes [Environments] => env_duplicate;
    Write Json "env.delete" (ById) -> Deleted, changes [Environments] => env_delete;
    Write Json "env.restore" (ById) -> Environment, changes [Environments] => env_restore;
    Write Json "env.unlock" (EnvUnlock) -> f64, changes [Environments] => env_unlock;
    Write Json "env.lock" (ById) -> bool, changes [Environments] => env_lock;
    Target Json "env.test" (ById) -> Vec<ConnectionReport>, changes [] => env_test;
    Target Json "env.test_draft" (TestDraft) -> Vec<ConnectionReport>, changes [] => env_test_draft;
    Write Json "env.from_dotenv" (Dotenv) -> Described, changes [] => env_from_dotenv;
    Read Json "address.parse" (Text) -> AddressInfo, changes [] => address_parse;
    Target Json "discover.services" (Empty) -> Vec<FoundService>, changes [] => discover_services;
    Write Json "demo.open" (Empty) -> JobStatus, changes [] => demo_open;
    Target Json "monitor.start" (ByEnvironment) -> Vec<TargetStatus>, changes [Series] => monitor_start;
    Read Json "monitor.catalogue" (Empty) -> Vec<MetricInfo>, changes [] => monitor_catalogue;
    Read Json "monitor.series" (ByEnvironment) -> Vec<SeriesInfo>, changes [] => monitor_series;
    Read Json "monitor.targets" (ByEnvironment) -> Vec<TargetStatus>, changes [] => monitor_targets;
    Read Binary "monitor.history" (HistoryRequest) -> Columns, changes [] => monitor_history;
    Read Json "findings.list" (ByEnvironment) -> Vec<Finding>, changes [] => findings_list;
    Target Json "db.activity" (ByEnvironment) -> DatabaseActivity, changes [] => db_activity;
    Target Json "bench.preview" (BenchRequest) -> BenchPreview, changes [] => bench_preview;
    Target Json "bench.start" (BenchRequest) -> JobStatus, changes [Jobs] => bench_start;
    Read Json "bench.running" (Empty) -> Option<RunningBench>, changes [] => bench_running;
    Read Json "compare.runs" (ComparePair) -> StoredComparison, changes [] => compare_runs;
    Target Json "duet.start" (DuetRequest) -> JobStatus, changes [Jobs] => duet_start;
    Read Json "comparison.list" (RunList) -> Vec<StoredComparison>, changes [] => comparison_list;
    Read Json "comparison.get" (ById) -> StoredComparison, changes [] => comparison_get;
    Write Json "comparison.delete" (ById) -> bool, changes [Runs] => comparison_delete;
    Write Json "comparison.restore" (ById) -> bool, changes [Runs] => comparison_restore;
    Target Json "knee.start" (KneeRequest) -> JobStatus, changes [Jobs] => knee_start;
    Read Json "knee.list" (RunList) -> Vec<StoredKnee>, changes [] => knee_list;
    Write Json "knee.delete" (ById) -> bool, changes [Runs] => knee_delete;
    Write Json "knee.restore" (ById) -> bool, changes [Runs] => knee_restore;
    Read Json "knee.get" (ById) -> StoredKnee, changes [] => knee_get;
    Read Json "run.list" (RunList) -> Vec<RunSummary>, changes [] => run_list;
    Read Json "run.get" (ById) -> Run, changes [] => run_get;
    Write Json "run.rename" (RunRename) -> Run, changes [Runs] => run_rename;
    Write Json "run.delete" (ById) -> Deleted, changes [Runs] => run_delete;
    Write Json "run.restore" (ById) -> Run, changes [Runs] => run_restore;
    Read Json "plan.list" (Empty) -> Vec<SavedPlan>, changes [] => plan_list;
    Read Json "plan.check" (Text) -> PlanCheck, changes [] => plan_check;
    Read Json "plan.import" (PlanImport) -> ImportedPlan, changes [] => plan_import;
    Write Json "plan.save" (PlanSave) -> SavedPlan, changes [Runs] => plan_save;
    Write Json "plan.delete" (ById) -> bool, changes [Runs] => plan_delete;
    Read Json "baseline.list" (Empty) -> Vec<Baseline>, changes [] => baseline_list;
    Write Json "baseline.set" (BaselineSet) -> Baseline, changes [Runs] => baseline_set;
    Write Json "baseline.delete" (Text) -> bool, changes [Runs] => baseline_delete;
    Read Json "run.history" (ById) -> RunHistory, changes [] => run_history;
    Read Json "run.moved" (ById) -> Vec<Moved>, changes [] => run_moved;
    Read Json "run.heatmap" (RunHeatmap) -> Heatmap, changes [] => run_heatmap;
    Read Binary "run.series" (RunSeries) -> Columns, changes [] => run_series;
    Write Json "report.create" (ReportRequest) -> JobStatus, changes [Jobs] => report_create;
    Read Json "report.list" (Empty) -> Vec<ReportFile>, changes [] => report_list;
    Read Json "report.get" (ById) -> ReportContent, changes [] => report_get;
    Read Json "journal.list" (JournalList) -> Vec<JournalEntry>, changes [] => journal_list;
    Read Json "job.list" (Empty) -> Vec<JobStatus>, changes [] => job_list;
    Read Json "job.get" (ById) -> JobStatus, changes [] => job_get;
    Write Json "job.cancel" (ById) -> bool, changes [] => job_cancel;
    Write Json "job.dismiss" (ById) -> bool, changes [] => job_dismiss;
    Read Json "secrets.status" (Empty) -> SecretsStatus, changes [] => secrets_status;
    Write Json "secrets.unlock" (Passphrase) -> SecretsStatus, changes [] => secrets_unlock;
}

impl Engine {
    /// Runs a command. A panic inside is caught and answered.
    ///
    /// # Errors
    /// What the command fails with, in words for a person.
    pub async fn dispatch(self: &Arc<Self>, name: &str, params: Value) -> Result<Reply> {
        let work = Box::pin(AssertUnwindSafe(call(self, name, params)).catch_unwind());
        match work.await {
            Ok(answer) => {
                if let Err(error) = &answer {
                    tracing::info!(command = name, kind = ?error.code, %error, "command refused");
                }
                answer
            }
            Err(panic) => {
                let text = crate::logs::panic_words(&*panic);
                tracing::error!(command = name, panic = %text, "command panicked");
                Err(ApiError::internal(format!("'{name}' ended unexpectedly; the log has the details")))
            }
        }
    }

    /// Runs a command for a caller that may only read what Perfdeck has: nothing is changed, and no target is reached.
    ///
    /// # Errors
    /// [`ErrorCode::Guarded`] for a command that does either; else as [`Engine::dispatch`].
    pub async fn dispatch_reading(self: &Arc<Self>, name: &str, params: Value) -> Result<Reply> {
        let what = match COMMANDS.iter().find(|c| c.name == name).map(|c| c.access) {
            Some(Access::Write) => "changes what Perfdeck keeps, or reads files of this machine",
            Some(Access::Target) => "reaches a target",
            Some(Access::Read) | None => {
                return crate::sessions::READS_ONLY.scope(true, self.dispatch(name, params)).await;
            }
        };
        Err(ApiError::new(ErrorCode::Guarded, format!("This link only reads, and '{name}' {what}"))
            .hint("Open the URL with full access that perfctl serve printed"))
    }

    /// Runs a command that answers JSON.
    ///
    /// # Errors
    /// As [`Engine::dispatch`]; a binary answer is [`ErrorCode::Internal`].
    pub async fn json(self: &Arc<Self>, name: &str, params: Value) -> Result<Value> {
        match self.dispatch(name, params).await? {
            Reply::Json(value) => Ok(value),
            Reply::Binary(_) => Err(ApiError::internal(format!("'{name}' answers binary columns"))),
        }
    }
}

type E = Arc<Engine>;

async fn app_info(engine: E, _: Empty) -> Result<AppInfo> {
    Ok(AppInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: std::env::consts::OS.to_owned(),
        data_dir: engine.data_dir.display().to_string(),
        store_bytes: engine.store.bytes(),
        secrets: engine.vault.status(),
    })
}

async fn env_list(engine: E, _: Empty) -> Result<Vec<EnvironmentSummary>> {
    engine.environment_list().await
}

async fn env_get(engine: E, request: ById) -> Result<Environment> {
    engine.environment(&request.id).await
}

async fn env_draft(engine: E, request: ById) -> Result<EnvironmentDraft> {
    Ok(draft_of(&engine.environment(&request.id).await?))
}

async fn env_defaults(_: E, request: ByKind) -> Result<KindDefaults> {
    let kind = request.kind;
    let pool = PoolSettings::for_kind(kind);
    let guards = Guards::for_kind(kind);
    let ttl = environments::default_ttl_s(kind);
    let differences = [Kind::Development, Kind::Staging, Kind::Production]
        .into_iter()
        .filter(|k| *k != kind)
        .map(|k| {
            let p = PoolSettings::for_kind(k);
            let g = Guards::for_kind(k);
            let cap = g.max_rate_per_s.map_or_else(|| "no rate cap".to_owned(), |c| format!("at most {c} requests/s"));
            format!(
                "{}: pool {} + {}, entries expire after {} s, {cap}{}",
                k.as_str(),
                p.size,
                p.max_overflow,
                environments::default_ttl_s(k),
                if g.read_only { ", read-only until unlocked" } else { "" }
            )
        })
        .collect();
    Ok(KindDefaults { pool, guards, cache_default_ttl_s: ttl, differences })
}

async fn env_create(engine: E, request: EnvCreate) -> Result<Environment> {
    let made = engine.save_environment(&request.draft, None).await?;
    engine.noted(JournalKind::Created, Some(&made), environments::summary(&made)).await;
    Ok(made)
}

fn not_demo(id: &str) -> Result<()> {
    if id == DEMO_ENVIRONMENT_ID {
        return Err(ApiError::new(ErrorCode::Conflict, "The demo environment cannot be changed")
            .hint("Duplicate it, or add an environment of your own"));
    }
    Ok(())
}

async fn env_update(engine: E, request: EnvUpdate) -> Result<Environment> {
    not_demo(&request.id)?;
    engine.not_process_only(&request.id)?;
    let old = engine.environment(&request.id).await?;
    let new = engine.save_environment(&request.draft, Some(&old)).await?;
    engine.noted(JournalKind::Changed, Some(&new), environments::summary(&new)).await;
    Ok(new)
}

async fn env_duplicate(engine: E, request: EnvDuplicate) -> Result<Environment> {
    not_demo(&request.id)?;
    let made = engine.duplicate_environment(&request.id, request.name).await?;
    engine.noted(JournalKind::Created, Some(&made), environments::summary(&made)).await;
    Ok(made)
}

async fn env_delete(engine: E, request: ById) -> Result<Deleted> {
    not_demo(&request.id)?;
    engine.not_process_only(&request.id)?;
    let environment = engine.environment(&request.id).await?;
    let now = engine.clock.now_ms();
    engine.store.delete_environment(&environment.id, now).await?;
    engine.sessions.stop(&environment.id).await;
    engine.noted(JournalKind::Deleted, Some(&environment), "it can be restored for a week".to_owned()).await;
    Ok(Deleted { id: environment.id, undo_until_ms: now + UNDO_MS })
}

async fn env_restore(engine: E, request: ById) -> Result<Environment> {
    let found = engine.store.restore_environment(&request.id).await?;
    let environment = found.ok_or_else(|| ApiError::not_found("This environment can no longer be restored"))?;
    engine.noted(JournalKind::Restored, Some(&environment), environments::summary(&environment)).await;
    Ok(environment)
}

async fn env_unlock(engine: E, request: EnvUnlock) -> Result<f64> {
    let environment = engine.environment(&request.id).await?;
    let until = engine.unlock(&environment, request.confirm.as_deref())?;
    engine.noted(JournalKind::Unlocked, Some(&environment), "changes are allowed for 15 minutes".to_owned()).await;
    Ok(until)
}

async fn env_lock(engine: E, request: ById) -> Result<bool> {
    let environment = engine.environment(&request.id).await?;
    let was = engine.lock(&environment.id);
    if was {
        engine.noted(JournalKind::Locked, Some(&environment), "changes are refused again".to_owned()).await;
    }
    Ok(was)
}

async fn env_test(engine: E, request: ById) -> Result<Vec<ConnectionReport>> {
    engine.test_environment(&request.id).await
}

async fn env_test_draft(engine: E, request: TestDraft) -> Result<Vec<ConnectionReport>> {
    engine.test_draft(&request.draft, request.id.as_deref()).await
}

async fn env_from_dotenv(engine: E, request: Dotenv) -> Result<Described> {
    /// A `.env` file is a page of text, not a disk image.
    const LIMIT: u64 = 1 << 20;
    let path = request.path.as_deref().map(std::path::Path::new);
    let bytes = match (request.text, path) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(path)) => {
            let unreadable = |e: &dyn std::fmt::Display| {
                ApiError::bad_request(format!("{} cannot be read: {e}", masking::shown(&path.display().to_string())))
                    .hint("Choose the .env file of your application")
            };
            let meta = tokio::fs::metadata(&path).await.map_err(|e| unreadable(&e))?;
            if !meta.is_file() || meta.len() > LIMIT {
                return Err(unreadable(&"it is not a text file under 1 MiB"));
            }
            tokio::fs::read(&path).await.map_err(|e| unreadable(&e))?
        }
        (None, None) => return Err(ApiError::bad_request("Give the text or the path of a .env file")),
    };
    let described = draft_from_dotenv(&bytes, path)?;
    Ok(Described { draft: engine.held_back(described.draft)?, ..described })
}

async fn address_parse(_: E, request: Text) -> Result<AddressInfo> {
    // The reader's words never repeat what was entered.
    let Pasted { mut address, mut password, sentinel_password } =
        Address::read(&request.text).map_err(|e| ApiError::bad_request(e.message).hint(e.hint))?;
    no_secret_parameters("address", &address)?;
    if password.is_none() {
        password = hide_account(&request.text, &mut address);
    }
    Ok(AddressInfo {
        role: address.scheme.role(),
        has_password: password.is_some() || sentinel_password.is_some(),
        product: address.scheme.product().to_owned(),
        short: address.short(),
        url: address.url(),
        address,
    })
}

async fn discover_services(_: E, _: Empty) -> Result<Vec<FoundService>> {
    let (databases, caches, apis) =
        tokio::join!(perfdeck_database::discover(), perfdeck_cache::discover(), perfdeck_monitor::discover());
    Ok(databases.into_iter().chain(caches).chain(apis).collect())
}

async fn demo_open(engine: E, _: Empty) -> Result<JobStatus> {
    Ok(engine.open_demo())
}

async fn monitor_start(engine: E, request: ByEnvironment) -> Result<Vec<TargetStatus>> {
    Ok(engine.monitor(&request.environment_id).await?.targets())
}

async fn monitor_catalogue(_: E, _: Empty) -> Result<Vec<MetricInfo>> {
    Ok(perfdeck_monitor::catalogue())
}

async fn monitor_series(engine: E, request: ByEnvironment) -> Result<Vec<SeriesInfo>> {
    Ok(engine.monitor(&request.environment_id).await?.series())
}

async fn monitor_targets(engine: E, request: ByEnvironment) -> Result<Vec<TargetStatus>> {
    Ok(engine.monitor(&request.environment_id).await?.targets())
}

async fn monitor_history(engine: E, request: HistoryRequest) -> Result<Columns> {
    let HistoryRequest { environment_id, from_ms, to_ms, width_px, series } = request;
    let day = 24.0 * 3_600_000.0;
    if !(from_ms.is_finite() && to_ms.is_finite() && to_ms > from_ms && to_ms - from_ms <= 31.0 * day) {
        return Err(ApiError::bad_request("The range ends after it starts and spans at most 31 days"));
    }
    let monitor = engine.monitor(&environment_id).await?;
    Ok(monitor.history(from_ms, to_ms, width_px.clamp(1, 8192), series.as_deref()).await)
}

async fn findings_list(engine: E, request: ByEnvironment) -> Result<Vec<Finding>> {
    let mut findings = engine.monitor(&request.environment_id).await?.findings();
    findings.sort_by(Finding::before);
    Ok(findings)
}

async fn db_activity(engine: E, request: ByEnvironment) -> Result<DatabaseActivity> {
    let environment = engine.environment(&request.environment_id).await?;
    let database = environment.targets.database.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
            .hint("Add one in the environment's editor")
    })?;
    let password = engine.secret(&environment, TargetRole::Database).await?;
    perfdeck_database::activity(&database.address, password.as_ref()).await
}

async fn bench_preview(engine: E, request: BenchRequest) -> Result<BenchPreview> {
    engine.bench_preview(&request.spec, request.environment_id.as_deref(), &PlanFolder::default()).await
}

async fn bench_start(engine: E, request: BenchRequest) -> Result<JobStatus> {
    engine.bench_start(request, PlanFolder::default()).await
}

async fn bench_running(engine: E, _: Empty) -> Result<Option<RunningBench>> {
    Ok(engine.bench_running())
}

async fn compare_runs(engine: E, request: ComparePair) -> Result<StoredComparison> {
    engine.compare_runs(&request.a, &request.b, &request.changed).await
}

async fn duet_start(engine: E, request: DuetRequest) -> Result<JobStatus> {
    engine.duet_start(request, Hooks::default(), PlanFolder::default()).await
}

async fn comparison_list(engine: E, request: RunList) -> Result<Vec<StoredComparison>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.store.comparisons(id.as_deref()).await
}

async fn comparison_get(engine: E, request: ById) -> Result<StoredComparison> {
    engine
        .store
        .comparison(&request.id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("There is no comparison '{}'", masking::shown(&request.id))))
}

async fn comparison_delete(engine: E, request: ById) -> Result<bool> {
    engine.store.set_comparison_deleted(&request.id, Some(engine.clock.now_ms())).await
}

async fn comparison_restore(engine: E, request: ById) -> Result<bool> {
    engine.store.set_comparison_deleted(&request.id, None).await
}

async fn knee_start(engine: E, request: KneeRequest) -> Result<JobStatus> {
    engine.knee_start(request, PlanFolder::default()).await
}

async fn knee_list(engine: E, request: RunList) -> Result<Vec<StoredKnee>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.store.knees(id.as_deref()).await
}

async fn knee_delete(engine: E, request: ById) -> Result<bool> {
    engine.store.set_knee_deleted(&request.id, Some(engine.clock.now_ms())).await
}

async fn knee_restore(engine: E, request: ById) -> Result<bool> {
    engine.store.set_knee_deleted(&request.id, None).await
}

async fn knee_get(engine: E, request: ById) -> Result<StoredKnee> {
    let found = engine.store.knee(&request.id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("There is no search '{}'", masking::shown(&request.id))))
}

async fn run_list(engine: E, request: RunList) -> Result<Vec<RunSummary>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.store.runs(id.as_deref()).await
}

async fn run_get(engine: E, request: ById) -> Result<Run> {
    engine.run(&request.id).await
}

async fn run_rename(engine: E, request: RunRename) -> Result<Run> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 120 {
        return Err(ApiError::bad_request("A run's name has 1 to 120 characters"));
    }
    let mut run = engine.run(&request.id).await?;
    run.name = masking::title(name);
    engine.store.put_run(&run, None, None).await?;
    Ok(run)
}

async fn run_delete(engine: E, request: ById) -> Result<Deleted> {
    let run = engine.run(&request.id).await?;
    let now = engine.clock.now_ms();
    engine.store.set_run_deleted(&run.id, Some(now)).await?;
    Ok(Deleted { id: run.id, undo_until_ms: now + UNDO_MS })
}

async fn run_restore(engine: E, request: ById) -> Result<Run> {
    engine.store.set_run_deleted(&request.id, None).await?;
    engine.run(&request.id).await
}

async fn plan_list(engine: E, _: Empty) -> Result<Vec<SavedPlan>> {
    engine.store.plans().await
}

async fn plan_check(engine: E, request: Text) -> Result<PlanCheck> {
    Ok(engine.plan_check(&request.text))
}

async fn plan_import(engine: E, request: PlanImport) -> Result<ImportedPlan> {
    engine.plan_import(&request)
}

async fn plan_save(engine: E, request: PlanSave) -> Result<SavedPlan> {
    engine.plan_save(request).await
}

async fn plan_delete(engine: E, request: ById) -> Result<bool> {
    engine.store.delete_plan(&request.id).await
}

async fn baseline_list(engine: E, _: Empty) -> Result<Vec<Baseline>> {
    engine.store.baselines().await
}

async fn baseline_set(engine: E, request: BaselineSet) -> Result<Baseline> {
    engine.baseline_set(&request).await
}

async fn baseline_delete(engine: E, request: Text) -> Result<bool> {
    engine.store.delete_baseline(&request.text).await
}

async fn run_history(engine: E, request: ById) -> Result<RunHistory> {
    engine.run_history(&request.id).await
}

async fn run_moved(engine: E, request: ById) -> Result<Vec<Moved>> {
    engine.run_moved(&request.id).await
}

async fn run_heatmap(engine: E, request: RunHeatmap) -> Result<Heatmap> {
    engine.run_heatmap(&request.id, request.columns).await
}

async fn run_series(engine: E, request: RunSeries) -> Result<Columns> {
    engine.run_series(&request.id, request.series.as_deref()).await
}

async fn report_create(engine: E, request: ReportRequest) -> Result<JobStatus> {
    engine.create_report(request).await
}

async fn report_list(engine: E, _: Empty) -> Result<Vec<ReportFile>> {
    engine.store.reports().await
}

async fn report_get(engine: E, request: ById) -> Result<ReportContent> {
    let file = engine
        .store
        .reports()
        .await?
        .into_iter()
        .find(|r| r.id == request.id)
        .ok_or_else(|| ApiError::not_found("There is no such report"))?;
    let html = tokio::fs::read_to_string(&file.html_path).await.map_err(|e| {
        ApiError::not_found(format!("{} cannot be read: {e}", file.html_path))
            .hint("It was moved or deleted; export it again")
    })?;
    Ok(ReportContent { file, html })
}

async fn journal_list(engine: E, request: JournalList) -> Result<Vec<JournalEntry>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.store.journal(id.as_deref(), request.limit.unwrap_or(200).clamp(1, 10_000)).await
}

async fn job_list(engine: E, _: Empty) -> Result<Vec<JobStatus>> {
    Ok(engine.jobs.list())
}

async fn job_get(engine: E, request: ById) -> Result<JobStatus> {
    engine.jobs.get(&request.id).ok_or_else(|| ApiError::not_found("There is no such job"))
}

async fn job_cancel(engine: E, request: ById) -> Result<bool> {
    Ok(engine.jobs.cancel(&request.id))
}

async fn job_dismiss(engine: E, request: ById) -> Result<bool> {
    engine.jobs.dismiss(&request.id);
    Ok(true)
}

async fn secrets_status(engine: E, _: Empty) -> Result<SecretsStatus> {
    Ok(engine.vault.status())
}

async fn secrets_unlock(engine: E, request: Passphrase) -> Result<SecretsStatus> {
    let engine_ = engine.clone();
    // Deriving the key takes a noticeable moment on purpose.
    tokio::task::spawn_blocking(move || engine_.vault.unlock(&request.passphrase))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(engine.vault.status())
}
