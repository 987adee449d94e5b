//! Bloat of one index, measured by the server's extension pgstattuple, which reads all of the index.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ErrorCode, IndexBloat, MeasuredBloat, Scheme, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::Row as _;
use uuid::Uuid;

use crate::connect::{Database, close, connect, silent, unanswered};
use crate::error::explain;
use crate::hints::again;
use crate::own;
use crate::session::Session;

/// Longest time to connect and to ask what it costs.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest time of measuring; a disk that reads 200 MB/s gets through 12 GB of an index meanwhile.
const LONGEST: Duration = Duration::from_secs(60);

/// The index: its name, kind, pages, fillfactor; where the extension is, whether this user may run it, and whether it could be
/// created. A name that is none finds nothing.
const INDEX: &str = "
    SELECT format('%I.%I', n.nspname, c.relname), a.amname::text, c.relkind::text,
           c.relpages::float8 * current_setting('block_size')::float8,
           coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'fillfactor'), 90) / 100,
           (SELECT en.nspname::text FROM pg_extension e JOIN pg_namespace en ON en.oid = e.extnamespace
            WHERE e.extname = 'pgstattuple'),
           coalesce((SELECT has_schema_privilege(p.pronamespace, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
                     FROM pg_proc p JOIN pg_extension e ON e.extname = 'pgstattuple' AND p.pronamespace = e.extnamespace
                     WHERE p.proname = 'pgstatindex' AND p.proargtypes::text = '2205'), false),
           EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'), c.oid::int8,
           pg_stat_get_dead_tuples(i.indrelid)::float8
    FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
    WHERE c.relkind IN ('i', 'I') AND c.oid = to_regclass($NAME)";

/// What measuring the bloat of an index costs, and whether it is possible. `index` is its name as [`sizes`](super::sizes)
/// writes it.
///
/// # Errors
/// When there is no such index, or the database is none of PostgreSQL.
pub async fn index_bloat(address: &Address, password: Option<&Sensitive>, index: &str) -> Result<IndexBloat, ApiError> {
    checked(address, index)?;
    let mut database = connect(address, password, DEADLINE).await?;
    own::add(address, 1.0, 1);
    let outcome = match &mut database {
        Database::Postgres(c) => asked(c, address, index).await.map(|(cost, _)| cost),
        Database::Mysql(_) | Database::Sqlite(_) => Err(ApiError::internal("not PostgreSQL")),
    };
    close(database).await;
    outcome
}

/// Measures the bloat of an index, until `stop` is there: then the server's statement is cancelled.
///
/// # Errors
/// Those of [`index_bloat`]; when measuring is not possible, somebody locks the index, it takes longer than 60 s, or it was
/// stopped.
pub async fn measure_bloat(
    address: &Address,
    password: Option<&Sensitive>,
    index: &str,
    stop: impl Future<Output = ()>,
) -> Result<IndexBloat, ApiError> {
    checked(address, index)?;
    let mut database = connect(address, password, DEADLINE).await?;
    own::add(address, 1.0, 1);
    let mark = format!("perfdeck measures {}", Uuid::new_v4().simple());
    let outcome = {
        let work = async {
            match &mut database {
                Database::Postgres(c) => bloat(c, address, index, &mark).await,
                Database::Mysql(_) | Database::Sqlite(_) => Err(ApiError::internal("not PostgreSQL")),
            }
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            outcome = &mut work => outcome,
            () = stop => {
                cancel(address, password, &mark).await;
                // It ends with the server's own word, or was through already; what does not end is given up.
                let ended = tokio::time::timeout(DEADLINE, &mut work).await;
                match ended {
                    Ok(Ok(found)) => Ok(found),
                    _ => Err(ApiError::new(ErrorCode::Cancelled, "Measuring was stopped before its end")),
                }
            }
        }
    };
    close(database).await;
    outcome
}

/// Cancels the measurement of this mark on the server: by its text, since a pooler hides which session has it. A measurement that
/// is not found there is over.
async fn cancel(address: &Address, password: Option<&Sensitive>, mark: &str) {
    let text = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE {}",
        quote_text(&format!("%{mark}%"), Dialect::Postgres)
    );
    let work = async {
        let mut database = connect(address, password, DEADLINE).await?;
        own::add(address, 1.0, 1);
        let asked = match &mut database {
            Database::Postgres(c) => sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut *c).await.map(drop),
            Database::Mysql(_) | Database::Sqlite(_) => Ok(()),
        };
        close(database).await;
        asked.map_err(|e| explain(address, &e))
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(())) => {}
        // Its own limit ends it then.
        Ok(Err(error)) => tracing::warn!(target: "perfdeck::database", %error, "a measurement was not cancelled"),
        Err(_) => tracing::warn!(target: "perfdeck::database", "a measurement was not cancelled in time"),
    }
}

