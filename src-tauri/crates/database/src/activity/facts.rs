//! What one reading found, as the server told it: cheap to keep, since what did not change is shared with the reading before.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_model::{
    Blocking, BlockingRow, DatabaseActivity, DatabaseSession, Maintenance, PreparedTransaction, WaitClass,
};
use perfdeck_sqltext::{Dialect, quote_text};

use super::actions::actions;
use super::tree::{self, Waiter};

/// A session, with times on the server's clock in milliseconds since the Unix epoch: they stay the same while it does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SessionFacts {
    pub(crate) pid: i64,
    pub(crate) object: Arc<str>,
    pub(crate) started_ms: Option<f64>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) database: Option<Arc<str>>,
    pub(crate) application: Option<Arc<str>>,
    pub(crate) client: Option<Arc<str>>,
    pub(crate) state: Arc<str>,
    pub(crate) wait_class: WaitClass,
    pub(crate) wait: Option<Arc<str>>,
    pub(crate) state_ms: Option<f64>,
    pub(crate) statement_ms: Option<f64>,
    pub(crate) transaction_ms: Option<f64>,
    pub(crate) xids: Option<f64>,
    pub(crate) wrote: Option<bool>,
    pub(crate) rows_written: Option<f64>,
    pub(crate) rows_locked: Option<f64>,
    pub(crate) statement: Arc<str>,
    pub(crate) ended: bool,
}

/// A session that waits for a lock.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wait {
    pub(crate) pid: i64,
    /// Whom it waits for; 0 is a prepared transaction. Empty where the server does not tell.
    pub(crate) holders: Vec<i64>,
    /// Further ones.
    pub(crate) more: u32,
    /// Prepared transactions that it waits for, as far as they are known.
    pub(crate) gids: Vec<Arc<str>>,
    pub(crate) waits_for: Option<String>,
    pub(crate) since_ms: Option<f64>,
    /// Whether it queues for a row behind others that wait for its holder: when those are gone it waits for that one.
    pub(crate) queues: bool,
    /// Whether others may share the row with the one that it is said to wait for (PostgreSQL).
    pub(crate) shared: bool,
}

/// A transaction that was prepared for a two-phase commit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PreparedFacts {
    pub(crate) gid: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) database: Option<Arc<str>>,
    pub(crate) prepared_ms: f64,
    pub(crate) xids: Option<f64>,
}

/// Everything that one reading found.
#[derive(Debug, Clone, Default)]
pub struct ActivityFacts {
    /// When it was read, on our clock.
    pub(crate) at_ms: f64,
    /// The same on the server's clock.
    pub(crate) server_ms: f64,
    pub(crate) sessions: Vec<Arc<SessionFacts>>,
    pub(crate) left_out: u32,
    pub(crate) prepared: Vec<PreparedFacts>,
    pub(crate) waits: Vec<Wait>,
    /// Sessions that are no client's and may hold locks, by what the server calls them.
    pub(crate) others: Vec<(i64, Arc<str>)>,
    pub(crate) maintenance: Vec<Maintenance>,
    pub(crate) hidden: Option<u32>,
    pub(crate) grant: Option<String>,
    /// Statement after which the server tells who holds what is waited for.
    pub(crate) reveal: Option<String>,
    /// Statements that roll back XA transactions which were prepared (MySQL, MariaDB); asked for where somebody waits.
    pub(crate) xa: Vec<String>,
    /// Bytes of texts and sessions that the reading before did not have.
    pub(crate) fresh: usize,
}

/// Number under which a prepared transaction is in the tree: below 0, so that it is no session's. One that is not known by
/// its name is 0, as the server has it.
fn key_of(prepared: &[PreparedFacts], gid: &str) -> i64 {
    prepared.iter().position(|p| &*p.gid == gid).and_then(|at| i64::try_from(at).ok()).map_or(0, |at| -1 - at)
}

fn text(of: Option<&Arc<str>>) -> Option<String> {
    of.map(ToString::to_string)
}

impl SessionFacts {
    /// What a person calls it.
    pub(crate) fn name(&self) -> Option<String> {
        text(self.application.as_ref().or(self.user.as_ref()))
    }

