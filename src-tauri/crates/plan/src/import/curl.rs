//! A plan from a curl command, as browsers and documentation give it: each option is read, said to change nothing, or
//! refused by its name.
use perfdeck_model::{ClientCertificate, Method};

use super::super::model::{Auth, Plan};
use super::super::parse::closest;
use super::super::rows::Files;
use super::super::step::{HttpStep, Step};
use super::super::template::escape;
use super::super::values::{JsonBody, Secret, Span};
use super::curl_form::{Form, url_encode};
use super::curl_options::{Found, Meaning, OPTIONS, Spec, find, of_letter, of_name};
use super::request::{Address, header, set_body, step};
use super::secrets::Masks;
use super::{Error, Notes, StepNames, check_size, shell};

const WHAT: &str = "curl command";

/// Bytes of a file that a command names at most.
const MAX_FILE: u64 = 16 << 20;

/// What curl asks for with `--compressed`.
const CODINGS: &str = "deflate, gzip, br, zstd";

/// What a command says.
#[derive(Default)]
struct Curl {
    method: Option<String>,
    /// Headers by name; without a value it takes one away that curl would add.
    headers: Vec<(String, Option<String>)>,
    data: Option<Vec<u8>>,
    json: bool,
    form: Form,
    upload: Option<(String, Vec<u8>)>,
    query: Vec<String>,
    user: Option<(String, String)>,
    token: Option<String>,
    cookies: Vec<String>,
    agent: Option<String>,
    referer: Option<String>,
    range: Option<String>,
    urls: Vec<String>,
    get: bool,
    head: bool,
    insecure: bool,
    compressed: bool,
    follow: bool,
    redirects: Option<u32>,
    max_time: Option<Span>,
    globoff: bool,
    as_is: bool,
    cert: Option<String>,
    key: Option<String>,
    /// Options that change nothing that is sent.
    quiet: Vec<&'static str>,
}

fn malformed<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::Malformed { what: WHAT, message: message.into() })
}

fn refused<T>(option: &str, why: &str) -> Result<T, Error> {
    Err(Error::Unsupported { message: format!("--{option} cannot be imported"), hint: why.to_owned() })
}

/// Makes a plan of a curl command, one step per URL. Files that it names are not read: a body from one is refused.
///
/// # Errors
/// [`Error`] when it is no curl command, has no URL, needs a shell to be understood, or has an option that is unknown or
/// would make another request.
pub fn from_curl(text: &str) -> Result<(Plan, Vec<String>), Error> {
    from_curl_with(text, None)
}

/// As [`from_curl`], with the files that the command names.
///
/// # Errors
/// As [`from_curl`], and for a file that cannot be read.
pub fn from_curl_with(text: &str, files: Option<&dyn Files>) -> Result<(Plan, Vec<String>), Error> {
    check_size(text, WHAT, 4)?;
    let command = shell::words(text)?;
    let mut notes = Notes::default();
    let is_curl = |w: &Vec<u8>| {
        let name = w.rsplit(|b| b"/\\".contains(b)).next().unwrap_or_default();
        name == b"curl" || name == b"curl.exe"
    };
    let start = command.words.iter().take(6).position(is_curl);
    let Some(start) = start else { return malformed("it does not begin with curl") };
    if command.more {
        notes.add("What follows the first command was left out");
    }
    if command.redirected {
        notes.add("Where the command's input and output go was left out");
    }
    let mut reader = Reader { curl: Curl::default(), files, notes: &mut notes };
    reader.options(&command.words[start + 1..])?;
    let curl = reader.curl;
    if curl.urls.is_empty() {
        return Err(Error::Empty { what: WHAT, message: "there is no URL".into() });
    }
    if !curl.quiet.is_empty() {
        let names: Vec<String> = curl.quiet.iter().map(|name| format!("--{name}")).collect();
        notes.add(format!("Left out, since it changes nothing that is sent: {}", names.join(", ")));
    }
    let variables: Vec<&str> = command.variables.iter().map(String::as_str).collect();
    let mut plan = build(&curl, &variables, &mut notes)?;
    for name in &command.variables {
        restore(&mut plan, name);
        notes.add(format!("The shell variable {name} is read from the environment"));
    }
    Ok((plan, notes.0))
}

struct Reader<'a> {
    curl: Curl,
    files: Option<&'a dyn Files>,
    notes: &'a mut Notes,
}

/// A word that is no option, as far as it can be shown: what is no name of letters may be anything.
fn shown(word: &str) -> String {
    let harmless = word.len() <= 32 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if harmless { format!("--{word}") } else { "a word that begins with --".to_owned() }
}

