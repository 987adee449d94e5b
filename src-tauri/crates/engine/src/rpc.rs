//! Commands: each is declared once, in the table of its feature. The shell's IPC, the server's RPC and the TypeScript
//! bindings all come from these tables; `perfctl` calls the same functions.
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use perfdeck_model::{Access, ApiError, CommandInfo, ErrorCode, Topic, WireFrame, masking};
use serde_json::Value;
use ts_rs::TS;

use crate::Engine;
use crate::table::{Command, Reply, Result, Types};

/// One list of features makes both lists, so that no command is without its types.
macro_rules! tables {
    ($($($part:ident)::+),* $(,)?) => {
        /// The tables of all features, in the order of the bindings.
        const TABLES: &[&[Command]] = &[$(crate::$($part)::+::TABLE),*];
        /// Their types, in the same order.
        const TYPES: &[&[Types]] = &[$(crate::$($part)::+::TYPES),*];
    };
}

tables! {
    core::commands,
    core::changes::commands,
    features::environments::commands,
    features::monitoring::commands,
    features::database::commands,
    features::cache::look::commands,
    features::cache::take::commands,
    features::bench::commands,
    features::bench::cost::commands,
    features::bench::pool_size::commands,
    features::cache::map::commands,
    features::reports::commands,
    features::cache::keys::commands,
}

/// Every command, in the order of declaration.
pub static COMMANDS: LazyLock<Vec<CommandInfo>> = LazyLock::new(|| all().map(|command| command.info.clone()).collect());

fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

async fn call(engine: &Arc<Engine>, name: &str, params: Value) -> Result<Reply> {
    match all().find(|command| command.info.name == name) {
        Some(command) => (command.call)(engine.clone(), params).await,
        None => Err(ApiError::not_found(format!("There is no command '{}'", masking::shown(name)))),
    }
}

/// Writes the TypeScript bindings of all commands and of what they exchange into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn export_bindings(dir: &Path) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let config = ts_rs::Config::new().with_large_int("number").with_out_dir(dir);
    WireFrame::export_all(&config)?;
    Topic::export_all(&config)?;
    let mut signatures = Vec::new();
    for command in TYPES.iter().copied().flatten() {
        (command.export)(&config)?;
        let (request, answer) = (command.signature)(&config);
        signatures.push((command.name, request, answer));
    }
    crate::bindings::write_commands(dir, &signatures)
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
                let text = crate::core::logs::panic_words(&*panic);
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
                return crate::core::access::READS_ONLY.scope(true, self.dispatch(name, params)).await;
            }
        };
        Err(ApiError::new(ErrorCode::Guarded, format!("This link only reads, and '{name}' {what}"))
            .hint("Open the URL with full access that was printed when serving began"))
    }
}
