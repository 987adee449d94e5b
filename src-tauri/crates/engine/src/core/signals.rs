//! Requests of the system or the terminal to end: Ctrl-C, a polite kill, a terminal that is closed.
use std::sync::OnceLock;

use tokio::sync::watch;

/// How many requests there were since the first caller listened.
fn requests() -> watch::Receiver<u32> {
    static REQUESTS: OnceLock<watch::Sender<u32>> = OnceLock::new();
    let sender = REQUESTS.get_or_init(|| {
        let sender = watch::channel(0).0;
        listen(&sender);
        sender
    });
    sender.subscribe()
}

#[cfg(unix)]
fn listen(sender: &watch::Sender<u32>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !hang_up_is_ignored() {
        kinds.push(SignalKind::hangup());
    }
    for kind in kinds {
        let sender = sender.clone();
        match signal(kind) {
            // Registered before this returns, so that none is missed.
            Ok(mut heard) => drop(tokio::spawn(async move {
                while heard.recv().await.is_some() {
                    sender.send_modify(|n| *n += 1);
                }
            })),
            // Then the system ends the process by itself.
            Err(error) => tracing::warn!(%error, "a signal cannot be handled"),
        }
    }
}

#[cfg(not(unix))]
fn listen(sender: &watch::Sender<u32>) {
    let sender = sender.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            sender.send_modify(|n| *n += 1);
        }
    });
}

/// Whether this was started by `nohup` or the like: it is to outlive its terminal. Where the system does not tell, it is
/// not.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

async fn asked(times: u32) {
    let mut requests = requests();
    if requests.wait_for(|n| *n >= times).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the system or a person asks this program to end: SIGINT, SIGTERM, or SIGHUP unless that was ignored from
/// the start. From the first call on the system no longer ends the program by itself. Must run inside a tokio runtime.
pub async fn stop_requested() {
    asked(1).await;
}

/// Waits until it is asked for a second time: whoever asks twice does not want to wait.
pub async fn stop_requested_again() {
    asked(2).await;
}
