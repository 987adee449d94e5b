//! Way of a plan to an environment's database and cache: here the load engines, which know neither, get their
//! connections.
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use perfdeck_bench::{CacheConnection, CacheWire, SqlConnection};
use perfdeck_cache::LoadConnection;
use perfdeck_database::LoadConnection as SqlLoad;
use perfdeck_model::{
    ApiError, BoxFuture, CacheMode, CacheTarget, DatabaseTarget, Environment, ErrorCode, HostPort, Scheme, Sensitive,
    TargetRole, TlsMode,
};

use crate::Engine;

/// The database and the cache of an environment, with their passwords.
pub(crate) struct LoadTargets {
    environment: String,
    database: Option<(DatabaseTarget, Option<Sensitive>)>,
    cache: Option<(CacheTarget, Option<Sensitive>)>,
}

impl LoadTargets {
    fn missing(&self, what: &str) -> ApiError {
        ApiError::new(ErrorCode::Unsupported, format!("'{}' has no {what} that a plan can use", self.environment))
            .hint("Add one in the environment's editor")
    }
}

/// Addresses of hosts; a socket's path is on this machine and has none.
async fn addresses_of(hosts: &[HostPort]) -> Result<Vec<SocketAddr>, ApiError> {
    let mut all = Vec::new();
    for host in hosts.iter().filter(|h| !h.host.starts_with('/')) {
        let found = tokio::net::lookup_host((host.host.as_str(), host.port)).await.map_err(|_| {
            ApiError::new(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", host.host))
                .hint("Check the spelling, the VPN and the DNS server")
        })?;
        all.extend(found);
    }
    Ok(all)
}

impl perfdeck_bench::OpensTargets for LoadTargets {
    fn sql(&self) -> BoxFuture<'_, Result<SqlConnection, ApiError>> {
        Box::pin(async {
            let (target, password) = self.database.as_ref().ok_or_else(|| self.missing("database"))?;
            let connection = perfdeck_database::connect_for_load(&target.address, password.as_ref()).await?;
            Ok(match connection {
                SqlLoad::Postgres(c) => SqlConnection::Postgres(c),
                SqlLoad::Mysql(c) => SqlConnection::Mysql(c),
                SqlLoad::Sqlite(c) => SqlConnection::Sqlite(c),
            })
        })
    }

    fn dialect(&self) -> Option<perfdeck_sqltext::Dialect> {
        self.database.as_ref().map(|(target, _)| perfdeck_database::dialect(target.address.scheme))
    }

    fn cache(&self) -> BoxFuture<'_, Result<CacheConnection, ApiError>> {
        Box::pin(async {
            let (target, password) = self.cache.as_ref().ok_or_else(|| self.missing("cache"))?;
            Ok(match perfdeck_cache::connect_for_load(target, password.as_ref()).await? {
                LoadConnection::Single(c) => CacheConnection::Single(c),
                LoadConnection::Cluster(c) => CacheConnection::Cluster(c),
            })
        })
    }

    fn cache_wire(&self) -> BoxFuture<'_, Result<Option<CacheWire>, ApiError>> {
        Box::pin(async {
            let (target, password) = self.cache.as_ref().ok_or_else(|| self.missing("cache"))?;
            if target.address.tls != TlsMode::Disable && target.address.tls != TlsMode::Prefer {
                return Ok(None);
            }
            let nodes = addresses_of(&perfdeck_cache::servers(target, password.as_ref()).await?).await?;
            Ok(Some(CacheWire {
                nodes,
                cluster: target.mode == CacheMode::Cluster,
                username: target.address.username.clone(),
                // An account without a password signs in too.
                password: password.as_ref().map(|p| p.expose().to_owned()).or(target
                    .address
                    .username
                    .as_ref()
                    .map(|_| String::new())),
                database: match target.address.path.as_str() {
                    "" => 0,
                    number => number.parse().map_err(|_| {
                        ApiError::bad_request("The cache's database number is not a number")
                            .hint("Write redis://host:6379/0")
                    })?,
                },
            }))
        })
    }

    fn addresses(&self, sql: bool, cache: bool) -> BoxFuture<'_, Result<Vec<IpAddr>, ApiError>> {
        Box::pin(async move {
            let mut hosts = Vec::new();
            if sql {
                let (target, _) = self.database.as_ref().ok_or_else(|| self.missing("database"))?;
                if target.address.scheme != Scheme::Sqlite {
                    hosts.extend(target.address.hosts.iter().cloned());
                }
            }
            if cache {
                let (target, password) = self.cache.as_ref().ok_or_else(|| self.missing("cache"))?;
                hosts.extend(perfdeck_cache::servers(target, password.as_ref()).await?);
            }
            let all: BTreeSet<IpAddr> = addresses_of(&hosts).await?.iter().map(SocketAddr::ip).collect();
            Ok(all.into_iter().collect())
        })
    }
}

impl Engine {
    /// Targets of an environment that a plan can use. A cache inside this process has no address and is none of them.
    pub(crate) async fn load_targets(&self, environment: &Environment) -> Result<LoadTargets, ApiError> {
        let mut targets = LoadTargets { environment: environment.name.clone(), database: None, cache: None };
        if let Some(database) = &environment.targets.database {
            targets.database = Some((database.clone(), self.secret(environment, TargetRole::Database).await?));
        }
        if environment.targets.cache.as_ref().is_some_and(|c| !c.address.hosts.is_empty()) {
            targets.cache = self.cache_login(environment).await?;
        }
        Ok(targets)
    }
}
