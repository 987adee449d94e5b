//! What validation finds.
use std::collections::BTreeMap;

use super::super::*;
use super::plans::FULL;

fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("users.csv".to_owned(), b"mail,name\na@x,Ann\n".to_vec())])
}

fn problems(text: &str) -> Vec<String> {
    let plan = from_toml(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let severity = |p: &Problem| if p.severity == Severity::Error { "error" } else { "warning" };
    validate(&plan, &files()).iter().map(|p| format!("{}: {p}", severity(p))).collect()
}

#[test]
fn a_sensible_plan_has_only_remarks() {
    let found = problems(FULL);
    let errors: Vec<_> = found.iter().filter(|p| p.starts_with("error")).collect();
    assert!(errors.is_empty(), "the full plan can run: {errors:?}");
    let expected = "warning: thresholds: 'p99 < 50ms': over changing stages it mixes all levels";
    assert!(found.contains(&expected.to_owned()), "a percentile over a ramp is remarked on: {found:?}");
    assert!(found.iter().any(|p| p.contains("weights mean nothing")), "and so is a weight in a scenario: {found:?}");
    let small = "name='x'\n[[steps]]\nname='a'\nkind='http'\npath='/'";
    assert_eq!(problems(small), Vec::<String>::new(), "the smallest plan has none");
}

#[test]
fn each_problem_names_its_step() {
    let step = |rest: &str| format!("name='x'\n[[steps]]\nname='a'\n{rest}");
    let http = |rest: &str| step(&format!("kind='http'\npath='/'\n{rest}"));
    for (text, expected) in [
        (
            http("headers={A='{{nobody}}'}"),
            "error: step 'a', headers.A: '{{nobody}}' is unknown; add it to `variables`, to `feeds` or to an `extract`",
        ),
        (
            format!("{}\n[variables]\nhost='h'", http("body='{{hots}}'\nmethod='POST'")),
            "error: step 'a', body: '{{hots}}' is unknown; did you mean '{{host}}'?",
        ),
        (
            format!("{}\n[variables]\nb='{{{{c}}}}'\nc='{{{{b}}}}'\nd='{{{{c}}}}'", http("headers={A='{{d}}'}")),
            "error: variables: variables in a circle: b → c → b (needed by step 'a')",
        ),
        (
            format!("{}\n[[feeds]]\nname='u'\nkind='csv'\nfile='no.csv'", http("headers={A='{{u.id}}'}")),
            "error: feeds.u: feed 'u': 'no.csv' cannot be read: it does not exist (needed by step 'a')",
        ),
        (
            format!("{}\n[[feeds]]\nname='u'\nkind='csv'\nfile='users.csv'", http("headers={A='{{u.mial}}'}")),
            "error: step 'a', headers.A: '{{u.mial}}' is unknown; did you mean '{{u.mail}}'?",
        ),
        (
            http("headers={A='{{x'}"),
            "error: step 'a', headers.A: column 1: '{{' is not closed; write '\\{{' for the characters themselves",
        ),
        (step("kind='http'"), "error: step 'a', path: an HTTP step has either `path` or `url`"),
        (step("kind='http'\npath='x'"), "error: step 'a', path: a path starts with /; write a full address as `url`"),
        (step("kind='http'\nurl='ftp://h/'"), "error: step 'a', url: a URL starts with http:// or https://"),
        (
            step("kind='http'\nurl='http://u:p@h/'"),
            "error: step 'a', url: credentials do not belong into the URL; use [auth] with kind = \"basic\"",
        ),
        (http("body='x'"), "warning: step 'a', body: GET with a body: many servers ignore it or refuse the request"),
        (http("method='POST'\nbody='x'\njson=1"), "error: step 'a', body: an HTTP step has either `body` or `json`"),
        (http("headers={'a b'='c'}"), "error: step 'a', headers.a b: 'a b' is no header name"),
        (http("headers={A=\"b\\r\\nHost: evil\"}"), "error: step 'a', headers.A: a header has no line ends"),
        (
            http("headers={Content-Length='3'}"),
            "error: step 'a', headers.Content-Length: it is set from the body; leave it out",
        ),
        (
            http("headers={Authorization='Bearer x'}"),
            "warning: step 'a', headers.Authorization: it looks like a secret; write {{env:NAME}} instead of the value",
        ),
        (
            http("checks=[{status='9xx'}]"),
            "error: step 'a', checks[1]: `status` is a number such as 200, a class such as \"2xx\", or a list of these",
        ),
        (
            http("extract=[{var='x'}]"),
            "error: step 'a', extract[1]: an extraction has exactly one of `json_pointer` and `header`",
        ),
        (http("weight=0"), "error: steps: all weights are 0; no step would ever run"),
        (http("weight=-1"), "error: step 'a', weight: -1 is not between 0 and 1 000 000 000"),
        (http("[[steps]]\nname='a'\nkind='http'\npath='/'"), "error: step 'a', name: two steps have this name"),
        (step("kind='sql'\nstatement=' '"), "error: step 'a', statement: a SQL step has a statement of at most 1 MiB"),
        (
            step("kind='cache'\ncommand='GET x'"),
            "error: step 'a', command: a command is one word such as GET; what follows it goes into `args`",
        ),
        (step("kind='cache'\ncommand='flushall'"), "warning: step 'a', command: FLUSHALL harms a cache that is in use"),
        (format!("thresholds=['p99 < 5']\n{}", http("")), "error: thresholds: 'p99 < 5': 5 of what? Write 5ms or 5s"),
        (
            format!("thresholds=['step:b p99 < 5ms']\n{}", http("")),
            "error: step 'b', thresholds: 'step:b p99 < 5ms': there is no step 'b'",
        ),
        (
            format!("thresholds=['lag_p99 < 5ms']\n{}", http("")),
            "error: thresholds: 'lag_p99 < 5ms': a closed loop has no schedule to be late for",
        ),
        (format!("{}\n[load]\nkind='open'", http("")), "error: load: the level is 0 all the time"),
        (
            format!("{}\n[load]\nkind='open'\nrate_per_s=2e6", http("")),
            "error: load: rate_per_s: 2000000 is not between 0 and 1 000 000",
        ),
        (
            format!("{}\n[load]\nkind='closed'\nconnections=0", http("")),
            "error: load.connections: 0 is not between 1 and 10000 connections",
        ),
        (
            format!("{}\n[[stages]]\nkind='ramp'\nduration='1s'", http("")),
            "error: stages: stage 1: a ramp or a spike needs `to`",
        ),
        (
            format!("duration='5s'\n{}\n[[stages]]\nkind='hold'\nduration='9s'", http("")),
            "error: duration: the stages take 9s; leave `duration` out",
        ),
        (format!("timeout=0\n{}", http("")), "error: timeout: 0 is not between 0.001 and 600 s"),
        (
            format!("{}\n[auth]\nkind='login'\nstep='login'\nvar='t'", http("")),
            "error: auth.step: there is no step 'login' to log in with",
        ),
        (
            format!("{}\n[auth]\nkind='login'\nstep='a'\nvar='t'", http("")),
            "error: step 'a', extract: the login step does not extract 't'",
        ),
        (
            format!("{}\n[variables]\napi_token='x'", http("")),
            "warning: variables.api_token: it looks like a secret; write env:NAME instead of the value",
        ),
        (format!("{}\n[[feeds]]\nname='k'\nkind='zipf'\nitems=3", http("")), "warning: feeds.k: no template uses it"),
        ("name='x'".to_owned(), "error: steps: 0 steps; a plan has 1 to 1000"),
    ] {
        // The first line of a text that begins with a step is the name; keys before it are of the plan.
        let found = problems(&text);
        assert!(found.contains(&expected.to_owned()), "missing: {expected}\nfound: {found:#?}\nin: {text}");
    }
}

#[test]
fn extracted_variables_are_used_after_they_are_set() {
    let plan = |scenario: &str, order: [&str; 2]| {
        let take = "[[steps]]\nname='take'\nkind='http'\npath='/'\nextract=[{var='id', json_pointer='/id'}]\n";
        let give = "[[steps]]\nname='use'\nkind='http'\npath='/{{id}}'\n";
        let text = order.map(|o| if o == "take" { take } else { give }).concat();
        format!("name='x'\n{scenario}\n{text}")
    };
    assert_eq!(problems(&plan("scenario=true", ["take", "use"])), Vec::<String>::new(), "in order it is fine");
    let early = problems(&plan("scenario=true", ["use", "take"]));
    assert_eq!(early, ["error: step 'use', path: '{{id}}' is used before step 'take' sets it"], "not before it");
    let any = problems(&plan("", ["take", "use"]));
    let expected =
        "error: step 'use', path: '{{id}}' is set by step 'take', and steps run in any order; set scenario = true";
    assert_eq!(any, [expected], "nor where there is no order");
    let login = format!("{}\n[auth]\nkind='login'\nstep='take'\nvar='id'", plan("", ["use", "take"]));
    let expected =
        "warning: step 'take', weight: the login step also runs as part of the load; weight = 0 makes it log in only";
    assert_eq!(problems(&login), [expected], "what the login step sets is there from the start");
}

#[test]
fn all_problems_are_reported_at_once() {
    let text =
        "name=''\nthresholds=['x']\n[[steps]]\nname='a'\nkind='http'\npath='/{{b}}'\n[[steps]]\nname='c'\nkind='http'";
    let found = problems(text);
    for part in ["name:", "thresholds:", "step 'a', path", "step 'c', path"] {
        assert!(found.iter().any(|p| p.contains(part)), "'{part}' is among them: {found:?}");
    }
}
