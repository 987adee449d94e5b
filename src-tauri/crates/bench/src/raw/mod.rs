//! The raw engine: plain connections for the most load per processor time and the most exact starts.
//!
//! Each thread polls its own connections; the next request of a connection is written in the event that completed the
//! last one; there is no task, channel, lock or allocation per request. Connections that are free take the starts that
//! are due in the order of their schedule. What goes over the wire is a [`Protocol`]'s: HTTP/1.1 here, RESP in
//! [`crate::resp`].
mod connection;
mod generator;
mod http;
mod lane;
mod loops;
mod node;
mod pacer;
mod protocol;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

pub(crate) use self::connection::class_of;
use self::generator::Generator;
pub(crate) use self::http::Wire;
pub(crate) use self::protocol::{Arrival, Done, Next, Protocol, Workload};
use crate::account::Account;
use crate::pacing::{Schedule, shed_above};
use crate::record::Record;
use crate::shared::{Shared, Times};

/// Runs one thread until the end and answers what it recorded.
pub(crate) fn generate<L: Workload>(
    shared: &Arc<Shared>,
    load: &L,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    mut go: watch::Receiver<Option<Times>>,
    runtime: &tokio::runtime::Handle,
) -> Record {
    let protocol = load.protocol(index, shared.threads);
    let mut generator = match Generator::new(protocol, load.nodes(), load.timeout(), connections, load.contact()) {
        Ok(generator) => generator,
        Err(error) => {
            tracing::error!(%error, "a generator thread has no poll");
            let _ = ready.send(());
            return Record::new(0);
        }
    };
    generator.open_all(shared);
    // The receiver is gone only when the run was dropped; then `go` ends too.
    let _ = ready.send(());
    let times = runtime.block_on(async { go.wait_for(Option::is_some).await.ok().and_then(|times| *times) });
    let Some(times) = times else { return Record::new(0) };
    let account = Account::new(shared.clone(), times, index);
    match shared.rate_per_s {
        None => generator.closed_loop(account),
        Some(rate) => generator.open_loop(account, Schedule::new(rate, index, shared.threads), shed_above(shared)),
    }
}
