//! The demo API: it reads the database through a real pool and the cache through the cache-aside library, and counts
//! what it does. Its planted problems are marked as such.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use perfdeck_cache::MemoryCache;
use perfdeck_cache::aside::{self, Aside, Namespace, Store, Tag};
use perfdeck_database::{Pooled, SqlitePools};
use perfdeck_model::ApiError;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;

use super::data::{NO_EMAIL, Random, STAFF};

/// First part of the names of its keys in the cache.
pub(crate) const CACHE: &str = "clinic";
/// Longest time of a load: as long as the pool lets it wait for a connection.
const LOAD: Duration = Duration::from_secs(30);
/// Sessions expire after this.
const SESSION_TTL: Duration = Duration::from_secs(86_400);
/// Sessions in the cache.
const SESSIONS: u32 = 1_200;
/// Events in the answer of `/analytics`, which makes it about 300 kB.
const EVENTS: u32 = 3_000;
/// Most appointments one answer lists.
const MAX_LIMIT: u32 = 100;

/// The statements the API runs; each is counted and timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    Appointment,
    AppointmentsOfStaff,
    User,
    Staff,
    Schedule,
    Events,
}

impl Statement {
    pub(crate) const COUNT: usize = 6;
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Appointment, Self::AppointmentsOfStaff, Self::User, Self::Staff, Self::Schedule, Self::Events];

    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Appointment => "SELECT id, user_id, staff_id, starts_at, status FROM appointments WHERE id = ?",
            // The planted missing index.
            Self::AppointmentsOfStaff => {
                "SELECT id, user_id, staff_id, starts_at, status FROM appointments WHERE staff_id = ? ORDER BY starts_at DESC LIMIT ?"
            }
            Self::User => "SELECT id, name, email FROM users WHERE id = ?",
            Self::Staff => "SELECT id, name, role FROM staff WHERE id = ?",
            Self::Schedule => "SELECT appointment_id FROM schedule_entries WHERE staff_id = ? ORDER BY position",
            Self::Events => "SELECT id, user_id, kind, page, at FROM analytics_events ORDER BY id DESC LIMIT ?",
        }
    }
}

/// The routes of the API; each is counted and timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Appointment,
    Appointments,
    Schedule,
    User,
    Analytics,
    Other,
}

impl Route {
    pub(crate) const ALL: [Self; 7] =
        [Self::Health, Self::Appointment, Self::Appointments, Self::Schedule, Self::User, Self::Analytics, Self::Other];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Appointment => "/appointments/{id}",
            Self::Appointments => "/appointments",
            Self::Schedule => "/staff/{id}/schedule",
            Self::User => "/users/{id}",
            Self::Analytics => "/analytics",
            Self::Other => "/{other}",
        }
    }
}

/// Counters of something that runs: how often, how long in nanoseconds, with how many statements, and how many rows a statement
/// returned. All only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) calls: u64,
    pub(crate) nanos: u64,
    pub(crate) statements: u64,
    pub(crate) rows: u64,
}

impl Usage {
    /// Increase since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            nanos: self.nanos.saturating_sub(earlier.nanos),
            statements: self.statements.saturating_sub(earlier.statements),
            rows: self.rows.saturating_sub(earlier.rows),
        }
    }
}

#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    nanos: AtomicU64,
    statements: AtomicU64,
    rows: AtomicU64,
}

impl Tally {
    fn add(&self, took: Duration, statements: u64, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    fn read(&self) -> Usage {
        Usage {
            calls: self.calls.load(Ordering::Relaxed),
            nanos: self.nanos.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
        }
    }
}

/// Buckets of a [`Histogram`]: exact to 64 µs, then 32 per power of two (3 %) up to 67 s.
pub(crate) const BUCKETS: usize = 64 + 20 * 32;

/// Latencies in buckets of fixed number, as an HDR histogram keeps them. Counts only grow; a reader takes the difference
/// to what it read before, so that several readers do not disturb each other.
pub(crate) struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    fn bucket(micros: u64) -> usize {
        let micros = micros.min((1 << 26) - 1);
        if micros < 64 {
            return micros as usize;
        }
        let exponent = micros.ilog2();
        64 + (exponent as usize - 6) * 32 + ((micros >> (exponent - 5)) & 31) as usize
    }

