//! `perfctl bench`: load, progress on stderr, the run on stdout.
use perfdeck_engine as api;
use perfdeck_engine::{BenchRequest, BenchSpec, ById, Engine, PlanFolder, Viewer};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perfdeck_model::{
    ApiError, BenchLive, BenchPhase, ClientCertificate, HttpBenchSpec, JobResult, JobState, JobStatus, JudgedMs,
    JudgedTime, LatencyMs, Load, Method, Part, Run, RunState, RunSummary, StageResult, StepResult, ThresholdResult,
    Topic, Watching,
};

use perfdeck_words::sentence;

use crate::answers::Runs;
use crate::args::Source;
use crate::bench::args::{BenchHttp, LoadArgs, RequestArgs, RunAt};
use crate::files::read_bytes;
use crate::output::{self, Done, figures, ms, plain};
use crate::{FAILED, FINE, INCOMPLETE, VERDICT, environments, stop_requested, unless_stopped};

/// Time between plain progress lines where stderr is not a terminal.
const LINE_EVERY_S: f64 = 5.0;

/// Bytes of a body at most.
const BODY: u64 = 16 << 20;

/// A progress bar that is only drawn on a terminal.
pub(crate) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// The request as often as `args` says.
pub(crate) fn spec(url: &str, args: &LoadArgs) -> Result<HttpBenchSpec, ApiError> {
    Ok(HttpBenchSpec {
        load: args.rate.map_or(Load::Closed, |rate_per_s| Load::Rate { rate_per_s }),
        connections: args.connections,
        threads: args.threads,
        duration_s: args.duration.as_secs_f64(),
        warmup_s: args.warmup.as_secs_f64(),
        ..request(url, &args.request)?
    })
}

/// The request over one connection, each after the one before.
pub(crate) fn request(url: &str, args: &RequestArgs) -> Result<HttpBenchSpec, ApiError> {
    let (body, body_base64) = body(args.body.as_deref())?;
    Ok(HttpBenchSpec {
        url: url.to_owned(),
        // As curl does it: what has a body is sent with POST.
        method: args.method.unwrap_or(if body.is_some() || body_base64.is_some() { Method::Post } else { Method::Get }),
        headers: args.headers.clone(),
        body,
        body_base64,
        load: Load::Closed,
        connections: 1,
        threads: None,
        duration_s: 1.0,
        warmup_s: 0.0,
        timeout_s: args.timeout.as_secs_f64(),
        insecure_tls: args.insecure,
        thresholds: Vec::new(),
        client_certificate: certificate(args.cert.as_deref(), args.key.as_deref()),
    })
}

/// The body as text, or in base64 when it is none; `@FILE` is read byte for byte.
fn body(given: Option<&str>) -> Result<(Option<String>, Option<String>), ApiError> {
    let Some(given) = given else { return Ok((None, None)) };
    let Some(path) = given.strip_prefix('@') else { return Ok((Some(given.to_owned()), None)) };
    let bytes = read_bytes(Path::new(path), BODY)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(base64::engine::general_purpose::STANDARD.encode(bytes.as_bytes()))),
    })
}

/// The client's certificate, by paths that hold wherever the run is started again.
pub(crate) fn certificate(cert: Option<&Path>, key: Option<&Path>) -> Option<ClientCertificate> {
    let path = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_owned()).to_string_lossy().into_owned();
    Some(ClientCertificate { cert: path(cert?), key: key.map(path) })
}

/// Shows a benchmark's progress until it ends; Ctrl-C interrupts it. Answers how it ended, and its runs in their order.
pub(crate) async fn follow(
    engine: &Arc<Engine>,
    viewer: &mut Viewer,
    job: &JobStatus,
) -> Result<(JobStatus, Vec<String>), ApiError> {
    let mut runs: Vec<String> = Vec::new();
    let bar = bar();
    let mut printed = f64::NEG_INFINITY;
    let end = {
        let mut waiting = std::pin::pin!(engine.jobs().wait(&job.id));
        let mut stop = std::pin::pin!(stop_requested());
        let (mut stopping, mut told) = (false, true);
        loop {
            tokio::select! {
                end = &mut waiting => break end,
                () = &mut stop, if !stopping => {
                    stopping = true;
                    bar.suspend(|| output::note("Stopping; the figures so far follow"));
                    engine.jobs().interrupt(&job.id);
                }
                frame = viewer.next(), if told => {
                    // An engine that shut down tells no more; the job's end follows.
                    told = frame.is_some();
                    for part in frame.into_iter().flat_map(|frame| frame.parts) {
                        let Part::Bench(live) = part else { continue };
                        if runs.last() != Some(&live.run_id) {
                            runs.push(live.run_id.clone());
                        }
                        progress(&bar, &live, &mut printed);
                    }
                }
            }
        }
    };
    bar.finish_and_clear();
    let end = end.ok_or_else(|| ApiError::internal("The benchmark is no longer known"))?;
    Ok((end, runs))
}

