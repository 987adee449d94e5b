//! An index of a partitioned table of PostgreSQL, which no server builds concurrently: it is made on the parent alone, invalid, then
//! built on each partition beside reads and writes, and attached. With the last of them the server calls the parent's valid.
//!
//! What is cut off in the middle is known by the names in the plan: it is brought to its end, or taken away.
use std::collections::{HashMap, HashSet};

use perfdeck_model::{Address, ApiError, IndexSpec, Sensitive};
use perfdeck_sqltext::Dialect;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::super::postgres::limits;
use super::super::postgres_build::{Building, build as create};
use super::super::postgres_run::run;
use super::super::postgres_session::{NAME, why, why_no_owner};
use super::super::{Watch, refused};
use super::postgres_plan::first_free;
use super::{Built, CreatePlan, Part, concurrently, definition, full, name};
use crate::own;

/// Partitions of one table, at most.
const MOST: usize = 1_000;
/// Partitions whose statements are shown.
const SHOWN: usize = 50;
/// How often a lock of two seconds is tried for a statement that takes a moment.
const TRIES: usize = 5;

/// The partitions of a table, those above before those below.
const TREE: &str = "
    SELECT t.relid::oid::int8, t.parentrelid::oid::int8, format('%I.%I', n.nspname, c.relname), n.nspname::text, c.relname::text,
        c.relkind::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)::text
    FROM pg_catalog.pg_partition_tree(to_regclass($1)) t JOIN pg_catalog.pg_class c ON c.oid = t.relid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.level > 0 ORDER BY t.level, n.nspname, c.relname";

/// What is there of the indexes of a plan, one a row in its order: whether the partition is there, whether the name is taken, by an
/// index of that partition, whether that is valid and attached.
const THERE: &str = "
    SELECT to_regclass(w.partition) IS NOT NULL, c.oid IS NOT NULL, coalesce(i.indrelid = to_regclass(w.partition), false),
        coalesce(i.indisvalid AND i.indisready, false), EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid)
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w(partition, schema, name, at)
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid ORDER BY w.at";

/// The session of Perfdeck's that builds or drops one of them, by the beginning of its statement that the server shows.
const AT_WORK: &str = "
    SELECT a.pid FROM pg_catalog.pg_stat_activity a
    WHERE a.application_name = $1 AND a.state = 'active' AND a.datname = current_database()
      AND a.query <> '' AND EXISTS (SELECT FROM unnest($2::text[]) w(sql) WHERE starts_with(w.sql, a.query)) LIMIT 1";

/// The statement that makes the parent's, which has no entries.
pub(super) fn of_parent(spec: &IndexSpec, index: &str, table: &str) -> String {
    definition(spec, index, &format!("ONLY {table}"), Dialect::Postgres)
}

impl Part {
    fn quoted(&self) -> String {
        full(&self.schema, &self.index, Dialect::Postgres)
    }

    fn creates(&self) -> String {
        if self.partitioned { self.definition.clone() } else { concurrently(&self.definition) }
    }

    /// What takes it away again while it is not attached.
    fn drops(&self) -> String {
        format!("DROP INDEX {}{}", if self.partitioned { "" } else { "CONCURRENTLY " }, self.quoted())
    }

    fn attaches(&self) -> String {
        format!("ALTER INDEX {} ATTACH PARTITION {}", self.parent, self.quoted())
    }
}

/// All that is sent, one statement a line.
pub(super) fn statement(plan: &CreatePlan) -> String {
    let parts = plan.parts.iter().take(SHOWN).flat_map(|part| [part.creates(), part.attaches()]);
    let mut all: Vec<String> = std::iter::once(plan.definition.clone()).chain(parts).collect();
    if let Some(more @ 1..) = plan.parts.len().checked_sub(SHOWN) {
        all.push(format!("-- and {} likewise", perfdeck_words::plural(more as i64, "partition")));
    }
    all.join(";\n")
}

