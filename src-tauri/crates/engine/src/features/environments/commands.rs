//! Commands of environments: made, changed, tested, found.
use std::sync::Arc;

use perfdeck_model::{
    Address, ApiError, ConnectionReport, DEMO_ENVIRONMENT_ID, Environment, EnvironmentDraft, EnvironmentSummary,
    ErrorCode, FoundService, Guards, JobStatus, JournalKind, Kind, Pasted, PoolSettings, TargetRole, masking,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::core::store::UNDO_MS;
use crate::features::environments::bound::{hide_account, no_secret_parameters};
use crate::features::environments::dotenv::{Described, draft_from_dotenv};
use crate::features::environments::draft;
use crate::features::environments::draft::draft_of;
use crate::features::environments::store::changed_meanwhile;
use crate::requests::{ById, Deleted, Empty, Text};
use crate::table::{Result, commands};

/// Creates an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct EnvCreate {
    /// Draft of what it consists of.
    pub draft: EnvironmentDraft,
}

/// Edits an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct EnvUpdate {
    /// Identifier or name.
    pub id: String,
    /// Draft of what it consists of from now on.
    pub draft: EnvironmentDraft,
    /// `updated_ms` of the environment that the draft was made from. When another one is stored by then, nothing is saved.
    pub read_ms: f64,
}

/// Copies an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct EnvDuplicate {
    /// Identifier or name of the original.
    pub id: String,
    /// Name of the copy.
    #[serde(default)]
    pub name: Option<String>,
    /// The copy as it was edited before it is made; like the original when absent. A secret that it keeps is the original's,
    /// where the target is the same.
    #[serde(default)]
    pub draft: Option<EnvironmentDraft>,
}

/// Unlocks an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct EnvUnlock {
    /// Identifier or name.
    pub id: String,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Asks for a kind's defaults.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ByKind {
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
    /// Differences from the other kinds, in words.
    pub differences: Vec<String>,
}

/// Tests a draft.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct TestDraft {
    /// Draft to test.
    pub draft: EnvironmentDraft,
    /// The environment it edits, for the secrets it keeps.
    #[serde(default)]
    pub id: Option<String>,
}

/// Reads an application's variables.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct Dotenv {
    /// Text of a `.env` file.
    #[serde(default)]
    pub text: Option<String>,
    /// Path of a `.env` file; beside a text its name, which may say what it is for (`.env.production`).
    #[serde(default)]
    pub path: Option<String>,
}

/// An address as fields.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct AddressInfo {
    /// Fields of the address.
    pub address: Address,
    /// Role of the target.
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

commands! {
    Read Json "env.list" (Empty) -> Vec<EnvironmentSummary>, changes [] => list;
    Read Json "env.get" (ById) -> Environment, changes [] => get;
    Read Json "env.draft" (ById) -> EnvironmentDraft, changes [] => draft;
    Read Json "env.defaults" (ByKind) -> KindDefaults, changes [] => defaults;
    Write Json "env.create" (EnvCreate) -> Environment, changes [Environments] => create;
    Write Json "env.update" (EnvUpdate) -> Environment, changes [Environments] => update;
    Write Json "env.duplicate" (EnvDuplicate) -> Environment, changes [Environments] => duplicate;
    Write Json "env.delete" (ById) -> Deleted, changes [Environments] => delete;
    Write Json "env.restore" (ById) -> Environment, changes [Environments] => restore;
    Write Json "env.unlock" (EnvUnlock) -> f64, changes [Environments] => unlock;
    Write Json "env.lock" (ById) -> bool, changes [Environments] => lock;
    Target Json "env.test" (ById) -> Vec<ConnectionReport>, changes [] => test;
    Target Json "env.test_draft" (TestDraft) -> Vec<ConnectionReport>, changes [] => test_draft;
    Write Json "env.from_dotenv" (Dotenv) -> Described, changes [] => from_dotenv;
    Read Json "address.parse" (Text) -> AddressInfo, changes [] => address_parse;
    Target Json "discover.services" (Empty) -> Vec<FoundService>, changes [] => discover_services;
    Write Json "demo.open" (Empty) -> JobStatus, changes [] => demo_open;
}

fn not_demo(id: &str) -> Result<()> {
    if id == DEMO_ENVIRONMENT_ID {
        return Err(ApiError::new(ErrorCode::Conflict, "The demo environment cannot be changed")
            .hint("Duplicate it, or add an environment of your own"));
    }
    Ok(())
}

/// All environments, with the demo.
pub async fn list(engine: Arc<Engine>, _: Empty) -> Result<Vec<EnvironmentSummary>> {
    engine.environment_list().await
}

/// One environment.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<Environment> {
    engine.environment(&request.id).await
}

/// One environment as the form edits it; secrets are not in it.
pub async fn draft(engine: Arc<Engine>, request: ById) -> Result<EnvironmentDraft> {
    Ok(draft_of(&engine.environment(&request.id).await?))
}

