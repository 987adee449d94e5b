//! What a change keeps of a key is the user's data: it is stored encrypted, with a key of the day that the vault keeps. Where the vault
//! keeps none, what is stored can be read in this run only.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use perfdeck_model::{ApiError, ErrorCode, SecretSource, Sensitive};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Engine;
use crate::core::vault::VaultKind;

/// Length of a nonce.
const NONCE: usize = 24;
/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;
/// Days for which what was sealed can be read.
pub(super) const KEPT_DAYS: f64 = 30.0;
/// What the names of its keys begin with; the day follows.
const KEY: &str = "cache-edits/";

/// A plan as the store has it.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Name of the key in the vault.
    key: String,
    /// Where the vault keeps it.
    kept: SecretSource,
    /// Nonce and ciphertext, in Base64.
    sealed: String,
    /// What must be typed before it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agree: Option<String>,
}

fn unreadable() -> ApiError {
    ApiError::new(
        ErrorCode::SecretMissing,
        "What this change knows of its key cannot be read: it was encrypted for an earlier run of Perfdeck, or the vault is locked",
    )
    .hint("Unlock the keychain or the secrets file. To undo edits in later runs keep secrets in one: PERFDECK_SECRET_STORE=keychain or file")
}

fn cipher(secret: &Sensitive) -> Result<XChaCha20Poly1305, ApiError> {
    let bytes = STANDARD.decode(secret.expose()).map_err(|_| unreadable())?;
    XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| unreadable())
}

fn this_day(engine: &Engine) -> f64 {
    (engine.core.clock.now_ms() / DAY).floor()
}

/// Whether the time is over of what was sealed with a key.
fn is_over(engine: &Engine, key: &str) -> bool {
    let day = key.strip_prefix(KEY).and_then(|day| day.parse::<f64>().ok());
    day.is_some_and(|day| this_day(engine) - day > KEPT_DAYS)
}

fn over() -> ApiError {
    ApiError::new(
        ErrorCode::SecretMissing,
        "What this edit knows of its key expired: it is kept for 30 days, and then it can neither be written nor undone",
    )
    .hint("Plan it anew")
}

impl Engine {
    /// Removes the keys of edits whose time is over, so that nobody reads them any more; they cannot be undone then.
    pub(crate) async fn forget_edits(&self) -> Result<(), ApiError> {
        let mut keys = std::collections::BTreeSet::new();
        for stored in self.core.store.changes(None).await? {
            if let (true, Some(key)) = (stored.change.kind == super::edit::CACHE_EDIT, stored.own()["key"].as_str())
                && is_over(self, key)
            {
                keys.insert(key.to_owned());
            }
        }
        for key in keys {
            if !self.cache.edits_over(&key) {
                continue;
            }
            self.core.vault.forget(&key).await;
            let why = "What it was expired after 30 days: it cannot be undone any more";
            self.forget_undo(super::edit::CACHE_EDIT, why, |plan| plan["key"] == key.as_str()).await?;
        }
        Ok(())
    }
}

/// The key of today, made where there is none, and where it is kept.
async fn today(engine: &Engine) -> Result<(String, SecretSource, Sensitive), ApiError> {
    let name = format!("{KEY}{:.0}", this_day(engine));
    let vault = &engine.core.vault;
    let status = vault.status();
    let source = match status.store {
        VaultKind::Keychain => SecretSource::Keychain,
        VaultKind::File if !status.locked => SecretSource::File,
        VaultKind::File | VaultKind::Session => SecretSource::Session,
    };
    for source in [source, SecretSource::Session] {
        if let Ok(Some(secret)) = vault.get(&name, &source).await {
            return Ok((name, source, secret));
        }
    }
    let secret = Sensitive::new(STANDARD.encode(rand::random::<[u8; 32]>()));
    let kept = match vault.set(&name, secret.clone()).await {
        Ok(kept) => kept,
        Err(_) => {
            vault.set_for_process(&name, secret.clone());
            SecretSource::Session
        }
    };
    Ok((name, kept, secret))
}

/// What must be typed before a plan is done. One that cannot be read is not done either.
pub(super) fn agree(plan: &Value) -> Option<String> {
    Sealed::deserialize(plan).ok()?.agree
}

/// Encrypts a plan; tells whether it can be read in this run only. What must be typed before it is done is not encrypted.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn seal(
    engine: &Engine,
    plan: &impl Serialize,
    agree: Option<String>,
) -> Result<(Value, bool), ApiError> {
    let (key, kept, secret) = today(engine).await?;
    let json = serde_json::to_vec(plan).map_err(|_| ApiError::internal("The plan could not be written"))?;
    let nonce: [u8; NONCE] = rand::random();
    let sealed = cipher(&secret)?.encrypt(&XNonce::from(nonce), json.as_slice());
    let sealed = sealed.map_err(|_| ApiError::internal("The plan could not be encrypted"))?;
    let this_run_only = kept == SecretSource::Session;
    let sealed = STANDARD.encode([nonce.as_slice(), &sealed].concat());
    let sealed = Sealed { key, kept, sealed, agree };
    let value = serde_json::to_value(sealed).map_err(|e| ApiError::internal(e.to_string()))?;
    Ok((value, this_run_only))
}

/// Reads a plan, and whether it can be read in this run only.
///
/// # Errors
/// [`ErrorCode::SecretMissing`] when its key is gone.
pub(super) async fn unseal<T: DeserializeOwned>(engine: &Engine, plan: &Value) -> Result<(T, bool), ApiError> {
    let sealed: Sealed = serde_json::from_value(plan.clone())
        .map_err(|_| ApiError::new(ErrorCode::Storage, "The stored plan of this change cannot be read"))?;
    if is_over(engine, &sealed.key) {
        return Err(over());
    }
    let secret = engine.core.vault.get(&sealed.key, &sealed.kept).await.ok().flatten().ok_or_else(unreadable)?;
    let bytes = STANDARD.decode(&sealed.sealed).map_err(|_| unreadable())?;
    let (nonce, text) = bytes.split_first_chunk::<NONCE>().ok_or_else(unreadable)?;
    let json = cipher(&secret)?.decrypt(&XNonce::from(*nonce), text).map_err(|_| unreadable())?;
    let plan = serde_json::from_slice(&json).map_err(|_| unreadable())?;
    Ok((plan, sealed.kept == SecretSource::Session))
}
