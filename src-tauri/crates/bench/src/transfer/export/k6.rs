//! A plan for k6: its script, what its options say, and how it is run.
use serde_json::{Map, Value, json};

use super::handover::Handover;
use super::levels::{Piece, peak, pieces, start, varies, warm_level, warm_seconds};
use super::limits::limits;
use super::testrun::testrun;
use super::text::{comment, javascript};
use super::{Export, file};
use perfdeck_plan::{Arrivals, Plan, PlanLoad, Warmup};

/// What every script does with its plan.
const RUNTIME: &str = concat!(include_str!("scripts/k6_values.js"), include_str!("scripts/k6_steps.js"));

/// A length of time as k6 writes it.
fn span(seconds: f64) -> String {
    format!("{}ms", (seconds * 1e3).round())
}

fn rounded(level: f64) -> u64 {
    level.clamp(0.0, 1e12).round() as u64
}

/// k6 takes whole numbers per time unit: the smallest unit in which all rates are whole, up to 1,000 s.
fn time_unit(rates: &[f64]) -> u64 {
    let whole = |unit: &u64| {
        let unit = *unit as f64;
        rates.iter().all(|r| (r * unit - (r * unit).round()).abs() < 1e-9 * unit)
    };
    [1, 2, 5, 10, 60, 100, 1000].into_iter().find(whole).unwrap_or(1000)
}

/// The pieces as k6's stages; a jump takes no time.
fn stages(first: f64, pieces: &[Piece], target: &dyn Fn(f64) -> u64) -> Vec<Value> {
    let (mut stages, mut level) = (Vec::new(), first);
    for piece in pieces {
        if piece.from.to_bits() != level.to_bits() {
            stages.push(json!({"duration": "0s", "target": target(piece.from)}));
        }
        stages.push(json!({"duration": span(piece.seconds), "target": target(piece.to)}));
        level = piece.to;
    }
    stages
}

/// What a scenario does in `pieces`.
fn executor(plan: &Plan, pieces: &[Piece], first: f64) -> Map<String, Value> {
    let seconds: f64 = pieces.iter().map(|p| p.seconds).sum();
    let changes = varies(pieces) || pieces.first().is_some_and(|p| p.from.to_bits() != first.to_bits());
    let value = match &plan.load {
        PlanLoad::Closed { .. } if changes => json!({
            "executor": "ramping-vus", "startVUs": rounded(first), "stages": stages(first, pieces, &rounded),
            "gracefulRampDown": span(plan.timeout.as_secs_f64()),
        }),
        PlanLoad::Closed { .. } => json!({
            "executor": "constant-vus", "vus": rounded(first).max(1), "duration": span(seconds),
        }),
        PlanLoad::Open { max_in_flight, .. } => {
            let rates: Vec<f64> = pieces.iter().flat_map(|p| [p.from, p.to]).chain([first]).collect();
            let unit = time_unit(&rates);
            let scaled = |rate: f64| rounded(rate * unit as f64);
            // As many as are under way when requests take a second, and half as many more.
            let before = rounded(peak(pieces) * 1.5).clamp(1, u64::from(*max_in_flight));
            let mut value = if changes {
                json!({
                    "executor": "ramping-arrival-rate", "startRate": scaled(first),
                    "stages": stages(first, pieces, &scaled),
                })
            } else {
                json!({
                    "executor": "constant-arrival-rate", "rate": scaled(first).max(1), "duration": span(seconds),
                })
            };
            value["timeUnit"] = format!("{unit}s").into();
            value["preAllocatedVUs"] = before.into();
            value["maxVUs"] = (*max_in_flight).into();
            value
        }
    };
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn options(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) -> Value {
    let all = pieces(plan);
    let (warm, timeout) = (warm_seconds(plan), span(plan.timeout.as_secs_f64()));
    let mut scenarios = Map::new();
    let mut add = |name: &str, phase: &str, from: f64, mut executor: Map<String, Value>| {
        executor.insert("exec".into(), "iteration".into());
        executor.insert("startTime".into(), span(from).into());
        executor.insert("gracefulStop".into(), timeout.clone().into());
        executor.insert("tags".into(), json!({"phase": phase}));
        scenarios.insert(name.into(), executor.into());
    };
    if warm > 0.0 {
        let level = warm_level(plan, &all);
        add("warmup", "warmup", 0.0, executor(plan, &[Piece { seconds: warm, from: level, to: level }], level));
    }
    add("main", "main", warm, executor(plan, &all, start(plan)));
    let mut thresholds = limits(plan, handover, notes);
    if matches!(plan.load, PlanLoad::Open { .. }) {
        thresholds.entry("dropped_iterations{phase:main}".into()).or_default().push("count==0".into());
    }
    json!({
        "scenarios": scenarios,
        "thresholds": thresholds,
        "insecureSkipTLSVerify": plan.insecure_tls,
        "noCookiesReset": true,
        "summaryTrendStats": ["min", "avg", "med", "p(90)", "p(95)", "p(99)", "p(99.9)", "max", "count"],
    })
}

fn remarks(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) {
    if let PlanLoad::Open { arrivals, late_limit, .. } = &plan.load {
        notes.push("k6 drops iterations for which no virtual user is free, instead of starting them late.".to_owned());
        if *arrivals == Arrivals::Poisson {
            notes.push("k6 has no Poisson arrivals; its iterations start at even gaps.".to_owned());
        }
        if late_limit.is_some() {
            notes.push("k6 has no late limit.".to_owned());
        }
    }
    if matches!(plan.warmup, Some(Warmup::UntilSteady { .. })) {
        notes.push("k6 cannot end a warm-up by itself; it takes its longest time.".to_owned());
    }
    if warm_seconds(plan) > 0.0 {
        notes.push("In the warm-up, $seq counts from 1000000000000.".to_owned());
        if handover.has_unique_feed() {
            notes.push(
                "Rows that are used once are shared out between warm-up and measured time by their lengths.".to_owned(),
            );
        }
    }
    if handover.steps.iter().any(|s| s.redirects > 0) {
        notes.push("k6 follows redirects to hosts that the plan does not name, too.".to_owned());
    }
}

/// The files of a plan for k6, without its data.
pub(super) fn export(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) -> Export {
    let options = options(plan, handover, notes);
    remarks(plan, handover, notes);
    let script = format!(
        "// Perfdeck plan: {}\n// Written by Perfdeck. PLAN and options are data; change the plan rather than this.\n\
         import encoding from 'k6/encoding';\nimport exec from 'k6/execution';\nimport http from 'k6/http';\n\
         import {{ SharedArray }} from 'k6/data';\nimport {{ Counter, Rate }} from 'k6/metrics';\n\
         import {{ check, sleep }} from 'k6';\n\n\
         export const options = {};\n\nconst PLAN = {};\n\n{RUNTIME}",
        comment(&plan.name),
        javascript(&options),
        javascript(handover),
    );
    // `k6 run` sees the environment of the shell; `-e NAME` alone would set it to nothing.
    let run = "K6_CSV_TIME_FORMAT=unix_nano k6 run --out csv=samples.csv script.js".to_owned();
    let names: Vec<&str> = handover.env.iter().map(|(_, name)| name.as_str()).collect();
    if !names.is_empty() {
        notes.push(format!("Set {} in the environment of k6.", names.join(", ")));
    }
    Export {
        files: vec![file("script.js", script), file("testrun.yaml", testrun(plan, handover))],
        notes: Vec::new(),
        run,
    }
}