    /// The middle of a bucket, in seconds.
    fn seconds(bucket: usize) -> f64 {
        if bucket < 64 {
            return (bucket as f64 + 0.5) / 1e6;
        }
        let (power, step) = ((bucket - 64) / 32, (bucket - 64) % 32);
        (32.0 + step as f64 + 0.5) * f64::from(1u32 << (power + 1)) / 1e6
    }

    fn add(&self, took: Duration) {
        if let Some(count) = self.0.get(Self::bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts now.
    pub(crate) fn read(&self) -> Vec<u64> {
        self.0.iter().map(|c| c.load(Ordering::Relaxed)).collect()
    }

    /// The latency in seconds that a share of `q` of the counts does not exceed; `None` without counts.
    pub(crate) fn quantile(counts: &[u64], q: f64) -> Option<f64> {
        let total: u64 = counts.iter().sum();
        let rank = ((total as f64 * q).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        counts
            .iter()
            .position(|n| {
                seen += n;
                seen >= rank
            })
            .map(Self::seconds)
    }
}

/// Reason for which a request has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A parameter is out of range.
    Bad(&'static str),
    /// There is no such row.
    NotFound,
    /// The row breaks what the code takes for granted.
    Broken(String),
    /// The pool or the database did not answer.
    Busy,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Bad(message) => (StatusCode::BAD_REQUEST, message.to_owned()),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Self::Broken(message) => (StatusCode::INTERNAL_SERVER_ERROR, message),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "the database did not answer".to_owned()),
        };
        (status, Json(serde_json::json!({ "error": error }))).into_response()
    }
}

tokio::task_local! {
    /// Statements of the request that is being answered.
    static STATEMENTS: Cell<u64>;
}

/// A statement at work; it ends when this is dropped, also when the client goes away in between.
struct Running<'a> {
    served: &'a Served,
    statement: Statement,
    number: u64,
    started: Instant,
    /// Rows that it returned.
    rows: u64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.served.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        if let Some(tally) = self.served.statements.get(self.statement as usize) {
            tally.add(self.started.elapsed(), 1, self.rows);
        }
    }
}

/// Answers as they are sent, by id.
type Answers = Namespace<i64, Vec<u8>, Failure>;

/// Bytes of an answer that others send too.
struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What the API keeps answers in. They live for the environment's default time, but for the planted ones.
pub(crate) struct Kept {
    /// All of them, to invalidate by user.
    pub(crate) aside: Aside,
    pub(crate) appointments: Answers,
    pub(crate) users: Answers,
    /// The planted keys without expiry: profiles of the staff never leave the cache.
    pub(crate) staff: Answers,
    pub(crate) analytics: Answers,
}

impl Kept {
    async fn on(store: Store) -> Result<Self, ApiError> {
        let aside = Aside::builder(CACHE, store).default_ttl(super::DEFAULT_TTL).build().await?;
        // Answers are sent as they are, not compressed either: that is what is planted.
        let made = |name: &str| aside.namespace::<i64, Vec<u8>, Failure>(name).lease(LOAD).compress_above(usize::MAX);
        Ok(Self {
            appointments: made("appointment").build_with(aside::Bytes)?,
            users: made("user").tags(|id| vec![Tag::user(id)]).build_with(aside::Bytes)?,
            staff: made("staff").forever().build_with(aside::Bytes)?,
            analytics: made("analytics").build_with(aside::Bytes)?,
            aside,
        })
    }
}

/// State of the API: what it serves from and what it knows about itself.
pub(crate) struct Served {
    pub(crate) pools: SqlitePools,
    /// The cache in this process; sessions are in it, and the answers where no other store was given.
    pub(crate) cache: Arc<MemoryCache>,
    pub(crate) kept: Kept,
    latency: Histogram,
    requests: AtomicU64,
    /// Answers with a status of 500 or more.
    errors: AtomicU64,
    statements: [Tally; Statement::COUNT],
    routes: [Tally; Route::ALL.len()],
    /// Start of each statement at work; not more than the pool has connections.
    running: Mutex<BTreeMap<u64, Instant>>,
    numbers: AtomicU64,
    /// Keys stored without expiry and their bytes.
    forever: [AtomicU64; 2],
}

