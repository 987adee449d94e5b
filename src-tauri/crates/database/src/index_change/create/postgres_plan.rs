//! Whether an index can be created on PostgreSQL, by its catalogue. Alters nothing.
use perfdeck_model::{Address, ApiError, IndexSpec, Sensitive, masking};
use perfdeck_sqltext::Dialect;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::super::postgres_check::may_create;
use super::super::postgres_session::{Mode, no_usage, not_a_standby, open, unqualified, why, why_no_owner};
use super::super::refused;
use super::postgres::{index_of, indexes_of};
use super::postgres_named::{path, with_schemas};
use super::postgres_shape::{Of, Shape, shape};
use super::{CreatePlan, columns, definition, full, method, name, partitions};
use crate::indexes::Index;
use crate::own;

/// What a table is, and whether the role may index it.
const TABLE: &str = "
    SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname), n.nspname::text, c.relname::text, c.relkind::text,
        c.relpersistence::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        pg_catalog.pg_get_userbyid(c.relowner)::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";

struct Table {
    oid: i64,
    name: String,
    schema: String,
    plain: String,
    columns: Vec<String>,
    materialized: bool,
    partitioned: bool,
    owner: String,
    /// Whether this user has what the owner has.
    is_own: bool,
}

impl Table {
    fn of(&self) -> Of<'_> {
        Of { table: &self.name, plain: &self.plain }
    }
}

/// Refuses columns that the table has not.
fn columns_there(table: &Table, spec: &IndexSpec) -> Result<(), ApiError> {
    match columns(spec).find(|name| !table.columns.iter().any(|column| column == name)) {
        Some(gone) => Err(ApiError::not_found(format!("{} has no column '{}'", table.name, masking::shown(gone)))),
        None => Ok(()),
    }
}

pub(super) fn no_table(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no table '{}'", masking::shown(name)))
        .hint("Write it with its schema where the search path does not find it: schema.table")
}

async fn table(address: &Address, c: &mut PgConnection, name: &str) -> Result<Table, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let found = sqlx::query(TABLE).bind(name).fetch_optional(&mut *c).await;
    own::add(address, 1.0, 0);
    let row = match found {
        Ok(Some(row)) => row,
        // A text that is no name names nothing.
        Ok(None) | Err(sqlx::Error::Database(_)) => {
            return Err(no_usage(address, c, name).await.unwrap_or_else(|| no_table(name)));
        }
        Err(error) => return Err(failed(error)),
    };
    let words = |at: usize| row.try_get::<String, _>(at).map_err(failed);
    let (full, schema, kind, persistence) = (words(1)?, words(2)?, words(4)?, words(5)?);
    let no = |what: &str| Err(refused(format!("{full} {what}")));
    match kind.as_str() {
        _ if schema.starts_with("pg_") || schema == "information_schema" => {
            return no("belongs to the server itself or to one session");
        }
        "r" | "m" | "p" => {}
        _ => return no("is no table and no materialized view"),
    }
    if persistence == "t" {
        return no("is a temporary table of a session");
    }
    Ok(Table {
        owner: words(8)?,
        is_own: row.try_get(6).map_err(failed)?,
        oid: row.try_get(0).map_err(failed)?,
        name: full,
        schema,
        plain: words(3)?,
        columns: row.try_get(7).map_err(failed)?,
        materialized: kind == "m",
        partitioned: kind == "p",
    })
}

