//! The size of an index that is there.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};

use crate::connect::{Database, close, connect, stalled};
use crate::error::explain;

/// Longest time to connect, and to be told.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(5);

/// Bytes of an index; `name` is what the server knows it by, with its schema and quoted where needed. `None` where it is not there, or the
/// engine does not tell (a SQLite without `dbstat`, MySQL and MariaDB, whose figures are as old as their statistics).
///
/// # Errors
/// When the database cannot be asked.
pub async fn index_bytes(address: &Address, password: Option<&Sensitive>, name: &str) -> Result<Option<f64>, ApiError> {
    let mut database = connect(address, password, CONNECT).await?;
    let work = async {
        match &mut database {
            Database::Postgres(c) => {
                let sql = "SELECT pg_catalog.pg_relation_size(to_regclass($1))::float8";
                sqlx::query_scalar(sql).bind(name).fetch_one(c).await
            }
            Database::Sqlite(c) => {
                let sql = "SELECT CAST(sum(pgsize) AS REAL) FROM dbstat WHERE name = ? AND aggregate = TRUE";
                let bare = name.rsplit_once('.').map_or(name, |(_, name)| name).trim_matches('"');
                Ok(sqlx::query_scalar(sql).bind(bare).fetch_one(c).await.unwrap_or(None))
            }
            Database::Mysql(_) => Ok(None),
        }
    };
    let told = match tokio::time::timeout(ANSWER, work).await {
        Ok(told) => told.map_err(|e| explain(address, &e)),
        Err(_) => Err(stalled(address, &database, ANSWER)),
    };
    close(database).await;
    told
}
