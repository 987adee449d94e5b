//! What a scan does when it loses a server: it is looked for, wherever its keys are served by now, for a limited time. The same server goes
//! on where it was. A cursor means nothing to another one, which is read from its start.
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, CacheMode, ErrorCode, HostPort};
use perfdeck_words::{integer, seconds};

use super::cluster::Owners;
use super::facts::Facts;
use super::node::{Begun, Step, Walk};
use super::replica_of;
use super::wire::Wire;
use crate::load::servers;

/// Longest time to look for a server: Sentinels take half of it, as they are usually set, before they agree that a primary is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// First wait before it is looked for, and the longest.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// Losses of one server in one scan.
const MOST: u32 = 50;

/// How often a server was lost, and since when without a page in between.
#[derive(Debug, Default)]
pub(super) struct Losses {
    all: u32,
    /// Those without a page in between.
    vain: u32,
    since: Option<Instant>,
    /// Pages when it was lost last.
    pages: u64,
    why: String,
}

/// A primary that is none any more.
pub(super) fn demoted(host: &HostPort) -> ApiError {
    crate::error::again(ErrorCode::Unreachable, format!("{host} became a replica: another server took its place"))
        .hint("Scan it again, at the address of its primary")
}

/// Whether it may be otherwise in a moment.
fn passes(error: &ApiError) -> bool {
    error.retryable || error.code == ErrorCode::Timeout
}

