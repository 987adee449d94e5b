//! What the commands of the registry take and answer, besides the vocabulary of the model.
use perfdeck_model::{Address, EnvironmentDraft, Guards, Kind, PoolSettings, ReportFile, TargetRole};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::secrets::SecretsStatus;
use crate::work::BenchSpec;

/// Takes no parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub(crate) struct Empty {}

/// Names one thing.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ById {
    /// Its identifier. Environments may be named by their name.
    pub id: String,
}

/// Names an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct ByEnvironment {
    /// Identifier or name.
    pub environment_id: String,
}

/// Facts about this Perfdeck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct AppInfo {
    /// Version.
    pub version: String,
    /// Operating system: `linux`, `macos`, `windows`.
    pub platform: String,
    /// Where the local store is.
    pub data_dir: String,
    /// Size of the local store, in bytes.
    pub store_bytes: f64,
    /// Where secrets go.
    pub secrets: SecretsStatus,
}

/// Creates an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct EnvCreate {
    /// What it consists of.
    pub draft: EnvironmentDraft,
}

/// Edits an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct EnvUpdate {
    /// Identifier or name.
    pub id: String,
    /// What it consists of from now on.
    pub draft: EnvironmentDraft,
}

/// Copies an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct EnvDuplicate {
    /// Identifier or name of the original.
    pub id: String,
    /// Name of the copy.
    #[serde(default)]
    pub name: Option<String>,
}

/// Until when a deletion can be undone.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct Deleted {
    /// Identifier of what was deleted, for the matching restore command.
    pub id: String,
    /// Time after which it is gone.
    pub undo_until_ms: f64,
}

/// Unlocks an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct EnvUnlock {
    /// Identifier or name.
    pub id: String,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Asks for a kind's defaults.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct ByKind {
    /// The kind.
    pub kind: Kind,
}

/// Defaults of a kind.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct KindDefaults {
    /// Pool settings.
    pub pool: PoolSettings,
    /// Guards.
    pub guards: Guards,
    /// Expiry of cache entries, in seconds.
    pub cache_default_ttl_s: f64,
    /// How it differs from the other kinds, in words.
    pub differences: Vec<String>,
}

/// Tests a draft.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct TestDraft {
    /// What to test.
    pub draft: EnvironmentDraft,
    /// The environment it edits, for the secrets it keeps.
    #[serde(default)]
    pub id: Option<String>,
}

/// Reads an application's variables.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct Dotenv {
    /// Text of a `.env` file.
    #[serde(default)]
    pub text: Option<String>,
    /// Path of a `.env` file; beside a text its name, which may say what it is for (`.env.production`).
    #[serde(default)]
    pub path: Option<String>,
}

/// Some text.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct Text {
    /// The text.
    pub text: String,
}

/// An address as fields.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct AddressInfo {
    /// Its fields.
    pub address: Address,
    /// Which target it is.
    pub role: TargetRole,
    /// Whether a password was in it.
    pub has_password: bool,
    /// Product name.
    pub product: String,
    /// Short form.
    pub short: String,
    /// Canonical URL without the password.
    pub url: String,
}

/// Asks for samples.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct HistoryRequest {
    /// Identifier or name.
    pub environment_id: String,
    /// Start.
    pub from_ms: f64,
    /// End.
    pub to_ms: f64,
    /// Width of the plot, in pixels: at most one minimum and maximum per pixel comes back.
    pub width_px: u32,
    /// Series ids; all when absent.
    #[serde(default)]
    pub series: Option<Vec<String>>,
}

/// A benchmark.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct BenchRequest {
    /// What it does.
    pub spec: BenchSpec,
    /// The environment it belongs to.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Name of the run.
    #[serde(default)]
    pub name: Option<String>,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Lists runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub(crate) struct RunList {
    /// Of this environment only.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// Lists the journal, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub(crate) struct JournalList {
    /// Of this environment only.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Entries at most, 1 to 10 000; 200 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Names two runs.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct ComparePair {
    /// Before, or the reference.
    pub a: String,
    /// After, or the candidate.
    pub b: String,
    /// Facts that may differ because they are the change: `setting.database.work_mem`, or all of a kind: `setting.*`.
    #[serde(default)]
    pub changed: Vec<String>,
}

/// Renames a run.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct RunRename {
    /// The run.
    pub id: String,
    /// Its new name.
    pub name: String,
}

/// Asks for the environment's series during a run.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct RunSeries {
    /// The run.
    pub id: String,
    /// Series ids; all when absent.
    #[serde(default)]
    pub series: Option<Vec<String>>,
}

/// Asks for the response times of a run over time.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub(crate) struct RunHeatmap {
    /// The run.
    pub id: String,
    /// Columns at most; each is of whole seconds.
    pub columns: u32,
}

/// A report with its content.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ReportContent {
    /// The file.
    pub file: ReportFile,
    /// Its HTML.
    pub html: String,
}

/// A passphrase.
#[derive(Clone, Serialize, Deserialize, TS)]
pub(crate) struct Passphrase {
    /// The passphrase of the secrets file.
    pub passphrase: String,
}
