//! The TypeScript bindings in the UI are what the tables of commands say.
use std::collections::BTreeMap;
use std::path::Path;

fn files(dir: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(e.path()).ok()?)))
        .collect()
}

#[test]
fn bindings_are_fresh() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ui/src/backend/gen");
    let fresh = tempfile::tempdir().expect("temp dir");
    perfdeck_engine::export_bindings(fresh.path()).expect("bindings are written");
    if std::env::var_os("PERFDECK_UPDATE_BINDINGS").is_some() {
        let _ = std::fs::remove_dir_all(&committed);
        std::fs::create_dir_all(&committed).expect("folder");
        for (name, text) in files(fresh.path()) {
            std::fs::write(committed.join(name), text).expect("written");
        }
        return;
    }
    let (old, new) = (files(&committed), files(fresh.path()));
    for (name, text) in &new {
        assert_eq!(old.get(name), Some(text), "{name} is stale: run `cargo xtask bindings`");
    }
    assert_eq!(old.len(), new.len(), "no file is left over: run `cargo xtask bindings`");
}

#[test]
fn commands_are_named_once() {
    let mut names: Vec<_> = perfdeck_engine::COMMANDS.iter().map(|c| c.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a command is declared once");
}
