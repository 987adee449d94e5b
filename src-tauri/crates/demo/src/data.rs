//! The demo's data: deterministic, built once, never half there.
//!
//! The database is written under a temporary name and renamed when it is complete, while a file lock is held, so that a
//! build that is stopped, killed or runs out of disk leaves nothing behind that a later one would take for complete, and
//! two programs never build at once.
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use perfdeck_model::{ApiError, ErrorCode, SplitMix64};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection};
use tokio_util::sync::CancellationToken;

/// Raise it when the data changes; an older file is built anew.
const VERSION: i64 = 2;
/// Rows of `users`.
pub(crate) const USERS: u32 = 20_000;
/// Rows of `staff`.
pub(crate) const STAFF: u32 = 200;
/// Rows of the largest table.
pub(crate) const APPOINTMENTS: u32 = 200_000;
/// Rows of `schedule_entries`: the next appointments of each of the staff.
const ENTRIES: u32 = STAFF * PER_STAFF;
/// Entries in one schedule.
pub(crate) const PER_STAFF: u32 = 20;
const PAYMENTS: u32 = 80_000;
const EVENTS: u32 = 40_000;
/// Distance between users without an e-mail address, in rows of `users`; the API fails for them.
pub(crate) const NO_EMAIL: u32 = 199;
/// Rows of one statement.
const ROWS: u32 = 250;
/// First day of the data: 2025-01-06 00:00 UTC, a Monday.
const EPOCH: i64 = 1_736_121_600;
const DAY: i64 = 86_400;
/// Longest wait for another program that builds the same demo.
const LOCK: Duration = Duration::from_secs(120);

const SCHEMA: &str = "
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, city TEXT NOT NULL,
        created_at INTEGER NOT NULL);
    CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, room INTEGER NOT NULL);
    CREATE TABLE appointments (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, staff_id INTEGER NOT NULL,
        starts_at INTEGER NOT NULL, minutes INTEGER NOT NULL, status TEXT NOT NULL, note TEXT);
    CREATE TABLE schedule_entries (staff_id INTEGER NOT NULL, position INTEGER NOT NULL,
        appointment_id INTEGER NOT NULL, PRIMARY KEY (staff_id, position)) WITHOUT ROWID;
    CREATE TABLE payments (id INTEGER PRIMARY KEY, appointment_id INTEGER NOT NULL, amount_cents INTEGER NOT NULL,
        method TEXT NOT NULL, paid_at INTEGER);
    CREATE TABLE analytics_events (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, kind TEXT NOT NULL,
        page TEXT NOT NULL, at INTEGER NOT NULL);";

/// The missing index is on `appointments (staff_id, starts_at)`; the duplicate one is on `appointments (user_id)`.
const INDEXES: [(&str, &str); 4] = [
    ("appointments_user", "CREATE INDEX appointments_user ON appointments (user_id)"),
    ("appointments_user_id_idx", "CREATE INDEX appointments_user_id_idx ON appointments (user_id)"),
    ("payments_appointment", "CREATE INDEX payments_appointment ON payments (appointment_id)"),
    ("statistics", "ANALYZE"),
];

const FIRST: [&str; 20] = [
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Lars", "Mina",
    "Noor", "Olga", "Paulo", "Rosa", "Samir", "Tove", "Yusuf",
];
const LAST: [&str; 20] = [
    "Almeida",
    "Berg",
    "Costa",
    "Dimitrov",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Rossi",
    "Schmidt",
    "Tanaka",
    "Weber",
];
const CITIES: [&str; 8] = ["Aarhus", "Bologna", "Coimbra", "Dresden", "Espoo", "Ghent", "Lyon", "Utrecht"];
const ROLES: [&str; 4] = ["physician", "nurse", "therapist", "technician"];
const NOTES: [&str; 8] = [
    "First visit",
    "Bring earlier findings",
    "Follow-up after treatment",
    "Needs an interpreter",
    "Blood sample, fasting",
    "Wheelchair access",
    "Asked for the afternoon",
    "Vaccination record missing",
];
const KINDS: [&str; 5] = ["view", "click", "search", "book", "cancel"];
const PAGES: [&str; 6] = ["/", "/booking", "/booking/confirm", "/staff", "/profile", "/payments"];

