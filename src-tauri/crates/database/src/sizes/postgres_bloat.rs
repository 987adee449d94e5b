//! What the estimate of bloat rests on: columns, their statistics, pages and rows of the catalogue. Nothing here waits for a
//! lock of anybody.
use std::collections::{HashMap, HashSet};

use perfdeck_model::{Address, BloatUnknown};
use perfdeck_pages::{Btree, Column, Heap, btree, heap};
use perfdeck_sqltext::{Dialect, quote_text};
use sqlx::Row as _;

use super::pages::Pages;
use super::partial::{Known, of_part};
use super::postgres::{Found, ask, list};
use super::{Budget, ESTIMATING};
use crate::session::Session;

/// B-trees of some tables: identifier, pages and rows, fillfactor, whether equal keys share an entry, whether each
/// key comes once, the table's columns that it has (0 for an expression), whether it has a part of the rows only, and which
/// column is not null where its predicate says that and nothing else. The predicate is read as the catalogue has it, since
/// `pg_get_expr` may wait for a lock.
///
/// Equal keys share an entry from 13 on where every operator class says that what is equal looks alike (support function 4),
/// every collation is deterministic, nothing is included beside the keys, and nobody switched it off.
const BTREES: &str = "
    WITH alike AS MATERIALIZED (
        SELECT array_agg(o.oid) AS classes,
               (SELECT coalesce(array_agg(l.oid), '{}') FROM pg_collation l WHERE NOT l.collisdeterministic) AS unlike
        FROM pg_opclass o JOIN pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype
            AND p.amprocrighttype = o.opcintype AND p.amprocnum = 4)
    SELECT c.oid::int8, i.indrelid::int8, c.relname::text, c.relpages::float8, c.reltuples::float8,
           CASE WHEN c.reloptions IS NULL THEN 0.9
                ELSE coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
                               WHERE option_name = 'fillfactor'), 90) / 100 END::float8,
           i.indisunique, $ALIKE, i.indkey::text, i.indpred IS NOT NULL,
           (regexp_match(i.indpred::text, '^[{]NULLTEST :arg [{]VAR :varno 1 :varattno ([0-9]+) [^{}]*[}] '
                                          ':nulltesttype 1 :argisrow false'))[1]::int4
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam, alike
    WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indrelid IN ($OIDS)";

const ALIKE: &str = "
    i.indnatts = i.indnkeyatts
    AND string_to_array(i.indclass::text, ' ')::oid[] <@ alike.classes
    AND NOT string_to_array(i.indcollation::text, ' ')::oid[] && alike.unlike
    AND (c.reloptions IS NULL
         OR NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
                        WHERE option_name = 'deduplicate_items' AND NOT option_value::bool))";

/// Columns of tables, and of indexes over expressions.
const COLUMNS: &str = "
    SELECT attrelid::int8, attnum::int4, attname::text, attlen::int4, attalign::text
    FROM pg_attribute WHERE attrelid IN ($OIDS) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum";

/// Statistics of the columns of some relations, as far as this user may read the columns. Of texts and numbers in a B-tree only lengths
/// leave the server, by their remainder, and their mean: which room a value takes hangs on that.
///
/// The view is read once, before anything is joined to it: the planner takes its names for few rows and would read it again for each
/// schema. Each value is looked at once.
const STATISTICS: &str = "
    WITH s AS MATERIALIZED (
        SELECT schemaname, tablename, attname, null_frac, avg_width, n_distinct, most_common_freqs, most_common_vals,
               histogram_bounds
        FROM pg_stats WHERE NOT inherited AND tablename IN ($NAMES))
    SELECT c.oid::int8, s.attname::text, s.null_frac::float8, s.avg_width::float8, s.n_distinct::float8,
           coalesce((SELECT sum(f) FROM unnest(s.most_common_freqs) f), 0)::float8,
           coalesce(cardinality(s.most_common_freqs), 0)::float8,
           CASE WHEN a.atttypid IN (25, 1042, 1043, 1700) AND s.avg_width < 127
                     AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey))
                THEN (SELECT concat_ws(',', $REMAINDERS, avg(n))
                      FROM (SELECT CASE WHEN a.atttypid = 1700 THEN pg_column_size(v::numeric) - 3
                                        ELSE octet_length(v) + 1 END AS n
                            FROM unnest(coalesce(s.histogram_bounds::text, s.most_common_vals::text)::text[]) v) lengths)
           END
    FROM s JOIN pg_class c ON c.relname = s.tablename AND c.relnamespace = to_regnamespace(quote_ident(s.schemaname))
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
    WHERE c.oid IN ($OIDS)";

