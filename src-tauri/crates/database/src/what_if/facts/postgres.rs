//! Facts of PostgreSQL: from the catalogue and `pg_stats`, without a size function, each question within monitoring's limits.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::{Address, ApiError, Sensitive};
use perfdeck_sqltext::{Dialect, names as names_in, quote_identifier, quote_text};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::lengths::lengths;
use super::{ColumnFacts, DatabaseFacts, IndexFacts, KeyFacts, MOST_TABLES, TableFacts, ViewFacts, WriteFacts};
use crate::connect::{Database, close, connect};
use crate::own;
use crate::session::Session;

/// Views within views that are followed.
const DEEPEST_VIEW: usize = 4;
/// Longest value that is read, in characters.
const LONGEST_VALUE: usize = 200;

/// Days over which writes were counted, at least: in less than an hour a load of data is no habit.
const SHORTEST_DAYS: f64 = 1.0 / 24.0;
/// Updates of a table from which on their share that touched no index is one.
const LEAST_UPDATES: f64 = 50.0;

const SERVER: &str = "
    SELECT current_setting('server_version_num')::int4, current_setting('block_size')::float8,
           to_json(current_schemas(false))::text, pg_is_in_recovery(), to_json(ARRAY(
             SELECT name || CASE WHEN installed_version IS NULL THEN '' ELSE '+' END FROM pg_available_extensions
             WHERE name IN ('pg_trgm', 'hypopg')))::text,
           to_json(ARRAY(SELECT format('%I.%I', n.nspname, o.opcname) FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
             WHERE o.opcname = 'gin_trgm_ops' AND NOT pg_opclass_is_visible(o.oid)))::text";

const VIEWS: &str = "
    SELECT n.nspname::text, c.relname::text, pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname IN ($NAMES) LIMIT 200";

