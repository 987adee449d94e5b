//! IPC: one command for the engine, one channel for the event stream, and what only a desktop can open.
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;

use perfdeck_engine::{ById, Empty, Reply};
use perfdeck_model::{ApiError, ErrorCode, FrameEncoder, Topic, Watching, WireFrame};
use serde_json::Value;
use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, Runtime, State, WebviewWindow};
use tauri_plugin_opener::OpenerExt;
use tokio_util::sync::CancellationToken;

use crate::Shell;

#[cfg(test)]
mod tests;

/// The open stream of each window.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<String, CancellationToken>>);

impl Streams {
    /// Replaces a window's stream: a reloaded page must not leave the old one sending to a dead callback.
    fn open(&self, window: &str) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(old) = self.lock().insert(window.to_owned(), token.clone()) {
            old.cancel();
        }
        token
    }

    pub(crate) fn close(&self, window: &str) {
        if let Some(old) = self.lock().remove(window) {
            old.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Runs a command of the engine.
#[tauri::command]
pub(crate) async fn rpc(shell: State<'_, Shell>, name: String, params: Value) -> Result<Response, ApiError> {
    let engine = shell.engine()?.clone();
    match engine.dispatch(&name, params).await? {
        Reply::Json(value) => Ok(Response::new(value.to_string())),
        Reply::Binary(bytes) => Ok(Response::new(bytes)),
    }
}

/// Opens a written report in the system's viewer, or shows it chosen in its `folder`. The page names a report and no path, so
/// that it can open nothing else.
#[tauri::command]
pub(crate) async fn open_report<R: Runtime>(
    app: AppHandle<R>,
    shell: State<'_, Shell>,
    id: String,
    folder: bool,
) -> Result<(), ApiError> {
    let report = perfdeck_engine::reports::get(shell.engine()?.clone(), ById { id }).await?;
    let path = report.file.html_path;
    let opener = app.opener();
    if !folder {
        return opener.open_path(&path, None::<&str>).map_err(|error| not_opened(&path, &error));
    }
    // Not every desktop can show a file chosen; its folder is the next best.
    let Err(error) = opener.reveal_item_in_dir(&path) else { return Ok(()) };
    tracing::info!(%error, "the report is not shown chosen in its folder");
    let parent = Path::new(&path).parent().map_or_else(|| path.clone(), |parent| parent.display().to_string());
    opener.open_path(&parent, None::<&str>).map_err(|error| not_opened(&parent, &error))
}

/// Shows the folder of the local store.
#[tauri::command]
pub(crate) async fn open_data_dir<R: Runtime>(app: AppHandle<R>, shell: State<'_, Shell>) -> Result<(), ApiError> {
    let path = perfdeck_engine::house::app_info(shell.engine()?.clone(), Empty {}).await?.data_dir;
    app.opener().open_path(&path, None::<&str>).map_err(|error| not_opened(&path, &error))
}

fn not_opened(path: &str, error: &tauri_plugin_opener::Error) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("The system did not open {path}: {error}"))
        .hint("Copy the path and open it yourself")
}

/// Starts the window's event stream of `topics`, all when absent, with the named `series` only where some are named: a
/// snapshot, then deltas. An earlier stream of the window ends.
#[tauri::command]
pub(crate) async fn subscribe<R: Runtime>(
    window: WebviewWindow<R>,
    shell: State<'_, Shell>,
    environment_id: Option<String>,
    topics: Option<Vec<String>>,
    series: Option<BTreeSet<String>>,
    channel: Channel<WireFrame>,
) -> Result<(), ApiError> {
    let engine = shell.engine()?.clone();
    let mut watching = Watching { series, ..Watching::everything(environment_id.as_deref()) };
    if let Some(topics) = topics {
        watching.topics = Topic::read(topics.iter().map(String::as_str))?;
    }
    let mut viewer = engine.watch(watching).await?;
    let mut encoder = FrameEncoder::default();
    let token = shell.streams.open(window.label());
    tauri::async_runtime::spawn(async move {
        loop {
            let frame = tokio::select! {
                () = token.cancelled() => return,
                frame = viewer.next() => frame,
            };
            let Some(frame) = frame else { return };
            if channel.send(encoder.encode(frame)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Ends the window's event stream, as when it is hidden.
#[tauri::command]
pub(crate) fn unsubscribe<R: Runtime>(window: WebviewWindow<R>, shell: State<'_, Shell>) {
    shell.streams.close(window.label());
}
