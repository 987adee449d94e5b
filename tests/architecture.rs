//! The plan of the house, checked: who may depend on whom, under which licences, and where transports are known.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Which crates of the workspace each one may depend on. `ARCHITECTURE.md` draws the same arrows.
const ARROWS: &[(&str, &[&str])] = &[
    ("perfdeck", &["perfdeck-server", "perfdeck-engine", "perfdeck-model"]),
    ("perfdeck-cli", &["perfdeck-server", "perfdeck-engine", "perfdeck-model", "perfdeck-words"]),
    ("perfdeck-server", &["perfdeck-engine", "perfdeck-model"]),
    (
        "perfdeck-engine",
        &[
            "perfdeck-advisor",
            "perfdeck-alerts",
            "perfdeck-bench",
            "perfdeck-cache",
            "perfdeck-database",
            "perfdeck-demo",
            "perfdeck-gateway",
            "perfdeck-model",
            "perfdeck-monitor",
            "perfdeck-plan",
            "perfdeck-report",
            "perfdeck-series",
            "perfdeck-sqltext",
            "perfdeck-stats",
            "perfdeck-webperf",
            "perfdeck-words",
        ],
    ),
    ("perfdeck-gateway", &["perfdeck-cache", "perfdeck-httpcache", "perfdeck-model"]),
    ("perfdeck-advisor", &["perfdeck-model", "perfdeck-pages", "perfdeck-sqltext"]),
    ("perfdeck-alerts", &["perfdeck-model"]),
    ("perfdeck-demo", &["perfdeck-cache", "perfdeck-database", "perfdeck-model", "perfdeck-monitor", "perfdeck-words"]),
    (
        "perfdeck-bench",
        &[
            "perfdeck-model",
            "perfdeck-net",
            "perfdeck-pgload",
            "perfdeck-plan",
            "perfdeck-sqltext",
            "perfdeck-stats",
            "perfdeck-words",
        ],
    ),
    ("perfdeck-plan", &["perfdeck-model", "perfdeck-net", "perfdeck-stats"]),
    ("perfdeck-stats", &["perfdeck-model", "perfdeck-words"]),
    ("perfdeck-series", &["perfdeck-model"]),
    ("perfdeck-cache", &["perfdeck-model", "perfdeck-net", "perfdeck-words"]),
    (
        "perfdeck-database",
        &["perfdeck-model", "perfdeck-pages", "perfdeck-pgload", "perfdeck-sqltext", "perfdeck-net", "perfdeck-words"],
    ),
    ("perfdeck-monitor", &["perfdeck-model", "perfdeck-net", "perfdeck-series"]),
    ("perfdeck-report", &["perfdeck-model", "perfdeck-stats", "perfdeck-words"]),
    ("perfdeck-webperf", &["perfdeck-model"]),
    ("perfdeck-httpcache", &[]),
    ("perfdeck-model", &[]),
    ("perfdeck-words", &["perfdeck-model"]),
    ("perfdeck-pages", &[]),
    ("perfdeck-pgload", &["perfdeck-net"]),
    ("perfdeck-sqltext", &[]),
    ("perfdeck-testkit", &[]),
    ("perfdeck-net", &["perfdeck-model"]),
    ("xtask", &["perfdeck-model"]),
];

/// Licences that a dependency may have. `deny.toml` holds the same list for cargo-deny.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Data, not code: Mozilla's list of certificate authorities.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    // Per file: the CSS parser below the web view.
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo knows about this workspace on this platform.
fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
        let rustc = String::from_utf8_lossy(&rustc.stdout).into_owned();
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--filter-platform", host])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The packages of the workspace.
fn members() -> Vec<&'static Value> {
    let ids: BTreeSet<&str> = list(&metadata()["workspace_members"]).iter().map(text).collect();
    list(&metadata()["packages"]).iter().filter(|package| ids.contains(text(&package["id"]))).collect()
}

