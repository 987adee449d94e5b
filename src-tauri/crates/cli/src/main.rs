//! `perfctl`, the headless face of Perfdeck: a thin shell over the engine's commands.
#![forbid(unsafe_code)]

mod answers;
mod args;
mod bench;
mod cache;
mod changes;
mod command;
mod database;
mod deleted;
mod demo;
mod environments;
mod files;
mod health;
mod journal;
mod monitoring;
mod output;
mod reports;
mod serve;
mod usage;

use perfdeck_engine as api;
use perfdeck_engine::{Empty, Engine, EngineOptions, stop_requested_again};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
pub(crate) use perfdeck_engine::stop_requested;
use perfdeck_model::{ApiError, DEMO_ENVIRONMENT_ID, ErrorCode, JobResult, JobState, JobStatus};

use crate::bench::args::BenchCommand;
use crate::command::{Cli, Command};
use crate::environments::args::EnvCommand;
use crate::output::{Done, Failure};

/// All went well.
const FINE: u8 = 0;
/// The command failed.
const FAILED: u8 = 1;
/// The command was used wrongly.
const USAGE: u8 = 2;
/// A verdict failed.
const VERDICT: u8 = 3;
/// How long a command may take to end by itself once it was asked to.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);
/// Something could not be measured, or a run's figures cannot be trusted.
const INCOMPLETE: u8 = 4;

fn main() -> ExitCode {
    perfdeck_engine::logs::quiet_panics("perfctl");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::refuse(&error),
    };
    if let Err(error) = log(cli.verbose) {
        output::error(&error);
        return ExitCode::from(USAGE);
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if matches!(cli.command, Command::Monitor(_)) {
        // Collecting once a second is work for one thread; more only wake each other.
        builder.worker_threads(1);
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&ApiError::internal(format!("The runtime could not be started: {error}")));
            return ExitCode::from(FAILED);
        }
    };
    let code = match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(Failure::Closed) => FINE,
        Err(Failure::Api(error)) => {
            output::error(&error);
            if error.code == ErrorCode::BadRequest { USAGE } else { FAILED }
        }
    };
    // A blocked thread (a slow name server) does not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn log(verbose: u8) -> Result<(), ApiError> {
    use std::io::IsTerminal;
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    perfdeck_engine::logs::init(level, colour)
}

/// Waits for what comes before the first request, such as the questions of the guards, unless it is stopped.
pub(crate) async fn unless_stopped<T>(work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::select! {
        // A job that was started would be nobody's.
        biased;
        () = stop_requested() => Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its first request")),
        done = work => done,
    }
}

/// Waits for a job that is not the benchmark; answers its result.
pub(crate) async fn finish(engine: &Arc<Engine>, job: &JobStatus) -> Result<Option<JobResult>, ApiError> {
    result_of(ended(engine, job).await?)
}

/// Waits for the end of a job; a request to end stops it.
async fn ended(engine: &Arc<Engine>, job: &JobStatus) -> Result<JobStatus, ApiError> {
    let end = tokio::select! {
        end = engine.jobs().wait(&job.id) => end,
        () = stop_requested() => {
            engine.jobs().cancel(&job.id);
            engine.jobs().wait(&job.id).await
        }
    };
    end.ok_or_else(|| ApiError::internal("The job is no longer known"))
}

/// The result of a job that ran to its end.
pub(crate) fn result_of(end: JobStatus) -> Result<Option<JobResult>, ApiError> {
    match end.state {
        JobState::Done => Ok(end.result),
        JobState::Cancelled => Err(ApiError::new(ErrorCode::Cancelled, format!("'{}' was stopped", end.title))),
        _ => Err(end.error.unwrap_or_else(|| ApiError::internal(format!("'{}' failed", end.title)))),
    }
}

/// Builds the demo environment when it is the one that is meant, so that nothing waits for it silently.
pub(crate) async fn prepare(engine: &Arc<Engine>, environment: &str) -> Result<(), ApiError> {
    if environment == DEMO_ENVIRONMENT_ID { demo(engine).await } else { Ok(()) }
}

async fn demo(engine: &Arc<Engine>) -> Result<(), ApiError> {
    let job = api::environments::demo_open(engine.clone(), Empty {}).await?;
    result_of(ended_shown(engine, &job).await?).map(|_| ())
}

