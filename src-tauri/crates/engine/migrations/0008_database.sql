-- What the statements of an environment's database cost, in windows of five minutes. `target` is the database that it was then;
-- `figures` is packed (features/database/statements/pack.rs) and names its statements by their number in the other table.
CREATE TABLE statement_windows (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, from_ms REAL NOT NULL, to_ms REAL NOT NULL, figures BLOB NOT NULL,
    PRIMARY KEY (environment_id, target, from_ms));
CREATE INDEX statement_windows_to ON statement_windows (to_ms);
-- Their texts, without literals; `cut_of` is the length in bytes of one that is not kept whole.
CREATE TABLE statement_texts (
    id INTEGER PRIMARY KEY, environment_id TEXT NOT NULL, target TEXT NOT NULL, key TEXT NOT NULL, text TEXT, cut_of INTEGER,
    first_ms REAL NOT NULL, last_ms REAL NOT NULL, UNIQUE (environment_id, target, key));
CREATE INDEX statement_texts_last ON statement_texts (last_ms);
