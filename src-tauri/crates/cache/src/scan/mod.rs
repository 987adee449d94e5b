//! The scan of a key space: a cursor for each server, a pace that its server bears, and a map that grows with each page.
mod answers;
mod cluster;
mod door;
mod facts;
mod governor;
mod lost;
mod memory;
mod moved;
mod node;
mod probe;
mod run;
mod seen;
mod survivors;
mod wire;

pub(crate) use node::cursor_share;

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};

use crate::connect::Purpose;
use crate::load::servers;
use cluster::Owners;
use door::Door;
use facts::Facts;
use node::Walk;
use run::NodeState;
pub use run::{MapAsked, MapRun, MapWanted};
use seen::Seen;

impl MapRun {
    /// Reads the keys of a Redis or Valkey into the map, until the end, an order to stop, or what makes it impossible. What was read
    /// is kept in any case, and each server says why it was not read to its end.
    ///
    /// # Errors
    /// When nothing could be read at all.
    pub async fn scan(self: &Arc<Self>, target: &CacheTarget, password: Option<&Sensitive>) -> Result<(), ApiError> {
        let done = self.scanned(target, password).await;
        self.end();
        done
    }

    async fn scanned(&self, target: &CacheTarget, password: Option<&Sensitive>) -> Result<(), ApiError> {
        let mut orders = self.orders.subscribe();
        let work = self.all_read(target, password);
        tokio::select! {
            done = work => done,
            // What is on its way is of no use any more.
            _ = orders.wait_for(|orders| orders.stop) => {
                for node in &mut self.inside().nodes {
                    if !node.told.finished && node.told.problem.is_none() {
                        node.told.problem = Some("It was stopped before its end".to_owned());
                    }
                    node.ended = true;
                }
                Ok(())
            }
        }
    }

    async fn all_read(&self, target: &CacheTarget, password: Option<&Sensitive>) -> Result<(), ApiError> {
        let door = Door::to(target, password).await?;
        let primaries = servers(target, password).await?;
        let Some(first) = primaries.first() else {
            return Err(ApiError::bad_request("The cache's address names no host"));
        };
        let clustered = target.mode == CacheMode::Cluster;
        let before = if clustered { Some(Owners::ask(&door, first).await?) } else { None };
        let read = self.chosen(&door, &primaries).await;
        let of_each = primaries.iter().zip(read).enumerate();
        let walks: Vec<Walk<'_>> = of_each
            .map(|(place, (primary, (host, replica)))| {
                let mut node = NodeState::default();
                (node.told.address, node.told.replica) = (host.to_string(), replica);
                node.home = clustered.then(|| (primary.clone(), host.clone()));
                self.inside().nodes.push(node);
                let slots = before.as_ref().map(|owners| owners.slots_of(primary)).unwrap_or_default();
                Walk { run: self, door: &door, host, place, replica, clustered, slots }
            })
            .collect();
        // All are opened first, so that it is known how many keys there are before the first is counted.
        let opened = join_all(walks.into_iter().map(|walk| async move {
            let opened = walk.begin().await;
            (walk, opened)
        }))
        .await;
        let keys: u64 = self.inside().nodes.iter().filter_map(|node| node.keys).sum();
        self.inside().map.expect(keys);
        let seen = clustered.then(|| Mutex::new(Seen::of(keys)));
        let ended = join_all(opened.into_iter().map(|(mut walk, opened)| {
            let seen = seen.as_ref();
            async move {
                let done = match opened {
                    Ok(begun) => walk.walk(begun, seen).await,
                    Err(error) => Err(error),
                };
                walk.ended(done.as_ref().err());
                done
            }
        }))
        .await;
        if let (Some(before), Some(seen)) = (before, &seen) {
            self.moved(&door, &before, seen).await;
        }
        match ended.into_iter().find_map(Result::err) {
            Some(error) if self.inside().map.read() == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// The servers that are read: primaries, or a replica of each where that is wanted and there is one.
    async fn chosen(&self, door: &Door<'_>, primaries: &[HostPort]) -> Vec<(HostPort, bool)> {
        let mut all = Vec::new();
        for primary in primaries {
            let replica = if self.wanted.replica { replica_of(door, primary).await } else { None };
            if self.wanted.replica && replica.is_none() {
                let note = format!("No replica of {primary} is online and in reach: it is read itself");
                self.inside().notes.push(note);
            }
            all.push(replica.map_or_else(|| (primary.clone(), false), |replica| (replica, true)));
        }
        all
    }
}

/// The replica of a primary that is least behind, where one can be reached.
async fn replica_of(door: &Door<'_>, primary: &HostPort) -> Option<HostPort> {
    let mut wire = door.open(primary, Purpose::Scan, false).await.ok()?;
    let mut replicas = Facts::ask(&mut wire).await.ok()?.replicas;
    replicas.sort_by(|a, b| a.2.total_cmp(&b.2));
    for (host, port, _) in replicas {
        let host = HostPort { host, port };
        let Ok(mut wire) = door.open(&host, Purpose::Scan, true).await else { continue };
        if Facts::ask(&mut wire).await.is_ok_and(|facts| facts.replica && !facts.link_down && !facts.loading) {
            return Some(host);
        }
    }
    None
}

/// A server that a scan must leave alone.
fn left_alone(host: &HostPort, why: governor::Stop) -> ApiError {
    match why {
        governor::Stop::Loading => {
            crate::error::again(ErrorCode::Unreachable, format!("{host} is loading its data set"))
                .hint("Scan it again when it is done")
        }
        governor::Stop::Memory => ApiError::new(
            ErrorCode::Guarded,
            format!("{host} uses more than 95 % of its maxmemory and evicts nothing: it is about to refuse writes"),
        )
        .hint("Raise maxmemory, free memory, or set a maxmemory-policy that evicts; or scan a replica (--replica)"),
    }
}
