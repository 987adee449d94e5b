//! What is read back.
use perfdeck_model::{Machine, RunSpec};
use proptest::prelude::*;

use super::*;

const HEADER: &str = "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,\
                      proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata\n";

fn row(metric: &str, time: &str, value: &str, name: &str, status: &str, error: &str, extra: &str) -> String {
    format!("{metric},{time},{value},,{error},,,,GET,{name},HTTP/1.1,main,,{status},,,http://x/1,{extra},\n")
}

fn request(time: &str, ms: &str, name: &str, status: &str, extra: &str) -> String {
    let failed = if status.starts_with('2') { "0" } else { "1" };
    row("http_reqs", time, "1", name, status, "", extra)
        + &row("http_req_duration", time, ms, name, status, "", extra)
        + &row("http_req_failed", time, failed, name, status, "", extra)
}

fn k6(files: &[&str]) -> Result<Imported, ImportError> {
    let file = |(i, text): (usize, &&str)| (format!("f{i}.csv"), text.as_bytes().to_vec());
    import(Tool::K6, &files.iter().enumerate().map(file).collect::<Vec<_>>())
}

fn locust(files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    let file = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
    import(Tool::Locust, &files.iter().map(file).collect::<Vec<_>>())
}

#[test]
fn pods_are_merged_sample_by_sample() {
    let one = HEADER.to_owned()
        + &request("1700000000123456789", "10.5", "list", "200", "phase=main&step=list")
        + &request("1700000000000000000", "900", "list", "200", "phase=warmup&step=list");
    let two = HEADER.to_owned()
        + &request("1700000001500", "20.0", "\"a, \"\"b\"\"\"", "503", "phase=main")
        + &row("dropped_iterations", "1700000001500", "3", "", "", "", "phase=main")
        + &row("vus", "1700000001500", "NaN", "", "", "", "");
    let all = k6(&[&one, &two]).expect("both are right");
    assert_eq!((all.requests, all.errors, all.dropped), (2, 1, 3), "the warm-up is left out");
    assert_eq!(all.statuses, [(200, 1), (503, 1)], "statuses");
    assert_eq!(all.steps[1].name, "a, \"b\"", "quoted names");
    assert_eq!(all.steps[1].errors_by, [("status 503".to_owned(), 1)], "why it failed");
    assert_eq!(all.started_ms.map(f64::round), Some(1_700_000_000_123.0), "nanoseconds are told by their size");
    assert_eq!(all.finished_ms, Some(1_700_000_001_500.0), "and milliseconds");
    let run = all.into_run("id".into(), "n".into(), Some(("e".into(), "Env".into())), Machine::default());
    assert!(!run.valid && run.invalid_reasons[0].contains("3 iterations"), "what was dropped spoils it");
    assert!(run.response_ms.is_none() && run.schedule_lag_ms.is_none() && run.client_cpu_s.is_none(), "not measured");
    assert_eq!((run.engine.as_str(), run.service_ms.n), ("k6 (imported)", 2), "its engine and its times");
    assert_eq!(run.environment_name.as_deref(), Some("Env"), "its environment");
    assert!(matches!(&run.spec, RunSpec::Plan(p) if p.toml.is_empty() && p.request == "k6"), "no plan is made up");
    assert_eq!(run.steps[1].errors_by_class[0].class, "status", "classes of errors");
}

#[test]
fn what_an_exported_script_counts_goes_first() {
    let text = HEADER.to_owned()
        + &request("1700000000", "5", "s", "200", "phase=main")
        + &row("perfdeck_errors", "1700000000", "1", "s", "", "check 1 (header)", "phase=main&step=s")
        + &row("perfdeck_errors", "1700000000", "1", "t", "", "not sent", "phase=main&step=t");
    let all = k6(&[&text]).expect("it is right");
    assert_eq!((all.requests, all.errors), (2, 2), "failed checks are errors");
    assert_eq!(all.steps[0].errors_by[0].0, "check 1 (header)", "by their names");
    assert!(all.notes.iter().any(|n| n.contains("whole seconds")), "coarse times are noted: {:?}", all.notes);
    let run = all.into_run(String::new(), String::new(), None, Machine::default());
    assert!(!run.valid, "nothing succeeded");
}

