//! The demo API, and the traffic that keeps it alive.
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use perfdeck_cache::MemoryCache;
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio_util::sync::CancellationToken;

/// Cached entries expire after this.
const TTL: Duration = Duration::from_secs(30);
/// Latencies kept for one second's percentiles.
const KEEP: usize = 4096;

/// What the API serves and what it knows about itself.
pub(crate) struct Served {
    pub(crate) pool: SqlitePool,
    pub(crate) cache: Arc<MemoryCache>,
    pub(crate) requests: AtomicU64,
    pub(crate) errors: AtomicU64,
    /// Statements executed.
    pub(crate) statements: AtomicU64,
    /// Statements at work.
    pub(crate) running: AtomicU64,
    /// Latencies in seconds since the last look.
    pub(crate) latencies: Mutex<Vec<f64>>,
    /// Time and number of executions by statement, for findings.
    pub(crate) by_statement: Mutex<BTreeMap<&'static str, (f64, u64)>>,
    /// Start of the statement that has been running longest.
    pub(crate) oldest: Mutex<BTreeMap<u64, Instant>>,
}

pub(crate) const SCAN: &str =
    "SELECT id, starts_at, status FROM appointments WHERE staff_id = ? ORDER BY starts_at DESC LIMIT 20";
const ONE: &str = "SELECT id, user_id, staff_id, starts_at, status FROM appointments WHERE id = ?";
const USER: &str = "SELECT id, name FROM users WHERE id = ?";
const OF_USER: &str = "SELECT id FROM appointments WHERE user_id = ? LIMIT 10";
const EVENTS: &str = "SELECT id, user_id, kind, at FROM analytics_events ORDER BY id LIMIT 2000";

impl Served {
    pub(crate) fn new(pool: SqlitePool, cache: Arc<MemoryCache>) -> Self {
        Self {
            pool,
            cache,
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            running: AtomicU64::new(0),
            latencies: Mutex::new(Vec::new()),
            by_statement: Mutex::new(BTreeMap::new()),
            oldest: Mutex::new(BTreeMap::new()),
        }
    }

    async fn rows(
        &self,
        sql: &'static str,
        parameter: Option<i64>,
    ) -> Result<Vec<sqlx::sqlite::SqliteRow>, StatusCode> {
        let number = self.statements.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        self.running.fetch_add(1, Ordering::Relaxed);
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner).insert(number, started);
        let query = sqlx::query(sql);
        let query = match parameter {
            Some(p) => query.bind(p),
            None => query,
        };
        let result = query.fetch_all(&self.pool).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        let mut all = self.by_statement.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(sql).or_default();
        entry.0 += started.elapsed().as_secs_f64();
        entry.1 += 1;
        result.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// The routes.
pub(crate) fn router(state: Arc<Served>) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/appointments/{id}", get(appointment))
        .route("/appointments", get(appointments))
        .route("/staff/{id}/schedule", get(schedule))
        .route("/users/{id}", get(user))
        .route("/analytics", get(analytics))
        .layer(from_fn_with_state(state.clone(), count))
        .with_state(state)
}

