//! `cargo xtask bundle`: the package of this platform, with all that belongs to its two programs.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::process::{cargo, command, find, output, run};
use crate::run::{PROGRAMS, binary, build};
use crate::setup::{self, Need};
use crate::{Options, Outcome, root, ui};

/// Builds the package: Debian's on Linux, a dmg on macOS, an msi on Windows.
pub(crate) fn bundle(options: &Options) -> Outcome {
    setup::packages(&[Need::Build, Need::Window], options)?;
    setup::node()?;
    ui::build()?;
    build(PROGRAMS, true)?;
    let folder = root().join("target/package");
    prepare(&folder)?;
    let tauri = root().join("ui/node_modules/.bin/tauri");
    if !tauri.exists() {
        return Err("ui/node_modules/.bin/tauri is missing: @tauri-apps/cli must be in ui/package.json".into());
    }
    let (kind, system) = if cfg!(target_os = "linux") {
        ("deb", "linux")
    } else if cfg!(target_os = "macos") {
        ("dmg", "macos")
    } else {
        ("msi", "windows")
    };
    let made = binary("bundle", true).with_extension("").join(kind);
    // A package of an earlier version would be taken for this one.
    let _ = std::fs::remove_dir_all(&made);
    // Packs the programs that are built above, with the same settings as every other release build.
    run(command(tauri).args(["bundle", "--bundles", kind, "--config", &format!("packaging/{system}.json")]))?;
    for entry in std::fs::read_dir(&made).into_iter().flatten().flatten() {
        if let Ok(data) = entry.metadata()
            && data.is_file()
        {
            let size = data.len() as f64 / 1e6;
            println!("{}: {size:.1} MB", entry.path().display());
        }
    }
    if find("dpkg-deb").is_none() && cfg!(target_os = "linux") {
        println!("Installing it needs a Debian or Ubuntu machine.");
    }
    Ok(())
}

/// Puts what the packages hold beside the window into one folder; `packaging/*.json` say where each goes.
fn prepare(folder: &Path) -> Outcome {
    let _ = std::fs::remove_dir_all(folder);
    let (man, completions) = (folder.join("man1"), folder.join("completions"));
    for folder in [&man, &completions] {
        std::fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    }
    let perfctl = binary("perfctl", true);
    let host = host()?;
    // Tauri installs it without the name of the platform.
    copy(&perfctl, &folder.join(format!("perfctl-{host}{}", std::env::consts::EXE_SUFFIX)))?;
    run(Command::new(&perfctl).args(["man", "--dir"]).arg(&man))?;
    copy(&root().join("packaging/perfdeck.1"), &man.join("perfdeck.1"))?;
    for (shell, file) in
        [("bash", "perfctl.bash"), ("zsh", "_perfctl"), ("fish", "perfctl.fish"), ("powershell", "_perfctl.ps1")]
    {
        let file = completions.join(file);
        let text = Command::new(&perfctl).args(["completions", shell]).stderr(Stdio::inherit()).output();
        let text = text.map_err(|error| format!("perfctl completions {shell}: {error}"))?;
        if !text.status.success() {
            return Err(format!("perfctl completions {shell} ended with {}", text.status).into());
        }
        write(&file, &text.stdout)?;
    }
    copy(&root().join("packaging/copyright"), &folder.join("copyright"))?;
    write(&folder.join("third-party"), third_party(&host)?.as_bytes())?;
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(&man).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    if !cfg!(target_os = "linux") {
        pages.clear();
    }
    pages.push(folder.join("third-party"));
    // Without names and times, so that the same sources make the same package.
    run(Command::new("gzip").args(["-9", "--no-name"]).args(pages))
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("copying {} to {}: {error}", from.display(), to.display()).into())
}

fn write(to: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(to, bytes).map_err(|error| format!("writing {}: {error}", to.display()).into())
}

/// The platform that rustc builds for.
fn host() -> Outcome<String> {
    let version = output("rustc", &["-vV"]).ok_or("rustc -vV failed")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".into())
}

/// What cargo says about packages, as far as it is used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: PathBuf,
    /// `None` for a package of this workspace.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `None` for what becomes part of the program.
    kind: Option<String>,
}

/// Every library in the programs with its licence, and the notices that come with them, each once.
fn third_party(host: &str) -> Outcome<String> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--filter-platform", host])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let by_id: BTreeMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let needs: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let mut open: Vec<&str> =
        by_id.iter().filter(|(_, p)| PROGRAMS.contains(&p.name.as_str())).map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let deps = needs.get(id).into_iter().flat_map(|node| &node.deps);
            open.extend(deps.filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none())).map(|d| d.pkg.as_str()));
        }
    }
    let mut libraries: BTreeSet<(String, String)> = BTreeSet::new();
    let mut notices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: String, licence: String, folder: &Path| {
        for text in notices_in(folder) {
            notices.entry(text).or_default().insert(name.clone());
        }
        libraries.insert((name, licence));
    };
    for package in seen.iter().filter_map(|id| by_id.get(id)).filter(|package| package.source.is_some()) {
        let folder = package.manifest_path.parent().map(Path::to_owned).unwrap_or_default();
        add(format!("{} {}", package.name, package.version), package.license.clone().unwrap_or_default(), &folder);
    }
    for name in ui::shipped()? {
        let (version, licence) = ui::package(&name)?;
        add(format!("{name} {version}"), licence, &root().join("ui/node_modules").join(&name));
    }
    let mut text = "What the programs of Perfdeck hold of others.\n\n".to_owned();
    for (name, licence) in &libraries {
        text.push_str(&format!("{name}: {licence}\n"));
    }
    for (notice, of) in &notices {
        let of: Vec<&str> = of.iter().map(String::as_str).collect();
        text.push_str(&format!("\n{}\n{}\n\n{}\n", "=".repeat(80), of.join(", "), notice.trim()));
    }
    Ok(text)
}

/// Texts of the licence and notice files of a package.
fn notices_in(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let wanted = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        if wanted.iter().any(|wanted| name.starts_with(wanted))
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            texts.push(text.replace("\r\n", "\n"));
        }
    }
    texts
}