impl Walk<'_> {
    /// Opens the server again, or the one that took its place. So many pages were counted by now, and it was a replica or not at the start.
    ///
    /// # Errors
    /// With what was wrong last, when it is not found in time or too often.
    pub(super) async fn regained(
        &mut self,
        error: ApiError,
        losses: &mut Losses,
        (pages, was_replica): (u64, bool),
    ) -> Result<Begun, ApiError> {
        if !passes(&error) {
            return Err(error);
        }
        losses.all += 1;
        if losses.since.is_none() || pages > losses.pages {
            (losses.since, losses.vain, losses.why) = (Some(Instant::now()), 0, error.message.clone());
        }
        losses.pages = pages;
        let patience = self.run.wanted.patience.unwrap_or(PATIENCE);
        let until = losses.since.unwrap_or_else(Instant::now) + patience;
        let mut last = error;
        loop {
            if Instant::now() >= until || losses.all > MOST {
                let tried = seconds(patience.as_secs_f64());
                let message = format!("{}; it was tried again in vain for {tried} ({})", losses.why, last.message);
                return Err(ApiError { message, ..last });
            }
            self.away(&last.message);
            let wait = FIRST.saturating_mul(1 << losses.vain.min(6)).min(LONGEST);
            tokio::time::sleep(wait.min(until.saturating_duration_since(Instant::now()))).await;
            let other = losses.vain % 2 == 1;
            losses.vain += 1;
            let work = self.found(was_replica, other);
            // A look that has begun may end: it has deadlines of its own.
            match tokio::time::timeout_at((until + LONGEST).into(), work).await {
                Ok(Ok(begun)) => return Ok(begun),
                Ok(Err(error)) if passes(&error) => last = error,
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn away(&self, why: &str) {
        let mut inside = self.run.inside();
        let node = &mut inside.nodes[self.place];
        if !node.away {
            node.away = true;
            node.lost.clone_from(&node.told.problem);
        }
        node.told.problem = Some(format!("{why}; it is tried again"));
    }

    /// One look. `other` is for a copy that is read: then another copy, or the primary, is taken.
    async fn found(&mut self, was_replica: bool, other: bool) -> Result<Begun, ApiError> {
        let (host, replica) = if self.replica {
            match other {
                false => (self.host.clone(), true),
                true => {
                    let primary = self.served_by().await?;
                    replica_of(self.door, &primary).await.map_or((primary, false), |copy| (copy, true))
                }
            }
        } else {
            (self.served_by().await?, false)
        };
        let begun = self.open(&host).await?;
        if begun.facts.replica && !replica && !was_replica {
            let error = demoted(&host);
            // An address names one server, whatever it is by now. Sentinels and a cluster tell of another in a moment.
            let retryable = self.door.target.mode != CacheMode::Single;
            return Err(ApiError { retryable, ..error });
        }
        (self.host, self.replica) = (host, replica);
        Ok(begun)
    }

    /// The primary that serves these keys by now.
    async fn served_by(&self) -> Result<HostPort, ApiError> {
        if self.clustered {
            let after = Owners::of_any(self.door, &self.known()).await?;
            let heir = after.heir(&self.slots).ok_or_else(|| {
                crate::error::again(ErrorCode::Unreachable, format!("Nobody serves the slots of {}", self.host))
                    .hint("redis-cli --cluster check HOST:PORT")
            })?;
            let read_already = {
                let inside = self.run.inside();
                let same = |(place, node): (usize, &super::run::NodeState)| {
                    place != self.place && node.told.address == heir.to_string()
                };
                inside.nodes.iter().enumerate().any(same)
            };
            if read_already {
                return Err(ApiError::new(
                    ErrorCode::Unreachable,
                    format!("{} is gone, and {heir} has its slots: they are read there at the end", self.host),
                ));
            }
            return Ok(heir);
        }
        if self.door.target.mode == CacheMode::Single {
            return Ok(self.door.target.address.hosts.first().cloned().unwrap_or_else(|| self.host.clone()));
        }
        let found = servers(self.door.target, self.door.password).await?;
        found.into_iter().next().ok_or_else(|| ApiError::bad_request("The cache's address names no host"))
    }

    /// Servers that may know who has which slots, this one last.
    fn known(&self) -> Vec<HostPort> {
        let mut all = self.door.target.address.hosts.clone();
        all.extend(self.run.inside().homes().map(|(_, now)| now.clone()));
        all.retain(|host| *host != self.host);
        all.push(self.host.clone());
        all
    }

    /// Goes on where it was at the same server, and from the start at another one; says so.
    pub(super) fn taken_up(&self, was: &HostPort, at: &mut Step<'_>, begun: (Wire, Facts), losses: &Losses) {
        let (wire, facts) = begun;
        let same = facts.told && at.first.told && facts.run_id == at.first.run_id;
        let took = losses.since.map_or(Duration::ZERO, |since| since.elapsed());
        let mut inside = self.run.inside();
        let node = &mut inside.nodes[self.place];
        node.away = false;
        node.told.problem = node.lost.take();
        let (now, read) = (&self.host, integer(node.read as f64));
        let lost = format!("{was} was lost after {read} keys ({})", losses.why);
        (node.told.address, node.told.replica) = (now.to_string(), facts.replica);
        node.home = node.home.take().map(|(primary, _)| (primary, now.clone()));
        let note = if same {
            at.over(wire);
            format!("{lost}: after {} the scan went on where it was", seconds(took.as_secs_f64()))
        } else {
            let what = if was == now {
                "it is another server since: it was restarted, or another one took its place".to_owned()
            } else {
                format!("{now} took its place")
            };
            let keys = facts.keys;
            // What was counted before is in the map of a cluster, and known by its names; that of one server is of the former one alone.
            if self.clustered {
                node.before += node.read - node.found.min(node.read);
                (node.anew, node.found) = (true, 0);
            }
            (node.read, node.churn, node.writes, node.cursor_share, node.gone) = (0, 0, None, None, (0, 0));
            (node.keys, node.used, node.most) = (keys.or(node.keys), facts.used, facts.most);
            at.anew(wire, facts);
            if self.clustered {
                format!(
                    "{lost}; {what}, and its keys are read from the start: those that only the former one had are counted too"
                )
            } else {
                inside.emptied(&self.run.wanted, keys);
                format!("{lost}; {what}, and the map begins anew")
            }
        };
        if !inside.notes.contains(&note) {
            inside.notes.push(note);
        }
    }
}
