//! The canary of the commands: a secret in any text field of any command is found in no answer, no error and no file.
//!
//! Commands come from the tables, fields from the types of its requests: a command or a text field that has no row here
//! fails the test. Requests and answers are JSON here, because what crosses the wire is what is looked at; what the test itself
//! needs comes from the functions of the features.
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::bench::{self, RunList};
use perfdeck_engine::{COMMANDS, Engine, Reply, environments};
use perfdeck_model::{Kind, Load};
use perfdeck_testkit::{Answer, ScriptedHttp, eventually};
use serde_json::{Value, json};

/// What every secret of this test has in it.
const CANARY: &str = "cAnArY-9f3s";

/// Addresses as people mistype them and other tools write them; `@@` is the canary.
const ADDRESSES: &[&str] = &[
    "postgres://u:@@@127.0.0.1:1/a",
    "postgres://u@127.0.0.1:1/a?password=@@",
    "postgres://u@127.0.0.1:1/a?sslpassword=@@",
    "postgres://u:@@/rest@127.0.0.1:1/a",
    "postgres://u:a#@@@127.0.0.1:1/a",
    "postgres://u:@@@127.0.0.1:notaport/a",
    "postgres//u:@@@127.0.0.1/a",
    "u:@@@127.0.0.1",
    "jdbc:postgresql://127.0.0.1:1/a?user=u&password=@@",
    "Server=127.0.0.1;User Id=u;Password=@@",
    "u:@@@tcp(127.0.0.1:1)/a",
    "mysql://u:@@@127.0.0.1:1/a",
    "redis://@@@127.0.0.1:1/0",
    "redis://:@@@127.0.0.1:1/0",
    "redis://127.0.0.1:1/@@",
    "http://127.0.0.1:1/?token=@@",
    "http://u:@@@127.0.0.1:1/",
    "https://127.0.0.1:1/a#@@",
    "prometheus+http://u:@@@127.0.0.1:1",
    "ssh://u:@@@127.0.0.1",
    "@@",
    "ftp://@@",
];
/// A text of which nothing is known.
const PLAIN: &[&str] = &["@@", "Bearer @@"];
/// What stands where a person gives a name: a name is shown, an address in its place is not.
const NAMES: &[&str] = &["postgres://u:@@@127.0.0.1/a", "http://h/?token=@@"];
/// Plans, whole and broken.
const PLANS: &[&str] = &[
    "name='p'\n[[steps]]\nname='s'\nkind='http'\npath='/?token=@@'\nheaders={Authorization='Bearer @@'}",
    "name='p'\n[[steps]]\nname='s'\nkind='http'\nmethod='POST'\nurl='URL/?key=@@'\njson={password='@@'}",
    "name='p'\nload={kind='@@'}\n[[steps]]\nname='s'\nkind='sql'\nstatement='select 1'",
    "name='p'\n[[steps]]\nname='s'\nkind='http'\npath='/'\nbody='{{\"password\":\"@@\"}}'",
    "name='p'\npassword = @@",
    "name='p'\nduration='@@'",
];
/// Plans that are saved: a person's own text, but for what its name says is a secret.
const SAVED: &[&str] = &[
    "name='a'\n[[steps]]\nname='s'\nkind='http'\npath='/?token=@@'\nheaders={Authorization='Bearer @@'}",
    "name='b'\n[[steps]]\nname='s'\nkind='http'\nmethod='POST'\npath='/'\nbody='{\"password\":\"@@\"}'",
    "name='c'\n[variables]\napi_key='@@'",
    "name='d'\npassword = @@",
    "name='e'\n[[steps]]\nname='s'\nkind='cache'\ncommand='AUTH'\nargs=['@@']",
];
/// What other tools write.
const IMPORTS: &[&str] =
    &["curl 'http://u:@@@h/a?api_key=@@' -H 'Authorization: Bearer @@' -d '{\"password\":\"@@\"}'", "@@", "{\"@@\":1}"];
