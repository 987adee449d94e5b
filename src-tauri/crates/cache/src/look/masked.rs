//! Words of a command in a server's log, without what they hold: a word is shown only where it is known to be one of the command's own,
//! the name of a key, or a number that says how much is asked for. Everything else is left out, and so is all of a command that is not
//! known here. Pure.
use perfdeck_model::{CacheWord, CacheWordKind};

/// Which of a command's arguments name keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    /// So many at the beginning.
    First(usize),
    All,
    AllButLast,
    /// Every second one.
    Pairs,
    /// As many as the argument at this place says, behind it; those before it that are marked are keys too.
    Counted(usize, usize),
    /// The first half of those behind the word STREAMS.
    Streams,
}

/// What is shown of the arguments behind the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Hidden,
    /// Options and numbers, so many arguments first left out.
    Options(usize),
}

/// What is known of a command.
struct Known {
    names: &'static [&'static str],
    keys: Keys,
    rest: Rest,
}

const fn known(names: &'static [&'static str], keys: Keys, rest: Rest) -> Known {
    Known { names, keys, rest }
}

const COMMANDS: &[Known] = &[
    known(
        &[
            "APPEND",
            "DECR",
            "DUMP",
            "EXPIRETIME",
            "GET",
            "GETDEL",
            "GETEX",
            "GETSET",
            "HEXISTS",
            "HGET",
            "HGETALL",
            "HINCRBY",
            "HINCRBYFLOAT",
            "HKEYS",
            "HLEN",
            "HMGET",
            "HMSET",
            "HSET",
            "HSETNX",
            "HSTRLEN",
            "HVALS",
            "HDEL",
            "HGETDEL",
            "HSETEX",
            "HGETEX",
            "HTTL",
            "HPTTL",
            "HEXPIRE",
            "HPEXPIRE",
            "HPERSIST",
            "INCR",
            "INCRBY",
            "INCRBYFLOAT",
            "DECRBY",
            "LINSERT",
            "LLEN",
            "LPUSH",
            "LPUSHX",
            "LREM",
            "LSET",
            "PERSIST",
            "PEXPIRETIME",
            "PFADD",
            "PSETEX",
            "PTTL",
            "RESTORE",
            "RPUSH",
            "RPUSHX",
            "SADD",
            "SCARD",
            "SETEX",
            "SETNX",
            "SISMEMBER",
            "SMEMBERS",
            "SMISMEMBER",
            "SREM",
            "STRLEN",
            "TTL",
            "TYPE",
            "XACK",
            "XADD",
            "XCLAIM",
            "XAUTOCLAIM",
            "XDEL",
            "XLEN",
            "XPENDING",
            "XSETID",
            "XTRIM",
            "ZADD",
            "ZCARD",
            "ZCOUNT",
            "ZINCRBY",
            "ZLEXCOUNT",
            "ZMSCORE",
            "ZRANK",
            "ZREM",
            "ZREMRANGEBYLEX",
            "ZREMRANGEBYSCORE",
            "ZREVRANK",
            "ZSCORE",
            "GEOADD",
            "GEODIST",
            "GEOHASH",
            "GEOPOS",
            "SETBIT",
            "BITFIELD",
        ],
        Keys::First(1),
        Rest::Hidden,
    ),
    known(
        &[
            "BITCOUNT",
            "BITPOS",
            "EXPIRE",
            "EXPIREAT",
            "GETBIT",
            "GETRANGE",
            "HRANDFIELD",
            "HSCAN",
            "LINDEX",
            "LPOP",
            "LRANGE",
            "LTRIM",
            "PEXPIRE",
            "PEXPIREAT",
            "RPOP",
            "SORT_RO",
            "SPOP",
            "SRANDMEMBER",
            "SSCAN",
            "SUBSTR",
            "ZPOPMAX",
            "ZPOPMIN",
            "ZRANDMEMBER",
            "ZRANGE",
            "ZREMRANGEBYRANK",
            "ZREVRANGE",
            "ZSCAN",
        ],
        Keys::First(1),
        Rest::Options(0),
    ),
    known(&["SET"], Keys::First(1), Rest::Options(1)),
    known(
        &["ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX", "ZREVRANGEBYLEX", "XRANGE", "XREVRANGE"],
        Keys::First(1),
        Rest::Options(2),
    ),
    known(&["SETRANGE"], Keys::First(1), Rest::Hidden),
    known(
        &["COPY", "LMOVE", "BLMOVE", "RENAME", "RENAMENX", "RPOPLPUSH", "BRPOPLPUSH", "ZRANGESTORE"],
        Keys::First(2),
        Rest::Options(0),
    ),
    known(&["SMOVE", "GEOSEARCHSTORE"], Keys::First(2), Rest::Hidden),
    known(
        &[
            "DEL",
            "EXISTS",
            "MGET",
            "PFCOUNT",
            "PFMERGE",
            "SDIFF",
            "SDIFFSTORE",
            "SINTER",
            "SINTERSTORE",
            "SUNION",
            "SUNIONSTORE",
            "TOUCH",
            "UNLINK",
            "WATCH",
        ],
        Keys::All,
        Rest::Hidden,
    ),
    known(&["BLPOP", "BRPOP", "BZPOPMAX", "BZPOPMIN"], Keys::AllButLast, Rest::Options(0)),
    known(&["MSET", "MSETNX"], Keys::Pairs, Rest::Hidden),
    known(
        &["LMPOP", "SINTERCARD", "ZDIFF", "ZINTER", "ZINTERCARD", "ZMPOP", "ZUNION"],
        Keys::Counted(0, 0),
        Rest::Options(0),
    ),
    known(&["ZDIFFSTORE", "ZINTERSTORE", "ZUNIONSTORE"], Keys::Counted(1, 1), Rest::Options(0)),
    known(&["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"], Keys::Counted(1, 0), Rest::Hidden),
    known(&["XREAD", "XREADGROUP"], Keys::Streams, Rest::Options(0)),
    known(
        &["SCAN", "FLUSHALL", "FLUSHDB", "SELECT", "SWAPDB", "WAIT", "KEYS", "RANDOMKEY", "DBSIZE"],
        Keys::None,
        Rest::Options(0),
    ),
];

