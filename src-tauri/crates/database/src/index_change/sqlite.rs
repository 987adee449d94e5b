//! In a SQLite file: one transaction each, which takes the write lock for as long as it lasts.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, FileMode, Scheme};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{IndexFigures, IndexPlan, IndexState, no_index, no_twin, refused};
use crate::error::explain;
use crate::options::sqlite_options;
use crate::trust;

/// Longest wait for others that write.
const BUSY: Duration = Duration::from_secs(5);

/// Indexes of all tables: name, table, who made it, unique, the columns with direction and collation (`NULL` with an
/// expression), the condition, the statement.
const INDEXES: &str = "
    SELECT il.name, m.name, il.origin, il.\"unique\",
           (SELECT CASE WHEN count(x.name) = count(*)
                   THEN group_concat(x.name || char(9) || x.desc || char(9) || x.coll, char(10)) END
            FROM (SELECT * FROM pragma_index_xinfo(il.name) WHERE key ORDER BY seqno) x),
           CASE WHEN il.partial THEN (SELECT lower(substr(s.sql, instr(lower(s.sql), ' where ')))
                                      FROM sqlite_schema s WHERE s.name = il.name AND s.type = 'index') END,
           (SELECT s.sql FROM sqlite_schema s WHERE s.name = il.name AND s.type = 'index')
    FROM sqlite_schema m, pragma_index_list(m.name) il
    WHERE m.type = 'table' ORDER BY m.name, il.name LIMIT 5000";

/// One of them.
struct Index {
    name: String,
    table: String,
    /// `c` when `CREATE INDEX` made it; others belong to constraints.
    origin: String,
    unique: bool,
    columns: Option<String>,
    condition: Option<String>,
    sql: Option<String>,
}

impl Index {
    /// Whether what this one serves and enforces is served and enforced by `other`.
    fn repeats(&self, other: &Self) -> bool {
        self.name != other.name
            && self.table == other.table
            && self.columns.is_some()
            && self.columns == other.columns
            && self.condition == other.condition
            && (!self.unique || other.unique)
    }
}

async fn open(address: &Address, write: bool) -> Result<SqliteConnection, ApiError> {
    let wanted = trust::wanted(address)?;
    if write && (wanted.mode == FileMode::ReadOnly || wanted.immutable) {
        return Err(ApiError::new(ErrorCode::Unsupported, format!("{} is opened to read only", address.short()))
            .hint("Leave mode=ro and immutable out of the address"));
    }
    // A file that is gone must not come back empty.
    let options = sqlite_options(address).create_if_missing(false).busy_timeout(BUSY);
    let options = if write { options } else { options.read_only(true) };
    options.connect().await.map_err(|e| explain(address, &e))
}

async fn indexes(c: &mut SqliteConnection) -> Result<Vec<Index>, sqlx::Error> {
    let rows = sqlx::query(INDEXES).fetch_all(c).await?;
    let index = |row: &SqliteRow| {
        Ok(Index {
            name: row.try_get(0)?,
            table: row.try_get(1)?,
            origin: row.try_get(2)?,
            unique: row.try_get::<i64, _>(3)? != 0,
            columns: row.try_get(4)?,
            condition: row.try_get(5)?,
            sql: row.try_get(6)?,
        })
    };
    rows.iter().map(index).collect()
}

/// The plan, from what is there now.
fn planned(all: &[Index], name: &str) -> Result<IndexPlan, ApiError> {
    let bare = name.strip_prefix("main.").unwrap_or(name);
    let own = all.iter().find(|i| i.name == bare).ok_or_else(|| no_index(name))?;
    let Some(definition) = own.sql.as_ref().filter(|_| own.origin == "c") else {
        return Err(refused(format!("'{bare}' belongs to a constraint of '{}' and is not dropped", own.table)));
    };
    // Those that enforce something first: they stay anyway.
    let twin = all.iter().filter(|i| own.repeats(i)).min_by_key(|i| (i.origin == "c", i.name.as_str()));
    let twin = twin.ok_or_else(|| no_twin(bare))?;
    Ok(IndexPlan {
        name: bare.to_owned(),
        repeats: twin.name.clone(),
        table: own.table.clone(),
        schema: "main".to_owned(),
        index: bare.to_owned(),
        definition: definition.clone(),
        comment: None,
        materialized: false,
        fillfactor: false,
    })
}

