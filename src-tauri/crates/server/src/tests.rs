//! The routes without a socket, with a real engine.
use super::*;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use futures_util::StreamExt;
use tower::ServiceExt;

async fn app() -> (tempfile::TempDir, Router) {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = perfdeck_engine::EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
    let engine = Engine::open(options).await.expect("engine opens");
    (dir, router(engine, doors(), PORT, CancellationToken::new()))
}

const PORT: u16 = 4000;

/// With the token of a file.
fn doors() -> Arc<Doors> {
    Arc::new(Doors::new(Some("right-token".into())).looking_by("reading-token"))
}

fn request(token: Option<&str>) -> axum::http::request::Builder {
    let mut builder = HttpRequest::post("/api/rpc/env.list")
        .header(header::HOST, "127.0.0.1:4000")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    builder
}

async fn status(app: &Router, request: axum::http::request::Builder) -> StatusCode {
    app.clone().oneshot(request.body(Body::from("{}")).expect("request")).await.expect("answer").status()
}

#[tokio::test]
async fn only_the_token_of_this_run_opens_the_api() {
    let (_dir, app) = app().await;
    assert_eq!(status(&app, request(Some("right-token"))).await, StatusCode::OK, "the right token is let in");
    assert_eq!(status(&app, request(None)).await, StatusCode::UNAUTHORIZED, "no token is refused");
    assert_eq!(status(&app, request(Some("right-toke"))).await, StatusCode::UNAUTHORIZED, "a shorter one too");
}

/// A command with full access.
async fn ask_with(app: &Router, command: &str, body: &str) -> (StatusCode, Value) {
    answered(app, "right-token", command, body).await
}

async fn ask(app: &Router, token: &str, command: &str) -> (StatusCode, Value) {
    answered(app, token, command, "{}").await
}

async fn answered(app: &Router, token: &str, command: &str, body: &str) -> (StatusCode, Value) {
    let request = HttpRequest::post(format!("/api/rpc/{command}"))
        .header(header::HOST, "127.0.0.1:4000")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer =
        app.clone().oneshot(request.body(Body::from(body.to_owned())).expect("request")).await.expect("answer");
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), BODY_LIMIT).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_token_that_only_looks_changes_nothing_and_reaches_nothing() {
    let (_dir, app) = app().await;
    for command in perfdeck_engine::COMMANDS.iter() {
        let (status, body) = ask(&app, "reading-token", command.name).await;
        if command.access == perfdeck_model::Access::Read {
            let refused = status == StatusCode::UNAUTHORIZED || body["message"].to_string().contains("only reads");
            assert!(!refused, "{} only reads: {status} {body}", command.name);
        } else {
            assert_eq!(status, StatusCode::FORBIDDEN, "{} is refused: {body}", command.name);
            assert_eq!(body["code"], "guarded", "{}: {body}", command.name);
            assert!(body["hint"].as_str().is_some_and(|h| h.contains("full access")), "{body}");
        }
    }
    let (status, _) = ask(&app, "right-token", "demo.nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the other token is asked nothing");
    let stream = HttpRequest::get("/api/stream?environment_id=demo")
        .header(header::HOST, "127.0.0.1:4000")
        .header(header::AUTHORIZATION, "Bearer reading-token");
    let answer = app.clone().oneshot(stream.body(Body::empty()).expect("request")).await.expect("answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "looking at what nobody watches would reach its targets");
}

#[tokio::test]
async fn other_sites_and_names_are_refused() {
    let (_dir, app) = app().await;
    let rebound = request(Some("right-token")).header(header::HOST, "127.0.0.1:4000");
    assert_eq!(
        status(&app, rebound.header(header::ORIGIN, "http://evil.example")).await,
        StatusCode::FORBIDDEN,
        "origin"
    );
    let evil = HttpRequest::post("/api/rpc/env.list")
        .header(header::HOST, "evil.example")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, "Bearer right-token");
    assert_eq!(status(&app, evil).await, StatusCode::FORBIDDEN, "a rebound name is refused even with the token");
    let form = HttpRequest::post("/api/rpc/env.list")
        .header(header::HOST, "localhost:4000")
        .header(header::AUTHORIZATION, "Bearer right-token");
    assert_eq!(status(&app, form).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "forms are refused");
}

