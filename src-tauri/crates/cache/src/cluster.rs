//! What a cluster says of its nodes: who owns keys, and the address to which it sends clients.
use std::collections::HashMap;

use perfdeck_model::HostPort;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

/// A node that clients may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where clients are sent.
    pub(crate) at: HostPort,
    /// Whether it is a primary with slots.
    pub(crate) owns: bool,
    /// Whether another node misses it, without the cluster having decided.
    pub(crate) missed: bool,
}

/// The nodes of the cluster that `seed` belongs to, those that have failed left out.
pub(crate) async fn nodes(connection: &mut MultiplexedConnection, seed: &HostPort) -> Result<Vec<Node>, RedisError> {
    let text: String = redis::cmd("CLUSTER").arg("NODES").query_async(connection).await?;
    // The address of a node may be a name, and only this command says whether clients get that. An account may lack it.
    let slots: Result<Value, RedisError> = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await;
    let endpoints = slots.as_ref().map(endpoints).unwrap_or_default();
    Ok(text.lines().filter_map(|line| node(line, seed, &endpoints)).collect())
}

/// The hosts that CLUSTER SLOTS gives to clients, by the nodes' identifiers.
fn endpoints(slots: &Value) -> HashMap<String, String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let mut all = HashMap::new();
    let Value::Array(ranges) = slots else { return all };
    for range in ranges {
        let Value::Array(parts) = range else { continue };
        for part in parts.iter().skip(2) {
            let Value::Array(fields) = part else { continue };
            if let [host, _, id, ..] = fields.as_slice()
                && let (Some(host), Some(id)) = (text(host), text(id))
            {
                all.insert(id, host);
            }
        }
    }
    all
}

/// One line of CLUSTER NODES.
fn node(line: &str, seed: &HostPort, endpoints: &HashMap<String, String>) -> Option<Node> {
    let fields: Vec<&str> = line.split(' ').collect();
    let flags: Vec<&str> = fields.get(2)?.split(',').collect();
    if ["fail", "noaddr", "handshake"].iter().any(|gone| flags.contains(gone)) {
        return None;
    }
    let (host, port) = fields.get(1)?.split('@').next()?.rsplit_once(':')?;
    // A question mark stands for a name that the node was not given.
    let host = fields.first().and_then(|id| endpoints.get(*id)).map_or(host, String::as_str);
    let host = if host == "?" { fields.get(1)?.split('@').next()?.rsplit_once(':')?.0 } else { host };
    // A node that does not know its own address is the one that was asked.
    let host = if host.is_empty() { seed.host.clone() } else { host.trim_matches(['[', ']']).to_owned() };
    Some(Node {
        at: HostPort { host, port: port.parse().ok()? },
        owns: flags.contains(&"master") && fields.len() > 8,
        missed: flags.contains(&"fail?"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, endpoints: &[(&str, &str)]) -> Option<(String, bool, bool)> {
        let seed = HostPort { host: "127.0.0.1".into(), port: 1 };
        let endpoints = endpoints.iter().map(|(id, host)| ((*id).to_owned(), (*host).to_owned())).collect();
        node(line, &seed, &endpoints).map(|n| (n.at.to_string(), n.owns, n.missed))
    }

    #[test]
    fn nodes_are_read_with_their_part() {
        let some = |at: &str, owns, missed| Some((at.to_owned(), owns, missed));
        for (line, right, what) in [
            (
                "07c 10.0.0.1:7000@17000 master - 0 1 4 connected 0-5460",
                some("10.0.0.1:7000", true, false),
                "a primary",
            ),
            ("07c 10.0.0.1:7000@17000 master - 0 1 4 connected", some("10.0.0.1:7000", false, false), "without slots"),
            ("07c 10.0.0.2:7000@17000,n2 slave e7d 0 1 4 connected", some("10.0.0.2:7000", false, false), "a replica"),
            ("07c [fd00::1]:7000@17000 master - 0 1 4 connected 0-1", some("[fd00::1]:7000", true, false), "IPv6"),
            ("07c :7004@17004 myself,master - 0 1 4 connected 0-1", some("127.0.0.1:7004", true, false), "itself"),
            ("07c :0@0 master,noaddr - 0 1 4 disconnected 0-1", None, "one without an address"),
            ("07c 10.0.0.1:7000@17000 master,fail - 0 1 4 connected 0-1", None, "one that failed"),
            ("07c 10.0.0.1:7000@17000 master,fail? - 0 1 4 connected 0-1", some("10.0.0.1:7000", true, true), "missed"),
        ] {
            assert_eq!(read(line, &[]), right, "{what}");
        }
    }

    #[test]
    fn the_address_is_the_one_that_clients_are_given() {
        let line = "07c 10.0.0.1:7000@17000,one.example master - 0 1 4 connected 0-5460";
        let host = |endpoints: &[(&str, &str)]| read(line, endpoints).map(|(at, ..)| at);
        assert_eq!(host(&[("07c", "one.example")]).as_deref(), Some("one.example:7000"), "its name");
        assert_eq!(host(&[("07c", "?")]).as_deref(), Some("10.0.0.1:7000"), "it has no name");
        assert_eq!(host(&[("07c", "")]).as_deref(), Some("127.0.0.1:7000"), "wherever the client is");
        assert_eq!(host(&[("e7d", "two.example")]).as_deref(), Some("10.0.0.1:7000"), "another's");
    }

    #[test]
    fn slots_are_read_whatever_a_server_adds() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let node =
            |host: Value, id: &str| Value::Array(vec![host, Value::Int(7000), bulk(id), Value::Array(Vec::new())]);
        let range = Value::Array(vec![
            Value::Int(0),
            Value::Int(5460),
            node(bulk("one.example"), "07c"),
            node(Value::Nil, "e7d"),
        ]);
        let found = endpoints(&Value::Array(vec![range, Value::Nil]));
        assert_eq!(found, HashMap::from([("07c".to_owned(), "one.example".to_owned())]));
    }
}
