//! What an imported curl command sends is what curl sends: both are run against a server that keeps the bytes.
use std::collections::BTreeMap;
use std::process::Command;

use crate::plan::Setting;
use crate::server::{Script, Wire};
use perfdeck_plan::import::from_curl_with;
use perfdeck_plan::{Auth, Folder, Plan, to_toml};

/// A request: method, target, fields and body. Of the fields, those are left out in which Perfdeck is itself.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn read(bytes: &[u8], agent: bool) -> Seen {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes[end + 4..].to_vec();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().expect("a line").split(' ');
    let (method, target) = (first.next().expect("method").to_owned(), first.next().expect("target").to_owned());
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a field");
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        match fields.get_mut(&name) {
            Some(have) => *have = format!("{have}, {value}"),
            None => drop(fields.insert(name, value.to_owned())),
        }
    }
    if !agent {
        // Perfdeck says who it is unless the command names somebody.
        fields.remove("user-agent");
    }
    // curl waits for a word before a long body; Perfdeck does not.
    fields.remove("expect");
    // RFC 9110, section 8.6: an empty body of these methods has a length, which curl leaves out.
    if matches!(method.as_str(), "POST" | "PUT" | "PATCH") && body.is_empty() {
        fields.insert("content-length".to_owned(), "0".to_owned());
    }
    // A boundary is drawn anew each time.
    let boundary = fields.get("content-type").and_then(|kind| kind.split_once("boundary=")).map(|(_, b)| b.to_owned());
    if let Some(boundary) = boundary {
        let plain = String::from_utf8_lossy(&body).replace(&boundary, "BOUNDARY");
        body = plain.into_bytes();
        for value in fields.values_mut() {
            *value = value.replace(&boundary, "BOUNDARY");
        }
    }
    Seen { method, target, fields, body }
}