/// `.env` files.
const VARIABLES: &[&str] = &[
    "DATABASE_URL=postgres://u:@@@127.0.0.1:1/a\nREDIS_URL=redis://:@@@127.0.0.1:1/0",
    "DATABASE_URL=postgres//u:@@@h",
    "REDIS_URL=redis://@@@h/0",
    "DB_POOL_SIZE=@@\nDATABASE_URL=postgres://h/a",
];
/// A word of a fixed set, a limit that a mistake is told by, or a path that is written to.
const WORD: &[&str] = &[];

/// The rows: each text field of a request, with the forms in which a secret may get into it.
fn forms(field: &str) -> Option<&'static [&'static str]> {
    Some(match field {
        "TargetsDraft.database"
        | "TargetsDraft.cache"
        | "TargetsDraft.api"
        | "TargetsDraft.host"
        | "TargetsDraft.frontend"
        | "Text.text" => ADDRESSES,
        "TargetsDraft.api_probe_path" => &["/?token=@@", "/@@"],
        "SecretInput.value"
        | "SecretInput.name"
        | "SecretInput.id"
        | "Header.name"
        | "Header.value"
        | "HttpBenchSpec.body"
        | "HttpBenchSpec.body_base64"
        | "SqlBenchSpec.statement"
        | "PlanRequest.statement"
        | "ProveRequest.statements"
        | "IndexSpecKeyOf.expression"
        | "IndexSpec.predicate"
        | "SqlValue.value"
        | "SqlValue.text"
        | "CacheBenchSpec.prefix"
        | "CacheShare.command"
        | "CacheBytes.text"
        | "CacheBytes.base64"
        | "KeyEdit.score"
        | "KeyEdit.seen"
        | "KeyEdit.id"
        | "KeysRequest.after"
        | "ValueAt.next"
        | "CacheNamespace.delimiter"
        | "Passphrase.passphrase" => PLAIN,
        "AdviseRequest.queries" => {
            &["SELECT id FROM orders WHERE note = '@@'", "SELECT '@@", "@@", "SELECT $$@@$$ FROM t"]
        }
        "HttpBenchSpec.url" => {
            &["URL/?api_key=@@", "http://u:@@@127.0.0.1:1/", "URL/token/@@", "@@", "http://127.0.0.1:@@/"]
        }
        "BenchSpec.toml" => PLANS,
        "PlanSave.toml" => SAVED,
        "PlanImport.text" => IMPORTS,
        "Dotenv.text" => VARIABLES,
        "KneeRequest.slo" => PLAIN,
        "CacheMapRequest.delimiters" | "CacheMapPart.path" => PLAIN,
        "ById.id"
        | "ByEnvironment.environment_id"
        | "ActivityRequest.environment_id"
        | "CacheClientsRequest.environment_id"
        | "CacheHeatRequest.environment_id"
        | "SizesRequest.environment_id"
        | "IndexesRequest.environment_id"
        | "IndexesRequest.standbys"
        | "IndexesRequest.table"
        | "BloatRequest.environment_id"
        | "KeysRequest.environment_id"
        | "KeyRequest.environment_id"
        | "ValueRequest.environment_id"
        | "EditRequest.environment_id"
        | "KeySearch.kind"
        | "BloatRequest.index"
        | "PlanRequest.environment_id"
        | "CreateIndexRequest.environment_id"
        | "CreateIndexRequest.advice_id"
        | "AdviseRequest.environment_id"
        | "CacheMapRequest.environment_id"
        | "CacheMapPart.environment_id"
        | "CacheMapControl.environment_id"
        | "AllowHypopg.environment_id"
        | "IndexSpec.table"
        | "IndexSpec.name"
        | "IndexSpec.method"
        | "IndexSpec.include"
        | "IndexSpecKey.operator_class"
        | "IndexSpecKeyOf.column"
        | "EnvUpdate.id"
        | "EnvDuplicate.id"
        | "EnvDuplicate.name"
        | "EnvUnlock.id"
        | "EnvUnlock.confirm"
        | "TestDraft.id"
        | "EnvironmentDraft.name"
        | "HistoryRequest.environment_id"
        | "StatementsRequest.environment_id"
        | "StatementRequest.environment_id"
        | "StatementRequest.key"
        | "HistoryRequest.series"
        | "BenchRequest.environment_id"
        | "BenchRequest.name"
        | "BenchRequest.confirm"
        | "RunList.environment_id"
        | "JournalList.environment_id"
        | "ChangeList.environment_id"
        | "ChangePlan.kind"
        | "ChangePlan.environment_id"
        | "ChangePlan.object"
        | "ChangeConfirm.id"
        | "ChangeConfirm.confirm"
        | "ChangeConfirm.agree"
        | "InvalidationPlan.environment_id"
        | "InvalidationPause.id"
        | "InvalidationOf.user"
        | "InvalidationOf.tag"
        | "TemplateOf.name"
        | "TemplateOf.value"
        | "TargetsDraft.cache_templates"
        | "ProveRequest.change_id"
        | "ProveRequest.confirm"
        | "ComparePair.a"
        | "ComparePair.b"
        | "ComparePair.changed"
        | "RunRename.id"
        | "RunRename.name"
        | "RunSeries.id"
        | "RunSeries.series"
        | "RunHeatmap.id"
        | "DuetSide.label"
        | "DuetSide.environment_id"
        | "DuetRequest.name"
        | "SqlBenchSpec.script"
        | "DuetRequest.confirm"
        | "DuetRequest.changed"
        | "CostRequest.environment_id"
        | "CostRequest.name"
        | "CostRequest.confirm"
        | "PoolSizeRequest.environment_id"
        | "PoolSizeRequest.name"
        | "PoolSizeRequest.confirm"
        | "KneeRequest.environment_id"
        | "KneeRequest.confirm"
        | "PlanSave.id"
        | "BaselineSet.name"
        | "BaselineSet.run_id"
        | "ReportRequest.environment_id"
        | "ReportRequest.run_ids"
        | "ReportRequest.comparison_ids"
        | "ReportRequest.knee_ids"
        | "ReportRename.id"
        | "ReportRename.title"
        | "ReportRequest.title"
        | "Dotenv.path" => NAMES,
        "ReportRequest.out"
        | "ReportRequest.json_out"
        | "ClientCertificate.cert"
        | "ClientCertificate.key"
        | "HttpBenchSpec.thresholds"
        | "Pace.thresholds" => WORD,
        _ => return None,
    })
}

