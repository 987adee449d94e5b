//! The table in `docs/advisor.md`, between two marks.
use std::fmt::Write as _;
use std::path::Path;

use super::Measured;
use super::arms::{Arm, Arms};
use crate::Outcome;

const BEGIN: &str = "<!-- cargo xtask bench advisor tpch: begin -->";
const END: &str = "<!-- cargo xtask bench advisor tpch: end -->";
/// What ours may take of the best of theirs, and what slower means.
const WANTED: f64 = 0.8;
const SLOWER: f64 = 1.05;

/// What a run was about.
pub(crate) struct About<'a> {
    /// What it ran on, in words.
    pub(crate) machine: &'a str,
    pub(crate) scale: f64,
    /// Bytes of the tables.
    pub(crate) data: f64,
    /// Longest run of a statement, in milliseconds.
    pub(crate) longest: f64,
}

/// Writes it, and says whether the targets are held.
pub(crate) fn write(about: &About<'_>, arms: &Arms, measured: &[Measured]) -> Outcome {
    let text = table(about, arms, measured);
    println!("{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/advisor.md");
    let page = std::fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(BEGIN).ok_or("docs/advisor.md has no mark where the table begins")?;
    let (_, after) = rest.split_once(END).ok_or("docs/advisor.md has no mark where the table ends")?;
    Ok(std::fs::write(&path, format!("{before}{BEGIN}\n{text}{END}{after}"))?)
}

fn table(about: &About<'_>, arms: &Arms, measured: &[Measured]) -> String {
    let mut out = format!(
        "\nScale {}: tables of {:.0} MB, on {}. Estimated is the sum of the planner's costs, measured the sum of medians; a statement that \
         was ended counts as {:.0} s. Slower: statements whose ratio to no indexes, of pairs in turn, is above {SLOWER} (95 % interval).\n\n\
         | indexes | MB | estimated | measured | to the best of the others | slower than without |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
        about.scale,
        about.data / 1e6,
        about.machine,
        about.longest / 1e3
    );
    for (at, arm) in arms.all.iter().enumerate() {
        let (ms, cost) = (sum(measured, |m| m.ms(at)), sum(measured, |m| m.cost[at]));
        let others =
            || (0..arms.all.len()).filter(|o| arms.all[*o].budget == arm.budget && arms.all[*o].name != arm.name);
        let best = others().map(|o| sum(measured, |m| m.ms(o))).fold(f64::INFINITY, f64::min);
        let ratio = if arm.name == super::OURS { held(ms / best) } else { String::new() };
        let _ = writeln!(
            out,
            "| {} | {:.0} | {cost:.0} | {:.2} s | {ratio} | {} |",
            name(arm, about),
            arms.bytes(arm) / 1e6,
            ms / 1e3,
            slower(at, measured)
        );
    }
    let _ = writeln!(out, "\nBy statement, in milliseconds:\n");
    let columns: Vec<String> = arms.all.iter().map(|arm| name(arm, about)).collect();
    let _ = writeln!(out, "| | {} |\n| --- |{}", columns.join(" | "), " ---: |".repeat(columns.len()));
    for m in measured {
        let cells: Vec<String> = (0..arms.all.len()).map(|arm| format!("{:.1}", m.ms(arm))).collect();
        let _ = writeln!(out, "| {} | {} |", m.name, cells.join(" | "));
    }
    let _ = writeln!(out, "\nWhat each advises:\n");
    for arm in &arms.all[1..] {
        let all: Vec<String> = arm.indexes.iter().map(|of| format!("`{of}`")).collect();
        let _ = writeln!(out, "- {}: {}", name(arm, about), all.join(", "));
    }
    out.push('\n');
    out
}

fn sum(measured: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    measured.iter().map(of).sum()
}

fn name(arm: &Arm, about: &About<'_>) -> String {
    if arm.budget > 0.0 { format!("{}, {:.0} MB", arm.name, arm.budget * about.data / 1e6) } else { arm.name.clone() }
}

fn held(ratio: f64) -> String {
    format!("{ratio:.2}, {}", if ratio <= WANTED { "held" } else { "**missed**" })
}

fn slower(arm: usize, measured: &[Measured]) -> String {
    let found = measured.iter().filter_map(|m| Some((m.name, m.slower.get(&m.plan[arm])?)));
    let all: Vec<String> = found
        .filter(|(_, ratio)| ratio.0 > SLOWER && ratio.1 > 1.0)
        .map(|(name, (mean, low, high))| format!("{name} {mean:.2} ({low:.2} to {high:.2})"))
        .collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
