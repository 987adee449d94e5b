//! Programs that switch a target between the two states of a duet.
use std::process::Stdio;
use std::time::Duration;

use perfdeck_model::{ApiError, ErrorCode, masking};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Longest time a hook may take to switch the target.
const DEADLINE: Duration = Duration::from_secs(120);

/// Programs that switch one target between its two states, each with its arguments. Only `perfctl` takes them: a
/// program that a remote caller could name would be anybody's.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// Program that runs before each run of A.
    pub a: Option<Vec<String>>,
    /// Program that runs before each run of B.
    pub b: Option<Vec<String>>,
}

/// The program of a hook, without its folder; its arguments may be secrets and are never told.
fn name(program: &str) -> String {
    let name = std::path::Path::new(program).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if masking::is_plain(&name) { format!("'{name}'") } else { "program".to_owned() }
}

/// Runs a program that switches the target, to its end. One that is stopped ends with all that it started.
///
/// # Errors
/// [`ErrorCode::Cancelled`] when it was stopped; otherwise why the target may be in either state.
pub(crate) async fn run(hook: &[String], cancel: &CancellationToken) -> Result<(), ApiError> {
    let Some((program, arguments)) = hook.split_first() else { return Ok(()) };
    let failed = |why: String| {
        ApiError::new(ErrorCode::Conflict, format!("The hook {} {why}", name(program))).hint(
            "The target may be in either state now; run the hook by hand and look. A hook cannot ask for a password",
        )
    };
    let mut command = Command::new(program);
    // What it writes may repeat its arguments, so it is not told. A pipe would also be held open by a server that it starts.
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A terminal's Ctrl-C would end the program alone and leave what it started.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| failed(format!("did not start: {error}")))?;
    let ended = tokio::select! {
        ended = tokio::time::timeout(DEADLINE, child.wait()) => ended,
        () = cancel.cancelled() => {
            end(&mut child).await;
            return Err(ApiError::new(ErrorCode::Cancelled, "Stopped while the hook ran"));
        }
    };
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("ended with {status}"))),
        Ok(Err(error)) => Err(failed(format!("was lost: {error}"))),
        Err(_) => {
            end(&mut child).await;
            Err(failed(format!("did not end within {} s", DEADLINE.as_secs())))
        }
    }
}

/// Ends a program with all that it started, and waits for it.
async fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill().await;
}
