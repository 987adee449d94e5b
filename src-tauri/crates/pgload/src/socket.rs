//! Where a server is, and the socket to it.
use std::path::PathBuf;

use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;
use crate::tls::Tls;
use crate::wire::Socket;

/// Where a server listens.
#[derive(Debug, Clone)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What a connection needs.
#[derive(Clone)]
pub struct Options {
    /// Where.
    pub host: Host,
    /// Who.
    pub user: String,
    /// The password, when there is one.
    pub password: Option<String>,
    /// The database; the one of the user's name when absent.
    pub database: Option<String>,
    /// TLS; none when absent. A Unix socket has none.
    pub tls: Option<Tls>,
    /// Start-up parameters besides user, database and `client_encoding`.
    pub parameters: Vec<(String, String)>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("host", &self.host).field("user", &self.user).finish_non_exhaustive()
    }
}

pub(crate) async fn socket(options: &Options) -> Result<Socket, Error> {
    let (host, port) = match &options.host {
        Host::Tcp(host, port) => (host, *port),
        #[cfg(unix)]
        Host::Unix(path) => return Ok(Socket::Unix(tokio::net::UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Host::Unix(_) => return Err(Error::Protocol("this system has no Unix sockets".to_owned())),
    };
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &options.tls else { return Ok(Socket::Tcp(stream)) };
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    match stream.read_u8().await? {
        b'S' => {}
        b'N' if !tls.required => return Ok(Socket::Tcp(stream)),
        b'N' => return Err(Error::Tls("the server does not offer TLS".to_owned())),
        // An error of a server from before TLS, or of something else.
        _ => return Err(Error::Protocol("what it sends is no message of PostgreSQL".to_owned())),
    }
    let config = tls.config()?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Error::Tls(format!("'{host}' is no name that a certificate can have")))?;
    let connected = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
    connected.map(|stream| Socket::Tls(Box::new(stream))).map_err(|e| {
        match e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(why) => Error::Handshake(why.clone()),
            None => Error::Io(e),
        }
    })
}

pub(crate) fn strange(tag: u8) -> Error {
    Error::Protocol(format!("an unexpected message '{}'", char::from(tag)))
}