impl Reader<'_> {
    fn options(&mut self, words: &[Vec<u8>]) -> Result<(), Error> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == b"--" {
                // What follows is no option any more.
                for url in words.by_ref() {
                    self.url(url)?;
                }
            } else if let Some(long) = word.strip_prefix(b"--") {
                let long = String::from_utf8_lossy(long);
                let (spec, on) = match find(&long) {
                    Found::Option(name, on) => (of_name(name), on),
                    Found::Several => {
                        return malformed(format!("{} is the beginning of several options", shown(&long)));
                    }
                    Found::Unknown => {
                        let meant = closest(&long, OPTIONS.iter().map(|o| o.long));
                        let hint = meant.map_or(String::new(), |name| format!("; did you mean --{name}?"));
                        return malformed(format!("{} is no option of curl{hint}", shown(&long)));
                    }
                };
                let Some(spec) = spec else { continue };
                let value = if spec.value { Some(self.value(spec, words.next())?) } else { None };
                self.set(spec, on, value.unwrap_or_default())?;
            } else if let Some(letters) = word.strip_prefix(b"-").filter(|l| !l.is_empty()) {
                let mut rest = letters;
                while let Some((letter, after)) = rest.split_first() {
                    rest = after;
                    let Some(spec) = of_letter(char::from(*letter)) else {
                        let letter = char::from(*letter).escape_debug();
                        return malformed(format!("-{letter} is no option of curl"));
                    };
                    if spec.value {
                        // The value follows at once or as the next word.
                        let attached = (!rest.is_empty()).then(|| rest.to_vec());
                        let value = match attached {
                            Some(value) => value,
                            None => self.value(spec, words.next())?.to_vec(),
                        };
                        self.set(spec, true, &value)?;
                        break;
                    }
                    self.set(spec, true, &[])?;
                }
            } else {
                self.url(word)?;
            }
        }
        Ok(())
    }

    fn value<'w>(&self, spec: &Spec, word: Option<&'w Vec<u8>>) -> Result<&'w [u8], Error> {
        match word {
            Some(word) => Ok(word),
            None => malformed(format!("--{} has no value", spec.long)),
        }
    }

    fn url(&mut self, word: &[u8]) -> Result<(), Error> {
        match std::str::from_utf8(word) {
            Ok(url) => self.curl.urls.push(url.to_owned()),
            Err(_) => return malformed("its URL is no UTF-8"),
        }
        Ok(())
    }

    /// A file that the command names.
    fn file(&self, option: &str, name: &[u8]) -> Result<Vec<u8>, Error> {
        let name = String::from_utf8_lossy(name);
        if name == "-" || name == "." {
            return refused(option, "it reads from a pipe; write the text as the option's value");
        }
        let Some(files) = self.files else {
            return Err(Error::Unsupported {
                message: format!("the file '{}' of --{option} cannot be read here", name.escape_debug()),
                hint: "write its text as the option's value, or import the command with perfctl where the file is"
                    .into(),
            });
        };
        files.read(&name, MAX_FILE).map_err(|why| Error::Malformed {
            what: WHAT,
            message: format!("the file '{}' of --{option} cannot be read: {why}", name.escape_debug()),
        })
    }

    fn set(&mut self, spec: &Spec, on: bool, value: &[u8]) -> Result<(), Error> {
        let name = spec.long;
        let text = || match std::str::from_utf8(value) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => malformed(format!("the value of --{name} is no UTF-8")),
        };
        match spec.meaning {
            Meaning::Method => self.curl.method = Some(text()?),
            Meaning::Header => self.header(&text()?)?,
            Meaning::Data | Meaning::DataBinary | Meaning::Json => {
                let data = match value.strip_prefix(b"@") {
                    Some(file) => self.file(name, file)?,
                    None => value.to_vec(),
                };
                let from_file = value.starts_with(b"@") && spec.meaning == Meaning::Data;
                // curl takes the line ends out of what it reads as text.
                let data = if from_file { data.into_iter().filter(|b| !b"\r\n\0".contains(b)).collect() } else { data };
                let json = spec.meaning == Meaning::Json;
                self.curl.json |= json;
                self.data(&data, if json { b"" } else { b"&" });
            }
            Meaning::DataRaw => self.data(value, b"&"),
            Meaning::DataUrlencode => {
                let data = self.encoded(name, value)?;
                self.data(&data, b"&");
            }
            Meaning::UrlQuery => {
                let pair = match value.strip_prefix(b"+") {
                    Some(raw) => raw.to_vec(),
                    None => self.encoded(name, value)?,
                };
                self.curl.query.push(String::from_utf8_lossy(&pair).into_owned());
            }
            Meaning::Form => {
                let mut form = std::mem::take(&mut self.curl.form);
                form.add(value, &mut |file| self.file(name, file))?;
                self.curl.form = form;
            }
            Meaning::FormString => self.curl.form.add_string(value)?,
            Meaning::FormEscape => self.curl.form.backslashes = on,
            Meaning::Upload => {
                if self.curl.upload.is_some() {
                    return refused(name, "several files are several requests; write each into a command of its own");
                }
                self.curl.upload = Some((text()?, self.file(name, value)?));
            }
            Meaning::User => {
                let text = text()?;
                let (user, password) = text.split_once(':').unwrap_or((&text, ""));
                self.curl.user = Some((user.to_owned(), password.to_owned()));
            }
            Meaning::Token => self.curl.token = Some(text()?),
            Meaning::Cookie => {
                let text = text()?;
                if text.contains('=') {
                    self.curl.cookies.push(text);
                } else if !text.is_empty() {
                    return refused(name, "it reads cookies from a file; write them as 'name=value'");
                }
            }
            Meaning::Agent => self.curl.agent = Some(text()?),
            Meaning::Referer => self.curl.referer = text()?.split(';').next().map(str::to_owned),
            Meaning::Range => self.curl.range = Some(text()?),
            Meaning::Url => self.url(value)?,
            Meaning::Get => self.curl.get = on,
            Meaning::Head => self.curl.head = on,
            Meaning::Insecure => self.curl.insecure = on,
            Meaning::Compressed => self.curl.compressed = on,
            Meaning::Location => self.curl.follow = on,
            Meaning::MaxRedirects => self.curl.redirects = text()?.parse().ok(),
            Meaning::MaxTime => self.curl.max_time = text()?.parse().ok().and_then(Span::from_secs),
            Meaning::GlobOff => self.curl.globoff = on,
            Meaning::PathAsIs => self.curl.as_is = on,
            Meaning::Cert => self.curl.cert = Some(text()?),
            Meaning::Key => self.curl.key = Some(text()?),
            Meaning::Quiet if self.curl.quiet.contains(&name) => {}
            Meaning::Quiet => self.curl.quiet.push(name),
            Meaning::Left(why) if on => self.notes.add(format!("--{name} was left out: {why}")),
            // What is switched off is what a plan does anyway.
            Meaning::Left(_) => {}
            Meaning::Refused(why) if on => return refused(name, why),
            Meaning::Refused(_) => {}
        }
        Ok(())
    }

    fn data(&mut self, value: &[u8], between: &[u8]) {
        match &mut self.curl.data {
            Some(data) => {
                data.extend_from_slice(between);
                data.extend_from_slice(value);
            }
            None => self.curl.data = Some(value.to_vec()),
        }
    }

    fn header(&mut self, text: &str) -> Result<(), Error> {
        if text.starts_with('@') {
            return refused("header", "it reads headers from a file; write each as an option");
        }
        if text.trim_end().contains(['\r', '\n']) {
            return refused(
                "header",
                "it has a line break, at which a server reads another header; write each as an option",
            );
        }
        if let Some((name, value)) = text.split_once(':') {
            let value = value.trim();
            self.curl.headers.push((name.trim().to_owned(), (!value.is_empty()).then(|| value.to_owned())));
        } else if let Some(name) = text.strip_suffix(';') {
            self.curl.headers.push((name.trim().to_owned(), Some(String::new())));
        } else {
            // curl sends nothing for it either.
            self.notes.add("A header without a colon was left out");
        }
        Ok(())
    }

    /// `content`, `=content`, `name=content`, `@file` and `name@file`.
    fn encoded(&self, option: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
        let position = |byte| value.iter().position(|b| *b == byte);
        let Some(at) = position(b'=').or_else(|| position(b'@')) else {
            return Ok(url_encode(value).replace("%20", "+").into_bytes());
        };
        let (name, rest) = (&value[..at], &value[at + 1..]);
        let content = if value[at] == b'@' { self.file(option, rest)? } else { rest.to_vec() };
        let content = url_encode(&content).replace("%20", "+");
        Ok(if name.is_empty() { content.into_bytes() } else { [name, b"=", content.as_bytes()].concat() })
    }
}