/// The partitions of a table, with a name for the index of each. `above` is the parent's index, as the server writes it.
pub(super) async fn parts(
    address: &Address,
    c: &mut PgConnection,
    (table, oid): (&str, i64),
    (spec, above): (&IndexSpec, &str),
) -> Result<Vec<Part>, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let rows = sqlx::query(TREE).bind(table).fetch_all(&mut *c).await.map_err(failed)?;
    own::add(address, 1.0 + rows.len() as f64, 0);
    if rows.len() > MOST {
        let n = perfdeck_words::count(rows.len() as i64);
        return Err(refused(format!("{table} has {n} partitions, and no more than {MOST} are indexed at once"))
            .hint("Create it on each partition first, then on the parent by hand"));
    }
    let (mut all, mut used) = (Vec::with_capacity(rows.len()), HashSet::new());
    let mut indexes: HashMap<i64, String> = HashMap::from([(oid, above.to_owned())]);
    for row in rows {
        let words = |at: usize| row.try_get::<String, _>(at).map_err(failed);
        let (partition, schema, kind) = (words(2)?, words(3)?, words(5)?);
        if kind == "f" {
            return Err(refused(format!("{partition}, a partition of {table}, is a foreign table and has no indexes")));
        }
        if !row.try_get::<bool, _>(6).map_err(failed)? {
            let name = name::candidates(&words(4)?, &IndexSpec { name: None, ..spec.clone() }).into_iter().next();
            let statement = definition(spec, &name.unwrap_or_default(), &partition, Dialect::Postgres);
            return Err(why_no_owner(address, c, (&partition, &words(7)?), &statement).await);
        }
        let mut wanted = name::candidates(&words(4)?, &IndexSpec { name: None, ..spec.clone() });
        wanted.retain(|name| !used.contains(&(schema.clone(), name.clone())));
        let index = first_free(address, c, &schema, &wanted)
            .await?
            .ok_or_else(|| refused(format!("There is no free name for an index of {partition}")))?;
        used.insert((schema.clone(), index.clone()));
        let parent: i64 = row.try_get(1).map_err(failed)?;
        let parent = indexes.get(&parent).cloned().ok_or_else(|| refused(format!("{table} changed just now")))?;
        let partitioned = kind == "p";
        indexes.insert(row.try_get(0).map_err(failed)?, full(&schema, &index, Dialect::Postgres));
        let definition = if partitioned {
            of_parent(spec, &index, &partition)
        } else {
            definition(spec, &index, &partition, Dialect::Postgres)
        };
        all.push(Part { table: partition, schema, index, parent, partitioned, definition });
    }
    Ok(all)
}

/// What is there of one partition's index.
#[derive(Debug, Clone, Copy)]
struct There {
    partition: bool,
    taken: bool,
    own: bool,
    valid: bool,
    attached: bool,
}

async fn there(address: &Address, c: &mut PgConnection, plan: &CreatePlan) -> Result<Vec<There>, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let list = |of: fn(&Part) -> &String| plan.parts.iter().map(|part| of(part).clone()).collect::<Vec<String>>();
    let asked = sqlx::query(THERE)
        .bind(list(|part| &part.table))
        .bind(list(|part| &part.schema))
        .bind(list(|part| &part.index));
    let rows = asked.fetch_all(c).await.map_err(failed)?;
    own::add(address, 1.0, 0);
    let read = |row: &sqlx::postgres::PgRow| {
        let flag = |at: usize| row.try_get::<bool, _>(at);
        Ok(There { partition: flag(0)?, taken: flag(1)?, own: flag(2)?, valid: flag(3)?, attached: flag(4)? })
    };
    rows.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>().map_err(failed)
}

/// What is there of all of it; `parent` is what there is of the parent's own index.
pub(super) async fn state_in(
    address: &Address,
    c: &mut PgConnection,
    plan: &CreatePlan,
    parent: Built,
) -> Result<Built, ApiError> {
    if matches!(parent, Built::Differs | Built::Valid) {
        return Ok(parent);
    }
    let there = there(address, c, plan).await?;
    if parent == Built::Absent && !there.iter().any(|t| t.own && !t.attached) {
        return Ok(Built::Absent);
    }
    let leaves = || plan.parts.iter().zip(&there).filter(|(part, t)| !part.partitioned && t.partition);
    let statements: Vec<String> = plan.parts.iter().flat_map(|part| [part.creates(), part.drops()]).collect();
    let session = sqlx::query_scalar(AT_WORK).bind(NAME).bind(statements).fetch_optional(c).await;
    Ok(Built::Partial {
        done: leaves().filter(|(_, t)| t.own && t.valid && t.attached).count(),
        of: leaves().count(),
        session: session.map_err(|e| why(address, &e))?,
    })
}

/// Runs a statement that takes a moment once it has its lock, which is tried for two seconds at a time: whoever comes after who
/// waits for it waits too.
async fn brief(address: &Address, c: &mut PgConnection, sql: &str) -> Result<(), ApiError> {
    let sql = format!("SET lock_timeout = 2000; {sql}; SET lock_timeout = 0");
    let mut tried = 0;
    loop {
        tried += 1;
        match sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *c).await {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("55P03") && tried < TRIES => {}
            done => return done.map(drop).map_err(|e| why(address, &e)),
        }
    }
}

