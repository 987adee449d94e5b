-- Sizes of pools, as they were measured.
CREATE TABLE pool_sizings (id TEXT PRIMARY KEY, environment_id TEXT NOT NULL, created_ms REAL NOT NULL, doc TEXT NOT NULL);
CREATE INDEX pool_sizings_created ON pool_sizings (created_ms DESC);
INSERT INTO written VALUES ('pool_sizings', 0);
CREATE TRIGGER pool_sizings_insert AFTER INSERT ON pool_sizings
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'pool_sizings'; END;
CREATE TRIGGER pool_sizings_update AFTER UPDATE ON pool_sizings
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'pool_sizings'; END;
CREATE TRIGGER pool_sizings_delete AFTER DELETE ON pool_sizings
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'pool_sizings'; END;
