-- Runs of plans, seconds as histograms, saved plans, baselines. What is stored as a run was one HTTP request so far.
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
