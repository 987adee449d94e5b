//! The job: what is refused, the guards, the journal, and the stored answer.
use std::collections::BTreeSet;
use std::sync::Arc;

use perfdeck_model::masking::title;
use perfdeck_model::{ApiError, JobResult, JobStatus, Tag};
use perfdeck_words as words;
use uuid::Uuid;

use super::amounts::{Amounts, with_texts};
use super::answer::{CostRequest, CostTotals, RequestCost, StatementCost};
use super::blocks::{Blocks, Measured};
use super::counters::Counters;
use super::sentence::sentence;
use crate::Engine;
use crate::core::jobs::JobContext;
use crate::core::statement_source::statement_of;
use crate::features::bench::running::Allowed;
use crate::features::bench::work::{BenchSpec, PlanFolder};

/// Part of the requests that may fail without a word about it.
const FEW: f64 = 0.01;

/// Refuses what cannot be measured so, before anything is asked.
fn checked(request: &CostRequest) -> Result<(), ApiError> {
    if !(6..=60).contains(&request.pairs) {
        return Err(ApiError::bad_request(format!("pairs: {} is not between 6 and 60", request.pairs)));
    }
    if !(0.5..=60.0).contains(&request.block_s) {
        return Err(ApiError::bad_request(format!("block_s: {} is not between 0.5 and 60 s", request.block_s)));
    }
    match &request.spec {
        BenchSpec::Http(_) | BenchSpec::Plan { .. } => Ok(()),
        BenchSpec::Sql(_) => Err(not_http("A statement")),
        BenchSpec::Cache(_) => Err(not_http("A mix of commands")),
    }
}

fn not_http(what: &str) -> ApiError {
    ApiError::bad_request(format!("{what} is no HTTP request: it would count itself"))
        .hint("What one request of a service costs is measured over HTTP")
}

impl Engine {
    /// Starts to measure what one request costs as a job whose result is its identifier. A plan finds files in `folder`.
    ///
    /// # Errors
    /// When the request is refused, a guard says no, a benchmark runs, or the database keeps no counters of statements.
    pub async fn cost_start(self: &Arc<Self>, request: CostRequest, folder: PlanFolder) -> Result<JobStatus, ApiError> {
        checked(&request)?;
        let environment = self.environment(&request.environment_id).await?;
        let work = self.work(&request.spec, Some(&environment), &folder).await?;
        if let Some(step) = work.other_than_http() {
            return Err(not_http(&format!("Step '{step}'")));
        }
        let work = work.block(request.block_s);
        let what = self.load_allowed(work, Some(environment.clone()), request.confirm.as_slice()).await?;
        let mut counters = self.cost_counters(&environment).await?;
        counters.try_cache().await;
        // What cannot be counted is refused before a request is sent.
        counters.read().await?;
        let name = request.name.as_deref().map(|name| title(name.trim())).filter(|name| !name.is_empty());
        let name = match name {
            Some(name) => name,
            None => what.work.spec()?.request(),
        };
        let of = format!("What {name} costs");
        let claim = self.bench_claim(&of)?;
        let engine = self.clone();
        Ok(self.core.jobs.spawn("cost", of, Some(environment.id.clone()), move |job| async move {
            let measured = engine.cost_measured(&what, &mut counters, &request, &job).await;
            drop(claim);
            let cost = match measured {
                Ok(measured) => engine.cost_of(&what, name, &request, &mut counters, measured).await,
                Err(error) => Err(error),
            };
            counters.close().await;
            let cost = cost?;
            engine.core.store.put_cost(&cost).await?;
            engine.core.changed(&[Tag::Costs]);
            Ok(Some(JobResult::Cost(cost.id)))
        }))
    }

    /// The blocks, with the guards that hold during them and an entry of the journal on either side.
    async fn cost_measured(
        &self,
        what: &Allowed,
        counters: &mut Counters,
        request: &CostRequest,
        job: &JobContext,
    ) -> Result<Measured, ApiError> {
        job.progress(Some(0.0), "preparing");
        let (pairs, block_s) = (request.pairs, request.block_s);
        let text = format!(
            "{} on {}, to see what one costs: {pairs} blocks of {}",
            what.work.words(),
            what.resolved.join(", "),
            words::setting(block_s)
        );
        let guarded = self.load_begins(what, text, job).await?;
        let blocks = Blocks {
            engine: self,
            what,
            counters,
            job,
            abort: guarded.abort.clone(),
            pairs,
            block_s,
            // Any order will do that nobody chose.
            seed: Uuid::new_v4().as_fields().0,
            others: BTreeSet::new(),
        };
        let measured = blocks.run().await;
        self.load_ended(what, job, &measured, |m| {
            format!("{} of {pairs} pairs of blocks, {}", m.pairs.len(), words::plural(m.requests, "request"))
        })
        .await;
        measured
    }