impl Served {
    /// `store`: where answers are kept, unless in `cache`.
    ///
    /// # Errors
    /// For a store whose target cannot be understood.
    pub(crate) async fn new(
        pools: SqlitePools,
        cache: Arc<MemoryCache>,
        store: Option<Store>,
    ) -> Result<Self, ApiError> {
        let kept = Kept::on(store.unwrap_or_else(|| Store::Memory(cache.clone()))).await?;
        Ok(Self {
            pools,
            cache,
            kept,
            latency: Histogram::new(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            statements: Default::default(),
            routes: Default::default(),
            running: Mutex::new(BTreeMap::new()),
            numbers: AtomicU64::new(0),
            forever: Default::default(),
        })
    }

    /// Requests and failed requests since the start.
    pub(crate) fn requests(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }

    /// Counts of the latency buckets since the start.
    pub(crate) fn latencies(&self) -> Vec<u64> {
        self.latency.read()
    }

    /// Cost of each statement since the start.
    pub(crate) fn statement_usage(&self) -> [Usage; Statement::COUNT] {
        self.statements.each_ref().map(Tally::read)
    }

    /// Cost of each route since the start.
    pub(crate) fn route_usage(&self) -> [Usage; Route::ALL.len()] {
        self.routes.each_ref().map(Tally::read)
    }

    /// Seconds the oldest statement at work has been running; 0 without any.
    pub(crate) fn longest_running_s(&self) -> f64 {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().map(|t| t.elapsed().as_secs_f64()).fold(0.0, f64::max)
    }

    /// Mean size of the entries that were stored without expiry, in bytes.
    pub(crate) fn mean_forever_bytes(&self) -> Option<f64> {
        let [keys, bytes] = self.forever.each_ref().map(|a| a.load(Ordering::Relaxed) as f64);
        (keys > 0.0).then(|| bytes / keys)
    }

    fn stored_forever(&self, key: &str, value: usize) {
        self.forever[0].fetch_add(1, Ordering::Relaxed);
        self.forever[1].fetch_add((key.len() + value) as u64, Ordering::Relaxed);
    }

    /// A connection of the pool; waiting for it is not counted as the statement's time.
    async fn connection(&self) -> Result<Pooled, Failure> {
        self.pools.read().await.map_err(|error| {
            tracing::debug!(%error, "the demo's pool has no connection");
            Failure::Busy
        })
    }

    /// Runs a statement on a connection, counted and timed.
    async fn rows<T>(
        &self,
        connection: &mut Pooled,
        statement: Statement,
        parameters: &[i64],
    ) -> Result<Vec<T>, Failure>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(number, started);
        let mut running = Running { served: self, statement, number, started, rows: 0 };
        // Outside a request there is nothing to count for.
        let _ = STATEMENTS.try_with(|n| n.set(n.get() + 1));
        // The demo's pool holds nothing but SQLite's.
        let connection: &mut SqliteConnection = connection.sqlite().ok_or(Failure::Busy)?;
        let mut query = sqlx::query_as(statement.sql());
        for parameter in parameters {
            query = query.bind(*parameter);
        }
        let rows = query.fetch_all(connection).await.map_err(|error| {
            tracing::warn!(%error, sql = statement.sql(), "a statement of the demo failed");
            Failure::Busy
        })?;
        running.rows = rows.len() as u64;
        Ok(rows)
    }

    /// Cache-aside: an answer, made from the rows of a statement when it is not in the cache. The load runs in a task of its own, which
    /// its request may not live to see; its statements are counted for that request.
    async fn cached<T>(
        self: &Arc<Self>,
        answers: &Answers,
        id: i64,
        statement: Statement,
        show: impl FnOnce(&Self, Vec<T>) -> Result<Option<Vec<u8>>, Failure> + Send + 'static,
    ) -> Result<Bytes, Failure>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin + 'static,
    {
        let (served, counted) = (self.clone(), Arc::new(AtomicU64::new(0)));
        let count = counted.clone();
        let parameter = if statement == Statement::Events { i64::from(EVENTS) } else { id };
        let load = move || async move {
            let work = async {
                let rows = async {
                    let mut connection = served.connection().await?;
                    served.rows(&mut connection, statement, &[parameter]).await
                };
                let rows = rows.await;
                count.store(STATEMENTS.with(Cell::get), Ordering::Relaxed);
                show(&served, rows?)
            };
            STATEMENTS.scope(Cell::new(0), work).await
        };
        let answer = answers.get(&id, load).await;
        // Outside a request there is nothing to count for.
        let _ = STATEMENTS.try_with(|n| n.set(n.get() + counted.load(Ordering::Relaxed)));
        match answer {
            Ok(Some(value)) => Ok(Bytes::from_owner(SharedBytes(value))),
            Ok(None) => Err(Failure::NotFound),
            Err(aside::Failure::Load(failure)) => Err((*failure).clone()),
            Err(_) => Err(Failure::Busy),
        }
    }

