//! A plan from a curl command, as browsers and documentation give it.
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use perfdeck_model::Method;

use super::super::model::{Auth, Plan};
use super::super::step::{HttpStep, Step};
use super::super::values::{JsonBody, Secret, Span};
use super::request::{Address, header, set_body, step};
use super::secrets::Masks;
use super::{Error, Notes, check_size, shell};

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Option_ {
    Method,
    Header,
    Data,
    DataRaw,
    DataUrlencode,
    Json,
    User,
    Cookie,
    Agent,
    Referer,
    Token,
    Url,
    Get,
    Head,
    Insecure,
    Compressed,
    Location,
    MaxRedirects,
    MaxTime,
    Left(bool),
}

/// Long and short name. Those that are left out say whether a value follows.
const OPTIONS: &[(&str, char, Option_)] = &[
    ("request", 'X', Option_::Method),
    ("header", 'H', Option_::Header),
    ("data", 'd', Option_::Data),
    ("data-ascii", ' ', Option_::Data),
    ("data-binary", ' ', Option_::Data),
    ("data-raw", ' ', Option_::DataRaw),
    ("data-urlencode", ' ', Option_::DataUrlencode),
    ("json", ' ', Option_::Json),
    ("user", 'u', Option_::User),
    ("cookie", 'b', Option_::Cookie),
    ("user-agent", 'A', Option_::Agent),
    ("referer", 'e', Option_::Referer),
    ("oauth2-bearer", ' ', Option_::Token),
    ("url", ' ', Option_::Url),
    ("get", 'G', Option_::Get),
    ("head", 'I', Option_::Head),
    ("insecure", 'k', Option_::Insecure),
    ("compressed", ' ', Option_::Compressed),
    ("location", 'L', Option_::Location),
    ("max-redirs", ' ', Option_::MaxRedirects),
    ("max-time", 'm', Option_::MaxTime),
    ("silent", 's', Option_::Left(false)),
    ("show-error", 'S', Option_::Left(false)),
    ("verbose", 'v', Option_::Left(false)),
    ("include", 'i', Option_::Left(false)),
    ("fail", 'f', Option_::Left(false)),
    ("globoff", 'g', Option_::Left(false)),
    ("no-buffer", 'N', Option_::Left(false)),
    ("remote-name", 'O', Option_::Left(false)),
    ("progress-bar", '#', Option_::Left(false)),
    ("http1.1", ' ', Option_::Left(false)),
    ("http2", ' ', Option_::Left(false)),
    ("http3", ' ', Option_::Left(false)),
    ("path-as-is", ' ', Option_::Left(false)),
    ("ipv4", '4', Option_::Left(false)),
    ("ipv6", '6', Option_::Left(false)),
    ("output", 'o', Option_::Left(true)),
    ("write-out", 'w', Option_::Left(true)),
    ("connect-timeout", ' ', Option_::Left(true)),
    ("retry", ' ', Option_::Left(true)),
    ("dump-header", 'D', Option_::Left(true)),
    ("cookie-jar", 'c', Option_::Left(true)),
    ("form", 'F', Option_::Left(true)),
    ("form-string", ' ', Option_::Left(true)),
    ("upload-file", 'T', Option_::Left(true)),
    ("proxy", 'x', Option_::Left(true)),
    ("proxy-user", 'U', Option_::Left(true)),
    ("cert", 'E', Option_::Left(true)),
    ("key", ' ', Option_::Left(true)),
    ("cacert", ' ', Option_::Left(true)),
    ("resolve", ' ', Option_::Left(true)),
    ("connect-to", ' ', Option_::Left(true)),
    ("interface", ' ', Option_::Left(true)),
    ("range", 'r', Option_::Left(true)),
    ("config", 'K', Option_::Left(true)),
    ("unix-socket", ' ', Option_::Left(true)),
    ("aws-sigv4", ' ', Option_::Left(true)),
];

/// Options that change nothing in a benchmark.
const QUIET: &[&str] = &[
    "silent",
    "show-error",
    "verbose",
    "include",
    "fail",
    "no-buffer",
    "progress-bar",
    "output",
    "write-out",
    "globoff",
];

fn takes_value(option: Option_) -> bool {
    use Option_::{Compressed, Get, Head, Insecure, Left, Location};
    !matches!(option, Get | Head | Insecure | Compressed | Location | Left(false))
}

#[derive(Default)]
struct Curl {
    method: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    json: bool,
    user: Option<(String, String)>,
    token: Option<String>,
    urls: Vec<String>,
    get: bool,
    head: bool,
    insecure: bool,
    follow: bool,
    redirects: Option<u32>,
    max_time: Option<Span>,
}

