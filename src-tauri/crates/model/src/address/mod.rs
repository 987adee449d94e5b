//! Addresses of targets: a pasted URL becomes fields, and fields become a URL. Secrets are taken out on the way.
//!
//! One strict reader for all engines. What it does not understand it refuses, by a parameter's name from [`table`] or by
//! the position and kind of the mistake; its errors never repeat text that was entered.
use std::collections::BTreeMap;

mod application;
mod forms;
mod hosts;
mod network;
mod options;
mod parameters;
mod pasted;
mod show;
mod sqlite;
pub mod table;
#[cfg(test)]
mod tests;

pub use options::{Mode, Options, Session};
pub use pasted::{ParseAddressError, Pasted};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::TargetRole;

/// Product or protocol that speaks at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// A SQLite file.
    Sqlite,
    /// Redis or Valkey.
    Redis,
    /// Perfdeck's in-process cache.
    Memory,
    /// HTTP without TLS.
    Http,
    /// HTTP with TLS.
    Https,
    /// OpenSSH.
    Ssh,
    /// A Prometheus server that knows a host.
    Prometheus,
}

impl Scheme {
    /// The port assumed when an address names none.
    pub fn default_port(self) -> Option<u16> {
        match self {
            Self::Postgres => Some(5432),
            Self::Mysql | Self::Mariadb => Some(3306),
            Self::Redis => Some(6379),
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Ssh => Some(22),
            Self::Prometheus => Some(9090),
            Self::Sqlite | Self::Memory => None,
        }
    }

    /// Role of the target at an address of this scheme.
    pub fn role(self) -> TargetRole {
        match self {
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Sqlite => TargetRole::Database,
            Self::Redis | Self::Memory => TargetRole::Cache,
            Self::Http | Self::Https => TargetRole::Api,
            Self::Ssh | Self::Prometheus => TargetRole::Host,
        }
    }

    /// Product name for a person.
    pub fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Sqlite => "SQLite",
            Self::Redis => "Redis",
            Self::Memory => "In-process cache",
            Self::Http | Self::Https => "HTTP",
            Self::Ssh => "SSH",
            Self::Prometheus => "Prometheus",
        }
    }
}

/// Use of TLS. The words are PostgreSQL's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it, without verification. The default for loopback and for engines that negotiate it.
    #[default]
    Prefer,
    /// Always, without verification of the certificate.
    Require,
    /// Always; the certificate's chain is verified, its name is not.
    VerifyCa,
    /// Always, certificate and name verified.
    Verify,
}

/// A host and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An address without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Address {
    /// Product or protocol that speaks there.
    pub scheme: Scheme,
    /// Hosts; empty for files and in-process caches, several for Sentinel and Cluster. A host that starts with `/`
    /// is a Unix socket: its folder for PostgreSQL, the socket itself for MySQL and MariaDB.
    pub hosts: Vec<HostPort>,
    /// Database name, database number, file path, or base path, without a leading `/` except for files.
    pub path: String,
    /// User name.
    pub username: Option<String>,
    /// Use of TLS.
    pub tls: TlsMode,
    /// Further parameters under the names of [`table`], sorted; never secrets.
    pub params: BTreeMap<String, String>,
}
