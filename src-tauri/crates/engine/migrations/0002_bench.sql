CREATE TABLE comparisons (
    id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
CREATE INDEX comparisons_created ON comparisons (created_ms DESC);
CREATE TABLE knees (
    id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
