//! Running the released `perfctl` as a user does.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::webdriver::http;
use super::{release, start};

/// `perfctl` on a data folder of its own.
#[derive(Debug)]
pub(crate) struct Perfctl {
    /// The folder with everything it keeps.
    pub(crate) data: PathBuf,
    variables: Vec<(String, String)>,
}

impl Perfctl {
    /// On this folder.
    pub(crate) fn on(data: &Path) -> Self {
        Self { data: data.to_owned(), variables: Vec::new() }
    }

    /// With a variable that the test is about, see [`start::ASKED`].
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(release::perfctl());
        command.args(arguments).stdin(Stdio::null());
        start::set(&mut command, "PERFDECK_DATA_DIR", &self.data);
        start::without_bus(&mut command);
        for (name, value) in &self.variables {
            start::ask(&mut command, name, value);
        }
        command
    }

    /// Runs it to its end, at most two minutes.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        to_end(self.command(arguments), Duration::from_secs(120))
    }

    /// Runs it, expects success and returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "perfctl {} must succeed, ended with {}:\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs it, expects success and reads its standard output as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("perfctl {arguments:?}: {error} in {text}"))
    }
}

/// Runs a command to its end; when that does not come in time, ends it with all it started.
pub(crate) fn to_end(mut command: Command, deadline: Duration) -> Output {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let group = format!("-{}", child.id());
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if waiting.recv_timeout(deadline) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        }
    });
    let output = child.wait_with_output().expect("its output can be read");
    drop(done);
    guard.join().expect("the guard ends");
    output
}

/// Repeats `attempt` until it yields something.
pub(crate) fn eventually<T>(what: &str, deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A `perfctl serve` that is talked to over its own API.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    token: String,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(perfctl: &Perfctl) -> Self {
        Self::start_at(perfctl, perfdeck_testkit::free_port().expect("a free port"))
    }

    /// The same at this port.
    pub(crate) fn start_at(perfctl: &Perfctl, port: u16) -> Self {
        let file = perfctl.data.with_file_name(format!("token-{port}"));
        let log = perfctl.data.with_file_name(format!("serve-{port}.log"));
        let child = perfctl
            .command(&["serve", "--listen", &format!("127.0.0.1:{port}"), "--token-file"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a file for what it says"))
            .spawn()
            .expect("perfctl serve starts");
        let token = eventually("the server writes its token", Duration::from_secs(30), || {
            std::fs::read_to_string(&file).ok().filter(|token| !token.trim().is_empty())
        });
        let server = Self { child, port, token: token.trim().to_owned(), log };
        eventually("the server answers", Duration::from_secs(30), || server.call("app.info", &json!({})).ok());
        server
    }

    /// Ends it; answers its port.
    pub(crate) fn stop(self) -> u16 {
        self.port
    }

    /// The newest address that it printed behind these words.
    pub(crate) fn printed(&self, words: &str) -> String {
        eventually("an address is printed", Duration::from_secs(20), || {
            let said = std::fs::read_to_string(&self.log).ok()?;
            let line = said.lines().rfind(|line| line.contains(words))?;
            line.find("http://").map(|at| line[at..].trim().to_owned())
        })
    }

    /// An address of it without a token.
    pub(crate) fn at(&self, fragment: &str) -> String {
        format!("http://127.0.0.1:{}/#{fragment}", self.port)
    }

    /// Runs a command of the registry.
    pub(crate) fn call(&self, name: &str, params: &Value) -> Result<Value, String> {
        let authorization = format!("Bearer {}", self.token);
        let path = format!("/api/rpc/{name}");
        let (status, body) = http(self.port, "POST", &path, &[("authorization", &authorization)], Some(params))
            .map_err(|error| error.to_string())?;
        if status != 200 {
            return Err(format!("{status} {body}"));
        }
        serde_json::from_str(&body).map_err(|error| format!("{error} in {body}"))
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// URL that opens the UI in a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, self.token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
