//! Tauri's build step. A fresh clone has no built UI, so a placeholder page keeps `cargo build` working.
use std::path::Path;

fn main() {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/dist/index.html");
    if !index.exists() {
        let page =
            "<!doctype html><title>Perfdeck</title><p>The UI is not built. Run <code>cargo xtask run</code>.</p>\n";
        let written =
            index.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&index, page));
        if let Err(error) = written {
            println!("cargo:warning=the placeholder page could not be written: {error}");
        }
    }
    println!("cargo:rerun-if-changed=ui/dist");
    tauri_build::build();
}