#[test]
fn arrows_point_down_as_drawn() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let names: BTreeSet<&str> = members().iter().map(|package| text(&package["name"])).collect();
    for package in members() {
        let name = text(&package["name"]);
        let targets =
            allowed.get(name).unwrap_or_else(|| panic!("{name} is new: draw its arrows here and in ARCHITECTURE.md"));
        for dependency in list(&package["dependencies"]) {
            let on = text(&dependency["name"]);
            if !names.contains(on) {
                continue;
            }
            let for_tests = dependency["kind"] == "dev";
            assert!(
                targets.contains(&on) || for_tests && on == "perfdeck-testkit",
                "{name} depends on {on}: that arrow is not in the picture"
            );
        }
    }
}

/// Crates below the faces: what they say is read in the window, the browser and the terminal.
const BELOW_FACES: &[&str] = &[
    "model", "words", "sqltext", "net", "series", "plan", "stats", "bench", "database", "cache", "monitor", "report",
    "demo", "engine",
];

/// Words that a text below the faces may hold although they look like an option: other programs' own.
const OTHERS: &[&str] = &[
    "openssl ",
    "redis-cli ",
    "--name=value",
    "--exact",
    "--nocapture",
    "--test-threads",
    "docker",
    "k6 run",
    "locust ",
    "-- ",
    "--secret",
];

