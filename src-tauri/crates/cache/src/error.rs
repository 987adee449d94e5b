//! What goes wrong with a cache, and what it means for a person. A server's own text is not passed on: it is recognised
//! by its code, and phrase by phrase.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheTarget, ErrorCode, HostPort, Remedy};
use perfdeck_net::{Certificate, Spelling, cause, unresolved};
use redis::{ErrorKind, RedisError};

/// A connection, and each answer on it, is given up after this.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);

/// A server that accepts and then says nothing.
pub(crate) fn timeout(host: &HostPort) -> ApiError {
    silent(host, DEADLINE)
}

/// As [`timeout`], for another time.
pub(crate) fn silent(host: &HostPort, limit: Duration) -> ApiError {
    let seconds = limit.as_secs_f64();
    ApiError::new(ErrorCode::Timeout, format!("{host} accepted the connection but did not answer within {seconds} s"))
        .hint("Is it Redis or Valkey? A server that hangs or expects TLS looks like this")
}

pub(crate) fn again(code: ErrorCode, message: String) -> ApiError {
    let mut error = ApiError::new(code, message);
    error.retryable = true;
    error
}

/// Why TLS with a server failed.
pub(crate) fn untrusted(
    target: &CacheTarget,
    host: &HostPort,
    error: &tokio_rustls::rustls::Error,
    shown: Option<&Certificate>,
) -> ApiError {
    let at = host.to_string();
    let spelling = Spelling {
        at: &at,
        host: &host.host,
        roots: target.address.params.get("sslrootcert").map(String::as_str),
        any_name: "tls=verify-ca",
        unverified: "tls=insecure",
        plain: "redis:// instead of rediss://",
    };
    let found = perfdeck_net::trouble(error, shown, spelling);
    ApiError::new(ErrorCode::Tls, found.what).hint(found.step)
}

/// A server whose places for clients are all taken.
pub(crate) fn full(host: &HostPort) -> ApiError {
    again(ErrorCode::Unreachable, format!("All client slots of {host} are taken"))
        .hint("Close idle clients (CLIENT LIST shows them), or raise it: CONFIG SET maxclients …")
}

/// One node of a cluster that was given as a server of its own: it has a part of the keys.
pub(crate) fn one_node(host: &HostPort) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        format!("{host} is one node of a cluster: the keys of the others are not seen by its address"),
    )
    .hint(format!("Write redis+cluster://{host}, which is all of it"))
}

/// A server that answers nobody but its own machine.
pub(crate) fn protected(host: &HostPort) -> ApiError {
    ApiError::new(
        ErrorCode::Authentication,
        format!("{host} runs in protected mode: without a password it answers only clients on its own machine"),
    )
    .hint(
        "On the server, give it a password and enter it here: CONFIG SET requirepass …; in a network that is trusted \
         instead: CONFIG SET protected-mode no",
    )
}

/// A server that asks for no password, and got one.
pub(crate) fn no_password_set(host: &HostPort) -> ApiError {
    ApiError::new(ErrorCode::Authentication, format!("{host} has no password, and one was given"))
        .hint("Leave the password out, or give the server one: CONFIG SET requirepass …")
}

/// A server that asks for a password, and there is none.
pub(crate) fn no_password_given(host: &HostPort) -> ApiError {
    ApiError::new(ErrorCode::Authentication, format!("{host} asks this user for a password, and no password was given"))
        .hint("Give it where the environment is edited, in the address (USER:PASSWORD@host), or name a variable that holds it")
        .remedy(Remedy::PasswordVariable)
}

