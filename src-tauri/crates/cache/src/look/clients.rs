//! Clients of a server, from CLIENT LIST.
use perfdeck_model::{CacheClient, CacheClientState};

use super::ask::{Answer, Door, Unanswered};
use super::slow::OWN;

/// Most clients of a server that is asked for its list unasked: it makes a line for each in 0.5 µs to 2 µs (Redis 6.2 to 8.2, Valkey 9),
/// and serves nobody meanwhile.
pub(crate) const MOST: u64 = 2_000;
/// Longest text that is passed on, in characters.
const TEXT: usize = 128;

/// The list of a server that has so many `connected`; asked all the same where `all`.
pub(crate) async fn list(door: &Door<'_>, connected: Option<u64>, all: bool) -> Answer<Vec<CacheClient>> {
    if let Some(n) = connected.filter(|n| *n > MOST && !all) {
        let reason = format!(
            "{} has {n} clients: a list of more than {MOST} would keep all of them waiting for milliseconds",
            door.host
        );
        return Err(Unanswered::Missed { reason });
    }
    let text: Vec<u8> = door.ask(&["CLIENT", "LIST"], "+client|list").await?;
    let node = door.host.to_string();
    Ok(String::from_utf8_lossy(&text).lines().filter_map(|line| client(line, &node)).collect())
}

/// One line: `id=7 addr=127.0.0.1:51566 … cmd=client|list user=default`.
fn client(line: &str, node: &str) -> Option<CacheClient> {
    let field = |name: &str| {
        line.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).filter(|v| !v.is_empty())
    };
    let text = |name: &str| field(name).map(|v| v.chars().take(TEXT).collect::<String>());
    let number = |name: &str| field(name).and_then(|v| v.parse::<f64>().ok());
    let count = |name: &str| field(name).and_then(|v| v.parse::<i64>().ok()).and_then(|n| u32::try_from(n).ok());
    let name = text("name");
    let library = text("lib-name").map(|lib| text("lib-ver").map_or(lib.clone(), |version| format!("{lib} {version}")));
    let subscriptions = ["sub", "psub", "ssub"].iter().filter_map(|n| count(n)).sum();
    Some(CacheClient {
        id: field("id")?.parse().ok()?,
        node: node.to_owned(),
        address: text("addr")?,
        ours: name.as_ref().is_some_and(|n| n.starts_with(OWN)),
        name,
        library,
        user: text("user"),
        age_s: number("age").unwrap_or(0.0),
        idle_s: number("idle").unwrap_or(0.0),
        database: count("db").unwrap_or(0),
        // Servers name what a client said last, and "NULL" before.
        command: text("cmd").filter(|cmd| cmd != "NULL").map(|cmd| cmd.replace('|', " ").to_uppercase()),
        state: state(field("flags").unwrap_or_default(), subscriptions),
        subscriptions,
        queued: count("multi"),
        watched: count("watch"),
        memory_bytes: number("tot-mem"),
        output_bytes: number("omem").unwrap_or(0.0),
        commands: number("tot-cmds"),
        sent_bytes: number("tot-net-out"),
    })
}

/// What a client does, by its flags: what holds others up first.
fn state(flags: &str, subscriptions: u32) -> CacheClientState {
    let has = |flag: char| flags.contains(flag);
    match () {
        () if has('b') => CacheClientState::Blocked,
        () if has('O') => CacheClientState::Monitor,
        () if has('S') => CacheClientState::Replica,
        () if has('M') => CacheClientState::Primary,
        () if has('c') || has('A') => CacheClientState::Closing,
        () if has('x') => CacheClientState::Transaction,
        () if has('P') || subscriptions > 0 => CacheClientState::Subscribed,
        () => CacheClientState::Normal,
    }
}

/// Blocked first, then by memory.
pub(crate) fn in_order(clients: &mut [CacheClient]) {
    let rank = |c: &CacheClient| c.state != CacheClientState::Blocked;
    clients.sort_by(|a, b| {
        let memory = |c: &CacheClient| c.memory_bytes.unwrap_or(c.output_bytes);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| memory(b).total_cmp(&memory(a)))
            .then_with(|| (&a.node, a.id).cmp(&(&b.node, b.id)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_versions_are_read() {
        let old = "id=8 addr=127.0.0.1:34174 laddr=127.0.0.1:17996 fd=8 name= age=5 idle=0 flags=b db=3 sub=0 psub=0 multi=-1 qbuf=26 qbuf-free=40928 argv-mem=10 obl=0 oll=0 omem=7 tot-mem=61466 events=r cmd=blpop user=default redir=-1";
        let c = client(old, "h:1").expect("a client");
        assert_eq!((c.state, c.database, c.command.as_deref()), (CacheClientState::Blocked, 3, Some("BLPOP")));
        assert_eq!(
            (c.name, c.library, c.commands, c.queued),
            (None, None, None, None),
            "6.2 tells no library and no counts"
        );
        let new = "id=9 addr=[::1]:5 fd=13 name=perfdeck-scan age=1 idle=0 flags=P db=0 sub=2 psub=1 ssub=1 multi=-1 watch=0 omem=0 tot-mem=17002 cmd=client|list user=u lib-name=redis-rs lib-ver=1.8.1 tot-net-out=900 tot-cmds=12";
        let c = client(new, "h:1").expect("a client");
        assert!(c.ours && c.subscriptions == 4 && c.state == CacheClientState::Subscribed, "{c:?}");
        assert_eq!((c.library.as_deref(), c.commands), (Some("redis-rs 1.8.1"), Some(12.0)));
        assert_eq!(c.command.as_deref(), Some("CLIENT LIST"));
        assert!(client("nothing", "h:1").is_none(), "what is no client is none");
    }
}