/// A text field: the keys that lead to it, the choice of each union on the way, and its row.
#[derive(Debug, Clone)]
struct Field {
    path: Vec<Key>,
    row: String,
}

#[derive(Debug, Clone)]
enum Key {
    Name(String),
    /// The first element of a list.
    First,
    /// The object has this `kind`.
    Kind(String),
}

/// The types of the bindings by name, without their comments.
fn types(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("folder").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("file");
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("/*") {
            plain.push_str(&rest[..at]);
            rest = rest[at..].split_once("*/").map_or("", |(_, after)| after);
        }
        plain.push_str(rest);
        for part in plain.split("export type ").skip(1) {
            if let Some((name, body)) = part.split_once(" = ") {
                all.insert(name.trim().to_owned(), body.trim().trim_end_matches(';').to_owned());
            }
        }
    }
    all
}

/// The text fields below a type.
fn fields(types: &BTreeMap<String, String>, name: &str, path: &[Key], depth: u8, out: &mut Vec<Field>) {
    assert!(depth < 12, "{name} is in itself");
    let Some(body) = types.get(name) else { panic!("{name} is no type of the bindings") };
    // `{ "kind": "a", … } | { "kind": "b" } & Other`: the alternatives of a union, each with its own fields.
    for alternative in split(body, '|') {
        let mut path = path.to_vec();
        for part in split(&alternative, '&') {
            let part = part.trim();
            let Some(inner) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
                if types.contains_key(part) {
                    fields(types, part, &path, depth + 1, out);
                }
                continue;
            };
            for field in split(inner, ',') {
                let Some((key, kind)) = field.split_once(':') else { continue };
                let (key, kind) = (key.trim().trim_end_matches('?').trim_matches('"'), kind.trim());
                if let Some(word) = kind.strip_prefix('"').and_then(|k| k.strip_suffix('"')) {
                    path.push(Key::Kind(word.to_owned()));
                    continue;
                }
                let mut at = path.clone();
                at.push(Key::Name(key.to_owned()));
                let mut bare = kind.trim_end_matches("| null").trim().to_owned();
                while let Some(item) = bare.strip_prefix("Array<").and_then(|k| k.strip_suffix('>')) {
                    at.push(Key::First);
                    bare = item.trim().to_owned();
                }
                if bare.starts_with("{ [key in string]") {
                    // A map of texts: one of them.
                    at.push(Key::Name("a".to_owned()));
                    bare = "string".to_owned();
                }
                if bare == "string" {
                    out.push(Field { path: at, row: format!("{name}.{key}") });
                } else if types.contains_key(&bare) {
                    fields(types, &bare, &at, depth + 1, out);
                } else {
                    let known =
                        ["number", "boolean", "null", "bigint"].contains(&bare.as_str()) || bare.starts_with('"');
                    assert!(known, "{name}.{key} has a type that this test does not know: {bare}");
                }
            }
        }
    }
}

