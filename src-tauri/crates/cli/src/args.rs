//! What the command lines of several features share.
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use perfdeck_engine::plan::Span;

/// Where an environment comes from besides the local store. It is of this process only; `env add` stores it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Take the environment from a TOML file
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["env_file", "from_env"])]
    pub(crate) config: Option<PathBuf>,
    /// Take the environment from an application's .env file (DATABASE_URL, REDIS_URL, API_BASE_URL, …)
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "from_env")]
    pub(crate) env_file: Option<PathBuf>,
    /// Take the environment from this process's variables (DATABASE_URL, REDIS_URL, API_BASE_URL, …)
    #[arg(long, global = true)]
    pub(crate) from_env: bool,
}

impl Source {
    /// Whether the environment comes from one of them.
    pub(crate) fn is_given(&self) -> bool {
        self.config.is_some() || self.env_file.is_some() || self.from_env
    }

    /// The option that was given, for messages.
    pub(crate) fn option(&self) -> &'static str {
        if self.config.is_some() {
            "--config"
        } else if self.env_file.is_some() {
            "--env-file"
        } else {
            "--from-env"
        }
    }
}

/// `500ms`, `30s`, `5m`, `1h30m`; a bare number is seconds. As in plans.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|span| span.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn times_have_units() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("2", 2_000), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text} is understood");
        }
        for text in ["", "s", "5 parsecs", "-1s", "1e999s", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text:?} is refused");
        }
    }
}
