//! The front end: its packages and its build.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
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

/// Builds `ui/dist`, which the app and `perfctl serve` embed, unless it was built from exactly these sources: a new
/// build has new times and would have every program that embeds it compiled again.
pub(crate) fn build() -> Outcome {
    install()?;
    let stamp = root().join("ui/node_modules/.perfdeck-built");
    let sources = sources();
    let there = root().join("ui/dist/index.html").exists();
    if there && std::fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
        return Ok(());
    }
    run(npm().args(["run", "build"]))?;
    std::fs::write(&stamp, sources).map_err(|error| format!("writing {}: {error}", stamp.display()).into())
}

/// A fingerprint of everything the build reads.
fn sources() -> String {
    let ui = root().join("ui");
    let mut open: Vec<PathBuf> = ["src", "public", "scripts"].iter().map(|name| ui.join(name)).collect();
    let names =
        ["index.html", "package.json", "package-lock.json", "vite.config.ts", "svelte.config.js", "tsconfig.json"];
    let mut files: Vec<PathBuf> = names.iter().map(|name| ui.join(name)).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        (file.strip_prefix(&ui).unwrap_or(file), std::fs::read(file).unwrap_or_default()).hash(&mut hasher);
    }
    format!("{:016x} {} files", hasher.finish(), files.len())
}

/// Whether `ui/package.json` has a script of this name.
pub(crate) fn has_script(name: &str) -> bool {
    std::fs::read_to_string(root().join("ui/package.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|package| package["scripts"][name].is_string())
}
