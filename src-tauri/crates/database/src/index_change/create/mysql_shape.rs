//! Whether MySQL or MariaDB takes an index: it is added to an empty temporary table like its own, which ends with its session.
use perfdeck_model::{Address, ApiError, Sensitive};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::super::mysql_session::{TOO_LONG, number, open, quoted, too_long, why};
use super::super::postgres_session::{Mode, user};
use crate::hints::account;

/// Name of the temporary table; it hides none of another name.
const TRIED: &str = "perfdeck_shape";

/// Adds an index of this definition to an empty table. Answers why that could not be tried, where it could not.
///
/// # Errors
/// Why the server does not take it.
pub(super) async fn tried(
    (address, password): (&Address, Option<&Sensitive>),
    table: &str,
    definition: &str,
) -> Result<Option<String>, ApiError> {
    let (mut c, _) = open(address, password, Mode::Write).await?;
    let found = tried_in(address, &mut c, table, definition).await;
    let _ = c.close().await;
    found
}

async fn tried_in(
    address: &Address,
    c: &mut MySqlConnection,
    table: &str,
    definition: &str,
) -> Result<Option<String>, ApiError> {
    if !unlogged(c).await.map_err(|e| why(address, table, &e))? {
        return Ok(Some("a temporary table would be made on replicas too (binlog_format)".to_owned()));
    }
    let (tried, table_name) = (quoted(TRIED), quoted(table));
    let make = format!("CREATE TEMPORARY TABLE {tried} LIKE {table_name}");
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *c).await {
        let user = user(address);
        return match number(&error) {
            Some(1044 | 1142) => Ok(Some(format!(
                "'{user}' may not make temporary tables: GRANT CREATE TEMPORARY TABLES ON {}.* TO {};",
                quoted(&address.path),
                account(address)
            ))),
            Some(1205) => Ok(Some("the table is locked by somebody else now".to_owned())),
            Some(_) => Ok(Some("a temporary table like it could not be made".to_owned())),
            None => Err(why(address, table, &error)),
        };
    }
    let add = format!("ALTER TABLE {tried} ADD {definition}");
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(add)).execute(&mut *c).await else {
        let warned = sqlx::raw_sql("SHOW WARNINGS").fetch_all(c).await.map_err(|e| why(address, table, &e))?;
        let cut = warned.iter().any(|row| row.try_get_unchecked::<u32, _>(1).is_ok_and(|n| n == u32::from(TOO_LONG)));
        return if cut { Err(too_long()) } else { Ok(None) };
    };
    Err(not_taken(number(&error)).unwrap_or_else(|| why(address, table, &error)))
}

/// Why the server does not take an index, by its number; its text has names and values.
fn not_taken(number: Option<u16>) -> Option<ApiError> {
    let what = match number? {
        1170 => "a long text or a document is no key without a length",
        1089 => "only a text has a beginning that is a key, and none that is longer than it",
        1054 => "it names a column that is not there",
        1305 | 1630 => "it calls a function that is not there",
        1901 | 3102 | 3754..=3763 => {
            "it has what an index cannot have, such as a function that is not the same at all times"
        }
        1064 => "it is not written as the server reads it",
        3152 => "a document is no key",
        _ => return None,
    };
    let text = format!("The server does not take an expression of this index: {what}");
    Some(ApiError::bad_request(text).hint("Columns are those of the table, and functions are the same at all times"))
}

/// Makes sure that nothing of this session reaches a replica.
async fn unlogged(c: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let sql = "SELECT CAST(@@GLOBAL.log_bin AS SIGNED), CAST(@@SESSION.binlog_format = 'ROW' AS SIGNED)";
    let row = sqlx::raw_sql(sql).fetch_one(&mut *c).await?;
    if row.try_get::<i64, _>(0)? == 0 || row.try_get::<i64, _>(1)? != 0 {
        return Ok(true);
    }
    Ok(sqlx::raw_sql("SET SESSION sql_log_bin = 0").execute(c).await.is_ok())
}
