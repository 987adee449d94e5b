//! Whether an index of PostgreSQL can be dropped and created again exactly, by its catalogue.
use perfdeck_model::{Address, ApiError, ErrorCode};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::basis::{Basis, basis};
use super::postgres_session::{user, why, why_no_owner};
use super::{IndexPlan, no_index, no_twin, refused};
use crate::indexes::{Index, Scope, Work, mark_work, postgres_catalogue};
use crate::own;

/// Everything about one index. `to_jsonb` reads columns that older servers do not have.
const INDEX: &str = "
    SELECT format('%I.%I', n.nspname, c.relname), n.nspname::text, c.relname::text, format('%I.%I', tn.nspname, t.relname),
        c.relkind::text, (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits h
         JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE h.inhrelid = c.oid LIMIT 1), i.indisvalid AND i.indisready AND i.indislive,
        i.indisreplident, i.indisclustered, i.indisexclusion OR i.indisprimary,
        (SELECT format('''%s'' of %I.%I', x.conname, xn.nspname, xt.relname) FROM pg_catalog.pg_constraint x
         JOIN pg_catalog.pg_class xt ON xt.oid = x.conrelid JOIN pg_catalog.pg_namespace xn ON xn.oid = xt.relnamespace
         WHERE x.conindid = i.indexrelid ORDER BY x.conrelid <> i.indrelid, x.oid LIMIT 1),
        (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace),
        pg_catalog.pg_get_indexdef(c.oid), pg_catalog.obj_description(c.oid, 'pg_class'),
        pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget > 0),
        pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
        (SELECT e.extname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'x')
           AND d.refclassid = 'pg_catalog.pg_extension'::regclass LIMIT 1),
        t.relkind = 'm', pg_catalog.pg_get_userbyid(c.relowner)::text
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    WHERE c.oid = $1::int8::oid";

/// The plan, if the index can be dropped. `before` is what was planned, when it is asked again: what that rested on must still be
/// so, and one that is invalid by now is what an attempt that was cut off left.
pub(super) async fn check(
    address: &Address,
    c: &mut PgConnection,
    oid: i64,
    before: Option<&IndexPlan>,
) -> Result<IndexPlan, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let row = sqlx::query(INDEX).bind(oid).fetch_optional(&mut *c).await.map_err(failed)?;
    let row = row.ok_or_else(|| refused("It is no index, or it went away just now".to_owned()))?;
    let plan = read(&row).map_err(failed)?;
    rests(address, &row, &plan)?;
    let flag = |at: usize| row.try_get::<bool, _>(at).map_err(failed);
    if !flag(14)? {
        let owner: String = row.try_get(19).map_err(failed)?;
        return Err(why_no_owner(address, &plan.table, Some(&owner)));
    }
    let valid = flag(6)?;
    let was_left = before.is_some_and(|plan| plan.left_over);
    if valid && was_left {
        return Err(refused(format!("'{}' is valid by now", plan.name)).hint("Plan it again"));
    }
    let all = table_of(address, c, oid).await?;
    let index = all.iter().find(|i| i.compared.oid == oid).ok_or_else(|| no_index(&plan.name))?;
    if !valid && before.is_none_or(|plan| plan.left_over) {
        idle(index)?;
        return Ok(IndexPlan { left_over: true, ..plan });
    }
    lost(address, &row, &plan)?;
    if !flag(16)? {
        return Err(no_create(address, &plan.schema));
    }
    let Basis { repeats, fillfactor, covered_by, differs } = basis(index, &all)?;
    if repeats.is_none() && before.is_some_and(|plan| plan.repeats.is_some()) {
        return Err(no_twin(&plan.name));
    }
    Ok(IndexPlan { repeats, covered_by, differs, fillfactor, clustered: flag(8)?, ..plan })
}

/// All indexes of the table of one: what they are compared by is one thing for the findings and for this.
async fn table_of(address: &Address, c: &mut PgConnection, oid: i64) -> Result<Vec<Index>, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let version = c.server_version_num().unwrap_or(120_000);
    let (mut all, _, asked) = postgres_catalogue(c, version, Scope::TableOf(oid)).await.map_err(failed)?;
    let (_, more) = mark_work(c, &mut all).await.map_err(failed)?;
    own::add(address, f64::from(asked + more) + 1.0, 0);
    Ok(all)
}

/// Refuses an invalid index that somebody builds or drops at this moment.
fn idle(index: &Index) -> Result<(), ApiError> {
    let name = &index.identity.name;
    match index.compared.work {
        Work::None => Ok(()),
        Work::Now => Err(refused(format!("'{name}' is not valid yet or any more: a session builds or drops it now"))
            .hint("Wait for it; what it leaves can be dropped afterwards")),
        Work::Hidden => Err(refused(format!(
            "'{name}' is invalid, and somebody works on its table and hides from this user what he does"
        ))
        .hint("It may be in the making; GRANT pg_monitor to the user, or wait")),
    }
}

/// Refuses to drop an index on which something rests.
pub(super) async fn rests_on(address: &Address, c: &mut PgConnection, oid: i64) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let row = sqlx::query(INDEX).bind(oid).fetch_optional(c).await.map_err(failed)?;
    own::add(address, 1.0, 0);
    let row = row.ok_or_else(|| refused("It is no index, or it went away just now".to_owned()))?;
    rests(address, &row, &read(&row).map_err(failed)?)
}

/// Refuses what belongs to something, and what something rests on.
fn rests(address: &Address, row: &PgRow, plan: &IndexPlan) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let flag = |at: usize| row.try_get::<bool, _>(at).map_err(failed);
    let words = |at: usize| row.try_get::<Option<String>, _>(at).map_err(failed);
    let name = &plan.name;
    if plan.schema.starts_with("pg_") || plan.schema == "information_schema" {
        return Err(refused(format!("'{name}' belongs to the server itself")));
    }
    if let Some(parent) = words(5)? {
        return Err(refused(format!("'{name}' is the part of '{parent}' for one partition, and goes with that alone")));
    }
    if words(4)?.as_deref() != Some("i") {
        return Err(refused(format!(
            "'{name}' belongs to the partitioned table {}: it goes with those of all partitions at once, for which reads and writes of \
             all of them wait, so it is not dropped here",
            plan.table
        ))
        .hint(format!("DROP INDEX {name}; with a short lock_timeout, when nobody reads or writes for long")));
    }
    if let Some(constraint) = words(10)? {
        return Err(refused(format!("The constraint {constraint} rests on '{name}'")));
    }
    if flag(9)? {
        return Err(refused(format!("'{name}' enforces a primary key or an exclusion of {}", plan.table)));
    }
    if flag(7)? {
        return Err(refused(format!("'{name}' is the replica identity of {}", plan.table)));
    }
    Ok(())
}

/// Refuses what creating the index again would not bring back.
fn lost(address: &Address, row: &PgRow, plan: &IndexPlan) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let words = |at: usize| row.try_get::<Option<String>, _>(at).map_err(failed);
    let name = &plan.name;
    if words(11)?.is_some() {
        return Err(refused(format!("'{name}' has a tablespace of its own, which creating it again would lose")));
    }
    if row.try_get::<bool, _>(15).map_err(failed)? {
        return Err(refused(format!("'{name}' has statistics targets of its own, which creating it again would lose")));
    }
    if let Some(extension) = words(17)? {
        return Err(refused(format!(
            "'{name}' depends on the extension '{extension}', which creating it again would lose"
        )));
    }
    Ok(())
}

/// Asks whether the user may create the index, before anything is sent.
pub(super) async fn may_create(
    address: &Address,
    c: &mut PgConnection,
    table: &str,
    schema: &str,
) -> Result<(), ApiError> {
    let sql = "
        SELECT coalesce((SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class
                         WHERE oid = to_regclass($1)), true),
               coalesce((SELECT pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace
                         WHERE nspname = $2), true),
               (SELECT pg_catalog.pg_get_userbyid(relowner)::text FROM pg_catalog.pg_class WHERE oid = to_regclass($1))";
    let asked = sqlx::query_as::<_, (bool, bool, Option<String>)>(sql).bind(table).bind(schema).fetch_one(c).await;
    own::add(address, 1.0, 0);
    match asked.map_err(|e| why(address, &e))? {
        (false, _, owner) => Err(why_no_owner(address, table, owner.as_deref())),
        (_, false, _) => Err(no_create(address, schema)),
        (true, true, _) => Ok(()),
    }
}

fn no_create(address: &Address, schema: &str) -> ApiError {
    let (user, at) = (user(address), address.short());
    let (quoted, role) = (quote_identifier(schema, Dialect::Postgres), quote_identifier(user, Dialect::Postgres));
    ApiError::new(
        ErrorCode::Privilege,
        format!(
            "'{user}' lacks CREATE on the schema {quoted} of {at}, without which the index cannot be created again"
        ),
    )
    .hint(format!("GRANT CREATE ON SCHEMA {quoted} TO {role};"))
}

fn read(row: &PgRow) -> Result<IndexPlan, sqlx::Error> {
    Ok(IndexPlan {
        name: row.try_get(0)?,
        table: row.try_get(3)?,
        schema: row.try_get(1)?,
        index: row.try_get(2)?,
        definition: row.try_get(12)?,
        comment: row.try_get(13)?,
        materialized: row.try_get(18)?,
        ..IndexPlan::default()
    })
}
