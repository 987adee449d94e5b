//! What goes over the wire, byte by byte: requests and responses of both engines, TLS, silence, and what curl sends.
#[path = "../support/plan.rs"]
mod plan;
#[path = "../support/mod.rs"]
mod support;

mod curl;
mod parity;
mod server;
mod silence;
mod tls;