/// Tables whose statistics are hidden: by a missing right on a column, or by rules for their rows.
const HIDDEN: &str = "
    SELECT c.oid::int8, c.relname::text,
           row_security_active(c.oid) OR NOT has_table_privilege(c.oid, 'SELECT')
               AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                           AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')),
           coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'fillfactor'), 100) / 100,
           current_setting('block_size')::float8, current_setting('default_statistics_target')::float8 * 300
    FROM pg_class c WHERE c.oid IN ($OIDS)";

/// An attribute of a relation, and its statistics where they are known.
struct Attribute {
    number: i32,
    column: Column,
    known: bool,
}

/// Columns by their relation.
type Attributes = HashMap<i64, Vec<Attribute>>;

/// The schema in a name that `format('%I.%I')` wrote.
pub(super) fn schema(name: &str) -> Option<&str> {
    if let Some(quoted) = name.strip_prefix('"') {
        let mut skip = false;
        let end = quoted.char_indices().find(|(at, c)| {
            let doubled = std::mem::take(&mut skip);
            let next = quoted.get(at + 1..).is_some_and(|rest| rest.starts_with('"'));
            skip = *c == '"' && next && !doubled;
            *c == '"' && !next && !doubled
        });
        return end.and_then(|(at, _)| name.get(..at + 2));
    }
    name.split_once('.').map(|(schema, _)| schema)
}

/// Estimates the bloat of tables and B-trees, of the pages that this connection takes; answers how many tables hide their
/// statistics.
pub(super) async fn estimate(
    c: &mut Session,
    address: &Address,
    pages: &Pages<'_, Found>,
    budget: Budget,
) -> Result<usize, sqlx::Error> {
    let mut hidden = 0;
    while let Some(part) = pages.take() {
        let outcome = if budget.is_over(ESTIMATING) { Ok(None) } else { page(c, address, part).await.map(Some) };
        match outcome {
            Ok(Some(n)) => hidden += n,
            // The server was too busy to tell.
            Err(sqlx::Error::Database(e)) if e.code().as_deref() != Some("57014") => {
                return Err(sqlx::Error::Database(e));
            }
            Err(sqlx::Error::Database(_)) | Ok(None) => unknown(part, BloatUnknown::Time),
            Err(error) => return Err(error),
        }
    }
    Ok(hidden)
}

fn unknown(part: &mut [Found], why: BloatUnknown) {
    for found in part {
        found.table.bloat_unknown = Some(why);
        for index in &mut found.table.indexes {
            index.bloat_unknown = Some(why);
        }
    }
}

/// What is known of a table beside its columns.
struct Relation {
    hidden: bool,
    fillfactor: f64,
    block: f64,
    /// Rows that an analyze looks at.
    sample: f64,
}

