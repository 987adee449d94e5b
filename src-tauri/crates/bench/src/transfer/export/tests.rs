//! What is handed over, without running it.
use std::collections::BTreeMap;

use super::levels::{Piece, pieces};
use super::text::{comment, javascript, python, slug};
use super::*;
use perfdeck_plan::from_toml;

const PLAN: &str = r#"
name = "p"
[load]
kind = "closed"
connections = 2
[[steps]]
name = "a"
kind = "http"
path = "/a"
"#;

fn plan(toml: &str) -> Plan {
    from_toml(toml).expect("the plan is right")
}

fn exported(toml: &str, to: Tool, base: Option<&str>) -> Result<Export, ExportError> {
    export(&plan(toml), to, base, &BTreeMap::new())
}

fn of<'a>(export: &'a Export, name: &str) -> &'a str {
    let file = export.files.iter().find(|f| f.name == name).expect("the file");
    std::str::from_utf8(&file.contents).expect("UTF-8")
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let refused = |toml: &str, base| exported(toml, Tool::K6, base).expect_err("it cannot be handed over");
    assert_eq!(refused(PLAN, None), ExportError::NoBaseUrl("a".into()), "a path needs a base");
    let sql = "name = \"s\"\n[[steps]]\nname = \"q\"\nkind = \"sql\"\nstatement = \"SELECT 1\"\n";
    assert_eq!(refused(sql, None), ExportError::NoHttpStep, "SQL stays here");
    let secret = refused(PLAN, Some("http://me:word@x"));
    assert!(matches!(&secret, ExportError::Secret(_)) && !secret.to_string().contains("word"), "{secret}");
    assert!(
        matches!(refused(&PLAN.replace("/a", "/{{nobody}}"), Some("http://x")), ExportError::Plan(_)),
        "no such variable"
    );
}

#[test]
fn secrets_stay_references() {
    let toml = format!(
        "{PLAN}headers = {{ X-Api-Key = \"literal\" }}\n[auth]\nkind = \"bearer\"\ntoken = \"env:API_TOKEN\"\n"
    );
    for engine in [Tool::K6, Tool::Locust] {
        let export = exported(&toml, engine, Some("http://x")).expect("it can be handed over");
        assert!(export.files.iter().any(|f| String::from_utf8_lossy(&f.contents).contains("API_TOKEN")), "by its name");
        assert!(export.notes.iter().any(|n| n.contains("X-Api-Key") && !n.contains("literal")), "{:?}", export.notes);
    }
    let k6 = exported(&toml, Tool::K6, Some("http://x")).expect("it can be handed over");
    assert!(
        of(&k6, "testrun.yaml").contains("secretKeyRef: {name: perfdeck-p, key: API_TOKEN}"),
        "a Kubernetes secret"
    );
    assert!(k6.run.contains("unix_nano") && !k6.run.contains("API_TOKEN"), "{}", k6.run);
    assert!(k6.notes.iter().any(|n| n.contains("Set API_TOKEN")), "what to set is noted: {:?}", k6.notes);
}

#[test]
fn weights_are_tasks_of_locust() {
    let more = "weight = 0.5\n[[steps]]\nname = \"b\"\nkind = \"http\"\npath = \"/b\"\nweight = 1.25\n\
                [[steps]]\nname = \"c\"\nkind = \"http\"\npath = \"/c\"\nweight = 0.0\n";
    let export = exported(&format!("{PLAN}{more}"), Tool::Locust, Some("http://x")).expect("it can be handed over");
    let file = of(&export, "locustfile.py");
    assert!(file.contains("@task(2)\n    def step_0(") && file.contains("@task(5)\n    def step_1("), "2 to 5");
    assert!(!file.contains("step_2(") && !file.contains("@PLAN@") && !file.contains("@TASKS@"), "0 is never");
    assert_eq!(of(&export, "requirements.txt"), "locust==2.47.0\n", "the version it is tested with");
    assert!(export.notes.iter().all(|n| !n.contains("open loop")), "a closed loop is one");
    let open = PLAN.replace("kind = \"closed\"\nconnections = 2", "kind = \"open\"\nrate_per_s = 5.0");
    let open = exported(&open, Tool::Locust, Some("http://x")).expect("it can be handed over");
    assert!(open.notes.iter().any(|n| n.contains("no open loop")), "the difference is noted: {:?}", open.notes);
}

#[test]
fn stages_become_straight_pieces() {
    let stages = "[[stages]]\nkind = \"ramp\"\nto = 8.0\nduration = \"4s\"\n[[stages]]\nkind = \"spike\"\nto = 20.0\n\
                  duration = \"1s\"\n[[stages]]\nkind = \"hold\"\nduration = \"2s\"\n";
    let piece = |seconds, from, to| Piece { seconds, from, to };
    let expected = [piece(4.0, 2.0, 8.0), piece(1.0, 20.0, 20.0), piece(2.0, 8.0, 8.0)];
    assert_eq!(pieces(&plan(&format!("{PLAN}{stages}"))), expected, "a spike goes back to the level before it");
}

#[test]
fn texts_cannot_leave_their_literals() {
    let nasty = "\"'\\`${x}</script><!--\u{2028}\u{2029}\u{7f}\n😀é";
    let js = javascript(&nasty);
    assert!(!js.contains("</") && !js.contains("<!") && !js.contains(['\u{2028}', '\u{2029}', '\n']), "{js}");
    assert_eq!(serde_json::from_str::<String>(&js).ok().as_deref(), Some(nasty), "it is still the same text");
    let py = python(&nasty);
    assert!(py.is_ascii() && !py.contains("</") && !py.contains('\n'), "{py}");
    // The literal is JSON of JSON: Python's escapes for backslash and quote are those of JSON.
    let inner: String = serde_json::from_str(&py).expect("a literal");
    assert_eq!(serde_json::from_str::<String>(&inner).ok().as_deref(), Some(nasty), "it is still the same text");
    assert_eq!(slug("  Größe / 2 -- x"), "gr-e-2-x", "a slug");
    assert_eq!(slug("'`$("), "plan", "a slug is never empty");
    assert_eq!(comment("a\n*/b\u{2028}@PLAN@"), "a???b??PLAN?", "a comment is one line");
}
