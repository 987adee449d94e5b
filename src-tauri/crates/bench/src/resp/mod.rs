//! The cache engine: RESP, the protocol of Redis and Valkey, over the raw engine's connections.
//!
//! Commands are rendered from the plan's templates into a connection's output; replies are only counted, and told apart
//! as found, not found and error. A connection carries up to `pipeline` commands: in a closed loop all at once, then
//! none before all have their reply; in an open loop as they are due. In a cluster each connection of the plan has a
//! socket to each node, and a command goes to the node that owns its key.
//!
//! What redis-benchmark and memtier lack is here by way of the raw engine: one rate over all connections, and latency
//! from the intended start of a command.
mod command;
mod commands;
mod greeting;
mod load;
mod reader;
mod reply;
mod slots;
#[cfg(test)]
mod tests;
mod topology;
mod value;

pub(crate) use self::load::{CacheLoad, CacheTarget};