/// The specification with operator classes as the catalogue writes them.
async fn classed(address: &Address, c: &mut PgConnection, spec: &IndexSpec) -> Result<IndexSpec, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let mut spec = spec.clone();
    let sql = "
        SELECT pg_catalog.pg_indexam_has_property(a.oid, 'can_order'), pg_catalog.pg_indexam_has_property(a.oid, 'can_include'),
            pg_catalog.pg_indexam_has_property(a.oid, 'can_multi_col')
        FROM pg_catalog.pg_am a WHERE a.amname = $1 AND a.amtype = 'i'";
    let row = sqlx::query(sql).bind(method(&spec)).fetch_optional(&mut *c).await.map_err(failed)?;
    own::add(address, 1.0, 0);
    let Some(row) = row else {
        return Err(ApiError::bad_request(format!(
            "The server knows no index of the kind '{}'",
            masking::shown(method(&spec))
        ))
        .hint("btree, hash, gin, gist, spgist and brin are always there; others come with extensions"));
    };
    let can = |at: usize| row.try_get::<Option<bool>, _>(at).map(|can| can == Some(true)).map_err(failed);
    let orders = spec.keys.iter().any(|key| key.descending || key.nulls_first.is_some());
    for (wanted, can, what) in [
        (orders, can(0)?, "keys in a direction"),
        (!spec.include.is_empty(), can(1)?, "further columns"),
        (spec.keys.len() > 1, can(2)?, "more than one key"),
    ] {
        if wanted && !can {
            return Err(ApiError::bad_request(format!("A {} index has no {what}", method(&spec))));
        }
    }
    let method = method(&spec).to_owned();
    for key in &mut spec.keys {
        let Some(class) = key.operator_class.take() else { continue };
        let (schema, name) = class.rsplit_once('.').map_or((None, class.as_str()), |(s, n)| (Some(unquoted(s)), n));
        let sql = "
            SELECT CASE WHEN o.opcdefault THEN '' ELSE format('%I.%I', n.nspname, o.opcname) END
            FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
            JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
            WHERE o.opcname = $1 AND a.amname = $2 AND n.nspname = coalesce($3, n.nspname)
            ORDER BY pg_catalog.pg_opclass_is_visible(o.oid) DESC LIMIT 1";
        let asked =
            sqlx::query_scalar::<_, String>(sql).bind(name).bind(&method).bind(schema).fetch_optional(&mut *c).await;
        own::add(address, 1.0, 0);
        let found = asked.map_err(failed)?.ok_or_else(|| {
            ApiError::bad_request(format!("There is no operator class '{}' for {method}", masking::shown(&class)))
                .hint("Those of an extension come with it: gin_trgm_ops with CREATE EXTENSION pg_trgm;")
        })?;
        key.operator_class = Some(found).filter(|class| !class.is_empty());
    }
    Ok(spec)
}

/// A name without the quotes that it may be written in.
fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|n| n.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// The first of some names that is free in a schema.
pub(super) async fn first_free(
    address: &Address,
    c: &mut PgConnection,
    schema: &str,
    wanted: &[String],
) -> Result<Option<String>, ApiError> {
    let sql = "SELECT w FROM unnest($1::text[]) WITH ORDINALITY x(w, at)
               WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                 WHERE n.nspname = $2 AND c.relname = w) ORDER BY at LIMIT 1";
    let free = sqlx::query_scalar(sql).bind(wanted).bind(schema).fetch_optional(c).await;
    own::add(address, 1.0, 0);
    free.map_err(|e| why(address, &e))
}

/// Its name, and the same as the server writes it.
async fn free_name(
    address: &Address,
    c: &mut PgConnection,
    (table, spec): (&Table, &IndexSpec),
    all: &[Index],
) -> Result<(String, String), ApiError> {
    let wanted = match &spec.name {
        Some(name) if name.len() > name::LONGEST => {
            return Err(ApiError::bad_request(format!("The name of the index is longer than {} bytes", name::LONGEST)));
        }
        Some(name) => vec![name.clone()],
        None => name::candidates(&table.plain, spec),
    };
    let first = wanted.first().cloned().unwrap_or_default();
    let found = first_free(address, c, &table.schema, &wanted).await?;
    let name = found.clone().unwrap_or_else(|| first.clone());
    let shown = sqlx::query_scalar("SELECT format('%I.%I', $1::text, $2::text)").bind(&table.schema).bind(&name);
    let shown: String = shown.fetch_one(c).await.map_err(|e| why(address, &e))?;
    if found.is_some() {
        return Ok((name, shown));
    }
    Err(match all.iter().find(|index| !index.identity.valid && index.identity.name == shown) {
        Some(_) => refused(format!("'{first}' is there and invalid: an earlier build was cut off, or goes on now"))
            .hint("CREATE INDEX IF NOT EXISTS would call that done. Drop it first, or give another name"),
        None => refused(format!("Something is called '{first}' already")).hint("Give another name"),
    })
}

