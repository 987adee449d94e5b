//! The scheduler's decisions, without tasks or waiting: which collector is due, what its outcome means for its target,
//! what a second brought, and what is to be stored.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{
    ApiError, Collection, ErrorCode, Finding, FindingAction, FindingTarget, Proof, SeriesInfo, TargetRole, TargetState,
    TargetStatus,
};

use crate::trouble::Trouble;
use perfdeck_model::is_rate;
use perfdeck_series::codec::{Block, decimals, round};
use perfdeck_series::{MAX_SERIES, Ring, STEP_MS, millis};

/// Seconds until the next attempt while a target is down, by the number of attempts; the last one repeats.
const BACK_OFF_S: [i64; 4] = [1, 2, 4, 5];
/// A failure that took longer than this is not given a second chance: the target has been silent for long enough.
const PATIENCE: Duration = Duration::from_secs(1);
/// A fifth of the period. A collection that costs more makes the next ones rarer.
const BUDGET: Duration = Duration::from_millis(200);
/// A collection that comes this much later than it should, in milliseconds, has no rates: the mean of a longer time is not
/// what its second brought. The process was stopped, the machine slept, or it is too busy to measure.
const LATE_MS: f64 = 750.0;
/// A second may begin this much early, in milliseconds, without what is due in it waiting for the next one: the wall clock
/// that names seconds is adjusted all the time. A shorter time than that has no rates: there is too little in it.
const EARLY_MS: f64 = 500.0;
/// Slowest pace of a costly collector, in seconds.
const MAX_STRIDE_S: i64 = 10;
/// How often the open block is stored, in seconds; a killed process loses at most this much.
const FLUSH_S: i64 = 60;
/// The clock may be set back by this much, in seconds, without starting anew: those seconds are waited out.
const SETBACK_S: i64 = 5;

/// What one second brought.
#[derive(Debug, Clone, Default)]
pub struct Tick {
    /// The second, in milliseconds since the Unix epoch.
    pub t_ms: f64,
    /// Values of all series by id, in the order of their ids; `None` is a gap.
    pub values: Vec<(Arc<str>, Option<f64>)>,
    /// All target states, when something that is shown of one changed ([`TargetStatus::shows_as`]).
    pub targets: Option<Vec<TargetStatus>>,
    /// Whether the findings changed.
    pub findings_changed: bool,
    /// Whether a series is new.
    pub series_changed: bool,
}

/// What to do at the start of a second.
#[derive(Debug, Default)]
pub(crate) struct Begin {
    /// Collectors to run, by index.
    pub(crate) due: Vec<usize>,
    /// Blocks to store because the clock was set back and the ring starts anew.
    pub(crate) blocks: Vec<Block>,
}

struct Target {
    status: TargetStatus,
    findings: Vec<Finding>,
    /// What its collector said is broken at its last collection.
    broken: Vec<Finding>,
    trouble: Trouble,
    /// The second its running collection belongs to.
    running: Option<i64>,
    /// When its newest collection began, on the monotonic clock.
    began_ms: f64,
    /// From and by when a collection must begin to have rates: they are since the newest one that answered.
    rates_ms: Option<(f64, f64)>,
    /// First moment at which it is due, on the monotonic clock: a wall clock that is set does not change the pace.
    next_ms: f64,
    /// Failures since it last answered.
    failures: usize,
    /// Costly collections in a row.
    costly: usize,
}

/// The state of one watched environment.
pub(crate) struct Core {
    pub(crate) ring: Ring,
    series: BTreeMap<Arc<str>, SeriesInfo>,
    targets: Vec<Target>,
    /// Values that wait for their second to be closed.
    arrived: BTreeMap<Arc<str>, f64>,
    /// Newest second that was handed to the store.
    flushed: Option<i64>,
    /// Why samples are not being stored, while they are not.
    storage_error: Option<String>,
    /// When what is found now was first found, by identifier.
    since: BTreeMap<String, f64>,
    /// The targets as viewers were last told.
    told: Vec<TargetStatus>,
    findings_changed: bool,
    series_changed: bool,
}

