//! Plans of MySQL and MariaDB.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode};
use perfdeck_sqltext::{Dialect, parameters, quote_identifier};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Tree, late, mysql_calls, mysql_tree};
use crate::error::explain;
use crate::hints::{account, again};
use crate::mysql::text as column;

pub(super) async fn plan(
    c: &mut MySqlConnection,
    address: &Address,
    text: &str,
    measure: bool,
    limit: Duration,
    server: &str,
) -> Result<Tree, ApiError> {
    if parameters(text, Dialect::Mysql) > 0 {
        return Err(ApiError::bad_request(format!(
            "{server} plans a statement for its values only, and they are not known"
        ))
        .hint("Write values in place of each ?"));
    }
    let mariadb = server.starts_with("MariaDB");
    if measure && !mariadb {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            format!("{server} tells no measured plan in a form that is read here"),
        )
        .hint("Look at its plan without running it, or run EXPLAIN ANALYZE by hand"));
    }
    if measure {
        mysql_calls::harmless(c, address, text).await?;
    }
    // The session only reads already; its limit on a statement is longer for this one.
    if mariadb {
        let longer = format!("SET SESSION max_statement_time = {}", limit.as_secs());
        c.execute(AssertSqlSafe(longer)).await.map_err(|e| explain(address, &e))?;
    } else {
        let longer = format!("SET SESSION max_execution_time = {}", limit.as_millis());
        c.execute(AssertSqlSafe(longer)).await.map_err(|e| explain(address, &e))?;
    }
    let word = if measure { "ANALYZE FORMAT=JSON" } else { "EXPLAIN FORMAT=JSON" };
    let question = AssertSqlSafe(format!("{word} {text}"));
    let row = sqlx::raw_sql(question).fetch_one(&mut *c).await.map_err(|e| why(address, &e, measure, limit))?;
    let answer = column(&row, 0).ok_or_else(|| ApiError::internal("EXPLAIN answered nothing"))?;
    mysql_tree::read(&answer, measure)
}

/// Why a statement has no plan.
fn why(address: &Address, error: &sqlx::Error, measure: bool, limit: Duration) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    let bad = |what: &str, hint: &str| ApiError::bad_request(what).hint(hint);
    let user = address.username.as_deref().unwrap_or("(no user)");
    match e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number) {
        1969 | 3024 => late(limit, measure),
        1205 => again(ErrorCode::Timeout, "A table of the statement is locked by somebody else".to_owned())
            .hint("A plan needs the tables for a moment; try again when that has ended"),
        1044 | 1142 | 1143 | 1345 => ApiError::new(
            ErrorCode::Privilege,
            format!("'{user}' may not read a table of the statement on {}", address.short()),
        )
        .hint(format!(
            "GRANT SELECT ON {}.* TO {};",
            quote_identifier(&address.path, Dialect::Mysql),
            account(address)
        )),
        1792 => bad(
            "The statement writes, through a function that it calls, and was undone",
            "Look at its plan without running it",
        ),
        1064 => bad("The statement has a syntax error", "Check it with the server's own client"),
        1146 | 1049 => bad("A table of the statement is not there", "Name it with its database"),
        1054 => bad("A column of the statement is not there", "Check its names"),
        1305 => bad("A function of the statement is not there", "Check its name"),
        _ => explain(address, error),
    }
}
