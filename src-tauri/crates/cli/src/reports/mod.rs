//! `perfctl run` and `perfctl report`: what was measured, listed and written down.
pub(crate) mod args;

use perfdeck_engine as api;
use perfdeck_engine::bench::RunList;
use perfdeck_engine::{ById, Empty, Engine};
use std::path::Path;
use std::sync::Arc;

use perfdeck_model::{ApiError, DEMO_ENVIRONMENT_ID, JobResult, ReportFile, ReportRequest, RunSummary, samples_for};
use perfdeck_words::Outcome;

use crate::answers::{Runs, Written};
use crate::args::Source;
use crate::bench::measuring::{judged, rate, show};
use crate::output::{self, Done, ms, plain};
use crate::reports::args::{ReportArgs, RunCommand};
use crate::{FINE, environments, finish};

pub(crate) async fn runs(engine: &Arc<Engine>, environment: Option<&str>, source: &Source, json: bool) -> Done {
    // Listing the demo's runs does not build it.
    let environment = match environment {
        Some(DEMO_ENVIRONMENT_ID) => Some(DEMO_ENVIRONMENT_ID.to_owned()),
        name => environments::resolve(engine, name, source).await?.map(|e| e.id),
    };
    let runs = api::bench::run_list(engine.clone(), RunList { environment_id: environment }).await?;
    if json {
        output::json(&Runs { schema: "perfdeck.runs/1", runs })?;
        return Ok(FINE);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|r| {
            vec![
                r.id.clone(),
                r.name.clone(),
                rate(r.rate_per_s, r.requests, r.errors),
                p99(r),
                r.requests.to_string(),
                r.errors.to_string(),
                Outcome::from(r).short(),
            ]
        })
        .collect();
    output::table(&["id", "name", "rate", "p99", "requests", "errors", "state"], &rows)?;
    Ok(FINE)
}

/// The 99th percentile of all requests, as it is judged; words where it has too few requests behind it. Where nothing
/// succeeded there is none but the time that was waited for in vain.
fn p99(run: &RunSummary) -> String {
    match &run.judged_ms {
        Some(all) if run.errors >= run.requests && !(all.enough("p99") && all.p99.at_least) => "–".to_owned(),
        Some(all) if !all.enough("p99") => "n too small".to_owned(),
        Some(all) => judged(all.p99),
        // Another tool's run has its errors among its times.
        None if run.requests < samples_for(0.99) => "n too small".to_owned(),
        None => run.p99_ms.map_or_else(|| "–".to_owned(), ms),
    }
}

/// A path as requests carry it: absolute, since the engine has no folder of its own to start from.
pub(crate) fn text(path: &Path) -> Result<String, ApiError> {
    let path = std::path::absolute(path).map_err(|e| ApiError::bad_request(format!("{}: {e}", path.display())))?;
    path.into_os_string().into_string().map_err(|_| ApiError::bad_request("The file's name is not valid UTF-8"))
}

/// Writes a report and answers where it is.
pub(crate) async fn create(engine: &Arc<Engine>, request: ReportRequest) -> Result<ReportFile, ApiError> {
    let job = api::reports::create(engine.clone(), request).await?;
    let made = finish(engine, &job).await?;
    let all = api::reports::list(engine.clone(), Empty {}).await?;
    all.into_iter()
        .find(|r| made == Some(JobResult::Report(r.id.clone())))
        .ok_or_else(|| ApiError::internal("The report was written but is not in the list of reports"))
}

pub(crate) async fn report(engine: &Arc<Engine>, args: &ReportArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    let request = ReportRequest {
        environment_id: environment.id,
        run_ids: args.run.clone(),
        comparison_ids: args.comparison.clone(),
        knee_ids: args.knee.clone(),
        findings: args.findings,
        out: Some(text(&args.out)?),
        json_out: args.json_out.as_deref().map(text).transpose()?,
        title: args.title.clone(),
    };
    let report = create(engine, request).await?;
    if json {
        output::json(&Written { schema: "perfdeck.report_file/1", report })?;
    } else {
        output::line(&plain(&report.html_path))?;
        output::line(&plain(&report.json_path))?;
    }
    Ok(FINE)
}

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &RunCommand, source: &Source, json: bool) -> Done {
    match command {
        RunCommand::List { env } => runs(engine, env.as_deref(), source, json).await,
        RunCommand::Show { id } => {
            let run = api::bench::run_get(engine.clone(), ById { id: id.clone() }).await?;
            show(&run, json)?;
            Ok(FINE)
        }
    }
}