impl Core {
    /// Targets by role and address, none of them tried yet.
    pub(crate) fn new(targets: impl Iterator<Item = (TargetRole, String)>) -> Self {
        let targets = targets
            .map(|(role, address)| Target {
                status: TargetStatus {
                    role,
                    address,
                    state: TargetState::Unknown,
                    version: None,
                    detail: None,
                    round_trip_ms: None,
                    first_sample_ms: None,
                    last_sample_ms: None,
                    next_try_ms: None,
                    error: None,
                    limits: BTreeMap::new(),
                    own_requests: None,
                },
                findings: Vec::new(),
                broken: Vec::new(),
                trouble: Trouble::default(),
                running: None,
                began_ms: f64::NEG_INFINITY,
                rates_ms: None,
                next_ms: f64::NEG_INFINITY,
                failures: 0,
                costly: 0,
            })
            .collect();
        Self {
            ring: Ring::default(),
            series: BTreeMap::new(),
            targets,
            arrived: BTreeMap::new(),
            flushed: None,
            storage_error: None,
            since: BTreeMap::new(),
            told: Vec::new(),
            findings_changed: false,
            series_changed: false,
        }
    }

    pub(crate) fn series(&self) -> Vec<SeriesInfo> {
        self.series.values().cloned().collect()
    }

    pub(crate) fn targets(&self) -> Vec<TargetStatus> {
        self.targets.iter().map(|t| t.status.clone()).collect()
    }