#[test]
fn loopback_names_are_told_from_others() {
    for good in ["127.0.0.1", "127.0.0.1:80", "localhost:4000", "[::1]:4000"] {
        assert!(names_loopback(good), "{good} is this machine");
    }
    for bad in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "", "[fe80::1]:1"] {
        assert!(!names_loopback(bad), "{bad} is not this machine");
    }
}

#[tokio::test]
async fn a_server_never_listens_on_the_network() {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = perfdeck_engine::EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
    let engine = Engine::open(options).await.expect("engine opens");
    let error = serve(engine, "0.0.0.0:0".parse().expect("addr"), Doors::new(None)).await.err().expect("refused");
    assert_eq!(error.code, ErrorCode::BadRequest, "a wildcard address is refused");
}

/// A stream with this query; its frames come with the body.
async fn stream(app: &Router, query: &str) -> Response {
    let request = HttpRequest::get(format!("/api/stream{query}"))
        .header(header::HOST, "127.0.0.1:4000")
        .header(header::AUTHORIZATION, "Bearer right-token");
    app.clone().oneshot(request.body(Body::empty()).expect("request")).await.expect("answer")
}

/// The next frame of a stream.
async fn frame(lines: &mut axum::body::BodyDataStream) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next()).await.expect("in time");
    serde_json::from_slice(&line.expect("the stream goes on").expect("bytes")).expect("a frame a line")
}

