//! Who may come in: printed addresses, each of which opens one browser; the sessions of browsers, in a cookie; and the bearer
//! tokens of scripts.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use perfdeck_model::{ApiError, ErrorCode};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use crate::{Allowed, App, answer_error};

/// Browsers that are signed in at a time; the one that came first is signed out for one more.
const SESSIONS: usize = 32;
/// Printed addresses that were not opened yet, and as many that were, to tell why one opens nothing.
const CODES: usize = 16;
/// What our own pages send with each request. Another site's page cannot without being asked by the browser first, and a
/// cookie alone proves little: browsers send it to and from every port of this machine.
pub(crate) const PAGE: HeaderName = HeaderName::from_static("perfdeck-page");

/// A secret: 256 random bits.
pub fn new_token() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn same(a: &str, b: &str) -> bool {
    bool::from(a.as_bytes().ct_eq(b.as_bytes()))
}

/// Whom one run of the server lets in.
#[derive(Debug)]
pub struct Doors {
    /// The token of scripts, which they had before this run; it never ends.
    kept: Option<String>,
    /// Opens any number of browsers that only look.
    looking: String,
    read_only: bool,
    state: Mutex<Inside>,
    /// Somebody who is not let in asks for an address.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    /// Of printed addresses with full access: each opens one browser, and lets scripts in until then.
    codes: VecDeque<String>,
    /// Those that were opened.
    spent: VecDeque<String>,
    sessions: VecDeque<(String, Allowed)>,
}

/// Adds one, and lets the oldest go.
fn keep<T>(list: &mut VecDeque<T>, most: usize, one: T) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(one);
}

/// What an address led to.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// A new session, and what it may do.
    Opened(String, Allowed),
    /// The browser has a session already.
    Inside(Allowed),
    Spent,
    Unknown,
    /// No token was given.
    Asked,
}

impl Doors {
    /// With full access for whoever opens the printed address, and for scripts with `kept`, the token of a file, which is in
    /// the first address too.
    pub fn new(kept: Option<String>) -> Self {
        let doors = Self { kept, read_only: false, ..Self::read_only() };
        doors.inside().codes.push_back(doors.kept.clone().unwrap_or_else(new_token));
        doors
    }

    /// Nobody may do more than look.
    pub fn read_only() -> Self {
        Self { kept: None, looking: new_token(), read_only: true, state: Mutex::default(), wanted: Notify::new() }
    }

