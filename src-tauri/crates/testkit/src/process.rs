//! Programs, ports, and processes that end with their owner.
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long a server may take to end after it was asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(4);

/// Finds a program in PATH, in the folders where Debian and Homebrew keep servers, and in `extra`.
///
/// # Errors
/// [`Error::Missing`] with `install`, the command that installs it.
pub fn find_program(name: &str, extra: &[PathBuf], install: &str) -> Result<PathBuf> {
    let mut folders = extra.to_vec();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    for fixed in ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"] {
        folders.push(PathBuf::from(fixed));
    }
    folders.iter().map(|folder| folder.join(name)).find(|candidate| candidate.is_file()).ok_or_else(|| Error::Missing {
        program: name.to_owned(),
        looked_in: folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
        install: install.to_owned(),
    })
}

/// Whether a program is installed.
pub fn program_available(name: &str) -> bool {
    find_program(name, &[], "").is_ok()
}

/// A loopback TCP port that nothing listens on now.
///
/// Ports come from below the range that systems use for outgoing connections, so that a benchmark running beside the
/// test does not take one between this call and the server's own bind.
///
/// # Errors
/// When no port could be bound in 200 attempts.
pub fn free_port() -> Result<u16> {
    let mut last = std::io::Error::other("no attempt was made");
    for _ in 0..200 {
        let random = RandomState::new().build_hasher().finish();
        let port = 12_000 + u16::try_from(random % 20_000).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(Error::Io { doing: "looking for a free loopback port".to_owned(), source: last })
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    cfg!(unix)
        && Command::new("id").arg("-u").output().is_ok_and(|out| String::from_utf8_lossy(&out.stdout).trim() == "0")
}

/// Numeric user and group of an account.
pub(crate) fn account(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Makes the folder a server keeps everything in.
pub(crate) fn folder(name: &str) -> Result<tempfile::TempDir> {
    // Not $TMPDIR: socket paths must stay under 108 bytes and other accounts must be able to enter it.
    let base = if Path::new("/tmp").is_dir() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    tempfile::Builder::new()
        .prefix(&format!("perfdeck-{name}-"))
        .tempdir_in(base)
        .map_err(Error::io("making a temporary folder"))
}

/// Runs a set-up program to its end.
pub(crate) async fn run(mut command: Command) -> Result<()> {
    let program = format!("{:?}", command.get_program());
    let work = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = work
        .await
        .map_err(|error| Error::SetUp { program: program.clone(), detail: error.to_string() })?
        .map_err(Error::io(format!("starting {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    let detail = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(Error::SetUp { program, detail: tail(&detail, 2_000) })
}

/// The last `max` bytes of a text, cut at a character.
pub(crate) fn tail(text: &str, max: usize) -> String {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].trim().to_owned()
}

/// A server process with a watchdog.
///
/// The watchdog is a shell that waits on a pipe from this process. When the pipe closes because this process was
/// killed, it ends the server and removes its folder. `PR_SET_PDEATHSIG` would do it too, but it follows the thread
/// that started the server, not the process, and needs unsafe code.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    watchdog: Child,
}

/// Arguments: signal, pid, folder. A line on stdin means "send the signal", end of file "we are alone: clean up".
const WATCHDOG: &str = r#"
trap '' INT HUP TERM
if read -r line; then kill -s "$1" "$2" 2>/dev/null; exit 0; fi
kill -s "$1" "$2" 2>/dev/null
n=0
while kill -0 "$2" 2>/dev/null && [ "$n" -lt 30 ]; do sleep 0.1; n=$((n+1)); done
kill -s KILL "$2" 2>/dev/null
case "$3" in */perfdeck-*) rm -rf "$3" ;; esac
"#;

impl Server {
    /// Starts a server; its output goes to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path, folder: &Path, stop_signal: &str) -> Result<Self> {
        let program = format!("{:?}", command.get_program());
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(Error::io(format!("opening {}", log.display())))?;
        let copy = file.try_clone().map_err(Error::io("sharing the log file"))?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let mut watchdog = Command::new("sh");
        // A group of its own: a Ctrl-C in the terminal, or a test runner killing the test's group, must not end the
        // watchdog before its work.
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
            watchdog.process_group(0);
        }
        let mut child = command.spawn().map_err(Error::io(format!("starting {program}")))?;
        watchdog
            .args(["-c", WATCHDOG, "perfdeck-watchdog", stop_signal])
            .arg(child.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match watchdog.spawn() {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                // Without its watchdog the server could outlive the test.
                let _ = child.kill();
                let _ = child.wait();
                Err(Error::io("starting the server's watchdog")(error))
            }
        }
    }

    /// Process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the server still runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the server to end, kills it after four seconds, and waits for it.
    pub(crate) fn stop(&mut self) {
        if self.alive()
            && let Some(stdin) = self.watchdog.stdin.as_mut()
        {
            // A failed write means the watchdog is gone; the kill below still ends the server.
            let _ = stdin.write_all(b"stop\n");
            let end = Instant::now() + STOP_DEADLINE;
            while self.alive() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.kill();
    }

    /// Kills the server at once and waits for it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // It may still wait for its line. Its child is gone, so it must not signal a pid that may be someone else's.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process and all that it started, stopped as by Ctrl-Z: their connections stay open and nothing answers. They go on
/// when this is dropped.
#[derive(Debug)]
pub struct Paused(Vec<u32>);

impl Paused {
    /// Stops a process of this test, such as the one that [`crate::Postgres::pid`] names.
    ///
    /// # Errors
    /// When it cannot be signalled, or this system does not list its processes in `/proc`.
    pub fn new(pid: u32) -> Result<Self> {
        // The parent first: what is stopped starts nothing more.
        let mut paused = Self(Vec::new());
        let mut next = vec![pid];
        while let Some(pid) = next.pop() {
            signal(pid, "STOP")?;
            paused.0.push(pid);
            next.extend(children(pid)?);
        }
        Ok(paused)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = signal(*pid, "CONT");
        }
    }
}

fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    match status.map_err(Error::io("starting kill"))? {
        status if status.success() => Ok(()),
        status => Err(Error::SetUp { program: "kill".to_owned(), detail: status.to_string() }),
    }
}

/// The processes that a process started.
fn children(pid: u32) -> Result<Vec<u32>> {
    let parent = |of: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
        // The name before it may hold anything.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").map_err(Error::io("listing processes"))?.flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter(|of| parent(*of) == Some(pid)).collect())
}

/// Waits until `ready` succeeds, the server ends, or the deadline passes.
pub(crate) async fn until_ready<F>(
    name: &str,
    server: &mut Server,
    log: &Path,
    deadline: Duration,
    mut ready: impl FnMut() -> F,
) -> Result<()>
where
    F: Future<Output = Result<(), String>>,
{
    let end = Instant::now() + deadline;
    let mut last = String::new();
    loop {
        if !server.alive() {
            return Err(not_up(name, "it ended", log));
        }
        match tokio::time::timeout(Duration::from_secs(2), ready()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => last = why,
            Err(_) => "it does not answer".clone_into(&mut last),
        }
        if Instant::now() > end {
            return Err(not_up(name, &format!("not within {deadline:?}: {last}"), log));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

fn not_up(name: &str, why: &str, log: &Path) -> Error {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    Error::NotUp { server: name.to_owned(), detail: format!("{why}; end of its log:\n{}", tail(&log, 1_500)) }
}
