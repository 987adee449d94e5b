//! What a statement calls in PostgreSQL, before it is run to measure it.
//!
//! A transaction that only reads and is rolled back stops what writes to tables. It does not stop a function that resets
//! statistics, begins a backup, copies a slot, keeps an advisory lock or a setting, or asks another server. Nothing but the
//! server's own word tells these from others: a function that is not declared to be without effect is volatile. So every
//! name that is called is looked up there, with all that is called by views, policies, domains, operators, casts, aggregates
//! and the bodies of functions, and one volatile function that is not known to be harmless refuses the whole.
use std::collections::BTreeSet;

use perfdeck_model::{Address, ApiError};
use perfdeck_sqltext::{Dialect, NameUse, names, quote_text};
use sqlx::Row as _;

use crate::error::explain;
use crate::own;
use crate::session::Session;

/// Bodies within bodies that are followed.
const DEEPEST: usize = 12;
/// Names that are looked up at once, at most.
const MOST_NAMES: usize = 5_000;

/// Volatile functions of the server and its extensions that leave nothing behind.
const HARMLESS: &[&str] = &[
    "bernoulli",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "lastval",
    "pg_blocking_pids",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_jit_available",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_prepared_xact",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_stat_get_xact_blocks_fetched",
    "pg_stat_get_xact_blocks_hit",
    "pg_stat_get_xact_function_calls",
    "pg_stat_get_xact_numscans",
    "pg_stat_get_xact_tuples_fetched",
    "pg_stat_get_xact_tuples_returned",
    "pg_stat_statements",
    "pg_stat_statements_info",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_commit_timestamp",
    "pg_xact_status",
    "random",
    "random_normal",
    "system",
    "system_rows",
    "system_time",
    "timeofday",
    "txid_status",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

/// Functions that run a text, or all that a schema has, as statements, although they are not volatile.
const RUNS_OTHERS: &[&str] = &[
    "connectby",
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "xpath_table",
];

/// What one look at the catalogue is about.
struct Look<'a> {
    names: Vec<NameUse>,
    text: &'a str,
    /// A body may be run with another search path than ours.
    anywhere: bool,
}

fn list(of: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = of.collect();
    if all.is_empty() { "NULL".to_owned() } else { all.join(", ") }
}