/// Defaults that an environment of a kind begins with.
pub async fn defaults(_: Arc<Engine>, request: ByKind) -> Result<KindDefaults> {
    let kind = request.kind;
    let pool = PoolSettings::for_kind(kind);
    let guards = Guards::for_kind(kind);
    let ttl = draft::default_ttl_s(kind);
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
                draft::default_ttl_s(k),
                if g.read_only { ", read-only until unlocked" } else { "" }
            )
        })
        .collect();
    Ok(KindDefaults { pool, guards, cache_default_ttl_s: ttl, differences })
}

/// Stores a new environment.
pub async fn create(engine: Arc<Engine>, request: EnvCreate) -> Result<Environment> {
    let made = engine.save_environment(&request.draft, None).await?;
    engine.noted(JournalKind::Created, Some(&made), draft::summary(&made)).await;
    Ok(made)
}

/// Changes a stored environment.
pub async fn update(engine: Arc<Engine>, request: EnvUpdate) -> Result<Environment> {
    not_demo(&request.id)?;
    engine.not_process_only(&request.id)?;
    let old = engine.environment(&request.id).await?;
    if old.updated_ms.to_bits() != request.read_ms.to_bits() {
        return Err(changed_meanwhile(&old.name));
    }
    let new = engine.save_environment(&request.draft, Some(&old)).await?;
    engine.noted(JournalKind::Changed, Some(&new), draft::summary(&new)).await;
    Ok(new)
}

/// Copies an environment under a free name.
pub async fn duplicate(engine: Arc<Engine>, request: EnvDuplicate) -> Result<Environment> {
    not_demo(&request.id)?;
    let made = engine.duplicate_environment(&request.id, request.name, request.draft).await?;
    engine.noted(JournalKind::Created, Some(&made), draft::summary(&made)).await;
    Ok(made)
}

/// Deletes an environment; it can be restored for a week.
pub async fn delete(engine: Arc<Engine>, request: ById) -> Result<Deleted> {
    not_demo(&request.id)?;
    engine.not_process_only(&request.id)?;
    let environment = engine.environment(&request.id).await?;
    let now = engine.core.clock.now_ms();
    engine.core.store.delete_environment(&environment.id, now).await?;
    engine.stop_watching(&environment.id).await;
    engine.noted(JournalKind::Deleted, Some(&environment), "it can be restored for a week".to_owned()).await;
    Ok(Deleted { id: environment.id, undo_until_ms: now + UNDO_MS })
}

/// Brings a deleted environment back.
pub async fn restore(engine: Arc<Engine>, request: ById) -> Result<Environment> {
    let found = engine.core.store.restore_environment(&request.id).await?;
    let environment = found.ok_or_else(|| ApiError::not_found("This environment can no longer be restored"))?;
    engine.noted(JournalKind::Restored, Some(&environment), draft::summary(&environment)).await;
    Ok(environment)
}

/// Allows changes for 15 minutes; answers until when, in milliseconds since 1970.
pub async fn unlock(engine: Arc<Engine>, request: EnvUnlock) -> Result<f64> {
    let environment = engine.environment(&request.id).await?;
    let until = engine.unlock(&environment, request.confirm.as_deref())?;
    engine.noted(JournalKind::Unlocked, Some(&environment), "changes are allowed for 15 minutes".to_owned()).await;
    Ok(until)
}

/// Refuses changes again; answers whether they were allowed.
pub async fn lock(engine: Arc<Engine>, request: ById) -> Result<bool> {
    let environment = engine.environment(&request.id).await?;
    let was = engine.lock(&environment.id);
    if was {
        engine.noted(JournalKind::Locked, Some(&environment), "changes are refused again".to_owned()).await;
    }
    Ok(was)
}

/// Tests the targets of a stored environment, stage by stage.
pub async fn test(engine: Arc<Engine>, request: ById) -> Result<Vec<ConnectionReport>> {
    engine.test_environment(&request.id).await
}

/// Tests the targets of a draft, stage by stage.
pub async fn test_draft(engine: Arc<Engine>, request: TestDraft) -> Result<Vec<ConnectionReport>> {
    engine.test_draft(&request.draft, request.id.as_deref()).await
}

/// Reads an application's `.env` file as a draft.
pub async fn from_dotenv(engine: Arc<Engine>, request: Dotenv) -> Result<Described> {
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

/// Reads an address; its password is not answered.
pub async fn address_parse(_: Arc<Engine>, request: Text) -> Result<AddressInfo> {
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

/// Asks the standard ports of this machine.
pub async fn discover_services(_: Arc<Engine>, _: Empty) -> Result<Vec<FoundService>> {
    let (databases, caches, apis) =
        tokio::join!(perfdeck_database::discover(), perfdeck_cache::discover(), perfdeck_monitor::discover());
    Ok(databases.into_iter().chain(caches).chain(apis).collect())
}

/// Opens the demo as a job.
pub async fn demo_open(engine: Arc<Engine>, _: Empty) -> Result<JobStatus> {
    Ok(engine.open_demo())
}
