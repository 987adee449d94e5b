//! A WebDriver client of the size these tests need: plain HTTP to a driver on loopback.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for one answer of the driver.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two looks at the page.
const STEP: Duration = Duration::from_millis(25);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser session. Dropping it closes the window.
#[derive(Debug)]
pub(crate) struct Session {
    port: u16,
    id: String,
}

type Result<T = ()> = std::result::Result<T, String>;

impl Session {
    /// Opens a session with these capabilities, waiting until the driver listens.
    pub(crate) fn open(port: u16, capabilities: &Value) -> Result<Self> {
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let end = Instant::now() + Duration::from_secs(20);
        while let Err(error) = request(port, "GET", "/status", None) {
            if Instant::now() > end {
                return Err(format!("the WebDriver on port {port} does not answer: {error}"));
            }
            std::thread::sleep(STEP);
        }
        let value = request(port, "POST", "/session", Some(&body))?;
        let id = value["sessionId"].as_str().ok_or_else(|| format!("no session id in {value}"))?.to_owned();
        Ok(Self { port, id })
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        request(self.port, method, &format!("/session/{}{path}", self.id), body)
    }

    /// Opens a URL.
    pub(crate) fn goto(&self, url: &str) -> Result {
        self.call("POST", "/url", Some(&json!({"url": url}))).map(drop)
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.call("POST", "/execute/sync", Some(&json!({"script": script, "args": arguments})))
    }

    /// Runs a script that hands its result to its last argument, a function, when it has one.
    pub(crate) fn run_async(&self, script: &str) -> Result<Value> {
        self.run_async_with(script, &[])
    }

    /// The same with arguments before that function.
    pub(crate) fn run_async_with(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.call("POST", "/execute/async", Some(&json!({"script": script, "args": arguments})))
    }

