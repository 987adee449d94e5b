//! What a statement leaves in its session.
use crate::lexer::{Dialect, Kind, tokens};
use crate::split::pieces;

/// What in a statement needs a session of its own, because it leaves something there or finds it there: settings,
/// prepared statements, temporary tables, locks. `None` when nothing is seen; a function of a user may still.
pub fn needs_session(sql: &str, dialect: Dialect) -> Option<&'static str> {
    pieces(sql, dialect).into_iter().find_map(|range| piece(sql.get(range)?, dialect))
}

fn piece(sql: &str, dialect: Dialect) -> Option<&'static str> {
    let all: Vec<_> =
        tokens(sql, dialect).into_iter().filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment)).collect();
    let upper = |i: usize| all.get(i).map(|t| sql[t.start..t.end].to_ascii_uppercase()).unwrap_or_default();
    let temporary = |i: usize| matches!(upper(i).as_str(), "TEMP" | "TEMPORARY");
    let first = match upper(0).as_str() {
        "SET" if !matches!(upper(1).as_str(), "LOCAL" | "TRANSACTION" | "CONSTRAINTS") => Some("SET"),
        "RESET" => Some("RESET"),
        // `PREPARE TRANSACTION` is of the server, not of the session.
        "PREPARE" if upper(1) != "TRANSACTION" => Some("PREPARE"),
        "EXECUTE" => Some("EXECUTE"),
        "DEALLOCATE" => Some("DEALLOCATE"),
        "LISTEN" | "UNLISTEN" => Some("LISTEN"),
        "DISCARD" => Some("DISCARD"),
        "LOAD" => Some("LOAD"),
        "CREATE" if temporary(1) || temporary(2) || temporary(3) => Some("a temporary table"),
        "DECLARE" if (0..all.len()).any(|i| upper(i) == "HOLD") => Some("a cursor WITH HOLD"),
        _ => None,
    };
    first.or_else(|| {
        (0..all.len()).find_map(|i| match (upper(i).trim_matches('"'), upper(i + 1).as_str()) {
            ("PG_ADVISORY_LOCK" | "PG_ADVISORY_LOCK_SHARED" | "PG_TRY_ADVISORY_LOCK", "(")
            | ("PG_TRY_ADVISORY_LOCK_SHARED" | "PG_ADVISORY_UNLOCK" | "PG_ADVISORY_UNLOCK_ALL", "(") => {
                Some("an advisory lock of a session")
            }
            ("SET_CONFIG", "(") => Some("set_config"),
            ("CURRVAL" | "LASTVAL", "(") => Some("the last value of a sequence"),
            ("INTO", "TEMP" | "TEMPORARY") => Some("a temporary table"),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_behind_is_seen() {
        for sql in [
            "set search_path = shop",
            "/* x */ SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "select 1; reset all",
            "prepare p as select 1",
            "create temp table t (a int)",
            "CREATE LOCAL TEMPORARY TABLE t (a int)",
            "select 1 into temp t",
            "declare c cursor with hold for select 1",
            "select pg_advisory_lock(1)",
            "select pg_catalog.set_config('a.b', 'c', false)",
            "listen x",
        ] {
            assert!(needs_session(sql, Dialect::Postgres).is_some(), "{sql}");
        }
        for sql in [
            "set local search_path = shop",
            "SET TRANSACTION READ ONLY",
            "begin",
            "update t set a = 1",
            "select pg_advisory_xact_lock(1)",
            "select 'set search_path'",
            "create table temp_t (a int)",
            "prepare transaction 'x'",
            "",
        ] {
            assert!(needs_session(sql, Dialect::Postgres).is_none(), "{sql}");
        }
    }
}
