//! Plans of PostgreSQL.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode};
use perfdeck_sqltext::{Dialect, Kind, parameters, quote_identifier, tokens};
use sqlx::{Row as _, ValueRef as _};

use super::{Tree, late, postgres_calls, postgres_tree};
use crate::error::explain;
use crate::hints::again;
use crate::own;
use crate::session::Session;

/// Placeholders that a statement may have at most; the protocol has no more.
const MOST_PARAMETERS: usize = 65_535;
/// The name of a statement that is prepared on a session of our own, which ends with it.
const PREPARED: &str = "perfdeck_plan";

/// How a statement is asked for its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As it is.
    Plain,
    /// For any value of its parameters, by an option of EXPLAIN from 16 on.
    Generic,
    /// The same before, as a prepared statement with that many parameters.
    Prepared(usize),
}

/// # Errors
/// When the statement cannot be asked for its plan here in that way.
fn way(c: &Session, text: &str, measure: bool) -> Result<Way, ApiError> {
    let count = parameters(text, Dialect::Postgres);
    if count == 0 {
        return Ok(Way::Plain);
    }
    if count > MOST_PARAMETERS {
        return Err(ApiError::bad_request(format!("The statement names the parameter ${count}"))
            .hint("PostgreSQL has parameters up to $65535"));
    }
    if measure {
        return Err(ApiError::bad_request("A statement with parameters cannot be run: their values are not known")
            .hint("Write values in place of $1 and so on to measure it, or look at its plan without running it"));
    }
    match c.server_version_num() {
        Some(version) if version >= 160_000 => Ok(Way::Generic),
        Some(version) if version < 120_000 => Err(ApiError::new(
            ErrorCode::Unsupported,
            "Statements with parameters are planned from PostgreSQL 12 on",
        )
        .hint("Write values in place of $1 and so on")),
        _ if c.is_shared() => Err(ApiError::new(
            ErrorCode::Unsupported,
            "Through a pooler a statement with parameters is planned from PostgreSQL 16 on: before, it has to be prepared, \
             which would stay behind on a connection of others",
        )
        .hint("Use the server's own port, or write values in place of $1 and so on")),
        _ => Ok(Way::Prepared(count)),
    }
}

/// The message that asks. It is one transaction, which only reads and is rolled back at its end, so that nothing of a
/// function is kept, not even a notification. Its limits end with it, through a pooler too; what the server would remark is
/// not sent, because it may hold parts of the statement.
fn message(way: Way, text: &str, measure: bool, limit: Duration) -> String {
    let analyze = if measure { "ANALYZE, BUFFERS, " } else { "" };
    let begin = format!(
        "SET LOCAL client_min_messages = error; SET LOCAL transaction_read_only = on; SET LOCAL lock_timeout = 200; \
         SET LOCAL statement_timeout = {}; ",
        limit.as_millis()
    );
    let asked = match way {
        Way::Plain => format!("EXPLAIN ({analyze}VERBOSE, FORMAT JSON) {text}"),
        Way::Generic => format!("EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {text}"),
        Way::Prepared(count) => {
            let nulls = vec!["NULL"; count].join(",");
            format!(
                "PREPARE {PREPARED} AS {text}; SET LOCAL plan_cache_mode = force_generic_plan; \
                 EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {PREPARED}({nulls})"
            )
        }
    };
    // On a line of its own: the statement may end with a comment.
    format!("{begin}{asked}\n; ROLLBACK")
}

