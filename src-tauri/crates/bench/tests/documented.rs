//! Numbers of docs/benchmarks.md that people plan by are those of the program.
use perfdeck_stats::judged::ENOUGH;

#[test]
fn the_fewest_requests_of_a_run_are_those_of_the_documentation() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/benchmarks.md");
    let text = std::fs::read_to_string(file).expect("the documentation");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("in which fewer than {ENOUGH} requests came to an outcome"),
        format!("A rate that gives fewer than {ENOUGH} requests in its time"),
        format!("| `mean`, `max` | {ENOUGH} |"),
        format!("| `rate` | {ENOUGH} successes"),
    ] {
        assert!(text.contains(&sentence), "docs/benchmarks.md says: {sentence}");
    }
}
