-- What was found out is deleted softly, as runs are.
ALTER TABLE comparisons ADD COLUMN deleted_ms REAL;
ALTER TABLE knees ADD COLUMN deleted_ms REAL;
