//! What an import keeps of a curl command, and what it refuses.
use std::collections::BTreeMap;

use super::super::import::{from_curl, from_curl_with};
use super::super::*;

fn step(text: &str) -> (Plan, HttpStep) {
    let files: BTreeMap<String, Vec<u8>> = [
        ("body.json", b"{\"a\":\r\n 1}\n".to_vec()),
        ("photo.jpg", vec![0xff, 0xd8, 0x00, 0x0a]),
        ("note.txt", b"hello".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect();
    let (plan, _) = from_curl_with(text, Some(&files)).unwrap_or_else(|e| panic!("{text}: {e}"));
    let toml = to_toml(&plan);
    assert_eq!(from_toml(&toml).unwrap_or_else(|e| panic!("{e}\n{toml}")), plan, "it survives being written: {toml}");
    let Action::Http(step) = plan.steps[0].action.clone() else { panic!("an HTTP step") };
    (plan, step)
}

#[test]
fn an_options_value_is_never_the_url() {
    // Every option with a value, by its long name and with its letter.
    let output = std::process::Command::new("curl").args(["--help", "all"]).output().expect("curl is installed");
    let help = String::from_utf8(output.stdout).expect("text");
    let mut seen = 0;
    for line in help.lines() {
        let Some((letter, after)) = line.split_once("--") else { continue };
        let Some((name, rest)) = after.split_once(' ') else { continue };
        if !rest.starts_with(['<', '[']) || name == "url" {
            continue;
        }
        seen += 1;
        let letter = letter.trim().trim_end_matches(',');
        for option in [format!("--{name}"), letter.to_owned()].iter().filter(|o| !o.is_empty()) {
            let text = format!("curl {option} 3 http://127.0.0.1:9100/a");
            match from_curl(&text) {
                Ok((plan, _)) => {
                    assert_eq!(plan.base_url.as_deref(), Some("http://127.0.0.1:9100"), "{text}");
                    assert_eq!(plan.steps.len(), 1, "{text}");
                }
                Err(e) => assert!(
                    e.to_string().contains("--") || e.to_string().contains("method"),
                    "{text} is refused by its name: {e}"
                ),
            }
        }
    }
    assert!(seen > 100, "{seen} options have a value");
}

#[test]
fn bodies_are_the_same_bytes() {
    for (text, body) in [
        (r#"curl h -d '{"b":12345678901234567890123,"a":1}'"#, r#"{"b":12345678901234567890123,"a":1}"#),
        (r#"curl h -d '{"a":1,"a": 2.50, "b":"\u00e9"}'"#, r#"{"a":1,"a": 2.50, "b":"\u00e9"}"#),
        ("curl h -d @body.json", "{\"a\": 1}"),
        ("curl h --data-binary @body.json", "{\"a\":\r\n 1}\n"),
        ("curl h --data-raw @body.json", "@body.json"),
        ("curl h --json '{\"a\":' --json '1}'", "{\"a\":1}"),
        ("curl h -d a=1 -d b=2 --data-urlencode 'c=x y'", "a=1&b=2&c=x+y"),
        ("curl h -T note.txt", "hello"),
        ("curl h -d ''", ""),
    ] {
        assert_eq!(step(text).1.body.as_deref(), Some(body), "{text}");
    }
    let (_, photo) = step("curl -T photo.jpg http://h/photos/");
    assert_eq!((photo.method.as_str(), photo.path.as_deref()), ("PUT", Some("/photos/photo.jpg")), "-T");
    assert_eq!((photo.body, photo.body_base64.as_deref()), (None, Some("/9gACg==")), "bytes that are no text");
    let (_, bytes) = step(r"curl h --data-binary $'\xff\x01'");
    assert_eq!(bytes.body_base64.as_deref(), Some("/wE="), "of a word too");
    let (_, form) =
        step("curl h -F 'note=<note.txt' -F 'f=@note.txt;filename=a\"b.txt' -F 'x=y;type=text/x; charset=utf-8'");
    let body = form.body.expect("a body");
    for part in [
        "Content-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n",
        "Content-Disposition: form-data; name=\"f\"; filename=\"a%22b.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n",
        "name=\"x\"\r\nContent-Type: text/x; charset=utf-8\r\n\r\ny\r\n",
    ] {
        assert!(body.contains(part), "{part:?} in {body:?}");
    }
    assert!(
        form.headers["Content-Type"].starts_with("multipart/form-data; boundary=------------------------"),
        "a form"
    );
}

#[test]
fn headers_stay() {
    let (_, kept) = step(
        "curl h -H 'Host: shop.example' -H 'Accept-Encoding: gzip' -H 'If-None-Match: \"a\"' -H 'Accept:' -H 'X-Empty;' \
         -H 'Connection: close' -H 'X: a' -H 'X: b'",
    );
    let headers: Vec<_> = kept.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let expected = [
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
        ("Host", "shop.example"),
        ("If-None-Match", "\"a\""),
        ("X", "a, b"),
        ("X-Empty", ""),
    ];
    assert_eq!(headers, expected, "as the command says");
    let (_, own) = step("curl h -r 0-99 -e 'http://r/;auto' -b a=1 -A me");
    assert_eq!((&*own.headers["Range"], &*own.headers["Referer"]), ("bytes=0-99", "http://r/"), "by their options");
    assert_eq!((&*own.headers["Accept"], &*own.headers["User-Agent"]), ("*/*", "me"), "and curl's own");
}

#[test]
fn several_urls_are_several_steps() {
    let (plan, _) = step("curl http://h/a http://h/b http://other/c");
    let targets: Vec<_> = plan.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!((targets, plan.scenario), (vec!["GET /a", "GET /b", "GET /c"], true), "in their order");
    let Action::Http(last) = &plan.steps[2].action else { panic!("HTTP") };
    assert_eq!(last.url.as_deref(), Some("http://other/c"), "another host by its address");
    let (plan, step_) =
        step("curl https://h --cert /etc/me.pem --key=x 2>&1 || true".replace("--key=x", "--key k.pem").as_str());
    let named = plan.client_certificate.expect("a certificate");
    assert_eq!((named.cert.as_str(), named.key.as_deref()), ("me.pem", Some("k.pem")), "beside the plan");
    assert_eq!(step_.path.as_deref(), Some("/"), "and no other URL");
    assert_eq!(step("curl 'http://h/a/./b/../c?x=../y'").1.path.as_deref(), Some("/a/c?x=../y"), "dots go");
    assert_eq!(step("curl --path-as-is 'http://h/a/../c'").1.path.as_deref(), Some("/a/../c"), "or stay");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (text, word) in [
        ("curl h --foo", "--foo is no option of curl"),
        ("curl h --requst GET", "did you mean --request?"),
        ("curl h --data=x", "a word that begins with -- is no option"),
        ("curl h --canary_SECRET", "a word that begins with --"),
        ("curl h -§", "is no option"),
        ("curl h --da x", "the beginning of several"),
        ("curl h -X", "--request has no value"),
        ("curl h --next -d x i", "--next cannot be imported"),
        ("curl -K conf h", "--config cannot be imported"),
        ("curl h -H $'X-A: a\\r\\nX-B: b'", "--header cannot be imported"),
        ("curl h -: i", "--next"),
        ("curl h -x p:1", "--proxy"),
        ("curl h --unix-socket /s", "--unix-socket"),
        ("curl h --resolve h:80:1.2.3.4", "--resolve"),
        ("curl h --digest -u a:b", "--digest"),
        ("curl h -n", "--netrc"),
        ("curl h -0", "--http1.0"),
        ("curl h -b jar.txt", "--cookie"),
        ("curl h -H @file", "--header"),
        ("curl h -d @-", "--data cannot"),
        ("curl h -F 'a=@x,y'", "several files"),
        ("curl h -F 'a=b;encoder=base64'", "encoders"),
        ("curl h -F a=b -d c", "several methods"),
        ("curl h -I -d c", "several methods"),
        ("curl 'http://h/a[1-3]'", "braces or brackets"),
        ("curl 'http://h/{a,b}'", "braces or brackets"),
        ("curl h -X get", "in capitals"),
        ("curl h -E cert.pem:phrase", "pass phrase"),
        ("curl h -d x <<< y", "here-document"),
        ("curl $(cat url)", "a command in the command"),
    ] {
        let error = from_curl(text).expect_err(text).to_string();
        assert!(error.contains(word) && !error.contains("SECRET"), "'{text}': '{error}' names {word}");
    }
    for text in [
        "curl h -d @body.json",
        "curl h -T body.json",
        "curl h -F 'a=@body.json'",
        "curl h --data-urlencode a@body.json",
    ] {
        let error = from_curl(text).expect_err(text).to_string();
        assert!(error.contains("'body.json'") && error.contains("cannot be read here"), "{text}: {error}");
        let missing = from_curl_with(text, Some(&BTreeMap::new())).expect_err(text).to_string();
        assert!(missing.contains("'body.json'") && missing.contains("does not exist"), "{text}: {missing}");
    }
    let (plan, _) = step("curl -g 'http://h/a[1-3]'");
    let Action::Http(http) = &plan.steps[0].action else { panic!("HTTP") };
    assert_eq!(http.path.as_deref(), Some("/a[1-3]"), "--globoff means it as it is");
    let (_, _) = step("curl http://[::1]:80/a --no-location --no-buffer");
}

#[test]
fn a_body_is_looked_into_by_what_it_is() {
    // Without a type of its own curl calls it a form.
    for (body, kept) in [
        (r#"{"password":"s3cret","a":1}"#, Some(r#"{"password":"{{env:PASSWORD|json}}","a":1}"#)),
        (r#"[{"token":"s3cret"}]"#, Some(r#"[{"token":"{{env:TOKEN|json}}"}]"#)),
        ("password=s3cret&a=1", Some("password={{env:PASSWORD|url}}&a=1")),
        (r#"{"password":"s3cret",}"#, None),
    ] {
        let (_, step) = step(&format!("curl http://h/ -d '{body}'"));
        assert_eq!(step.body.as_deref(), kept, "{body}");
    }
}
