-- Which tables were written, so that other programs read again only what changed.
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
