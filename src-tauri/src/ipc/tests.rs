//! The window's transport, with a real engine and Tauri's runtime without a display.
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use serde_json::json;
use tauri::ipc::{CallbackFn, InvokeBody, InvokeResponseBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets};
use tauri::webview::InvokeRequest;
use tauri::{App, Manager, WebviewWindowBuilder};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

/// Longest time for anything.
const DEADLINE: Duration = Duration::from_secs(20);

async fn window() -> (tempfile::TempDir, App<MockRuntime>, WebviewWindow<MockRuntime>) {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = Engine::open(EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None }).await;
    let app = mock_builder()
        .manage(Shell::new(engine))
        .invoke_handler(tauri::generate_handler![crate::ipc::rpc, crate::ipc::subscribe, crate::ipc::unsubscribe])
        .build(mock_context(noop_assets()))
        .expect("an app");
    let window = WebviewWindowBuilder::new(&app, "main", tauri::WebviewUrl::default()).build().expect("a window");
    (dir, app, window)
}

/// What the page's `invoke` gets.
fn invoke(window: &WebviewWindow<MockRuntime>, command: &str, arguments: Value) -> Result<Value, Value> {
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: if cfg!(any(windows, target_os = "android")) { "http://tauri.localhost" } else { "tauri://localhost" }
            .parse()
            .expect("a URL"),
        body: InvokeBody::Json(arguments),
        headers: tauri::http::HeaderMap::new(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    get_ipc_response(window, request).map(|body| body.deserialize().expect("JSON"))
}

/// A stream of the window, and what arrives of it.
async fn stream(
    app: &App<MockRuntime>,
    window: &WebviewWindow<MockRuntime>,
    topics: &[&str],
) -> UnboundedReceiver<Value> {
    let (sender, frames) = unbounded_channel();
    let channel = Channel::new(move |body| {
        let InvokeResponseBody::Json(text) = body else { panic!("frames are JSON") };
        let _ = sender.send(serde_json::from_str(&text).expect("JSON"));
        Ok(())
    });
    let topics = Some(topics.iter().map(|topic| (*topic).to_owned()).collect());
    subscribe(window.clone(), app.state::<Shell>(), None, topics, None, channel).await.expect("it begins");
    frames
}

async fn next(frames: &mut UnboundedReceiver<Value>) -> Option<Value> {
    tokio::time::timeout(DEADLINE, frames.recv()).await.expect("in time")
}

fn topics(frame: &Value) -> Vec<&str> {
    frame["parts"].as_array().expect("parts").iter().filter_map(|part| part["topic"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_answer_and_refuse_as_everywhere() {
    let (_dir, _app, window) = window().await;
    let listed = invoke(&window, "rpc", json!({"name": "env.list", "params": {}})).expect("answered");
    assert_eq!(listed[0]["id"], "demo", "{listed}");
    let refused = invoke(&window, "rpc", json!({"name": "no.such", "params": {}})).expect_err("refused");
    assert_eq!(refused["code"], "not_found", "with the error of the engine: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_topics_that_it_is_asked_for() {
    let (_dir, app, window) = window().await;
    let mut frames = stream(&app, &window, &["jobs"]).await;
    let first = next(&mut frames).await.expect("a snapshot");
    assert_eq!((&first["kind"], topics(&first)), (&json!("snapshot"), vec!["jobs"]), "the jobs alone: {first}");
    // It changes stored data, and is no job.
    let draft = json!({"draft": {"name": "here", "targets": {"host": "local"}}});
    invoke(&window, "rpc", json!({"name": "env.create", "params": draft})).expect("made");
    let spec = json!({"kind": "http", "url": "http://127.0.0.1:1/", "load": {"kind": "closed"}, "connections": 1,
                      "duration_s": 1.0});
    let request = json!({"name": "bench.start", "params": {"spec": spec}});
    let job = invoke(&window, "rpc", request).expect("a job");
    let told = next(&mut frames).await.expect("the job");
    assert_eq!((&told["seq"], topics(&told)), (&json!(2), vec!["jobs"]), "nothing came between: {told}");
    assert_eq!(told["parts"][0]["value"][0]["id"], job["id"], "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_not_known_are_refused_by_name() {
    let (_dir, _app, window) = window().await;
    let arguments = json!({"environmentId": null, "topics": ["jobs", "weather"], "channel": "__CHANNEL__:1"});
    let refused = invoke(&window, "subscribe", arguments).expect_err("refused");
    assert_eq!(refused["code"], "bad_request", "{refused}");
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("'weather'")), "{refused}");
    let arguments = json!({"environmentId": null, "topics": ["jobs"], "channel": "__CHANNEL__:1"});
    invoke(&window, "subscribe", arguments).expect("as the page asks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_has_one_stream_which_ends_with_it() {
    let (_dir, app, window) = window().await;
    let mut first = stream(&app, &window, &["jobs"]).await;
    next(&mut first).await.expect("a snapshot");
    let mut second = stream(&app, &window, &["jobs"]).await;
    next(&mut second).await.expect("a snapshot");
    assert!(next(&mut first).await.is_none(), "a page that was loaded anew leaves no stream behind");
    invoke(&window, "unsubscribe", json!({})).expect("hidden");
    assert!(next(&mut second).await.is_none(), "a hidden window is sent nothing");
    let mut third = stream(&app, &window, &["jobs"]).await;
    next(&mut third).await.expect("a snapshot for a window that is shown again");
    app.state::<Shell>().engine().expect("open").shutdown().await;
    assert!(next(&mut third).await.is_none(), "and the engine's end is its end");
}