async fn page(c: &mut Session, address: &Address, part: &mut [Found]) -> Result<usize, sqlx::Error> {
    let oids = list(part.iter().map(|f| f.oid));
    let (mut relations, mut names) = (HashMap::new(), Vec::new());
    for row in ask(c, address, HIDDEN.replace("$OIDS", &oids)).await? {
        let relation = Relation {
            hidden: row.try_get(2)?,
            fillfactor: row.try_get(3)?,
            block: row.try_get(4)?,
            sample: row.try_get(5)?,
        };
        relations.insert(row.try_get::<i64, _>(0)?, relation);
        names.push(row.try_get::<String, _>(1)?);
    }
    let alike = if c.server_version_num().is_some_and(|v| v >= 130_000) { ALIKE } else { "false" };
    let trees = ask(c, address, BTREES.replace("$ALIKE", alike).replace("$OIDS", &oids)).await?;
    let (mut keys, mut over) = (HashMap::new(), Vec::new());
    for row in &trees {
        let columns = row.try_get::<String, _>(8)?;
        let columns: Vec<i32> = columns.split(' ').filter_map(|n| n.parse().ok()).collect();
        if columns.contains(&0) {
            over.push(row.try_get::<i64, _>(0)?);
            names.push(row.try_get(2)?);
        }
        keys.insert(row.try_get::<i64, _>(0)?, columns);
    }
    let attributes = attributes(c, address, part.iter().map(|f| f.oid).chain(over), &names).await?;

    let analyzed: HashSet<i64> = part.iter().filter(|f| is_analyzed(f, &attributes)).map(|f| f.oid).collect();
    let all_rows: HashMap<i64, f64> = part.iter().map(|f| (f.oid, f.reltuples)).collect();
    let mut built: HashMap<i64, Result<f64, BloatUnknown>> = HashMap::new();
    for row in &trees {
        let (oid, table): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let Some(relation) = relations.get(&table) else { continue };
        let columns = columns_of(&keys[&oid], &attributes, table, oid);
        let mut tree = Btree {
            pages: row.try_get(3)?,
            rows: row.try_get(4)?,
            fillfactor: row.try_get(5)?,
            unique: row.try_get(6)?,
            deduplicates: row.try_get(7)?,
            columns: columns.unwrap_or_default(),
            page: relation.block,
            sample: relation.sample,
        };
        let outcome = if tree.rows == 0.0 && (tree.pages > 1.0 || analyzed.contains(&table)) {
            // Nothing is in it, whatever its columns are.
            Ok(())
        } else if tree.rows < 0.0 || tree.pages <= 0.0 || tree.columns.is_empty() {
            Err(why(relation, analyzed.contains(&table)))
        } else if row.try_get(9)? {
            let of_all = all_rows.get(&table).copied().unwrap_or(0.0).max(1.0);
            take_part(&mut tree, &keys[&oid], row.try_get(10)?, of_all)
        } else {
            Ok(())
        };
        built.insert(oid, outcome.map(|()| btree(&tree)));
    }
    for found in part.iter_mut() {
        let Some(relation) = relations.get(&found.oid) else { continue };
        for (oid, index) in found.indexes.iter().zip(&mut found.table.indexes) {
            match built.get(oid) {
                Some(Ok(bloat)) => index.bloat = Some(*bloat),
                Some(Err(why)) => index.bloat_unknown = Some(*why),
                None => index.bloat_unknown = Some(BloatUnknown::Kind),
            }
        }
        match of_table(found, relation, &attributes) {
            Some(bloat) => found.table.bloat = Some(bloat),
            None => found.table.bloat_unknown = Some(why(relation, analyzed.contains(&found.oid))),
        }
    }
    Ok(relations.values().filter(|r| r.hidden).count())
}

/// Whether a table was analyzed: the server counts it, until its counters are lost, and keeps statistics of columns.
fn is_analyzed(found: &Found, attributes: &Attributes) -> bool {
    found.table.analyzed_ms.is_some() || attributes.get(&found.oid).is_some_and(|all| all.iter().any(|a| a.known))
}

fn why(relation: &Relation, analyzed: bool) -> BloatUnknown {
    match (relation.hidden, analyzed) {
        (true, _) => BloatUnknown::Hidden,
        (false, true) => BloatUnknown::NoStatistics,
        (false, false) => BloatUnknown::NotAnalyzed,
    }
}

/// The bloat of a table's rows. One without rows, or without columns, needs no statistics of them.
fn of_table(found: &Found, relation: &Relation, attributes: &Attributes) -> Option<f64> {
    let tidied = found.table.analyzed_ms.is_some() || found.table.vacuumed_ms.is_some();
    if found.reltuples < 0.0 || (found.relpages <= 0.0 && !tidied) {
        return None;
    }
    let all = attributes.get(&found.oid).map(Vec::as_slice).unwrap_or_default();
    if found.reltuples > 0.0 && !all.iter().all(|a| a.known) {
        return None;
    }
    let columns = all.iter().map(|a| a.column.clone()).collect();
    let (fillfactor, page) = (relation.fillfactor, relation.block);
    Some(heap(&Heap { pages: found.relpages, rows: found.reltuples, fillfactor, columns, page }))
}

