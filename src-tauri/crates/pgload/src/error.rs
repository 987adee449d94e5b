//! What can go wrong.

/// An error that the server, or a pooler before it, has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `SQLSTATE`, five characters.
    pub code: String,
    /// The message.
    pub message: String,
    /// Detail and hint, as far as there are any.
    pub detail: String,
    /// It ended the connection.
    pub fatal: bool,
}

/// Why a connection or a statement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// TLS: a certificate that is refused, a file that cannot be read, or a server without TLS.
    #[error("{0}")]
    Tls(String),
    /// The handshake of TLS.
    #[error("{0}")]
    Handshake(rustls::Error),
    /// What answers does not speak the protocol, or a part of it that is not known here.
    #[error("{0}")]
    Protocol(String),
    /// The server said no.
    #[error("{}", .0.message)]
    Server(Box<Refusal>),
}

impl Error {
    /// The server's words, when it was the server.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Server(refusal) => Some(refusal),
            _ => None,
        }
    }
}
