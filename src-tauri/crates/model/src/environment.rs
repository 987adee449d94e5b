//! Environments and their targets.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Address, Header, SecretInput, SecretSource, Sensitive};

/// Purpose of an environment. Decides its colour, its defaults and its guards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A developer's own machine or sandbox.
    #[default]
    Development,
    /// Shared, close to production, not serving customers.
    Staging,
    /// Serving customers.
    Production,
}

impl Kind {
    /// The word shown and accepted everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.trim().to_ascii_lowercase().as_str() {
            "development" | "dev" | "local" | "test" => Ok(Self::Development),
            "staging" | "stage" => Ok(Self::Staging),
            "production" | "prod" => Ok(Self::Production),
            _ => Err("it is not a kind: use development, staging or production".to_owned()),
        }
    }
}

/// Role of a target in its environment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetRole {
    /// The HTTP API.
    Api,
    /// The machine it runs on.
    Host,
    /// The SQL database.
    Database,
    /// The cache.
    Cache,
    /// The web front end.
    Frontend,
}

impl TargetRole {
    /// The word shown and accepted everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Host => "host",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Frontend => "frontend",
        }
    }
}

/// Connection-pool settings with the meaning SQLAlchemy's `QueuePool` gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::open)]
pub struct PoolSettings {
    /// Connections kept open when idle (`DB_POOL_SIZE`).
    pub size: u32,
    /// Connections opened beyond `size` under load and closed on return (`DB_MAX_OVERFLOW`).
    pub max_overflow: u32,
    /// Longest wait for a connection, in seconds (`DB_POOL_TIMEOUT`).
    pub timeout_s: f64,
    /// Age at which a connection is replaced at its next check-out, in seconds (`DB_POOL_RECYCLE`).
    pub recycle_s: f64,
}

impl PoolSettings {
    /// Defaults by kind: small in development, the usual service values in production.
    pub fn for_kind(kind: Kind) -> Self {
        let (size, max_overflow, timeout_s, recycle_s) = match kind {
            Kind::Development => (5, 5, 10.0, 1800.0),
            Kind::Staging => (10, 10, 30.0, 3600.0),
            Kind::Production => (20, 10, 30.0, 3600.0),
        };
        Self { size, max_overflow, timeout_s, recycle_s }
    }
}

/// Guards of an environment: what it refuses without further confirmation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::open)]
pub struct Guards {
    /// Whether changes to targets are refused until unlocked for a time.
    pub read_only: bool,
    /// Whether destructive changes and load need the environment's name typed.
    pub typed_confirmation: bool,
    /// Highest request rate a benchmark may ask for, per second; `None` is no cap.
    pub max_rate_per_s: Option<f64>,
    /// Largest share of a benchmark's newest requests that may fail, 0 to 1; above it the benchmark ends, `None` lets
    /// it go on.
    #[serde(default)]
    pub max_error_share: Option<f64>,
    /// Smallest share of the database's connections that must be free, 0 to 1; below it a benchmark ends, `None` lets
    /// it go on.
    #[serde(default)]
    pub min_free_connections: Option<f64>,
    /// Whether it is not production, whatever its addresses, its size and its clients look like.
    #[serde(default)]
    pub never_production: bool,
}

impl Guards {
    /// Defaults by kind.
    pub fn for_kind(kind: Kind) -> Self {
        let free = Self {
            read_only: false,
            typed_confirmation: false,
            max_rate_per_s: None,
            max_error_share: None,
            min_free_connections: None,
            never_production: false,
        };
        match kind {
            Kind::Development => free,
            Kind::Staging => Self {
                max_rate_per_s: Some(5_000.0),
                max_error_share: Some(0.5),
                min_free_connections: Some(0.02),
                ..free
            },
            Kind::Production => Self {
                read_only: true,
                typed_confirmation: true,
                max_rate_per_s: Some(100.0),
                max_error_share: Some(0.05),
                min_free_connections: Some(0.1),
                ..free
            },
        }
    }
}

/// A SQL database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseTarget {
    /// Address of the database; the scheme names the engine.
    pub address: Address,
    /// Source of its password.
    pub password: SecretSource,
}

/// Deployment of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// One server.
    #[default]
    Single,
    /// A primary found through Sentinels; the address lists the Sentinels.
    Sentinel,
    /// A cluster; the address lists seed nodes.
    Cluster,
}

/// A Redis or Valkey cache, or Perfdeck's in-process one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheTarget {
    /// Address of the cache.
    pub address: Address,
    /// Deployment of the cache.
    pub mode: CacheMode,
    /// Name of the monitored primary, for Sentinel.
    pub sentinel_master: Option<String>,
    /// Source of its password.
    pub password: SecretSource,
    /// Source of the Sentinels' password, when it is one of their own.
    #[serde(default)]
    pub sentinel_password: SecretSource,
    /// Password of the Sentinels, in the copy of a target that is connected to. It is never stored, sent or shown.
    #[serde(skip)]
    #[ts(skip)]
    pub sentinel_secret: Option<Sensitive>,
    /// Expiry given to keys that name none, in seconds (`CACHE_DEFAULT_TTL`).
    pub default_ttl_s: f64,
}

