//! Benchmarks of a database or a cache that are asked for by a few values: the plans that they are.
use perfdeck_model::ApiError;
use perfdeck_plan::{
    Action, Arrivals, CacheStep, FeedSource, FeedSpec, Plan, PlanLoad, Span, SqlParameter, SqlStep, SqlType, Step,
    TypedParameter, Warmup, to_toml,
};
use perfdeck_sqltext::{Dialect, parameters, statements};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::features::bench::work::BenchSpec;

/// Commands of a cache that take a value after the key.
const WITH_VALUE: [&str; 6] = ["SET", "APPEND", "LPUSH", "RPUSH", "SADD", "GETSET"];
/// Bytes of a value that is set, at most.
const LARGEST_VALUE: u32 = 16 << 20;
/// Name of the plan of one statement.
const ONE: &str = "SQL";

/// How the statements of a database or the commands of a cache are started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Pace {
    /// Connections held open.
    pub connections: u32,
    /// Starts per second over all connections (open loop); as fast as answers come when absent.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// Random starts at that rate, as from many independent users, instead of evenly spaced ones.
    #[serde(default)]
    pub poisson: bool,
    /// Starts that are later than this, in seconds, are left out and count as errors.
    #[serde(default)]
    pub late_limit_s: Option<f64>,
    /// Generator threads; chosen by the engine when absent.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Time before measuring, in seconds; excluded from every figure.
    #[serde(default)]
    pub warmup_s: f64,
    /// Deadline of one statement or command, in seconds.
    pub timeout_s: f64,
    /// Seed of every random choice.
    #[serde(default = "one")]
    pub seed: u32,
    /// What must hold at the end, such as `p99<5ms`.
    #[serde(default)]
    pub thresholds: Vec<String>,
}

fn one() -> u32 {
    1
}

/// Value of a parameter of a statement, of the type that the server gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SqlValue {
    /// Always the same.
    Constant {
        /// The value; the server knows its type.
        value: String,
    },
    /// Always the same, as a text whatever it looks like.
    Text {
        /// The text.
        text: String,
    },
    /// NULL.
    Null,
    /// Whole numbers, each as likely.
    Uniform {
        /// Smallest.
        #[ts(type = "number")]
        from: i64,
        /// Largest.
        #[ts(type = "number")]
        to: i64,
    },
    /// Numbers from 0 to `items` − 1, of which number k has a share ∝ 1 / (k + 1).
    Zipf {
        /// How many different ones.
        #[ts(type = "number")]
        items: u64,
    },
    /// Whole numbers in order, from the start again after the last.
    Sequence {
        /// First.
        #[ts(type = "number")]
        from: i64,
        /// Last.
        #[ts(type = "number")]
        to: i64,
    },
}

/// A benchmark of a database: one statement again and again, or a script of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct SqlBenchSpec {
    /// A statement, with `$1` (PostgreSQL, SQLite) or `?` (MySQL, MariaDB, SQLite) for parameters; or a script.
    pub statement: String,
    /// Name of the script, when it is one: its statements, each ended by a semicolon, are one transaction with a time and a
    /// rate of its own.
    #[serde(default)]
    pub script: Option<String>,
    /// Values of the parameters, in their order; of a script, of its only statement that has any.
    #[serde(default)]
    pub parameters: Vec<SqlValue>,
    /// Each statement in a transaction of its own.
    #[serde(default)]
    pub transaction: bool,
    /// Prepared once per connection, instead of sent anew each time.
    #[serde(default = "yes")]
    pub prepared: bool,
    /// How they are started.
    pub pace: Pace,
}

fn yes() -> bool {
    true
}

/// A command of a cache and its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct CacheShare {
    /// `GET`, `SET`, `DEL`, `INCR`, or any other with the key as its only argument.
    pub command: String,
    /// Share relative to the others; 0 is never.
    pub weight: f64,
}

