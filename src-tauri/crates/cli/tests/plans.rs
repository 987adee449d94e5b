//! `perfctl bench plan` and bodies of any bytes, as a program.
use std::path::Path;
use std::process::{Command, Stdio};

use perfdeck_testkit::{Answer, ScriptedHttp};
use serde_json::Value;

fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(args).current_dir(dir).env_clear().env("PERFDECK_DATA_DIR", dir.join("data")).env("HOME", dir);
    for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let output = command.stdin(Stdio::null()).output().expect("perfctl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn imports_and_checks_answer_json() {
    let dir = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).expect("written");
    write("body.json", b"{\"a\":1}");
    write("cmd", b"curl --retry-delay 3 http://127.0.0.1:9100/a -H 'Content-Type: application/json' -d @body.json");
    let (code, out, err) = run(dir.path(), &["bench", "plan", "import", "curl", "cmd", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""), "imported");
    let answer = json(&out);
    assert_eq!(answer["schema"], "perfdeck.plan_import/1", "it names its schema");
    assert_eq!(answer["plan"]["base_url"], "http://127.0.0.1:9100", "the host of the URL");
    assert_eq!(answer["plan"]["steps"][0]["body"], "{\"a\":1}", "with the file");
    assert!(answer["left_out"][0].as_str().is_some_and(|n| n.contains("--retry-delay")), "what was left out: {answer}");
    assert_eq!(answer["problems"], Value::Array(Vec::new()), "nothing is wrong with it");
    write("plan.toml", answer["toml"].as_str().expect("TOML").as_bytes());
    let (code, out, _) = run(dir.path(), &["bench", "plan", "check", "plan.toml", "--json"]);
    let checked = json(&out);
    assert_eq!((code, &checked["ok"], &checked["steps"]), (0, &true.into(), &1.into()), "{checked}");
    assert_eq!(checked["schema"], "perfdeck.plan_check/1", "it names its schema");

    write("space.toml", b"name = 'p'\n\n[[steps]]\nname = 's'\nkind = 'http'\npath = '/a b'\n");
    let (code, out, _) = run(dir.path(), &["bench", "plan", "check", "space.toml", "--json"]);
    let problem = &json(&out)["problems"][0];
    assert_eq!((code, &problem["severity"], &problem["line"]), (2, &"error".into(), &6.into()), "{problem}");
    let (code, _, err) = run(dir.path(), &["bench", "plan", "check", "space.toml"]);
    assert!(code == 2 && err.contains("line 6") && err.contains("a space cannot be sent"), "{code}: {err}");
    write("broken.toml", b"name = 'p'\n[[steps]\n");
    let (code, out, _) = run(dir.path(), &["bench", "plan", "check", "broken.toml", "--json"]);
    let broken = json(&out);
    assert_eq!((code, &broken["ok"], &broken["problems"][0]["line"]), (2, &false.into(), &2.into()), "{broken}");

    write("log", b"\xff\xfe GET\n1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.1\" 200 1 \"-\" \"\xff\"\n");
    let (code, out, err) = run(dir.path(), &["bench", "plan", "import", "access-log", "log", "--json"]);
    assert_eq!(code, 0, "stray bytes cost their line at most: {err}");
    assert!(json(&out)["left_out"][0].as_str().is_some_and(|n| n.starts_with("1 lines cannot")), "{out}");
    write("cmd", b"curl http://h/ --config x");
    let (code, out, err) = run(dir.path(), &["bench", "plan", "import", "curl", "cmd", "--json"]);
    assert!(code == 2 && out.is_empty() && err.contains("--config cannot be imported"), "{code}: {err}");
}

#[test]
fn a_body_may_be_any_bytes() {
    let dir = tempfile::tempdir().expect("folder");
    let all: Vec<u8> = (0..=255).collect();
    std::fs::write(dir.path().join("all.bin"), &all).expect("written");
    let wanted = all.clone();
    let answer = move |r: &perfdeck_testkit::Request| {
        Answer::status(if r.body == wanted && r.method == "POST" { 200 } else { 400 }, "ok")
    };
    let server = ScriptedHttp::start_now(answer).expect("a server");
    let url = format!("{}/", server.url());
    let args =
        // A body is sent with POST, as curl does it.
        ["bench", "http", &url, "--body", "@all.bin", "-d", "300ms", "--warmup", "0s", "--json"];
    let (code, out, err) = run(dir.path(), &args);
    let run_ = json(&out);
    assert_eq!((code, &run_["errors"]), (0, &0.into()), "{err}{out}");
    assert_eq!(run_["spec"]["body_base64"], perfdeck_model::masking::MASK, "bytes are not kept");
    let (code, _, err) = run(dir.path(), &["bench", "http", &url, "--body", "@none.bin", "-d", "300ms"]);
    assert!(code != 0 && err.contains("none.bin cannot be read"), "{code}: {err}");
}
