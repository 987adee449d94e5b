//! Whether a statement can be told to read only.
use crate::lexer::{Dialect, Kind, Token, tokens};

/// First words of statements that read. `WITH` may hold a write; its other words tell.
const READS: [&str; 8] = ["SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "VALUES", "TABLE", "WITH"];

/// Words that no statement has which only reads: writes, locks, and plans that are executed.
const WRITES: [&str; 19] = [
    "INTO", "UPDATE", "SHARE", "ANALYZE", "ANALYSE", "INSERT", "DELETE", "MERGE", "LOCK", "CREATE", "DROP", "ALTER",
    "TRUNCATE", "GRANT", "REVOKE", "CALL", "EXECUTE", "COPY", "OUTFILE",
];

/// Functions of the servers themselves that change something, by their beginning. What functions of users do, nobody but
/// the database's privileges can tell.
const CHANGING: [&str; 33] = [
    "nextval",
    "setval",
    "set_config",
    "pg_advisory",
    "pg_try_advisory",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_create_",
    "pg_drop_",
    "pg_promote",
    "pg_wal_replay",
    "pg_replication",
    "pg_logical",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_notify",
    "pg_export_snapshot",
    "pg_import_system",
    "pg_file_",
    "pg_log_backend",
    "lo_",
    "lowrite",
    "dblink",
    "query_to_xml",
    "get_lock",
    "release_",
    "last_insert_id",
    "load_extension",
    "writefile",
    "master_pos_wait",
];

/// Whether a statement can be told to read only, by the rules of `dialect`, or of every dialect where it is not known.
///
/// In doubt it does not: a function of a user may write. But a second statement, `INTO`, a lock, a plan that is executed,
/// a write inside `WITH`, what only MySQL executes in a comment, and the servers' own functions that change something
/// are seen.
pub fn only_reads(sql: &str, dialect: Option<Dialect>) -> bool {
    match dialect {
        Some(dialect) => first_that_may_write(sql, dialect).is_none(),
        None => Dialect::ALL.into_iter().all(|dialect| first_that_may_write(sql, dialect).is_none()),
    }
}

/// The part of a statement for which it cannot be told to read only, as it is written; `None` where it can. Empty for a text
/// without words.
pub fn first_that_may_write(sql: &str, dialect: Dialect) -> Option<&str> {
    let all: Vec<_> =
        tokens(sql, dialect).into_iter().filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment)).collect();
    let text = |token: &Token| sql.get(token.start..token.end).unwrap_or_default();
    let mut parts = all.as_slice();
    while let [rest @ .., last] = parts
        && last.kind == Kind::Semicolon
    {
        parts = rest;
    }
    // PostgreSQL and MySQL take a query in parentheses.
    let mut head = parts;
    while let [first, rest @ ..] = head
        && text(first) == "("
    {
        head = rest;
    }
    let Some(first) = head.first() else { return Some("") };
    if first.kind != Kind::Word || !READS.contains(&text(first).to_ascii_uppercase().as_str()) {
        return Some(text(first));
    }
    let is_harmless = |(i, token): &(usize, &Token)| {
        let called = || parts.get(i + 1).is_some_and(|next| text(next) == "(");
        let changes = |lower: &str| called() && CHANGING.iter().any(|name| lower.starts_with(name));
        let lower = text(token).to_ascii_lowercase();
        match token.kind {
            Kind::Semicolon | Kind::ClientCommand | Kind::ExecutableOpen | Kind::ExecutableClose => false,
            Kind::Text => token.closed && !token.unclear,
            Kind::Word => {
                // `truncate(1.5, 1)` and `insert(a, 1, 2, b)` are functions of MySQL.
                let function = called() && matches!(lower.as_str(), "truncate" | "insert");
                (function || !WRITES.contains(&lower.to_ascii_uppercase().as_str())) && !changes(&lower)
            }
            Kind::Name => token.closed && !changes(lower.trim_matches(['"', '`', '[', ']'])),
            // `:=` sets a variable in MySQL.
            Kind::Other if lower == ":" => {
                !parts.get(i + 1).is_some_and(|next| next.start == token.end && text(next) == "=")
            }
            _ => true,
        }
    };
    parts.iter().enumerate().find(|part| !is_harmless(part)).map(|(_, token)| text(token))
}

/// Whether a statement begins or ends a transaction, by its first word.
pub fn ends_transaction(sql: &str, dialect: Dialect) -> bool {
    let all = tokens(sql, dialect);
    let first = all.iter().find(|t| !matches!(t.kind, Kind::Space | Kind::Comment)).filter(|t| t.kind == Kind::Word);
    first.is_some_and(|t| {
        let word = sql[t.start..t.end].to_ascii_uppercase();
        ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"].contains(&word.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_can_write_are_told_apart() {
        for sql in [
            "SELECT 1",
            " select * from t where a = $1;",
            "SHOW x",
            "EXPLAIN SELECT 1",
            "VALUES (1)",
            "/* note */ SELECT 'INTO; update' AS \"DELETE\"",
            "(SELECT 1) UNION (SELECT 2)",
            "WITH a AS (SELECT 1) SELECT * FROM a;",
            "SELECT updated_at, replace(name, 'a', 'b') FROM t",
            "select count(*) from orders -- into",
            "SELECT a::text FROM t",
        ] {
            for dialect in Dialect::ALL {
                assert!(only_reads(sql, Some(dialect)), "{dialect:?}: {sql} only reads");
            }
            assert!(only_reads(sql, None), "{sql} only reads anywhere");
        }
        for sql in [
            "UPDATE t SET a = 1",
            "SELECT 1; DROP TABLE t",
            "SELECT a\nINTO\nb FROM t",
            "SELECT a FROM t FOR UPDATE",
            "select a from t for no key update",
            "SELECT a FROM t LOCK IN SHARE MODE",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
            "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
            "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
            "SELECT nextval('s')",
            "SELECT pg_catalog.setval ('s', 1)",
            "SELECT pg_terminate_backend(1)",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT GET_LOCK('a', 1)",
            "DO $$ BEGIN DELETE FROM t; END $$",
            "BEGIN",
            "PRAGMA user_version = 3",
            "CALL p()",
            "COPY t TO PROGRAM 'x'",
            "",
            ";",
            "-- SELECT 1",
            "SELECT 'never closed",
        ] {
            for dialect in Dialect::ALL {
                assert!(!only_reads(sql, Some(dialect)), "{dialect:?}: {sql:?} may write");
            }
        }
        for (dialect, sql) in [
            (Dialect::Mysql, "SELECT 1 /*! INTO OUTFILE '/tmp/x' */"),
            (Dialect::Mysql, "SELECT @a := 1"),
            (Dialect::Postgres, "select \"nextval\"('s')"),
            (Dialect::Mysql, "SELECT 1 --1; DELETE FROM t"),
            (Dialect::Postgres, r"SELECT 'a\'; DELETE FROM t; --'"),
        ] {
            assert!(!only_reads(sql, Some(dialect)), "{dialect:?}: {sql:?} may write");
            assert!(!only_reads(sql, None), "and where the dialect is not known: {sql:?}");
        }
    }

    #[test]
    fn what_may_write_is_named() {
        for (sql, word) in [
            ("selec 1", Some("selec")),
            ("select pg_notify('a', 'b')", Some("pg_notify")),
            ("(select * from t for update)", Some("update")),
            ("select \"nextval\"('s')", Some("\"nextval\"")),
            ("", Some("")),
            ("select 1", None),
        ] {
            assert_eq!(first_that_may_write(sql, Dialect::Postgres), word, "{sql}");
        }
    }
}
