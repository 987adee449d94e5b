//! Databases on this machine's loopback interface.
use std::time::Duration;

use perfdeck_model::{FoundService, TargetRole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_millis(500);

fn found(product: String, port: u16, detail: &str, scheme: &str) -> FoundService {
    FoundService {
        role: TargetRole::Database,
        product,
        address: format!("127.0.0.1:{port}"),
        detail: detail.to_owned(),
        url: format!("{scheme}://127.0.0.1:{port}"),
    }
}

async fn postgres() -> Option<FoundService> {
    let mut stream = TcpStream::connect(("127.0.0.1", 5432)).await.ok()?;
    // SSLRequest: a server answers S or N without credentials (PostgreSQL protocol, section 55.2.10).
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.ok()?;
    let answer = stream.read_u8().await.ok()?;
    matches!(answer, b'S' | b'N').then(|| found("PostgreSQL".to_owned(), 5432, "needs a user and password", "postgres"))
}

async fn mysql() -> Option<FoundService> {
    let mut stream = TcpStream::connect(("127.0.0.1", 3306)).await.ok()?;
    let mut greeting = [0u8; 128];
    let n = stream.read(&mut greeting).await.ok()?;
    // Four bytes of packet header, the protocol version 10, then the server version up to a zero byte.
    let body = greeting.get(4..n)?;
    if body.first() != Some(&10) {
        return None;
    }
    let version = body[1..].split(|b| *b == 0).next()?;
    let version = String::from_utf8_lossy(version);
    let version = version.strip_prefix("5.5.5-").unwrap_or(&version);
    let (product, scheme) = if version.contains("MariaDB") { ("MariaDB", "mariadb") } else { ("MySQL", "mysql") };
    let number = version.split('-').next().unwrap_or("");
    Some(found(format!("{product} {number}"), 3306, "needs a user and password", scheme))
}

/// Looks at the standard ports for half a second.
pub async fn discover() -> Vec<FoundService> {
    let (a, b) = tokio::join!(tokio::time::timeout(DEADLINE, postgres()), tokio::time::timeout(DEADLINE, mysql()));
    [a.ok().flatten(), b.ok().flatten()].into_iter().flatten().collect()
}
