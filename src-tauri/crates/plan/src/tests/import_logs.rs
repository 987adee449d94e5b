//! Access logs in JSON, with stray bytes, and logs that are none.
use super::super::import::{from_access_log, from_access_log_bytes};
use super::super::*;

#[test]
fn logs_in_json_are_read() {
    let line = |n: u32, path: &str| {
        format!(
            "{{\"ts\":{}.5,\"request\":{{\"method\":\"GET\",\"host\":\"h\",\"uri\":\"{path}\"}},\"status\":200}}\n",
            1_700_000_000 + n
        )
    };
    let text: String = (0..11).map(|n| line(n, &format!("/items/{n}"))).collect();
    let (plan, notes) = from_access_log(&format!("{text}{{\"level\":\"info\"}}\nplain\n")).expect("imported");
    assert_eq!(plan.steps.len(), 1, "one shape");
    let PlanLoad::Open { rate_per_s, .. } = plan.load else { panic!("an open loop") };
    assert!((rate_per_s - 1.1).abs() < 1e-9, "11 requests in 10 s: {rate_per_s}");
    let said = "2 lines cannot be read as an access log and were left out: 2 without a request that can be found";
    assert!(notes.contains(&said.to_owned()), "{notes:?}");
}

#[test]
fn stray_bytes_cost_nothing() {
    let log = b"\xef\xbb\xbf1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /caf\xe9?x=\\xE9 HTTP/1.1\" 200 1 \"-\" \"\xff\xfe\"\r\n";
    let (plan, notes) = from_access_log_bytes(log).expect("imported");
    let Action::Http(http) = &plan.steps[0].action else { panic!("HTTP") };
    assert_eq!(http.path.as_deref(), Some("/caf%E9?x=%E9"), "they are sent as they were: {notes:?}");
}

#[test]
fn a_log_that_cannot_be_read_says_how_many_lines_and_why() {
    let text = "{\"a\":1}\n{\"method\":\"GET\",\"path\":\"/\"}\nhello\n{broken\n1.2.3.4 - - [x] \"-\" 400 0\n";
    let error = from_access_log(text).expect_err("nothing in it").to_string();
    for part in [
        "5 lines",
        "2 without a request",
        "1 without a status",
        "1 that begin like JSON",
        "1 whose request is none of HTTP",
    ] {
        assert!(error.contains(part), "'{part}' in {error}");
    }
    assert!(from_access_log("").expect_err("empty").to_string().contains("it has no lines"), "an empty file");
}
