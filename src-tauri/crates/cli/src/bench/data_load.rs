//! `perfctl bench sql` and `bench cache`: plans made of a few options.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::plan::{
    self as plans, Action, Arrivals, CacheStep, FeedMode, FeedSource, FeedSpec, Plan, PlanLoad, Span, SqlParameter,
    SqlStep, SqlType, Step, TypedParameter, Warmup,
};
use perfdeck_engine::sqltext::{Dialect, parameters as count_parameters, statements};
use perfdeck_engine::{BenchSpec, Engine, PlanFolder};
use perfdeck_model::{ApiError, Environment};

use crate::args::Source;
use crate::bench::args::{BenchCache, BenchSql, PaceArgs};
use crate::bench::measuring::{measure, measure_with};
use crate::files::read;
use crate::output::Done;

/// A script is text of this size at most, in bytes.
const LIMIT: u64 = 16 << 20;

fn span(time: Duration) -> Span {
    Span(time)
}

fn plan(name: &str, pace: &PaceArgs) -> Plan {
    let mut plan = Plan::new(name);
    plan.seed = pace.seed;
    plan.duration = Some(span(pace.duration));
    plan.timeout = span(pace.timeout);
    plan.warmup = (!pace.warmup.is_zero()).then_some(Warmup::Fixed { duration: span(pace.warmup) });
    plan.thresholds.clone_from(&pace.thresholds);
    plan.load = match pace.rate {
        None => PlanLoad::Closed { connections: pace.connections, think_time: None },
        Some(rate_per_s) => PlanLoad::Open {
            rate_per_s,
            arrivals: if pace.poisson { Arrivals::Poisson } else { Arrivals::Constant },
            max_in_flight: pace.connections,
            late_limit: pace.late_limit.map(span),
        },
    };
    plan
}

fn step(name: String, weight: f64, action: Action) -> Step {
    Step { name, weight, action }
}

/// `LOW..HIGH`.
fn range(text: &str) -> Option<(i64, i64)> {
    let (low, high) = text.split_once("..")?;
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}

/// A parameter as it is written on the command line; what is drawn anew each time becomes a feed.
fn parameter(text: &str, number: usize, feeds: &mut Vec<FeedSpec>) -> Result<SqlParameter, ApiError> {
    let wrong = || {
        ApiError::bad_request(format!("--param {number}: it draws from nothing"))
            .hint("Write uniform:1..1000, zipf:1000 or sequence:1..1000")
    };
    let source = match text.split_once(':') {
        Some(("uniform", rest)) => {
            let (from, to) = range(rest).ok_or_else(wrong)?;
            Some(FeedSource::Uniform { from, to, prefix: String::new() })
        }
        Some(("sequence", rest)) => {
            let (from, to) = range(rest).ok_or_else(wrong)?;
            Some(FeedSource::Sequence { from, to, step: 1 })
        }
        Some(("zipf", rest)) => {
            let items = rest.trim().parse().map_err(|_| wrong())?;
            Some(FeedSource::Zipf { items, exponent: 1.0, prefix: String::new() })
        }
        _ => None,
    };
    let typed = |value: String, kind| Ok(SqlParameter::Typed(TypedParameter { value, kind }));
    let Some(source) = source else {
        return match text.strip_prefix("text:") {
            Some(text) => typed(text.to_owned(), SqlType::Text),
            None if text.eq_ignore_ascii_case("null") => typed(String::new(), SqlType::Null),
            None => typed(text.to_owned(), SqlType::Inferred),
        };
    };
    let name = format!("p{number}");
    let value = format!("{{{{{name}}}}}");
    feeds.push(FeedSpec { name, mode: None::<FeedMode>, source });
    typed(value, SqlType::Inferred)
}

/// Whose lexical rules a script follows.
fn dialect(environment: Option<&Environment>) -> Result<Dialect, ApiError> {
    let database = environment.and_then(|e| e.targets.database.as_ref()).ok_or_else(|| {
        ApiError::bad_request("A script needs an environment with a database").hint("Name it with --env")
    })?;
    Ok(perfdeck_engine::dialect(database.address.scheme))
}

fn takes_parameters(statement: &str, dialect: Dialect) -> bool {
    count_parameters(statement, dialect) > 0
}

