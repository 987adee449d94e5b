//! What an invalidation came to: counts in a file beside its snapshot, and the key of both in the vault.
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use perfdeck_cache::take::{FileKey, Snapshot};
use perfdeck_model::{ApiError, ErrorCode, InvalidationStage, RestoredKeys, SecretSource, Sensitive, TakenKeys};
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::core::vault::write_atomically;

/// Folder of the files, in the data folder.
const FOLDER: &str = "invalidations";
/// Longest that a snapshot may become, in bytes.
pub(super) const CAP: u64 = 2 << 30;
/// Time for which one is kept, in milliseconds.
pub(super) const KEPT_MS: f64 = 24.0 * 3_600_000.0;

/// What an invalidation came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) stage: InvalidationStage,
    /// Where the key of its files is; none when it has none.
    pub(super) key: Option<SecretSource>,
    pub(super) taken: Option<TakenKeys>,
    pub(super) restored: Option<RestoredKeys>,
    /// When it was planned, in milliseconds since the Unix epoch.
    pub(super) made_ms: f64,
    /// When its files are removed.
    pub(super) until_ms: Option<f64>,
}

impl Book {
    /// Whether the time of its snapshot is over, removed already or not.
    pub(super) fn is_over(&self, now_ms: f64) -> bool {
        let taken = matches!(self.stage, InvalidationStage::Taking | InvalidationStage::Taken);
        self.until_ms.map_or(taken && self.key.is_none(), |until| until <= now_ms)
    }
}

/// Name of the key in the vault.
fn secret(token: &str) -> String {
    format!("invalidation/{token}")
}

/// The files of one invalidation.
pub(super) struct Files {
    folder: PathBuf,
    token: String,
}

impl Files {
    pub(super) fn of(data_dir: &Path, token: &str) -> Self {
        Self { folder: data_dir.join(FOLDER), token: token.to_owned() }
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", self.token))
    }

    /// Where the names of a list are.
    pub(super) fn names(&self) -> PathBuf {
        self.file("names")
    }

    pub(super) fn snapshot(&self) -> PathBuf {
        self.file("keys")
    }

    /// What stands in the book, which each plan has.
    pub(super) fn read(&self) -> Result<Book, ApiError> {
        let path = self.file("json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                ApiError::new(ErrorCode::Storage, format!("{} is damaged", path.display())).hint(
                    "What was removed is in the file beside it; nothing is done with it until the file is repaired",
                )
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let kept = if self.snapshot().exists() {
                    "The keys that were removed are still in the file beside it, which only its record opens"
                } else {
                    "Whether anything was removed is not known any more"
                };
                Err(ApiError::new(ErrorCode::Storage, format!("{} is gone", path.display()))
                    .hint(format!("{kept}: put it back from a copy of the data folder")))
            }
            Err(e) => Err(ApiError::new(ErrorCode::Storage, format!("{}: {e}", path.display()))),
        }
    }

    pub(super) fn write(&self, book: &Book) -> Result<(), ApiError> {
        let bytes = serde_json::to_vec(book).map_err(|e| ApiError::internal(e.to_string()))?;
        write_atomically(&self.file("json"), &bytes)
    }

    fn remove(&self, what: &str) {
        let path = self.file(what);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a file of an invalidation could not be removed");
        }
    }
}

impl Engine {
    /// Makes the key of an invalidation's files; answers it and where it is kept.
    pub(super) async fn make_key(&self, token: &str) -> Result<(FileKey, SecretSource), ApiError> {
        let key = FileKey::random();
        let source = self.core.vault.set(&secret(token), Sensitive::new(STANDARD.encode(key.0))).await?;
        Ok((key, source))
    }

    /// The key of an invalidation's files.
    ///
    /// # Errors
    /// [`ErrorCode::SecretMissing`] when it was kept for another run, or cannot be had now.
    pub(super) async fn file_key(&self, token: &str, source: Option<&SecretSource>) -> Result<FileKey, ApiError> {
        let gone = || {
            ApiError::new(ErrorCode::SecretMissing, "The key of this invalidation's snapshot is not available")
                .hint("It was kept for the run that took the keys, or the keychain or secrets file is locked now: unlock it and try again")
        };
        let source = source.ok_or_else(gone)?;
        let text = self.core.vault.get(&secret(token), source).await.map_err(|_| gone())?.ok_or_else(gone)?;
        let bytes = STANDARD.decode(text.expose()).map_err(|_| gone())?;
        Ok(FileKey(bytes.try_into().map_err(|_| gone())?))
    }

    /// The snapshot of an invalidation.
    pub(super) async fn snapshot(&self, token: &str, book: &Book) -> Result<Snapshot, ApiError> {
        let key = self.file_key(token, book.key.as_ref()).await?;
        Ok(Snapshot { path: Files::of(&self.core.data_dir, token).snapshot(), key, cap: CAP })
    }

    /// Removes what was kept of an invalidation, and the key first: what is left of a file is then nobody's to read.
    pub(super) async fn forget_files(&self, token: &str) {
        self.core.vault.forget(&secret(token)).await;
        let files = Files::of(&self.core.data_dir, token);
        files.remove("keys");
        files.remove("names");
    }

    /// Removes snapshots whose time is over; their changes cannot be undone any more.
    pub(crate) async fn forget_snapshots(&self) -> Result<(), ApiError> {
        let folder = self.core.data_dir.join(FOLDER);
        let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(()) };
        let now = self.core.clock.now_ms();
        for entry in entries.flatten() {
            let path = entry.path();
            let (Some(token), Some("json")) =
                (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|e| e.to_str()))
            else {
                continue;
            };
            let files = Files::of(&self.core.data_dir, token);
            let Ok(mut book) = files.read() else { continue };
            let never = book.stage == InvalidationStage::Planned && now - book.made_ms > KEPT_MS;
            // The record of what was never applied says so, for as long as its change is listed.
            if never {
                if files.names().exists() || book.key.is_some() {
                    self.forget_files(token).await;
                }
                continue;
            }
            if book.until_ms.is_none_or(|until| until > now) {
                continue;
            }
            self.forget_files(token).await;
            (book.until_ms, book.key) = (None, None);
            files.write(&book)?;
            let why = "Its snapshot expired after 24 h and was removed: it cannot be undone any more";
            self.forget_undo(super::kind::INVALIDATE, why, |plan| plan["token"] == token).await?;
        }
        Ok(())
    }
}