fn topics(frame: &Value) -> Vec<&str> {
    frame["parts"].as_array().expect("parts").iter().filter_map(|part| part["topic"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_has_the_topics_that_it_is_asked_for() {
    let (_dir, app) = app().await;
    let mut lines = stream(&app, "?topics=jobs").await.into_body().into_data_stream();
    let first = frame(&mut lines).await;
    assert_eq!((&first["kind"], topics(&first)), (&"snapshot".into(), vec!["jobs"]), "the jobs alone: {first}");
    // A change of stored data is no job, and the cost of Perfdeck, told every second, is none either.
    let draft = r#"{"draft": {"name": "here", "targets": {"host": "local"}}}"#;
    let (status, made) = ask_with(&app, "env.create", draft).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let spec = r#"{"spec": {"kind": "http", "url": "http://127.0.0.1:1/", "load": {"kind": "closed"}, "connections": 1,
                   "duration_s": 1.0}}"#;
    let (status, job) = ask_with(&app, "bench.start", spec).await;
    assert_eq!(status, StatusCode::OK, "{job}");
    let told = frame(&mut lines).await;
    assert_eq!((&told["seq"], topics(&told)), (&2.into(), vec!["jobs"]), "nothing came between: {told}");
    assert_eq!(told["parts"][0]["value"][0]["id"], job["id"], "{told}");

    let mut lines = stream(&app, "").await.into_body().into_data_stream();
    let first = frame(&mut lines).await;
    assert!(topics(&first).contains(&"changed"), "everything where nothing is named: {first}");
}

#[tokio::test]
async fn samples_of_the_named_series_alone() {
    let (_dir, app) = app().await;
    let draft = r#"{"draft": {"name": "here", "targets": {"host": "local"}}}"#;
    let (status, made) = ask_with(&app, "env.create", draft).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let id = made["id"].as_str().expect("id");
    let query = format!("?environment_id={id}&topics=series&series=system.memory.usage&series=no.such");
    let mut lines = stream(&app, &query).await.into_body().into_data_stream();
    let mut names = Vec::new();
    while names.is_empty() {
        let frame = frame(&mut lines).await;
        names.extend(frame["names"].as_array().expect("names").iter().cloned());
        assert!(topics(&frame).is_empty(), "no part was asked for: {frame}");
    }
    assert_eq!(names, ["system.memory.usage"], "the one that is named and there");
}

#[tokio::test]
async fn what_a_stream_does_not_know_is_refused_by_name() {
    let (_dir, app) = app().await;
    for (query, named) in [
        ("?topics=jobs,weather", "'weather'"),
        ("?topics=", "No topic"),
        ("?topic=jobs", "'topic'"),
        ("?environment_id=nope&topics=jobs", "'nope'"),
    ] {
        let answer = stream(&app, query).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), BODY_LIMIT).await.expect("a body");
        let error: ApiError = serde_json::from_slice(&body).expect("our error");
        let expected = if error.code == ErrorCode::NotFound { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        assert_eq!(status, expected, "{query}: {error}");
        assert!(error.message.contains(named) && error.hint.is_some(), "{query} says what is wrong: {error:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_server() {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = perfdeck_engine::EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
    let engine = Engine::open(options).await.expect("engine opens");
    let ending = CancellationToken::new();
    let app = router(engine, doors(), PORT, ending.clone());
    let mut lines = stream(&app, "?topics=jobs").await.into_body().into_data_stream();
    frame(&mut lines).await;
    ending.cancel();
    let end = tokio::time::timeout(Duration::from_secs(20), lines.next()).await.expect("at once");
    assert!(end.is_none(), "nothing more comes");
}

/// What a browser sends: `cookie` where it has one, and the header of our pages.
fn page(method: &str, path: &str, cookie: Option<&str>) -> axum::http::request::Builder {
    let builder = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:4000")
        .header(header::CONTENT_TYPE, "application/json")
        .header("sec-fetch-site", "same-origin")
        .header(session::PAGE, "1");
    match cookie {
        Some(cookie) => builder.header(header::COOKIE, cookie),
        None => builder,
    }
}

/// Opens an address with this token in a browser; answers the status, the cookie that is set and the body.
async fn enter(app: &Router, token: &str, cookie: Option<&str>) -> (StatusCode, Option<String>, Value) {
    let request = page("POST", "/api/session", cookie).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("request")).await.expect("answer");
    let (status, set) = (answer.status(), answer.headers().get(header::SET_COOKIE).cloned());
    let body = axum::body::to_bytes(answer.into_body(), BODY_LIMIT).await.expect("a body");
    let set = set.map(|value| value.to_str().expect("text").to_owned());
    (status, set, serde_json::from_slice(&body).unwrap_or_default())
}

/// The part of a cookie that is sent back.
fn pair(set: Option<String>) -> String {
    set.expect("a cookie").split(';').next().expect("a pair").to_owned()
}

#[tokio::test]
async fn an_address_opens_one_browser_whose_cookie_is_its_session() {
    let (_dir, app) = app().await;
    let (status, set, body) = enter(&app, "right-token", None).await;
    assert_eq!((status, &body["access"]), (StatusCode::OK, &"everything".into()), "{body}");
    let set = set.expect("a cookie");
    assert!(set.starts_with("perfdeck_4000="), "browsers do not tell ports apart, its name does: {set}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/api"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    assert!(!set.contains("right-token"), "the session is no token of scripts: {set}");
    let cookie = pair(Some(set));
    let rpc = || page("POST", "/api/rpc/env.create", Some(&cookie));
    let (_, refused) = status_and(&app, rpc(), "{}").await;
    assert_eq!(refused["code"], "bad_request", "it may do everything, and is only asked for more: {refused}");
    let (status, set, body) = enter(&app, "right-token", Some(&cookie)).await;
    assert_eq!((status, set), (StatusCode::OK, None), "the same address again in the same browser: {body}");
    let (status, set, body) = enter(&app, "right-token", None).await;
    assert_eq!((status, set), (StatusCode::UNAUTHORIZED, None), "not in another one: {body}");
    let said = format!("{} {}", body["message"], body["hint"]);
    assert!(said.contains("opened before") && said.contains("new address"), "and it says what to do: {said}");
    let (status, _) = ask(&app, "right-token", "env.list").await;
    assert_eq!(status, StatusCode::OK, "a script with the token of the file goes on");
}

async fn status_and(app: &Router, request: axum::http::request::Builder, body: &str) -> (StatusCode, Value) {
    let answer =
        app.clone().oneshot(request.body(Body::from(body.to_owned())).expect("request")).await.expect("answer");
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), BODY_LIMIT).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_session_is_of_our_own_pages_and_of_this_run() {
    let (_dir, app) = app().await;
    let cookie = pair(enter(&app, "right-token", None).await.1);
    let stream = |cookie: &str| page("GET", "/api/stream?topics=jobs", Some(cookie));
    assert_eq!(status(&app, stream(&cookie)).await, StatusCode::OK, "our page");
    let other = HttpRequest::get("/api/stream?topics=jobs").header(header::HOST, "127.0.0.1:4000");
    let forged = other.header(header::COOKIE, &cookie).header("sec-fetch-site", "same-site");
    assert_eq!(
        status(&app, forged).await,
        StatusCode::FORBIDDEN,
        "a page of another port, to which the cookie is sent"
    );
    let bare = HttpRequest::get("/api/stream?topics=jobs").header(header::HOST, "127.0.0.1:4000");
    assert_eq!(status(&app, bare.header(header::COOKIE, &cookie)).await, StatusCode::FORBIDDEN, "no page at all");
    let origin = page("POST", "/api/session", None).header(header::ORIGIN, "http://127.0.0.1:4001");
    assert_eq!(status(&app, origin).await, StatusCode::FORBIDDEN, "nobody else signs a browser in");
    let (status, body) = status_and(&app, stream("perfdeck_4000=of-another-run"), "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    assert!(body["message"].to_string().contains("started anew") && body["hint"].is_string(), "{body}");
    let (_, body) = status_and(&app, stream("perfdeck_5000=of-another-port"), "").await;
    assert!(body["message"].to_string().contains("not signed in"), "a cookie of another server is none: {body}");
}

#[tokio::test]
async fn a_browser_that_opens_the_second_link_only_looks_from_then_on() {
    let (_dir, app) = app().await;
    for _ in 0..2 {
        let (_, set, body) = enter(&app, "reading-token", None).await;
        assert_eq!(body["access"], "reading", "it opens any number: {body}");
        let cookie = pair(set);
        let asked = page("POST", "/api/rpc/demo.open", Some(&cookie));
        assert_eq!(status(&app, asked).await, StatusCode::FORBIDDEN, "the session of a link that looks only looks");
    }
    let full = pair(enter(&app, "right-token", None).await.1);
    let looks = pair(enter(&app, "reading-token", Some(&full)).await.1);
    let asked = |cookie: &str| page("POST", "/api/rpc/demo.open", Some(cookie));
    assert_eq!(
        status(&app, asked(&looks)).await,
        StatusCode::FORBIDDEN,
        "a browser has the session that it opened last"
    );
    assert_eq!(status(&app, asked(&full)).await, StatusCode::UNAUTHORIZED, "the one before it is over");
    let (_, shown) = status_and(&app, page("POST", "/api/session", Some(&looks)), "").await;
    assert_eq!(shown["access"], "reading", "and the page is told: {shown}");
}

#[tokio::test]
async fn who_is_not_let_in_has_an_address_printed_that_opens() {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = perfdeck_engine::EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
    let engine = Engine::open(options).await.expect("engine opens");
    let doors = Arc::new(Doors::new(None));
    let app = router(engine, doors.clone(), PORT, CancellationToken::new());
    let addr = SocketAddr::from(([127, 0, 0, 1], PORT));
    let code = |url: Option<String>| url.expect("an address").split_once("#token=").expect("its token").1.to_owned();
    let first = code(doors.url(addr));
    assert_eq!(code(doors.url(addr)), first, "it is printed again as long as it opens");
    let (status, _) = ask(&app, &first, "env.list").await;
    assert_eq!(status, StatusCode::OK, "until then a script may use it");
    enter(&app, &first, None).await;
    let (status, body) = ask(&app, &first, "env.list").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "then it is nothing any more: {body}");
    assert!(body["hint"].to_string().contains("--token-file"), "and scripts are told what they need: {body}");
    for token in [first.as_str(), "unknown", ""] {
        let (status, _, body) = enter(&app, token, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        tokio::time::timeout(Duration::from_secs(5), doors.wanted()).await.expect("whoever runs the server is told");
    }
    let next = code(doors.url(addr));
    assert_ne!(next, first, "a spent address is not printed again");
    assert_eq!(enter(&app, &next, None).await.0, StatusCode::OK, "the new one opens");
    assert_eq!(Doors::read_only().url(addr), None, "where everybody only looks there is none");
}
