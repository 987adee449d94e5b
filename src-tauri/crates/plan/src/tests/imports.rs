//! Imports of golden inputs.
use std::collections::BTreeMap;

use perfdeck_model::Method;

use super::super::import::{from_access_log, from_curl, from_har, from_openapi};
use super::super::*;

/// Nothing secret may be left, and the plan must be one that could run.
fn check(plan: &Plan, notes: &[String]) {
    let text = to_toml(plan);
    let shown = format!("{text}\n{plan:?}\n{notes:?}");
    assert!(!shown.contains("canary"), "no secret of the source is left: {shown}");
    assert_eq!(from_toml(&text).expect("it is a plan"), *plan, "it survives being written:\n{text}");
    let problems = validate(plan, &BTreeMap::new());
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "it can run: {errors:?}\n{text}");
}

fn http<'a>(plan: &'a Plan, name: &str) -> &'a HttpStep {
    let names: Vec<_> = plan.steps.iter().map(|s| s.name.as_str()).collect();
    match plan.step(name).map(|s| &s.action) {
        Some(Action::Http(http)) => http,
        _ => panic!("no step '{name}' in {names:?}"),
    }
}

fn curl(text: &str) -> (Plan, HttpStep, Vec<String>) {
    let (plan, notes) = from_curl(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    check(&plan, &notes);
    let Action::Http(step) = plan.steps[0].action.clone() else { panic!("an HTTP step") };
    (plan, step, notes)
}

#[test]
fn a_browsers_curl_command() {
    let (plan, step, notes) = curl(
        "curl 'https://shop.test:8443/api/items?q=a%20b&page=2' \\\n  -X 'PUT' \\\n  -H 'accept: application/json' \\\n  \
         -H 'authorization: Bearer canary-1' -H 'cookie: sid=canary-2' \\\n  --data-raw $'{\"a\":\"it\\'s\",\"password\":\"canary-3\",\"x\":\"{{y}}\"}' \\\n  \
         -H 'content-type: application/json' --compressed --insecure -L",
    );
    assert_eq!(plan.base_url.as_deref(), Some("https://shop.test:8443"), "the host is the base");
    assert_eq!(step.path.as_deref(), Some("/api/items?q=a%20b&page=2"), "the rest stays as it was written");
    assert_eq!((step.method, step.redirects, plan.insecure_tls), (Method::Put, 10, true), "-X, -L and -k");
    assert_eq!(plan.auth, Some(Auth::Bearer { token: Secret::env("API_TOKEN") }), "the token comes from elsewhere");
    assert_eq!(step.headers.get("cookie").map(String::as_str), Some("{{env:COOKIE}}"), "so do cookies");
    let body = r#"{"a":"it's","password":"{{env:PASSWORD|json}}","x":"\{{y}}"}"#;
    assert_eq!(step.body.as_deref(), Some(body), "secrets of the body are masked, braces stay braces");
    assert_eq!(step.headers["Content-Type"], "application/json", "its type goes with it");
    assert_eq!(step.headers["Accept-Encoding"], "deflate, gzip, br, zstd", "what --compressed asks for");
    assert!(notes.iter().any(|n| n.contains("API_TOKEN")), "and what must be set: {notes:?}");
}

#[test]
fn a_method_that_curl_would_keep_over_a_redirect_is_told() {
    let told = |command: &str| {
        let (_, _, notes) = curl(command);
        notes.iter().any(|n| n.contains("followed by GET"))
    };
    assert!(told("curl -L -X POST -d a=1 http://h.test/"), "curl sends POST again");
    assert!(!told("curl -L -d a=1 http://h.test/"), "a POST that -d makes becomes GET in curl too");
    assert!(!told("curl -X POST -d a=1 http://h.test/"), "nothing is followed");
}

#[test]
fn the_options_of_curl() {
    let (plan, step, _) = curl("curl -sSLku ann:canary -d a=1 -d 'token=canary-t&b=%20' -A me/1 -e http://r/ h.test/p");
    assert_eq!(plan.auth, Some(Auth::Basic { user: "ann".into(), password: Secret::env("API_PASSWORD") }), "-u");
    assert_eq!(step.body.as_deref(), Some("a=1&token={{env:TOKEN|url}}&b=%20"), "data is joined, secrets masked");
    assert_eq!((step.method, plan.base_url.as_deref()), (Method::Post, Some("http://h.test")), "data means POST");
    let kind = step.headers.get("Content-Type").map(String::as_str);
    assert_eq!(kind, Some("application/x-www-form-urlencoded"), "and a form");
    assert_eq!(step.headers.get("User-Agent").map(String::as_str), Some("me/1"), "-A");

    let (_, step, _) = curl("$ curl -G --data-urlencode 'q=a b&c' --data-urlencode '=x y' --url https://h/s?z=1");
    assert_eq!(step.path.as_deref(), Some("/s?z=1&q=a+b%26c&x+y"), "-G puts data into the query");
    assert_eq!((step.method, step.body), (Method::Get, None), "and sends no body");

    let (plan, step, _) = curl("curl -I https://u%40x:canary@h/ -m 2.5");
    assert_eq!(step.method, Method::Head, "-I");
    assert_eq!(
        plan.auth,
        Some(Auth::Basic { user: "u@x".into(), password: Secret::env("API_PASSWORD") }),
        "of the URL"
    );
    assert_eq!(plan.timeout.as_secs_f64().to_bits(), 2.5f64.to_bits(), "-m");

    let (_, step, _) = curl("curl --json '[1,null]' https://h");
    assert_eq!((step.method, step.body.as_deref()), (Method::Post, Some("[1,null]")), "--json");
    assert_eq!(
        (&*step.headers["Accept"], &*step.headers["Content-Type"]),
        ("application/json", "application/json"),
        "twice"
    );

    let (_, _, notes) = curl("curl --retry-delay 3 -so out https://h/ 2>/dev/null | jq .");
    for part in ["--retry-delay, --silent, --output", "follows the first", "input and output"] {
        assert!(notes.iter().any(|n| n.contains(part)), "'{part}' was left out and is noted: {notes:?}");
    }

    let (plan, step, _) = curl("curl -H \"Authorization: Bearer $TOKEN\" -d \"id=${ID}\" \"https://h/$ITEM\"");
    assert_eq!(plan.auth, Some(Auth::Bearer { token: Secret::env("TOKEN") }), "a shell variable is a reference");
    assert_eq!(step.path.as_deref(), Some("/{{env:ITEM}}"), "in the path too");
    assert_eq!(step.body.as_deref(), Some("id={{env:ID}}"), "and in the body");

    for text in [
        "",
        "wget http://h",
        "curl",
        "curl -X",
        "curl ftp://h/",
        "curl -X BREW http://h",
        "curl 'http://h",
        "curl http://",
    ] {
        assert!(from_curl(text).is_err(), "'{text}' cannot be imported");
    }
}

#[test]
fn an_openapi_document() {
    let (plan, notes) = from_openapi(include_str!("golden/petstore.json")).expect("imported");
    check(&plan, &notes);
    assert_eq!(plan.base_url.as_deref(), Some("https://eu.pets.test"), "with the default of its variable");
    let auth = Auth::Header { name: "X-Api-Key".into(), value: Secret::env("API_KEY") };
    assert_eq!(plan.auth, Some(auth), "the key comes from the environment");
    let list = http(&plan, "listPets");
    let path = "/v1/pets?limit=20&name=a%20b%26c&access_token={{env:ACCESS_TOKEN|url}}";
    assert_eq!(list.path.as_deref(), Some(path), "required parameters and those with an example");
    assert_eq!(list.headers["X-Trace"], "00000000-0000-4000-8000-000000000000", "required headers by their format");
    assert_eq!(list.checks.len(), 1, "a success is expected where one is described");
    let Some(JsonBody(body)) = &http(&plan, "addPet").json else { panic!("a body") };
    assert_eq!(body["name"], r"Tom \{{x}}", "an example of the schema, as text");
    assert_eq!((&body["kind"], &body["born"]), (&"cat".into(), &"2024-01-31".into()), "enumerations and formats");
    assert_eq!((&body["weight"], &body["tags"][0]), (&3.5.into(), &"textxx".into()), "within their bounds");
    assert_eq!(body["owner"]["password"], "{{env:PASSWORD}}", "passwords of examples are masked");
    assert!(body.get("id").is_none() && body.get("parent").is_none(), "so are read-only and recursion");
    assert_eq!(http(&plan, "GET /pets/{petId}").path.as_deref(), Some("/v1/pets/{{petid|url}}"), "a path parameter");
    assert_eq!(plan.variables["petid"], "10", "is a variable that can be changed in one place");
    assert_eq!(plan.step("listPets 2").map(|s| s.weight), Some(0.0), "deleting waits for a decision, names are unique");
    let form = http(&plan, "POST /login").body.as_deref();
    assert_eq!(form, Some("password={{env:PASSWORD|url}}&user=ann%20lee"), "forms have examples too");

    let hint = |text: &str| from_openapi(text).expect_err(text).to_string();
    assert!(hint("openapi: 3.0.0\npaths: {}").contains("convert it to JSON"), "YAML has a hint");
    assert!(hint("{\"swagger\":\"2.0\"}").contains("OpenAPI 3 first"), "so has version 2");
    assert!(hint("{\"openapi\":\"3.0.0\"}").contains("no operations"), "an empty one says so");
}

#[test]
fn a_recording() {
    let (plan, notes) = from_har(include_str!("golden/recording.har")).expect("imported");
    check(&plan, &notes);
    let names: Vec<_> = plan.steps.iter().map(|s| s.name.as_str()).collect();
    let expected = ["GET /", "POST /api/login", "GET /items/7", "POST /api/form", "POST /api/text", "GET / 2"];
    assert_eq!(names, expected, "static files and what cannot be sent are gone, the order stays");
    assert!(plan.scenario, "a recording is played in its order");
    assert_eq!(plan.base_url.as_deref(), Some("https://shop.test"), "the host with the most requests");
    let page = http(&plan, "GET /");
    assert_eq!(page.path.as_deref(), Some("/?utm=1"), "without fragment");
    let headers: Vec<_> = page.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [("Accept", "text/html"), ("sec-fetch-mode", "navigate")],
        "the rest is the connection's or the jar's"
    );
    let login = http(&plan, "POST /api/login");
    assert_eq!(login.path.as_deref(), Some("/api/login?api_key={{env:API_KEY|url}}"), "keys in the query are masked");
    let body = r#"{"user":"ann","password":"{{env:PASSWORD|json}}","otp":{{env:OTP}},"nested":{"refreshToken":["{{env:REFRESHTOKEN|json}}"]}}"#;
    assert_eq!(login.body.as_deref(), Some(body), "and in bodies, numbers too");
    let item = http(&plan, "GET /items/7");
    assert_eq!(item.url.as_deref(), Some("{{host_api_test_8443}}/items/7?q=a%20b"), "other hosts are variables");
    assert_eq!(plan.variables["host_api_test_8443"], "https://api.test:8443", "with their address");
    assert_eq!(item.headers["Authorization"], "Bearer {{env:API_TOKEN}}", "the scheme stays, the token goes");
    let either = StatusRule::Any(vec![StatusMatch::Code(200), StatusMatch::Code(304)]);
    assert_eq!(item.checks[0].status, Some(either), "what did not change may have changed since");
    assert_eq!(item.headers["If-None-Match"], "x", "and it is asked again on that condition");
    let form = http(&plan, "POST /api/form");
    assert_eq!(form.checks[0].status, Some(StatusRule::One(StatusMatch::Code(500))), "an error is expected as one");
    assert_eq!(form.headers["Content-Type"], "application/x-www-form-urlencoded", "with the type of its body");
    assert_eq!(http(&plan, "POST /api/form").body.as_deref(), Some("q=1&pin={{env:PIN|url}}"), "forms from params");
    assert_eq!(http(&plan, "POST /api/text").body, None, "what may hold secrets and is no form is left out");
    for part in [
        "2 requests for static files",
        "Entry 8 was",
        "Entry 9 was",
        "cookies of 1",
        "https://api.test:8443",
        "may hold secrets",
    ] {
        assert!(notes.iter().any(|n| n.contains(part)), "'{part}' is noted: {notes:?}");
    }
    assert!(from_har("{}").is_err() && from_har("{\"log\":{}}").is_err(), "an empty archive is refused");
}

