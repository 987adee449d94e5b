//! What an address asks of a server before anything is told to it: files that can be read, a certificate that its own
//! root vouches for, a session that will do.
use std::path::Path;
use std::sync::Arc;

use perfdeck_model::{Address, AddressOptions, ApiError, ErrorCode, HostPort, Scheme, TlsMode, WantedSession};
use perfdeck_net::{Client, Part, Trust, Unusable, Verified, cause, is_version_1};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::{explain, untrusted};
use crate::tls;

/// The address's parameters.
///
/// # Errors
/// For one that this version does not honour.
pub(crate) fn wanted(address: &Address) -> Result<AddressOptions, ApiError> {
    address.options().map_err(|e| ApiError::bad_request(e.message).hint(e.hint))
}

/// Reads a file that a parameter names.
async fn file(parameter: &str, path: &str) -> Result<Vec<u8>, ApiError> {
    tokio::fs::read(Path::new(path)).await.map_err(|e| {
        ApiError::new(ErrorCode::Tls, format!("The file {path} of {parameter} cannot be read: {e}"))
            .hint(format!("Check the path that {parameter}= names, and whether this account may read it"))
    })
}

/// A file for TLS that cannot be used, by its parameter and path.
fn unusable(wanted: &AddressOptions, unfit: &Unusable) -> ApiError {
    let file = match unfit.part {
        Part::Roots | Part::System => wanted.root.as_deref(),
        Part::Certificate => wanted.certificate.as_ref().map(|(certificate, _)| certificate.as_str()),
        Part::Key => wanted.certificate.as_ref().map(|(_, key)| key.as_str()),
    };
    ApiError::new(ErrorCode::Tls, unfit.sentence(file)).hint(unfit.step)
}

/// Reads the files that an address names for TLS. Answers how its own roots verify, where they do.
pub(crate) async fn files(wanted: &AddressOptions) -> Result<Option<Client>, ApiError> {
    let roots = match &wanted.root {
        Some(path) => Some(file("sslrootcert", path).await?),
        None => None,
    };
    let certificate = match &wanted.certificate {
        Some((certificate, key)) => Some((file("sslcert", certificate).await?, file("sslkey", key).await?)),
        None => None,
    };
    if roots.is_none() && certificate.is_none() {
        return Ok(None);
    }
    let (client, verifies) = client(wanted, roots, certificate)?;
    Ok(verifies.then_some(client))
}

/// How a server is trusted with these files, and whether roots of the address's own verify it.
fn client(
    wanted: &AddressOptions,
    roots: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<(Client, bool), ApiError> {
    let verified = match wanted.tls {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Verified::Nothing,
        TlsMode::VerifyCa => Verified::Chain,
        TlsMode::Verify => Verified::ChainAndName,
    };
    let verifies = roots.is_some() && verified != Verified::Nothing;
    let client = Trust { verified, roots, certificate }.client().map_err(|unfit| unusable(wanted, &unfit))?;
    Ok((client, verifies))
}

/// Whether the driver failed on a certificate that it cannot read and that the address does not want to be verified.
pub(crate) fn unread(error: &sqlx::Error, wanted: &AddressOptions) -> bool {
    matches!(wanted.tls, TlsMode::Prefer | TlsMode::Require) && cause(error).is_some_and(is_version_1)
}

/// A way over TLS without verification, to a PostgreSQL whose certificate the driver cannot read.
pub(crate) async fn unverified(address: &Address, wanted: &AddressOptions) -> Result<Door, ApiError> {
    let Some(host) = address.hosts.first() else { return Err(ApiError::bad_request("The address names no host")) };
    let certificate = match &wanted.certificate {
        Some((certificate, key)) => Some((file("sslcert", certificate).await?, file("sslkey", key).await?)),
        None => None,
    };
    let way = Way { host: host.clone(), scheme: address.scheme, client: client(wanted, None, certificate)?.0 };
    Door::open(way).await.map_err(|e| explain(address, &sqlx::Error::Io(e)))
}

/// Verifies the server's certificate against the address's own roots, before the driver connects: the driver trusts the
/// system's roots beside them, and no certificate that is its own root.
///
/// Answers a way to the server where the driver cannot verify it itself.
pub(crate) async fn checked(address: &Address, wanted: &AddressOptions) -> Result<Option<Door>, ApiError> {
    let Some(host) = address.hosts.first().filter(|h| !h.host.starts_with('/')) else { return Ok(None) };
    let Some(client) = files(wanted).await? else { return Ok(None) };
    let way = Way { host: host.clone(), scheme: address.scheme, client };
    match way.open().await {
        Ok(Some(_)) => {}
        // No TLS: the driver refuses it in its own words.
        Ok(None) => return Ok(None),
        Err(error) => {
            return Err(match cause(&error) {
                Some(why) => untrusted(address, why, way.client.shown().as_ref()),
                None => explain(address, &sqlx::Error::Io(error)),
            });
        }
    }
    if !way.client.own_root() {
        return Ok(None);
    }
    if address.scheme != Scheme::Postgres {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            format!(
                "The certificate of {host} is its own root and may sign others, which the MySQL driver does not verify"
            ),
        )
        .hint(
            "Let a root sign a certificate of the server's own, or make this one without basicConstraints CA:TRUE; \
             sslmode=require without a root encrypts without verification",
        ));
    }
    Door::open(way).await.map(Some).map_err(|e| explain(address, &sqlx::Error::Io(e)))
}

