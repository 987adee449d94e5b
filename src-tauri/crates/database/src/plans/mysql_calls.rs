//! What a statement calls in MariaDB, before it is run to measure it.
//!
//! A session that only reads writes no table. A stored function may do more, such as set a variable of the server, and nothing
//! that it declares of itself is held against what it does: a statement that calls one is not run.
use std::collections::BTreeSet;

use perfdeck_model::{Address, ApiError, ErrorCode};
use perfdeck_sqltext::{Dialect, NameUse, first_that_may_write, names, quote_identifier, quote_text};
use sqlx::mysql::MySqlConnection;

use crate::error::explain;
use crate::hints::account;
use crate::mysql::text as column;

/// Views within views that are followed.
const DEEPEST: usize = 12;
/// Names that are looked up at once, at most.
const MOST_NAMES: usize = 5_000;

fn refused(why: &str) -> ApiError {
    ApiError::bad_request(format!("The statement is not run to measure it: {why}"))
        .hint("Look at its plan without running it, which calls nothing of it")
}

fn names_of(text: &str) -> Result<Vec<NameUse>, ApiError> {
    let found = names(text, Dialect::Mysql).map_err(|_| refused("a name in it is of no known form"))?;
    if found.len() > MOST_NAMES { Err(refused(&format!("it has more than {MOST_NAMES} names"))) } else { Ok(found) }
}

fn list<'a>(of: impl Iterator<Item = &'a str>) -> String {
    let all: BTreeSet<String> = of.map(|name| quote_text(name, Dialect::Mysql)).collect();
    if all.is_empty() { "NULL".to_owned() } else { all.into_iter().collect::<Vec<_>>().join(", ") }
}

/// Refuses a statement that calls a stored function, itself or through a view.
///
/// # Errors
/// Says which one, or which view does not show what it does.
pub(crate) async fn harmless(c: &mut MySqlConnection, address: &Address, text: &str) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut uses = names_of(text)?;
    let mut known = BTreeSet::new();
    for _ in 0..DEEPEST {
        let called = list(uses.iter().filter(|n| n.called).map(|n| n.name.as_str()));
        let all = list(uses.iter().map(|n| n.name.as_str()));
        let question = format!(
            "SELECT routine_name FROM information_schema.routines
             WHERE routine_name IN ({called}) AND routine_type = 'FUNCTION'
                OR routine_name IN ({all}) AND routine_type LIKE 'PACKAGE%' LIMIT 1"
        );
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(question)).fetch_optional(&mut *c).await.map_err(failed)?;
        if let Some(name) = row.and_then(|row| column(&row, 0)) {
            let name = perfdeck_model::masking::shown(&name);
            return Err(refused(&format!(
                "it calls {name}(), a stored function, which may change more than it writes to tables"
            )));
        }
        let question = format!(
            "SELECT CONCAT(table_schema, '.', table_name), view_definition, table_schema FROM information_schema.views
             WHERE table_name IN ({all}) AND (table_schema = DATABASE() OR table_schema IN ({all}))"
        );
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(question)).fetch_all(&mut *c).await.map_err(failed)?;
        let mut next = Vec::new();
        for row in &rows {
            let name = column(row, 0).unwrap_or_default();
            if !known.insert(name.clone()) {
                continue;
            }
            let shown = perfdeck_model::masking::shown(&name);
            let Some(definition) = column(row, 1).filter(|text| !text.is_empty()) else {
                let user = account(address);
                let schema = quote_identifier(&column(row, 2).unwrap_or_default(), Dialect::Mysql);
                let why = format!(
                    "The statement is not run to measure it: what the view {shown} does is hidden from this user"
                );
                return Err(
                    ApiError::new(ErrorCode::Privilege, why).hint(format!("GRANT SHOW VIEW ON {schema}.* TO {user};"))
                );
            };
            if first_that_may_write(&definition, Dialect::Mysql).is_some() {
                return Err(refused(&format!("the view {shown} calls what may have an effect")));
            }
            next.extend(names_of(&definition)?);
        }
        if next.is_empty() {
            return Ok(());
        }
        uses = next;
    }
    Err(refused("its views stand on others that stand on others, too deep to follow"))
}