/// The bytes of a body, and its type where curl names one.
type Typed = (Vec<u8>, Option<String>);

/// A body with its type, when curl would send one.
fn body(curl: &Curl) -> Result<Option<Typed>, Error> {
    let given = [curl.data.is_some() && !curl.get, !curl.form.is_empty(), curl.upload.is_some()];
    let bodies = given.iter().filter(|g| **g).count();
    if bodies > 1 || (bodies == 1 && curl.head) {
        return malformed("its options ask for several methods at once, which curl refuses too");
    }
    let own = curl.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = |default: &str| match own {
        Some((_, value)) => value.clone(),
        None => Some(default.to_owned()),
    };
    Ok(match (&curl.upload, &curl.data) {
        (Some((_, bytes)), _) => Some((bytes.clone(), own.and_then(|(_, value)| value.clone()))),
        (None, Some(data)) if !curl.get => {
            let default = if curl.json { "application/json" } else { "application/x-www-form-urlencoded" };
            Some((data.clone(), kind(default)))
        }
        _ if !curl.form.is_empty() => {
            let (bytes, boundary) = curl.form.written();
            let kind = kind("multipart/form-data").unwrap_or_else(|| "multipart/form-data".to_owned());
            Some((bytes, Some(format!("{kind}; boundary={boundary}"))))
        }
        _ => None,
    })
}

