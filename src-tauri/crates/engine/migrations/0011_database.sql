-- Sizes of the largest tables and indexes of an environment's database, at most once an hour: bytes by name, and whether they were
-- measured. `target` is the database that it was then.
CREATE TABLE database_sizes (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, at_ms REAL NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (environment_id, target, at_ms));
CREATE INDEX database_sizes_at ON database_sizes (at_ms);
-- The bloat of an index as it was measured last.
CREATE TABLE measured_bloat (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, name TEXT NOT NULL, at_ms REAL NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (environment_id, target, name));
CREATE INDEX measured_bloat_at ON measured_bloat (at_ms);