/// The figures so far of a duet or search that was stopped: its runs, those that were finished and the interrupted one.
pub(crate) async fn so_far(engine: &Arc<Engine>, ids: &[String], json: bool) -> Done<()> {
    let mut runs: Vec<Run> = Vec::new();
    for id in ids {
        // One that was stopped before its first request is not there.
        if let Ok(run) = api::bench::run_get(engine.clone(), ById { id: id.clone() }).await {
            runs.push(run);
        }
    }
    output::note(&format!("Stopped; its {} runs are kept: 'perfctl run list' shows them", runs.len()));
    if json {
        let runs = runs.iter().map(RunSummary::from).collect();
        return output::json(&Runs { schema: "perfdeck.runs/1", runs });
    }
    let row = |run: &Run| {
        let times = run.response_ms.as_ref().unwrap_or(&run.service_ms);
        vec![
            plain(&run.name),
            rate(run.rate_per_s, run.requests, run.errors),
            cell(times, "p50", times.p50),
            cell(times, "p99", times.p99),
            run.requests.to_string(),
            run.errors.to_string(),
            if run.state == RunState::Interrupted { "interrupted".to_owned() } else { String::new() },
        ]
    };
    let heads = ["run", "rate", "p50", "p99", "n", "errors", ""];
    output::table(&heads, &runs.iter().map(row).collect::<Vec<_>>())
}

pub(crate) async fn http(engine: &Arc<Engine>, args: &BenchHttp, source: &Source, json: bool) -> Done {
    let spec = spec(&args.url, &args.load)?;
    let spec = BenchSpec::Http(HttpBenchSpec { thresholds: args.thresholds.clone(), ..spec });
    measure(engine, spec, &args.at, source, PlanFolder::default(), json).await
}

/// Says where load goes before the first request, when that is not this machine alone.
pub(crate) async fn announce(
    engine: &Engine,
    spec: &BenchSpec,
    environment_id: Option<&str>,
    folder: &PlanFolder,
) -> Result<(), ApiError> {
    let preview = unless_stopped(engine.bench_preview(spec, environment_id, folder)).await?;
    if !preview.loopback && !preview.resolved.is_empty() {
        output::note(&format!("Load goes to {}", plain(&preview.resolved.join(", "))));
    }
    for why in preview.evidence {
        output::note(&plain(&format!("It looks like production: {why}")));
    }
    Ok(())
}

/// Runs a benchmark, shows its progress and its result.
pub(crate) async fn measure(
    engine: &Arc<Engine>,
    spec: BenchSpec,
    at: &RunAt,
    source: &Source,
    folder: PlanFolder,
    json: bool,
) -> Done {
    let environment = environments::resolve(engine, at.env.as_deref(), source).await?;
    let environment_id = environment.map(|e| e.id);
    if at.unlock
        && let Some(id) = &environment_id
    {
        engine.unlock_for_run(id, at.confirm.as_deref()).await?;
    }
    announce(engine, &spec, environment_id.as_deref(), &folder).await?;
    let request = BenchRequest { spec, environment_id, name: at.name.clone(), confirm: at.confirm.clone() };
    let mut viewer = engine.watch(Watching::only(None, &[Topic::Bench])).await?;
    let job = unless_stopped(engine.bench_start(request, folder)).await?;
    let (end, _) = follow(engine, &mut viewer, &job).await?;
    let id = match (end.state, end.result, end.error) {
        (JobState::Done | JobState::Cancelled, Some(JobResult::Run(id)), _) => id,
        (_, _, Some(error)) => return Err(error.into()),
        _ => {
            let error = ApiError::new(
                perfdeck_model::ErrorCode::Cancelled,
                "The benchmark was stopped before it measured anything",
            );
            return Err(error.into());
        }
    };
    let run = api::bench::run_get(engine.clone(), ById { id }).await?;
    show(&run, json)?;
    if let Some(error) = engine.not_stored(&run.id) {
        return Err(error.into());
    }
    Ok(code(&run))
}

