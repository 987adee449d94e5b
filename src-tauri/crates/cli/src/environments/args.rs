//! The command line of environments.
use clap::{Args, Subcommand};
use perfdeck_model::Kind;

#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Store a new environment
    Add(Box<EnvAdd>),
    /// List environments
    List,
    /// Show one environment, without secrets
    Show(EnvName),
    /// Connect to every target, stage by stage
    Test(EnvName),
    /// Delete an environment
    Remove {
        /// Name or identifier
        name: String,
    },
    /// Copy an environment
    Duplicate {
        /// Name or identifier of the original
        name: String,
        /// Name of the copy
        new_name: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EnvName {
    /// Name or identifier; left out with --config, --env-file or --from-env, which bring their own
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EnvAdd {
    /// Unique name
    pub(crate) name: String,
    /// development, staging or production
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// postgres://…, mysql://…, mariadb://… or sqlite:PATH
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Read the database's password from this variable each time
    #[arg(long, value_name = "NAME", conflicts_with = "ask_database_password")]
    pub(crate) database_password_env: Option<String>,
    /// Ask for the database's password; it is not echoed
    #[arg(long)]
    pub(crate) ask_database_password: bool,
    /// redis://…, rediss://…, redis+cluster://… or redis+sentinel://…?master=NAME
    #[arg(long, value_name = "URL")]
    pub(crate) cache: Option<String>,
    /// Read the cache's password from this variable each time
    #[arg(long, value_name = "NAME", conflicts_with = "ask_cache_password")]
    pub(crate) cache_password_env: Option<String>,
    /// Read the password of the cache's Sentinels from this variable each time, where it is one of their own
    #[arg(long, value_name = "NAME")]
    pub(crate) cache_sentinel_password_env: Option<String>,
    /// Ask for the cache's password; it is not echoed
    #[arg(long)]
    pub(crate) ask_cache_password: bool,
    /// Keys of the cache that belong to one user, tag or the like, such as user=user:{id}:*; more than once for more templates
    #[arg(long, value_name = "NAME=PATTERN", value_parser = template)]
    pub(crate) cache_template: Vec<(String, String)>,
    /// http://… or https://…
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// Path that the probe requests
    #[arg(long, value_name = "PATH")]
    pub(crate) api_probe_path: Option<String>,
    /// Read the value of the Authorization header from this variable each time
    #[arg(long, value_name = "NAME")]
    pub(crate) api_authorization_env: Option<String>,
    /// local, ssh://… or prometheus+http://…
    #[arg(long, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// Folder of the built front end, or its URL
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) frontend: Option<String>,
}

/// A name and what follows its equals sign.
pub(crate) fn template(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write a name, '=' and what it is, such as user=42".to_owned()),
    }
}