impl CacheTarget {
    /// The cache at an address, which says how its servers belong together (`redis+cluster://`, `redis+sentinel://…?master=`), with no
    /// passwords and an expiry of 60 s.
    #[must_use]
    pub fn of(address: Address) -> Self {
        let mode = match address.params.get("mode").map(String::as_str) {
            Some("cluster") => CacheMode::Cluster,
            Some("sentinel") => CacheMode::Sentinel,
            _ => CacheMode::Single,
        };
        let sentinel_master = address.params.get("master").or_else(|| address.params.get("service_name")).cloned();
        Self {
            address,
            mode,
            sentinel_master,
            password: SecretSource::None,
            sentinel_password: SecretSource::None,
            sentinel_secret: None,
            default_ttl_s: 60.0,
        }
    }
}

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ApiTarget {
    /// Base URL without credentials.
    pub url: String,
    /// Path that the probe requests, relative to the base URL.
    pub probe_path: String,
    /// Headers sent with every request. Values of secret ones are kept with the secrets and shown as empty.
    pub headers: Vec<Header>,
    /// Source of the value of the `Authorization` header, if one is sent.
    pub authorization: SecretSource,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HostTarget {
    /// `local` for this machine, else `ssh://…` or `prometheus+http://…`.
    pub url: String,
    /// Source of its password or key passphrase.
    pub secret: SecretSource,
}

/// A web front end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FrontendTarget {
    /// Folder of the built bundle, or a URL.
    pub location: String,
}

/// The targets of an environment; each is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Targets {
    /// The SQL database.
    pub database: Option<DatabaseTarget>,
    /// The cache.
    pub cache: Option<CacheTarget>,
    /// The HTTP API.
    pub api: Option<ApiTarget>,
    /// The machine.
    pub host: Option<HostTarget>,
    /// The web front end.
    pub frontend: Option<FrontendTarget>,
    /// Patterns of the cache's keys by name, each with `{id}` once, such as `user` → `user:{id}:*`: what is invalidated by user, by tag or
    /// by template.
    #[serde(default)]
    pub cache_templates: BTreeMap<String, String>,
}

impl Targets {
    /// Each target with its short address.
    pub fn addresses(&self) -> Vec<(TargetRole, String)> {
        self.roles()
            .into_iter()
            .filter_map(|role| {
                let address = match role {
                    TargetRole::Api => self.api.as_ref()?.url.clone(),
                    TargetRole::Host => self.host.as_ref()?.url.clone(),
                    TargetRole::Database => self.database.as_ref()?.address.short(),
                    TargetRole::Cache => self.cache.as_ref()?.address.short(),
                    TargetRole::Frontend => self.frontend.as_ref()?.location.clone(),
                };
                Some((role, address))
            })
            .collect()
    }

    /// The roles that are configured, in display order.
    pub fn roles(&self) -> Vec<TargetRole> {
        let mut roles = Vec::new();
        if self.api.is_some() {
            roles.push(TargetRole::Api);
        }
        if self.host.is_some() {
            roles.push(TargetRole::Host);
        }
        if self.database.is_some() {
            roles.push(TargetRole::Database);
        }
        if self.cache.is_some() {
            roles.push(TargetRole::Cache);
        }
        if self.frontend.is_some() {
            roles.push(TargetRole::Frontend);
        }
        roles
    }
}

/// A named set of targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Environment {
    /// Stable identifier.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// Purpose of the environment.
    pub kind: Kind,
    /// Targets of the environment.
    pub targets: Targets,
    /// Pool settings of its database.
    pub pool: PoolSettings,
    /// Guards of the environment.
    pub guards: Guards,
    /// Creation time.
    pub created_ms: f64,
    /// Time of the last edit; also the edit's revision.
    pub updated_ms: f64,
}

/// An environment in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct EnvironmentSummary {
    /// Stable identifier.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// Purpose of the environment.
    pub kind: Kind,
    /// Whether it is the built-in demo.
    pub demo: bool,
    /// Each configured target with its address, without credentials.
    pub targets: Vec<(TargetRole, String)>,
    /// Number of stored benchmark runs.
    pub runs: u32,
    /// Whether changes are refused until it is unlocked.
    #[serde(default)]
    pub read_only: bool,
    /// Time until which it is unlocked, in milliseconds since the Unix epoch; `None` while it is locked, or never was.
    #[serde(default)]
    pub unlocked_until_ms: Option<f64>,
}

/// Target addresses as entered: URLs or paths, secrets beside them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct TargetsDraft {
    /// `postgres://…`, `mysql://…`, `mariadb://…`, `sqlite:…`. A password inside is moved to the secret store.
    pub database: Option<String>,
    /// The database's password.
    pub database_password: SecretInput,
    /// `redis://…`, `rediss://…`, `valkey://…`, `redis+cluster://…`, `redis+sentinel://…/0?master=NAME`, `memory:`.
    pub cache: Option<String>,
    /// The cache's password.
    pub cache_password: SecretInput,
    /// The password of its Sentinels, when it is one of their own.
    pub cache_sentinel_password: SecretInput,
    /// Default expiry in seconds; by kind when absent.
    pub cache_default_ttl_s: Option<f64>,
    /// Patterns of the cache's keys by name, each with `{id}` once; as they were when absent.
    pub cache_templates: Option<BTreeMap<String, String>>,
    /// `http://…` or `https://…`.
    pub api: Option<String>,
    /// Path of the probe; `/` when absent.
    pub api_probe_path: Option<String>,
    /// Further request headers.
    pub api_headers: Vec<Header>,
    /// Value of the `Authorization` header.
    pub api_authorization: SecretInput,
    /// `local`, `ssh://…` or `prometheus+http://…`.
    pub host: Option<String>,
    /// The host's password or key passphrase.
    pub host_secret: SecretInput,
    /// Folder or URL.
    pub frontend: Option<String>,
}

/// Data that a form or `perfctl env add` sends to create or edit an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentDraft {
    /// Unique name: 1 to 64 characters, no control characters.
    pub name: String,
    /// Purpose of the environment.
    pub kind: Kind,
    /// Targets of the environment, as entered.
    pub targets: TargetsDraft,
    /// Pool settings; by kind when absent.
    pub pool: Option<PoolSettings>,
    /// Guards; by kind when absent.
    pub guards: Option<Guards>,
}