/// Tables with their pages, rows and writes. Of a partitioned one pages are those of its leaves, and writes too.
const TABLES: &str = "
    SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8,
           coalesce(l.pages, c.relpages)::float8, coalesce(l.visible, c.relallvisible)::float8, l.rows::float8,
           coalesce(l.ins, s.n_tup_ins)::float8, coalesce(l.upd, s.n_tup_upd)::float8,
           coalesce(l.hot, s.n_tup_hot_upd)::float8, coalesce(l.del, s.n_tup_del)::float8,
           (extract(epoch FROM clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time())) / 86400)::float8,
           NOT has_table_privilege(c.oid, 'SELECT') OR row_security_active(c.oid),
           coalesce(l.toasted, o.relpages > 0 OR pg_stat_get_tuples_inserted(o.oid) > 0, false),
           c.relkind <> 'p' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid),
           (SELECT format('%s.%s', m.nspname, w.relname) FROM pg_inherits i JOIN pg_class w ON w.oid = i.inhparent
            JOIN pg_namespace m ON m.oid = w.relnamespace WHERE c.relispartition AND i.inhrelid = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
    LEFT JOIN pg_stat_database d ON d.datname = current_database()
    LEFT JOIN LATERAL (
        SELECT sum(p.relpages) AS pages, sum(p.relallvisible) AS visible, sum(greatest(p.reltuples, 0)) AS rows,
               bool_or(o.relpages > 0 OR pg_stat_get_tuples_inserted(o.oid) > 0) AS toasted, sum(q.n_tup_ins) AS ins, sum(q.n_tup_upd) AS upd, sum(q.n_tup_hot_upd) AS hot, sum(q.n_tup_del) AS del
        FROM (WITH RECURSIVE below AS (
                SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = c.oid
                UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.inhrelid = i.inhparent)
              SELECT inhrelid FROM below) b
        JOIN pg_class p ON p.oid = b.inhrelid AND p.relkind = 'r' LEFT JOIN pg_class o ON o.oid = p.reltoastrelid LEFT JOIN pg_stat_user_tables q ON q.relid = p.oid
    ) l ON c.relkind = 'p'
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_t%' AND c.relname IN ($NAMES)
    ORDER BY c.relpages DESC, n.nspname, c.relname";

/// Columns with their statistics: of a table itself, of a partitioned one those of all its partitions.
const COLUMNS: &str = "
    WITH s AS MATERIALIZED (
        SELECT schemaname, tablename, attname, inherited, null_frac, avg_width, n_distinct, correlation,
               most_common_vals::text::text[] AS vals, most_common_freqs AS freqs, histogram_bounds::text::text[] AS bounds,
               most_common_elems::text::text[] AS elems, most_common_elem_freqs AS elem_freqs
        FROM pg_stats WHERE tablename IN ($NAMES))
    SELECT a.attrelid::int8, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attlen::int4, a.attalign::text,
           a.attnotnull, t.typcategory::text, t.typname::text,
           CASE WHEN a.attcollation = 0 THEN true
                WHEN l.collprovider = 'd' THEN d.datcollate IN ('C', 'POSIX') ELSE coalesce(l.collcollate, '') IN ('C', 'POSIX') END,
           coalesce(l.collisdeterministic, true), s.null_frac::float8, s.avg_width::float8, s.n_distinct::float8,
           s.correlation::float8,
           to_json(ARRAY(SELECT left(v, $LONGEST) FROM unnest(s.vals) WITH ORDINALITY u(v, o) WHERE o <= 100 ORDER BY o))::text,
           to_json(s.freqs[1:100])::text,
           to_json(ARRAY(SELECT left(v, $LONGEST) FROM unnest(s.bounds) WITH ORDINALITY u(v, o)
                         WHERE o % greatest(1, cardinality(s.bounds) / 100) = 0 OR o = 1 ORDER BY o))::text,
           (SELECT max(octet_length(v))::float8 FROM unnest(s.vals || s.bounds) v),
           to_json(ARRAY(SELECT left(v, $LONGEST) FROM unnest(s.elems, s.elem_freqs) u(v, f)
                         WHERE v IS NOT NULL ORDER BY f DESC NULLS LAST LIMIT 100))::text,
           CASE WHEN l.collprovider <> 'd' THEN l.collname::text END
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
    JOIN pg_database d ON d.datname = current_database()
    LEFT JOIN s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
      AND s.inherited = (c.relkind = 'p')
    WHERE a.attrelid IN ($OIDS) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

/// Keys of indexes, one a row, those that an index has beside its keys among them.
const KEYS: &str = "
    SELECT i.indrelid::int8, c.relname::text, m.amname::text, i.indisunique OR i.indisexclusion OR i.indisreplident,
           i.indisvalid AND i.indisready AND i.indislive, c.relpages::float8, pg_get_indexdef(i.indexrelid),
           pg_get_expr(i.indpred, i.indrelid), k > i.indnkeyatts, a.attname::text,
           CASE WHEN i.indkey[k - 1] = 0 THEN pg_get_indexdef(i.indexrelid, k, true) END,
           CASE WHEN k <= i.indnkeyatts THEN i.indoption[k - 1]::int4 ELSE 0 END,
           CASE WHEN o.oid IS NULL OR o.opcdefault THEN NULL WHEN pg_opclass_is_visible(o.oid) THEN o.opcname::text
                ELSE format('%I.%I', v.nspname, o.opcname) END,
           CASE WHEN k > i.indnkeyatts THEN NULL
                WHEN i.indkey[k - 1] <> 0 AND i.indcollation[k - 1] <> a.attcollation THEN coalesce(l.collname::text, '')
                WHEN i.indkey[k - 1] = 0 AND l.collprovider <> 'd' THEN l.collname::text END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    CROSS JOIN LATERAL generate_series(1, i.indnatts::int4) k
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1]
    LEFT JOIN pg_opclass o ON k <= i.indnkeyatts AND o.oid = i.indclass[k - 1]
    LEFT JOIN pg_namespace v ON v.oid = o.opcnamespace
    LEFT JOIN pg_collation l ON k <= i.indnkeyatts AND l.oid = i.indcollation[k - 1]
    WHERE i.indrelid IN ($OIDS) ORDER BY i.indrelid, c.relname, k LIMIT 20000";

pub(super) async fn ask(c: &mut Session, address: &Address, text: String) -> Result<Vec<PgRow>, sqlx::Error> {
    own::add(address, 1.0, 0);
    sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(c).await
}