    /// The answer of what was measured.
    async fn cost_of(
        &self,
        what: &Allowed,
        name: String,
        request: &CostRequest,
        counters: &mut Counters,
        measured: Measured,
    ) -> Result<RequestCost, ApiError> {
        let environment = what.environment.as_ref().ok_or_else(|| ApiError::internal("It has an environment"))?;
        let amounts = Amounts::of(&measured.pairs);
        let (mut statements, left_out) = amounts.statements();
        let ids: Vec<String> = statements.iter().map(|row| statement_of(&row.key).0.to_owned()).collect();
        let mut notes = notes(&measured, counters, what.work.steps());
        let totals = amounts.totals();
        notes.extend(about(&totals, &statements, what.work.steps()));
        match counters.texts(&ids).await {
            Ok(texts) => with_texts(&mut statements, &texts),
            Err(error) => notes.push(format!("the statements could not be named: {}", error.message)),
        }
        let said = counters.said();
        Ok(RequestCost {
            id: Uuid::now_v7().to_string(),
            created_ms: self.core.clock.now_ms(),
            name,
            request: what.work.spec()?.request(),
            environment_id: environment.id.clone(),
            environment: environment.name.clone(),
            sentence: sentence(&totals, &statements, measured.failed() * 2 > measured.all()),
            source: said.source,
            own_counted: said.own_counted,
            pairs_asked: request.pairs,
            pairs: u32::try_from(measured.pairs.len()).unwrap_or(u32::MAX),
            thrown_away: measured.thrown_away,
            block_s: request.block_s,
            requests: measured.requests,
            failures: measured.failures,
            unanswered: measured.unanswered,
            background: amounts.background(),
            totals,
            statements,
            left_out,
            hidden: amounts.hidden(measured.hidden, said.grant),
            incomplete: measured.incomplete,
            notes,
        })
    }
}

/// What is to be known beside the figures.
fn notes(measured: &Measured, counters: &Counters, steps: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if steps > 1 {
        notes.push(format!("a request is one of the plan's {steps} steps, as often as each of them is sent"));
    }
    let (failed, all) = (measured.failed(), measured.all());
    if failed as f64 > FEW * all as f64 {
        let sample = measured.sample.as_ref().map_or_else(String::new, |sample| format!(", such as: {sample}"));
        notes.push(format!("{} of {} failed{sample}", words::count(failed), words::plural(all, "request")));
    }
    if measured.redirected as f64 > FEW * all as f64 {
        let redirected = words::count(measured.redirected);
        notes.push(format!(
            "{redirected} of {} were answered with a redirection, which was not followed: this is what the redirection costs",
            words::plural(all, "request")
        ));
    }
    if measured.restless as usize * 2 > measured.pairs.len() {
        notes.push(
            "2 s after the last answer of a block statements still ran that nobody ran before: what came later is not in the figures"
                .to_owned(),
        );
    }
    if measured.unnamed > 0 {
        let unnamed = words::plural(measured.unnamed, "statement");
        notes.push(format!("up to {unnamed} of a block, the lightest, are in the sums only"));
    }
    if let Some(error) = &counters.no_cache {
        let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        notes.push(format!("commands of the cache are not known: {}{hint}", error.message));
    }
    notes
}

/// What is to be known of the figures themselves.
fn about(totals: &CostTotals, statements: &[StatementCost], steps: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let is_script = |name: &String| name.starts_with("EVAL") || name.starts_with("FCALL");
    if totals.cache.iter().flatten().any(|(name, _)| is_script(name)) {
        notes.push(
            "commands that a script calls (EVAL, FCALL) are counted by the cache as the script itself is".to_owned(),
        );
    }
    // A request of a plan is the mean of its steps, and each row of a list belongs to one of them.
    let most = |row: &&StatementCost| row.calls.low.unwrap_or(0.0) * steps as f64;
    let hidden = statements.iter().filter(|row| row.sure && row.repeated != Some(true) && most(row) > 2.0);
    if steps > 1
        && let Some(row) = hidden.max_by(|a, b| most(a).total_cmp(&most(b)))
    {
        notes.push(format!(
            "a statement that is called {} times by a request on average is called up to {} times by one of the steps: measure \
             that step alone to see whether it repeats it for each row (N+1)",
            words::significant(row.calls.mean, 3),
            words::significant(row.calls.mean * steps as f64, 3)
        ));
    }
    notes
}