/// The exit code of a run: a threshold that failed comes before one that could not be judged.
fn code(run: &Run) -> u8 {
    match (run.state, run.valid) {
        // Nothing succeeded from the first try on: an error, however it ended.
        (RunState::Completed, false) if run.requests > 0 && run.requests == run.errors => FAILED,
        // A run that cannot be trusted says nothing about its thresholds.
        (RunState::Completed, false) => INCOMPLETE,
        (RunState::Completed, true) if run.thresholds.iter().any(|t| !t.ok && !t.unjudged) => VERDICT,
        (RunState::Completed, true) if run.thresholds.iter().any(|t| t.unjudged) => INCOMPLETE,
        (RunState::Completed, true) => FINE,
        _ => FAILED,
    }
}

fn progress(bar: &ProgressBar, live: &BenchLive, printed: &mut f64) {
    let step = match live.phase {
        BenchPhase::Connecting => "connecting".to_owned(),
        BenchPhase::WarmUp => "warming up".to_owned(),
        BenchPhase::Draining => "waiting for the last responses".to_owned(),
        BenchPhase::Measuring | BenchPhase::Finished => {
            let p99 = live.p99_ms.map(|p| format!(", p99 {}", ms(p))).unwrap_or_default();
            format!("{}/s{p99}, {} errors", figures(live.rate_per_s), live.errors)
        }
    };
    if bar.is_hidden() {
        if live.elapsed_s - *printed >= LINE_EVERY_S {
            *printed = live.elapsed_s;
            output::note(&format!("{:.0} of {:.0} s: {step}", live.elapsed_s, live.total_s));
        }
        return;
    }
    {
        bar.set_length((live.total_s * 1e3) as u64);
        bar.set_position((live.elapsed_s.min(live.total_s) * 1e3) as u64);
    }
    bar.set_message(step);
}

