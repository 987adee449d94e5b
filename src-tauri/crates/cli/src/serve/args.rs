//! The command line of the local server.
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Loopback address to listen on; port 0 chooses a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// File with the bearer token; made when it does not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Let everybody only look: no command that changes something or reaches a target is answered
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) read_only: bool,
}