#[test]
fn nothing_below_the_faces_speaks_of_options_or_routes() {
    let mut found = Vec::new();
    for name in BELOW_FACES {
        let source = root().join("src-tauri/crates").join(name).join("src");
        for path in files(&source, &[".rs"]) {
            let shown = path.display().to_string();
            // What is handed over to other load generators, and what curl takes, is theirs.
            if shown.contains("tests")
                || shown.contains("transfer/")
                || shown.contains("import/")
                || shown.contains("kill.rs")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source file");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for (at, line) in text.lines().enumerate() {
                let code = line.trim_start();
                if code.starts_with("//") || OTHERS.iter().any(|other| code.contains(other)) {
                    continue;
                }
                // The texts of the line: what stands between quotes.
                for said in code.split('"').skip(1).step_by(2) {
                    let option = said.split_whitespace().any(|word| {
                        let word = word.trim_start_matches(['(', '\'']);
                        word.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
                    });
                    if option || said.contains("perfctl ") || said.contains("#/e/") {
                        found.push(format!("{shown}:{}: {said}", at + 1));
                    }
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "a hint says what helps, and its remedy (model/src/error.rs) lets each face say how:\n{}",
        found.join("\n")
    );
}

/// Modules at the top of a crate, with the modules of the same crate that each names outside its tests.
fn modules(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let name = |path: &Path| {
        let first = path.strip_prefix(source).expect("below the sources").components().next().expect("a name");
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
    };
    let files: Vec<PathBuf> = files(source, &[".rs"])
        .into_iter()
        .filter(|path| !path.iter().any(|part| part == "tests") && !path.to_string_lossy().ends_with("tests.rs"))
        .collect();
    let names: BTreeSet<String> = files.iter().map(|path| name(path)).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in &files {
        let own = name(path);
        if own == "lib" || own == "main" {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a source file");
        // What tests use is not what the module stands on.
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let code: String =
            text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        let beside = path.parent() == Some(source);
        let prefixes: &[&str] = if beside { &["crate::", "super::"] } else { &["crate::"] };
        let used = uses.entry(own.clone()).or_default();
        for prefix in prefixes {
            for rest in code.split(prefix).skip(1) {
                let group = rest.strip_prefix('{').and_then(|group| group.split('}').next());
                let words = group.unwrap_or_else(|| {
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
                });
                let words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
                used.extend(words.filter(|word| names.contains(*word) && *word != own).map(str::to_owned));
            }
        }
    }
    uses
}

#[test]
fn modules_of_a_crate_form_no_circles() {
    let crates = std::fs::read_dir(root().join("src-tauri/crates")).expect("the crates");
    for source in crates.flatten().map(|entry| entry.path().join("src")).filter(|source| source.exists()) {
        let mut left = modules(&source);
        // Whatever stands on nothing that is left is taken away; what remains at the end stands on itself.
        loop {
            let names: BTreeSet<String> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|_, used| used.iter().any(|name| names.contains(name)));
            if left.len() == before {
                break;
            }
        }
        assert!(
            left.is_empty(),
            "{}: modules that stand on each other, or on such: {:?}",
            source.display(),
            left.keys()
        );
    }
}

#[test]
fn only_the_shell_knows_tauri() {
    let graph: BTreeMap<&str, Vec<&str>> = list(&metadata()["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), list(&node["dependencies"]).iter().map(text).collect()))
        .collect();
    let names: BTreeMap<&str, &str> =
        list(&metadata()["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    for package in members().into_iter().filter(|package| package["name"] != "perfdeck") {
        let mut open = vec![text(&package["id"])];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let name = names.get(id).copied().unwrap_or_default();
            assert!(
                !name.starts_with("tauri") && name != "wry" && !name.starts_with("webkit2gtk"),
                "{} reaches {name}: everything but the shell must build without a display or WebKit",
                text(&package["name"])
            );
            open.extend(graph.get(id).into_iter().flatten());
        }
    }
}

#[test]
fn one_tls_library() {
    for package in list(&metadata()["packages"]) {
        let name = text(&package["name"]);
        assert!(
            !["openssl-sys", "native-tls", "aws-lc-sys"].contains(&name),
            "{name} is in the tree: TLS is rustls with ring everywhere, so that a build needs no C library"
        );
    }
}

#[test]
fn no_crate_allows_unsafe_code() {
    for package in members() {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let toml = std::fs::read_to_string(&manifest).expect("the manifest can be read");
        assert!(
            toml.contains("[lints]\nworkspace = true"),
            "{}: the workspace's lints, which forbid unsafe code, must apply",
            manifest.display()
        );
        for target in list(&package["targets"]) {
            let kind = text(&target["kind"][0]);
            if ["lib", "bin"].contains(&kind) {
                let source = PathBuf::from(text(&target["src_path"]));
                let code = std::fs::read_to_string(&source).unwrap_or_default();
                assert!(
                    code.contains("#![forbid(unsafe_code)]"),
                    "{} must forbid unsafe code, whoever builds it",
                    source.display()
                );
            }
        }
    }
}

#[test]
fn licences_are_permissive() {
    for package in list(&metadata()["packages"]) {
        let licence = text(&package["license"]);
        assert!(
            allowed(licence)
                || licence.is_empty() && package["license_file"].is_string() && package["source"].is_null(),
            "{} {} is under '{licence}', which is not on the list",
            text(&package["name"]),
            text(&package["version"])
        );
    }
}

/// Whether an SPDX expression can be satisfied with the licences on the list.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    !words.is_empty() && any_of(&words)
}

fn any_of(words: &[&str]) -> bool {
    split(words, "OR").into_iter().any(all_of)
}

fn all_of(words: &[&str]) -> bool {
    split(words, "AND").into_iter().all(|part| match part {
        ["(", inner @ .., ")"] => any_of(inner),
        part => LICENCES.contains(&part.join(" ").as_str()),
    })
}

/// Splits at a word outside parentheses.
fn split<'a, 'b>(words: &'a [&'b str], at: &str) -> Vec<&'a [&'b str]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (index, word) in words.iter().enumerate() {
        match *word {
            "(" => depth += 1,
            ")" => depth -= 1,
            word if depth == 0 && word == at => {
                parts.push(&words[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&words[start..]);
    parts
}

#[test]
fn expressions_of_licences_are_understood() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0", "Apache-2.0 AND ISC"] {
        assert!(allowed(good), "{good} can be satisfied");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT"] {
        assert!(!allowed(bad), "{bad} cannot be satisfied");
    }
}

#[test]
fn the_shell_stays_thin() {
    let mut lines = 0;
    for file in files(&root().join("src-tauri/src"), &["rs"]) {
        lines += std::fs::read_to_string(&file).unwrap_or_default().lines().count();
    }
    assert!(lines < 1_000, "the shell has {lines} lines: logic belongs into the engine");
}

#[test]
fn only_the_backend_folder_knows_a_transport() {
    let ui = root().join("ui/src");
    for file in files(&ui, &["ts", "svelte"]) {
        if file.starts_with(ui.join("backend")) || file.to_string_lossy().ends_with(".test.ts") {
            continue;
        }
        let code = std::fs::read_to_string(&file).unwrap_or_default();
        for word in ["@tauri-apps/", "__TAURI", "fetch(", "new EventSource", "new WebSocket", "XMLHttpRequest"] {
            assert!(!code.contains(word), "{} has {word}: only ui/src/backend may know a transport", file.display());
        }
    }
}

/// Every file with one of these endings below a folder.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)) {
            found.push(path);
        }
    }
    found
}

