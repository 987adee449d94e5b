//! Connections for benchmarks: without what keeps monitoring harmless, and with the benchmark's own deadlines.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use perfdeck_net::Verified;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, ClientTlsConfig, RedisError, TlsCertificates};

use crate::connect::{Way, connect, explain, primaries, primary, silent};
use crate::info::{fields, keys};
use crate::own;

/// Longest time to open a connection where the address names none.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time to wait for an answer of a cluster.
const DEADLINE: Duration = Duration::from_secs(60);

/// A connection that a benchmark sends commands over.
pub enum LoadConnection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To a cluster.
    Cluster(ClusterConnection),
}

/// The servers that commands go to: one, or the primaries of a cluster.
///
/// # Errors
/// When Sentinels or seeds cannot be asked.
pub async fn servers(target: &CacheTarget, password: Option<&Sensitive>) -> Result<Vec<HostPort>, ApiError> {
    match target.mode {
        CacheMode::Single => Ok(target.address.hosts.first().cloned().into_iter().collect()),
        CacheMode::Sentinel => primary(target, password).await.map(|host| vec![host]),
        CacheMode::Cluster => primaries(target, password).await,
    }
}

/// Connects for a benchmark.
///
/// # Errors
/// As a connection test would say it.
pub async fn connect_for_load(target: &CacheTarget, password: Option<&Sensitive>) -> Result<LoadConnection, ApiError> {
    let servers = servers(target, password).await?;
    let Some(first) = servers.first() else { return Err(ApiError::bad_request("The cache's address names no host")) };
    match target.mode {
        CacheMode::Cluster => cluster(target, &servers, password).await?.map_err(|e| explain(target, first, &e)),
        _ => single(target, first, password).await,
    }
}

/// Clients that are connected to the cache's servers, without Perfdeck's own connections to them.
///
/// # Errors
/// When a server cannot be reached or does not answer.
pub async fn clients(target: &CacheTarget, password: Option<&Sensitive>) -> Result<f64, ApiError> {
    let mut all = 0.0;
    for host in servers(target, password).await? {
        let mut connection = connect(target, &host, password).await?;
        let info: String = redis::cmd("INFO")
            .arg("clients")
            .query_async(&mut connection)
            .await
            .map_err(|e| explain(target, &host, &e))?;
        let clients = fields(&info).get("connected_clients").and_then(|n| n.parse::<f64>().ok());
        all += (clients.unwrap_or(0.0) - own::connections(&host) as f64).max(0.0);
    }
    Ok(all)
}

/// What a cache is, for the question whether two runs had the same one before them, by name: `version`, `setting.NAME`,
/// `data.keys`. Of a cluster the version and settings of its first server, and the keys of all.
///
/// # Errors
/// When a server cannot be reached or does not answer.
pub async fn facts(target: &CacheTarget, password: Option<&Sensitive>) -> Result<BTreeMap<String, String>, ApiError> {
    const SETTINGS: [&str; 6] =
        ["maxmemory", "maxmemory_policy", "aof_enabled", "io_threads_active", "configured_hz", "redis_mode"];
    let (mut facts, mut held) = (BTreeMap::new(), 0);
    for host in servers(target, password).await? {
        let mut connection = connect(target, &host, password).await?;
        let info: String =
            redis::cmd("INFO").query_async(&mut connection).await.map_err(|e| explain(target, &host, &e))?;
        let info = fields(&info);
        held += keys(&info).0;
        if !facts.is_empty() {
            continue;
        }
        let valkey = info.get("valkey_version").map(|v| format!("Valkey {v}"));
        let version = valkey.or_else(|| info.get("redis_version").map(|v| format!("Redis {v}")));
        facts.insert("version".to_owned(), version.unwrap_or_else(|| "unknown".to_owned()));
        let known = SETTINGS.iter().filter_map(|name| Some((format!("setting.{name}"), info.get(*name)?.clone())));
        facts.extend(known);
    }
    facts.insert("data.keys".to_owned(), held.to_string());
    Ok(facts)
}

async fn single(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
) -> Result<LoadConnection, ApiError> {
    let way = Way::to(target, password).await?.for_load();
    let limit = way.limit(CONNECT);
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(None);
    let opened = tokio::time::timeout(limit, way.open(host, config)).await.map_err(|_| silent(host, limit))?;
    match opened {
        Ok(connection) => Ok(LoadConnection::Single(connection)),
        Err(error) => Err(way.explained(target, host, password, &error).await),
    }
}

async fn cluster(
    target: &CacheTarget,
    servers: &[HostPort],
    password: Option<&Sensitive>,
) -> Result<Result<LoadConnection, RedisError>, ApiError> {
    let way = Way::to(target, password).await?;
    let first = servers.first().ok_or_else(|| ApiError::bad_request("The cache's address names no host"))?;
    let nodes: Vec<_> = match servers.iter().map(|host| way.node(host)).collect() {
        Ok(nodes) => nodes,
        Err(error) => return Ok(Err(error)),
    };
    let mut builder =
        ClusterClientBuilder::new(nodes).response_timeout(DEADLINE).connection_timeout(way.limit(CONNECT));
    if let Some(user) = &target.address.username {
        builder = builder.username(user).password(password.map_or("", Sensitive::expose));
    } else if let Some(password) = password {
        builder = builder.password(password.expose());
    }
    if let Some(trust) = &way.trust {
        let insecure = trust.verified == Verified::Nothing;
        builder = builder.tls(if insecure { redis::TlsMode::Insecure } else { redis::TlsMode::Secure });
        builder = builder.danger_accept_invalid_hostnames(trust.verified == Verified::Chain);
        if trust.roots.is_some() || trust.certificate.is_some() {
            let client_tls =
                trust.certificate.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
            builder = builder.certs(TlsCertificates { client_tls, root_cert: trust.roots.clone() });
        }
        // The driver opens connections of a cluster itself, and knows no certificate that is its own root.
        let looked = way.open(first, AsyncConnectionConfig::new());
        if tokio::time::timeout(way.limit(CONNECT), looked).await.is_ok_and(|c| c.is_ok()) && way.own_root() {
            return Err(ApiError::new(
                ErrorCode::Unsupported,
                format!("The certificate of {first} is its own root and may sign others, which load on a cluster does not verify"),
            )
            .hint("Let a root sign certificates of the nodes' own, or make this one without basicConstraints CA:TRUE"));
        }
    }
    let work = async { builder.build()?.get_async_connection().await };
    let limit = way.limit(CONNECT);
    let opened = tokio::time::timeout(limit, work).await.map_err(|_| silent(first, limit))?;
    Ok(opened.map(LoadConnection::Cluster))
}