#[test]
fn an_access_log() {
    let (plan, notes) = from_access_log(include_str!("golden/access_log.txt")).expect("imported");
    check(&plan, &notes);
    let weights: Vec<_> = plan.steps.iter().map(|s| (s.name.as_str(), s.weight)).collect();
    let expected = [
        ("GET /users/*/orders/*", 3.0),
        ("GET /files/*/raw", 2.0),
        ("GET /items/*", 2.0),
        ("GET /", 1.0),
        ("GET /search?page&q", 1.0),
    ];
    for pair in expected.iter().take(4) {
        assert!(weights.contains(pair), "{pair:?} is as frequent as in the log: {weights:?}");
    }
    let feed = |name: &str| {
        let found = plan.feeds.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("{name} in {:?}", plan.feeds));
        let FeedSource::List { values } = &found.source else { panic!("a list") };
        values.clone()
    };
    assert_eq!(
        http(&plan, "GET /users/*/orders/*").path.as_deref(),
        Some("/users/{{users_seen}}"),
        "ids become a slot"
    );
    assert_eq!(feed("users_seen"), ["12/orders/7", "13/orders/8", "12/orders/7"], "that belong together and as often");
    assert_eq!(
        http(&plan, "GET /files/*/raw").path.as_deref(),
        Some("/files/{{files_seen}}/raw"),
        "what follows stays"
    );
    assert_eq!(http(&plan, "GET /search?page&q").path.as_deref(), Some("/search?q={{q_seen}}"), "queries too");
    assert_eq!(feed("q_seen"), ["caf%C3%A9&page=1", "tea&page=2"], "without what is secret");
    let PlanLoad::Open { rate_per_s, .. } = plan.load else { panic!("an open loop") };
    assert!((rate_per_s - 1.222).abs() < 1e-9, "11 requests in 9 s");
    for part in [
        "1 lines cannot be read as an access log and were left out: 1 without a request",
        "1 requests with methods",
        "1 requests for static",
        "1 requests that were answered",
        "1 requests had secrets",
    ] {
        assert!(notes.iter().any(|n| n.contains(part)), "'{part}' is noted: {notes:?}");
    }
    assert!(from_access_log("junk\n").is_err(), "a log without requests is refused");
}

#[test]
fn secrets_hide_in_addresses_too() {
    let (_, step, _) = curl("curl https://h/hooks/ghp_canary0123456789/x -H 'Referer: https://r/?password=canary'");
    assert_eq!(step.path.as_deref(), Some("/hooks/{{env:TOKEN|url}}/x"), "a token in the path, and in no name");
    assert_eq!(step.headers["Referer"], "https://r/?password={{env:PASSWORD|url}}", "a query in a header");
    let (_, step, _) =
        curl("curl https://h --json '{\"to\":\"postgres://u:canary@h/d\",\"hook\":\"https://h/?api_key=canary\"}'");
    let body = r#"{"to":"{{env:TO|json}}","hook":"https://h/?api_key={{env:API_KEY|url}}"}"#;
    assert_eq!(step.body.as_deref(), Some(body), "addresses in a body");
}
