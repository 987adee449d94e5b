//! Everything that is wrong with a plan before anything is sent.
use std::collections::BTreeSet;
use std::sync::Arc;

use super::check_steps;
use super::feed::{Feed, FeedError, open_feed};
use super::feed_spec::FeedSpec;
use super::model::{Auth, Plan, PlanLoad, Warmup};
use super::problem::{Known, Problem, Problems};
use super::profile::{LONGEST, Profile};
use super::rows::Files;
use super::template::is_name;
use super::threshold::{Metric, Threshold, Timing};
use super::variables::{Compiler, VariableError, used};

/// Reads a feed.
pub type OpenFeed<'a> = &'a dyn Fn(&FeedSpec) -> Result<Arc<Feed>, FeedError>;

/// Everything that is wrong with a plan, errors first. It can run when there is no [`Severity::Error`].
pub fn validate(plan: &Plan, files: &dyn Files) -> Vec<Problem> {
    validate_with(plan, files, &|spec| open_feed(spec, files))
}

/// The same with feeds that `open` reads, which may have read them before.
pub fn validate_with(plan: &Plan, files: &dyn Files, open: OpenFeed<'_>) -> Vec<Problem> {
    let mut problems = Problems::default();
    if plan.name.trim().is_empty() || plan.name.len() > 200 {
        problems.error("name", "a plan has a name of at most 200 bytes");
    }
    load(plan, &mut problems);
    let data = feeds(plan, open, &mut problems);
    if let Some(compiler) = variables(plan, &data, &mut problems) {
        let extracted = check_steps::extracted(plan);
        let login = match &plan.auth {
            Some(Auth::Login { step, .. }) => plan.steps.iter().position(|s| s.name == *step),
            _ => None,
        };
        let known = Known { compiler, data, extracted, login };
        unused(plan, &mut problems);
        auth(plan, &known, &mut problems);
        check_steps::steps(plan, &known, files, &mut problems);
        client_certificate(plan, files, &mut problems);
    }
    thresholds(plan, &mut problems);
    problems.list.sort_by_key(|p| p.severity);
    problems.list
}

fn load(plan: &Plan, problems: &mut Problems) {
    match &plan.load {
        PlanLoad::Closed { connections, think_time } => {
            problems.number("load.connections", f64::from(*connections), 1.0, 10_000.0, "connections");
            let highest = plan.stages.iter().filter_map(|s| s.to).fold(0.0, f64::max);
            problems.number("stages", highest, 0.0, 10_000.0, "connections");
            let think = think_time.map_or(0.0, super::values::Span::as_secs_f64);
            problems.number("load.think_time", think, 0.0, 3600.0, "s");
        }
        PlanLoad::Open { max_in_flight, late_limit, .. } => {
            problems.number("load.max_in_flight", f64::from(*max_in_flight), 1.0, 1e6, "iterations");
            if late_limit.is_some_and(|l| l.0.is_zero()) {
                problems.error("load.late_limit", "0 s would shed everything; leave it out to shed nothing");
            }
        }
    }
    problems.number("pipeline", f64::from(plan.pipeline), 1.0, 1_000.0, "commands");
    if plan.pipeline > 1 && !plan.steps.iter().all(|s| matches!(s.action, super::step::Action::Cache(_))) {
        problems.error("pipeline", "only a plan of cache steps alone can have several commands under way");
    }
    let field = if plan.stages.is_empty() { "load" } else { "stages" };
    if let Err(e) = Profile::of(plan) {
        problems.error(field, e.to_string());
    }
    if let (Some(duration), false) = (plan.duration, plan.stages.is_empty())
        && duration != plan.measured()
    {
        problems.error("duration", format!("the stages take {}; leave `duration` out", plan.measured()));
    }
    problems.number("duration", plan.measured().as_secs_f64(), 0.1, LONGEST, "s");
    problems.number("timeout", plan.timeout.as_secs_f64(), 0.001, 600.0, "s");
    let warmup = match plan.warmup {
        None => 0.0,
        Some(Warmup::Fixed { duration }) => duration.as_secs_f64(),
        Some(Warmup::UntilSteady { at_most }) => at_most.as_secs_f64(),
    };
    problems.number("warmup", warmup, 0.0, 3600.0, "s");
    if let Some(base) = &plan.base_url
        && !base.contains("{{")
    {
        check_steps::url("base_url", base, problems);
    }
}