/// Rust sources below a folder, with their text.
fn rust_below(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
}

/// Where one program has all tests of a crate, Cargo does not find a file that nobody names.
#[test]
fn every_file_of_tests_is_run() {
    let mut forgotten = Vec::new();
    for manifest in members().into_iter().map(|package| PathBuf::from(text(&package["manifest_path"]))) {
        let named = std::fs::read_to_string(&manifest).expect("a manifest");
        if !named.contains("autotests = false") {
            continue;
        }
        let tests = manifest.parent().expect("a folder").join("tests");
        let main = std::fs::read_to_string(tests.join("main.rs")).expect("the program of all tests");
        for entry in std::fs::read_dir(&tests).expect("tests").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            let (module, is_one) = match name.strip_suffix(".rs") {
                Some(module) => (module, module != "main"),
                None => (name.as_str(), ["mod.rs", "main.rs"].iter().any(|file| entry.path().join(file).exists())),
            };
            let is_named = main.lines().any(|line| line == format!("mod {module};"))
                || [format!("tests/{module}.rs"), format!("tests/{module}/main.rs")]
                    .iter()
                    .any(|path| named.contains(path));
            if is_one && !is_named {
                forgotten.push(entry.path());
            }
        }
    }
    assert!(forgotten.is_empty(), "no program runs {forgotten:?}");
}

#[test]
fn no_dependency_is_unused() {
    let nodes = list(&metadata()["resolve"]["nodes"]);
    let mut unused = Vec::new();
    for package in members() {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().expect("a folder");
        let mut files = Vec::new();
        // The shell's sources are below `src-tauri`, whose crates are packages of their own.
        let own: &[&str] = if folder == root() { &["src-tauri/src", "tests"] } else { &["src", "tests", "benches"] };
        for below in own.iter().map(|name| folder.join(name)).filter(|path| path.is_dir()) {
            rust_below(&below, &mut files);
        }
        for script in [folder.join("build.rs"), folder.join("src-tauri/build.rs")] {
            files.extend(std::fs::read_to_string(&script).ok().map(|text| (script, text)));
        }
        let words: BTreeSet<&str> =
            files.iter().flat_map(|(_, text)| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))).collect();
        let node = nodes.iter().find(|node| node["id"] == package["id"]).expect("it is resolved");
        for dependency in list(&node["deps"]) {
            if !words.contains(text(&dependency["name"])) {
                unused.push(format!("{}: {}", text(&package["name"]), text(&dependency["name"])));
            }
        }
    }
    assert!(unused.is_empty(), "not named in any source: {unused:?}");
}

