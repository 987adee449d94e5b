//! Commands of the house: what this Perfdeck is, its jobs, its journal, its secrets.
use std::sync::Arc;

use perfdeck_model::{ApiError, JobStatus, JournalEntry};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::core::deleted::DeletedItem;
use crate::core::vault::SecretsStatus;
use crate::requests::{ById, Empty};
use crate::table::{Result, commands};

/// Facts about this Perfdeck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct AppInfo {
    /// Version of this Perfdeck.
    pub version: String,
    /// Operating system: `linux`, `macos`, `windows`.
    pub platform: String,
    /// Folder of the local store.
    pub data_dir: String,
    /// Size of the local store, in bytes.
    pub store_bytes: f64,
    /// State of the store that secrets go to.
    pub secrets: SecretsStatus,
}

/// Lists the journal, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct JournalList {
    /// Environment that the list is limited to.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Most entries, 1 to 10 000; 200 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A passphrase.
#[derive(Clone, Serialize, Deserialize, TS)]
pub struct Passphrase {
    /// The passphrase of the secrets file.
    pub passphrase: String,
}

commands! {
    Read Json "app.info" (Empty) -> AppInfo, changes [] => app_info;
    Read Json "journal.list" (JournalList) -> Vec<JournalEntry>, changes [] => journal_list;
    Read Json "deleted.list" (Empty) -> Vec<DeletedItem>, changes [] => deleted_list;
    Read Json "job.list" (Empty) -> Vec<JobStatus>, changes [] => job_list;
    Read Json "job.get" (ById) -> JobStatus, changes [] => job_get;
    Write Json "job.cancel" (ById) -> bool, changes [] => job_cancel;
    Write Json "job.dismiss" (ById) -> bool, changes [] => job_dismiss;
    Read Json "secrets.status" (Empty) -> SecretsStatus, changes [] => secrets_status;
    Write Json "secrets.unlock" (Passphrase) -> SecretsStatus, changes [Secrets] => secrets_unlock;
}

/// Facts about this Perfdeck.
pub async fn app_info(engine: Arc<Engine>, _: Empty) -> Result<AppInfo> {
    Ok(AppInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: std::env::consts::OS.to_owned(),
        data_dir: engine.core.data_dir.display().to_string(),
        store_bytes: engine.core.store.bytes(),
        secrets: engine.core.vault.status(),
    })
}

/// Journal, newest first: load that was sent or refused, changes of environments.
pub async fn journal_list(engine: Arc<Engine>, request: JournalList) -> Result<Vec<JournalEntry>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.journal(id.as_deref(), request.limit.unwrap_or(200).clamp(1, 10_000)).await
}

/// What was deleted in the last seven days and can be restored, the last deletion first.
pub async fn deleted_list(engine: Arc<Engine>, _: Empty) -> Result<Vec<DeletedItem>> {
    engine.core.store.deleted(engine.core.clock.now_ms()).await
}

/// The jobs of this process, newest last.
pub async fn job_list(engine: Arc<Engine>, _: Empty) -> Result<Vec<JobStatus>> {
    Ok(engine.core.jobs.list())
}

/// One job.
pub async fn job_get(engine: Arc<Engine>, request: ById) -> Result<JobStatus> {
    engine.core.jobs.get(&request.id).ok_or_else(|| ApiError::not_found("There is no such job"))
}

/// Asks a job to end; answers whether it was there and could be.
pub async fn job_cancel(engine: Arc<Engine>, request: ById) -> Result<bool> {
    Ok(engine.core.jobs.cancel(&request.id))
}

/// Takes an ended job off the list.
pub async fn job_dismiss(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.jobs.dismiss(&request.id);
    Ok(true)
}

/// State of the store that secrets go to, and whether they can be read.
pub async fn secrets_status(engine: Arc<Engine>, _: Empty) -> Result<SecretsStatus> {
    Ok(engine.core.vault.status())
}

/// Opens the file of secrets with its passphrase.
pub async fn secrets_unlock(engine: Arc<Engine>, request: Passphrase) -> Result<SecretsStatus> {
    let engine_ = engine.clone();
    // Deriving the key takes a noticeable moment on purpose.
    tokio::task::spawn_blocking(move || engine_.core.vault.unlock(&request.passphrase))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(engine.core.vault.status())
}
