//! Reading with a bound: a script in the server runs one command and cuts what is longer.
use perfdeck_model::{ApiError, CacheBytes, ErrorCode, ValueBytes};
use redis::{Cmd, Value};

use super::decode::reads_as;
use super::servers::{Script, Servers, bytes, number, script};

static CUT: Script = script!(include_str!("cut.lua"));
/// Memory of a key up to which a reply without a bound is small, in bytes.
const SMALL: i64 = 64 << 10;

/// A command that reads one key.
pub(super) struct Read<'a> {
    /// Its words before the key.
    pub(super) before: &'a [&'a str],
    /// Its words after the key.
    pub(super) after: Vec<Vec<u8>>,
}

impl Read<'_> {
    fn command(&self, key: &[u8]) -> Cmd {
        let mut command = Cmd::new();
        for word in self.before {
            command.arg(*word);
        }
        command.arg(key);
        for word in &self.after {
            command.arg(word.as_slice());
        }
        command
    }
}

/// A reply whose byte strings have at most `longest` bytes each, and about `whole` together. Where scripts are not allowed a key that is
/// small is read as it is.
///
/// # Errors
/// When the server refuses; when scripts are not allowed and the key is not small.
pub(super) async fn read(
    servers: &mut Servers<'_>,
    key: &[u8],
    read: &Read<'_>,
    longest: usize,
    whole: usize,
) -> Result<Value, ApiError> {
    let word = |text: String| text.into_bytes();
    let mut arguments = vec![
        word(read.before.first().copied().unwrap_or_default().to_owned()),
        word((read.before.len() - 1).to_string()),
        word(longest.to_string()),
        word(whole.to_string()),
    ];
    arguments.extend(read.before.iter().skip(1).map(|w| w.as_bytes().to_vec()));
    arguments.extend(read.after.iter().cloned());
    match servers.script(&CUT, &[key], &arguments).await {
        Err(error) if error.code == ErrorCode::Privilege => {
            let mut memory = redis::cmd("MEMORY");
            memory.arg("USAGE").arg(key).arg("SAMPLES").arg(5);
            match servers.one(key, &memory).await.ok().as_ref().and_then(number) {
                Some(bytes) if bytes <= SMALL => servers.one(key, &read.command(key)).await,
                _ => Err(error),
            }
        }
        other => other,
    }
}

/// A byte string of such a reply.
pub(super) fn cut_bytes(value: &Value) -> ValueBytes {
    let (shown, length) = match value {
        Value::Array(parts) => {
            let shown = parts.first().and_then(bytes).unwrap_or_default();
            (shown, parts.get(1).and_then(number).unwrap_or(0) as f64)
        }
        Value::Int(n) => return whole(n.to_string().as_bytes()),
        other => {
            let shown = bytes(other).unwrap_or_default();
            (shown, shown.len() as f64)
        }
    };
    ValueBytes {
        bytes: CacheBytes::new(shown),
        length,
        reads_as: reads_as(shown, length > shown.len() as f64).to_owned(),
    }
}

/// Bytes that are all there.
pub(super) fn whole(bytes: &[u8]) -> ValueBytes {
    ValueBytes {
        bytes: CacheBytes::new(bytes),
        length: bytes.len() as f64,
        reads_as: reads_as(bytes, false).to_owned(),
    }
}