    /// With a given token for those who only look.
    #[cfg(test)]
    pub(crate) fn looking_by(self, token: &str) -> Self {
        Self { looking: token.to_owned(), ..self }
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest address of this server that was not opened yet, or a new one; none when everybody may only look.
    pub(crate) fn url(&self, addr: SocketAddr) -> Option<String> {
        let newest = self.inside().codes.back().cloned();
        newest.map_or_else(|| self.another(addr), |code| Some(address(addr, &code)))
    }

    /// One more address that opens one browser.
    fn another(&self, addr: SocketAddr) -> Option<String> {
        if self.read_only {
            return None;
        }
        let code = new_token();
        keep(&mut self.inside().codes, CODES, code.clone());
        Some(address(addr, &code))
    }

    /// The address for those who may only look; it opens any number of browsers.
    pub(crate) fn looking_url(&self, addr: SocketAddr) -> String {
        address(addr, &self.looking)
    }

    /// Waits until somebody who is not let in asks for an address.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// What a script with this token may do.
    fn bearer(&self, given: &str) -> Option<Allowed> {
        let full = self.kept.as_deref().is_some_and(|token| same(token, given))
            | self.inside().codes.iter().fold(false, |found, code| found | same(code, given));
        let looks = same(&self.looking, given);
        full.then_some(Allowed::Everything).or_else(|| looks.then_some(Allowed::Reading))
    }

    /// What a browser with this session may do.
    fn session(&self, given: &str) -> Option<Allowed> {
        let inside = self.inside();
        inside.sessions.iter().fold(None, |found, (id, allowed)| if same(id, given) { Some(*allowed) } else { found })
    }

    /// A browser, perhaps with a session, opens an address with this token.
    fn enter(&self, given: &str, session: Option<&str>) -> Entry {
        let has = session.and_then(|id| self.session(id));
        let mut inside = self.inside();
        let code = inside.codes.iter().position(|code| same(code, given));
        let allowed = if let Some(code) = code.and_then(|at| inside.codes.remove(at)) {
            keep(&mut inside.spent, CODES, code);
            Allowed::Everything
        } else if same(&self.looking, given) {
            Allowed::Reading
        } else if let Some(has) = has {
            // The same address again, where it was opened before.
            return Entry::Inside(has);
        } else {
            self.wanted.notify_one();
            if given.is_empty() {
                return Entry::Asked;
            }
            let spent = inside.spent.iter().any(|code| same(code, given));
            return if spent { Entry::Spent } else { Entry::Unknown };
        };
        if has == Some(allowed) {
            return Entry::Inside(allowed);
        }
        // A browser has one session: what was opened last is what all its tabs may do.
        inside.sessions.retain(|(id, _)| session != Some(id));
        let id = new_token();
        keep(&mut inside.sessions, SESSIONS, (id.clone(), allowed));
        Entry::Opened(id, allowed)
    }
}

/// An address that opens the UI. What is behind `#` is not sent to any server by itself, so nothing that only fetches the page
/// opens it.
fn address(addr: SocketAddr, token: &str) -> String {
    format!("http://{addr}/#token={token}")
}

/// The cookie's name. Browsers do not tell ports apart, so the name does: two servers have a session each.
fn cookie_name(port: u16) -> String {
    format!("perfdeck_{port}")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?;
    Some(given.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default())
}

/// Whether a page of this server asks, and no other page of this machine.
fn of_our_page(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    headers.contains_key(PAGE) && site.is_none_or(|site| site == "same-origin")
}

/// Whoever runs the server prints one, see `wanted`.
const NEW_ADDRESS: &str = "A new address was printed in the terminal where perfctl serve runs: open that one";

const NOT_SIGNED_IN: &str = "This browser is not signed in to Perfdeck";

fn unauthorized(message: &str, hint: &str) -> Response {
    answer_error(StatusCode::UNAUTHORIZED, &ApiError::new(ErrorCode::Authentication, message).hint(hint))
}

/// What the sender of these headers may do, or why nothing.
pub(crate) fn allowed(app: &App, headers: &HeaderMap) -> Result<Allowed, Box<Response>> {
    if let Some(token) = bearer(headers) {
        return app.doors.bearer(token).ok_or_else(|| {
            Box::new(unauthorized(
                "The access token is wrong, or its address was opened in a browser since",
                "Scripts that run beside a browser have a token of their own: perfctl serve --token-file FILE",
            ))
        });
    }
    let Some(session) = cookie(headers, &cookie_name(app.port)) else {
        return Err(Box::new(unauthorized(NOT_SIGNED_IN, "Open the address that perfctl serve printed")));
    };
    if !of_our_page(headers) {
        return Err(Box::new(answer_error(
            StatusCode::FORBIDDEN,
            &ApiError::new(ErrorCode::Guarded, "Another site may not use this server"),
        )));
    }
    app.doors.session(session).ok_or_else(|| {
        let hint = "Open the address that it printed, in this tab or another one: what is shown here comes back";
        Box::new(unauthorized("Perfdeck was started anew, and this browser is not signed in to it", hint))
    })
}

const fn word(allowed: Allowed) -> &'static str {
    match allowed {
        Allowed::Everything => "everything",
        Allowed::Reading => "reading",
    }
}

/// `POST /api/session`: the token of a printed address, for a session. Without a token the one that the browser has is asked
/// about. The answer says what it may do; who is not let in has a new address printed.
pub(crate) async fn enter(State(app): State<App>, headers: HeaderMap) -> Response {
    let name = cookie_name(app.port);
    let given = bearer(&headers).unwrap_or_default();
    match app.doors.enter(given, cookie(&headers, &name)) {
        Entry::Opened(id, allowed) => {
            // Not `Secure`: this is plain HTTP on loopback. It ends with the browser, and with this run of the server.
            let cookie = format!("{name}={id}; Path=/api; HttpOnly; SameSite=Strict");
            ([(header::SET_COOKIE, cookie)], axum::Json(json!({ "access": word(allowed) }))).into_response()
        }
        Entry::Inside(allowed) => axum::Json(json!({ "access": word(allowed) })).into_response(),
        Entry::Spent => unauthorized("This address was opened before, and opens one browser only", NEW_ADDRESS),
        Entry::Asked => unauthorized(NOT_SIGNED_IN, NEW_ADDRESS),
        Entry::Unknown => unauthorized("This address is not of the server that runs now", NEW_ADDRESS),
    }
}
