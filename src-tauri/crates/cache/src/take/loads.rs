//! What the source is asked more once keys are gone: keys that are read are each loaded once.
//!
//! A server tells when a key was used last, in whole seconds, and takes a write for a use. So a sample of the keys is watched for 4 s: those
//! that were used meanwhile, and whose expiry is the same, were read. How their number grows from 1.5 s to 3.5 s tells how many it is in 10 s,
//! between always the same ones and others each time. What was written before, as by a bulk load, counts for
//! nothing. What has no expiry and is written anew is taken for read.
use std::time::{Duration, Instant};

use redis::Value;
use serde::{Deserialize, Serialize};

use super::nodes::{Call, Nodes};
use super::survey::{Has, text};
use super::tally::{AT_ONCE, Tally};
use crate::info::fields;

/// Time for which keys are watched.
const WATCH: Duration = Duration::from_secs(4);
/// Time after which it is enough where nobody reads anything.
const QUIET: Duration = Duration::from_millis(600);
/// A key that is used less than so many whole seconds ago was used within the time beside it, on average: clocks count whole seconds.
const SHORT: (i64, f64) = (2, 1.5);
/// The same of the longest time that lies within the watch.
const LONG: (i64, f64) = (4, 3.5);
/// Seconds that loads are told for.
const AHEAD: f64 = 10.0;
/// Fewer keys than that tell nothing of others.
const FEWEST: usize = 100;
/// How far an expiry may be off that is the same, in milliseconds: it is reckoned from the time left.
const SAME: f64 = 500.0;

/// Keys that are loaded again within 10 s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loads {
    /// The likeliest number.
    pub value: f64,
    /// Those that were read while they were watched, by the lower bound of its 95 % interval.
    pub low: f64,
    /// As if others were read each second, by the upper bound, and as if writes were reads.
    pub high: f64,
}

/// A key that is watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    key: Vec<u8>,
    /// When it expires, on this clock.
    expires: Option<Instant>,
    forever: bool,
}

impl Watched {
    pub(super) fn new(key: &[u8], ttl_ms: Option<i64>) -> Self {
        let left = ttl_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let expires = left.and_then(|left| Instant::now().checked_add(left));
        Self { key: key.to_vec(), expires, forever: ttl_ms == Some(-1) }
    }

    /// Whether its expiry is the one that it had.
    fn is_same(&self, ttl_ms: i64) -> bool {
        match (self.expires, u64::try_from(ttl_ms)) {
            (Some(before), Ok(left)) => {
                let Some(now) = Instant::now().checked_add(Duration::from_millis(left)) else { return false };
                let off = if now > before { now - before } else { before - now };
                off.as_secs_f64() * 1e3 <= SAME
            }
            (None, Err(_)) => self.forever && ttl_ms == -1,
            _ => false,
        }
    }
}

/// What was seen of the keys that were watched, as numbers of keys.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    watched: f64,
    /// Read within the short time.
    short: f64,
    /// Read within the long time.
    long: f64,
    /// Read or written within the long time.
    used: f64,
}

/// Look-ups that found a key, of all servers; `None` where they do not tell.
async fn hits(nodes: &mut Nodes) -> Option<f64> {
    let mut all = 0.0;
    for node in nodes.owners() {
        let mut info = redis::cmd("INFO");
        info.arg("stats");
        let told = text(nodes.ask(node, &info).await.ok()?)?;
        all += fields(&told).get("keyspace_hits")?.parse::<f64>().ok()?;
    }
    Some(all)
}

/// Watches the keys of a tally; `None` where it is not known.
pub(super) async fn watch(nodes: &mut Nodes, has: Has, tally: &Tally) -> Option<Loads> {
    let all = tally.count();
    if has.frequency {
        return None;
    }
    if tally.watched.is_empty() {
        return (all.value() == 0.0).then_some(Loads { value: 0.0, low: 0.0, high: 0.0 });
    }
    if tally.watched.len() < FEWEST && all.value() > tally.watched.len() as f64 {
        return None;
    }
    // What was looked at until now counts as reads too.
    let (before, began) = (hits(nodes).await, Instant::now());
    tokio::time::sleep(QUIET).await;
    let mut read = since(nodes, before, began).await;
    let mut counts = Counts::default();
    if read.is_none_or(|(hits, _)| hits > 0.0) {
        tokio::time::sleep(WATCH.saturating_sub(began.elapsed())).await;
        read = since(nodes, before, began).await;
        counts = counted(nodes, has, &tally.watched).await;
    }
    Some(loads(counts, all.value(), all.bounds().1.unwrap_or(tally.database), read))
}

/// Look-ups that found a key since then, with the time in seconds.
async fn since(nodes: &mut Nodes, before: Option<f64>, began: Instant) -> Option<(f64, f64)> {
    let seconds = began.elapsed().as_secs_f64();
    Some(((hits(nodes).await? - before?).max(0.0), seconds))
}

async fn counted(nodes: &mut Nodes, has: Has, watched: &[Watched]) -> Counts {
    let mut of = Counts { watched: watched.len() as f64, ..Counts::default() };
    for some in watched.chunks(AT_ONCE) {
        let mut calls = Vec::with_capacity(some.len() * 2);
        for one in some {
            calls.push(Call::words(&one.key, &[b"OBJECT", has.used(), &one.key]));
            calls.push(Call::words(&one.key, &[b"PTTL", &one.key]));
        }
        let answers = nodes.send_steadily(&calls).await;
        for (one, two) in some.iter().zip(answers.chunks(2)) {
            let [Ok(Value::Int(idle)), Ok(Value::Int(ttl))] = two else { continue };
            let same = one.is_same(*ttl);
            of.used += f64::from(*idle < LONG.0);
            of.long += f64::from(*idle < LONG.0 && same);
            of.short += f64::from(*idle < SHORT.0 && same);
        }
    }
    of
}