/// Makes a plan of one step from a curl command.
///
/// # Errors
/// [`Error`] when it is no curl command, has no URL, or needs a shell to be understood.
pub fn from_curl(text: &str) -> Result<(Plan, Vec<String>), Error> {
    const WHAT: &str = "curl command";
    check_size(text, WHAT, 4)?;
    let command = shell::words(text)?;
    let mut notes = Notes::default();
    let is_curl = |w: &String| matches!(w.rsplit(['/', '\\']).next(), Some("curl" | "curl.exe"));
    let start = command.words.iter().take(6).position(is_curl);
    let Some(start) = start else {
        return Err(Error::Malformed { what: WHAT, message: "it does not begin with curl".into() });
    };
    if command.more {
        notes.add("What follows the first command was left out");
    }
    let mut curl = Curl::default();
    options(&command.words[start + 1..], &mut curl, &mut notes)?;
    let Some(url) = curl.urls.first().cloned() else {
        return Err(Error::Empty { what: WHAT, message: "there is no URL".into() });
    };
    if curl.urls.len() > 1 {
        notes.add("Only the first of several URLs was taken");
    }
    let mut plan = build(&curl, &url, &mut notes)?;
    for name in &command.variables {
        restore(&mut plan, name);
        notes.add(format!("The shell variable {name} is read from the environment"));
    }
    Ok((plan, notes.0))
}

fn options(words: &[String], curl: &mut Curl, notes: &mut Notes) -> Result<(), Error> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let missing = || Error::Malformed { what: "curl command", message: "an option has no value".into() };
        if let Some(long) = word.strip_prefix("--").filter(|l| !l.is_empty()) {
            let positive = long.strip_prefix("no-").unwrap_or(long);
            match OPTIONS.iter().find(|(name, _, _)| *name == long || *name == positive) {
                Some((name, _, option)) => {
                    let value =
                        if takes_value(*option) { words.next().ok_or_else(missing)?.clone() } else { String::new() };
                    set(*option, name, &value, curl, notes);
                }
                None => notes.add(format!("The option --{} is not known and was left out", long.escape_debug())),
            }
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty() && *l != "-") else {
            curl.urls.push(word.clone());
            continue;
        };
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let Some((name, _, option)) = OPTIONS.iter().find(|(_, short, _)| *short == letter && letter != ' ') else {
                notes.add(format!("The option -{} is not known and was left out", letter.escape_debug()));
                continue;
            };
            if takes_value(*option) {
                // The value follows at once or as the next word.
                let attached = rest.as_str();
                let value =
                    if attached.is_empty() { words.next().ok_or_else(missing)?.clone() } else { attached.to_owned() };
                set(*option, name, &value, curl, notes);
                break;
            }
            set(*option, name, "", curl, notes);
        }
    }
    Ok(())
}

fn set(option: Option_, name: &str, value: &str, curl: &mut Curl, notes: &mut Notes) {
    let file = |notes: &mut Notes, file: &str| {
        notes.add(format!(
            "The body comes from the file '{}', which was not read: write it into `body`",
            file.escape_debug()
        ));
    };
    match option {
        Option_::Method => curl.method = Some(value.to_owned()),
        Option_::Header => match value.split_once(':') {
            Some((name, value)) => curl.headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None => notes.add("A header without a value was left out"),
        },
        Option_::Data if value.starts_with('@') => file(notes, &value[1..]),
        Option_::Json if value.starts_with('@') => file(notes, &value[1..]),
        Option_::Data | Option_::DataRaw => curl.data.push(value.to_owned()),
        Option_::Json => {
            curl.json = true;
            curl.data.push(value.to_owned());
        }
        Option_::DataUrlencode => {
            let encode = |t: &str| utf8_percent_encode(t, NON_ALPHANUMERIC).to_string();
            match value.find(['=', '@']) {
                Some(at) if value[at..].starts_with('@') => file(notes, &value[at + 1..]),
                Some(0) => curl.data.push(encode(&value[1..])),
                Some(at) => curl.data.push(format!("{}={}", &value[..at], encode(&value[at + 1..]))),
                None => curl.data.push(encode(value)),
            }
        }
        Option_::User => {
            let (user, password) = value.split_once(':').unwrap_or((value, ""));
            curl.user = Some((user.to_owned(), password.to_owned()));
        }
        Option_::Token => curl.token = Some(value.to_owned()),
        Option_::Cookie if value.contains('=') => curl.headers.push(("Cookie".into(), value.to_owned())),
        Option_::Cookie => notes.add("Cookies from a file were left out"),
        Option_::Agent => curl.headers.push(("User-Agent".into(), value.to_owned())),
        Option_::Referer => {
            curl.headers.push(("Referer".into(), value.split(';').next().unwrap_or_default().to_owned()));
        }
        Option_::Url => curl.urls.push(value.to_owned()),
        Option_::Get => curl.get = true,
        Option_::Head => curl.head = true,
        Option_::Insecure => curl.insecure = true,
        Option_::Compressed => {
            notes.add("--compressed was left out: set an Accept-Encoding header to ask for compression");
        }
        Option_::Location => curl.follow = true,
        Option_::MaxRedirects => curl.redirects = value.parse().ok(),
        Option_::MaxTime => curl.max_time = value.parse().ok().and_then(Span::from_secs),
        Option_::Left(_) if QUIET.contains(&name) => {}
        Option_::Left(_) => notes.add(format!("The option --{name} was left out")),
    }
}