/// What a driver's error means.
pub(crate) fn explain(target: &CacheTarget, host: &HostPort, error: &RedisError) -> ApiError {
    if let Some(why) = cause(error) {
        return untrusted(target, host, why, None);
    }
    if error.is_timeout() {
        return timeout(host);
    }
    let user = target.address.username.as_deref().unwrap_or("default");
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    // The driver passes some codes on as text.
    let code = |word: &str| error.code() == Some(word) || has(word);
    if code("DENIED") && has("protected mode") {
        return protected(host);
    }
    if has("max number of clients") {
        return full(host);
    }
    if has("without any password configured") || has("no password is set") {
        return no_password_set(host);
    }
    if code("WRONGPASS") || has("invalid password") || matches!(error.kind(), ErrorKind::AuthenticationFailed) {
        // A user may be a secret itself, where people write a password in its place.
        let whose = if user == "default" { "the default user" } else { "this user" };
        return ApiError::new(ErrorCode::Authentication, format!("{host} refused the credentials of {whose}"))
            .hint("Check the password and the ACL user; a password without a user is written redis://:PASSWORD@host");
    }
    if code("NOAUTH") {
        return ApiError::new(ErrorCode::Authentication, format!("{host} needs a password"))
            .hint("Give the password, and the user if the server has ACL users");
    }
    if code("NOPERM") {
        return ApiError::new(ErrorCode::Privilege, format!("'{user}' lacks a privilege on {host}"))
            .hint(acl(user, NEEDED));
    }
    if has("cluster support disabled") || unknown(&text, "CLUSTER") {
        return ApiError::new(ErrorCode::Unsupported, format!("{host} is not a cluster node"))
            .hint("Write redis://… instead of redis+cluster://…");
    }
    if unknown(&text, "SENTINEL") {
        return ApiError::new(ErrorCode::Unsupported, format!("{host} is not a Sentinel"))
            .hint("Sentinels listen on 26379 by default; for a server write redis://…");
    }
    if let Some(command) = not_known(&text) {
        return ApiError::new(
            ErrorCode::Unsupported,
            format!("{host} does not know {command}: it has another name there (rename-command), is switched off, or came with a later version"),
        )
        .hint("What rests on it is not told here: give the command its own name back, or do without");
    }
    if has("DB index is out of range") || has("invalid DB index") || has("SELECT is not allowed in cluster mode") {
        return ApiError::new(ErrorCode::NotFound, format!("{host} has no database {}", target.address.path))
            .hint("Servers have 16 databases unless `databases` says otherwise, clusters have one");
    }
    if target.mode != perfdeck_model::CacheMode::Cluster && (code("MOVED") || error.code() == Some("ASK")) {
        return one_node(host);
    }
    for (word, what, hint) in [
        ("LOADING", "is loading its data set", "Perfdeck tries again by itself"),
        ("BUSY", "is busy with a script", "Wait for it, or stop it: SCRIPT KILL"),
        (
            "MASTERDOWN",
            "is a replica without its primary, and set to serve nothing then",
            "Repair the link, or set replica-serve-stale-data yes",
        ),
        ("CLUSTERDOWN", "is a node of a cluster that is down", "redis-cli --cluster check HOST:PORT"),
        ("TRYAGAIN", "is moving these keys to another node", "Try again"),
        ("MISCONF", "refuses writes because it cannot save its data", "Look at its log and its disk"),
        ("READONLY", "is a replica: nothing can be written there", "Give the address of its primary"),
        (
            "OOM",
            "is out of memory: it refuses what needs more",
            "Raise maxmemory, or set a maxmemory-policy that evicts",
        ),
        (
            "NOREPLICAS",
            "refuses writes because too few replicas are connected",
            "Repair the replicas, or lower min-replicas-to-write",
        ),
    ] {
        if error.code() == Some(word) {
            return again(ErrorCode::Unreachable, format!("{host} {what}")).hint(hint);
        }
    }
    match error.kind() {
        ErrorKind::Io => io(host, error),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            ApiError::new(ErrorCode::Unreachable, format!("{host} does not speak Redis' protocol"))
                .hint("Check the port and the scheme of the address; the connection test says what answers there")
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let shown = |c: &&str| c.len() <= 16 && c.bytes().all(|b| b.is_ascii_uppercase());
            let code = error.code().filter(shown).unwrap_or("an error of its own");
            again(ErrorCode::Unreachable, format!("{host} refused it with {code}"))
                .hint("The server's log may say more")
        }
        _ => again(ErrorCode::Unreachable, format!("{host} could not be used"))
            .hint("Is the server running, and is the port right?"),
    }
}

/// The code of a server that answers, if only with what is wrong with it. It is reachable, and much of it can be asked.
pub(crate) fn unwell(error: &RedisError) -> Option<&str> {
    error.code().filter(|code| matches!(*code, "MISCONF" | "MASTERDOWN" | "NOREPLICAS"))
}

/// Whether a server closed the connection, or answered in another protocol: what it says to a stranger tells why.
pub(crate) fn is_cut(error: &RedisError) -> bool {
    use std::io::ErrorKind as K;
    let closed = matches!(
        io_cause(error).map(std::io::Error::kind),
        Some(K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof)
    );
    closed || matches!(error.kind(), ErrorKind::Parse | ErrorKind::UnexpectedReturnType)
}

/// The error of the connection inside the driver's.
fn io_cause(error: &RedisError) -> Option<&std::io::Error> {
    std::error::Error::source(error).and_then(|source| {
        type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
        let inner = source.downcast_ref::<Shared>().and_then(|s| s.downcast_ref::<std::io::Error>());
        inner.or_else(|| source.downcast_ref::<std::io::Error>())
    })
}