pub(super) async fn plan(address: &Address, name: &str) -> Result<IndexPlan, ApiError> {
    let mut c = open(address, false).await?;
    let all = indexes(&mut c).await.map_err(|e| explain(address, &e))?;
    let _ = c.close().await;
    planned(&all, name)
}

#[allow(clippy::cast_precision_loss)]
pub(super) async fn figures(address: &Address, plan: &IndexPlan) -> Result<IndexFigures, ApiError> {
    let mut c = open(address, false).await?;
    let sql = "SELECT pgsize FROM dbstat WHERE name = ? AND aggregate = TRUE";
    let bytes: Option<i64> =
        sqlx::query_scalar(sql).bind(&plan.index).fetch_optional(&mut c).await.map_err(|e| explain(address, &e))?;
    let _ = c.close().await;
    Ok(IndexFigures { bytes: bytes.map(|b| b as f64), ..IndexFigures::default() })
}

pub(super) async fn state(address: &Address, plan: &IndexPlan) -> Result<IndexState, ApiError> {
    let mut c = open(address, false).await?;
    let found = state_in(&mut c, plan).await.map_err(|e| explain(address, &e));
    let _ = c.close().await;
    found
}

async fn state_in(c: &mut SqliteConnection, plan: &IndexPlan) -> Result<IndexState, sqlx::Error> {
    let row = sqlx::query("SELECT type, sql FROM sqlite_schema WHERE name = ?").bind(&plan.index);
    let Some(row) = row.fetch_optional(&mut *c).await? else {
        let twin = indexes(c).await?.iter().any(|i| i.name == plan.repeats);
        return Ok(IndexState::Absent(twin));
    };
    let (kind, sql): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let same = kind == "index" && sql.as_deref() == Some(plan.definition.as_str());
    Ok(if same { IndexState::Present } else { IndexState::Differs })
}

/// Runs a statement within a transaction that holds the write lock from its beginning, after `check` of what is there.
async fn alter(
    address: &Address,
    plan: &IndexPlan,
    sql: String,
    check: impl FnOnce(&IndexState, &[Index]) -> Result<bool, ApiError>,
) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut c = open(address, true).await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut c).await.map_err(failed)?;
    let found = state_in(&mut c, plan).await.map_err(failed)?;
    let all = indexes(&mut c).await.map_err(failed)?;
    // What is dropped without COMMIT is rolled back.
    if check(&found, &all)? {
        // The name is quoted; a definition is the file's own.
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut c).await.map_err(failed)?;
        sqlx::raw_sql("COMMIT").execute(&mut c).await.map_err(failed)?;
    }
    let _ = c.close().await;
    Ok(())
}

pub(super) async fn drop(address: &Address, plan: &IndexPlan) -> Result<(), ApiError> {
    alter(address, plan, plan.statement(Scheme::Sqlite), |found, all| match found {
        IndexState::Absent(_) => Ok(false),
        IndexState::Present => planned(all, &plan.index).map(|_| true),
        _ => Err(refused(format!("'{}' is another one than was planned", plan.name))),
    })
    .await
}

pub(super) async fn create(address: &Address, plan: &IndexPlan) -> Result<(), ApiError> {
    alter(address, plan, plan.definition.clone(), |found, _| match found {
        IndexState::Absent(_) => Ok(true),
        IndexState::Present => Ok(false),
        _ => Err(refused(format!("Something else is called '{}' now", plan.name))),
    })
    .await
}
