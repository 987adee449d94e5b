//! Opening a connection: TLS, start-up, signing in.
use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::{Buf as _, Bytes};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;
use crate::cancel::Cancel;
use crate::client::Client;
use crate::tls::Tls;
use crate::wire::{Socket, Wire, refusal, text};

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

impl Client {
    /// Opens a connection. It has no deadline of its own.
    ///
    /// # Errors
    /// When the server cannot be reached, speaks something else, or refuses the certificate, a parameter or the user.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let mut wire = Wire::new(socket(options).await?);
        let mut parameters = vec![("user", options.user.as_str()), ("client_encoding", "UTF8")];
        if let Some(database) = &options.database {
            parameters.push(("database", database));
        }
        parameters.extend(options.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        frontend::startup_message(parameters, &mut wire.write)?;
        wire.flush().await?;
        let (mut process, mut secret, mut told) = (0, 0, BTreeMap::new());
        loop {
            let mut message = wire.message().await?;
            match message.tag {
                b'R' => authenticate(&mut wire, options, message.body).await?,
                b'E' => return Err(refusal(message.body)),
                b'K' if message.body.len() >= 8 => {
                    (process, secret) = (message.body.get_i32(), message.body.get_i32());
                }
                b'S' => {
                    let (name, value) = (text(&mut message.body), text(&mut message.body));
                    told.extend(name.zip(value));
                }
                b'Z' => return Ok(Self::new(wire, process, Cancel::new(options, process, secret), told)),
                // Notices, and what newer servers negotiate.
                b'N' | b'v' => {}
                tag => return Err(strange(tag)),
            }
        }
    }
}

pub(crate) fn strange(tag: u8) -> Error {
    Error::Protocol(format!("an unexpected message '{}'", char::from(tag)))
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

async fn authenticate(wire: &mut Wire, options: &Options, mut body: Bytes) -> Result<(), Error> {
    let unknown = |what: &str| Error::Protocol(format!("the server wants {what}, which is not supported"));
    if body.len() < 4 {
        return Err(strange(b'R'));
    }
    let password = || {
        options.password.as_deref().ok_or_else(|| {
            Error::Server(Box::new(crate::Refusal {
                code: "28P01".to_owned(),
                message: "the server asks for a password, and none is given".to_owned(),
                fatal: true,
                ..crate::Refusal::default()
            }))
        })
    };
    match body.get_i32() {
        0 => return Ok(()),
        3 => frontend::password_message(password()?.as_bytes(), &mut wire.write)?,
        5 if body.len() >= 4 => {
            let salt = [body[0], body[1], body[2], body[3]];
            let hash = md5_hash(options.user.as_bytes(), password()?.as_bytes(), salt);
            frontend::password_message(hash.as_bytes(), &mut wire.write)?;
        }
        10 => return scram(wire, password()?, body).await,
        7 | 8 => return Err(unknown("GSSAPI")),
        9 => return Err(unknown("SSPI")),
        other => return Err(unknown(&format!("authentication {other}"))),
    }
    wire.flush().await
}

async fn scram(wire: &mut Wire, password: &str, mut mechanisms: Bytes) -> Result<(), Error> {
    let mut known = false;
    while let Some(name) = text(&mut mechanisms).filter(|name| !name.is_empty()) {
        known |= name == SCRAM_SHA_256;
    }
    if !known {
        return Err(Error::Protocol("the server offers no way to sign in that is supported".to_owned()));
    }
    let wrong = |e: std::io::Error| Error::Protocol(format!("signing in: {e}"));
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut wire.write)?;
    wire.flush().await?;
    for expected in [11, 12] {
        let mut message = loop {
            let message = wire.message().await?;
            match message.tag {
                b'E' => return Err(refusal(message.body)),
                b'N' => {}
                b'R' if message.body.len() >= 4 => break message,
                tag => return Err(strange(tag)),
            }
        };
        if message.body.get_i32() != expected {
            return Err(strange(b'R'));
        }
        if expected == 11 {
            scram.update(&message.body).map_err(wrong)?;
            frontend::sasl_response(scram.message(), &mut wire.write)?;
            wire.flush().await?;
        } else {
            scram.finish(&message.body).map_err(wrong)?;
        }
    }
    Ok(())
}
