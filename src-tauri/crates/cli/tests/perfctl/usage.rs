//! The command line itself: usage, colours, completions, manual, schemas.
use std::path::Path;

use super::{finish, perfctl, run, temp};

#[test]
fn wrong_usage_is_2_and_says_what_to_do() {
    let dir = temp();
    let cases: [&[&str]; 6] = [
        &["env", "add", "x", "--database", "not a url"],
        &["env", "add", "x", "--database", "redis://h"],
        &["bench", "http", "ftp://127.0.0.1/"],
        &["monitor", "--for", "1s"],
        &["monitor", "--env", "demo", "--interval", "10ms"],
        &["serve", "--listen", "0.0.0.0:0"],
    ];
    for args in cases {
        let (code, out, err) = run(dir.path(), args);
        assert_eq!(code, 2, "{args:?} is wrong usage: {err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{args:?} gets an error and a hint: {err}");
        assert!(out.is_empty(), "{args:?} writes no data: {out}");
    }
    for args in [
        &["bench", "http", "http://127.0.0.1/", "-d", "5 parsecs"][..],
        &["nonsense"],
        &["demo", "--out", "x.html"],
        &[],
    ] {
        assert_eq!(run(dir.path(), args).0, 2, "{args:?} is refused by the parser");
    }
}

#[test]
fn with_json_errors_are_on_stderr_only() {
    let dir = temp();
    for words in [&["env", "show", "nobody", "--json"][..], &["bench", "http", "ftp://h/", "--json"]] {
        let (code, out, err) = run(dir.path(), words);
        assert!(code != 0 && out.is_empty(), "{words:?}: {out}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn colour_is_off_when_asked() {
    let dir = temp();
    let child = perfctl(dir.path(), &["env", "show", "nobody"]).env("NO_COLOR", "1").spawn().expect("perfctl starts");
    let output = finish(child);
    assert!(!output.stderr.contains(&0x1b), "NO_COLOR is honoured");
    assert!(output.stderr.starts_with(b"error: "), "the words carry the meaning");
}

#[test]
fn shells_and_manual_need_no_store() {
    let dir = temp();
    let store = dir.path().join("never");
    for (args, needle) in [
        (&["completions", "bash"][..], "perfctl"),
        (&["man"], ".TH perfctl"),
        (&["--help"], "Exit codes"),
        (&["--version"], "perfctl "),
    ] {
        let (code, out, err) = run(&store, args);
        assert!(code == 0 && out.contains(needle), "{args:?} writes to stdout: {err}");
    }
    assert!(!store.exists(), "and touches no data folder");
}

#[test]
fn schemas_are_those_in_the_documentation() {
    let dir = temp();
    let (code, _, err) = run(dir.path(), &["schemas", dir.path().join("s").to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "schemas are written: {err}");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/schemas");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path().join("s")).expect("folder") {
        let entry = entry.expect("entry");
        let now = std::fs::read_to_string(entry.path()).expect("schema");
        let then = std::fs::read_to_string(kept.join(entry.file_name())).unwrap_or_default();
        // A checkout on Windows may have turned line ends.
        assert_eq!(
            then.replace("\r\n", "\n"),
            now,
            "{:?} is stale: run 'perfctl schemas docs/schemas'",
            entry.file_name()
        );
        seen += 1;
    }
    assert!(seen >= 9, "every answer has a schema");
}