#[test]
fn json_lines_are_read() {
    let text = r#"{"type":"Metric","metric":"http_reqs","data":{"name":"http_reqs","type":"counter","thresholds":[]}}
{"type":"Point","metric":"http_reqs","data":{"time":"2023-11-14T23:13:20.5+01:00","value":1,"tags":{"name":"a\"b","status":"200"}}}
{"type":"Point","metric":"http_req_duration","data":{"time":"2023-11-14T22:13:20.5Z","value":7.25,"tags":{"name":"a\"b"}}}
"#;
    let all = k6(&[text]).expect("it is right");
    assert_eq!((all.requests, all.steps[0].name.as_str()), (1, "a\"b"), "one request");
    assert_eq!((all.started_ms, all.finished_ms), (Some(1_700_000_000_500.0), Some(1_700_000_000_500.0)), "one time");
    assert_eq!(all.service.map(|h| h.max()), Some(7251), "the time in microseconds, as the histogram holds it");
}

#[test]
fn broken_files_are_refused_with_their_line() {
    let good = request("1700000000000", "1", "s", "200", "");
    let bad = ["NaN", "-1", "1e300", "inf", "x", ""];
    for value in bad {
        let text = format!("{HEADER}{good}{}", row("http_req_duration", "1700000000000", value, "s", "200", "", ""));
        let error = k6(&[&text]).expect_err("no time").to_string();
        assert!(error.starts_with("f0.csv, line 5: "), "{value}: {error}");
    }
    for time in ["NaN", "-5", "1e300", "0", "yesterday", "2023-13-01T00:00:00Z"] {
        let text = format!("{HEADER}{}", row("http_reqs", time, "1", "s", "200", "", ""));
        assert!(k6(&[&text]).expect_err("no time").to_string().contains("line 2"), "{time}");
    }
    for text in ["", "a,b\n1,2\n", "{\"type\":1}\n", "{\n", "metric_name,timestamp,metric_value\n\"a,1,2\n"] {
        assert!(k6(&[text]).is_err(), "{text:?}");
    }
    assert!(k6(&[HEADER]).is_err(), "nothing in it");
    assert!(
        matches!(import(Tool::K6, &[("b".into(), vec![10, 0xff])]), Err(ImportError::Line { line: 2, .. })),
        "UTF-8"
    );
    let line = r#"{"schema":"perfdeck.locust/1","step":"s","requests":2,"errors":0,"started_ms":1.7e12,"finished_ms":1.7000001e12,"errors_by":{},"service_us":[[5,2]],"seconds":[[0,2,0]]}"#;
    assert_eq!(locust(&[("p", line)]).map(|i| i.requests), Ok(2), "this one is right");
    let swaps = [
        ("\"requests\":2", "\"requests\":3"),
        ("\"requests\":2", "\"requests\":-2"),
        ("\"errors\":0", "\"errors\":1e300"),
        ("1.7e12", "1e300"),
        ("locust/1", "locust/2"),
        ("[5,2]", "[5,18446744073709551615],[6,3]"),
        ("[0,2,0]", "[0,2,3]"),
        ("[5,2]", "[18446744073709551615,2]"),
    ];
    for (from, to) in swaps {
        let error = locust(&[("p", &line.replace(from, to))]).expect_err(to).to_string();
        assert!(error.starts_with("p, line 1: "), "{to}: {error}");
    }
}

#[test]
fn steps_are_limited() {
    let rows: String =
        (0..1500).map(|i| row("http_reqs", "1700000000", "1", &format!("n{i}"), "200", "", "")).collect();
    let all = k6(&[&(HEADER.to_owned() + &rows)]).expect("it is right");
    assert_eq!((all.steps.len(), all.requests), (1000, 1500), "no request is lost");
    assert!(all.notes.iter().any(|n| n.contains("1000 steps")), "and it is noted");
}