    /// Fills the cache as an API that has run for a while would have: sessions, and the planted keys without expiry.
    pub(crate) async fn fill(self: &Arc<Self>) {
        let mut random = Random::new(0x5e55_1015);
        for i in 0..SESSIONS {
            let (token, user) = (random.below(u32::MAX), 1 + random.below(super::data::USERS));
            let basket: Vec<u32> = (0..random.below(24)).map(|_| random.below(super::data::APPOINTMENTS)).collect();
            let value = serde_json::json!({ "user_id": user, "seen": basket, "locale": "en-GB" }).to_string();
            self.cache.set(&format!("session:{i:04}{token:08x}"), value.into_bytes(), Some(SESSION_TTL)).await;
        }
        for id in 1..=i64::from(STAFF) {
            if self.staff(id).await.is_err() {
                return;
            }
        }
    }

    async fn staff(self: &Arc<Self>, id: i64) -> Result<Bytes, Failure> {
        let show = move |served: &Self, rows: Vec<(i64, String, String)>| {
            let Some((id, name, role)) = rows.into_iter().next() else { return Ok(None) };
            let value = bytes(&StaffMember { id, name: &name, role: &role })?;
            served.stored_forever(&served.kept.staff.store_key(&id), value.len());
            Ok(Some(value))
        };
        self.cached(&self.kept.staff, id, Statement::Staff, show).await
    }
}

#[derive(Serialize)]
struct StaffMember<'a> {
    id: i64,
    name: &'a str,
    role: &'a str,
}

type AppointmentRow = (i64, i64, i64, i64, String);

#[derive(Serialize)]
struct Appointment {
    id: i64,
    user_id: i64,
    staff_id: i64,
    starts_at: i64,
    status: String,
}

impl From<AppointmentRow> for Appointment {
    fn from((id, user_id, staff_id, starts_at, status): AppointmentRow) -> Self {
        Self { id, user_id, staff_id, starts_at, status }
    }
}

#[derive(Serialize)]
struct User {
    id: i64,
    name: String,
    email: String,
}

#[derive(Serialize)]
struct Event {
    id: i64,
    user_id: i64,
    kind: String,
    page: String,
    at: i64,
}

fn bytes(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|e| Failure::Broken(e.to_string()))
}

fn json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// An id as a path or query has it.
fn id(value: i64) -> Result<i64, Failure> {
    if (1..=10_000_000).contains(&value) { Ok(value) } else { Err(Failure::Bad("id: use 1 to 10000000")) }
}

type Shared = State<Arc<Served>>;

/// The routes.
pub(crate) fn router(served: &Arc<Served>) -> Router {
    let counted = |route: Route| {
        let served = served.clone();
        from_fn(move |request: Request, next: Next| count(served.clone(), route, request, next))
    };
    Router::new()
        .route("/health", get(health).layer(counted(Route::Health)))
        .route("/appointments/{id}", get(appointment).layer(counted(Route::Appointment)))
        .route("/appointments", get(appointments).layer(counted(Route::Appointments)))
        .route("/staff/{id}/schedule", get(schedule).layer(counted(Route::Schedule)))
        .route("/users/{id}", get(user).layer(counted(Route::User)))
        .route("/analytics", get(analytics).layer(counted(Route::Analytics)))
        .fallback_service(get(missing).layer(counted(Route::Other)))
        .with_state(served.clone())
}

async fn count(served: Arc<Served>, route: Route, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let work = async {
        let response = next.run(request).await;
        (response, STATEMENTS.with(Cell::get))
    };
    let (response, statements) = STATEMENTS.scope(Cell::new(0), work).await;
    let took = started.elapsed();
    served.requests.fetch_add(1, Ordering::Relaxed);
    if response.status().is_server_error() {
        served.errors.fetch_add(1, Ordering::Relaxed);
    }
    served.latency.add(took);
    if let Some(tally) = served.routes.get(route as usize) {
        tally.add(took, statements, 0);
    }
    response
}

async fn missing() -> Failure {
    Failure::NotFound
}