/// The headers as curl sends them: those of the command, and its own where the command has none of that name.
fn headers(curl: &Curl, kind: Option<&str>, notes: &mut Notes) -> Vec<(String, String)> {
    let given = |name: &str| curl.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut out = Vec::new();
    for (name, value) in &curl.headers {
        match value {
            _ if name.eq_ignore_ascii_case("content-type") => {}
            Some(value) => out.push((name.clone(), value.clone())),
            None if ["accept", "host", "content-type", "expect"].iter().any(|n| name.eq_ignore_ascii_case(n)) => {}
            None => notes.add("A header that the command takes away is sent by Perfdeck, or by nobody"),
        }
    }
    let accept = if curl.json { "application/json" } else { "*/*" };
    let coding = curl.compressed.then(|| CODINGS.to_owned());
    let range = curl.range.as_ref().map(|range| format!("bytes={range}"));
    let cookies = (!curl.cookies.is_empty()).then(|| curl.cookies.join(";"));
    let agent = curl.agent.clone().filter(|agent| {
        if agent.is_empty() {
            notes.add("Requests say that they come from Perfdeck, although the command takes the User-Agent away");
        }
        !agent.is_empty()
    });
    for (name, value) in [
        ("Accept", Some(accept.to_owned())),
        ("Accept-Encoding", coding),
        ("Range", range),
        ("Cookie", cookies),
        ("User-Agent", agent),
        ("Referer", curl.referer.clone()),
    ] {
        if let Some(value) = value.filter(|_| !given(name)) {
            out.push((name.to_owned(), value));
        }
    }
    if let Some(kind) = kind {
        out.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    out
}

fn method(curl: &Curl, has_body: bool) -> Result<Method, Error> {
    match &curl.method {
        Some(token) => match Method::parse(token).filter(|m| m.as_str() == token) {
            Some(method) => Ok(method),
            None => malformed("its method is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS in capitals"),
        },
        None if curl.head => Ok(Method::Head),
        None if curl.upload.is_some() => Ok(Method::Put),
        None if has_body => Ok(Method::Post),
        None => Ok(Method::Get),
    }
}

/// The address of a URL, with what the options add to its path and query.
fn address(curl: &Curl, url: &str, variables: &[&str]) -> Result<Address, Error> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let mut plain = url.clone();
    for name in variables {
        plain = plain.replace(&format!("{{{{env:{name}}}}}"), "x");
    }
    let after = plain.find("://").map_or("", |at| &plain[at + 3..]);
    let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let patterns = rest.contains(['{', '}', '[', ']']) || authority.contains(['{', '}']);
    if !curl.globoff && patterns {
        return Err(Error::Unsupported {
            message: "the URL has braces or brackets, of which curl makes several requests".into(),
            hint: "write each URL out, or add --globoff when they are meant as they are".into(),
        });
    }
    let Some(mut address) = Address::parse(&url) else { return malformed("its URL is no http or https URL") };
    if !curl.as_is {
        address.path = without_dots(&address.path);
    }
    if let Some((name, _)) = &curl.upload
        && address.path.ends_with('/')
    {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        address.path.push_str(&url_encode(name.as_bytes()));
    }
    let data = curl.data.as_ref().filter(|d| curl.get && !d.is_empty());
    let data = data.map(|d| String::from_utf8(d.clone())).transpose();
    let Ok(data) = data else { return malformed("what --get puts into the URL is no UTF-8") };
    let parts: Vec<String> = address
        .query
        .take()
        .into_iter()
        .chain(curl.query.iter().cloned())
        .chain(data)
        .filter(|p| !p.is_empty())
        .collect();
    address.query = (!parts.is_empty()).then(|| parts.join("&"));
    Ok(address)
}