/// Splits outside of braces and angles.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut out, mut depth, mut current) = (Vec::new(), 0, String::new());
    for c in text.chars() {
        depth += i32::from(matches!(c, '{' | '<' | '(' | '[')) - i32::from(matches!(c, '}' | '>' | ')' | ']'));
        if c == at && depth == 0 {
            out.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
    }
    out.push(current);
    out.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

/// The least of an alternative that is read at all.
fn of_kind(kind: &str) -> Value {
    let pace = json!({"connections": 1, "duration_s": 1.0, "timeout_s": 1.0});
    match kind {
        "sql" => json!({"kind": kind, "statement": "SELECT $1", "parameters": [], "pace": pace}),
        "cache" => {
            json!({"kind": kind, "mix": [{"command": "GET", "weight": 1}], "prefix": "k:", "keys": 1, "value_size": 1,
                          "pace": pace})
        }
        "set_score" => json!({ "kind": kind, "member": { "text": "m" }, "score": "1" }),
        "set_field" => json!({ "kind": kind, "field": { "text": "f" }, "value": { "text": "v" } }),
        "rename_field" => json!({ "kind": kind, "field": { "text": "f" }, "to": { "text": "g" } }),
        _ => json!({ "kind": kind }),
    }
}

/// Puts a text where a field is; what is not there yet is made.
fn put(value: &mut Value, path: &[Key], text: &str) {
    match path.split_first() {
        None => *value = text.into(),
        Some((Key::First, rest)) => {
            if !value.is_array() || value.as_array().is_some_and(Vec::is_empty) {
                *value = json!([null]);
            }
            put(&mut value[0], rest, text);
        }
        Some((Key::Kind(kind), rest)) => {
            if value["kind"] != kind.as_str() {
                *value = of_kind(kind);
            }
            put(value, rest, text);
        }
        Some((Key::Name(name), rest)) => {
            if !value.is_object() {
                *value = json!({});
            }
            // A header has two texts, and both must be there.
            if name == "name"
                && value.get("value").is_none()
                && rest.is_empty()
                && value.as_object().is_some_and(serde_json::Map::is_empty)
            {
                value["value"] = "x".into();
            }
            if name == "value" && value.get("name").is_none() && value.get("kind").is_none() {
                value["name"] = "X-Own".into();
            }
            put(&mut value[name.as_str()], rest, text);
        }
    }
}

/// A request of each command that works, or fails for a harmless reason; `None` for what has no text and starts work.
fn base(command: &str, url: &str, environment: &str, run: &str) -> Option<Value> {
    let http = json!({"kind": "http", "url": url, "load": {"kind": "rate", "rate_per_s": 2000.0}, "connections": 1,
                      "duration_s": 0.1, "warmup_s": 0.0});
    let draft = json!({"name": "other", "kind": "development", "targets": {}});
    Some(match command {
        "app.info" | "deleted.list" | "env.list" | "monitor.catalogue" | "bench.running" | "plan.list"
        | "baseline.list" | "report.list" | "job.list" | "secrets.status" => json!({}),
        // They look around on this machine, or build something large; they take no text.
        "discover.services" | "demo.open" => return None,
        "env.get" | "env.draft" | "env.lock" | "env.test" => json!({ "id": environment }),
        "env.delete" | "env.restore" | "knee.delete" | "knee.restore" | "knee.get" | "cost.get" | "pool_size.get"
        | "comparison.get" | "comparison.delete" | "comparison.restore" | "plan.delete" | "job.get" | "job.cancel"
        | "job.dismiss" | "report.get" | "report.restore" | "changes.get" | "changes.check" | "changes.apply"
        | "changes.keep" | "changes.undo" | "changes.discard" | "cache.edit" | "cache.invalidation" => {
            json!({ "id": "nothing" })
        }
        "env.defaults" => json!({ "kind": "staging" }),
        "env.create" => json!({ "draft": draft }),
        "env.update" => json!({ "id": environment, "draft": draft, "read_ms": 0.0 }),
        "env.duplicate" => json!({ "id": environment, "name": null, "draft": draft }),
        "env.unlock" => json!({ "id": environment, "confirm": null }),
        "env.test_draft" => json!({ "id": null, "draft": draft }),
        "env.from_dotenv" | "address.parse" | "plan.check" | "plan.form" | "baseline.delete" => json!({ "text": "x" }),
        "monitor.start" | "monitor.metrics" | "monitor.series" | "monitor.targets" | "findings.list" | "db.pool"
        | "cache.look" | "cache.health" | "cache.slowlog" | "cache.heat" | "db.health" | "db.sizes" | "db.advice"
        | "db.track_record" => {
            json!({ "environment_id": environment })
        }
        "cache.clients" => json!({ "environment_id": environment, "all": false }),
        "cache.measure_heat" => json!({ "environment_id": environment, "method": "lfu", "seconds": null }),
        "cache.keys" => json!({ "environment_id": environment, "search": {}, "after": null }),
        "cache.key" | "cache.value" => json!({ "environment_id": environment, "key": { "text": "k" } }),
        "cache.plan_edit" => {
            json!({ "environment_id": environment, "key": { "text": "k" }, "edit": { "kind": "delete" } })
        }
        "db.activity" => json!({ "environment_id": environment, "at_ms": null }),
        "db.statements" => json!({"environment_id": environment, "from_ms": 0.0, "to_ms": 1.0}),
        "db.statement" => json!({"environment_id": environment, "key": "nothing", "from_ms": 0.0, "to_ms": 1.0}),
        "db.indexes" => json!({ "environment_id": environment, "kinds": ["duplicate"], "table": "public.orders",
            "standbys": [] }),
        "db.bloat" | "db.measure_bloat" => json!({ "environment_id": environment, "index": "public.orders_pkey" }),
        "db.advise" => json!({ "environment_id": environment, "queries": ["SELECT 1"] }),
        "db.allow_hypopg" => json!({ "environment_id": environment, "allow": false }),
        "db.plan_index" => json!({ "environment_id": environment, "advice_id": null,
            "index": { "table": "public.orders", "keys": [{ "of": { "column": "id" } }] } }),
        "db.plan" => json!({ "environment_id": environment, "statement": "SELECT 1" }),
        "cache.map" => json!({ "environment_id": environment, "no_pace": true, "delimiters": ":" }),
        "cache.map_state" => json!({ "environment_id": environment }),
        "cache.map_control" => json!({ "environment_id": environment, "order": "pause" }),
        "cache.plan_invalidation" => {
            json!({ "environment_id": environment, "spec": { "of": { "pattern": { "text": "x:*" } } } })
        }
        "cache.pause_invalidation" => json!({ "id": "nothing", "paused": false }),
        "db.prove" => json!({ "change_id": "nothing", "statements": ["SELECT 1"], "confirm": null }),
        "monitor.history" => json!({"environment_id": environment, "from_ms": 0.0, "to_ms": 1.0, "width_px": 10}),
        "bench.preview" | "bench.start" => json!({ "spec": http }),
        "compare.runs" => json!({ "a": run, "b": run }),
        "duet.start" | "duet.preview" => {
            json!({"a": {"label": "a", "spec": http}, "b": {"label": "b", "spec": http}, "pairs": 6, "rest_s": 0.0})
        }
        "knee.start" => json!({"spec": http, "slo": "p99<1s", "max_connections": 1, "step_s": 0.1, "confirm_s": 0.1}),
        "cost.start" => json!({"spec": http, "environment_id": environment, "pairs": 6, "block_s": 0.5}),
        "pool_size.start" | "pool_size.preview" => {
            let pace = json!({"connections": 1, "duration_s": 1.0, "timeout_s": 1.0});
            json!({"spec": {"kind": "sql", "statement": "SELECT 1", "pace": pace}, "environment_id": environment,
                   "max_connections": 4, "repetitions": 2, "warmup_s": 0.1, "measure_s": 0.25, "instances": 1})
        }
        "comparison.list" | "knee.list" | "cost.list" | "pool_size.list" | "run.list" | "journal.list"
        | "changes.list" => json!({}),
        "changes.plan" => json!({ "kind": "drop_index", "environment_id": environment, "object": "public.two" }),
        "run.get" | "run.history" | "run.moved" | "run.restore" => json!({ "id": run }),
        "run.delete" => json!({ "id": "nothing" }),
        "run.rename" => json!({ "id": run, "name": "renamed" }),
        "run.heatmap" => json!({ "id": run, "columns": 3 }),
        "run.series" => json!({ "id": run }),
        "plan.import" => json!({ "from": "curl", "text": "curl http://h" }),
        "plan.save" => json!({ "toml": "name='p'" }),
        "baseline.set" => json!({ "name": "b", "run_id": run }),
        "report.create" | "report.preview" => json!({ "environment_id": environment, "run_ids": [run] }),
        "report.delete" => json!({ "id": "nothing" }),
        "report.rename" => json!({ "id": "nothing", "title": "renamed" }),
        "secrets.unlock" => json!({ "passphrase": "correct horse battery" }),
        other => panic!("the command {other} has no row in this test"),
    })
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found.push((entry.path().display().to_string(), bytes));
        }
    }
}

