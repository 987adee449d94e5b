//! Duets: interleaved pairs of runs between two targets or two states of one, in random order.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::masking;
use perfdeck_model::{ApiError, ErrorCode, JobResult, JobStatus, Load, PartKind, PartOf, Run, RunState, Tag};
use perfdeck_stats::figures::BenchMetric;
use perfdeck_stats::registration::Primary;
use perfdeck_stats::{Arm, Comparison, Duet, LoopKind, Registration};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::alike::{alike, allowed, differences, refuse};
use crate::features::bench::comparisons::StoredComparison;
use crate::features::bench::hooks::{self, Hooks};
use crate::features::bench::part::BenchPart;
use crate::features::bench::running::{Allowed, Bench};
use crate::features::bench::work::{BenchSpec, PlanFolder, Work};

/// Fewest pairs that can ever give a verdict: with five the exact test's smallest p is 0.0625.
const MIN_PAIRS: u32 = 6;
/// Most pairs of one duet.
const MAX_PAIRS: u32 = 100;

/// One side of a duet.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct DuetSide {
    /// Name of the side, such as `before` or the environment's name.
    pub label: String,
    /// The environment its runs belong to; its guards hold.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Work of each run. Both sides differ in nothing but the target.
    pub spec: BenchSpec,
}

/// A duet: K pairs of runs in random order.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct DuetRequest {
    /// Side before the change, or the reference.
    pub a: DuetSide,
    /// Side after the change, or the candidate.
    pub b: DuetSide,
    /// Most pairs, 6 to 100; above 10 it looks at the result in between and stops when it is clear.
    pub pairs: u32,
    /// Seed of the order; chosen when absent.
    #[serde(default)]
    pub seed: Option<u32>,
    /// Rest between two runs, in seconds.
    #[serde(default = "default_rest")]
    pub rest_s: f64,
    /// Name of the comparison.
    #[serde(default)]
    pub name: Option<String>,
    /// Names that were typed, where guards of either side ask for them.
    #[serde(default)]
    pub confirm: Vec<String>,
    /// Whether both sides are the same: what differs is noise, and is kept for single pairs of runs.
    #[serde(default)]
    pub noise: bool,
    /// Parts that the two sides may differ in because they are the change: `request`, `headers`, `body`, `plan`,
    /// `load`, `connections`, `duration`, `scheme`, or a fact of the targets such as `setting.database.work_mem` or
    /// `data.*`.
    #[serde(default)]
    pub changed: Vec<String>,
    /// Metrics that decide the verdict; when empty, throughput for a closed loop, and for an open one p50 and p99 as
    /// far as its runs have the requests for them.
    #[serde(default)]
    pub metrics: Vec<BenchMetric>,
}

fn default_rest() -> f64 {
    1.0
}

impl DuetRequest {
    /// The name it was given, or one of its sides.
    fn title(&self) -> String {
        match self.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None if self.noise => format!("Noise of {}", self.b.label),
            None => format!("{} against {}", self.b.label, self.a.label),
        }
    }

    fn check(&self) -> Result<(), ApiError> {
        if !(MIN_PAIRS..=MAX_PAIRS).contains(&self.pairs) {
            let message = format!("pairs: {} is not between {MIN_PAIRS} and {MAX_PAIRS}", self.pairs);
            return Err(
                ApiError::bad_request(message).hint("With fewer than six pairs no result can be told from chance")
            );
        }
        if !(0.0..=600.0).contains(&self.rest_s) {
            return Err(ApiError::bad_request("rest_s: A rest has 0 to 600 seconds"));
        }
        Ok(())
    }

    /// What is decided before the first pair: the metrics, the pairs and their order.
    fn registration(&self, load: Load, metrics: Vec<BenchMetric>) -> Result<Registration, ApiError> {
        let load = if matches!(load, Load::Closed) { LoopKind::Closed } else { LoopKind::Open };
        let seed = self.seed.unwrap_or_else(|| Uuid::new_v4().as_fields().0);
        let mut registration = Registration::new(load, self.pairs, seed);
        registration.primary =
            metrics.into_iter().map(|metric| Primary { metric, delta: metric.default_delta() }).collect();
        // Whether a run is valid does not depend on which side is better, so a disturbed pair may run again.
        registration.repeats = (self.pairs / 4).max(1);
        match registration.problems().first() {
            Some(problem) => Err(ApiError::bad_request(problem.clone())),
            None => Ok(registration),
        }
    }
}

/// Whether both sides of a duet do the same on the same target.
pub(crate) fn is_one(request: &DuetRequest, hooks: &Hooks) -> bool {
    let (a, b) = (&request.a, &request.b);
    let same = serde_json::to_value(&a.spec).ok() == serde_json::to_value(&b.spec).ok();
    same && a.environment_id == b.environment_id && hooks.a.is_none() && hooks.b.is_none()
}

