//! Servers, styles and undeclared names of OpenAPI documents.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::import::from_openapi;
use super::super::*;

fn import(document: &Value) -> (Plan, Vec<String>) {
    from_openapi(&document.to_string()).unwrap_or_else(|e| panic!("{e}"))
}

fn target(plan: &Plan, name: &str) -> String {
    let Some(Action::Http(http)) = plan.step(name).map(|s| &s.action) else { panic!("{name} in {:?}", plan.steps) };
    http.url.clone().or(http.path.clone()).unwrap_or_default()
}

#[test]
fn each_operation_has_its_own_server() {
    let server = |url: &str| json!([{"url": url}]);
    let (plan, _) = import(&json!({
        "openapi": "3.0.0",
        "servers": server("https://root.test/v1"),
        "paths": {
            "/a": {"get": {}},
            "/b": {"servers": server("https://path.test/v2/"), "get": {}, "post": {"servers": server("https://{x}.test:8443")}},
            "/c": {"get": {"servers": [{"url": "{s}://op.test:{port}", "variables": {"s": {"default": "http"}, "port": {"enum": ["81"]}}}]}},
            "/d": {"get": {"servers": server("/v9")}}
        }
    }));
    assert_eq!(plan.base_url.as_deref(), Some("https://root.test"), "the document's");
    assert_eq!(target(&plan, "GET /a"), "/v1/a", "by the document's server");
    assert_eq!(target(&plan, "GET /b"), "{{host_path_test}}/v2/b", "by the path's");
    assert_eq!(plan.variables["host_path_test"], "https://path.test", "which is a variable");
    assert_eq!(target(&plan, "GET /c"), "{{host_op_test_81}}/c", "by the operation's, with its variables");
    assert_eq!(plan.variables["host_op_test_81"], "http://op.test:81", "in scheme and port too");
    assert_eq!(target(&plan, "GET /d"), "/v9/d", "a relative one is at the same host");
}

#[test]
fn arrays_and_objects_are_written_by_their_style() {
    let parameter = |name: &str, place: &str, example: Value, more: Value| {
        let mut all = json!({"name": name, "in": place, "required": true, "example": example});
        if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        all
    };
    let ids = json!(["a", "b"]);
    let (plan, _) = import(&json!({"openapi": "3.0.0", "paths": {
        "/q": {"get": {"parameters": [parameter("ids", "query", ids.clone(), json!({}))]}},
        "/r": {"get": {"parameters": [parameter("ids", "query", ids.clone(), json!({"explode": false}))]}},
        "/s": {"get": {"parameters": [parameter("f", "query", json!({"x": 1}), json!({"style": "deepObject", "explode": true}))]}},
        "/t/{ids}/{one}": {"get": {"parameters": [
            parameter("ids", "path", ids.clone(), json!({"style": "matrix", "explode": true})), parameter("one", "path", json!(7), json!({}))]}},
        "/u": {"post": {"requestBody": {"content": {"application/x-www-form-urlencoded": {"example": {"ids": ["a", "b c"], "n": 1}}}}}}
    }}));
    assert_eq!(target(&plan, "GET /q"), "/q?ids=a&ids=b", "each with its name");
    assert_eq!(target(&plan, "GET /r"), "/r?ids=a,b", "or in one");
    assert_eq!(target(&plan, "GET /s"), "/s?f%5Bx%5D=1", "an object");
    assert_eq!(target(&plan, "GET /t/{ids}/{one}"), "/t/;ids=a;ids=b/{{one|url}}", "in a path");
    let Some(Action::Http(form)) = plan.step("POST /u").map(|s| &s.action) else { panic!("HTTP") };
    assert_eq!(form.body.as_deref(), Some("ids=a&ids=b%20c&n=1"), "and in a form");
}

#[test]
fn examples_follow_their_schema_or_say_where_they_do_not() {
    let tags = json!({"type": "array", "minItems": 2, "items": {"type": "string", "pattern": "^[a-z]{3}$"}});
    let node = json!({"type": "object", "required": ["name", "child"], "properties": {
        "name": {"type": "string"}, "child": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/N"}]},
        "kids": {"type": "array", "items": {"$ref": "#/components/schemas/N"}}}});
    let endless =
        json!({"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/E"}}});
    let body = |schema: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}});
    let cookie = |name: &str, required: bool, example: Value| {
        json!({
        "name": name, "in": "cookie", "required": required, "schema": {"type": "string", "example": example}})
    };
    let (plan, notes) = import(
        &json!({"openapi": "3.0.0", "components": {"schemas": {"N": node, "E": endless}}, "paths": {
            "/n": body(json!({"allOf": [{"$ref": "#/components/schemas/N"},
                {"type": "object", "required": ["tags"], "properties": {"tags": tags}}]})),
            "/e": body(json!({"$ref": "#/components/schemas/E"})),
            "/p": body(json!({"type": "object", "properties": {"odd": {"type": "string", "pattern": "^(?=x).*$"}}})),
            "/c": {"get": {"parameters": [
                cookie("tenant", true, Value::Null), cookie("theme", false, json!("dark")), cookie("unused", false, Value::Null)]}}
        }}),
    );
    let json = |name: &str| {
        let Some(Action::Http(http)) = plan.step(name).map(|s| &s.action) else { panic!("{name}") };
        http.json.as_ref().map_or(Value::Null, |json| json.0.clone())
    };
    assert_eq!(
        json("POST /n"),
        json!({"name": "text", "child": null, "kids": [], "tags": ["aaa", "aaa"]}),
        "a child that may be null ends the chain, and lists have what they need"
    );
    let told = |parts: &[&str]| notes.iter().any(|n| parts.iter().all(|part| n.contains(part)));
    assert!(told(&["POST /e", "'next'", "inside itself"]), "{notes:?}");
    assert!(told(&["POST /p", "pattern"]) && !told(&["POST /n"]), "{notes:?}");
    assert!(told(&["'tenant'", "GET /c", "Cookie"]) && told(&["'theme'"]) && !told(&["unused"]), "{notes:?}");
}

#[test]
fn a_name_in_a_path_that_nobody_describes_is_a_problem() {
    let declared = json!({"get": {"parameters": [{"name": "id", "in": "path", "required": true, "example": 1}]}});
    let (plan, notes) = import(&json!({"openapi": "3.0.0", "servers": [{"url": "http://h"}], "paths": {
        "/items/{id}": {"get": {}}, "/other/{id}": declared, "/z/{id}/{key}": {"get": {}}}}));
    let problems = validate(&plan, &BTreeMap::new());
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
    let of = |step: &str| errors.iter().filter(|p| p.step.as_deref() == Some(step)).count();
    assert_eq!((of("GET /items/{id}"), of("GET /other/{id}"), of("GET /z/{id}/{key}")), (1, 0, 2), "{errors:?}");
    assert!(errors.iter().all(|p| p.message.contains("is unknown")), "each says that it has no value: {errors:?}");
    assert!(notes.iter().any(|n| n.contains("/items/{id}") && n.contains("'id'")), "and so does the import: {notes:?}");
}