/// A benchmark of a cache: a mix of commands on keys that are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct CacheBenchSpec {
    /// Commands with their shares.
    pub mix: Vec<CacheShare>,
    /// What keys begin with; a number follows.
    pub prefix: String,
    /// Different keys.
    #[ts(type = "number")]
    pub keys: u64,
    /// Exponent of a Zipf distribution of the keys; evenly drawn when absent.
    #[serde(default)]
    pub zipf: Option<f64>,
    /// Bytes of a value that is set.
    pub value_size: u32,
    /// Commands under way per connection.
    #[serde(default = "one")]
    pub pipeline: u32,
    /// How they are started.
    pub pace: Pace,
}

fn span(field: &str, seconds: f64) -> Result<Span, ApiError> {
    Span::from_secs(seconds).ok_or_else(|| ApiError::bad_request(format!("{field}: {seconds} is no length of time")))
}

/// A plan with this pace and without steps.
fn paced(name: &str, pace: &Pace) -> Result<Plan, ApiError> {
    let mut plan = Plan::new(name);
    plan.seed = pace.seed;
    plan.duration = Some(span("duration_s", pace.duration_s)?);
    plan.timeout = span("timeout_s", pace.timeout_s)?;
    let warmup = span("warmup_s", pace.warmup_s)?;
    plan.warmup = (!warmup.0.is_zero()).then_some(Warmup::Fixed { duration: warmup });
    plan.thresholds.clone_from(&pace.thresholds);
    plan.load = match pace.rate_per_s {
        None => PlanLoad::Closed { connections: pace.connections, think_time: None },
        Some(rate_per_s) => PlanLoad::Open {
            rate_per_s,
            arrivals: if pace.poisson { Arrivals::Poisson } else { Arrivals::Constant },
            max_in_flight: pace.connections,
            late_limit: pace.late_limit_s.map(|s| span("late_limit_s", s)).transpose()?,
        },
    };
    Ok(plan)
}

/// A parameter of a plan's step; what is drawn anew each time is a feed of the plan.
fn parameter(value: &SqlValue, number: usize, feeds: &mut Vec<FeedSpec>) -> SqlParameter {
    let typed = |value: String, kind| SqlParameter::Typed(TypedParameter { value, kind });
    let source = match value {
        SqlValue::Constant { value } => return typed(value.clone(), SqlType::Inferred),
        SqlValue::Text { text } => return typed(text.clone(), SqlType::Text),
        SqlValue::Null => return typed(String::new(), SqlType::Null),
        SqlValue::Uniform { from, to } => FeedSource::Uniform { from: *from, to: *to, prefix: String::new() },
        SqlValue::Sequence { from, to } => FeedSource::Sequence { from: *from, to: *to, step: 1 },
        SqlValue::Zipf { items } => FeedSource::Zipf { items: *items, exponent: 1.0, prefix: String::new() },
    };
    let name = format!("p{number}");
    let value = format!("{{{{{name}}}}}");
    feeds.push(FeedSpec { name, mode: None, source });
    typed(value, SqlType::Inferred)
}

fn step(name: String, weight: f64, action: Action) -> Step {
    Step { name, weight, action }
}

/// The statements of a script, which are one transaction.
fn scripted(
    spec: &SqlBenchSpec,
    mut plan: Plan,
    values: Vec<SqlParameter>,
    dialect: Dialect,
) -> Result<Plan, ApiError> {
    let all = statements(&spec.statement, dialect).map_err(|refused| {
        ApiError::bad_request(format!("{}, {refused}", perfdeck_model::masking::title(&plan.name))).hint(refused.hint)
    })?;
    if all.is_empty() {
        return Err(ApiError::bad_request(format!(
            "{}: it has no statement",
            perfdeck_model::masking::title(&plan.name)
        )));
    }
    plan.scenario = true;
    let takes: Vec<usize> = (0..all.len()).filter(|i| parameters(all[*i].text, dialect) > 0).collect();
    if !values.is_empty() && takes.len() != 1 {
        let how_many = if takes.is_empty() {
            "none of its statements has".to_owned()
        } else {
            format!("{} of its statements have", takes.len())
        };
        return Err(ApiError::bad_request(format!(
            "parameters: they are for one statement, or for the only one of a script that has any; {how_many} any"
        ))
        .hint("Write the values into the script, or a plan with parameters for each of its steps"));
    }
    let mut values = Some(values);
    for (i, statement) in all.into_iter().enumerate() {
        let own = if takes.contains(&i) { values.take().unwrap_or_default() } else { Vec::new() };
        plan.steps.push(step(format!("statement {}", i + 1), 1.0, sql_step(spec, statement.text.to_owned(), own)));
    }
    Ok(plan)
}

