//! Starting programs: passing their output on, and keeping a copy of it where it is counted.
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Outcome, root};

/// A command that runs in the repository's top folder.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The `cargo` that started this tool, in the repository's top folder.
pub(crate) fn cargo() -> Command {
    let mut cargo = crate::start::cargo();
    cargo.current_dir(root());
    cargo
}

/// Runs a command to its end and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{} did not start: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command)).into()) }
}

/// Runs a command to its end, passes its output on, and returns whether it succeeded and what it said.
pub(crate) fn tee(command: &mut Command) -> Outcome<(bool, String)> {
    println!("$ {}", shown(command));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} did not start: {error}", shown(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = std::thread::spawn(move || copy(stderr, std::io::stderr()));
    let mut text = copy(stdout, std::io::stdout());
    text.push_str(&errors.join().unwrap_or_default());
    let status = child.wait().map_err(|error| format!("waiting for {}: {error}", shown(command)))?;
    Ok((status.success(), text))
}

fn copy(from: Option<impl Read>, mut to: impl Write) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut text = Vec::new();
    let mut buffer = [0_u8; 8192];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        // A closed terminal must not stop the tests.
        let _ = to.write_all(&buffer[..n]).and_then(|()| to.flush());
        text.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The trimmed standard output of a command, when it succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from));
    let name = if cfg!(windows) { format!("{program}.exe") } else { program.to_owned() };
    folders.into_iter().map(|folder| folder.join(&name)).find(|path| path.is_file())
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| {
            let part = part.to_string_lossy();
            if part.contains([' ', '"', '(']) { format!("'{part}'") } else { part.into_owned() }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
