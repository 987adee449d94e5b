//! The tray icon: a way back to the window and a way out.
use tauri::menu::{Menu, MenuItem};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Runtime};

/// Installs the tray icon.
pub(crate) fn install<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    let show = MenuItem::with_id(app, "show", "Show Perfdeck", true, None::<&str>)?;
    let quit = MenuItem::with_id(app, "quit", "Quit Perfdeck", true, None::<&str>)?;
    let menu = Menu::with_items(app, &[&show, &quit])?;
    let mut tray = TrayIconBuilder::with_id("main").menu(&menu).tooltip("Perfdeck").on_menu_event(|app, event| {
        match event.id().as_ref() {
            "show" => {
                if let Err(error) = crate::open_window(app) {
                    tracing::warn!(%error, "window");
                }
            }
            "quit" => app.exit(0),
            _ => {}
        }
    });
    if let Some(icon) = app.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    tray.build(app)?;
    Ok(())
}
