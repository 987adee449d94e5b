//! Databases on this machine's loopback interface.
use std::time::Duration;

use perfdeck_model::{FoundService, HostPort, TargetRole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connect::mysql_version;
use crate::tls;

const DEADLINE: Duration = Duration::from_millis(500);

fn found(product: String, at: &HostPort, detail: String, scheme: &str) -> FoundService {
    FoundService {
        role: TargetRole::Database,
        product,
        address: at.to_string(),
        detail,
        url: format!("{scheme}://{at}"),
    }
}

/// Asks a server for TLS and then begins to sign in, which it answers with how it wants that done.
async fn postgres(at: &HostPort) -> Option<FoundService> {
    let mut stream = TcpStream::connect((at.host.as_str(), at.port)).await.ok()?;
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.ok()?;
    let tls = match stream.read_u8().await.ok()? {
        b'S' => ", offers TLS",
        b'N' => "",
        _ => return None,
    };
    drop(stream);
    let detail = match sign_in(at).await {
        Some(Reply::Open(version)) => {
            return Some(found(
                format!("PostgreSQL {}", version.as_deref().unwrap_or("")).trim().to_owned(),
                at,
                format!("open to 'postgres' without a password{tls}"),
                "postgres",
            ));
        }
        Some(Reply::Password) => format!("needs a password{tls}"),
        Some(Reply::Refused) | None => format!("needs a user and password{tls}"),
    };
    Some(found("PostgreSQL".to_owned(), at, detail, "postgres"))
}

enum Reply {
    Open(Option<String>),
    Password,
    Refused,
}

async fn sign_in(at: &HostPort) -> Option<Reply> {
    let mut stream = TcpStream::connect((at.host.as_str(), at.port)).await.ok()?;
    let mut body = 196_608u32.to_be_bytes().to_vec();
    body.extend(b"user\0postgres\0database\0postgres\0application_name\0perfdeck\0\0");
    let length = u32::try_from(body.len() + 4).ok()?;
    stream.write_all(&length.to_be_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    let mut open = false;
    // Messages until it waits for us; a handful of parameters come first.
    for _ in 0..40 {
        let kind = stream.read_u8().await.ok()?;
        let length = usize::try_from(stream.read_u32().await.ok()?).ok()?.checked_sub(4)?;
        if length > 65_536 {
            return None;
        }
        let mut body = vec![0u8; length];
        stream.read_exact(&mut body).await.ok()?;
        match kind {
            b'R' if body.get(..4) == Some(&[0, 0, 0, 0]) => open = true,
            b'R' => return Some(Reply::Password),
            b'E' => return Some(Reply::Refused),
            b'S' => {
                if let Some(version) = body.strip_prefix(b"server_version\0") {
                    let version = version.split(|b| matches!(*b, 0 | b' ')).next().unwrap_or_default();
                    return Some(Reply::Open(Some(String::from_utf8_lossy(version).into_owned())));
                }
            }
            b'Z' if open => return Some(Reply::Open(None)),
            _ => {}
        }
    }
    None
}

async fn mysql(at: &HostPort) -> Option<FoundService> {
    let mut stream = TcpStream::connect((at.host.as_str(), at.port)).await.ok()?;
    let (version, tls) = tls::greeting(&mut stream).await.ok()??;
    let product = mysql_version(&version);
    let scheme = if product.starts_with("MariaDB") { "mariadb" } else { "mysql" };
    let detail = format!("needs a user and password{}", if tls { ", offers TLS" } else { "" });
    Some(found(product, at, detail, scheme))
}

async fn within<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(DEADLINE, work).await.ok().flatten()
}

/// Looks at two ports on both loopback addresses, all at the same time.
async fn look(postgres_port: u16, mysql_port: u16) -> Vec<FoundService> {
    let at = |host: &str, port| HostPort { host: host.to_owned(), port };
    let (p4, p6) = (at("127.0.0.1", postgres_port), at("::1", postgres_port));
    let (m4, m6) = (at("127.0.0.1", mysql_port), at("::1", mysql_port));
    let (a, b, c, d) =
        tokio::join!(within(postgres(&p4)), within(postgres(&p6)), within(mysql(&m4)), within(mysql(&m6)));
    // A server that listens on both is one service.
    [a.or(b), c.or(d)].into_iter().flatten().collect()
}

/// Looks for databases on the standard ports of this machine's loopback addresses, for half a second and without
/// credentials. An absent or silent server is simply not in the list.
pub async fn discover() -> Vec<FoundService> {
    look(5432, 3306).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn servers_are_recognised_without_credentials() {
        let (postgres, mariadb) = tokio::join!(perfdeck_testkit::Postgres::start(), perfdeck_testkit::MariaDb::start());
        let (postgres, mariadb) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"));
        let services = look(postgres.port(), mariadb.port()).await;
        assert_eq!(services.len(), 2, "both are found: {services:?}");
        assert_eq!(services[0].product, "PostgreSQL", "its version is a secret before signing in");
        assert_eq!(services[0].detail, "needs a password", "it says how it wants to be signed in to");
        assert!(services[1].product.starts_with("MariaDB 1"), "the greeting names it: {}", services[1].product);
        assert_eq!(services[1].url, format!("mariadb://127.0.0.1:{}", mariadb.port()), "the URL to start from");
    }

    #[tokio::test]
    async fn a_port_that_says_nothing_costs_half_a_second() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = silent.local_addr().expect("bound").port();
        let started = Instant::now();
        assert!(look(port, port).await.is_empty(), "silence is no database");
        assert!(started.elapsed() < Duration::from_millis(1500), "both ports are tried at the same time");
    }
}