fn sql_step(spec: &SqlBenchSpec, statement: String, parameters: Vec<SqlParameter>) -> Action {
    Action::Sql(SqlStep { statement, parameters, transaction: spec.transaction, prepared: spec.prepared })
}

/// The plan of a benchmark of a database, whose lexical rules a script follows.
///
/// # Errors
/// The field that is wrong, or the statement of a script.
pub(crate) fn sql_plan(spec: &SqlBenchSpec, dialect: Option<Dialect>) -> Result<Plan, ApiError> {
    let mut plan = paced(spec.script.as_deref().unwrap_or(ONE), &spec.pace)?;
    let values: Vec<SqlParameter> =
        spec.parameters.iter().enumerate().map(|(i, value)| parameter(value, i + 1, &mut plan.feeds)).collect();
    if spec.script.is_some() {
        let dialect = dialect.ok_or_else(|| {
            ApiError::bad_request("A script needs an environment with a database")
                .remedy(perfdeck_model::Remedy::NameEnvironment)
        })?;
        return scripted(spec, plan, values, dialect);
    }
    plan.steps.push(step("statement".to_owned(), 1.0, sql_step(spec, spec.statement.clone(), values)));
    Ok(plan)
}

/// The plan of a benchmark of a cache.
///
/// # Errors
/// The field that is wrong.
pub(crate) fn cache_plan(spec: &CacheBenchSpec) -> Result<Plan, ApiError> {
    let mut plan = paced("cache", &spec.pace)?;
    plan.pipeline = spec.pipeline;
    let (prefix, items) = (spec.prefix.clone(), spec.keys);
    let source = match spec.zipf {
        Some(exponent) => FeedSource::Zipf { items, exponent, prefix },
        None => FeedSource::Uniform { from: 0, to: i64::try_from(items.max(1) - 1).unwrap_or(i64::MAX), prefix },
    };
    plan.feeds.push(FeedSpec { name: "key".to_owned(), mode: None, source });
    let mut value_used = false;
    for CacheShare { command, weight } in &spec.mix {
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(ApiError::bad_request("mix: a weight is a number of 0 or more"));
        }
        let command = command.trim().to_ascii_uppercase();
        let mut args = vec!["{{key}}".to_owned()];
        if WITH_VALUE.contains(&command.as_str()) {
            args.push("{{value}}".to_owned());
            value_used = true;
        }
        plan.steps.push(step(command.to_ascii_lowercase(), *weight, Action::Cache(CacheStep { command, args })));
    }
    if value_used {
        if spec.value_size > LARGEST_VALUE {
            return Err(ApiError::bad_request(format!("value_size: A value has at most {LARGEST_VALUE} bytes")));
        }
        // One value, always the same: what it holds does not matter to a cache, only how long it is.
        let length = usize::try_from(spec.value_size.max(1)).unwrap_or(1);
        plan.variables.insert("value".to_owned(), "x".repeat(length));
    }
    Ok(plan)
}

/// The few values that a plan was made of; `None` where it is another one, as a person writes them.
pub(crate) fn asked_for(plan: &Plan, threads: Option<u32>) -> Option<BenchSpec> {
    let pace = pace_of(plan, threads)?;
    let spec = match &plan.steps.first()?.action {
        Action::Sql(sql) => BenchSpec::Sql(sql_of(plan, sql, pace)?),
        Action::Cache(_) => BenchSpec::Cache(cache_of(plan, pace)?),
        Action::Http(_) => return None,
    };
    let made = match &spec {
        BenchSpec::Sql(sql) => sql_plan(sql, None),
        BenchSpec::Cache(cache) => cache_plan(cache),
        BenchSpec::Http(_) | BenchSpec::Plan { .. } => return None,
    };
    // What the values do not say would be lost.
    made.is_ok_and(|made| to_toml(&made) == to_toml(plan)).then_some(spec)
}