impl Look<'_> {
    /// Everything that is reached, as the server has it stored: expressions are trees there, with the numbers of functions,
    /// operators, tables and types.
    fn question(&self) -> String {
        let quoted = |text: &str| quote_text(text, Dialect::Postgres);
        let called = self.names.iter().filter(|n| n.called).map(|n| {
            let of = n.of.as_deref().map_or_else(|| "NULL".to_owned(), quoted);
            format!("({of}::text, {}::text)", quoted(&n.name))
        });
        let called: Vec<String> = called.chain(["(NULL, NULL)".to_owned()]).collect();
        let all: BTreeSet<&str> = self.names.iter().map(|n| n.name.as_str()).collect();
        let attributes: BTreeSet<&str> =
            self.names.iter().filter(|n| !n.called && n.of.is_some()).map(|n| n.name.as_str()).collect();
        let all = list(all.into_iter().map(quoted));
        let attributes = list(attributes.into_iter().map(quoted));
        let symbols: String = self.text.chars().filter(|c| "+-*/<>=~!@#%^&|`?".contains(*c) || *c == ' ').collect();
        let symbols: Vec<&str> = symbols.split_whitespace().collect::<BTreeSet<_>>().into_iter().collect();
        let (symbols, anywhere) = (quoted(&symbols.join(" ")), self.anywhere);
        format!(
            "WITH RECURSIVE called (of, name) AS (VALUES {called}), reached (kind, id) AS (
               SELECT 'f'::text, p.oid FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 JOIN called c ON c.name = p.proname
                   AND (c.of = n.nspname OR c.of IS NULL AND ({anywhere} OR pg_catalog.pg_function_is_visible(p.oid)))
               UNION SELECT 'f', p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
                 WHERE p.proname IN ({attributes}) AND p.pronargs = 1 AND t.typtype IN ('c', 'p') AND p.oid >= 16384
               UNION SELECT 'r', c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relname IN ({all}) AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
                   AND ({anywhere} OR n.nspname IN ({all}) OR pg_catalog.pg_table_is_visible(c.oid))
               UNION SELECT 't', t.oid FROM pg_catalog.pg_type t WHERE t.typname IN ({all}) AND t.oid >= 16384
               UNION SELECT 'o', o.oid FROM pg_catalog.pg_operator o
                 WHERE o.oid >= 16384 AND strpos({symbols}, o.oprname) > 0
               UNION SELECT 'f', c.castfunc FROM pg_catalog.pg_cast c
                 WHERE c.oid >= 16384 AND c.castsource < 16384 AND c.casttarget < 16384
               UNION SELECT x.kind, x.id FROM reached r CROSS JOIN LATERAL (
                 SELECT CASE m[1] WHEN 'relid' THEN 'r' WHEN 'opno' THEN 'o' WHEN 'resulttype' THEN 't' ELSE 'f' END,
                        m[2]::oid
                 FROM (SELECT w.ev_action::text FROM pg_catalog.pg_rewrite w
                         WHERE r.kind = 'r' AND w.ev_class = r.id AND w.ev_type = '1'
                       UNION ALL SELECT p.polqual::text FROM pg_catalog.pg_policy p
                         WHERE r.kind = 'r' AND p.polrelid = r.id
                       UNION ALL SELECT d.adbin::text FROM pg_catalog.pg_attrdef d
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                         WHERE r.kind = 'r' AND d.adrelid = r.id AND to_jsonb(a) ->> 'attgenerated' = 'v'
                       UNION ALL SELECT k.conbin::text FROM pg_catalog.pg_constraint k
                         WHERE r.kind = 't' AND k.contypid = r.id
                       UNION ALL SELECT to_jsonb(p) ->> 'prosqlbody' FROM pg_catalog.pg_proc p
                         WHERE r.kind = 'f' AND p.oid = r.id AND p.oid >= 16384) tree (text)
                   CROSS JOIN LATERAL regexp_matches(tree.text,
                     ':(funcid|opfuncid|aggfnoid|winfnoid|relid|opno|resulttype) ([0-9]+)', 'g') m
                 UNION ALL SELECT 'r', i.inhrelid FROM pg_catalog.pg_inherits i WHERE r.kind = 'r' AND i.inhparent = r.id
                 UNION ALL SELECT 't', a.atttypid FROM pg_catalog.pg_attribute a
                   WHERE r.kind = 'r' AND a.attrelid = r.id AND a.atttypid >= 16384
                 UNION ALL SELECT 'f', o.oprcode::oid FROM pg_catalog.pg_operator o WHERE r.kind = 'o' AND o.oid = r.id
                 UNION ALL SELECT 'f', c.castfunc FROM pg_catalog.pg_cast c
                   WHERE r.kind = 't' AND c.oid >= 16384 AND r.id IN (c.castsource, c.casttarget)
                 UNION ALL SELECT 't', y.id FROM pg_catalog.pg_type t
                   CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) y (id)
                   WHERE r.kind = 't' AND t.oid = r.id AND t.oid >= 16384 AND y.id >= 16384
                 UNION ALL SELECT 'r', t.typrelid FROM pg_catalog.pg_type t
                   WHERE r.kind = 't' AND t.oid = r.id AND t.typtype = 'c'
                 UNION ALL SELECT 't', p.prorettype FROM pg_catalog.pg_proc p
                   WHERE r.kind = 'f' AND p.oid = r.id AND p.prorettype >= 16384
                 UNION ALL SELECT 'f', y.id FROM pg_catalog.pg_aggregate a
                   CROSS JOIN LATERAL (VALUES (a.aggtransfn::oid), (a.aggfinalfn::oid), (a.aggcombinefn::oid),
                     (a.aggserialfn::oid), (a.aggdeserialfn::oid), (a.aggmtransfn::oid), (a.aggminvtransfn::oid),
                     (a.aggmfinalfn::oid)) y (id)
                   WHERE r.kind = 'f' AND a.aggfnoid = r.id
               ) x (kind, id))
             SELECT p.oid::int8, p.proname::text, p.provolatile::text, l.lanname::text,
                    p.oid < 16384 OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'),
                    CASE WHEN p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql') THEN p.prosrc END
             FROM reached r JOIN pg_catalog.pg_proc p ON r.kind = 'f' AND p.oid = r.id
               JOIN pg_catalog.pg_language l ON l.oid = p.prolang
             UNION ALL SELECT c.oid::int8, c.relname::text, 'foreign', '', false, NULL
             FROM reached r JOIN pg_catalog.pg_class c ON r.kind = 'r' AND c.oid = r.id AND c.relkind = 'f'",
            called = called.join(", "),
        )
    }
}