#[test]
fn locusts_own_files_have_percentiles_alone() {
    let stats = "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,\
                 Max Response Time,Average Content Size,Requests/s,Failures/s,50%,99%,100%\n\
                 GET,\"/a, b\",10,2,5,6.5,1.5,20,3,2,0.4,5,19,20\n,Aggregated,10,2,5,6.5,1.5,20,3,2,0.4,5,19,20\n";
    let history = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,Total Request Count,Total Failure Count\n\
                   1700000000,1,,Aggregated,0,0,N/A,0,0\n1700000001,1,GET,\"/a, b\",0,0,N/A,4,1\n\
                   1700000001,1,,Aggregated,0,0,N/A,4,1\n1700000005,1,,Aggregated,0,0,N/A,10,2\n";
    let failures = "Method,Name,Error,Occurrences,First Seen,Last Seen\nGET,\"/a, b\",\"status 500\",2,,\n";
    let alone = locust(&[("s.csv", stats)]).expect("it is right");
    assert_eq!((alone.started_ms, alone.duration_s), (None, Some(5.0)), "no time is made up");
    let all = locust(&[("s.csv", stats), ("h.csv", history), ("f.csv", failures)]).expect("they are right");
    assert_eq!(all.percentiles, [(0.0, 1.5), (0.5, 5.0), (0.99, 19.0), (1.0, 20.0)], "what it gives");
    assert!(all.service.is_none() && all.statuses.is_empty(), "and what it does not");
    assert_eq!(all.steps[0].errors_by, [("status 500".to_owned(), 2)], "failures");
    let counts: Vec<(u64, u64)> = all.intervals.iter().map(|s| (s.requests, s.errors)).collect();
    assert_eq!(counts, [(0, 0), (4, 1), (6, 1)], "differences of the totals");
    let run = all.into_run(String::new(), String::new(), None, Machine::default());
    assert!((run.rate_per_s - 1.6).abs() < 1e-9, "eight in five seconds: {}", run.rate_per_s);
    assert_eq!((run.service_ms.p99, run.service_ms.mean), (Some(19.0), Some(6.5)), "percentiles in place");
    assert!(run.service_ms.too_small.contains(&"p90".to_owned()), "what is missing is named");
    assert!(locust(&[("h.csv", history)]).is_err(), "the steps are missing");
    assert!(locust(&[("s.csv", &stats.replace("10,2,5", "1,2,5"))]).is_err(), "more failures than requests");
}

proptest! {
    #[test]
    fn merged_pods_equal_pooled_samples(
        pods in prop::collection::vec(prop::collection::vec((0u32..5_000_000, 0u8..3), 1..40), 1..5)
    ) {
        let text = |samples: &[(u32, u8)]| {
            let rows = samples.iter().map(|(us, step)| {
                request("1700000000000", &format!("{:.3}", f64::from(*us) / 1e3), &format!("s{step}"), "200", "")
            });
            HEADER.to_owned() + &rows.collect::<String>()
        };
        let files: Vec<String> = pods.iter().map(|p| text(p)).collect();
        let merged = k6(&files.iter().map(String::as_str).collect::<Vec<_>>()).expect("they are right");
        let mut pooled = perfdeck_stats::histogram::histogram();
        for (us, _) in pods.iter().flatten() {
            pooled.saturating_record(u64::from(*us).max(1));
        }
        let service = merged.service.expect("samples");
        prop_assert_eq!(&service, &pooled, "merged histograms are those of all samples");
        prop_assert_eq!(service.len(), merged.requests, "one time per request");
        let steps: u64 = merged.steps.iter().filter_map(|s| s.service.as_ref()).map(Histogram::len).sum();
        prop_assert_eq!(steps, merged.requests, "steps have them all");
        let of_seconds = merged.intervals.iter().filter_map(|i| i.service.as_ref());
        let (slowest, max) = (of_seconds.map(Histogram::max).max().unwrap_or(0) as f64, pooled.max() as f64);
        prop_assert!((slowest / max - 1.0).abs() < 0.02, "seconds have them as they are: {} of {}", slowest, max);
    }

    #[test]
    fn nothing_that_is_read_panics(text in "[{\\[\",a-z0-9:%\n.-]{0,200}", k6_header: bool) {
        let text = if k6_header { format!("{HEADER}{text}") } else { text };
        let _ = k6(&[&text]);
        let _ = locust(&[("a", &text)]);
    }
}
