//! In a SQLite file: one transaction each, which takes the write lock for as long as it lasts.
use std::time::Duration;

use perfdeck_model::{Address, AddressOptions, ApiError, ErrorCode, FileMode, IndexOrigin, Scheme};
use perfdeck_sqltext::{Dialect, Kind, tokens};
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::basis::{Basis, basis};
use super::sqlite_names::made;
use super::sqlite_run::Stop;
use super::{IndexFigures, IndexPlan, IndexState, Watch, no_index, no_twin, refused};
use crate::error::explain;
use crate::indexes::{Index, same_statement, sqlite_catalogue};
use crate::options::sqlite_options;
use crate::trust;

/// Longest wait for others that write.
const BUSY: Duration = Duration::from_secs(5);
/// Result code `SQLITE_READONLY_ROLLBACK`: a program that was killed in the middle of a transaction left its journal.
const LEFT: &str = "776";

pub(super) async fn open(address: &Address, write: bool) -> Result<SqliteConnection, ApiError> {
    let wanted = trust::wanted(address)?;
    if write && !may_write(&wanted) {
        return Err(ApiError::new(ErrorCode::Unsupported, format!("{} is opened to read only", address.short()))
            .hint("Leave mode=ro and immutable out of the address"));
    }
    // A file that is gone must not come back empty.
    let writing = sqlite_options(address).create_if_missing(false).busy_timeout(BUSY);
    let failed = |e: sqlx::Error| explain(address, &e);
    if write {
        return writing.connect().await.map_err(failed);
    }
    let mut c = writing.clone().read_only(true).connect().await.map_err(failed)?;
    match look(&mut c).await {
        // Nobody reads such a file before somebody who may write has rolled it back, which SQLite does for whoever opens it so.
        Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(LEFT) && may_write(&wanted) => {
            look(&mut writing.connect().await.map_err(failed)?).await.map_err(failed)?;
            look(&mut c).await.map_err(failed)?;
        }
        looked => looked.map_err(failed)?,
    }
    Ok(c)
}

/// Reads the beginning of the file.
async fn look(c: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("PRAGMA schema_version").execute(c).await.map(std::mem::drop)
}

fn may_write(wanted: &AddressOptions) -> bool {
    wanted.mode != FileMode::ReadOnly && !wanted.immutable
}

/// A name without its quotes, if all of it is one quoted name.
pub(super) fn unquoted(name: &str) -> Option<String> {
    let [only] = tokens(name, Dialect::Sqlite)[..] else { return None };
    let quote = name.chars().next().filter(|_| only.closed && matches!(only.kind, Kind::Name | Kind::Text))?;
    let inner = name.strip_prefix(quote)?;
    match quote {
        '[' => inner.strip_suffix(']').map(str::to_owned),
        _ => inner.strip_suffix(quote).map(|i| i.replace(&format!("{quote}{quote}"), &quote.to_string())),
    }
}

/// What follows the schema `main`, which may be quoted.
pub(super) fn without_schema(name: &str) -> Option<&str> {
    let [schema, dot, ..] = tokens(name, Dialect::Sqlite)[..] else { return None };
    let (schema, rest) = (&name[..schema.end], name[dot.start..].strip_prefix('.')?);
    let main = unquoted(schema).unwrap_or_else(|| schema.to_owned());
    main.eq_ignore_ascii_case("main").then_some(rest)
}

/// The index of a name: as it is stored, or as SQLite finds it, without regard to the case of ASCII letters. A name as a
/// finding has it goes before one with a schema or quotes.
fn named<'a>(all: &'a [Index], name: &str) -> Option<&'a Index> {
    let find = |name: &str| {
        let name_of = |i: &&Index| i.identity.name == name;
        all.iter().find(name_of).or_else(|| all.iter().find(|i| i.identity.name.eq_ignore_ascii_case(name)))
    };
    let rest = without_schema(name).unwrap_or(name);
    find(name).or_else(|| find(rest)).or_else(|| find(&unquoted(rest)?))
}

/// The plan for an index, from what is there now.
fn planned(all: &[Index], own: &Index) -> Result<IndexPlan, ApiError> {
    let (name, table) = (&own.identity.name, &own.identity.table);
    let made = own.identity.origin == IndexOrigin::Created;
    let Some(definition) = own.compared.definition.as_ref().filter(|_| made) else {
        return Err(refused(format!("'{name}' belongs to a constraint of '{table}' and is not dropped")));
    };
    let Basis { repeats, covered_by, .. } = basis(own, all)?;
    Ok(IndexPlan {
        name: name.clone(),
        repeats,
        covered_by,
        table: table.clone(),
        schema: "main".to_owned(),
        index: name.clone(),
        definition: definition.clone(),
        ..IndexPlan::default()
    })
}

pub(super) async fn plan(address: &Address, name: &str) -> Result<IndexPlan, ApiError> {
    let mut c = open(address, false).await?;
    let all = sqlite_catalogue(&mut c).await.map_err(|e| explain(address, &e))?.indexes;
    let mut plan = planned(&all, named(&all, name).ok_or_else(|| no_index(name))?)?;
    let made = made(&mut c, (&plan.table, &plan.index), &plan.definition).await;
    plan.made = Some(made.map_err(|e| explain(address, &e))?);
    let _ = c.close().await;
    Ok(plan)
}