/// A run as JSON or as a page of text.
pub(crate) fn show(run: &Run, json: bool) -> Done<()> {
    if json {
        return output::json(run);
    }
    let load = match run.spec.load() {
        Load::Closed => "closed loop".to_owned(),
        Load::Rate { rate_per_s } => format!("{rate_per_s}/s asked for"),
    };
    output::line(&plain(&run.spec.request().replace('\n', " ")))?;
    output::line(&plain(&format!(
        "{} connections, {load}, {} s measured, run {}",
        run.spec.connections(),
        figures(run.duration_s),
        run.id
    )))?;
    output::line("")?;
    output::line(&plain(&optioned(&perfdeck_words::ascii(&format!("{}.", sentence(run))))))?;
    output::line(&answers(run))?;
    let row = |name: &str, l: &LatencyMs| {
        vec![
            name.to_owned(),
            cell(l, "p50", l.p50),
            cell(l, "p90", l.p90),
            cell(l, "p99", l.p99),
            cell(l, "p999", l.p999),
            cell(l, "max", l.max),
            l.n.to_string(),
        ]
    };
    output::table(
        &["", "p50", "p90", "p99", "p99.9", "max", "n"],
        &[
            run.response_ms.as_ref().map(|l| row("response time", l)),
            Some(row("service time", &run.service_ms)),
            run.schedule_lag_ms.as_ref().map(|l| row("schedule lag", l)),
            run.judged_ms.as_ref().filter(|all| all.differs()).map(of_all),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>(),
    )?;
    steps(run)?;
    stages(run)?;
    for error in &run.errors_by_class {
        output::line(&plain(&optioned(&format!("{} x {}: {}", error.count, error.class, error.sample))))?;
    }
    for note in &run.notes {
        output::line(&plain(&format!("note: {note}")))?;
    }
    thresholds(run)
}

/// What came back in whole numbers, so that a script can compare them.
fn answers(run: &Run) -> String {
    let answered = run.answered();
    let of = if answered == run.requests { String::new() } else { format!(" of {} requests", run.requests) };
    format!("{answered} answered{of} ({}/s without errors), {} errors", figures(run.rate_per_s), run.errors)
}

/// The response times with the failed requests in the distribution, as they are judged.
fn of_all(all: &JudgedMs) -> Vec<String> {
    let cell = |key: &str, time: JudgedTime| if all.enough(key) { judged(time) } else { "n too small".to_owned() };
    vec![
        "with failures".to_owned(),
        cell("p50", all.p50),
        cell("p90", all.p90),
        cell("p99", all.p99),
        cell("p999", all.p999),
        judged(all.max),
        all.n.to_string(),
    ]
}

/// A time that failed requests are in.
pub(crate) fn judged(time: JudgedTime) -> String {
    match time.ms {
        None => "failed".to_owned(),
        Some(v) if time.at_least => format!(">= {}", ms(v)),
        Some(v) => ms(v),
    }
}

/// The rate of the successes; none where nothing succeeded, since what was not measured is no 0.
pub(crate) fn rate(per_s: f64, requests: u64, errors: u64) -> String {
    if errors >= requests { "–".to_owned() } else { format!("{}/s", figures(per_s)) }
}

/// Fields of a plan with the options that set them where there is no plan.
fn optioned(text: &str) -> String {
    text.replace("insecure_tls", "--insecure (insecure_tls in a plan)")
        .replace("client_certificate", "--cert FILE and --key FILE (client_certificate in a plan)")
}

/// A percentile; words where it has too few samples behind it.
fn cell(l: &LatencyMs, key: &str, v: Option<f64>) -> String {
    match v.filter(|_| l.n > 0) {
        None => "–".to_owned(),
        Some(_) if l.too_small.iter().any(|t| t == key) => "n too small".to_owned(),
        Some(v) => ms(v),
    }
}

/// The stages of a plan's load, each with its own figures: those of the whole run mix all levels.
fn stages(run: &Run) -> Done<()> {
    if run.stages.is_empty() {
        return Ok(());
    }
    let unit = if run.target_rate_per_s.is_some() { "/s" } else { " connections" };
    let row = |stage: &StageResult| {
        let level = if stage.kind == "ramp" {
            format!("{} to {}{unit}", figures(stage.from), figures(stage.to))
        } else {
            format!("{}{unit}", figures(stage.to))
        };
        let l = &stage.response_ms;
        vec![
            format!("{} {level}", stage.kind),
            format!("{} to {} s", figures(stage.start_s), figures(stage.start_s + stage.duration_s)),
            rate(stage.rate_per_s, stage.requests, stage.errors),
            cell(l, "p50", l.p50),
            cell(l, "p99", l.p99),
            stage.requests.to_string(),
            stage.errors.to_string(),
            stage.rate_share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
            if stage.invalid_reason.is_some() { "NOT HELD".to_owned() } else { String::new() },
        ]
    };
    output::line("")?;
    let heads = ["stage", "when", "rate", "p50", "p99", "n", "errors", "sent in time", ""];
    output::table(&heads, &run.stages.iter().map(row).collect::<Vec<_>>())
}

/// The steps of a plan, where there is more than one.
fn steps(run: &Run) -> Done<()> {
    if run.steps.len() < 2 {
        return Ok(());
    }
    let row = |step: &StepResult| {
        let times = step.response_ms.as_ref().unwrap_or(&step.service_ms);
        vec![
            plain(&step.name),
            rate(step.rate_per_s, step.requests, step.errors),
            cell(times, "p50", times.p50),
            cell(times, "p99", times.p99),
            step.requests.to_string(),
            step.errors.to_string(),
            step.misses.map_or_else(String::new, |n| n.to_string()),
        ]
    };
    output::line("")?;
    let heads = ["step", "rate", "p50", "p99", "n", "errors", "misses"];
    output::table(&heads, &run.steps.iter().map(row).collect::<Vec<_>>())
}

fn thresholds(run: &Run) -> Done<()> {
    if run.thresholds.is_empty() {
        return Ok(());
    }
    let row = |t: &ThresholdResult| {
        let bound = if t.at_least { ">= " } else { "" };
        let actual = t.actual.map_or_else(|| "–".to_owned(), |v| format!("{bound}{} {}", figures(v), t.unit));
        let verdict = match (t.ok, t.unjudged) {
            (true, _) => "holds",
            (false, true) => "NOT JUDGED",
            (false, false) => "FAILS",
        };
        vec![plain(&t.text), actual, verdict.to_owned(), t.note.clone().unwrap_or_default()]
    };
    output::line("")?;
    output::table(&["threshold", "measured", "", ""], &run.thresholds.iter().map(row).collect::<Vec<_>>())
}
