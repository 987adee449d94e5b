-- A report that is deleted can be restored for seven days.
ALTER TABLE reports ADD COLUMN deleted_ms REAL;
