//! `perfctl bench compare` and `duet`: two runs or two sides held against each other.
use perfdeck_engine as api;
use perfdeck_engine::bench::ComparePair;
use perfdeck_engine::{BenchSpec, ById, DuetRequest, DuetSide, Engine, Hooks, PlanFolder, StoredComparison};
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::compare::{MetricComparison, Verdict};
use perfdeck_model::{ApiError, JobResult, JobState, Topic, Watching};

use crate::args::Source;
use crate::bench::args::BenchDuet;
use crate::bench::measuring::{announce, follow, so_far, spec};
use crate::bench::plans::{self, is_plan};
use crate::output::{self, Done, figures, plain};
use crate::{FAILED, FINE, INCOMPLETE, USAGE, VERDICT, environments, unless_stopped};

pub(crate) async fn runs(engine: &Arc<Engine>, a: &str, b: &str, changed: &[String], json: bool) -> Done {
    let pair = ComparePair { a: a.to_owned(), b: b.to_owned(), changed: changed.to_vec() };
    let found = api::bench::compare_runs(engine.clone(), pair).await?;
    show(&found, json)?;
    let differences = &found.comparison.differences;
    if differences.iter().any(|d| d.starts_with("setting ") || d.starts_with("version ")) {
        output::note("hint: Where that is the change itself, name it: --changed 'setting.*' or --changed 'version.*'");
    }
    // One run a side gives no verdict, so there is none to fail.
    Ok(if found.comparison.verdict == Verdict::Invalid { INCOMPLETE } else { FINE })
}

fn words(command: Option<&String>) -> Option<Vec<String>> {
    command.map(|c| c.split_whitespace().map(str::to_owned).collect())
}

pub(crate) async fn duet(engine: &Arc<Engine>, args: &BenchDuet, source: &Source, json: bool) -> Done {
    let plan = is_plan(&args.target_a);
    if !args.noise
        && args.url_b.is_none()
        && args.hook_a.is_none()
        && args.hook_b.is_none()
        && !(plan && args.a != args.b)
    {
        let hint =
            "Name a second URL, two environments with --a and --b for a plan, hooks that switch the target, or --noise";
        return Err(ApiError::bad_request("A duet needs two sides").hint(hint).into());
    }
    let path = Path::new(&args.target_a);
    let folder = if plan { plans::folder(path) } else { PlanFolder::default() };
    let mut sides = Vec::new();
    let target_b = args.url_b.as_ref().unwrap_or(&args.target_a);
    let env_b = if args.noise { &args.a } else { &args.b };
    for (target, name, fallback) in [(&args.target_a, &args.a, "A"), (target_b, env_b, "B")] {
        let environment = match name {
            Some(name) => environments::resolve(engine, Some(name), source).await?,
            None => None,
        };
        let label = match (&environment, args.url_b.is_some()) {
            (Some(e), _) => e.name.clone(),
            (None, two) if two || args.noise => target.clone(),
            (None, _) => fallback.to_owned(),
        };
        let spec = if is_plan(target) {
            let Some(spec) = plans::spec(Path::new(target), args.load.threads)? else { return Ok(USAGE) };
            spec
        } else {
            BenchSpec::Http(spec(target, &args.load)?)
        };
        let environment_id = environment.map(|e| e.id);
        announce(engine, &spec, environment_id.as_deref(), &folder).await?;
        sides.push(DuetSide { label, environment_id, spec });
    }
    let (Some(b), Some(a)) = (sides.pop(), sides.pop()) else {
        return Err(ApiError::internal("A duet has two sides").into());
    };
    let request = DuetRequest {
        a,
        b,
        pairs: args.pairs,
        seed: args.seed,
        rest_s: args.rest.as_secs_f64(),
        name: args.name.clone(),
        confirm: args.confirm.clone(),
        noise: args.noise,
        changed: args.changed.clone(),
        metrics: args.metrics.clone(),
    };
    let hooks = Hooks { a: words(args.hook_a.as_ref()), b: words(args.hook_b.as_ref()) };
    let mut viewer = engine.watch(Watching::only(None, &[Topic::Bench])).await?;
    let job = unless_stopped(engine.duet_start(request, hooks, folder)).await?;
    let (end, runs) = follow(engine, &mut viewer, &job).await?;
    let id = match (end.state, end.result, end.error) {
        // One that was stopped has the pairs that were complete.
        (JobState::Done | JobState::Cancelled, Some(JobResult::Comparison(id)), _) => id,
        (_, _, Some(error)) => return Err(error.into()),
        _ => {
            so_far(engine, &runs, json).await?;
            return Ok(FAILED);
        }
    };
    let found = api::bench::comparison_get(engine.clone(), ById { id }).await?;
    show(&found, json)?;
    if end.state == JobState::Cancelled {
        return Ok(FAILED);
    }
    Ok(match found.comparison.verdict {
        Verdict::Slower => VERDICT,
        Verdict::Invalid | Verdict::Inconclusive => INCOMPLETE,
        _ => FINE,
    })
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{:+.1} %", v * 100.0))
}

fn row(m: &MetricComparison) -> Vec<String> {
    let name = if m.primary { format!("{} *", m.name) } else { m.name.clone() };
    let median = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| format!("{} {}", figures(v), m.unit));
    vec![
        name,
        median(m.a_median),
        median(m.b_median),
        percent(m.effect),
        percent(m.low),
        percent(m.high),
        m.pairs.to_string(),
        m.note.clone().unwrap_or_else(|| m.verdict.word().to_owned()),
    ]
}

fn show(found: &StoredComparison, json: bool) -> Done<()> {
    if json {
        return output::json(found);
    }
    let c = &found.comparison;
    output::line(&plain(&c.sentence))?;
    output::line(&plain(&format!("A {}, B {}", found.label_a, found.label_b)))?;
    output::line("")?;
    let heads = ["metric", "A", "B", "effect", "low", "high", "pairs", "verdict"];
    output::table(&heads, &c.metrics.iter().map(row).collect::<Vec<_>>())?;
    output::line("* chosen beforehand; the others are exploratory")?;
    for text in c.differences.iter().map(|d| format!("not comparable: {d}")) {
        output::line(&plain(&text))?;
    }
    for text in c.notes.iter().chain(&c.invalid_reasons).chain(&c.exclusions) {
        output::line(&plain(&format!("note: {text}")))?;
    }
    Ok(())
}
