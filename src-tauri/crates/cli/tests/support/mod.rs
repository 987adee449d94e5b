//! `perfctl` as a program, with a data folder of its own.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use perfdeck_testkit::output_of;
use serde_json::Value;

/// Longest time any command of these tests may take.
const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) struct Perfctl {
    pub(crate) folder: tempfile::TempDir,
}

impl Perfctl {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A command with the variables that it needs, and none of the others.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
        command.args(args).env_clear().env("PERFDECK_DATA_DIR", folder).env("HOME", folder).stdin(Stdio::null());
        // Where there is no keychain, the passwords of these servers are kept in a file.
        command.env("PERFDECK_PASSPHRASE", "a passphrase of these tests");
        for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs to the end; a command that hangs is ended and fails the test.
    pub(crate) fn run(&self, args: &[&str]) -> (i32, String, String) {
        let child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("perfctl starts");
        let Output { status, stdout, stderr } = output_of(child, DEADLINE);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// The output of a command that succeeds.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {err}{out}");
        out
    }

    /// The answer of a command that succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let out = self.ok(&args);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON and nothing else: {e}: {out}"))
    }
}

/// Exit code, run (null when there is none) and stderr of a benchmark.
pub(crate) fn bench(perfctl: &Perfctl, kind: &str, args: &[&str]) -> (i32, Value, String) {
    let args: Vec<&str> = ["bench", kind].iter().chain(args).copied().chain(["--json"]).collect();
    let (code, out, err) = perfctl.run(&args);
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}