/// Random numbers of 32 bits: the upper half of each of [`SplitMix64`]'s, since the demo's data are made of these.
#[derive(Debug, Clone)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// A generator whose numbers follow from `seed` alone.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::seeded(seed))
    }

    /// A number from 0 to `end` − 1; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        // The upper half of the product is below `end`, so it fits.
        u32::try_from((u64::from(end) * (self.0.next_u64() >> 32)) >> 32).unwrap_or_default()
    }

    /// One of `all`.
    pub(crate) fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let i = self.below(u32::try_from(all.len()).unwrap_or(u32::MAX));
        all.get(i as usize).copied().unwrap_or_default()
    }
}

type Insert = Query<'static, Sqlite, SqliteArguments>;

struct Table {
    name: &'static str,
    rows: u32,
    columns: u32,
    /// Binds the row of this number.
    bind: fn(Insert, &mut Random, u32) -> Insert,
}

const TABLES: [Table; 6] = [
    Table { name: "users", rows: USERS, columns: 5, bind: user },
    Table { name: "staff", rows: STAFF, columns: 4, bind: staff },
    Table { name: "appointments", rows: APPOINTMENTS, columns: 7, bind: appointment },
    Table { name: "schedule_entries", rows: ENTRIES, columns: 3, bind: entry },
    Table { name: "payments", rows: PAYMENTS, columns: 5, bind: payment },
    Table { name: "analytics_events", rows: EVENTS, columns: 5, bind: event },
];

fn user(q: Insert, r: &mut Random, i: u32) -> Insert {
    let id = i + 1;
    let (first, last) = (r.pick(&FIRST), r.pick(&LAST));
    let email = (!id.is_multiple_of(NO_EMAIL)).then(|| format!("{}.{id}@clinic.example", last.to_ascii_lowercase()));
    q.bind(id)
        .bind(format!("{first} {last}"))
        .bind(email)
        .bind(r.pick(&CITIES))
        .bind(EPOCH - i64::from(r.below(1500)) * DAY)
}

fn staff(q: Insert, r: &mut Random, i: u32) -> Insert {
    q.bind(i + 1).bind(format!("Dr {} {}", r.pick(&FIRST), r.pick(&LAST))).bind(r.pick(&ROLES)).bind(100 + r.below(60))
}

/// Two years of opening hours: 8:00 to 17:45, quarter by quarter, on weekdays.
fn starts_at(r: &mut Random) -> i64 {
    let (week, day, quarter) = (r.below(104), r.below(5), r.below(40));
    EPOCH + (i64::from(week) * 7 + i64::from(day)) * DAY + 8 * 3600 + i64::from(quarter) * 900
}

fn appointment(q: Insert, r: &mut Random, i: u32) -> Insert {
    let status = match r.below(100) {
        0..68 => "done",
        68..88 => "booked",
        88..96 => "cancelled",
        _ => "missed",
    };
    let note = (r.below(4) == 0).then(|| r.pick(&NOTES));
    q.bind(i + 1)
        .bind(1 + r.below(USERS))
        .bind(1 + r.below(STAFF))
        .bind(starts_at(r))
        .bind(15 * (1 + r.below(4)))
        .bind(status)
        .bind(note)
}

fn entry(q: Insert, r: &mut Random, i: u32) -> Insert {
    q.bind(1 + i / PER_STAFF).bind(i % PER_STAFF).bind(1 + r.below(APPOINTMENTS))
}

fn payment(q: Insert, r: &mut Random, i: u32) -> Insert {
    let paid = (r.below(20) != 0).then(|| starts_at(r) + 3600);
    q.bind(i + 1)
        .bind(1 + r.below(APPOINTMENTS))
        .bind(2_000 + 50 * r.below(360))
        .bind(r.pick(&["card", "card", "transfer", "insurance", "cash"]))
        .bind(paid)
}

fn event(q: Insert, r: &mut Random, i: u32) -> Insert {
    q.bind(i + 1)
        .bind(1 + r.below(USERS))
        .bind(r.pick(&KINDS))
        .bind(r.pick(&PAGES))
        .bind(EPOCH + 700 * DAY + i64::from(i) * 61)
}

