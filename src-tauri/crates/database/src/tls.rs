//! Asking PostgreSQL, MySQL and MariaDB for TLS in their own protocols.
use perfdeck_net::{Certificate, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server said when it was asked for TLS.
#[derive(Debug)]
pub(crate) enum Offer {
    /// It speaks no TLS.
    None,
    /// Its certificate.
    Certificate(Certificate),
    /// It offers TLS and the handshake failed.
    Failed(String),
    /// It is not the product that was expected; says what it sent.
    Stranger,
}

/// Sends PostgreSQL's `SSLRequest`; it answers `S` or `N`, or `E` when it refuses the client at once.
pub(crate) async fn ask_postgres(stream: &mut TcpStream) -> std::io::Result<u8> {
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    stream.read_u8().await
}

/// Asks PostgreSQL for TLS and for its certificate.
pub(crate) async fn postgres(host: &str, mut stream: TcpStream) -> std::io::Result<Offer> {
    Ok(match ask_postgres(&mut stream).await? {
        b'S' => handshake(host, stream).await.map_or_else(Offer::Failed, Offer::Certificate),
        // With E the real connection gets the same message and explains it.
        b'N' | b'E' => Offer::None,
        _ => Offer::Stranger,
    })
}

/// Reads MySQL's greeting: the version, and whether the server speaks TLS.
///
/// `None` when it is an error packet or not a greeting of protocol 10.
pub(crate) async fn greeting(stream: &mut TcpStream) -> std::io::Result<Option<(String, bool)>> {
    let mut head = [0u8; 4];
    stream.read_exact(&mut head).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if length == 0 || length > 4096 || head[3] != 0 {
        return Ok(None);
    }
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).await?;
    if body[0] != 10 {
        return Ok(None);
    }
    let Some(end) = body.iter().position(|b| *b == 0) else { return Ok(None) };
    let version = String::from_utf8_lossy(&body[1..end]).into_owned();
    // After the version: thread id (4), half of the scramble (8), a zero, then the lower half of the capabilities.
    let at = end + 1 + 4 + 8 + 1;
    let Some(bytes) = body.get(at..at + 2) else { return Ok(None) };
    const CLIENT_SSL: u16 = 0x0800;
    Ok(Some((version, u16::from_le_bytes([bytes[0], bytes[1]]) & CLIENT_SSL != 0)))
}

/// Asks MySQL or MariaDB for TLS as its greeting allows, and for its certificate.
pub(crate) async fn mysql(host: &str, mut stream: TcpStream) -> std::io::Result<Offer> {
    if !ask_mysql(&mut stream).await? {
        return Ok(Offer::None);
    }
    Ok(handshake(host, stream).await.map_or_else(Offer::Failed, Offer::Certificate))
}

/// Asks MySQL or MariaDB for TLS as its greeting allows; `false` where it does not offer it.
pub(crate) async fn ask_mysql(stream: &mut TcpStream) -> std::io::Result<bool> {
    let Some((_, true)) = greeting(stream).await? else {
        // With an error packet the real connection explains it.
        return Ok(false);
    };
    // SSLRequest: PROTOCOL_41 | SSL | SECURE_CONNECTION | PLUGIN_AUTH, 16 MB packets, utf8mb4, 23 zeros.
    let flags: u32 = 0x0200 | 0x0800 | 0x8000 | 0x0008_0000;
    let mut packet = vec![32, 0, 0, 1];
    packet.extend(flags.to_le_bytes());
    packet.extend(0x0100_0000u32.to_le_bytes());
    packet.push(45);
    packet.extend([0u8; 23]);
    stream.write_all(&packet).await?;
    Ok(true)
}
