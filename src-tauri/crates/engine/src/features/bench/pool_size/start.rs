//! The job: what is refused, the guards, the journal, and the stored answer.
use std::sync::Arc;

use perfdeck_database::LoadWaits;
use perfdeck_model::masking::title;
use perfdeck_model::{ApiError, Environment, ErrorCode, JobResult, JobStatus, Tag};
use perfdeck_stats::pool_size::{SizeGoal, analyse};
use perfdeck_words as words;
use uuid::Uuid;

use super::answer::{PoolSizePreview, PoolSizeRequest, PoolSizing, SizingState};
use super::room::{Room, Sizes, sizes};
use super::settings::settings;
use super::sweep::{Sweep, Swept};
use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::running::Allowed;
use crate::features::bench::work::{PlanFolder, Work};

/// Sizes that a law needs.
const FEWEST: usize = 4;
/// Longest sweep, in seconds.
const LONGEST_S: f64 = 2.0 * 3_600.0;
/// What opening and closing connections adds to a cell, in seconds, roughly.
const BETWEEN_S: f64 = 0.15;

/// Refuses what cannot be measured so, before anything is asked.
fn checked(request: &PoolSizeRequest) -> Result<(), ApiError> {
    let whole = |field: &str, n: u32, low: u32, high: u32| {
        if (low..=high).contains(&n) {
            return Ok(());
        }
        Err(ApiError::bad_request(format!("{field}: {n} is not between {low} and {high}")))
    };
    whole("max_connections", request.max_connections, 4, 64)?;
    whole("repetitions", request.repetitions, 2, 10)?;
    whole("instances", request.instances, 1, 1_000)?;
    for (field, s, low, high) in
        [("warmup_s", request.warmup_s, 0.1, 60.0), ("measure_s", request.measure_s, 0.25, 120.0)]
    {
        if !(low..=high).contains(&s) {
            return Err(ApiError::bad_request(format!("{field}: {s} is not between {low} and {high} s")));
        }
    }
    if request.objective_ms.is_some_and(|ms| !(ms > 0.0 && ms <= 3_600_000.0)) {
        return Err(ApiError::bad_request("objective_ms: it is a time above 0 and up to an hour"));
    }
    Ok(())
}

/// How long cells of so many sizes take, in seconds.
fn seconds(request: &PoolSizeRequest, sizes: usize) -> f64 {
    sizes as f64 * f64::from(request.repetitions) * (request.warmup_s + request.measure_s + BETWEEN_S)
}

/// Refuses a sweep that could say nothing, or takes too long.
fn worth_it(request: &PoolSizeRequest, sizes: &Sizes) -> Result<(), ApiError> {
    let takes = seconds(request, sizes.tried.len());
    if takes > LONGEST_S {
        return Err(ApiError::bad_request(format!("It would take {}, 2 h at most", words::duration(takes)))
            .hint("Fewer repetitions or shorter cells take less"));
    }
    if sizes.tried.len() >= FEWEST {
        return Ok(());
    }
    let why = sizes.left_out.iter().find(|left| left.connections <= request.max_connections);
    let why = why.map_or_else(String::new, |left| format!(": {}", left.why));
    Err(ApiError::new(
        ErrorCode::Conflict,
        format!(
            "{} of the {FEWEST} that a law needs fit into the database{why}",
            words::plural(sizes.tried.len(), "size")
        ),
    )
    .hint("Free some connections, or raise max_connections"))
}

fn only_sql(work: &Work) -> Result<(), ApiError> {
    match work.other_than_sql() {
        None => Ok(()),
        Some(step) => Err(ApiError::bad_request(format!("Step '{step}' is no SQL: it takes no connection of a pool"))
            .hint("The size of a pool is measured with SQL statements")),
    }
}

impl Engine {
    /// What would be measured, without sending load.
    ///
    /// # Errors
    /// When the request is refused, or the environment has no database.
    pub async fn pool_size_preview(
        &self,
        request: &PoolSizeRequest,
        folder: &PlanFolder,
    ) -> Result<PoolSizePreview, ApiError> {
        checked(request)?;
        let (environment, ..) = self.database_of(&request.environment_id).await?;
        let work = self.work(&request.spec, Some(&environment), folder).await?;
        only_sql(&work)?;
        let cell = work.cell(1, request.warmup_s, request.measure_s);
        let bench = self.preview_of(&cell, Some(&environment)).await?;
        let (room, unknown) = match self.connection_room(&environment).await {
            Ok(room) => (room.connections, None),
            Err(error) => (None, Some(error)),
        };
        let sizes = sizes(request.max_connections, room.as_ref());
        let problem = unknown.or_else(|| worth_it(request, &sizes).err());
        Ok(PoolSizePreview {
            bench,
            seconds: seconds(request, sizes.tried.len()),
            sizes: sizes.tried,
            left_out: sizes.left_out,
            room,
            problem: problem.map(crate::features::bench::preview::words),
        })
    }

