//! What the end-to-end tests share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "advice.rs"]
pub(crate) mod advice;
#[path = "databases.rs"]
pub(crate) mod databases;
#[path = "desktop.rs"]
pub(crate) mod desktop;
#[path = "edited.rs"]
pub(crate) mod edited;
#[path = "indexed.rs"]
pub(crate) mod indexed;
#[path = "invalidation.rs"]
pub(crate) mod invalidation;
#[path = "journey.rs"]
pub(crate) mod journey;
#[path = "keyboard.rs"]
pub(crate) mod keyboard;
#[path = "perfctl.rs"]
pub(crate) mod perfctl;
#[path = "picture.rs"]
pub(crate) mod picture;
#[path = "release.rs"]
pub(crate) mod release;
#[path = "report.rs"]
pub(crate) mod report;
#[path = "screens.rs"]
pub(crate) mod screens;
#[path = "start.rs"]
pub(crate) mod start;
#[path = "webdriver.rs"]
pub(crate) mod webdriver;

use std::path::PathBuf;

/// The repository's top folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a test that needs these programs can run. A missing one skips the test loudly, except under
/// `cargo xtask test`, which installs them: there it is a failure.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn can_run(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !desktop::installed(program)).collect();
    if missing.is_empty() {
        return true;
    }
    let message = format!("{} not installed; `cargo xtask test` installs what the tests need", missing.join(", "));
    assert!(std::env::var_os("PERFDECK_E2E").is_none(), "{message}");
    eprintln!("SKIPPED: {message}");
    false
}
