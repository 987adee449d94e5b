//! Secrets: the operating system's keychain, a passphrase-encrypted file, or this run's memory. Never plain text,
//! never silently: [`SecretVault::status`] says where a secret goes before it is entered.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use argon2::Argon2;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use perfdeck_model::{ApiError, ErrorCode, SecretSource, Sensitive};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use zeroize::Zeroizing;

use crate::core::store::restrict;

/// Debug and release builds do not share keychain entries.
const SERVICE: &str = if cfg!(debug_assertions) { "perfdeck-dev" } else { "perfdeck" };
const MAGIC: &[u8] = b"perfdeck-secrets-1\n";
const FILE: &str = "secrets.enc";

/// Store that new secrets go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VaultKind {
    /// The operating system's keychain.
    Keychain,
    /// The passphrase-encrypted file.
    File,
    /// Memory, until Perfdeck ends.
    Session,
}

impl VaultKind {
    /// The store that a word of `PERFDECK_SECRET_STORE` names.
    fn chosen(word: &str) -> Result<Self, ApiError> {
        match word {
            "keychain" => Ok(Self::Keychain),
            "file" => Ok(Self::File),
            "session" => Ok(Self::Session),
            _ => Err(ApiError::bad_request("PERFDECK_SECRET_STORE is set to something that is not a store of secrets")
                .hint("Set it to keychain, file or session, in small letters, or do not set it")),
        }
    }
}

/// A setting of this process; an empty one is as good as none.
fn variable(name: &str) -> Result<Option<String>, ApiError> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.into_string().map_err(|_| {
        ApiError::bad_request(format!("{name} is not text in UTF-8")).hint("Set it to a text, or do not set it")
    })?;
    Ok(Some(text))
}

/// The state of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SecretsStatus {
    /// Store that new secrets go to.
    pub store: VaultKind,
    /// Whether the encrypted file exists and waits for its passphrase.
    pub locked: bool,
}

struct OpenFile {
    key: Zeroizing<[u8; 32]>,
    salt: [u8; 16],
}

struct State {
    kind: VaultKind,
    session: HashMap<String, Sensitive>,
    /// Of environments that are not stored; they never go anywhere else.
    process: HashMap<String, Sensitive>,
    /// Read from files and not saved yet, by a number that nobody can guess.
    held: HashMap<String, Sensitive>,
    file: Option<OpenFile>,
    /// Why `PERFDECK_PASSPHRASE` does not open the file.
    unfit: Option<ApiError>,
}

impl State {
    fn new(kind: VaultKind) -> Self {
        Self { kind, session: HashMap::new(), process: HashMap::new(), held: HashMap::new(), file: None, unfit: None }
    }

    fn of_this_run(&self, key: &str) -> Option<Sensitive> {
        self.process.get(key).or_else(|| self.session.get(key)).cloned()
    }

    /// Why the file cannot be used now.
    fn locked(&self) -> ApiError {
        match &self.unfit {
            Some(why) if why.code == ErrorCode::Authentication => ApiError::new(
                ErrorCode::SecretMissing,
                "Wrong passphrase: PERFDECK_PASSPHRASE does not open the secrets file",
            )
            .hint("Set the passphrase that the file was made with, or unlock it in Settings; the file is unchanged"),
            Some(why) => ApiError {
                code: ErrorCode::SecretMissing,
                message: format!("The secrets file is locked: {}", why.message),
                ..why.clone()
            },
            None => ApiError::new(ErrorCode::SecretMissing, "The secrets file is locked")
                .hint("Unlock it in Settings, or set PERFDECK_PASSPHRASE"),
        }
    }
}

/// Vault of secrets by key (`environment id / role @ target`, see `bound`).
pub struct SecretVault {
    path: PathBuf,
    state: Mutex<State>,
}

impl std::fmt::Debug for SecretVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretVault").field("path", &self.path).finish_non_exhaustive()
    }
}

fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

impl SecretVault {
    /// Opens the vault of a data folder. `PERFDECK_SECRET_STORE` (`keychain`, `file`, `session`) chooses the store;
    /// `PERFDECK_PASSPHRASE` unlocks the file. Without a choice: the keychain when it answers, else the file when it
    /// is there or a passphrase is given, else this run's memory.
    ///
    /// # Errors
    /// [`ErrorCode::BadRequest`] when one of the two variables is set to something that is not understood: a store must
    /// not be guessed.
    pub(crate) fn open(dir: &Path) -> Result<Self, ApiError> {
        let path = dir.join(FILE);
        let passphrase = variable("PERFDECK_PASSPHRASE")?.map(Zeroizing::new);
        let chosen = variable("PERFDECK_SECRET_STORE")?.map(|word| VaultKind::chosen(&word)).transpose()?;
        let kind = match chosen {
            Some(kind) => kind,
            None if passphrase.is_some() || path.exists() => VaultKind::File,
            None if keychain_answers() => VaultKind::Keychain,
            None => VaultKind::Session,
        };
        let vault = Self { path, state: Mutex::new(State::new(kind)) };
        if let (VaultKind::File, Some(passphrase)) = (kind, passphrase)
            && let Err(error) = vault.unlock(&passphrase)
        {
            tracing::warn!(%error, "the secrets file stays locked");
            vault.state().unfit = Some(error);
        }
        Ok(vault)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// State of the store that new secrets go to.
    pub fn status(&self) -> SecretsStatus {
        let state = self.state();
        SecretsStatus { store: state.kind, locked: state.kind == VaultKind::File && state.file.is_none() }
    }

    /// Opens the encrypted file with its passphrase, or makes a new one with it. From then on new secrets go there.
    ///
    /// # Errors
    /// [`ErrorCode::Authentication`] for a wrong passphrase, [`ErrorCode::Storage`] when the file cannot be read.
    pub fn unlock(&self, passphrase: &str) -> Result<(), ApiError> {
        if passphrase.len() < 8 && !self.path.exists() {
            return Err(ApiError::bad_request("The passphrase of a new secrets file is too short")
                .hint("Use at least 8 characters"));
        }
        let salt = match std::fs::read(&self.path) {
            Ok(bytes) => bytes
                .strip_prefix(MAGIC)
                .and_then(|b| b.first_chunk::<16>().copied())
                .ok_or_else(|| damaged(&self.path))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => random(),
            Err(e) => return Err(io(&self.path, &e)),
        };
        let mut key = Zeroizing::new([0u8; 32]);
        Argon2::default()
            .hash_password_into(passphrase.as_bytes(), &salt, &mut *key)
            .map_err(|e| ApiError::internal(format!("The passphrase could not be used: {e}")))?;
        let file = OpenFile { key, salt };
        let map = self.read(&file)?;
        let mut state = self.state();
        state.kind = VaultKind::File;
        // Secrets entered earlier in this run move into the file, so that unlocking loses none.
        let moved: Vec<(String, Sensitive)> = state.session.drain().collect();
        let mut map = map;
        map.extend(moved.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())));
        self.write(&file, &map)?;
        state.file = Some(file);
        state.unfit = None;
        Ok(())
    }

    fn read(&self, file: &OpenFile) -> Result<HashMap<String, String>, ApiError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(e) => return Err(io(&self.path, &e)),
        };
        let body = bytes.strip_prefix(MAGIC).filter(|b| b.len() > 40).ok_or_else(|| damaged(&self.path))?;
        let (nonce, sealed) = body[16..].split_at(24);
        let plain = XChaCha20Poly1305::new(file.key.as_slice().into())
            .decrypt(XNonce::from_slice(nonce), sealed)
            .map_err(|_| {
                ApiError::new(ErrorCode::Authentication, "Wrong passphrase: it does not open the secrets file")
                    .hint("Try again; the file is unchanged")
            })?;
        let plain = Zeroizing::new(plain);
        serde_json::from_slice(&plain).map_err(|_| damaged(&self.path))
    }

    fn write(&self, file: &OpenFile, map: &HashMap<String, String>) -> Result<(), ApiError> {
        let plain = Zeroizing::new(serde_json::to_vec(map).unwrap_or_default());
        let nonce = random::<24>();
        let sealed = XChaCha20Poly1305::new(file.key.as_slice().into())
            .encrypt(XNonce::from_slice(&nonce), plain.as_slice())
            .map_err(|_| ApiError::internal("The secrets file could not be encrypted"))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&file.salt);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        write_atomically(&self.path, &bytes)
    }

    /// Why nothing can be kept now that is to outlive this run; `None` where it can.
    pub(crate) fn why_locked(&self) -> Option<ApiError> {
        let state = self.state();
        (state.kind == VaultKind::File && state.file.is_none()).then(|| state.locked())
    }

    /// Stores a secret and says where it went.
    ///
    /// # Errors
    /// When the store refuses; nothing is kept elsewhere instead, except that a keychain that stopped answering
    /// falls back to this run's memory and the answer says so.
    pub(crate) async fn set(&self, key: &str, secret: Sensitive) -> Result<SecretSource, ApiError> {
        let kind = self.state().kind;
        match kind {
            VaultKind::Keychain => {
                let (k, s) = (key.to_owned(), secret.clone());
                let stored = blocking(move || keyring::Entry::new(SERVICE, &k)?.set_password(s.expose())).await;
                match stored {
                    Ok(()) => return Ok(SecretSource::Keychain),
                    Err(error) => tracing::warn!(%error, "keychain; the secret is kept for this run only"),
                }
                self.state().session.insert(key.to_owned(), secret);
                Ok(SecretSource::Session)
            }
            VaultKind::File => {
                let state = self.state();
                let Some(file) = &state.file else { return Err(state.locked()) };
                let mut map = self.read(file)?;
                map.insert(key.to_owned(), secret.expose().to_owned());
                self.write(file, &map)?;
                Ok(SecretSource::File)
            }
            VaultKind::Session => {
                self.state().session.insert(key.to_owned(), secret);
                Ok(SecretSource::Session)
            }
        }
    }

    /// Holds a secret that was read from a file until it is saved; answers what it is held under.
    pub(crate) fn hold(&self, secret: Sensitive) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let mut state = self.state();
        // A form that is opened again and again forgets its older drafts.
        if state.held.len() >= 100 {
            state.held.clear();
        }
        state.held.insert(id.clone(), secret);
        id
    }

    /// A secret that is held.
    pub(crate) fn held(&self, id: &str) -> Option<Sensitive> {
        self.state().held.get(id).cloned()
    }

    /// Keeps a secret of an environment that is not stored, in memory.
    pub(crate) fn set_for_process(&self, key: &str, secret: Sensitive) {
        self.state().process.insert(key.to_owned(), secret);
    }

    /// Secret as [`SecretVault::get`] gives it; what earlier versions kept under `old` is moved to `key`.
    ///
    /// # Errors
    /// As [`SecretVault::get`].
    pub(crate) async fn get_or_move(
        &self,
        key: &str,
        old: &str,
        source: &SecretSource,
    ) -> Result<Option<Sensitive>, ApiError> {
        let missing = match self.get(key, source).await {
            Err(error) if matches!(source, SecretSource::Keychain | SecretSource::File) => error,
            found => return found,
        };
        let Ok(Some(secret)) = self.get(old, source).await else { return Err(missing) };
        match self.set(key, secret.clone()).await {
            // Kept where it was found, or it would be gone with this run.
            Ok(kept) if kept == *source => self.forget(old).await,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a secret stays under its old key"),
        }
        Ok(Some(secret))
    }

    /// The secret of a target, or `None` when it needs none.
    ///
    /// # Errors
    /// [`ErrorCode::SecretMissing`] when it needs one that is not available now, with what to do.
    pub(crate) async fn get(&self, key: &str, source: &SecretSource) -> Result<Option<Sensitive>, ApiError> {
        let missing = |hint: &str| {
            Err(ApiError::new(ErrorCode::SecretMissing, "The password of this target is not available").hint(hint))
        };
        match source {
            SecretSource::None => Ok(None),
            SecretSource::Env { name } => match std::env::var(name) {
                Ok(value) if value.is_empty() => {
                    let what = format!("The variable {name}, which has the password of this target, is empty");
                    Err(ApiError::new(ErrorCode::SecretMissing, what)
                        .hint("Set it and start Perfdeck again, or edit the environment so that it has no password"))
                }
                Ok(value) => Ok(Some(Sensitive::new(value))),
                Err(_) => missing(&format!("Set the environment variable {name} and start Perfdeck again")),
            },
            SecretSource::Session => match self.state().of_this_run(key) {
                Some(secret) => Ok(Some(secret)),
                None => missing("It was kept for an earlier run only; enter it again in the environment's settings"),
            },
            SecretSource::File => {
                let state = self.state();
                let Some(file) = &state.file else { return Err(state.locked()) };
                match self.read(file)?.remove(key) {
                    Some(secret) => Ok(Some(Sensitive::new(secret))),
                    None => missing("Enter it again in the environment's settings"),
                }
            }
            SecretSource::Keychain => {
                let k = key.to_owned();
                match blocking(move || keyring::Entry::new(SERVICE, &k)?.get_password()).await {
                    Ok(secret) => Ok(Some(Sensitive::new(secret))),
                    Err(keyring::Error::NoEntry) => missing("Enter it again in the environment's settings"),
                    Err(error) => {
                        tracing::warn!(%error, "keychain");
                        missing("Unlock the keychain and try again")
                    }
                }
            }
        }
    }

    /// Forgets a secret; one that is not there is forgotten already.
    pub(crate) async fn forget(&self, key: &str) {
        let kind = {
            let mut state = self.state();
            state.session.remove(key);
            state.process.remove(key);
            if let Some(file) = &state.file
                && let Ok(mut map) = self.read(file)
                && map.remove(key).is_some()
                && let Err(error) = self.write(file, &map)
            {
                tracing::warn!(%error, "a secret could not be removed from the file");
            }
            state.kind
        };
        if kind == VaultKind::Keychain {
            let k = key.to_owned();
            let _ = blocking(move || keyring::Entry::new(SERVICE, &k)?.delete_credential()).await;
        }
    }
}