/// Refuses what is no index of PostgreSQL.
fn checked(address: &Address, index: &str) -> Result<(), ApiError> {
    if address.scheme != Scheme::Postgres {
        let message = format!("{} does not measure the bloat of an index", address.scheme.product());
        return Err(ApiError::new(ErrorCode::Unsupported, message)
            .hint("PostgreSQL does, with its extension pgstattuple; the sizes here have what this database tells"));
    }
    if index.is_empty() || index.len() > 300 {
        return Err(ApiError::bad_request("An index is named with its schema, such as public.orders_pkey"));
    }
    Ok(())
}

/// What measuring takes beside its cost.
struct How {
    schema: String,
    oid: i64,
    fillfactor: f64,
}

async fn bloat(c: &mut Session, address: &Address, index: &str, mark: &str) -> Result<IndexBloat, ApiError> {
    let (mut found, how) = asked(c, address, index).await?;
    match how {
        Some(how) => {
            found.measured = Some(measured(c, address, &how, mark).await?);
            Ok(found)
        }
        None => {
            let code = if right_missing(&found) { ErrorCode::Privilege } else { ErrorCode::Unsupported };
            let error = ApiError::new(code, found.refused.unwrap_or_default());
            Err(match found.fix {
                Some(fix) => error.hint(fix),
                None => error,
            })
        }
    }
}

/// What it costs; how it is measured, where that is possible.
async fn asked(c: &mut Session, address: &Address, index: &str) -> Result<(IndexBloat, Option<How>), ApiError> {
    let text = INDEX.replace("$NAME", &quote_text(index, Dialect::Postgres));
    own::add(address, 1.0, 0);
    let question = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_optional(&mut *c);
    let row = tokio::time::timeout(DEADLINE, question).await;
    let row = row.map_err(|_| unanswered(address, c, DEADLINE))?;
    let failed = |e: sqlx::Error| why(address, &e);
    let none =
        || ApiError::not_found("There is no such index").hint("Name it with its schema, as the list of sizes does");
    let row = row.map_err(failed)?.ok_or_else(none)?;
    let text = |at: usize| row.try_get::<Option<String>, _>(at).map_err(failed);
    let (kind, relation) = (text(1)?.unwrap_or_default(), text(2)?.unwrap_or_default());
    let (schema, may) = (text(5)?, row.try_get::<bool, _>(6).map_err(failed)?);
    let available: bool = row.try_get(7).map_err(failed)?;
    // Pages are as of the last VACUUM or ANALYZE; the file tells how many there are, unless somebody locks the index.
    let oid: i64 = row.try_get(8).map_err(failed)?;
    own::add(address, 1.0, 0);
    let sql = format!("SELECT pg_relation_size({oid}::oid)::float8");
    let size = match sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *c).await {
        Ok(row) => row.try_get::<Option<f64>, _>(0).map_err(failed)?,
        Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("55P03") => None,
        Err(error) => return Err(failed(error)),
    };
    let mut found = IndexBloat {
        index: text(0)?.unwrap_or_default(),
        reads_bytes: size.map_or_else(|| row.try_get(3).map_err(failed), Ok)?,
        dead_rows: row.try_get(9).map_err(failed)?,
        ..IndexBloat::default()
    };
    let user = quote_identifier(address.username.as_deref().unwrap_or("perfdeck"), Dialect::Postgres);
    let (refused, fix) = match &schema {
        _ if relation == "I" => ("It is the index of a partitioned table: measure those of its partitions", None),
        _ if kind != "btree" => ("Only a B-tree is measured", None),
        None if available => (
            "The extension pgstattuple is not created in this database",
            Some("CREATE EXTENSION pgstattuple;".to_owned()),
        ),
        None => ("The extension pgstattuple is not installed on the server: its package is postgresql-contrib", None),
        Some(_) if !may => ("This user may not run pgstatindex", Some(format!("GRANT pg_stat_scan_tables TO {user};"))),
        Some(_) => ("", None),
    };
    found.fix = fix;
    if !refused.is_empty() {
        found.refused = Some(refused.to_owned());
    }
    let Some(schema) = schema.filter(|_| refused.is_empty()) else { return Ok((found, None)) };
    let (oid, fillfactor) = (row.try_get(8).map_err(failed)?, row.try_get(4).map_err(failed)?);
    Ok((found, Some(How { schema, oid, fillfactor })))
}

