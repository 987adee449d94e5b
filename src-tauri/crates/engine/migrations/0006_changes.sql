-- What is altered on targets. `plan` is the kind's own; `address` is the target that it was planned against; `revision` counts
-- its states.
CREATE TABLE changes (
    id TEXT PRIMARY KEY, environment_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0, created_ms REAL NOT NULL, updated_ms REAL NOT NULL, address TEXT NOT NULL,
    plan TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX changes_created ON changes (created_ms DESC);
CREATE INDEX changes_state ON changes (state);
INSERT INTO written VALUES ('changes', 0);
CREATE TRIGGER changes_insert AFTER INSERT ON changes
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'changes'; END;
CREATE TRIGGER changes_update AFTER UPDATE ON changes
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'changes'; END;
CREATE TRIGGER changes_delete AFTER DELETE ON changes
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'changes'; END;