fn pace_of(plan: &Plan, threads: Option<u32>) -> Option<Pace> {
    let (connections, rate_per_s, poisson, late_limit_s) = match &plan.load {
        PlanLoad::Closed { connections, think_time: None } => (*connections, None, false, None),
        PlanLoad::Closed { .. } => return None,
        PlanLoad::Open { rate_per_s, arrivals, max_in_flight, late_limit } => {
            (*max_in_flight, Some(*rate_per_s), *arrivals == Arrivals::Poisson, late_limit.map(Span::as_secs_f64))
        }
    };
    let warmup_s = match &plan.warmup {
        None => 0.0,
        Some(Warmup::Fixed { duration }) => duration.as_secs_f64(),
        Some(Warmup::UntilSteady { .. }) => return None,
    };
    Some(Pace {
        connections,
        rate_per_s,
        poisson,
        late_limit_s,
        threads,
        duration_s: plan.duration?.as_secs_f64(),
        warmup_s,
        timeout_s: plan.timeout.as_secs_f64(),
        seed: plan.seed,
        thresholds: plan.thresholds.clone(),
    })
}

fn sql_of(plan: &Plan, sql: &SqlStep, pace: Pace) -> Option<SqlBenchSpec> {
    let value = |parameter: &SqlParameter| match parameter {
        SqlParameter::Plain(_) => None,
        SqlParameter::Typed(TypedParameter { value, kind }) => Some(match kind {
            SqlType::Text => SqlValue::Text { text: value.clone() },
            SqlType::Null => SqlValue::Null,
            SqlType::Inferred => {
                let feed = plan.feeds.iter().find(|feed| *value == format!("{{{{{}}}}}", feed.name));
                match feed.map(|feed| &feed.source) {
                    None => SqlValue::Constant { value: value.clone() },
                    Some(FeedSource::Uniform { from, to, .. }) => SqlValue::Uniform { from: *from, to: *to },
                    Some(FeedSource::Sequence { from, to, .. }) => SqlValue::Sequence { from: *from, to: *to },
                    Some(FeedSource::Zipf { items, .. }) => SqlValue::Zipf { items: *items },
                    Some(_) => return None,
                }
            }
            SqlType::Integer | SqlType::Float | SqlType::Boolean => return None,
        }),
    };
    (plan.name == ONE).then_some(())?;
    Some(SqlBenchSpec {
        statement: sql.statement.clone(),
        script: None,
        parameters: sql.parameters.iter().map(value).collect::<Option<_>>()?,
        transaction: sql.transaction,
        prepared: sql.prepared,
        pace,
    })
}

fn cache_of(plan: &Plan, pace: Pace) -> Option<CacheBenchSpec> {
    let mix = plan.steps.iter().map(|step| match &step.action {
        Action::Cache(cache) => Some(CacheShare { command: cache.command.clone(), weight: step.weight }),
        Action::Sql(_) | Action::Http(_) => None,
    });
    let (prefix, keys, zipf) = match &plan.feeds.first()?.source {
        FeedSource::Zipf { items, exponent, prefix } => (prefix.clone(), *items, Some(*exponent)),
        FeedSource::Uniform { from: 0, to, prefix } => (prefix.clone(), u64::try_from(*to).ok()?.checked_add(1)?, None),
        _ => return None,
    };
    let value_size = plan.variables.get("value").map_or(100, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
    Some(CacheBenchSpec {
        mix: mix.collect::<Option<_>>()?,
        prefix,
        keys,
        zipf,
        value_size,
        pipeline: plan.pipeline,
        pace,
    })
}

#[cfg(test)]
#[path = "data_load_tests.rs"]
mod tests;
