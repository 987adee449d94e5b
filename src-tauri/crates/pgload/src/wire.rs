//! Messages on a connection.
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::{Error, Refusal};

/// Longest message, in bytes: what PostgreSQL itself sends at most.
const LONGEST: usize = 1 << 30;

/// What messages travel on.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

macro_rules! each {
    ($socket:expr, $s:ident => $work:expr) => {
        match $socket {
            Socket::Tcp($s) => $work,
            Socket::Tls($s) => $work,
            #[cfg(unix)]
            Socket::Unix($s) => $work,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx))
    }
}

/// A message of the server without its header.
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Bytes,
}

/// A connection with its buffers.
pub(crate) struct Wire {
    socket: Socket,
    read: BytesMut,
    /// What is to be sent with the next [`Wire::flush`].
    pub(crate) write: BytesMut,
}

impl Wire {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, read: BytesMut::with_capacity(8_192), write: BytesMut::with_capacity(1_024) }
    }

    /// Sends what was written.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.socket.write_all(&self.write).await?;
        self.write.clear();
        // TLS holds back what is smaller than a record otherwise.
        self.socket.flush().await?;
        Ok(())
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(header) = self.read.get(..5) {
                let tag = header[0];
                let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if !(4..=LONGEST).contains(&length) || !tag.is_ascii_graphic() {
                    return Err(Error::Protocol("what it sends is no message of PostgreSQL".to_owned()));
                }
                if self.read.len() > length {
                    self.read.advance(5);
                    return Ok(Message { tag, body: self.read.split_to(length - 4).freeze() });
                }
                self.read.reserve(length + 1 - self.read.len());
            } else {
                self.read.reserve(8_192);
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                let kind = std::io::ErrorKind::UnexpectedEof;
                return Err(std::io::Error::new(kind, "the server closed the connection").into());
            }
        }
    }

    /// Waits for the other side to close the connection.
    pub(crate) async fn end(&mut self) {
        while self.message().await.is_ok() {}
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        postgres_protocol::message::frontend::terminate(&mut self.write);
        let _ = self.flush().await;
        let _ = self.socket.shutdown().await;
    }
}

/// A text that ends with a NUL.
pub(crate) fn text(body: &mut Bytes) -> Option<String> {
    let end = body.iter().position(|b| *b == 0)?;
    let text = String::from_utf8_lossy(&body.split_to(end)).into_owned();
    body.advance(1);
    Some(text)
}

/// An ErrorResponse.
pub(crate) fn refusal(mut body: Bytes) -> Error {
    let mut refusal = Refusal::default();
    while body.has_remaining() {
        let field = body.get_u8();
        if field == 0 {
            break;
        }
        let Some(value) = text(&mut body) else { break };
        match field {
            b'C' => refusal.code = value,
            b'M' => refusal.message = value,
            // Never translated, unlike `S`.
            b'V' => refusal.fatal = matches!(value.as_str(), "FATAL" | "PANIC"),
            // PgBouncer knows no `V`.
            b'S' => refusal.fatal |= matches!(value.as_str(), "FATAL" | "PANIC"),
            b'D' | b'H' => {
                if !refusal.detail.is_empty() {
                    refusal.detail.push_str("; ");
                }
                refusal.detail.push_str(&value);
            }
            _ => {}
        }
    }
    Error::Server(Box::new(refusal))
}
