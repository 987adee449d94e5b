//! The release programs, which are built once and which all tests of commands, windows, browsers and packages start.
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::start::cargo;

/// The packages with programs. Always built together: each alone would select other features of shared dependencies and
/// build them again. `xtask/src/run.rs` builds the same.
const PACKAGES: &[&str] = &["perfdeck", "perfdeck-cli"];

/// `perfdeck`, the window.
pub(crate) fn perfdeck() -> PathBuf {
    program("perfdeck")
}

/// `perfctl`.
pub(crate) fn perfctl() -> PathBuf {
    program("perfctl")
}

fn program(name: &str) -> PathBuf {
    folder().join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The folder of the release programs. They are built where a test is run by hand; in the suite they are there already.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = cargo();
        build.args(["build", "--quiet", "--release"]).current_dir(super::root());
        for package in PACKAGES {
            build.args(["-p", package]);
        }
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "building the release programs failed: {status}");
        // This test is in target/debug/deps.
        let test = std::env::current_exe().expect("this test has a path");
        let target = test.ancestors().nth(3).expect("it is in a target folder");
        target.join("release")
    })
}
