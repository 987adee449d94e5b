//! A plan for Locust: its locustfile, and how it is run.
use serde_json::json;

use super::handover::Handover;
use super::levels::{Piece, peak, pieces, warm_level, warm_seconds};
use super::text::{comment, python};
use super::{Export, file};
use perfdeck_plan::{Arrivals, Plan, PlanLoad, Warmup};

/// What every locustfile does with its plan.
const RUNTIME: &str = concat!(
    include_str!("scripts/locust_counts.py"),
    include_str!("scripts/locust_values.py"),
    include_str!("scripts/locust_user.py"),
    include_str!("scripts/locust_events.py"),
);

/// The version that the file is written for and tested with.
const REQUIREMENTS: &str = "locust==2.47.0\n";

/// Weights as the whole numbers that Locust takes: at most 1,000 each, at least 1.
fn whole(weights: &[f64]) -> Vec<u32> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let exact = (1..=100).map(f64::from).find(|scale| {
        let fits = |w: &f64| (w * scale - (w * scale).round()).abs() < 1e-9 * scale && w * scale <= 1000.0;
        weights.iter().all(fits)
    });
    let scale = exact.unwrap_or(1000.0 / largest);
    let whole = |w: &f64| (w * scale).round().clamp(1.0, 1000.0) as u32;
    weights.iter().map(whole).collect()
}

/// The tasks of the user class. Names of steps are data; code has only their numbers.
fn tasks(plan: &Plan, handover: &Handover) -> String {
    if plan.scenario {
        return "    @task\n    def iteration(self):\n        self.iterate([index for index, _ in PLAN[\"order\"]])\n"
            .to_owned();
    }
    let (steps, weights): (Vec<usize>, Vec<f64>) = handover.chosen().unzip();
    let task = |(step, weight): (&usize, u32)| {
        format!("    @task({weight})\n    def step_{step}(self):\n        self.iterate([{step}])\n")
    };
    steps.iter().zip(whole(&weights)).map(task).collect::<Vec<_>>().join("\n")
}

/// The pieces in users, and iterations per second of each user in an open loop.
fn users(plan: &Plan, all: &[Piece]) -> (f64, f64) {
    match &plan.load {
        PlanLoad::Closed { .. } => (1.0, 0.0),
        PlanLoad::Open { max_in_flight, .. } => {
            let each = (peak(all) / f64::from(*max_in_flight)).max(1e-9);
            (1.0 / each, each)
        }
    }
}

fn remarks(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) {
    if let PlanLoad::Open { arrivals, late_limit, .. } = &plan.load {
        notes.push(
            "Locust has no open loop: each user keeps its share of the rate and falls behind when the target does. \
             Waiting for that is in no figure."
                .to_owned(),
        );
        if *arrivals == Arrivals::Poisson {
            notes.push("Locust has no Poisson arrivals; each user starts its iterations at even gaps.".to_owned());
        }
        if late_limit.is_some() {
            notes.push("Locust has no late limit.".to_owned());
        }
    }
    if matches!(plan.warmup, Some(Warmup::UntilSteady { .. })) {
        notes.push("Locust cannot end a warm-up by itself; it takes its longest time.".to_owned());
    }
    if warm_seconds(plan) > 0.0 {
        notes.push("Locust's own CSV files include the warm-up; perfdeck.ndjson does not.".to_owned());
    }
    if !plan.stages.is_empty() {
        notes.push("Locust changes the number of users once a second.".to_owned());
    }
    if !plan.thresholds.is_empty() {
        notes.push("Locust does not judge thresholds.".to_owned());
    }
    let redirects: Vec<u32> = handover.steps.iter().map(|s| s.redirects).filter(|r| *r > 0).collect();
    if !redirects.is_empty() {
        notes.push("Locust follows redirects to hosts that the plan does not name, too.".to_owned());
    }
    if redirects.iter().any(|r| Some(r) != redirects.first()) {
        notes.push("Locust has one limit of redirects; it is the largest of the plan.".to_owned());
    }
    notes.push(
        "The timeout holds for connecting and for each wait for data, not for a whole request. Copy this folder to \
         every machine."
            .to_owned(),
    );
}

/// The files of a plan for Locust, without its data.
pub(super) fn export(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) -> Export {
    let all = pieces(plan);
    let (per_level, throughput) = users(plan, &all);
    let scaled = |p: &Piece| Piece { seconds: p.seconds, from: p.from * per_level, to: p.to * per_level };
    let shape = json!({
        "pieces": all.iter().map(scaled).collect::<Vec<_>>(),
        "warm_users": warm_level(plan, &all) * per_level,
        "throughput": throughput,
        "max_redirects": handover.steps.iter().map(|s| s.redirects).max().unwrap_or(0).max(1),
    });
    remarks(plan, handover, notes);
    let source = RUNTIME
        .replacen("@NAME@", &comment(&plan.name), 1)
        .replacen("    # @TASKS@\n", &tasks(plan, handover), 1)
        .replacen("\"@SHAPE@\"", &python(&shape), 1)
        // Last, as it holds texts of the plan.
        .replacen("\"@PLAN@\"", &python(handover), 1);
    let run = "pip install -r requirements.txt\n\
               locust -f locustfile.py --master --headless --expect-workers 2 --csv perfdeck\n\
               # and for each core of each other machine:\n\
               locust -f locustfile.py --worker --master-host HOST"
        .to_owned();
    let names: Vec<&str> = handover.env.iter().map(|(_, name)| name.as_str()).collect();
    if !names.is_empty() {
        notes.push(format!("Set {} in the environment of every worker.", names.join(", ")));
    }
    Export {
        files: vec![file("locustfile.py", source), file("requirements.txt", REQUIREMENTS)],
        notes: Vec::new(),
        run,
    }
}
