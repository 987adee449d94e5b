//! One key without its value.
use perfdeck_model::{ApiError, CacheBytes, CacheKey, CacheTarget, CacheTtl, KeyUse, Sensitive};
use redis::{Cmd, Value};

use super::servers::{Servers, number, text};
use super::{gone, now_ms};
use crate::connect::Purpose;

fn command(words: &[&str], key: &[u8]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.arg(key);
    command
}

/// Expiry as PTTL tells it; `None` of a key that is gone.
pub(super) fn ttl(value: Option<&Value>) -> Option<CacheTtl> {
    match value.and_then(number) {
        Some(-2) => None,
        Some(n) if n >= 0 => Some(CacheTtl::InMs(n as f64)),
        Some(_) => Some(CacheTtl::Never),
        None => Some(CacheTtl::Unknown),
    }
}

/// The command that tells how long a value of a type is.
pub(crate) fn length_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "string" => "STRLEN",
        "hash" => "HLEN",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "stream" => "XLEN",
        _ => return None,
    })
}

/// What a server tells of one key.
///
/// # Errors
/// [`perfdeck_model::ErrorCode::NotFound`] for a key that is not there; when the server cannot be asked.
pub async fn key(target: &CacheTarget, password: Option<&Sensitive>, name: &[u8]) -> Result<CacheKey, ApiError> {
    let mut servers = Servers::to(target, password, Purpose::Keys).await?;
    let kind_of = command(&["TYPE"], name);
    let mut memory = command(&["MEMORY", "USAGE"], name);
    memory.arg("SAMPLES").arg(5);
    // Redis 6 has no PEXPIRETIME.
    let expires = if servers.knows("PEXPIRETIME").await? { "PEXPIRETIME" } else { "PTTL" };
    let commands = [
        kind_of.clone(),
        command(&["PTTL"], name),
        command(&[expires], name),
        command(&["OBJECT", "ENCODING"], name),
        memory,
        command(&["OBJECT", "FREQ"], name),
        command(&["OBJECT", "IDLETIME"], name),
    ];
    let (host, replies) = servers.about(name, &commands).await?;
    let found = |n: usize| replies.get(n).and_then(|r| r.as_ref().ok());
    let kind = match replies.first() {
        Some(Ok(kind)) => text(kind).unwrap_or_default(),
        Some(Err(e)) => return Err(servers.refused(&host, &kind_of, e)),
        None => String::new(),
    };
    let Some(ttl) = ttl(found(1)).filter(|_| kind != "none" && !kind.is_empty()) else { return Err(gone()) };
    let used = match (found(5).and_then(number), found(6).and_then(number)) {
        (Some(frequency), _) => KeyUse::Frequency(frequency as f64),
        (_, Some(idle)) => KeyUse::IdleS(idle as f64),
        _ => KeyUse::Unknown,
    };
    let expires_at = found(2).and_then(number).filter(|ms| *ms >= 0 && expires == "PEXPIRETIME");
    let encoding = found(3).and_then(text);
    let bytes = found(4).and_then(number).map(|n| n as f64);
    let length = match length_of(&kind) {
        Some(word) => Some(number(&servers.one(name, &command(&[word], name)).await?).unwrap_or(0) as f64),
        None => None,
    };
    Ok(CacheKey {
        name: CacheBytes::new(name),
        kind,
        encoding,
        ttl,
        expires_at_ms: expires_at.map(|ms| ms as f64),
        bytes,
        length,
        used,
        node: host.to_string(),
        read_ms: now_ms(),
    })
}
