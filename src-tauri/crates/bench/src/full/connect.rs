//! Opening a connection, and sending one request over it.
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
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use perfdeck_model::ApiError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::record::{Class, Failure};
use crate::target::Target;

/// Everything that is needed to open a connection.
pub(crate) struct Dialer {
    pub(crate) target: Target,
    pub(crate) addresses: Vec<std::net::SocketAddr>,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) timeout: Duration,
    /// The address that answered last, so that one dead address of several is not asked for each connection.
    pub(crate) preferred: AtomicUsize,
}

/// An open connection. Dropping it closes it, whatever is in flight.
pub(crate) struct Open {
    sender: SendRequest<Full<Bytes>>,
    read: Rc<Cell<u64>>,
    _driver: AbortOnDropHandle<()>,
}

impl Dialer {
    /// Opens a connection; the caller sets the deadline.
    pub(crate) async fn open(&self) -> Result<Open, Failure> {
        let stream = self.tcp().await?;
        // A request is one write; waiting for more to send would be in every figure.
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else { return started(stream).await };
        let name = ServerName::try_from(self.target.host.clone())
            .map_err(|_| (Class::Tls, format!("'{}' is not a name for TLS", self.target.host)))?;
        let stream = tokio_rustls::TlsConnector::from(config.clone())
            .connect(name, stream)
            .await
            .map_err(|e| (Class::Tls, e.to_string()))?;
        started(stream).await
    }

    async fn tcp(&self) -> Result<TcpStream, Failure> {
        let n = self.addresses.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failure = (Class::Connect, "the host has no address".to_owned());
        for i in 0..n {
            let at = (first + i) % n;
            let address = self.addresses[at];
            // An address that never answers leaves time for the others.
            let share = self.timeout / u32::try_from(n).unwrap_or(1);
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                Ok(Err(e)) => failure = (Class::Connect, format!("{address}: {e}")),
                Err(_) => {
                    failure = (Class::Timeout, format!("{address}: no connection within {} s", share.as_secs_f64()));
                }
            }
        }
        Err(failure)
    }

    /// Sends the request over `slot`, which is opened when it is not open. Answers the status and the bytes received.
    pub(crate) async fn request(&self, slot: &mut Option<Open>) -> Result<(u16, u64), Failure> {
        let mut message = self.target.request();
        let mut reused = slot.is_some();
        loop {
            if slot.as_ref().is_none_or(|o| o.sender.is_closed()) {
                *slot = Some(self.open().await?);
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
            let before = open.read.get();
            let response = match open.sender.try_send_request(message).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    // The server had closed an idle connection: nothing was sent, so it is not a failed request.
                    Some(unsent) if reused => {
                        message = unsent;
                        *slot = None;
                        continue;
                    }
                    _ => return Err(broken(error.error())),
                },
            };
            let status = response.status().as_u16();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                if let Err(error) = frame {
                    return Err(broken(&error));
                }
            }
            return Ok((status, open.read.get().wrapping_sub(before)));
        }
    }
}

async fn started<S: AsyncRead + AsyncWrite + Unpin + 'static>(inner: S) -> Result<Open, Failure> {
    let read = Rc::new(Cell::new(0));
    let stream = Counted { inner, read: read.clone() };
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = tokio::task::spawn_local(async move {
        // Its failure reaches the request that it broke.
        let _ = connection.await;
    });
    Ok(Open { sender, read, _driver: AbortOnDropHandle::new(driver) })
}

/// The class and the whole message of a failed request.
fn broken(error: &hyper::Error) -> Failure {
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
pub(crate) fn tls_config(insecure: bool) -> Result<Arc<rustls::ClientConfig>, ApiError> {
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
    Ok(Arc::new(config))
}