fn build(curl: &Curl, url: &str, notes: &mut Notes) -> Result<Plan, Error> {
    let malformed = |message: &str| Error::Malformed { what: "curl command", message: message.to_owned() };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let mut address = Address::parse(&url).ok_or_else(|| malformed("its URL is no http or https URL"))?;
    let mut masks = Masks::default();
    let mut data = curl.data.join("&");
    if curl.get && !data.is_empty() {
        let query = address.query.take().map_or(String::new(), |q| format!("{q}&"));
        address.query = Some(query + &std::mem::take(&mut data));
    }
    let has_body = !curl.data.is_empty() && !curl.get;
    let method = match &curl.method {
        Some(token) => Method::parse(token)
            .ok_or_else(|| malformed("its method is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))?,
        None if curl.head => Method::Head,
        None if has_body => Method::Post,
        None => Method::Get,
    };
    let mut headers = curl.headers.clone();
    if has_body && header(&headers, "content-type").is_empty() {
        let kind = if curl.json { "application/json" } else { "application/x-www-form-urlencoded" };
        headers.push(("Content-Type".into(), kind.into()));
    }
    let mut plan = Plan::new(format!("{} {}", method.as_str(), address.shown()));
    let login = curl.user.clone().or_else(|| address.user.clone());
    if let Some((user, password)) = login {
        let password = known_env(&password).unwrap_or_else(|| masks.env("API_PASSWORD", &password, notes));
        plan.auth = Some(Auth::Basic { user: super::super::template::escape(&user), password: Secret::env(&password) });
    }
    let bearer = curl.token.clone().or_else(|| {
        let (scheme, token) = header(&headers, "authorization").split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    if let Some(token) = bearer {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        let name = known_env(&token).unwrap_or_else(|| masks.env("API_TOKEN", &token, notes));
        plan.auth = Some(Auth::Bearer { token: Secret::env(&name) });
    }
    let mut http = step(method, &address, &headers, &mut masks, notes);
    if has_body {
        let kind = header(&headers, "content-type").to_owned();
        set_body(&mut http, &data, &kind, &mut masks, notes);
    }
    http.redirects = if curl.follow { curl.redirects.unwrap_or(10).min(20) } else { 0 };
    plan.base_url = Some(address.base);
    plan.insecure_tls = curl.insecure;
    plan.timeout = curl.max_time.filter(|t| !t.0.is_zero()).unwrap_or(plan.timeout);
    let name = if plan.name.len() > 100 { "request".to_owned() } else { plan.name.replace('"', "'") };
    plan.steps.push(Step::http(name, http));
    Ok(plan)
}

fn known_env(text: &str) -> Option<String> {
    text.strip_prefix("{{env:").and_then(|t| t.strip_suffix("}}")).map(str::to_owned)
}

/// Makes slots again of shell variables that were taken for text.
fn restore(plan: &mut Plan, name: &str) {
    let slot = format!("{{{{env:{name}}}}}");
    let text = |t: &mut String| *t = t.replace(&format!("\\{slot}"), &slot);
    fn strings(value: &mut serde_json::Value, change: &dyn Fn(&mut String)) {
        match value {
            serde_json::Value::String(text) => change(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|i| strings(i, change)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|f| strings(f, change)),
            _ => {}
        }
    }
    if let Some(Auth::Basic { user, .. }) = &mut plan.auth {
        text(user);
    }
    for step in &mut plan.steps {
        let super::super::step::Action::Http(HttpStep { path, body, headers, json, .. }) = &mut step.action else {
            continue;
        };
        path.iter_mut().chain(body.iter_mut()).chain(headers.values_mut()).for_each(text);
        if let Some(JsonBody(value)) = json {
            strings(value, &text);
        }
    }
}
