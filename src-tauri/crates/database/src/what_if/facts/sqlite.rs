//! Facts of a SQLite file. It keeps no statistics of columns: how many values there are is counted in the first rows.
use std::collections::{BTreeSet, HashMap};

use perfdeck_sqltext::{Dialect, names as names_in, quote_identifier};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::{ColumnFacts, DatabaseFacts, IndexFacts, KeyFacts, MOST_TABLES, TableFacts, ViewFacts};

/// Rows that are looked at for the values of columns.
const LOOKED_AT: u32 = 50_000;
/// Most common values that are kept of a column.
const COMMON: u32 = 20;

pub(super) async fn facts(c: &mut SqliteConnection, names: &BTreeSet<String>) -> Result<DatabaseFacts, sqlx::Error> {
    let page: i64 = sqlx::query_scalar("SELECT page_size FROM pragma_page_size()").fetch_one(&mut *c).await?;
    let mut found =
        DatabaseFacts { page: page as f64, search_path: vec!["main".to_owned()], ..DatabaseFacts::default() };
    let rows = sqlx::query("SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        .fetch_all(&mut *c)
        .await?;
    let mut wanted: BTreeSet<String> = names.iter().map(|n| n.to_lowercase()).collect();
    for row in rows.iter().filter(|row| row.try_get::<String, _>(0).is_ok_and(|kind| kind == "view")) {
        let (name, sql): (String, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
        let Some(sql) = sql.filter(|_| wanted.contains(&name.to_lowercase())) else { continue };
        let within = names_in(&sql, Dialect::Sqlite).unwrap_or_default();
        wanted.extend(within.into_iter().map(|n| n.name.to_lowercase()));
        // `CREATE VIEW name AS SELECT …`
        let definition = perfdeck_sqltext::tokens(&sql, Dialect::Sqlite)
            .into_iter()
            .find(|t| sql[t.start..t.end].eq_ignore_ascii_case("as"))
            .map(|t| sql[t.end..].trim().trim_end_matches(';').to_owned());
        found.views.extend(definition.map(|definition| ViewFacts { schema: "main".to_owned(), name, definition }));
    }
    let tables: Vec<String> = rows
        .iter()
        .filter(|row| row.try_get::<String, _>(0).is_ok_and(|kind| kind == "table"))
        .filter_map(|row| row.try_get::<String, _>(1).ok())
        .filter(|name| wanted.contains(&name.to_lowercase()))
        .collect();
    found.left_out = tables.len().saturating_sub(MOST_TABLES);
    for name in tables.into_iter().take(MOST_TABLES) {
        found.tables.push(table(c, name, page as f64).await?);
    }
    Ok(found)
}

fn quoted(name: &str) -> String {
    quote_identifier(name, Dialect::Sqlite)
}

/// What a declared type makes of values, by SQLite's own rule (section 3.1 of its page on types).
fn class(type_name: &str) -> (&'static str, f64) {
    let type_name = type_name.to_ascii_uppercase();
    let has = |part: &str| type_name.contains(part);
    match () {
        () if has("INT") => ("ordered", 4.0),
        () if has("CHAR") || has("CLOB") || has("TEXT") => ("text", 20.0),
        () if has("REAL") || has("FLOA") || has("DOUB") => ("ordered", 8.0),
        () => ("ordered", 8.0),
    }
}

async fn table(c: &mut SqliteConnection, name: String, page: f64) -> Result<TableFacts, sqlx::Error> {
    let rows: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {}", quoted(&name)))).fetch_one(&mut *c).await?;
    let rows = rows as f64;
    let columns = sqlx::query("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)")
        .bind(&name)
        .fetch_all(&mut *c)
        .await?;
    let made: Option<String> =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)")
            .bind(&name)
            .fetch_optional(&mut *c)
            .await?;
    let collations = made.as_deref().map(collations).unwrap_or_default();
    let mut table = TableFacts { schema: "main".to_owned(), name, rows: Some(rows), ..TableFacts::default() };
    for row in &columns {
        let type_name: String = row.try_get(1)?;
        let (class, _) = class(&type_name);
        let own: String = row.try_get(0)?;
        let collation = collations.get(&own.to_lowercase()).map(String::as_str);
        let column = ColumnFacts {
            name: own,
            class,
            type_name,
            // BINARY is the collation of a column that names none.
            by_bytes: collation.is_none_or(|c| c == "BINARY"),
            no_case: collation.is_some_and(|c| c == "NOCASE"),
            deterministic: true,
            not_null: row.try_get::<i64, _>(2)? != 0,
            align: 1,
            ..ColumnFacts::default()
        };
        table.columns.push(column);
    }
    statistics(c, &mut table).await?;
    let width: f64 = table.columns.iter().filter_map(|c| c.width).sum();
    // A row has its number, the length of its record, a type for each column, and a place in its page.
    let beside = 8.0 + table.columns.len() as f64;
    table.pages = (rows * (width + beside) / page).ceil().max(1.0);
    table.indexes = indexes(c, &table.name, &collations).await?;
    // The table's own order is that of the key which is a row's number.
    let alias: Vec<&SqliteRow> = columns.iter().filter(|r| r.try_get::<i64, _>(3).is_ok_and(|pk| pk > 0)).collect();
    if let [only] = alias.as_slice()
        && only.try_get::<String, _>(1)?.eq_ignore_ascii_case("integer")
    {
        table.indexes.push(IndexFacts {
            name: "INTEGER PRIMARY KEY".to_owned(),
            method: "btree".to_owned(),
            keys: vec![KeyFacts { column: Some(only.try_get(0)?), ..KeyFacts::default() }],
            unique: true,
            valid: true,
            ..IndexFacts::default()
        });
    }
    Ok(table)
}

/// Bytes that a value `v` takes in a record, without its type (fileformat2.html, 2.1). A number without a fraction is kept as an integer.
pub(in crate::what_if) const STORED: &str = "CASE typeof(v) WHEN 'null' THEN 0 WHEN 'text' THEN length(CAST(v AS BLOB)) WHEN 'blob' THEN length(v) \
    ELSE CASE WHEN v <> round(v) THEN 8 WHEN v IN (0, 1) THEN 0 WHEN abs(v) < 128 THEN 1 WHEN abs(v) < 32768 THEN 2 \
    WHEN abs(v) < 8388608 THEN 3 WHEN abs(v) < 2147483648 THEN 4 WHEN abs(v) < 140737488355328 THEN 6 ELSE 8 END END";

/// Values of the columns, among the first rows.
async fn statistics(c: &mut SqliteConnection, table: &mut TableFacts) -> Result<(), sqlx::Error> {
    let name = quoted(&table.name);
    let rows = table.rows.unwrap_or(0.0);
    let looked = rows.min(f64::from(LOOKED_AT));
    if looked < 1.0 {
        return Ok(());
    }
    for column in &mut table.columns {
        let own = quoted(&column.name);
        let sample = format!("(SELECT {own} AS v FROM {name} LIMIT {LOOKED_AT})");
        let text = format!("SELECT count(v), count(DISTINCT v), avg({STORED}), min(v) = max(v) FROM {sample}");
        let row = sqlx::query(AssertSqlSafe(text)).fetch_one(&mut *c).await?;
        let (values, different): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (values, different) = (values as f64, different as f64);
        column.nulls = Some(1.0 - values / looked);
        column.width = Some(row.try_get::<Option<f64>, _>(2)?.unwrap_or(0.0));
        // More than a tenth of the rows that were looked at: there are more where there are more rows.
        let grows = different > looked / 10.0;
        column.distinct = Some(if grows { -(different / looked) } else { different.max(1.0) });
        let text = format!(
            "SELECT CAST(v AS TEXT), count(*) FROM {sample} WHERE v IS NOT NULL GROUP BY v HAVING count(*) > 1
             ORDER BY 2 DESC LIMIT {COMMON}"
        );
        if !grows {
            for row in sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *c).await? {
                column.common.push((row.try_get(0)?, row.try_get::<i64, _>(1)? as f64 / looked));
            }
        }
        let text = format!(
            "SELECT CAST(v AS TEXT) FROM (SELECT v, row_number() OVER (ORDER BY v) AS n FROM {sample} WHERE v IS NOT NULL)
             WHERE n % {} = 0 LIMIT 101",
            ((looked / 50.0).floor() as i64).max(1)
        );
        for row in sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *c).await? {
            column.bounds.push(row.try_get(0)?);
        }
    }
    Ok(())
}

