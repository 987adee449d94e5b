//! The cache steps of one worker, over the redis client.
use redis::aio::ConnectionLike;

use super::program::{CacheCall, Program};
use crate::record::{Class, Failure};
use crate::resources::CacheConnection;
use perfdeck_plan::{Builtins, Scope};

fn failure(error: &redis::RedisError) -> Failure {
    let class = if error.is_timeout() {
        Class::Timeout
    } else if error.is_connection_refusal() {
        Class::Connect
    } else if error.is_io_error() || error.is_connection_dropped() {
        Class::Reset
    } else {
        Class::Cache
    };
    (class, error.to_string())
}

/// Runs a step; its connection is opened when it is not open. Answers whether it found something.
pub(crate) async fn call(
    program: &Program,
    slot: &mut Option<CacheConnection>,
    call: &CacheCall,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<bool, Failure> {
    let unset = |e: perfdeck_plan::UnsetVariable| (Class::Other, e.to_string());
    buffer.clear();
    call.command.render(scope, builtins, buffer).map_err(unset)?;
    let mut command = redis::Cmd::new();
    // `CONFIG GET` is one name of two words.
    for word in buffer.split(|b| *b == b' ').filter(|word| !word.is_empty()) {
        command.arg(word);
    }
    for arg in &call.args {
        buffer.clear();
        arg.render(scope, builtins, buffer).map_err(unset)?;
        command.arg(buffer.as_slice());
    }
    let value = match connect(program, slot).await? {
        CacheConnection::Single(c) => c.req_packed_command(&command).await,
        CacheConnection::Cluster(c) => c.req_packed_command(&command).await,
    };
    Ok(!matches!(value.and_then(redis::Value::extract_error).map_err(|e| failure(&e))?, redis::Value::Nil))
}

/// The connection, opened when it is not open.
pub(crate) async fn connect<'a>(
    program: &Program,
    slot: &'a mut Option<CacheConnection>,
) -> Result<&'a mut CacheConnection, Failure> {
    if slot.is_none() {
        let targets = program.targets.as_ref();
        let targets = targets.ok_or_else(|| (Class::Connect, "there is no environment with a cache".to_owned()))?;
        *slot = Some(targets.cache().await.map_err(|e| (Class::Connect, e.message))?);
    }
    slot.as_mut().ok_or_else(|| (Class::Connect, "no connection".to_owned()))
}
