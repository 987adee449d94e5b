//! `perfctl` as a program that keeps no secret: deriving the key of a secrets file takes a third of a second each time.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

/// Longest time any command of these tests may take.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Quick {
    pub(crate) folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Quick {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    /// With a variable, such as a password that environments refer to.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The command, not started; dropped, it ends.
    pub(crate) fn command(&self, args: &[&str]) -> tokio::process::Command {
        let folder = self.folder.path();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_perfctl"));
        command.args(args).env_clear().env("PERFDECK_DATA_DIR", folder).env("HOME", folder);
        command.env("PERFDECK_SECRET_STORE", "session").envs(self.variables.iter().map(|(n, v)| (*n, v)));
        for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Exit code, stdout and stderr; a command that hangs is ended and fails the test.
    pub(crate) async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let ended = tokio::time::timeout(DEADLINE, self.command(args).output()).await;
        let output = ended.unwrap_or_else(|_| panic!("{args:?} did not end within {DEADLINE:?}")).expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// The output of a command that succeeds.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args).await;
        assert_eq!(code, 0, "{args:?}: {err}{out}");
        out
    }

    /// The answer of a command, and its exit code.
    pub(crate) async fn json(&self, args: &[&str]) -> (i32, Value) {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let (code, out, err) = self.run(&args).await;
        let value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON: {e}: {out}{err}"));
        (code, value)
    }
}
