//! The schema: versions in order, only forward.

/// Schema versions in order; entry `n` takes a store from version `n` to `n + 1`.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE environments (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, doc TEXT NOT NULL,
        created_ms REAL NOT NULL, updated_ms REAL NOT NULL, deleted_ms REAL);
    CREATE UNIQUE INDEX environments_name ON environments (name) WHERE deleted_ms IS NULL;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, environment_id TEXT, started_ms REAL NOT NULL,
        summary TEXT NOT NULL, doc TEXT NOT NULL, series BLOB, deleted_ms REAL);
    CREATE INDEX runs_started ON runs (started_ms DESC);
    CREATE TABLE reports (id TEXT PRIMARY KEY, created_ms REAL NOT NULL, doc TEXT NOT NULL);
    CREATE TABLE blocks (
        environment_id TEXT NOT NULL, series_id TEXT NOT NULL, from_ms REAL NOT NULL,
        step_ms REAL NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (environment_id, series_id, from_ms)) WITHOUT ROWID;
    CREATE INDEX blocks_from ON blocks (from_ms);
",
    "
    CREATE TABLE comparisons (
        id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
    CREATE INDEX comparisons_created ON comparisons (created_ms DESC);
    CREATE TABLE knees (
        id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
",
    // Runs of plans, seconds as histograms, saved plans, baselines. What is stored as a run was one HTTP request so far.
    "
    ALTER TABLE runs ADD COLUMN seconds BLOB;
    UPDATE runs SET doc = json_set(doc, '$.spec.kind', 'http') WHERE json_extract(doc, '$.spec.kind') IS NULL;
    CREATE TABLE plans (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, toml TEXT NOT NULL, updated_ms REAL NOT NULL);
    CREATE TABLE baselines (
        name TEXT PRIMARY KEY, run_id TEXT NOT NULL, created_ms REAL NOT NULL);
    CREATE TABLE noise (
        work TEXT NOT NULL, environment_id TEXT NOT NULL, created_ms REAL NOT NULL, doc TEXT NOT NULL,
        PRIMARY KEY (work, environment_id));
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY, at_ms REAL NOT NULL, environment_id TEXT, kind TEXT NOT NULL, doc TEXT NOT NULL);
    CREATE INDEX journal_at ON journal (at_ms DESC);
",
    // What was found out is deleted softly, as runs are.
    "
    ALTER TABLE comparisons ADD COLUMN deleted_ms REAL;
    ALTER TABLE knees ADD COLUMN deleted_ms REAL;
",
];