/// How a server is reached with TLS.
#[derive(Debug, Clone)]
struct Way {
    host: HostPort,
    scheme: Scheme,
    client: Client,
}

impl Way {
    /// A verified connection; `None` where the server does not offer TLS.
    async fn open(&self) -> std::io::Result<Option<TlsStream<TcpStream>>> {
        let mut stream = TcpStream::connect((self.host.host.as_str(), self.host.port)).await?;
        stream.set_nodelay(true)?;
        let offered = match self.scheme {
            Scheme::Postgres => tls::ask_postgres(&mut stream).await? == b'S',
            _ => tls::ask_mysql(&mut stream).await?,
        };
        if !offered {
            return Ok(None);
        }
        let name = ServerName::try_from(self.host.host.clone()).map_err(std::io::Error::other)?;
        TlsConnector::from(self.client.config.clone()).connect(name, stream).await.map(Some)
    }
}

/// A port of this machine that leads to the server over a verified connection, for a driver that cannot verify it.
/// Monitoring goes through it; load has a client of its own. New connections end with it, open ones do not.
#[derive(Debug)]
pub(crate) struct Door {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    async fn open(way: Way) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let way = Arc::new(way);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let way = way.clone();
                tokio::spawn(async move {
                    let _ = near.set_nodelay(true);
                    // A server that changed its mind about TLS since is not spoken to.
                    if let Ok(Some(mut far)) = way.open().await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Self { port, task })
    }

    /// The same options, through this door.
    pub(crate) fn through(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.host("127.0.0.1").port(self.port).ssl_mode(PgSslMode::Disable)
    }
}

/// Whether a session of such a server will do, as libpq decides it.
pub(crate) fn fitting(
    address: &Address,
    wanted: WantedSession,
    standby: bool,
    read_only: bool,
) -> Result<(), ApiError> {
    let (fits, word) = match wanted {
        WantedSession::Any => (true, "any"),
        WantedSession::ReadWrite => (!read_only, "read-write"),
        WantedSession::ReadOnly => (read_only, "read-only"),
        WantedSession::Primary => (!standby, "primary"),
        WantedSession::Standby => (standby, "standby"),
    };
    if fits {
        return Ok(());
    }
    let is = match (standby, read_only) {
        (true, _) => "a standby",
        (false, true) => "a primary whose sessions only read",
        (false, false) => "a primary whose sessions may write",
    };
    Err(ApiError::new(
        ErrorCode::Conflict,
        format!("{} is {is}, and the address wants target_session_attrs={word}", address.short()),
    )
    .hint("Give the host of the server that is meant, or leave target_session_attrs out"))
}
