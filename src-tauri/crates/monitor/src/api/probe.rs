//! One request on a connection of its own, phase by phase, each with a deadline.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, SERVER, USER_AGENT,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use perfdeck_model::{ApiError, ApiTarget, ErrorCode, Sensitive, StageName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use super::tls::{self, Trust};

/// How long the phases may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Each phase by itself.
    pub(super) each: Duration,
    /// All of them.
    pub(super) until: Instant,
}

impl Budget {
    fn left(&self) -> Duration {
        self.each.min(self.until.saturating_duration_since(Instant::now()))
    }
}

/// How long each phase took, in seconds; `None` when it was not reached.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Phases {
    pub(super) dns: Option<f64>,
    pub(super) connect: Option<f64>,
    pub(super) tls: Option<f64>,
    pub(super) first_byte: Option<f64>,
}

/// Why a probe failed, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: StageName,
    pub(super) error: ApiError,
    /// Something answered, but not as an HTTP server does: the target is there and fails.
    pub(super) answered: bool,
    /// Whether a server that speaks something else than the address says would look like this.
    pub(super) strange: bool,
}

impl Failure {
    pub(super) fn of(stage: StageName, error: ApiError) -> Self {
        Self { stage, error, answered: false, strange: false }
    }

    pub(super) fn new(stage: StageName, code: ErrorCode, message: String, hint: &str) -> Self {
        Self::of(stage, ApiError::new(code, message).hint(hint))
    }
}

/// The part of a body that was read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// Whether it ended there.
    pub(super) complete: bool,
}

/// The answer's head, and its body when it was asked for and could be read in time.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: http::Version,
    pub(super) server: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) content_type: String,
    pub(super) body: Option<Body>,
}

/// Where a URL leads, split once.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as the `Host` header has them.
    pub(super) authority: String,
    /// Path and query that are requested.
    pub(super) path: String,
}

impl Endpoint {
    /// Joins base URL and probe path. Credentials in the URL are ignored.
    pub(super) fn of(target: &ApiTarget) -> Result<Self, Failure> {
        let bad = |message: &str| {
            let hint = "Write http://host:port or https://host, and a path such as /health";
            Failure::new(StageName::Address, ErrorCode::BadRequest, message.to_owned(), hint)
        };
        let mut url = Url::parse(target.url.trim()).map_err(|_| bad("The API's address is not a URL"))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(bad("The API's address is neither http:// nor https://")),
        };
        let (path, query) =
            target.probe_path.split_once('?').map_or((&*target.probe_path, None), |(p, q)| (p, Some(q)));
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        let (name, host) = match url.host() {
            Some(Host::Domain(d)) => (d.to_owned(), d.to_owned()),
            Some(Host::Ipv4(a)) => (a.to_string(), a.to_string()),
            Some(Host::Ipv6(a)) => (format!("[{a}]"), a.to_string()),
            None => return Err(bad("The API's address names no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| bad("The API's address names no port"))?;
        let authority = url.port().map_or_else(|| name.clone(), |p| format!("{name}:{p}"));
        let path = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        Ok(Self { tls, host, port, authority, path })
    }

    /// The host as it stands before a port.
    pub(super) fn shown_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// Any byte stream to the server.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which nothing was sent yet.
pub(super) struct Connection(Box<dyn Stream>);

/// Looks the name up. IPv4 comes first: many development servers listen there only.
pub(super) async fn resolve(endpoint: &Endpoint, budget: Budget) -> Result<Vec<SocketAddr>, Failure> {
    let fail = |code, message, hint| Failure::new(StageName::Dns, code, message, hint);
    let (host, left) = (&endpoint.host, budget.left());
    match timeout(left, tokio::net::lookup_host((host.as_str(), endpoint.port))).await {
        Ok(Ok(found)) => {
            let mut all: Vec<SocketAddr> = found.collect();
            all.sort_by_key(SocketAddr::is_ipv6);
            all.dedup();
            if all.is_empty() {
                return Err(fail(ErrorCode::Unreachable, format!("'{host}' has no address"), "Check the name"));
            }
            Ok(all)
        }
        Ok(Err(_)) => Err(fail(
            ErrorCode::Unreachable,
            format!("The name '{host}' cannot be resolved"),
            "Check the spelling, the VPN and the DNS server",
        )),
        Err(_) => Err(fail(
            ErrorCode::Timeout,
            format!("The DNS server did not answer for '{host}' within {:.1} s", left.as_secs_f64()),
            "Check the network and the DNS server",
        )),
    }
}

/// Connects to the first address of each family that answers.
pub(super) async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    budget: Budget,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let first = |v6: bool| addresses.iter().find(move |a| a.is_ipv6() == v6);
    let mut code = ErrorCode::Unreachable;
    let mut tried = Vec::new();
    for address in first(false).into_iter().chain(first(true)) {
        let left = budget.left();
        match timeout(left, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, *address));
            }
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                tried.push(format!("{address} refused the connection"));
            }
            Ok(Err(e)) => tried.push(format!("{address} cannot be reached ({})", e.kind())),
            Err(_) => {
                code = ErrorCode::Timeout;
                tried.push(format!("{address} did not accept a connection within {:.1} s", left.as_secs_f64()));
            }
        }
    }
    let hint = format!("Is the API running and listening on port {}?", endpoint.port);
    Err(Failure::new(StageName::Tcp, code, tried.join(", and "), &hint))
}

