//! `cargo xtask run` and `cargo xtask bundle`.
use std::path::PathBuf;
use std::process::Command;

use crate::process::{cargo, command, find, run as run_command};
use crate::setup::{self, Need};
use crate::{Options, Outcome, root, ui};

/// Builds and opens the app on the demo environment.
pub(crate) fn run(options: &Options) -> Outcome {
    let window = setup::has_display();
    setup::packages(if window { &[Need::Build, Need::Window] } else { &[Need::Build] }, options)?;
    setup::node()?;
    ui::build()?;
    if window {
        build(&["perfdeck", "perfdeck-cli"], !options.debug)?;
        println!("\nOpening Perfdeck on the demo environment.");
        return run_command(Command::new(binary("perfdeck", !options.debug)).arg("--demo"));
    }
    build(&["perfdeck-cli"], !options.debug)?;
    println!("\nNo display: doing the main job here in the terminal.\n");
    let mut tour = Command::new(binary("perfctl", !options.debug));
    run_command(tour.args(["demo", "--tour", "--out"]).arg(root().join("target/perfdeck-demo-report.html")))
}

/// Builds packages.
pub(crate) fn build(packages: &[&str], release: bool) -> Outcome {
    let mut build = cargo();
    build.arg("build");
    if release {
        build.arg("--release");
    }
    for package in packages {
        build.args(["-p", package]);
    }
    run_command(&mut build)
}

/// Where cargo puts a program.
pub(crate) fn binary(name: &str, release: bool) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join(if release { "release" } else { "debug" });
    folder.join(if cfg!(windows) { format!("{name}.exe") } else { name.to_owned() })
}

/// Builds the installers of this platform: the Debian package on Linux.
pub(crate) fn bundle(options: &Options) -> Outcome {
    setup::packages(&[Need::Build, Need::Window], options)?;
    setup::node()?;
    ui::build()?;
    build(&["perfdeck", "perfdeck-cli"], true)?;
    let tauri = root().join("ui/node_modules/.bin/tauri");
    if !tauri.exists() {
        return Err("ui/node_modules/.bin/tauri is missing: @tauri-apps/cli must be in ui/package.json"
            .to_owned()
            .into());
    }
    let kind = if cfg!(target_os = "linux") {
        "deb"
    } else if cfg!(target_os = "macos") {
        "dmg"
    } else {
        "msi"
    };
    // Packs the program that is built above, with the same settings as every other release build.
    run_command(command(tauri).args(["bundle", "--bundles", kind]))?;
    let folder = binary("bundle", true).join(kind);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        if let Ok(data) = entry.metadata()
            && data.is_file()
        {
            #[allow(clippy::cast_precision_loss, reason = "a size for a person")]
            let size = data.len() as f64 / 1e6;
            println!("{}: {size:.1} MB", entry.path().display());
        }
    }
    if find("dpkg-deb").is_none() && cfg!(target_os = "linux") {
        println!("Installing it needs a Debian or Ubuntu machine.");
    }
    Ok(())
}