fn sql_plan(args: &BenchSql, environment: Option<&Environment>) -> Result<Plan, ApiError> {
    let mut plan = plan("SQL", &args.pace);
    let one = |statement: String, parameters: Vec<SqlParameter>| {
        let (transaction, prepared) = (args.transaction, !args.simple);
        Action::Sql(SqlStep { statement, parameters, transaction, prepared })
    };
    let mut parameters = Vec::new();
    for (i, text) in args.params.iter().enumerate() {
        parameters.push(parameter(text, i + 1, &mut plan.feeds)?);
    }
    if let Some(file) = &args.script {
        let script = read(file, LIMIT)?;
        let dialect = dialect(environment)?;
        let all = statements(&script, dialect)
            .map_err(|refused| ApiError::bad_request(format!("{}, {refused}", file.display())).hint(refused.hint))?;
        if all.is_empty() {
            return Err(ApiError::bad_request(format!("{}: it has no statement", file.display())));
        }
        plan.name = file.file_name().map_or_else(|| "script".to_owned(), |name| name.to_string_lossy().into_owned());
        plan.scenario = true;
        let takes: Vec<usize> = (0..all.len()).filter(|i| takes_parameters(all[*i].text, dialect)).collect();
        if !parameters.is_empty() && takes.len() != 1 {
            let how_many = if takes.is_empty() {
                "none of its statements has".to_owned()
            } else {
                format!("{} of its statements have", takes.len())
            };
            return Err(ApiError::bad_request(format!(
                "--param: it is for --sql, or for the only statement of a script that has parameters; {how_many} any"
            ))
            .hint("Write the values into the script, or a plan with parameters for each of its steps (bench run)"));
        }
        for (i, statement) in all.into_iter().enumerate() {
            let parameters = if takes.contains(&i) { std::mem::take(&mut parameters) } else { Vec::new() };
            plan.steps.push(step(format!("statement {}", i + 1), 1.0, one(statement.text.to_owned(), parameters)));
        }
        return Ok(plan);
    }
    plan.steps.push(step("statement".to_owned(), 1.0, one(args.sql.clone().unwrap_or_default(), parameters)));
    Ok(plan)
}

fn cache_plan(args: &BenchCache) -> Result<Plan, ApiError> {
    let mut plan = plan("cache", &args.pace);
    plan.pipeline = args.pipeline;
    let (prefix, items) = (args.prefix.clone(), args.keys);
    let source = match args.zipf {
        Some(exponent) => FeedSource::Zipf { items, exponent, prefix },
        None => FeedSource::Uniform { from: 0, to: i64::try_from(items.max(1) - 1).unwrap_or(i64::MAX), prefix },
    };
    plan.feeds.push(FeedSpec { name: "key".to_owned(), mode: None, source });
    let mut value_used = false;
    for part in args.mix.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (command, weight) = part.split_once('=').unwrap_or((part, "1"));
        let weight: f64 = weight.trim().parse().ok().filter(|w| *w >= 0.0 && f64::is_finite(*w)).ok_or_else(|| {
            ApiError::bad_request("--mix: a weight is a number of 0 or more").hint("Write get=9,set=1")
        })?;
        let command = command.trim().to_ascii_uppercase();
        let mut list = vec!["{{key}}".to_owned()];
        if matches!(command.as_str(), "SET" | "APPEND" | "LPUSH" | "RPUSH" | "SADD" | "GETSET") {
            list.push("{{value}}".to_owned());
            value_used = true;
        }
        plan.steps.push(step(command.to_ascii_lowercase(), weight, Action::Cache(CacheStep { command, args: list })));
    }
    if value_used {
        // One value, always the same: what it holds does not matter to a cache, only how long it is.
        let length = usize::try_from(args.value_size.max(1)).unwrap_or(1);
        plan.variables.insert("value".to_owned(), "x".repeat(length));
    }
    Ok(plan)
}

pub(crate) async fn sql(engine: &Arc<Engine>, args: &BenchSql, source: &Source, json: bool) -> Done {
    let spec = |environment: Option<&Environment>| {
        let toml = plans::to_toml(&sql_plan(args, environment)?);
        Ok(BenchSpec::Plan { toml, threads: args.pace.threads })
    };
    measure_with(engine, spec, &args.at, source, PlanFolder::default(), json).await
}

pub(crate) async fn cache(engine: &Arc<Engine>, args: &BenchCache, source: &Source, json: bool) -> Done {
    let spec = BenchSpec::Plan { toml: plans::to_toml(&cache_plan(args)?), threads: args.pace.threads };
    measure(engine, spec, &args.at, source, PlanFolder::default(), json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_values_or_drawn() {
        let mut feeds = Vec::new();
        let kind = |p: SqlParameter| match p {
            SqlParameter::Typed(t) => t.kind,
            SqlParameter::Plain(_) => SqlType::Text,
        };
        assert_eq!(kind(parameter("7", 1, &mut feeds).expect("a number")), SqlType::Inferred, "the server knows");
        assert_eq!(kind(parameter("NULL", 1, &mut feeds).expect("nothing")), SqlType::Null, "no value");
        let text = parameter("text:null", 1, &mut feeds).expect("a text");
        assert_eq!(
            text,
            SqlParameter::Typed(TypedParameter { value: "null".to_owned(), kind: SqlType::Text }),
            "the word"
        );
        assert_eq!(kind(parameter("a:b", 1, &mut feeds).expect("a text")), SqlType::Inferred, "of a text too");
        assert!(feeds.is_empty(), "fixed values need no feed");
        parameter("uniform:1..10", 2, &mut feeds).expect("drawn");
        assert_eq!(feeds.len(), 1, "what is drawn has a feed");
        assert!(parameter("uniform:x", 3, &mut feeds).is_err(), "a range has two numbers");
    }
}
