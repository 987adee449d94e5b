//! One thread's commands: which comes next, with which data, to which node, and what its reply means.
use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::greeting::words;
use super::load::CacheLoad;
use super::reader::Reader;
use super::reply::Reply;
use super::slots::SLOTS;
use super::topology::Topology;
use crate::account::Account;
use crate::raw::{Arrival, Done, Next, Protocol, Workload as _};
use crate::record::{Class, Failure};
use perfdeck_model::SplitMix64;
use perfdeck_plan::{Builtins, FeedCursor, Scope};

/// A feed and the steps that need its next row.
struct Drawing {
    cursor: FeedCursor,
    needed: Vec<bool>,
}

/// One thread's side of RESP.
pub(crate) struct Resp<'a> {
    load: &'a CacheLoad,
    scope: Scope,
    feeds: Vec<Drawing>,
    builtins: Builtins,
    choice: SplitMix64,
    step: usize,
    /// The command that was chosen last, in a cluster, where its key tells which connection it goes to.
    staged: Vec<u8>,
    topology: Option<Topology>,
    /// A moment on both clocks.
    clock: (Instant, u64),
}

impl<'a> Resp<'a> {
    /// What thread `index` of `threads` needs.
    pub(super) fn new(load: &'a CacheLoad, index: usize, threads: usize) -> Self {
        // A run has at most 256 threads.
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (worker, workers) = (narrow(index), narrow(threads));
        let drawing = |feed| {
            let cursor = FeedCursor::new(feed, &load.names, load.seed, worker, workers);
            // Every iteration draws a row; that only shows where rows have an order.
            let needs = |i: usize| cursor.slots().any(|slot| load.commands[i].inserts(slot));
            let needed = (0..load.commands.len()).map(|i| cursor.is_ordered() || needs(i)).collect();
            Drawing { cursor, needed }
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let topology = load.map.clone().map(|map| Topology::new(map, load.greeting.clone(), load.timeout()));
        Self {
            scope: load.scope(),
            feeds: load.feeds.iter().cloned().map(drawing).filter(|d| d.cursor.is_used()).collect(),
            builtins: Builtins::new(load.seed, worker, workers),
            choice: SplitMix64::new(load.seed, &[b"steps", &worker.to_le_bytes()]),
            step: 0,
            staged: Vec::new(),
            topology,
            clock: (Instant::now(), u64::try_from(since.as_millis()).unwrap_or(0)),
            load,
        }
    }

    fn choose(&mut self) -> usize {
        let weights = &self.load.weights;
        if weights.len() < 2 {
            return 0;
        }
        let at = self.choice.unit() * weights.last().copied().unwrap_or(0.0);
        weights.partition_point(|sum| *sum <= at).min(weights.len() - 1)
    }

    /// The node that owns the key of the command, which is rendered to find out.
    fn stage(&mut self) -> usize {
        let (Some(topology), Some(command)) = (&self.topology, self.load.commands.get(self.step)) else { return 0 };
        self.staged.clear();
        // All variables have values: the load was tried out.
        let place = command.render(&self.scope, &mut self.builtins, &mut self.staged).unwrap_or(0..0);
        let slot = command.slot(&self.staged, place);
        // A command without a key may go anywhere.
        let slot = slot.unwrap_or_else(|| usize::try_from(self.choice.below(SLOTS as u64)).unwrap_or(0));
        topology.map.owner(slot)
    }
}

impl Protocol for Resp<'_> {
    type Reader = Reader;
    type Reply = Reply;

    fn reader(&self) -> Reader {
        Reader::default()
    }

    fn reset(&self, reader: &mut Reader) {
        reader.reset();
    }

    fn depth(&self) -> usize {
        self.load.pipeline
    }

    fn greeting(&self) -> (&[u8], usize) {
        (&self.load.greeting.bytes, self.load.greeting.names.len())
    }

    fn greeted(&self, index: usize, reader: &Reader, reply: Reply) -> Result<(), Failure> {
        match reply {
            Reply::Error => Err((Class::Cache, self.load.greeting.refused(index, reader.error()))),
            Reply::Value | Reply::Nil => Ok(()),
        }
    }

    fn next(&mut self, now: Instant) -> Option<Next> {
        self.step = self.choose();
        let (then, then_ms) = self.clock;
        let since = now.saturating_duration_since(then).as_millis();
        self.builtins.next(then_ms + u64::try_from(since).unwrap_or(0));
        for feed in &mut self.feeds {
            if feed.needed.get(self.step).copied().unwrap_or(true) && !feed.cursor.draw(&mut self.scope) {
                return None;
            }
        }
        Some(Next { step: self.step, node: self.stage() })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if self.topology.is_some() {
            out.extend_from_slice(&self.staged);
        } else if let Some(command) = self.load.commands.get(self.step) {
            // All variables have values: the load was tried out.
            let _ = command.render(&self.scope, &mut self.builtins, out);
        }
    }

    fn read(&mut self, reader: &mut Reader, data: &[u8]) -> Result<Option<Done<Reply>>, String> {
        Ok(reader.take(data)?.map(|(reply, used)| Done { reply, used, last: false }))
    }

    fn account(&mut self, arrival: Arrival<'_, Reader, Reply>, account: &mut Account) {
        let Arrival { reader, reply, bytes, start, now } = arrival;
        account.received(start, bytes);
        match reply {
            Reply::Value => account.succeeded(start, now),
            Reply::Nil => {
                if self.load.commands.get(start.step).is_some_and(|command| command.reads) {
                    account.missed(start);
                }
                account.succeeded(start, now);
            }
            Reply::Error => {
                let error = reader.error();
                if let Some(topology) = &mut self.topology
                    && error.starts_with(b"MOVED ")
                {
                    topology.moved(error);
                }
                account.failed(start, now, Class::Cache, &words(error));
            }
        }
    }

    fn unreachable(&mut self) {
        if let Some(topology) = &mut self.topology {
            topology.doubt();
        }
    }

    fn keep_house(&mut self, now: Instant) -> Vec<SocketAddr> {
        self.topology.as_mut().map(|topology| topology.keep_house(now)).unwrap_or_default()
    }
}
