//! One HTTP/1.1 connection of the full engine, read by the same reader as those of the raw engine.
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::{Kept, Reply};
use crate::contact::Contact;
use crate::http1::{Asked, CUT_OFF, Fields, HeadCache, NO_RESPONSE, Reader, Step, head};
use crate::raw::class_of;
use crate::record::{Class, Failure};
use crate::tls_words;

/// Bytes that one read takes.
const READ: usize = 64 << 10;
/// A body of this size at most goes out in one write with its head.
const TOGETHER: usize = 16 << 10;

thread_local! {
    /// What is read is taken in at once, so that all connections of a thread share it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A plain or an encrypted stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The header fields of a response.
pub(super) type Head = Rc<HeaderMap>;

impl Fields for Head {
    fn of(response: &httparse::Response<'_, '_>) -> Result<Self, String> {
        let mut fields = HeaderMap::with_capacity(response.headers.len());
        for field in response.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            // Folded lines are read as spaces (RFC 9112, section 5.2).
            let value = if field.value.iter().any(|b| b"\r\n".contains(b)) {
                let unfolded: Vec<u8> =
                    field.value.iter().map(|b| if b"\r\n".contains(b) { b' ' } else { *b }).collect();
                HeaderValue::from_bytes(unfolded.trim_ascii())
            } else {
                HeaderValue::from_bytes(field.value)
            };
            if let (Ok(name), Ok(value)) = (name, value) {
                fields.append(name, value);
            }
        }
        Ok(Rc::new(fields))
    }
}

/// Why there is no response.
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// Not a byte of one came.
    pub(super) unanswered: bool,
}

/// The connection.
pub(crate) struct Http1 {
    stream: Box<dyn Stream>,
    reader: Reader<Head>,
    cache: HeadCache<Head>,
    request: Vec<u8>,
}

/// Where an exchange is.
struct Exchange<'a> {
    body: &'a [u8],
    sent: usize,
    flushed: bool,
    bytes: u64,
    kept: Kept,
}

fn lost(error: &io::Error) -> Failure {
    match tls_words::failed(error, "the server", "its name") {
        Some(words) => (Class::Tls, words),
        None => (class_of(error.kind()), error.to_string()),
    }
}

impl Http1 {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            reader: Reader::new(Asked::default()),
            cache: HeadCache::default(),
            request: Vec::new(),
        }
    }

    /// Whether the connection can take a request: it is open, and nothing came that nobody asked for.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer).is_pending()
    }

    /// Sends a request and reads its response. Answers it, and whether the connection can carry another one.
    pub(super) async fn exchange(
        &mut self,
        parts: &Parts,
        body: &[u8],
        kept: Kept,
        contact: &Contact,
    ) -> Result<(Reply, bool), Lost> {
        self.reader.begin(Asked::of(parts));
        self.request.clear();
        head(parts, body.len(), &mut self.request);
        let together = body.len() <= TOGETHER;
        if together {
            self.request.extend_from_slice(body);
        }
        let rest = if together { &[] } else { body };
        let mut exchange = Exchange { body: rest, sent: 0, flushed: false, bytes: 0, kept };
        let ended = std::future::poll_fn(|cx| self.poll(cx, &mut exchange, contact)).await;
        let Exchange { bytes, kept, .. } = exchange;
        match ended {
            Ok((status, reusable)) => {
                let headers = self.reader.fields().unwrap_or_default();
                Ok((Reply { status, headers, bytes, kept }, reusable))
            }
            Err(failure) => Err(Lost { failure, unanswered: bytes == 0 }),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
        contact: &Contact,
    ) -> Poll<Result<(u16, bool), Failure>> {
        let total = self.request.len() + exchange.body.len();
        while exchange.sent < total {
            let rest = match self.request.get(exchange.sent..).filter(|rest| !rest.is_empty()) {
                Some(rest) => rest,
                None => exchange.body.get(exchange.sent - self.request.len()..).unwrap_or_default(),
            };
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err((Class::Reset, NO_RESPONSE.to_owned()))),
                Poll::Ready(Ok(n)) => exchange.sent += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(&error))),
                Poll::Pending => break,
            }
        }
        if exchange.sent == total && !exchange.flushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => exchange.flushed = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(&error))),
                Poll::Pending => {}
            }
        }
        SCRATCH.with_borrow_mut(|scratch| self.poll_response(cx, exchange, total, scratch, contact))
    }

    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
        total: usize,
        scratch: &mut [u8],
        contact: &Contact,
    ) -> Poll<Result<(u16, bool), Failure>> {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            match std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) => {}
                // TLS that ends without a word: what ends with the connection may be cut off.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    let message = if exchange.bytes == 0 { NO_RESPONSE } else { CUT_OFF };
                    return Poll::Ready(Err((Class::Reset, message.to_owned())));
                }
                Err(error) => return Poll::Ready(Err(lost(&error))),
            }
            let data = buffer.filled();
            if data.is_empty() {
                let message = if exchange.bytes == 0 { NO_RESPONSE } else { CUT_OFF };
                let ended = self.reader.closed().map(|status| (status, false));
                return Poll::Ready(ended.ok_or_else(|| (Class::Reset, message.to_owned())));
            }
            contact.heard();
            let kept = &mut exchange.kept;
            let step = self.reader.take(data, &mut self.cache, |bytes| kept.add(bytes));
            match step.map_err(|message| (Class::Protocol, message))? {
                Step::More => exchange.bytes += data.len() as u64,
                Step::Done { status, keep_alive, used } => {
                    exchange.bytes += used as u64;
                    // What follows is no answer to anything; and a server that answered before it had the whole request
                    // would take the rest for the next one.
                    let clean = used == data.len() && exchange.sent == total;
                    return Poll::Ready(Ok((status, keep_alive && clean)));
                }
            }
        }
    }
}