/// Words of commands themselves: none of them is anybody's.
const OPTIONS: &[&str] = &[
    "ABSTTL",
    "AFTER",
    "AGGREGATE",
    "ASC",
    "ASYNC",
    "BEFORE",
    "BLOCK",
    "BY",
    "BYLEX",
    "BYSCORE",
    "CH",
    "COUNT",
    "DESC",
    "EX",
    "EXAT",
    "GROUP",
    "GT",
    "KEEPTTL",
    "LEFT",
    "LIMIT",
    "LT",
    "MATCH",
    "MAX",
    "MIN",
    "NOACK",
    "NOVALUES",
    "NX",
    "PX",
    "PXAT",
    "REPLACE",
    "REV",
    "RIGHT",
    "STREAMS",
    "SYNC",
    "TYPE",
    "WEIGHTS",
    "WITHSCORE",
    "WITHSCORES",
    "WITHVALUES",
    "XX",
];

/// Commands whose second word says what they do.
const CONTAINERS: &[&str] = &[
    "ACL",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "COMMANDLOG",
    "CONFIG",
    "DEBUG",
    "FUNCTION",
    "LATENCY",
    "MEMORY",
    "MODULE",
    "OBJECT",
    "PUBSUB",
    "SCRIPT",
    "SLOWLOG",
    "XGROUP",
    "XINFO",
];
/// Those whose third word names a key.
const OF_A_KEY: &[&str] = &[
    "MEMORY USAGE",
    "OBJECT ENCODING",
    "OBJECT FREQ",
    "OBJECT IDLETIME",
    "OBJECT REFCOUNT",
    "XINFO STREAM",
    "XINFO GROUPS",
    "XINFO CONSUMERS",
    "XGROUP CREATE",
    "XGROUP DESTROY",
    "XGROUP SETID",
    "XGROUP CREATECONSUMER",
    "XGROUP DELCONSUMER",
];

/// Most bytes of a key's name that are shown.
const NAME: usize = 256;

/// A word as it stands, and how long it was before the server cut it: `xxxx... (4872 more bytes)`.
fn whole(word: &[u8]) -> (&[u8], f64) {
    let cut = word.strip_suffix(b" more bytes)").and_then(|rest| {
        let at = rest.windows(5).rposition(|w| w == b"... (")?;
        let more = std::str::from_utf8(&rest[at + 5..]).ok()?.parse::<u64>().ok()?;
        Some((&rest[..at], at as f64 + more as f64))
    });
    cut.unwrap_or((word, word.len() as f64))
}

