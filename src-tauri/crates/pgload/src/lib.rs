//! The part of PostgreSQL's protocol that load needs: statements whose parameters take the type that the server infers,
//! one round trip for each execution, and nothing that another client of the same server connection could meet.
//!
//! The driver that the rest of the program uses cannot serve here. It names its prepared statements alike in every client
//! and sends Parse and Bind in two round trips: behind a pooler that shares server connections, a client then executes
//! what another one has prepared. And it needs a type for each parameter before the server has named one.
//!
//! Names of prepared statements are unique to a connection, so that even behind a pooler that nobody knew of a wrong
//! statement is never executed; on a shared server connection there are none at all.
#![forbid(unsafe_code)]

mod cancel;
mod client;
mod connect;
mod error;
mod socket;
mod tls;
mod wire;

pub use cancel::Cancel;
pub use client::{Client, Rows, Statement};
pub use error::{Error, Refusal};
pub use socket::{Host, Options};
pub use tls::{Tls, Trust};
