//! The desktop shell: window, tray, notifications, IPC. It has no logic of its own; everything it shows or does goes
//! through the engine's commands by one IPC command, `rpc`, and one event stream, `subscribe`.
#![forbid(unsafe_code)]

pub mod arguments;
mod ipc;
pub mod platform;
mod tray;

use std::sync::Arc;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::ApiError;
use tauri::{AppHandle, Builder, Manager, RunEvent, Runtime, WebviewUrl, WebviewWindowBuilder};

/// The engine, or why there is none: the window opens in any case and shows it.
pub struct Shell {
    engine: Result<Arc<Engine>, ApiError>,
    streams: ipc::Streams,
}

impl Shell {
    /// A shell around an engine.
    pub fn new(engine: Result<Arc<Engine>, ApiError>) -> Self {
        Self { engine, streams: ipc::Streams::default() }
    }

    fn engine(&self) -> Result<&Arc<Engine>, ApiError> {
        self.engine.as_ref().map_err(Clone::clone)
    }
}

/// Starts the program and returns when it was quit.
pub fn run() {
    perfdeck_engine::logs::quiet_panics("perfdeck");
    if let Err(error) = perfdeck_engine::logs::init("warn", false) {
        tracing::error!(%error, "the log has its usual level");
    }

    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return;
        }
    };
    tauri::async_runtime::set(runtime.handle().clone());
    let engine = runtime.block_on(Engine::open(EngineOptions::default()));
    if let Err(error) = &engine {
        tracing::error!(%error, hint = error.hint.as_deref().unwrap_or(""), "the engine did not open");
    }
    let mut builder = tauri::Builder::default();
    // Tests start several programs beside each other; a user's second start raises the first window.
    if std::env::var_os("PERFDECK_MULTI_INSTANCE").is_none() {
        builder = builder.plugin(tauri_plugin_single_instance::init(|app, _, _| {
            if let Err(error) = open_window(app) {
                tracing::warn!(%error, "window");
            }
        }));
    }
    let app = match build(builder, Shell::new(engine)).build(tauri::generate_context!()) {
        Ok(app) => app,
        Err(error) => {
            tracing::error!(%error, "the window could not be opened");
            return;
        }
    };
    // A log-out or a polite kill ends the window as closing it does.
    let handle = app.handle().clone();
    tauri::async_runtime::spawn(async move {
        perfdeck_engine::stop_requested().await;
        handle.exit(0);
    });
    app.run(|app, event| {
        if let RunEvent::Exit = event
            && let Ok(engine) = app.state::<Shell>().engine()
        {
            let engine = engine.clone();
            // A benchmark that runs is stored as interrupted, and samples are written.
            tauri::async_runtime::block_on(async move {
                let _ = tokio::time::timeout(perfdeck_engine::SHUTDOWN, engine.shutdown()).await;
            });
        }
    });
}

/// Everything of the program but its runtime, so that tests can run it with another one.
pub fn build<R: Runtime>(builder: Builder<R>, shell: Shell) -> Builder<R> {
    builder
        .plugin(tauri_plugin_store::Builder::default().build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_window_state::Builder::default().build())
        .manage(shell)
        .invoke_handler(tauri::generate_handler![
            ipc::rpc,
            ipc::subscribe,
            ipc::unsubscribe,
            ipc::open_report,
            ipc::open_data_dir
        ])
        .on_window_event(|window, event| {
            if let tauri::WindowEvent::Destroyed = event {
                window.state::<Shell>().streams.close(window.label());
            }
        })
        .setup(|app| {
            open_window(app.handle())?;
            // Some desktops have no tray, some systems not its library; the window is never only reachable through it.
            match platform::where_possible(|| tray::install(app.handle())) {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::info!(%error, "no tray"),
                None => tracing::info!("no tray: its library is not installed"),
            }
            Ok(())
        })
}

/// Opens the main window, or raises it.
pub(crate) fn open_window<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window("main") {
        window.show()?;
        window.unminimize()?;
        return window.set_focus();
    }
    let start = if std::env::args().any(|a| a == "--demo") { "index.html#/start?open=demo" } else { "index.html" };
    WebviewWindowBuilder::new(app, "main", WebviewUrl::App(start.into()))
        .title("Perfdeck")
        .inner_size(1440.0, 900.0)
        .min_inner_size(900.0, 600.0)
        .build()?;
    Ok(())
}