/// Words that the server left out: `... (5 more arguments)`.
fn more_words(word: &[u8]) -> Option<u32> {
    let rest = word.strip_prefix(b"... (")?.strip_suffix(b" more arguments)")?;
    std::str::from_utf8(rest).ok()?.parse().ok()
}

/// Bytes as text: what is no text, and what would not be seen, as `\xNN`.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' {
                text.extend(c.to_string().bytes().map(|b| format!("\\x{b:02x}")));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    text
}

fn word(kind: CacheWordKind, text: impl Into<String>, bytes: f64) -> CacheWord {
    CacheWord { kind, text: text.into(), bytes }
}

fn hidden(argument: &[u8]) -> CacheWord {
    word(CacheWordKind::Hidden, "?", whole(argument).1)
}

fn key(argument: &[u8]) -> CacheWord {
    let (name, bytes) = whole(argument);
    let name = &name[..name.len().min(NAME)];
    let cut = (name.len() as f64) < bytes;
    word(CacheWordKind::Key, format!("{}{}", shown(name), if cut { "…" } else { "" }), bytes)
}

/// An option or a number; anything else is left out.
fn option(argument: &[u8]) -> CacheWord {
    let text = String::from_utf8_lossy(argument);
    let number = text.len() <= 20
        && !text.is_empty()
        && text.strip_prefix('-').unwrap_or(&text).bytes().all(|b| b.is_ascii_digit());
    if number || OPTIONS.contains(&text.to_uppercase().as_str()) {
        return word(CacheWordKind::Word, text, argument.len() as f64);
    }
    hidden(argument)
}

/// Name of a command that a person may see: letters, digits and what joins them. What a client sends as a command may be anything.
fn name(argument: &[u8]) -> Option<String> {
    let plain =
        argument.len() <= 32 && argument.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    plain.then(|| String::from_utf8_lossy(argument).to_uppercase())
}

/// The command and its words, and how many words the server left out.
pub(crate) fn masked(arguments: &[Vec<u8>]) -> (String, Vec<CacheWord>, u32) {
    let left_out = arguments.last().and_then(|a| more_words(a)).unwrap_or(0);
    let arguments = if left_out > 0 { &arguments[..arguments.len() - 1] } else { arguments };
    let Some((first, rest)) = arguments.split_first() else { return ("?".to_owned(), Vec::new(), left_out) };
    let Some(command) = name(first) else {
        return ("?".to_owned(), arguments.iter().map(|a| hidden(a)).collect(), left_out);
    };
    let mut words = vec![word(CacheWordKind::Word, command.clone(), first.len() as f64)];
    if CONTAINERS.contains(&command.as_str()) {
        let Some((second, rest)) = rest.split_first() else { return (command, words, left_out) };
        let Some(sub) = name(second) else {
            words.extend(arguments[1..].iter().map(|a| hidden(a)));
            return (command, words, left_out);
        };
        words.push(word(CacheWordKind::Word, sub.clone(), second.len() as f64));
        let command = format!("{command} {sub}");
        let of_key = OF_A_KEY.contains(&command.as_str());
        words.extend(rest.iter().enumerate().map(|(i, a)| if of_key && i == 0 { key(a) } else { hidden(a) }));
        return (command, words, left_out);
    }
    match COMMANDS.iter().find(|known| known.names.contains(&command.as_str())) {
        None => words.extend(rest.iter().map(|a| hidden(a))),
        Some(known) => {
            let keys = keys_of(known.keys, rest, left_out);
            let behind = (0..rest.len()).rev().find(|i| keys.contains(i)).map_or(0, |last| last + 1);
            for (i, argument) in rest.iter().enumerate() {
                words.push(match known.rest {
                    _ if keys.contains(&i) => key(argument),
                    _ if matches!(known.keys, Keys::Counted(at, _) if at == i) => option(argument),
                    Rest::Options(skip) if known.keys != Keys::Streams && i >= behind + skip => option(argument),
                    Rest::Options(_) if !keys.is_empty() && i < behind => option(argument),
                    _ => hidden(argument),
                });
            }
        }
    }
    (command, words, left_out)
}

/// Names of keys in a command whose words are all there; none of a command that is not known here.
pub(crate) fn key_names(arguments: &[Vec<u8>]) -> Vec<&[u8]> {
    let Some((first, rest)) = arguments.split_first() else { return Vec::new() };
    let Some(command) = name(first) else { return Vec::new() };
    let known = COMMANDS.iter().find(|known| known.names.contains(&command.as_str()));
    let places = known.map(|known| keys_of(known.keys, rest, 0)).unwrap_or_default();
    places.into_iter().filter_map(|i| rest.get(i).map(Vec::as_slice)).collect()
}