pub(super) async fn figures(address: &Address, plan: &IndexPlan) -> Result<IndexFigures, ApiError> {
    let mut c = open(address, false).await?;
    let sql = "SELECT pgsize FROM dbstat WHERE name = ? AND aggregate = TRUE";
    let bytes: Option<i64> =
        sqlx::query_scalar(sql).bind(&plan.index).fetch_optional(&mut c).await.map_err(|e| explain(address, &e))?;
    let _ = c.close().await;
    let uncounted = Some("SQLite keeps no account of what its indexes are used for".to_owned());
    Ok(IndexFigures { bytes: bytes.map(|b| b as f64), uncounted, ..IndexFigures::default() })
}

pub(super) async fn state(address: &Address, plan: &IndexPlan) -> Result<IndexState, ApiError> {
    let mut c = open(address, false).await?;
    let found = state_in(&mut c, plan).await.map_err(|e| explain(address, &e));
    let _ = c.close().await;
    found
}

async fn state_in(c: &mut SqliteConnection, plan: &IndexPlan) -> Result<IndexState, sqlx::Error> {
    // As SQLite compares names. A trigger of that name is in nobody's way.
    let sql = "SELECT type, sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type <> 'trigger'";
    let Some(row) = sqlx::query(sql).bind(&plan.index).fetch_optional(&mut *c).await? else {
        let all = sqlite_catalogue(c).await?.indexes;
        let twin = all.iter().any(|i| Some(&i.identity.name) == plan.repeats.as_ref());
        return Ok(IndexState::Absent(twin));
    };
    let (kind, sql): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let same = kind == "index" && sql.is_some_and(|sql| same_statement(&sql, &plan.definition));
    Ok(if same { IndexState::Present } else { IndexState::Differs })
}

/// Runs a statement within a transaction that holds the write lock from its beginning, after `check` of what is there.
async fn alter(
    address: &Address,
    plan: &IndexPlan,
    (sql, creates): (String, bool),
    check: impl FnOnce(&IndexState, &[Index]) -> Result<bool, ApiError>,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut c = open(address, true).await?;
    let stop = Stop::of(&mut c).await.map_err(failed)?;
    let work = async {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut c).await.map_err(failed)?;
        let found = state_in(&mut c, plan).await.map_err(failed)?;
        let all = sqlite_catalogue(&mut c).await.map_err(failed)?.indexes;
        // What is dropped without COMMIT is rolled back.
        if !check(&found, &all)? {
            return Ok(());
        }
        // The name is quoted; a definition is the file's own.
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut c).await.map_err(failed)?;
        if creates {
            let own = (plan.table.as_str(), plan.index.as_str());
            let made = made(&mut c, own, &plan.definition).await.map_err(failed)?;
            made.same_as(plan.made.as_ref(), own)?;
        }
        if let Some(why) = stop.why() {
            return Err(why);
        }
        sqlx::raw_sql("COMMIT").execute(&mut c).await.map(std::mem::drop).map_err(failed)
    };
    let done = stop.through(work, &mut watch).await;
    // Until it is closed a transaction that failed is there.
    let _ = c.close().await;
    done
}

pub(super) async fn drop(address: &Address, plan: &IndexPlan, watch: Watch<'_>) -> Result<(), ApiError> {
    let check = |found: &IndexState, all: &[Index]| match found {
        IndexState::Absent(_) => Ok(false),
        IndexState::Present => {
            let own = all.iter().find(|i| i.identity.name.eq_ignore_ascii_case(&plan.index));
            let now = planned(all, own.ok_or_else(|| no_index(&plan.name))?)?;
            if now.repeats.is_none() && plan.repeats.is_some() { Err(no_twin(&plan.name)) } else { Ok(true) }
        }
        _ => Err(refused(format!("'{}' is another one than was planned", plan.name))),
    };
    alter(address, plan, (plan.statement(Scheme::Sqlite), false), check, watch).await
}

pub(super) async fn create(address: &Address, plan: &IndexPlan, watch: Watch<'_>) -> Result<(), ApiError> {
    // White space at its end is kept only before a semicolon.
    let end = if plan.definition.ends_with(|c: char| c.is_ascii_whitespace()) { ";" } else { "" };
    let check = |found: &IndexState, _: &[Index]| match found {
        IndexState::Absent(_) => Ok(true),
        IndexState::Present => Ok(false),
        _ => Err(refused(format!("Something else is called '{}' now", plan.name))),
    };
    alter(address, plan, (format!("{}{end}", plan.definition), true), check, watch).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_the_schema_are_taken_from_a_name() {
        for (written, name) in [
            ("\"My.Idx\"", Some("My.Idx")),
            ("\"a\"\"b\"", Some("a\"b")),
            ("`a``b`", Some("a`b")),
            ("[a b]", Some("a b")),
            ("'it''s'", Some("it's")),
            ("x'00'", None),
            ("plain", None),
            ("\"open", None),
            ("\"a\".\"b\"", None),
        ] {
            assert_eq!(unquoted(written).as_deref(), name, "{written}");
        }
        assert_eq!(without_schema("main.t'wo"), Some("t'wo"));
        assert_eq!(without_schema("\"Main\".\"My.Idx\""), Some("\"My.Idx\""));
        assert_eq!(without_schema("temp.ta"), None, "another schema is not this file");
        assert_eq!(without_schema("main"), None);
    }
}
