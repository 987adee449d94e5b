//! `perfctl demo`: the demo environment, and on request the main job on it: watch, load, report.
pub(crate) mod args;

use perfdeck_engine as api;
use perfdeck_engine::{BenchRequest, BenchSpec, ById, Engine, PlanFolder};
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{
    ApiError, DEMO_ENVIRONMENT_ID, ErrorCode, Frame, HttpBenchSpec, JobResult, JobState, Load, Method, ReportFile,
    ReportRequest, Run, Topic, Watching,
};

use crate::answers::Tour;
use crate::args::Source;
use crate::bench::measuring;
use crate::demo::args::DemoArgs;
use crate::output::{self, Done, plain};
use crate::serve::args::ServeArgs;
use crate::{FINE, environments, reports, serve, stop_requested, unless_stopped};

/// Seconds of live figures that are shown.
const LIVE_S: usize = 10;
/// Longest time between two samples, which come once a second.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(15);

/// A column of the live table.
struct Column {
    head: &'static str,
    /// The first of these series that has a value is shown.
    series: &'static [&'static str],
    factor: f64,
    decimals: usize,
}

const COLUMNS: &[Column] = &[
    Column {
        head: "CPU %",
        series: &["system.cpu.utilization{cpu.mode=user}", "system.cpu.utilization{cpu.mode=used}"],
        factor: 100.0,
        decimals: 1,
    },
    Column { head: "memory GB", series: &["system.memory.usage"], factor: 1e-9, decimals: 2 },
    Column { head: "db tx/s", series: &["database.transactions"], factor: 1.0, decimals: 0 },
    Column { head: "cache op/s", series: &["cache.operations"], factor: 1.0, decimals: 0 },
    Column { head: "cache hits %", series: &["cache.hit_ratio"], factor: 100.0, decimals: 1 },
    Column { head: "API req/s", series: &["http.server.requests"], factor: 1.0, decimals: 0 },
    // A second of the demo has too few requests for a p99.
    Column { head: "API p50 ms", series: &["http.server.duration{quantile=p50}"], factor: 1e3, decimals: 2 },
];

pub(crate) async fn demo(engine: &Arc<Engine>, args: &DemoArgs, source: &Source, json: bool) -> Done {
    crate::demo(engine).await?;
    if args.tour {
        return tour(engine, args, json).await;
    }
    let done = environments::show(engine, Some(DEMO_ENVIRONMENT_ID), source, json).await;
    output::note(
        "The demo environment is ready: watch it with 'perfctl monitor --env demo', open it in a browser with \
         'perfctl serve', or see the main job with 'perfctl demo --tour'",
    );
    done
}

/// The main job, start to report, of which `--json` leaves out what is only to be looked at; then the UI for a browser while a terminal is attached.
async fn tour(engine: &Arc<Engine>, args: &DemoArgs, json: bool) -> Done {
    if !json {
        output::line("Live figures of the demo environment, one line a second:")?;
        live(engine).await?;
        output::line("\nBenchmark of the demo's API, 5 s after 1 s of warm-up:")?;
    }
    let run = benchmark(engine).await?;
    if !json {
        measuring::show(&run, false)?;
    }

    let request = ReportRequest {
        environment_id: DEMO_ENVIRONMENT_ID.to_owned(),
        run_ids: vec![run.id.clone()],
        findings: true,
        out: args.out.as_deref().map(reports::text).transpose()?,
        title: Some("Perfdeck demo".to_owned()),
        ..ReportRequest::default()
    };
    let report: ReportFile = reports::create(engine, request).await?;
    if json {
        output::json(&Tour { schema: "perfdeck.tour/1", run, report })?;
        return Ok(FINE);
    }
    output::line("")?;
    output::line(&plain(&format!("Report:  {}", report.html_path)))?;
    output::line(&plain(&format!("Data:    {}", report.json_path)))?;
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        output::line("\nThe same in a browser:")?;
        let anywhere =
            ServeArgs { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), token_file: None, read_only: false };
        return serve::serve(engine, &anywhere, false).await;
    }
    Ok(FINE)
}

