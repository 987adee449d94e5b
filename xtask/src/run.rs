//! `cargo xtask run`, and building the programs.
use std::path::PathBuf;
use std::process::Command;

use crate::process::{cargo, run as run_command};
use crate::setup::{self, Need};
use crate::{Options, Outcome, root, ui};

/// The packages with programs. They are built together wherever that can be done: each alone would select other features of
/// shared dependencies and build them again. `tests/support/release.rs` builds the same.
pub(crate) const PROGRAMS: &[&str] = &["perfdeck", "perfdeck-cli"];

/// Builds and opens the app on the demo environment.
pub(crate) fn run(options: &Options) -> Outcome {
    let window = setup::has_display();
    setup::packages(if window { &[Need::Build, Need::Window] } else { &[Need::Build] }, options)?;
    setup::node()?;
    ui::build()?;
    // Without a display a machine need not have what the window is built with.
    let both = window || setup::met(Need::Window);
    build(if both { PROGRAMS } else { &["perfdeck-cli"] }, !options.debug)?;
    if window {
        println!("\nOpening Perfdeck on the demo environment.");
        return run_command(Command::new(binary("perfdeck", !options.debug)).arg("--demo"));
    }
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
