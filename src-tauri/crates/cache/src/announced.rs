//! Addresses that servers announce to their clients: clusters and Sentinels send a client there, so it must get there.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use tokio::net::TcpStream;

use crate::cluster;
use crate::connect::connect;

/// Longest wait of a connection test for one announced address.
pub(crate) const REACH: Duration = Duration::from_secs(2);
/// Addresses that are tried and listed at most.
const MOST: usize = 256;

/// Which announced addresses were tried, and which cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    tried: usize,
    /// Nodes that own keys.
    primaries: Vec<HostPort>,
    /// Replicas, and nodes without slots.
    others: Vec<HostPort>,
}

/// Tries to connect to each address for at most this long; the mark says whether it owns keys.
pub(crate) async fn addresses(all: Vec<(HostPort, bool)>, reach: Duration) -> Announced {
    let mut tasks = tokio::task::JoinSet::new();
    for (host, primary) in all.into_iter().take(MOST) {
        tasks.spawn(async move {
            let reached = tokio::time::timeout(reach, TcpStream::connect((host.host.as_str(), host.port))).await;
            (matches!(reached, Ok(Ok(_))), host, primary)
        });
    }
    let mut found = Announced::default();
    while let Some(done) = tasks.join_next().await {
        found.tried += 1;
        match done {
            Ok((false, host, true)) => found.primaries.push(host),
            Ok((false, host, false)) => found.others.push(host),
            _ => {}
        }
    }
    for list in [&mut found.primaries, &mut found.others] {
        list.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
    }
    found
}

/// Tries every node that a cluster announces, those that it says have failed left out.
pub(crate) async fn nodes(target: &CacheTarget, password: Option<&Sensitive>) -> Announced {
    for seed in &target.address.hosts {
        let Ok(mut connection) = connect(target, seed, password).await else { continue };
        if let Ok(nodes) = cluster::nodes(&mut connection, seed).await {
            return addresses(nodes.into_iter().map(|n| (n.at, n.owns)).collect(), REACH).await;
        }
    }
    Announced::default()
}

fn listed(hosts: &[HostPort]) -> String {
    const SHOWN: usize = 6;
    let names: Vec<String> = hosts.iter().take(SHOWN).map(ToString::to_string).collect();
    match hosts.len() {
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names.join(", "), n - SHOWN),
    }
}

impl Announced {
    /// The error when clients are sent to addresses that cannot be reached from here.
    pub(crate) fn refusal(&self, mode: CacheMode) -> Option<ApiError> {
        if self.primaries.is_empty() {
            return None;
        }
        let list = listed(&self.primaries);
        let (what, hint) = match mode {
            CacheMode::Cluster => (
                format!(
                    "{} of the cluster's {} nodes announce addresses that cannot be reached from here: {list}",
                    self.primaries.len(),
                    self.tried
                ),
                "On each node: CONFIG SET cluster-announce-ip … (and cluster-announce-port, \
                 cluster-announce-hostname) to an address that is reachable from here; or run Perfdeck in the nodes' network",
            ),
            _ => (
                format!("The Sentinels name a primary that cannot be reached from here: {list}"),
                "Is the primary up? If it announces an address of another network, set replica-announce-ip on it and \
                 `sentinel announce-ip` on the Sentinels",
            ),
        };
        Some(ApiError::new(ErrorCode::Unreachable, what).hint(hint))
    }

    /// What to say when only nodes that own no keys cannot be reached.
    pub(crate) fn warning(&self) -> Option<String> {
        let plural =
            if self.others.len() == 1 { "a replica announces an address" } else { "replicas announce addresses" };
        (!self.others.is_empty())
            .then(|| format!("{plural} that cannot be reached from here: {}", listed(&self.others)))
    }
}