    /// All findings: what is broken, then what costs, the costliest first.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let up = |t: &&Target| t.status.state == TargetState::Up;
        let mut all: Vec<Finding> = self.targets.iter().flat_map(|t| &t.findings).cloned().collect();
        all.extend(self.targets.iter().filter(up).flat_map(|t| &t.broken).cloned());
        all.extend(self.targets.iter().flat_map(|t| t.trouble.findings(&t.status)));
        all.sort_by(Finding::before);
        for finding in &mut all {
            let first = self.since.get(&finding.id).copied();
            finding.proof.since_ms = finding.proof.since_ms.or(first);
        }
        if let Some(error) = &self.storage_error {
            all.insert(
                0,
                Finding {
                    id: "samples_not_stored".to_owned(),
                    kind: "samples_not_stored".to_owned(),
                    target: TargetRole::Host,
                    title: "Samples are not being saved".to_owned(),
                    evidence: format!("The last 15 minutes are kept in memory only: {error}"),
                    cost: 1.0,
                    action: FindingAction { label: "Review storage".to_owned(), opens: FindingTarget::Settings },
                    proof: Proof::new(
                        "a block of samples could not be written",
                        "Check the space and the permissions of the data folder; what is in memory is written when it works again",
                    )
                    .value("it said", error.clone())
                    .step("Open the settings", FindingTarget::Settings),
                },
            );
        }
        all
    }

    /// Notes whether samples are being stored.
    pub(crate) fn storage(&mut self, error: Option<String>) {
        if self.storage_error != error {
            self.storage_error = error;
            self.findings_changed = true;
        }
    }

    /// Starts a second of the wall clock at a moment of the monotonic one; `None` when the second was already closed, as
    /// after the clock was set back a little.
    pub(crate) fn begin(&mut self, second: i64, at_ms: f64) -> Option<Begin> {
        let mut begin = Begin::default();
        if let Some(newest) = self.ring.newest()
            && second <= newest
        {
            if second >= newest - SETBACK_S {
                return None;
            }
            begin.blocks = self.flush();
            self.ring.clear();
            self.flushed = None;
        }
        for (index, target) in self.targets.iter_mut().enumerate() {
            if target.running.is_none() && target.next_ms <= at_ms + EARLY_MS {
                target.running = Some(second);
                target.began_ms = at_ms;
                begin.due.push(index);
            }
        }
        Some(begin)
    }

    /// Whether a collection that was started in this second still runs, or the very first one, which connects.
    pub(crate) fn waits_for(&self, second: i64) -> bool {
        let first = |t: &Target| t.running.is_some() && t.status.state == TargetState::Unknown;
        self.targets.iter().any(|t| t.running == Some(second) || first(t))
    }

    /// Takes the outcome of a collection that was started in `second` and ended after `took`.
    pub(crate) fn complete(
        &mut self,
        index: usize,
        second: i64,
        took: Duration,
        outcome: Result<Collection, ApiError>,
    ) {
        let Some(target) = self.targets.get_mut(index) else { return };
        target.running = None;
        let told = target.trouble.told(target.status.state);
        self.take(index, second, took, outcome);
        let target = &mut self.targets[index];
        if target.status.state == TargetState::Down {
            target.trouble.lost(&target.status, millis(second));
        }
        self.findings_changed |= told != target.trouble.told(target.status.state);
    }

    fn take(&mut self, index: usize, second: i64, took: Duration, outcome: Result<Collection, ApiError>) {
        let target = &mut self.targets[index];
        match outcome {
            Ok(collection) => self.accept(index, second, took, collection),
            Err(error) => {
                target.costly = 0;
                target.status.round_trip_ms = None;
                let first = target.failures == 0 && target.status.state == TargetState::Up;
                target.status.error = Some(error);
                let retryable = target.status.error.as_ref().is_some_and(|e| e.retryable);
                if first && retryable && took < PATIENCE {
                    // One lost packet or closed connection does not dim a screen; a second failure does.
                    target.failures = 1;
                    target.next_ms = target.began_ms + STEP_MS;
                    return;
                }
                target.failures = if target.status.state == TargetState::Down { target.failures + 1 } else { 1 };
                target.status.state = TargetState::Down;
                let wait = BACK_OFF_S[(target.failures - 1).min(BACK_OFF_S.len() - 1)];
                let pause = i64::try_from(took.as_secs()).unwrap_or(0) + wait;
                target.next_ms = target.began_ms + millis(pause);
                target.status.next_try_ms = Some(millis(second + pause));
            }
        }
    }

    fn accept(&mut self, index: usize, second: i64, took: Duration, collection: Collection) {
        self.targets[index].trouble.see(&collection.values, millis(second));
        let began_ms = self.targets[index].began_ms;
        let (early, late) = self.targets[index].rates_ms.map_or((false, false), |(a, b)| (began_ms < a, began_ms > b));
        for (info, value) in collection.values {
            if !value.is_finite()
                || (late || early && !self.series.contains_key(info.id.as_str())) && is_rate(&info.metric)
            {
                continue;
            }
            let places = decimals(info.unit);
            let id = match self.series.get_key_value(info.id.as_str()) {
                Some((id, _)) => id.clone(),
                None if self.series.len() >= MAX_SERIES => {
                    tracing::warn!(series = info.id, "more than {MAX_SERIES} series; this one is left out");
                    continue;
                }
                None => {
                    let id: Arc<str> = info.id.as_str().into();
                    self.ring.add(&id, places);
                    self.series.insert(id.clone(), info);
                    self.series_changed = true;
                    id
                }
            };
            self.arrived.insert(id, round(value, places));
        }
        self.found(index, second, collection.findings, collection.broken);
        let target = &mut self.targets[index];
        target.failures = 0;
        // Waiting for the network is no load on the target; what is left is its work and the driver's.
        let waited = Duration::try_from_secs_f64(collection.round_trip_ms.unwrap_or(0.0) / 1e3).unwrap_or_default();
        let cost = took.saturating_sub(waited);
        target.costly = if cost > BUDGET { target.costly + 1 } else { 0 };
        // The first collection connects, and that is not repeated; two in a row are a pattern.
        let stride = if target.costly >= 2 {
            i64::try_from(cost.as_millis() / BUDGET.as_millis() + 1).unwrap_or(MAX_STRIDE_S).min(MAX_STRIDE_S)
        } else {
            1
        };
        // The first one may begin at any moment; the second that follows is a whole one, and has its own.
        let first = target.status.state == TargetState::Unknown;
        target.next_ms = began_ms + if first { 0.0 } else { millis(stride) };
        // A collection that takes longer than a second delays the next one; one longer than the deadline was stopped.
        let pace = millis(stride.max(i64::from(took > Duration::from_secs(1)) * 2));
        target.rates_ms = Some((began_ms + EARLY_MS, began_ms + pace + LATE_MS));
        let slow = (stride > 1).then(|| {
            let ms = cost.as_millis();
            let message = format!("Collecting costs {ms} ms, more than 20 % of a second; it now runs every {stride} s");
            ApiError::new(ErrorCode::Timeout, message)
                .hint("The target or this machine is busy; the pace recovers by itself")
        });
        let status = &mut target.status;
        status.state = TargetState::Up;
        status.first_sample_ms.get_or_insert(millis(second));
        status.last_sample_ms = Some(millis(second));
        status.next_try_ms = None;
        status.error = collection.warning.or(slow);
        status.round_trip_ms = collection.round_trip_ms;
        status.own_requests = Some(collection.own_requests);
        if collection.version.is_some() {
            status.version = collection.version;
        }
        if collection.detail.is_some() {
            status.detail = collection.detail;
        }
        if !collection.limits.is_empty() {
            status.limits = collection.limits;
        }
    }

    /// Takes what a collection found; what was found before keeps the time of that.
    fn found(&mut self, index: usize, second: i64, findings: Option<Vec<Finding>>, broken: Vec<Finding>) {
        let target = &mut self.targets[index];
        self.findings_changed |= target.broken != broken || findings.as_ref().is_some_and(|f| *f != target.findings);
        target.broken = broken;
        if let Some(findings) = findings {
            target.findings = findings;
        }
        let now: Vec<&str> =
            self.targets.iter().flat_map(|t| t.findings.iter().chain(&t.broken)).map(|f| f.id.as_str()).collect();
        self.since.retain(|id, _| now.contains(&id.as_str()));
        for id in now {
            if !self.since.contains_key(id) {
                self.since.insert(id.to_owned(), millis(second));
            }
        }
    }

    /// Closes a second with what has arrived since the last one: a series without a value has a gap.
    pub(crate) fn close(&mut self, second: i64) -> Tick {
        self.ring.open(second);
        let mut arrived = std::mem::take(&mut self.arrived);
        let values = self.series.keys().map(|id| (id.clone(), arrived.remove(id))).collect::<Vec<_>>();
        for (id, value) in &values {
            if let Some(value) = value {
                self.ring.set(id, *value);
            }
        }
        // The first flush comes a minute after the first second.
        self.flushed.get_or_insert(second - 1);
        Tick {
            t_ms: millis(second),
            values,
            targets: self.tell_targets(),
            findings_changed: std::mem::take(&mut self.findings_changed),
            series_changed: std::mem::take(&mut self.series_changed),
        }
    }

    /// All targets, when something that is shown of one has changed since they were told.
    fn tell_targets(&mut self) -> Option<Vec<TargetStatus>> {
        let same = self.told.len() == self.targets.len()
            && self.told.iter().zip(&self.targets).all(|(told, now)| told.shows_as(&now.status));
        if same {
            return None;
        }
        self.told = self.targets();
        Some(self.told.clone())
    }

    /// Whether a minute has passed since samples were handed to the store.
    pub(crate) fn flush_due(&self) -> bool {
        self.ring.newest().zip(self.flushed).is_some_and(|(newest, flushed)| newest - flushed >= FLUSH_S)
    }

    /// The blocks that hold samples not handed to the store yet.
    pub(crate) fn flush(&mut self) -> Vec<Block> {
        let (Some(newest), Some(flushed)) = (self.ring.newest(), self.flushed) else { return Vec::new() };
        if flushed >= newest {
            return Vec::new();
        }
        self.flushed = Some(newest);
        self.ring.blocks(flushed + 1, newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::Unit;

    const QUICK: Duration = Duration::from_millis(5);

    fn core() -> Core {
        Core::new([(TargetRole::Cache, "a".to_owned()), (TargetRole::Database, "b".to_owned())].into_iter())
    }

    fn sample(role: TargetRole, value: f64) -> Result<Collection, ApiError> {
        let info = SeriesInfo::new("x", &[("role", role.as_str())], Unit::Count, role);
        Ok(Collection { values: vec![(info, value)], ..Collection::default() })
    }

    fn gone() -> Result<Collection, ApiError> {
        Err(ApiError::new(ErrorCode::Unreachable, "gone"))
    }

    fn state(core: &Core) -> TargetState {
        core.targets[0].status.state
    }

    #[test]
    fn targets_are_told_when_something_that_is_shown_changed() {
        let mut core = core();
        let answers = |ms: f64| sample(TargetRole::Cache, 1.0).map(|c| Collection { round_trip_ms: Some(ms), ..c });
        let mut told = |second: i64, first: Result<Collection, ApiError>| {
            let begin = core.begin(second, millis(second)).expect("a new second");
            let mut first = Some(first);
            for index in begin.due {
                let outcome = if index == 0 { first.take().expect("once") } else { sample(TargetRole::Database, 2.0) };
                core.complete(index, second, QUICK, outcome);
            }
            core.close(second).targets
        };
        assert!(told(100, answers(0.41)).is_some(), "nobody was told before");
        for second in 101..110 {
            assert!(told(second, answers(0.44)).is_none(), "0.4 ms as before, whenever its last sample was");
        }
        let slower = told(110, answers(0.5)).expect("0.5 ms is another figure on screen");
        assert_eq!(slower[0].last_sample_ms, Some(110_000.0), "what is told is of this second");
        assert!(told(111, answers(0.5)).is_none(), "and told once");
        assert!(told(112, gone()).is_some_and(|t| t[0].error.is_some()), "an error is shown");
        let down = told(113, gone()).expect("down is shown");
        assert_eq!(
            (down[0].state, down[0].last_sample_ms),
            (TargetState::Down, Some(111_000.0)),
            "since its last sample"
        );
    }

    /// Runs one second in which both targets, when due, end like this. Returns who was due.
    fn run(core: &mut Core, second: i64, took: Duration, first: Result<Collection, ApiError>) -> Vec<usize> {
        let begin = core.begin(second, millis(second)).expect("a new second");
        let mut first = Some(first);
        for index in &begin.due {
            let outcome = if *index == 0 { first.take().expect("once") } else { sample(TargetRole::Database, 2.0) };
            core.complete(*index, second, if *index == 0 { took } else { QUICK }, outcome);
        }
        core.close(second);
        begin.due
    }

    #[test]
    fn a_target_goes_down_at_the_second_failure_and_is_tried_ever_more_rarely() {
        let mut core = core();
        run(&mut core, 100, QUICK, sample(TargetRole::Cache, 1.0));
        assert_eq!(state(&core), TargetState::Up, "it answered");
        run(&mut core, 101, QUICK, gone());
        assert_eq!(state(&core), TargetState::Up, "one failure is not the end");
        assert!(core.targets[0].status.error.is_some(), "but it is told");
        run(&mut core, 102, QUICK, gone());
        assert_eq!(state(&core), TargetState::Down, "two seconds after it stopped it is down");
        let mut tried = Vec::new();
        for second in 103..130 {
            let due = run(&mut core, second, QUICK, gone());
            assert!(due.contains(&1), "the other target is collected every second");
            if due.contains(&0) {
                tried.push(second);
            }
        }
        assert_eq!(tried, [103, 105, 109, 114, 119, 124, 129], "waits 1, 2, 4, then 5 s");
        let status = &core.targets()[0];
        assert_eq!(status.next_try_ms, Some(134_000.0), "the next attempt is announced");
        run(&mut core, 134, QUICK, sample(TargetRole::Cache, 1.0));
        assert_eq!(state(&core), TargetState::Up, "it recovers by itself");
        assert!(core.targets()[0].next_try_ms.is_none() && core.targets()[0].error.is_none(), "and nothing remains");
    }

    #[test]
    fn silence_and_hopeless_errors_are_down_at_once() {
        for (took, error) in [
            (Duration::from_millis(1800), ApiError::new(ErrorCode::Timeout, "silent")),
            (QUICK, ApiError::new(ErrorCode::Authentication, "password changed")),
            (QUICK, ApiError::internal("panic")),
        ] {
            let mut core = core();
            run(&mut core, 100, QUICK, sample(TargetRole::Cache, 1.0));
            run(&mut core, 101, took, Err(error.clone()));
            assert_eq!(state(&core), TargetState::Down, "{error} does not get better within a second");
        }
        let mut core = core();
        run(&mut core, 100, QUICK, gone());
        assert_eq!(state(&core), TargetState::Down, "a target that never answered is down at the first failure");
    }

    #[test]
    fn a_running_collection_is_not_started_again_and_its_seconds_are_gaps() {
        let mut core = core();
        run(&mut core, 100, QUICK, sample(TargetRole::Cache, 1.0));
        assert_eq!(core.begin(101, 101e3).expect("new").due, [0, 1], "both are due");
        core.complete(1, 101, QUICK, sample(TargetRole::Database, 2.0));
        assert!(core.waits_for(101), "one still runs");
        let tick = core.close(101);
        let values: Vec<_> = tick.values.iter().map(|(_, v)| *v).collect();
        assert_eq!(values, [None, Some(2.0)], "a missing value is a gap, not the last value");
        assert_eq!(core.begin(102, 102e3).expect("new").due, [1], "it is not started twice");
        assert!(!core.waits_for(102) || core.targets[0].running == Some(101), "later seconds do not wait for it");
        core.complete(0, 101, Duration::from_millis(1200), sample(TargetRole::Cache, 7.0));
        let tick = core.close(102);
        assert_eq!(tick.values[0].1, Some(7.0), "a late value belongs to the second in which it arrived");
    }

    #[test]
    fn a_costly_collector_slows_down_says_so_and_recovers() {
        let mut core = core();
        let slow = Duration::from_millis(450);
        run(&mut core, 100, slow, sample(TargetRole::Cache, 1.0));
        assert!(run(&mut core, 101, slow, sample(TargetRole::Cache, 1.0)).contains(&0), "once may be the connection");
        let warning = core.targets()[0].error.clone().expect("a warning");
        assert!(warning.message.contains("450 ms") && warning.message.contains("every 3 s"), "{warning}");
        assert_eq!(state(&core), TargetState::Up, "it still answers");
        for second in 102..104 {
            let due = run(&mut core, second, QUICK, sample(TargetRole::Cache, 1.0));
            assert!(!due.contains(&0) && due.contains(&1), "only the costly one pauses");
        }
        run(&mut core, 104, QUICK, sample(TargetRole::Cache, 1.0));
        assert!(core.targets()[0].error.is_none(), "a quick one ends it");
        assert!(run(&mut core, 105, QUICK, sample(TargetRole::Cache, 1.0)).contains(&0), "at full pace again");
    }

    #[test]
    fn waiting_for_the_network_is_not_cost() {
        let mut core = core();
        for second in 100..104 {
            let far = sample(TargetRole::Cache, 1.0).map(|c| Collection { round_trip_ms: Some(400.0), ..c });
            let due = run(&mut core, second, Duration::from_millis(450), far);
            assert!(due.contains(&0), "a distant target is still collected every second");
        }
    }

    #[test]
    fn sleep_leaves_a_gap_and_a_clock_set_back_starts_anew() {
        let mut core = core();
        run(&mut core, 1000, QUICK, sample(TargetRole::Cache, 1.0));
        run(&mut core, 1500, QUICK, sample(TargetRole::Cache, 2.0));
        let stored = core.flush();
        let cache: Vec<_> = stored.iter().filter(|b| b.series_id == "x{role=cache}").collect();
        let present: usize =
            cache.iter().map(|b| b.decode().expect("own").iter().filter(|v| !v.is_nan()).count()).sum();
        assert_eq!(present, 2, "nothing is made up for the time asleep");
        assert!(core.begin(1498, 1501e3).is_none(), "a small step back is waited out");
        let begin = core.begin(1200, 1502e3).expect("a large one is followed");
        assert_eq!(begin.due, [0, 1], "and everything is due");
        core.close(1200);
        assert_eq!(core.ring.newest(), Some(1200), "on the new time");
    }

    /// One second with a rate of the cache; answers it.
    fn rate(core: &mut Core, second: i64, at_ms: f64, took: Duration) -> Option<f64> {
        let begin = core.begin(second, at_ms).expect("a new second");
        for index in begin.due {
            let info = SeriesInfo::new("cache.operations", &[], Unit::PerSecond, TargetRole::Cache);
            let gauge = SeriesInfo::new("cache.keys", &[], Unit::Count, TargetRole::Cache);
            let values = if index == 0 { vec![(info, 500.0), (gauge, 7.0)] } else { Vec::new() };
            core.complete(index, second, took, Ok(Collection { values, ..Collection::default() }));
        }
        let tick = core.close(second);
        let value = |id: &str| tick.values.iter().find(|(i, _)| &**i == id).and_then(|(_, v)| *v);
        assert_eq!(value("cache.keys"), Some(7.0), "what is true at once is never left out");
        value("cache.operations")
    }

    #[test]
    fn rates_are_those_of_their_second_or_a_gap() {
        let mut core = core();
        assert_eq!(rate(&mut core, 100, 0.0, QUICK), Some(500.0), "at the usual pace");
        assert_eq!(rate(&mut core, 101, 1_000.0, QUICK), Some(500.0), "and again");
        assert_eq!(rate(&mut core, 111, 11_000.0, QUICK), None, "the mean of ten seconds is not this second's");
        assert_eq!(rate(&mut core, 112, 12_000.0, QUICK), Some(500.0), "the next one is");
        assert_eq!(rate(&mut core, 117, 13_000.0, QUICK), Some(500.0), "a clock set forward changes no pace");
        assert_eq!(rate(&mut core, 118, 13_500.0, QUICK), Some(500.0), "nor one set forward by half a second");
        assert_eq!(rate(&mut core, 119, 15_000.0, QUICK), Some(500.0), "nor back by half a second");
        assert_eq!(rate(&mut core, 120, 17_000.0, QUICK), None, "a second that was missed is not averaged over");
        assert_eq!(rate(&mut core, 121, 18_000.0, Duration::from_millis(1_200)), Some(500.0), "one that takes long");
        assert_eq!(rate(&mut core, 123, 20_000.0, QUICK), Some(500.0), "delays the next one, which is whole");
        assert_eq!(rate(&mut core, 124, 21_000.0, Duration::from_secs(10)), Some(500.0), "stopped while it reads");
        assert_eq!(rate(&mut core, 134, 31_000.0, QUICK), None, "the next one is late all the same");
    }

    #[test]
    fn a_clock_that_is_set_during_a_collection_delays_nothing() {
        let mut core = core();
        assert_eq!(core.begin(10_000, 0.0).expect("new").due, [0, 1], "both are due");
        core.close(10_000);
        assert_eq!(core.begin(6_400, 1_000.0).expect("an hour back").due, Vec::<usize>::new(), "both still run");
        core.complete(0, 10_000, QUICK, sample(TargetRole::Cache, 1.0));
        core.complete(1, 10_000, QUICK, gone());
        core.close(6_400);
        assert_eq!(core.begin(6_401, 2_000.0).expect("new").due, [0, 1], "they are due as if nothing had happened");
    }

    #[test]
    fn every_minute_is_flushed_and_restarting_does_not_replace_what_was_stored() {
        let mut first = core();
        let mut flushes = 0;
        for second in 310..=440 {
            run(&mut first, second, QUICK, sample(TargetRole::Cache, 1.0));
            if first.flush_due() {
                flushes += 1;
                let blocks = first.flush();
                assert!(blocks.iter().all(|b| b.from_ms == 310_000.0), "the growing block keeps its key");
            }
        }
        assert_eq!(flushes, 2, "once a minute");
        assert_eq!(first.flush()[0].count, 131, "the last flush has all of it");
        assert!(first.flush().is_empty(), "nothing new, nothing to write");
        let mut second = core();
        run(&mut second, 445, QUICK, sample(TargetRole::Cache, 1.0));
        assert_eq!(second.flush()[0].from_ms, 445_000.0, "a second session in the same five minutes has its own block");
    }

    #[test]
    fn series_are_bounded() {
        let mut core = core();
        let many = (0..MAX_SERIES + 50)
            .map(|i| (SeriesInfo::new(&format!("m{i}"), &[], Unit::Count, TargetRole::Cache), 1.0))
            .collect();
        run(&mut core, 1, QUICK, Ok(Collection { values: many, ..Collection::default() }));
        assert_eq!(core.series().len(), MAX_SERIES, "a target cannot fill the memory with series");
    }
}