/// A path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        match *segment {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

fn build(curl: &Curl, variables: &[&str], notes: &mut Notes) -> Result<Plan, Error> {
    let body = body(curl)?;
    let method = method(curl, body.is_some())?;
    let mut masks = Masks::default();
    let kind = body.as_ref().and_then(|(_, kind)| kind.clone());
    let own = curl.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = if body.is_some() { kind } else { own.and_then(|(_, value)| value.clone()) };
    let mut headers = headers(curl, kind.as_deref(), notes);
    let mut names = StepNames::default();
    let addresses = curl.urls.iter().map(|url| address(curl, url, variables)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = addresses.first() else { return malformed("there is no URL") };
    let mut plan = Plan::new(format!("{} {}", method.as_str(), first.shown()));
    let base = first.base.clone();
    plan.auth = auth(curl, first, &mut headers, &mut masks, notes);
    plan.client_certificate = certificate(curl, notes)?;
    plan.scenario = addresses.len() > 1;
    if curl.follow && curl.method.is_some() && !matches!(method, Method::Get | Method::Head) {
        notes.add(format!(
            "-X {0} with -L: curl sends {0} again wherever a redirect leads; here 303, and 301 and 302 of a POST, are followed \
             by GET, as browsers do",
            method.as_str()
        ));
    }
    for address in &addresses {
        let mut http = step(method, address, &headers, &mut masks, notes);
        if let Some((bytes, _)) = &body {
            set_body(&mut http, bytes, kind.as_deref().unwrap_or_default(), &mut masks, notes);
        }
        http.redirects = if curl.follow { curl.redirects.unwrap_or(10).min(20) } else { 0 };
        if address.base != base {
            http.url = http.path.take().map(|path| format!("{}{path}", address.base));
        }
        let name = format!("{} {}", method.as_str(), address.shown());
        plan.steps.push(Step::http(names.unique(&name), http));
    }
    plan.base_url = Some(base);
    plan.insecure_tls = curl.insecure;
    plan.timeout = curl.max_time.filter(|t| !t.0.is_zero()).unwrap_or(plan.timeout);
    if plan.name.len() > 100 {
        "request".clone_into(&mut plan.name);
    }
    Ok(plan)
}

/// How the requests identify themselves. A header of the command goes before its options.
fn auth(
    curl: &Curl,
    first: &Address,
    headers: &mut Vec<(String, String)>,
    masks: &mut Masks,
    notes: &mut Notes,
) -> Option<Auth> {
    let own = header(headers, "authorization").to_owned();
    let bearer = match own.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
        _ if own.is_empty() => curl.token.clone(),
        _ => None,
    };
    if let Some(token) = bearer {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        let name = known_env(&token).unwrap_or_else(|| masks.env("API_TOKEN", &token, notes));
        return Some(Auth::Bearer { token: Secret::env(&name) });
    }
    let (user, password) = curl.user.clone().or_else(|| first.user.clone()).filter(|_| own.is_empty())?;
    let password = known_env(&password).unwrap_or_else(|| masks.env("API_PASSWORD", &password, notes));
    Some(Auth::Basic { user: escape(&user), password: Secret::env(&password) })
}

/// The client's certificate, by files beside the plan.
fn certificate(curl: &Curl, notes: &mut Notes) -> Result<Option<ClientCertificate>, Error> {
    let Some(cert) = &curl.cert else {
        return if curl.key.is_some() { malformed("--key has no --cert") } else { Ok(None) };
    };
    // A drive of Windows is no pass phrase.
    if cert.chars().skip(2).any(|c| c == ':') {
        return refused("cert with a pass phrase", "a plan's key has no pass phrase");
    }
    let beside = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let made = ClientCertificate { cert: beside(cert), key: curl.key.as_deref().map(beside) };
    notes.add("The client's certificate and key are read from the plan's folder: put the files beside the plan");
    Ok(Some(made))
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
        let super::super::step::Action::Http(HttpStep { path, url, body, headers, json, .. }) = &mut step.action else {
            continue;
        };
        path.iter_mut().chain(url.iter_mut()).chain(body.iter_mut()).chain(headers.values_mut()).for_each(text);
        if let Some(JsonBody(value)) = json {
            strings(value, &text);
        }
    }
}
