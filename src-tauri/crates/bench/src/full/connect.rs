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
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use perfdeck_model::ApiError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::http1::Http1;
use crate::contact::Contact;
use crate::http1::MAX_HEAD;
use crate::record::{Class, Failure, refused};
use crate::tls_words;
use perfdeck_net::client_auth::ClientAuth;

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
    /// What the hosts let be known of themselves.
    pub(crate) contact: Arc<Contact>,
}

/// A complete response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Rc<HeaderMap>,
    /// Bytes received.
    pub(crate) bytes: u64,
    pub(crate) kept: Kept,
}

/// What is kept of a body.
#[derive(Default)]
pub(crate) struct Kept {
    /// Bytes at most; none when nobody looks into it.
    pub(crate) limit: usize,
    pub(crate) body: Vec<u8>,
    /// There were more.
    pub(crate) over: bool,
}

impl Kept {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.limit == 0 {
        } else if self.body.len() + bytes.len() > self.limit {
            self.over = true;
        } else {
            self.body.extend_from_slice(bytes);
        }
    }
}

/// An open connection. Dropping it closes it, whatever is in flight.
pub(crate) enum Open {
    Http1(Http1),
    Http2(Http2),
}

/// An HTTP/2 connection.
pub(crate) struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    read: Rc<Cell<u64>>,
    _driver: AbortOnDropHandle<()>,
}

impl Open {
    fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_usable(),
            Self::Http2(connection) => !connection.sender.is_closed(),
        }
    }
}

impl Http2 {
    /// Sends a request and reads its response; gives the request back when it was not sent.
    async fn exchange(
        &mut self,
        message: Request<Full<Bytes>>,
        mut kept: Kept,
        contact: &Contact,
    ) -> Result<Reply, (Failure, Option<Request<Full<Bytes>>>)> {
        let before = self.read.get();
        let response = self.sender.try_send_request(message).await;
        let response = response.map_err(|mut error| {
            let unsent = error.take_message();
            (broken(error.error()), unsent)
        })?;
        contact.heard();
        let (head, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| (broken(&e), None))?;
            if let Some(data) = frame.data_ref() {
                kept.add(data);
            }
        }
        let bytes = self.read.get().wrapping_sub(before);
        Ok(Reply { status: head.status.as_u16(), headers: Rc::new(head.headers), bytes, kept })
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

impl Dialer {
    /// Opens a connection; the caller sets the deadline.
    pub(crate) async fn open(&self, origin: &Origin) -> Result<Open, Failure> {
        let opened = self.connect(origin).await;
        match &opened {
            Ok(_) => self.contact.open(),
            Err((Class::Timeout, _)) => {}
            Err(_) => self.contact.heard(),
        }
        opened
    }

    async fn connect(&self, origin: &Origin) -> Result<Open, Failure> {
        let stream = self.tcp(origin).await?;
        self.contact.accepted();
        // A request is one write; waiting for more to send would be in every figure.
        let _ = stream.set_nodelay(true);
        if !origin.tls {
            return Ok(Open::Http1(Http1::new(stream)));
        }
        let Some(config) = &self.tls else { return Err((Class::Tls, "TLS is not set up".to_owned())) };
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|_| (Class::Tls, format!("'{}' is not a name for TLS", origin.host)))?;
        let stream = tokio_rustls::TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|e| {
            let at = format!("{}:{}", origin.host, origin.port);
            let words = tls_words::failed(&e, &at, &origin.host);
            // Who closes a handshake has not said why.
            (Class::Tls, words.unwrap_or_else(|| format!("{at} ended the TLS handshake: {e}")))
        })?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            over_http2(stream).await
        } else {
            Ok(Open::Http1(Http1::new(stream)))
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

    /// Sends a request over `slot`, which is opened when it is not open, and answers the whole response.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        slot: &mut Option<Open>,
        parts: Parts,
        body: Bytes,
        limit: usize,
    ) -> Result<Reply, Failure> {
        let sent = self.try_send(origin, slot, parts, body, limit).await;
        if sent.as_ref().is_err_and(|(class, _)| *class != Class::Timeout) {
            self.contact.heard();
        }
        sent
    }

    async fn try_send(
        &self,
        origin: &Origin,
        slot: &mut Option<Open>,
        parts: Parts,
        body: Bytes,
        limit: usize,
    ) -> Result<Reply, Failure> {
        let none = || (Class::Other, "no connection".to_owned());
        let again = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
        let mut request = Some((parts, body));
        loop {
            let reused = slot.as_mut().is_some_and(Open::is_usable);
            if !reused {
                // Apart: a request that finds its connection open does not carry the size of opening one.
                *slot = Some(Box::pin(self.open(origin)).await?);
            }
            let kept = Kept { limit, ..Kept::default() };
            match slot.as_mut() {
                Some(Open::Http1(connection)) => {
                    let (parts, body) = request.as_ref().ok_or_else(none)?;
                    match connection.exchange(parts, body, kept, &self.contact).await {
                        Ok((reply, reusable)) => {
                            if !reusable {
                                *slot = None;
                            }
                            return Ok(reply);
                        }
                        // The server may have closed an idle connection without having seen the request (RFC 9112,
                        // section 9.3.1).
                        Err(lost) if reused && lost.unanswered && lost.failure.0 == Class::Reset && again => {
                            *slot = None;
                        }
                        Err(lost) => {
                            *slot = None;
                            return Err(lost.failure);
                        }
                    }
                }
                Some(Open::Http2(connection)) => {
                    if let Err(error) = connection.sender.ready().await {
                        *slot = None;
                        if reused {
                            continue;
                        }
                        return Err(broken(&error));
                    }
                    let (parts, body) = request.take().ok_or_else(none)?;
                    let mut message = Request::from_parts(parts, Full::new(body.clone()));
                    absolute(&mut message, origin)?;
                    match connection.exchange(message, kept, &self.contact).await {
                        Ok(reply) => return Ok(reply),
                        // The server had closed an idle connection: nothing was sent, so it is not a failed request.
                        Err((_, Some(unsent))) if reused => {
                            request = Some((unsent.into_parts().0, body));
                            *slot = None;
                        }
                        Err((failure, _)) => return Err(failure),
                    }
                }
                None => return Err(none()),
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

async fn over_http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(inner: S) -> Result<Open, Failure> {
    let read = Rc::new(Cell::new(0));
    let stream = Counted { inner, read: read.clone() };
    let (sender, connection) = http2::Builder::new(Here)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broken(&e))?;
    let driver = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(Open::Http2(Http2 { sender, read, _driver: AbortOnDropHandle::new(driver) }))
}

/// The class and the whole message of a failed request.
pub(crate) fn broken(error: &hyper::Error) -> Failure {
    if let Some(words) = tls_words::failed(error, "the server", "its name") {
        return (Class::Tls, words);
    }
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

/// TLS for the connections of a run: the system's roots, or any certificate when the plan says so; the client's own
/// certificate when there is one. Servers choose between HTTP/2 and HTTP/1.1.
///
/// # Errors
/// When the TLS library refuses its own defaults, or a certificate and its key that do not belong together.
pub(crate) fn tls_config(insecure: bool, client: Option<&ClientAuth>) -> Result<Arc<rustls::ClientConfig>, ApiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let builder = if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(perfdeck_net::AnyCertificate::new(provider)))
    } else {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One unreadable root of the system must not take the others away.
            let _ = roots.add(certificate);
        }
        builder.with_root_certificates(roots)
    };
    let mut config = match client {
        Some(client) => client.add_to(builder)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
