//! The canary of `perfctl`: a secret in any argument, and in any file that one names, is found in nothing that is printed,
//! logged or stored. The rows are in `canary/rows.txt`; a unit test of `src/usage.rs` holds them against the command line.
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use perfdeck_testkit::{Answer, ScriptedHttp};

const CANARY: &str = "cAnArY-9f3s";

fn perfctl(dir: &Path, arguments: &[String], extra: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(arguments).args(extra).env_clear().env("HOME", dir).env("PERFDECK_DATA_DIR", dir.join("data"));
    // The encrypted file makes each start slow on purpose; `tests/secrets.rs` looks into that one.
    command.env("PERFDECK_SECRET_STORE", "session").env("PERFDECK_LOG", "trace").env("RUST_BACKTRACE", "1");
    for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let id = child.id();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if waiting.recv_timeout(Duration::from_secs(60)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-s", "KILL", &id.to_string()]).status();
        }
    });
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut err, &mut bytes).map(|_| bytes)
    });
    let mut stdout = Vec::new();
    std::io::Read::read_to_end(&mut out, &mut stdout).expect("stdout");
    let stderr = reader.join().expect("reader").expect("stderr");
    let status = child.wait().expect("ends");
    drop(done);
    guard.join().expect("guard");
    Output { status, stdout, stderr }
}

fn holds(bytes: &[u8]) -> bool {
    perfdeck_testkit::holds(bytes, CANARY)
}