pub(super) fn listed(names: &BTreeSet<String>) -> String {
    let all: Vec<String> = names.iter().map(|name| quote_text(name, Dialect::Postgres)).collect();
    if all.is_empty() { "''".to_owned() } else { all.join(",") }
}

fn texts(row: &PgRow, at: usize) -> Result<Vec<String>, sqlx::Error> {
    let text: Option<String> = row.try_get(at)?;
    Ok(text
        .and_then(|t| serde_json::from_str::<Vec<Option<String>>>(&t).ok())
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .collect())
}

pub(super) async fn facts(
    c: &mut Session,
    address: &Address,
    names: &BTreeSet<String>,
) -> Result<DatabaseFacts, sqlx::Error> {
    let mut found = DatabaseFacts::default();
    if let Some(row) = ask(c, address, SERVER.to_owned()).await?.first() {
        found.version = u32::try_from(row.try_get::<i32, _>(0)?).unwrap_or(0);
        found.page = row.try_get(1)?;
        found.search_path = texts(row, 2)?;
        found.standby = row.try_get(3)?;
        for name in texts(row, 4)? {
            match name.strip_suffix('+') {
                Some(name) => found.extensions.insert(name.to_owned()),
                None => found.available.insert(name),
            };
        }
        found.classes = texts(row, 5)?;
    }
    let mut names = names.clone();
    found.functions = super::functions::functions(c, address, &names).await?;
    found.views = views(c, address, &mut names).await?;
    let rows = ask(c, address, TABLES.replace("$NAMES", &listed(&names))).await?;
    let mut oids = Vec::new();
    let mut hidden = Vec::new();
    for row in rows.iter().take(MOST_TABLES) {
        oids.push(row.try_get::<i64, _>(0)?);
        hidden.push(row.try_get::<bool, _>(13)?);
        found.tables.push(table(row)?);
    }
    found.left_out = rows.len() - found.tables.len();
    let places: BTreeMap<i64, usize> = oids.iter().enumerate().map(|(at, oid)| (*oid, at)).collect();
    let list = oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let list = if list.is_empty() { "0".to_owned() } else { list };
    let known: BTreeSet<String> = found.tables.iter().map(|t| t.name.clone()).collect();
    let longest = LONGEST_VALUE.to_string();
    let text = COLUMNS.replace("$LONGEST", &longest).replace("$OIDS", &list).replace("$NAMES", &listed(&known));
    for row in ask(c, address, text).await? {
        if let Some(at) = places.get(&row.try_get::<i64, _>(0)?) {
            found.tables[*at].columns.push(column(&row)?);
        }
    }
    super::functions::longest(c, address, &mut found.tables, &names).await;
    for row in ask(c, address, KEYS.replace("$OIDS", &list)).await? {
        if let Some(at) = places.get(&row.try_get::<i64, _>(0)?) {
            add_key(&mut found.tables[*at], &row, found.page)?;
        }
    }
    let unseen =
        |(at, hidden): (usize, &bool)| *hidden && found.tables[at].columns.iter().all(|column| column.nulls.is_none());
    found.hidden = hidden.iter().enumerate().filter(|(at, hidden)| unseen((*at, hidden))).count();
    if found.hidden > 0 {
        found.grants.push(grant(address, &found, &hidden));
    }
    Ok(found)
}

/// What lets this user see the statistics: from 14 on one role for all tables.
fn grant(address: &Address, found: &DatabaseFacts, hidden: &[bool]) -> String {
    let user = quote_identifier(address.username.as_deref().unwrap_or("perfdeck"), Dialect::Postgres);
    if found.version >= 140_000 {
        return format!("GRANT pg_read_all_data TO {user};");
    }
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let tables = found.tables.iter().zip(hidden).filter(|(_, hidden)| **hidden);
    let tables: Vec<String> = tables.map(|(t, _)| format!("{}.{}", quoted(&t.schema), quoted(&t.name))).collect();
    format!("GRANT SELECT ON {} TO {user};", tables.join(", "))
}

