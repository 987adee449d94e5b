//! What a sweep found, in words.
use perfdeck_words as words;

use super::refusal::Refusal;
use super::{Recommended, SizeGoal, SizePoint};

fn connections(n: u32) -> String {
    words::plural(n, "connection")
}

/// Without its full stop.
pub(super) fn sentence(
    recommended: Option<&Recommended>,
    refused: Option<&Refusal>,
    sizes: &[SizePoint],
    goal: &SizeGoal,
) -> String {
    let Some(found) = recommended else {
        let why = refused.map_or("", |refused| refused.reason.as_str());
        return format!("No size is recommended: {why}");
    };
    let at = sizes.iter().find(|size| size.connections == found.connections);
    let rate =
        at.and_then(|size| size.fitted_per_s).map_or_else(String::new, |rate| format!(", {}", words::per_second(rate)));
    let p99 = at.and_then(|size| size.p99_ms).map_or_else(String::new, |ms| format!(", p99 {}", words::ms(ms)));
    let interval = if found.low < found.high {
        format!(" (95\u{2009}% interval {} to {})", found.low, found.high)
    } else {
        String::new()
    };
    let each = if goal.instances > 1 {
        format!("; for {} instances a pool of {} each", goal.instances, found.per_instance)
    } else if found.per_instance < found.connections {
        format!("; the database has room for a pool of {} only", found.per_instance)
    } else {
        String::new()
    };
    format!(
        "{}{interval} give{} {} of the highest throughput{rate}{p99}{each}",
        connections(found.connections),
        if found.connections == 1 { "s" } else { "" },
        words::share(found.share)
    )
}

/// What is to be known beside the figures.
pub(super) fn notes(recommended: Option<&Recommended>, sizes: &[SizePoint], goal: &SizeGoal) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(found) = recommended {
        if found.total < found.connections {
            notes.push(format!(
                "the database has room for {} in all, fewer than the {} of the highest throughput",
                connections(found.total),
                found.connections
            ));
        }
        if found.total > found.connections && goal.instances > found.connections {
            notes.push(format!(
                "{} instances have {} in all even with one each, more than the database makes use of; a pooler before it could \
                 hold them to {}",
                goal.instances,
                connections(found.total),
                found.connections
            ));
        }
        notes.push(
            "no overflow: bursts were not measured, and connections beyond the knee give no more throughput, so a burst waits in \
             the pool"
                .to_owned(),
        );
    }
    let few: Vec<String> = sizes
        .iter()
        .filter(|size| size.cells > 0 && !size.p99_judged)
        .map(|size| size.connections.to_string())
        .collect();
    if !few.is_empty() {
        notes.push(format!(
            "n too small to judge p99 at {} connections; longer cells or more repetitions help",
            few.join(", ")
        ));
    }
    let aside: u32 = sizes.iter().map(|size| size.set_aside).sum();
    if aside > 0 {
        let cells = if aside == 1 { "1 cell was".to_owned() } else { format!("{} cells were", words::count(aside)) };
        notes.push(format!("{cells} set aside, marked in the table"));
    }
    notes
}