/// Leaves of the columns of a partial index what is known of its own rows, of a table of `of_all` rows.
fn take_part(tree: &mut Btree, keys: &[i32], not_null: Option<i32>, of_all: f64) -> Result<(), BloatUnknown> {
    let known: Vec<Known> = keys
        .iter()
        .map(|key| match key {
            0 => Known::OfIndex,
            key if Some(*key) == not_null => Known::NotNull,
            _ => Known::OfTable,
        })
        .collect();
    let shares_entries = tree.deduplicates && !tree.unique;
    tree.columns = of_part(std::mem::take(&mut tree.columns), &known, shares_entries).ok_or(BloatUnknown::Partial)?;
    tree.sample *= (tree.rows / of_all).min(1.0);
    Ok(())
}

/// The columns of an index, in its order; `None` where one has no statistics. Those over expressions have their own.
fn columns_of(keys: &[i32], attributes: &Attributes, table: i64, index: i64) -> Option<Vec<Column>> {
    let column = |of: i64, number: i32| {
        let found = attributes.get(&of)?.iter().find(|a| a.number == number && a.known)?;
        Some(found.column.clone())
    };
    let place = |at: usize| i32::try_from(at + 1).unwrap_or(0);
    keys.iter()
        .enumerate()
        .map(|(at, key)| if *key == 0 { column(index, place(at)) } else { column(table, *key) })
        .collect()
}

/// Columns of relations with their statistics. `names` are those of the relations.
async fn attributes(
    c: &mut Session,
    address: &Address,
    relations: impl Iterator<Item = i64>,
    names: &[String],
) -> Result<Attributes, sqlx::Error> {
    let oids = list(relations);
    let mut known: HashMap<(i64, String), Column> = HashMap::new();
    let names = names.iter().map(|name| quote_text(name, Dialect::Postgres)).collect::<Vec<_>>().join(",");
    let names = if names.is_empty() { "''".to_owned() } else { names };
    // Names come last: nothing of them is looked into for places of its own.
    let remainders = (0..8).map(|r| format!("count(*) FILTER (WHERE n % 8 = {r})")).collect::<Vec<_>>().join(",");
    let text = STATISTICS.replace("$REMAINDERS", &remainders).replace("$OIDS", &oids).replace("$NAMES", &names);
    for row in ask(c, address, text).await? {
        let lengths: Option<String> = row.try_get(7)?;
        let lengths: Vec<f64> = lengths.iter().flat_map(|all| all.split(',')).filter_map(|n| n.parse().ok()).collect();
        let (remainders, mean) = match lengths.split_at_checked(8) {
            Some((counts, [mean])) => (<[f64; 8]>::try_from(counts).ok(), Some(*mean)),
            _ => (None, None),
        };
        let column = Column {
            nulls: row.try_get(2)?,
            // The server cuts the mean to whole bytes.
            width: mean.map_or_else(|| row.try_get::<f64, _>(3).map(|width| width + 0.5), Ok)?,
            distinct: row.try_get(4)?,
            common: (row.try_get(5)?, row.try_get(6)?),
            remainders: remainders.filter(|l| l.iter().sum::<f64>() > 0.0),
            ..Column::default()
        };
        known.insert((row.try_get(0)?, row.try_get(1)?), column);
    }
    let mut found = Attributes::new();
    for row in ask(c, address, COLUMNS.replace("$OIDS", &oids)).await? {
        let (of, length): (i64, i32) = (row.try_get(0)?, row.try_get(3)?);
        let statistics = known.remove(&(of, row.try_get(2)?));
        let align = match row.try_get::<String, _>(4)?.as_str() {
            "c" => 1,
            "s" => 2,
            "d" => 8,
            _ => 4,
        };
        let fixed = (length > 0).then(|| f64::from(length));
        found.entry(of).or_default().push(Attribute {
            number: row.try_get(1)?,
            known: statistics.is_some(),
            column: Column { fixed, align, ..statistics.unwrap_or_default() },
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn the_schema_of_a_quoted_name_is_found() {
        for (name, want) in [
            ("public.orders", Some("public")),
            ("\"Odd.one\".\"b c\"", Some("\"Odd.one\"")),
            ("\"a\"\".b\".c", Some("\"a\"\".b\"")),
            ("\"a\"\"\".c", Some("\"a\"\"\"")),
            ("alone", None),
        ] {
            assert_eq!(schema(name), want, "{name}");
        }
    }
}
