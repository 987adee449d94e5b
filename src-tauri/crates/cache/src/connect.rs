//! Connections with deadlines, and what their errors mean for a person.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive, TlsMode};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, TlsCertificates};

pub(crate) use crate::error::{explain, timeout};

/// A connection, and each answer on it, is given up after this.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);

/// A server's address as the driver reads it, and the content of a root certificate of its own.
pub(crate) async fn driver_url(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
) -> Result<(String, Option<Vec<u8>>), ApiError> {
    let mut one = target.address.clone();
    one.hosts = vec![host.clone()];
    one.params.retain(|k, _| k != "mode" && k != "master" && k != "service_name");
    if target.mode == CacheMode::Cluster {
        one.path = String::new();
    }
    // The parameters are read here; redis-rs would not know them.
    let mut plain = one.clone();
    plain.params.clear();
    let mut url = plain.url_with(password);
    if target.address.tls == TlsMode::Require {
        // redis-rs' word for "do not verify".
        url = format!("{}#insecure", url.split('?').next().unwrap_or(&url));
    }
    // A root of its own, as PostgreSQL's drivers spell it.
    let root = match one.params.get("sslrootcert") {
        Some(file) => Some(tokio::fs::read(file).await.map_err(|e| {
            ApiError::new(ErrorCode::Tls, format!("{file} cannot be read: {e}")).hint("Check the path in ?sslrootcert=")
        })?),
        None => None,
    };
    Ok((url, root))
}

pub(crate) fn client(url: String, root: Option<Vec<u8>>) -> Result<Client, RedisError> {
    match root {
        Some(_) => Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: root }),
        None => Client::open(url),
    }
}

/// Connects to one server.
pub(crate) async fn connect(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
) -> Result<MultiplexedConnection, ApiError> {
    let (url, root) = driver_url(target, host, password).await?;
    let work = async {
        let client = client(url, root)?;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(DEADLINE)).set_response_timeout(Some(DEADLINE));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        // A server that forbids naming a connection still serves.
        let _: Result<(), RedisError> =
            redis::cmd("CLIENT").arg("SETNAME").arg("perfdeck").query_async(&mut connection).await;
        Ok::<_, RedisError>(connection)
    };
    match tokio::time::timeout(DEADLINE + Duration::from_millis(500), work).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            tracing::debug!(target: "perfdeck::cache", %host, "connecting failed: {error}");
            Err(explain(target, host, &error))
        }
        Err(_) => Err(timeout(host)),
    }
}

/// The primary that Sentinels name.
pub(crate) async fn primary(target: &CacheTarget, password: Option<&Sensitive>) -> Result<HostPort, ApiError> {
    let name = target.sentinel_master.clone().unwrap_or_default();
    let mut last = None;
    for sentinel in &target.address.hosts {
        // Sentinels often have no password of their own.
        let mut open = target.clone();
        open.address.username = None;
        open.address.path = String::new();
        let connection = match connect(&open, sentinel, None).await {
            Ok(c) => Ok(c),
            Err(e) if e.code == ErrorCode::Authentication => connect(&open, sentinel, password).await,
            Err(e) => Err(e),
        };
        let found: Result<Option<(String, u16)>, ApiError> = match connection {
            Ok(mut c) => redis::cmd("SENTINEL")
                .arg("get-master-addr-by-name")
                .arg(&name)
                .query_async(&mut c)
                .await
                .map_err(|e| explain(target, sentinel, &e)),
            Err(e) => Err(e),
        };
        match found {
            Ok(Some((host, port))) => return Ok(HostPort { host, port }),
            Ok(None) => {
                last =
                    Some(ApiError::not_found(format!("{sentinel} knows no primary '{name}'")).hint("Check ?master="));
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| ApiError::bad_request("The address names no Sentinel")))
}

/// The primaries of a cluster, from the first seed that answers.
pub(crate) async fn primaries(target: &CacheTarget, password: Option<&Sensitive>) -> Result<Vec<HostPort>, ApiError> {
    let mut last = None;
    for seed in &target.address.hosts {
        let nodes: Result<String, ApiError> = match connect(target, seed, password).await {
            Ok(mut c) => {
                redis::cmd("CLUSTER").arg("NODES").query_async(&mut c).await.map_err(|e| explain(target, seed, &e))
            }
            Err(e) => Err(e),
        };
        match nodes {
            Ok(text) => {
                let all: Vec<HostPort> = text.lines().filter_map(|l| node(l, seed)).collect();
                if !all.is_empty() {
                    return Ok(all);
                }
                last =
                    Some(ApiError::new(ErrorCode::Unsupported, format!("{seed} is not part of a cluster with slots")));
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| ApiError::bad_request("The address names no cluster node")))
}

/// One line of CLUSTER NODES, when it is a primary with slots that is up.
fn node(line: &str, seed: &HostPort) -> Option<HostPort> {
    let fields: Vec<&str> = line.split(' ').collect();
    let flags = fields.get(2)?;
    if !flags.contains("master") || flags.contains("fail") || fields.len() < 9 {
        return None;
    }
    let (host, port) = fields.get(1)?.split('@').next()?.rsplit_once(':')?;
    // A node that does not know its own address is the one that was asked.
    let host = if host.is_empty() { seed.host.clone() } else { host.trim_matches(['[', ']']).to_owned() };
    Some(HostPort { host, port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_primaries_with_slots_are_measured() {
        let seed = HostPort { host: "127.0.0.1".into(), port: 1 };
        let line = "07c 127.0.0.1:30004@31004 master - 0 1 4 connected 0-5460";
        assert_eq!(node(line, &seed).map(|h| h.port), Some(30004), "a primary");
        assert!(node("07c 127.0.0.1:30004@31004 slave e7d 0 1 4 connected", &seed).is_none(), "a replica");
        assert!(node("07c 127.0.0.1:30004@31004 master,fail - 0 1 4 connected 0-1", &seed).is_none(), "a dead one");
        assert_eq!(
            node("07c :30004@31004 myself,master - 0 1 4 connected 0-1", &seed).map(|h| h.host),
            Some("127.0.0.1".into()),
            "itself"
        );
    }
}