    /// The order in which they are listed: who waits for a lock, who works, who is idle within a transaction, who is idle; of
    /// each the one first that has been at it the longest.
    pub(crate) fn before(&self, other: &Self) -> std::cmp::Ordering {
        let place = |s: &Self| match (s.wait_class, s.transaction_ms) {
            (WaitClass::Lock, _) => 0,
            (WaitClass::Idle, Some(_)) => 2,
            (WaitClass::Idle, None) => 3,
            _ => 1,
        };
        let began = |s: &Self| s.state_ms.unwrap_or(f64::MAX);
        place(self).cmp(&place(other)).then(began(self).total_cmp(&began(other))).then(self.pid.cmp(&other.pid))
    }

    /// Whether its server does not follow what it does (PostgreSQL's `track_activities`).
    pub(crate) fn untracked(&self) -> bool {
        &*self.state == "disabled"
    }

    /// Whether it is idle within a transaction, in the words of either server.
    pub(crate) fn idles(&self) -> bool {
        self.wait_class == WaitClass::Idle
    }
}

impl ActivityFacts {
    /// When it was read, in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> f64 {
        self.at_ms
    }

    /// Bytes that keeping this beside the reading before it takes, about.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Self>() + self.sessions.len() * size_of::<Arc<SessionFacts>>();
        let waits: usize = self.waits.iter().map(|w| size_of::<Wait>() + w.holders.len() * 8 + 64).sum();
        let small = self.prepared.len() * 128 + self.others.len() * 24 + self.maintenance.len() * 256;
        own + waits + small + self.fresh
    }

    /// Clients that it lists or leaves out, and whether any of them waits for a lock.
    pub fn clients(&self) -> (usize, bool) {
        (self.sessions.len() + self.left_out as usize, !self.waits.is_empty())
    }

    /// Seconds from a moment of the server's clock until the reading.
    pub(crate) fn since(&self, ms: Option<f64>) -> Option<f64> {
        ms.map(|ms| ((self.server_ms - ms) / 1e3).max(0.0))
    }

    /// The session of this number.
    pub(crate) fn session(&self, pid: i64) -> Option<&SessionFacts> {
        self.sessions.iter().find(|s| s.pid == pid).map(|s| &**s)
    }

    /// Who waits for whom, prepared transactions by numbers of their own.
    pub(crate) fn waiters(&self) -> Vec<Waiter> {
        let holders = |w: &Wait| -> Vec<i64> {
            let named = w.gids.iter().map(|gid| key_of(&self.prepared, gid));
            w.holders.iter().copied().filter(|h| *h != 0 || w.gids.is_empty()).chain(named).collect()
        };
        let by_pid: HashMap<i64, &Wait> = self.waits.iter().map(|w| (w.pid, w)).collect();
        let waiter = |w: &Wait| {
            let mut all = holders(w);
            if w.queues {
                let ahead: Vec<&&Wait> = w.holders.iter().filter_map(|h| by_pid.get(h)).collect();
                let further: Vec<i64> = ahead.into_iter().flat_map(|w| holders(w)).filter(|h| *h != w.pid).collect();
                all.extend(further);
                all.sort_unstable();
                all.dedup();
            }
            Waiter { key: w.pid, holders: all, waits_s: self.since(w.since_ms) }
        };
        self.waits.iter().map(waiter).collect()
    }

    /// The prepared transaction of a number of the tree.
    pub(crate) fn prepared_at(&self, key: i64) -> Option<&PreparedFacts> {
        usize::try_from(-1 - key).ok().and_then(|at| self.prepared.get(at))
    }

    /// What stands for a number of the tree: the session, or a prepared transaction, or what the server calls it.
    pub(crate) fn name_of(&self, key: i64) -> Option<String> {
        if key <= 0 {
            let gid = self.prepared_at(key).map(|p| p.gid.to_string());
            return Some(gid.unwrap_or_else(|| "a prepared transaction".to_owned()));
        }
        let other = || self.others.iter().find(|(pid, _)| *pid == key).map(|(_, name)| name.to_string());
        self.session(key).and_then(SessionFacts::name).or_else(other)
    }

    fn row(&self, row: tree::Row) -> BlockingRow {
        let wait = self.waits.iter().find(|w| w.pid == row.key);
        BlockingRow {
            pid: row.key.max(0),
            gid: self.prepared_at(row.key).map(|p| p.gid.to_string()),
            name: self.name_of(row.key),
            depth: row.depth,
            deadlock: row.deadlock,
            again: row.again,
            holds_up: row.holds_up,
            frees: row.frees,
            longest_s: row.longest_s,
            waits_for: wait.and_then(|w| w.waits_for.clone()),
            waits_s: wait.and_then(|w| self.since(w.since_ms)),
            also: row.also.into_iter().map(|key| key.max(0)).collect(),
        }
    }

    fn blocking(&self, waiters: &[Waiter]) -> Blocking {
        if self.waits.is_empty() {
            return Blocking::default();
        }
        let tree = tree::tree(waiters);
        let unknown = self.waits.iter().filter(|w| w.holders.is_empty()).count();
        let longest = self.waits.iter().filter_map(|w| self.since(w.since_ms)).reduce(f64::max);
        let keys: Vec<tree::Row> = tree.rows.clone();
        Blocking {
            roots: tree.roots,
            waiting: tree.waiting,
            unknown: u32::try_from(unknown).unwrap_or(u32::MAX),
            reveal: self.reveal.clone().filter(|_| unknown > 0),
            longest_s: longest.or(tree.longest_s),
            rows: tree.rows.into_iter().map(|row| self.row(row)).collect(),
            left_out: tree.left_out,
            actions: actions(self, &keys),
        }
    }

    fn answered(&self, s: &SessionFacts, wait: Option<&Wait>, holds_up: u32) -> DatabaseSession {
        let statement_s = self.since(s.statement_ms);
        let age = if s.idles() { self.since(s.state_ms) } else { statement_s };
        DatabaseSession {
            pid: s.pid,
            object: s.object.to_string(),
            started_ms: s.started_ms,
            user: text(s.user.as_ref()),
            database: text(s.database.as_ref()),
            application: text(s.application.as_ref()),
            client: text(s.client.as_ref()),
            state: s.state.to_string(),
            wait_class: s.wait_class,
            wait: text(s.wait.as_ref()),
            age_s: age.or_else(|| self.since(s.state_ms)),
            statement_s,
            transaction_s: self.since(s.transaction_ms),
            xids: s.xids,
            wrote: s.wrote,
            rows_written: s.rows_written,
            rows_locked: s.rows_locked,
            blocked_by: wait.map(|w| w.holders.clone()).unwrap_or_default(),
            blocked_by_more: wait.map_or(0, |w| w.more),
            waits_s: wait.and_then(|w| self.since(w.since_ms)),
            waits_for: wait.and_then(|w| w.waits_for.clone()),
            holds_up,
            statement: s.statement.to_string(),
            ended: s.ended,
        }
    }

    /// The same as it is answered: with ages, and with the tree of those that wait.
    pub fn answer(&self) -> DatabaseActivity {
        let waiters = self.waiters();
        let holds = if waiters.is_empty() { HashMap::new() } else { tree::holds_up(&waiters) };
        let waits: HashMap<i64, &Wait> = self.waits.iter().map(|w| (w.pid, w)).collect();
        let held = |key: i64| holds.get(&key).copied().unwrap_or(0);
        let sessions =
            self.sessions.iter().map(|s| self.answered(s, waits.get(&s.pid).copied(), held(s.pid))).collect();
        let prepared = self.prepared.iter().map(|p| PreparedTransaction {
            gid: p.gid.to_string(),
            user: text(p.user.as_ref()),
            database: text(p.database.as_ref()),
            age_s: self.since(Some(p.prepared_ms)).unwrap_or(0.0),
            xids: p.xids,
            holds_up: held(key_of(&self.prepared, &p.gid)),
            rollback: rollback(&p.gid),
        });
        DatabaseActivity {
            at_ms: self.at_ms,
            kept_from_ms: None,
            sessions,
            left_out: self.left_out,
            prepared: prepared.collect(),
            blocking: self.blocking(&waiters),
            maintenance: self.maintenance.clone(),
            hidden: self.hidden,
            grant: self.grant.clone(),
        }
    }
}

/// What ends a prepared transaction.
pub(crate) fn rollback(gid: &str) -> String {
    format!("ROLLBACK PREPARED {};", quote_text(gid, Dialect::Postgres))
}
