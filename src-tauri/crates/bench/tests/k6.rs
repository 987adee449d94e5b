//! The script for k6 under node, with stubs of k6's modules: it sends what the plan says.
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use perfdeck_bench::transfer::{Export, Tool, export};
use perfdeck_plan::{Plan, from_toml};
use serde_json::{Value, json};

/// Stubs of k6's modules. Everything that happens goes to one list.
const STUBS: &[(&str, &str)] = &[
    (
        "package.json",
        r#"{"name":"k6","type":"module","exports":{".":"./k6.js","./http":"./http.js","./data":"./data.js",
            "./execution":"./execution.js","./metrics":"./metrics.js","./encoding":"./encoding.js"}}"#,
    ),
    (
        "k6.js",
        "export function check(_, rules) { for (const [name, f] of Object.entries(rules)) \
         globalThis.did.push({check: name, ok: f()}); }\n\
         export function sleep(s) { globalThis.did.push({sleep: s}); }",
    ),
    (
        "http.js",
        "const http = { expectedStatuses: (...ranges) => ranges,\n request(method, url, body, params) {\n\
         globalThis.did.push({method, url, body, headers: params.headers, tags: params.tags, redirects: \
         params.redirects, timeout: params.timeout, type: params.responseType, expected: params.responseCallback});\n\
         return globalThis.respond(method, url, body, params); } };\nexport default http;",
    ),
    (
        "data.js",
        "export class SharedArray { constructor(name, make) { const all = make(); if (!Array.isArray(all)) throw \
         new Error('no array'); return all; } }",
    ),
    (
        "execution.js",
        "const exec = { vu: { idInTest: 1 }, scenario: { name: 'main', iterationInTest: 0 }, test: { abort(why) { \
         globalThis.did.push({abort: why}); throw new Error(why); } } };\nexport default exec;",
    ),
    (
        "metrics.js",
        "class Metric { constructor(name) { this.name = name; } add(value, tags) { globalThis.did.push({metric: \
         this.name, value, tags}); } }\nexport class Rate extends Metric {}\nexport class Counter extends Metric {}",
    ),
    ("encoding.js", "export default { b64encode: (text) => Buffer.from(text).toString('base64') };"),
];

/// Runs `iterations` of the script; one list of what happened.
const HARNESS: &str = r"
import { readFileSync } from 'node:fs';
import exec from 'k6/execution';
globalThis.did = [];
globalThis.open = (path) => readFileSync(path, 'utf8');
globalThis.__ENV = JSON.parse(process.argv[2]);
globalThis.respond = (method, url) => ({
  status: url.includes('/missing') ? 404 : url.includes('/moved') ? 302 : 200, error_code: 0,
  headers: { 'X-Next': 'n1', 'Content-Type': 'application/json', Location: '/x' },
  body: JSON.stringify({ token: 't 1', items: [{ id: 7, 'a/b': true }], text: 'x' }),
});
const script = await import('./script.js');
const [warm, main] = JSON.parse(process.argv[3]);
for (const [name, count] of [['warmup', warm], ['main', main]]) {
  for (let i = 0; i < count; i += 1) {
    exec.scenario.name = name;
    exec.scenario.iterationInTest = i;
    try { script.iteration(); } catch (e) { globalThis.did.push({ thrown: e.message }); break; }
  }
}
console.log(JSON.stringify({ options: script.options, did: globalThis.did }));
";

fn handed_over(toml: &str, files: &[(&str, &str)]) -> Export {
    let plan: Plan = from_toml(toml).expect("the plan is right");
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    export(&plan, Tool::K6, Some("http://api.test/base/"), &files).expect("it can be handed over")
}

fn write(folder: &Path, name: &str, contents: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
    std::fs::write(path, contents).expect("a file");
}

/// Options and what happened.
fn run(export: &Export, env: &Value, warm: u32, main: u32) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "package.json", b"{\"type\":\"module\"}");
    for (name, text) in STUBS {
        write(folder.path(), &format!("node_modules/k6/{name}"), text.as_bytes());
    }
    for file in &export.files {
        write(folder.path(), &file.name, &file.contents);
    }
    write(folder.path(), "harness.js", HARNESS.as_bytes());
    let node = |args: &[&str]| Command::new("node").args(args).current_dir(folder.path()).output().expect("node runs");
    let checked = node(&["--check", "script.js"]);
    assert!(checked.status.success(), "the script is JavaScript: {}", String::from_utf8_lossy(&checked.stderr));
    let counts = json!([warm, main]).to_string();
    let out = node(&["harness.js", &env.to_string(), &counts]);
    assert!(out.status.success(), "the script runs: {}", String::from_utf8_lossy(&out.stderr));
    let answer: Value = serde_json::from_slice(&out.stdout).expect("the harness writes JSON");
    let did = answer["did"].as_array().expect("a list").clone();
    (answer["options"].clone(), did)
}