async fn count(State(state): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    state.requests.fetch_add(1, Ordering::Relaxed);
    if response.status().is_server_error() {
        state.errors.fetch_add(1, Ordering::Relaxed);
    }
    let mut latencies = state.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    if latencies.len() < KEEP {
        latencies.push(started.elapsed().as_secs_f64());
    }
    drop(latencies);
    response
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn cached(
    state: &Served,
    key: String,
    sql: &'static str,
    id: i64,
    show: impl Fn(&sqlx::sqlite::SqliteRow) -> String + Send,
) -> Response {
    let load =
        async { state.rows(sql, Some(id)).await.map(|rows| rows.first().map(show).unwrap_or_default().into_bytes()) };
    match state.cache.get_or_load(&key, Some(TTL), load).await {
        Ok(bytes) if bytes.is_empty() => StatusCode::NOT_FOUND.into_response(),
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], Body::from(bytes.to_vec())).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn appointment(State(state): State<Arc<Served>>, Path(id): Path<i64>) -> Response {
    cached(&state, format!("appointment:{id}"), ONE, id, |r| {
        format!(
            "{{\"id\":{},\"staff_id\":{},\"starts_at\":{}}}",
            r.get::<i64, _>(0),
            r.get::<i64, _>(2),
            r.get::<i64, _>(3)
        )
    })
    .await
}

async fn user(State(state): State<Arc<Served>>, Path(id): Path<i64>) -> Response {
    cached(&state, format!("user:{id}"), USER, id, |r| {
        format!("{{\"id\":{},\"name\":\"{}\"}}", r.get::<i64, _>(0), r.get::<&str, _>(1))
    })
    .await
}

#[derive(Deserialize)]
struct ByStaff {
    staff_id: i64,
}

/// The planted missing index: this reads all appointments.
async fn appointments(State(state): State<Arc<Served>>, Query(query): Query<ByStaff>) -> Response {
    match state.rows(SCAN, Some(query.staff_id)).await {
        Ok(rows) => {
            json(format!("[{}]", rows.iter().map(|r| r.get::<i64, _>(0).to_string()).collect::<Vec<_>>().join(",")))
        }
        Err(status) => status.into_response(),
    }
}

/// The planted N+1: one statement for the list, and one more for each of its rows.
async fn schedule(State(state): State<Arc<Served>>, Path(id): Path<i64>) -> Response {
    let list = match state.rows(OF_USER, Some(id)).await {
        Ok(rows) => rows,
        Err(status) => return status.into_response(),
    };
    let mut items = Vec::new();
    for row in list {
        if let Ok(one) = state.rows(ONE, Some(row.get::<i64, _>(0))).await {
            items.extend(one.iter().map(|r| r.get::<i64, _>(3).to_string()));
        }
    }
    json(format!("[{}]", items.join(",")))
}

/// The planted uncompressed response.
async fn analytics(State(state): State<Arc<Served>>) -> Response {
    let load = async {
        state.rows(EVENTS, None).await.map(|rows| {
            let items: Vec<String> = rows
                .iter()
                .map(|r| {
                    let (id, user, kind, at): (i64, i64, &str, i64) = (r.get(0), r.get(1), r.get(2), r.get(3));
                    format!("{{\"id\":{id},\"user_id\":{user},\"kind\":\"{kind}\",\"at\":{at}}}")
                })
                .collect();
            format!("[{}]", items.join(",")).into_bytes()
        })
    };
    match state.cache.get_or_load("analytics", Some(TTL), load).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], Body::from(bytes.to_vec())).into_response(),
        Err(status) => status.into_response(),
    }
}

/// Puts entries into the cache that never expire: the planted problem of that screen.
pub(crate) async fn fill(state: &Served) {
    for i in 0..400u32 {
        let ttl = (i % 8 != 0).then(|| Duration::from_secs(86_400));
        state.cache.set(&format!("session:{i}"), vec![b'x'; 512], ttl).await;
    }
}

/// About twenty requests a second through the real API while somebody watches.
pub(crate) async fn traffic(port: u16, active: Arc<AtomicBool>, stop: CancellationToken) {
    let mut k = 0u64;
    let mut sender: Option<reqwest::Client> = None;
    loop {
        // A slow wave, so that the lines move: 14 to 26 requests a second.
        #[allow(clippy::cast_precision_loss)]
        let rate = 20.0 + 6.0 * (k as f64 / 400.0).sin();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs_f64(1.0 / rate)) => {}
        }
        if !active.load(Ordering::Relaxed) {
            continue;
        }
        k += 1;
        let client = sender.get_or_insert_with(|| {
            reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build().unwrap_or_default()
        });
        let n = k.wrapping_mul(2_654_435_761) % 1000;
        let path = match k % 40 {
            0 => format!("/appointments?staff_id={}", 1 + n % 200),
            13 | 33 => format!("/staff/{}/schedule", 1 + n % 200),
            20 => "/analytics".to_owned(),
            i if i % 3 == 0 => format!("/users/{}", 1 + n % 300),
            _ => format!("/appointments/{}", 1 + n),
        };
        let url = format!("http://127.0.0.1:{port}{path}");
        let work: Result<(), Infallible> = async {
            // An answer that does not come is an error the API counts itself.
            if let Ok(response) = client.get(url).send().await {
                let _ = response.bytes().await;
            }
            Ok(())
        }
        .await;
        let _ = work;
    }
}
