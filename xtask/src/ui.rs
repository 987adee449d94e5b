//! The front end: its packages and its build.
use std::process::Command;

use crate::process::{command, run};
use crate::{Outcome, root};

/// `npm` in `ui/`.
pub(crate) fn npm() -> Command {
    let mut npm = command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(root().join("ui"));
    npm
}

/// Installs the packages of the lock file, unless exactly these are installed.
pub(crate) fn install() -> Outcome {
    let ui = root().join("ui");
    let read = |name: &str| std::fs::read(ui.join(name)).unwrap_or_default();
    let lock = read("package-lock.json");
    if !lock.is_empty() && lock == read("node_modules/.perfdeck-lock.json") {
        return Ok(());
    }
    run(npm().args(["ci", "--no-audit", "--no-fund"]))?;
    // Written last: an interrupted installation is done again.
    std::fs::write(ui.join("node_modules/.perfdeck-lock.json"), lock)
        .map_err(|error| format!("writing ui/node_modules/.perfdeck-lock.json: {error}").into())
}

/// Builds `ui/dist`, which the app and `perfctl serve` embed.
pub(crate) fn build() -> Outcome {
    install()?;
    run(npm().args(["run", "build"]))
}

/// Whether `ui/package.json` has a script of this name.
pub(crate) fn has_script(name: &str) -> bool {
    std::fs::read_to_string(root().join("ui/package.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|package| package["scripts"][name].is_string())
}
