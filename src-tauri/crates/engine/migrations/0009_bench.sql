-- What one request costs a database and a cache, as it was measured.
CREATE TABLE costs (id TEXT PRIMARY KEY, environment_id TEXT NOT NULL, created_ms REAL NOT NULL, doc TEXT NOT NULL);
CREATE INDEX costs_created ON costs (created_ms DESC);
INSERT INTO written VALUES ('costs', 0);
CREATE TRIGGER costs_insert AFTER INSERT ON costs
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'costs'; END;
CREATE TRIGGER costs_update AFTER UPDATE ON costs
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'costs'; END;
CREATE TRIGGER costs_delete AFTER DELETE ON costs
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'costs'; END;