fn sent(did: &[Value]) -> Vec<&Value> {
    did.iter().filter(|d| d.get("method").is_some()).collect()
}

const SCENARIO: &str = r#"
name = "shop"
scenario = true
timeout = "2s"
thresholds = ["p99 < 50ms", "step:'list all' errors < 0.1%", "rate > 10/s"]
[load]
kind = "open"
rate_per_s = 12.5
max_in_flight = 40
[warmup]
kind = "fixed"
duration = "5s"
[auth]
kind = "login"
step = "login"
var = "token"
[variables]
tenant = "env:TENANT"
greeting = 'say "hi" to {{tenant}}'
[[feeds]]
name = "user"
kind = "csv"
file = "users.csv"
[[feeds]]
name = "big"
kind = "sequence"
from = 9007199254740993
to = 9007199254740999
[[steps]]
name = "login"
kind = "http"
method = "POST"
path = "/login"
json = { user = "{{user.mail}}", note = "{{greeting}}" }
extract = [{ var = "token", json_pointer = "/token" }]
[[steps]]
name = "list all"
kind = "http"
path = "/items?q={{user.mail|url}}&big={{big}}&n={{$seq}}"
headers = { X-Tenant = "{{tenant}}" }
redirects = 2
checks = [{ status = "2xx" }, { json_pointer = "/items/0/id", equals = 7 }, { header = "x-next", equals = "n1" },
  { json_pointer = "/items/0/a~1b", equals = true }]
extract = [{ var = "id", json_pointer = "/items/0/id" }, { var = "next", header = "x-next" }]
[[steps]]
name = "one"
kind = "http"
method = "PUT"
url = "http://other.test/{{id}}/{{next}}"
body = "{{$uuid}} {{$random 3 3}} {{$now_ms}}"
[[steps]]
name = "query"
kind = "sql"
statement = "SELECT 1"
[[steps]]
name = "gone"
kind = "http"
path = "/missing"
[[steps]]
name = "never"
kind = "http"
path = "/never"
"#;

