-- The last advice on the indexes of an environment's database. `target` is the database that it was then.
CREATE TABLE advice (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, made_ms REAL NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (environment_id, target));
INSERT INTO written VALUES ('advice', 0);
CREATE TRIGGER advice_insert AFTER INSERT ON advice
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'advice'; END;
CREATE TRIGGER advice_update AFTER UPDATE ON advice
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'advice'; END;
CREATE TRIGGER advice_delete AFTER DELETE ON advice
    BEGIN UPDATE written SET n = n + 1 WHERE name = 'advice'; END;
-- Whether somebody agreed to the use of HypoPG in a database, or a session died of it there: `agreed` or `quarantined`.
CREATE TABLE hypopg_use (
    environment_id TEXT NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL, at_ms REAL NOT NULL,
    PRIMARY KEY (environment_id, target));
