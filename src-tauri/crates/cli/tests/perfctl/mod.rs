//! `perfctl` as a program: its contract is stdout, stderr and the exit code.
mod bench;
mod caches;
mod databases;
mod environments;
mod guards;
mod monitoring;
mod usage;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use perfdeck_testkit::output_of;
use serde_json::Value;

/// Longest time any command of these tests may take.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn perfctl(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(args).env_clear().env("PERFDECK_DATA_DIR", dir).env("HOME", dir).stdin(Stdio::null());
    // What the loader and the system need to start a program at all.
    for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end; a command that hangs is ended and fails the test.
pub(crate) fn finish(child: Child) -> Output {
    output_of(child, DEADLINE)
}

pub(crate) fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = finish(perfctl(dir, args).spawn().expect("perfctl starts"));
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

pub(crate) fn json(dir: &Path, args: &[&str], code: i32) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (got, out, err) = run(dir, &args);
    assert_eq!(got, code, "{args:?} ends with {code}; stderr: {err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON and nothing else: {e}: {out}"))
}

/// A benchmark's run. On a busy machine it may be invalid; the exit code must say the same as the run.
pub(crate) fn bench(dir: &Path, args: &[&str]) -> Value {
    let args: Vec<&str> = ["bench", "http"].iter().chain(args).copied().chain(["--json"]).collect();
    let (code, out, err) = run(dir, &args);
    let run_: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes a run: {e}: {err}"));
    let expected = if run_["valid"] == true { 0 } else { 4 };
    assert_eq!(code, expected, "valid is 0 and invalid is 4: {}", run_["invalid_reasons"]);
    run_
}

pub(crate) fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("temp dir")
}
