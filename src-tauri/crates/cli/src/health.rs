//! Health of a target, written: `perfctl db health` and `perfctl cache health`.
use perfdeck_model::{CheckState, HealthCheck, TargetHealth};

use crate::answers::Health;
use crate::output::{self, Done, plain, under};
use crate::{FINE, INCOMPLETE, VERDICT};

fn word(state: CheckState) -> &'static str {
    match state {
        CheckState::Ok => "ok",
        CheckState::Unknown => "unknown",
        CheckState::Warning => "warning",
        CheckState::Failing => "failing",
    }
}

/// The exit code: what fails outweighs what could not be asked.
fn code(health: &TargetHealth) -> u8 {
    match health.state {
        CheckState::Failing => VERDICT,
        _ if health.is_incomplete() => INCOMPLETE,
        _ => FINE,
    }
}

fn value(check: &HealthCheck) -> String {
    check.value.zip(check.unit).map_or_else(|| "-".to_owned(), |(value, unit)| output::value(value, unit))
}

fn limits(check: &HealthCheck) -> String {
    let (Some(threshold), Some(unit)) = (&check.threshold, check.unit) else { return String::new() };
    let of = |name: &str, limit: Option<f64>| limit.map(|limit| format!("{name} > {}", output::value(limit, unit)));
    [of("warning", threshold.warning), of("failing", threshold.failing)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the health of a target of the environment of this name; answers the exit code.
pub(crate) fn write(environment: String, health: TargetHealth, json: bool) -> Done {
    let code = code(&health);
    if json {
        output::json(&Health { schema: "perfdeck.health/1", environment, health })?;
        return Ok(code);
    }
    if let Some(version) = &health.version {
        output::note(&plain(version));
    }
    let rows: Vec<Vec<String>> = health
        .checks
        .iter()
        .map(|c| vec![word(c.state).to_owned(), c.title.clone(), value(c), limits(c), c.reason.clone()])
        .collect();
    output::table(&["state", "check", "value", "limit", "reason"], &rows)?;
    for check in &health.checks {
        if let Some(grant) = &check.grant {
            output::note(&format!("{}: not allowed to see it", plain(&check.title)));
            under("hint:", grant).iter().for_each(|line| output::note(line));
        }
        if let Some(fix) = &check.fix {
            output::note(&format!("{}: {}", plain(&check.title), plain(&fix.what)));
            fix.statement.iter().flat_map(|text| under("hint:", text)).for_each(|line| output::note(&line));
        }
    }
    Ok(code)
}
