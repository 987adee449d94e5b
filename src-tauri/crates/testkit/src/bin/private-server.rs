//! Starts one private server, prints its URL, and ends it when standard input ends: for benchmarks that are no tests.
#![forbid(unsafe_code)]
use std::io::{Read, Write};

use perfdeck_testkit::{Postgres, Redis};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let told = match kind.as_str() {
        "postgres" => match Postgres::start_with(&[("shared_buffers", "256MB"), ("max_connections", "50")]).await {
            Ok(server) => tell(&server.url()),
            Err(error) => Err(error.to_string()),
        },
        // Nothing but what is measured runs beside it.
        "large-postgres" => {
            let settings = [
                ("shared_buffers", "256MB"),
                ("max_connections", "1100"),
                ("pg_stat_statements.max", "10000"),
                ("autovacuum", "off"),
            ];
            match Postgres::start_with(&settings).await {
                Ok(server) => tell(&server.url()),
                Err(error) => Err(error.to_string()),
            }
        }
        "redis" => match Redis::start().await {
            Ok(server) => tell(&server.url()),
            Err(error) => Err(error.to_string()),
        },
        _ => Err("usage: private-server postgres|large-postgres|redis".to_owned()),
    };
    match told {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "private-server: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Prints the URL and waits for the end of standard input.
fn tell(url: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "{url}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).map(drop).map_err(|e| e.to_string())
}
