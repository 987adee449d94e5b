//! HTTP/1.1 (RFC 9112) for both load engines: what a request is on the wire, and where its response ends. One reader and
//! one writer, so that the same request has the same outcome whichever engine sends it.
mod request;
mod response;

pub(crate) use self::request::{head, whole};
pub(crate) use self::response::{Asked, Fields, HeadCache, MAX_HEAD, Reader, Step};

/// The connection ended where a response should begin.
pub(crate) const NO_RESPONSE: &str = "the connection was closed before a response";
/// The connection ended within a response.
pub(crate) const CUT_OFF: &str = "the connection was closed before the response was complete";