async fn health() -> Response {
    json(r#"{"status":"ok"}"#)
}

async fn appointment(State(served): Shared, Path(number): Path<i64>) -> Result<Response, Failure> {
    let number = id(number)?;
    let show = |_: &Served, rows: Vec<AppointmentRow>| {
        rows.into_iter().next().map(|row| bytes(&Appointment::from(row))).transpose()
    };
    served.cached(&served.kept.appointments, number, Statement::Appointment, show).await.map(json)
}

async fn user(State(served): Shared, Path(number): Path<i64>) -> Result<Response, Failure> {
    let number = id(number)?;
    // The planted failure: this code takes for granted that every user has an e-mail address.
    let show = |_: &Served, rows: Vec<(i64, String, Option<String>)>| match rows.into_iter().next() {
        None => Ok(None),
        Some((id, name, Some(email))) => bytes(&User { id, name, email }).map(Some),
        Some((id, _, None)) => Err(Failure::Broken(format!("user {id} has no e-mail address"))),
    };
    served.cached(&served.kept.users, number, Statement::User, show).await.map(json)
}

#[derive(Deserialize)]
struct OfStaff {
    staff_id: i64,
    limit: Option<u32>,
}

/// The planted missing index: this reads all appointments, and nothing caches it.
async fn appointments(State(served): Shared, Query(query): Query<OfStaff>) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Failure::Bad("limit: use 1 to 100"));
    }
    let parameters = [id(query.staff_id)?, i64::from(limit)];
    let mut connection = served.connection().await?;
    let rows: Vec<AppointmentRow> = served.rows(&mut connection, Statement::AppointmentsOfStaff, &parameters).await?;
    drop(connection);
    let rows: Vec<Appointment> = rows.into_iter().map(Appointment::from).collect();
    bytes(&rows).map(json)
}

/// The planted N+1: one statement for the list, and one more for each of its rows.
async fn schedule(State(served): Shared, Path(number): Path<i64>) -> Result<Response, Failure> {
    let number = id(number)?;
    let staff = served.staff(number).await?;
    let mut connection = served.connection().await?;
    let entries: Vec<(i64,)> = served.rows(&mut connection, Statement::Schedule, &[number]).await?;
    let mut items = Vec::with_capacity(entries.len());
    for (entry,) in entries {
        let rows: Vec<AppointmentRow> = served.rows(&mut connection, Statement::Appointment, &[entry]).await?;
        items.extend(rows.into_iter().map(Appointment::from));
    }
    drop(connection);
    let staff: serde_json::Value = serde_json::from_slice(&staff).map_err(|e| Failure::Broken(e.to_string()))?;
    bytes(&serde_json::json!({ "staff": staff, "appointments": items })).map(json)
}

/// The planted uncompressed answer: large, and sent as it is whatever the client accepts.
async fn analytics(State(served): Shared) -> Result<Response, Failure> {
    let show = |_: &Served, rows: Vec<(i64, i64, String, String, i64)>| {
        let events: Vec<Event> =
            rows.into_iter().map(|(id, user_id, kind, page, at)| Event { id, user_id, kind, page, at }).collect();
        bytes(&serde_json::json!({ "events": events })).map(Some)
    };
    served.cached(&served.kept.analytics, 0, Statement::Events, show).await.map(json)
}

/// An id of a user for which the API fails, and a path that does not exist.
pub(crate) fn planted_failures() -> (String, String) {
    (format!("/users/{NO_EMAIL}"), format!("/appointments/{}", super::data::APPOINTMENTS + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_keep_three_percent_in_bounded_memory() {
        let histogram = Histogram::new();
        for micros in [0u64, 1, 63, 64, 65, 127, 128, 1_000, 12_345, 999_999, 50_000_000, u64::MAX] {
            let bucket = Histogram::bucket(micros);
            assert!(bucket < BUCKETS, "{micros} µs has a bucket: {bucket}");
            let (shown, real) = (Histogram::seconds(bucket) * 1e6, micros.min((1 << 26) - 1) as f64);
            assert!((shown - real).abs() <= real * 0.032 + 0.5, "{real} µs is shown as {shown} µs");
        }
        for ms in 1..=100 {
            histogram.add(Duration::from_millis(ms));
        }
        let counts = histogram.read();
        for (q, expected) in [(0.5, 0.050), (0.95, 0.095), (0.99, 0.099), (1.0, 0.1)] {
            let found = Histogram::quantile(&counts, q).expect("counts");
            assert!((found - expected).abs() < expected * 0.032, "quantile {q} is {found}, not {expected}");
        }
        assert_eq!(Histogram::quantile(&[0; 4], 0.5), None, "nothing counted has no quantile");
    }
}