/// A connection without TLS.
pub(super) fn plain(stream: TcpStream) -> Connection {
    Connection(Box::new(stream))
}

/// Agrees on TLS and verifies the certificate.
pub(super) async fn secure(
    endpoint: &Endpoint,
    stream: TcpStream,
    trust: &Trust,
    budget: Budget,
) -> Result<Connection, Failure> {
    let fail = |code, message: String, hint: &str| Failure::new(StageName::Tls, code, message, hint);
    let at = &endpoint.authority;
    let name = rustls::pki_types::ServerName::try_from(endpoint.host.clone()).map_err(|_| {
        fail(ErrorCode::Tls, format!("'{}' is no name for TLS", endpoint.host), "Use the server's name")
    })?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&trust.config));
    let left = budget.left();
    match timeout(left, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Connection(Box::new(stream))),
        Ok(Err(error)) => {
            let (message, hint) = tls::explain(at, &error, trust.certificate().as_ref());
            Err(Failure { strange: !tls::about_certificate(&error), ..fail(ErrorCode::Tls, message, hint) })
        }
        Err(_) => {
            let limit = left.as_secs_f64();
            let message = format!("{at} accepted the connection but did not answer the TLS handshake in {limit:.1} s");
            let hint = "Does the port speak TLS, or should the address start with http://?";
            Err(Failure { strange: true, ..fail(ErrorCode::Timeout, message, hint) })
        }
    }
}

/// The request's headers; those of the target win over Perfdeck's own.
fn headers(endpoint: &Endpoint, target: &ApiTarget, authorization: Option<&Sensitive>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::try_from(&endpoint.authority).ok()?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("perfdeck/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br, zstd"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for header in &target.headers {
        headers.insert(HeaderName::try_from(&header.name).ok()?, HeaderValue::try_from(&header.value).ok()?);
    }
    if let Some(value) = authorization.filter(|a| !a.is_empty()) {
        let mut value = HeaderValue::try_from(value.expose()).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

/// Sends the request and reads the answer's head, then up to `keep` bytes of its body. Returns the time to the head in
/// seconds. Redirects are not followed.
pub(super) async fn exchange(
    endpoint: &Endpoint,
    target: &ApiTarget,
    authorization: Option<&Sensitive>,
    connection: Connection,
    keep: usize,
    budget: Budget,
) -> Result<(Answer, f64), Failure> {
    let fail = |code, message: String, hint: &str| Failure::new(StageName::Version, code, message, hint);
    let at = &endpoint.authority;
    let bad = || {
        let message = "A header or the path of this API cannot be sent".to_owned();
        fail(ErrorCode::BadRequest, message, "Headers must not contain line breaks or other control characters")
    };
    let broken = |error: &hyper::Error| {
        let what = if error.is_parse() {
            format!("{at} answered, but not as an HTTP/1.1 server")
        } else {
            format!("{at} closed the connection before it answered")
        };
        Failure {
            answered: true,
            strange: true,
            ..fail(ErrorCode::Unreachable, what, "Look at the server's log; does the port speak HTTP?")
        }
    };
    let mut request = http::Request::get(&endpoint.path).body(Empty::<Bytes>::new()).map_err(|_| bad())?;
    *request.headers_mut() = headers(endpoint, target, authorization).ok_or_else(bad)?;
    let io = TokioIo::new(connection.0);
    let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await.map_err(|e| broken(&e))?;
    let work = async move {
        let started = Instant::now();
        let left = budget.left();
        let response = match timeout(left, sender.send_request(request)).await {
            Ok(response) => response.map_err(|e| broken(&e))?,
            Err(_) => {
                let limit = left.as_secs_f64();
                let message = format!("{at} accepted the connection but did not answer within {limit:.1} s");
                let failure = fail(ErrorCode::Timeout, message, "The server hangs or is overloaded");
                return Err(Failure { strange: true, ..failure });
            }
        };
        let first_byte = started.elapsed().as_secs_f64();
        let (head, incoming) = response.into_parts();
        let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let answer = Answer {
            status: head.status.as_u16(),
            version: head.version,
            server: text(SERVER),
            encoding: text(CONTENT_ENCODING).filter(|e| !e.eq_ignore_ascii_case("identity")),
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase(),
            body: timeout(budget.left(), read(incoming, keep)).await.ok().flatten(),
        };
        Ok((answer, first_byte))
    };
    // The connection is driven here and not in a task, so that nothing outlives a dropped probe.
    let (driver, work) = (std::pin::pin!(driver), std::pin::pin!(work));
    match futures_util::future::select(work, driver).await {
        futures_util::future::Either::Left((result, _)) => result,
        // When the connection ends first, what was received is still to be read.
        futures_util::future::Either::Right((_, work)) => work.await,
    }
}

/// Reads at most `keep` bytes; `None` when the body breaks off.
async fn read(mut incoming: hyper::body::Incoming, keep: usize) -> Option<Body> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            let room = keep - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Some(Body { bytes: bytes.freeze(), complete: false });
            }
        }
    }
    Some(Body { bytes: bytes.freeze(), complete: true })
}
