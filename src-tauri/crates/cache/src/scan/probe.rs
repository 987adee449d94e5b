//! The probe: round trips beside a scan show what others feel of it. It looks after the pace.
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use perfdeck_model::HostPort;

use super::facts::Facts;
use super::governor::{Governor, Seen};
use super::run::MapRun;
use super::wire::{Broken, Wire};

/// Time between two round trips.
const EVERY: Duration = Duration::from_millis(10);
/// Round trips before the scan: half of a second shows what is usual.
const BEFORE: usize = 25;
/// Round trips that are looked back at: two seconds.
const WINDOW: usize = 200;
/// Round trips while nothing of ours was under way that say what is usual at the moment; of fewer, those before the scan do.
const USUAL: usize = 50;
/// Time between two looks at the counters.
const COUNTERS: Duration = Duration::from_millis(500);
/// Time between two looks of the governor.
const LOOK: Duration = Duration::from_millis(250);

/// The pace that a scan keeps, in work per second.
pub(super) struct Pace {
    rate: AtomicU64,
    next: std::sync::Mutex<Instant>,
    /// Whether something that was asked has not been answered yet, and how often something was asked.
    under_way: AtomicBool,
    asked: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            rate: AtomicU64::new(Governor::default().rate() as u64),
            next: std::sync::Mutex::new(Instant::now()),
            under_way: AtomicBool::new(false),
            asked: AtomicU64::new(0),
        }
    }

    /// Says that the server is about to work for the scan.
    pub(super) fn asks(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.under_way.store(true, Ordering::Relaxed);
    }

    /// Says that it has answered.
    pub(super) fn answered(&self) {
        self.under_way.store(false, Ordering::Relaxed);
    }

    /// How long to wait before so much work.
    pub(super) fn before(&self, work: f64) -> Duration {
        let rate = (self.rate.load(Ordering::Relaxed) as f64).max(1.0);
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let wait = next.saturating_duration_since(now);
        // What was not used is not saved up.
        *next = (*next).max(now) + Duration::from_secs_f64(work / rate);
        wait
    }
}

/// A probe of one server.
pub(super) struct Probe {
    wire: Wire,
    before_p99: f64,
    /// Share of a core that it used before the scan.
    before_cpu: f64,
    last: Option<(Instant, f64)>,
}

/// Milliseconds of a round trip.
pub(super) async fn ping(wire: &mut Wire) -> Result<f64, Broken> {
    let began = Instant::now();
    match wire.ask(&[b"PING"]).await {
        // A refusal takes as long.
        Ok(_) | Err(Broken::Refused(_)) => {}
        Err(broken) => return Err(broken),
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// 99th percentile.
fn p99(of: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    let place = (all.len() as f64 * 0.99).ceil() as usize;
    all.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Milliseconds that a round trip takes longer because of the scan: the 99th percentile of all against that of those beside which nothing of
/// the scan was under way. Other people's load, and a busy machine, lengthen both.
fn added(window: &VecDeque<(f64, bool)>, before: f64) -> f64 {
    let others: Vec<f64> = window.iter().filter(|(_, beside)| !beside).map(|(ms, _)| *ms).collect();
    let usual = if others.len() >= USUAL { p99(others.into_iter()) } else { before };
    (p99(window.iter().map(|(ms, _)| *ms)) - usual).max(0.0)
}

impl Probe {
    /// Looks at the server before the scan begins.
    pub(super) async fn begin(mut wire: Wire) -> Result<Self, Broken> {
        let first = Facts::ask(&mut wire).await?.cpu_s.map(|cpu| (Instant::now(), cpu));
        let mut before = Vec::with_capacity(BEFORE);
        for _ in 0..BEFORE {
            before.push(ping(&mut wire).await?);
            tokio::time::sleep(EVERY).await;
        }
        let mut probe = Self { wire, before_p99: p99(before.into_iter()), before_cpu: 0.0, last: first };
        probe.before_cpu = probe.cpu().await?.unwrap_or(0.0);
        Ok(probe)
    }

    /// Share of a core since the last look.
    async fn cpu(&mut self) -> Result<Option<f64>, Broken> {
        let now = Facts::ask(&mut self.wire).await?.cpu_s.map(|cpu| (Instant::now(), cpu));
        let share = self.last.zip(now).map(|(then, now)| (now.1 - then.1) / (now.0 - then.0).as_secs_f64().max(1e-3));
        self.last = now;
        Ok(share)
    }

    /// Keeps the pace until it is dropped. A probe that fails leaves the pace as it was: the scan fails by itself if it must.
    pub(super) async fn keep(mut self, run: &MapRun, place: usize, pace: &Pace, host: &HostPort) {
        if let Err(broken) = self.kept(run, place, pace).await {
            tracing::debug!(target: "perfdeck::cache", %host, "the probe ended: {broken:?}");
            run.inside().nodes[place].added_p99_ms = None;
            // Without eyes it goes slowly.
            pace.rate.store(Governor::default().rate() as u64 / 4, Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    }

    async fn kept(&mut self, run: &MapRun, place: usize, pace: &Pace) -> Result<(), Broken> {
        let began = Instant::now();
        let mut governor = Governor::default();
        // Milliseconds, and whether something of the scan was under way.
        let mut window: VecDeque<(f64, bool)> = VecDeque::with_capacity(WINDOW);
        let (mut counted, mut looked) = (Instant::now(), Instant::now());
        let mut cpu_share = None;
        loop {
            tokio::time::sleep(EVERY).await;
            if window.len() == WINDOW {
                window.pop_front();
            }
            let (asked, open) = (pace.asked.load(Ordering::Relaxed), pace.under_way.load(Ordering::Relaxed));
            let ms = ping(&mut self.wire).await?;
            window.push_back((ms, open || pace.asked.load(Ordering::Relaxed) != asked));
            if counted.elapsed() >= COUNTERS {
                counted = Instant::now();
                cpu_share = self.cpu().await?.map(|share| (share - self.before_cpu).max(0.0));
            }
            if looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            let added = (window.len() >= 20).then(|| added(&window, self.before_p99));
            let orders = *run.orders.borrow();
            let seen = Seen { added_p99_ms: added, cpu_share };
            if !orders.paused {
                let halved = governor.halved();
                governor.look(began.elapsed().as_secs_f64() * 1e3, seen, orders.gentler);
                if governor.halved() > halved {
                    // What was seen under the old pace says nothing of the new one.
                    window.clear();
                    cpu_share = None;
                    counted = Instant::now();
                    self.last = None;
                }
            }
            pace.rate.store(governor.rate() as u64, Ordering::Relaxed);
            let mut inside = run.inside();
            let node = &mut inside.nodes[place];
            node.halved = governor.halved();
            node.added_p99_ms = added.or(node.added_p99_ms);
            node.cpu_share = seen.cpu_share.or(node.cpu_share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scan_adds_is_told_from_what_others_do() {
        let window = |beside: f64, others: f64| -> VecDeque<(f64, bool)> {
            (0..WINDOW).map(|i| if i % 10 == 0 { (beside, true) } else { (others, false) }).collect()
        };
        assert!((added(&window(5.0, 0.2), 0.2) - 4.8).abs() < 1e-9, "what is slow beside the scan alone is the scan's");
        assert!(added(&window(5.0, 5.0), 0.2) < 1e-9, "a machine that became busy is not");
        let all: VecDeque<(f64, bool)> = (0..WINDOW).map(|_| (5.0, true)).collect();
        assert!(
            (added(&all, 0.2) - 4.8).abs() < 1e-9,
            "without any beside which nothing was, those before the scan count"
        );
    }
}
