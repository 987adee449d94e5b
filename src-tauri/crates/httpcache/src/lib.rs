//! RFC 9111 HTTP caching as pure functions.
#![forbid(unsafe_code)]
