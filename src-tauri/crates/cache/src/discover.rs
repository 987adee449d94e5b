//! Caches on this machine's loopback interface.
use std::time::Duration;

use perfdeck_model::{FoundService, HostPort, TargetRole};
use perfdeck_words::plural;

use crate::info::{fields, keys, product};

const DEADLINE: Duration = Duration::from_millis(500);

async fn look(at: HostPort) -> Option<FoundService> {
    let work = async {
        let client = redis::Client::open(format!("redis://{at}")).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let info: Result<String, _> = redis::cmd("INFO").query_async(&mut connection).await;
        let (product, detail) = match info {
            Ok(info) => {
                let info = fields(&info);
                (product(&info), format!("open, {}", plural(keys(&info).0, "key")))
            }
            Err(e) if e.to_string().contains("NOAUTH") => ("Redis or Valkey".to_owned(), "needs a password".to_owned()),
            Err(e) if e.to_string().contains("NOPERM") => ("Redis or Valkey".to_owned(), "needs a user".to_owned()),
            Err(_) => return None,
        };
        Some(FoundService {
            role: TargetRole::Cache,
            product,
            address: at.to_string(),
            detail,
            url: format!("redis://{at}/0"),
        })
    };
    tokio::time::timeout(DEADLINE, work).await.ok().flatten()
}

async fn on(port: u16) -> Vec<FoundService> {
    let at = |host: &str| HostPort { host: host.to_owned(), port };
    let (v4, v6) = tokio::join!(look(at("127.0.0.1")), look(at("::1")));
    // A server that listens on both is one service.
    v4.or(v6).into_iter().collect()
}

/// Looks for a Redis or Valkey on the standard port of this machine's loopback addresses, for half a second and without
/// credentials.
pub async fn discover() -> Vec<FoundService> {
    on(6379).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn servers_are_recognised_without_credentials() {
        let open = perfdeck_testkit::Redis::start().await.expect("Redis");
        open.execute(&["SET", "a", "1"]).await.expect("a key");
        let found = on(open.port()).await;
        assert!(found[0].product.starts_with("Redis ") || found[0].product.starts_with("Valkey "), "{found:?}");
        assert_eq!(found[0].detail, "open, 1 key", "how much is in it");
        let closed = perfdeck_testkit::Redis::start_with_password("canary").await.expect("Redis");
        assert_eq!(on(closed.port()).await[0].detail, "needs a password", "it says so before anyone tries");
    }

    #[tokio::test]
    async fn a_port_that_says_nothing_is_no_cache() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let started = std::time::Instant::now();
        assert!(on(silent.local_addr().expect("bound").port()).await.is_empty(), "silence is no cache");
        assert!(started.elapsed() < Duration::from_millis(1500), "and costs half a second");
    }
}
