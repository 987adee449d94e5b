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