fn damaged(path: &Path) -> ApiError {
    ApiError::new(ErrorCode::Storage, format!("The secrets file {} is damaged and was left as it is", path.display()))
        .hint("Move it aside and enter the passwords again")
}

fn io(path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(ErrorCode::Storage, format!("{}: {error}", path.display()))
        .hint("Check free space and permissions; what was saved before is intact")
}

/// Replaces a file in one step, so that a killed process leaves the old or the new content, never half of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ApiError> {
    use std::io::Write;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(|e| io(dir, &e))?;
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let result = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        restrict(&temporary, 0o600);
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    result.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        io(path, &e)
    })
}

/// The keychain's client blocks and may start a runtime of its own, so it never runs on ours.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, keyring::Error> + Send + 'static,
) -> Result<T, keyring::Error> {
    let task = tokio::task::spawn_blocking(f);
    match tokio::time::timeout(std::time::Duration::from_secs(5), task).await {
        Ok(Ok(result)) => result,
        _ => Err(keyring::Error::PlatformFailure("the keychain did not answer within 5 s".into())),
    }
}

/// Whether this machine has a keychain that answers without asking.
fn keychain_answers() -> bool {
    if cfg!(target_os = "linux") && std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return false;
    }
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let answer = keyring::Entry::new(SERVICE, "probe").and_then(|e| match e.get_password() {
            Err(keyring::Error::NoEntry) => Ok(String::new()),
            other => other,
        });
        let _ = send.send(answer.is_ok());
    });
    receive.recv_timeout(std::time::Duration::from_secs(2)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(dir: &Path, kind: VaultKind) -> SecretVault {
        SecretVault { path: dir.join(FILE), state: Mutex::new(State::new(kind)) }
    }

    #[tokio::test]
    async fn the_encrypted_file_keeps_secrets_over_runs_and_never_in_plain_text() {
        let dir = tempfile::tempdir().expect("temp dir");
        let v = vault(dir.path(), VaultKind::File);
        assert!(v.set("e/database", Sensitive::new("canary-7f3a")).await.is_err(), "a locked file takes no secrets");
        v.unlock("correct horse").expect("a new file takes any passphrase");
        assert_eq!(
            v.set("e/database", Sensitive::new("canary-7f3a")).await.expect("set"),
            SecretSource::File,
            "kept in the file"
        );
        let bytes = std::fs::read(dir.path().join(FILE)).expect("file");
        assert!(!bytes.windows(11).any(|w| w == b"canary-7f3a"), "the file has no plain text");

        let again = vault(dir.path(), VaultKind::File);
        let wrong = again.unlock("wrong horse").expect_err("a wrong passphrase is refused");
        assert_eq!(wrong.code, ErrorCode::Authentication, "and is told apart from damage");
        again.unlock("correct horse").expect("the right passphrase opens it");
        let got = again.get("e/database", &SecretSource::File).await.expect("get").expect("there");
        assert_eq!(got.expose(), "canary-7f3a", "the secret survived the run");
    }

    #[tokio::test]
    async fn a_passphrase_that_opens_nothing_says_why() {
        let dir = tempfile::tempdir().expect("temp dir");
        let v = vault(dir.path(), VaultKind::File);
        assert_eq!(v.why_locked().map(|e| e.message).as_deref(), Some("The secrets file is locked"));
        let short = v.unlock("short").expect_err("too short for a new file");
        v.state().unfit = Some(short);
        let error = v.set("e/database", Sensitive::new("s")).await.expect_err("locked");
        assert!(error.message.contains("too short"), "{error:?}");
        assert!(error.hint.as_deref().is_some_and(|h| h.contains("8 characters")), "{error:?}");
        v.unlock("long enough").expect("a new file");
        assert!(v.why_locked().is_none(), "it is open");
    }

    #[test]
    fn a_store_is_chosen_by_its_word_or_refused() {
        for (word, kind) in
            [("keychain", VaultKind::Keychain), ("file", VaultKind::File), ("session", VaultKind::Session)]
        {
            assert_eq!(VaultKind::chosen(word), Ok(kind), "{word}");
        }
        for word in ["vault", "FILE", "File", " file", "keychian", "none", "memory", "1"] {
            let error = VaultKind::chosen(word).expect_err(word);
            let hint = error.hint.unwrap_or_default();
            assert!(
                error.code == ErrorCode::BadRequest && hint.contains("keychain, file or session"),
                "{word}: {hint}"
            );
        }
    }

    #[tokio::test]
    async fn a_session_secret_says_what_to_do_in_the_next_run() {
        let dir = tempfile::tempdir().expect("temp dir");
        let v = vault(dir.path(), VaultKind::Session);
        let source = v.set("k", Sensitive::new("s")).await.expect("set");
        assert_eq!(source, SecretSource::Session, "the answer says it is for this run only");
        let next = vault(dir.path(), VaultKind::Session);
        let error = next.get("k", &source).await.expect_err("the next run does not have it");
        assert_eq!((error.code, error.hint.is_some()), (ErrorCode::SecretMissing, true), "and says what to do");
    }
}