/// The statement is not run.
fn refused(why: &str) -> ApiError {
    ApiError::bad_request(format!("The statement is not run to measure it: {why}"))
        .hint("Look at its plan without running it, which calls nothing of it")
}

/// Names of a text, or that they cannot be read.
fn names_of(text: &str, whose: &str) -> Result<Vec<NameUse>, ApiError> {
    let found = names(text, Dialect::Postgres)
        .map_err(|_| refused(&format!("a name in {whose} is written as U&\"…\", which only the server decodes")))?;
    if found.len() > MOST_NAMES {
        return Err(refused(&format!("{whose} has more than {MOST_NAMES} names")));
    }
    Ok(found)
}

/// One function that is reached, or a foreign table.
struct Reached {
    name: String,
    volatility: String,
    language: String,
    /// It came with the server or an extension.
    shipped: bool,
    body: Option<String>,
}

impl Reached {
    /// Why the statement is not run because of it.
    fn objection(&self) -> Option<String> {
        let name = perfdeck_model::masking::shown(&self.name);
        if self.volatility == "foreign" {
            return Some(format!("{name} is a foreign table, and what reading it does is done elsewhere"));
        }
        if self.shipped && HARMLESS.contains(&self.name.as_str()) {
            return None;
        }
        if self.volatility == "v" {
            let how = if self.shipped {
                "which has effects that no rollback undoes, or is not known to have none"
            } else {
                "which is volatile: it may do what no rollback undoes. One that only reads can be declared STABLE"
            };
            return Some(format!("it calls {name}(), {how}"));
        }
        if self.shipped && RUNS_OTHERS.contains(&self.name.as_str()) {
            return Some(format!("it calls {name}(), which runs other statements"));
        }
        let dynamic = |body: &String| {
            let all = names(body, Dialect::Postgres);
            all.is_ok_and(|all| all.iter().any(|n| n.name == "execute"))
        };
        if self.language == "plpgsql" && self.body.as_ref().is_some_and(dynamic) {
            return Some(format!("it calls {name}(), which makes up statements while it runs (EXECUTE)"));
        }
        None
    }
}

/// Refuses a statement that calls what may have an effect beyond its own transaction.
///
/// # Errors
/// Says which function or table it is, or that the server does not tell.
pub(crate) async fn harmless(c: &mut Session, address: &Address, text: &str) -> Result<(), ApiError> {
    let mut look = Look { names: names_of(text, "it")?, text, anywhere: false };
    let mut known = BTreeSet::new();
    let mut bodies: String;
    for _ in 0..DEEPEST {
        own::add(address, 1.0, 0);
        let question = sqlx::AssertSqlSafe(format!("SET LOCAL jit = off; {}", look.question()));
        let rows = sqlx::raw_sql(question).fetch_all(&mut *c).await.map_err(|e| explain(address, &e))?;
        let mut next = Vec::new();
        let mut texts = Vec::new();
        for row in &rows {
            let failed = |e: sqlx::Error| explain(address, &e);
            if !known.insert(row.try_get::<i64, _>(0).map_err(failed)?) {
                continue;
            }
            let reached = Reached {
                name: row.try_get(1).map_err(failed)?,
                volatility: row.try_get(2).map_err(failed)?,
                language: row.try_get(3).map_err(failed)?,
                shipped: row.try_get(4).map_err(failed)?,
                body: row.try_get(5).map_err(failed)?,
            };
            if let Some(why) = reached.objection() {
                return Err(refused(&why));
            }
            if let Some(body) = reached.body {
                next.extend(names_of(&body, &format!("{}()", perfdeck_model::masking::shown(&reached.name)))?);
                texts.push(body);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        next.sort();
        next.dedup();
        bodies = texts.join("\n");
        look = Look { names: next, text: &bodies, anywhere: true };
    }
    Err(refused("its functions call others that call others, too deep to follow"))
}