/// Views of these names, and of those that they are made of; their names are added.
async fn views(
    c: &mut Session,
    address: &Address,
    names: &mut BTreeSet<String>,
) -> Result<Vec<ViewFacts>, sqlx::Error> {
    let mut all: Vec<ViewFacts> = Vec::new();
    let mut new = names.clone();
    for _ in 0..DEEPEST_VIEW {
        let mut next = BTreeSet::new();
        for row in ask(c, address, VIEWS.replace("$NAMES", &listed(&new))).await? {
            let definition: Option<String> = row.try_get(2)?;
            let Some(definition) = definition else { continue };
            let within = names_in(&definition, Dialect::Postgres).unwrap_or_default();
            next.extend(within.into_iter().map(|n| n.name).filter(|n| !names.contains(n)));
            let definition = definition.trim().trim_end_matches(';').to_owned();
            all.push(ViewFacts { schema: row.try_get(0)?, name: row.try_get(1)?, definition });
        }
        if next.is_empty() {
            break;
        }
        names.extend(next.iter().cloned());
        new = next;
    }
    Ok(all)
}

fn table(row: &PgRow) -> Result<TableFacts, sqlx::Error> {
    let n = |at: usize| row.try_get::<Option<f64>, _>(at);
    let kind: String = row.try_get(3)?;
    let partitioned = kind == "p";
    let rows = n(4)?.filter(|rows| *rows >= 0.0);
    let pages = n(5)?.unwrap_or(0.0);
    let writes = match (n(8)?, n(9)?, n(11)?, n(12)?) {
        (Some(inserts), Some(updates), Some(deletes), Some(days)) if days > SHORTEST_DAYS => {
            Some(WriteFacts { inserts, updates, hot: n(10)?, deletes, days })
        }
        _ => None,
    };
    Ok(TableFacts {
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        partitioned,
        materialized: kind == "m",
        toasted: row.try_get(14)?,
        parent: row.try_get(15)?,
        partition_of: row.try_get(16)?,
        rows: if partitioned { rows.or(n(7)?) } else { rows },
        pages,
        all_visible: if pages > 0.0 { n(6)?.unwrap_or(0.0) / pages } else { 0.0 },
        writes,
        hot: n(9)?
            .filter(|updates| *updates >= LEAST_UPDATES)
            .zip(n(10)?)
            .map(|(updates, hot)| (hot / updates).min(1.0)),
        ..TableFacts::default()
    })
}

/// What a type can do in an index, by its category and name.
fn class(category: &str, name: &str) -> &'static str {
    match (category, name) {
        (_, "jsonb") => "json",
        (_, "json" | "xml" | "aclitem" | "cid" | "xid" | "geometry" | "txid_snapshot" | "pg_snapshot" | "tsquery") => {
            "unordered"
        }
        ("A", _) | (_, "tsvector") => "array",
        ("S", _) => "text",
        ("B", _) => "boolean",
        ("G" | "C" | "P", _) => "unordered",
        _ => "ordered",
    }
}

fn column(row: &PgRow) -> Result<ColumnFacts, sqlx::Error> {
    let length: i32 = row.try_get(3)?;
    let (category, type_name): (String, String) = (row.try_get(6)?, row.try_get(7)?);
    let align = match row.try_get::<String, _>(4)?.as_str() {
        "c" => 1,
        "s" => 2,
        "d" => 8,
        _ => 4,
    };
    let freqs: Option<String> = row.try_get(15)?;
    let freqs: Vec<f64> = freqs.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let common: Vec<(String, f64)> = texts(row, 14)?.into_iter().zip(freqs).collect();
    let (bounds, nulls, mean) = (texts(row, 16)?, row.try_get::<Option<f64>, _>(10)?, row.try_get(11)?);
    let values = lengths(&type_name, &common, &bounds, nulls.unwrap_or(0.0));
    // The server cuts the mean to whole bytes; values tell where between them it lies.
    let varying = |least: f64| values.map_or(least + 0.5, |v| v.mean.clamp(least, least + 0.99));
    Ok(ColumnFacts {
        name: row.try_get(1)?,
        type_name: row.try_get(2)?,
        class: class(&category, &type_name),
        by_bytes: row.try_get::<Option<bool>, _>(8)?.unwrap_or(false),
        deterministic: row.try_get(9)?,
        not_null: row.try_get(5)?,
        fixed: (length > 0).then(|| f64::from(length)),
        align,
        width: if length > 0 { mean } else { mean.map(varying) },
        longest: row.try_get(17)?,
        nulls,
        distinct: row.try_get(12)?,
        common,
        bounds,
        correlation: row.try_get(13)?,
        remainders: values.map(|v| v.remainders),
        elements: texts(row, 18)?,
        collation: row.try_get(19)?,
        ..ColumnFacts::default()
    })
}