/// Commands that are sent: the name of no other is passed on.
const SENT: &[&str] = &[
    "ACL",
    "AUTH",
    "CLIENT",
    "COMMAND",
    "COMMANDLOG",
    "CONFIG",
    "DBSIZE",
    "DUMP",
    "EVAL",
    "EVALSHA",
    "EXISTS",
    "GET",
    "HELLO",
    "HOTKEYS",
    "INFO",
    "LATENCY",
    "MEMORY",
    "MONITOR",
    "OBJECT",
    "PEXPIREAT",
    "PEXPIRETIME",
    "PING",
    "PTTL",
    "RENAMENX",
    "RESTORE",
    "SCAN",
    "SCRIPT",
    "SELECT",
    "SET",
    "SLOWLOG",
    "TIME",
    "TTL",
    "TYPE",
    "UNLINK",
];

/// The command that a server says it does not know.
fn not_known(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_uppercase();
    let rest = text.split_once("UNKNOWN COMMAND")?.1.trim_start().trim_start_matches(['\'', '`', '"']);
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    SENT.iter().copied().find(|known| *known == word)
}

/// Whether the server does not know a command.
fn unknown(text: &str, command: &str) -> bool {
    let text = text.to_uppercase();
    text.contains("UNKNOWN COMMAND") && text.contains(command)
}

fn io(host: &HostPort, error: &RedisError) -> ApiError {
    use std::io::ErrorKind as K;
    let cause = io_cause(error);
    let (what, hint) = match cause.map(std::io::Error::kind) {
        Some(K::ConnectionRefused) => (
            format!("{host} refused the connection"),
            "Is the server running, is the port right, and does it listen on this address?",
        ),
        Some(K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof) => (
            format!("{host} closed the connection"),
            "Is it being stopped or restarted? Its log tells why it closes connections",
        ),
        Some(K::TimedOut) => (format!("{host} did not answer in time"), "Check the route, the VPN and the firewall"),
        _ if cause.is_some_and(unresolved) => {
            (format!("The name '{}' cannot be resolved", host.host), "Check the spelling, the VPN and the DNS server")
        }
        Some(kind) => (format!("{host} cannot be reached: {kind}"), "Is the server running, and is the port right?"),
        None => (format!("{host} cannot be reached"), "Is the server running, and is the port right?"),
    };
    again(ErrorCode::Unreachable, what).hint(hint)
}

/// What monitoring runs, as ACL rules.
pub(crate) const NEEDED: &[&str] =
    &["+ping", "+info", "+client|setname", "+scan", "+pttl", "+slowlog|get", "+slowlog|len"];

/// The statement that gives monitoring its privileges.
pub(crate) fn acl(user: &str, rules: &[&str]) -> String {
    format!("ACL SETUSER {user} {}", rules.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::Address;

    #[test]
    fn no_text_of_a_server_is_passed_on() {
        let (address, _) = Address::parse("redis://u@h/0").expect("an address");
        let host = address.hosts[0].clone();
        let target = CacheTarget { default_ttl_s: 1.0, ..CacheTarget::of(address) };
        for line in [
            "-ERR canary",
            "-CANARYWORDTHATISLONG x canary",
            "-NOPERM User canary has no permissions",
            "-WRONGPASS canary",
            "-MISCONF canary",
            "-LOADING canary",
            "-ERR unknown command 'canary'",
        ] {
            let parsed = redis::parse_redis_value(format!("{line}\r\n").as_bytes()).expect("a reply");
            let error = match parsed {
                redis::Value::ServerError(error) => RedisError::from(error),
                other => panic!("{other:?}"),
            };
            let shown = format!("{:?}", explain(&target, &host, &error));
            assert!(!shown.contains("canary"), "{line}: {shown}");
        }
    }

    #[test]
    fn a_command_that_is_not_known_is_named_where_it_is_one_of_ours() {
        assert_eq!(not_known("ERR: unknown command 'INFO', with args beginning with: "), Some("INFO"));
        assert_eq!(not_known("An error: unknown command `slowlog`, with args beginning with: `get`"), Some("SLOWLOG"));
        assert_eq!(not_known("unknown command 'canary'"), None, "nobody else's word");
        assert_eq!(not_known("ERR syntax error"), None);
    }

    #[test]
    fn broken_connections_are_told_by_their_kind() {
        let (address, _) = Address::parse("rediss://h/0").expect("an address");
        let host = address.hosts[0].clone();
        let target = CacheTarget { default_ttl_s: 1.0, ..CacheTarget::of(address) };
        let refused = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert!(explain(&target, &host, &refused).message.contains("refused the connection"), "by its kind");
        let inner =
            tokio_rustls::rustls::Error::InvalidCertificate(tokio_rustls::rustls::CertificateError::UnknownIssuer);
        let tls = RedisError::from(std::io::Error::new(std::io::ErrorKind::InvalidData, inner));
        let error = explain(&target, &host, &tls);
        assert_eq!(error.code, ErrorCode::Tls, "a certificate inside the driver's error is found: {error:?}");
        assert!(error.message.contains("vouches"), "{error:?}");
    }
}