/// The metrics of a duet, and what to say of those that its runs are too short for.
pub(crate) fn metrics(request: &DuetRequest, work: &Work) -> Result<(Vec<BenchMetric>, Vec<String>), ApiError> {
    let Some(planned) = work.planned() else {
        let chosen = if request.metrics.is_empty() { vec![BenchMetric::Throughput] } else { request.metrics.clone() };
        return Ok((chosen, Vec::new()));
    };
    let enough = |metric: &BenchMetric| {
        let what = format!("{} of a run of a pair", metric.name());
        work.enough(planned, metric.needed().max(perfdeck_stats::judged::ENOUGH), &what)
    };
    if !request.metrics.is_empty() {
        request.metrics.iter().try_for_each(enough)?;
        return Ok((request.metrics.clone(), Vec::new()));
    }
    enough(&BenchMetric::P50)?;
    match enough(&BenchMetric::P99) {
        Ok(()) => Ok((vec![BenchMetric::P50, BenchMetric::P99], Vec::new())),
        Err(error) => Ok((vec![BenchMetric::P50], vec![format!("p99 is not judged: {}", error.message)])),
    }
}

/// A duet that was allowed.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a DuetRequest,
    /// Facts of the targets that may differ.
    changed: &'a [String],
    sides: &'a [Allowed; 2],
    hooks: &'a Hooks,
    /// The comparison that its runs belong to.
    part_of: &'a PartOf,
}

/// A duet that is over.
struct Ran {
    duet: Duet,
    /// Its runs by their identifiers, as they are called.
    names: Vec<(String, String)>,
    /// What the two sides were meant to differ in, and what is not known of them.
    notes: Vec<String>,
    /// It was stopped before its end.
    stopped: bool,
}

impl Engine {
    /// Starts a duet as a job whose result is the comparison's id.
    ///
    /// # Errors
    /// When a plan is refused, a guard says no, or another benchmark runs.
    pub async fn duet_start(
        self: &Arc<Self>,
        mut request: DuetRequest,
        hooks: Hooks,
        folder: PlanFolder,
    ) -> Result<JobStatus, ApiError> {
        // What is shown and stored of it; a label is often the address itself.
        for text in [&mut request.a.label, &mut request.b.label].into_iter().chain(&mut request.name) {
            *text = masking::title(text);
        }
        request.check()?;
        let mut sides = Vec::new();
        for side in [&request.a, &request.b] {
            let id = side.environment_id.as_deref();
            sides.push(self.bench_allowed(&side.spec, id, &request.confirm, &folder).await?);
        }
        let sides: [Allowed; 2] = sides.try_into().map_err(|_| ApiError::internal("A duet has two sides"))?;
        if request.noise && !is_one(&request, &hooks) {
            return Err(ApiError::bad_request("noise: Both sides must be the same, without hooks")
                .hint("Noise is what differs between runs when nothing was changed"));
        }
        let (left, right) = (sides[0].work.spec()?, sides[1].work.spec()?);
        alike(&left, &right, &request.changed)?;
        let apart = request.a.environment_id != request.b.environment_id || hooks.a.is_some() || hooks.b.is_some();
        let changed = allowed(&request.changed, apart);
        self.same_facts(&sides, &changed).await?;
        let (primary, short) = metrics(&request, &sides[0].work)?;
        let registration = request.registration(sides[0].work.load(), primary)?;
        let name = request.title();
        let claim = self.bench_claim(&name)?;
        self.set_running(&sides[1].work, None)?;
        let environment_id = sides[1].environment.as_ref().or(sides[0].environment.as_ref()).map(|e| e.id.clone());
        let engine = self.clone();
        Ok(self.core.jobs.spawn("bench", name.clone(), environment_id.clone(), move |job| async move {
            let part_of = PartOf { kind: PartKind::Comparison, id: Uuid::now_v7().to_string(), name };
            let asked = Asked { request: &request, changed: &changed, sides: &sides, hooks: &hooks, part_of: &part_of };
            let Ran { duet, names, notes, stopped } = engine.run_duet(asked, Duet::new(registration), &job).await?;
            if stopped && duet.pairs().is_empty() {
                return Err(ApiError::new(
                    ErrorCode::Cancelled,
                    "The comparison was stopped before a pair was complete",
                ));
            }
            let mut comparison = duet.outcome();
            name_runs(&mut comparison, &names);
            if stopped {
                comparison.notes.push(format!(
                    "stopped after {} of {} pairs: the figures are those of the complete pairs, and no verdict",
                    duet.pairs().len(),
                    request.pairs
                ));
            }
            comparison.notes.extend(notes.into_iter().chain(short));
            let stored = StoredComparison {
                id: part_of.id,
                name: part_of.name,
                created_ms: engine.core.clock.now_ms(),
                label_a: request.a.label,
                label_b: request.b.label,
                environment_id,
                comparison,
            };
            engine.core.store.put_comparison(&stored).await?;
            engine.core.changed(&[Tag::Comparisons]);
            drop(claim);
            Ok(Some(JobResult::Comparison(stored.id)))
        }))
    }

