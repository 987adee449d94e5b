//! The local HTTP server: the engine's commands as `POST /api/rpc/{name}`, the event stream as `GET /api/stream`, and
//! the UI for a browser.
//!
//! It binds loopback only and checks, in this order: peer address, `Host`, `Origin`, `Sec-Fetch-Site`, and for `/api` the
//! session of a browser or the bearer token of a script (`session.rs`), in constant time. Who may only look runs no command
//! that changes something or reaches a target.
#![forbid(unsafe_code)]

mod session;
mod stream;
#[cfg(test)]
mod tests;
mod ui;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use perfdeck_engine::{Engine, Reply};
use perfdeck_model::{Access, ApiError, ErrorCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use session::{Doors, new_token};

/// Largest request body, in bytes.
const BODY_LIMIT: usize = 2 << 20;
/// Longest time a command may take before the connection is answered with a timeout.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// What every request shares.
#[derive(Clone)]
struct App {
    engine: Arc<Engine>,
    doors: Arc<Doors>,
    /// At which it listens.
    port: u16,
    /// Cancelled when the server ends.
    ending: CancellationToken,
}

/// What a request may do; put into it once it was checked who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Everything,
    Reading,
}

/// A running server; it stops when this is dropped or [`Running::stop`] is called.
pub struct Running {
    /// Address it listens on.
    pub addr: SocketAddr,
    doors: Arc<Doors>,
    cancel: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// The newest address that opens the UI in one browser, with its token in the fragment; none when everybody may only look.
    pub fn url(&self) -> Option<String> {
        self.doors.url(self.addr)
    }

    /// Waits until somebody who is not let in asks for an address; whoever runs the server decides where to print one.
    pub async fn wanted(&self) {
        self.doors.wanted().await;
    }

    /// The address for those who may only look; it opens any number of browsers.
    pub fn read_only_url(&self) -> String {
        self.doors.looking_url(self.addr)
    }

    /// Stops accepting and ends open streams.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            // Streams end with the token; whoever does not close within two seconds is cut off.
            let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Starts the server. `listen` must be a loopback address; port 0 chooses a free one.
///
/// # Errors
/// When the address is not loopback or cannot be bound.
pub async fn serve(engine: Arc<Engine>, listen: SocketAddr, doors: Doors) -> Result<Running, ApiError> {
    if !listen.ip().is_loopback() {
        return Err(ApiError::bad_request(format!("{listen} is not a loopback address"))
            .hint("Listen on 127.0.0.1; use an SSH tunnel to reach it from another machine"));
    }
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        ApiError::new(ErrorCode::Unreachable, format!("{listen} cannot be listened on: {e}"))
            .hint("Choose another port, or 0 for a free one")
    })?;
    let addr = listener.local_addr().map_err(|e| ApiError::internal(e.to_string()))?;
    let cancel = CancellationToken::new();
    let doors = Arc::new(doors);
    let app = router(engine, doors.clone(), addr.port(), cancel.clone());
    let stop = cancel.clone();
    let task = tokio::spawn(async move {
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        if let Err(error) =
            axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await
        {
            tracing::error!(%error, "the local server ended");
        }
    });
    Ok(Running { addr, doors, cancel, task: Some(task) })
}

/// The routes, for tests without a socket; `ending` ends open streams, and what waits for a target.
pub fn router(engine: Arc<Engine>, doors: Arc<Doors>, port: u16, ending: CancellationToken) -> Router {
    let app = App { engine, doors, port, ending };
    let api = Router::new()
        .route("/rpc/{name}", post(rpc))
        .route("/stream", get(stream::stream))
        .layer(from_fn_with_state(app.clone(), authorize))
        // Not behind a session: it makes one.
        .route("/session", post(session::enter))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new().nest("/api", api).fallback(get(ui::file)).layer(axum::middleware::from_fn(local_only)).with_state(app)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    answer_error(status, &ApiError::new(ErrorCode::Guarded, message))
}