/// What a failure of the file means for a person.
fn fail(path: &Path, error: &sqlx::Error) -> ApiError {
    let full = match error {
        // SQLITE_FULL.
        sqlx::Error::Database(e) => e.code().is_some_and(|c| c == "13"),
        sqlx::Error::Io(e) => e.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    };
    let dir = path.parent().unwrap_or(path).display();
    if full {
        ApiError::new(ErrorCode::Storage, format!("The disk of {dir} is full, so the demo database could not be built"))
            .hint("Free 60 MB there, or choose another folder with PERFDECK_DATA_DIR, and try again")
    } else {
        ApiError::new(ErrorCode::Storage, format!("The demo database in {dir} could not be built: {error}"))
            .hint("Check that the folder can be written to, or choose another with PERFDECK_DATA_DIR")
    }
}

fn cancelled() -> ApiError {
    ApiError::new(ErrorCode::Cancelled, "Building the demo was stopped; nothing was kept")
}

/// Whether the file is a demo of this version with all its rows.
async fn complete(path: &Path) -> bool {
    // The file is only looked at.
    let options =
        SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(2)).disable_statement_logging();
    let Ok(mut c) = options.connect().await else { return false };
    let version: Result<i64, _> = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut c).await;
    let last: Result<Option<u32>, _> = sqlx::query_scalar("SELECT max(id) FROM appointments").fetch_one(&mut c).await;
    let _ = c.close().await;
    version.is_ok_and(|v| v == VERSION) && last.is_ok_and(|id| id.is_some_and(|id| id >= APPOINTMENTS))
}

