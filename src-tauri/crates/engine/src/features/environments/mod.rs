//! Environments: stored, of one process only, read from files; their targets and secrets.
pub(crate) mod bound;
mod builtin;
pub mod commands;
mod connections;
pub(crate) mod dotenv;
mod draft;
mod editing;
pub(crate) mod process_only;
pub(crate) mod sentinels;
mod sources;
mod store;
pub(crate) mod targets;

/// State that environments keep while the engine runs.
#[derive(Default)]
pub(crate) struct State {
    /// Environments that are not stored.
    pub(crate) process_only: process_only::ProcessOnly,
    /// The demo, once it is open: whoever looks at it waits for nobody.
    pub(crate) demo: std::sync::Mutex<Option<std::sync::Arc<perfdeck_demo::Demo>>>,
    /// Held while it is built, and while it ends.
    pub(crate) building: tokio::sync::Mutex<()>,
}
