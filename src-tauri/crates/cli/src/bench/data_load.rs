//! `perfctl bench sql` and `bench cache`: what the options ask for.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::{BenchSpec, CacheBenchSpec, CacheShare, Engine, Pace, PlanFolder, SqlBenchSpec, SqlValue};
use perfdeck_model::ApiError;

use crate::args::Source;
use crate::bench::args::{BenchCache, BenchSql, PaceArgs, SqlArgs};
use crate::bench::measuring::measure;
use crate::files::read;
use crate::output::Done;

/// A script is text of this size at most, in bytes.
const LIMIT: u64 = 16 << 20;

fn pace(args: &PaceArgs) -> Pace {
    Pace {
        connections: args.connections,
        rate_per_s: args.rate,
        poisson: args.poisson,
        late_limit_s: args.late_limit.map(|limit| limit.as_secs_f64()),
        threads: args.threads,
        duration_s: args.duration.as_secs_f64(),
        warmup_s: args.warmup.as_secs_f64(),
        timeout_s: args.timeout.as_secs_f64(),
        seed: args.seed,
        thresholds: args.thresholds.clone(),
    }
}

/// `LOW..HIGH`.
fn range(text: &str) -> Option<(i64, i64)> {
    let (low, high) = text.split_once("..")?;
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}

/// A parameter as it is written on the command line.
fn parameter(text: &str, number: usize) -> Result<SqlValue, ApiError> {
    let wrong = || {
        ApiError::bad_request(format!("--param {number}: it draws from nothing"))
            .hint("Write uniform:1..1000, zipf:1000 or sequence:1..1000")
    };
    match text.split_once(':') {
        Some(("uniform", rest)) => {
            let (from, to) = range(rest).ok_or_else(wrong)?;
            Ok(SqlValue::Uniform { from, to })
        }
        Some(("sequence", rest)) => {
            let (from, to) = range(rest).ok_or_else(wrong)?;
            Ok(SqlValue::Sequence { from, to })
        }
        Some(("zipf", rest)) => Ok(SqlValue::Zipf { items: rest.trim().parse().map_err(|_| wrong())? }),
        Some(("text", rest)) => Ok(SqlValue::Text { text: rest.to_owned() }),
        _ if text.eq_ignore_ascii_case("null") => Ok(SqlValue::Null),
        _ => Ok(SqlValue::Constant { value: text.to_owned() }),
    }
}

/// One statement or a script, at a pace.
pub(crate) fn sql_spec(
    sql: Option<&str>,
    script: Option<&Path>,
    how: &SqlArgs,
    pace: Pace,
) -> Result<SqlBenchSpec, ApiError> {
    let (statement, script) = match script {
        Some(file) => {
            let name = file.file_name().map_or_else(|| "script".to_owned(), |name| name.to_string_lossy().into_owned());
            (read(file, LIMIT)?, Some(name))
        }
        None => (sql.unwrap_or_default().to_owned(), None),
    };
    let parameters = how.params.iter().enumerate().map(|(i, text)| parameter(text, i + 1));
    Ok(SqlBenchSpec {
        statement,
        script,
        parameters: parameters.collect::<Result<_, _>>()?,
        transaction: how.transaction,
        prepared: !how.simple,
        pace,
    })
}

fn cache_spec(args: &BenchCache) -> Result<CacheBenchSpec, ApiError> {
    let share = |part: &str| {
        let (command, weight) = part.split_once('=').unwrap_or((part, "1"));
        let weight = weight.trim().parse().ok().filter(|w| *w >= 0.0 && f64::is_finite(*w)).ok_or_else(|| {
            ApiError::bad_request("--mix: a weight is a number of 0 or more").hint("Write get=9,set=1")
        })?;
        Ok(CacheShare { command: command.trim().to_owned(), weight })
    };
    let parts = args.mix.split(',').map(str::trim).filter(|p| !p.is_empty());
    Ok(CacheBenchSpec {
        mix: parts.map(share).collect::<Result<_, ApiError>>()?,
        prefix: args.prefix.clone(),
        keys: args.keys,
        zipf: args.zipf,
        value_size: args.value_size,
        pipeline: args.pipeline,
        pace: pace(&args.pace),
    })
}

pub(crate) async fn sql(engine: &Arc<Engine>, args: &BenchSql, source: &Source, json: bool) -> Done {
    let spec = sql_spec(args.sql.as_deref(), args.script.as_deref(), &args.how, pace(&args.pace))?;
    measure(engine, BenchSpec::Sql(spec), &args.at, source, PlanFolder::default(), json).await
}

pub(crate) async fn cache(engine: &Arc<Engine>, args: &BenchCache, source: &Source, json: bool) -> Done {
    measure(engine, BenchSpec::Cache(cache_spec(args)?), &args.at, source, PlanFolder::default(), json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_values_or_drawn() {
        let read = |text: &str| parameter(text, 1).expect(text);
        assert_eq!(read("7"), SqlValue::Constant { value: "7".to_owned() }, "a number; the server knows its type");
        assert_eq!(read("NULL"), SqlValue::Null, "no value");
        assert_eq!(read("text:null"), SqlValue::Text { text: "null".to_owned() }, "the word");
        assert_eq!(read("a:b"), SqlValue::Constant { value: "a:b".to_owned() }, "a text with a colon");
        assert_eq!(read("uniform:1..10"), SqlValue::Uniform { from: 1, to: 10 }, "drawn");
        assert_eq!(read("zipf:50"), SqlValue::Zipf { items: 50 }, "drawn, the first ones most");
        assert_eq!(read("sequence:-3..3"), SqlValue::Sequence { from: -3, to: 3 }, "one after the other");
        let error = parameter("uniform:x", 3).expect_err("a range has two numbers");
        assert!(error.message.contains("--param 3"), "which one: {}", error.message);
    }
}