#[test]
fn a_scenario_sends_what_the_plan_says() {
    let toml = SCENARIO.replace("'list all'", "\\\"list all\\\"");
    let export = handed_over(&toml, &[("users.csv", "mail,secret\na b@x,1\nc@x,2\n")]);
    let data: Vec<&str> = export.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(data, ["script.js", "testrun.yaml", "data/1-user.json", "plan.toml"], "one file per feed with rows");
    let users = export.files.iter().find(|f| f.name.starts_with("data")).expect("the feed");
    assert_eq!(users.contents, br#"[["a b@x"],["c@x"]]"#, "columns that no template uses are left out");
    assert!(export.notes.iter().any(|n| n.contains("query")), "the SQL step is named: {:?}", export.notes);
    let (options, did) = run(&export, &json!({"TENANT": "t\"1"}), 1, 2);
    let sent = sent(&did);
    let urls: Vec<&str> = sent.iter().map(|s| s["url"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        urls,
        [
            "http://api.test/base/login",
            "http://api.test/base/items?q=a%20b%40x&big=9007199254740993&n=1000000000000",
            "http://other.test/7/n1",
            "http://api.test/base/missing",
            "http://api.test/base/items?q=a%20b%40x&big=9007199254740993&n=0",
            "http://other.test/7/n1",
            "http://api.test/base/missing",
            "http://api.test/base/items?q=c%40x&big=9007199254740994&n=1",
            "http://other.test/7/n1",
            "http://api.test/base/missing",
        ],
        "one login, all steps in order, none after the one that fails"
    );
    assert_eq!(sent[0]["method"], "POST", "the login's method");
    assert_eq!(sent[0]["body"], r#"{"note":"say \"hi\" to t\"1","user":"a b@x"}"#, "values are escaped in JSON");
    assert_eq!(sent[0]["headers"], json!({"Content-Type": "application/json"}), "no token before the login");
    assert_eq!(sent[0]["tags"]["phase"], "login", "the login is no part of the figures");
    assert_eq!(
        sent[1]["headers"],
        json!({"X-Tenant": "t\"1", "Authorization": "Bearer t 1"}),
        "headers with the token"
    );
    assert_eq!(sent[1]["tags"], json!({"step": "step.2", "name": "list all"}), "the id has no space, the name does");
    assert_eq!((&sent[1]["redirects"], &sent[1]["timeout"]), (&json!(2), &json!(2000)), "redirects and timeout");
    assert_eq!(sent[1]["expected"], json!([{"min": 200, "max": 299}]), "the statuses that k6 takes for right");
    let body = sent[2]["body"].as_str().expect("a text");
    let parts: Vec<&str> = body.split(' ').collect();
    assert!(parts[0].len() == 36 && &parts[0][14..15] == "4", "a UUID of version 4: {body}");
    assert!(parts[1] == "3" && parts[2].len() == 13, "random within its bounds, time in milliseconds: {body}");
    assert_eq!(sent[2]["type"], "none", "a body that no rule looks into is not kept");
    let failed: Vec<&Value> = did.iter().filter(|d| d["metric"] == "perfdeck_failed").collect();
    assert_eq!(failed.len(), 3, "only the missing page failed");
    assert!(did.iter().all(|d| d.get("ok") != Some(&json!(false))), "every check holds: {did:?}");
    let main = &options["scenarios"]["main"];
    assert_eq!(main["executor"], "constant-arrival-rate", "an open loop");
    assert_eq!((&main["rate"], &main["timeUnit"]), (&json!(25), &json!("2s")), "12.5 a second in whole numbers");
    assert_eq!((&main["maxVUs"], &main["preAllocatedVUs"]), (&json!(40), &json!(19)), "virtual users");
    assert_eq!((&main["startTime"], &main["duration"]), (&json!("5000ms"), &json!("10000ms")), "after the warm-up");
    assert_eq!(options["scenarios"]["warmup"]["tags"]["phase"], "warmup", "the warm-up is told apart");
    let thresholds = options["thresholds"].as_object().expect("thresholds");
    assert!(thresholds.keys().all(|k| k.contains("{phase:main")), "none judges the warm-up: {thresholds:?}");
    assert_eq!(thresholds["http_req_duration{phase:main}"], json!(["p(99)<50"]), "a percentile");
    assert_eq!(thresholds["perfdeck_errors{phase:main,step:step.2}"], json!(["rate<0.001"]), "a share");
    assert_eq!(thresholds["perfdeck_ok{phase:main}"], json!(["rate>6.666667"]), "scaled by 10 of 15 seconds");
    assert_eq!(thresholds["dropped_iterations{phase:main}"], json!(["count==0"]), "nothing may be dropped");
    let text: String = export.files.iter().map(|f| String::from_utf8_lossy(&f.contents).into_owned()).collect();
    assert!(text.contains("env:TENANT") && text.contains("key: TENANT"), "secrets are references");
}

#[test]
fn steps_are_chosen_by_weight_with_the_seed() {
    let toml = r#"
name = "w"
seed = 7
[load]
kind = "closed"
connections = 3
think_time = "20ms"
[[stages]]
kind = "ramp"
to = 9.0
duration = "4s"
[[stages]]
kind = "spike"
to = 20.0
duration = "1s"
[[stages]]
kind = "hold"
duration = "2s"
[auth]
kind = "basic"
user = "me"
password = "env:PASSWORD"
[[feeds]]
name = "hot"
kind = "zipf"
items = 50
prefix = "k"
[[feeds]]
name = "any"
kind = "uniform"
from = -9223372036854775808
to = 9223372036854775807
[[feeds]]
name = "word"
kind = "random_string"
length = 5
[[feeds]]
name = "pick"
kind = "list"
values = ["a", "b"]
mode = "random"
[[steps]]
name = "often"
kind = "http"
path = "/often/{{hot}}/{{any}}/{{word}}/{{pick}}"
weight = 3.0
[[steps]]
name = "seldom"
kind = "http"
path = "/seldom"
[[steps]]
name = "never"
kind = "http"
path = "/never"
weight = 0.0
"#;
    let export = handed_over(toml, &[]);
    let env = json!({"PASSWORD": "s3cret"});
    let (options, did) = run(&export, &env, 0, 4000);
    let all = sent(&did);
    let often: Vec<&str> = all.iter().filter_map(|s| s["url"].as_str().filter(|u| u.contains("/often/"))).collect();
    assert_eq!(all.len(), 4000, "one step per iteration");
    assert!(!all.iter().any(|s| s["tags"]["step"] == "never"), "weight 0 is never");
    assert!((2850..3150).contains(&often.len()), "three of four: {}", often.len());
    let (_, again) = run(&export, &env, 0, 4000);
    let order = |did: &[Value]| sent(did).iter().map(|s| s["url"].to_string()).collect::<Vec<_>>();
    assert_eq!(order(&did), order(&again), "the same seed gives the same requests");
    let hottest = often.iter().filter(|u| u.contains("/k0/")).count();
    // 1 / H(50) = 0.2223
    assert!((550..800).contains(&hottest), "the first key has its share: {hottest}");
    for url in often.iter().take(50) {
        let parts: Vec<&str> = url.split('/').skip(5).collect();
        assert!(parts[1].parse::<i64>().is_ok(), "a whole number of 64 bits: {url}");
        assert!(parts[2].len() == 5 && ["a", "b"].contains(&parts[3]), "random texts and rows: {url}");
    }
    assert_eq!(all[0]["headers"]["Authorization"], "Basic bWU6czNjcmV0", "base64 of me:s3cret");
    assert!(did.contains(&json!({"sleep": 0.02})), "think time");
    let main = &options["scenarios"]["main"];
    assert_eq!(main["executor"], "ramping-vus", "a closed loop with stages");
    let stages = json!([
        {"duration": "4000ms", "target": 9}, {"duration": "0s", "target": 20}, {"duration": "1000ms", "target": 20},
        {"duration": "0s", "target": 9}, {"duration": "2000ms", "target": 9}]);
    assert_eq!((&main["startVUs"], &main["stages"]), (&json!(3), &stages), "ramp, spike and hold");
}

#[test]
fn rows_that_are_used_once_end_the_run() {
    let toml = r#"
name = "once"
[load]
kind = "closed"
connections = 1
[warmup]
kind = "fixed"
duration = "10s"
[[feeds]]
name = "id"
kind = "list"
values = ["a", "b", "c", "d"]
mode = "unique"
[[steps]]
name = "s"
kind = "http"
path = "/{{id}}"
"#;
    let (_, did) = run(&handed_over(toml, &[]), &json!({}), 4, 4);
    let urls: Vec<String> = sent(&did).iter().map(|s| s["url"].as_str().unwrap_or_default().to_owned()).collect();
    let ends: Vec<&str> = urls.iter().filter_map(|u| u.rsplit('/').next()).collect();
    assert_eq!(ends, ["c", "d", "a", "b"], "the warm-up has the last half, the measured time the first");
    assert!(did.iter().any(|d| d.get("abort").is_some()), "then the run ends");
}

#[test]
fn hostile_texts_stay_texts() {
    let nasty = "\\\"'`${1}</script><!--\\u2028\\u2029 \\n*/ */ {{$seq}} 😀 __proto__ \\u0001";
    let toml = format!(
        "name = \"x\\n;throw 1//\\u2028throw 2\"\n[load]\nkind = \"closed\"\nconnections = 1\n[[steps]]\nname = \"{}\"\n\
         kind = \"http\"\nmethod = \"POST\"\npath = \"/p\"\nbody = \"{nasty}\"\n\
         headers = {{ \"__proto__\" = \"p\", constructor = \"c\" }}\n\
         checks = [{{ json_pointer = \"/__proto__\" }}]\n",
        nasty.replace("\\u0001", "").replace("{{$seq}}", "").replace("\\n", "").replace("\\\"", "")
    );
    let export = handed_over(&toml, &[]);
    let script = String::from_utf8(export.files[0].contents.clone()).expect("UTF-8");
    assert!(!script.contains("</") && !script.contains("<!--"), "nothing ends a page's script");
    assert!(!script.contains(['\u{2028}', '\u{2029}']), "nothing ends a line");
    let (_, did) = run(&export, &json!({}), 0, 1);
    let sent = sent(&did);
    let body = "\"'`${1}</script><!--\u{2028}\u{2029} \n*/ */ 0 😀 __proto__ \u{1}";
    assert_eq!(sent[0]["body"], *body, "the body arrives as it was written");
    assert_eq!(sent[0]["headers"]["constructor"], "c", "a header is a header");
    assert_eq!(sent[0]["headers"].as_object().map(serde_json::Map::len), Some(2), "whatever its name");
    assert!(did.iter().any(|d| d["ok"] == false), "what every object inherits is not in a body");
}
