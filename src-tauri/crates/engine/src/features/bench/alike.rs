//! What must be equal on both sides of a comparison, and what is refused when it is not.
use perfdeck_model::{ApiError, Load, Remedy, Run, RunSpec};

/// What a benchmark asks for, as far as it must be equal on both sides, in words as they are shown when it is not. The host
/// is what a comparison is about.
fn asked(spec: &RunSpec) -> Vec<(&'static str, String)> {
    let load = match spec.load() {
        Load::Closed => "closed loop".to_owned(),
        Load::Rate { rate_per_s } => format!("{rate_per_s}/s"),
    };
    if spec.imported() {
        // Neither load nor length was asked for here; what is known of the work are its steps, which the run has.
        return vec![("plan", String::new())];
    }
    let mut all = match spec {
        RunSpec::Http(http) => {
            let path = http.url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, p)| p);
            let headers: Vec<String> = http.headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect();
            vec![
                ("request", format!("{} /{path}", http.method.as_str())),
                ("headers", headers.join(", ")),
                ("body", http.body.clone().unwrap_or_default()),
            ]
        }
        RunSpec::Plan(plan) => vec![("plan", plan.toml.clone())],
    };
    all.extend([
        ("load", load),
        ("connections", spec.connections().to_string()),
        ("threads", spec.threads().map_or_else(String::new, |t| t.to_string())),
        ("duration", format!("{} s", spec.duration_s())),
    ]);
    all
}

fn named(facts: impl IntoIterator<Item = (&'static str, String)>) -> perfdeck_stats::Fingerprint {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Parts that must be equal for two runs to be comparable, in words as they are shown when they are not.
pub(crate) fn fingerprint(run: &Run) -> perfdeck_stats::Fingerprint {
    if run.spec.imported() {
        let mut steps: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
        steps.sort_unstable();
        let told = [("load engine", run.engine.clone()), ("steps", steps.join(", "))];
        return named(asked(&run.spec).into_iter().chain(told));
    }
    let generator = format!("{}, {} processors", run.machine.cpu, run.machine.cores);
    let ran =
        [("masked parts", run.masked_tag.clone()), ("load engine", run.engine.clone()), ("load generator", generator)];
    named(asked(&run.spec).into_iter().chain(ran))
}

/// What differs between two benchmarks that have not run yet, besides their targets and what is `changed`.
///
/// # Errors
/// What it is, and how to name it as the change.
pub(crate) fn alike(a: &RunSpec, b: &RunSpec, changed: &[String]) -> Result<(), ApiError> {
    let scheme = |spec: &RunSpec| {
        let url = spec.http().map(|http| http.url.as_str());
        url.and_then(|url| url.split_once("://")).map_or_else(String::new, |(scheme, _)| scheme.to_ascii_lowercase())
    };
    // Another scheme is another load engine.
    let of = |spec: &RunSpec| named(asked(spec).into_iter().chain([("scheme", scheme(spec))]));
    refuse(&perfdeck_stats::check(&of(a), &of(b), &changed.iter().cloned().collect()))
}

/// Refuses two sides that differ in more than the change.
pub(crate) fn refuse(gate: &perfdeck_stats::Gate) -> Result<(), ApiError> {
    let Some(first) = gate.differences.iter().find(|d| !d.declared) else { return Ok(()) };
    let others = gate.forbidding();
    let hint = format!(
        "Both sides must do the same on two targets. Where the difference is the change itself, name it: {}",
        first.key
    );
    let refused = ApiError::bad_request(format!("The two sides are not comparable: {}", others.join("; ")));
    Err(refused.hint(hint).remedy(Remedy::NameDifference))
}

/// The facts that are allowed to differ: those that were named, and with another scheme the load engine.
pub(crate) fn allowed(changed: &[String], apart: bool) -> Vec<String> {
    let mut all = changed.to_vec();
    if changed.iter().any(|name| name == "scheme") {
        all.push("load engine".to_owned());
    }
    // Two environments, or two states that hooks bring about, are the change; their data is not.
    if apart {
        all.extend(["version.*", "setting.*"].map(str::to_owned));
    }
    all
}

/// What differs between two runs besides the target itself; `changed` names the facts that are meant to.
pub(crate) fn differences(a: &Run, b: &Run, changed: &[String]) -> perfdeck_stats::Gate {
    let (mut left, mut right) = perfdeck_stats::known_to_both(&a.facts, &b.facts);
    left.extend(fingerprint(a));
    right.extend(fingerprint(b));
    perfdeck_stats::check(&left, &right, &changed.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use perfdeck_bench::transfer::{Imported, ImportedStep};
    use perfdeck_model::Machine;

    use super::*;

    #[test]
    fn runs_of_other_tools_are_compared_by_their_steps() {
        let run = |names: &[&str], seconds: f64| {
            let step = |name: &&str| ImportedStep { name: (*name).to_owned(), ..ImportedStep::default() };
            let steps = names.iter().map(step).collect();
            let all = Imported { engine: "k6".to_owned(), duration_s: Some(seconds), steps, ..Imported::default() };
            all.into_run(String::new(), String::new(), None, Machine::default())
        };
        let one = run(&["GET /a", "GET /b"], 20.0);
        let other = differences(&one, &run(&["POST /checkout"], 20.0), &[]);
        assert!(other.forbidding().iter().any(|d| d.contains("steps") && d.contains("POST /checkout")), "{other:?}");
        let same = differences(&one, &run(&["GET /b", "GET /a"], 19.98), &[]);
        assert!(same.forbidding().is_empty(), "the order and the measured time are no work: {same:?}");
    }
}
