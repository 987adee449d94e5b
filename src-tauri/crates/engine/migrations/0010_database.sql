-- Plans that the statements of an environment's database had: one row for each stretch of time in which the same shape was seen.
CREATE TABLE statement_plans (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, key TEXT NOT NULL, first_ms REAL NOT NULL, last_ms REAL NOT NULL,
    doc TEXT NOT NULL, PRIMARY KEY (environment_id, target, key, first_ms));
CREATE INDEX statement_plans_last ON statement_plans (last_ms);