/// Keeps other programs from building the same demo; the system takes the lock back when the program ends.
async fn lock(
    dir: &Path,
    progress: &(dyn Fn(f64, &str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<File, ApiError> {
    let path = dir.join("demo.lock");
    let storage = |e: std::io::Error| fail(&path, &sqlx::Error::Io(e));
    let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(storage)?;
    let wait = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => progress(0.0, "waiting for another Perfdeck that builds the demo"),
                Err(TryLockError::Error(e)) => return Err(storage(e)),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let held = tokio::select! {
        () = cancel.cancelled() => return Err(cancelled()),
        held = tokio::time::timeout(LOCK, wait) => held,
    };
    held.map_err(|_| {
        ApiError::new(ErrorCode::Storage, format!("Another program has held {} for two minutes", path.display()))
            .hint("Close the other Perfdeck and try again")
    })??;
    Ok(file)
}

/// The path of the complete database in `dir`, built first when it is not there.
///
/// # Errors
/// [`ErrorCode::Storage`] when the folder cannot be written or the disk is full, [`ErrorCode::Cancelled`] when `cancel`
/// was asked for; the partial file is removed then.
pub(crate) async fn prepare(
    dir: &Path,
    progress: &(dyn Fn(f64, &str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<PathBuf, ApiError> {
    prepare_within(dir, None, progress, cancel).await
}

/// [`prepare`] with at most so many pages, which is how a test fills the disk.
async fn prepare_within(
    dir: &Path,
    max_pages: Option<u32>,
    progress: &(dyn Fn(f64, &str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<PathBuf, ApiError> {
    let path = dir.join("demo.db");
    if path.exists() && complete(&path).await {
        return Ok(path);
    }
    let storage = |e: std::io::Error| fail(&path, &sqlx::Error::Io(e));
    std::fs::create_dir_all(dir).map_err(storage)?;
    let held = lock(dir, progress, cancel).await?;
    // Whoever had the lock may have built it.
    if path.exists() && complete(&path).await {
        return Ok(path);
    }
    let temporary = dir.join("demo.tmp");
    let remove = |names: &[&str]| {
        for name in names {
            // What is not there need not be removed; what cannot be removed fails the next step, which says so.
            let _ = std::fs::remove_file(dir.join(name));
        }
    };
    let leftovers = ["demo.tmp", "demo.tmp-journal", "demo.tmp-wal", "demo.tmp-shm"];
    remove(&leftovers);
    let result = build(&temporary, max_pages, progress, cancel).await.and_then(|()| {
        // The log of an older file must not be replayed into the new one.
        remove(&["demo.db-wal", "demo.db-shm"]);
        File::options().write(true).open(&temporary).and_then(|f| f.sync_all()).map_err(storage)?;
        std::fs::rename(&temporary, &path).map_err(storage)
    });
    if result.is_err() {
        remove(&leftovers);
    }
    drop(held);
    result.map(|()| path)
}

async fn build(
    path: &Path,
    max_pages: Option<u32>,
    progress: &(dyn Fn(f64, &str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(), ApiError> {
    // Nothing needs to survive a crash before the rename, so nothing is journaled or synchronised until then.
    let mut c = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|e| fail(path, &e))?;
    let written = write(&mut c, max_pages, progress, cancel).await;
    // The file must be closed before it is renamed or removed.
    let closed = c.close().await;
    written.and_then(|done| if done { closed.map(|()| true) } else { Ok(false) }).map_err(|e| fail(path, &e)).and_then(
        |done| {
            if done { Ok(()) } else { Err(cancelled()) }
        },
    )
}

/// Writes everything in one transaction; `false` when it was stopped.
async fn write(
    c: &mut SqliteConnection,
    max_pages: Option<u32>,
    progress: &(dyn Fn(f64, &str) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<bool, sqlx::Error> {
    if let Some(pages) = max_pages {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(&mut *c).await?;
    }
    sqlx::raw_sql("BEGIN").execute(&mut *c).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *c).await?;
    let total: u32 = TABLES.iter().map(|t| t.rows).sum();
    let mut before = 0;
    for (n, table) in (0u64..).zip(&TABLES) {
        // Each table has its own sequence, so that changing one leaves the others as they are.
        let mut random = Random::new(0x5eed_0000 + n);
        let row = format!("({})", vec!["?"; table.columns as usize].join(","));
        let insert = |rows: u32| {
            let rows = vec![row.as_str(); rows as usize].join(",");
            // The text is made of constants of this file and placeholders.
            sqlx::AssertSqlSafe(format!("INSERT INTO {} VALUES {rows}", table.name))
        };
        let mut low = 0;
        while low < table.rows {
            if cancel.is_cancelled() {
                return Ok(false);
            }
            let high = (low + ROWS).min(table.rows);
            let mut query = sqlx::query(insert(high - low));
            for i in low..high {
                query = (table.bind)(query, &mut random, i);
            }
            query.execute(&mut *c).await?;
            low = high;
            if low.is_multiple_of(ROWS * 20) || low == table.rows {
                let share = 0.85 * f64::from(before + low) / f64::from(total);
                progress(share, &format!("writing {}, {low} of {}", table.name, table.rows));
            }
        }
        before += table.rows;
    }
    for (n, (name, sql)) in (0u32..).zip(INDEXES) {
        if cancel.is_cancelled() {
            return Ok(false);
        }
        progress(0.86 + 0.03 * f64::from(n), &format!("building {name}"));
        sqlx::raw_sql(sql).execute(&mut *c).await?;
    }
    if cancel.is_cancelled() {
        return Ok(false);
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"))).execute(&mut *c).await?;
    sqlx::raw_sql("COMMIT; PRAGMA journal_mode = WAL;").execute(&mut *c).await?;
    progress(0.98, "opening");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .expect("dir")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|n| n != "demo.lock")
            .collect();
        names.sort();
        names
    }

    async fn open(path: &Path) -> SqliteConnection {
        SqliteConnectOptions::new().filename(path).connect().await.expect("opens")
    }

    /// Stops the build at this share.
    async fn stop_at(dir: &Path, at: f64) -> Result<PathBuf, ApiError> {
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let progress = move |share: f64, _: &str| {
            if share >= at {
                stop.cancel();
            }
        };
        prepare(dir, &progress, &cancel).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_data_is_the_same_every_time() {
        let dir = tempfile::tempdir().expect("temp dir");
        let shares = Mutex::new(Vec::new());
        let started = Instant::now();
        let path = prepare(dir.path(), &|share, _| shares.lock().expect("lock").push(share), &CancellationToken::new())
            .await
            .expect("built");
        let took = started.elapsed();
        assert!(took < Duration::from_secs(10), "a few seconds, also unoptimised and on a busy machine: {took:?}");
        let shares = shares.into_inner().expect("lock");
        assert!(shares.is_sorted() && shares.len() > 20, "progress only grows: {shares:?}");
        assert_eq!(names(dir.path()), ["demo.db"], "nothing but the database is left");
        let mut c = open(&path).await;
        let mut found = Vec::new();
        for sql in [
            "SELECT count(*), sum(id * length(name) + coalesce(length(email), 7) * id + created_at) FROM users",
            "SELECT count(*), sum(id * length(name) + length(role) * id + room) FROM staff",
            "SELECT count(*), sum(user_id * 31 + staff_id * (id % 89) + starts_at + minutes * length(status)
                + coalesce(length(note), 3) * (id % 97)) FROM appointments",
            "SELECT count(*), sum((staff_id * 31 + position) * appointment_id) FROM schedule_entries",
            "SELECT count(*), sum(appointment_id * 3 + amount_cents * length(method) + coalesce(paid_at, 5)) FROM payments",
            "SELECT count(*), sum(user_id * length(kind) + length(page) * (id % 83) + at) FROM analytics_events",
        ] {
            found.push(sqlx::query_as::<_, (i64, i64)>(sql).fetch_one(&mut c).await.expect("query"));
        }
        assert_eq!(found, SUMS, "the same rows on every machine");
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut c).await.expect("mode");
        assert_eq!(mode, "wal", "readers and a writer do not wait for each other");
        let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut c).await.expect("check");
        assert_eq!(check, "ok", "the file is sound");
        c.close().await.expect("closed");
        let modified = std::fs::metadata(&path).expect("file").modified().expect("time");
        prepare(dir.path(), &|_, _| {}, &CancellationToken::new()).await.expect("there");
        assert_eq!(std::fs::metadata(&path).expect("file").modified().expect("time"), modified, "it is built once");
    }

    /// Rows and a checksum of each table.
    const SUMS: [(i64, i64); 6] = [
        (20_000, 33_441_256_939_142),
        (200, 498_168),
        (200_000, 353_571_989_716_057),
        (4_000, 1_238_500_988_681),
        (80_000, 134_299_500_413_328),
        (40_000, 71_914_880_576_529),
    ];

    #[test]
    fn numbers_stay_below_their_end() {
        let mut random = Random::new(1_234_567);
        assert_eq!(Random::new(1).below(0), 0, "an empty range is not a failure");
        assert!((0..1_000).all(|_| random.below(7) < 7), "numbers stay below their end");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stopped_build_leaves_nothing() {
        let dir = tempfile::tempdir().expect("temp dir");
        for at in [0.0, 0.3, 0.86, 0.95] {
            let stopped = stop_at(dir.path(), at).await.expect_err("stopped");
            assert_eq!(stopped.code, ErrorCode::Cancelled, "a build can be stopped at {at}: {stopped}");
            assert!(names(dir.path()).is_empty(), "and leaves nothing behind: {:?}", names(dir.path()));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_killed_build_left_is_replaced() {
        let dir = tempfile::tempdir().expect("temp dir");
        // A killed build leaves its temporary file; an older Perfdeck left a file of another version.
        std::fs::write(dir.path().join("demo.tmp"), b"half a database").expect("written");
        std::fs::write(dir.path().join("demo.db-wal"), b"an old log").expect("written");
        std::fs::write(dir.path().join("demo.db"), b"").expect("written");
        // Two programs that start at once build it once.
        let (steps, cancel) = (Mutex::new(0), CancellationToken::new());
        let progress = |share: f64, _: &str| {
            if share > 0.97 {
                *steps.lock().expect("lock") += 1;
            }
        };
        let (a, b) = tokio::join!(prepare(dir.path(), &progress, &cancel), prepare(dir.path(), &progress, &cancel));
        let path = a.expect("built");
        assert_eq!(path, b.expect("found"), "both use the same file");
        assert_eq!(*steps.lock().expect("lock"), 1, "one waits for the other");
        assert!(complete(&path).await, "the file is complete");
        assert!(!names(dir.path()).contains(&"demo.tmp".to_owned()), "the leftovers are gone");
        let mut c = open(&path).await;
        sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut c).await.expect("set");
        c.close().await.expect("closed");
        assert!(!complete(&path).await, "another version is not taken for this one");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_is_told_and_cleaned_up() {
        let dir = tempfile::tempdir().expect("temp dir");
        let full = prepare_within(dir.path(), Some(500), &|_, _| {}, &CancellationToken::new()).await;
        let error = full.expect_err("500 pages are not enough");
        assert_eq!(error.code, ErrorCode::Storage, "{error}");
        assert!(error.message.contains("is full") && error.hint.is_some(), "it says what to do: {error:?}");
        assert!(names(dir.path()).is_empty(), "the partial file is removed: {:?}", names(dir.path()));
        let file = dir.path().join("file");
        std::fs::write(&file, b"").expect("written");
        let error = prepare(&file.join("demo"), &|_, _| {}, &CancellationToken::new()).await.expect_err("no folder");
        assert_eq!(error.code, ErrorCode::Storage, "a folder that cannot be made is told: {error}");
    }
}