    /// Lets scripts that hand in their result later take this long.
    pub(crate) fn patience(&self, deadline: Duration) -> Result {
        let body = json!({"script": u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)});
        self.call("POST", "/timeouts", Some(&body)).map(drop)
    }

    /// Loads the page anew.
    pub(crate) fn reload(&self) -> Result {
        self.call("POST", "/refresh", Some(&json!({}))).map(drop)
    }

    /// A step back in the history.
    pub(crate) fn back(&self) -> Result {
        self.call("POST", "/back", Some(&json!({}))).map(drop)
    }

    /// Opens a tab and shows it; answers its name.
    pub(crate) fn new_tab(&self) -> Result<String> {
        let made = self.call("POST", "/window/new", Some(&json!({"type": "tab"})))?;
        let name = made["handle"].as_str().ok_or_else(|| format!("no handle in {made}"))?.to_owned();
        self.show_tab(&name)?;
        Ok(name)
    }

    /// Shows a tab.
    pub(crate) fn show_tab(&self, name: &str) -> Result {
        self.call("POST", "/window", Some(&json!({"handle": name}))).map(drop)
    }

    /// The names of all tabs.
    pub(crate) fn tabs(&self) -> Result<Vec<String>> {
        let all = self.call("GET", "/window/handles", None)?;
        Ok(all.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }

    /// Clicks an element while a key is held.
    pub(crate) fn click_with(&self, held: char, css: &str) -> Result {
        let element = self.element(css)?;
        let key = |kind: &str| json!({"type": kind, "value": held.to_string()});
        let pause = json!({"type": "pause"});
        let keys = json!([key("keyDown"), pause, pause, pause, key("keyUp")]);
        let to = json!({"type": "pointerMove", "origin": {ELEMENT: element}, "x": 0, "y": 0});
        let button = |kind: &str| json!({"type": kind, "button": 0});
        let pointer = json!([pause, to, button("pointerDown"), button("pointerUp"), pause]);
        let body = json!({"actions": [
            {"type": "key", "id": "keyboard", "actions": keys},
            {"type": "pointer", "id": "mouse", "actions": pointer},
        ]});
        self.call("POST", "/actions", Some(&body)).map(drop)
    }

    fn element(&self, css: &str) -> Result<String> {
        let found = self.call("POST", "/element", Some(&json!({"using": "css selector", "value": css})))?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or_else(|| format!("no element for {css}"))
    }

    /// Clicks the element, once it is there and can be clicked.
    pub(crate) fn click(&self, css: &str) -> Result {
        self.until(&format!("clicking {css}"), Duration::from_secs(10), || {
            let element = self.element(css)?;
            self.call("POST", &format!("/element/{element}/click"), Some(&json!({})))
        })
        .map(drop)
    }

    /// Replaces the text of a field.
    pub(crate) fn fill(&self, css: &str, text: &str) -> Result {
        self.until(&format!("typing into {css}"), Duration::from_secs(10), || {
            let element = self.element(css)?;
            self.call("POST", &format!("/element/{element}/clear"), Some(&json!({})))?;
            self.call("POST", &format!("/element/{element}/value"), Some(&json!({"text": text})))
        })?;
        let now = self.run("return document.querySelector(arguments[0]).value", &[json!(css)])?;
        if now == json!(text) { Ok(()) } else { Err(format!("{css} holds {now} after typing {text:?}")) }
    }

    /// Sends keys to whatever has the focus.
    pub(crate) fn keys(&self, keys: &str) -> Result {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({"type": "keyDown", "value": key.to_string()}));
            actions.push(json!({"type": "keyUp", "value": key.to_string()}));
        }
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.call("POST", "/actions", Some(&body)).map(drop)
    }

    /// A key while another is held down.
    pub(crate) fn chord(&self, held: char, key: char) -> Result {
        let press = |kind: &str, key: char| json!({"type": kind, "value": key.to_string()});
        let actions = [press("keyDown", held), press("keyDown", key), press("keyUp", key), press("keyUp", held)];
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.call("POST", "/actions", Some(&body)).map(drop)
    }

    /// The visible text of an element, or `None` when it is not there.
    pub(crate) fn text(&self, css: &str) -> Result<Option<String>> {
        let value =
            self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : null", &[json!(css)])?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// Waits until an element is there and visible.
    pub(crate) fn wait_for(&self, css: &str, deadline: Duration) -> Result {
        self.wait_until(
            &format!("{css} to be visible"),
            deadline,
            "const e = document.querySelector(arguments[0]); return !!e && e.getClientRects().length > 0",
            &[json!(css)],
        )
        .map(drop)
    }

    /// Waits until a script returns something true, and returns it.
    pub(crate) fn wait_until(&self, what: &str, deadline: Duration, script: &str, args: &[Value]) -> Result<Value> {
        self.until(what, deadline, || {
            let value = self.run(script, args)?;
            match value {
                Value::Null | Value::Bool(false) => Err(format!("it returns {value}")),
                value => Ok(value),
            }
        })
    }

    fn until<T>(&self, what: &str, deadline: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let end = Instant::now() + deadline;
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > end => {
                    let page = self.run("return document.body ? document.body.innerText.slice(0, 1500) : ''", &[]);
                    let page = page.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
                    return Err(format!("not within {deadline:?}: {what}: {error}\nThe page reads:\n{page}"));
                }
                Err(_) => std::thread::sleep(STEP),
            }
        }
    }

    /// Writes a PNG of what the window shows.
    pub(crate) fn screenshot(&self, file: &Path) -> Result {
        let value = self.call("GET", "/screenshot", None)?;
        let bytes = decode(value.as_str().unwrap_or_default()).ok_or("the driver sent a broken screenshot")?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
        }
        std::fs::write(file, bytes).map_err(|error| format!("writing {}: {error}", file.display()))
    }

    /// Entries of one of Chromium's logs.
    pub(crate) fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let value = self.call("POST", "/se/log", Some(&json!({"type": kind})))?;
        Ok(value.as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.call("DELETE", "", None);
    }
}

/// One request to a driver; the `value` of its answer, or WebDriver's error in words.
fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let (status, text) = http(port, method, path, &[], body).map_err(|error| format!("{method} {path}: {error}"))?;
    let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error} in {text}"))?;
    if status == 200 {
        return Ok(answer["value"].clone());
    }
    let value = &answer["value"];
    let message = value["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default();
    Err(format!("{} {message}", value["error"].as_str().unwrap_or("error")))
}

/// One HTTP request to loopback: the status and the body.
pub(crate) fn http(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_nodelay(true)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    // Some drivers keep the connection open all the same, so the length decides when there is one.
    let (head_end, length) = loop {
        let n = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            break (end + 4, length);
        }
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    while length.is_none_or(|length| bytes.len() < head_end + length) {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..n]);
    }
    let status =
        String::from_utf8_lossy(&bytes[..head_end]).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok((status, String::from_utf8_lossy(&bytes[head_end..]).into_owned()))
}

/// Base64 with the standard alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits & 0xff) as u8);
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}