/// The loads of `all` keys, at most `most`. `read` are the look-ups of the whole server that found a key, and the seconds of that.
fn loads(of: Counts, all: f64, most: f64, read: Option<(f64, f64)>) -> Loads {
    // No more keys are read than look-ups find one.
    let found = read.map_or(f64::INFINITY, |(hits, s)| hits / s.max(0.1) * AHEAD);
    if found == 0.0 {
        // None in so many seconds: fewer than 3 per that time, with 95 %.
        let high = read.map_or(all, |(_, s)| 3.0 / s.max(0.1) * AHEAD).min(most);
        return Loads { value: 0.0, low: 0.0, high };
    }
    let share = |n: f64| n / of.watched.max(1.0);
    let (short, long) = (share(of.short), share(of.long));
    let guess = (long * grown(short, long)).min(1.0);
    let (low, _) = interval(long, of.watched, all);
    let (_, used) = interval(share(of.used), of.watched, all);
    let high = ((used * AHEAD / LONG.1).min(1.0) * most).min(found + error(found));
    let low = (low * all).min(found).min(high);
    Loads { value: (guess * all).min(found).clamp(low, high), low, high }
}

/// How many times as many keys are read within 10 s as were within the long time: the geometric mean of a power of the time, as keys of all
/// rates have it, and of what saturates, as keys of one rate do.
fn grown(short: f64, long: f64) -> f64 {
    if short <= 0.0 {
        return AHEAD / LONG.1;
    }
    let ratio = long / short;
    let power = (AHEAD / LONG.1).powf((ratio.ln() / (LONG.1 / SHORT.1).ln()).clamp(0.0, 1.0));
    let within = |rate: f64, s: f64| -(-rate * s).exp_m1();
    let (mut least, mut most) = (1e-6, 50.0);
    for _ in 0..60 {
        let rate = f64::midpoint(least, most);
        // The faster they are read, the less comes with time.
        if within(rate, LONG.1) / within(rate, SHORT.1) > ratio { least = rate } else { most = rate }
    }
    (power * within(least, AHEAD) / within(least, LONG.1)).sqrt()
}

/// How far a count may be off, 95 %: as one of Poisson's, with the rule of three for small ones.
fn error(count: f64) -> f64 {
    if count.is_finite() { 2.0 * count.sqrt() + 3.0 } else { 0.0 }
}

/// Wilson's interval (95 %) of a share, of `n` of `all` keys; a share that all were asked for is sure.
fn interval(share: f64, n: f64, all: f64) -> (f64, f64) {
    let n = n.max(1.0);
    let z2 = 1.959_964_f64.powi(2) * (1.0 - n / all.max(n)).max(0.0);
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z2.sqrt() * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of these shares and rates, as they would be seen: the counts, and how many of 1,000 are read within 10 s.
    fn read_at(groups: &[(f64, f64)]) -> (Counts, f64) {
        let within =
            |s: f64| 1_000.0 * groups.iter().map(|(share, rate)| share * (1.0 - (-rate * s).exp())).sum::<f64>();
        let (short, long) = (within(SHORT.1).round(), within(LONG.1).round());
        (Counts { watched: 1_000.0, short, long, used: long }, within(AHEAD))
    }

    #[test]
    fn what_is_read_is_loaded_once_however_often_it_is_read() {
        for groups in [
            &[(0.04, 2.0), (0.96, 0.0)][..],
            &[(1.0, 0.02)],
            &[(1.0, 0.15)],
            &[(1.0, 0.5)],
            &[(0.04, 2.0), (0.96, 0.005)],
            &[(0.1, 1.0), (0.3, 0.1), (0.6, 0.001)],
        ] {
            let (counts, right) = read_at(groups);
            let told = loads(counts, 1_000.0, 1_000.0, Some((1e6, 4.0)));
            assert!(told.value > right / 1.5 && told.value < right * 1.5, "{groups:?}: {told:?} for {right}");
            assert!(
                told.low <= right * 1.01 && right <= told.high * 1.01,
                "within its bounds: {groups:?}: {told:?} for {right}"
            );
        }
    }

    #[test]
    fn writes_are_no_reads_and_reads_no_more_than_look_ups() {
        let none = loads(Counts::default(), 1e6, 1e6, Some((0.0, 0.6)));
        assert_eq!((none.value, none.low), (0.0, 0.0), "{none:?}");
        assert!((5.0..=50.0).contains(&none.high), "few at most, since none was read: {none:?}");
        let written =
            loads(Counts { watched: 1_000.0, used: 1_000.0, ..Counts::default() }, 1e6, 1e6, Some((40.0, 4.0)));
        assert!(written.value == 0.0 && written.high >= 100.0 && written.high < 130.0, "all were written: {written:?}");
        let few =
            loads(Counts { watched: 200.0, short: 140.0, long: 150.0, used: 150.0 }, 1e6, 1e6, Some((400.0, 4.0)));
        assert!(few.value <= 1_000.0 && few.high <= 1_100.0, "{few:?}");
    }
}
