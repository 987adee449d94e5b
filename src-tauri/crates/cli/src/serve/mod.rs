//! `perfctl serve`: the UI and the RPC on a loopback port.
pub(crate) mod args;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::Engine;
use perfdeck_model::ApiError;

use crate::answers::Serving;
use crate::output::{self, Done};
use crate::serve::args::ServeArgs;
use crate::{FINE, stop_requested};

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
    let tokens = if args.read_only {
        perfdeck_server::Tokens::read_only()
    } else {
        perfdeck_server::Tokens::new(args.token_file.as_deref().map(token).transpose()?)
    };
    let running = perfdeck_server::serve(engine.clone(), args.listen, tokens).await?;
    let (url, read_only_url) = (running.url(), running.read_only_url());
    if json {
        let address = running.addr.to_string();
        output::json_line(&Serving { schema: "perfdeck.serving/1", url, read_only_url, address })?;
    } else if let Some(url) = url {
        output::line(&url)?;
        output::note("Open this address in a browser on this machine. Ctrl-C stops.");
        output::note(&format!("To let somebody only look: {read_only_url}"));
    } else {
        output::line(&read_only_url)?;
        output::note("Open this address in a browser on this machine; it only looks. Ctrl-C stops.");
    }
    stop_requested().await;
    running.stop().await;
    Ok(FINE)
}