#[test]
fn features_of_the_engine_are_apart_and_the_core_knows_none() {
    let src = root().join("src-tauri/crates/engine/src");
    let mut files = Vec::new();
    rust_below(&src, &mut files);
    let features: BTreeSet<String> = std::fs::read_dir(src.join("features"))
        .expect("features")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(features.len() >= 5, "the features are found: {features:?}");
    for (path, text) in &files {
        let below = path.strip_prefix(&src).expect("below src");
        let room = below.iter().next().expect("a name").to_string_lossy().into_owned();
        let own = below.iter().nth(1).map(|part| part.to_string_lossy().into_owned());
        for after in text.split("crate::features::").skip(1) {
            let named: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            match room.as_str() {
                "features" => assert_eq!(Some(&named), own.as_ref(), "{}: features are apart", below.display()),
                "core" => panic!("{}: what all features stand on knows none of them, as '{named}'", below.display()),
                _ => {}
            }
        }
    }
}

#[test]
fn only_the_guards_make_a_permit_and_it_is_taken_by_value() {
    let src = root().join("src-tauri/crates/engine/src");
    let mut files = Vec::new();
    rust_below(&src, &mut files);
    let mut made = Vec::new();
    for (path, text) in &files {
        let below = path.strip_prefix(&src).expect("below src").display().to_string();
        made.extend(
            text.match_indices("Permit {").filter(|(at, _)| !text[..*at].ends_with("impl ")).map(|_| below.clone()),
        );
        assert!(!text.contains("&Permit") && !text.contains("&'a Permit"), "{below}: a permit is used up");
    }
    // Its declaration, and the one place that makes it.
    assert_eq!(made, ["core/guards.rs"; 2], "what alters a target is allowed in one place");
    let guards = std::fs::read_to_string(src.join("core/guards.rs")).expect("the guards");
    let before = guards.split("pub(crate) struct Permit {").next().and_then(|text| text.rsplit("\n\n").next());
    assert!(
        before.is_some_and(|t| !t.contains("Clone") && !t.contains("Copy")),
        "a permit is for one time: {before:?}"
    );
}

/// Rooms of the UI from the bottom to the top; each may import those before it.
const UI_ROOMS: &[&str] = &["backend", "kit", "charts", "lanes", "features", "shell"];

/// Sources below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the UI").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "ts" || e == "svelte" || e == "css") {
            found.push(path);
        }
    }
}

/// What a source imports of the UI, as paths below `src`.
fn imports(file: &Path, text: &str) -> Vec<PathBuf> {
    let relative = text
        .split(['\'', '"'])
        .filter(|s| s.starts_with("./") || s.starts_with("../"))
        .filter(|s| !s.contains([' ', '\n']));
    relative
        .map(|spec| {
            let mut path = file.parent().expect("a folder").to_path_buf();
            for part in spec.split('/') {
                match part {
                    "." => {}
                    ".." => drop(path.pop()),
                    name => path.push(name),
                }
            }
            path
        })
        .collect()
}

#[test]
fn rooms_of_the_ui_point_down_and_features_are_apart() {
    let src = root().join("ui/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let rank = |room: &str| UI_ROOMS.iter().position(|r| *r == room);
    let mut checked = 0;
    for file in &files {
        let from = file.strip_prefix(&src).expect("below src").to_path_buf();
        let text = std::fs::read_to_string(file).expect("text");
        for to in imports(&from, &text) {
            let parts =
                |path: &Path| -> Vec<String> { path.iter().map(|part| part.to_string_lossy().into_owned()).collect() };
            let (a, b) = (parts(&from), parts(&to));
            let (Some(above), Some(below)) = (rank(&a[0]), rank(&b[0])) else { continue };
            checked += 1;
            let what = format!("{} imports {}", from.display(), to.display());
            assert!(below <= above, "{what}: that arrow points up");
            // One list knows all features; a feature knows none but itself.
            if above == below && a[0] == "features" && a.len() > 2 {
                assert_eq!(a.get(1), b.get(1), "{what}: what two features share lies below them");
            }
        }
    }
    assert!(checked > 300, "the imports are found: {checked}");
}