fn feeds(plan: &Plan, open: OpenFeed<'_>, problems: &mut Problems) -> BTreeSet<String> {
    let mut data = BTreeSet::new();
    let mut names = BTreeSet::new();
    if plan.feeds.len() > 100 {
        problems.error("feeds", format!("{} feeds; a plan has at most 100", plan.feeds.len()));
        return data;
    }
    for feed in &plan.feeds {
        let field = format!("feeds.{}", feed.name.chars().take(80).collect::<String>());
        if !names.insert(&feed.name) {
            problems.error(&field, "two feeds have this name");
        }
        if plan.variables.contains_key(&feed.name) {
            problems.error(&field, "a variable has this name too");
        }
        match open(feed) {
            Ok(feed) => data.extend(feed.names()),
            Err(e) => {
                // Named where it is needed: the step that cannot run without it.
                let prefix = format!("{}.", feed.name);
                let mut texts = Vec::new();
                plan.steps.iter().for_each(|s| s.texts(&mut |_, text| texts.extend(used(text))));
                texts.extend(plan.variables.values().flat_map(|text| used(text)));
                texts.retain(|v| *v == feed.name || v.starts_with(&prefix));
                problems.error(&field, format!("{e}{}", needed_by(plan, texts.into_iter().collect())));
                data.insert(prefix);
                data.insert(feed.name.clone());
            }
        }
    }
    data
}

fn variables(plan: &Plan, data: &BTreeSet<String>, problems: &mut Problems) -> Option<Compiler> {
    for (name, value) in &plan.variables {
        let field = format!("variables.{name}");
        if !is_name(name) || name.contains('.') {
            problems.error(&field, "a variable's name has letters, digits, _ and -, and starts with a letter");
        }
        if data.contains(name) && !plan.feeds.iter().any(|f| f.name == *name) {
            problems.error(&field, "a feed has this name too");
        }
        if super::import::secrets::is_secret_name(name) && !value.contains("{{") && !value.starts_with("env:") {
            problems.warn(&field, "it looks like a secret; write env:NAME instead of the value");
        }
    }
    match Compiler::new(&plan.variables) {
        Ok(compiler) => Some(compiler),
        Err(e) => {
            let broken: BTreeSet<String> = match &e {
                VariableError::Cycle(members) => members.iter().cloned().collect(),
                VariableError::Template { name, .. } => BTreeSet::from([name.clone()]),
                VariableError::TooMany(_) => BTreeSet::new(),
            };
            problems.error("variables", format!("{e}{}", needed_by(plan, broken)));
            None
        }
    }
}

/// The steps that insert one of these variables, directly or through others.
fn needed_by(plan: &Plan, mut broken: BTreeSet<String>) -> String {
    // A pass more than the longest chain that matters to a reader; a plan with a circle cannot be followed to its end.
    for _ in 0..16 {
        let more = plan.variables.iter().filter(|(_, text)| used(text).iter().any(|v| broken.contains(v)));
        let more: Vec<String> = more.map(|(name, _)| name.clone()).collect();
        broken.extend(more);
    }
    let uses = |step: &&super::step::Step| {
        let mut found = false;
        step.texts(&mut |_, text| found |= used(text).iter().any(|v| broken.contains(v)));
        found
    };
    let steps: Vec<&str> = plan.steps.iter().filter(uses).map(|s| s.name.as_str()).take(3).collect();
    if steps.is_empty() { String::new() } else { format!(" (needed by step '{}')", steps.join("', '")) }
}

