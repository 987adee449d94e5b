//! Gateway middleware layers and the reverse proxy.
#![forbid(unsafe_code)]