/// The statement as its table takes it while others write.
fn concurrently(statement: &str, table: &Table) -> String {
    if table.partitioned { statement.to_owned() } else { statement.replacen("INDEX", "INDEX CONCURRENTLY", 1) }
}

pub(super) async fn plan(
    address: &Address,
    password: Option<&Sensitive>,
    spec: &IndexSpec,
) -> Result<CreatePlan, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    not_a_standby(address, &mut c).await?;
    let table = table(address, &mut c, &spec.table).await?;
    columns_there(&table, spec)?;
    // Operator classes by the role's own search path; from then on every name has its schema.
    let spec = classed(address, &mut c, spec).await?;
    if !table.is_own {
        let name = spec.name.clone().or_else(|| name::candidates(&table.plain, &spec).into_iter().next());
        let statement = definition(&spec, &name.unwrap_or_default(), &table.name, Dialect::Postgres);
        return Err(why_no_owner(address, &mut c, (&table.name, &table.owner), &concurrently(&statement, &table)).await);
    }
    let path = path(address, &mut c).await?;
    unqualified(address, &mut c).await?;
    let (spec, shape) = match shape(address, &mut c, table.of(), &spec).await {
        Ok(shape) => (spec, shape),
        Err(error) => {
            let named = with_schemas(address, &mut c, (table.of(), &spec), &path).await?;
            let spec = named.ok_or(error)?;
            let shape = shape(address, &mut c, table.of(), &spec).await?;
            (spec, shape)
        }
    };
    may_create(address, &mut c, (&table.name, &table.schema), "").await?;
    let all = indexes_of(address, &mut c, table.oid).await?;
    let (index, shown) = free_name(address, &mut c, (&table, &spec), &all).await?;
    let quoted = full(&table.schema, &index, Dialect::Postgres);
    let (definition, parts) = if table.partitioned {
        let parts = partitions::parts(address, &mut c, (&table.name, table.oid), (&spec, &quoted)).await?;
        (partitions::of_parent(&spec, &index, &table.name), parts)
    } else {
        (definition(&spec, &index, &table.name, Dialect::Postgres), Vec::new())
    };
    let _ = c.close().await;
    let mut plan = CreatePlan {
        name: shown,
        definition,
        table: table.name,
        schema: table.schema,
        index,
        spec,
        materialized: table.materialized,
        partitioned: table.partitioned,
        parts,
        ..CreatePlan::default()
    };
    plan.covered_by = beside(&mut plan, shape, &all)?;
    Ok(plan)
}

/// Refuses an index that another one serves already, by what the server made of it where that was tried; an index that begins with its keys
/// is told.
fn beside(plan: &mut CreatePlan, shape: Shape, all: &[Index]) -> Result<Option<String>, ApiError> {
    match shape {
        Shape::Made(mut made) => {
            plan.unconditional = plan.spec.predicate.is_some() && !made.identity.partial;
            made.identity.name.clone_from(&plan.name);
            made.identity.table.clone_from(&plan.table);
            made.identity.partitioned = plan.partitioned;
            super::beside(&made, all)
        }
        Shape::Untried(why) => {
            plan.unchecked = Some(why);
            super::beside(&index_of(plan), all)
        }
    }
}

/// Asks again, right before it is applied, whether all that the plan rests on is so: table and columns, what the server takes, and that no other
/// index serves it.
pub(super) async fn again(address: &Address, c: &mut PgConnection, plan: &CreatePlan) -> Result<(), ApiError> {
    let table = table(address, c, &plan.table).await?;
    columns_there(&table, &plan.spec)?;
    let shape = shape(address, c, table.of(), &plan.spec).await?;
    let mut all = indexes_of(address, c, table.oid).await?;
    all.retain(|index| index.identity.name != plan.name);
    beside(&mut plan.clone(), shape, &all).map(drop)
}