fn add_key(table: &mut TableFacts, row: &PgRow, page: f64) -> Result<(), sqlx::Error> {
    let name: String = row.try_get(1)?;
    if table.indexes.last().is_none_or(|i| i.name != name) {
        table.indexes.push(IndexFacts {
            name,
            method: row.try_get(2)?,
            unique: row.try_get(3)?,
            valid: row.try_get(4)?,
            bytes: Some(row.try_get::<f64, _>(5)? * page),
            definition: row.try_get(6)?,
            predicate: row.try_get(7)?,
            ..IndexFacts::default()
        });
    }
    let Some(index) = table.indexes.last_mut() else { return Ok(()) };
    let column: Option<String> = row.try_get(9)?;
    if row.try_get(8)? {
        index.include.extend(column);
        return Ok(());
    }
    let option: i32 = row.try_get(11)?;
    let collation: Option<String> = row.try_get(13)?;
    let expression: Option<String> = row.try_get(10)?;
    index.keys.push(KeyFacts {
        column: column.filter(|_| expression.is_none()),
        prefix: None,
        expression,
        descending: option & 1 != 0,
        nulls_first: option & 2 != 0,
        class: row.try_get(12)?,
        collation,
    });
    Ok(())
}

/// A column that is compared and one that is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSort {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column that is compared.
    pub column: String,
    /// The column that is sorted by.
    pub sort: String,
    /// Whether from the greatest on.
    pub descending: bool,
    /// Rows of the table, where they are known.
    pub rows: Option<f64>,
}

/// Rows that are looked at for values at the end of an order.
const LOOKED_AT: f64 = 30_000.0;

/// For each a value that some rows have, no more than a tenth, all of them at the end of the order that is read last, as far as a sample
/// of the rows shows one.
///
/// # Errors
/// When the database cannot be asked; a table that cannot be read has no value.
pub async fn far_values(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &[TableSort],
) -> Result<Vec<Option<String>>, ApiError> {
    let mut database = connect(address, password, super::CONNECT).await?;
    let mut all = vec![None; wanted.len()];
    if let Database::Postgres(c) = &mut database {
        for (one, found) in wanted.iter().zip(&mut all) {
            *found = far_value(c, address, one).await.ok().flatten();
        }
    }
    close(database).await;
    Ok(all)
}

async fn far_value(c: &mut Session, address: &Address, one: &TableSort) -> Result<Option<String>, sqlx::Error> {
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let share = (LOOKED_AT / one.rows.unwrap_or(LOOKED_AT).max(1.0)).min(1.0) * 100.0;
    let part = if share < 100.0 { format!("TABLESAMPLE SYSTEM ({share})") } else { String::new() };
    let (column, sort) = (quoted(&one.column), quoted(&one.sort));
    // The value whose nearest row is the farthest from where the order begins.
    let order = if one.descending { "max(s) ASC" } else { "min(s) DESC" };
    let text = format!(
        "SELECT v::text FROM (SELECT {column} AS v, {sort} AS s, count(*) OVER () AS n
           FROM {}.{} {part} WHERE {column} IS NOT NULL AND {sort} IS NOT NULL LIMIT {}) x
         GROUP BY v HAVING count(*) > 1 AND count(*) <= max(n) / 10.0 ORDER BY {order} LIMIT 1",
        quoted(&one.schema),
        quoted(&one.table),
        LOOKED_AT * 2.0
    );
    let rows = ask(c, address, text).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}
