//! Reports, read back as a file.
use std::path::Path;

use serde_json::Value;

use super::journey::digits;
use super::perfctl::Perfctl;

/// Checks that a report is valid HTML, complete in itself and about the newest run in the store of `data`; answers that run.
pub(crate) fn of_newest_run(html: &Path, data: &Path) -> Value {
    let perfctl = Perfctl::on(data);
    let runs = perfctl.json(&["run", "list", "--json"]);
    let id = runs["runs"][0]["id"].as_str().expect("the run is in the store").to_owned();
    let run = perfctl.json(&["run", "show", &id, "--json"]);

    let json = std::fs::read(html.with_extension("json")).expect("a JSON file beside the report");
    let document: Value = serde_json::from_slice(&json).expect("the report's JSON");
    let reported = &document["runs"][0];
    for field in ["id", "requests", "errors", "rate_per_s", "duration_s", "response_ms", "service_ms", "valid"] {
        assert_eq!(reported[field], run[field], "the report's {field} is the store's");
    }

    let text = std::fs::read_to_string(html).expect("the report can be read");
    let page = dom_query::Document::from(text.as_str());
    let mistakes = page.errors.borrow();
    assert!(mistakes.is_empty(), "{} is valid HTML: {mistakes:?}", html.display());
    let requests = run["requests"].to_string();
    assert_ne!(requests, "0", "the run measured something");
    let shown = page.select("body").text();
    assert!(digits(&shown).contains(&requests), "the report shows the store's {requests} requests, it reads:\n{shown}");
    run
}