/// Refuses partitions that came after the plan: what they would get has no name in it.
async fn as_planned(address: &Address, c: &mut PgConnection, plan: &CreatePlan) -> Result<(), ApiError> {
    let rows = sqlx::query(TREE).bind(&plan.table).fetch_all(c).await.map_err(|e| why(address, &e))?;
    own::add(address, 1.0, 0);
    let known: HashSet<&str> = plan.parts.iter().map(|part| part.table.as_str()).collect();
    for row in &rows {
        let table: String = row.try_get(2).map_err(|e| why(address, &e))?;
        if !known.contains(table.as_str()) {
            return Err(
                refused(format!("{table} became a partition of {} after the plan", plan.table)).hint("Plan it again")
            );
        }
    }
    Ok(())
}

/// Builds what is missing; `parent` is whether the parent's own is there.
pub(super) async fn build(
    (address, password): (&Address, Option<&Sensitive>),
    c: &mut PgConnection,
    (plan, parent): (&CreatePlan, bool),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    limits(address, c, None).await?;
    if !parent {
        as_planned(address, c, plan).await?;
        brief(address, c, &plan.definition).await?;
    }
    let there = there(address, c, plan).await?;
    let (all, mut done) = (plan.parts.len(), 0);
    for (part, there) in plan.parts.iter().zip(there) {
        done += 1;
        if !there.partition || there.attached {
            continue;
        }
        if there.taken && !there.own {
            return Err(refused(format!("Something else is called '{}' now", part.quoted())));
        }
        if part.partitioned {
            if !there.taken {
                brief(address, c, &part.creates()).await?;
            }
        } else {
            let told = watch.progress;
            let progress = |share: Option<f64>, step: &str| {
                let share = (done as f64 - 1.0 + share.unwrap_or(0.0)) / all as f64;
                told(Some(share), &format!("partition {done} of {all}: {step}"));
            };
            let mut inner = Watch { stop: Box::pin(&mut watch.stop), progress: &progress };
            leaf((address, password), c, (part, there), &mut inner).await?;
        }
        brief(address, c, &part.attaches()).await?;
    }
    Ok(())
}

async fn leaf(
    (address, password): (&Address, Option<&Sensitive>),
    c: &mut PgConnection,
    (part, there): (&Part, There),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    if there.taken && there.valid {
        return Ok(());
    }
    limits(address, c, Some(&part.table)).await?;
    if there.taken {
        run(address, password, c, &part.drops(), watch).await?;
    }
    let building = Building {
        table: &part.table,
        schema: &part.schema,
        index: &part.index,
        creates: part.creates(),
        drops: part.drops(),
    };
    create((address, password), c, &building, watch).await
}

/// Takes all of it away: the parent's with what is attached, then what is not.
pub(super) async fn unbuild(
    (address, password): (&Address, Option<&Sensitive>),
    c: &mut PgConnection,
    (plan, parent): (&CreatePlan, bool),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    limits(address, c, None).await?;
    if parent {
        brief(address, c, &plan.undo_statement(perfdeck_model::Scheme::Postgres)).await?;
    }
    // Those above go with what is below them.
    for at in 0..plan.parts.len() {
        let Some((part, there)) = plan.parts.get(at).zip(there(address, c, plan).await?.get(at).copied()) else {
            continue;
        };
        if !there.own || there.attached {
            continue;
        }
        if part.partitioned {
            brief(address, c, &part.drops()).await?;
        } else {
            run(address, password, c, &part.drops(), watch).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_says_how_many_are_left_out() {
        let part = Part {
            table: "public.p".into(),
            schema: "public".into(),
            index: "i_p".into(),
            parent: "\"public\".\"i\"".into(),
            partitioned: false,
            definition: "CREATE INDEX \"i_p\" ON public.p USING \"btree\" (\"a\")".into(),
        };
        let plan = CreatePlan {
            definition: "CREATE INDEX \"i\" ON ONLY public.t USING \"btree\" (\"a\")".into(),
            parts: vec![part; SHOWN + 2],
            ..CreatePlan::default()
        };
        let told = statement(&plan);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[1], "CREATE INDEX CONCURRENTLY \"i_p\" ON public.p USING \"btree\" (\"a\");");
        assert_eq!(lines[2], "ALTER INDEX \"public\".\"i\" ATTACH PARTITION \"public\".\"i_p\";");
        assert_eq!((lines.len(), lines.last().copied()), (2 + 2 * SHOWN, Some("-- and 2 partitions likewise")));
    }
}