/// Places of the arguments that name keys.
fn keys_of(keys: Keys, arguments: &[Vec<u8>], left_out: u32) -> Vec<usize> {
    let count = arguments.len();
    match keys {
        Keys::None => Vec::new(),
        Keys::First(n) => (0..n.min(count)).collect(),
        Keys::All => (0..count).collect(),
        // The last one is among those that were left out.
        Keys::AllButLast => (0..if left_out > 0 { count } else { count.saturating_sub(1) }).collect(),
        Keys::Pairs => (0..count).step_by(2).collect(),
        Keys::Counted(at, before) => {
            let n = arguments.get(at).and_then(|a| std::str::from_utf8(a).ok()?.parse::<usize>().ok()).unwrap_or(0);
            (0..before).chain((at + 1..count).take(n)).collect()
        }
        Keys::Streams => {
            let at = arguments.iter().position(|a| a.eq_ignore_ascii_case(b"STREAMS")).map_or(count, |at| at + 1);
            let behind = count - at + left_out as usize;
            (at..count).take(behind / 2).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let arguments: Vec<Vec<u8>> = line.split(' ').map(|a| a.replace('_', " ").into_bytes()).collect();
        let (_, words, left_out) = masked(&arguments);
        let mut text: Vec<String> = words.into_iter().map(|w| w.text).collect();
        if left_out > 0 {
            text.push(format!("+{left_out}"));
        }
        text.join(" ")
    }

    #[test]
    fn values_are_left_out_and_keys_are_shown() {
        for (line, right) in [
            ("SET user:1 secret EX 60", "SET user:1 ? EX 60"),
            ("set user:1 EX", "SET user:1 ?"),
            ("SET user:1 12345", "SET user:1 ?"),
            ("GET user:1", "GET user:1"),
            ("MGET a b c", "MGET a b c"),
            ("MSET a secret b secret", "MSET a ? b ?"),
            ("HSET h field secret", "HSET h ? ?"),
            ("LRANGE list 0 -1", "LRANGE list 0 -1"),
            ("ZRANGEBYSCORE z 1000 2000 LIMIT 0 10", "ZRANGEBYSCORE z ? ? LIMIT 0 10"),
            ("EVAL return_redis.call('get','secret') 2 a b secret", "EVAL ? 2 a b ?"),
            ("EVALSHA abc 1 a 7", "EVALSHA ? 1 a ?"),
            ("ZUNIONSTORE to 2 a b WEIGHTS 2 3", "ZUNIONSTORE to 2 a b WEIGHTS 2 3"),
            ("BLPOP a b 0", "BLPOP a b 0"),
            ("XREAD COUNT 5 STREAMS a b 0-0 $", "XREAD COUNT 5 STREAMS a b ? ?"),
            ("SCAN 0 MATCH jane* COUNT 1000", "SCAN 0 MATCH ? COUNT 1000"),
            ("KEYS jane*", "KEYS ?"),
            ("AUTH admin secret", "AUTH ? ?"),
            ("CONFIG SET requirepass secret", "CONFIG SET ? ?"),
            ("MEMORY USAGE big SAMPLES 0", "MEMORY USAGE big ? ?"),
            ("FT.SEARCH index secret", "FT.SEARCH ? ?"),
            ("jane@example.org secret", "? ?"),
            ("DEL a b ..._(7_more_arguments)", "DEL a b +7"),
            ("INFO everything", "INFO ?"),
        ] {
            assert_eq!(read(line), right, "{line}");
        }
    }

    #[test]
    fn what_a_server_cut_has_its_whole_length() {
        let long = [b"x".repeat(128), b"... (4872 more bytes)".to_vec()].concat();
        let (_, words, _) = masked(&[b"SET".to_vec(), b"k".to_vec(), long.clone()]);
        assert_eq!((words[2].text.as_str(), words[2].bytes), ("?", 5000.0));
        let (_, words, _) = masked(&[b"GET".to_vec(), long]);
        assert!(words[1].text.ends_with("x…") && words[1].bytes == 5000.0, "a name that was cut says so");
    }

    #[test]
    fn names_that_are_no_text_are_shown_by_their_bytes() {
        assert_eq!(shown(b"a\xff\n\\b\xc3\xa9"), "a\\xff\\x0a\\x5cb\u{e9}");
    }
}