fn answer_error(status: StatusCode, error: &ApiError) -> Response {
    let body = serde_json::to_vec(error).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// `host` or `host:port` names this machine.
fn names_loopback(authority: &str) -> bool {
    let host = if let Some(rest) = authority.strip_prefix('[') {
        rest.split(']').next().unwrap_or("")
    } else {
        authority.rsplit_once(':').map_or(authority, |(h, _)| h)
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses other machines, DNS rebinding (`Host`) and other sites in the user's browser (`Origin`).
async fn local_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<axum::extract::ConnectInfo<SocketAddr>>().map(|c| c.0);
    if peer.is_some_and(|p| !p.ip().is_loopback()) {
        return refuse(StatusCode::FORBIDDEN, "Only this machine may connect");
    }
    let headers = request.headers().clone();
    let header_text = |name: header::HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("?").to_owned());
    let host = header_text(header::HOST).or_else(|| request.uri().authority().map(ToString::to_string));
    let Some(host) = host.filter(|h| names_loopback(h)) else {
        return refuse(StatusCode::FORBIDDEN, "The Host header does not name this machine");
    };
    if let Some(origin) = header_text(header::ORIGIN)
        && origin != format!("http://{host}")
    {
        return refuse(StatusCode::FORBIDDEN, "Another site may not use this server");
    }
    if header_text(header::HeaderName::from_static("sec-fetch-site")).as_deref() == Some("cross-site")
        && request.method() != Method::GET
    {
        return refuse(StatusCode::FORBIDDEN, "Another site may not use this server");
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn authorize(State(app): State<App>, headers: HeaderMap, mut request: Request, next: Next) -> Response {
    match session::allowed(&app, &headers) {
        Ok(allowed) => {
            request.extensions_mut().insert(allowed);
            next.run(request).await
        }
        Err(refused) => *refused,
    }
}

/// The HTTP status of an error.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::Guarded | ErrorCode::Privilege => StatusCode::FORBIDDEN,
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unreachable | ErrorCode::Authentication | ErrorCode::Tls => StatusCode::BAD_GATEWAY,
        ErrorCode::Unsupported => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn rpc(
    State(app): State<App>,
    Extension(allowed): Extension<Allowed>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A form cannot send this content type, so another site cannot make the browser post here.
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json")));
    if !json {
        let error = ApiError::bad_request("Commands take a JSON body").hint("Send Content-Type: application/json");
        return answer_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    let params: Value = if body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&body) {
            Ok(params) => params,
            Err(e) => {
                let why = perfdeck_model::masking::reading_failed(&e.to_string());
                return answer_error(StatusCode::BAD_REQUEST, &ApiError::bad_request(format!("Not JSON: {why}")));
            }
        }
    };
    let command = async {
        match allowed {
            Allowed::Everything => app.engine.dispatch(&name, params).await,
            Allowed::Reading => app.engine.dispatch_reading(&name, params).await,
        }
    };
    // What waits for a target writes nothing of its own; everything else comes to its end.
    let waits = perfdeck_engine::COMMANDS.iter().any(|c| c.name == name && c.access == Access::Target);
    let done = tokio::select! {
        done = tokio::time::timeout(COMMAND_TIMEOUT, command) => done,
        () = app.ending.cancelled(), if waits => {
            Ok(Err(ApiError::new(ErrorCode::Cancelled, "Perfdeck was asked to end")))
        }
    };
    match done {
        Ok(Ok(Reply::Json(value))) => {
            let body = serde_json::to_vec(&value).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(Ok(Reply::Binary(bytes))) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Ok(Err(error)) => answer_error(status_of(error.code), &error),
        Err(_) => {
            let error = ApiError::new(
                ErrorCode::Timeout,
                format!("'{}' took longer than 60 s", perfdeck_model::masking::shown(&name)),
            );
            answer_error(StatusCode::GATEWAY_TIMEOUT, &error)
        }
    }
}
