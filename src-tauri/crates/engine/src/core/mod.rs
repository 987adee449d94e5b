//! Base that all features stand on: the store, secrets, jobs, viewers, the journal, guards, changes of targets.
pub(crate) mod access;
pub(crate) mod cache_templates;
pub(crate) mod changes;
pub mod commands;
pub(crate) mod deleted;
pub(crate) mod door;
pub(crate) mod evidence;
pub(crate) mod guards;
pub(crate) mod housekeeping;
pub(crate) mod hub;
pub(crate) mod jobs;
pub(crate) mod journal;
pub mod logs;
pub(crate) mod signals;
pub(crate) mod statement_source;
pub(crate) mod store;
pub(crate) mod vault;

use std::path::PathBuf;
use std::sync::Arc;

use perfdeck_model::{ApiError, Clock, Machine, SystemClock, Tag};
use tokio_util::sync::CancellationToken;

use self::hub::Hub;
use self::jobs::Jobs;
use self::store::Store;
use self::vault::SecretVault;
use crate::EngineOptions;

/// State that belongs to no feature.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) vault: SecretVault,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_dir: PathBuf,
    pub(crate) hub: Arc<Hub>,
    pub(crate) jobs: Jobs,
    pub(crate) machine: Machine,
    pub(crate) unlocks: guards::Unlocks,
    pub(crate) asked: evidence::Asked,
    pub(crate) kinds: changes::Kinds,
    pub(crate) stopped: CancellationToken,
}

/// The data folder used when none is named.
fn default_data_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PERFDECK_DATA_DIR").filter(|d| !d.is_empty()) {
        return PathBuf::from(dir);
    }
    directories::ProjectDirs::from("io", "perfdeck", "Perfdeck")
        .map_or_else(|| PathBuf::from(".perfdeck"), |d| d.data_dir().to_owned())
}

impl Core {
    /// Opens the store and the vault; `kinds` are the kinds of changes that the features know.
    ///
    /// # Errors
    /// As [`crate::Engine::open`].
    pub(crate) async fn open(
        options: EngineOptions,
        kinds: Vec<Box<dyn changes::ChangeKind>>,
    ) -> Result<Self, ApiError> {
        let data_dir = options.data_dir.unwrap_or_else(default_data_dir);
        let clock = options.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let store = Store::open(&data_dir).await?;
        let vault = {
            let dir = data_dir.clone();
            tokio::task::spawn_blocking(move || SecretVault::open(&dir))
                .await
                .map_err(|e| ApiError::internal(format!("The secret store could not be opened: {e}")))??
        };
        let stopped = CancellationToken::new();
        let hub = Arc::new(Hub::new(clock.clone(), stopped.clone()));
        Ok(Self {
            jobs: Jobs::new(clock.clone(), hub.clone()),
            hub,
            store,
            vault,
            clock,
            data_dir,
            machine: perfdeck_monitor::machine(env!("CARGO_PKG_VERSION")),
            unlocks: guards::Unlocks::default(),
            asked: evidence::Asked::default(),
            kinds: changes::Kinds::new(kinds),
            stopped,
        })
    }

    /// Tells viewers what is to be read again.
    pub(crate) fn changed(&self, tags: &[Tag]) {
        self.hub.changed(tags);
    }
}
