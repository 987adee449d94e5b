//! Opening connections to one origin, and sending a request over one of them.
use std::cell::Cell;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use perfdeck_model::ApiError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::record::{Class, Failure, refused};

/// Where requests go: one scheme, host and port, with the addresses that the host had before the run. They are not
/// looked up again, so that load never goes to an address that nobody was shown.
pub(crate) struct Origin {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Vec<std::net::SocketAddr>,
    /// The address that answered last, so that one dead address of several is not asked for each connection.
    pub(crate) preferred: AtomicUsize,
}

/// What all connections of a run share.
pub(crate) struct Dialer {
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) timeout: Duration,
}

/// An open connection. Dropping it closes it, whatever is in flight.
pub(crate) struct Open {
    sender: Sender,
    read: Rc<Cell<u64>>,
    _driver: AbortOnDropHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        }
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<Full<Bytes>>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}

/// Runs the tasks of an HTTP/2 connection on the generator's own thread.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here
where
    F::Output: 'static,
{
    fn execute(&self, work: F) {
        tokio::task::spawn_local(work);
    }
}

impl Open {
    /// Bytes that it has received, and a handle to count further ones.
    pub(crate) fn received(&self) -> u64 {
        self.read.get()
    }
}

impl Dialer {
    /// Opens a connection; the caller sets the deadline.
    pub(crate) async fn open(&self, origin: &Origin) -> Result<Open, Failure> {
        let stream = self.tcp(origin).await?;
        // A request is one write; waiting for more to send would be in every figure.
        let _ = stream.set_nodelay(true);
        if !origin.tls {
            return over_http1(stream).await;
        }
        let Some(config) = &self.tls else { return Err((Class::Tls, "TLS is not set up".to_owned())) };
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|_| (Class::Tls, format!("'{}' is not a name for TLS", origin.host)))?;
        let stream = tokio_rustls::TlsConnector::from(config.clone())
            .connect(name, stream)
            .await
            .map_err(|e| (Class::Tls, e.to_string()))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            over_http2(stream).await
        } else {
            over_http1(stream).await
        }
    }

    async fn tcp(&self, origin: &Origin) -> Result<TcpStream, Failure> {
        let n = origin.addresses.len();
        let first = origin.preferred.load(Ordering::Relaxed);
        let mut failure = (Class::Connect, "the host has no address".to_owned());
        for i in 0..n {
            let at = (first + i) % n;
            let address = origin.addresses[at];
            // An address that never answers leaves time for the others.
            let share = self.timeout / u32::try_from(n).unwrap_or(1);
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    origin.preferred.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                Ok(Err(e)) => failure = refused(address, &e),
                Err(_) => {
                    failure = (Class::Timeout, format!("{address}: no connection within {} s", share.as_secs_f64()));
                }
            }
        }
        Err(failure)
    }

    /// Sends a request over `slot`, which is opened when it is not open, and answers the head of the response with the
    /// bytes that the connection had received before it.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        slot: &mut Option<Open>,
        mut message: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, u64), Failure> {
        let mut reused = slot.is_some();
        loop {
            if slot.as_ref().is_none_or(|o| o.sender.is_closed()) {
                // Apart: a request that finds its connection open does not carry the size of opening one.
                *slot = Some(Box::pin(self.open(origin)).await?);
                reused = false;
            }
            let Some(open) = slot.as_mut() else { return Err((Class::Other, "no connection".to_owned())) };
            if let Err(error) = open.sender.ready().await {
                *slot = None;
                if reused {
                    continue;
                }
                return Err(broken(&error));
            }
            let before = open.received();
            if matches!(open.sender, Sender::Http2(_)) {
                absolute(&mut message, origin)?;
            }
            match open.sender.send(message).await {
                Ok(response) => return Ok((response, before)),
                Err(mut error) => match error.take_message() {
                    // The server had closed an idle connection: nothing was sent, so it is not a failed request.
                    Some(unsent) if reused => {
                        message = unsent;
                        *slot = None;
                    }
                    _ => return Err(broken(error.error())),
                },
            }
        }
    }
}

/// HTTP/2 takes scheme and authority from the URI instead of a header.
fn absolute(message: &mut Request<Full<Bytes>>, origin: &Origin) -> Result<(), Failure> {
    if message.uri().scheme().is_some() {
        return Ok(());
    }
    let host = message.headers_mut().remove(HOST);
    let authority = host.as_ref().and_then(|h| h.to_str().ok()).unwrap_or(&origin.host);
    let scheme = if origin.tls { "https" } else { "http" };
    let path = message.uri().path_and_query().map_or("/", |p| p.as_str());
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    *message.uri_mut() = uri.map_err(|e| (Class::Other, format!("the URL cannot be sent: {e}")))?;
    Ok(())
}

async fn over_http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(inner: S) -> Result<Open, Failure> {
    let read = Rc::new(Cell::new(0));
    let stream = Counted { inner, read: read.clone() };
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = tokio::task::spawn_local(async move {
        // Its failure reaches the request that it broke.
        let _ = connection.await;
    });
    Ok(Open { sender: Sender::Http1(sender), read, _driver: AbortOnDropHandle::new(driver) })
}

async fn over_http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(inner: S) -> Result<Open, Failure> {
    let read = Rc::new(Cell::new(0));
    let stream = Counted { inner, read: read.clone() };
    let (sender, connection) = http2::handshake(Here, TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(Open { sender: Sender::Http2(sender), read, _driver: AbortOnDropHandle::new(driver) })
}

/// The class and the whole message of a failed request.
pub(crate) fn broken(error: &hyper::Error) -> Failure {
    let mut message = error.to_string();
    let mut class = if error.is_parse() {
        Class::Protocol
    } else if error.is_timeout() {
        Class::Timeout
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_body_write_aborted()
    {
        Class::Reset
    } else {
        Class::Other
    };
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            class = match io.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof => Class::Reset,
                io::ErrorKind::TimedOut => Class::Timeout,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                    if io.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) =>
                {
                    Class::Tls
                }
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Class::Protocol,
                _ => class,
            };
        } else if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            class = Class::Reset;
        }
        source = cause.source();
    }
    (class, message)
}

/// A stream that counts what it received.
struct Counted<S> {
    inner: S,
    read: Rc<Cell<u64>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read.set(self.read.get().wrapping_add((buf.filled().len() - before) as u64));
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// TLS for the connections of a run: the system's roots, or any certificate when the plan says so.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub(crate) fn tls_config(insecure: bool, http2: bool) -> Result<Arc<rustls::ClientConfig>, ApiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let mut config = if insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(perfdeck_tls::AnyCertificate::new(provider)))
            .with_no_client_auth()
    } else {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One unreadable root of the system must not take the others away.
            let _ = roots.add(certificate);
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(Arc::new(config))
}