async fn indexes(
    c: &mut SqliteConnection,
    table: &str,
    collations: &HashMap<String, String>,
) -> Result<Vec<IndexFacts>, sqlx::Error> {
    let sql = "SELECT il.name, il.\"unique\", il.partial, s.sql, x.name, x.desc, x.coll, x.cid
               FROM pragma_index_list(?) il LEFT JOIN sqlite_schema s ON s.name = il.name AND s.type = 'index',
                    pragma_index_xinfo(il.name) x WHERE x.key ORDER BY il.name, x.seqno";
    let mut all: Vec<IndexFacts> = Vec::new();
    let mut parts: HashMap<String, (Vec<String>, Option<String>)> = HashMap::new();
    for row in sqlx::query(sql).bind(table).fetch_all(&mut *c).await? {
        let name: String = row.try_get(0)?;
        let statement: Option<String> = row.try_get(3)?;
        if all.last().is_none_or(|i| i.name != name) {
            let written = statement.as_deref().map(written).unwrap_or_default();
            all.push(IndexFacts {
                name: name.clone(),
                method: "btree".to_owned(),
                predicate: if row.try_get::<i64, _>(2)? != 0 {
                    Some(written.1.clone().unwrap_or_default())
                } else {
                    None
                },
                unique: row.try_get::<i64, _>(1)? != 0,
                valid: true,
                definition: statement.clone().unwrap_or_default(),
                ..IndexFacts::default()
            });
            parts.insert(name.clone(), written);
        }
        let Some(index) = all.last_mut() else { continue };
        let column: Option<String> = row.try_get(4)?;
        let expression = match &column {
            Some(_) => None,
            None => parts.get(&name).and_then(|(keys, _)| keys.get(index.keys.len()).cloned()).or(Some(String::new())),
        };
        let descending = row.try_get::<i64, _>(5)? != 0;
        let collation: Option<String> = row.try_get(6)?;
        let own =
            column.as_ref().and_then(|name| collations.get(&name.to_lowercase())).map_or("BINARY", String::as_str);
        let collation = collation.map(|name| name.to_uppercase()).filter(|name| name != own);
        index.keys.push(KeyFacts { column, expression, descending, collation, ..KeyFacts::default() });
    }
    Ok(all)
}

