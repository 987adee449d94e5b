//! What must not be torn apart at a server, as scripts over keys of one slot. They are short and touch two keys at most.
use std::sync::OnceLock;

use redis::Cmd;

/// A script, known by the server under its digest once it was sent.
pub(super) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }

    /// The command that runs it: by its digest, or `whole`, for a server that does not know it yet.
    pub(super) fn command(&self, whole: bool, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        let mut command = if whole { redis::cmd("EVAL") } else { redis::cmd("EVALSHA") };
        command.arg(if whole { self.text } else { self.digest() }).arg(keys.len()).arg(keys).arg(arguments);
        command
    }
}

/// Takes the lease of an entry that is still the one that was seen, unless somebody holds it under the same epochs.
pub(super) static LEASE: Script = Script::new(
    "local head = redis.call('GETRANGE', KEYS[1], 0, 19)
if head ~= '' and head ~= ARGV[1] then return redis.call('GET', KEYS[1]) end
local held = redis.call('GET', KEYS[2])
if held and string.sub(held, 33) == string.sub(ARGV[2], 33) then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1",
);
/// Stores an entry whose lease was not taken away.
pub(super) static COMMIT: Script = Script::new(
    "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1",
);
/// Gives a lease back, or lets it end soon.
pub(super) static RELEASE: Script = Script::new(
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
);
/// Removes an entry and the lease of whoever fills it. Where there is no entry, one comes and goes: processes that are told of changes
/// hear of it, and let nobody join a load that began before. A server that is out of memory refuses that, and removes all the same.
pub(super) static REMOVE: Script = Script::new(
    "local there = redis.call('DEL', KEYS[1])
if there == 0 and pcall(redis.call, 'SET', KEYS[1], '', 'PX', 1) then redis.call('DEL', KEYS[1]) end
redis.call('DEL', KEYS[2])
return there",
);
/// The epoch of a tag, which outlives what is about to be filled under it.
pub(super) static EPOCH: Script = Script::new(
    "local epoch = redis.call('GET', KEYS[1])
if not epoch then
  if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return ARGV[1]
end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then
  if ARGV[2] == '0' then redis.call('PERSIST', KEYS[1])
  elseif left < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return epoch",
);