    /// Refuses two environments whose targets differ in more than the change, before anything is sent.
    async fn same_facts(&self, sides: &[Allowed; 2], changed: &[String]) -> Result<(), ApiError> {
        let [Some(a), Some(b)] = [&sides[0].environment, &sides[1].environment] else { return Ok(()) };
        if a.id == b.id {
            return Ok(());
        }
        let (a, b) = tokio::join!(self.facts(a), self.facts(b));
        let (a, b) = perfdeck_stats::known_to_both(&a, &b);
        refuse(&perfdeck_stats::check(&a, &b, &changed.iter().cloned().collect()))
    }

    async fn run_duet(self: &Arc<Self>, asked: Asked<'_>, mut duet: Duet, job: &JobContext) -> Result<Ran, ApiError> {
        let Asked { request, changed, sides, hooks, part_of } = asked;
        let name = &part_of.name;
        let mut names = Vec::new();
        let mut notes = Vec::new();
        let mut newest: [Option<Run>; 2] = [None, None];
        let mut stopped = false;
        let pairs = f64::from(request.pairs);
        while let Some(step) = duet.next() {
            let (at, letter, hook) = match step.arm {
                Arm::A => (0, "A", &hooks.a),
                Arm::B => (1, "B", &hooks.b),
            };
            let number = step.pair + 1;
            let words = format!("pair {number} of {}, {letter}", request.pairs);
            let done = (f64::from(step.pair) + if step.first { 0.0 } else { 0.5 }) / pairs;
            job.progress(Some(done), &words);
            self.set_running(&sides[at].work, Some(BenchPart::of_duet(request, &duet, step, false)))?;
            if let Some(hook) = hook
                && let Err(error) = hooks::run(hook, &job.cancel).await
            {
                stopped = error.code == ErrorCode::Cancelled;
                if stopped {
                    break;
                }
                return Err(error);
            }
            let name = format!("pair {number} {letter}, {name}");
            let bench = Bench { what: &sides[at], name, from: done, share: 0.5 / pairs, words, part_of: Some(part_of) };
            let run = match self.bench_run(bench, job).await {
                Err(error) if job.cancel.is_cancelled() && error.code == ErrorCode::Cancelled => {
                    stopped = true;
                    break;
                }
                run => run?,
            };
            names.push((run.id.clone(), format!("{letter} of pair {number}")));
            if job.cancel.is_cancelled() {
                // A run that was stopped is no whole one; the pairs before it are what is known.
                stopped = true;
                break;
            }
            // Nothing is known of the target yet but that it does not answer often enough: another run of that length would
            // say the same.
            if duet.pairs().is_empty()
                && run.requests < perfdeck_stats::judged::ENOUGH
                && run.state == RunState::Completed
            {
                return Err(too_short(&run));
            }
            duet.record(step.arm, perfdeck_stats::figures(&run)).map_err(|e| ApiError::internal(e.to_string()))?;
            newest[at] = Some(run);
            let rest = tokio::time::sleep(Duration::from_secs_f64(request.rest_s));
            let last = duet.next().is_none();
            if !last && request.rest_s > 0.0 {
                job.progress(Some(done + 0.5 / pairs), &format!("pair {number} of {}, resting", request.pairs));
                self.set_running(&sides[at].work, Some(BenchPart::of_duet(request, &duet, step, true)))?;
            }
            tokio::select! { () = rest => {}, () = job.cancel.cancelled() => stopped = !last }
            if stopped {
                break;
            }
        }
        if let [Some(a), Some(b)] = &newest {
            let gate = differences(a, b, changed);
            duet.set_differences(gate.forbidding());
            notes = gate.declared().into_iter().map(|change| format!("the change: {change}")).collect();
            notes.extend(perfdeck_stats::told_by_one(&a.facts, &b.facts));
            if request.noise && !stopped {
                self.keep_noise(&duet, b).await?;
            }
        }
        Ok(Ran { duet, names, notes, stopped })
    }
}

/// The first run of a duet has too few requests for any of them to be valid.
fn too_short(run: &Run) -> ApiError {
    let (needed, n) = (perfdeck_stats::judged::ENOUGH, run.requests);
    let message = format!("A run of {} s has {n} requests here; it needs {needed}", run.spec.duration_s());
    let longer = (run.spec.duration_s() * needed as f64 * 1.25 / (n.max(1) as f64)).ceil();
    ApiError::new(ErrorCode::Conflict, message).hint(format!(
        "No pair of that length can be judged, so the duet ended with its first run: measure for {longer} s or with more \
         connections"
    ))
}

/// Says `A of pair 3` where the statistics, which know no names, say a run's identifier.
fn name_runs(comparison: &mut Comparison, names: &[(String, String)]) {
    let texts = std::iter::once(&mut comparison.sentence)
        .chain(&mut comparison.invalid_reasons)
        .chain(&mut comparison.exclusions)
        .chain(&mut comparison.notes);
    for text in texts {
        for (id, name) in names {
            *text = text.replace(&format!("run {id}"), name).replace(id.as_str(), name);
        }
    }
}