/// Commands with `HOST` for the server; in the second column environment variables that the plan reads.
const COMMANDS: &[(&str, &[(&str, &str)])] = &[
    ("curl http://HOST/", &[]),
    ("curl HOST", &[]),
    ("curl 'http://HOST/a%20b?x=1&y=%2F#part'", &[]),
    ("curl 'http://HOST/a/./b/../c'", &[]),
    ("curl --path-as-is 'http://HOST/a/../c'", &[]),
    ("curl --retry-delay 3 -o /dev/null http://HOST/a", &[]),
    ("curl -I http://HOST/", &[]),
    ("curl -X DELETE http://HOST/a", &[]),
    ("curl -X POST http://HOST/a", &[]),
    ("curl -XPUT -d a=1 http://HOST/a", &[]),
    ("curl -X GET -d '{}' -H 'Content-Type: application/json' http://HOST/search", &[]),
    ("curl http://HOST/ -d a=1 -d 'b=2 3' --data-raw '@c'", &[]),
    ("curl http://HOST/ -d ''", &[]),
    (r#"curl http://HOST/ -H 'Content-Type: application/json' -d '{"b":12345678901234567890123,"a":1, "a":2.0}'"#, &[]),
    (r#"curl http://HOST/ --json '{"x": "{{y}}"}'"#, &[]),
    ("curl http://HOST/ --json '[1,' --json '2]' -H 'Accept: text/x'", &[]),
    ("curl http://HOST/ -H 'Content-Type: text/plain' -d @body.txt", &[]),
    ("curl http://HOST/ --data-binary @body.txt", &[]),
    ("curl http://HOST/ -H 'Content-Type: application/octet-stream' --data-binary @photo.png", &[]),
    (r"curl http://HOST/ --data-binary $'a\xff\x01\tb\'c\u00e9'", &[]),
    ("curl http://HOST/ --data-urlencode 'q=a b&c=~_-.é' --data-urlencode '=x+y' --data-urlencode 'f@body.txt'", &[]),
    ("curl -G http://HOST/s?z=1 -d 'a=b%20c' --data-urlencode 'q=a b'", &[]),
    ("curl -G -I http://HOST/s -d a=b", &[]),
    ("curl http://HOST/s?z=1 --url-query 'a=b c' --url-query '+d=e'", &[]),
    ("curl http://HOST/s?z=1 --url-query a=b -d c=d", &[]),
    (
        "curl http://HOST/ -F a=b -F 'n=<body.txt' -F 'f=@photo.png;type=image/x' -F 'g=@body.txt;filename=\"o\\\"k.txt\"'",
        &[],
    ),
    ("curl http://HOST/ -F 'a= b ;type=text/plain; charset=utf-8' --form-string 'c=@d;e' -F 'q=\"x;y\"'", &[]),
    ("curl -T body.txt http://HOST/up/", &[]),
    ("curl -T photo.png http://HOST/up/other.png -H 'Content-Type: image/png'", &[]),
    ("curl http://HOST/ -H 'Host: shop.example' -H 'Accept-Encoding: gzip' -H 'If-None-Match: \"x\"'", &[]),
    ("curl http://HOST/ -H 'Accept:' -H 'X-Empty;' -H 'X-Two: a' -H 'X-Two: b' -H 'Connection: close'", &[]),
    ("curl http://HOST/ --compressed -A 'me/1 (x)' -e 'http://r/;auto' -r 0-99,200-", &[]),
    ("curl http://HOST/ -b 'a=1; b=2' -b c=3", &[("COOKIE", "a=1; b=2;c=3")]),
    ("curl http://HOST/ -u 'ann:s3cr\"et'", &[("API_PASSWORD", "s3cr\"et")]),
    ("curl http://u%40x:pw@HOST/", &[("API_PASSWORD", "pw")]),
    ("curl http://HOST/ -H 'Authorization: Bearer t0ken'", &[("API_TOKEN", "t0ken")]),
    ("curl http://HOST/ --oauth2-bearer t0ken", &[("API_TOKEN", "t0ken")]),
    ("curl http://HOST/ -H 'X-Api-Key: k' -d 'password=a%20b&x=1'", &[("X_API_KEY", "k"), ("PASSWORD", "a b")]),
    // Inputs of bug reports to other importers.
    ("curl http://HOST/ --data-urlencode 'q=café au lait & more' --data-urlencode ' '", &[]),
    ("curl -i -XPOST http://HOST/query --data-urlencode \"q=CREATE DATABASE mydb\"", &[]),
    (
        r#"curl 'http://HOST/' --data-raw $'{"key": "value\nwith newline", "a":"${field} $5 \u0021"}' -H 'content-type: application/json'"#,
        &[],
    ),
    (
        "curl --request POST --url http://HOST/ --header 'content-type: application/x-www-form-urlencoded' --data Hello=world --data foo=baz",
        &[],
    ),
    ("curl -sSLkd a=1 http://HOST/x", &[]),
    ("curl -g 'http://HOST/a{b}[c]?d[]=1'", &[]),
    ("curl \"http://HOST/$ITEM?q=${Q}\" -H \"X: $ITEM\" -d \"id=$Q\"", &[("ITEM", "seven"), ("Q", "x")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_command_sends_what_curl_sends() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("body.txt", b"line one\r\nline two\n");
    write("photo.png", b"\x89PNG\r\n\x1a\n\x00\xff");
    let files = Folder(folder.path().to_owned());
    let wire = Wire::start();
    wire.plays(Script { answer: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(), ..Script::default() });
    let host = format!("127.0.0.1:{}", wire.port);

    let mut whole: Option<Plan> = None;
    let mut env = BTreeMap::new();
    let mut expected = Vec::new();
    let mut apart = Vec::new();
    for (number, (command, variables)) in COMMANDS.iter().enumerate() {
        let text = command.replace("HOST", &host);
        // curl itself, without what the machine's own settings would add.
        let quiet = text.replacen("curl ", "curl -q -s --max-time 20 ", 1);
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{quiet} >/dev/null")]).current_dir(folder.path());
        shell.envs(variables.iter().copied()).env_remove("http_proxy").env_remove("ALL_PROXY").env("LC_ALL", "C.UTF-8");
        let status = shell.status().expect("bash and curl are installed");
        let sent = wire.take();
        let [sent] = sent.as_slice() else {
            panic!("{command}: curl ended with {status} and sent {} requests", sent.len())
        };
        let agent = command.contains("-A ");
        let (mut plan, _) = from_curl_with(&text, Some(&files)).unwrap_or_else(|e| panic!("{command}: {e}"));
        assert_eq!(plan.steps.len(), 1, "{command} is one request: {:?}", plan.steps);
        plan.steps[0].name = format!("{number}");
        let seen = read(sent, agent);
        env.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        if plan.auth.is_some() || !variables.is_empty() {
            apart.push((command, plan, variables, seen, agent));
            continue;
        }
        match &mut whole {
            Some(whole) => whole.steps.append(&mut plan.steps),
            None => whole = Some(plan),
        }
        expected.push((command, seen, agent));
    }
    // All in one plan, one after the other; those with variables of their own apart.
    let mut plan = whole.expect("commands");
    assert!(COMMANDS.len() >= 25, "enough to tell");
    (plan.scenario, plan.insecure_tls) = (true, false);
    let sent = once(&wire, plan, BTreeMap::new()).await;
    assert!(sent.len() >= expected.len(), "{} of {} were sent", sent.len(), expected.len());
    let mut wrong = Vec::new();
    for ((command, seen, agent), bytes) in expected.iter().zip(&sent) {
        let found = read(bytes, *agent);
        if found != *seen {
            wrong.push(format!("{command}\n  plan: {found:?}\n  curl: {seen:?}"));
        }
    }
    for (command, plan, variables, seen, agent) in apart {
        let env = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let auth = plan.auth.clone();
        let sent = once(&wire, plan, env).await;
        let found = read(&sent[0], agent);
        if found != seen {
            wrong.push(format!("{command}\n  plan: {found:?}\n  curl: {seen:?}"));
        }
        if let Some(Auth::Basic { password, .. }) = auth {
            assert_eq!(password.as_str(), "env:API_PASSWORD", "{command}: the secret is a reference");
        }
    }
    assert!(wrong.is_empty(), "the plan sends something else than curl:\n{}", wrong.join("\n"));
}

/// The requests of a short run of a plan over one connection.
async fn once(wire: &Wire, mut plan: Plan, env: BTreeMap<String, String>) -> Vec<Vec<u8>> {
    plan.duration = Some(perfdeck_plan::Span(std::time::Duration::from_millis(100)));
    plan.load = perfdeck_plan::PlanLoad::Closed { connections: 1, think_time: None };
    let mut setting = Setting::at("http://127.0.0.1:1");
    setting.env = env;
    wire.take();
    let run = setting.run(&to_toml(&plan)).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    wire.take()
}