    /// Starts to measure the size of a pool as a job whose result is its identifier. A plan finds files in `folder`.
    ///
    /// # Errors
    /// When the request is refused, a guard says no, a benchmark runs, or the database has no room for it.
    pub async fn pool_size_start(
        self: &Arc<Self>,
        request: PoolSizeRequest,
        folder: PlanFolder,
    ) -> Result<JobStatus, ApiError> {
        checked(&request)?;
        let (environment, ..) = self.database_of(&request.environment_id).await?;
        let work = self.work(&request.spec, Some(&environment), &folder).await?;
        only_sql(&work)?;
        let cell = work.cell(1, request.warmup_s, request.measure_s);
        let what = self.load_allowed(cell, Some(environment.clone()), request.confirm.as_slice()).await?;
        self.answers(&what.work, &environment).await?;
        let room = self.connection_room(what.environment.as_ref().unwrap_or(&environment)).await?;
        let sizes = sizes(request.max_connections, room.connections.as_ref());
        worth_it(&request, &sizes)?;
        let name = request.name.as_deref().map(|name| title(name.trim())).filter(|name| !name.is_empty());
        let name = match name {
            Some(name) => name,
            None => what.work.spec()?.request(),
        };
        let of = format!("Pool size for {name}");
        let claim = self.bench_claim(&of)?;
        let engine = self.clone();
        Ok(self.core.jobs.spawn("pool_size", of, Some(environment.id.clone()), move |job| async move {
            let swept = engine.swept(&what, &environment, &sizes, &request, &job).await;
            drop(claim);
            let swept = swept?;
            // Without a single cell there is nothing to keep.
            if let Some(error) = swept.ended.as_ref().filter(|_| swept.cells.is_empty()) {
                return Err(error.clone());
            }
            let sizing = engine.sizing(&what, &environment, (&room, sizes), name, &request, swept)?;
            engine.core.store.put_pool_sizing(&sizing).await?;
            engine.core.changed(&[Tag::PoolSizings]);
            Ok(Some(JobResult::PoolSizing(sizing.id)))
        }))
    }

    /// The cells, with the guards that hold during them and an entry of the journal on either side.
    async fn swept(
        &self,
        what: &Allowed,
        environment: &Environment,
        sizes: &Sizes,
        request: &PoolSizeRequest,
        job: &JobContext,
    ) -> Result<Swept, ApiError> {
        job.progress(Some(0.0), "preparing");
        let text = format!(
            "{} on {}, to size a pool: {} repetitions of {} over up to {}",
            what.work.words(),
            what.resolved.join(", "),
            request.repetitions,
            words::setting(request.warmup_s + request.measure_s),
            words::plural(sizes.tried.last().copied().unwrap_or(0), "connection")
        );
        let guarded = self.load_begins(what, text, job).await?;
        let sweep = Sweep {
            engine: self,
            what,
            job,
            abort: guarded.abort.clone(),
            sizes: sizes.tried.clone(),
            repetitions: request.repetitions,
            warmup_s: request.warmup_s,
            measure_s: request.measure_s,
            waits: job.unless_cancelled(self.load_waits(environment)).await.unwrap_or(None),
            // Any order will do that nobody chose.
            seed: Uuid::new_v4().as_u64_pair().0,
        };
        let swept = sweep.run().await;
        let outcome = swept.ended.clone().map_or_else(|| Ok(swept.cells.len()), Err);
        self.load_ended(what, job, &outcome, |cells| words::plural(*cells, "cell")).await;
        Ok(swept)
    }

    /// What a load waits for is told where it can be, and nothing depends on it.
    async fn load_waits(&self, environment: &Environment) -> Option<LoadWaits> {
        let (address, password) = self.door(environment).await.ok()?;
        match LoadWaits::open(&address, password.as_ref()).await {
            Ok(waits) => waits,
            Err(error) => {
                tracing::warn!(%error, "what the load waits for is not known");
                None
            }
        }
    }

    /// The answer of what was measured.
    fn sizing(
        &self,
        what: &Allowed,
        environment: &Environment,
        (room, sizes): (&Room, Sizes),
        name: String,
        request: &PoolSizeRequest,
        swept: Swept,
    ) -> Result<PoolSizing, ApiError> {
        let ended = swept.ended.as_ref();
        let ended_because = ended.map(|error| error.message.clone());
        let goal = SizeGoal {
            objective_ms: request.objective_ms,
            instances: request.instances,
            head_room: room.connections.map(|room| room.free),
            cut_by_head_room: sizes.cut,
            unfinished: ended_because.clone(),
            seed: 1,
        };
        let mut analysis = analyse(&swept.cells, &goal);
        if room.shared {
            analysis.notes.push(
                "a pooler shares the server's connections: those here are of clients to it, so the size is that of a pool before \
                 the pooler"
                    .to_owned(),
            );
        }
        let scheme = environment.targets.database.as_ref().map(|database| database.address.scheme);
        let settings = analysis
            .recommended
            .as_ref()
            .zip(scheme)
            .map(|(size, scheme)| settings(size, &environment.pool, scheme))
            .unwrap_or_default();
        Ok(PoolSizing {
            id: Uuid::now_v7().to_string(),
            created_ms: self.core.clock.now_ms(),
            name,
            request: what.work.spec()?.request(),
            environment_id: environment.id.clone(),
            environment: environment.name.clone(),
            state: match ended.map(|error| error.code) {
                None => SizingState::Finished,
                Some(ErrorCode::Cancelled) => SizingState::Stopped,
                Some(_) => SizingState::Ended,
            },
            ended_because,
            repetitions: request.repetitions,
            warmup_s: request.warmup_s,
            measure_s: request.measure_s,
            objective_ms: request.objective_ms,
            instances: request.instances,
            room: room.connections,
            left_out: sizes.left_out,
            cells: swept.cells,
            analysis,
            settings,
        })
    }
}