pub(super) async fn plan(
    c: &mut Session,
    address: &Address,
    text: &str,
    measure: bool,
    limit: Duration,
) -> Result<Tree, ApiError> {
    let way = way(c, text, measure)?;
    if measure {
        postgres_calls::harmless(c, address, text).await?;
    }
    own::add(address, 1.0, 0);
    let question = sqlx::AssertSqlSafe(message(way, text, measure, limit));
    let rows = sqlx::raw_sql(question).fetch_all(&mut *c).await;
    let rows = rows.map_err(|error| why(address, &error, text, way, measure, limit))?;
    let none = || ApiError::internal("EXPLAIN answered nothing");
    let row = rows.last().ok_or_else(none)?;
    let value = row.try_get_raw(0).map_err(|e| explain(address, &e))?;
    let answer = if value.is_null() { Err(none()) } else { value.as_str().map_err(|_| none()) }?;
    let mut tree = postgres_tree::read(answer, measure)?;
    if way != Way::Plain {
        tree.generic = true;
        tree.notes.push(
            "The plan is the one for any value of the parameters; for one value the server may choose another"
                .to_owned(),
        );
    }
    Ok(tree)
}

/// Why a statement has no plan.
fn why(address: &Address, error: &sqlx::Error, text: &str, way: Way, measure: bool, limit: Duration) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    let bad = |what: &str, hint: &str| ApiError::bad_request(what).hint(hint);
    let user = address.username.as_deref().unwrap_or("(no user)");
    match e.code().as_deref() {
        Some("57014") => late(limit, measure),
        Some("55P03") => {
            again(ErrorCode::Timeout, "A table of the statement is locked exclusively by somebody else".to_owned())
                .hint("A plan needs the tables for a moment; try again when that has ended")
        }
        Some("42501") if ["for schema ", "for function "].iter().any(|kind| e.message().contains(kind)) => {
            explain(address, error)
        }
        Some("42501") => ApiError::new(
            ErrorCode::Privilege,
            format!("'{user}' may not read a table of the statement on {}", address.short()),
        )
        .hint(format!("GRANT pg_read_all_data TO {};", quote_identifier(user, Dialect::Postgres))),
        Some("25006") => bad(
            "The statement writes, through a function that it calls, and was undone",
            "Look at its plan without running it",
        ),
        Some("42601") if way != Way::Plain => bad(
            "The statement has a syntax error, or a parameter stands where none can be",
            "Write a value there; for `interval $1` write `$1::interval`",
        ),
        Some("42601") if asks_with_question_marks(text) => bad(
            "The statement has a syntax error: PostgreSQL knows no parameter written as ?",
            "Write $1, $2 and so on in place of each ?",
        ),
        Some("42601") => bad("The statement has a syntax error", "Check it with psql"),
        Some("42P18" | "42P08" | "42883") if way != Way::Plain => bad(
            "The server does not know the type of a parameter, or no operator takes it",
            "Say its type, such as $1::int, or write a value in its place",
        ),
        Some("42P01" | "3F000") => bad(
            "A table of the statement is not there",
            "Name it with its schema: the search_path of Perfdeck's user may be another one than the application's",
        ),
        Some("42703") => bad("A column of the statement is not there", "Check its names"),
        Some("42883") => {
            bad("A function or operator of the statement is not there for these types", "Check its names and types")
        }
        Some("54001") => bad("The statement is nested too deep for the server", "Plan a part of it"),
        _ => explain(address, error),
    }
}

/// Whether a `?` stands outside of texts and names, as drivers of other languages write parameters.
fn asks_with_question_marks(text: &str) -> bool {
    tokens(text, Dialect::Postgres).iter().any(|t| t.kind == Kind::Other && text.get(t.start..t.end) == Some("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_one_transaction_that_is_rolled_back() {
        let text = message(Way::Plain, "select 1 -- x", true, Duration::from_secs(30));
        assert!(text.contains("transaction_read_only = on") && text.contains("statement_timeout = 30000"), "{text}");
        assert!(text.contains("(ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) select 1 -- x\n; ROLLBACK"), "{text}");
        let text = message(Way::Prepared(2), "select $1, $2", false, Duration::from_secs(5));
        assert!(text.contains("EXECUTE perfdeck_plan(NULL,NULL)") && text.contains("force_generic_plan"), "{text}");
    }
}
