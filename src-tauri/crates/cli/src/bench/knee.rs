//! `perfctl bench knee`: the highest concurrency that keeps an objective.
use perfdeck_engine as api;
use perfdeck_engine::{BenchSpec, ById, Engine, KneeRequest, PlanFolder, StoredKnee};
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::compare::{KneePoint, KneeState};
use perfdeck_model::{HttpBenchSpec, JobResult, JobState, JobStatus, Load, Topic, Watching};

use crate::args::Source;
use crate::bench::args::BenchKnee;
use crate::bench::measuring::{announce, follow, so_far};
use crate::bench::plans::{self, is_plan};
use crate::output::{self, Done, figures, ms, plain};
use crate::{FAILED, FINE, INCOMPLETE, USAGE, VERDICT, environments, unless_stopped};

pub(crate) async fn knee(engine: &Arc<Engine>, args: &BenchKnee, source: &Source, json: bool) -> Done {
    let environment = environments::resolve(engine, args.env.as_deref(), source).await?;
    let path = Path::new(&args.target);
    let (spec, folder) = if is_plan(&args.target) {
        let Some(spec) = plans::spec(path, args.threads)? else { return Ok(USAGE) };
        (spec, plans::folder(path))
    } else {
        let spec = HttpBenchSpec {
            url: args.target.clone(),
            method: args.method,
            headers: args.headers.clone(),
            body: None,
            body_base64: None,
            load: Load::Closed,
            connections: 1,
            threads: args.threads,
            duration_s: args.step.as_secs_f64(),
            warmup_s: args.warmup.as_secs_f64(),
            timeout_s: args.timeout.as_secs_f64(),
            insecure_tls: args.insecure,
            thresholds: Vec::new(),
            client_certificate: crate::bench::measuring::certificate(args.cert.as_deref(), args.key.as_deref()),
        };
        (BenchSpec::Http(spec), PlanFolder::default())
    };
    let environment_id = environment.map(|e| e.id);
    announce(engine, &spec, environment_id.as_deref(), &folder).await?;
    let request = KneeRequest {
        spec,
        environment_id,
        slo: args.slo.clone(),
        max_connections: args.max,
        step_s: args.step.as_secs_f64(),
        confirm_s: args.confirm_for.as_secs_f64(),
        confirm: args.confirm.clone(),
    };
    let mut viewer = engine.watch(Watching::only(None, &[Topic::Bench])).await?;
    let job: JobStatus = unless_stopped(engine.knee_start(request, folder)).await?;
    let (end, runs) = follow(engine, &mut viewer, &job).await?;
    let id = match (end.state, end.result, end.error) {
        // One that was stopped has the steps that were over.
        (JobState::Done | JobState::Cancelled, Some(JobResult::Knee(id)), _) => id,
        (_, _, Some(error)) => return Err(error.into()),
        _ => {
            so_far(engine, &runs, json).await?;
            return Ok(FAILED);
        }
    };
    let found = api::bench::knee_get(engine.clone(), ById { id }).await?;
    show(&found, json)?;
    if end.state == JobState::Cancelled {
        return Ok(FAILED);
    }
    Ok(match found.knee.state {
        KneeState::Found | KneeState::BeyondMax => FINE,
        KneeState::NeverHolds => VERDICT,
        _ => INCOMPLETE,
    })
}

fn row(p: &KneePoint) -> Vec<String> {
    let busy: Vec<String> =
        p.figures.utilisation.iter().map(|(name, share)| format!("{name} {:.0} %", share * 100.0)).collect();
    vec![
        p.step.concurrency.to_string(),
        format!("{}/s", figures(p.figures.rate_per_s)),
        match (p.figures.latency_ms, p.figures.at_least) {
            (Some(v), true) => format!(">= {}", ms(v)),
            (Some(v), false) => ms(v),
            (None, _) if p.figures.n > 0 => "failed".to_owned(),
            (None, _) => "–".to_owned(),
        },
        format!("{:.2} %", p.figures.error_share * 100.0),
        match (p.unjudged, p.holds) {
            (true, _) => "not judged",
            (false, true) => "holds",
            (false, false) => "fails",
        }
        .to_owned(),
        busy.join(", "),
    ]
}

fn show(found: &StoredKnee, json: bool) -> Done<()> {
    if json {
        return output::json(found);
    }
    output::line(&plain(&found.knee.sentence))?;
    output::line(&plain(&format!("{}, objective {}", found.name, found.slo)))?;
    output::line("")?;
    let rows: Vec<Vec<String>> = found.knee.points.iter().map(row).collect();
    output::table(&["connections", "rate", "latency", "errors", "objective", "busy"], &rows)?;
    for note in &found.knee.notes {
        output::line(&plain(&format!("note: {note}")))?;
    }
    Ok(())
}