fn stopped() -> ApiError {
    ApiError::new(ErrorCode::Cancelled, "The tour was stopped before its report was written")
}

async fn live(engine: &Arc<Engine>) -> Done<()> {
    let wanted = COLUMNS.iter().flat_map(|column| column.series).copied();
    let watching = Watching::only(Some(DEMO_ENVIRONMENT_ID), &[Topic::Series]).of_series(wanted);
    let mut viewer = engine.watch(watching).await?;
    let heads: Vec<String> = COLUMNS.iter().map(|column| format!("{:>12}", column.head)).collect();
    output::line(&heads.join(" "))?;
    let mut stop = std::pin::pin!(stop_requested());
    let (mut shown, mut skipped, mut last) = (0, 0, f64::NEG_INFINITY);
    while shown < LIVE_S {
        let frame = tokio::select! {
            () = &mut stop => return Err(stopped().into()),
            frame = tokio::time::timeout(SAMPLE_DEADLINE, viewer.next()) => frame,
        };
        let frame = frame
            .map_err(|_| {
                ApiError::new(ErrorCode::Timeout, format!("The demo gave no sample within {SAMPLE_DEADLINE:?}"))
                    .hint("The machine may be too busy; try again, or look with 'perfctl monitor --env demo -v'")
            })?
            .ok_or_else(stopped)?;
        // A snapshot brings history; only its last second is live.
        let Some((index, &time)) = frame.t.iter().enumerate().next_back() else { continue };
        if time <= last {
            continue;
        }
        last = time;
        let values: Vec<Option<f64>> = COLUMNS.iter().map(|column| value(column, &frame, index)).collect();
        // A rate needs two samples: the table begins with the first second that has most of its figures.
        if shown == 0 && skipped < LIVE_S && values.iter().flatten().count() * 2 < COLUMNS.len() {
            skipped += 1;
            continue;
        }
        shown += 1;
        let cells: Vec<String> = COLUMNS.iter().zip(values).map(|(column, value)| cell(column, value)).collect();
        output::line(&cells.join(" "))?;
    }
    Ok(())
}

fn value(column: &Column, frame: &Frame, index: usize) -> Option<f64> {
    column.series.iter().find_map(|id| frame.series.get(*id)?.get(index).copied().flatten())
}

/// A value of the live table; a dash where there is none.
fn cell(column: &Column, value: Option<f64>) -> String {
    value.map_or_else(|| format!("{:>12}", "–"), |v| format!("{:>12.*}", column.decimals, v * column.factor))
}

/// A short benchmark of what the demo's probe requests.
async fn benchmark(engine: &Arc<Engine>) -> Result<Run, ApiError> {
    let environment = api::environments::get(engine.clone(), ById { id: DEMO_ENVIRONMENT_ID.to_owned() }).await?;
    let api = environment.targets.api.ok_or_else(|| ApiError::internal("The demo has no API"))?;
    let url = format!("{}/{}", api.url.trim_end_matches('/'), api.probe_path.trim_start_matches('/'));
    let spec = BenchSpec::Http(HttpBenchSpec {
        url,
        method: Method::Get,
        headers: Vec::new(),
        body: None,
        body_base64: None,
        load: Load::Closed,
        connections: 8,
        threads: None,
        duration_s: 5.0,
        warmup_s: 1.0,
        timeout_s: 10.0,
        insecure_tls: false,
        thresholds: Vec::new(),
        client_certificate: None,
    });
    let request = BenchRequest {
        spec,
        environment_id: Some(DEMO_ENVIRONMENT_ID.to_owned()),
        name: Some("Demo tour".to_owned()),
        confirm: None,
    };
    let mut viewer = engine.watch(Watching::only(None, &[Topic::Bench])).await?;
    let job = unless_stopped(engine.bench_start(request, PlanFolder::default())).await?;
    let (end, _) = measuring::follow(engine, &mut viewer, &job).await?;
    match (end.state, end.result, end.error) {
        (JobState::Done, Some(JobResult::Run(id)), _) => api::bench::run_get(engine.clone(), ById { id }).await,
        (_, _, Some(error)) => Err(error),
        _ => Err(stopped()),
    }
}
