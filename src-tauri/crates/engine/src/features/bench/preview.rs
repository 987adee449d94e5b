//! What would happen if a benchmark were started: where its load goes, what guards it, what it could tell.
use perfdeck_model::{ApiError, Environment};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::features::bench::alike::alike;
use crate::features::bench::duet::{DuetRequest, is_one, metrics};
use crate::features::bench::hooks::Hooks;
use crate::features::bench::running::is_loopback;
use crate::features::bench::work::{BenchSpec, PlanFolder, Work};

/// Forecast of what would happen if a benchmark were started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct BenchPreview {
    /// Addresses that the host resolves to.
    pub resolved: Vec<String>,
    /// Whether all of them are this machine.
    pub loopback: bool,
    /// Demand of the environment's guard, in words, if any.
    pub guard: Option<String>,
    /// Text that must be typed to confirm it, if any: the environment's name.
    pub confirm: Option<String>,
    /// Evidence that a target which is not called production looks like it.
    pub evidence: Vec<String>,
    /// Reason for which its figures could never be judged, so that it is refused: its rate gives too few requests in
    /// its time.
    pub problem: Option<String>,
    /// Percentiles that its requests give, and what the next one needs.
    pub tells: String,
}

/// Forecast of what would happen if a duet were started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct DuetPreview {
    /// That of a run of A.
    pub a: BenchPreview,
    /// That of a run of B.
    pub b: BenchPreview,
    /// Reason for which it is refused: its sides are not comparable, or its runs are too short to be judged.
    pub problem: Option<String>,
    /// Metrics that decide the verdict, and what to say of those that its runs are too short for.
    pub decides: String,
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map")]
pub(crate) fn words(error: ApiError) -> String {
    error.hint.as_ref().map_or_else(|| error.message.clone(), |hint| format!("{}. {hint}", error.message))
}

impl Engine {
    /// Resolves the hosts and asks the guards, without sending load. A plan finds files in `folder`.
    ///
    /// # Errors
    /// When the plan is refused or a host has no address.
    pub async fn bench_preview(
        &self,
        spec: &BenchSpec,
        environment_id: Option<&str>,
        folder: &PlanFolder,
    ) -> Result<BenchPreview, ApiError> {
        Ok(self.previewed(spec, environment_id, folder).await?.1)
    }

    async fn previewed(
        &self,
        spec: &BenchSpec,
        environment_id: Option<&str>,
        folder: &PlanFolder,
    ) -> Result<(Work, BenchPreview), ApiError> {
        let environment = self.bench_environment(environment_id).await?;
        let work = self.work(spec, environment.as_ref(), folder).await?;
        let preview = self.preview_of(&work, environment.as_ref()).await?;
        Ok((work, preview))
    }

    /// The same of work that is checked.
    pub(crate) async fn preview_of(
        &self,
        work: &Work,
        environment: Option<&Environment>,
    ) -> Result<BenchPreview, ApiError> {
        let resolved = work.resolved().await?;
        let subject = self.subject(work, environment, &resolved).await;
        Ok(BenchPreview {
            problem: work.can_be_judged().err().map(words),
            loopback: is_loopback(&resolved),
            resolved,
            guard: subject.check(&work.intent()).err().map(words),
            confirm: subject.to_type().map(str::to_owned),
            evidence: subject.evidence().to_vec(),
            tells: work.tells(),
        })
    }

    /// The same of both sides of a duet, and why it would be refused.
    ///
    /// # Errors
    /// When a plan is refused or a host has no address.
    pub(crate) async fn duet_preview(&self, request: &DuetRequest) -> Result<DuetPreview, ApiError> {
        let folder = PlanFolder::default();
        let (left, a) = self.previewed(&request.a.spec, request.a.environment_id.as_deref(), &folder).await?;
        let (right, b) = self.previewed(&request.b.spec, request.b.environment_id.as_deref(), &folder).await?;
        let sides = alike(&left.spec()?, &right.spec()?, &request.changed);
        let one = request.noise && !is_one(request, &Hooks::default());
        let chosen = metrics(request, &left);
        let decides = chosen.as_ref().map_or_else(
            |_| String::new(),
            |(primary, short)| {
                let names: Vec<&str> = primary.iter().map(|metric| metric.name()).collect();
                [vec![names.join(" and ")], short.clone()].concat().join("; ")
            },
        );
        let problem = sides.and(chosen.map(|_| ())).err().map(words);
        let problem = problem.or_else(|| one.then(|| "Both sides of a noise floor are the same".to_owned()));
        Ok(DuetPreview { a, b, problem, decides })
    }
}
