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
    // Which tables were written, so that other programs read again only what changed.
    "
    CREATE TABLE written (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO written VALUES
        ('environments', 0), ('runs', 0), ('comparisons', 0), ('knees', 0),
        ('plans', 0), ('baselines', 0), ('reports', 0), ('journal', 0);
    CREATE TRIGGER environments_insert AFTER INSERT ON environments
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'environments'; END;
    CREATE TRIGGER environments_update AFTER UPDATE ON environments
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'environments'; END;
    CREATE TRIGGER environments_delete AFTER DELETE ON environments
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'environments'; END;
    CREATE TRIGGER runs_insert AFTER INSERT ON runs
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'runs'; END;
    CREATE TRIGGER runs_update AFTER UPDATE ON runs
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'runs'; END;
    CREATE TRIGGER runs_delete AFTER DELETE ON runs
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'runs'; END;
    CREATE TRIGGER comparisons_insert AFTER INSERT ON comparisons
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'comparisons'; END;
    CREATE TRIGGER comparisons_update AFTER UPDATE ON comparisons
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'comparisons'; END;
    CREATE TRIGGER comparisons_delete AFTER DELETE ON comparisons
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'comparisons'; END;
    CREATE TRIGGER knees_insert AFTER INSERT ON knees
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'knees'; END;
    CREATE TRIGGER knees_update AFTER UPDATE ON knees
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'knees'; END;
    CREATE TRIGGER knees_delete AFTER DELETE ON knees
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'knees'; END;
    CREATE TRIGGER plans_insert AFTER INSERT ON plans
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'plans'; END;
    CREATE TRIGGER plans_update AFTER UPDATE ON plans
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'plans'; END;
    CREATE TRIGGER plans_delete AFTER DELETE ON plans
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'plans'; END;
    CREATE TRIGGER baselines_insert AFTER INSERT ON baselines
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'baselines'; END;
    CREATE TRIGGER baselines_update AFTER UPDATE ON baselines
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'baselines'; END;
    CREATE TRIGGER baselines_delete AFTER DELETE ON baselines
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'baselines'; END;
    CREATE TRIGGER reports_insert AFTER INSERT ON reports
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'reports'; END;
    CREATE TRIGGER reports_update AFTER UPDATE ON reports
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'reports'; END;
    CREATE TRIGGER reports_delete AFTER DELETE ON reports
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'reports'; END;
    CREATE TRIGGER journal_insert AFTER INSERT ON journal
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'journal'; END;
    CREATE TRIGGER journal_update AFTER UPDATE ON journal
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'journal'; END;
    CREATE TRIGGER journal_delete AFTER DELETE ON journal
        BEGIN UPDATE written SET n = n + 1 WHERE name = 'journal'; END;
",
];
