//! The screens of the window, for the tests that visit all of them.
use std::collections::BTreeSet;

use super::root;

/// Every screen that shows without anything being chosen, by its address below the environment.
pub(crate) const SCREENS: &[&str] = &[
    "start",
    "overview",
    "database",
    "database/statements",
    "database/pool",
    "database/schema",
    "database/advice",
    "database/plan",
    "database/size",
    "cache",
    "cache/keys",
    "cache/slowlog",
    "cache/clients",
    "gateway",
    "benchmarks",
    "benchmarks/new",
    "benchmarks/cost/new",
    "benchmarks/plans",
    "benchmarks/plans/new",
    "experiments",
    "changes",
    "alerts",
    "scorecard",
    "reports",
    "reports/new",
    "settings",
    "metrics",
    "deleted",
    "environments/new",
];

/// Screens of features that no test would visit.
pub(crate) fn unvisited() -> BTreeSet<String> {
    let features = std::fs::read_dir(root().join("ui/src/features")).expect("the features of the window");
    let folders = features.map(|feature| feature.expect("a feature").path()).filter(|path| path.is_dir());
    let paths = folders.map(|folder| {
        let text = std::fs::read_to_string(folder.join("feature.ts")).expect("each feature has its file");
        let path = text.split_once("  path: '/").and_then(|(_, rest)| rest.split_once('\''));
        path.unwrap_or_else(|| panic!("{} has no path", folder.display())).0.to_owned()
    });
    paths.filter(|path| !SCREENS.iter().any(|screen| screen.split('/').next() == path.split('/').next())).collect()
}