fn leaks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(leaks(&path));
        } else if std::fs::read(&path).is_ok_and(|bytes| holds(&bytes)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_secret_in_any_argument_is_found_nowhere() {
    let dir = tempfile::tempdir().expect("folder");
    // What holds the secret by its nature is beside the folder that is searched.
    let sources = tempfile::tempdir().expect("folder");
    let target = ScriptedHttp::start_now(|_| Answer::ok("fine")).expect("a server");
    let url = target.url();
    let file = |name: &str, text: &str| {
        let path = sources.path().join(name);
        std::fs::write(&path, text.replace("@@", CANARY).replace("URL", url.trim_end_matches('/'))).expect("written");
        path.display().to_string()
    };
    let files = [
        (
            "CONFIG",
            file(
                "c.toml",
                "name='c'\n[targets]\ndatabase='postgres://u:@@@127.0.0.1:1/a'\ncache='redis://@@@127.0.0.1:1'\n",
            ),
        ),
        ("DOTENV", file("b.env", "DATABASE_URL=postgres://u:@@@127.0.0.1:1/a\nREDIS_URL=redis://:@@@127.0.0.1:1/0\n")),
        ("BROKEN", file("b.toml", "name='p'\nload={kind='@@'}\n[[steps]]\nname='s'\nkind='sql'\nstatement=\"@@\"\n")),
        (
            "PLAN",
            file(
                "p.toml",
                "name='p'\nduration='200ms'\nload={kind='closed',connections=1}\n[variables]\nother='@@'\n[[steps]]\nname='s'\n\
                 kind='http'\nmethod='POST'\nurl='URL/a?key=@@'\nbody='pw=@@{{other}}'\nheaders={Cookie='@@'}\n",
            ),
        ),
        (
            "RESULTS",
            file(
                "r.csv",
                "metric_name,timestamp,metric_value,name,url\nhttp_req_duration,@@,1,http://h/?key=@@,http://h/?key=@@\n",
            ),
        ),
        (
            "CURL",
            file(
                "curl.txt",
                "curl 'http://u:@@@h/a?api_key=@@' -H 'Authorization: Bearer @@' -d '{\"password\":\"@@\"}'\n",
            ),
        ),
    ];
    let rows = include_str!("canary/rows.txt");
    let (mut ran, mut told) = (0, Vec::new());
    for line in rows.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let form = line.splitn(3, " | ").nth(2).unwrap_or_else(|| panic!("no row: {line}")).trim();
        if form == "=" {
            continue;
        }
        let arguments: Vec<String> = form
            .split(' ')
            .map(|word| {
                let mut word = word
                    .replace("%20", " ")
                    .replace("@@", CANARY)
                    .replace("DIR", &sources.path().display().to_string());
                for (name, path) in &files {
                    word = word.replace(name, path);
                }
                word.replace("URL", &url)
            })
            .collect();
        // Text on every other row, JSON on the rest; all of them with the most that can be logged.
        let extra: &[&str] = if ran % 2 == 0 { &["-vvvv"] } else { &["-vvvv", "--json"] };
        let output = perfctl(dir.path(), &arguments, extra);
        let said = [output.stdout, output.stderr].concat();
        if holds(&said) {
            let text = String::from_utf8_lossy(&said).into_owned();
            let lines: Vec<&str> = text.lines().filter(|l| l.contains(CANARY)).take(3).collect();
            told.push(format!("'{form}' told the secret: {}", lines.join(" / ")));
        }
        assert!(output.status.code().is_some(), "'{form}' ended by itself: {}", output.status);
        ran += 1;
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(ran > 120, "the rows were run: {ran}");
    // Afterwards nothing that is listed shows it either, and no file has it.
    for list in ["env list", "run list", "journal"] {
        let arguments: Vec<String> = list.split(' ').map(str::to_owned).collect();
        let output = perfctl(dir.path(), &arguments, &["--json"]);
        assert!(output.status.success() && !output.stdout.is_empty() && !holds(&output.stdout), "{list} shows it");
    }
    assert!(dir.path().join("data/perfdeck.db").exists(), "something was stored");
    assert_eq!(leaks(dir.path()), Vec::<PathBuf>::new(), "the secret is stored");
    std::fs::write(dir.path().join("planted"), CANARY).expect("written");
    assert_eq!(leaks(dir.path()).len(), 1, "the search finds what is there");
}

#[test]
fn a_password_of_one_project_is_not_sent_to_the_host_of_another() {
    let dir = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    // A server that keeps what it is sent.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    listener.set_nonblocking(true).expect("a listener");
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = over.clone();
    let seen = std::thread::spawn(move || {
        let (mut all, mut streams) = (Vec::new(), Vec::new());
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).expect("a stream");
                streams.push(stream);
            }
            let mut buffer = [0u8; 4096];
            for stream in &mut streams {
                if let Ok(n @ 1..) = std::io::Read::read(stream, &mut buffer) {
                    all.extend_from_slice(&buffer[..n]);
                    // Asks for a password, as a Redis would.
                    let _ = std::io::Write::write_all(stream, b"-NOAUTH Authentication required.\r\n");
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        all
    });
    let a = write("a.env", format!("REDIS_URL=redis://:{CANARY}@127.0.0.1:1/0\n"));
    let b = write("b.env", format!("REDIS_URL=redis://127.0.0.1:{port}/0\n"));
    let run = |words: &str| {
        let words: Vec<String> = words.split(' ').map(|w| w.replace("A.env", &a).replace("B.env", &b)).collect();
        perfctl(dir.path(), &words, &[])
    };
    run("--env-file A.env env test");
    run("--env-file B.env env test");
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    let sent = seen.join().expect("server");
    assert!(!sent.is_empty(), "project B's host was asked");
    assert!(!holds(&sent), "and not with project A's password");
    let listed = perfctl(dir.path(), &["env".into(), "list".into()], &["--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["environments"].as_array().map(Vec::len), Some(1), "neither was stored: {listed}");
}

#[test]
fn a_configuration_file_only_reads() {
    let dir = tempfile::tempdir().expect("folder");
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "name='app'\nkind='production'\n[targets]\napi='http://127.0.0.1:2'\n").expect("written");
    let config = config.display().to_string();
    let run = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let output = perfctl(dir.path(), &words, &["--json"]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), value, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stored, _) = run(&["env", "add", "app", "--api", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(0));
    let (_, shown, _) = run(&["env", "show", "--config", &config]);
    assert_eq!(shown["environment"]["targets"]["api"]["url"], "http://127.0.0.1:2", "the file is shown");
    let (_, after, _) = run(&["env", "show", "app"]);
    assert_eq!(after["environment"], stored["environment"], "the stored one of this name is as it was");
    let (code, _, error) = run(&["env", "add", "app", "--config", &config]);
    assert_eq!(code, Some(1), "storing it under a taken name is refused");
    assert!(error.contains("exists already") && error.contains("hint:"), "with what to do: {error}");
    assert_eq!(run(&["env", "show", "app"]).1["environment"], stored["environment"], "and touches nothing");
    let (_, first, _) = run(&["env", "show", "--config", &config]);
    assert_eq!(first["environment"]["id"], shown["environment"]["id"], "its runs have one identifier in all processes");
}

#[test]
fn a_password_that_cannot_be_kept_is_said_when_it_is_given() {
    let dir = tempfile::tempdir().expect("folder");
    let run = |store: &str, passphrase: Option<&str>, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
        command.args(words).env_clear().env("HOME", dir.path()).env("PERFDECK_DATA_DIR", dir.path().join("data"));
        command.env("PERFDECK_SECRET_STORE", store).envs(passphrase.map(|p| ("PERFDECK_PASSPHRASE", p)));
        let output = command.stdin(Stdio::null()).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) =
        run("session", None, &["env", "add", "a", "--database", "postgres://u:cAnArY-9f3s@127.0.0.1:1/a"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "warning: the password of the database is not kept",
        "keychain",
        "PERFDECK_PASSPHRASE",
        "--database-password-env NAME",
    ] {
        assert!(said.contains(part), "it names {part}: {said}");
    }
    assert!(!said.contains(CANARY), "and not the password: {said}");
    let (code, said) =
        run("file", Some("correct horse battery"), &["env", "add", "b", "--cache", "redis://:x@127.0.0.1:1/0"]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "nothing is said where it is kept");
    let (_, said) = run("file", Some("wrong horse battery"), &["env", "test", "b"]);
    assert!(said.to_lowercase().contains("wrong passphrase"), "a wrong passphrase is called so: {said}");
}