fn holds(bytes: &[u8]) -> bool {
    perfdeck_testkit::holds(bytes, CANARY)
}

/// Runs a command; answers what it said, with the end of its job.
async fn said(engine: &Arc<Engine>, command: &str, params: Value) -> String {
    match engine.dispatch(command, params).await {
        Ok(Reply::Json(answer)) => {
            let mut text = answer.to_string();
            if let Some(job) = answer["id"].as_str().filter(|_| answer["cancellable"] == true) {
                if command != "bench.start" {
                    engine.jobs().cancel(job);
                }
                let end = engine.jobs().wait(job).await;
                text += &serde_json::to_string(&end).expect("JSON");
            }
            text
        }
        Ok(Reply::Binary(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => serde_json::to_string(&error).expect("JSON"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_any_field_of_any_command_is_found_nowhere() {
    let bindings = tempfile::tempdir().expect("folder");
    perfdeck_engine::export_bindings(bindings.path()).expect("bindings");
    let types = types(bindings.path());
    let commands = std::fs::read_to_string(bindings.path().join("commands.ts")).expect("commands");
    let dir = tempfile::tempdir().expect("folder");
    let engine = support::open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let draft = support::draft("base", Kind::Development, support::api(target.url()));
    let environment = support::environment(&engine, draft).await;
    let first = support::http(&target.url(), Load::Rate { rate_per_s: 2000.0 }, 1, 0.1);
    let end = support::measure(&engine, support::benchmark(first, None)).await.expect("starts");
    let run = support::result(&end);

    let (mut used, mut tries, mut told) = (BTreeSet::new(), 0, Vec::new());
    for command in COMMANDS.iter() {
        let Some(valid) = base(command.name, &target.url(), &environment, &run) else { continue };
        let line = commands.lines().find(|l| l.contains(&format!("\"{}\":", command.name))).expect("a signature");
        let request = line.split("req: ").nth(1).and_then(|l| l.split(';').next()).expect("a request").trim();
        let mut all = Vec::new();
        fields(&types, request, &[], 0, &mut all);
        for field in all {
            let forms = forms(&field.row)
                .unwrap_or_else(|| panic!("{} of {} is a text without a row in this test", field.row, command.name));
            used.insert(field.row.clone());
            // Answers of a benchmark take their time; their addresses are tried by the other commands that take them.
            for form in forms {
                let text = form.replace("URL", target.url().trim_end_matches('/')).replace("@@", CANARY);
                let mut params = valid.clone();
                if command.name == "env.create" {
                    params["draft"]["name"] = format!("made {tries}").into();
                }
                if command.name == "env.update" {
                    let now =
                        environments::get(engine.clone(), support::by_id(&environment)).await.expect("it is there");
                    params["read_ms"] = now.updated_ms.into();
                }
                put(&mut params, &field.path, &text);
                let words = said(&engine, command.name, params).await;
                if words.contains(CANARY) {
                    told.push(format!("{} told what was in {}, as {form}: {words}", command.name, field.row));
                }
                tries += 1;
            }
        }
        // A request that cannot be read at all tells nothing either.
        for broken in [json!(CANARY), json!({ CANARY: CANARY }), json!({ "id": {"a": CANARY} }), json!([[CANARY]])] {
            let words = said(&engine, command.name, broken).await;
            if words.contains(CANARY) {
                told.push(format!("{} told what it could not read: {words}", command.name));
            }
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(tries > 400, "it tried something: {tries}");
    // What was asked for by its own name, and everything that is listed.
    assert!(!said(&engine, CANARY, json!({})).await.contains("://"), "an unknown command");
    for list in [
        "env.list",
        "run.list",
        "journal.list",
        "deleted.list",
        "comparison.list",
        "knee.list",
        "pool_size.list",
        "plan.list",
        "job.list",
        "changes.list",
        "baseline.list",
    ] {
        let words = said(&engine, list, json!({})).await;
        assert!(!words.contains(CANARY), "{list} shows it: {words}");
    }
    let runs = bench::run_list(engine.clone(), RunList::default()).await.expect("runs");
    for run in &runs {
        let words = said(&engine, "run.get", json!({ "id": run.id })).await;
        assert!(!words.contains(CANARY), "a run shows it: {words}");
    }
    assert!(runs.len() > 5, "some of them ran: {}", runs.len());
    engine.shutdown().await;
    drop(engine);
    eventually(Duration::from_secs(10), || async {
        let mut found = Vec::new();
        files(dir.path(), &mut found);
        let leaks: Vec<&String> = found.iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect();
        assert!(leaks.is_empty(), "it is in {leaks:?}");
        (!found.is_empty()).then_some(())
    })
    .await;
    assert!(
        used.contains("SecretInput.value") && used.contains("HttpBenchSpec.body"),
        "unions are looked into: {used:?}"
    );
}
