//! Recordings: each request as it was, expected to end as it ended; a bad entry costs itself.
use super::super::import::from_har;
use super::super::*;

fn har(entries: &str) -> (Plan, Vec<String>) {
    let made = from_har(&format!("{{\"log\":{{\"entries\":[{entries}]}}}}"));
    made.unwrap_or_else(|e| panic!("{e}"))
}

fn entry(method: &str, url: &str, rest: &str, status: u16) -> String {
    format!(r#"{{"request":{{"method":"{method}","url":"http://h{url}"{rest}}},"response":{{"status":{status}}}}}"#)
}

fn steps(plan: &Plan) -> Vec<(&str, Option<&StatusRule>)> {
    plan.steps
        .iter()
        .map(|s| match &s.action {
            Action::Http(http) => (s.name.as_str(), http.checks.first().and_then(|c| c.status.as_ref())),
            _ => panic!("HTTP"),
        })
        .collect()
}

#[test]
fn an_error_is_expected_where_one_was_recorded() {
    let (plan, _) =
        har(&[entry("GET", "/a", "", 200), entry("GET", "/b", "", 404), entry("POST", "/c", "", 200)].join(","));
    let code = |n| StatusRule::One(StatusMatch::Code(n));
    let (ok, missing) = (code(200), code(404));
    assert_eq!(steps(&plan), [("GET /a", Some(&ok)), ("GET /b", Some(&missing)), ("POST /c", Some(&ok))], "all three");
    assert!(plan.scenario, "in their order");
    let (plan, notes) = har(&[entry("GET", "/a", "", 302), entry("GET", "/b", "", 0)].join(","));
    assert_eq!(steps(&plan), [("GET /a", Some(&code(302))), ("GET /b", None)], "a redirect is one; none is none");
    assert!(notes.iter().any(|n| n.starts_with("1 requests had no answer")), "{notes:?}");
}

#[test]
fn bodies_are_the_bytes_that_were_sent() {
    let post = |data: &str| {
        let (plan, notes) = har(&entry("POST", "/", &format!(r#","postData":{data}"#), 200));
        let Action::Http(http) = plan.steps[0].action.clone() else { panic!("HTTP") };
        (http, notes)
    };
    let (http, _) = post(r#"{"mimeType":"text/plain","encoding":"base64","text":"aGVs\nbG8="}"#);
    assert_eq!(http.body.as_deref(), Some("hello"), "base64 is decoded");
    let (http, _) = post(r#"{"mimeType":"application/octet-stream","encoding":"base64","text":"/wA="}"#);
    assert_eq!((http.body, http.body_base64.as_deref()), (None, Some("/wA=")), "bytes stay bytes");
    let (http, _) = post(r#"{"mimeType":"application/json","text":"{\"b\":1.0,\"a\":12345678901234567890123}"}"#);
    assert_eq!(http.body.as_deref(), Some("{\"b\":1.0,\"a\":12345678901234567890123}"), "JSON as it was written");
    assert_eq!(http.headers["Content-Type"], "application/json", "with its type");
    let (http, _) = post(
        r#"{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a b","value":"c&d"},{"name":"e","value":"%20+"}]}"#,
    );
    assert_eq!(http.body.as_deref(), Some("a%20b=c%26d&e=%20+"), "a form that was recorded by its meaning is encoded");
    let multipart = r#"{"mimeType":"multipart/form-data; boundary=X","text":"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--X--\r\n"}"#;
    let (http, _) = post(multipart);
    assert_eq!(
        http.body.as_deref(),
        Some("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--X--\r\n"),
        "parts"
    );
}

#[test]
fn writing_to_a_path_of_a_file_is_no_static_file() {
    let (plan, notes) =
        har(&[entry("PUT", "/files/photo.jpg", "", 200), entry("GET", "/files/photo.jpg", "", 200)].join(","));
    assert_eq!(plan.steps.len(), 1, "the upload is kept: {notes:?}");
    assert_eq!(plan.steps[0].name, "PUT /files/photo.jpg", "by its name");
}

#[test]
fn one_bad_entry_costs_that_entry() {
    let bad = [
        (
            r#"{"request":{"method":"GET","url":"http://h/n","headers":[{"name":"A","value":null}]}}"#,
            "Entry 2 (GET /n) was left out: request.headers[0].value is null",
        ),
        (r#"{"request":{"method":"GET","url":"http://h/n","headers":{"A":"b"}}}"#, "request.headers is an object"),
        (r#"{"request":{"method":"PROPFIND","url":"http://h/n"}}"#, "its method cannot be sent"),
        (r#"{"request":{"method":"GET","url":"ws://h/n"}}"#, "no http or https URL"),
        (r#"{"request":{"method":"GET","url":7}}"#, "request.url is a number"),
        (r#"{"request":null}"#, "request is null"),
        ("null", "request is missing"),
        (
            r#"{"request":{"method":"POST","url":"http://h/n","postData":{"encoding":"base64","text":"canary!"}}}"#,
            "is no base64",
        ),
        (r#"{"request":{"method":"GET","url":"http://h/n"},"response":{"status":101}}"#, "WebSocket"),
    ];
    for (bad, why) in bad {
        let (plan, notes) = har(&[entry("GET", "/a", "", 200), bad.to_owned(), entry("GET", "/c", "", 200)].join(","));
        assert_eq!(plan.steps.len(), 2, "{bad} costs itself alone");
        let said = notes.iter().find(|n| n.contains(why)).unwrap_or_else(|| panic!("'{why}' is said: {notes:?}"));
        assert!(said.starts_with("Entry 2") && !said.contains("canary"), "{said}");
    }
    let many: Vec<String> = (0..60).map(|_| "null".to_owned()).chain([entry("GET", "/a", "", 200)]).collect();
    let (_, notes) = har(&many.join(","));
    assert!(notes.iter().any(|n| n.starts_with("40 further entries")), "the rest is counted: {notes:?}");
}

#[test]
fn headers_are_kept_and_cookies_are_the_jars() {
    let headers = r#","headers":[{"name":":authority","value":"h"},{"name":"Host","value":"shop"},{"name":"Accept-Encoding","value":"gzip, br"},
        {"name":"If-None-Match","value":"\"x\""},{"name":"Cache-Control","value":"no-cache"},{"name":"Cookie","value":"sid=canary"},
        {"name":"Content-Length","value":"9"},{"name":"Connection","value":"keep-alive"}]"#;
    let (plan, notes) = har(&entry("GET", "/", headers, 200));
    let Action::Http(http) = &plan.steps[0].action else { panic!("HTTP") };
    let names: Vec<_> = http.headers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["Accept-Encoding", "Cache-Control", "Host", "If-None-Match"],
        "all but those of body, connection and jar"
    );
    assert!(notes.iter().any(|n| n.starts_with("The cookies of 1")), "{notes:?}");
    let (plan, _) = har(&entry("GET", "/", r#","headers":[{"name":"Host","value":"h"}]"#, 200));
    let Action::Http(http) = &plan.steps[0].action else { panic!("HTTP") };
    assert!(http.headers.is_empty(), "the host of the URL is sent anyway");
}
