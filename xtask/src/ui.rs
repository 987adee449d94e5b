//! The front end: its packages and its build.
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

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

/// What a `package.json` says, as far as it is used here.
#[derive(Deserialize)]
struct PackageJson {
    #[serde(default)]
    version: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

fn package_json(folder: &str) -> Outcome<PackageJson> {
    let file = root().join("ui").join(folder).join("package.json");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Whether `ui/package.json` has a script of this name.
pub(crate) fn has_script(name: &str) -> bool {
    package_json("").is_ok_and(|package| package.scripts.contains_key(name))
}

/// Packages whose code or fonts are in the built front end, with what they depend on themselves.
pub(crate) fn shipped() -> Outcome<BTreeSet<String>> {
    // Svelte compiles itself into the pages.
    let mut open: Vec<String> = package_json("")?.dependencies.into_keys().chain(["svelte".to_owned()]).collect();
    let mut all = BTreeSet::new();
    while let Some(name) = open.pop() {
        if name != "svelte" {
            open.extend(package_json(&format!("node_modules/{name}"))?.dependencies.into_keys());
        }
        all.insert(name);
        open.retain(|name| !all.contains(name));
    }
    Ok(all)
}

/// Version and licence of an installed package.
pub(crate) fn package(name: &str) -> Outcome<(String, String)> {
    let package = package_json(&format!("node_modules/{name}"))?;
    // Some name it in a file of their own only.
    let file = root().join("ui/node_modules").join(name).join("LICENSE");
    let named = (!package.license.is_empty()).then_some(package.license);
    let licence =
        named.or_else(|| std::fs::read_to_string(file).ok()?.lines().next().map(|line| line.trim().to_owned()));
    Ok((package.version, licence.unwrap_or_default()))
}