fn unused(plan: &Plan, problems: &mut Problems) {
    let mut all = BTreeSet::new();
    let mut add = |text: &str| all.extend(used(text));
    plan.variables.values().chain(&plan.base_url).for_each(|text| add(text));
    match &plan.auth {
        Some(Auth::Bearer { token: secret } | Auth::Header { value: secret, .. }) => add(secret.as_str()),
        Some(Auth::Basic { user, password }) => {
            add(user);
            add(password.as_str());
        }
        Some(Auth::Login { value: Some(value), .. }) => add(value),
        _ => {}
    }
    for step in &plan.steps {
        step.texts(&mut |_, text| add(text));
        if let super::step::Action::Http(http) = &step.action
            && let Some(json) = &http.json
        {
            check_steps::json_texts(&json.0, &mut |text| add(text));
        }
    }
    for feed in &plan.feeds {
        let prefix = format!("{}.", feed.name);
        if !all.iter().any(|v| *v == feed.name || v.starts_with(&prefix)) {
            problems.warn(&format!("feeds.{}", feed.name), "no template uses it");
        }
    }
}

fn auth(plan: &Plan, known: &Known, problems: &mut Problems) {
    match &plan.auth {
        None => {}
        Some(Auth::Bearer { token }) => known.template(plan, None, "auth.token", &token.template(), problems),
        Some(Auth::Basic { user, password }) => {
            known.template(plan, None, "auth.user", user, problems);
            known.template(plan, None, "auth.password", &password.template(), problems);
        }
        Some(Auth::Header { name, value }) => {
            check_steps::header_name("auth.name", name, problems);
            known.template(plan, None, "auth.value", &value.template(), problems);
        }
        Some(Auth::Login { step, var, header, value }) => {
            if let Some(header) = header {
                check_steps::header_name("auth.header", header, problems);
            }
            if let Some(value) = value {
                known.template(plan, None, "auth.value", value, problems);
            }
            check_steps::login(plan, step, var, known, problems);
        }
    }
}

fn client_certificate(plan: &Plan, files: &dyn Files, problems: &mut Problems) {
    let Some(named) = &plan.client_certificate else { return };
    if let Err(e) = perfdeck_net::client_auth::ClientAuth::load(named, |name, limit| files.read(name, limit)) {
        let message = e.message.strip_prefix("client_certificate: ").unwrap_or(&e.message);
        let hint = e.hint.map_or(String::new(), |hint| format!("; {hint}"));
        problems.error("client_certificate", format!("{message}{hint}"));
    }
}

fn thresholds(plan: &Plan, problems: &mut Problems) {
    let varies = Profile::of(plan).is_ok_and(|p| p.varies());
    for text in &plan.thresholds {
        let threshold = match Threshold::parse(text) {
            Ok(threshold) => threshold,
            Err(e) => {
                problems.error("thresholds", e.to_string());
                continue;
            }
        };
        problems.step = threshold.step().map(str::to_owned);
        if let Some(step) = threshold.step()
            && plan.step(step).is_none()
        {
            problems.error("thresholds", format!("'{text}': there is no step '{step}'"));
        }
        let lag = matches!(
            threshold.metric(),
            Metric::Min(Timing::Lag)
                | Metric::Mean(Timing::Lag)
                | Metric::Max(Timing::Lag)
                | Metric::Quantile(Timing::Lag, _)
        );
        if lag && matches!(plan.load, PlanLoad::Closed { .. }) {
            problems.error("thresholds", format!("'{text}': a closed loop has no schedule to be late for"));
        }
        let level = matches!(threshold.metric(), Metric::Rate | Metric::Quantile(..) | Metric::Mean(_));
        if varies && level && !lag {
            problems.warn("thresholds", format!("'{text}': over changing stages it mixes all levels"));
        }
        problems.step = None;
    }
}