/// Whether a right is what is missing.
fn right_missing(found: &IndexBloat) -> bool {
    found.fix.as_ref().is_some_and(|fix| fix.starts_with("GRANT"))
}

async fn measured(c: &mut Session, address: &Address, how: &How, mark: &str) -> Result<MeasuredBloat, ApiError> {
    // One message is one transaction, so that its limits end with it, through a pooler too.
    let text = format!(
        "SET /* {mark} */ LOCAL statement_timeout = {}; SET LOCAL lock_timeout = 200;
         SELECT leaf_pages::float8, empty_pages::float8, deleted_pages::float8, avg_leaf_density::float8
         FROM {}.pgstatindex({}::regclass)",
        LONGEST.as_millis(),
        quote_identifier(&how.schema, Dialect::Postgres),
        how.oid
    );
    own::add(address, 1.0, 0);
    let started = Instant::now();
    let question = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_all(c);
    let limit = LONGEST + DEADLINE;
    let rows = tokio::time::timeout(limit, question).await.map_err(|_| silent(address, limit))?;
    let failed = |e: sqlx::Error| why(address, &e);
    let rows = rows.map_err(failed)?;
    let row = rows.last().ok_or_else(|| ApiError::internal("pgstatindex answered nothing"))?;
    let n = |at: usize| row.try_get::<f64, _>(at).map_err(failed);
    // An index without entries has no density.
    let density = n(3)?;
    let density = if density.is_finite() { density / 100.0 } else { 0.0 };
    let (leaf_pages, empty_pages, deleted_pages) = (n(0)?, n(1)?, n(2)?);
    let pages = leaf_pages + empty_pages + deleted_pages;
    Ok(MeasuredBloat {
        bloat: if pages > 1.0 { (1.0 - leaf_pages * density / (how.fillfactor * pages)).clamp(0.0, 1.0) } else { 0.0 },
        density,
        fillfactor: how.fillfactor,
        leaf_pages,
        deleted_pages,
        empty_pages,
        took_ms: started.elapsed().as_secs_f64() * 1e3,
        at_ms: 0.0,
    })
}

fn why(address: &Address, error: &sqlx::Error) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    match e.code().as_deref() {
        Some("55P03") => again(ErrorCode::Timeout, "The index is locked exclusively by somebody else".to_owned())
            .hint("It is being built, dropped or rebuilt; measure it when that has ended"),
        Some("57014") => {
            again(ErrorCode::Timeout, format!("Measuring took longer than {} s and was ended", LONGEST.as_secs()))
                .hint("Measure it at a quieter time, or run pgstatindex by hand")
        }
        // 0A000: a name of three parts, the first another database's.
        Some("42602" | "22023" | "42601" | "0A000") => ApiError::bad_request("This is no name of an index")
            .hint("Name it with its schema, as the list of sizes does"),
        _ => explain(address, error),
    }
}
