//! What a database is, for the question whether two runs had the same one before them: its version, the settings that
//! are not its defaults, and how many rows its tables hold. No text of a setting that could hold a secret.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};
use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;

use crate::connect::{Database, close, connect, stalled};
use crate::error::explain;
use crate::session::Session;

const DEADLINE: Duration = Duration::from_secs(3);
/// Tables that are looked at, the largest first.
const TABLES: i32 = 50;

/// Facts by name: `version`, `setting.NAME`, `data.TABLE` (rows, as the database estimates them).
pub type Facts = BTreeMap<String, String>;

/// Asks a database what it is.
///
/// # Errors
/// When it cannot be reached or does not answer within 3 s.
pub async fn facts(address: &Address, password: Option<&Sensitive>) -> Result<Facts, ApiError> {
    let mut database = connect(address, password, DEADLINE).await?;
    let work = async {
        match &mut database {
            Database::Postgres(c) => postgres(c).await,
            Database::Mysql(c) => mysql(c).await,
            Database::Sqlite(c) => sqlite(c).await,
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    let stalled = stalled(address, &database, DEADLINE);
    close(database).await;
    match outcome {
        Ok(outcome) => outcome.map_err(|e| explain(address, &e)),
        Err(_) => Err(stalled),
    }
}

fn put_rows(facts: &mut Facts, table: &str, rows: f64) {
    facts.insert(format!("data.{table}"), format!("{rows:.0}"));
}

/// Numbers, switches and choices only: texts such as `primary_conninfo` may hold passwords.
async fn postgres(c: &mut Session) -> Result<Facts, sqlx::Error> {
    let mut facts = Facts::new();
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut *c).await?;
    facts.insert("version".to_owned(), format!("PostgreSQL {version}"));
    let settings = sqlx::query(
        "SELECT name, current_setting(name) FROM pg_settings
         WHERE setting IS DISTINCT FROM boot_val AND context <> 'internal' AND source NOT IN ('client', 'session')
           AND (vartype <> 'string' OR name = 'shared_preload_libraries')
           AND name NOT IN ('port', 'unix_socket_permissions', 'log_file_mode', 'logging_collector', 'syslog_facility')
         ORDER BY name",
    )
    .fetch_all(&mut *c)
    .await?;
    for row in settings {
        facts.insert(format!("setting.{}", row.try_get::<String, _>(0)?), row.try_get(1)?);
    }
    // Without parameters, so that it can be asked through a pooler too.
    let text = format!(
        "SELECT schemaname || '.' || relname, n_live_tup::float8 FROM pg_stat_user_tables
         ORDER BY n_live_tup DESC LIMIT {TABLES}"
    );
    let tables = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(c).await?;
    for row in tables {
        put_rows(&mut facts, &row.try_get::<String, _>(0)?, row.try_get(1)?);
    }
    Ok(facts)
}

/// Variables that change how fast a server is; there are hundreds, and most say where it lives.
const MYSQL_SETTINGS: &str = "'innodb_buffer_pool_size','innodb_log_file_size','innodb_redo_log_capacity',\
    'innodb_flush_log_at_trx_commit','innodb_flush_method','innodb_io_capacity','innodb_io_capacity_max',\
    'innodb_adaptive_hash_index','innodb_doublewrite','innodb_buffer_pool_instances','innodb_file_per_table','sync_binlog',\
    'log_bin','binlog_format','max_connections','query_cache_type','query_cache_size','tmp_table_size',\
    'max_heap_table_size','sort_buffer_size','join_buffer_size','read_buffer_size','read_rnd_buffer_size',\
    'table_open_cache','thread_cache_size','thread_handling','transaction_isolation','tx_isolation','optimizer_switch',\
    'slow_query_log','long_query_time','performance_schema','sql_mode'";

async fn mysql(c: &mut MySqlConnection) -> Result<Facts, sqlx::Error> {
    let mut facts = Facts::new();
    let version: String =
        sqlx::query_scalar("SELECT CONCAT(@@version_comment, ' ', VERSION())").fetch_one(&mut *c).await?;
    facts.insert("version".to_owned(), version);
    let text = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({MYSQL_SETTINGS})");
    for row in sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut *c).await? {
        if let (Some(name), Some(value)) = (crate::mysql::text(&row, 0), crate::mysql::text(&row, 1)) {
            facts.insert(format!("setting.{name}"), value);
        }
    }
    let tables = sqlx::query(
        "SELECT CAST(table_name AS CHAR), CAST(COALESCE(table_rows, 0) AS DOUBLE) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_rows DESC LIMIT ?",
    )
    .bind(TABLES)
    .fetch_all(c)
    .await?;
    for row in tables {
        put_rows(&mut facts, &crate::mysql::text(&row, 0).unwrap_or_default(), row.try_get(1)?);
    }
    Ok(facts)
}

/// The largest row number stands for the rows of a table: counting them would read it all.
async fn sqlite(c: &mut SqliteConnection) -> Result<Facts, sqlx::Error> {
    let mut facts = Facts::new();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *c).await?;
    facts.insert("version".to_owned(), format!("SQLite {version}"));
    for name in ["journal_mode", "page_size", "auto_vacuum"] {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(&mut *c).await?;
        let value = row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string()))?;
        facts.insert(format!("setting.{name}"), value);
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name LIMIT ?",
    )
    .bind(TABLES)
    .fetch_all(&mut *c)
    .await?;
    for table in tables {
        let name = perfdeck_sqltext::quote_identifier(&table, perfdeck_sqltext::Dialect::Sqlite);
        let text = format!("SELECT CAST(COALESCE(MAX(rowid), 0) AS REAL) FROM {name}");
        // A table without row numbers has no cheap answer.
        if let Ok(rows) = sqlx::query_scalar::<_, f64>(sqlx::AssertSqlSafe(text)).fetch_one(&mut *c).await {
            put_rows(&mut facts, &table, rows);
        }
    }
    Ok(facts)
}