/// Collations that columns of a `CREATE TABLE` name, by column, both in one case.
fn collations(sql: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for part in written(sql).0 {
        let all: Vec<_> = perfdeck_sqltext::tokens(&part, Dialect::Sqlite)
            .into_iter()
            .filter(|t| !matches!(t.kind, perfdeck_sqltext::Kind::Space | perfdeck_sqltext::Kind::Comment))
            .collect();
        let told = |at: usize| {
            let token = all.get(at)?;
            perfdeck_sqltext::decoded(&part[token.start..token.end], token.kind, Dialect::Sqlite).ok()
        };
        let at = (1..all.len()).find(|at| part[all[*at].start..all[*at].end].eq_ignore_ascii_case("collate"));
        if let Some((column, collation)) = told(0).zip(at.and_then(|at| told(at + 1))) {
            found.insert(column.to_lowercase(), collation.to_uppercase());
        }
    }
    found
}

/// Keys and condition of a `CREATE INDEX`, as they are written.
fn written(sql: &str) -> (Vec<String>, Option<String>) {
    let all = perfdeck_sqltext::tokens(sql, Dialect::Sqlite);
    let text = |at: usize| all.get(at).map_or("", |t| &sql[t.start..t.end]);
    let Some(open) = (0..all.len()).find(|at| text(*at) == "(") else { return Default::default() };
    let (mut keys, mut depth, mut from, mut at) = (Vec::new(), 1, open + 1, open + 1);
    let slice = |from: usize, to: usize| match (all.get(from), all.get(to)) {
        (Some(a), Some(b)) => sql[a.start..b.start].trim().to_owned(),
        _ => String::new(),
    };
    while at < all.len() && depth > 0 {
        match text(at) {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && text(at) == "," {
            keys.push(slice(from, at));
            from = at + 1;
        }
        at += 1;
    }
    let condition = (at..all.len()).find(|at| text(*at).eq_ignore_ascii_case("where"));
    (keys, condition.map(|at| sql[all[at].end..].trim().trim_end_matches(';').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collations_are_those_that_columns_name() {
        let sql = "CREATE TABLE t (id integer primary key, name text collate nocase, \"a (b\" TEXT NOT NULL COLLATE \"RTRIM\",
                   plain text DEFAULT 'collate nocase', n numeric(5, 2), CHECK (plain <> name COLLATE binary))";
        let found = collations(sql);
        let of = |name: &str| found.get(name).map(String::as_str);
        assert_eq!((of("name"), of("a (b"), of("plain")), (Some("NOCASE"), Some("RTRIM"), None), "{found:?}");
    }
}