/// Waits for the end of a job with a progress bar; a request to end stops it.
pub(crate) async fn ended_shown(engine: &Arc<Engine>, job: &JobStatus) -> Result<JobStatus, ApiError> {
    let bar = bench::measuring::bar();
    bar.set_length(1000);
    let watched = {
        let (engine, bar, id) = (engine.clone(), bar.clone(), job.id.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
            loop {
                tick.tick().await;
                let Some(status) = engine.jobs().get(&id) else { return };
                bar.set_position((status.progress.unwrap_or(0.0) * 1000.0) as u64);
                bar.set_message(status.step);
            }
        })
    };
    let end = ended(engine, job).await;
    watched.abort();
    bar.finish_and_clear();
    end
}

/// Ends with the command, or when its second request to end shows that somebody does not want to wait for it, or when it
/// does not end by itself after the first one.
async fn impatient() {
    stop_requested().await;
    tokio::select! {
        () = stop_requested_again() => {}
        () = tokio::time::sleep(PATIENCE) => {}
    }
}

async fn run(cli: Cli) -> Done {
    match &cli.command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "perfctl", &mut text);
            output::line(String::from_utf8_lossy(&text).trim_end())?;
            return Ok(FINE);
        }
        Command::Man { dir: Some(dir) } => {
            std::fs::create_dir_all(dir)?;
            clap_mangen::generate_to(Cli::command(), dir)?;
            return Ok(FINE);
        }
        Command::Man { dir: None } => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            output::line(String::from_utf8_lossy(&text).trim_end())?;
            return Ok(FINE);
        }
        Command::Schemas { dir } => {
            answers::write_schemas(dir)?;
            return Ok(FINE);
        }
        Command::Bench(BenchCommand::Plan(command)) => return bench::plans::plan(command, cli.json),
        _ => {}
    }
    let engine = Engine::open(EngineOptions { data_dir: cli.data_dir.clone(), clock: None }).await?;
    let done = if stops_itself(&cli.command) {
        tokio::select! {
            done = with_engine(&engine, &cli) => done,
            () = impatient() => Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its end").into()),
        }
    } else {
        with_engine(&engine, &cli).await
    };
    // Whatever runs is stored as it is.
    engine.shutdown().await;
    done
}

/// Whether a command ends by itself when it is asked to, with what it has so far. The others are ended by the system.
fn stops_itself(command: &Command) -> bool {
    match command {
        Command::Bench(command) => bench::stops_itself(command),
        Command::Db(command) => database::stops_itself(command),
        Command::Cache(command) => cache::stops_itself(command),
        Command::Env(command) => matches!(command, EnvCommand::Test(_)),
        Command::Monitor(_) | Command::Serve(_) | Command::Report(_) | Command::Demo(_) | Command::Changes(_) => true,
        _ => false,
    }
}

async fn with_engine(engine: &Arc<Engine>, cli: &Cli) -> Done {
    let (json, source) = (cli.json, &cli.source);
    match &cli.command {
        Command::Env(command) => environments::run(engine, command, source, json).await,
        Command::Monitor(args) => monitoring::monitor(engine, args, source, json).await,
        Command::Bench(command) => bench::run(engine, command, source, json).await,
        Command::Db(command) => database::run(engine, command, source, json).await,
        Command::Cache(command) => cache::run(engine, command, source, json).await,
        Command::Run(command) => reports::run(engine, command, source, json).await,
        Command::Journal(args) => journal::list(engine, args.env.as_deref(), args.limit, source, json).await,
        Command::Deleted => deleted::list(engine, json).await,
        Command::Restore(args) => deleted::restore(engine, &args.id, json).await,
        Command::Changes(command) => changes::run(engine, command, source, json).await,
        Command::Serve(args) => serve::serve(engine, args, json).await,
        Command::Report(args) => reports::report(engine, args, source, json).await,
        Command::Demo(args) => demo::demo(engine, args, source, json).await,
        // Handled before an engine was opened.
        Command::Completions { .. } | Command::Man { .. } | Command::Schemas { .. } => Ok(FINE),
    }
}
