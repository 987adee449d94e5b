//! `perfctl serve`: the UI and the RPC on a loopback port.
pub(crate) mod args;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_model::ApiError;
use tokio::time::Instant;

use crate::answers::Serving;
use crate::output::{self, Done};
use crate::serve::args::ServeArgs;
use crate::{FINE, stop_requested};

/// Between two addresses that are printed for somebody who asks.
const PAUSE: Duration = Duration::from_secs(2);

/// Shorter tokens could be guessed.
const SHORTEST: usize = 16;

/// The token in `path`, or a new one written there, readable by its owner only.
fn token(path: &Path) -> Result<String, ApiError> {
    let refuse = |what: &str, e: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("The token file {} cannot be {what}: {e}", path.display()))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let token = text.trim();
            let fine =
                token.len() >= SHORTEST && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
            if fine {
                Ok(token.to_owned())
            } else {
                Err(ApiError::bad_request(format!("The token in {} is not usable", path.display()))
                    .hint("Write 16 or more letters, digits, '-' or '_', or delete the file to get a new one"))
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let token = perfdeck_server::new_token();
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(0o600);
            }
            let mut file = options.open(path).map_err(|e| refuse("written", &e))?;
            writeln!(file, "{token}").map_err(|e| refuse("written", &e))?;
            Ok(token)
        }
        Err(e) => Err(refuse("read", &e)),
    }
}

pub(crate) async fn serve(engine: &Arc<Engine>, args: &ServeArgs, json: bool) -> Done {
    if !args.listen.ip().is_loopback() {
        return Err(ApiError::bad_request(format!("{} is not a loopback address", args.listen))
            .hint("Listen on 127.0.0.1; use an SSH tunnel to reach it from another machine")
            .into());
    }
    let doors = if args.read_only {
        perfdeck_server::Doors::read_only()
    } else {
        perfdeck_server::Doors::new(args.token_file.as_deref().map(token).transpose()?)
    };
    let running = perfdeck_server::serve(engine.clone(), args.listen, doors).await?;
    let (url, read_only_url) = (running.url(), running.read_only_url());
    if json {
        let address = running.addr.to_string();
        output::json_line(&Serving { schema: "perfdeck.serving/1", url, read_only_url, address })?;
    } else if let Some(url) = url {
        output::line(&url)?;
        output::note("Open this address in a browser on this machine; it opens one. Ctrl-C stops.");
        output::note(&format!("To let others only look: {read_only_url}"));
    } else {
        output::line(&read_only_url)?;
        output::note("Open this address in a browser on this machine; it only looks. Ctrl-C stops.");
    }
    let mut stop = std::pin::pin!(stop_requested());
    let mut quiet_until = Instant::now();
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = wanted(&running, quiet_until) => {
                let url = running.url().unwrap_or_else(|| running.read_only_url());
                output::note(&format!("A browser that is not signed in asks for an address: {url}"));
                quiet_until = Instant::now() + PAUSE;
            }
        }
    }
    running.stop().await;
    Ok(FINE)
}

/// Waits until somebody asks for an address. Not more often than every few seconds: any program of this machine may ask.
async fn wanted(running: &perfdeck_server::Running, quiet_until: Instant) {
    tokio::time::sleep_until(quiet_until).await;
    running.wanted().await;
}
