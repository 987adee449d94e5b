//! Puts a placeholder page where the UI was not built yet, so that a fresh clone compiles with cargo alone.
use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ui/dist");
    println!("cargo:rerun-if-changed={}", dist.display());
    let index = dist.join("index.html");
    if !index.exists() {
        let page =
            "<!doctype html><title>Perfdeck</title><p>The UI is not built. Run <code>cargo xtask run</code>.</p>\n";
        if let Err(error) = std::fs::create_dir_all(&dist).and_then(|()| std::fs::write(&index, page)) {
            println!("cargo:warning=the placeholder page could not be written: {error}");
        }
    }
}
